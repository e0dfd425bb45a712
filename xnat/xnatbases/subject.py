"""What XNAT does with subjects."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from .. import uris
from ..transfer.plan import RemoteGroup
from .tables import LooksAhead
from .traits import HasResources, Labelled, Shareable
from .trees import DownloadsBelow, own_files

if TYPE_CHECKING:
    from ..core.listings import XNATListing

__all__ = ["SubjectData"]


class SubjectData(LooksAhead, Labelled, Shareable, HasResources, DownloadsBelow):
    """A subject: a person or animal in a project."""

    __slots__ = ()

    if TYPE_CHECKING:
        experiments: XNATListing

    KIND = "subject"
    SECONDARY_LOOKUP_FIELD = "label"
    _DISPLAY_IDENTIFIER = "label"
    _CONTAINED_IN = "subjects"
    _WORD = "subject"

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        return ("subject", _project_in(uri, row), id_ or uris.split(uri)[-1])

    def _thing(self) -> Hashable:
        return ("subject", self._id or self._uri)

    @property
    def fulluri(self) -> str:
        """``/data/projects/<project>/subjects/<ID>``"""
        project = self.project
        if not project:
            return self.uri
        return uris.join("/data", "projects", project, "subjects", self.id)

    @property
    def parent(self) -> Any:
        """The project."""
        if self._parent is not None and getattr(self._parent, "KIND", "") == "project":
            return self._parent
        project = self.project
        if not project:
            return self._parent
        return self._session.create_object(uris.join("/data", "projects", project), "xnat:projectData", id_=project)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from own_files(self, self.fulluri, folder)
        for experiment in self.experiments.values():
            yield from experiment._groups(folder / experiment._folder())

    def _tell_done(self, place: Path) -> None:
        for experiment in self.experiments.values():
            experiment._tell_done(place)
        super()._tell_done(place)


def _project_in(uri: str, row: Mapping[str, Any]) -> str:
    segments = uris.split(uri)
    if len(segments) >= 3 and segments[1] == "projects":
        return segments[2]
    return str(row["project"]) if "project" in row else ""
