"""One body from the server into one sink: checked, retried, continued where the server can do that.

The requester guarantees the answer's beginning (status, login page, its own retries); a body that breaks off is handled
here. A real XNAT ignores ``Range`` and sends everything with 200, so a broken body starts again from zero unless the
answer says 206 and names the right place.
"""

from __future__ import annotations

import functools
import os
import re
import weakref
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from xnat.constants import CHUNK_SIZE
from xnat.exceptions import (
    XNATConnectionError,
    XNATDownloadError,
    XNATRedirectError,
    XNATUnexpectedPageError,
    XNATValueError,
)
from xnat.protocols import Query, Requester, Timeout

from .plan import usable_digest
from .pool import Stop
from .report import FileState

if TYPE_CHECKING:
    import requests

__all__ = [
    "ATTEMPTS",
    "CHUNK_SIZE",
    "MISMATCHES",
    "Broken",
    "Fetched",
    "FileSink",
    "Hooks",
    "MismatchError",
    "StreamSink",
    "Wanted",
    "body_chunks",
    "check_space",
    "content_length",
    "fetch",
    "fetching",
    "state_of",
    "storage_error",
]

ATTEMPTS = 4  # of one body; counted anew whenever a continued body brought more bytes
MISMATCHES = 2  # a wrong digest is tried once more: it may have been damaged on the way
_BACKOFF = 0.1
_KEPT = 8 << 20
_HTML_SUFFIXES = (".html", ".htm", ".xhtml")

# Whether a server honours Range: True once a 206 was seen, False once a 200 came instead. Forgotten with the requester.
_ranges: weakref.WeakKeyDictionary[Requester, bool] = weakref.WeakKeyDictionary()


class Broken(Exception):  # noqa: N818
    """The body ended early; trying again may help."""


class MismatchError(XNATDownloadError, XNATValueError):
    """All bytes came, but they are not those the server's listing, or the caller, tells of."""


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None:
        """Take more bytes."""

    def restart(self) -> None:
        """The body begins again: what was written is void."""


@dataclass(frozen=True)
class Wanted:
    """What to ask for, and what is known of it beforehand."""

    uri: str
    query: Query | None = None
    size: int | None = None
    digest: str | None = None
    timeout: Timeout = None
    chunk_size: int = CHUNK_SIZE
    hash: bool = True

    @property
    def md5(self) -> str | None:
        """The expected MD5, if there is one."""
        return usable_digest(self.digest)


class Hooks:
    """What the caller wants to know meanwhile; override what is of interest."""

    stop = Stop()

    def begin(self, response: requests.Response, total: int | None) -> None:
        """An answer has begun; *total* is the length of the whole body, if known."""

    def advance(self, count: int) -> None:
        """More bytes are in the sink (fewer, if negative)."""


@dataclass(frozen=True)
class Fetched:
    """A body that is complete."""

    bytes: int
    md5: str | None
    announced: int | None


class FileSink:
    """A new file; errors name the file it will become."""

    def __init__(self, path: Path, final: Path, *, keep: bool = False) -> None:
        self.path = path
        self.final = final
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | (0 if keep else os.O_EXCL)
        try:
            self._file = os.open(path, flags, 0o666)
            self.size = os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            raise storage_error(final, error) from error

    def write(self, data: bytes) -> None:
        try:
            written = os.write(self._file, data)
            while written < len(data):  # a nearly full disk takes a part first, then complains
                written += os.write(self._file, memoryview(data)[written:])
        except OSError as error:
            raise storage_error(self.final, error) from error

    def restart(self) -> None:
        os.lseek(self._file, 0, os.SEEK_SET)
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Close the file; it stays."""
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.close(file)
            except OSError as error:  # NFS tells of a full disk here
                raise storage_error(self.final, error) from error

    def discard(self) -> None:
        """Close and remove the file."""
        try:
            self.close()
        finally:
            self.path.unlink(missing_ok=True)


class StreamSink:
    """A stream of the caller. If it can't be wound back, a repeated body is compared with what was written before."""

    def __init__(self, stream: BinaryIO | Any) -> None:
        self._stream = stream
        self._start = self._position_of(stream)
        self._written = 0
        self._skip = 0
        self._prefix = _new_md5() if self._start is None else None
        self._check: Any = None

    def write(self, data: bytes) -> None:
        if self._skip:
            again, data = data[: self._skip], data[self._skip :]
            self._check.update(again)
            self._skip -= len(again)
            if not self._skip and self._prefix is not None and self._check.digest() != self._prefix.digest():
                raise XNATDownloadError("the transfer broke off, and the server sent other bytes the second time")
        if data:
            if self._prefix is not None:
                self._prefix.update(data)
            self._written += len(data)
            self._stream.write(data)

    def restart(self) -> None:
        if self._start is not None:
            self._stream.seek(self._start)
            self._stream.truncate()
            self._written = 0
        else:
            self._skip, self._check = self._written, _new_md5()

    @staticmethod
    def _position_of(stream: Any) -> int | None:
        try:
            return int(stream.tell()) if stream.seekable() else None
        except (AttributeError, OSError, ValueError):
            return None


