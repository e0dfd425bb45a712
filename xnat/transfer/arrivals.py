"""Brings files of a tree from the server to their places: singly, out of a zip, or from what a dead run left.

Bytes wait in the staging folder (see :py:mod:`.manifest`) until they are checked; those of a zip until the zip's own
end was seen, so that nothing of a refused archive gets a name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from xnat.exceptions import (
    XNATAuthError,
    XNATConnectionError,
    XNATDownloadError,
    XNATNotConnectedError,
    XNATUnsafeArchiveError,
)
from xnat.protocols import Requester, Timeout

from .archive import ArchiveLimits, Names, Ratio, refuse_special
from .fetch import CHUNK_SIZE, FileSink, Hooks, Wanted, body_chunks, fetch, state_of, storage_error
from .manifest import Entry, Leftover, Manifest, Staging, md5_of
from .names import resolve_inside
from .plan import Existing, RemoteFile, RemoteGroup
from .pool import Stop, Stopped
from .progress import Aggregate, Share
from .report import FileResult, FileState
from .zipstream import ZipStream

__all__ = ["Arrivals", "ZipOutcome", "failure", "is_full_disk"]

_UNREACHABLE = 12  # failures in a row without an answer
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class _Arrived:
    """A file whose bytes are complete in the staging folder."""

    file: RemoteFile
    temporary: Path
    size: int
    md5: str | None
    state: FileState
    note: str | None = None


@dataclass
class ZipOutcome:
    """What a zip brought: results, and files to fetch singly."""

    results: list[FileResult] = field(default_factory=list)
    again: list[RemoteFile] = field(default_factory=list)


class _FileHooks(Hooks):
    """Progress of one file in a tree; notes which version of the file the bytes belong to."""

    def __init__(self, stop: Stop, share: Share, staging: Staging, temporary: Path) -> None:
        self.stop = stop
        self._share, self._staging, self._temporary = share, staging, temporary

    def begin(self, response: Any, total: int | None) -> None:
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if validator:
            self._staging.note(self._temporary, validator=validator)

    def advance(self, count: int) -> None:
        self._share(count)


class Arrivals:
    """Fetches for one run of :py:func:`~xnat.transfer.tree.download_tree`, in its worker threads."""

    def __init__(
        self,
        requester: Requester,
        target: Path,
        manifest: Manifest,
        existing: Existing,
        timeout: Timeout,
        limits: ArchiveLimits,
    ) -> None:
        self.requester, self.target, self.manifest, self.existing = requester, target, manifest, existing
        self.timeout, self.limits = timeout, limits
        self.staging = Staging(target)
        self.stop = Stop()
        self._lock = threading.Lock()
        self.progress = Aggregate(None, None)
        self.partial: dict[str, Leftover] = {}
        self.unreachable = 0  # failures in a row without an answer from the server

    def is_fatal(self, error: BaseException) -> bool:
        """Whether an error makes it senseless to go on with other files."""
        with self._lock:
            self.unreachable += isinstance(error, XNATConnectionError)
            gone = self.unreachable >= _UNREACHABLE  # thousands of files would each wait for the server in vain
        login = isinstance(error, XNATAuthError | XNATNotConnectedError)
        return gone or login or error is self.progress.error or is_full_disk(error)

    # -- one file -----------------------------------------------------------------------------------------------------

    def fetch_file(self, file: RemoteFile) -> FileResult:
        """Fetch one file and put it into its place."""
        place = self.place(file.path)
        share = self.progress.share()
        found = self.partial.pop(str(file.path), None)
        temporary = self.staging.new_file(str(file.path), file.size, file.md5, file.uri)
        if found is not None:
            os.replace(found.temporary, temporary)
        hooks = _FileHooks(self.stop, share, self.staging, temporary)
        wanted = Wanted(file.uri, None, file.size, file.digest, self.timeout)
        try:
            sink = FileSink(temporary, place, keep=True)
            try:
                resume = _resume_point(sink, found) if found is not None else None
                fetched = fetch(self.requester, wanted, sink, hooks, resume=resume)
            finally:
                sink.close()
        except BaseException:
            share.restart()
            if (
                not self.stop.is_set and self.progress.error is None
            ):  # what is to go on later is worth keeping until then
                temporary.unlink(missing_ok=True)
            raise
        arrived = _Arrived(file, temporary, fetched.bytes, fetched.md5, state_of(wanted, fetched))
        return self.put_in_place(arrived)

    def place(self, path: PurePosixPath) -> Path:
        """Where a file goes; its folder is made."""
        place = resolve_inside(self.target, path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(place, error) from error
        return place

    def put_in_place(self, arrived: _Arrived) -> FileResult:
        """Give a file its final name; the manifest knows it from just before on."""
        file = arrived.file
        place = self.place(file.path)
        try:
            status = arrived.temporary.stat()
            self.manifest.record(
                Entry(str(file.path), status.st_size, status.st_mtime_ns, arrived.md5, file.uri, arrived.state)
            )
            os.replace(arrived.temporary, place)
        except OSError as error:
            raise storage_error(place, error) from error
        with self._lock:
            self.unreachable = 0
        return FileResult(place, file.uri, arrived.state, arrived.size, arrived.md5, note=arrived.note)

    # -- one zip ------------------------------------------------------------------------------------------------------

    def fetch_zip(self, group: RemoteGroup, wanted: list[RemoteFile]) -> ZipOutcome:
        """Fetch a group as zip. What it does not bring is left to single requests; an unsafe zip fails as a whole."""
        share = self.progress.share()
        arrived: dict[PurePosixPath, _Arrived] = {}
        try:
            self._read_zip(group, wanted, arrived, share)
        except XNATUnsafeArchiveError as error:
            share.restart()
            for one in arrived.values():
                one.temporary.unlink(missing_ok=True)
            return ZipOutcome([failure(self.target, file, error) for file in wanted])
        except (XNATAuthError, XNATNotConnectedError, Stopped):
            raise
        except Exception as error:
            if is_full_disk(error) or error is self.progress.error:
                raise
            # Cut, damaged, refused, of a kind we can't read: single requests are the other way to the same bytes.
        outcome = ZipOutcome()
        for one in arrived.values():
            try:
                outcome.results.append(self.put_in_place(one))
            except XNATDownloadError as error:
                outcome.results.append(failure(self.target, one.file, error))
        outcome.again = [file for file in wanted if file.path not in arrived]
        return outcome

    def _read_zip(
        self, group: RemoteGroup, wanted: list[RemoteFile], arrived: dict[PurePosixPath, _Arrived], share: Share
    ) -> None:
        uri = group.archive_uri or ""
        headers = {"Accept-Encoding": "identity"}
        response = self.requester.request(
            "GET", uri, query={"format": "zip"}, headers=headers, timeout=self.timeout, stream=True
        )
        with contextlib.closing(response):
            stream = ZipStream(body_chunks(response, CHUNK_SIZE))
            reader = _ZipReader(self, group, {file.path: file for file in wanted}, arrived, share, stream)
            extras = reader.read()
        for one in extras:  # nobody announced them, but the zip proved sound
            if self.existing not in ("skip", "error") or not os.path.lexists(self.target / one.file.path):
                arrived[one.file.path] = one

    # -- what a dead run left -----------------------------------------------------------------------------------------

    def salvage(self, wanted: dict[str, RemoteFile]) -> list[FileResult]:
        """Use whole files a dead run left; remember beginnings of files for :py:meth:`fetch_file`."""
        results = []
        for found in self.staging.leftovers():
            file = wanted.get(found.path)
            if file is None or found.uri != file.uri or (file.size is not None and found.size not in (None, file.size)):
                continue
            size = found.temporary.stat().st_size
            if found.complete or (file.size == size and file.md5 is not None):
                md5 = md5_of(found.temporary)
                expected = file.md5 or found.md5
                if (file.size is None or file.size == size) and md5 == expected:
                    state: FileState = (
                        "verified" if file.md5 else ("size-only" if file.size is not None else "unverifiable")
                    )
                    self.progress.advance(size)
                    arrived = _Arrived(file, found.temporary, size, md5, state, "taken over from an interrupted run")
                    results.append(self.put_in_place(arrived))
                    wanted.pop(found.path)
            elif size and file.size is not None and size < file.size and (file.md5 or found.validator):
                other = self.partial.get(found.path)
                if other is None or other.temporary.stat().st_size < size:
                    self.partial[found.path] = found
        return results


class _ZipReader:
    """Sorts the members of one zip as they arrive."""

    def __init__(
        self,
        tree: Arrivals,
        group: RemoteGroup,
        wanted: dict[PurePosixPath, RemoteFile],
        arrived: dict[PurePosixPath, _Arrived],
        share: Share,
        stream: ZipStream,
    ) -> None:
        self.tree, self.group, self.wanted, self.arrived = tree, group, wanted, arrived
        self.share, self.stream = share, stream
        self.listed = {file.path for file in group.files}
        self.sizes = {file.path: file.size or 0 for file in group.files}
        self.names = Names(self.listed)
        self.ratio = Ratio(tree.limits, stream)
        self.extras: list[_Arrived] = []

    def read(self) -> list[_Arrived]:
        """Take what is wanted to the staging folder; gives the members nobody announced."""
        raw_names: dict[bytes, str] = {}
        for member in self.stream:
            raw_names[member.raw_name] = member.name
            self.names.member(member.name)
            path = None if member.is_dir else self.group.member_path(member.name)
            self.ratio.member(member.name, self.sizes.get(path, 0) if path is not None else 0)
            if path is not None:
                self._check_place(member.name, path)
            if path is None or (path in self.listed and path not in self.wanted):
                self._pass_over(member.name)
            else:
                self._take(member.name, path)
        refuse_special(self.stream, raw_names)
        return self.extras

    def _check_place(self, name: str, path: PurePosixPath) -> None:
        self.names.place(name, path)
        try:
            resolve_inside(self.tree.target, path)
        except XNATDownloadError as error:
            refused = XNATUnsafeArchiveError(f"refused archive member {name!r}: {error}")
            refused.member = name
            raise refused from error

    def _pass_over(self, name: str) -> None:
        for piece in self.stream.read():
            self.tree.stop.check()
            self.ratio.bytes(name, len(piece))

    def _take(self, name: str, path: PurePosixPath) -> None:
        file = self.wanted.get(path)
        uri = file.uri if file is not None else self.group.archive_uri or ""
        announced = file or RemoteFile(uri, path)
        temporary = self.tree.staging.new_file(str(path), announced.size, announced.md5, uri)
        size, md5 = self._write(name, temporary, announced)
        if (announced.size is not None and size != announced.size) or (announced.md5 not in (None, md5)):
            temporary.unlink(missing_ok=True)
            self.share(-size)
            return  # fetched singly later; then it is seen who is wrong
        note = None if file is not None else "in the zip, but not in the server's listing"
        one = _Arrived(announced, temporary, size, md5, "verified", note)
        if file is None:
            self.extras.append(one)
            return
        self.tree.staging.note(temporary, complete=True, md5=md5)
        self.arrived[path] = one

    def _write(self, name: str, temporary: Path, file: RemoteFile) -> tuple[int, str]:
        import hashlib

        digest, size = hashlib.md5(usedforsecurity=False), 0
        sink = FileSink(temporary, self.tree.target / file.path)
        try:
            for piece in self.stream.read():
                self.tree.stop.check()
                self.ratio.bytes(name, len(piece))
                if (
                    file.size is None or size + len(piece) <= file.size
                ):  # the rest of a member that is too long: not here
                    sink.write(piece)
                digest.update(piece)
                size += len(piece)
                self.share(len(piece))
        except BaseException:
            self.share(-size)
            raise
        finally:
            sink.close()
        return size, digest.hexdigest()


def failure(target: Path, file: RemoteFile, error: BaseException) -> FileResult:
    """The result of a file that did not make it."""
    return FileResult(target / file.path, file.uri, "failed", file.size, error=error)


def is_full_disk(error: BaseException) -> bool:
    """Whether the disk is full or read-only, so that every further file would fail as well."""
    return isinstance(error, OSError) and error.errno in _FULL_DISK


def _resume_point(sink: FileSink, found: Leftover) -> tuple[int, Any, str | None]:
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    with open(sink.path, "rb") as file:
        while chunk := file.read(CHUNK_SIZE):
            digest.update(chunk)
    return sink.size, digest, found.validator
