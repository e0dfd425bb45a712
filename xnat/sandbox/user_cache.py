"""Each user's cache of uploaded files: named resources of files, kept outside the archive."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from .store import Store
from .unpack import safe_name

__all__ = ["UserCache"]


class UserCache:
    """The cache of one user."""

    def __init__(self, store: Store, login: str) -> None:
        self._folder = store.folder / "user_cache" / hashlib.sha256(login.encode()).hexdigest()[:16]

    def folder(self, resource: str) -> Path:
        """Where a resource's files are, existing or not."""
        return self._folder / safe_name(resource).replace("/", "_")

    def resources(self) -> list[str]:
        """The names of the resources."""
        return sorted(path.name for path in self._folder.glob("*")) if self._folder.exists() else []

    def files(self, resource: str) -> list[Path]:
        """The files of a resource."""
        return sorted(path for path in self.folder(resource).rglob("*") if path.is_file())

    def path(self, resource: str, name: str) -> Path:
        """The place of a file, existing or not; never outside the resource."""
        return self.folder(resource) / safe_name(name)

    def find(self, uri: str) -> Path | None:
        """The file that ``[/data]/user/cache/resources/X/files/NAME`` stands for."""
        parts = [part for part in uri.split("/") if part]
        if parts[:1] == ["data"]:
            parts = parts[1:]
        if len(parts) < 6 or parts[:3] != ["user", "cache", "resources"] or parts[4] != "files":
            return None
        path = self.path(parts[3], "/".join(parts[5:]))
        return path if path.is_file() else None

    def delete(self, resource: str, name: str = "") -> bool:
        """Remove a file, or a resource with all of its files; whether it was there."""
        path = self.path(resource, name) if name else self.folder(resource)
        if path.is_dir():
            shutil.rmtree(path)
            return True
        known = path.is_file()
        path.unlink(missing_ok=True)
        return known
