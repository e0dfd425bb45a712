"""What XNAT does with image sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import uris
from ..exceptions import XNATKeyError
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

    if TYPE_CHECKING:
        scans: XNATListing
        assessors: XNATListing
        reconstructions: XNATListing

    def create_assessor(self, label: str, type_: str) -> Any:
        """A new assessor of this session.

        :param type_: its xsi type, as ``'xnat:qcManualAssessorData'``, or its class
        """
        cls = self._session.classes.XNAT_CLASS_LOOKUP[type_] if isinstance(type_, str) else type_
        return cls(parent=self, label=label)

    _WORD = "image session"

    def download(self, path: str | os.PathLike[str], verbose: bool = True, *, scan_filter: str = "ALL") -> Path:
        """The files of its scans as one zip file.

        :param path: the zip file to make
        :param scan_filter: IDs or types of the scans, with commas between; all by default
        :return: its path
        """
        return Path(self._download_zip(uris.join(self._short_uri, "scans", scan_filter, "files"), path, verbose))

    def download_dir(
        self,
        target_dir: str | os.PathLike[str],
        verbose: bool = True,
        *,
        scan_filter: str = "ALL",
        workers: int = 4,
        existing: str = "refresh",
        progress_callback: UpdateFunc | None = None,
        dry_run: bool = False,
    ) -> TransferReport | Plan:
        """Download its scans, resources, assessors and reconstructions into a folder of its label.

        Other parameters and the result are those of :meth:`~xnat.xnatbases.trees.DownloadsBelow.download_dir`.

        :param scan_filter: IDs or types of scans, with commas between: only these, and nothing else of the session
        :raises XNATKeyError: there is no such scan
        """
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
        rows = list(self.scans._table().rows)
        found: dict[str, str | None] = {}
        for name in scan_filter.split(","):
            fitting = [row for row in rows if name.strip() in (row["ID"], row.get("type"))]
            if not fitting:
                there = ", ".join(f"{row['ID']} ({row.get('type')})" for row in rows) or "none"
                raise XNATKeyError(f"{self!r} has no scan {name!r}; there is {there}")
            found.update({row["ID"]: row.get("type") for row in fitting})
        return found

    def download_zip(self, path: str | os.PathLike[str], verbose: bool = True) -> Path:
        """The same as :meth:`download`."""
        return self.download(path, verbose)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        scans = {row["ID"]: row.get("type") for row in self.scans._table().rows}
        yield from scan_files(self, folder, scans)
        yield from own_files(self, self._short_uri, folder)
        for assessor in self.assessors.values():
            yield from assessor._groups(folder / "assessors" / safe_name(assessor.label))
        for reconstruction in self.reconstructions.values():
            yield from reconstruction._groups(folder / "reconstructions" / safe_name(reconstruction.id))
