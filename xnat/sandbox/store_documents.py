"""Versioned texts by kind, owner and name: configuration, saved searches, custom fields, workflows, user caches."""

from __future__ import annotations

from dataclasses import dataclass

from .clock import timestamp
from .database import Database, Row

__all__ = ["Document", "Documents"]


@dataclass(frozen=True)
class Document:
    """One version of a text."""

    key: int
    kind: str
    owner: str
    name: str
    version: int
    contents: str
    status: str
    user: str
    reason: str
    created: str


def _document(row: Row) -> Document:
    return Document(**dict(row))


class Documents:
    """``kind`` is the caller's word (``config``, ``search``, ``fields`` ...), ``owner`` a project, a login or ''."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        kind: str,
        owner: str,
        name: str,
        contents: str,
        *,
        user: str = "",
        status: str = "enabled",
        reason: str = "",
    ) -> Document:
        """Add a version; the version counts up when the contents differ from the last one's."""
        with self._database.transaction():
            last = self.get(kind, owner, name)
            if last and last.contents == contents and last.status == status:
                return last
            version = 1 if last is None else last.version + (last.contents != contents)
            key = self._database.insert(
                "documents", kind=kind, owner=owner, name=name, version=version, contents=contents, status=status,
                user=user, reason=reason, created=timestamp(),
            )  # fmt: skip
            row = self._database.row("SELECT * FROM documents WHERE key = ?", key)
            assert row is not None
            return _document(row)

    def get(self, kind: str, owner: str, name: str, version: int | None = None) -> Document | None:
        """The newest text of that name, or the given version; None when there is none."""
        sql = "SELECT * FROM documents WHERE kind = ? AND owner = ? AND name = ?"
        if version is None:
            row = self._database.row(sql + " ORDER BY key DESC LIMIT 1", kind, owner, name)
        else:
            row = self._database.row(sql + " AND version = ? ORDER BY key DESC LIMIT 1", kind, owner, name, version)
        return _document(row) if row else None

    def history(self, kind: str, owner: str, name: str) -> list[Document]:
        """All versions, oldest first."""
        sql = "SELECT * FROM documents WHERE kind = ? AND owner = ? AND name = ? ORDER BY key"
        return [_document(row) for row in self._database.rows(sql, kind, owner, name)]

    def list(self, kind: str, owner: str | None = None) -> list[Document]:
        """The newest version of every text of a kind (and owner), by name."""
        sql = (
            "SELECT * FROM documents WHERE key IN (SELECT MAX(key) FROM documents WHERE kind = ? GROUP BY owner, name)"
        )
        if owner is None:
            return [_document(row) for row in self._database.rows(sql + " ORDER BY name", kind)]
        return [_document(row) for row in self._database.rows(sql + " AND owner = ? ORDER BY name", kind, owner)]

    def delete(self, kind: str, owner: str, name: str) -> bool:
        """Forget a text and its history; whether there was one."""
        with self._database.transaction():
            known = self.get(kind, owner, name) is not None
            self._database.run("DELETE FROM documents WHERE kind = ? AND owner = ? AND name = ?", kind, owner, name)
            return known
