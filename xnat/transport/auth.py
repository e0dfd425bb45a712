"""Where a server really is, logging in, logging in again, logging out.

Requests while logging in, in their order: ``GET /`` (:func:`probe`), ``PUT /data/services/auth`` (:func:`login`),
``GET /data/auth`` (:func:`whoami`). The last needs nothing but the cookie, so it can run beside other requests; the
first two run side by side where nobody can overhear them (:func:`enter`).

Credentials go to the server they were meant for and to no other, not to where it redirects. They are sent once; from
then on the session's cookie is enough.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, quote_plus, urlsplit

from xnat import uris
from xnat._compat import to_bytes, to_text
from xnat.exceptions import (
    XNATAuthError,
    XNATError,
    XNATExpiredCredentialsError,
    XNATLoginFailedError,
    XNATRedirectError,
    XNATValueError,
)
from xnat.transport import errors, pages, wire
from xnat.transport.credentials import Credentials, settle_credentials, settle_server

if TYPE_CHECKING:
    import requests

    from xnat.transport.client import HTTPClient

__all__ = [
    "Credentials",
    "Login",
    "Probe",
    "enter",
    "login",
    "logout",
    "probe",
    "relogin",
    "settle_credentials",
    "settle_server",
    "whoami",
]

# Where XNAT's own pages and services lie; what stands before them is the root.
_PAGE = re.compile(
    r"/(?:app|data|REST|xapi|setup|login|auth|archive|index\.[a-z]+|[^/]+\.(?:vm|html?|jsp|php))(?:/.*)?\Z"
)
_ID = re.compile(r"[\w.!~:+-]{1,128}\Z", re.ASCII)
_USER = r"User '(.+?)' is logged in"
_EXPIRED = r"(?i)password has expired"
_REFUSED = r"(?i)Login attempt failed"
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
# The login service's own word, where the server's for any request without a login is "requires user authentication".
_FAILED = r"(?i)Authentication failed"
# XNAT's front page, for servers without /data/auth
_FRONT_PAGE = r"(?i)Logged in as:\s*(?:&nbsp;\s*)?<(a|span)\b[^<>]*>([^<]{1,300})</"
# Answers that settle something about a login. Others are a server in trouble: retried, then raised as what they are.
_ANSWERS = frozenset({200, 201, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 501})
_NO_SUCH_SERVICE = frozenset({400, 404, 405, 501})
GUEST = "guest"


class Probe(NamedTuple):
    """What the server's front page told.

    :ivar server: the root URL to use
    :ivar asks_for_login: whether the front page is, or leads to, the login page
    """

    server: str
    asks_for_login: bool = False


class Login(NamedTuple):
    """The outcome of a login.

    :ivar user: the name the server knows us by; ``guest`` for nobody in particular
    :ivar jsession: the ID of the server's session; whoever has it is logged in
    """

    user: str
    jsession: str | None = None

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


def enter(
    client: HTTPClient,
    credentials: Credentials,
    auth_provider: str | None = None,
    jsession: str | None = None,
    *,
    detect_redirect: bool = True,
) -> Login:
    """Finds out where the server really is, and logs in there: :func:`probe` and :func:`login`, in one round trip.

    Where a login can't be overheard, over TLS and within this machine, there is no need to wait for the front page
    before sending it to the server that was named. If that turns out to have moved, the login is made once more there.
    Elsewhere the front page comes first: it may lead to https.
    """
    guest = credentials.is_guest and not jsession
    if not detect_redirect or not (guest or _is_private(client.server)):
        probed = probe(client, detect_redirect, anonymous=guest)
        return login(client, credentials, auth_provider, jsession, verify=False, probed=probed)
    asked_for = client.server
    early = _Aside(lambda: login(client, credentials, auth_provider, jsession, verify=False))

    def leave() -> None:
        early.wait()
        logout(client)

    try:
        probed = probe(client, anonymous=guest, leaving=leave)
    except XNATRedirectError:
        leave()
        raise
    if probed.server != asked_for:
        return login(client, credentials, auth_provider, jsession, verify=False, probed=probed)
    done = early.result()
    if guest and probed.asks_for_login:
        _check_guest(client)
    return done


class _Aside:
    """A login in a thread of its own, which ends when the client is closed."""

    def __init__(self, work: Callable[[], Login]) -> None:
        self._work = work
        self._done: Login | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="xnat-login", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._done = self._work()
        except BaseException as error:
            self._error = error

    def wait(self) -> None:
        """Until it has succeeded or failed."""
        self._thread.join()

    def result(self) -> Login:
        """What came of it; raises what it raised."""
        self.wait()
        if self._done is None:
            assert self._error is not None
            raise self._error
        return self._done


def _is_private(server: str) -> bool:
    """Whether what is sent there can't be read on the way."""
    parts = urlsplit(server)
    return parts.scheme == "https" or _LOOPBACK.fullmatch(parts.hostname or "") is not None


