"""What waits in the prearchive."""

from __future__ import annotations

import fnmatch
import weakref
from typing import TYPE_CHECKING, Any

from .. import uris
from .._answers import project_id
from ..core.answers import result_rows
from ..core.caching import Caches
from ..core.rows import Rows
from .session import PrearchiveSession, prearchive_object, row_uri

if TYPE_CHECKING:
    from ..protocols import Connection

__all__ = ["Prearchive"]


class Prearchive(Caches):
    """The prearchive of a server, as ``session.prearchive``."""

    def __init__(self, xnat_session: Connection) -> None:
        self._session = xnat_session
        self._caching: bool | None = None
        self._given: weakref.WeakSet[PrearchiveSession] = weakref.WeakSet()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_given": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What was given to somebody was given in another process.
        self.__dict__.update(state, _given=weakref.WeakSet())

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self._session

    def sessions(self, project: Any = None, *, allow_receiving: bool = False) -> list[PrearchiveSession]:
        """The sessions in the prearchive, as a list. One GET at each call; nothing of it is cached.

        Sessions that nobody could be assigned to are listed for administrators only, as project ``Unassigned``.

        :param project: ID of a project (or the object), by default all that this account can edit
        :param allow_receiving: also sessions of which data is still coming in; XNAT tells little about those
        :raises XNATNotFoundError: no such project
        """
        uri = "/data/prearchive/projects"
        if project is not None:
            uri = uris.join(uri, project_id(project) or "")
        time_asked = self._session.registry.now()
        rows = Rows(result_rows(self._session.get_json(uri), uri), time_asked)
        wanted = [row for row in rows if allow_receiving or not _is_receiving(str(row.get("status", "")))]
        found = [prearchive_object(self._session, row_uri(row), datafields=row) for row in wanted]
        for session in found:
            self._given.add(session)
            if self._caching is not None:
                session.caching = self._caching
        return found

    def clearcache(self) -> None:
        """Forget what the server said about the sessions that :meth:`sessions` and :meth:`find` gave."""
        for session in list(self._given):
            session.clearcache()

    def find(
        self,
        project: Any = None,
        subject: str | None = None,
        session: str | None = None,
        status: str | None = None,
        allow_receiving: bool = False,
    ) -> list[PrearchiveSession]:
        """The sessions that fit. One GET.

        :param project: ID of a project (or the object)
        :param subject: name of the subject; ``*`` and ``?`` stand for anything
        :param session: name of the session, or of its folder; ``*`` and ``?`` stand for anything
        :param status: as ``'READY'`` or ``'CONFLICT'``
        :param allow_receiving: also sessions of which data is still coming in
        """
        allow_receiving = allow_receiving or (status is not None and _is_receiving(status))
        return [
            found
            for found in self.sessions(project, allow_receiving=allow_receiving)
            if _fits(subject, found.subject)
            and _fits(session, found.name, found.folder_name)
            and (status is None or (found.status or "").upper() == status.upper())
        ]

    def __repr__(self) -> str:
        return "<Prearchive>"


def _is_receiving(status: str) -> bool:
    # A leading '_' says that the server is working on it.
    return status.lstrip("_").upper().startswith("RECEIVING")


def _fits(pattern: str | None, *names: str | None) -> bool:
    return pattern is None or any(
        name == pattern or fnmatch.fnmatchcase(name, pattern) for name in names if name is not None
    )
