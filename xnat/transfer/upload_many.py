"""Many files into one resource, singly or packed, and the server's own inventory as the proof that they are there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from xnat import uris
from xnat.exceptions import (
    XNATAuthError,
    XNATForbiddenError,
    XNATNotConnectedError,
    XNATNotFoundError,
    XNATUploadError,
    XNATValueError,
)
from xnat.protocols import Query, Requester, Timeout, UpdateFunc

from .archive import pack_tar, pack_zip
from .manifest import md5_of
from .plan import RemoteFile
from .pool import Outcome, Pool, Stop, Stopped, check_workers
from .progress import Aggregate, Share, default_update_func
from .report import FileResult, FileState, TransferReport
from .sending import NOT_STORED, UploadBody, mismatch, send

__all__ = ["METHODS", "check_method", "upload_tree"]

#: How files travel. ``auto`` sends few or large files singly and many small ones as zip, which every XNAT unpacks; tar
#: needs XNAT 1.8. ``_memory`` packs in memory, ``_file`` into a temporary file.
METHODS = ("auto", "per_file", "tar_memory", "tgz_memory", "tar_file", "tgz_file", "zip_file")

_SINGLY_UP_TO = 8
_SINGLY_FROM_MEAN = 2 << 20
_BATCH_BYTES = 256 << 20  # of a zip of auto: what has to be sent again if it fails
_BATCH_FILES = 5000
_ROUNDS = 2  # of sending singly what the inventory then misses


def check_method(method: str) -> None:
    """
    :raises XNATValueError: there is no such method of upload
    """
    if method not in METHODS:
        raise XNATValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")


@dataclass(frozen=True)
class _Local:
    """A file to send."""

    path: Path
    name: str
    size: int


@dataclass
class _Upload:
    """One run of :py:func:`upload_tree`."""

    requester: Requester
    resource_uri: str
    overwrite: bool
    settings: dict[str, Any]
    progress: Aggregate
    stop: Stop
    sent: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)

    def send_file(self, local: _Local, overwrite: bool) -> tuple[int, str | None]:
        """Send one file; gives size and MD5 of what went out."""
        uri = uris.join(self.resource_uri, "files", *local.name.split("/"))
        share = self.progress.share()
        try:
            with open(local.path, "rb") as file:
                length = os.fstat(file.fileno()).st_size
                body = UploadBody(file, length, _counting(share, self.stop), hash=True)
                self._send(uri, body, overwrite, {})
                return length, body.md5
        except OSError as error:
            share.restart()
            if isinstance(error, XNATUploadError):
                raise
            problem = XNATUploadError(f"can't read {local.path}: {error.strerror or error}")
            problem.errno = error.errno
            raise problem from error

    def send_packed(self, files: list[_Local], kind: str) -> dict[str, tuple[int, str | None]]:
        """Send files as one archive that the server unpacks."""
        import io
        import tempfile

        form, _, where = kind.partition("_")
        with io.BytesIO() if where == "memory" else tempfile.TemporaryFile() as packed:
            pairs = [(local.path, local.name) for local in files]
            members = _pack(form, pairs, packed)
            length = packed.tell()
            packed.seek(0)
            content = sum(size for size, _ in members.values())
            body = UploadBody(packed, length, _counting(self.progress.share(), self.stop, content / max(length, 1)))
            suffix = {"tar": "tar", "tgz": "tar.gz", "zip": "zip"}[form]
            uri = uris.join(self.resource_uri, "files", f"upload.{suffix}")
            self._send(uri, body, self.overwrite, {"extract": "true"})
        return {name: (size, md5) for name, (size, md5) in members.items()}

    def _send(self, uri: str, body: UploadBody, overwrite: bool, query: Mapping[str, str]) -> None:
        settings = {**self.settings, "query": {**(self.settings["query"] or {}), **query}}
        if overwrite:
            settings["query"]["overwrite"] = "true"
        retries = settings.pop("retries")
        send(self.requester, uri, body, "put", None, overwrite, retries, settings)


def upload_tree(
    requester: Requester,
    resource_uri: str,
    files: Iterable[tuple[str | os.PathLike[str], str]],
    *,
    method: str = "auto",
    workers: int = 4,
    overwrite: bool = False,
    inventory: Callable[[], list[RemoteFile]] | None = None,
    query: Query | None = None,
    retries: int = 1,
    update_func: UpdateFunc | None = None,
    verbose: bool = False,
    timeout: Timeout = None,
) -> TransferReport:
    """Send files into a resource and check that the server has them.

    What the server has already, with the same size and MD5, is not sent again; so an interrupted run is resumed by
    running it again. After sending, its inventory is compared, and only what is missing or different is sent once more.

    :param resource_uri: the resource, without ``/files``
    :param files: pairs of local path and name in the resource, with ``/`` for folders
    :param method: one of :py:data:`METHODS`
    :param overwrite: replace files that exist with other content; without it they are failures
    :param inventory: asks the server what it has: RemoteFile with the remote name as ``path``; may raise
        XNATNotFoundError as long as there is no resource. None: nothing can be verified.
    :param query: more query values for each upload (``content``, ``format``, ``tags``)
    :raises xnat.exceptions.XNATTransferError: some files failed; its ``report`` tells of all of them
    """
    check_method(method)
    started = time.monotonic()
    report = TransferReport(what=f"upload to {resource_uri}")
    local = _checked(files, report, resource_uri)
    check_workers(workers)
    before = _ask(inventory)
    todo = _still_to_send(local, before, overwrite, report, resource_uri)
    total = sum(one.size for one in todo)
    update = update_func or (default_update_func(total) if verbose else None)
    settings: dict[str, Any] = {"query": dict(query or {}), "timeout": timeout, "retries": retries}
    progress = Aggregate(update, total)
    pool = Pool(workers, lambda e: e is progress.error or isinstance(e, XNATAuthError | XNATNotConnectedError))
    run = _Upload(requester, resource_uri, overwrite, settings, progress, pool.stop)
    try:
        if todo:
            after = _send_all(run, pool, todo, method, before, inventory)
            for one in todo:
                report.add(_judge(run, one, after, resource_uri))
    finally:
        run.progress.finish()
        report.seconds = time.monotonic() - started
    report.raise_for_failures()
    return report


def _send_all(
    run: _Upload,
    pool: Pool,
    todo: list[_Local],
    method: str,
    before: dict[str, RemoteFile] | None,
    inventory: Callable[[], list[RemoteFile]] | None,
) -> dict[str, RemoteFile] | None:
    """Send, compare, send the rest singly; gives the last inventory, if there could be one."""
    kind = _choose(todo) if method == "auto" else method
    left, after = list(todo), before
    fatal: BaseException | None = None
    if kind != "per_file":
        for batch in _batches(todo) if method == "auto" else [todo]:
            fatal = fatal or _try_packed(run, batch, kind)
        if fatal is None:
            after = _ask(inventory)
            if after is None:
                left = [one for one in todo if one.name not in run.sent]
            else:
                _find_arrived(run, todo, before or {}, after)
                left = [one for one in todo if not _is_there(run, one, after)]
    with pool:
        for _ in range(_ROUNDS):
            if not left or fatal is not None:
                break
            fatal = _send_singly(run, pool, left, first_alone=not after)
            if fatal is not None:
                break
            after = _ask(inventory)
            if after is None:
                break
            # What was refused is not tried again; what was accepted and is not there, or differs, is ours to repeat.
            left = [one for one in left if one.name not in run.errors and not _is_there(run, one, after)]
    if fatal is not None:
        if fatal is run.progress.error or not isinstance(fatal, Exception):
            raise fatal  # the caller's own
        for one in todo:
            if one.name not in run.sent:
                run.errors.setdefault(one.name, XNATUploadError(f"not sent, as the transfer ended: {fatal}"))
        return None  # without a login the server tells nothing of what it has
    return after


def _find_arrived(
    run: _Upload, files: list[_Local], before: Mapping[str, RemoteFile], after: Mapping[str, RemoteFile]
) -> None:
    """Take what an archive brought whose answer was lost, or which was refused half way, for sent."""
    for one in files:
        there = after.get(one.name)
        if one.name in run.sent or there is None or one.name in before or there.size not in (None, one.size):
            continue
        if there.md5 is None or there.md5 == md5_of(one.path):
            run.sent[one.name] = (one.size, there.md5)


def _try_packed(run: _Upload, batch: list[_Local], kind: str) -> BaseException | None:
    """Send one archive. If the server can't take it, single files are tried; without rights nothing is."""
    try:
        run.sent.update(run.send_packed(batch, kind))
    except (XNATAuthError, XNATNotConnectedError) as error:
        return error
    except XNATUploadError as error:
        if isinstance(error.__cause__, XNATForbiddenError | XNATNotFoundError):
            return error
    return None


