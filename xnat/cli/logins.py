"""The logins that ``xnat login`` keeps: one file per server with the ID of the server's session, never a password.

The files are for their owner only (0600), in ``XNAT_STATE_DIR``, else ``xnat`` in ``XDG_STATE_HOME`` or
``~/.local/state``. With the keyring chosen, the ID is in the system's keyring and the file only says so.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from .failures import UsageError

__all__ = ["Login", "all_logins", "find", "forget", "latest", "save", "state_directory"]

_SERVICE = "xnat command line"


@dataclass(frozen=True)
class Login:
    """A kept login."""

    server: str
    user: str
    jsession: str = field(repr=False)
    keyring: bool = False


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where logins are kept."""
    if environ.get("XNAT_STATE_DIR"):
        return Path(environ["XNAT_STATE_DIR"]).expanduser()
    base = environ.get("XDG_STATE_HOME") or ""
    if not os.path.isabs(base):
        base = environ.get("LOCALAPPDATA", "") if os.name == "nt" else ""
    return (Path(base) if base else Path.home() / ".local" / "state") / "xnat"


def save(login: Login) -> Path:
    """Keep a login; the file that says so."""
    if login.keyring:
        _keyring().set_password(_SERVICE, login.server, login.jsession)
    content = {"server": login.server, "user": login.user, "keyring": login.keyring}
    if not login.keyring:
        content["jsession"] = login.jsession
    path = _path(login.server)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        beside.unlink()
    # Made with its final mode, so that there is no moment at which others could read it.
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(beside, path)
    return path


def find(server: str) -> Login | None:
    """The kept login of a server.

    :raises UsageError: others can read it
    """
    return _read(_path(server))


def latest() -> Login | None:
    """The kept login that is newest: the server meant when none is named."""
    paths = sorted(_folder().glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return next((login for login in map(_read, paths) if login is not None), None)


def all_logins() -> list[Login]:
    """All kept logins."""
    return [login for login in map(_read, sorted(_folder().glob("*.json"))) if login is not None]


def forget(login: Login) -> None:
    """Keep a login no longer. It goes on at the server; ending it there is the caller's."""
    if login.keyring:
        with suppress(Exception):  # gone already, or the keyring is locked
            _keyring().delete_password(_SERVICE, login.server)
    with suppress(FileNotFoundError):
        _path(login.server).unlink()


def _folder() -> Path:
    return state_directory() / "logins"


def _path(server: str) -> Path:
    # The digest tells servers apart whose names look the same when written as a file name.
    name = re.sub(r"[^\w.-]+", "_", server.partition("://")[2], flags=re.ASCII)[:60]
    return _folder() / f"{name}-{sha256(server.encode()).hexdigest()[:8]}.json"


def _read(path: Path) -> Login | None:
    try:
        with open(path, encoding="utf-8") as file:
            _check(path, os.fstat(file.fileno()))
            content = json.load(file)
        keyring = bool(content["keyring"])
        jsession = _keyring().get_password(_SERVICE, content["server"]) if keyring else content["jsession"]
        return Login(content["server"], content["user"], jsession, keyring) if jsession else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"the kept login {path} can't be read ({type(error).__name__}); delete it and log in again"
        ) from error


def _check(path: Path, status: os.stat_result) -> None:
    if os.name == "posix" and (status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077):
        raise UsageError(f"the kept login {path} is open to others, so it isn't used; delete it, or chmod 600 it")


def _keyring() -> Any:
    from importlib import import_module

    try:
        return import_module("keyring")
    except ModuleNotFoundError as error:
        raise UsageError("the keyring needs a package: pip install 'xnat[keyring]'") from error
