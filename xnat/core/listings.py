"""Listings with a REST collection of their own: the subjects of a project, the scans of a session.

A listing costs nothing until it is looked at; looking costs one request for the rows. Keys, lengths, filters and
reprs need the rows only: an object is made when an item is taken.
"""

from __future__ import annotations

import difflib
import fnmatch
import logging
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from .. import uris
from ..exceptions import XNATKeyError, XNATResponseError, XNATValueError
from .caching import caching as cached
from .display import listing_repr, table_html
from .rows import Row, Rows
from .tabulate import named_tuples, ordered_columns, to_csv, to_pandas

if TYPE_CHECKING:
    import pandas

    from ..protocols import Connection

__all__ = ["ListingKind", "XNATBaseListing", "XNATListing", "matches", "result_rows", "server_pattern"]


@dataclass(frozen=True)
class ListingKind:
    """How XNAT lists one kind of thing.

    :ivar kind: what it lists; :data:`xnat.core.registry.STALE` says what makes it stale
    :ivar columns: asked of the server; none: the server decides
    :ivar type_column: the column with the row's xsi type, where that can differ
    """

    kind: str
    columns: tuple[str, ...] = ()
    type_column: str | None = None


class XNATBaseListing(Mapping[str, Any]):
    """Rows from somewhere, as a mapping by primary or second key, and as a sequence by number.

    Iterating gives primary keys, as with a dict; ``values()`` gives the objects.
    """

    uri: str
    parent: Any
    field_name: str | None
    secondary_lookup_field: str | None
    xsi_type: str

    def __init__(self, session: Connection) -> None:
        self._session = session
        self._cache: dict[str, tuple[Hashable, Any]] = {}
        self._generation = 0
        self._caching: bool | None = None

    # -- what a kind of listing has to say --------------------------------------------------------------------------

    def _fetch(self) -> Iterable[Mapping[str, Any]]:
        """The rows, from the server."""
        raise NotImplementedError

    def _row_id(self, row: Mapping[str, Any]) -> str | None:
        """The primary key of a row."""
        raise NotImplementedError

    def _make(self, row: Row) -> Any:
        """The object of a row."""
        raise NotImplementedError

    def _row_type(self, row: Mapping[str, Any]) -> str:
        return self.xsi_type

    def _stamp(self) -> Hashable:
        return (self._session.registry.stamp(), self._generation)

    # -- caching -----------------------------------------------------------------------------------------------------

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self._session

    @property
    def logger(self) -> logging.Logger:
        """The session's logger."""
        return self._session.logger

    @property
    def caching(self) -> bool:
        """Whether rows are kept; the session's setting unless set here (``del`` goes back to it)."""
        return self._session.caching if self._caching is None else self._caching

    @caching.setter
    def caching(self, value: bool) -> None:
        self._caching = bool(value)

    @caching.deleter
    def caching(self) -> None:
        self._caching = None

    def clearcache(self) -> None:
        """Forget the rows; the next look asks the server again."""
        self._generation += 1
        self._cache.clear()

    # -- rows --------------------------------------------------------------------------------------------------------

    @cached
    def _table(self) -> _Table:
        time = self._session.registry.now()
        return _Table(self, Rows(self._fetch(), time))

    @property
    def data(self) -> dict[str, Any]:
        """The objects by primary key."""
        table = self._table()
        return {id_: self._make(table.rows[index]) for id_, index in table.by_id.items()}

    @property
    def key_map(self) -> dict[str, Any]:
        """The objects by second key, those left out whose key is not unique."""
        table = self._table()
        return {key: self._make(table.rows[index]) for key, index in table.by_key.items()}

    @property
    def non_unique_keys(self) -> set[str | None]:
        """Second keys that several rows share; None is always one."""
        return {None, *self._table().shared}

    @property
    def listing(self) -> list[Any]:
        """The objects, in the server's order."""
        table = self._table()
        return [self._make(table.rows[index]) for index in table.order]

    # -- mapping -----------------------------------------------------------------------------------------------------

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: int) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> list[Any]: ...
    def __getitem__(self, key: str | int | slice) -> Any:
        table = self._table()
        if isinstance(key, slice):
            return [self._make(table.rows[index]) for index in table.order[key]]
        if isinstance(key, int):
            try:
                return self._make(table.rows[table.order[key]])
            except IndexError:
                raise IndexError(f"{self._name} has {len(table.order)} items, so there is no item {key}") from None
        return self._make(table.rows[self._find(table, key)])

    def _find(self, table: _Table, key: str) -> int:
        found = table.by_id.get(key)
        if found is None:
            found = table.by_key.get(key)
        if found is not None:
            return found
        if key in table.shared:
            raise XNATKeyError(
                f"There are multiple items with that key in this collection! To avoid problem you need to use the ID: "
                f"{key!r} is shared by {', '.join(table.shared[key])}"
            )
        names = [*table.by_id, *table.by_key, *table.shared]
        close = difflib.get_close_matches(str(key), names, 3) if len(names) < 5000 else []
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else f" It has {len(table.order)} items."
        raise XNATKeyError(f"Could not find ID/label {key} in collection!{hint}")

    def __contains__(self, key: object) -> bool:
        table = self._table()
        return key in table.by_id or key in table.by_key or key in table.shared

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._table().by_id))

    def __len__(self) -> int:
        return len(self._table().order)

    def keys(self) -> list[str]:  # type: ignore[override]
        """The primary keys, in the server's order."""
        return list(self._table().by_id)

    def values(self) -> list[Any]:  # type: ignore[override]
        """The objects, in the server's order."""
        return self.listing

    def items(self) -> list[tuple[str, Any]]:  # type: ignore[override]
        """(primary key, object) pairs, in the server's order."""
        return list(self.data.items())

    def index(self, value: Any) -> int:
        """The position of an object.

        :raises ValueError: it isn't in the listing
        """
        return self.listing.index(value)

    def count(self, value: Any) -> int:
        """How often an object is in the listing."""
        return self.listing.count(value)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, XNATBaseListing) and self.data == other.data)

    __hash__ = None  # type: ignore[assignment]
    __reversed__ = None

    # -- display -----------------------------------------------------------------------------------------------------

    _name = "XNATListing"

    def _entries(self) -> Iterator[tuple[str, str | None, str]]:
        table = self._table()
        for index in table.order:
            row = table.rows[index]
            key = row.get(self.secondary_lookup_field) if self.secondary_lookup_field else None
            cls = self._session.class_for(self._row_type(row), self.xsi_type)
            yield self._row_id(row) or "", key, cls.__name__

    def __repr__(self) -> str:
        return listing_repr(self._name, self._entries(), len(self), self.secondary_lookup_field is not None)

    def _repr_html_(self) -> str:
        table = self._table()
        rows = (list(table.rows[index].values()) for index in table.order)
        return table_html(f"{len(self)} items of {self.uri}", table.rows.columns, rows, len(self))

    def _ipython_key_completions_(self) -> list[str]:
        table = self._table()
        return [*table.by_id, *table.by_key]


