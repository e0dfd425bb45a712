"""What XNAT does with files."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import uris
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

    @property
    def fulldata(self) -> dict[str, Any]:
        """Its row in the listing of files."""
        return {"data_fields": dict(self._file_row()), "children": [], "meta": {"xsi:type": self.XSI_TYPE}}

    def _file_row(self) -> Mapping[str, Any]:
        # Nothing on the server tells about one file; a handle without a row has its address only.
        return self._row or {"Name": uris.split(self.uri)[-1], "path": self.path}

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
        segments = uris.split(self.uri)
        return "/".join(segments[segments.index("files") + 1 :])

    @property
    def size(self) -> int:
        """Its size in bytes: from the listing, else by a HEAD request."""
        listed = self._raw("Size")
        if listed is not None and str(listed).isdigit():
            return int(listed)
        return int(self._session.client.request("HEAD", self.uri, allow_html=True).headers["Content-Length"])

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

    def open(self) -> IO[bytes]:
        """Its content as a binary file to read from, fetched whole into memory or a temporary file."""
        import tempfile

        spool = tempfile.SpooledTemporaryFile(max_size=1 << 24)  # noqa: SIM115 - the caller closes it
        self.download_stream(spool)
        spool.seek(0)
        return spool

    def delete(self, remove_files: bool = True) -> None:
        """Delete it on the server. One DELETE.

        :raises XNATNotFoundError: it isn't there any more
        """
        self._check_alive()
        self._session.delete(self.uri)
        self._mark_deleted()
