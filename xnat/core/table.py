"""Where each key of a listing stands in its rows; worked out when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from .rows import Rows

__all__ = ["Table", "Values"]


class Table:
    """The rows of a listing and their keys.

    :param ids: gives the primary key of each row, None or '' for a row that has none
    :param key_column: the column of the second key, if there is one
    """

    def __init__(self, rows: Rows, ids: Callable[[Rows], Sequence[str | None]], key_column: str | None) -> None:
        self.rows = rows
        self._ids = ids
        self._key_column = key_column

    @cached_property
    def ids(self) -> Sequence[str | None]:
        """The primary key of each row. Only to be asked for where they are texts of the rows, and take no more room."""
        return self._ids(self.rows)

    @cached_property
    def order(self) -> Sequence[int]:
        """The rows that have a primary key."""
        ids = self._ids(self.rows)
        if all(ids):
            return range(len(ids))
        return [index for index, id_ in enumerate(ids) if id_]

    @property
    def nameless(self) -> int:
        """How many rows have no primary key."""
        return len(self.rows) - len(self.order)

    @cached_property
    def by_id(self) -> dict[str, int]:
        """Primary key → row; of several rows with one key the first."""
        found: dict[str, int] = {}
        for index, id_ in enumerate(self._ids(self.rows)):
            if id_:
                found.setdefault(id_, index)
        return found

    @cached_property
    def _keys(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        unique: dict[str, int] = {}
        shared: dict[str, list[int]] = {}
        column = self.rows.column(self._key_column) if self._key_column else []
        for index in self.order if column else ():
            if not column[index]:
                continue
            key = str(column[index])
            if key in shared:
                shared[key].append(index)
            elif key in unique:
                shared[key] = [unique.pop(key), index]
            else:
                unique[key] = index
        return unique, shared

    @property
    def by_key(self) -> dict[str, int]:
        """Second key → row, for keys that one row has."""
        return self._keys[0]

    @cached_property
    def shared(self) -> dict[str, list[str]]:
        """Second keys that several rows have → the primary keys of those."""
        ids = self._ids(self.rows)
        return {key: [ids[index] or "" for index in indexes] for key, indexes in self._keys[1].items()}


class Values(Sequence[Any]):
    """The objects of a listing, as a list that makes each when it is taken: a loop holds one at a time."""

    __slots__ = ("_make", "_order")

    def __init__(self, order: Sequence[int], make: Callable[[int], Any]) -> None:
        self._order = order
        self._make = make

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._make(at) for at in self._order[index]]
        return self._make(self._order[index])

    def __iter__(self) -> Any:
        return map(self._make, self._order)

    def __contains__(self, value: object) -> bool:
        return any(value is item or value == item for item in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Values, list)) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Any) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: Any) -> list[Any]:
        return [*other, *self]

    def __repr__(self) -> str:
        return repr(list(self))
