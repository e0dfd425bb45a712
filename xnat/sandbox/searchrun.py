"""Searches run: candidate records, the values of their fields, criteria tested, columns filled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .datatypes import Schemas
from .errors import Refused
from .searchdoc import Criterion, SearchDocument, SearchField, compare
from .searchfields import DisplayField, find_field, sql_name
from .store import Record, Store, User

__all__ = ["Result", "Search", "readable_records"]

_DEFAULTS = {
    "xnat:projectData": ("ID", "NAME", "DESCRIPTION"),
    "xnat:subjectData": ("SUBJECTID", "SUBJECT_LABEL", "PROJECT", "INSERT_DATE"),
    "xnat:imageScanData": ("ID", "TYPE", "SESSION_ID", "PROJECT"),
}
_EXPERIMENT_DEFAULTS = ("SESSION_ID", "LABEL", "PROJECT", "SUBJECT_ID", "SUBJECT_LABEL", "DATE", "INSERT_DATE")


@dataclass
class Result:
    """A search's answer as plain data, so that it can be kept."""

    root: str
    columns: list[str]
    rows: list[list[str]]
    details: list[dict[str, Any]]
    """One entry of XNAT's ``Columns`` for each column."""


def readable_records(store: Store, user: User, schemas: Schemas, xsi_type: str) -> Iterator[Record]:
    """The records of a type (or derived from it) that a user may read, each once."""
    seen: set[int] = set()
    for record in _all_records(store, user):
        for found in _of_kind(store, schemas, record, xsi_type):
            if (
                found.key not in seen
                and schemas.is_a(found.xsi_type, xsi_type)
                and store.users.can(user, "read", found)
            ):
                seen.add(found.key)
                yield found


def _all_records(store: Store, user: User) -> Iterator[Record]:
    """Projects, and the subjects and experiments in them, own and shared ones."""
    readable = store.users.readable_projects(user)
    for project in store.archive.projects():
        if readable is not None and project.id not in readable:
            if store.users.can(user, "read", project):
                yield project
            continue
        yield project
        yield from store.archive.subjects(project.id)
        yield from store.archive.experiments(project=project.id)
        for row in store.database.rows("SELECT object FROM shares WHERE project = ?", project.id):
            record = store.archive.get(row["object"])
            if record:
                yield record


def _of_kind(store: Store, schemas: Schemas, record: Record, xsi_type: str) -> Iterable[Record]:
    yield record
    if record.kind == "experiment":
        if schemas.is_a(xsi_type, "xnat:imageScanData"):
            yield from store.archive.scans(record)
        elif schemas.is_a(xsi_type, "xnat:imageAssessorData") or xsi_type in (
            "xnat:experimentData",
            "xnat:derivedData",
        ):
            yield from store.archive.assessors(record)


