"""What XNAT does with files."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from .. import uris
from ..core.answers import result_rows
from ..core.kinds import file_path
from ..core.terms import parent_property
from ..exceptions import XNATResponseError, XNATValueError
from .traits import Base

if TYPE_CHECKING:
    from ..protocols import Timeout, UpdateFunc

__all__ = ["FileData"]


class FileData(Base):
    """A file of a resource. What the listing told about it is all there is to know; only content costs a request."""

    __slots__ = ()

    KIND = "file"
    SECONDARY_LOOKUP_FIELD = "Name"
    _CONTAINED_IN = "files"

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        return ("file", uri)

    @parent_property("xnat:abstractResource")
    def parent(self) -> Any:
        """What it was found in: the resource, or what that belongs to."""
        return self._parent

    @property
    def fulldata(self) -> dict[str, Any]:
        """Its row in the listing of files."""
        # Nothing tells when it was made. Scripts for other clients look for that in every item, though.
        return {
            "data_fields": dict(self._file_row()),
            "children": [],
            "meta": {"xsi:type": self.XSI_TYPE, "isHistory": False},
            "xnatpy": {"insert_date": None},
        }

    def _file_row(self) -> Mapping[str, Any]:
        # Nothing on the server tells about one file; a handle without a row has its address only.
        return self._row or {"Name": uris.split(self.uri)[-1], "path": self.path}

    def _lasting_row(self) -> dict[str, Any]:
        # There is no address to ask for it again; and a file that changes is a new file to XNAT.
        return dict(self._row)

    def _raw(self, path: str) -> Any:
        self._check_alive()
        return self._file_row().get(path) or None

    def _text(self, column: str) -> str | None:
        value = self._raw(column)
        return None if value is None else str(value)

    @property
    def id(self) -> str:
        """Its path below the resource."""
        return self.path

    @property
    def name(self) -> str:
        """Its name: the last part of its path."""
        return uris.split(self.uri)[-1]

    @property
    def path(self) -> str:
        """Its path below the resource."""
        return uris.unquote_path(self._parts[1])

    @property
    def _parts(self) -> tuple[str, str]:
        """The REST path of what it is in, and its path below the ``files`` of that, as they are spelled."""
        parts = uris.split_at_files(self.uri)
        if parts is None:
            raise XNATValueError(f"{self.uri} is no file's address: those go on behind .../files/")
        return parts

    @property
    def size(self) -> int:
        """Its size in bytes: from the listing, else by a HEAD request.

        :raises XNATResponseError: the server tells it in neither
        """
        listed = self._raw("Size")
        if listed is not None and str(listed).isdigit():
            return int(listed)
        length = self._session.client.request("HEAD", self.uri, allow_html=True).headers.get("Content-Length", "")
        if not length.isdigit():
            raise XNATResponseError(f"{self.uri}: the server doesn't tell how large it is", url=self.uri)
        return int(length)

    @property
    def file_size(self) -> int:
        """Its size in bytes; the same as :attr:`size`."""
        return self.size

    @property
    def digest(self) -> str | None:
        """MD5 of its content in hex, None where the server keeps no checksums."""
        return self._text("digest")

    @property
    def collection(self) -> str | None:
        """Label of the resource it is in."""
        return self._text("collection")

    @property
    def file_format(self) -> str | None:
        """Its format, as given on upload."""
        return self._text("file_format")

    @property
    def file_content(self) -> str | None:
        """Its content, as given on upload."""
        return self._text("file_content")

    @property
    def file_tags(self) -> str | None:
        """Its tags, as given on upload."""
        return self._text("file_tags")

    @property
    def cat_id(self) -> str | None:
        """The number of the resource it is in."""
        return self._text("cat_ID")

    def download(
        self,
        path: str | os.PathLike[str],
        verbose: bool = True,
        *,
        update_func: UpdateFunc | None = None,
        timeout: Timeout = None,
    ) -> Path:
        """Download it to a file, which stands there only when it is complete.

        :param path: the file to make; one that exists is replaced
        :return: its path
        :raises XNATDownloadError: it came short or damaged, or can't be stored
        """
        from ..transfer.download import download_file

        self._check_alive()
        target = Path(path).expanduser()
        size = self._raw("Size")
        download_file(
            self._session.client,
            self.uri,
            target,
            size=int(size) if size is not None and str(size).isdigit() else None,
            digest=self.digest,
            update_func=update_func,
            verbose=verbose,
            timeout=timeout,
        )
        return target

    def download_stream(
        self,
        target_stream: IO[bytes],
        verbose: bool = False,
        *,
        update_func: UpdateFunc | None = None,
        timeout: Timeout = None,
    ) -> int:
        """Download it into an open binary file.

        :return: the number of bytes
        :raises XNATDownloadError: it came short or damaged; what was written by then stays
        """
        from ..transfer.download import download_stream
        from ..transfer.progress import default_update_func

        self._check_alive()
        size = self._raw("Size")
        known = int(size) if size is not None and str(size).isdigit() else None
        if verbose and update_func is None:
            update_func = default_update_func(known)
        return download_stream(
            self._session.client,
            self.uri,
            target_stream,
            size=known,
            digest=self.digest,
            update_func=update_func,
            timeout=timeout,
        )

    @property
    def resource(self) -> Any:
        """The resource it is in."""
        if getattr(self._parent, "KIND", "") == "resource":
            return self._parent
        return self._session.create_object(self._parts[0], "xnat:resourceCatalog", parent=self._parent)

    @property
    def expected_data_path(self) -> Path | None:
        """Where it should be in the server's archive, None unless that is mounted here."""
        from .mounted import expected_dir_of

        folder = expected_dir_of(self.resource)
        parts = self.path.split("/")
        return None if folder is None or ".." in parts else folder.joinpath(*parts)

    @property
    def data_path(self) -> Path | None:
        """Where it is in the server's archive, None unless that is mounted here and has it."""
        path = self.expected_data_path
        return path if path is not None and path.is_file() else None

    @staticmethod
    def calculate_digest(obj: str | os.PathLike[str] | bytes | IO[bytes]) -> str:
        """The MD5 of something in hex, as :attr:`digest` is.

        :param obj: path of a file, an open binary file, or bytes
        """
        import hashlib

        found = hashlib.md5(usedforsecurity=False)
        if isinstance(obj, (bytes, bytearray)):
            found.update(obj)
        elif hasattr(obj, "read"):
            for chunk in iter(lambda: obj.read(1 << 20), b""):
                found.update(chunk)
        else:
            with Path(obj).open("rb") as file:
                return FileData.calculate_digest(file)
        return found.hexdigest()

    def verify_digest(self, obj: str | os.PathLike[str] | bytes | IO[bytes] | None = None) -> bool:
        """Whether something is this file, by the server's digest.

        :param obj: path of a file, an open binary file, or bytes; by default what :meth:`open` reads: the file in the
            server's archive, where that is mounted here and has it, else what the server sends, which is fetched
        :raises XNATValueError: the server keeps no digest of it
        """
        if not self.digest:
            raise XNATValueError(
                f"The server has no digest of {self.uri}; resource.refresh_catalog(checksum=True) makes it"
            )
        if obj is None:
            obj = self.data_path
        if obj is not None:
            return self.calculate_digest(obj) == self.digest.lower()
        # Not through download(), which would raise for a wrong digest.
        response = self._session.client.request("GET", self.uri, stream=True, allow_html=True)
        with response:
            return self.calculate_digest(cast("IO[bytes]", response.raw)) == self.digest.lower()

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Its content as a binary file to read from.

        Read from the server's archive, where that is mounted here; else fetched whole, into memory or a temporary file.

        :raises XNATValueError: another mode than ``'rb'``
        """
        from ..transfer.spool import fetched

        if mode != "rb":
            raise XNATValueError(
                f"Files of a server can be opened to read bytes, in mode 'rb', not in {mode!r}; upload() writes them"
            )
        local = self.data_path if self._session.mount_data_dir is not None else None
        if local is not None:
            return local.open("rb")

        return fetched(self.download_stream)

    def delete(self, remove_files: bool = True) -> None:
        """Delete it on the server. One GET, of its resource's files, and one DELETE.

        :raises XNATNotFoundError: it isn't there any more
        :raises XNATValueError: other files would go with it
        """
        self._check_alive()
        # XNAT's FileList takes the path of a DELETE for a prefix: of 'a' and 'ab.txt', deleting 'a' deletes both.
        listed = f"{self._parts[0]}/files"
        rows = result_rows(self._session.get_json(listed), listed)
        others = sorted(path for path in map(file_path, rows) if path != self.path and path.startswith(self.path))
        if others:
            raise XNATValueError(
                f"XNAT would delete {', '.join(others[:5])} as well: it deletes every file whose path begins with "
                f"{self.path!r}. Delete those first, or move them"
            )
        self._session.delete(self.uri)
        self._mark_deleted()
