"""What a session in the prearchive consists of: scans, their resources, and files.

The server describes them in listings only; a scan, resource or file has no description of its own to ask for. Users
know these classes under :mod:`xnat.prearchive`.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from .. import uris
from ..core import XNATBaseListing, XNATBaseObject, caching
from ..core.answers import result_rows
from ..core.display import entry_repr
from ..core.rows import Row
from ..exceptions import XNATKeyError, XNATNotFoundError, XNATValueError

if TYPE_CHECKING:
    from ..protocols import Connection, Timeout

__all__ = ["PrearchiveFile", "PrearchiveListing", "PrearchiveResource", "PrearchiveScan", "part_at"]

#: Segments of the REST path of a session.
_BELOW_SESSION = 6


class PrearchiveListing(XNATBaseListing):
    """Scans, resources or files of the prearchive: a list of objects in which ID and name work as index, too.

    One request when it is first looked at, then cached.

    :param key: the column with the ID
    :param second_key: the column with what works as index, too
    """

    def __init__(
        self,
        parent: XNATBaseObject,
        field_name: str,
        item_class: type[_Part],
        *,
        key: str,
        second_key: str | None = None,
    ) -> None:
        super().__init__(parent.xnat_session)
        self.parent: Any = parent
        self.field_name = field_name
        self.secondary_lookup_field = second_key
        self.xsi_type = item_class.XSI_TYPE
        self._item_class = item_class
        self._key = key

    @property
    def uri(self) -> str:  # type: ignore[override]
        """REST path of the collection."""
        return uris.join(self.parent.uri, self.field_name or "")

    def _stamp(self) -> Hashable:
        return (self.parent._stamp(), self._generation)

    def _fetch(self) -> Iterable[Mapping[str, Any]]:
        return result_rows(self._session.get_json(self.uri), self.uri)

    def _row_id(self, row: Mapping[str, Any]) -> str | None:
        id_ = row.get(self._key)
        return None if id_ in (None, "") else str(id_)

    def _item_uri(self, row: Mapping[str, Any]) -> str:
        # Names of files hold folders.
        return uris.join(self.uri, *str(row[self._key]).split("/"))

    def _make(self, row: Row) -> Any:
        uri = self._item_uri(row)
        cls = self._item_class
        found = self._session.registry.intern(
            cls._identify(uri, None, row),
            lambda: cls(uri, self._session, id_=self._row_id(row), datafields=row, parent=self.parent),
        )
        found._learn(row, None, self.parent)
        return found

    def _row_of(self, id_: str) -> Mapping[str, Any]:
        """The row of one item.

        :raises XNATNotFoundError: there is none any more
        """
        table = self._table()
        try:
            return table.rows[self._find(table, id_)]
        except XNATKeyError as error:
            raise XNATNotFoundError(f"There is no {id_!r} in {self.uri} (any more)", url=self.uri) from error

    # Documented as a list: iterating gives the objects, not the keys.
    def __iter__(self) -> Iterator[Any]:
        return iter(self.listing)

    def __contains__(self, key: object) -> bool:
        if isinstance(key, XNATBaseObject):
            return key in self.listing
        return super().__contains__(key)

    def __eq__(self, other: object) -> bool:
        return self.listing == other if isinstance(other, list) else super().__eq__(other)

    __hash__ = None

    def _entries(self) -> Iterator[tuple[str, str | None, str]]:
        table = self._table()
        for index in table.order:
            row = table.rows[index]
            key = row.get(self.secondary_lookup_field) if self.secondary_lookup_field else None
            yield self._row_id(row) or "", key, self._item_class.__name__


class FileListing(PrearchiveListing):
    """The files of one resource, or of all resources of a scan."""

    def _fetch(self) -> Iterable[Mapping[str, Any]]:
        if isinstance(self.parent, PrearchiveResource):
            return [{**row, "resource": self.parent.label} for row in super()._fetch()]
        return [
            {**row, "resource": resource.label} for resource in self.parent.resources for row in resource.files._fetch()
        ]

    def _item_uri(self, row: Mapping[str, Any]) -> str:
        base = (
            self.uri
            if isinstance(self.parent, PrearchiveResource)
            else uris.join(self.parent.uri, "resources", row["resource"], "files")
        )
        return uris.join(base, *str(row[self._key]).split("/"))


class _Part(XNATBaseObject):
    """A part of a prearchive session: all that is known of it stands in its row of a listing."""

    __slots__ = ()

    KIND = "prearchive"
    #: the column that is its ID, and what its listing is called
    _KEY = "ID"
    _PLURAL = "scans"

    @property
    def id(self) -> str:
        """Its ID among its siblings."""
        return self._id or uris.split(self._uri)[-1]

    @caching
    def _item(self) -> dict[str, Any]:
        self._check_alive()
        fresh = self._row and self._row_is_fresh()
        row = self._row if fresh else self._siblings()._row_of(self.id)
        return {"data_fields": dict(row), "children": [], "meta": {"xsi:type": self.XSI_TYPE}}

    def _write(self, fields: Mapping[str, str], *, timeout: Timeout = None) -> None:
        raise XNATValueError(f"{self!r} is in the prearchive, where nothing can be written; archive its session first")

    def _siblings(self) -> PrearchiveListing:
        found: PrearchiveListing = getattr(self.parent, self._PLURAL)
        return found

    def clearcache(self) -> None:
        """Forget what the server said about it; the next look asks for the listing it is in."""
        super().clearcache()
        if self._parent is not None:
            self._siblings().clearcache()

    def _kept_listing(self, name: str, item_class: type[_Part], second_key: str | None = None) -> PrearchiveListing:
        found: PrearchiveListing | None = self._listings.get(name)
        if found is None:
            listing_class = FileListing if name == "files" else PrearchiveListing
            found = self._listings[name] = listing_class(
                self, name, item_class, key=item_class._KEY, second_key=second_key
            )
        return found

    def _save_zip(self, uri: str, path: str | os.PathLike[str], verbose: bool) -> str:
        return str(self._session.download_zip(uri, path, verbose=verbose))

    def __repr__(self) -> str:
        return entry_repr(type(self).__name__, self.id, None)


class PrearchiveFile(_Part):
    """A file in the prearchive."""

    __slots__ = ()

    XSI_TYPE = "xnatpy:prearchiveFile"
    _KEY = "Name"
    _PLURAL = "files"

    def __init__(
        self,
        uri: str,
        xnat_session: Connection,
        id_: str | None = None,
        datafields: Mapping[str, Any] | None = None,
        parent: Any = None,
        fieldname: str | None = None,
    ) -> None:
        super().__init__(uri, xnat_session, id_, datafields, parent, fieldname)

    @property
    def parent(self) -> Any:
        """The resource it is in (or the scan, if it was found through that)."""
        if self._parent is None:
            segments = uris.split(self._uri)
            self._parent = part_at(self._session, uris.join("", *segments[: _BELOW_SESSION + 4]))
        return self._parent

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.id

    @property
    def id(self) -> str:
        """Its path below the resource."""
        if self._id is None:
            self._id = "/".join(uris.split(self._uri)[_BELOW_SESSION + 5 :])
        return self._id

    @property
    def size(self) -> int:
        """The size of the file, in bytes."""
        return int(self._raw("Size"))

    def download(self, path: str | os.PathLike[str], *, verbose: bool = True) -> str:
        """Download the file.

        :param path: where to; a file that is there is replaced once this one has come completely
        :param verbose: show a progress bar, if stdout is a terminal
        :return: the path of the downloaded file
        :raises XNATDownloadError: it came short, or can't be stored
        """
        from ..transfer.download import download_file

        self._check_alive()
        return str(download_file(self._session.client, self.uri, os.path.expanduser(path), verbose=verbose).path)

    def open(self) -> IO[bytes]:
        """Its content as a binary file to read from, fetched whole into memory (large ones: a temporary file).

        :raises XNATNotFoundError: it isn't there (any more)
        """
        from ..transfer.download import download_stream
        from ..transfer.spool import fetched

        self._check_alive()
        return fetched(lambda stream: download_stream(self._session.client, self.uri, stream))

    def read_dicom(self, read_pixel_data: bool = False, force: bool = False) -> Any:
        """Its content as a pydicom dataset. Needs the extra ``dicom``.

        :param read_pixel_data: also the image, not only the header
        :param force: try even if it doesn't look like DICOM
        :raises ModuleNotFoundError: pydicom isn't installed (``pip install 'xnat[dicom]'``)
        """
        try:
            import pydicom
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("Reading DICOM needs pydicom: pip install 'xnat[dicom]'") from error
        with self.open() as stream:
            return pydicom.dcmread(stream, stop_before_pixels=not read_pixel_data, force=force)


class PrearchiveResource(_Part):
    """A resource of a scan in the prearchive; nearly always there is one, ``DICOM``."""

    __slots__ = ()

    XSI_TYPE = "xnatpy:prearchiveResource"
    _KEY = "label"
    _PLURAL = "resources"

    @property
    def parent(self) -> Any:
        """The scan it is in."""
        if self._parent is None:
            self._parent = part_at(self._session, uris.parent(uris.parent(self._uri)))
        return self._parent

    @property
    def label(self) -> str:
        """Its label."""
        return self.id

    @property
    def file_count(self) -> int | None:
        """How many files it has, as far as the server knows."""
        return self.get("file_count", int)  # type: ignore[no-any-return]

    @property
    def file_size(self) -> int | None:
        """The size of its files in bytes, as far as the server knows."""
        return self.get("file_size", int)  # type: ignore[no-any-return]

    @property
    def files(self) -> PrearchiveListing:
        """Its files, by name. One request when looked at."""
        return self._kept_listing("files", PrearchiveFile)

    def download(self, path: str | os.PathLike[str], *, verbose: bool = True) -> str:
        """Download its files as a zip.

        :return: the path of the zip file
        """
        self._check_alive()
        return self._save_zip(uris.join(self.uri, "files"), path, verbose)


class PrearchiveScan(_Part):
    """A scan in the prearchive."""

    __slots__ = ()

    XSI_TYPE = "xnatpy:prearchiveScan"
    SECONDARY_LOOKUP_FIELD = "series_description"

    def __init__(
        self,
        uri: str,
        xnat_session: Connection,
        id_: str | None = None,
        datafields: Mapping[str, Any] | None = None,
        parent: Any = None,
        fieldname: str | None = None,
    ) -> None:
        super().__init__(uri, xnat_session, id_, datafields, parent, fieldname)

    @property
    def parent(self) -> Any:
        """The prearchive session it is in."""
        if self._parent is None:
            self._parent = self._session.create_object(uris.parent(uris.parent(self._uri)))
        return self._parent

    @property
    def series_description(self) -> str | None:
        """The series description of the scan."""
        return self._raw("series_description")  # type: ignore[no-any-return]

    @property
    def resources(self) -> PrearchiveListing:
        """Its resources, by label. One request when looked at."""
        return self._kept_listing("resources", PrearchiveResource)

    @property
    def files(self) -> PrearchiveListing:
        """List of files contained in the scan, in all of its resources. One request, and one per resource."""
        return self._kept_listing("files", PrearchiveFile)

    def download(self, path: str | os.PathLike[str], *, verbose: bool = True) -> str:
        """Download the scan as a zip.

        :param path: the zip file to make; it stands there only when it is complete
        :return: the path of the downloaded file
        """
        self._check_alive()
        return self._save_zip(self.uri, path, verbose)

    def dicom_dump(self, fields: str | list[str] | None = None) -> list[dict[str, Any]]:
        """The DICOM header of its first file: a list of dicts with tag1, tag2, vr, value, desc. One GET.

        :param fields: only these: a name (``'PatientID'``) or number (``'00100020'``), or a list of them
        :raises XNATResponseError: the server doesn't know a name (400)
        """
        found: list[dict[str, Any]] = self._session.services.dicom_dump(self.uri, fields=fields)
        return found

    def read_dicom(
        self, file: PrearchiveFile | str | int | None = None, read_pixel_data: bool = False, force: bool = False
    ) -> Any:
        """One of its files as a pydicom dataset; needs the extra ``dicom``.

        :param file: which one: a file, its name or number; by default the first
        :param read_pixel_data: also the image, not only the header
        :param force: try even if it doesn't look like DICOM
        :raises XNATValueError: it has no files
        """
        if isinstance(file, PrearchiveFile):
            return file.read_dicom(read_pixel_data, force)
        if not self.files:
            raise XNATValueError(f"{self!r} has no files, so there is nothing to read")
        return self.files[0 if file is None else file].read_dicom(read_pixel_data, force)

    def __repr__(self) -> str:
        description = self._row.get("series_description") or None
        return entry_repr(type(self).__name__, self.id, description)


def part_at(session: Connection, uri: str, row: Mapping[str, Any] | None = None, parent: Any = None) -> _Part:
    """The scan, resource or file of the prearchive at a REST path. No request.

    :raises XNATValueError: the path leads to nothing of the kind
    """
    # /data/prearchive/projects/PROJECT/TIMESTAMP/NAME, then /scans/ID/resources/LABEL/files/PATH
    segments = uris.split(uri)[_BELOW_SESSION:]
    words = segments[:5:2]
    cls: type[_Part] | None = None
    if words == ["scans"] and len(segments) == 2:
        cls = PrearchiveScan
    elif words == ["scans", "resources"] and len(segments) == 4:
        cls = PrearchiveResource
    elif words == ["scans", "resources", "files"] and len(segments) > 5:
        cls = PrearchiveFile
    if cls is None:
        raise XNATValueError(
            f"{uri} is nothing in the prearchive; sessions are at /data/prearchive/projects/PROJECT/TIMESTAMP/NAME, "
            "their scans at .../scans/ID"
        )
    made = cls
    found: _Part = session.registry.intern(
        made._identify(uri, None, row or {}), lambda: made(uri, session, datafields=row, parent=parent)
    )
    found._learn(row, None, parent)
    return found
