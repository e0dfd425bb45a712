"""What a run has done, line by line, so that the next run goes on where this one stopped.

A journal is a text file: one line of JSON per event, each written at once and never changed. Its first line says what
it is and for which server. A run that is killed leaves at most one torn line at the end, which the next one cuts off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from ..exceptions import XNATValueError

__all__ = ["Journal"]

_KIND = "xnat map"
_VERSION = 1


class Journal:
    """The journal of a run over objects; use it in a ``with`` statement.

    :param path: the file; made if it isn't there, else continued
    :param server: the server the objects are on
    :raises XNATValueError: the file is something else, or about another server
    """

    def __init__(self, path: str | os.PathLike[str], server: str) -> None:
        self.path = Path(path).expanduser()
        self._server = server
        self._done: dict[str, Any] = {}
        self._handle: int | None = None

    @property
    def done(self) -> dict[str, Any]:
        """Result by address, of all that succeeded in earlier runs."""
        return self._done

    def __enter__(self) -> Journal:
        whole = self._read()
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        os.ftruncate(self._handle, whole)
        if whole == 0:
            self._append({"journal": _KIND, "version": _VERSION, "server": self._server})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def succeeded(self, uri: str, result: Any) -> None:
        """Note the result of one object.

        :raises TypeError: the result can't be written as JSON
        """
        self._append({"uri": uri, "date": _now(), "success": True, "result": result})

    def failed(self, uri: str, reason: str) -> None:
        """Note that one object failed; the next run tries it again."""
        self._append({"uri": uri, "date": _now(), "success": False, "reason": reason})

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            line = json.dumps(entry, ensure_ascii=False) + "\n"
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"The result of {entry.get('uri')} can't stand in a journal: {error}. With journal=, return None, "
                "bool, int, float, str, or lists and dicts of these"
            ) from error
        if self._handle is None:
            raise ValueError("The journal is closed")
        # One write per line: a process that is killed leaves whole lines, but for the last one at most.
        os.write(self._handle, line.encode("utf-8", "surrogatepass"))

    def _read(self) -> int:
        """Take in what is there; the number of bytes up to the end of the last whole line."""
        whole = 0
        try:
            stream = open(self.path, "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            return 0
        with stream:
            for number, (line, entry) in enumerate(_entries(stream, self.path), 1):
                if number == 1:
                    self._check(entry)
                elif entry.get("success"):
                    self._done[str(entry.get("uri"))] = entry.get("result")
                else:
                    # The last word counts: a repeated run may have failed where an edited journal says it succeeded.
                    self._done.pop(str(entry.get("uri")), None)
                whole += len(line)
        return whole

    def _check(self, head: dict[str, Any]) -> None:
        if head.get("journal") != _KIND:
            raise XNATValueError(f"{self.path} is no journal of a map; it is left as it is")
        if head.get("version") != _VERSION:
            raise XNATValueError(f"{self.path} was written by another version of this package")
        if head.get("server") != self._server:
            raise XNATValueError(f"{self.path} is the journal of a run on {head.get('server')}, not on {self._server}")


def _entries(stream: Any, path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for number, line in enumerate(stream, 1):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict) or not line.endswith(b"\n"):
                raise ValueError
        except ValueError:
            # Only the last line can be torn, and only if something whole stands before it or it begins as ours do.
            if not stream.read(1) and (number > 1 or b'{"journal": "'.startswith(line[:13])):
                return
            raise XNATValueError(f"Line {number} of {path} is not of a journal; the file is left as it is") from None
        yield line, entry


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
