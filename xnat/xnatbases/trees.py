"""What lies below an object: which files, where they go on disk, and how they come there.

The layout is that of XNAT's own zip files, below the folder of the object that was asked for::

    <subject>/<session>/scans/<id>-<type>/resources/<resource>/files/<path>
    <subject>/<session>/resources/<resource>/files/<path>
    <subject>/<session>/assessors/<assessor>/resources/<resource>/files/<path>
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.answers import result_rows
from ..core.kinds import file_path, file_uri
from ..transfer.names import safe_name
from ..transfer.plan import RemoteFile, RemoteGroup
from .traits import Base

if TYPE_CHECKING:
    from ..protocols import UpdateFunc
    from ..transfer.plan import Plan
    from ..transfer.report import TransferReport

__all__ = ["ComesAsZip", "DownloadsBelow", "all_groups", "own_files", "say", "scan_files", "scan_folder"]

#: XNAT writes the type of a scan into the folder's name with these replaced (RestFileUtils in xnat-web).
_NOT_IN_FOLDER = re.compile(r"\W", re.ASCII)
_MEMBER = re.compile(
    r"(?:.*?/)??(?:scans/(?P<scan>[^/]+)/)?resources/(?P<resource>[^/]+)/files/(?P<path>.+)$", re.DOTALL
)


def say(verbose: bool, text: str) -> None:
    """A line for the person at the console."""
    if verbose:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


class DownloadsBelow(Base):
    """Everything below this object can be downloaded into a directory, and a mirror of it kept up to date."""

    __slots__ = ()

    #: What the object is called in messages.
    _WORD = "data"

    def _known_name(self) -> str:
        """The name of its folder."""
        return str(self.id)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        """Its own files, as groups that can be had as one archive each; ``folder`` is where they go."""
        yield from own_files(self, self._path, folder)

    def _branches(self) -> Iterable[Any]:
        """What lies below it and has files of its own, each with a folder below this one's."""
        return ()

    def _folder(self) -> PurePosixPath:
        """Its folder below the target."""
        return PurePosixPath(safe_name(self._known_name()))

    def download_dir(
        self,
        target_dir: str | os.PathLike[str],
        verbose: bool = True,
        *,
        workers: int = 4,
        existing: str = "refresh",
        progress_callback: UpdateFunc | None = None,
        dry_run: bool = False,
    ) -> TransferReport | Plan:
        """Download everything below it, resources and assessors included, into a folder of its name.

        An interrupted download goes on when it is called again: files that are complete are not fetched again.
        A file stands under its name only when its size, and the digest where the server gives one, are right.

        :param target_dir: the directory in which its folder is made; made itself if missing
        :param verbose: tell on stdout what is done, with a progress bar if that is a terminal
        :param workers: so many transfers at once
        :param existing: files that are there already: ``'refresh'`` those that differ, ``'skip'``, ``'overwrite'``
            or ``'error'``
        :param progress_callback: called with (bytes so far, bytes in all, finished)
        :param dry_run: only say what would be done
        :return: what happened to each file; a plan if ``dry_run``
        :raises XNATTransferError: some files could not be had; its ``report`` tells which and why
        """
        options: dict[str, Any] = {
            "workers": workers,
            "existing": existing,
            "update_func": progress_callback,
            "dry_run": dry_run,
        }
        done: TransferReport | Plan = self._transfer(target_dir, verbose, **options)
        return done

    def sync(
        self,
        target_dir: str | os.PathLike[str],
        verbose: bool = False,
        *,
        delete: bool = False,
        workers: int = 4,
        progress_callback: UpdateFunc | None = None,
        dry_run: bool = False,
    ) -> TransferReport | Plan:
        """Bring a local mirror of it up to date: fetch what is new or differs.

        :param delete: also remove files that were fetched earlier and are gone on the server
        :param dry_run: only say what would be done
        :return: what happened to each file; a plan if ``dry_run``
        """
        options: dict[str, Any] = {
            "workers": workers,
            "update_func": progress_callback,
            "dry_run": dry_run,
            "delete": delete,
        }
        done: TransferReport | Plan = self._transfer(target_dir, verbose, existing="refresh", **options)
        return done

    def _transfer(
        self,
        target_dir: str | os.PathLike[str],
        verbose: bool,
        groups: Callable[[PurePosixPath], Iterator[RemoteGroup]] | None = None,
        folder: PurePosixPath | None = None,
        **options: Any,
    ) -> Any:
        from ..transfer.download import download_tree

        self._check_alive()
        folder = self._folder() if folder is None else folder
        found = groups(folder) if groups else all_groups(self, folder, options["workers"])
        announced = self._announced(found, verbose)
        target = Path(target_dir).expanduser()
        if options.get("delete"):
            # The target may hold other things that were fetched earlier.
            options["below"] = folder
        report = download_tree(self._session.client, announced, target, verbose=verbose, **options)
        if not options.get("dry_run"):
            report.raise_for_failures()
            (target / folder).mkdir(parents=True, exist_ok=True)
            if verbose:
                self._tell_done(target / folder)
        return report

    def _tell_done(self, place: Path) -> None:
        say(True, f"Downloaded {self._WORD} to {place}")

    def _announced(self, groups: Iterator[RemoteGroup], verbose: bool) -> Iterator[RemoteGroup]:
        for group in groups:
            if group.archive_uri:
                say(verbose, f"Downloading {self._session.url_for(group.archive_uri, {'format': 'zip'})}:")
            yield group

    def _download_zip(self, uri: str, path: str | os.PathLike[str], verbose: bool) -> Any:
        self._check_alive()
        return self._session.download_zip(uri, path, verbose=verbose)


