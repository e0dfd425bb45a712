"""Resources (catalogs) and their files: rows in the database, bytes under names of the store's own choosing.

A file's path is only data: on the disk it is a random name, so no path of a request can leave the folder, and names
that differ in case only, or that are both a file and a folder, do not collide.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .clock import timestamp
from .database import Database, Row
from .errors import Refused

if TYPE_CHECKING:
    from .store_archive import Record

__all__ = ["CHUNK", "Files", "Resource", "StoredFile", "clean_path"]

CHUNK = 256 * 1024


@dataclass
class Resource:
    """A catalog: ``key`` is its ``xnat_abstractresource_id``; ``direction`` is 'in', 'out' or ''."""

    key: int
    owner: int
    direction: str
    label: str
    xsi_type: str
    format: str
    content: str
    description: str
    tags: str
    insert_user: str
    insert_date: str


@dataclass
class StoredFile:
    """A file of a resource; ``path`` is below the resource, with '/'; ``file`` is where the bytes are."""

    key: int
    resource: int
    path: str
    size: int
    digest: str
    format: str
    content: str
    tags: str
    modified: float
    file: Path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


def clean_path(path: str) -> str:
    """``path`` without empty and '.' parts; 400 when it would leave the resource or has control characters."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or any(ord(letter) < 32 for letter in path):
        raise Refused(400, f"Invalid file name: {path!r}")
    return "/".join(parts)


def _direction(owner: Record, direction: str) -> str:
    """Where a resource goes that is put below neither ``in`` nor ``out``."""
    # Reconstructions have no other place for files in the schema than these two; nothing produces what went in.
    return direction or ("out" if owner.kind == "reconstruction" else "")


