"""A file of an archive, opened through :mod:`fsspec`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.spec import AbstractBufferedFile

from ..exceptions import XNATError, XNATForbiddenError, XNATNotFoundError, XNATUnauthorizedError
from ..remotefile import Content

__all__ = ["XNATFile", "as_os_errors"]


@contextmanager
def as_os_errors(path: str) -> Iterator[None]:
    """Errors as those who open files expect them."""
    try:
        yield
    except XNATNotFoundError as error:
        raise FileNotFoundError(f"{path}: {error}") from error
    except (XNATForbiddenError, XNATUnauthorizedError) as error:
        raise PermissionError(f"{path}: {error}") from error
    except OSError:
        raise
    except XNATError as error:
        raise OSError(f"{path}: {error}") from error


class XNATFile(AbstractBufferedFile):  # type: ignore[misc]
    """An open file of an archive.

    Reading keeps what has come, so that going back is local. Writing gathers everything in a temporary file and sends
    it when the file is closed: XNAT has no uploads in parts.
    """

    def __init__(self, fs: Any, path: str, mode: str, *args: Any, **kwargs: Any) -> None:
        self._content: Content | None = None
        self._spool: Any = None
        self._settled = False
        super().__init__(fs, path, mode, *args, **kwargs)
        self._uri = fs._place(path).uri

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._content is None:
            self._content = Content(self.fs.session.client, self._uri, self.size)
        with as_os_errors(self.path):
            return self._content.read(start, end - start)

    def _initiate_upload(self) -> None:
        import tempfile

        if self._settled:
            return
        self._spool = tempfile.SpooledTemporaryFile(max_size=1 << 23)  # noqa: SIM115 - closed by commit or discard

    def _upload_chunk(self, final: bool = False) -> bool:
        if self._settled:  # by a transaction that ended before the file was closed
            return True
        self._spool.write(self.buffer.getvalue())
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        """Send what was written."""
        try:
            self._spool.seek(0)
            self.fs._send(self.path, self._spool)
        finally:
            self.discard()

    def discard(self) -> None:
        """Throw away what was written."""
        self._settled = True
        if self._spool is not None:
            self._spool.close()

    def close(self) -> None:
        """End reading, or send what was written."""
        super().close()
        if self._content is not None:
            self._content.close()
