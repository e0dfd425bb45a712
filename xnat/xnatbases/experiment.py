"""What XNAT does with experiments of any kind, and with those that belong to a subject."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from .. import uris
from ..core.terms import field_property
from ..transfer.plan import RemoteGroup
from .subject import _project_in
from .traits import HasResources, Labelled, Shareable
from .trees import DownloadsBelow, own_files

__all__ = ["ExperimentData", "SubjectAssessorData"]


class ExperimentData(Labelled, Shareable, HasResources, DownloadsBelow):
    """An experiment: anything that was measured or derived."""

    __slots__ = ()

    KIND = "experiment"
    IS_ASSESSOR = False
    SECONDARY_LOOKUP_FIELD = "label"
    _DISPLAY_IDENTIFIER = "label"
    _CONTAINED_IN = "experiments"
    _WORD = "experiment"

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        return ("experiment", _project_in(uri, row), id_ or uris.split(uri)[-1])

    def _thing(self) -> Hashable:
        return ("experiment", self._id or self._uri)

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from own_files(self, self._short_uri, folder)

    @property
    def _short_uri(self) -> str:
        """``/data/experiments/<ID>``: every experiment is reachable there, whatever it lies in."""
        return uris.join("/data", "experiments", self.id)


class SubjectAssessorData(ExperimentData):
    """An experiment of a subject."""

    __slots__ = ()

    @property
    def subject(self) -> Any:
        """The subject it belongs to."""
        if getattr(self._parent, "KIND", "") == "subject":
            return self._parent
        project, id_ = self.project, self.subject_id
        uri = (
            uris.join("/data", "projects", project, "subjects", id_) if project else uris.join("/data", "subjects", id_)
        )
        return self._session.create_object(uri, "xnat:subjectData", id_=id_)

    @field_property("subject_ID")
    def subject_id(self) -> str:
        """ID of the subject it belongs to."""
        if getattr(self._parent, "KIND", "") == "subject":
            return str(self._parent.id)
        return str(self._raw("subject_ID"))

    @property
    def parent(self) -> Any:
        """The subject."""
        return self.subject

    @property
    def fulluri(self) -> str:
        """``/data/projects/<project>/subjects/<subject>/experiments/<ID>``"""
        project = self.project
        if not project:
            return self.uri
        return uris.join("/data", "projects", project, "subjects", self.subject_id, "experiments", self.id)
