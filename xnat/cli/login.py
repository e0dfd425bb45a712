"""``xnat login``, ``xnat logout``, ``xnat whoami``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import xnat.cli.logins as logins
from xnat.exceptions import XNATAuthError, XNATLoginFailedError

from .connect import Settings, credentials_of, logger_for, open_session, settle
from .failures import OK, UsageError
from .options import standard_options
from .output import Output, is_terminal

__all__ = ["add_login", "add_logout", "add_whoami"]


def add_login(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Log in and stay logged in: later commands need no password, and no --server if this was the latest login. "
        "The server's session is kept in a file for you only, or the keyring; the password isn't kept."
    )
    parser.add_argument("address", nargs="?", metavar="SERVER", help="the server, if --server doesn't say")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from stdin")
    parser.add_argument("--keyring", action="store_true", help="keep the session in the system's keyring")
    standard_options(parser)
    parser.set_defaults(run=run_login)


def run_login(args: argparse.Namespace, out: Output) -> int:
    """Log in and keep the login."""
    settings = _settled(args)
    before = logins.find(settings.server)
    user, password = _ask(settings, args)
    from xnat.connection import connect

    session = connect(
        settings.server,
        user=user,
        password=password,
        verify=settings.verify,
        logger=logger_for(args, out),
        no_parse_model=True,
        default_timeout=settings.timeout,
        auth_provider=settings.auth_provider,
        keepalive=False,
    )
    try:
        kept = logins.Login(
            settings.server, str(session.logged_in_user), str(session.jsession), args.keyring or settings.keyring
        )
        logins.save(kept)
        session.disconnect(logout=False)
    finally:
        session.disconnect()
    if before is not None:
        _end(before, args, out)
    out.say(f"logged in to {kept.server} as {kept.user}; 'xnat ls' lists the projects, 'xnat logout' ends it")
    if out.form != "human":
        out.record({"server": kept.server, "user": kept.user})
    return OK


def _settled(args: argparse.Namespace) -> Settings:
    if args.address:
        if getattr(args, "server", None):
            raise UsageError(f"two servers are named: {args.address} and {args.server}")
        args.server = args.address
    return settle(args)


def _ask(settings: Settings, args: argparse.Namespace) -> tuple[str, str]:
    """User and password: from stdin, environment or netrc; else whoever sits there is asked."""
    if args.password_stdin:
        if not settings.user:
            raise UsageError("--password-stdin needs --user")
        return settings.user, sys.stdin.readline().rstrip("\r\n")
    found = credentials_of(settings)
    if found is not None:
        return found
    if not is_terminal(sys.stdin):
        raise XNATAuthError(
            f"There is no password for {settings.server} in the environment or a netrc file, and no terminal to ask "
            "at; --password-stdin reads it from stdin"
        )
    user = settings.user
    if not user:
        sys.stderr.write(f"User at {settings.server}: ")
        sys.stderr.flush()
        user = sys.stdin.readline().strip()
    asked = credentials_of(replace(settings, user=user), ask=True) if user else None
    if asked is None:
        raise UsageError("no user is named; --user names one")
    return asked


def add_logout(parser: argparse.ArgumentParser) -> None:
    parser.description = "End a login of 'xnat login', here and on the server."
    parser.add_argument("address", nargs="?", metavar="SERVER", help="the server, if --server doesn't say")
    parser.add_argument("--all", action="store_true", help="end the logins to all servers")
    standard_options(parser)
    parser.set_defaults(run=run_logout)


def run_logout(args: argparse.Namespace, out: Output) -> int:
    """End logins."""
    if args.all:
        ended = logins.all_logins()
    else:
        settings = _settled(args)
        found = logins.find(settings.server)
        ended = [] if found is None else [found]
        if found is None:
            out.say(f"there is no login to {settings.server}")
    for login in ended:
        logins.forget(login)
        _end(login, args, out)
        out.say(f"logged out of {login.server}")
    if out.form != "human":
        out.table(("server", "user"), [{"server": login.server, "user": login.user} for login in ended])
    return OK


def _end(login: logins.Login, args: argparse.Namespace, out: Output) -> None:
    """End a login on the server. That it can't be reached, or has ended it already, keeps nobody logged in here."""
    from xnat.connection import connect
    from xnat.exceptions import XNATError

    try:
        connect(
            login.server,
            verify=settle(argparse.Namespace(**{**vars(args), "server": login.server, "profile": None})).verify,
            logger=logger_for(args, out),
            no_parse_model=True,
            jsession=login.jsession,
            keepalive=False,
        ).disconnect(logout=True)
    except XNATLoginFailedError:
        pass
    except XNATError as error:
        out.warn(f"{login.server} could not be told: {error}")


def add_whoami(parser: argparse.ArgumentParser) -> None:
    parser.description = "Ask the server who is logged in."
    standard_options(parser)
    parser.set_defaults(run=run_whoami)


def run_whoami(args: argparse.Namespace, out: Output) -> int:
    """Print user, server and where the login comes from."""
    settings = settle(args)
    with open_session(args, out, model=False, settings=settings) as session:
        out.record(
            {
                "user": session.logged_in_user,
                "server": session.server,
                "version": session.xnat_version,
                "login": login_source(settings, str(session.logged_in_user)),
                "server_from": settings.source,
            }
        )
    return OK


def login_source(settings: Settings, user: str) -> str:
    """Where the login comes from, in words."""
    from xnat.transport.credentials import settle_credentials

    if settings.jsession:
        return "--jsession or XNATPY_JSESSION"
    kept = logins.find(settings.server)
    if kept is not None and kept.user == user:
        return "'xnat login'" + (" (keyring)" if kept.keyring else "")
    try:
        return settle_credentials(settings.server, settings.user, None, settings.netrc, prompt=_nobody).source
    except XNATAuthError:
        return "password prompt"


def _nobody(text: str) -> str:
    raise EOFError
