"""What XNAT does with resources: labelled folders of files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.listings import result_rows
from ..core.terms import field_property
from ..exceptions import XNATNotFoundError, XNATValueError
from ..transfer.names import safe_name
from ..transfer.plan import RemoteFile, RemoteGroup
from .trees import DownloadsBelow, own_files, scan_folder

if TYPE_CHECKING:
    from ..transfer.report import TransferReport

__all__ = ["AbstractResource", "local_file"]


class AbstractResource(DownloadsBelow):
    """A resource of a project, subject, experiment, scan or assessor."""

    __slots__ = ()

    KIND = "resource"
    SECONDARY_LOOKUP_FIELD = "label"
    _DISPLAY_IDENTIFIER = "label"
    _CONTAINED_IN = "resources"
    _WORD = "resource"

    @field_property("label")
    def label(self) -> str:
        """Its label; its number if it has none."""
        return str(self._raw("label") or self.id)

    @property
    def fulldata(self) -> dict[str, Any]:
        """Its row in the parent's listing of resources: the server gives no item of a resource."""
        return {"data_fields": dict(self._resource_row()), "children": [], "meta": {"xsi:type": self.XSI_TYPE}}

    def _resource_row(self) -> Mapping[str, Any]:
        if self._row_is_fresh() and "xnat_abstractresource_id" in self._row:
            return self._row
        self._check_alive()
        # The resource's own address answers with its catalog, whatever format is asked for (rest.md 6.1).
        container = uris.parent(self.uri)
        name = uris.split(self.uri)[-1]
        rows = self._sibling_rows(container)
        for row in rows:
            if name in (str(row.get("xnat_abstractresource_id")), row.get("label")):
                self._id = str(row["xnat_abstractresource_id"])
                self._take_row(row)
                return row
        labels = ", ".join(str(row.get("label")) for row in rows) or "none"
        raise XNATNotFoundError(f"There is no resource {name!r} at {container}; there is {labels}", url=container)

    def _sibling_rows(self, container: str) -> list[dict[str, Any]]:
        listing = getattr(self._parent, "resources", None)
        if listing is not None and uris.canonical(listing.uri) == container and self.caching:
            # One request serves all resources of the parent.
            return [dict(row) for row in listing._table().rows]
        return result_rows(self._session.get_json(container), container)

    def _raw(self, path: str) -> Any:
        value = self._resource_row().get(path)
        return None if value == "" else value

    @property
    def id(self) -> str:
        """Its number on the server."""
        if self._id is None:
            self._resource_row()
        return str(self._id)

    @property
    def file_count(self) -> int:
        """How many files it has, by the server's statistics (which may be behind); 0 if it doesn't say."""
        return int(self._raw("file_count") or 0)

    @property
    def file_size(self) -> int:
        """Size of its files in bytes, by the server's statistics (which may be behind); 0 if it doesn't say."""
        return int(self._raw("file_size") or 0)

    @property
    def parent(self) -> Any:
        """What it belongs to."""
        if self._parent is not None:
            return self._parent
        return self._session.create_object(uris.parent(uris.parent(self.uri)))

    @property
    def project(self) -> str | None:
        """ID of the project through which it is looked at."""
        project: str | None = self.parent.project
        return project

    # -- download ----------------------------------------------------------------------------------------------------

    def _known_name(self) -> str:
        return str(self.label)

    def _folder(self) -> PurePosixPath:
        # The folders of XNAT's zip, so that several resources in one target don't mix.
        return _place_of(self.parent)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from own_files(self, self.uri, folder)

    def download(self, path: str | os.PathLike[str], verbose: bool = True) -> Path:
        """Its files as one zip file.

        :param path: the zip file to make
        :return: its path
        """
        return Path(self._download_zip(uris.join(self.uri, "files"), path, verbose))

    def download_zip(self, path: str | os.PathLike[str], verbose: bool = True) -> Path:
        """The same as :meth:`download`."""
        return self.download(path, verbose)

    # -- upload ------------------------------------------------------------------------------------------------------

    def upload(
        self,
        data: Any,
        remotepath: str | None = None,
        overwrite: bool = False,
        extract: bool = False,
        *,
        file_content: str | None = None,
        file_format: str | None = None,
        file_tags: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Upload one file.

        :param data: path of a file, an open binary file, bytes, or text that is not the path of a file
        :param remotepath: its path below the resource; by default the name of the local file
        :param overwrite: replace a file that is there
        :param extract: the file is a zip or tar archive the server shall unpack
        :return: what happened
        :raises XNATUploadError: it was refused, or a file is there and ``overwrite`` isn't given
        """
        from ..transfer.upload import upload_data, upload_file

        self._check_alive()
        query = {
            "content": file_content,
            "format": file_format,
            "tags": file_tags,
            "extract": "true" if extract else None,
        }
        options = {"query": {name: value for name, value in query.items() if value}, "overwrite": overwrite, **kwargs}
        local = local_file(data)
        name = remotepath or (local.name if local else None)
        if not name:
            raise XNATValueError("Give remotepath=, the name the data shall have in the resource")
        uri = uris.join(self.uri, "files", *_remote_parts(name))
        send: Any = upload_data if local is None else upload_file
        result = send(self._session.client, uri, data if local is None else local, **options)
        self._session.registry.wrote("create", "file")
        self._wrote({})
        return result

    def upload_data(
        self, data: Any, remotepath: str, overwrite: bool = False, extract: bool = False, **kwargs: Any
    ) -> Any:
        """Upload bytes, text or an open binary file; see :meth:`upload`."""
        if isinstance(data, str):
            data = data.encode()
        return self.upload(data, remotepath, overwrite=overwrite, extract=extract, **kwargs)

    def upload_dir(
        self,
        directory: str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], str]],
        overwrite: bool = False,
        method: str = "auto",
        *,
        workers: int = 4,
        **kwargs: Any,
    ) -> TransferReport:
        """Upload a directory with all below it, empty files included, and compare afterwards what the server has.

        :param directory: the directory, or pairs of (local path, path below the resource)
        :param overwrite: replace files that are there
        :param method: ``'per_file'``, ``'tar_file'``, ``'tgz_file'``, ``'tar_memory'``, ``'tgz_memory'``, or
            ``'auto'``, which chooses by number and size
        :param workers: so many files at once
        :return: what happened to each file
        :raises XNATTransferError: some files are not there afterwards; its ``report`` tells which and why
        """
        from ..transfer.upload import upload_tree

        self._check_alive()
        report = upload_tree(
            self._session.client,
            self.uri,
            _files_below(directory),
            method=method,
            workers=workers,
            overwrite=overwrite,
            inventory=self._inventory,
            **kwargs,
        )
        self._session.registry.wrote("create", "file")
        self._wrote({})
        report.raise_for_failures()
        return report

    def _inventory(self) -> list[RemoteFile]:
        return [file for group in own_files(self, self.uri, None) for file in group.files]

    def refresh_catalog(self, **options: bool) -> None:
        """Let the server look at its disk again; see :meth:`xnat.services.Services.refresh_catalog`."""
        self._session.services.refresh_catalog(self, **options)


def local_file(data: Any) -> Path | None:
    """The path, if ``data`` names a file here; None for data itself."""
    if isinstance(data, os.PathLike):
        return Path(data)
    if isinstance(data, str) and len(data) < 4096 and "\n" not in data and "\0" not in data:
        path = Path(data).expanduser()
        return path if path.is_file() else None
    return None


def _remote_parts(name: str) -> list[str]:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise XNATValueError(f"{name!r} can't be a path in a resource")
    return parts


def _files_below(
    directory: str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], str]],
) -> list[tuple[Path, str]]:
    if not isinstance(directory, (str, os.PathLike)):
        return [(Path(path), name) for path, name in directory]
    root = Path(directory).expanduser()
    if not root.is_dir():
        raise XNATValueError(f"{root} is not a directory; one file is sent with upload()")
    return [(path, path.relative_to(root).as_posix()) for path in sorted(root.rglob("*")) if path.is_file()]


def _place_of(parent: Any) -> PurePosixPath:
    """The folder of an object's resources in XNAT's zip files."""
    if parent.KIND == "scan":
        folder = safe_name(scan_folder(parent.id, parent.get("type")))
        return PurePosixPath(safe_name(parent.image_session.label), "scans", folder)
    if getattr(parent, "IS_ASSESSOR", False):
        return PurePosixPath(safe_name(parent.image_session.label), "assessors", safe_name(parent.label))
    if parent.KIND == "reconstruction":
        return PurePosixPath(safe_name(parent.image_session.label), "reconstructions", safe_name(parent.id))
    return PurePosixPath(safe_name(parent._known_name()))
