"""Data to stdout, words to stderr."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xnat.protocols import UpdateFunc

__all__ = ["Output", "is_terminal", "plain"]


class Output:
    """Where a command's data and words go.

    :param form: ``human``, ``json`` or ``csv``
    :param header: whether tables begin with the names of the columns
    :param quiet: say nothing but errors
    """

    def __init__(self, data: IO[str], words: IO[str], *, form: str, header: bool, quiet: bool) -> None:
        self._data = data
        self._words = words
        self.form = form
        self.header = header
        self.quiet = quiet
        #: Words are for somebody who sits there; cron and pipes get errors only.
        self.chatty = not quiet and is_terminal(words)

    # -- data --------------------------------------------------------------------------------------------------------

    def table(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of a table: the same columns in every form."""
        found = [[row.get(column) for column in columns] for row in rows]
        if self.form == "json":
            self._json([dict(zip(columns, row, strict=True)) for row in found])
        elif self.form == "csv":
            self._csv([columns, *found] if self.header else found)
        else:
            self._aligned(columns, found)

    def record(self, record: Mapping[str, Any]) -> None:
        """One thing with names and values: an object in JSON, one line in CSV, a line a value for people."""
        if self.form == "json":
            self._json(dict(record))
        elif self.form == "csv":
            self._csv([list(record), list(record.values())] if self.header else [list(record.values())])
        else:
            width = max(map(len, record), default=0)
            for name, value in record.items():
                self.line(f"{plain(name):<{width}}  {plain(text_of(value))}".rstrip())

    def line(self, text: str) -> None:
        """One line of data."""
        self._data.write(f"{text}\n")

    def raw(self, text: str) -> None:
        """Text as it is."""
        self._data.write(text)

    @property
    def stream(self) -> IO[bytes]:
        """Stdout, for bytes."""
        self._data.flush()
        return self._data.buffer  # type: ignore[attr-defined,no-any-return]

    def flush(self) -> None:
        """Write out what is still kept; a reader that went away shows here."""
        self._data.flush()

    def _json(self, value: Any) -> None:
        self.line(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def _csv(self, rows: Sequence[Sequence[Any]]) -> None:
        import csv

        csv.writer(self._data, lineterminator="\n").writerows([[text_of(cell) for cell in row] for row in rows])

    def _aligned(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        cells = [[plain(text_of(cell)) for cell in row] for row in rows]
        numeric = [bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(columns))]
        lines = [list(columns), *cells] if self.header and rows else cells
        widths = [max((_width(line[at]) for line in lines), default=0) for at in range(len(columns))]
        for line in lines:
            filled = [
                " " * (widths[at] - _width(cell)) + cell if numeric[at] else cell + " " * (widths[at] - _width(cell))
                for at, cell in enumerate(line)
            ]
            self.line("  ".join(filled).rstrip())

    # -- words -------------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A remark, for people at a terminal only."""
        if self.chatty:
            self._words.write(f"{plain(text)}\n")
            self._words.flush()

    def warn(self, text: str) -> None:
        """Something to know, also in the log of a cron job."""
        if not self.quiet:
            self.error(text)

    def error(self, text: str) -> None:
        """What went wrong."""
        first, *more = text.splitlines() or [""]
        self._words.write("".join(f"{plain(line)}\n" for line in (f"xnat: {first}", *more)))
        self._words.flush()

    def progress(self) -> UpdateFunc:
        """A progress bar on a terminal, else nothing. (Stdout is redirected to stderr while a command runs.)"""
        from xnat.transfer.progress import default_update_func, ignore

        return default_update_func(None) if self.chatty else ignore


def is_terminal(stream: Any) -> bool:
    """Whether somebody looks at it."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def text_of(value: Any) -> str:
    """A cell as text; what isn't there is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def plain(text: str) -> str:
    """The text without control characters: a label must not be able to steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in text
    )


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    # Wide letters take two places, combining marks none.
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