class Search:
    """One run of a search document for one user."""

    def __init__(self, store: Store, schemas: Schemas, user: User, document: SearchDocument) -> None:
        self._store = store
        self._schemas = schemas
        self._user = user
        self._document = document
        root = schemas.spelling(document.root)
        if root is None:
            raise Refused(422, f"Unknown data type {document.root}")
        self._root = root
        self._resolved: dict[str, tuple[str, DisplayField]] = {}

    def run(self) -> Result:
        """The rows that satisfy all conditions, sorted as the document says."""
        if not self._user.admin and not self._store.users.readable_projects(self._user):
            raise Refused(403)
        columns = self._columns()
        records = readable_records(self._store, self._user, self._schemas, self._root)
        found = [record for record in records if self._wanted(record)]
        element, id = self._document.sort_by
        if id:
            order = self._field(f"{element or self._root}.{id}")
            found.sort(key=lambda record: sort_key(self._cell(record, *order)))
        rows = [[*(self._cell(record, *column[1:]) for column in columns), record.status] for record in found]
        names = [*(name for name, _, _ in columns), "quarantine_status"]
        return Result(self._root, names, rows, [*map(self._detail, columns), _status_detail(self._root)])

    # -- columns --------------------------------------------------------------------------------------------------

    def _columns(self) -> list[tuple[str, str, DisplayField]]:
        """Name, data type and field of each column that is asked for, or of the default ones."""
        columns: dict[str, tuple[str, str, DisplayField]] = {}
        for wanted in self._document.fields:
            element = self._schemas.spelling(wanted.element or self._root) or self._root
            field = find_field(self._schemas, element, wanted.id, wanted.value)
            if field:
                name = self._column_name(element, wanted, field)
                columns.setdefault(name, (name, element, field))
        if columns:
            return list(columns.values())
        lineage = [name for name in _DEFAULTS if self._schemas.is_a(self._root, name)]
        for id in _DEFAULTS[lineage[0]] if lineage else _EXPERIMENT_DEFAULTS:
            default = find_field(self._schemas, self._root, id)
            if default:
                columns[id.lower()] = (id.lower(), self._root, default)
        return list(columns.values())

    def _column_name(self, element: str, wanted: SearchField, field: DisplayField) -> str:
        name = wanted.id.lower()
        if field.takes_value:
            name = f"{name}_{wanted.value.lower()}"
        if element != self._root and not name.startswith(sql_name(element)):
            name = f"{sql_name(element)}_{name}"
        return name

    def _detail(self, column: tuple[str, str, DisplayField]) -> dict[str, Any]:
        name, element, field = column
        return {
            "key": name, "element_name": element, "id": field.id, "xPATH": f"{element}.{field.id}",
            "header": field.header, "type": field.type, "visible": "true", "clickable": "false", "linkProps": [],
        }  # fmt: skip

    # -- conditions -----------------------------------------------------------------------------------------------

    def _wanted(self, record: Record) -> bool:
        def test(criterion: Criterion) -> bool:
            element, field = self._field(criterion.field)
            return compare(self._values(record, element, field.path), criterion.comparison, criterion.value)

        return all(group.holds(test) for group in self._document.where)

    def _field(self, name: str) -> tuple[str, DisplayField]:
        """The data type and field that ``type/path`` or ``type.FIELD_ID[=argument]`` stands for."""
        if name not in self._resolved:
            match = re.match(r"([A-Za-z_][\w.-]*:[\w-]+)[./](.+)\Z", name, re.DOTALL)
            element = (self._schemas.spelling(match[1]) if match else None) or self._root
            field = find_field(self._schemas, element, match[2] if match else name)
            if field is None:
                raise Refused(400, f"Unknown search field {name}")
            self._resolved[name] = (element, field)
        return self._resolved[name]

    # -- values ---------------------------------------------------------------------------------------------------

    def _cell(self, record: Record, element: str, field: DisplayField) -> str:
        return ", ".join(dict.fromkeys(self._values(record, element, field.path)))

    def _values(self, record: Record, element: str, path: str) -> list[str]:
        found: list[str] = []
        for related in self._related(record, element):
            found += [str(value) for value in self._own(related, path)]
        return found

    def _related(self, record: Record, element: str) -> Iterable[Record]:
        """The records of another data type that a condition or column of that type is about."""
        if self._schemas.is_a(record.xsi_type, element):
            return [record]
        archive = self._store.archive
        if element == "xnat:projectData":
            return filter(None, [archive.project(record.project)])
        if element == "xnat:subjectData":
            return filter(None, [self._ancestor(record, "subject")])
        session = self._ancestor(record, "experiment")
        candidates: list[Record] = []
        if record.kind == "subject":
            candidates = archive.experiments(subject=record)
        elif session is not None:
            candidates = [session, *archive.scans(session), *archive.assessors(session)]
        return [candidate for candidate in candidates if self._schemas.is_a(candidate.xsi_type, element)]

    def _ancestor(self, record: Record, kind: str) -> Record | None:
        current: Record | None = record
        while current is not None and current.kind != kind:
            current = self._store.archive.parent(current)
        return current

    def _own(self, record: Record, path: str) -> Iterator[Any]:
        if path.startswith("@"):
            yield from self._computed(record, path)
            return
        identity = {"ID": record.id, "label": record.label, "project": record.project, **self._parents(record)}
        if path in identity:
            yield identity[path]
            return
        for prefix, children in _CHILDREN.items():
            if path.startswith(prefix):
                for child in children(self._store, record):
                    yield from self._own(child, path[len(prefix) :])
                return
        if path.startswith("sharing/share/"):
            for share in self._store.archive.shares(record):
                yield getattr(share, path.rpartition("/")[2], "")
            return
        if (match := _RESOURCE.match(path)) and not record.item.get(path):
            for resource in self._store.files.resources(record):
                yield getattr(resource, match[1].lower(), "")
            return
        yield from _item_values(record, path)

    def _parents(self, record: Record) -> dict[str, str]:
        parent = self._store.archive.parent(record)
        if parent is None:
            return {}
        names = {"experiment": "subject_ID", "assessor": "imageSession_ID"}
        return {names.get(record.kind, "image_session_ID"): parent.id}

    def _computed(self, record: Record, path: str) -> Iterator[Any]:
        name, _, argument = path[1:].partition("=")
        subject = self._ancestor(record, "subject")
        session = self._ancestor(record, "experiment")
        if name in ("insert_date", "insert_user", "last_modified", "status"):
            yield getattr(record, name)
        elif name == "projects":
            yield from [record.project, *(share.project for share in self._store.archive.shares(record))]
        elif name == "label_in":
            share = self._store.archive.share_in(record, argument)
            yield record.label if record.project == argument else share.label if share else ""
        elif name in ("subject_label", "subject_id") and subject:
            yield subject.label if name == "subject_label" else subject.id
        elif name == "session_label" and session:
            yield session.label
        elif name == "scan_count":
            yield len(self._store.archive.scans(record))


_CHILDREN: dict[str, Callable[[Store, Record], list[Record]]] = {
    "scans/scan/": lambda store, record: store.archive.scans(record),
    "assessors/assessor/": lambda store, record: store.archive.assessors(record),
    "reconstructions/reconstructedImage/": lambda store, record: store.archive.reconstructions(record),
    "experiments/experiment/": lambda store, record: store.archive.experiments(subject=record),
}
_RESOURCE = re.compile(
    r"(?:resources/resource|file|in/file|out/file)/(label|format|content|description)\Z", re.IGNORECASE
)
_VARIABLE = re.compile(r"fields/field\[name=(.*)\]/field\Z")


def _item_values(record: Record, path: str) -> Iterator[Any]:
    variable = _VARIABLE.match(path)
    if variable is None:
        yield from record.item.values(path)
        return
    for child in record.item.children.get("fields/field", []):
        if str(child.fields.get("name", "")).lower() == variable[1].lower():
            yield child.fields.get("field", "")


def sort_key(value: str) -> tuple[int, float, str]:
    """Numbers before text, numbers by size."""
    try:
        return (0, float(value), "")
    except ValueError:
        return (1, 0.0, value)


def _status_detail(root: str) -> dict[str, Any]:
    return {
        "key": "quarantine_status", "element_name": root, "id": "QUARANTINE_STATUS", "xPATH": "", "header": "Status",
        "type": "string", "visible": "false", "clickable": "false", "linkProps": [],
    }  # fmt: skip