class _Table:
    """The rows of a listing and where each key stands."""

    def __init__(self, listing: XNATBaseListing, rows: Rows) -> None:
        self.rows = rows
        self.order: list[int] = []
        self.by_id: dict[str, int] = {}
        self.by_key: dict[str, int] = {}
        self.shared: dict[str, list[str]] = {}
        nameless = 0
        for index in range(len(rows)):
            row = rows[index]
            id_ = listing._row_id(row)
            if not id_:
                nameless += 1
                continue
            self.order.append(index)
            self.by_id.setdefault(id_, index)
        self._index_keys(listing)
        if nameless:
            listing.logger.warning("%s: %d rows without an ID are left out", listing.uri, nameless)

    def _index_keys(self, listing: XNATBaseListing) -> None:
        field = listing.secondary_lookup_field
        if field is None:
            return
        for index in self.order:
            key = self.rows.cell(index, field)
            if not key:
                continue
            if key in self.shared:
                self.shared[key].append(listing._row_id(self.rows[index]) or "")
            elif key in self.by_key:
                first = self.by_key.pop(key)
                self.shared[key] = [listing._row_id(self.rows[at]) or "" for at in (first, index)]
            else:
                self.by_key[key] = index


class XNATListing(XNATBaseListing):
    """A listing of the REST API.

    :param uri: REST path of the collection; by default the field below its parent
    :param filter: column → pattern; see :meth:`filter`
    :param parent: the object it belongs to
    :param field_name: the parent's attribute
    :param secondary_lookup_field: the column that is the second key
    :param xsi_type: the type of its items, where a row doesn't say
    """

    def __init__(
        self,
        uri: str | None = None,
        filter: Mapping[str, str] | None = None,
        parent: Any = None,
        field_name: str | None = None,
        secondary_lookup_field: str | None = None,
        xsi_type: str | None = None,
        *,
        kind: ListingKind | None = None,
        query: Mapping[str, str] | None = None,
        session: Connection | None = None,
    ) -> None:
        found = session or parent.xnat_session
        super().__init__(found)
        self._uri = uri
        self.parent = found if parent is None else parent
        self.field_name = field_name
        self.secondary_lookup_field = secondary_lookup_field
        self.xsi_type = xsi_type or ""
        self.kind = kind or ListingKind("")
        self._filters: dict[str, str] = dict(filter or {})
        self._query: dict[str, str] = dict(query or {})

    @property
    def uri(self) -> str:  # type: ignore[override]
        """REST path of the collection."""
        if self._uri is None:
            # The parent may have to ask the server where it lies; so this waits until the listing is looked at.
            return uris.join(self.parent.fulluri, self.field_name or "")
        return self._uri

    @property
    def used_filters(self) -> dict[str, str]:
        """The filters of this listing: column → pattern."""
        return dict(self._filters)

    def _stamp(self) -> Hashable:
        return (self._session.registry.stamp(self.kind.kind), self._generation)

    def _fetch(self) -> Iterable[Mapping[str, Any]]:
        columns = {"columns": ",".join(self._columns())} if self.kind.columns else {}
        rows = self._ask({**columns, **self._server_filters()})
        return [_without_uri(row) for row in rows if matches(row, self._filters)]

    def _columns(self) -> list[str]:
        columns = list(self.kind.columns)
        extra = [self.secondary_lookup_field, *self._filters]
        return columns + [name for name in extra if name and name not in columns and "/" not in name]

    def _ask(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        return result_rows(self._session.get_json(self.uri, query={**self._query, **query}), self.uri)

    def _server_filters(self) -> dict[str, str]:
        return {name: server_pattern(pattern) for name, pattern in self._filters.items()}

    def _row_id(self, row: Mapping[str, Any]) -> str | None:
        id_ = row.get("ID")
        return None if id_ in (None, "") else str(id_)

    def _row_type(self, row: Mapping[str, Any]) -> str:
        return (self.kind.type_column and row.get(self.kind.type_column)) or self.xsi_type

    def _make(self, row: Row) -> Any:
        id_ = self._row_id(row) or ""
        return self._session.create_object(
            uris.join(self.uri, id_),
            self._row_type(row),
            fieldname=self.field_name,
            id_=id_,
            datafields=row,
            parent=self.parent,
        )

    # -- filters and tables -----------------------------------------------------------------------------------------

    def filter(self, filters: Mapping[str, str] | None = None, **kwargs: str) -> XNATListing:
        """A listing of those items only that match: ``subjects.filter(label='test*')``.

        Patterns are those of the shell (``*``, ``?``, ``[ab]``). The server sees them first, and sends what may match.

        :param filters: column (a shortcut such as ``label``, or a path such as ``xnat:mrSessionData/date``) → pattern
        :raises XNATValueError: a column is filtered by already, with another pattern
        """
        merged = self.merge_filters(self._filters, {**(filters or {}), **kwargs})
        return type(self)(
            uri=self._uri,
            filter=merged,
            parent=self.parent,
            field_name=self.field_name,
            secondary_lookup_field=self.secondary_lookup_field,
            xsi_type=self.xsi_type,
            kind=self.kind,
            query=self._query,
            session=self._session,
        )

    @staticmethod
    def merge_filters(old_filters: Mapping[str, str], extra_filters: Mapping[str, str]) -> dict[str, str]:
        """Both sets of filters as one.

        :raises XNATValueError: they say different things of a column
        """
        merged = dict(old_filters)
        for name, pattern in extra_filters.items():
            if merged.get(name, pattern) != pattern:
                raise XNATValueError(f"Trying to redefine filter {name}={merged[name]} to {name}={pattern}")
            merged[name] = pattern
        return merged

    def _tabulate(
        self, columns: Sequence[str] | None, filter: Mapping[str, str] | None
    ) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
        asked = None if columns is None else list(columns)
        filters = self.merge_filters(self._filters, filter or {})
        query = {name: server_pattern(pattern) for name, pattern in filters.items()}
        query["columns"] = "DEFAULT" if asked is None else ",".join(asked)
        rows = [row for row in self._ask(query) if matches(row, filters)]
        return ordered_columns(asked, rows, self.logger), rows

    def tabulate(
        self, columns: Sequence[str] | None = None, filter: Mapping[str, str] | None = None
    ) -> tuple[Any, ...]:
        """The listing as a table: a tuple of ``TableRow`` named tuples of text, ``()`` when empty. One request.

        :param columns: shortcuts or full paths, in this order; by default the server's own choice
        :param filter: column → pattern, beside the listing's own filters
        """
        return named_tuples(*self._tabulate(columns, filter))

    def tabulate_csv(
        self, columns: Sequence[str] | None = None, filter: Mapping[str, str] | None = None, header: bool = True
    ) -> str:
        """The listing as CSV text. One request."""
        return to_csv(*self._tabulate(columns, filter), header=header)

    def tabulate_pandas(
        self, columns: Sequence[str] | None = None, filter: Mapping[str, str] | None = None
    ) -> pandas.DataFrame:
        """The listing as a pandas frame with numbers and dates as such. One request; needs the extra ``pandas``."""
        return to_pandas(*self._tabulate(columns, filter))


def result_rows(answer: Any, uri: str) -> list[dict[str, Any]]:
    """The rows of a listing's answer.

    :raises XNATResponseError: it isn't a listing; an error, never an empty listing
    """
    try:
        rows: list[dict[str, Any]] = answer["ResultSet"]["Result"]
    except (KeyError, TypeError):
        found = "an item" if isinstance(answer, Mapping) and "items" in answer else type(answer).__name__
        raise XNATResponseError(f"{uri}: asked for a listing, but the server's answer is {found}", url=uri) from None
    return rows


def _without_uri(row: Mapping[str, Any]) -> Mapping[str, Any]:
    # A row with an ID has its address in the listing's; only files need the server's.
    return {name: value for name, value in row.items() if name != "URI"} if row.get("ID") else row


def server_pattern(pattern: str) -> str:
    """The pattern as the server understands it: at least what matches here matches there."""
    return re.sub(r"\?|\[[^]]*\]", "*", str(pattern))


def matches(row: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    """Whether a row fits the filters, as far as its columns tell."""
    for name, pattern in filters.items():
        value = row.get(name, row.get(name.lower()))
        if value is not None and not _fits(str(value), str(pattern)):
            return False
    return True


def _fits(value: str, pattern: str) -> bool:
    # The server takes a comma for "or", and a-b of dates and numbers for a range: it has judged those already.
    if re.fullmatch(r"[\d./: ]+-[\d./: ]+(,.*)?", pattern) or re.fullmatch(r"\d\d?/\d\d?/\d{4}", pattern):
        return True
    return value == pattern or any(fnmatch.fnmatchcase(value, part) for part in [pattern, *pattern.split(",")])
