"""What XNAT does with scans and reconstructed images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.kinds import SHORTCUTS
from ..core.looking import starting_point
from ..core.sublistings import XNATSimpleListing
from ..core.terms import parent_property
from ..exceptions import XNATAttributeError, XNATValueError
from ..transfer.names import safe_name
from ..transfer.plan import RemoteGroup
from .traits import HasResources
from .trees import ComesAsZip, own_files, scan_folder

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from ..protocols import Timeout

__all__ = ["ImageScanData", "ReconstructedImageData"]


class _BelowSession(ComesAsZip, HasResources):
    """Lies in an image session and is known by an ID that is unique there only."""

    __slots__ = ()

    @starting_point
    def image_session(self) -> Any:
        """The image session it lies in."""
        if getattr(self._parent, "KIND", "") == "experiment":
            return self._parent
        # The listing of a whole project tells of the session as well.
        row = self._row
        known = {"ID": row["session_ID"], "label": row["session_label"]} if "session_xsiType" in row else None
        return self._session.create_object(
            uris.parent(uris.parent(self.uri)),
            # Its type may be one that no schema defines.
            self._session.class_for(row["session_xsiType"], "xnat:imageSessionData").XSI_TYPE if known else None,
            id_=row["session_ID"] if known else None,
            datafields=known,
        )

    @parent_property("xnat:imageSessionData")
    def parent(self) -> Any:
        """The image session."""
        return self.image_session

    @property
    def project(self) -> str | None:
        """ID of the project through which it is looked at."""
        project: str | None = self.image_session.project
        return project

    @property
    def _path(self) -> str:
        """The session's full path, and its own ID."""
        return uris.join(self.image_session._path, self._CONTAINED_IN or "", self.id)

    def _put(self, query: Mapping[str, str], *, timeout: Timeout = None) -> None:
        # XNAT's ScanResource and ReconResource make what isn't there and answer 200 all the same; so ask first.
        if not self._is_there():
            raise self._gone()
        super()._put(query, timeout=timeout)

    @property
    def _short_uri(self) -> str:
        return uris.join(self.image_session._short_uri, self._CONTAINED_IN or "", self.id)

    def _zip_uri(self) -> str:
        return uris.join(self._short_uri, "files")


class ImageScanData(_BelowSession):
    """A scan: one series of an image session."""

    __slots__ = ()

    KIND = "scan"
    SECONDARY_LOOKUP_FIELD = "type"
    rest_shortcuts = SHORTCUTS["scan"]
    _DISPLAY_IDENTIFIER = "id"
    _CONTAINED_IN = "scans"

    _WORD = "scan"

    @property
    def fields(self) -> Any:
        """Its additional parameters (``parameters/addParam``), as a mapping of text by name.

        :raises XNATAttributeError: the schema gives none to this type
        """
        parameters = getattr(self, "parameters", None)
        # Where these are all that the parameters hold (CR, US, ...), the schema's element is the mapping itself.
        found = getattr(parameters, "add_param", parameters)
        if not isinstance(found, XNATSimpleListing):
            raise XNATAttributeError(f"The schema gives {type(self).__name__} no additional parameters")
        return found

    def _folder(self) -> PurePosixPath:
        folder = safe_name(scan_folder(self.id, self._raw("type")))
        return PurePosixPath(safe_name(self.image_session.label), "scans", folder)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from own_files(self, self._short_uri, folder)

    def read_dicom(self, file: Any = None, read_pixel_data: bool = False, force: bool = False) -> FileDataset:
        """The DICOM data of one of its files, as pydicom reads it; only the header is fetched, unless more is wanted.

        Needs the extra ``dicom``. For the headers of many scans see :func:`xnat.dicom.header_table`.

        :param file: which one: an object of ``files``, or its path or name; by default the first DICOM file
        :param read_pixel_data: fetch and read all of it
        :param force: take it for DICOM though it has no mark of it
        :raises XNATValueError: there is no such file
        :raises pydicom.errors.InvalidDicomError: it has no mark of DICOM, as some old files, and ``force`` isn't given
        """
        from ..dicom import read_scan

        return read_scan(self, file, read_pixel_data, force)

    def dicom_dump(self, fields: str | list[str] | None = None) -> list[dict[str, Any]]:
        """The DICOM header of its first file, as XNAT reads it: a list of dicts with tag1, tag2, vr, value, desc.

        :param fields: only these: a name (``'PatientID'``) or number (``'00100020'``), or a list of them
        :raises XNATValueError: fields is of another type
        """
        if fields is not None and not isinstance(fields, (str, list, tuple)):
            raise XNATValueError(
                f"The fields argument to .dicom_dump() should be list or a str and not {type(fields).__name__}"
            )
        # The service only knows this form of the address (DicomDump in xnat-web).
        session = self.image_session
        src = uris.join("/archive", "projects", session.project, "experiments", session.id, "scans", self.id)
        found: list[dict[str, Any]] = self._session.services.dicom_dump(src, fields=fields)
        return found


class ReconstructedImageData(_BelowSession):
    """A reconstructed image of a session."""

    __slots__ = ()

    KIND = "reconstruction"
    _DISPLAY_IDENTIFIER = "id"
    _CONTAINED_IN = "reconstructions"
    _WORD = "reconstruction"

    def _folder(self) -> PurePosixPath:
        return PurePosixPath(safe_name(self.image_session.label), "reconstructions", safe_name(self.id))
