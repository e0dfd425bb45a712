"""What XNAT does with subjects."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.kinds import SHORTCUTS
from ..core.terms import parent_property
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
    _HAS_FIELDS = True
    _WORD = "subject"

    @property
    def _path(self) -> str:
        """``/data/projects/<project>/subjects/<ID>``"""
        project = self.project
        if not project:
            return self.uri
        return uris.join("/data", "projects", project, "subjects", self.id)

    @property
    def fulluri(self) -> str:
        """The same below ``/data/archive``."""
        return uris.in_archive(self._path)

    @parent_property("xnat:projectData")
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
