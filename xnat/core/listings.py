"""Listings with a REST collection of their own: the subjects of a project, the scans of a session.

A listing costs nothing until it is looked at; looking costs one request for the rows. Keys, lengths, filters and
reprs need the rows only: an object is made when an item is taken.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from .. import uris
from ..columns import column_type, to_pandas
from ..exceptions import XNATKeyError, XNATResponseError, XNATValueError
from ..mapping import MapsItems
from ..naming import close_names
from .answers import result_rows
from .caching import Caches
from .caching import caching as cached
from .display import listing_repr, rows_html
from .patterns import matches, server_pattern, warn_of_unknown
from .rows import Row, Rows
from .table import Table, Values
from .tabulate import named_tuples, ordered_columns, to_csv

if TYPE_CHECKING:
    import pandas

    from ..protocols import Connection

__all__ = ["ListingKind", "XNATBaseListing", "XNATListing"]


class ListingKind(NamedTuple):
    """How XNAT lists one kind of thing.

    :ivar kind: what it lists; :data:`xnat.core.registry.STALE` says what makes it stale
    :ivar columns: asked of the server; none: the server decides
    :ivar type_column: the column with the row's xsi type, where that can differ
    :ivar asks_type: whether the type is asked for where the row doesn't tell it: one GET for such an object
    """

    kind: str
    columns: tuple[str, ...] = ()
    type_column: str | None = None
    asks_type: bool = False


if TYPE_CHECKING:
    _MappingAndSequence = Mapping[str, Any]
else:

    class _MappingAndSequence(Mapping, Sequence):
        """What a listing is at run time; to a checker the two contradict each other."""

        __slots__ = ()


class XNATBaseListing(Caches, MapsItems, _MappingAndSequence):
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

    def clearcache(self) -> None:
        """Forget the rows; the next look asks the server again."""
        self._generation = self._session.registry.now()
        self._cache.clear()

    def __getstate__(self) -> dict[str, Any]:
        # What travels is where to look, not what was seen there.
        return {**self.__dict__, "_cache": {}, "_generation": 0}

    # -- rows --------------------------------------------------------------------------------------------------------

    @cached
    def _table(self) -> Table:
        table = Table(self._rows(self._session.registry.now()), self._ids, self.secondary_lookup_field)
        if table.nameless:
            self.logger.warning("%s: %d rows without an ID are left out", self.uri, table.nameless)
        return table

    def _rows(self, time: int) -> Rows:
        return Rows(self._fetch(), time)

    def _ids(self, rows: Rows) -> Sequence[str | None]:
        return [self._row_id(row) for row in rows]

    def _at(self, index: int) -> Any:
        """The object of a row, by its number."""
        return self._make(self._table().rows[index])

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
    def listing(self) -> Values:
        """The objects, in the server's order; each is made when it is taken."""
        table = self._table()
        return Values(table.order, self._taker(table))

    def _taker(self, table: Table) -> Callable[[int], Any]:
        """What gives the object of a row, by its number."""
        return lambda index: self._make(table.rows[index])

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

    def _find(self, table: Table, key: str) -> int:
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
        close = close_names(str(key), names) if len(names) < 5000 else []
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

    def values(self) -> Values:  # type: ignore[override]
        """The objects, in the server's order; each is made when it is taken, so a loop holds one at a time."""
        return self.listing

    def items(self) -> list[tuple[str, Any]]:  # type: ignore[override]
        """(primary key, object) pairs, in the server's order."""
        return list(self.data.items())

    def get(self, key: Any, default: Any = None) -> Any:
        """The object of a key or number; the default if there is none."""
        try:
            return self[key]
        except (KeyError, IndexError):
            return default

    def index(self, value: Any) -> int:
        """The position of an object, or of the object of a key.

        :raises ValueError: it isn't in the listing
        """
        table = self._table()
        try:
            place = self._find(table, value) if value in self else None
            return self.listing.index(value) if place is None else list(table.order).index(place)
        except (KeyError, ValueError):
            raise ValueError(f"{value!r} is not in the listing, or more than once; it has {len(self)} items") from None

    def count(self, value: Any) -> int:
        """How often an object, or a key, is in the listing."""
        table = self._table()
        return len(table.shared.get(value, ())) or int(value in self) or self.listing.count(value)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Mapping) and self.data == dict(other.items()))

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
        rows = (table.rows[index] for index in table.order)
        return rows_html(f"{len(self)} {self.field_name or 'items'}", table.rows.columns, rows, len(self))

    def _ipython_key_completions_(self) -> list[str]:
        table = self._table()
        return [*table.by_id, *table.by_key]


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
        self._base = ""
        self._makers: dict[str, Callable[[str, Row], Any]] = {}
        self._types: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_base": "", "_makers": {}, "_types": {}}

    @property
    def uri(self) -> str:  # type: ignore[override]
        """REST path of the collection."""
        if self._uri is None:
            # The parent may have to ask the server where it lies; so this waits until the listing is looked at.
            return uris.join(self.parent._path, self.field_name or "")
        return self._uri

    @property
    def used_filters(self) -> dict[str, str]:
        """The filters of this listing: column → pattern."""
        return dict(self._filters)

    def _stamp(self) -> Hashable:
        return (self._session.registry.stamp(self.kind.kind), self._generation)

    def _fetch(self) -> Iterable[Mapping[str, Any]]:
        columns = {"columns": ",".join(self._columns())} if self.kind.columns else {}
        rows = self._records({**columns, **self._server_filters()})
        warn_of_unknown(self._filters, rows, self.uri, self.logger)
        return [row for row in rows if matches(row, self._filters)]

    def _records(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """What the server answers, with what a kind of listing adds to each row."""
        return self._ask(query)

    def _rows(self, time: int) -> Rows:
        self._base = self.uri
        self._makers = {}
        self._types = {}
        if self._filters or type(self)._records is not XNATListing._records:
            return Rows(self._fetch(), time, self._is_redundant)
        columns = {"columns": ",".join(self._columns())} if self.kind.columns else {}
        query = {**self._query, **columns}
        found: Rows = self._session.get_rows(self._base, query, time=time, drop=self._is_redundant)
        return found

    @staticmethod
    def _is_redundant(column: str) -> bool:
        # A row with an ID has its address in the listing's, and XNAT repeats the ID under the name of the query's root.
        return column == "URI" or (column.endswith("/id") and ":" in column)

    def _ids(self, rows: Rows) -> Sequence[str | None]:
        if type(self)._row_id is not XNATListing._row_id:
            return super()._ids(rows)
        return [id_ if type(id_) is str else (None if id_ is None else str(id_)) for id_ in rows.column("ID")]

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
        return None if id_ is None or id_ == "" else str(id_)

    def _row_type(self, row: Mapping[str, Any]) -> str:
        told = row.get(self.kind.type_column) if self.kind.type_column else None
        return str(told) if told else self.xsi_type

    def _make(self, row: Row) -> Any:
        told = self.kind.type_column is None or row.get(self.kind.type_column)
        xsi_type = self._row_type(row) if told or not self.kind.asks_type else self._asked_type(row)
        make = self._makers.get(xsi_type)
        if make is None:
            make = self._makers[xsi_type] = self._maker(self._session.class_for(xsi_type, self.xsi_type))
        return make(self._row_id(row) or "", row)

    def _taker(self, table: Table) -> Callable[[int], Any]:
        if self.kind.type_column is not None or type(self)._make is not XNATListing._make:
            return super()._taker(table)
        # All rows are of one type: nothing about it need be looked up for each.
        make = self._maker(self._session.class_for(self.xsi_type, self.xsi_type))
        rows, ids = table.rows, table.ids

        def take(index: int) -> Any:
            return make(ids[index] or "", rows[index])

        return take

    def _asked_type(self, row: Row) -> str:
        """The type of an item whose row tells none; that of the listing where its item doesn't either."""
        id_ = self._row_id(row) or ""
        known = self._types.get(id_)
        if known is None:
            try:
                known = str(self._session.create_object(uris.join(self._base, id_), parent=self.parent).XSI_TYPE)
            except XNATResponseError as error:
                self.logger.warning("%s: no type of %s is told, taken as %s: %s", self.uri, id_, self.xsi_type, error)
                known = self.xsi_type
            self._types[id_] = known
        return known

    def _maker(self, cls: type[Any]) -> Callable[[str, Row], Any]:
        """What gives the object of an ID and a row. Whatever is the same for all rows is looked up once, here."""
        session, base, parent, field_name = self._session, self._base, self.parent, self.field_name
        identify, of_row, live = cls._identifier(base), cls._of_row, session.registry.live

        def make(id_: str, row: Row) -> Any:
            made = functools.partial(of_row, session, base, id_, row, parent, field_name)
            return live(identify(id_, row), cls, made, row, None, parent)

        return make

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
        self, columns: str | Sequence[str] | None, filter: Mapping[str, str] | None
    ) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
        asked = None if columns is None else [columns] if isinstance(columns, str) else list(columns)
        filters = self.merge_filters(self._filters, filter or {})
        query = {name: server_pattern(pattern) for name, pattern in filters.items()}
        # The server may send more than fits, so the columns that tell have to be there.
        telling = [name for name in filters if "/" not in name]
        wanted = None if asked is None else list(dict.fromkeys([*asked, *telling]))
        rows = self._ask({**query, "columns": "DEFAULT" if wanted is None else ",".join(wanted)})
        if wanted is None and rows and any(query[name] != filters[name] and name not in rows[0] for name in telling):
            # Its own choice of columns can't be had together with others.
            more = self._ask({**query, "columns": ",".join(dict.fromkeys(["ID", *telling]))})
            fitting = {row["ID"] for row in more if matches(row, filters)}
            rows = [row for row in rows if row["ID"] in fitting]
        rows = [row for row in rows if matches(row, filters)]
        return ordered_columns(asked, rows, self.logger), rows

    def tabulate(
        self, columns: str | Sequence[str] | None = None, filter: Mapping[str, str] | None = None
    ) -> tuple[Any, ...]:
        """The listing as a table: a tuple of ``TableRow`` named tuples of text, ``()`` when empty. One request.

        :param columns: shortcuts or full paths, in this order, or just one; by default the server's own choice
        :param filter: column → pattern, beside the listing's own filters. A second request is needed where the server's
            own columns don't tell whether a row fits
        """
        return named_tuples(*self._tabulate(columns, filter))

    def tabulate_csv(
        self, columns: str | Sequence[str] | None = None, filter: Mapping[str, str] | None = None, header: bool = True
    ) -> str:
        """The listing as CSV text. One request."""
        return to_csv(*self._tabulate(columns, filter), header=header)

    def tabulate_pandas(
        self, columns: str | Sequence[str] | None = None, filter: Mapping[str, str] | None = None
    ) -> pandas.DataFrame:
        """The listing as a pandas frame: dates, numbers and categories by the schema. One request.

        :raises ModuleNotFoundError: pandas isn't installed (``pip install 'xnat[pandas]'``)
        """
        classes, xsi_type = self._session.classes, self._query.get("xsiType", self.xsi_type)
        return to_pandas(*self._tabulate(columns, filter), lambda name: column_type(classes, xsi_type, name))
