"""The rows of a listing, compactly: one tuple each, columns named once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["Row", "Rows"]

#: Columns whose few values recur in many rows; equal texts are kept once.
_RECURRING = frozenset({"project", "xsiType", "type", "quality", "element_name", "insert_user", "session_ID"})


class Row(Mapping[str, Any]):
    """One row, as a mapping of column → text; it knows when the server was asked."""

    __slots__ = ("_columns", "_values", "time")

    def __init__(self, columns: Mapping[str, int], values: Sequence[Any], time: int) -> None:
        self._columns = columns
        self._values = values
        self.time = time

    def __getitem__(self, column: str) -> Any:
        return self._values[self._columns[column]]

    def __contains__(self, column: object) -> bool:
        return column in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


class Rows:
    """All rows of a listing, in the server's order.

    :param time: when the server was asked (:meth:`xnat.core.registry.Registry.now`)
    """

    def __init__(self, records: Iterable[Mapping[str, Any]], time: int) -> None:
        self.time = time
        self._columns: dict[str, int] = {}
        self._values: list[tuple[Any, ...]] = []
        for record in records:
            self._values.append(self._pack(record))

    def _pack(self, record: Mapping[str, Any]) -> tuple[Any, ...]:
        columns = self._columns
        if len(record) != len(columns) or any(name not in columns for name in record):
            for name in record:
                columns.setdefault(name, len(columns))
        values = [record.get(name, "") for name in columns]
        for name in _RECURRING & record.keys():
            if isinstance(record[name], str):
                values[columns[name]] = sys.intern(record[name])
        return tuple(values)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._columns)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> Row:
        values = self._values[index]
        if len(values) < len(self._columns):
            # A column that only turned up in a later row.
            values += ("",) * (len(self._columns) - len(values))
        return Row(self._columns, values, self.time)

    def __iter__(self) -> Iterator[Row]:
        return (self[index] for index in range(len(self)))

    def cell(self, index: int, column: str) -> Any:
        """One cell; '' where the row has no such column."""
        at = self._columns.get(column)
        values = self._values[index]
        return "" if at is None or at >= len(values) else values[at]