def _send_singly(run: _Upload, pool: Pool, files: list[_Local], *, first_alone: bool) -> BaseException | None:
    """Send files one by one in parallel; gives the error that makes all further tries senseless."""
    fatal: BaseException | None = None
    # The first file makes the resource. Several at once would make several of the same label.
    for batch in [files[:1], files[1:]] if first_alone else [files]:
        for one in batch:
            # What an earlier round sent was accepted, so if it differs now it is ours to replace.
            pool.submit(one, run.send_file, one, run.overwrite or one.name in run.sent)
        for outcome in pool:
            problem = _note(run, outcome)
            fatal = fatal or problem
        if fatal is not None:
            break
    return fatal


def _note(run: _Upload, outcome: Outcome) -> BaseException | None:
    name, error = outcome.task.name, outcome.error
    if error is None:
        run.sent[name] = outcome.value
        run.errors.pop(name, None)
        return None
    if isinstance(error, Stopped):
        return None  # by the error of another one, which is told of then
    run.errors[name] = error
    return error if outcome.fatal else None


def _judge(run: _Upload, one: _Local, after: dict[str, RemoteFile] | None, resource_uri: str) -> FileResult:
    """What became of a file, by what the server says it has."""
    uri = uris.join(resource_uri, "files", *one.name.split("/"))
    size, md5 = run.sent.get(one.name, (one.size, None))
    error = run.errors.get(one.name)
    remote = after.get(one.name) if after is not None else None
    if error is None and after is not None:
        problem = NOT_STORED if remote is None else mismatch(remote, size, md5)
        error = XNATUploadError(problem) if problem else None
    if error is not None:
        return FileResult(one.path, uri, "failed", size, md5, error)
    state: FileState = "unverifiable"
    if remote is not None:
        state = "verified" if remote.md5 and md5 else ("size-only" if remote.size is not None else "unverifiable")
    return FileResult(one.path, uri, state, size, md5)


