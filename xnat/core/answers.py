"""What the server answers to a question for a listing: a table, or it is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..exceptions import XNATResponseError
from .rows import respelled

__all__ = ["result_rows"]


def result_rows(answer: Any, uri: str) -> list[dict[str, Any]]:
    """The rows of a listing's answer.

    :raises XNATResponseError: it isn't a listing; an error, never an empty listing
    """
    table = answer.get("ResultSet") if isinstance(answer, Mapping) else None
    if not isinstance(table, Mapping):
        found = "an item" if isinstance(answer, Mapping) and "items" in answer else type(answer).__name__
        raise XNATResponseError(f"{uri}: asked for a listing, but the server's answer is {found}", url=uri)
    rows = table.get("Result")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise XNATResponseError(f"{uri}: asked for a listing, but the server's answer has no rows in it", url=uri)
    return [_Record(zip(respelled(tuple(row)), map(_cell, row.values()), strict=True)) for row in rows]


class _Record(dict[str, Any]):
    """A row as the server sent it. Asking for a column it should have, and hasn't, is an error of the server's."""

    def __missing__(self, column: str) -> Any:
        shown = ", ".join(list(self)[:20])
        raise XNATResponseError(f"The server's answer has no column {column!r} in one of its rows; it has {shown}")


def _cell(value: Any) -> Any:
    # Cells are text, sometimes numbers. Anything else would fail far from here, as a key or in a sum.
    return str(value) if isinstance(value, (dict, list)) else value