class ComesAsZip(DownloadsBelow):
    """Its files can be had as one zip file, as the server packs them."""

    __slots__ = ()

    def _zip_uri(self) -> str:
        """The collection that is asked for as a zip."""
        return uris.join(self._path, "files")

    def download(self, path: str | os.PathLike[str], verbose: bool = True) -> Path:
        """Its files as one zip file.

        :param path: the zip file to make
        :return: its path
        :raises XNATNotFoundError: it has no files
        """
        return Path(self._download_zip(self._zip_uri(), path, verbose))

    def download_zip(self, path: str | os.PathLike[str], verbose: bool = True) -> Path:
        """The same as :meth:`download`."""
        return self.download(path, verbose)


def all_groups(root: Any, folder: PurePosixPath, workers: int) -> Iterator[RemoteGroup]:
    """The files of an object and of all below it, asked for level by level, so many at once as there are workers."""
    from concurrent.futures import ThreadPoolExecutor

    def look(place: tuple[Any, PurePosixPath]) -> tuple[list[RemoteGroup], list[tuple[Any, PurePosixPath]]]:
        obj, below = place
        return list(obj._groups(below)), [(child, below / child._folder()) for child in obj._branches()]

    level = [(root, folder)]
    with ThreadPoolExecutor(max(workers, 1), thread_name_prefix="xnat-walk") as pool:
        while level:
            following: list[tuple[Any, PurePosixPath]] = []
            for groups, children in pool.map(look, level):
                yield from groups
                following += children
            level = following


def own_files(obj: Any, uri: str, folder: PurePosixPath | None) -> Iterator[RemoteGroup]:
    """The files of an object's own resources: ``<folder>/resources/<resource>/files/<path>``.

    :param folder: None for just ``<path>``, the files' places below their resource
    """
    collection = f"{uri}/files"
    rows = _file_rows(obj, collection)
    files = [_remote(row, folder, collection) for row in rows]
    if files:
        yield RemoteGroup(files, collection, _by_tail(files, rows))


def scan_files(session: Any, folder: PurePosixPath, scans: Mapping[str, str | None]) -> Iterator[RemoteGroup]:
    """The files of the scans of a session: ``<folder>/scans/<id>-<type>/resources/<resource>/files/<path>``.

    :param scans: ID → type of the scans that are wanted
    """
    if not scans:
        return
    uri = f"{session._short_uri}/scans/ALL/files"
    rows = _file_rows(session, uri)
    collections = {id_: uris.join(session._short_uri, "scans", id_, "files") for id_ in scans}
    kept, files = [], []
    for row in rows:
        # Servers send IDs as they are; one that looks quoted may be.
        plain = str(row["URI"]).partition("/scans/")[2].partition("/")[0]
        id_ = plain if plain in scans else _segment_after(row, "scans")
        if id_ in scans:
            kept.append(row)
            place = folder / "scans" / safe_name(scan_folder(id_, scans[id_]))
            files.append(_remote(row, place, collections[id_]))
    if files:
        yield RemoteGroup(files, uri if len(files) == len(rows) else None, _by_tail(files, kept))


def scan_folder(id_: str, type_: str | None) -> str:
    """The name XNAT gives the folder of a scan."""
    return f"{id_}-{_NOT_IN_FOLDER.sub('_', type_)}" if type_ else id_


def _file_rows(obj: Any, uri: str) -> list[dict[str, Any]]:
    return result_rows(obj._session.get_json(uri), uri)


def _segment_after(row: Mapping[str, Any], name: str) -> str:
    segments = uris.split(file_uri(row))
    return segments[segments.index(name) + 1] if name in segments else ""


def _resource(row: Mapping[str, Any]) -> str:
    """The label of the resource a file is in; a resource without a label goes by its number."""
    return str(row.get("collection") or row.get("cat_ID") or _segment_after(row, "resources"))


def _remote(row: Mapping[str, Any], folder: PurePosixPath | None, collection: str) -> RemoteFile:
    if folder is None:
        path = PurePosixPath(file_path(row))
    else:
        parts = [safe_name(part) for part in file_path(row).split("/") if part]
        path = folder.joinpath("resources", safe_name(_resource(row)), "files", *parts)
    size = str(row.get("Size", ""))
    return RemoteFile(
        file_uri(row, collection),
        path,
        int(size) if size.isdigit() else None,
        str(row.get("digest") or "") or None,
    )


def _by_tail(files: list[RemoteFile], rows: list[dict[str, Any]]) -> Callable[[str], PurePosixPath | None]:
    """From the name of a zip member to the local path of the listed file.

    Servers differ in what they put in front (the session's label in this project or another) and may write a resource
    as its label or its number, so members are found by scan, resource and path.
    """
    known: dict[tuple[str, str, str], PurePosixPath] = {}
    for file, row in zip(files, rows, strict=True):
        scan = _segment_after(row, "scans")
        for resource in {_resource(row), _segment_after(row, "resources")}:
            known[scan, resource, file_path(row)] = file.path

    def member_path(name: str) -> PurePosixPath | None:
        found = _MEMBER.match(name)
        if found is None:
            return None
        folder = found["scan"] or ""
        # The folder is <id>-<type>, and both may hold a '-': the longest ID that has such a file is meant.
        ids = [folder, *(folder[: match.start()] for match in reversed(list(re.finditer("-", folder))))]
        keys = ((id_, found["resource"], found["path"]) for id_ in ids)
        return next((known[key] for key in keys if key in known), None)

    return member_path
