"""From the prearchive into the archive: a waiting session becomes a record, or is merged into one, or conflicts."""

from __future__ import annotations

from dataclasses import dataclass

from .dicom import label_of
from .errors import Refused
from .items import Item, Value
from .prearchive import Held, HeldScan, Intake, lock, log, refuse_busy
from .store import PrearchiveRow, Record, Resource, Store

__all__ = ["Conflict", "Merge", "archive", "archive_uri"]


class Conflict(Exception):  # noqa: N818 - an outcome; the view chooses the status that the import handler uses
    """The session is in the archive already, and the request does not say what to do about it."""


@dataclass(frozen=True)
class Merge:
    """What to do when the session exists: ``overwrite`` is none, append, delete or override."""

    overwrite: str = "none"
    overwrite_files: bool = False
    quarantine: bool | None = None


def archive_uri(store: Store, session: Record) -> str:
    """``/data/archive/projects/P/subjects/<label>/experiments/<label>``."""
    subject = store.archive.parent(session)
    name = subject.label if subject else ""
    return f"/data/archive/projects/{session.project}/subjects/{name}/experiments/{session.label}"


def archive(
    store: Store,
    row: PrearchiveRow,
    merge: Merge,
    *,
    user: str,
    project: str = "",
    subject: str = "",
    session: str = "",
) -> Record:
    """Archive a waiting session under its own labels or the given ones, and remove it from the prearchive."""
    refuse_busy(row)
    with lock:
        row.status = "ARCHIVING"
        store.prearchive.save(row)
        try:
            with store.transaction():
                record = _Archiver(store, row, merge, user).run(project, subject, session)
        except Conflict as conflict:
            _fail(store, row, "CONFLICT", str(conflict))
            raise
        except Exception as error:
            _fail(store, row, "ERROR", str(error))
            raise
        store.prearchive.delete(row)
        return record


def _fail(store: Store, row: PrearchiveRow, status: str, words: str) -> None:
    row.status = status
    log(row, words)
    store.prearchive.save(row)


class _Archiver:
    def __init__(self, store: Store, row: PrearchiveRow, merge: Merge, user: str) -> None:
        self._store = store
        self._row = row
        self._merge = merge
        self._user = user
        self._held: Held = Intake(store).held(row)
        self._folder = store.prearchive.folder(row)

    def run(self, project: str, subject: str, session: str) -> Record:
        target = self._store.archive.project(project or self._row.project) if project or self._row.project else None
        if target is None:
            raise Refused(400, f"Unable to identify project: {project or self._row.project or 'Unassigned'}")
        if not self._held.scans:
            raise Refused(400, "Prearchive session is empty.")
        person = self._subject(target.id, label_of(subject, self._row.subject))
        label = label_of(session, self._row.folderName)
        known = self._store.archive.experiment(target.id, label)
        if known is None:
            record = self._new_session(person, target.id, label)
        else:
            record = known
            self._merge_into(known, person)
        self._fill_scans(record)
        return record

    def _subject(self, project: str, name: str) -> Record:
        known = self._store.archive.subject(project, name)
        return known or self._store.archive.create_subject(project, name, user=self._user)

    def _new_session(self, subject: Record, project: str, label: str) -> Record:
        item = Item(self._held.xsi_type, dict(self._held.fields))
        record = self._store.archive.create_experiment(
            subject, label, self._held.xsi_type, project=project, item=item, user=self._user
        )
        if self._quarantined(project):
            record.status = "quarantine"
            self._store.archive.save(record, self._user)
        return record

    def _quarantined(self, project: str) -> bool:
        if self._merge.quarantine is not None:
            return self._merge.quarantine
        record = self._store.archive.project(project)
        return record is not None and str(record.item.fields.get("@quarantine_code", 0)) not in ("0", "", "false")

    # -- merging --------------------------------------------------------------------------------------------------

    def _merge_into(self, known: Record, subject: Record) -> None:
        """Check everything that may conflict before anything is changed."""
        if self._merge.overwrite in ("", "none"):
            raise Conflict("Session already exists, retry with overwrite enabled")
        if known.kind != "experiment" or known.parent != subject.key:
            raise Conflict("Session already exists with matching label, but for a different subject")
        if known.xsi_type != self._held.xsi_type:
            raise Conflict(f"Illegal modification of session data type: {known.xsi_type}, {self._held.xsi_type}")
        if self._merge.overwrite == "append":
            self._refuse_duplicates(known)
            for name, value in self._held.fields.items():
                known.item.fields.setdefault(name, value)
        else:
            for scan in self._store.archive.scans(known):
                self._store.archive.delete(scan)
            known.item.fields.update(self._held.fields)
        self._store.archive.save(known, self._user)

    def _refuse_duplicates(self, session: Record) -> None:
        if self._merge.overwrite_files:
            return
        for held in self._held.scans:
            scan = self._scan_with_uid(session, held)
            resource = self._store.files.resource(scan, "DICOM") if scan else None
            if resource is None:
                continue
            names = {file.path for file in self._store.files.files(resource)}
            taken = [file.name for file in held.files if file.name in names]
            if taken:
                raise Conflict(f"Session already contains a scan ({held.id}) with files of the same names: {taken[0]}")

    def _scan_with_uid(self, session: Record, held: HeldScan) -> Record | None:
        for scan in self._store.archive.scans(session):
            uid = scan.item.fields.get("UID", "")
            if uid == held.uid and (uid or scan.id == held.id):
                return scan
        return None

    # -- scans ----------------------------------------------------------------------------------------------------

    def _fill_scans(self, session: Record) -> None:
        for held in self._held.scans:
            known = self._scan_with_uid(session, held)
            scan = known or self._new_scan(session, held)
            resource = self._store.files.resource(scan, "DICOM") or self._new_resource(scan)
            for file in held.files:
                with (self._folder / file.stored).open("rb") as stream:
                    self._store.files.write(resource, file.name, stream, format="DICOM", content="RAW", overwrite=True)
            if known:
                known.item.fields["frames"] = self._store.files.statistics(resource)[0] + _extra_frames(held)
                self._store.archive.save(known, self._user)

    def _new_scan(self, session: Record, held: HeldScan) -> Record:
        id, number = held.id, 1
        while self._store.archive.scan(session, id):
            id = f"{held.id}-{held.modality}{number}"
            number += 1
        fields: dict[str, Value] = {**held.fields, "frames": len(held.files) + _extra_frames(held)}
        return self._store.archive.create_scan(
            session, id, held.xsi_type, item=Item(held.xsi_type, fields), user=self._user
        )

    def _new_resource(self, scan: Record) -> Resource:
        return self._store.files.create_resource(scan, "DICOM", format="DICOM", content="RAW", user=self._user)


def _extra_frames(held: HeldScan) -> int:
    """The frames beyond one per file."""
    return sum(file.frames - 1 for file in held.files)
