"""Routes, how a path finds one, and the context a view is called with.

A view module has ``ROUTES: list[Route]`` and functions ``view(context) -> Response``::

    def rebuild(context: Context) -> Response:
        row = find(context.store, context.path["project"])      # {project} of the pattern, unquoted
        if not context.can("edit", row.project):
            raise Refused(403, "...")
        return render.text("done")

    ROUTES = [Route("POST", "/data/prearchive/projects/{project}/{timestamp}/{folder}", rebuild)]

Patterns are written for ``/data/...``; ``app`` maps ``/REST/...``, and ``/data/archive/...`` where XNAT has both, to
them. ``{name}`` is one segment, ``{name*}`` at the end is any number of segments joined with '/' ('' for none). The
pattern with most literal segments wins, as with XNAT's router; if it lacks the method the answer is 405. GET routes
serve HEAD. ``Route(..., open=True)`` needs no login.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request, Response

from .errors import Refused
from .sessions import Sessions, WebSession
from .settings import Settings
from .store import Record, Store, User

if TYPE_CHECKING:
    from .datatypes import Schemas

__all__ = ["Context", "Route", "Router", "View", "atomic", "split_path"]


@dataclass
class Context:
    """One request, and everything a view may need to answer it."""

    request: Request
    store: Store
    schemas: Schemas
    settings: Settings
    sessions: Sessions
    user: User
    session: WebSession | None
    path: dict[str, str] = field(default_factory=dict)
    url_path: str = ""
    """The request's path below the context path, with /data for /REST and without /archive."""
    trailing_slash: bool = False

    @property
    def query(self) -> MultiDict[str, str]:
        """The query's parameters; ``context.query.get(name)``, ``.getlist(name)``, ``.items(multi=True)``."""
        return self.request.args

    @property
    def params(self) -> MultiDict[str, str]:
        """The query's parameters and, for an urlencoded body, the form's; reading it consumes such a body."""
        if self.request.mimetype != "application/x-www-form-urlencoded":
            return self.request.args
        merged: MultiDict[str, str] = MultiDict(self.request.args)
        merged.update(self.request.form)
        return merged

    def flag(self, name: str, default: bool = False) -> bool:
        """Whether a query parameter is ``true`` or ``1``."""
        value = self.query.get(name)
        return default if value is None else value.lower() in ("true", "1", "yes", "")

    @property
    def format(self) -> str:
        """``json``, ``csv``, ``xml``, ``html``, ``zip`` ...: the ``format`` parameter, lower case, or ''."""
        wanted = self.query.get("format", "").strip().lower()
        if "/" in wanted:  # a literal media type
            wanted = wanted.rpartition("/")[2].removeprefix("x-")
        return wanted

    def can(self, action: str, where: Record | str) -> bool:
        """Whether the user may ``read``, ``edit``, ``delete`` or ``own`` a record, or what belongs to a project."""
        if isinstance(where, Record):
            return self.store.users.can(self.user, action, where)
        return self.store.users.can_in(self.user, action, where)

    def require(self, action: str, record: Record | None, missing: str = "") -> Record:
        """The record if the user may do that: 404 when there is none or it cannot be seen, 403 otherwise."""
        if record is None or not self.can("read", record):
            raise Refused(404, missing)
        if not self.can(action, record):
            raise Refused(403)
        return record


View = Callable[[Context], Response]


@dataclass(frozen=True)
class Route:
    """Methods (``"GET"``, ``"PUT POST"``), a pattern and the view that answers."""

    methods: str
    pattern: str
    view: View
    open: bool = False


def atomic(view: View) -> View:
    """The view with the store to itself, so that of two requests for one new object only one makes it.

    The body is read before: a slow sender must not hold up everybody.
    """

    def held(context: Context) -> Response:
        context.request.get_data(parse_form_data=True)
        with context.store.transaction():
            return view(context)

    return held


def split_path(raw: str) -> tuple[list[str], bool]:
    """The unquoted segments of a raw path, and whether it ends with '/'. Empty segments are dropped."""
    path = raw.partition("?")[0]
    segments = [unquote_to_bytes(part).decode("utf-8", "replace") for part in path.split("/") if part]
    return segments, path.endswith("/")


class _Pattern:
    def __init__(self, text: str) -> None:
        self.parts = [part for part in text.split("/") if part]
        self.tail = ""
        if self.parts and self.parts[-1].endswith("*}"):
            self.tail = self.parts.pop()[1:-2]
        self.literals = sum(not part.startswith("{") for part in self.parts)
        self.views: dict[str, Route] = {}

    def match(self, segments: list[str]) -> dict[str, str] | None:
        if len(segments) < len(self.parts) or (len(segments) > len(self.parts) and not self.tail):
            return None
        values = {}
        for part, segment in zip(self.parts, segments, strict=False):
            if part.startswith("{"):
                values[part[1:-1]] = segment
            elif part != segment:
                return None
        if self.tail:
            values[self.tail] = "/".join(segments[len(self.parts) :])
        return values


class Router:
    """All routes, found by a path's first two segments and then by the most literal pattern."""

    def __init__(self, routes: Iterable[Route]) -> None:
        patterns: dict[str, _Pattern] = {}
        for route in routes:
            pattern = patterns.setdefault(route.pattern, _Pattern(route.pattern))
            for method in route.methods.split():
                pattern.views[method] = route
        ordered = sorted(patterns.values(), key=lambda pattern: (-pattern.literals, bool(pattern.tail)))
        self._patterns: dict[tuple[str, ...], list[_Pattern]] = {}
        for pattern in ordered:
            head = tuple(pattern.parts[:2]) if not any(part[0] == "{" for part in pattern.parts[:2]) else ()
            self._patterns.setdefault(head, []).append(pattern)

    def find(self, method: str, segments: list[str]) -> tuple[Route, dict[str, str]]:
        """The route of a request and its path's values; 404 or 405 when there is none."""
        method = "GET" if method == "HEAD" else method
        for head in (tuple(segments[:2]), tuple(segments[:1]), ()):
            for pattern in self._patterns.get(head, ()):
                values = pattern.match(segments)
                if values is None:
                    continue
                if method not in pattern.views:
                    raise Refused(405, headers={"Allow": ", ".join(sorted(pattern.views))})
                return pattern.views[method], values
        raise Refused(404)
