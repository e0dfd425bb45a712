"""What XNAT does with data that was derived from an image session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from .. import uris
from ..core.terms import parent_property
from ..transfer.names import safe_name
from ..transfer.plan import RemoteGroup
from .experiment import ExperimentData
from .trees import own_files

__all__ = ["DerivedData", "ImageAssessorData"]


class DerivedData(ExperimentData):
    """Something derived from other data."""

    __slots__ = ()


class ImageAssessorData(DerivedData):
    """Something derived from an image session; XNAT calls it an assessor."""

    __slots__ = ()

    IS_ASSESSOR = True
    _CONTAINED_IN = "assessors"
    _WORD = "assessor"

    def _folder(self) -> PurePosixPath:
        return PurePosixPath(safe_name(self.image_session.label), "assessors", safe_name(self.label))

    def download(self, path: str | os.PathLike[str], verbose: bool = True) -> Path:
        """Its files as one zip file.

        :param path: the zip file to make
        :return: its path
        """
        return Path(self._download_zip(uris.join(self._path, "files"), path, verbose))

    def download_zip(self, path: str | os.PathLike[str], verbose: bool = True) -> Path:
        """The same as :meth:`download`."""
        return self.download(path, verbose)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from own_files(self, self._path, folder)

    def _zip_uri(self) -> str:
        return uris.join(self._path, "files")

    @property
    def session_id(self) -> str:
        """ID of the image session it was derived from."""
        if getattr(self._parent, "KIND", "") == "experiment":
            return str(self._parent.id)
        return str(self._raw("session_ID") or self._raw("imageSession_ID"))

    @property
    def image_session(self) -> Any:
        """The image session it was derived from."""
        if getattr(self._parent, "KIND", "") == "experiment":
            return self._parent
        return self._session.create_object(uris.join("/data", "experiments", self.session_id), id_=self.session_id)

    @parent_property("xnat:imageSessionData")
    def parent(self) -> Any:
        """The image session."""
        return self.image_session

    @property
    def _path(self) -> str:
        """``/data/experiments/<session>/assessors/<ID>``"""
        return uris.join("/data", "experiments", self.session_id, "assessors", self.id)
