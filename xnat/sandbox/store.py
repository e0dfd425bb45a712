"""Everything the sandbox keeps: the archive's objects, their files, users, the prearchive, and documents.

``Store()`` lives in memory and in a temporary folder that ``close()`` removes; ``Store(data=folder)`` keeps all in that
folder across restarts. The areas are attributes::

    store.archive      projects, subjects, experiments, assessors, scans, reconstructions; sharing; IDs (store_archive)
    store.files        resources, and files with their bytes and digests                              (store_files)
    store.users        users, project roles, rights, alias tokens                                     (store_users)
    store.prearchive   the prearchive's rows and their folders of files                               (store_prearchive)
    store.documents    versioned texts: configuration, saved searches, custom fields, workflows       (store_documents)

All of it may be used from any thread. Whatever cannot be done raises ``errors.Refused`` with the status and the words
of a real server.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .database import Database
from .items import Item
from .store_archive import Archive, Record, Share
from .store_documents import Document, Documents
from .store_files import Files, Resource, StoredFile
from .store_prearchive import PREARCHIVE_COLUMNS, Prearchive, PrearchiveRow
from .store_users import ROLES, User, Users

__all__ = [
    "PREARCHIVE_COLUMNS",
    "ROLES",
    "Document",
    "Item",
    "PrearchiveRow",
    "Record",
    "Resource",
    "Share",
    "Store",
    "StoredFile",
    "User",
]


class Store:
    """The sandbox's memory; see the module's text for its areas.

    :ivar closed: whether ``close()`` was called: whatever fails from then on fails because of that
    """

    def __init__(self, data: str | Path | None = None, site_id: str = "XNAT") -> None:
        self._temporary = data is None
        self.folder = (
            Path(tempfile.mkdtemp(prefix="xnat-sandbox-")) if data is None else Path(data).expanduser().resolve()
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.site_id = site_id
        self.closed = False
        self.database = Database(None if self._temporary else self.folder / "sandbox.sqlite")
        self.files = Files(self.database, self.folder / "files")
        self.archive = Archive(self.database, self.files, site_id)
        self.users = Users(self.database, self.archive)
        self.prearchive = Prearchive(self.database, self.folder / "prearchive")
        self.documents = Documents(self.database)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group many writes: all or nothing, and much quicker."""
        with self.database.transaction():
            yield

    def scratch(self) -> Path:
        """A folder for files on their way in (uploads being unpacked), on the same disk as the stored files."""
        folder = self.folder / "scratch"
        folder.mkdir(exist_ok=True)
        return folder

    def close(self) -> None:
        """Close the database; a store without a data folder forgets everything."""
        self.closed = True
        self.database.close()
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
