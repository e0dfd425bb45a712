"""A session of the prearchive, and what can be done with it."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .. import uris
from .._answers import answer_uris, flag_text, label_of, post, project_id, without_none
from .._effects import archive, is_lost, wait_until_gone
from ..core import XNATBaseObject, caching
from ..core.answers import result_rows
from ..core.display import CliName
from ..datatypes import convert_to
from ..exceptions import XNATConnectionError, XNATNotFoundError, XNATResponseError, XNATTimeoutError, XNATValueError
from .parts import PrearchiveListing, PrearchiveScan, part_at

if TYPE_CHECKING:
    import requests

    from ..protocols import Connection, Timeout

__all__ = ["PrearchiveSession", "prearchive_object", "row_uri"]

#: What XNAT calls the project of sessions it found none for.
UNASSIGNED = "Unassigned"
OVERWRITES = ("none", "append", "delete")


def row_uri(row: Mapping[str, Any]) -> str:
    """Where a session is, by its url. In that labels are not always quoted; so the other columns are taken if they say
    the same."""
    names = (row.get("project") or UNASSIGNED, row.get("timestamp"), row.get("folderName"))
    own = uris.join("/data/prearchive/projects", *map(str, names)) if all(names) else ""
    _, root, place = str(row.get("url") or "").partition("/prearchive/projects/")
    told = f"/data{root}{place}" if place else ""
    if not own and not told:
        raise XNATResponseError("The server's list of the prearchive has a row that doesn't say where its session is")
    return own if not told or unquote(told) == unquote(own) else told


class PrearchiveSession(XNATBaseObject):
    """A session in the prearchive.

    All of its attributes come from one answer of the server, which is kept until :meth:`clearcache`; those that
    :meth:`Prearchive.sessions` gave have it from there.
    """

    __slots__ = ()

    XSI_TYPE = "xnatpy:prearchiveSession"
    KIND = "prearchive"

    def __init__(
        self,
        uri: str | None = None,
        xnat_session: Connection | None = None,
        id_: str | None = None,
        datafields: Mapping[str, Any] | None = None,
        parent: Any = None,
        fieldname: str | None = None,
        overwrites: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if uri is None:
            raise XNATValueError(
                "Sessions come into the prearchive by import: session.services.import_(..., destination='/prearchive')"
            )
        super().__init__(uri, xnat_session, id_, datafields, parent, fieldname, overwrites, **kwargs)

    # -- what it is ---------------------------------------------------------------------------------------------------

    @caching
    def _item(self) -> dict[str, Any]:
        self._check_alive()
        fresh = "status" in self._row and self._row_is_fresh()
        row = self._row if fresh else self._ask()
        return {"data_fields": dict(row), "children": [], "meta": {"xsi:type": self.XSI_TYPE}}

    def _ask(self) -> Mapping[str, Any]:
        try:
            rows = result_rows(self._session.get_json(self.uri), self.uri)
        except XNATNotFoundError as error:
            # XNAT 1.7.0 to 1.7.2 can't tell about one session, and none can about one that is being received.
            return self._ask_for_all(error)
        if not rows:
            raise XNATNotFoundError(f"There is no prearchive session at {self.uri} (any more)", url=self.uri)
        return rows[0]

    def _ask_for_all(self, error: XNATNotFoundError) -> Mapping[str, Any]:
        container = uris.parent(uris.parent(self.uri))
        for row in result_rows(self._session.get_json(container), container):
            if uris.canonical(row_uri(row)) == self.uri:
                return row
        raise error

    def _write(self, fields: Mapping[str, str], *, timeout: Timeout = None) -> None:
        raise XNATValueError(f"{self!r} is in the prearchive, where nothing can be written; archive it first")

    def _text(self, name: str) -> str | None:
        value = self._raw(name)
        return None if value in (None, "") else str(value)

    def _segment(self, index: int) -> str:
        return uris.split(self._uri)[index]

    @property
    def id(self) -> str:
        """A unique ID for the session in the prearchive: ``project/timestamp/name``."""
        return "/".join(uris.split(self._uri)[3:6])

    @property
    def project(self) -> str:
        """ID of the project, ``Unassigned`` where XNAT found none."""
        return self._segment(3)

    @property
    def timestamp(self) -> datetime.datetime | None:
        """When it was received: the name of its folder as a time."""
        # Twelve digits after the day at most: XNAT writes milliseconds.
        return _moment(self._segment(4), "%Y%m%d_%H%M%S%f")

    @property
    def folder_name(self) -> str:
        """The name of its folder."""
        return self._text("folderName") or self._segment(5)

    @property
    def name(self) -> str:
        """The name of the session."""
        return self._text("name") or self._segment(5)

    @property
    def label(self) -> str:
        """The name of the session."""
        return self.name

    @property
    def subject(self) -> str | None:
        """The name of the subject."""
        return self._text("subject")

    @property
    def status(self) -> str | None:
        """READY, CONFLICT, ERROR, or what is being done: RECEIVING, BUILDING, ARCHIVING, MOVING, DELETING,
        or one of these with ``QUEUED_`` in front.

        As of when the server was asked; :meth:`wait` and :meth:`clearcache` ask again.
        """
        return self._text("status")

    @property
    def lastmod(self) -> datetime.datetime | None:
        """When it was last changed."""
        return _moment(self._text("lastmod"))

    @property
    def uploaded(self) -> datetime.datetime | None:
        """Datetime when the session was uploaded; None where the server gives nothing that is a time."""
        return _moment(self._text("uploaded"))

    @property
    def scan_date(self) -> datetime.date | None:
        """The date of the scans."""
        # Some versions send '2001-09-24 00:00:00.0'.
        moment = _moment(self._text("scan_date"))
        return None if moment is None else moment.date()

    @property
    def scan_time(self) -> datetime.time | None:
        """The time of the scans."""
        try:
            return convert_to(self._text("scan_time"), "xs:time")  # type: ignore[no-any-return]
        except XNATValueError:
            return None

    @property
    def tag(self) -> str | None:
        """The UID of the study."""
        return self._text("tag")

    @property
    def autoarchive(self) -> str | None:
        """What XNAT is to do with it: Manual, AutoArchive or AutoArchiveOverwrite."""
        return self._text("autoarchive")

    @property
    def prevent_anon(self) -> bool | None:
        """Whether it is kept from being anonymised."""
        return convert_to(self._text("prevent_anon"), "xs:boolean")  # type: ignore[no-any-return]

    @property
    def prevent_auto_commit(self) -> bool | None:
        """Whether it is kept from being archived by itself."""
        return convert_to(self._text("prevent_auto_commit"), "xs:boolean")  # type: ignore[no-any-return]

    @property
    def scans(self) -> PrearchiveListing:
        """List of scans in the prearchive session; ID and series description work as index. One GET, then cached."""
        found: PrearchiveListing | None = self._listings.get("scans")
        if found is None:
            found = self._listings["scans"] = PrearchiveListing(
                self, "scans", PrearchiveScan, key="ID", second_key="series_description"
            )
        return found

    @property
    def cli_str(self) -> CliName:
        """What the command line calls it. Scripts for 0.8 call it, ``cli_str()``, which gives the same text."""
        return CliName(f"{self.id} ({self.status})")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    # -- what can be done with it -------------------------------------------------------------------------------------

    def archive(
        self,
        overwrite: str | None = None,
        quarantine: bool | None = None,
        trigger_pipelines: bool | None = None,
        project: Any = None,
        subject: Any = None,
        experiment: Any = None,
        *,
        timeout: Timeout = None,
    ) -> Any:
        """Archive this prearchive session in the main archive. One POST, and a GET for what came of it.

        If the answer is lost on the way (a connection that breaks, a proxy that gives up), it is not simply sent again:
        the session is watched until it is archived, and sent once more only if the server did nothing.

        :param overwrite: how to handle existing data: ``none``, ``append`` or ``delete``
        :param quarantine: flag to indicate session should be quarantined
        :param trigger_pipelines: indicate that archiving should trigger pipelines
        :param project: the project in the archive to assign the session to (ID or object)
        :param subject: the subject in the archive to assign the session to (label or object)
        :param experiment: the experiment in the archive to assign the session content to (label or object)
        :param timeout: seconds to wait; large sessions take minutes
        :return: the newly created experiment
        :raises XNATConflictError: the archive has such data already, and ``overwrite`` doesn't allow it
        :raises XNATForbiddenError: the server is busy with this session, or the account may not archive it
        """
        if overwrite is not None and overwrite not in OVERWRITES:
            raise XNATValueError(f"overwrite should be one of {', '.join(OVERWRITES)}, not {overwrite!r}")
        query = {
            "src": self.uri,
            # Without this, sessions of projects that archive by themselves are answered with a redirect to a page.
            "auto-archive": "false",
            "overwrite": overwrite,
            "quarantine": flag_text("quarantine", quarantine),
            "triggerPipelines": flag_text("trigger_pipelines", trigger_pipelines),
            "project": project_id(project),
            "subject": label_of(subject),
            "session": label_of(experiment),
        }
        self._check_alive()
        names = [label_of(experiment)] if experiment is not None else [self._row.get("name"), self._segment(5)]
        labels = [str(name) for name in names if name]

        def send() -> str:
            accepted = (200, 301, 303)
            response = post(
                self._session, "/data/services/archive", without_none(query), accepted=accepted, timeout=timeout
            )
            return answer_uris(response)[0]

        found = archive(self._session, send, self._status_now, project_id(project) or self.project, labels)
        registry = self._session.registry
        registry.wrote("import", "any")
        registry.drop(self._identity())
        self.clearcache()
        return self._session.create_object(found)

    def _status_now(self) -> str | None:
        """Its status, asked for now; None if it isn't there any more."""
        self.clearcache()
        try:
            return self._ask().get("status") or ""
        except XNATNotFoundError:
            return None

    def delete(self, asynchronous: bool | None = None) -> requests.Response:
        """Delete the session from the prearchive. One POST; the server does it when it gets to it.

        :param asynchronous: flag to delete asynchronously
        :return: requests response
        """
        response = self._service("delete", asynchronous)
        self._session.registry.drop(self._identity())
        return response

    def rebuild(self, asynchronous: bool | None = None) -> requests.Response:
        """Let the server look at the files of the session anew, which takes a while; see :meth:`wait`. One POST.

        :param asynchronous: flag to rebuild asynchronously
        :return: requests response
        """
        return self._service("rebuild", asynchronous)

    def move(self, new_project: Any, asynchronous: bool | None = None) -> requests.Response:
        """Move the session to a different project in the prearchive. One POST; see :meth:`wait`.

        Afterwards this object stands for the session in its new project, where it is once the server has moved it.

        :param new_project: the id of the project to move to (or the object)
        :param asynchronous: flag to move asynchronously
        :return: requests response
        :raises XNATNotFoundError: no such project
        :raises XNATForbiddenError: the account may not put data there
        """
        target = project_id(new_project)
        if not target:
            raise XNATValueError("A prearchive session is moved to a project: give its ID")
        response = self._service("move", asynchronous, newProject=target)
        registry = self._session.registry
        registry.drop(self._identity())
        timestamp, folder = uris.split(self._uri)[4:6]
        self._uri = uris.join("/data/prearchive/projects", target, timestamp, folder)
        self._listings.clear()
        registry.adopt(self._identity(), self)
        return response

    def _service(self, name: str, asynchronous: bool | None, **query: str) -> requests.Response:
        self._check_alive()
        flag = flag_text("asynchronous", asynchronous)
        query = {"src": self.uri, **query, **({} if flag is None else {"async": flag})}
        try:
            response = post(self._session, f"/data/services/prearchive/{name}", query)
        except (XNATConnectionError, XNATResponseError) as error:
            if not is_lost(error) or name == "rebuild":
                raise
            # It is done if the session is no longer where it was; that answer stands for the lost one.
            wait_until_gone(error, self._status_now)
            query = {"format": "json"}
            response = self._session.client.request("GET", self.uri, query=query, accepted=(200, 404))
        self.clearcache()
        return response

    def wait(
        self, status: str | Collection[str] = "READY", timeout: float = 600.0, *, interval: float = 0.5
    ) -> PrearchiveSession:
        """The session, once it has this status: deleting, moving and rebuilding are done when the server gets to them.

        Asks the server again and again, at first after ``interval`` seconds, then more and more rarely.

        :param status: what to wait for, or several
        :param timeout: how many seconds to wait
        :raises XNATTimeoutError: it didn't happen in time
        :raises XNATResponseError: it became ERROR or CONFLICT instead
        """
        wanted = {status} if isinstance(status, str) else set(status)
        end = time.monotonic() + timeout
        while True:
            self.clearcache()
            try:
                now = self.status
            except XNATNotFoundError:
                now = None  # on its way to another project
            if now in wanted:
                return self
            if now in ("ERROR", "CONFLICT"):
                raise XNATResponseError(f"{self!r} became {now} while waiting for {', '.join(wanted)}", url=self.uri)
            left = end - time.monotonic()
            if left <= 0:
                raise XNATTimeoutError(f"{self!r} is {now or 'not there'} after {timeout:g} s, not {', '.join(wanted)}")
            time.sleep(min(interval, left))
            interval = min(interval * 1.5, 15.0)

    def download(self, path: str | os.PathLike[str], *, verbose: bool = True) -> str:
        """Download the zip of the prearchive session.

        :param path: path to download to; the file stands there only when it is complete
        :param verbose: tell on stdout what is done
        :return: path of the downloaded zip file
        """
        self._check_alive()
        return str(self._session.download_zip(self.uri, path, verbose=verbose))


def prearchive_object(
    xnat_session: Connection, uri: str, *, datafields: Mapping[str, Any] | None = None, parent: Any = None
) -> Any:
    """The session, scan, resource or file of the prearchive at a REST path. No request.

    :param datafields: what a listing told about it
    :raises XNATValueError: the path leads to nothing of the kind
    """
    uri = uris.canonical(uri)
    if len(uris.split(uri)) != 6:
        return part_at(xnat_session, uri, datafields, parent)
    found: PrearchiveSession = xnat_session.registry.intern(
        PrearchiveSession._identify(uri, None, {}),
        lambda: PrearchiveSession(uri, xnat_session, datafields=datafields, parent=parent),
    )
    if datafields is not None:
        # The row of a listing is all that the session's own address would tell.
        found._cache.pop("_item", None)
        found._learn(datafields, None, parent)
    return found


def _moment(text: str | None, form: str | None = None) -> datetime.datetime | None:
    try:
        if form is not None and text is not None:
            return datetime.datetime.strptime(text, form)
        return convert_to(text, "xs:dateTime")  # type: ignore[no-any-return]
    except (ValueError, XNATValueError):
        return None
