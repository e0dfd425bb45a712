"""The writing half of the file system: files of resources, and resources. Nothing larger is made or removed."""

from __future__ import annotations

import io
import os
import threading
from typing import IO, TYPE_CHECKING, Any

from .openfile import as_os_errors
from .paths import MAGIC, Place, files_of_resource

__all__ = ["Writes"]


class Writes:
    """What changes something on the server."""

    if TYPE_CHECKING:
        session: Any
        _writing: threading.Lock

        @classmethod
        def _strip_protocol(cls, path: Any) -> Any: ...
        def _place(self, path: str) -> Place: ...
        def _copy_to(self, path: str, target: IO[bytes]) -> None: ...
        def info(self, path: str, **kwargs: Any) -> dict[str, Any]: ...
        def find(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any: ...
        def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any: ...
        def exists(self, path: str) -> bool: ...
        def isdir(self, path: str) -> bool: ...
        def invalidate_cache(self, path: str | None = None) -> None: ...

    def _send(self, path: str, data: IO[bytes]) -> None:
        """Upload a file from an open one; its resource is made if it isn't there."""
        place = self._place(path)
        if place.kind != "files" or path == place.root:
            raise PermissionError(f"Only files of resources can be written, and {path} is none")
        with self._writing:
            if not self.exists(place.owner):
                self.mkdir(place.owner)
        with as_os_errors(path):
            self.session.upload(place.uri, data, overwrite=True)
        self.invalidate_cache(path)

    def put_file(self, lpath: Any, rpath: str, callback: Any = None, mode: str = "overwrite", **kwargs: Any) -> None:
        """Upload a file.

        :param mode: ``'create'``: fail if there is one
        """
        rpath = self._strip_protocol(rpath)
        if os.path.isdir(lpath):
            self.makedirs(rpath, exist_ok=True)
            return
        if mode == "create" and self.exists(rpath):
            raise FileExistsError(rpath)
        with open(lpath, "rb") as stream:
            self._send(rpath, stream)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        """Write bytes to a file.

        :param mode: ``'create'``: fail if there is one
        """
        path = self._strip_protocol(path)
        if mode == "create" and self.exists(path):
            raise FileExistsError(path)
        self._send(path, io.BytesIO(value))

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy a file, by way of this machine: XNAT has no copy of its own."""
        if self.isdir(path1):
            self.makedirs(path2, exist_ok=True)
            return
        import tempfile

        with tempfile.SpooledTemporaryFile(max_size=1 << 23) as spool:
            self._copy_to(path1, spool)
            spool.seek(0)
            self._send(self._strip_protocol(path2), spool)

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        """Make a resource. Directories in a resource come and go with their files, so there is nothing to do for one.

        :raises FileExistsError: the resource is there
        :raises PermissionError: it is neither
        """
        path = self._strip_protocol(path)
        place = self._place(path)
        if place.kind == "files":
            return
        if not path.rpartition("/")[0].endswith("/resources"):
            raise PermissionError(f"Only resources can be made here, and {path} is none: create it as an object")
        if self.exists(path):
            raise FileExistsError(path)
        with as_os_errors(path):
            self.session.put(place.uri)
        self.invalidate_cache(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """As :meth:`mkdir`; what is there may be."""
        try:
            self.mkdir(path)
        except FileExistsError:
            if not exist_ok:
                raise

    def rmdir(self, path: str) -> None:
        """Remove an empty resource.

        :raises OSError: it isn't empty
        """
        if self.find(path):
            raise OSError(f"{path} isn't empty")
        if self._place(path).kind != "files":
            self._remove(self._strip_protocol(path))

    def _rm(self, path: str) -> None:
        self._remove(self._strip_protocol(path))

    rm_file = _rm

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files, or with ``recursive`` resources and directories with all they hold.

        :raises IsADirectoryError: one is a directory, and ``recursive`` isn't given
        :raises PermissionError: one is more than a resource
        """
        for given in path if isinstance(path, list) else [path]:
            names = self.glob(given) if MAGIC & set(str(given)) else [self._strip_protocol(given)]
            for name in names:
                self._remove_all(name, recursive)

    def _remove_all(self, path: str, recursive: bool) -> None:
        place = self._place(path)
        if self.info(path)["type"] == "file":
            self._remove(path)
        elif not recursive:
            raise IsADirectoryError(f"{path} is a directory; recursive=True removes it")
        elif place.kind == "files":
            for name in self.find(path):
                try:
                    self._remove(name, alone=False)
                except FileNotFoundError:
                    # XNAT takes files along whose names begin the same, see below.
                    continue
        else:
            self._remove(path)

    def _remove(self, path: str, *, alone: bool = True) -> None:
        place = self._place(path)
        is_file = place.kind == "files" and path != place.root
        if is_file and alone:
            self._check_alone(path, place)
        if not is_file and not path.rpartition("/")[0].endswith("/resources"):
            raise PermissionError(f"Only resources and files can be removed here; delete {path} as an object")
        with as_os_errors(path):
            self.session.delete(place.uri, query=None if is_file else {"removeFiles": "true"})
        self.invalidate_cache(path)

    def _check_alone(self, path: str, place: Place) -> None:
        """Refuse to delete a file where the server would delete others, too."""
        # To XNAT the path of a DELETE is the beginning of paths: files/a also removes files/ab.txt.
        with as_os_errors(path):
            files = files_of_resource(self.session, place)
        others = [entry["name"] for entry in files if entry["name"].startswith(path) and entry["name"] != path]
        if others:
            raise OSError(
                f"{path} isn't removed: the server would remove {', '.join(others[:3])} along with it, since the names "
                "begin the same. Remove or rename those first"
            )
