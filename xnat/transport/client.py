"""One HTTP client for everything that is sent: URL, body, timeout, retry, lost session, redirect, status → error."""

from __future__ import annotations

import copy
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from xnat import uris
from xnat.exceptions import XNATError, XNATNotConnectedError
from xnat.protocols import Query, Timeout
from xnat.transport import errors, pages, stream, wire
from xnat.transport.body import Body
from xnat.transport.call import DEFAULT_TIMEOUT, Call, announced_length, header_name, header_value, pair, settle_headers
from xnat.transport.recovery import Recovery
from xnat.transport.retry import IDEMPOTENT, Failure, RetryPolicy

if TYPE_CHECKING:
    import requests

__all__ = ["DEFAULT_TIMEOUT", "HTTPClient"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
# Of one request: how often it logs in, and is sent to a session that turns out to be over.
_MOST_LOGINS = 2
_MOST_SESSIONS = 8
_PIECE = 262144
# Bytes of an answer that is kept in memory; a few MB can unpack to any number.
_MOST_BYTES = 1 << 30


class HTTPClient:
    """Sends requests to one XNAT server; safe to use from many threads.

    Answers are plain ``requests`` responses. Every failure is one of :mod:`xnat.exceptions`. A request whose session
    ran out is repeated once after :attr:`recover` has logged in again; failures are retried as ``retry`` says.

    :param server: root URL of the server, with context path
    :param verify: False to check no certificates, or the path of a CA bundle; True uses the environment's
        (``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, ``SSL_CERT_FILE``, ``SSL_CERT_DIR``) or the one shipped with
        requests
    :param timeout: default of all requests: seconds of silence, or (seconds to connect, seconds of silence)
    :param cert: client certificate, as in requests
    :ivar server: root URL in use, without trailing slash
    :ivar original_server: root URL as it was given, before a redirect was noticed
    :ivar recover: logs in again; set after a login
    :ivar max_answer: bytes, unpacked, of an answer that isn't streamed; larger ones are an error
    :ivar last_traffic: ``time.monotonic()`` of the last answer, None before the first
    """

    def __init__(
        self,
        server: str,
        *,
        verify: bool | str = True,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        user_agent: str | None = None,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        cert: str | tuple[str, str] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        # Whole, and before there is a second thread: if one imports the package while another imports a module of it,
        # each waits for what the other holds, and Python ends one of them with an error.
        import requests  # noqa: F401

        self.server = self.original_server = uris.root(server)
        self.trust = wire.settle_trust(verify, environ)
        self.timeout: Timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        self.retry = retry or RetryPolicy()
        self.user_agent = header_value(user_agent) if user_agent else None
        self.logger = logger or logging.getLogger("xnat")
        self.recover: Callable[[], None] | None = None
        self.last_traffic: float | None = None
        self.recovery = Recovery()
        self.max_answer = _MOST_BYTES
        self._cert = cert
        self._interface: requests.Session | None = None
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        # False once a server turned out to give a new session cookie with every answer
        self._cookie_tells = True

    def __repr__(self) -> str:
        return f"<HTTPClient {self.server}{' (closed)' if self.closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "An HTTPClient holds a login and sockets; it can't be pickled. Connect again in the other process."
        )

    @property
    def interface(self) -> requests.Session:
        """The requests session underneath, made when first needed. It carries the login's cookie."""
        if self.closed:
            raise XNATNotConnectedError(
                "Not connected to server. Either the connection was not established or was closed!"
            )
        if self._process != os.getpid():
            self.after_fork()
        if self._interface is None:
            with self._lock:
                if self._interface is None:
                    self._interface = self._make_session()
        return self._interface

    @property
    def closed(self) -> bool:
        """True after :meth:`close`."""
        return self._closing.is_set()

    def close(self) -> None:
        """Closes all connections; a request that waits for its next attempt ends. Asks the server nothing."""
        self._closing.set()
        self.recover = None
        with self._lock:
            session, self._interface = self._interface, None
        if session is not None:
            session.close()

    def cookie(self, name: str) -> str | None:
        """The value of a cookie of this server."""
        values = [cookie.value for cookie in self.interface.cookies if cookie.name == name]
        return values[-1] if values else None

    @property
    def jsession(self) -> str | None:
        """The ID of the server's session, as the cookie has it. Setting it moves all later requests to that session."""
        return self.cookie(wire.SESSION_COOKIE)

    @jsession.setter
    def jsession(self, value: str | None) -> None:
        wire.set_session_id(self.interface, self.server, value)

    def url(self, path: str, query: Query | None = None) -> str:
        """The full URL of a path: quoted where it isn't yet, ``query`` added to the path's own.

        :raises XNATValueError: if ``path`` neither begins with ``/`` nor is a URL of this server
        """
        path = uris.requote(uris.local(path, self.server, self.original_server))
        return self.server + uris.with_query(path, query)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout = None,
        accepted: Collection[int] | None = None,
        stream: bool = False,
        allow_redirects: bool = True,
        idempotent: bool | None = None,
        allow_html: bool = False,
        may_recover: bool = True,
        with_session: bool = True,
        attempts: int | None = None,
    ) -> requests.Response:
        """The server's answer to one request.

        :param path: REST path or URL below the server's root; may be unquoted and have a query
        :param data: text (sent as UTF-8), bytes, a form as mapping, an open file, any stream or iterable. A stream is
            sent from where it stands, wound back for each attempt, and left open.
        :param timeout: seconds of silence, or (seconds to connect, seconds of silence)
        :param accepted: the statuses that are no error; any 2xx by default
        :param stream: leave the body unread; its reader gets :class:`XNATConnectionError` if it breaks off. Asks for
            the body uncompressed.
        :param allow_redirects: follow redirects of GET and HEAD, and 307 and 308 of any verb, within this server.
            Others are answers or errors, by ``accepted``.
        :param idempotent: whether sending twice is harmless; by default True for all verbs but POST and PATCH
        :param allow_html: an HTML page is welcome (except the login page): downloads of HTML files
        :param may_recover: log in again if the session is lost
        :param with_session: send the session's cookie; only a login does without
        :param attempts: how often to send at most; by default as the retry policy says
        :raises XNATResponseError: for a status not accepted; 401, 403, 404 and 409 have classes of their own
        :raises XNATUnexpectedPageError: for an HTML page where data was asked for
        :raises XNATConnectionError: without a complete answer, after the last attempt
        :raises XNATRedirectError: for a redirect to another server, or to http
        """
        headers = headers or {}
        body = Body(data, json, files, announced_length(headers))
        call = Call(
            method=header_name(method).upper(),
            url=self.url(path, query),
            body=body,
            headers=settle_headers(headers, body, stream=stream),
            timeout=pair(self.timeout if timeout is None else timeout),
            accepted=accepted,
            stream=stream,
            allow_redirects=allow_redirects,
            idempotent=method.upper() in IDEMPOTENT if idempotent is None else idempotent,
            allow_html=allow_html,
            with_session=with_session,
            most_attempts=attempts,
        )
        return self._perform(call, may_recover=may_recover)

    # -- a session that ran out ---------------------------------------------------------------------------------------

    def _perform(self, call: Call, *, may_recover: bool) -> requests.Response:
        """The checked answer; if the session was lost, that of a repetition after a new login."""
        logins = 0
        for _ in range(_MOST_SESSIONS):
            generation = self.recovery.generation
            response = self._follow(call)
            lost = self._lost(call, response)
            if lost == "new cookie" and logins == _MOST_LOGINS:
                self._cookie_tells, lost = False, None
            login = self.recover
            if not lost or login is None or not may_recover:
                return self._checked(call, response, any_page=call.allow_html and not may_recover)
            if not call.body.repeatable():
                return self._checked(
                    call, response, note="; the body can't be sent again, since it is a stream without seek"
                )
            # Once more than seems needed: the new session may have ended, too, before it was used.
            if logins == _MOST_LOGINS:
                break
            response.close()
            # Another worker's login doesn't count: that session may be over again, of which this one heard nothing.
            why = f"{lost} at {call.asked}"
            logins += self.recovery.run(generation, partial(self._log_in_again, login, why))
        return self._checked(call, response, note="; a new login didn't help")

    def _log_in_again(self, login: Callable[[], None], why: str) -> None:
        self.logger.info("The session was lost (%s), logging in again", why)
        login()

    def _lost(self, call: Call, response: requests.Response) -> str | None:
        """How an answer shows that the session ran out; None if it doesn't."""
        status = response.status_code
        if status == 401:
            return None if call.accepted is not None and 401 in call.accepted else "401"
        if status in _REDIRECTS and pages.is_login_url(_target(response)):
            return "redirect to the login page"
        if 200 <= status < 300 and self._html(call, response) and self._is_login(call, response):
            return "login page"
        # A guest may still be answered, with less: an empty list or a 404 where there is something.
        read = call.method in ("GET", "HEAD") and 200 <= status < 300
        if self._cookie_tells and (read or status in (403, 404)) and self._has_new_session(response):
            return "new cookie"
        return None

    def _has_new_session(self, response: requests.Response) -> bool:
        """True if the server answered with another session's cookie than the one it was sent."""
        sent = response.request.headers.get("Cookie") or ""
        given = [cookie.value for cookie in response.cookies if cookie.name == wire.SESSION_COOKIE and cookie.value]
        return f"{wire.SESSION_COOKIE}=" in sent and bool(given) and f"{wire.SESSION_COOKIE}={given[-1]}" not in sent

    # -- the answer ---------------------------------------------------------------------------------------------------

    def _checked(
        self, call: Call, response: requests.Response, *, note: str = "", any_page: bool = False
    ) -> requests.Response:
        """The answer if it is what was asked for; else the exception that says what it is."""
        status = response.status_code
        if not call.accepts(status):
            body = stream.page(response, self._translator(call))
            response.close()
            if call.attempts > 1:
                note = f" (after {call.attempts} attempts){note}"
            if status in _REDIRECTS:
                note = f" to {uris.redact(_target(response))}{note}"
            raise errors.response_error(call.asked, response, body, note=note)
        if not any_page and 200 <= status < 300 and self._html(call, response):
            login = self._is_login(call, response)
            if login or not call.allow_html:
                page = stream.page(response, self._translator(call))
                response.close()
                hint = "; the session has run out or nobody is logged in" if login and not note else ""
                raise errors.page_error(call.asked, response, page, note=hint + note)
        return response

    def _html(self, call: Call, response: requests.Response) -> bool:
        if call.method == "HEAD" or response.status_code in (204, 205):
            return False
        return pages.is_html(stream.peek(response, self._translator(call), pages.PEEK))

    def _is_login(self, call: Call, response: requests.Response) -> bool:
        if call.allow_html and "attachment" in response.headers.get("Content-Disposition", "").lower():
            # somebody's file, whatever it looks like
            return False
        return pages.is_login_page(stream.page(response, self._translator(call)))

    def _translator(self, call: Call) -> Callable[[BaseException], BaseException]:
        return lambda error: errors.connection_error(call.asked, error, 1, self.trust)

    # -- redirects ----------------------------------------------------------------------------------------------------

    def _follow(self, call: Call) -> requests.Response:
        """The answer at the end of the redirects that may be followed."""
        url = call.url
        for _ in range(_MOST_REDIRECTS):
            response = self._deliver(call, url)
            target = _target(response)
            if not self._may_follow(call, response, target):
                return response
            asked = errors.Asked(call.method, url)
            response.close()
            if not uris.same_origin(url, target):
                raise errors.redirect_error(asked, target, _why_not(url, target))
            url = uris.requote_url(target)
        raise errors.redirect_error(call.asked, url, f"more than {_MOST_REDIRECTS} redirects")

    def _may_follow(self, call: Call, response: requests.Response, target: str) -> bool:
        status = response.status_code
        if status not in _REDIRECTS or not target or (call.accepted is not None and status in call.accepted):
            return False
        # A PUT or POST answered 301, 302 or 303 would become a GET, and nothing would have been written.
        if not call.allow_redirects or (call.method not in ("GET", "HEAD") and status not in (307, 308)):
            return False
        return not pages.is_login_url(target) and call.body.repeatable()

    # -- attempts -----------------------------------------------------------------------------------------------------

    def _deliver(self, call: Call, url: str) -> requests.Response:
        """The answer of the first attempt that got one, or of the last."""
        import requests
        from urllib3.exceptions import HTTPError

        call.attempts = 0
        while True:
            call.attempts += 1
            try:
                response = self._send(call, url)
            except (requests.RequestException, HTTPError, OSError) as error:
                failure = errors.classify(error)
                delay = self._delay(call, failure, {})
                if delay is None:
                    raise errors.connection_error(
                        call.asked, error, call.attempts, self.trust, doubtful=call.doubtful
                    ) from error
                call.doubtful = call.doubtful or failure is Failure.BROKEN
                said: object = type(errors.innermost(error)).__name__
            else:
                delay = self._delay_after(call, response)
                if delay is None:
                    return response
                call.doubtful = True
                said = response.status_code
                response.close()
            self.logger.info("%s failed (%s), attempt %d follows in %.1f s", call.asked, said, call.attempts + 1, delay)
            self.retry.pause(delay, self._closing)

    def _delay_after(self, call: Call, response: requests.Response) -> float | None:
        """Seconds until the next attempt after this answer; None if it is to be used."""
        status = response.status_code
        if status not in self.retry.statuses:
            self.retry.budget.succeeded()
            return None
        if call.accepted is not None and status in call.accepted:
            return None
        return self._delay(call, Failure.STATUS, response.headers)

    def _delay(self, call: Call, failure: Failure, headers: Mapping[str, str]) -> float | None:
        if self.closed or not call.body.repeatable() or call.attempts == call.most_attempts:
            return None
        return self.retry.delay(call.attempts, failure, idempotent=call.idempotent, headers=headers)

    def _send(self, call: Call, url: str) -> requests.Response:
        """One exchange, with the body read unless it is to be streamed."""
        import requests

        session = self.interface
        request = requests.Request(call.method, url, headers=call.headers, data=call.body.open())
        prepared = session.prepare_request(request)
        # requests decodes %2E to a dot, which the next normaliser on the way takes for a step in the tree
        prepared.url = url
        if not call.with_session:
            wire.without_session_id(prepared)
        started = time.monotonic()
        response = wire.exchange(session, prepared, call.timeout)
        try:
            self._read(call, response)
        except BaseException:
            response.close()
            raise
        self.last_traffic = time.monotonic()
        self.logger.debug(
            "%s %s -> %d (%.0f ms)",
            call.method,
            uris.redact(url)[len(self.server) :] if url.startswith(self.server) else uris.redact(url),
            response.status_code,
            (self.last_traffic - started) * 1000,
        )
        return response

    def _read(self, call: Call, response: requests.Response) -> None:
        """Reads the body, or the beginning of one to be streamed, while the request can still be tried again."""
        if not call.stream:
            # what response.content would do, in 10 KB pieces and so ten times as slowly
            response._content = b"".join(self._pieces(call, response))
            return
        try:
            stream.peek(response, self._translator(call), pages.PEEK)
        except XNATError as error:
            raise error.__cause__ or error from None

    def _pieces(self, call: Call, response: requests.Response) -> Iterator[bytes]:
        import requests

        size = 0
        try:
            for piece in response.iter_content(_PIECE):
                size += len(piece)
                if size > self.max_answer:
                    raise errors.too_large(call.asked, response, self.max_answer)
                yield piece
        except XNATError:
            raise
        except ValueError as error:  # the size of a chunk that is negative
            raise requests.exceptions.ChunkedEncodingError(error) from error

    # -- the session underneath ---------------------------------------------------------------------------------------

    def _make_session(self) -> requests.Session:
        https = self.server.startswith("https:")
        if isinstance(self.trust.verify, str) and https and not os.path.exists(self.trust.verify):
            from xnat.exceptions import XNATSSLError

            raise XNATSSLError(f"There is no CA bundle {self.trust.verify}, named by {self.trust.source}")
        if self.trust.verify is False and https:
            self.logger.warning(
                "Certificates of %s are not checked (verify=False): anybody on the way can read and change what is "
                "sent, passwords included. A CA bundle can be named instead: verify='/path/to/bundle.pem'",
                self.server,
            )
        return wire.make_session(self.server, self.trust.verify, self._cert, self.user_agent)

    def rebase(self, server: str) -> None:
        """Uses another root URL from now on, after a redirect; paths below the first one stay valid."""
        with self._lock:
            self.server = uris.root(server)
            session, self._interface = self._interface, None
        if session is not None:
            session.close()

    def after_fork(self) -> None:
        """In a child process: own sockets and locks, the same login. Call it before the child has several threads."""
        if self._process == os.getpid():
            return
        self._lock, self._closing = threading.Lock(), threading.Event()
        self.retry.budget.after_fork()
        recovery, self.recovery = self.recovery, Recovery()
        self.recovery.generation = recovery.generation
        inherited, self._interface = self._interface, None
        if inherited is not None:
            session = self._make_session()
            session.headers = inherited.headers
            # Not the jar itself, nor through its methods: its lock may have been held by another thread of the parent.
            jars: tuple[Any, Any] = (session.cookies, inherited.cookies)
            jars[0]._cookies = copy.deepcopy(jars[1]._cookies)
            self._interface = session
        self._process = os.getpid()


def _target(response: requests.Response) -> str:
    return uris.redirect_target(response.url, response.headers.get("Location", ""))


def _why_not(url: str, target: str) -> str:
    if url.startswith("https:") and target.startswith("http:"):
        return "it would leave TLS, and the login would be sent in the clear"
    return (
        "it is another server, and the login is meant for this one only. If it is to be trusted, connect to it directly"
    )
