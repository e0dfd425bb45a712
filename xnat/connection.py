"""Connecting: the one place that knows all parts.

::

    settle options → client → probe → login → session → version → schemas → model → classes → heartbeat

What fails on the way is undone: the server's session is ended, temporary files are removed, and one error is raised.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from .exceptions import XNATAuthError, XNATError, XNATResponseError
from .pickling import Recipe, register, shared
from .versions import told_version, version_tuple

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .convert_xsd.emit import Emitted
    from .convert_xsd.load import ModelModule
    from .convert_xsd.model import Model
    from .protocols import Timeout
    from .session import XNATSession
    from .transport.client import HTTPClient
    from .transport.credentials import Credentials

__all__ = ["classes_of", "connect", "reopen"]

#: The documented form of log lines.
LOG_FORMAT = "[%(levelname)s] %(message)s"
DEBUG_FORMAT = "[%(levelname)s] %(asctime)s %(module)s:%(lineno)d %(threadName)s %(message)s"


def connect(
    server: str | None = None,
    user: str | None = None,
    password: str | None = None,
    verify: bool | str = True,
    netrc_file: str | None = None,
    debug: bool = False,
    extension_types: bool = True,
    loglevel: str | int | None = None,
    logger: logging.Logger | None = None,
    detect_redirect: bool = True,
    no_parse_model: bool = False,
    *,
    default_timeout: Timeout = None,
    auth_provider: str | None = None,
    jsession: str | None = None,
    keepalive: bool | float = True,
    cache: bool = True,
    pilot_timeout: Timeout = None,
    cli: bool = False,
) -> XNATSession:
    """Connect to an XNAT server and make classes of its data model.

    The session can be used in a ``with`` statement, which disconnects at its end; otherwise call ``disconnect()``.

    Credentials are, in this order: the arguments; the environment's (``XNATPY_USER`` and ``XNATPY_PASS``, or
    ``XNAT_USER`` and ``XNAT_PASS``), if the environment names this server; the netrc file's; a prompt for the password
    of ``user``; none (guest).

    Asks the server for its front page, a login, its version, the list of its schemas, and those schemas that aren't in
    the local cache.

    :param server: address of the server, with http:// or https:// and the context path if there is one; by default that
        in the environment (``XNATPY_HOST`` or ``XNAT_HOST``)
    :param user: user name or alias; leave empty to use the netrc entry, or to log in as guest
    :param password: password or alias secret; if a user is given and no password is found, it is prompted for
    :param verify: whether to check TLS certificates, or the path of a CA bundle to check them with
    :param netrc_file: another netrc file than ``~/.netrc``; nobody else may be able to read it
    :param debug: much output for developers of this package, and checks of the generated source
    :param extension_types: whether to look at other schemas than XNAT's own (plug-ins, site extensions)
    :param loglevel: show log lines of this level and above, as ``'INFO'``; ``'DEBUG'`` shows every request
    :param logger: log there instead of to the logger ``xnat``
    :param detect_redirect: whether to look if the server has moved, and use the new address
    :param no_parse_model: make no classes: only get, head, put, post and delete will work
    :param default_timeout: seconds, or (seconds to connect, seconds of silence), of all requests; by default (12, 300)
    :param auth_provider: which of the server's user directories knows the user (XNAT 1.7+)
    :param jsession: go on with this session of the server, instead of logging in
    :param keepalive: whether to send heartbeats, or how many seconds apart; by default at most 14 minutes
    :param cache: whether to keep the server's schemas in the user's cache directory (``XNAT_CACHE_DIR`` moves it)
    :param pilot_timeout: timeout of the requests made while connecting; by default that of all requests
    :param cli: for programs that are run one after the other: never prompt for a password, and leave the server's
        session open at the end, so that the next can go on with its ``jsession``
    :return: the session
    :raises XNATLoginFailedError: the server refuses the credentials
    :raises XNATUnsafeNetrcError: others can read the netrc file
    :raises XNATConnectionError: there is no such server, or it doesn't answer
    :raises XNATSchemaError: it publishes no usable data model
    """
    from .transport.auth import settle_credentials, settle_server
    from .transport.client import HTTPClient

    log = _logger(logger, loglevel, debug)
    address, _ = settle_server(server)
    client = HTTPClient(address, verify=verify, timeout=default_timeout, logger=log)
    usual = client.timeout
    if pilot_timeout is not None:
        client.timeout = pilot_timeout
    session: XNATSession | None = None
    try:
        credentials = (
            None
            if jsession
            else settle_credentials(
                client.server, user, password, netrc_file, prompt=_no_prompt if cli else getpass.getpass
            )
        )
        # While the server is being waited for: a round trip or two leave time enough.
        threading.Thread(target=_import_ahead, args=(no_parse_model,), name="xnat-import").start()
        logged_in = _log_in(client, credentials, auth_provider, jsession, detect_redirect)
        from .session import XNATSession

        session = XNATSession(
            client.server,
            log,
            user=user,
            debug=debug,
            original_uri=client.original_server,
            logged_in_user=logged_in,
            client=client,
        )
        session._own_login = not (jsession or cli)
        if not no_parse_model:
            session.classes = _classes(session, _Options(extension_types, debug, cache))
            session.classes.bind(session)
        session.keepalive = keepalive
        client.timeout = usual
    except BaseException:
        _undo(client, session, own_login=not jsession)
        raise
    # A name in an alias token's shape belongs to the token; it would be of no use, and half a secret.
    named = None if credentials is not None and credentials.is_alias else (user or _unless_guest(logged_in))
    recipe = Recipe(
        client.original_server, named, verify, netrc_file, extension_types, detect_redirect, no_parse_model,
        default_timeout, auth_provider, keepalive, cache,
    )  # fmt: skip
    session._recipe, session._reopen = register(session, recipe), reopen
    return session


def reopen(recipe: Recipe, credentials: Credentials | None = None) -> XNATSession:
    """The session a pickle tells of: the one it was made of if that lives in this process, else one that is connected
    with the credentials of this process and shared by all that arrives here; see :mod:`xnat.pickling`.

    :param credentials: what to connect with, if it comes to that; by default what this process has
    :raises XNATAuthError: this process has no credentials of that user
    """
    session: XNATSession = shared(recipe, _reconnect, credentials)
    return session


def _reconnect(recipe: Recipe, credentials: Credentials) -> XNATSession:
    return connect(
        recipe.server,
        credentials.user,
        credentials.password,
        verify=recipe.verify,
        extension_types=recipe.extension_types,
        detect_redirect=recipe.detect_redirect,
        no_parse_model=recipe.no_parse_model,
        default_timeout=recipe.default_timeout,
        auth_provider=recipe.auth_provider,
        keepalive=recipe.keepalive,
        cache=recipe.cache,
    )


def _import_ahead(no_parse_model: bool) -> None:
    """Import what is needed after the login."""
    import importlib

    wanted = ["xnat.session", "xnat.transport.keepalive"]
    if not no_parse_model:
        wanted += ["concurrent.futures.thread", "xnat.xnatbases", "xnat.convert_xsd.snapshot", "xnat.convert_xsd.load"]
    for name in wanted:
        # What can't be imported says so where it is needed; a program that is ending already needs it no more.
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _no_prompt(question: str = "") -> str:
    raise XNATAuthError(
        "No password was found, and with cli=True nobody is asked for it: give password=, XNAT_PASS or a netrc entry"
    )


def _unless_guest(user: str) -> str | None:
    return None if user == "guest" else user


def _undo(client: HTTPClient, session: XNATSession | None, *, own_login: bool) -> None:
    if session is not None:
        session.disconnect(logout=own_login)
        return
    if own_login:
        from .transport.auth import logout

        logout(client)
    client.close()


def _logger(given: logging.Logger | None, level: str | int | None, debug: bool) -> logging.Logger:
    """The logger to use. Nothing is set up for the process: only who asks for lines gets a handler, of his own."""
    if given is not None:
        return given
    log = logging.getLogger("xnat")
    if level is None and not debug:
        return log
    own = logging.Logger("xnat", logging.DEBUG if debug else _level(level))
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(DEBUG_FORMAT if debug else LOG_FORMAT))
    own.addHandler(handler)
    return own


def _level(level: str | int | None) -> int:
    if isinstance(level, str):
        # VERBOSE is a level of other clients, between DEBUG and INFO.
        return {"VERBOSE": 15}.get(level.upper()) or logging._checkLevel(level.upper())  # type: ignore[attr-defined]
    return logging.WARNING if level is None else level


def _log_in(
    client: HTTPClient, credentials: Any, auth_provider: str | None, jsession: str | None, detect_redirect: bool
) -> str:
    from .transport.auth import Credentials, enter

    # The login's answer is the session's ID or a refusal; asking who we are would be one more round trip.
    return enter(client, credentials or Credentials(), auth_provider, jsession, detect_redirect=detect_redirect).user


class _Options(NamedTuple):
    extension_types: bool
    debug: bool
    cache: bool


def _classes(session: XNATSession, options: _Options) -> Any:
    """The module with the classes of the server's data model."""
    seen = _look(session)
    model = _model(session, options, seen)
    for problem in model.problems:
        session.logger.warning("%s", problem)
    return classes_of(model, f"Data model of {session.server} (XNAT {seen.version})", debug=options.debug)


