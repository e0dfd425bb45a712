"""Sends one body: wound back for every attempt, the server's odd answers understood.

What XNAT does with uploads shapes this module: a body without a length or of no bytes is refused (so streams are
spooled and empty files go as multipart), and an existing file is answered with 200 and ``{"duplicates": […]}`` and not
replaced.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from xnat.exceptions import (
    XNATAuthError,
    XNATConnectionError,
    XNATRedirectError,
    XNATResponseError,
    XNATUploadError,
    XNATValueError,
)
from xnat.protocols import Requester, UpdateFunc

from .fetch import Wanted, fetch
from .plan import RemoteFile
from .progress import ignore

if TYPE_CHECKING:
    import requests

__all__ = ["NOT_STORED", "ShrunkError", "UploadBody", "mismatch", "opened", "send"]

#: XNAT answers 200 to a user without the right to edit, and does nothing.
NOT_STORED = "the server accepted it, but does not have it (do you have the right to edit?)"

_SPOOL = 16 << 20  # bytes of a stream without length that are kept in memory; more go to a temporary file
_CHUNK = 1 << 18
_RESENDS = 3  # of a PUT whose connection broke; other failures are tried again only on request
_BACKOFF = 0.2
_OCTETS = "application/octet-stream"


class ShrunkError(Exception):
    """What is sent ended before the announced length. No OSError: that would be taken for the network's."""


class UploadBody:
    """A body with a known length that reports what was read of it, and can be wound back to where it stood.

    The stream underneath is the caller's: it is never closed.

    :param update: called with (bytes so far, length)
    :param hash: compute the MD5 of what is sent
    """

    def __init__(self, stream: IO[bytes], length: int, update: UpdateFunc = ignore, *, hash: bool = False) -> None:
        self._stream = stream
        self._start = stream.tell()
        self._length = length
        self._position = 0
        self._update = update
        self._hash = hash
        self._digest = _new_md5() if hash else None

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return True  # an empty body is a body

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(_CHUNK):
            yield data

    @property
    def md5(self) -> str | None:
        """The MD5 of what was sent since the beginning."""
        return self._digest.hexdigest() if self._digest is not None else None

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; never more than the length, also if the file grew meanwhile.

        :raises ShrunkError: there are fewer. The server would wait for the rest, and its answer be waited for.
        """
        left = self._length - self._position
        data = self._stream.read(left if size is None or size < 0 else min(size, left))
        if left and size != 0 and not data:
            raise ShrunkError(f"what was to be sent shrank meanwhile: {self._length} bytes then, {self._position} now")
        self._position += len(data)
        if self._digest is not None:
            self._digest.update(data)
        if data:
            self._update(self._position, self._length, False)
        return data

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Wind to another place; an attempt that starts again starts its hash again."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, min(self._length, base + offset))
        self._stream.seek(self._start + self._position)
        self._digest = _new_md5() if self._hash and self._position == 0 else self._digest
        return self._position


def send(
    requester: Requester,
    uri: str,
    body: UploadBody,
    method: str,
    content_type: str | None,
    overwrite: bool,
    retries: int,
    settings: Mapping[str, Any],
) -> requests.Response:
    """The attempts of one upload."""
    attempt = 0
    broken = False
    while True:
        attempt += 1
        body.seek(0)
        try:
            response = _attempt(requester, uri, body, method, content_type, overwrite, settings)
        except XNATAuthError:
            raise  # about us, not about this upload
        except ShrunkError as error:
            raise XNATUploadError(f"{uri}: {error}") from error
        except (XNATResponseError, XNATConnectionError) as error:
            connection = isinstance(error, XNATConnectionError) and not isinstance(error, XNATRedirectError)
            allowed = max(retries, _RESENDS if connection and method == "put" and not overwrite else 1)
            if attempt >= allowed or not (connection or _may_pass(error)):
                raise _failed(error, attempt) from error
            broken = broken or connection
            time.sleep(_BACKOFF * 2**attempt)
            continue
        duplicates = _duplicates(response)
        # If an earlier attempt broke off it may have been ours that is there now.
        if duplicates and not overwrite and not (broken and _same_bytes(requester, uri, body)):
            raise XNATUploadError(
                f"{uri}: exists on the server and was not replaced: {', '.join(duplicates)}; "
                "pass overwrite=True to replace it"
            )
        return response


def _attempt(
    requester: Requester,
    uri: str,
    body: UploadBody,
    method: str,
    content_type: str | None,
    overwrite: bool,
    settings: Mapping[str, Any],
) -> requests.Response:
    # Without overwrite a repeated PUT finds its own file and calls it a duplicate: not for the client to repeat.
    idempotent = method == "put" and overwrite
    if len(body):
        headers = {"Content-Type": content_type or _OCTETS}
        return requester.request(method.upper(), uri, data=body, headers=headers, idempotent=idempotent, **settings)
    # XNAT refuses a body of no bytes (500, or 400 on import), but takes a form that holds an empty file.
    query = {key: value for key, value in settings["query"].items() if key != "inbody"}
    name = uri.partition("?")[0].rpartition("/")[2] or "file"
    files = {"file": (name, b"", content_type or _OCTETS)}
    return requester.request(method.upper(), uri, files=files, idempotent=idempotent, **{**settings, "query": query})


def mismatch(there: RemoteFile, size: int, md5: str | None) -> str | None:
    """How the server's file differs from what was sent, as far as the server tells of it; None if it does not."""
    if there.size is not None and there.size != size:
        return f"the server has {there.size} bytes of it, {size} were sent"
    if there.md5 is not None and md5 is not None and there.md5 != md5:
        return f"the server's MD5 is {there.md5}, that of the file is {md5}"
    return None


