"""What became of a POST whose answer was lost: looked for on the server, since sending it again could do it twice.

A connection that breaks and a gateway that gives up (502, 504) say nothing about the work: the server may have done it,
may still be at it, or may never have heard of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from . import uris
from .core.answers import result_rows
from .exceptions import XNATConnectionError, XNATError, XNATNotFoundError, XNATRedirectError, XNATResponseError

if TYPE_CHECKING:
    from .protocols import Connection

__all__ = ["ImportWatch", "archive", "is_lost", "wait_until_gone"]

#: Seconds between looks: the first, and the longest.
INTERVAL, LONGEST = 0.5, 15.0
#: Seconds to wait for work that is seen to go on, and for the first sign of it.
PATIENCE, FIRST_SIGN = 1800.0, 3.0

_GATEWAY = (502, 504)
_AT_WORK = ("ARCHIVING", "BUILDING", "MOVING", "DELETING", "SEPARATING")
_Error = TypeVar("_Error", bound=XNATError)


def is_lost(error: XNATError) -> bool:
    """Whether the request may have been carried out although this came back."""
    if isinstance(error, XNATConnectionError):
        return error.sent and not isinstance(error, XNATRedirectError)
    return isinstance(error, XNATResponseError) and error.status_code in _GATEWAY


def archive(
    session: Connection,
    send: Callable[[], str],
    status: Callable[[], str | None],
    project: str,
    labels: Sequence[str],
) -> str:
    """Archives a session of the prearchive; sends that once more only if the server turns out to have done nothing.

    :param send: asks the server to archive it, and gives the REST path of the experiment
    :param status: asks for its status; None if it is no longer in the prearchive
    :param labels: what the experiment may be called
    :return: the REST path of the experiment
    """
    try:
        return send()
    except (XNATConnectionError, XNATResponseError) as error:
        found = _archived(session, error, status, project, labels)
    if found is None:
        try:
            return send()
        except (XNATConnectionError, XNATResponseError) as error:
            found = _archived(session, error, status, project, labels)
            if found is None:
                raise _with_note(error, "nothing was done: it is still in the prearchive") from None
    return found


def _archived(
    session: Connection, error: XNATError, status: Callable[[], str | None], project: str, labels: Sequence[str]
) -> str | None:
    """What became of a session of the prearchive that should be archived.

    :param error: what came in place of the answer
    :param status: asks for its status; None if it is no longer in the prearchive
    :param labels: what the experiment may be called
    :return: the REST path of the experiment; None if nothing was done, so that it may be sent again
    :raises XNATError: the error, with what was found out in its text
    """
    if not is_lost(error):
        raise error
    with _explaining(error):
        for seconds in _looks():
            now = status()
            if now is None:
                found = [uri for label in labels for uri in _experiments(session, project, label)]
                if found:
                    return found[0]
                raise _with_note(error, f"it has left the prearchive, but there is no such experiment in {project}")
            if _is_busy(now):
                continue
            if now != "READY":
                raise _with_note(error, f"it is still in the prearchive, as {now}")
            if seconds >= FIRST_SIGN:
                return None
        raise _with_note(error, "the server is still at work on it")


def wait_until_gone(error: XNATError, status: Callable[[], str | None]) -> None:
    """Waits until a session has left the place in the prearchive that it should leave.

    :raises XNATError: the error, with what was found out in its text
    """
    with _explaining(error):
        for seconds in _looks():
            now = status()
            if now is None:
                return
            if not _is_busy(now) and seconds >= FIRST_SIGN:
                raise _with_note(error, f"nothing was done: it is still in its place, as {now}")
        raise _with_note(error, "the server is still at work on it")


class ImportWatch:
    """Looks for the session that an import makes: what was there before, and what is there after the answer was lost.

    It can only be told for certain where project and label are known and nothing of that label was there before.

    :param destination: as the import service takes it
    """

    def __init__(self, session: Connection, destination: str, project: str | None, label: str | None) -> None:
        self._session = session
        self._project, self._label = project or "", label or ""
        self._into_archive = destination.startswith("/archive")
        self._before: list[str] | None = None
        if project and label:
            try:
                self._before = self._see()
            except (XNATResponseError, KeyError):
                pass  # the import itself will say it better

    def find(self, error: XNATError) -> str:
        """The REST path of the session the import made.

        :raises XNATError: the error it was given, with what was found out in its text
        """
        maybe = "the server may have imported it all the same"
        if self._before is None:
            raise _with_note(
                error,
                f"{maybe}: look for it in the project and in the prearchive before it is sent again (where project and "
                "experiment are given this is done by itself)",
            )
        if self._before:
            raise _with_note(error, f"{maybe}; it can't be told, since {self._before[0]} was there before")
        with _explaining(error):
            for seconds in _looks():
                rows = self._waiting()
                if any(_is_busy(_status(row)) or self._is_receiving(row) for row in rows):
                    continue
                found = self._see()
                if found:
                    return found[0]
                if rows:
                    where = f"/data{rows[0].get('url')}, {_status(rows[0])}"
                    raise _with_note(error, f"the import got no further than the prearchive ({where})")
                if seconds >= FIRST_SIGN:
                    raise _with_note(error, "nothing of it is to be found on the server, so it can be sent again")
            raise _with_note(error, "the server is still at work on it")

    def _see(self) -> list[str]:
        """REST paths of what has the label, where the import puts it."""
        if self._into_archive:
            return _experiments(self._session, self._project, self._label)
        return [f"/data{row['url']}" for row in self._waiting()]

    def _waiting(self) -> list[Mapping[str, Any]]:
        uri = uris.join("/data/prearchive/projects", self._project)
        try:
            rows = result_rows(self._session.get_json(uri), uri)
        except XNATNotFoundError:
            return []
        return [row for row in rows if self._label in (row.get("name"), row.get("folderName"))]

    def _is_receiving(self, row: Mapping[str, Any]) -> bool:
        # What is to stay in the prearchive may rest there as RECEIVING.
        return self._into_archive and _status(row).startswith("RECEIVING")


def _status(row: Mapping[str, Any]) -> str:
    return str(row.get("status") or "").upper()


def _is_busy(status: str) -> bool:
    return status.upper().startswith(("_", "QUEUED_")) or status.upper() in _AT_WORK


def _experiments(session: Connection, project: str, label: str) -> list[str]:
    """REST paths of the experiment of this label in a project; one row is asked for, not all."""
    uri = uris.join("/data/projects", project, "experiments")
    rows = result_rows(session.get_json(uri, query={"columns": "ID,label,project", "label": label}), uri)
    return [uris.join("/data/experiments", str(row["ID"])) for row in rows if row.get("label") == label]


def _looks() -> Iterator[float]:
    """Now, and then more and more rarely; gives the seconds gone by."""
    begun, interval = time.monotonic(), INTERVAL
    while (seconds := time.monotonic() - begun) < PATIENCE:
        yield seconds
        time.sleep(interval)
        interval = min(interval * 1.5, LONGEST)


def _with_note(error: _Error, note: str) -> _Error:
    error.args = (f"{error}; {note}", *error.args[1:])
    return error


@contextmanager
def _explaining(error: XNATError) -> Iterator[None]:
    """Raises the error itself, and not what goes wrong when looking for the effect."""
    try:
        yield
    except (XNATConnectionError, XNATResponseError) as problem:
        if problem is error:
            raise
        raise _with_note(error, f"whether it was done could not be found out ({problem})") from problem
