"""What XNAT does with subjects."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.kinds import SHORTCUTS
from .tables import LooksAhead
from .traits import HasResources, HasVariables, Labelled, Shareable
from .trees import DownloadsBelow

if TYPE_CHECKING:
    from ..core.listings import XNATListing

__all__ = ["SubjectData"]


class SubjectData(LooksAhead, Labelled, Shareable, HasVariables, HasResources, DownloadsBelow):
    """A subject: a person or animal in a project."""

    __slots__ = ()

    if TYPE_CHECKING:
        experiments: XNATListing

    KIND = "subject"
    SECONDARY_LOOKUP_FIELD = "label"
    rest_shortcuts = SHORTCUTS["subject"]
    _DISPLAY_IDENTIFIER = "label"
    _CONTAINED_IN = "subjects"
    _WORD = "subject"

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        return ("subject", _project_in(uri, row), id_ or uris.split(uri)[-1])

    @classmethod
    def _identify_in(cls, base: str, id_: str, row: Mapping[str, Any]) -> Hashable:
        return ("subject", _project_in(base, row), id_)

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

    def _branches(self) -> Iterable[Any]:
        return self.experiments.values()

    def _tell_done(self, place: Path) -> None:
        for experiment in self.experiments.values():
            experiment._tell_done(place)
        super()._tell_done(place)


def _project_in(uri: str, row: Mapping[str, Any]) -> str:
    project = _project_of_path(uri)
    if project is None:
        return str(row["project"]) if "project" in row else ""
    return project


@functools.lru_cache(maxsize=1024)
def _project_of_path(uri: str) -> str | None:
    segments = uris.split(uri)
    return segments[2] if len(segments) >= 3 and segments[1] == "projects" else None
