"""Many files into one folder: what is missing or differs is fetched by a few workers, resumed after any end.

Whole groups of small files come as one zip that is unpacked while it arrives; files that are large, few, or left over
from an interrupted group come singly. Bytes wait in the staging folder (see :py:mod:`.manifest`) until they are
checked; those of a zip until the zip's own end was seen, so that nothing of a refused archive gets a name. Killed at
any point, the next run takes over the whole files it finds there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal, overload

from xnat.exceptions import (
    XNATDownloadError,
    XNATTransferError,
)
from xnat.protocols import Requester, Timeout, UpdateFunc

from .archive import ArchiveLimits
from .arrivals import Arrivals, ZipOutcome, failure, is_full_disk
from .fetch import check_space, storage_error
from .manifest import Manifest
from .names import resolve_inside
from .plan import Existing, Plan, PlanItem, RemoteFile, RemoteGroup, make_plan
from .pool import Outcome, Pool, Stopped, check_workers
from .progress import Aggregate, default_update_func
from .report import FileResult, TransferReport

__all__ = ["download_tree"]

# When a zip beats single requests: a request costs a server some tens of milliseconds, in which a megabyte arrives.
_ZIP_FROM_FILES = 3
_ZIP_UP_TO_MEAN = 4 << 20
_ZIP_WASTE = 0.02  # of a group's bytes may come although they are here already; a re-run must not fetch things twice


@overload
def download_tree(
    requester: Requester,
    groups: Iterable[RemoteGroup],
    target: str | os.PathLike[str],
    *,
    dry_run: Literal[True],
    workers: int = ...,
    existing: Existing = ...,
    update_func: UpdateFunc | None = ...,
    verbose: bool = ...,
    timeout: Timeout = ...,
    delete: bool = ...,
    below: PurePosixPath | None = ...,
    limits: ArchiveLimits | None = ...,
) -> Plan: ...


@overload
def download_tree(
    requester: Requester,
    groups: Iterable[RemoteGroup],
    target: str | os.PathLike[str],
    *,
    workers: int = ...,
    existing: Existing = ...,
    update_func: UpdateFunc | None = ...,
    verbose: bool = ...,
    timeout: Timeout = ...,
    dry_run: Literal[False] = ...,
    delete: bool = ...,
    below: PurePosixPath | None = ...,
    limits: ArchiveLimits | None = ...,
) -> TransferReport: ...


def download_tree(
    requester: Requester,
    groups: Iterable[RemoteGroup],
    target: str | os.PathLike[str],
    *,
    workers: int = 4,
    existing: Existing = "refresh",
    update_func: UpdateFunc | None = None,
    verbose: bool = False,
    timeout: Timeout = None,
    dry_run: bool = False,
    delete: bool = False,
    below: PurePosixPath | None = None,
    limits: ArchiveLimits | None = None,
) -> TransferReport | Plan:
    """Bring the files of *groups* below *target*, and say what happened to each.

    A run that was interrupted, even killed, is resumed by running it again: what is complete is not fetched again.

    :param workers: how many requests at once
    :param existing: what to do with files that are there: ``refresh`` replaces those that differ from the server's, by
        size, digest, or what the manifest noted; ``skip`` keeps all; ``overwrite`` replaces all; ``error`` refuses to
        begin if one is there that is not known to be complete
    :param update_func: called with (bytes so far, bytes in all or None, finished)
    :param verbose: show a progress bar, if stdout is a terminal
    :param dry_run: fetch nothing, return the :py:class:`~xnat.transfer.plan.Plan`
    :param delete: remove files that were fetched earlier, are unchanged since and vanished on the server
    :param below: restricts ``delete`` to this relative folder
    :param limits: how far a zip may unfold
    :raises xnat.exceptions.XNATTransferError: some files failed; its ``report`` tells of all of them
    :raises xnat.exceptions.XNATDownloadError: the target can't be used; nothing was fetched
    """
    started = time.monotonic()
    root = Path(target)
    check_workers(workers)
    listed = list(groups)
    manifest = Manifest(root)
    files = [file for group in listed for file in group.files]
    zips = {group.archive_uri for group in listed if group.archive_uri}
    plan = make_plan(files, root, manifest, existing, delete=delete, below=below, zips=zips, fold=_folds_case(root))
    if dry_run:
        return plan
    _refuse_conflicts(plan, existing)
    _prepare(root, plan)
    report = TransferReport(what=f"download to {root}")
    tree = Arrivals(requester, root, manifest, existing, timeout, limits or ArchiveLimits())
    pool = Pool(workers, tree.is_fatal)
    tree.stop = pool.stop
    tree.progress = Aggregate(update_func or (default_update_func(_total(plan)) if verbose else None), _total(plan))
    interrupted = True
    try:
        _run(tree, pool, plan, listed, report)
        interrupted = False
    except Exception as error:
        interrupted = error is tree.progress.error
        raise
    finally:
        report.seconds = time.monotonic() - started
        tree.progress.finish()
        # Interrupted: what has arrived is worth keeping for the next run. (A worker may even still hold files there.)
        tree.staging.close(keep=interrupted or pool.running)
        manifest.close()
    report.raise_for_failures()
    return report


def _run(tree: Arrivals, pool: Pool, plan: Plan, groups: list[RemoteGroup], report: TransferReport) -> None:
    for item in plan.having("skip", "refuse"):
        report.add(_settled(tree.target, item))
    wanted = {str(item.path): item.file for item in plan.having("fetch", "overwrite") if item.file is not None}
    report.extend(tree.salvage(wanted))
    with pool:
        _submit(tree, pool, groups, wanted)
        fatal: BaseException | None = None
        stopped: list[RemoteFile] = []
        for outcome in pool:
            if isinstance(outcome.error, Stopped):
                stopped += _files(outcome.task)
            else:
                problem = _note(tree, pool, outcome, report)
                fatal = fatal or problem
    for file in stopped:
        report.add(failure(tree.target, file, XNATDownloadError(f"not fetched, as the transfer ended: {fatal}")))
    if report.ok:
        for item in plan.delete:
            report.add(_remove(tree, item))
    if fatal is None or is_full_disk(fatal):
        return
    if fatal is tree.progress.error or not isinstance(fatal, Exception):
        raise fatal  # the caller's own
    raise XNATTransferError(f"download to {tree.target} ended: {fatal}", report) from fatal


def _submit(tree: Arrivals, pool: Pool, groups: list[RemoteGroup], wanted: dict[str, RemoteFile]) -> None:
    """Zips first, since they are the longest; then single files, the largest first."""
    singles: list[RemoteFile] = []
    for group in groups:
        files = [file for file in group.files if wanted.get(str(file.path)) is file]
        for file in files:
            wanted.pop(str(file.path))
        if _as_zip(group, files):
            pool.submit(group, tree.fetch_zip, group, files)
        else:
            singles += files
    for file in sorted(singles, key=lambda file: file.size or 0, reverse=True):
        pool.submit(file, tree.fetch_file, file)


def _as_zip(group: RemoteGroup, files: list[RemoteFile]) -> bool:
    """Whether these files of a group had better come as one zip."""
    if group.archive_uri is None or len(files) < _ZIP_FROM_FILES:
        return False
    needed = sum(file.size or 0 for file in files)
    whole = sum(file.size or 0 for file in group.files)
    if needed > len(files) * _ZIP_UP_TO_MEAN:
        return False
    return len(files) == len(group.files) or whole - needed <= _ZIP_WASTE * needed


def _note(tree: Arrivals, pool: Pool, outcome: Outcome, report: TransferReport) -> BaseException | None:
    """Put an outcome into the report; gives the error if it makes all further tries senseless."""
    task, error = outcome.task, outcome.error
    if error is None and isinstance(outcome.value, ZipOutcome):
        report.extend(outcome.value.results)
        for file in sorted(outcome.value.again, key=lambda file: file.size or 0, reverse=True):
            pool.submit(file, tree.fetch_file, file)
        return None
    if error is None:
        report.add(outcome.value)
        return None
    for file in _files(task):
        report.add(failure(tree.target, file, error))
    return error if outcome.fatal else None


def _files(task: RemoteGroup | RemoteFile) -> list[RemoteFile]:
    return task.files if isinstance(task, RemoteGroup) else [task]


def _settled(target: Path, item: PlanItem) -> FileResult:
    uri = item.file.uri if item.file is not None else (item.entry.uri if item.entry is not None else "")
    if item.action == "refuse":
        return FileResult(target / item.path, uri, "failed", item.size, error=XNATDownloadError(item.reason))
    digest = item.entry.md5 if item.entry is not None else None
    return FileResult(target / item.path, uri, "skipped", item.size, digest, note=item.reason)


def _remove(tree: Arrivals, item: PlanItem) -> FileResult:
    uri = item.entry.uri if item.entry is not None else ""
    place = resolve_inside(tree.target, item.path)
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        return FileResult(place, uri, "failed", error=storage_error(place, error))
    tree.manifest.forget(str(item.path))
    with contextlib.suppress(OSError):  # one that isn't empty
        for folder in list(item.path.parents)[:-1]:
            (tree.target / folder).rmdir()
    return FileResult(place, uri, "deleted", note=item.reason)


def _refuse_conflicts(plan: Plan, existing: Existing) -> None:
    here = [item for item in plan.refuse if os.path.lexists(plan.target / item.path)]
    if existing == "error" and here:
        names = ", ".join(str(item.path) for item in here[:5]) + (", …" if len(here) > 5 else "")
        raise XNATDownloadError(
            f"{len(here)} files exist in {plan.target} and are not known to be complete: {names}; "
            "pass existing='refresh', 'overwrite' or 'skip'"
        )


def _prepare(root: Path, plan: Plan) -> None:
    """Make the target, and see that it can be written and is large enough before anything is asked for."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise storage_error(root, error) from error
    check_space(root, plan.bytes)


def _folds_case(root: Path) -> bool:
    """Whether the disk takes 'A' and 'a' for one name; asked of the nearest folder that exists and has letters."""
    for folder in (root.absolute(), *root.absolute().parents):
        swapped = folder.with_name(folder.name.swapcase()) if folder.name else folder
        with contextlib.suppress(OSError):
            if swapped != folder and folder.exists():
                return swapped.exists() and os.path.samefile(folder, swapped)
    return False


def _total(plan: Plan) -> int | None:
    items = plan.having("fetch", "overwrite")
    return None if any(item.size is None for item in items) else plan.bytes
