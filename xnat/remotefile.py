"""A file on the server, read no further than it is looked at.

XNAT ignores ``Range``: what one asks for begins at the first byte. So a file is read as a stream that is kept open
and closed early, what has come is kept locally, and going back costs nothing. Where a server (or a proxy before it)
does answer ``Range``, far jumps use it.
"""

from __future__ import annotations

import io
import tempfile
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .exceptions import XNATConnectionError, XNATDownloadError

if TYPE_CHECKING:
    import requests

    from .protocols import Requester

__all__ = ["Content", "RemoteFile"]

#: Bytes asked of the stream at a time.
_PIECE = 1 << 18
#: Bytes to read over rather than ask anew, where ``Range`` works.
_SHORT_JUMP = 1 << 20
#: Bytes left at which a stream is read to its end when it is closed: the connection can be used again then.
_SHORT_REST = 1 << 14
#: Bytes kept in memory; more goes to a temporary file.
_IN_MEMORY = 1 << 23
_ATTEMPTS = 3


class Content:
    """The bytes of a remote file: those that have come, and the way to the others. Safe to use from several threads.

    :param uri: the file's REST path
    :param size: its size, where known
    :ivar fetched: bytes read from the server so far
    """

    def __init__(self, client: Requester, uri: str, size: int | None = None) -> None:
        self._client = client
        self._uri = uri
        self._size = size
        self._store: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by close()
        self._have: list[tuple[int, int]] = []
        self._response: requests.Response | None = None
        self._position = 0
        self._ranges: bool | None = None
        self._lock = threading.Lock()
        self.fetched = 0

    @property
    def size(self) -> int:
        """The file's size in bytes; asks the server if nobody has told.

        :raises XNATConnectionError: it doesn't answer
        """
        with self._lock:
            if self._size is None:
                self._open(0)
            while self._size is None:
                self._take(_PIECE)
            return self._size

    def read(self, start: int, count: int) -> bytes:
        """Bytes from ``start`` on: ``count`` of them, or as many as there are.

        :raises XNATDownloadError: the file is shorter than it should be
        :raises XNATConnectionError: the connection breaks off, again and again
        """
        with self._lock:
            failures = 0
            while (gap := self._gap(start, start + count)) is not None:
                before = self.fetched
                try:
                    self._fetch(*gap)
                except XNATConnectionError:
                    self._drop()
                    failures = 1 if self.fetched > before else failures + 1
                    if failures >= _ATTEMPTS:
                        raise
            self._store.seek(start)
            data: bytes = self._store.read(count)
            return data

    def close(self) -> None:
        """End the stream and forget what has come."""
        with self._lock:
            if self._size is not None and self._response is not None and self._size - self._position <= _SHORT_REST:
                try:
                    while self._response is not None and self._take(_PIECE):
                        pass
                except (XNATConnectionError, XNATDownloadError):
                    pass
            self._drop()
            self._store.close()

    def _gap(self, start: int, stop: int) -> tuple[int, int] | None:
        """The first part of a range that hasn't come yet."""
        stop = stop if self._size is None else min(stop, self._size)
        for low, high in self._have:
            if low <= start < high:
                start = high
        if start >= stop:
            return None
        return start, min([stop, *(low for low, _ in self._have if low > start)])

    def _fetch(self, start: int, stop: int) -> None:
        """Read on until something of this range has come."""
        ahead = start - self._position
        if self._response is None or ahead < 0 or (self._ranges and ahead > _SHORT_JUMP):
            self._open(start)
        while self._position <= start and (self._size is None or self._position < self._size):
            if not self._take(stop - self._position):
                return

    def _take(self, count: int) -> int:
        """Read the next bytes of the stream; 0 at its end."""
        assert self._response is not None
        data = self._response.raw.read(min(max(count, 1), _PIECE)) or b""
        if not data:
            self._drop()
            if self._size is not None and self._position < self._size:
                raise XNATDownloadError(
                    f"{self._uri} ends after {self._position} bytes, but should have {self._size}; it may have been "
                    "replaced meanwhile"
                )
            self._size = self._position
            return 0
        self._store.seek(self._position)
        self._store.write(data)
        self._note(self._position, self._position + len(data))
        self._position += len(data)
        self.fetched += len(data)
        return len(data)

    def _note(self, start: int, stop: int) -> None:
        kept = []
        for low, high in self._have:
            if high < start or low > stop:
                kept.append((low, high))
            else:
                start, stop = min(start, low), max(stop, high)
        self._have = sorted([*kept, (start, stop)])

    def _open(self, start: int) -> None:
        self._drop()
        headers = {} if self._ranges is False else {"Range": f"bytes={start}-"}
        response = self._client.request(
            "GET", self._uri, stream=True, headers=headers, accepted=[200, 206], allow_html=True
        )
        self._response = response
        begin, length = _extent(response)
        self._ranges, self._position = response.status_code == 206, begin
        if length is not None and self._size not in (None, length):
            self._drop()
            raise XNATDownloadError(f"{self._uri} has {length} bytes, but was listed with {self._size}")
        self._size = self._size if length is None else length

    def _drop(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """(first byte of the answer, size of the whole file)."""
    if response.status_code == 206:
        # bytes 0-99/1234
        where, _, size = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        begin = where.partition("-")[0]
        return int(begin) if begin.isdigit() else 0, int(size) if size.isdigit() else None
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None


class RemoteFile(io.RawIOBase):
    """:class:`Content` as an open binary file. Wrap it in :class:`io.BufferedReader` for small reads."""

    def __init__(self, client: Requester, uri: str, size: int | None = None) -> None:
        super().__init__()
        self.content = Content(client, uri, size)
        #: readers such as pydicom's want to know what they read
        self.name = uri
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; asks the server nothing, unless the end is meant and nobody knows where that is."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        target = (self.content.size if base is None else base) + offset
        if target < 0:
            raise ValueError(f"There is no position {target}")
        self._at = target
        return target

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; the number of bytes."""
        data = self.content.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """End the stream."""
        if not self.closed:
            self.content.close()
        super().close()

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
