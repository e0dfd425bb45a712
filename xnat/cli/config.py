"""Named profiles, from an INI file::

    [default]                    ; used when nothing else names a server
    server = https://xnat.example.com

    [lab]                        ; xnat ls --profile lab
    server = https://xnat.lab.example.com
    user = jane
    netrc = ~/.netrc-lab
    ca_bundle = ~/lab-ca.pem
    timeout = 120
    auth_provider = ldap1
    keyring = yes                ; 'xnat login' keeps the session in the system's keyring

The file is ``XNAT_CONFIG``, else ``xnat/config.ini`` in ``XDG_CONFIG_HOME`` or ``~/.config``. There is no place for a
password in it: netrc files and ``xnat login`` are for that.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .failures import UsageError

__all__ = ["Profile", "config_path", "profiles"]


@dataclass(frozen=True)
class Profile:
    """One section of the file."""

    name: str
    server: str
    user: str | None = None
    netrc: str | None = None
    ca_bundle: str | None = None
    verify: bool = True
    timeout: float | None = None
    auth_provider: str | None = None
    keyring: bool = False


_KEYS = tuple(name for name in Profile.__dataclass_fields__ if name != "name")
_FILES = ("netrc", "ca_bundle")


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the config file is, or would be."""
    if environ.get("XNAT_CONFIG"):
        return Path(environ["XNAT_CONFIG"]).expanduser()
    base = environ.get("XDG_CONFIG_HOME") or ""
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "xnat" / "config.ini"


def profiles(environ: Mapping[str, str] = os.environ) -> dict[str, Profile]:
    """The profiles by name; none without a config file.

    :raises UsageError: the file can't be used
    """
    path = config_path(environ)
    # '%' is an ordinary character, and 'default' an ordinary section.
    parser = configparser.ConfigParser(interpolation=None, default_section="\0", inline_comment_prefixes=(";",))
    try:
        parser.read_string(path.read_text(encoding="utf-8"), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, configparser.Error) as error:
        # The parser's own text quotes the line, in which a password may stand.
        where = f", line {error.lineno}" if hasattr(error, "lineno") else ""
        raise UsageError(f"the config file {path} can't be read{where}: {type(error).__name__}") from None
    return {name: _profile(path, parser[name]) for name in parser.sections()}


def _profile(path: Path, section: configparser.SectionProxy) -> Profile:
    for key in section:
        if key not in _KEYS:
            hint = (
                "; passwords go into ~/.netrc, or use 'xnat login'" if "pass" in key else f"; known: {', '.join(_KEYS)}"
            )
            raise UsageError(f"{path}: [{section.name}] has an unknown key {key!r}{hint}")
    if not section.get("server"):
        raise UsageError(f"{path}: [{section.name}] names no server")
    try:
        return Profile(
            section.name,
            **{key: section[key] for key in ("server", "user", "auth_provider") if section.get(key)},
            **{key: os.path.expanduser(section[key]) for key in _FILES if section.get(key)},
            verify=section.getboolean("verify", True),
            timeout=section.getfloat("timeout"),
            keyring=section.getboolean("keyring", False),
        )
    except ValueError as error:
        raise UsageError(f"{path}: [{section.name}] {error}") from None
