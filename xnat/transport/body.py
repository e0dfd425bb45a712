"""What a request carries, in a form that can be sent again.

A retry or a new login repeats a request. Text is encoded once, to UTF-8. A stream is wound back to where it stood when
it was handed over; one that can't be wound back is sent at most once. Streams of the caller are never closed.
"""

from __future__ import annotations

import io
import json as json_module
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from xnat._compat import to_bytes
from xnat.exceptions import XNATValueError

__all__ = ["Body"]


class Body:
    """The body of one request.

    :param length: of a stream that can't tell its length itself

    :ivar content_type: the type to announce if the caller names none
    """

    def __init__(self, data: Any = None, json: Any = None, files: Any = None, length: int | None = None) -> None:
        self.content_type: str | None = None
        self._length = length
        self._content: Any = None
        self._start: int | None = None
        if files is not None:
            self._content, self.content_type = _multipart(data, files)
        elif json is not None:
            self._content, self.content_type = _as_json(json), "application/json"
        elif data is not None:
            self._take(data)

    def open(self) -> Any:
        """What to give to requests for one attempt, wound back to its beginning."""
        if self._start is not None:
            self._content.seek(self._start)
        return self._content

    def repeatable(self) -> bool:
        """False once a stream that can't be wound back has been read from."""
        return not (isinstance(self._content, _OneShot) and self._content.touched)

    def _take(self, data: Any) -> None:
        if isinstance(data, str | bytes):
            self._content = _utf8(data)
        elif isinstance(data, bytearray | memoryview):
            self._content = bytes(data)
        elif isinstance(data, Mapping) or (isinstance(data, list | tuple) and all(map(_is_pair, data))):
            try:
                self._content = to_bytes(urlencode(data, doseq=True))
            except UnicodeEncodeError as error:
                raise _half_a_character(error) from None
            self.content_type = "application/x-www-form-urlencoded"
        elif isinstance(data, io.TextIOBase):
            # Its length counts characters, the wire counts bytes.
            self._content = _utf8(data.read())
        elif _seekable(data):
            self._take_file(data)
        elif hasattr(data, "read") or hasattr(data, "__iter__"):
            self._content = _OneShot(data, _length(data) if self._length is None else self._length)
        else:
            raise XNATValueError(f"A body must be text, bytes, a stream or a mapping, not {type(data).__name__}")

    def _take_file(self, stream: Any) -> None:
        from requests.utils import super_len

        if super_len(stream) == 0:  # type: ignore[no-untyped-call]
            # requests would send an empty file in chunks, without a length
            self._content = b""
        else:
            self._content, self._start = stream, stream.tell()


class _OneShot:
    """A stream that can't be wound back, or an iterator; remembers whether it was read from.

    With a length announced, exactly that many bytes go out or the request ends: a byte more or less would be taken for
    part of the next request on the connection.
    """

    def __init__(self, source: Any, length: int | None) -> None:
        self._source = source
        self.touched = False
        if length is not None:
            self.len = length  # where requests looks for it

    def __iter__(self) -> Iterator[bytes]:
        self.touched = True
        announced = getattr(self, "len", None)
        sent = 0
        for chunk in self._chunks():
            sent += len(chunk)
            if announced is not None and sent > announced:
                break
            yield chunk
        if announced is not None and sent != announced:
            raise XNATValueError(f"The stream was announced with {announced} bytes but holds {sent}")

    def _chunks(self) -> Iterator[bytes]:
        if not hasattr(self._source, "read"):
            yield from map(to_bytes, self._source)
            return
        while chunk := self._source.read(65536):
            yield to_bytes(chunk)


def _length(stream: Any) -> int | None:
    """The length a stream states itself; that of a list of chunks would be the number of chunks."""
    if not hasattr(stream, "read"):
        return None
    length = len(stream) if hasattr(stream, "__len__") else getattr(stream, "len", None)
    return length if isinstance(length, int) else None


def _seekable(stream: Any) -> bool:
    if not all(hasattr(stream, name) for name in ("read", "seek", "tell")):
        return False
    try:
        return bool(stream.seekable()) if hasattr(stream, "seekable") else stream.tell() is not None
    except (OSError, ValueError):
        return False


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2


def _utf8(data: str | bytes) -> bytes:
    try:
        return to_bytes(data)
    except UnicodeEncodeError as error:
        raise _half_a_character(error) from None


def _half_a_character(error: UnicodeEncodeError) -> XNATValueError:
    # Without the text itself: it may be a password.
    return XNATValueError(f"This can't be sent as text, it holds half a character (at {error.start})")


def _as_json(value: Any) -> bytes:
    try:
        return to_bytes(json_module.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise XNATValueError(f"This can't be sent as JSON: {error}") from error


def _multipart(data: Any, files: Any) -> tuple[Any, str | None]:
    """Encodes once, so that a repeat sends the same bytes even if the files given can't be read twice."""
    import requests

    prepared = requests.Request("POST", "http://localhost/", data=data, files=files).prepare()
    return prepared.body, prepared.headers.get("Content-Type")
