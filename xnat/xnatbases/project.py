"""What XNAT does with projects."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.answers import result_rows
from ..core.kinds import SHORTCUTS
from ..core.terms import parent_property
from ..exceptions import XNATKeyError
from .tables import WholeProject
from .traits import HasResources, HasVariables
from .trees import DownloadsBelow

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..core.listings import XNATListing
    from ..mapping import FilterFunctions, MappingLevel
    from ..protocols import UpdateFunc
    from ..users import Users

__all__ = ["ProjectData"]

#: What one says → the display name of XNAT's own groups.
_GROUPS = {
    "owner": "Owners", "owners": "Owners",
    "member": "Members", "members": "Members",
    "collaborator": "Collaborators", "collaborators": "Collaborators",
}  # fmt: skip


class ProjectData(WholeProject, HasVariables, DownloadsBelow, HasResources):
    """A project: who may see what, and all that was acquired for it."""

    __slots__ = ()

    if TYPE_CHECKING:
        subjects: XNATListing

    KIND = "project"
    SECONDARY_LOOKUP_FIELD = "name"
    rest_shortcuts = SHORTCUTS["project"]
    _DISPLAY_IDENTIFIER = "name"
    _CONTAINED_IN = "projects"
    _HAS_FIELDS = True

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        return ("project", id_ or uris.split(uri)[-1])

    @property
    def _path(self) -> str:
        """``/data/projects/<ID>``"""
        return uris.join("/data", "projects", self.id)

    @property
    def fulluri(self) -> str:
        """The same below ``/data/archive``."""
        return uris.in_archive(self._path)

    @property
    def project(self) -> str:
        """Its own ID: what lies in it asks its parent for the project."""
        return str(self.id)

    @parent_property()
    def parent(self) -> Any:
        """The session; on the class None, as that is no data type."""
        return self._session

    # -- who may see it ----------------------------------------------------------------------------------------------

    @property
    def users(self) -> Users:
        """Its members by login, with their access levels. One GET when looked at, then cached."""
        from ..users import Users

        found: Users | None = self._listings.get("users")
        if found is None:
            found = self._listings["users"] = Users(self._session, project=self.id)
        return found

    @property
    def access_level(self) -> str | None:
        """The role of this account in it (``Owners``, ``Members``, ...), None without one. One GET, then cached."""
        role = self._session.access_levels.get(self.id)
        if role is not None:
            return str(role)
        # Servers before XNAT 1.8 have no such list.
        member = self.users.get(str(self._session.logged_in_user))
        return None if member is None else member.access_level

    def set_access(self, user: Any, level: str) -> None:
        """Make somebody a member. One PUT.

        :param user: login, or a :class:`~xnat.users.User`
        :param level: ``'owner'``, ``'member'``, ``'collaborator'``, or the name or ID of a group of the project
        :raises XNATNotFoundError: there is no such user or group
        :raises XNATForbiddenError: this account may not
        """
        login = str(getattr(user, "login", user))
        # Older servers know their own groups by ID and by display name, but not as 'owner'.
        group = _GROUPS.get(level.lower(), level)
        self._session.put(uris.join(self._path, "users", group, login))
        self._access_changed()

    def remove_access(self, user: Any) -> None:
        """Take somebody out of all its groups. One GET for these, one DELETE for each.

        :param user: login, or a :class:`~xnat.users.User`
        :raises XNATKeyError: no member
        """
        login = str(getattr(user, "login", user))
        uri = uris.join(self._path, "users")
        rows = result_rows(self._session.get_json(uri), uri)
        groups = [row["GROUP_ID"] for row in rows if row.get("login") == login and row.get("GROUP_ID")]
        if not groups:
            there = ", ".join(sorted({str(row.get("login")) for row in rows})) or "nobody"
            raise XNATKeyError(f"{login!r} is no member of project {self.id}; members are {there}")
        for group in groups:
            self._session.delete(uris.join(uri, group, login))
        self._access_changed()

    def _access_changed(self) -> None:
        self.users.clearcache()
        self._session.forget("access_levels")

    _WORD = "project"

    def _known_name(self) -> str:
        return str(self._raw("name") or self.id)

    def _branches(self) -> Iterable[Any]:
        return self.subjects.values()

    # -- doing something with what lies in it ------------------------------------------------------------------------

    def mapping_iter(
        self,
        level: MappingLevel | str = "experiment",
        filter_function: FilterFunctions | Callable[[Any], object] | None = None,
    ) -> Iterator[Any]:
        """The objects of a level of this project, for a loop of one's own.

        Parameters are those of :meth:`xnat.session.XNATSession.mapping_iter`.
        """
        from ..mapping import objects_below

        return objects_below(self, level, filter_function)

    def map(
        self,
        function: Callable[..., Any],
        level: MappingLevel | str = "experiment",
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        filter_function: FilterFunctions | Callable[[Any], object] | None = None,
        logfile: str | os.PathLike[str] | None = None,
        *,
        executor: Executor | None = None,
        workers: int = 8,
        progress: UpdateFunc | bool | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Call ``function(object, *args, **kwargs)`` with every object of a level of this project, several at a time.

        Parameters and result are those of :meth:`xnat.session.XNATSession.map`.
        """
        from ..mapping import map_below

        options: dict[str, Any] = {"args": args, "kwargs": kwargs, "executor": executor, "workers": workers}
        return map_below(
            self, function, level, filter_function, progress=progress, journal=journal or logfile, **options
        )
