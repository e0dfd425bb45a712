"""Listings of a whole project in one request: XNAT joins what lies below its sessions into their listing.

A row per scan (or resource), with the session's and subject's names beside it. The join doesn't tell the type of a
scan, so its items are of the base type; ``experiment.scans`` gives the exact one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import uris
from ..columns import column_type, to_pandas
from ..exceptions import XNATResponseError, XNATValueError
from .answers import result_rows
from .listings import XNATBaseListing, XNATListing
from .patterns import matches, server_pattern
from .rows import Row
from .tabulate import named_tuples, ordered_columns, to_csv

if TYPE_CHECKING:
    import pandas

__all__ = ["RESOURCES", "SCANS", "SESSION_RESOURCES", "Join", "JoinedListing"]

#: Columns about the session, by the name they get: shortcuts of the listing of experiments.
_SESSION = {
    "session_ID": "ID",
    "session_label": "label",
    "session_xsiType": "xsiType",
    "subject_ID": "subject_ID",
    "subject_label": "subject_label",
    "project": "project",
}


@dataclass(frozen=True)
class Join:
    """What is joined into the sessions.

    :ivar kind: what the rows are; :data:`xnat.core.registry.STALE` says what makes them stale
    :ivar xsi_type: the type of the items
    :ivar root: the type whose path the columns begin with
    :ivar columns: name → path below the root
    :ivar identity: the columns that name an item below its session
    :ivar segments: where an item lies below its session, with the columns' values in between
    """

    kind: str
    xsi_type: str
    root: str
    columns: Mapping[str, str]
    identity: tuple[str, ...]
    segments: tuple[str, ...]


SCANS = Join(
    "scan",
    "xnat:imageScanData",
    "xnat:imageScanData",
    {
        "ID": "ID",
        "type": "type",
        "quality": "quality",
        "note": "note",
        "series_description": "series_description",
        "frames": "frames",
        "modality": "modality",
        "UID": "UID",
    },
    ("ID",),
    ("scans", "{ID}"),
)
RESOURCES = Join(
    "resource",
    "xnat:resourceCatalog",
    "xnat:imageScanData",
    {
        "scan_ID": "ID",
        "scan_type": "type",
        "label": "file/label",
        "format": "file/format",
        "content": "file/content",
        "file_count": "file/file_count",
        "file_size": "file/file_size",
    },
    ("scan_ID", "label"),
    ("scans", "{scan_ID}", "resources", "{label}"),
)
SESSION_RESOURCES = Join(
    "resource",
    "xnat:resourceCatalog",
    "xnat:experimentData",
    {
        "label": "resources/resource/label",
        "format": "resources/resource/format",
        "content": "resources/resource/content",
        "file_count": "resources/resource/file_count",
        "file_size": "resources/resource/file_size",
    },
    ("label",),
    ("resources", "{label}"),
)


class JoinedListing(XNATBaseListing):
    """What lies below all sessions of a project, from one request.

    Keys are the session's ID and the item's, as ``'XNAT_E00001/3'``.

    :param parent: the project
    :param join: what to list
    :param filter: column → pattern
    """

    secondary_lookup_field = None

    def __init__(self, parent: Any, join: Join, filter: Mapping[str, str] | None = None) -> None:
        super().__init__(parent.xnat_session)
        self.parent = parent
        self.join = join
        self.field_name = join.segments[0]
        self.xsi_type = join.xsi_type
        self._filters = dict(filter or {})
        self._check(self._filters)

    def _check(self, filters: Mapping[str, str]) -> None:
        known = [*_SESSION, *self.join.columns]
        unknown = sorted(name for name in filters if name not in known and "/" not in name)
        if unknown:
            raise XNATValueError(f"No column {', '.join(unknown)} here; there is {', '.join(known)}")

    @property
    def uri(self) -> str:  # type: ignore[override]
        """REST path that is asked."""
        return uris.join(self.parent._path, "experiments")

    @property
    def used_filters(self) -> dict[str, str]:
        """The filters of this listing: column → pattern."""
        return dict(self._filters)

    def _stamp(self) -> Hashable:
        registry = self._session.registry
        return (registry.stamp(self.join.kind), registry.stamp("experiment"), self._generation)

    def _path(self, name: str) -> str:
        """A column as the server knows it."""
        if name in self.join.columns:
            return f"{self.join.root}/{self.join.columns[name]}"
        return _SESSION.get(name, name)

    def _ask(self, columns: Sequence[str], filters: Mapping[str, str]) -> list[dict[str, Any]]:
        """The rows with these columns, under the names they were asked by."""
        query = {"xsiType": "xnat:imageSessionData", "columns": ",".join(dict.fromkeys(map(self._path, columns)))}
        query.update({self._path(name): server_pattern(pattern) for name, pattern in filters.items()})
        answer = result_rows(self._session.get_json(self.uri, query=query), self.uri)
        told = {name.lower() for given in answer for name in given}
        missing = [self._path(name) for name in self.join.identity if self._path(name).lower() not in told]
        if answer and missing:
            raise XNATResponseError(
                f"{self.uri}: the server lists its sessions but not what is below them (no column "
                f"{', '.join(missing)}). Go through the sessions instead, as with project.prefetch()",
                url=self.uri,
            )
        found = []
        for given in answer:
            folded = {name.lower(): value for name, value in given.items()}
            row = {name: folded[path] for name in columns if (path := self._path(name).lower()) in folded}
            # A session without any of them still gives a row.
            if all(row.get(name) for name in self.join.identity) and matches(row, filters):
                found.append(row)
        return found

    def _fetch(self) -> Iterable[Mapping[str, Any]]:
        return self._ask([*_SESSION, *self.join.columns], self._filters)

    def _row_id(self, row: Mapping[str, Any]) -> str | None:
        return "/".join(str(row[name]) for name in ("session_ID", *self.join.identity))

    def _make(self, row: Row) -> Any:
        session_uri = uris.join(self.parent._path, "subjects", row["subject_ID"], "experiments", row["session_ID"])
        place = [segment.format_map(row) for segment in self.join.segments]
        id_ = row.get("ID")
        return self._session.create_object(uris.join(session_uri, *place), self.xsi_type, id_=id_, datafields=row)

    def filter(self, filters: Mapping[str, str] | None = None, **kwargs: str) -> JoinedListing:
        """Those items only that match, as :meth:`XNATListing.filter`."""
        merged = XNATListing.merge_filters(self._filters, {**(filters or {}), **kwargs})
        return type(self)(self.parent, self.join, merged)

    # -- tables ------------------------------------------------------------------------------------------------------

    def _tabulate(
        self, columns: str | Sequence[str] | None, filter: Mapping[str, str] | None
    ) -> tuple[list[tuple[str, str]], list[Mapping[str, Any]]]:
        known = [*_SESSION, *self.join.columns]
        columns = [columns] if isinstance(columns, str) else columns
        rows: list[Mapping[str, Any]]
        if not filter and set(columns or ()) <= set(known):
            # The rows that are here anyway.
            table = self._table()
            rows = [table.rows[index] for index in table.order]
        else:
            filters = XNATListing.merge_filters(self._filters, filter or {})
            self._check(filters)
            # The server may send more than fits, so the columns that tell have to be there.
            telling = [name for name in filters if "/" not in name]
            wanted = dict.fromkeys([*(columns or known), *self.join.identity, "session_ID", *telling])
            rows = list(self._ask(list(wanted), filters))
        return ordered_columns(columns or known, rows, self.logger), rows

    def tabulate(
        self, columns: str | Sequence[str] | None = None, filter: Mapping[str, str] | None = None
    ) -> tuple[Any, ...]:
        """The listing as a tuple of ``TableRow`` named tuples. One request, none if its rows are here and suffice.

        :param columns: names of its own columns, or full paths such as ``'xnat:mrScanData/parameters/tr'``; or just one
        :param filter: column → pattern, beside the listing's own filters
        :raises XNATValueError: a filter is for a column that isn't there
        """
        return named_tuples(*self._tabulate(columns, filter))

    def tabulate_csv(
        self, columns: str | Sequence[str] | None = None, filter: Mapping[str, str] | None = None, header: bool = True
    ) -> str:
        """The listing as CSV text."""
        return to_csv(*self._tabulate(columns, filter), header=header)

    def tabulate_pandas(
        self, columns: str | Sequence[str] | None = None, filter: Mapping[str, str] | None = None
    ) -> pandas.DataFrame:
        """The listing as a pandas frame: dates, numbers and categories by the schema; needs the extra ``pandas``."""
        classes, of_sessions = self._session.classes, "xnat:imageSessionData"
        return to_pandas(
            *self._tabulate(columns, filter),
            lambda name: column_type(classes, of_sessions, name if name.startswith("file_") else self._path(name)),
        )
