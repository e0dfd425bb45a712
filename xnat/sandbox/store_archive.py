"""Projects, subjects, experiments, assessors, scans and reconstructions: making, finding, renaming, sharing, removing.

All six are ``Record``s of one table. A record's ``item`` holds its fields except those that are its identity (ID,
label, project, subject_ID), which are the record's own attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from .clock import timestamp
from .database import Database, Row
from .errors import Refused
from .items import Item
from .store_files import Files

__all__ = ["ABBREVIATIONS", "KINDS", "Archive", "Record", "Share"]

KINDS = ("project", "subject", "experiment", "assessor", "scan", "reconstruction")
ABBREVIATIONS = {"subject": "S", "experiment": "E", "assessor": "E"}
ACCESS_LEVELS = ("private", "protected", "public")
_PROJECT_ID = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass
class Record:
    """One object of the archive.

    ``kind`` is one of ``KINDS``; ``key`` its row number (shown as ``xnat_imagescandata_id`` for scans); ``id`` the
    accession number, project ID or scan ID; ``label`` equals ``id`` where XNAT has none; ``parent`` the key of the
    subject of an experiment, of the session of an assessor, scan or reconstruction.
    """

    key: int
    kind: str
    id: str
    project: str
    label: str
    parent: int | None
    date: str
    insert_user: str
    insert_date: str
    last_modified: str
    status: str
    item: Item = field(repr=False)

    @property
    def xsi_type(self) -> str:
        """The data type, ``xnat:mrSessionData``."""
        return self.item.xsi_type


@dataclass(frozen=True)
class Share:
    """An object seen in another project, under ``label``."""

    key: int
    object: int
    project: str
    label: str


def _record(row: Row) -> Record:
    item = Item.from_json(row["doc"])
    item.xsi_type = row["xsi_type"]
    return Record(
        row["key"], row["kind"], row["id"], row["project"], row["label"], row["parent"], row["date"],
        row["insert_user"], row["insert_date"], row["last_modified"], row["status"], item,
    )  # fmt: skip


class Archive:
    """The objects; their bytes are with ``files``."""

    def __init__(self, database: Database, files: Files, site_id: str) -> None:
        self._database = database
        self._files = files
        self._prefix = re.sub(r"[\s\"']", "", site_id).replace("-", "_")

    # -- making ---------------------------------------------------------------------------------------------------

    def create_project(
        self, id: str, *, item: Item | None = None, user: str = "admin", accessibility: str = "private"
    ) -> Record:
        """A new project. 417 for a bad ID, 409 when an ID, name, secondary ID or alias is another project's."""
        if not _PROJECT_ID.match(id):
            raise Refused(417, "Invalid character in project ID.")
        item = item or Item("xnat:projectData")
        if accessibility not in ACCESS_LEVELS:
            raise Refused(400, f"Unknown accessibility {accessibility}")
        item.fields.setdefault("name", id)
        item.fields.setdefault("secondary_ID", id)
        for name, value in (("@accessibility", accessibility), ("@prearchive_code", 4), ("@quarantine_code", 0)):
            item.fields.setdefault(name, value)
        item.fields.setdefault("@current_arc", "arc001")
        with self._database.transaction():
            self._refuse_taken_names(id, item)
            record = self._insert("project", id, id, id, None, item, user)
            self._save_names(record)
        return record

    def create_subject(self, project: str, label: str, *, item: Item | None = None, user: str = "admin") -> Record:
        """A new subject with the next accession number."""
        return self._insert(
            "subject", self.next_id("subject"), project, label, None, item or Item("xnat:subjectData"), user
        )

    def create_experiment(
        self,
        subject: Record,
        label: str,
        xsi_type: str,
        *,
        project: str | None = None,
        item: Item | None = None,
        user: str = "admin",
    ) -> Record:
        """A new experiment of ``subject`` in its project (or in one the subject is shared into)."""
        item = item or Item(xsi_type)
        item.xsi_type = xsi_type
        id = self.next_id("experiment")
        return self._insert("experiment", id, project or subject.project, label, subject.key, item, user)

    def create_assessor(
        self, session: Record, label: str, xsi_type: str, *, item: Item | None = None, user: str = "admin"
    ) -> Record:
        """A new assessor of an image session; it shares the experiments' numbers."""
        item = item or Item(xsi_type)
        item.xsi_type = xsi_type
        return self._insert("assessor", self.next_id("assessor"), session.project, label, session.key, item, user)

    def create_scan(
        self, session: Record, id: str, xsi_type: str, *, item: Item | None = None, user: str = "admin"
    ) -> Record:
        """A new scan of an image session."""
        item = item or Item(xsi_type)
        item.xsi_type = xsi_type
        return self._insert("scan", id, session.project, id, session.key, item, user)

    def create_reconstruction(
        self, session: Record, id: str, *, item: Item | None = None, user: str = "admin"
    ) -> Record:
        """A new reconstruction of an image session."""
        item = item or Item("xnat:reconstructedImageData")
        return self._insert("reconstruction", id, session.project, id, session.key, item, user)

    def next_id(self, kind: str) -> str:
        """The next accession number (``XNAT_S00001``) of a kind; never given twice."""
        letter = ABBREVIATIONS[kind]
        return f"{self._prefix}_{letter}{self._database.count(letter):05d}"

    def _insert(
        self, kind: str, id: str, project: str, label: str, parent: int | None, item: Item, user: str
    ) -> Record:
        now = timestamp()
        date = str(item.fields.get("date", ""))
        key = self._database.insert(
            "objects", kind=kind, id=id, project=project, label=label, parent=parent, xsi_type=item.xsi_type, date=date,
            insert_user=user, insert_date=now, last_modified=now, doc=item.to_json(),
        )  # fmt: skip
        return Record(key, kind, id, project, label, parent, date, user, now, now, "active", item)

    # -- finding --------------------------------------------------------------------------------------------------

    def get(self, key: int | None) -> Record | None:
        """The object with that row number."""
        return self._one("key = ?", key)

    def project(self, name: str) -> Record | None:
        """The project with that ID or alias."""
        record = self._one("kind = 'project' AND id = ?", name)
        if record is None:
            id = self._database.value("SELECT project FROM project_names WHERE kind = 'alias' AND name = ?", name)
            record = self._one("kind = 'project' AND id = ?", id) if id else None
        return record

    def subject(self, project: str, name: str) -> Record | None:
        """The subject with that label or ID in a project, its own or shared into it."""
        return self._in_project(("subject",), project, name)

    def experiment(self, project: str, name: str, subject: Record | None = None) -> Record | None:
        """The experiment (or assessor) with that label or ID in a project, own or shared; of ``subject`` if given."""
        found = self._in_project(("experiment", "assessor"), project, name)
        if found and subject and found.parent != subject.key and found.kind == "experiment":
            return None
        return found

    def subject_by_id(self, id: str) -> Record | None:
        """The subject with that accession number."""
        return self._one("kind = 'subject' AND id = ?", id)

    def experiment_by_id(self, id: str) -> Record | None:
        """The experiment or assessor with that accession number."""
        return self._one("kind IN ('experiment', 'assessor') AND id = ?", id)

    def assessor(self, session: Record, name: str) -> Record | None:
        """An assessor of a session by ID or label."""
        return self._one("parent = ? AND kind = 'assessor' AND (id = ? OR label = ?)", session.key, name, name)

    def scan(self, session: Record, id: str) -> Record | None:
        """A scan of a session by its ID."""
        return self._one("parent = ? AND kind = 'scan' AND id = ?", session.key, id)

    def reconstruction(self, session: Record, id: str) -> Record | None:
        """A reconstruction of a session by its ID."""
        return self._one("parent = ? AND kind = 'reconstruction' AND id = ?", session.key, id)

    def projects(self) -> list[Record]:
        """All projects, by ID."""
        return self._all("kind = 'project' ORDER BY id")

    def subjects(self, project: str) -> list[Record]:
        """The project's own subjects (not those shared into it)."""
        return self._all("kind = 'subject' AND project = ? ORDER BY key", project)

    def experiments(self, *, subject: Record | None = None, project: str | None = None) -> list[Record]:
        """The experiments of a subject, or a project's own; image assessors are not among them."""
        if subject is not None:
            return self._all("parent = ? AND kind = 'experiment' ORDER BY key", subject.key)
        return self._all("kind = 'experiment' AND project = ? ORDER BY key", project)

    def scans(self, session: Record) -> list[Record]:
        """The scans of a session, in the order they were made."""
        return self._all("parent = ? AND kind = 'scan' ORDER BY key", session.key)

    def assessors(self, session: Record) -> list[Record]:
        """The assessors of a session."""
        return self._all("parent = ? AND kind = 'assessor' ORDER BY key", session.key)

    def reconstructions(self, session: Record) -> list[Record]:
        """The reconstructions of a session."""
        return self._all("parent = ? AND kind = 'reconstruction' ORDER BY key", session.key)

    def children(self, record: Record) -> list[Record]:
        """Everything directly below a record: a project's subjects, a subject's experiments, a session's parts."""
        if record.kind == "project":
            return self.subjects(record.id)
        return self._all("parent = ? ORDER BY key", record.key)

    def parent(self, record: Record) -> Record | None:
        """The subject of an experiment, the session of a scan, assessor or reconstruction; None otherwise."""
        return self.get(record.parent) if record.parent is not None else None

    # S608: what is asked for stands in the code, above; what a request says comes as values.

    def _one(self, where: str, *values: object) -> Record | None:
        # S608: as above
        row = self._database.row(f"SELECT * FROM objects WHERE {where} LIMIT 1", *values)  # noqa: S608
        return _record(row) if row else None

    def _all(self, where: str, *values: object) -> list[Record]:
        # S608: as above
        return [_record(row) for row in self._database.rows(f"SELECT * FROM objects WHERE {where}", *values)]  # noqa: S608

    def _in_project(self, kinds: Iterable[str], project: str, name: str) -> Record | None:
        names = ", ".join(f"'{kind}'" for kind in kinds)
        own = self._one(f"project = ? AND kind IN ({names}) AND label = ?", project, name)
        own = own or self._one(f"kind IN ({names}) AND id = ? AND project = ?", name, project)
        if own:
            return own
        here = "key IN (SELECT object FROM shares WHERE project = ?"
        shared = self._one(f"kind IN ({names}) AND {here} AND label = ?)", project, name)
        return shared or self._one(f"kind IN ({names}) AND {here}) AND id = ?", project, name)

    # -- changing -------------------------------------------------------------------------------------------------

    def save(self, record: Record, user: str = "admin") -> None:
        """Write back a changed record; what it was before goes to its history."""
        with self._database.transaction():
            if record.kind == "project":
                self._refuse_taken_names(record.id, record.item)
                self._save_names(record)
            record.date = str(record.item.fields.get("date", ""))
            record.last_modified = timestamp()
            self._database.run(
                "INSERT INTO history SELECT key, ?, ?, doc FROM objects WHERE key = ?",
                record.last_modified, user, record.key,
            )  # fmt: skip
            self._database.run(
                "UPDATE objects SET project = ?, label = ?, parent = ?, xsi_type = ?, date = ?, last_modified = ?,"
                " status = ?, doc = ? WHERE key = ?",
                record.project, record.label, record.parent, record.xsi_type, record.date, record.last_modified,
                record.status, record.item.to_json(), record.key,
            )  # fmt: skip

    def rename(self, record: Record, label: str, *, project: str | None = None, user: str = "admin") -> None:
        """Give a record another label, in its own project or where it is shared; 409 when the label is taken."""
        where = project or record.project
        taken = self._in_project(self._family(record.kind), where, label)
        if taken and taken.key != record.key:
            raise Refused(409, "Specified label is already in use.")
        if where != record.project:
            self._database.run("UPDATE shares SET label = ? WHERE object = ? AND project = ?", label, record.key, where)
            return
        record.label = label
        self.save(record, user)

    def history(self, record: Record) -> list[tuple[str, str, Item]]:
        """What the record was: when it changed, who changed it, the item until then; newest first."""
        sql = "SELECT changed, changed_by, doc FROM history WHERE key = ? ORDER BY rowid DESC"
        rows = self._database.rows(sql, record.key)
        return [(row["changed"], row["changed_by"], Item.from_json(row["doc"])) for row in rows]

    def delete(self, record: Record, *, remove_files: bool = True) -> None:
        """Remove a record and all below it. ``remove_files=False`` leaves the bytes on the disk."""
        with self._database.transaction():
            for child in self.children(record):
                self.delete(child, remove_files=remove_files)
            for resource in self._files.resources(record):
                self._files.delete_resource(resource, remove_files=remove_files)
            # S608: these names
            for table, column in (("shares", "object"), ("history", "key"), ("objects", "key")):
                self._database.run(f"DELETE FROM {table} WHERE {column} = ?", record.key)  # noqa: S608
            if record.kind == "project":
                self._database.run("DELETE FROM project_names WHERE project = ?", record.id)
                self._database.run("DELETE FROM shares WHERE project = ?", record.id)
                self._database.run("DELETE FROM members WHERE project = ?", record.id)

    # -- sharing --------------------------------------------------------------------------------------------------

    def share(self, record: Record, project: str, label: str | None = None) -> Share:
        """Show a record in another project. 409 ``Already assigned to project:P`` or ``Label already in use:L``."""
        label = label or record.label
        with self._database.transaction():
            if project == record.project or self.share_in(record, project):
                between = ": " if record.kind == "scan" else ":"
                raise Refused(409, f"Already assigned to project{between}{project}")
            if record.kind != "scan" and self._in_project(self._family(record.kind), project, label):
                raise Refused(409, f"Label already in use:{label}")
            key = self._database.insert("shares", object=record.key, project=project, label=label)
            return Share(key, record.key, project, label)

    def unshare(self, record: Record, project: str) -> bool:
        """Take a record out of a project it is shared into; whether it was there."""
        with self._database.transaction():
            known = self.share_in(record, project) is not None
            self._database.run("DELETE FROM shares WHERE object = ? AND project = ?", record.key, project)
            return known

    def shares(self, record: Record) -> list[Share]:
        """Where a record is shared into, oldest first."""
        rows = self._database.rows("SELECT * FROM shares WHERE object = ? ORDER BY key", record.key)
        return [Share(**dict(row)) for row in rows]

    def share_in(self, record: Record, project: str) -> Share | None:
        """How a record is shared into that project, if it is."""
        row = self._database.row("SELECT * FROM shares WHERE object = ? AND project = ?", record.key, project)
        return Share(**dict(row)) if row else None

    def move(self, record: Record, project: str, label: str | None = None, user: str = "admin") -> None:
        """Make another project the primary one of a record and everything below it; the old one keeps no share."""
        with self._database.transaction():
            self.unshare(record, project)
            record.project, record.label = project, label or record.label
            self.save(record, user)
            for child in self.children(record):
                if child.kind != "experiment":
                    self.move(child, project, user=user)

    @staticmethod
    def _family(kind: str) -> tuple[str, ...]:
        return ("experiment", "assessor") if kind in ("experiment", "assessor") else (kind,)

    # -- names of projects ----------------------------------------------------------------------------------------

    @staticmethod
    def _names(id: str, item: Item) -> list[tuple[str, str]]:
        names = [("id", id)]
        names += [(kind, str(item.fields[kind])) for kind in ("name", "secondary_ID") if item.fields.get(kind)]
        return names + [("alias", str(value)) for value in item.values("aliases/alias/alias")]

    def _refuse_taken_names(self, id: str, item: Item) -> None:
        taken = set()
        for _, name in self._names(id, item):
            sql = "SELECT project FROM project_names WHERE name = ? AND project <> ?"
            taken |= {row["project"] for row in self._database.rows(sql, name, id)}
        if taken:
            words = ", ".join(sorted(taken))
            raise Refused(409, f"Requested new project conflicts with existing projects: {words}")

    def _save_names(self, record: Record) -> None:
        self._database.run("DELETE FROM project_names WHERE project = ?", record.id)
        for kind, name in self._names(record.id, record.item):
            self._database.insert("project_names", project=record.id, kind=kind, name=name)
