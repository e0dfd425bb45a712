"""The rows of a listing, compactly: one tuple each, columns named once.

A listing can have 100,000 rows, so they are packed while the answer is parsed (:func:`parse`): a dict per row never
comes into being.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

__all__ = ["Row", "Rows", "parse", "respelled"]

#: Columns whose few values recur in many rows; equal texts are kept once.
_RECURRING = frozenset({"project", "xsiType", "type", "quality", "element_name", "insert_user", "session_ID", "date"})
_CONTAINERS = frozenset({list, dict})
#: Columns that are read by name, by lower case, in the spelling of XNAT; that of others is understood all the same.
#: ``name`` of projects and ``Name`` of files stay what they are.
_SPELLINGS = {
    name.lower(): name
    for name in (
        "ID", "URI", "label", "name", "project", "xsiType", "date", "type", "quality", "note",
        "series_description", "subject_ID", "session_ID", "session_label", "xnat_abstractresource_id",
        "element_name", "file_count", "file_size", "content", "format", "tags", "category", "cat_id", "Size",
        "digest", "collection", "file_format", "file_content", "file_tags", "login", "firstname", "lastname",
        "email", "displayname", "GROUP_ID", "xdat_user_id", "timestamp", "folderName", "subject", "status",
        "scan_date", "scan_time", "lastmod", "uploaded", "url", "tag", "autoarchive", "scanner", "FIELD_ID",
    )
}  # fmt: skip
# Spellings that differ in case only, and are both XNAT's.
_PROPER = frozenset({*_SPELLINGS.values(), "Name", "cat_ID", "ELEMENT_NAME"})


@functools.lru_cache(maxsize=64)
def respelled(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a row's columns, those that XNAT spells with other capitals in its spelling."""
    there = set(names)
    found = []
    for name in names:
        proper = name if name in _PROPER else _SPELLINGS.get(name.lower(), name)
        if proper != name and proper in there:
            # Keys of the database beside the columns of the same name.
            proper = name
        there.add(proper)
        found.append(proper)
    return tuple(found)


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

    def get(self, column: str, default: Any = None) -> Any:
        """The value in a column; the default without such a column."""
        at = self._columns.get(column)
        return default if at is None else self._values[at]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


class _Packer:
    """Turns records into tuples. All records with the same columns, which is all of a listing, share their names."""

    def __init__(self, drop: Callable[[str], bool]) -> None:
        self.columns: dict[str, int] = {}
        self._drop = drop
        self._plans: dict[tuple[str, ...], Callable[[Sequence[Any]], tuple[Any, ...]]] = {}
        self._texts: dict[str, str] = {}

    def pack(self, names: tuple[str, ...], values: Sequence[Any]) -> tuple[Any, ...]:
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plans[names] = self._plan(names)
        return plan(values)

    def _plan(self, names: tuple[str, ...]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """What makes the tuple of a record with these columns: it may end before columns that others have."""
        names = respelled(names)
        for name in names:
            if not self._drop(name):
                self.columns.setdefault(name, len(self.columns))
        kept = {self.columns[name]: at for at, name in enumerate(names) if name in self.columns}
        places = [kept.get(column) for column in range(max(kept, default=-1) + 1)]
        recurring = [column for column, at in kept.items() if names[at] in _RECURRING]
        pick: Callable[[Sequence[Any]], tuple[Any, ...]]
        if len(places) > 1 and None not in places:
            pick = itemgetter(*places)
        else:

            def pick(values: Sequence[Any]) -> tuple[Any, ...]:
                return tuple(["" if at is None else values[at] for at in places])

        if not recurring:
            return pick
        known = self._texts.setdefault

        def pack(values: Sequence[Any]) -> tuple[Any, ...]:
            packed = [*pick(values)]
            for column in recurring:
                text = packed[column]
                if type(text) is str:
                    packed[column] = known(text, text)
            return tuple(packed)

        return pack


class Rows:
    """All rows of a listing, in the server's order.

    :param records: the rows as mappings
    :param time: when the server was asked (:meth:`xnat.core.registry.Registry.now`)
    :param drop: says which columns to leave out
    """

    def __init__(
        self, records: Iterable[Mapping[str, Any]], time: int, drop: Callable[[str], bool] = lambda name: False
    ) -> None:
        packer = _Packer(drop)
        self.time = time
        self._values = [packer.pack(tuple(record), list(record.values())) for record in records]
        self._columns = packer.columns

    @classmethod
    def packed(cls, values: list[tuple[Any, ...]], columns: dict[str, int], time: int) -> Rows:
        """Rows that are packed already."""
        made = cls((), time)
        made._values, made._columns = values, columns
        return made

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

    def column(self, name: str) -> list[Any]:
        """One column; '' where a row has no such cell."""
        at = self._columns.get(name)
        if at is None:
            return [""] * len(self)
        return [values[at] if at < len(values) else "" for values in self._values]


def parse(text: str | bytes, time: int, drop: Callable[[str], bool]) -> Rows | None:
    """The rows of a listing's answer, packed as they are parsed; None if the answer is something else.

    :raises ValueError: it isn't JSON
    """
    packer = _Packer(drop)
    pack = packer.pack

    def innermost(pairs: list[tuple[str, Any]]) -> Any:
        if not pairs:
            return {}
        names, values = zip(*pairs)  # noqa: B905 - they are pairs, and this is for each of 100,000 rows
        # Rows hold plain values only; whatever holds rows is an ordinary object.
        if not _CONTAINERS.isdisjoint(map(type, values)):
            return dict(pairs)
        return pack(names, values)

    answer = json.loads(text, object_pairs_hook=innermost)
    try:
        found = answer["ResultSet"]["Result"]
    except (KeyError, TypeError):
        return None
    if not isinstance(found, list) or not all(type(row) is tuple for row in found):
        return None
    return Rows.packed(found, packer.columns, time)
