"""Which server, as whom, and the session a command works with."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import xnat.cli.logins as logins
from xnat.exceptions import XNATAuthError, XNATLoginFailedError, XNATUnsafeNetrcError

from .config import Profile, profiles
from .failures import UsageError
from .output import Output, is_terminal

if TYPE_CHECKING:
    import logging

    from xnat.session import XNATSession

__all__ = ["Settings", "credentials_of", "logger_for", "open_session", "settle"]

_SERVER_VARIABLES = ("XNATPY_HOST", "XNAT_HOST")


@dataclass(frozen=True)
class Settings:
    """What is settled before the first request.

    :ivar source: what named the server
    """

    server: str
    source: str
    user: str | None = None
    netrc: str | None = None
    jsession: str | None = None
    verify: bool | str = True
    timeout: float | None = None
    auth_provider: str | None = None
    keyring: bool = False


def settle(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings: options before environment before profile before the latest login.

    A profile's settings hold whenever its server is the one that is meant.

    :raises UsageError: nothing names a server
    """
    from xnat import uris

    given = vars(args)
    known = profiles(environ)
    server, source = _server(given, known, environ)
    server = uris.root(server)
    profile = next((one for one in known.values() if uris.root(one.server) == server), None)
    if source.startswith("profile "):
        profile = known[source.removeprefix("profile ")]
    return _with_options(_from_profile(server, source, profile), given, environ)


def _server(given: Mapping[str, Any], known: Mapping[str, Profile], environ: Mapping[str, str]) -> tuple[str, str]:
    named = given.get("profile")
    if given.get("server"):
        if named:
            raise UsageError("--server and --profile both name a server; give one of them")
        return given["server"], "--server"
    if named := named or environ.get("XNAT_PROFILE"):
        if named not in known:
            raise UsageError(f"there is no profile {named!r}; the config file has {', '.join(known) or 'none'}")
        return known[named].server, f"profile {named}"
    for name in _SERVER_VARIABLES:
        if environ.get(name):
            return environ[name], name
    if "default" in known:
        return known["default"].server, "profile default"
    login = logins.latest()
    if login is None:
        raise UsageError(
            "no server is named: log in with 'xnat login https://...', give --server, set XNAT_HOST, or write a profile"
        )
    return login.server, "latest login"


def _from_profile(server: str, source: str, profile: Profile | None) -> Settings:
    settings = Settings(server, source)
    if profile is None:
        return settings
    return replace(
        settings,
        user=profile.user,
        netrc=profile.netrc,
        verify=profile.ca_bundle or profile.verify,
        timeout=profile.timeout,
        auth_provider=profile.auth_provider,
        keyring=profile.keyring,
    )