class _Fetch:
    """The state of one body over its attempts."""

    def __init__(self, requester: Requester, wanted: Wanted, sink: Sink, hooks: Hooks) -> None:
        self.requester, self.wanted, self.sink, self.hooks = requester, wanted, sink, hooks
        self.position = 0
        self.digest = _new_md5() if wanted.hash or wanted.md5 else None
        self.validator: str | None = None
        self.allow_html = wanted.uri.partition("?")[0].lower().endswith(_HTML_SUFFIXES)

    def resume(self, position: int, digest: Any, validator: str | None) -> None:
        """Begin with bytes that are in the sink already."""
        self.position, self.digest, self.validator = position, digest, validator
        self.hooks.advance(position)

    def chunks(self) -> Generator[bytes, None, Fetched]:
        """The bytes as they come, each once it is in the sink; all over again after the sink was restarted."""
        attempts = mismatches = 0
        while True:
            self.hooks.stop.check()
            before = self.position
            try:
                return (yield from self._attempt())
            except XNATUnexpectedPageError:
                # The digest can tell a file that happens to be HTML from a login page; nothing else can.
                if self.allow_html or self.wanted.md5 is None:
                    raise
                self.allow_html = True
            except MismatchError:
                mismatches += 1
                if mismatches >= MISMATCHES:
                    raise
                self._restart()
            except Broken as error:
                continued = 0 < before < self.position
                attempts = 1 if continued else attempts + 1
                if attempts >= ATTEMPTS:
                    raise XNATDownloadError(f"{self.wanted.uri}: {error}, {attempts} times in a row") from error
                self.hooks.stop.wait(_BACKOFF * 2**attempts)

    def _attempt(self) -> Generator[bytes, None, Fetched]:
        response, announced = self._ask()
        try:
            size = self.wanted.size
            if size is not None and announced is not None and size != announced:
                raise MismatchError(f"{self.wanted.uri}: the server sends {announced} bytes, its listing says {size}")
            self.hooks.begin(response, announced)
            for chunk in body_chunks(response, self.wanted.chunk_size):
                self.hooks.stop.check()
                self._take(chunk)
                yield chunk
        finally:
            response.close()
        return self._check(announced)

    def _ask(self) -> tuple[requests.Response, int | None]:
        headers = {"Accept-Encoding": "identity"}  # lengths and digests are of the bytes themselves
        ranged = self.position > 0 and _ranges.get(self.requester, True)
        if self.position and not ranged:
            self._restart()
        if ranged:
            headers["Range"] = f"bytes={self.position}-"
            if self.validator:
                headers["If-Range"] = self.validator
        response = self._request(headers, ranged)
        if ranged and response.status_code == 206:
            _ranges[self.requester] = True
            total = _continues(response.headers, self.position)
            if total is None or (self.wanted.size is not None and total != self.wanted.size):
                response.close()
                self._restart()
                _ranges[self.requester] = False
                raise Broken("the server continued at another place than it was asked to")
            return response, total
        if ranged:
            if not self.validator:  # with one, a 200 may just say that the file has changed
                _ranges[self.requester] = False
            self._restart()
        self.validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
        return response, content_length(response.headers)

    def _request(self, headers: Mapping[str, str], ranged: bool) -> requests.Response:
        wanted = self.wanted
        return self.requester.request(
            "GET",
            wanted.uri,
            query=wanted.query,
            headers=headers,
            timeout=wanted.timeout,
            accepted=(200, 206) if ranged else (200,),
            stream=True,
            allow_html=self.allow_html,
        )

    def _take(self, chunk: bytes) -> None:
        self.sink.write(chunk)
        if self.digest is not None:
            self.digest.update(chunk)
        self.position += len(chunk)
        if self.wanted.size is not None and self.position > self.wanted.size:
            raise MismatchError(f"{self.wanted.uri}: more bytes than the {self.wanted.size} of the server's listing")
        self.hooks.advance(len(chunk))

    def _check(self, announced: int | None) -> Fetched:
        wanted, have = self.wanted, self.position
        if announced is not None and have < announced:
            raise Broken(f"the transfer broke off after {have} of {announced} bytes")
        if wanted.size is not None and have < wanted.size:
            # No length announced: the connection's end looks like the file's.
            raise Broken(f"the transfer ended after {have} of {wanted.size} bytes")
        found = self.digest.hexdigest() if self.digest is not None else None
        if wanted.md5 is not None and found != wanted.md5:
            raise MismatchError(f"{wanted.uri}: MD5 is {found}, not {wanted.md5} as expected, by the listing or caller")
        return Fetched(have, found, announced)

    def _restart(self) -> None:
        self.sink.restart()
        self.hooks.advance(-self.position)
        self.position = 0
        self.digest = _new_md5() if self.digest is not None else None