class Files:
    """Resources and files below a folder. ``checksums = False`` leaves digests empty, as a site setting does."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self.checksums = True

    # -- resources ------------------------------------------------------------------------------------------------

    def create_resource(
        self,
        owner: Record,
        label: str,
        *,
        direction: str = "",
        xsi_type: str = "xnat:resourceCatalog",
        format: str = "",
        content: str = "",
        description: str = "",
        tags: str = "",
        user: str = "admin",
    ) -> Resource:
        """A new resource of a project, subject, experiment, scan, assessor or reconstruction."""
        direction = _direction(owner, direction)
        with self._database.transaction():
            if label and self.resource(owner, label, direction):
                raise Refused(409, "Specified resource already exists.")
            now = timestamp()
            key = self._database.insert(
                "resources", owner=owner.key, direction=direction, label=label, xsi_type=xsi_type, format=format,
                content=content, description=description, tags=tags, insert_user=user, insert_date=now,
            )  # fmt: skip
        return Resource(key, owner.key, direction, label, xsi_type, format, content, description, tags, user, now)

    def resource(self, owner: Record, name: str, direction: str | None = None) -> Resource | None:
        """The resource with that number or label; ``direction=None`` looks at all directions."""
        found = [resource for resource in self.resources(owner, direction) if str(resource.key) == name]
        if found:
            return found[0]
        label = "" if name == "NULL" else name
        return next((resource for resource in self.resources(owner, direction) if resource.label == label), None)

    def resource_by_key(self, key: int) -> Resource | None:
        """The resource with that number, whoever owns it."""
        row = self._database.row("SELECT * FROM resources WHERE key = ?", key)
        return Resource(**dict(row)) if row else None

    def resources(self, owner: Record, direction: str | None = None) -> list[Resource]:
        """The resources of an object, oldest first."""
        sql = "SELECT * FROM resources WHERE owner = ?"
        if direction is None:
            rows = self._database.rows(sql + " ORDER BY key", owner.key)
        else:
            rows = self._database.rows(sql + " AND direction = ? ORDER BY key", owner.key, _direction(owner, direction))
        return [Resource(**dict(row)) for row in rows]

    def save_resource(self, resource: Resource) -> None:
        """Write back a changed resource."""
        self._database.run(
            "UPDATE resources SET label = ?, format = ?, content = ?, description = ?, tags = ? WHERE key = ?",
            resource.label, resource.format, resource.content, resource.description, resource.tags, resource.key,
        )  # fmt: skip

    def delete_resource(self, resource: Resource, *, remove_files: bool = True) -> None:
        """Remove a resource and its files."""
        paths = [file.file for file in self.files(resource, unregistered=True)]
        with self._database.transaction():
            self._database.run("DELETE FROM files WHERE resource = ?", resource.key)
            self._database.run("DELETE FROM resources WHERE key = ?", resource.key)
        if remove_files:
            for path in paths:
                path.unlink(missing_ok=True)

    def statistics(self, resource: Resource) -> tuple[int, int]:
        """How many files a resource has, and their bytes."""
        sql = "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM files WHERE resource = ? AND registered"
        row = self._database.row(sql, resource.key)
        return (row[0], row[1]) if row else (0, 0)

    def ensure_resource(self, owner: Record, name: str, direction: str = "", **details: str) -> Resource:
        """The resource of that number or label; made when there is none."""
        with self._database.transaction():
            known = self.resource(owner, name, direction)
            label = "" if name == "NULL" else name
            return known or self.create_resource(owner, label, direction=direction, **details)

    # -- files ----------------------------------------------------------------------------------------------------

    def write(
        self,
        resource: Resource,
        path: str,
        data: bytes | BinaryIO | Iterable[bytes],
        *,
        format: str = "",
        content: str = "",
        tags: str = "",
        overwrite: bool = False,
        registered: bool = True,
    ) -> StoredFile | None:
        """Store a file; None, and nothing changed, when the path exists and ``overwrite`` is false.

        ``registered=False`` is a file that lies in the folder but not in the catalog, until ``refresh`` finds it.
        """
        path = clean_path(path)
        known = self.file(resource, path)
        if known and not overwrite:
            return None
        stored, size, digest = self._store(data)
        with self._database.transaction():
            # Looked for once more: another request may have stored it meanwhile.
            known = self.file(resource, path)
            if known and not overwrite:
                (self._folder / stored).unlink()
                return None
            self._database.run("DELETE FROM files WHERE resource = ? AND path = ?", resource.key, path)
            key = self._database.insert(
                "files", resource=resource.key, path=path, size=size, digest=digest if self.checksums else "",
                format=format, content=content, tags=tags, modified=time.time(), stored=stored, registered=registered,
            )  # fmt: skip
            row = self._database.row("SELECT * FROM files WHERE key = ?", key)
        if known:
            known.file.unlink(missing_ok=True)
        assert row is not None
        return self._file(row)

    def _store(self, data: bytes | BinaryIO | Iterable[bytes]) -> tuple[str, int, str]:
        name = uuid.uuid4().hex
        target = self._folder / name[:2] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with target.open("wb") as out:
                for chunk in _chunks(data):
                    digest.update(chunk)
                    size += len(chunk)
                    out.write(chunk)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return f"{name[:2]}/{name}", size, digest.hexdigest()

    def files(self, resource: Resource, *, unregistered: bool = False) -> list[StoredFile]:
        """The files of a resource by path."""
        sql = "SELECT * FROM files WHERE resource = ? AND registered >= ? ORDER BY path"
        return [self._file(row) for row in self._database.rows(sql, resource.key, int(not unregistered))]

    def file(self, resource: Resource, path: str) -> StoredFile | None:
        """The file at that path."""
        row = self._database.row("SELECT * FROM files WHERE resource = ? AND path = ?", resource.key, path)
        return self._file(row) if row else None

    def delete_file(self, file: StoredFile, *, remove_files: bool = True) -> None:
        """Remove a file."""
        self._database.run("DELETE FROM files WHERE key = ?", file.key)
        if remove_files:
            file.file.unlink(missing_ok=True)

    def set_digest(self, file: StoredFile, digest: str) -> None:
        """Replace the digest the catalog states, right or wrong."""
        self._database.run("UPDATE files SET digest = ? WHERE key = ?", digest, file.key)

    def refresh(self, resource: Resource, options: Iterable[str]) -> None:
        """What the refresh service does: ``append`` unlisted files, ``delete`` lost ones, fill in ``checksum``."""
        wanted = {option.lower() for option in options}
        if "append" in wanted:
            self._database.run("UPDATE files SET registered = 1 WHERE resource = ?", resource.key)
        for file in self.files(resource):
            if not file.file.exists():
                if "delete" in wanted:
                    self.delete_file(file)
            elif "checksum" in wanted:
                self._refresh_digest(file)

    def _refresh_digest(self, file: StoredFile) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        with file.file.open("rb") as source:
            for chunk in _chunks(source):
                digest.update(chunk)
        size = os.stat(file.file).st_size
        self._database.run("UPDATE files SET digest = ?, size = ? WHERE key = ?", digest.hexdigest(), size, file.key)

    def _file(self, row: Row) -> StoredFile:
        return StoredFile(
            row["key"], row["resource"], row["path"], row["size"], row["digest"], row["format"], row["content"],
            row["tags"], row["modified"], self._folder / row["stored"],
        )  # fmt: skip


def _chunks(data: bytes | BinaryIO | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return [bytes(data)]
    if hasattr(data, "read"):
        return iter(lambda: data.read(CHUNK), b"")
    return data