def _is_there(run: _Upload, one: _Local, inventory: dict[str, RemoteFile]) -> bool:
    remote = inventory.get(one.name)
    if remote is None or one.name not in run.sent:
        return False
    size, md5 = run.sent[one.name]
    return remote.size in (None, size) and (remote.md5 is None or md5 is None or remote.md5 == md5)


def _checked(
    files: Iterable[tuple[str | os.PathLike[str], str]], report: TransferReport, resource_uri: str
) -> list[_Local]:
    """The files that can be read, under proper names; the others go to the report."""
    found: dict[str, _Local] = {}
    for path, given in files:
        name = given.replace(os.sep, "/").lstrip("/")
        if not name or any(part in ("", ".", "..") for part in name.split("/")):
            raise XNATValueError(f"{given!r} is no name for a file in a resource")
        uri = uris.join(resource_uri, "files", *name.split("/"))
        if name in found:
            raise XNATValueError(f"{found[name].path} and {path} would have the same name in the resource: {name}")
        try:
            found[name] = _Local(Path(path), name, _size_of(Path(path)))
        except OSError as error:
            report.add(FileResult(Path(path), uri, "failed", error=XNATUploadError(f"can't read {path}: {error}")))
    return list(found.values())


def _size_of(path: Path) -> int:
    if not path.is_file():
        path.stat()  # says why, if it is not there at all
        raise OSError("not a file")
    return path.stat().st_size


def _still_to_send(
    local: list[_Local],
    before: dict[str, RemoteFile] | None,
    overwrite: bool,
    report: TransferReport,
    resource_uri: str,
) -> list[_Local]:
    todo = []
    for one in local:
        remote = (before or {}).get(one.name)
        if remote is None:
            todo.append(one)
            continue
        uri = uris.join(resource_uri, "files", *one.name.split("/"))
        same_size = remote.size in (None, one.size)
        if same_size and remote.md5 is not None and md5_of(one.path) == remote.md5:
            report.add(FileResult(one.path, uri, "skipped", one.size, remote.md5, note="the server has it already"))
        elif overwrite:
            todo.append(one)
        else:
            why = "with other content" if not same_size or remote.md5 else "and gives no digest to compare"
            error = XNATUploadError(f"{one.name} exists on the server {why}; pass overwrite=True to replace it")
            report.add(FileResult(one.path, uri, "failed", one.size, error=error))
    return todo


def _ask(inventory: Callable[[], list[RemoteFile]] | None) -> dict[str, RemoteFile] | None:
    if inventory is None:
        return None
    try:
        return {str(file.path): file for file in inventory()}
    except XNATNotFoundError:  # no resource yet
        return {}


def _choose(files: list[_Local]) -> str:
    mean = sum(one.size for one in files) / max(len(files), 1)
    return "per_file" if len(files) <= _SINGLY_UP_TO or mean >= _SINGLY_FROM_MEAN else "zip_file"


def _batches(files: list[_Local]) -> list[list[_Local]]:
    batches: list[list[_Local]] = [[]]
    size = 0
    for one in files:
        if batches[-1] and (size + one.size > _BATCH_BYTES or len(batches[-1]) >= _BATCH_FILES):
            batches.append([])
            size = 0
        batches[-1].append(one)
        size += one.size
    return batches


def _pack(form: str, pairs: list[tuple[Path, str]], packed: IO[bytes]) -> dict[str, tuple[int, str]]:
    if form == "zip":
        return pack_zip(pairs, packed)
    return pack_tar(pairs, packed, "gz" if form == "tgz" else "")


def _counting(share: Share, stop: Stop, scale: float = 1.0) -> UpdateFunc:
    """Turns a body's position into a file's share of the whole; an attempt that starts again is taken back by that."""

    def update(position: int, total: int | None, finished: bool) -> None:
        stop.check()
        share(round(position * scale) - share.done)

    return update
