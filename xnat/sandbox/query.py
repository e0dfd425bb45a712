"""Listings of objects: which columns, which rows, and the rows that joins make.

A listing has a root kind (subjects, experiments, scans ...). A column is a short name or a path. A path may lead into a
collection (``fields/field/name``), to parts of a session (``xnat:mrScanData/type``), or up
(``xnat:subjectData/label``); a collection or a part gives one row per entry, as a join does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .database import Row
from .datatypes import Schemas
from .filters import matcher
from .items import Item
from .joins import RESOURCE_REFERENCES, resource_entries
from .paths import Path, parse_path
from .render import cell_text
from .routing import Context
from .searchfields import canonical_path
from .shortcuts import DEFAULTS, ROOTS, SHORTCUTS, shortcut_of
from .store import Store

__all__ = ["Line", "Listing", "lines"]

# Parameters that are never filters, whatever short names there are.
RESERVED = {
    "columns", "format", "limit", "offset", "recent", "sortby", "sortorder", "xsitype", "file_stats", "stats", "all",
    "restrict", "concealhiddenfields", "xnat_csrf",
}  # fmt: skip

_SELECT = (
    "SELECT o.*, up.id AS up_id, up.label AS up_label, up.project AS up_project FROM objects o"
    " LEFT JOIN objects up ON up.key = o.parent "
)
_DIRECT = {
    "ID": "id", "xsiType": "xsi_type", "date": "date", "insert_date": "insert_date", "insert_user": "insert_user",
    "last_modified": "last_modified", "subject_ID": "up_id", "subject_label": "up_label",
    "subject_project": "up_project",
    "session_ID": "up_id", "session_label": "up_label", "imageSession_ID": "up_id", "image_session_ID": "up_id",
    "xnat_imagescandata_id": "key", "xnat_reconstructedimagedata_id": "key",
}  # fmt: skip


class Line:
    """An object as a listing sees it (under a share's label, maybe), or an entry of a collection."""

    __slots__ = ("_item", "label", "project", "row", "subject_label")

    def __init__(self, row: Row | None, item: Item | None = None) -> None:
        self.row = row
        self._item = item
        self.label = row["label"] if row else ""
        self.project = row["project"] if row else ""
        self.subject_label: str | None = None

    @property
    def item(self) -> Item:
        """The item, read when a column needs it."""
        if self._item is None:
            assert self.row is not None
            self._item = Item.from_json(self.row["doc"])
            self._item.xsi_type = self.row["xsi_type"]
        return self._item

    def getter(self, path: str) -> Any:
        """The value at a path below this object's type."""
        if self.row is not None:
            if path == "label":
                return self.label
            if path == "project":
                return self.project
            if path == "subject_label" and self.subject_label is not None:
                return self.subject_label
            if path in _DIRECT:
                return self.row[_DIRECT[path]]
        return self.item.get(path)


def lines(store: Store, where: str, *values: Any) -> list[Line]:
    """The objects for which a condition on ``o`` (the object) and ``up`` (its parent) holds, in order of making."""
    return [Line(row) for row in store.database.rows(f"{_SELECT} WHERE {where} ORDER BY o.key", *values)]


@dataclass
class _Column:
    key: str
    source: str
    path: str
    kind: str = "string"
    related: str = ""
    types: frozenset[str] = frozenset()
    """The types of related objects that have this column; others leave it empty."""
    step_key: dict[str, str] = field(default_factory=dict)


class Listing:
    """One listing request: ``Listing(context, "subject", lines).table_rows()``."""

    def __init__(
        self,
        context: Context,
        kind: str,
        root: str | None = None,
        defaults: Sequence[str] | None = None,
        root_key: bool = False,
    ) -> None:
        self._context = context
        self._schemas: Schemas = context.schemas
        self._kind = kind
        self._base = root or ROOTS[kind]
        self.root = self._base
        self._types: set[str] | None = None
        self._choose_root()
        self.columns = self._requested(defaults or DEFAULTS[kind])
        self._filters = self._requested_filters()
        self._promote()
        self._root_key = root_key or self.root != self._base

    # -- what is asked --------------------------------------------------------------------------------------------

    def _choose_root(self) -> None:
        wanted = [name.strip() for name in self._context.query.get("xsiType", "").split(",") if name.strip()]
        if not wanted:
            return
        spelled = [self._schemas.spelling(name) or name for name in wanted]
        if len(spelled) == 1:
            self.root = spelled[0]
            self._types = set(self._schemas.subtypes(spelled[0])) | {spelled[0]}
        else:
            self._types = set(spelled)

    def _requested(self, defaults: Sequence[str]) -> list[_Column]:
        asked = self._context.query.get("columns", "")
        names = [name.strip() for name in asked.split(",") if name.strip()]
        if not names or "DEFAULT" in names:
            names = [name for name in names if name != "DEFAULT"] + list(defaults)
        columns: dict[str, _Column] = {}
        for name in ["ID", *names] if "id" not in [name.lower() for name in names] else names:
            column = self._column(name)
            if column is not None:
                columns.setdefault(column.key, column)
        return list(columns.values())

    def _requested_filters(self) -> list[tuple[_Column, Callable[[str], bool]]]:
        found = []
        for key, value in self._context.query.items(multi=True):
            if key.lower() in RESERVED or not value:
                continue
            column = self._column(key)
            if column is not None and column.source != "uri":
                found.append((column, matcher(value, column.kind)))
        return found

    def _column(self, name: str) -> _Column | None:
        if "/" in name:
            return self._path_column(name)
        short = shortcut_of(self._kind, name)
        if short is None:
            return None
        path = parse_path(SHORTCUTS[self._kind][short])
        column = self._locate(short, Path("", path.steps))
        column.key = short
        return column

    def _path_column(self, name: str) -> _Column:
        path = parse_path(name)
        root = path.root and (self._schemas.spelling(path.root) or path.root)
        spelled = canonical_path(self._schemas, root or self.root, path.plain)
        if spelled is not None and len(path.steps) == 1 and "@" not in spelled[0]:
            # XNAT finds fields whatever the case of their names; the values are found by the schema's spelling.
            path.steps[0].name = spelled[0]
        column = self._locate(name.lower(), path)
        # A predicate is part of the path that a short name stands for; else it is the schema's spelling that counts.
        stated = path.plain if all(step.bare for step in path.steps) else name.partition("/")[2]
        column.key = self._short(root, stated) or name.lower()
        return column

    def _short(self, root: str, path: str) -> str | None:
        """The shortcut that stands for a path, if the path begins with the type that brings the field along."""
        short = next((name for name, full in SHORTCUTS[self._kind].items() if full.lower() == path.lower()), None)
        bringing = self._schemas.types.get(root)
        own = (
            bringing is not None
            and self._schemas.is_a(root, ROOTS[self._kind])
            and path.partition("/")[0].partition("[")[0] in bringing.nodes
        )
        return short if short is not None and (own or root == ROOTS[self._kind]) else None

    def _locate(self, key: str, path: Path) -> _Column:
        root = path.root and (self._schemas.spelling(path.root) or path.root)
        if not root or self._comparable(root, self.root):
            return self._below(key, "", root or self.root, path)
        if self._kind != "subject" and root == "xnat:subjectData":
            return _Column(key, "subject", path.plain)
        if root == "xnat:projectData":
            return _Column(key, "project", path.plain)
        for kind in ("scan", "assessor", "reconstruction", "experiment"):
            if self._schemas.is_a(root, ROOTS[kind]) and kind != self._kind:
                return self._of_parts(key, kind, root, path)
        return _Column(key, "", path.plain)

    def _of_parts(self, key: str, kind: str, xsi_type: str, path: Path) -> _Column:
        column = self._below(key, kind, xsi_type, path)
        column.types = frozenset(self._schemas.subtypes(xsi_type)) | {xsi_type}
        return column

    def _comparable(self, one: str, other: str) -> bool:
        return self._schemas.is_a(one, other) or self._schemas.is_a(other, one)

    def _below(self, key: str, related: str, xsi_type: str, path: Path) -> _Column:
        """A column whose path may pass through a collection, of the listed object or of a related one."""
        if path.plain.startswith("scans/scan/") and not related:
            inner = Path("", path.steps[2:])
            scan_type = path.steps[1].xsi_type or "xnat:imageScanData"
            return self._of_parts(key, "scan", scan_type, inner)
        look = self._schemas.node(xsi_type, path.steps[0].name) if path.steps else None
        for place, step in enumerate(path.steps):
            reference = "/".join(entry.name for entry in path.steps[: place + 1])
            rest = "/".join(entry.name for entry in path.steps[place + 1 :])
            if look is None:
                break
            if look.multiple and rest:
                source = f"{related}|{reference}|{step.key}"
                return _Column(key, source, rest, related=related, step_key=step.key)
            if not rest:
                return _Column(key, related, path.plain, look.kind, related=related)
            following = path.steps[place + 1].name
            look = self._schemas.node(look.type, following) if look.type else look.nodes.get(following)
        return _Column(key, related, path.plain, "dateTime" if path.plain.startswith("insert_d") else "string", related)

    def _promote(self) -> None:
        """A column or filter of a derived type hides objects of other types."""
        keys = [*self._context.query.get("columns", "").split(","), *self._context.query.keys()]
        for key in keys:
            root = parse_path(key.strip()).root if "/" in key else ""
            root = self._schemas.spelling(root) or "" if root else ""
            if root and root != self.root and self._schemas.is_a(root, self.root):
                self.root = root
                derived = set(self._schemas.subtypes(root))
                self._types = derived if self._types is None else self._types & derived

    # -- what is answered -----------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order; the root's key, when shown, and URI come last."""
        key = [f"{self.root.lower()}/id"] if self._root_key else []
        return [column.key for column in self.columns] + key + ["URI"]

    def rows(self, listed: Iterable[Line], uri: Callable[[Line], str]) -> list[list[Any]]:
        """The rows: the listed objects that pass the filters, once for every combination of joined entries."""
        wanted = [line for line in listed if self._types is None or (line.row and line.row["xsi_type"] in self._types)]
        sources = self._sources(wanted)
        plain = not sources
        found = []
        for line in wanted:
            if plain:
                if all(test(cell_text(line.getter(column.path))) for column, test in self._filters):
                    found.append(self._row(line, {"": line}, uri))
                continue
            for entries in self._joined(line, sources):
                if all(test(cell_text(self._cell(entries, column))) for column, test in self._filters):
                    found.append(self._row(line, entries, uri))
        return _distinct(found) if any(column.source for column, _ in self._filters) else found

    def _row(self, line: Line, entries: dict[str, Line | None], uri: Callable[[Line], str]) -> list[Any]:
        row = [self._cell(entries, column) for column in self.columns]
        if self._root_key and line.row is not None:
            row.append(line.row["id"])
        row.append(uri(line))
        return row

    @staticmethod
    def _cell(entries: dict[str, Line | None], column: _Column) -> Any:
        entry = entries.get(column.source)
        if entry is None or (column.types and entry.row is not None and entry.row["xsi_type"] not in column.types):
            return None
        return entry.getter(column.path)

    # -- joins ----------------------------------------------------------------------------------------------------

    def _sources(self, wanted: list[Line]) -> dict[str, Callable[[Line], list[Line]]]:
        columns = [*self.columns, *(column for column, _ in self._filters)]
        related = {name for column in columns for name in (column.related, column.source) if name and "|" not in name}
        found = {name: self._related(name, wanted, columns) for name in sorted(related)}
        for column in columns:
            if "|" in column.source:
                reference = column.source.split("|")[1]
                if reference in RESOURCE_REFERENCES:
                    found[column.source] = resource_entries(self._context.store, RESOURCE_REFERENCES[reference], Line)
                else:
                    found[column.source] = _entries(reference, column.step_key)
        return found

    def _joined(self, line: Line, sources: dict[str, Callable[[Line], list[Line]]]) -> Iterable[dict[str, Line | None]]:
        combined: list[dict[str, Line | None]] = [{"": line}]
        for name, entries_of in sources.items():
            above = name.split("|")[0] if "|" in name else ""
            following: list[dict[str, Line | None]] = []
            for entries in combined:
                origin = entries.get(above)
                found = entries_of(origin) if origin else []
                following += [{**entries, name: entry} for entry in found or (None,)]
            combined = following
        return combined

    def _related(self, name: str, wanted: list[Line], columns: list[_Column]) -> Callable[[Line], list[Line]]:
        store = self._context.store
        if name == "project":
            projects = {line.row["id"]: [line] for line in lines(store, "o.kind = 'project'") if line.row}
            return lambda line: projects.get(line.project, [])
        keys = [line.row["parent" if name == "subject" else "key"] for line in wanted if line.row]
        if name == "subject":
            above = {line.row["key"]: [line] for line in _by(store, "key", keys) if line.row}
            return lambda line: above.get(line.row["parent"], []) if line.row else []
        # Columns of several types of scans are columns of one join: a row per scan, not per pair of scans.
        types = frozenset().union(*(column.types for column in columns if column.related == name))
        grouped: dict[Any, list[Line]] = defaultdict(list)
        for line in _by(store, "parent", keys):
            if line.row and line.row["kind"] == name and line.row["xsi_type"] in types:
                grouped[line.row["parent"]].append(line)
        return lambda line: grouped.get(line.row["key"], []) if line.row else []


def _by(store: Store, column: str, keys: Sequence[Any]) -> Iterable[Line]:
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        yield from lines(store, f"o.{column} IN ({', '.join('?' * len(part))})", *part)


def _entries(reference: str, key: dict[str, str]) -> Callable[[Line], list[Line]]:
    def entries(line: Line) -> list[Line]:
        return [
            Line(None, item)
            for item in line.item.below(reference)
            if all(str(item.fields.get(name, "")) == value for name, value in key.items())
        ]

    return entries


def _distinct(rows: list[list[Any]]) -> list[list[Any]]:
    return [list(row) for row in dict.fromkeys(map(tuple, rows))]
