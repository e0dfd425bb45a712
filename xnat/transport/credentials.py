"""Which credentials belong to a server: arguments, environment, netrc file, prompt, or a guest's.

Credentials are given to the server they were meant for. Those in the environment were meant for the server the
environment names, not for one that a script names.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from xnat import uris
from xnat.exceptions import XNATAuthError, XNATNoServerError, XNATValueError
from xnat.transport import netrc

__all__ = ["Credentials", "settle_credentials", "settle_server"]

HOST_VARIABLES = ("XNATPY_HOST", "XNAT_HOST")
LOGIN_VARIABLES = (("XNATPY_USER", "XNATPY_PASS"), ("XNAT_USER", "XNAT_PASS"))

WINDOWS = os.name == "nt"

_ALIAS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


class Credentials:
    """A user name and password, or neither for a guest.

    Its repr hides the password, and it refuses to be pickled.

    :ivar source: where they came from: argument, environment, the netrc file's path, prompt, or guest
    """

    __slots__ = ("password", "source", "user")

    def __init__(self, user: str | None = None, password: str | None = None, source: str = "guest") -> None:
        self.user = user
        self.password = password
        self.source = source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credentials) and self._told == other._told

    def __hash__(self) -> int:
        return hash(self._told)

    @property
    def _told(self) -> tuple[str | None, str | None, str]:
        return self.user, self.password, self.source

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, source={self.source!r})"

    @property
    def is_guest(self) -> bool:
        """True without a user."""
        return self.user is None

    @property
    def is_alias(self) -> bool:
        """True if the user name looks like an alias token's."""
        return self.user is not None and _ALIAS.match(self.user) is not None

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials can't be pickled, a password must not end up in files or other processes.")


def settle_server(server: str | None, environ: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """The server to connect to, and whether the environment named it.

    :raises XNATNoServerError: if neither argument nor environment names one
    """
    if server:
        return uris.root(server), False
    for name in HOST_VARIABLES:
        if environ.get(name):
            return uris.root(environ[name]), True
    raise XNATNoServerError(
        "No server specified: no argument nor environment variable found; set XNATPY_HOST or XNAT_HOST, or give server="
    )


def settle_credentials(
    server: str,
    user: str | None = None,
    password: str | None = None,
    netrc_file: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    prompt: Callable[[str], str] = getpass.getpass,
) -> Credentials:
    """The credentials for a server: from arguments, environment, netrc file or prompt, else a guest's.

    The environment's are used only for the server the environment names. A netrc entry is used if its login is
    ``user`` or no user is given; ``host:port`` is looked up before ``host``, and ``default`` last.

    :raises XNATUnsafeNetrcError: if a netrc file would be needed but others can read it or it can't be parsed
    :raises XNATAuthError: if nothing gives a password for ``user`` and nobody can be asked
    """
    user, password = user or None, password or None
    if user and password:
        return Credentials(user, password, "argument")
    found = _from_environment(server, user, password, environ)
    if found is None and password:
        raise XNATValueError("A password was given without a user")
    found = found or _from_netrc(server, user, netrc_file, environ)
    if found is not None:
        return found
    if user is None:
        return Credentials()
    try:
        answer = prompt(f"Please enter the password for user '{user}':")
    except (EOFError, OSError) as error:
        raise XNATAuthError(f"There is no password for user {user!r}, and no console to ask for one") from error
    return Credentials(user, answer, "prompt")


def _from_environment(
    server: str, user: str | None, password: str | None, environ: Mapping[str, str]
) -> Credentials | None:
    """The environment's credentials, if it names this server and doesn't contradict the arguments."""
    if not any(_same_server(server, environ.get(name, "")) for name in HOST_VARIABLES):
        return None
    for user_variable, password_variable in LOGIN_VARIABLES:
        found_user = environ.get(user_variable) or user
        found_password = password or environ.get(password_variable)
        if found_user and found_password and user in (None, found_user):
            return Credentials(found_user, found_password, "environment")
    return None


def _same_server(server: str, other: str) -> bool:
    try:
        return bool(other) and uris.root(other) == uris.root(server)
    except XNATValueError:
        return False


def _from_netrc(
    server: str, user: str | None, given: str | os.PathLike[str] | None, environ: Mapping[str, str]
) -> Credentials | None:
    path = _netrc_path(given, environ)
    if path is None:
        return None
    try:
        entries = netrc.read(path)
    except OSError as error:
        if given is None:
            return None
        raise XNATAuthError(f"The netrc file {path} can't be read: {error.strerror}") from error
    parts = urlsplit(server)
    hosts = [f"{parts.hostname}:{parts.port}"] if parts.port else []
    entry = netrc.find(entries, [*hosts, str(parts.hostname)], user)
    return Credentials(entry.login, entry.password, str(path)) if entry else None


def _netrc_path(given: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Path | None:
    """The file named, or the one in the home directory if there is one."""
    if given:
        return Path(given).expanduser()
    if environ.get("NETRC"):
        return Path(environ["NETRC"]).expanduser()
    names = ("_netrc", ".netrc") if WINDOWS else (".netrc",)
    try:
        return next((path for path in (Path.home() / name for name in names) if path.exists()), None)
    except RuntimeError:
        # no home directory
        return None