def fetch(
    requester: Requester,
    wanted: Wanted,
    sink: Sink,
    hooks: Hooks | None = None,
    *,
    resume: tuple[int, Any, str | None] | None = None,
) -> Fetched:
    """Fetch one body into *sink* and check it.

    :param resume: (bytes in the sink, hash object of them, ETag or date they belong to), from an earlier run
    :raises xnat.exceptions.XNATDownloadError: short, damaged or unstorable after all attempts
    """
    job = _Fetch(requester, wanted, sink, hooks or Hooks())
    if resume is not None:
        job.resume(*resume)
    chunks = job.chunks()
    while True:
        try:
            next(chunks)
        except StopIteration as end:
            return cast(Fetched, end.value)


def fetching(requester: Requester, wanted: Wanted, sink: Sink, hooks: Hooks) -> Generator[bytes, None, Fetched]:
    """The same, chunk by chunk, for who wants to look at them meanwhile: each is in the sink when it is given out.

    After a restart of the sink the bytes begin again. Leaving off ends the transfer.
    """
    return _Fetch(requester, wanted, sink, hooks).chunks()


def body_chunks(response: requests.Response, chunk_size: int = CHUNK_SIZE) -> Iterator[bytes]:
    """The body's bytes; a connection that fails meanwhile becomes :py:class:`Broken`."""
    import requests
    import urllib3

    _keep_freed_memory()
    chunks = response.iter_content(chunk_size)
    while True:
        try:
            chunk = next(chunks, None)
        except XNATRedirectError:
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, XNATConnectionError, OSError) as error:
            raise Broken(f"the connection broke off ({type(error).__name__})") from error
        if chunk is None:
            return
        yield chunk


@functools.cache
def _keep_freed_memory() -> None:
    """Have the C library keep the memory of a chunk for the next ones.

    Given back to the system each time, it costs a page fault for every 4 KB that come, a third of the CPU of a
    download. glibc keeps as much as the largest block that was freed so far.
    """
    bytearray(_KEPT)


def storage_error(path: Path, error: OSError) -> XNATDownloadError:
    """The error for a file that can't be written; keeps ``errno``."""
    problem = XNATDownloadError(f"can't write {path}: {error.strerror or error}")
    problem.errno = error.errno
    return problem


def state_of(wanted: Wanted, fetched: Fetched, crc: bool = False) -> FileState:
    """How sure we are of a file that arrived."""
    if wanted.md5 is not None or crc:
        return "verified"
    return "size-only" if wanted.size is not None or fetched.announced is not None else "unverifiable"


def check_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk can't hold.

    :raises xnat.exceptions.XNATDownloadError: too little room
    """
    import errno
    import shutil

    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # not every file system tells
        return
    if needed > free:
        error = XNATDownloadError(f"not enough room in {folder}: {needed} bytes needed, {free} free")
        error.errno = errno.ENOSPC
        raise error


def content_length(headers: Mapping[str, str]) -> int | None:
    """The length of a body as its headers announce it, None where they don't, or tell that of another form of it."""
    if headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        return None  # length of the packed form
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _continues(headers: Mapping[str, str], position: int) -> int | None:
    """The whole length, if the answer continues at *position*."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("Content-Range", "").strip())
    if match is None or int(match[1]) != position or int(match[2]) != int(match[3]) - 1:
        return None
    return int(match[3])


def _new_md5() -> Any:
    import hashlib

    return hashlib.md5(usedforsecurity=False)
