"""Reading a netrc file, if it is safe to.

Python's own reader checks permissions only when it picks the file itself, puts the token it stumbled over (a password,
as likely as not) into its error text, and keeps only the last of several entries of one machine.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xnat._compat import to_text
from xnat.exceptions import XNATUnsafeNetrcError

__all__ = ["Entry", "find", "read"]

#: Bytes of a file that could be a netrc file.
MAX_SIZE = 4 * 1024 * 1024

# A quoted word, with backslash escapes, or a plain one.
_WORD = re.compile(r'"((?:\\.|[^"\\])*)"(?=\s|\Z)|(\S+)')


class Entry(NamedTuple):
    """One ``machine`` of a netrc file; ``machine`` is None for the ``default`` entry."""

    machine: str | None
    login: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Entry({self.machine!r}, {self.login!r}, ...)"


def find(entries: list[Entry], hosts: list[str], user: str | None) -> Entry | None:
    """The entry of the first of ``hosts`` that has a usable one, for ``user`` if given; else the default entry."""
    usable = [entry for entry in entries if entry.login and entry.password and user in (None, entry.login)]
    for host in hosts:
        for entry in usable:
            if entry.machine is not None and entry.machine.lower() == host.lower():
                return entry
    return next((entry for entry in usable if entry.machine is None), None)


def read(path: Path) -> list[Entry]:
    """The entries of a netrc file.

    :raises XNATUnsafeNetrcError: if others can read it, it belongs to somebody else, or it can't be parsed
    :raises OSError: if it can't be read
    """
    # Without O_NONBLOCK opening a pipe would wait for its other end, which may never come.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise XNATUnsafeNetrcError(f"The netrc file {path} is no regular file, so it is not read.")
        if os.name == "posix":
            _check(path, status)
        if status.st_size > MAX_SIZE:
            raise XNATUnsafeNetrcError(f"The netrc file {path} has more than {MAX_SIZE} bytes, so it can't be one.")
        text = to_text(file.read())
    return list(_parse(path, text))


def _check(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (os.geteuid(), 0):
        raise XNATUnsafeNetrcError(
            f"The netrc file {path} belongs to another user (id {status.st_uid}), so its content can't be trusted."
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise XNATUnsafeNetrcError(
            f"The netrc file {path} is unsafe: others than its owner have access (mode "
            f"{stat.S_IMODE(status.st_mode):04o}). To mend it: chmod 600 {path}"
        )


def _parse(path: Path, text: str) -> Iterator[Entry]:
    """Entries in order; errors name the line but never what stands there."""
    words = _words(text)
    current: Entry | None = None
    for line, word in words:
        if word in ("machine", "default"):
            if current is not None:
                yield current
            current = Entry(_value(path, line, word, words) if word == "machine" else None)
        elif current is not None and word in ("login", "user", "account", "password"):
            value = _value(path, line, word, words)
            field = {"login": "login", "user": "login", "password": "password"}.get(word)
            current = current._replace(**{field: value}) if field else current
        else:
            raise _broken(path, line, "'machine', 'login' or 'password' is missing here")
    if current is not None:
        yield current


def _value(path: Path, line: int, keyword: str, words: Iterator[tuple[int, str]]) -> str:
    found = next(words, None)
    if found is None:
        raise _broken(path, line, f"nothing follows {keyword!r}")
    return found[1]


def _words(text: str) -> Iterator[tuple[int, str]]:
    """(line number, word); without comments and macro definitions, which end at an empty line."""
    in_macro = False
    for number, line in enumerate(text.splitlines(), 1):
        if in_macro:
            in_macro = bool(line.strip())
            continue
        keyword = True  # a '#' begins a comment unless it stands where a value is expected
        for match in _WORD.finditer(line):
            word = match.group(2) if match.group(2) is not None else re.sub(r"\\(.)", r"\1", match.group(1))
            if keyword and word.startswith("#"):
                break
            if keyword and word == "macdef":
                in_macro = True
                break
            keyword = not keyword or word == "default"
            yield number, word


def _broken(path: Path, line: int, why: str) -> XNATUnsafeNetrcError:
    return XNATUnsafeNetrcError(f"The netrc file {path} can't be parsed, line {line}: {why}.")