def opened(data: Any) -> tuple[IO[bytes], int, bool]:
    """A stream that can be wound back, the bytes from where it stands on, and whether it is ours to close."""
    if isinstance(data, str):
        data = data.encode()
    if isinstance(data, io.TextIOBase):
        data = data.read().encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return io.BytesIO(data), len(bytes(data)) if isinstance(data, memoryview) else len(data), True
    if _is_seekable(data):
        start = data.tell()
        data.seek(0, io.SEEK_END)  # not every file-like object says where it went
        length = data.tell()
        data.seek(start)
        return data, max(0, length - start), False
    if hasattr(data, "read") or (hasattr(data, "__iter__") and not isinstance(data, Mapping)):
        return _spooled(data)
    raise XNATValueError(f"data must be bytes, text, an open file or an iterable of bytes, not {type(data).__name__}")


def _spooled(source: Any) -> tuple[IO[bytes], int, bool]:
    import tempfile

    spool: Any = tempfile.SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115  (closed by upload_data)
    # Only what is read ends with an empty piece; among the pieces of a generator one says nothing.
    for chunk in iter(lambda: source.read(_CHUNK) or None, None) if hasattr(source, "read") else source:
        spool.write(chunk.encode() if isinstance(chunk, str) else chunk)
    length = spool.tell()
    spool.seek(0)
    return spool, length, True


def _is_seekable(data: Any) -> bool:
    try:
        return bool(data.seekable()) if hasattr(data, "seekable") else all(hasattr(data, n) for n in ("seek", "tell"))
    except (OSError, ValueError):
        return False


def _may_pass(error: Exception) -> bool:
    """Whether the server may do better next time."""
    status = error.status_code if isinstance(error, XNATResponseError) else None
    return status is not None and (status >= 500 or status == 429)


def _failed(error: XNATResponseError | XNATConnectionError, attempts: int) -> XNATUploadError:
    times = f"{attempts} attempt{'s' if attempts > 1 else ''}"
    if isinstance(error, XNATResponseError) and error.status_code is not None:
        text = f"Status code {error.status_code}, response text {error.text}"
    else:
        text = str(error)
    return XNATUploadError(f"Upload failed after {times}! {text}")


def _duplicates(response: requests.Response) -> list[str]:
    # The content type says text/html, so the body itself has to tell.
    import json

    if response.content.lstrip()[:1] != b"{":
        return []
    try:
        names = json.loads(response.content).get("duplicates") or []
    except (ValueError, AttributeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else [str(names)]


def _same_bytes(requester: Requester, uri: str, body: UploadBody) -> bool:
    """Whether the server's file holds just what we sent."""
    body.seek(0)
    digest = _new_md5()
    for chunk in body:
        digest.update(chunk)

    mine: str = digest.hexdigest()
    try:
        return fetch(requester, Wanted(uri), _Nowhere()).md5 == mine
    except (XNATResponseError, XNATConnectionError, OSError):
        return False


class _Nowhere:
    """Takes bytes that are only hashed."""

    def write(self, data: bytes) -> None:
        """Forget them."""

    def restart(self) -> None:
        """Nothing to take back."""


def _new_md5() -> Any:
    import hashlib

    return hashlib.md5(usedforsecurity=False)