def classes_of(model: Model, title: str, *, debug: bool = False) -> ModelModule:
    """The classes of a data model, with their hand-written behaviour; they belong to no session yet."""
    from .convert_xsd import load

    return load.load(_emitted(model, title), model, debug=debug)


def _emitted(model: Model, title: str = "") -> Emitted:
    from . import xnatbases
    from .convert_xsd import emit

    return emit.emit(
        model,
        provided=xnatbases.provided_names(),
        reserved=_reserved_names(),
        bases=xnatbases.NAMES,
        title=title,
    )


def _reserved_names() -> frozenset[str]:
    """The public names of the base classes, which no field of a schema may hide."""
    from .core.nested import XNATNestedObject, XNATSubObject
    from .core.objects import XNATObject

    bases = (XNATObject, XNATNestedObject, XNATSubObject)
    return frozenset(name for base in bases for name in dir(base) if not name.startswith("_"))


def _model(session: XNATSession, options: _Options, seen: _Seen) -> Model:
    """The data model: from the cache if it is still that of the server, else from its schemas."""
    from .convert_xsd import snapshot

    usable = options.cache and options.extension_types and seen.fingerprint is not None
    if usable:
        known = snapshot.load(session.server, seen.fingerprint or "")
        if known is not None:
            return known
    from .convert_xsd import convert, sources

    numbers = version_tuple(seen.version)[:2]
    session.logger.info("Found an %s version (%s)", ".".join(map(str, numbers)) or "unknown", seen.version)
    fetch = _fetcher(session)
    # Builds of one's own may be named without numbers ("ML-BETA"); they are newer than build info itself, which is 1.7.
    if numbers and numbers < (1, 7):
        found = sources.from_1_6(
            fetch, session.get_json, server=session.server, extension_types=options.extension_types
        )
    else:
        found = sources.from_xapi(fetch, seen.get_list(session), extension_types=options.extension_types)
    for problem in found.problems:
        session.logger.warning("%s", problem)
    model = convert(found.documents)
    if usable and not found.problems:
        _emitted(model)  # raises if no classes can be made of it: who reads a snapshot relies on that
        snapshot.save(session.server, seen.fingerprint or "", model, found.documents)
    return model


