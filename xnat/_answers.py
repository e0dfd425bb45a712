"""Services of XNAT answer with REST paths, in several spellings and places: here they become what they stand for."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import uris
from .core.caching import caching as cached
from .exceptions import XNATResponseError

if TYPE_CHECKING:
    from collections.abc import Hashable

    import requests

    from .protocols import Connection, Query, Timeout

__all__ = [
    "DicomBoxImportRequest",
    "answer_uris",
    "archive_path",
    "flag_text",
    "label_of",
    "post",
    "project_id",
    "without_none",
]

# Full URLs, context paths and the missing /data of older versions all come before one of these.
_REST_PATH = re.compile(r"(?:/(?:data|REST))?/(?:archive|prearchive|projects|experiments)/[^\s?]+")
# Whatever such a path names, it is one.
_DATA_PATH = re.compile(r"/data/\S+")


def post(
    session: Connection,
    path: str,
    query: Query | None = None,
    *,
    accepted: Sequence[int] = (200, 201),
    timeout: Timeout = None,
    **options: Any,
) -> requests.Response:
    """POST something that does work on the server: it is never sent twice, and redirects are answers.

    Where the session keeps values out of URLs (``form_writes``), the query goes into the body: the services take both.
    """
    if query and "data" not in options and getattr(session, "form_writes", False):
        query, options["data"] = None, query
    return session.client.request(
        "POST",
        path,
        query=query,
        accepted=accepted,
        timeout=timeout,
        allow_redirects=False,
        idempotent=False,
        **options,
    )


def answer_uris(response: requests.Response) -> list[str]:
    """The REST paths an answer names: one a line of its body, else that of its Location header.

    :raises XNATResponseError: it names none
    """
    text = response.content.decode("utf-8", "replace")
    lines = text.splitlines() if not text.lstrip().startswith(("<", "{")) else []
    found = [_rest_path(line.strip()) for line in lines if line.strip()]
    if not found or not all(found):
        # Redirects carry a page, or a sentence, for people.
        found = [_rest_path(response.headers.get("Location", ""))]
    if not all(found):
        shown = text[:200].strip() or response.headers.get("Location") or "nothing"
        raise XNATResponseError(
            f"The server did what was asked ({response.status_code}), but its answer names no REST path: {shown}",
            response,
            method="POST",
            url=uris.redact(response.url),
            status_code=response.status_code,
            text=text,
        )
    return [uri for uri in dict.fromkeys(found) if uri is not None]


def _rest_path(line: str) -> str | None:
    if line.startswith("/xapi/"):
        return line
    # Labels with blanks come unquoted, so a line is cut at a query only.
    place = line.partition("?")[0].replace(" ", "%20")
    match = _REST_PATH.search(place) or _DATA_PATH.fullmatch(place)
    if match is None:
        return None
    path = match.group()
    return uris.canonical(path if path.startswith(("/data/", "/REST/")) else f"/data{path}")


def archive_path(uri: str) -> str:
    """A REST path as the services want it: ``/archive/projects/...`` or ``/prearchive/projects/...``, without /data."""
    path = uris.canonical(uri if uri.startswith(("/data/", "/REST/")) or "://" in uri else f"/data{uri}")
    path = path.removeprefix("/data")
    return path if path.startswith(("/prearchive/", "/archive/")) else f"/archive{path}"


def project_id(project: Any) -> str | None:
    """The ID of a project, given as ID or object."""
    return None if project is None else str(getattr(project, "id", project))


def label_of(thing: Any) -> str | None:
    """The label of a subject or experiment, given as label or object."""
    return None if thing is None else str(getattr(thing, "label", thing))


def without_none(values: Mapping[str, str | None]) -> dict[str, str]:
    """The parameters that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def flag_text(name: str, value: bool | None) -> str | None:
    """A truth value as XNAT writes it.

    :raises TypeError: it is something else; ``'false'`` would be true
    """
    if value is None:
        return None
    if not isinstance(value, bool):
        raise TypeError(f"{name} should be True or False, not {value!r}")
    return "true" if value else "false"


class DicomBoxImportRequest:
    """An import from the server's inbox, which the server does by itself.

    Its attributes are as of the last answer; :meth:`refresh` asks again.
    """

    def __init__(self, uri: str, xnat_session: Connection) -> None:
        self.uri = uri
        self.xnat_session = xnat_session
        self._cache: dict[str, tuple[Hashable, Any]] = {}
        self._generation = 0

    @property
    def caching(self) -> bool:
        """Whether the answer is kept; the session's setting."""
        return self.xnat_session.caching

    def _stamp(self) -> Hashable:
        return (self.xnat_session.registry.stamp()[0], self._generation)

    def refresh(self) -> DicomBoxImportRequest:
        """The request itself; the next look asks the server."""
        self._generation += 1
        return self

    @property
    def data(self) -> dict[str, Any]:
        """All that the server tells. One GET, then cached."""
        return self._ask()

    @cached
    def _ask(self) -> dict[str, Any]:
        found: dict[str, Any] = self.xnat_session.get_json(self.uri)
        return found

    def _parameter(self, name: str) -> str | None:
        value = (self.data.get("parameters") or {}).get(name)
        return None if value is None else str(value)

    @property
    def id(self) -> str:
        """Its number."""
        return str(self.data["id"])

    @property
    def status(self) -> str:
        """Queued, Trawling, Importing, Accepted, Processed, Failed, Completed."""
        return str(self.data["status"])

    @property
    def username(self) -> str | None:
        """Who asked for it."""
        return self.data.get("username")

    @property
    def project_id(self) -> str | None:
        """The project it goes to."""
        return self._parameter("PROJECT_ID")

    @property
    def subject_id(self) -> str | None:
        """The subject it goes to."""
        return self._parameter("SUBJECT_ID")

    @property
    def session_path(self) -> str | None:
        """Where the data lie on the server."""
        return self.data.get("sessionPath")

    @property
    def cleanup_after_import(self) -> bool:
        """Whether they are deleted there afterwards."""
        return bool(self.data.get("cleanupAfterImport"))

    @property
    def enabled(self) -> bool:
        """Whether it is in force."""
        return bool(self.data.get("enabled"))

    @property
    def created(self) -> datetime.datetime | None:
        """When it was asked for."""
        return _java_time(self.data.get("created"))

    @property
    def timestamp(self) -> datetime.datetime | None:
        """When it last changed."""
        return _java_time(self.data.get("timestamp"))

    def __repr__(self) -> str:
        return f"<DicomBoxImportRequest {uris.split(self.uri)[-1]}>"


def _java_time(milliseconds: Any) -> datetime.datetime | None:
    if not isinstance(milliseconds, (int, float)):
        return None
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
