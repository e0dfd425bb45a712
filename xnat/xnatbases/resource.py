"""What XNAT does with resources: labelled folders of files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .. import uris
from ..core.answers import result_rows
from ..core.catalogs import resource_item, resource_row
from ..core.terms import field_property, parent_property
from ..exceptions import XNATNotFoundError, XNATValueError
from ..transfer.names import safe_name
from ..transfer.plan import RemoteFile, RemoteGroup
from .mounted import data_dir_of, expected_dir_of
from .trees import ComesAsZip, own_files, scan_folder

if TYPE_CHECKING:
    from ..protocols import UpdateFunc
    from ..transfer.plan import Plan
    from ..transfer.report import TransferReport

__all__ = ["AbstractResource", "local_file"]

#: How many files resources had when they were last listed; lists longer than this aren't fetched after every upload.
_lengths: WeakKeyDictionary[AbstractResource, int] = WeakKeyDictionary()
_LONG_LIST = 500


class AbstractResource(ComesAsZip):
    """A resource of a project, subject, experiment, scan or assessor."""

    __slots__ = ()

    KIND = "resource"
    SECONDARY_LOOKUP_FIELD = "label"
    _DISPLAY_IDENTIFIER = "label"
    _CONTAINED_IN = "resources"
    _WORD = "resource"

    def __init__(self, *args: Any, data_dir: Any = None, upload_method: str | None = None, **kwargs: Any) -> None:
        # On creation the files of a directory can be given at once; before anything is made, they have to be there.
        files = None if data_dir is None else _pairs(data_dir)
        method = upload_method or "auto"
        if files is not None:
            from ..transfer.upload_many import check_method

            check_method(method)
        super().__init__(*args, **kwargs)
        if files is not None:
            self.upload_dir(files, method=method)

    @field_property("label")
    def label(self) -> str:
        """Its label; its number if it has none."""
        return str(self._raw("label") or self.id)

    @property
    def fulldata(self) -> dict[str, Any]:
        """Its row in the parent's listing of resources: the server gives no item of a resource."""
        # Nothing tells when it was made. Scripts for other clients look for that in every item, though.
        return {**resource_item(self._resource_row(), self.XSI_TYPE), "xnatpy": {"insert_date": None}}

    def _resource_row(self) -> Mapping[str, Any]:
        known = self._row
        if "xnat_abstractresource_id" in known and self._row_is_fresh():
            return known
        self._check_alive()
        row = resource_row(self._sibling_rows(uris.parent(self.uri)), self.uri)
        self._id = str(row["xnat_abstractresource_id"])
        self._take_row(row)
        return row

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
            self._id = str(self._resource_row()["xnat_abstractresource_id"])
        return self._id

    @property
    def file_count(self) -> int:
        """How many files it has, by the server's statistics (which may be behind); 0 if it doesn't say."""
        return int(self._raw("file_count") or 0)

    @property
    def file_size(self) -> int:
        """Size of its files in bytes, by the server's statistics (which may be behind); 0 if it doesn't say."""
        return int(self._raw("file_size") or 0)

    @parent_property()
    def parent(self) -> Any:
        """What it belongs to; on the class None, as that can be of many types."""
        if self._parent is not None:
            return self._parent
        return self._session.create_object(uris.parent(uris.parent(self.uri)))

    @property
    def parent_obj(self) -> Any:
        """The same as :attr:`parent`, for scripts that know it by this name."""
        return self.parent

    @property
    def data_dir(self) -> Path | None:
        """Its directory in the server's archive, where that is mounted here; see :mod:`xnat.xnatbases.mounted`."""
        return data_dir_of(self)

    @property
    def expected_data_dir(self) -> Path | None:
        """Where :attr:`data_dir` should be, whether it is there or not; None unless an archive is mounted."""
        return expected_dir_of(self)

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

    def download_dir(
        self,
        target_dir: str | os.PathLike[str],
        verbose: bool = True,
        flatten_dirs: bool = False,
        *,
        workers: int = 4,
        existing: str = "refresh",
        progress_callback: UpdateFunc | None = None,
        dry_run: bool = False,
    ) -> TransferReport | Plan:
        """Download its files, in the folders that XNAT's zip files have.

        Other parameters and the result are those of :meth:`~xnat.xnatbases.trees.DownloadsBelow.download_dir`.

        :param flatten_dirs: put the files straight into the target, in the folders they have in the resource
        """
        options: dict[str, Any] = {
            "workers": workers,
            "existing": existing,
            "update_func": progress_callback,
            "dry_run": dry_run,
        }
        groups = (lambda folder: own_files(self, self.uri, None)) if flatten_dirs else None
        done: TransferReport | Plan = self._transfer(
            target_dir, verbose, groups, folder=PurePosixPath() if flatten_dirs else None, **options
        )
        return done

    def _zip_uri(self) -> str:
        return uris.join(self.uri, "files")

    # -- upload ------------------------------------------------------------------------------------------------------

    def upload(
        self,
        data: Any = None,
        remotepath: str | None = None,
        overwrite: bool = False,
        extract: bool = False,
        file_content: str | None = None,
        file_format: str | None = None,
        file_tags: str | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        verify: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Upload one file.

        :param data: path of a file, an open binary file, or bytes; text itself is sent with :meth:`upload_data`
        :param remotepath: its path below the resource; by default the name of the local file
        :param overwrite: replace a file that is there
        :param extract: the file is a zip or tar archive the server shall unpack
        :param file_content: what is in it, as XNAT's field ``content``
        :param file_format: its format (``'NIFTI'``)
        :param file_tags: tags of it, with commas between
        :param path: the path of a file, in place of ``data``
        :param verify: ask the server afterwards what it has, in one GET: XNAT says 200 to a user without the right to
            edit, and stores nothing. Files that ``extract`` unpacks aren't compared; ``upload_dir`` does that.
        :return: what happened
        :raises XNATUploadError: it was refused, a file is there and ``overwrite`` isn't given, or it was not stored as
            it was sent
        :raises FileNotFoundError: there is no such file
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
        if (data is None) == (path is None):
            raise XNATValueError("upload() takes either data or the path= of a file, and one of them")
        local = local_file(data) if path is None else Path(path).expanduser()
        if local is None and isinstance(data, str):
            # Taken for the content it would be stored in place of a file whose name was mistyped.
            raise FileNotFoundError(
                f"There is no file {data[:100]!r} to upload; text itself is sent with upload_data(text, remotepath)"
            )
        name = remotepath or (local.name if local else None)
        if not name:
            raise XNATValueError("Give remotepath=, the name the data shall have in the resource")
        parts = _remote_parts(name)
        uri = uris.join(self.uri, "files", *parts)
        if verify and not extract:
            options["stored"] = partial(self._stored, uri, "/".join(parts))
        send: Any = upload_data if local is None else upload_file
        result = send(self._session.client, uri, data if local is None else local, **options)
        self._session.registry.wrote("create", "file")
        self._wrote({})
        return result

    def upload_data(
        self,
        data: Any,
        remotepath: str,
        overwrite: bool = False,
        extract: bool = False,
        file_content: str | None = None,
        file_format: str | None = None,
        file_tags: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Upload bytes, text or an open binary file; see :meth:`upload`."""
        if isinstance(data, str):
            data = data.encode()
        return self.upload(data, remotepath, overwrite, extract, file_content, file_format, file_tags, **kwargs)

    def upload_dir(
        self,
        directory: str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], str]],
        overwrite: bool = False,
        method: str = "auto",
        *,
        workers: int = 12,
        **kwargs: Any,
    ) -> TransferReport:
        """Upload a directory with all below it, empty files included, and compare afterwards what the server has.

        :param directory: the directory, or pairs of (local path, path below the resource)
        :param overwrite: replace files that are there
        :param method: ``'per_file'``, ``'tar_file'``, ``'tgz_file'``, ``'tar_memory'``, ``'tgz_memory'``, or
            ``'auto'``, which chooses by number and size
        :param workers: so many files at once; small ones wait for the server, not for the line
        :return: what happened to each file
        :raises XNATTransferError: some files are not there afterwards; its ``report`` tells which and why
        """
        from ..transfer.upload import upload_tree

        self._check_alive()
        try:
            return upload_tree(
                self._session.client,
                self.uri,
                _pairs(directory),
                method=method,
                workers=workers,
                overwrite=overwrite,
                inventory=self._inventory,
                **kwargs,
            )
        finally:
            # Also where some failed: the others are there.
            self._session.registry.wrote("create", "file")
            self._wrote({})

    def _inventory(self) -> list[RemoteFile]:
        return [file for group in own_files(self, self.uri, None) for file in group.files]

    def _stored(self, uri: str, name: str) -> RemoteFile | None:
        """What the server has under a name: by its list of files, or, where that is long, by the size of that one."""
        if _lengths.get(self, 0) > _LONG_LIST:
            head = self._session.client.request("HEAD", uri, accepted=range(600), allow_html=True)
            length = head.headers.get("Content-Length", "")
            if head.status_code == 200 and length.isdigit():
                return RemoteFile(uri, PurePosixPath(name), int(length))
        try:
            listed = self._inventory()
        except XNATNotFoundError:  # not even the resource was made
            return None
        _lengths[self] = len(listed)
        return next((file for file in listed if str(file.path) == name), None)

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


def _pairs(
    directory: str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], str]],
) -> list[tuple[Path, str]]:
    from ..transfer.archive import files_below

    if not isinstance(directory, (str, os.PathLike)):
        try:
            return [(Path(path), name) for path, name in directory]
        except (TypeError, ValueError):
            raise XNATValueError(
                f"The directory must be a path, or pairs of (local path, path below the resource), not {directory!r}"
            ) from None
    root = Path(directory).expanduser()
    if not root.is_dir():
        raise XNATValueError(f"{root} is not a directory; one file is sent with upload()")
    # Without what a download left there for itself; what can't be sent, such as a dead link, is an error.
    return files_below(root)


def _place_of(parent: Any) -> PurePosixPath:
    """The folder of an object's resources in XNAT's zip files."""
    if parent.KIND == "scan":
        folder = safe_name(scan_folder(parent.id, parent.get("type")))
        return PurePosixPath(safe_name(parent.image_session.label), "scans", folder)
    if getattr(parent, "IS_ASSESSOR", False):
        return PurePosixPath(safe_name(parent.image_session.label), "assessors", safe_name(parent.label))
    if parent.KIND == "reconstruction":
        return PurePosixPath(safe_name(parent.image_session.label), "reconstructions", safe_name(parent.id))
    # XNAT's zip has a project's ID here; the folder of a downloaded project is called by its name.
    return PurePosixPath(safe_name(parent.id if parent.KIND == "project" else parent._known_name()))
