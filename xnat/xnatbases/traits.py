"""Behaviour that several data types share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.display import CliName
from ..core.terms import field_property
from ..exceptions import XNATResponseError, XNATValueError
from ..xpath import CLEAR
from .customvariables import CustomVariablesOf
from .mounted import data_dir_of, expected_dir_of

if TYPE_CHECKING:
    from ..core.objects import XNATObject as Base
    from ..customforms import CustomForms
    from ..protocols import Timeout
else:

    class Base:
        """At run time the mixins stand on their own, so that every generated class has a method order."""

        __slots__ = ()


__all__ = ["Base", "HasResources", "HasVariables", "Labelled", "Shareable", "project_of"]


def project_of(obj: Any) -> str | None:
    """The project through which an object is looked at: that of its path, its parents, its row or its item."""
    named = _project_of_path(obj.uri)
    if named is not None:
        return named
    # The parent as given: to find out another one, an object may have to know its project first.
    parent = obj._parent
    if parent is not None and hasattr(parent, "KIND"):
        found: str | None = parent.id if parent.KIND == "project" else getattr(parent, "project", None)
        if found:
            return found
    raw = obj._raw("project")
    return None if raw is None else str(raw)


def _project_in(uri: str, row: Mapping[str, Any]) -> str:
    project = _project_of_path(uri)
    if project is None:
        return str(row["project"]) if "project" in row else ""
    return project


@functools.lru_cache(maxsize=1024)
def _project_of_path(uri: str) -> str | None:
    segments = uris.split(uri)
    return segments[2] if len(segments) >= 3 and segments[1] == "projects" else None


class Labelled(Base):
    """Has a label of its own in each project it is in."""

    __slots__ = ()

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        # One thing is another object in each project it is looked at through: label and rights differ.
        return (cls.KIND, _project_in(uri, row), id_ or uris.split(uri)[-1])

    @classmethod
    def _identifier(cls, base: str) -> Callable[[str, Mapping[str, Any]], Hashable]:
        # Looking these up takes longer than the rest.
        kind, project = cls.KIND, _project_of_path(base)
        if project is not None:
            return lambda id_, row: (kind, project, id_)
        return lambda id_, row: (kind, _project_in(base, row), id_)

    def _thing(self) -> Hashable:
        return (self.KIND, self._id or self._uri)

    @field_property("project")
    def project(self) -> str | None:
        """ID of the project through which it is looked at (shared data is in several)."""
        return project_of(self)

    @field_property("label")
    def label(self) -> str:
        """Its label in this project. Setting it renames it on the server, in one PUT."""
        known = self._row.get("label")
        if known is not None and self._row_is_fresh():
            return str(known)
        project, fields = self.project, self.data
        if project and fields.get("project") not in (None, project):
            for share in self._children("sharing/share"):
                shared = share.get("data_fields", {})
                if shared.get("project") == project and shared.get("label"):
                    return str(shared["label"])
        return str(fields.get("label", self.id))

    def _rename(self, value: str) -> None:
        if not value:
            raise XNATValueError("A label can't be empty")
        self._check_alive()
        # XNAT's SubjAssessmentResource and SubjectResource rename by the bare key only, which has to stand in the URL,
        # and then ignore every other key of the request.
        id_ = self.id
        self._put({"label": str(value)})
        # It may have been found by its old label, where there is nothing any more.
        self._uri = uris.join(uris.parent(self._uri), id_)
        self._session.registry.wrote("rename", self.KIND)
        self._wrote({})

    # Not as a decorator: type checkers take two functions of one name for one with overloads.
    label = label.setter(_rename)

    def _put(self, query: Mapping[str, str], *, timeout: Timeout = None) -> None:
        try:
            super()._put(query, timeout=timeout)
        except XNATResponseError as error:
            # Of an experiment that isn't there, XNAT wants to have the contents when it is renamed or activated.
            if error.status_code == 417 and not self._is_there():
                raise self._gone() from error
            raise

    def _write(self, fields: Mapping[str, str], *, timeout: Timeout = None) -> None:
        if fields.get("label", "x").strip() in ("", CLEAR):
            raise XNATValueError("A label can't be empty")
        super()._write(fields, timeout=timeout)

    def _known_name(self) -> str:
        """What to call it in messages."""
        return str(self.label)


class Shareable(Base):
    """Can be shared into other projects."""

    __slots__ = ()

    def share(self, project: Any, label: str | None = None) -> None:
        """Share it into another project; it stays where it is. One PUT.

        :param project: the project, or its ID
        :param label: its label there; by default the same
        :raises XNATConflictError: it is there already, or the label is taken
        """
        self._check_alive()
        uri = self._uri_in(project)
        # Not repeated when its answer is lost: a second one is answered with 409.
        query = {"label": label} if label else None
        self._session.client.request("PUT", uri, query=query, accepted=[200, 201], idempotent=False)
        self._session.registry.wrote("share", self.KIND)
        self._wrote({})

    def unshare(self, project: Any) -> None:
        """Take it out of a project it was shared into. One DELETE."""
        self._check_alive()
        self._session.delete(self._uri_in(project))
        self._session.registry.wrote("share", self.KIND)
        self._wrote({})

    def _uri_in(self, project: Any) -> str:
        id_ = project.id if getattr(project, "KIND", "") == "project" else project
        if not isinstance(id_, str):
            raise XNATValueError(f"What it is shared into must be a project or the ID of one, not {project!r}")
        return uris.join(self._path, "projects", id_)


class HasVariables(Base):
    """Can have custom variables."""

    __slots__ = ()

    #: On an object: its custom variables by group, with the types and options that the project's protocol gives them.
    #: On a class: terms for searches, ``MrSessionData.custom_variables['dose'] > 3``.
    custom_variables = CustomVariablesOf()


class HasResources(Base):
    """Can hold resources, and files in them."""

    __slots__ = ()

    @property
    def data_dir(self) -> Path | None:
        """Its directory in the server's archive, where that is mounted here; see :mod:`xnat.xnatbases.mounted`."""
        return data_dir_of(self)

    @property
    def expected_data_dir(self) -> Path | None:
        """Where :attr:`data_dir` should be, whether it is there or not; None unless an archive is mounted."""
        return expected_dir_of(self)

    @property
    def cli_str(self) -> CliName:
        """What the command line calls it. Scripts for 0.8 call it, ``cli_str()``, which gives the same text."""
        return CliName(f"{self.KIND.capitalize()} {getattr(self, '_known_name', lambda: self.id)()}")

    @property
    def custom_forms(self) -> CustomForms:
        """The values of its custom forms, as a mutable mapping (XNAT 1.8.8+); see :mod:`xnat.customforms`."""
        from ..customforms import CustomForms

        return CustomForms(self)

    def create_resource(
        self, label: str, format: str | None = None, data_dir: Any = None, method: str | None = None
    ) -> Any:
        """A new resource of this object, with the files of a directory if one is given.

        :param format: what the files are (``'NIFTI'``)
        :param data_dir: a directory to upload
        :param method: how (see ``upload_dir`` of the resource)
        :return: the resource
        :raises XNATConflictError: there is one of that label
        :raises XNATValueError: the directory isn't there, or the method is unknown; no resource is made
        """
        fields: dict[str, Any] = {"label": label}
        if format is not None:
            fields["format"] = format
        return self._session.classes.ResourceCatalog(parent=self, data_dir=data_dir, upload_method=method, **fields)