def probe(
    client: HTTPClient,
    detect_redirect: bool = True,
    *,
    anonymous: bool = False,
    leaving: Callable[[], object] = lambda: None,
) -> Probe:
    """Where the server really is: asks for its front page, without credentials, and uses where that leads from then on.

    XNAT sends visitors from ``/`` to a page below ``/app``; that isn't another root. A context path or https on the
    same host is.

    :param detect_redirect: False: ask nothing
    :param anonymous: no credentials will be sent, so the server may send us to another one
    :param leaving: called before another root URL is used
    :raises XNATRedirectError: if the server sends us elsewhere, or from https to http
    :raises XNATConnectionError: if nothing answers
    """
    if not detect_redirect:
        return Probe(client.server)
    asked_for = client.server
    for _ in range(5):
        response = client.request(
            "GET",
            "/",
            accepted=range(100, 600),
            allow_redirects=False,
            allow_html=True,
            may_recover=False,
            with_session=False,
            attempts=2,
        )
        target = uris.redirect_target(response.url, response.headers.get("Location", ""))
        if response.status_code not in (301, 302, 303, 307, 308) or not target:
            return Probe(client.server, pages.is_login_page(response.content))
        root = root_of(target)
        if root == client.server:
            return Probe(root, pages.is_login_url(target))
        _check_move(asked_for, root, anonymous=anonymous)
        leaving()
        client.logger.warning("Detected a redirect from %s to %s, using %s from now on", client.server, root, root)
        client.rebase(root)
        if pages.is_login_url(target):
            return Probe(root, True)
    raise errors.redirect_error(errors.Asked("GET", asked_for), client.server, "the server redirects in circles")


def root_of(url: str) -> str:
    """The root of the XNAT server a page belongs to: scheme, host and context path."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise XNATValueError(f"The server redirects to {uris.redact(url)}, which is no address: {error}") from None
    path = re.sub(r";[^/]*", "", parts.path)
    return uris.root(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_PAGE.sub('', path)}")


def _check_move(old: str, new: str, *, anonymous: bool) -> None:
    """Refuses a new root the credentials weren't meant for."""
    before, after = urlsplit(old), urlsplit(new)
    upgrade = (before.scheme, after.scheme) == ("http", "https")
    asked = errors.Asked("GET", old)
    if (before.scheme, after.scheme) == ("https", "http"):
        raise errors.redirect_error(asked, new, "it would leave TLS, and the login would be sent in the clear")
    if anonymous or uris.same_origin(old, new) or (upgrade and before.hostname == after.hostname):
        return
    raise errors.redirect_error(
        asked,
        new,
        f"credentials meant for one server don't go to another. If it is to be trusted, connect to {new} directly",
    )


def login(
    client: HTTPClient,
    credentials: Credentials,
    auth_provider: str | None = None,
    jsession: str | None = None,
    *,
    verify: bool = True,
    probed: Probe | None = None,
) -> Login:
    """Logs in; from then on the client carries the session's cookie, and renews the session when it is lost.

    :param auth_provider: which of the server's user directories knows the user
    :param jsession: a session to go on with, instead of a new one
    :param verify: ask the server who we are; without it, call :func:`whoami` when convenient
    :param probed: what :func:`probe` found; lets a guest hear at once that the server admits none
    :raises XNATLoginFailedError: if the server refuses, or takes us for a guest
    :raises XNATExpiredCredentialsError: if the password has run out
    """
    if jsession:
        user = _continue(client, jsession)
    elif credentials.is_guest:
        user = _as_guest(client, probed)
    else:
        user = _authenticate(client, credentials, auth_provider) or str(credentials.user)
        user = whoami(client, credentials) if verify else user
    if not credentials.is_guest:
        client.recover = relogin(client, credentials, auth_provider)
    client.recovery.renewed()
    shown = pages.one_line(user)
    client.logger.info("Logged in as guest successfully" if user == GUEST else f"Logged in successfully as {shown}")
    return Login(user, client.jsession)


