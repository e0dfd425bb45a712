"""What waits in the prearchive: sessions sorted out of uploads, each a row of the store with a folder beside it.

The row says where a session stands; ``content.json`` in its folder says what it is made of. Files lie in the folder
under numbers, so that their own names stay data.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .clock import timestamp
from .dicom import Instance, Study, label_of, scan_type, session_type
from .errors import Refused
from .items import Value
from .store import PrearchiveRow, Store

__all__ = ["BUSY", "Held", "HeldFile", "HeldScan", "Intake", "lock", "row_of_uri"]

CONTENT = "content.json"
BUSY = re.compile(r"(_?(BUILDING|ARCHIVING|MOVING|DELETING|SEPARATING)|_.*|QUEUED_.*|RECEIVING_INTERRUPT)\Z")
AUTOARCHIVE = {"0": "Manual", "4": "AutoArchive", "5": "AutoArchiveOverwrite"}

# One upload at a time changes the prearchive; reading and sorting files happens before.
lock = threading.RLock()


@dataclass
class HeldFile:
    """One file: the name it had, and under which name it lies in the row's folder."""

    name: str
    stored: str
    size: int
    sop_uid: str
    frames: int = 1


@dataclass
class HeldScan:
    """One series of a waiting session."""

    id: str
    uid: str
    modality: str
    fields: dict[str, Value]
    files: list[HeldFile] = field(default_factory=list)

    @property
    def xsi_type(self) -> str:
        """The data type the scan will have."""
        return scan_type(self.modality)


@dataclass
class Held:
    """The content of a waiting session."""

    fields: dict[str, Value] = field(default_factory=dict)
    scans: list[HeldScan] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)
    count: int = 0

    @property
    def xsi_type(self) -> str:
        """The data type the session will have."""
        return session_type(scan.modality for scan in self.scans)

    def scan(self, id: str) -> HeldScan | None:
        """The scan with that ID."""
        return next((scan for scan in self.scans if scan.id == id), None)

    @classmethod
    def load(cls, folder: Path) -> Held:
        """The content of a row's folder; empty when nothing has arrived."""
        try:
            data: dict[str, Any] = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        scans = [HeldScan(**{**scan, "files": [HeldFile(**file) for file in scan["files"]]}) for scan in data["scans"]]
        return cls(data["fields"], scans, data["uids"], data["count"])

    def save(self, folder: Path) -> None:
        """Write the content beside the files."""
        fresh = folder / f"{CONTENT}.new"
        fresh.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")
        fresh.replace(folder / CONTENT)

    def add(self, instance: Instance, folder: Path, *, rename: bool = False) -> None:
        """Take over one file; a file of the same name replaces an older version of itself, nothing else."""
        scan = self._scan_of(instance)
        name = _file_name(instance, rename)
        known = next((file for file in scan.files if file.name == name), None)
        if known and known.sop_uid == instance.sop_uid:
            scan.files.remove(known)
            (folder / known.stored).unlink(missing_ok=True)
        elif known:
            name = _file_name(instance, True)
            scan.files = [file for file in scan.files if file.name != name]
        self.count += 1
        stored = f"{self.count:06d}"
        shutil.copyfile(instance.path, folder / stored)
        size = (folder / stored).stat().st_size
        scan.files.append(HeldFile(name, stored, size, instance.sop_uid, instance.frames))
        if instance.study_uid not in self.uids:
            self.uids.append(instance.study_uid)

    def _scan_of(self, instance: Instance) -> HeldScan:
        for scan in self.scans:
            if scan.uid == instance.series_uid and (scan.uid or scan.modality == instance.modality):
                _fill(scan.fields, instance.scan_fields)
                return scan
        id = free_scan_id(instance, {scan.id for scan in self.scans})
        scan = HeldScan(id, instance.series_uid, instance.modality, dict(instance.scan_fields))
        self.scans.append(scan)
        return scan

    def settle(self, instances: Iterable[Instance]) -> None:
        """Fill in the session's fields: what the main modality's headers say counts first."""
        main = self.xsi_type
        ordered = sorted(instances, key=lambda instance: session_type([instance.modality]) != main)
        for instance in ordered:
            _fill(self.fields, instance.session_fields)


def free_scan_id(instance: Instance, taken: set[str]) -> str:
    """The series number, or UID; ``1-MR1`` for a second series with the number 1."""
    base = re.sub(r"[^A-Za-z0-9_.-]", "_", instance.number or instance.series_uid) or "1"
    if base not in taken:
        return base
    number = 1
    while f"{base}-{instance.modality}{number}" in taken:
        number += 1
    return f"{base}-{instance.modality}{number}"


def _fill(fields: dict[str, Value], more: dict[str, Value]) -> None:
    for name, value in more.items():
        fields.setdefault(name, value)


