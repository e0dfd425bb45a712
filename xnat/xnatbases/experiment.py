"""What XNAT does with experiments of any kind, and with those that belong to a subject."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from .. import uris
from ..core.items import current_item
from ..core.kinds import SHORTCUTS
from ..core.looking import starting_point
from ..core.terms import field_property, parent_property
from ..exceptions import XNATValueError
from ..transfer.plan import RemoteGroup
from .traits import HasResources, HasVariables, Labelled, Shareable
from .trees import ComesAsZip, own_files

__all__ = ["ExperimentData", "SubjectAssessorData"]


class ExperimentData(Labelled, Shareable, HasVariables, HasResources, ComesAsZip):
    """An experiment: anything that was measured or derived."""

    __slots__ = ()

    KIND = "experiment"
    IS_ASSESSOR = False
    SECONDARY_LOOKUP_FIELD = "label"
    rest_shortcuts = SHORTCUTS["experiment"]
    _DISPLAY_IDENTIFIER = "label"
    _CONTAINED_IN = "experiments"
    _HAS_FIELDS = True
    _WORD = "experiment"

    @property
    def status(self) -> str:
        """``active``, ``quarantine``, ``locked`` or ``obsolete``, as the server says. One GET, not cached.

        Set it to ``'active'`` or ``'quarantined'``, which is :meth:`activate` or :meth:`quarantine`.
        """
        return str(self._session.get(uris.join(self._path, "status")).text.strip())

    @status.setter
    def status(self, value: str) -> None:
        key = {"active": "activate", "quarantined": "quarantine", "quarantine": "quarantine"}.get(str(value).lower())
        if key is None:
            raise XNATValueError(f"status can be set to 'active' or 'quarantined', not to {value!r}")
        self._check_alive()
        self._put({key: "true"})
        self._wrote({})

    def activate(self) -> None:
        """Take it out of quarantine. One PUT.

        :raises XNATForbiddenError: the account may not
        """
        self.status = "active"

    def quarantine(self) -> None:
        """Put it into quarantine: it has to be looked at. One PUT."""
        self.status = "quarantined"

    def _groups(self, folder: PurePosixPath) -> Iterator[RemoteGroup]:
        yield from own_files(self, self._short_uri, folder)

    def _zip_uri(self) -> str:
        return uris.join(self._short_uri, "files")

    @property
    def _short_uri(self) -> str:
        """``/data/experiments/<ID>``: every experiment is reachable there, whatever it lies in."""
        return uris.join("/data", "experiments", self.id)


class SubjectAssessorData(ExperimentData):
    """An experiment of a subject."""

    __slots__ = ()

    @starting_point
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

    @parent_property("xnat:subjectData")
    def parent(self) -> Any:
        """The subject."""
        return self.subject

    @property
    def _path(self) -> str:
        """``/data/projects/<project>/subjects/<subject>/experiments/<ID>``"""
        project = self.project
        if not project:
            return self.uri
        return uris.join("/data", "projects", project, "subjects", self.subject_id, "experiments", self.id)

    @property
    def fulluri(self) -> str:
        """The same below ``/data/archive``."""
        return uris.in_archive(self._path)

    def _take_back(self, made: str) -> None:
        # XNAT's SubjAssessmentResource makes a missing subject along with the experiment.
        short = uris.join("/data", "experiments", uris.split(made)[-1])
        subject = current_item(self._session.get_json(short), short)["data_fields"].get("subject_ID")
        super()._take_back(made)
        if not subject or subject == self.subject_id:
            return
        uri = uris.join("/data", "projects", self.project or "", "subjects", str(subject))
        # Made along with it, a subject is called what the path called it, which no subject of a person's making is.
        if current_item(self._session.get_json(uri), uri)["data_fields"].get("label") == self.subject_id:
            self._session.delete(uri)
