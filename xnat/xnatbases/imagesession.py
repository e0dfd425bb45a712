"""What XNAT does with image sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.kinds import SHORTCUTS
from ..exceptions import XNATKeyError, XNATValueError
from ..transfer.names import safe_name
from ..transfer.plan import RemoteGroup
from .experiment import SubjectAssessorData
from .trees import own_files, scan_files

if TYPE_CHECKING:
    from ..core.listings import XNATListing
    from ..protocols import UpdateFunc
    from ..transfer.plan import Plan
    from ..transfer.report import TransferReport

__all__ = ["ImageSessionData"]


class ImageSessionData(SubjectAssessorData):
    """An image session: one visit to a scanner, with its scans."""

    __slots__ = ()

    rest_shortcuts = {**SHORTCUTS["experiment"], **SHORTCUTS["imageSession"]}

    if TYPE_CHECKING:
        scans: XNATListing
        assessors: XNATListing
        reconstructions: XNATListing

    def create_assessor(self, label: str, type_: str) -> Any:
        """A new assessor of this session.

        :param type_: its xsi type, as ``'xnat:qcManualAssessorData'``, or its class
        :raises XNATKeyError: the server has no such type
        :raises XNATValueError: it is no type of assessors
        """
        cls = self._session.classes.XNAT_CLASS_LOOKUP[type_] if isinstance(type_, str) else type_
        if not getattr(cls, "IS_ASSESSOR", False):
            raise XNATValueError(
                f"{getattr(cls, 'XSI_TYPE', type_)} is no type of assessors; one derives from xnat:imageAssessorData, "
                "as xnat:qcManualAssessorData does"
            )
        return cls(parent=self, label=label)

    _WORD = "image session"

    # The second place is as in 0.8; who gives True or False there, as for other objects, gets what that means.
    def download(  # type: ignore[override]
        self, path: str | os.PathLike[str], scan_filter: str | bool = "ALL", verbose: bool = True
    ) -> Path:
        """The files of its scans as one zip file.

        :param path: the zip file to make
        :param scan_filter: IDs or types of the scans, with commas between; all by default
        :param verbose: tell on stdout what is done; True or False is understood in the second place, too
        :return: its path
        """
        scan_filter, verbose = _in_either_order(scan_filter, verbose)
        return Path(self._download_zip(uris.join(self._short_uri, "scans", scan_filter, "files"), path, verbose))

    def download_dir(  # type: ignore[override]
        self,
        target_dir: str | os.PathLike[str],
        scan_filter: str | bool = "ALL",
        verbose: bool = True,
        *,
        workers: int = 4,
        existing: str = "refresh",
        progress_callback: UpdateFunc | None = None,
        dry_run: bool = False,
    ) -> TransferReport | Plan:
        """Download its scans, resources, assessors and reconstructions into a folder of its label.

        Other parameters and the result are those of :meth:`~xnat.xnatbases.trees.DownloadsBelow.download_dir`.

        :param scan_filter: IDs or types of scans, with commas between: only these, and nothing else of the session
        :param verbose: tell on stdout what is done; True or False is understood in the second place, too
        :raises XNATKeyError: there is no such scan
        """
        scan_filter, verbose = _in_either_order(scan_filter, verbose)
        chosen = None if scan_filter == "ALL" else self._chosen_scans(scan_filter)
        groups = None if chosen is None else lambda folder: scan_files(self, folder, chosen)
        options: dict[str, Any] = {
            "workers": workers,
            "existing": existing,
            "update_func": progress_callback,
            "dry_run": dry_run,
        }
        done: TransferReport | Plan = self._transfer(target_dir, verbose, groups, **options)
        return done

    def _chosen_scans(self, scan_filter: str) -> dict[str, str | None]:
        scans = self._scan_types()
        found: dict[str, str | None] = {}
        for name in scan_filter.split(","):
            fitting = {id_: type_ for id_, type_ in scans.items() if name.strip() in (id_, type_)}
            if not fitting:
                there = ", ".join(f"{id_} ({type_})" for id_, type_ in scans.items()) or "none"
                raise XNATKeyError(f"{self!r} has no scan {name!r}; there is {there}")
            found |= fitting
        return found

    def _scan_types(self) -> dict[str, str | None]:
        """ID → type of its scans, as text: some servers have numbers in their rows."""
        types = {str(row["ID"]): row.get("type") for row in self.scans._table().rows if row.get("ID")}
        return {id_: None if type_ in (None, "") else str(type_) for id_, type_ in types.items()}

    def download_zip(  # type: ignore[override]
        self, path: str | os.PathLike[str], scan_filter: str | bool = "ALL", verbose: bool = True
    ) -> Path:
        """The same as :meth:`download`."""
        return self.download(path, scan_filter, verbose)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from scan_files(self, folder, self._scan_types())
        yield from own_files(self, self._short_uri, folder)
        for assessor in self.assessors.values():
            yield from assessor._groups(folder / "assessors" / safe_name(assessor.label))
        for reconstruction in self.reconstructions.values():
            yield from reconstruction._groups(folder / "reconstructions" / safe_name(reconstruction.id))


def _in_either_order(scan_filter: str | bool, verbose: bool) -> tuple[str, bool]:
    """Which scans, and whether to talk: in the second place 0.8 has the one, and 0.3.16 the other."""
    return ("ALL", scan_filter) if isinstance(scan_filter, bool) else (scan_filter, verbose)