def relogin(client: HTTPClient, credentials: Credentials, auth_provider: str | None = None) -> Callable[[], None]:
    """A function that logs in again, for :attr:`HTTPClient.recover`."""

    def recover() -> None:
        _authenticate(client, credentials, auth_provider)

    return recover


def whoami(client: HTTPClient, credentials: Credentials | None = None) -> str:
    """The name the server knows us by.

    :param credentials: what was used to log in: being a guest is then an error, and their user the answer for servers
        that can't tell
    :raises XNATLoginFailedError: if nobody is logged in although there were credentials
    :raises XNATAuthError: if the server can't tell
    """
    expected = credentials.user if credentials else None
    name = _named(_ask(client, "GET", "/data/auth"))
    if name is None:
        page = _ask(client, "GET", "/")
        match = re.search(_FRONT_PAGE, to_text(page.content[: pages.PAGE])) if page.status_code == 200 else None
        name = match.group(2).strip() if match else expected
    if name is None:
        raise XNATAuthError(f"{client.server} doesn't tell who is logged in")
    if credentials and name.lower() in ("", GUEST) and expected != GUEST:
        raise _refused(client, credentials, "the server takes us for a guest")
    return name or GUEST


def logout(client: HTTPClient) -> None:
    """Ends the server's session. Never raises: what goes wrong here is of no more use to anybody."""
    client.recover = None
    try:
        if client.closed or client.jsession is None:
            return
        client.request(
            "DELETE",
            "/data/JSESSION",
            headers={"Connection": "close"},
            timeout=(5, 10),
            accepted=range(100, 600),
            allow_redirects=False,
            allow_html=True,
            may_recover=False,
            attempts=1,
        )
        client.jsession = None
    except Exception as error:
        client.logger.debug("Logging out failed: %s", error)


def _authenticate(client: HTTPClient, credentials: Credentials, provider: str | None) -> str | None:
    """Trades credentials for a session's cookie; the user's name if the answer told it.

    :raises XNATLoginFailedError: if they are refused
    """
    try:
        return _trade(client, credentials, provider)
    except XNATError as error:
        _without_secret(error, credentials.password)
        raise


def _without_secret(error: XNATError, secret: str | None) -> None:
    """Takes a password out of an error: a server may quote what it was sent ("Bad request syntax: ...")."""
    forms = [form for form in (secret, quote(secret or ""), quote_plus(secret or "")) if form]

    def clean(text: Any) -> Any:
        if isinstance(text, str):
            for form in forms:
                text = text.replace(form, "***")
        return text

    error.args = tuple(map(clean, error.args))
    for name, value in list(vars(error).items()):
        # The answer itself holds the request it answers.
        setattr(error, name, None if name == "response" else clean(value))


def _trade(client: HTTPClient, credentials: Credentials, provider: str | None) -> str | None:
    """Trades credentials for a session's cookie; the user's name if the answer told it.

    :raises XNATLoginFailedError: if they are refused
    """
    if not credentials.is_alias:
        form = {"username": credentials.user, "password": credentials.password}
        form |= {"provider": provider} if provider else {}
        response = _ask(client, "PUT", "/data/services/auth", data=form, with_session=False)
        if not _is_missing(response, provider):
            _adopt(client, credentials, response)
            return None
    return _with_basic(client, credentials, provider)


def _with_basic(client: HTTPClient, credentials: Credentials, provider: str | None) -> str | None:
    """Logs in by an Authorization header, sent here only: for alias tokens, and servers without the login service."""
    name = f"{provider}/{credentials.user}" if provider else credentials.user
    token = base64.b64encode(to_bytes(f"{name}:{credentials.password}")).decode("ascii")
    headers = {"Authorization": f"Basic {token}"}
    # One request that both logs in and tells the name; not every server has it, and on some it sets no cookie.
    response = _ask(client, "GET", "/data/auth", headers=headers, with_session=False)
    told = _named(response)
    if response.status_code in (401, 403) or (told and wire.SESSION_COOKIE in response.cookies):
        _adopt(client, credentials, response)
        return told
    _adopt(client, credentials, _ask(client, "GET", "/data/JSESSION", headers=headers, with_session=False))
    return told