def _fetcher(session: XNATSession) -> Callable[[str], bytes]:
    def fetch(path: str) -> bytes:
        session.logger.info("Retrieving schema from %s", session.server + path)
        return bytes(session.client.request("GET", path, accepted=[200]).content)

    return fetch


class _Seen(NamedTuple):
    """What the data model depends on.

    :ivar schemas: the server's list of schemas, None if it wasn't to be had
    :ivar fingerprint: changes when the data model may have; None where the server tells too little
    """

    version: str
    schemas: Any = None
    fingerprint: str | None = None

    def get_list(self, session: XNATSession) -> Callable[[str], Any]:
        """Gives the list of schemas without asking for it twice."""
        return session.get_json if self.schemas is None else lambda path: self.schemas


def _look(session: XNATSession) -> _Seen:
    """Ask for version, schemas and plug-ins, all at once: connecting is a matter of round trips."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2, thread_name_prefix="xnat-connect") as pool:
        asked = [pool.submit(session.get_json, path) for path in ("/xapi/schemas", "/xapi/plugins")]
        try:
            info = session.get_json("/xapi/siteConfig/buildInfo")
            version = told_version(info)
        except (XNATResponseError, KeyError, TypeError):
            return _look_without_build_info(session, asked[0])
    session._keep("xnat_build_info", info)
    session._keep("xnat_version", version)
    try:
        schemas = asked[0].result()
    except XNATError:
        return _Seen(version)
    try:
        plugins = asked[1].result()
    except XNATResponseError:
        # Not every server tells everybody. A plug-in could then bring another schema of the same name unnoticed, so
        # what is remembered counts for the day only.
        plugins = f"unknown on {datetime.now(timezone.utc):%Y-%m-%d}"
    except XNATError:
        return _Seen(version, schemas)
    listed = sorted(map(str, schemas)) if isinstance(schemas, list) else schemas
    return _Seen(version, schemas, json.dumps([info, listed, plugins], sort_keys=True))


def _look_without_build_info(session: XNATSession, schemas: Future[Any]) -> _Seen:
    """What is known of a server without build info: a 1.6, or one that doesn't show it to everybody."""
    try:
        return _Seen(session.xnat_version)
    except XNATResponseError:
        # Only to find the schemas the version is needed here; who has a list of them is no 1.6.
        if schemas.exception() is not None:
            raise
        return _Seen("version not told", schemas.result())