def _with_options(settings: Settings, given: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    changes: dict[str, Any] = {
        name: given[name] for name in ("user", "netrc", "auth_provider") if given.get(name) is not None
    }
    if jsession := given.get("jsession") or environ.get("XNATPY_JSESSION"):
        changes["jsession"] = jsession
    if given.get("no_verify"):
        changes["verify"] = False
    if given.get("ca_bundle"):
        changes["verify"] = given["ca_bundle"]
    if timeout := given.get("timeout") or environ.get("XNATPY_TIMEOUT"):
        try:
            changes["timeout"] = float(timeout)
        except ValueError:
            raise UsageError(f"a timeout is a number of seconds, not {timeout!r}") from None
    return replace(settings, **changes)


@contextmanager
def open_session(
    args: argparse.Namespace, out: Output, *, model: bool = True, settings: Settings | None = None
) -> Iterator[XNATSession]:
    """A session for one command.

    A login made for the command is ended with it. One that was kept by ``xnat login``, or was given, goes on.
    """
    settings = settings or settle(args)
    session, lasting = _connect(settings, args, out, model)
    try:
        yield session
    finally:
        _close(session, lasting)


def _close(session: XNATSession, lasting: bool) -> None:
    session.disconnect(logout=not lasting)


def _connect(settings: Settings, args: argparse.Namespace, out: Output, model: bool) -> tuple[XNATSession, bool]:
    """(session, whether its login outlives the command)."""
    if settings.jsession:
        return _open(settings, args, out, model, jsession=settings.jsession), True
    login = logins.find(settings.server)
    if login is not None and not _other_user(settings, login):
        return _go_on(login, settings, args, out, model), True
    if settings.user and not is_terminal(sys.stdin) and credentials_of(settings) is None:
        raise XNATAuthError(
            f"There is no password for {settings.user!r} at {settings.server}, and no terminal to ask at; put it into "
            "~/.netrc or the environment, or use 'xnat login'"
        )
    return _open(settings, args, out, model), False


def _go_on(login: logins.Login, settings: Settings, args: argparse.Namespace, out: Output, model: bool) -> XNATSession:
    """The kept login; when it has run out, a new one by the credentials there are, kept in its place."""
    try:
        return _open(settings, args, out, model, jsession=login.jsession)
    except XNATLoginFailedError:
        logins.forget(login)
    out.say(f"the login to {login.server} has run out, logging in again")
    credentials = credentials_of(replace(settings, user=settings.user or login.user), ask=is_terminal(sys.stdin))
    if credentials is None:
        raise XNATAuthError(f"The login of {login.user} to {login.server} has run out; log in again with 'xnat login'")
    session = _open(settings, args, out, model, user=credentials[0], password=credentials[1])
    logins.save(logins.Login(settings.server, str(session.logged_in_user), str(session.jsession), login.keyring))
    return session


def _other_user(settings: Settings, login: logins.Login) -> bool:
    """Whether options or environment ask for somebody else than who is logged in."""
    user = settings.user
    if user is None and settings.source in _SERVER_VARIABLES:
        user = os.environ.get("XNATPY_USER") or os.environ.get("XNAT_USER")
    return user is not None and user != login.user


def credentials_of(settings: Settings, *, ask: bool = False) -> tuple[str, str] | None:
    """User and password from the environment or a netrc file; or, if somebody may be asked, from the console."""
    from xnat.transport.credentials import settle_credentials

    def prompt(text: str) -> str:
        if not ask:
            raise EOFError
        import getpass

        return getpass.getpass(f"Password of {settings.user} at {settings.server}: ")

    try:
        found = settle_credentials(settings.server, settings.user, None, settings.netrc, prompt=prompt)
    except XNATAuthError as error:
        if isinstance(error, XNATUnsafeNetrcError) or ask:
            raise
        return None
    return None if found.is_guest else (str(found.user), str(found.password))


def _open(
    settings: Settings, args: argparse.Namespace, out: Output, model: bool, jsession: str | None = None, **login: str
) -> XNATSession:
    from xnat.connection import connect

    return connect(
        settings.server,
        user=login.get("user", settings.user) if jsession is None else None,
        password=login.get("password"),
        netrc_file=settings.netrc,
        verify=settings.verify,
        logger=logger_for(args, out),
        no_parse_model=not model,
        default_timeout=settings.timeout,
        auth_provider=settings.auth_provider,
        jsession=jsession,
    )


def logger_for(args: argparse.Namespace, out: Output) -> logging.Logger:
    """A logger of its own: warnings and above to stderr, more with --debug or --loglevel."""
    import logging

    level = getattr(args, "loglevel", None) or os.environ.get("XNATPY_LOGLEVEL")
    if getattr(args, "debug", False):
        level = level or "DEBUG"
    number = logging.getLevelName(level.upper()) if level else (logging.ERROR if out.quiet else logging.WARNING)
    if level and level.upper() == "VERBOSE":
        number = 15
    if not isinstance(number, int):
        raise UsageError(f"there is no log level {level!r}; there is DEBUG, INFO, WARNING, ERROR and CRITICAL")
    logger = logging.Logger("xnat", number)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("xnat: %(levelname)s: %(message)s"))
    logger.addHandler(handler)
    return logger