def _adopt(client: HTTPClient, credentials: Credentials, response: requests.Response) -> None:
    """Takes the session from a login's answer, or raises what it says instead."""
    body = response.content
    text = to_text(body[: pages.PAGE])
    said = pages.reason(body, response.encoding)
    if re.search(_EXPIRED, text):
        raise XNATExpiredCredentialsError(
            f"Your password has expired (user {credentials.user!r} at {client.server}): {said}"
        )
    if response.is_redirect:
        target = uris.redirect_target(response.url, response.headers.get("Location", ""))
        if not pages.is_login_url(target):
            asked = errors.Asked(str(response.request.method), response.url)
            raise errors.redirect_error(
                asked, target, "credentials don't follow redirects; connect to that address directly"
            )
    if response.status_code not in (200, 201) or re.search(_REFUSED, text):
        raise _refused(client, credentials, said or f"status {response.status_code}")
    found = _session_id(response)
    if found is None:
        raise XNATAuthError(f"{client.server} accepted the login of {credentials.user!r} but opened no session")
    client.jsession = found


def _as_guest(client: HTTPClient, probed: Probe | None) -> str:
    """A session without login.

    The server opens one also if it admits no guests; only if its front page was the login page is it worth a request
    to find out.
    """
    response = _ask(client, "GET", "/data/JSESSION", with_session=False)
    if response.status_code in (401, 403):
        raise _no_guests(client)
    if response.status_code == 200:
        client.jsession = _session_id(response)
    if probed is not None and probed.asks_for_login:
        _check_guest(client)
    return GUEST


def _check_guest(client: HTTPClient) -> None:
    listing = _ask(client, "GET", "/data/projects", query={"format": "json", "columns": "ID"})
    if listing.status_code in (301, 302, 303, 401, 403) or pages.is_login_page(listing.content):
        raise _no_guests(client)


def _no_guests(client: HTTPClient) -> XNATLoginFailedError:
    client.jsession = None
    return XNATLoginFailedError(f"{client.server} admits no guests: give a user and password, or a netrc entry")


def _continue(client: HTTPClient, jsession: str) -> str:
    """Goes on with a session that exists; its user's name."""
    client.jsession = jsession
    response = _ask(client, "GET", "/data/auth")
    name = _named(response)
    given = [cookie.value for cookie in response.cookies if cookie.name == wire.SESSION_COOKIE]
    if name is None:
        # no such service: what counts is that the server still has this session
        response = _ask(client, "GET", "/data/JSESSION")
        given, name = [_session_id(response)], GUEST
    if not name or any(value != jsession for value in given):
        client.jsession = None
        raise XNATLoginFailedError(f"The session given by jsession= has ended on {client.server}, or never was")
    return name


def _ask(client: HTTPClient, method: str, path: str, **options: object) -> requests.Response:
    """One request of a login, without the help a login gives to others: no recovery, no redirect."""
    return client.request(
        method,
        path,
        accepted=_ANSWERS,
        allow_redirects=False,
        allow_html=True,
        may_recover=False,
        **options,  # type: ignore[arg-type]
    )


def _named(response: requests.Response) -> str | None:
    """The name in an answer of /data/auth: empty for nobody, None if the answer isn't about that."""
    if response.status_code in (401, 403) or response.is_redirect:
        return ""
    match = re.search(_USER, to_text(response.content[: pages.PEEK]))
    return match.group(1) if match and response.status_code == 200 else None


def _is_missing(response: requests.Response, provider: str | None) -> bool:
    """True if the server has no login service: a 1.6, or a page that knows nothing of one."""
    if response.status_code == 400 and provider:
        # an unknown provider
        return False
    page = response.content[: pages.PAGE]
    if any(re.search(words, to_text(page)) for words in (_EXPIRED, _REFUSED, _FAILED)):
        return False
    if response.status_code == 401:
        # What a closed site answers at any address to nobody in particular. The service itself is open to everybody and
        # has words of its own for a wrong password, which shall not be counted twice by a second attempt.
        return "basic" in response.headers.get("WWW-Authenticate", "").lower()
    if response.is_redirect:
        return pages.is_login_url(uris.redirect_target(response.url, response.headers.get("Location", "")))
    return response.status_code in _NO_SUCH_SERVICE or (response.status_code == 200 and pages.is_html(page))


def _session_id(response: requests.Response) -> str | None:
    """The session's ID: the answer's text, else its cookie."""
    text = to_text(response.content[: pages.PEEK]).strip()
    if response.status_code in (200, 201) and _ID.match(text):
        return text
    values = [cookie.value for cookie in response.cookies if cookie.name == wire.SESSION_COOKIE]
    return values[-1] if values else None


def _refused(client: HTTPClient, credentials: Credentials, said: str) -> XNATLoginFailedError:
    origin = f"user {credentials.user!r} at {client.server}, password from {credentials.source}"
    return XNATLoginFailedError(f"Encountered a problem logging in: {said} ({origin})")
