"""Request bodies as they come in: of known length or chunked, read as a stream, and drained when nobody did."""

from __future__ import annotations

import io
import re
import time
from typing import BinaryIO

__all__ = ["ChunkedBody", "LimitedBody", "RequestBody"]

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_EVERYTHING = 1 << 62


class RequestBody(io.RawIOBase):
    """A body; ends where the request ends, and raises ConnectionError when the connection ends before that."""

    def __init__(self, stream: BinaryIO, bandwidth: int = 0) -> None:
        super().__init__()
        self._stream = stream
        self._bandwidth = bandwidth

    def readable(self) -> bool:
        """Always."""
        return True

    def available(self) -> int:
        """How many bytes may be read without reading past the end; 0 at the end."""
        raise NotImplementedError

    def consumed(self, size: int) -> None:
        """Bytes were taken from the stream."""
        raise NotImplementedError

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes, fewer at the end; all that is left without ``size``."""
        parts = []
        wanted = size if size is not None and size >= 0 else _EVERYTHING
        while wanted > 0:
            piece = self._take(min(wanted, 1 << 20))
            if not piece:
                break
            parts.append(piece)
            wanted -= len(piece)
        return b"".join(parts)

    def readline(self, size: int | None = -1) -> bytes:
        """A line, or its beginning when it is long."""
        limit = size if size is not None and size >= 0 else _EVERYTHING
        parts = []
        while limit > 0 and (room := self.available()):
            piece = self._stream.readline(min(room, limit))
            self._check(piece)
            parts.append(piece)
            limit -= len(piece)
            if piece.endswith(b"\n"):
                break
        return b"".join(parts)

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Fill a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def drain(self, limit: int) -> bool:
        """Read and forget what is left; False when it is more than ``limit``, and the connection must be closed."""
        while limit > 0:
            piece = self._take(min(limit, 1 << 16))
            if not piece:
                return True
            limit -= len(piece)
        return not self.available()

    def _take(self, size: int) -> bytes:
        room = self.available()
        if not room:
            return b""
        piece = self._stream.read(min(size, room))
        self._check(piece)
        return piece

    def _check(self, piece: bytes) -> None:
        if not piece:
            raise ConnectionError("The request ended early")
        self.consumed(len(piece))
        if self._bandwidth:
            time.sleep(len(piece) / self._bandwidth)


class LimitedBody(RequestBody):
    """A body with a Content-Length."""

    def __init__(self, stream: BinaryIO, length: int, bandwidth: int = 0) -> None:
        super().__init__(stream, bandwidth)
        self._left = length

    def available(self) -> int:
        """What is left of the length."""
        return self._left

    def consumed(self, size: int) -> None:
        """Count down."""
        self._left -= size


class ChunkedBody(RequestBody):
    """A body in chunks."""

    def __init__(self, stream: BinaryIO, bandwidth: int = 0) -> None:
        super().__init__(stream, bandwidth)
        self._left = 0
        self._begun = False
        self._ended = False

    def available(self) -> int:
        """What is left of this chunk, or the next one's size."""
        if not self._left and not self._ended:
            self._next_chunk()
        return self._left

    def consumed(self, size: int) -> None:
        """Count down."""
        self._left -= size

    def _next_chunk(self) -> None:
        if self._begun:
            self._stream.readline(3)  # the line end after the previous chunk
        self._begun = True
        size = self._stream.readline(1024).split(b";")[0].strip()
        # int() would also take signs and underscores.
        if not _CHUNK_SIZE.fullmatch(size):
            raise ConnectionError("Bad chunk")
        self._left = int(size, 16)
        if not self._left:
            self._ended = True
            while self._stream.readline(65536) not in (b"\r\n", b"\n", b""):
                pass
