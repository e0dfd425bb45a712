"""Downloads: one body into a stream, one file into its place, many files into a tree.

Every file is written beside its place and renamed when everything known of it agrees, so a final name never stands for
wrong or partial bytes, and a file that was there before stays until then.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from xnat.exceptions import XNATDownloadError, XNATValueError
from xnat.protocols import Query, Requester, Timeout, UpdateFunc

from .archive import check_arriving_zip
from .fetch import (
    ATTEMPTS,
    CHUNK_SIZE,
    MISMATCHES,
    Fetched,
    FileSink,
    Hooks,
    MismatchError,
    StreamSink,
    Wanted,
    check_space,
    content_length,
    fetch,
    fetching,
    state_of,
    storage_error,
)
from .manifest import md5_of
from .plan import EXISTING, Existing, usable_digest
from .progress import default_update_func, ignore
from .report import FileResult
from .tree import download_tree
from .zipstream import BadZipError, CutZipError

if TYPE_CHECKING:
    import requests

__all__ = ["download_chunks", "download_file", "download_stream", "download_tree"]


def download_stream(
    requester: Requester,
    uri: str,
    stream: BinaryIO | Any,
    *,
    query: Query | None = None,
    chunk_size: int = CHUNK_SIZE,
    update_func: UpdateFunc | None = None,
    verbose: bool = False,
    timeout: Timeout = None,
    size: int | None = None,
    digest: str | None = None,
) -> int:
    """Fetch a body into an open binary stream and say how many bytes it was.

    If the transfer breaks off it is repeated: the stream is wound back if it can be, else the bytes that were written
    already are compared with those that come again.

    :param update_func: called per chunk with (bytes so far, total or None, False), and once more with True at the end
        or after a failure
    :param size: expected bytes
    :param digest: expected MD5 in hex
    :raises xnat.exceptions.XNATDownloadError: short or damaged
    """
    wanted = Wanted(uri, query, size, digest, timeout, _positive(chunk_size), hash=False)
    with _Progress(update_func, verbose, size) as progress:
        return fetch(requester, wanted, StreamSink(stream), progress).bytes


def download_chunks(
    requester: Requester,
    uri: str,
    *,
    query: Query | None = None,
    chunk_size: int = CHUNK_SIZE,
    update_func: UpdateFunc | None = None,
    timeout: Timeout = None,
    digest: str | None = None,
) -> Iterator[bytes]:
    """The bytes of a body while they come. A transfer that breaks off is not repeated: what was given out stays so.

    :param update_func: called per chunk with (bytes so far, total or None, False), and once more with True at the end,
        after a failure, or when nobody takes more
    :param digest: expected MD5 in hex; only after the last chunk it is known to be another
    :raises xnat.exceptions.XNATConnectionError: broken off
    :raises xnat.exceptions.XNATDownloadError: damaged
    """
    import hashlib

    expected, hashed = usable_digest(digest), hashlib.md5(usedforsecurity=False)
    # Lengths and digests are of the bytes themselves.
    headers = {"Accept-Encoding": "identity"}
    response = requester.request(
        "GET", uri, query=query, headers=headers, timeout=timeout, stream=True, allow_html=True
    )
    with response, _Progress(update_func, False, None) as progress:
        progress.begin(response, content_length(response.headers))
        for chunk in response.iter_content(_positive(chunk_size)):
            hashed.update(chunk)
            progress.advance(len(chunk))
            yield chunk
    if expected is not None and hashed.hexdigest() != expected:
        raise MismatchError(f"{uri}: MD5 is {hashed.hexdigest()}, not {expected} as expected")


def download_file(
    requester: Requester,
    uri: str,
    target: str | os.PathLike[str],
    *,
    query: Query | None = None,
    size: int | None = None,
    digest: str | None = None,
    update_func: UpdateFunc | None = None,
    verbose: bool = False,
    existing: Existing = "overwrite",
    check_zip: bool = False,
    make_folder: bool = False,
    timeout: Timeout = None,
    chunk_size: int = CHUNK_SIZE,
) -> FileResult:
    """Fetch one file to *target*; it appears there complete and checked, or not at all.

    :param existing: ``overwrite``; ``skip`` keeps what is there; ``refresh`` keeps it if size and digest agree;
        ``error``
    :param check_zip: the file is a zip: check its structure and every CRC while it arrives
    :param make_folder: make the folder of the target if it is missing
    :raises xnat.exceptions.XNATDownloadError: short, damaged or can't be stored; the latter before any byte is asked
        for
    """
    place = Path(target)
    wanted = Wanted(uri, query, size, digest, timeout, _positive(chunk_size), hash=False)
    kept = _kept(place, wanted, existing)
    if kept is not None:
        return kept
    if make_folder:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(place, error) from error
    with _Progress(update_func, verbose, size, place.parent) as progress:
        sink = FileSink(_temporary(place), place)
        try:
            fetched = (
                _fetch_checked(requester, wanted, sink, progress)
                if check_zip
                else fetch(requester, wanted, sink, progress)
            )
            sink.close()
            _replace(sink.path, place)
        except BaseException:
            sink.discard()
            raise
    return FileResult(place, uri, state_of(wanted, fetched, check_zip), fetched.bytes, fetched.md5)


class _Progress(Hooks):
    """Tells an update function of one body, and checks the disk once the length is known."""

    def __init__(self, update_func: UpdateFunc | None, verbose: bool, total: int | None, folder: Path | None = None):
        self._update = update_func or (default_update_func(None) if verbose else ignore)
        self._done = 0
        self._total = total
        self._folder = folder

    @property
    def done(self) -> int:
        """Bytes so far."""
        return self._done

    def begin(self, response: requests.Response, total: int | None) -> None:
        self._total = total if total is not None else self._total
        if self._folder is not None and self._total is not None:
            check_space(self._folder, self._total - self._done)

    def advance(self, count: int) -> None:
        self._done += count
        if count > 0:
            self._update(self._done, self._total, False)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self._update(self._done, self._total, True)


class _BeginAgainError(Exception):
    """The body comes once more from its beginning."""


class _Arriving:
    """The chunks of a body that is written to a file meanwhile; an error where it begins again.

    :ivar fetched: the body, once it is complete
    """

    def __init__(self, requester: Requester, wanted: Wanted, file: FileSink, hooks: _Progress) -> None:
        self._file = file
        self._chunks = fetching(requester, wanted, self, hooks)
        self._restarted = False
        self._next: bytes | None = None
        self.fetched: Fetched | None = None

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def restart(self) -> None:
        self._file.restart()
        self._restarted = True

    def __iter__(self) -> _Arriving:
        return self

    def __next__(self) -> bytes:
        chunk, self._next = self._next, None
        if chunk is None:
            try:
                chunk = next(self._chunks)
            except StopIteration as end:
                self.fetched = end.value
                raise
        if self._restarted:
            self._restarted, self._next = False, chunk
            raise _BeginAgainError
        return chunk

    def close(self) -> None:
        """End the transfer."""
        self._chunks.close()


def _fetch_checked(requester: Requester, wanted: Wanted, sink: FileSink, hooks: _Progress) -> Fetched:
    attempt = 1
    while True:
        with closing(_Arriving(requester, wanted, sink, hooks)) as arriving:
            try:
                return _checked(arriving, sink.path)
            except BadZipError as error:
                # Without a length the end of the connection looks like the end of the file; a wrong byte may have
                # become so on the way.
                if attempt == (ATTEMPTS if isinstance(error, CutZipError) else MISMATCHES):
                    raise
        attempt += 1
        hooks.advance(-hooks.done)
        sink.restart()


def _checked(arriving: _Arriving, path: Path) -> Fetched:
    while True:
        try:
            check_arriving_zip(arriving, path)
        except _BeginAgainError:
            continue
        # A zip that is sound was read to its end, and what comes behind it would be an error.
        assert arriving.fetched is not None
        return arriving.fetched


def _kept(place: Path, wanted: Wanted, existing: Existing) -> FileResult | None:
    """A result if the file that is there stays."""
    if existing not in EXISTING:
        raise XNATValueError(f"existing must be one of {', '.join(EXISTING)}, not {existing!r}")
    if place.is_dir():
        raise XNATDownloadError(f"can't write {place}: it is a folder")
    if existing == "overwrite" or not os.path.lexists(place):
        return None
    if existing == "error":
        raise XNATDownloadError(f"{place} exists; pass existing='overwrite', 'refresh' or 'skip'")
    size = place.stat().st_size if place.exists() else None
    if existing == "refresh":
        if size is None or wanted.md5 is None or (wanted.size is not None and wanted.size != size):
            return None
        if md5_of(place) != wanted.md5:
            return None
    return FileResult(place, wanted.uri, "skipped", size, wanted.md5 if existing == "refresh" else None, note="exists")


def _temporary(place: Path) -> Path:
    unique = uuid.uuid4().hex[:12]
    # The whole must fit into 255 bytes, and a long name needn't be readable here.
    name = place.name.encode()[:200].decode("utf-8", "ignore")
    return place.with_name(f".{name}.{unique}.part")


def _replace(temporary: Path, place: Path) -> None:
    try:
        os.replace(temporary, place)
    except OSError as error:
        raise storage_error(place, error) from error


def _positive(chunk_size: int) -> int:
    if chunk_size < 1:
        raise XNATValueError(f"chunk_size must be positive, not {chunk_size}")
    return chunk_size
