"""What XNAT does with projects."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import uris
from ..transfer.plan import RemoteGroup
from .tables import WholeProject
from .traits import HasResources
from .trees import DownloadsBelow, own_files

if TYPE_CHECKING:
    from ..core.listings import XNATListing

__all__ = ["ProjectData"]


class ProjectData(WholeProject, DownloadsBelow, HasResources):
    """A project: who may see what, and all that was acquired for it."""

    __slots__ = ()

    if TYPE_CHECKING:
        subjects: XNATListing

    KIND = "project"
    SECONDARY_LOOKUP_FIELD = "name"
    _DISPLAY_IDENTIFIER = "name"
    _CONTAINED_IN = "projects"

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        return ("project", id_ or uris.split(uri)[-1])

    @property
    def fulluri(self) -> str:
        """``/data/projects/<ID>``"""
        return uris.join("/data", "projects", self.id)

    @property
    def project(self) -> str:
        """Its own ID: what lies in it asks its parent for the project."""
        return str(self.id)

    @property
    def parent(self) -> Any:
        """The session."""
        return self._session

    _WORD = "project"

    def _known_name(self) -> str:
        return str(self._raw("name") or self.id)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from own_files(self, self.fulluri, folder)
        for subject in self.subjects.values():
            yield from subject._groups(folder / subject._folder())