def _file_name(instance: Instance, rename: bool) -> str:
    name = instance.name.rsplit("/", 1)[-1]
    if not rename and re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", name) and name.strip("."):
        return name
    return f"{re.sub(r'[^0-9.]', '', instance.sop_uid) or 'object'}-{zlib.crc32(instance.name.encode()):08x}.dcm"


class Intake:
    """Puts sorted studies into the prearchive, and moves them about in there."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def receive(
        self,
        study: Study,
        project: str,
        *,
        subject: str = "",
        session: str = "",
        merge: bool = True,
        into: PrearchiveRow | None = None,
        stamp: str = "",
        rename: bool = False,
        extra: dict[str, str] | None = None,
        user: str = "admin",
    ) -> PrearchiveRow:
        """Add a study to a waiting session of the same study, project and label, or to a new one."""
        label = label_of(session, study.session)
        with lock:
            row = into or (self._waiting(project, study.uid, label) if merge else None)
            row = row or self._new_row(study, project, subject, label, stamp, extra or {})
            folder = self._store.prearchive.folder(row)
            held = Held.load(folder)
            for instance in study.instances:
                held.add(instance, folder, rename=rename)
            held.settle(study.instances)
            held.save(folder)
            row.status = "RECEIVING"
            row.extra["user"] = user
            self._store.prearchive.save(row)
            return row

    def _waiting(self, project: str, uid: str, label: str) -> PrearchiveRow | None:
        for row in self._store.prearchive.rows(project):
            if (row.tag, row.folderName) == (uid, label) and not BUSY.match(row.status):
                return row
        return None

    def _new_row(
        self, study: Study, project: str, subject: str, label: str, stamp: str, extra: dict[str, str]
    ) -> PrearchiveRow:
        row = PrearchiveRow(
            project=project, folderName=label, name=label, subject=label_of(subject, study.subject), tag=study.uid,
            timestamp=stamp, autoarchive=AUTOARCHIVE.get(self.code(project), "Manual"),
            prevent_anon=extra.get("prevent_anon", "false"),
            prevent_auto_commit=extra.get("prevent_auto_commit", "false"),
            SOURCE=extra.get("SOURCE", ""), VISIT=extra.get("VISIT", ""),
        )  # fmt: skip
        return self._store.prearchive.add(row)

    def code(self, project: str) -> str:
        """The project's prearchive code: 0 waits, 4 archives, 5 archives and overwrites; '' for Unassigned."""
        record = self._store.archive.project(project) if project else None
        return str(record.item.fields.get("@prearchive_code", "4")) if record else ""

    def held(self, row: PrearchiveRow) -> Held:
        """What a row holds."""
        return Held.load(self._store.prearchive.folder(row))

    def build(self, row: PrearchiveRow) -> None:
        """Derive the row from its files; it is READY then."""
        with lock:
            held = self.held(row)
            row.scan_date = str(held.fields.get("date", ""))
            row.scan_time = str(held.fields.get("time", ""))
            row.status = "READY" if held.scans else "ERROR"
            log(row, "Session built" if held.scans else "No scans found")
            self._store.prearchive.save(row)

    def move(self, row: PrearchiveRow, project: str) -> None:
        """Assign a row to another project."""
        refuse_busy(row)
        with lock:
            row.project = project
            row.autoarchive = AUTOARCHIVE.get(self.code(project), "Manual")
            log(row, f"Moved to {project}")
            self._store.prearchive.save(row)

    def remove_scan(self, row: PrearchiveRow, id: str) -> bool:
        """Take a scan out of a waiting session; whether it was there."""
        with lock:
            folder = self._store.prearchive.folder(row)
            held = Held.load(folder)
            scan = held.scan(id)
            if scan is None:
                return False
            held.scans.remove(scan)
            held.save(folder)
            for file in scan.files:
                (folder / file.stored).unlink(missing_ok=True)
            self._store.prearchive.save(row)
            return True


def refuse_busy(row: PrearchiveRow) -> None:
    """403 while something else happens to the row."""
    if BUSY.match(row.status):
        raise Refused(403, "Operation already in progress on this prearchive entry.")


def log(row: PrearchiveRow, words: str) -> None:
    """Add a line to a row's log; the caller saves the row."""
    row.extra.setdefault("logs", []).append(f"{timestamp()} {words}")


def row_of_uri(store: Store, uri: str) -> PrearchiveRow | None:
    """The row behind ``[/data]/prearchive/projects/P/<timestamp>/<folder>``; None when there is none."""
    parts = [part for part in uri.split("/") if part]
    if parts[:1] in (["data"], ["REST"]):
        parts = parts[1:]
    if len(parts) < 5 or parts[:2] != ["prearchive", "projects"]:
        return None
    return store.prearchive.get(*parts[2:5])
