"""The prearchive: one row per received session, with a folder of files beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .clock import folder_timestamp, timestamp
from .database import Database, Row

__all__ = ["PREARCHIVE_COLUMNS", "Prearchive", "PrearchiveRow"]

PREARCHIVE_COLUMNS = (
    "project", "timestamp", "lastmod", "uploaded", "scan_date", "scan_time", "subject", "folderName", "name", "tag",
    "status", "url", "autoarchive", "prevent_anon", "prevent_auto_commit", "SOURCE", "VISIT", "PROTOCOL", "TIMEZONE",
)  # fmt: skip


@dataclass
class PrearchiveRow:
    """A received session: XNAT's 19 columns under their own names, all text, and ``extra`` for the sandbox's use.

    ``project`` is '' for Unassigned; ``url`` is ``/prearchive/projects/<P or Unassigned>/<timestamp>/<folderName>``.
    """

    key: int = 0
    project: str = ""
    timestamp: str = ""
    lastmod: str = ""
    uploaded: str = ""
    scan_date: str = ""
    scan_time: str = ""
    subject: str = ""
    folderName: str = ""  # noqa: N815 - the column's name
    name: str = ""
    tag: str = ""
    status: str = "RECEIVING"
    url: str = ""
    autoarchive: str = "Manual"
    prevent_anon: str = "false"
    prevent_auto_commit: str = "false"
    SOURCE: str = ""
    VISIT: str = ""
    PROTOCOL: str = ""
    TIMEZONE: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, str]:
        """The 19 columns of a listing."""
        return {name: getattr(self, name) for name in PREARCHIVE_COLUMNS}


def _row(row: Row) -> PrearchiveRow:
    values = dict(row)
    values["extra"] = json.loads(values["extra"])
    return PrearchiveRow(**values)


class Prearchive:
    """The rows, and for each a folder where whoever fills it keeps files under safe names."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def add(self, row: PrearchiveRow) -> PrearchiveRow:
        """Insert a row (key, timestamp, uploaded, lastmod and url are filled in when empty) and make its folder."""
        with self._database.transaction():
            row.timestamp = row.timestamp or self._free_timestamp(row)
            row.uploaded = row.uploaded or timestamp()
            row.lastmod = row.lastmod or row.uploaded
            row.name = row.name or row.folderName
            row.url = self.url(row)
            values = asdict(row)
            del values["key"]
            values["extra"] = json.dumps(row.extra)
            row.key = self._database.insert("prearchive", **values)
        self.folder(row).mkdir(parents=True, exist_ok=True)
        return row

    def _free_timestamp(self, row: PrearchiveRow) -> str:
        stamp = folder_timestamp()
        while self.get(row.project, stamp, row.folderName):
            head, _, number = stamp.partition("_")
            stamp = f"{head}_{int(number) + 1:09d}"
        return stamp

    @staticmethod
    def url(row: PrearchiveRow) -> str:
        """The row's URL, without ``/data``."""
        return f"/prearchive/projects/{row.project or 'Unassigned'}/{row.timestamp}/{row.folderName}"

    def folder(self, row: PrearchiveRow) -> Path:
        """Where the row's files are; it keeps its place when the row moves to another project."""
        return self._folder / str(row.key)

    def rows(self, project: str | None = None) -> list[PrearchiveRow]:
        """All rows, or those of a project ('' is Unassigned), oldest first."""
        if project is None:
            return [_row(row) for row in self._database.rows("SELECT * FROM prearchive ORDER BY key")]
        sql = "SELECT * FROM prearchive WHERE project = ? ORDER BY key"
        return [_row(row) for row in self._database.rows(sql, project)]

    def resting(self, limit: str) -> list[PrearchiveRow]:
        """The rows that are RECEIVING and were last changed before a moment, or at it."""
        sql = "SELECT * FROM prearchive WHERE status = 'RECEIVING' AND lastmod <= ? ORDER BY key"
        return [_row(row) for row in self._database.rows(sql, limit)]

    def get(self, project: str, timestamp: str, folder: str) -> PrearchiveRow | None:
        """One row by project ('' or 'Unassigned' is Unassigned), timestamp and folder name."""
        sql = "SELECT * FROM prearchive WHERE project = ? AND timestamp = ? AND folderName = ?"
        row = self._database.row(sql, "" if project == "Unassigned" else project, timestamp, folder)
        return _row(row) if row else None

    def save(self, row: PrearchiveRow, *, touch: bool = True) -> None:
        """Write back a changed row; ``url`` follows project, timestamp and folder name."""
        row.url = self.url(row)
        if touch:
            row.lastmod = timestamp()
        names = [entry.name for entry in fields(row) if entry.name not in ("key", "extra")]
        marks = ", ".join(f"{name} = ?" for name in names)
        values = [getattr(row, name) for name in names]
        # S608: the names are those of a dataclass
        sql = f"UPDATE prearchive SET {marks}, extra = ? WHERE key = ?"  # noqa: S608
        self._database.run(sql, *values, json.dumps(row.extra), row.key)

    def delete(self, row: PrearchiveRow) -> None:
        """Remove a row and its folder."""
        self._database.run("DELETE FROM prearchive WHERE key = ?", row.key)
        shutil.rmtree(self.folder(row), ignore_errors=True)
