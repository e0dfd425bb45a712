"""The application: a werkzeug Request in, a Response out; no sockets.

In order: the context path, faults, who is asking, the route, its view. Views register routes by having a list
``ROUTES`` in their module, see ``routing``; the modules are listed in ``VIEWS``.
"""

from __future__ import annotations

import importlib
import logging
import re
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from . import render
from .clock import now_ms
from .errors import Refused
from .faults import Disconnect, Faults
from .idle import settle
from .record import Recorder
from .routing import Context, Route, Router, split_path
from .sessions import Sessions, WebSession
from .settings import Settings
from .store import Store, User
from .store_users import GUEST

if TYPE_CHECKING:
    from .datatypes import Schemas

__all__ = ["Application", "Context", "Route"]

log = logging.getLogger("xnat.sandbox")

VIEWS = (
    "session", "xapi", "projects", "listings", "archive", "sharing", "resources", "files", "misc", "config",
    "custom_fields", "prearchive", "services", "search",
)  # fmt: skip

# /data/archive/X is /data/X for these only; /data/archive/JSESSION and friends do not exist.
ARCHIVED = {
    "projects", "subjects", "experiments", "scans", "reconstructions", "assessors", "resources", "files", "scan_types",
    "scanners", "investigators", "pipelines",
}  # fmt: skip
_DATA = {"data", "xapi", "fs"}
_BROWSER = re.compile(r"MSIE|Mozilla|AppleWebKit|Opera", re.IGNORECASE)


def routes() -> list[Route]:
    """The routes of all view modules."""
    found: list[Route] = []
    for name in VIEWS:
        found += importlib.import_module(f"{__package__}.views.{name}").ROUTES
    return found


def _refuse_forgery(context: Context) -> None:
    """A page elsewhere can make a browser write, but does not know the token of its session. Scripts need none."""
    request = context.request
    if request.method in ("GET", "HEAD") or not _BROWSER.search(request.headers.get("User-Agent", "")):
        return
    if context.session is None or context.params.get("XNAT_CSRF") != context.session.csrf:
        raise Refused(403, "Browsers need the session's XNAT_CSRF token to write.")


class FormRequest(Request):
    """A request whose form may be as large as a real server takes: many fields of an object in one form."""

    max_form_memory_size = 64 * 1024 * 1024


class Application:
    """``application(request)`` answers; as a WSGI callable it serves any WSGI server.

    :ivar closing: set by the server when it ends
    """

    def __init__(self, store: Store, schemas: Schemas, settings: Settings) -> None:
        self.store = store
        self.schemas = schemas
        self.settings = settings
        self.sessions = Sessions(settings.session_seconds)
        self.faults = Faults(self)
        self.recorder = Recorder()
        self.closing = threading.Event()
        self._router = Router(routes())

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI face. ``Disconnect`` leaves it: the server then drops the connection."""
        response = self(FormRequest(environ))
        return response(environ, start_response)

    def __call__(self, request: Request) -> Response:
        """The answer to a request."""
        if self.settings.delay:
            self.pause(self.settings.delay)
        entry = self.recorder.begin(request)
        try:
            response = self.faults.apply(request, self._answer)
        except Disconnect:
            entry.finish(0)
            raise
        entry.finish(response.status_code)
        return response

    def pause(self, seconds: float) -> None:
        """Wait; hang up if the server ends meanwhile, which would else wait for an answer that only waits."""
        if self.closing.wait(seconds):
            raise Disconnect

    # -- one request ----------------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response:
        raw = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI") or request.path
        segments, trailing = split_path(raw)
        try:
            settle(self.store, self.settings.idle_seconds)
            segments = self._below_context(segments)
            return self._dispatch(request, segments, trailing)
        except Refused as refusal:
            return self._refusal(segments, refusal)
        except HTTPException as error:
            return self._refusal(segments, Refused(error.code or 500, error.description or ""))
        except ConnectionError as error:
            raise Disconnect from error
        except Disconnect:
            raise
        except Exception as error:
            if self.store.closed:  # its ground was taken away, and the one who asked was hung up on: not worth a word
                raise Disconnect from error
            log.exception("%s %s failed", request.method, raw)
            return self._refusal(segments, Refused(500, f"{type(error).__name__}: {error}"))

    def _below_context(self, segments: list[str]) -> list[str]:
        context = [part for part in self.settings.context_path.split("/") if part]
        if segments[: len(context)] != context:
            raise Refused(404)
        segments = segments[len(context) :]
        if segments[:1] == ["REST"]:
            segments = ["data", *segments[1:]]
        if segments[:1] == ["xapi"] and not self.settings.at_least("1.7"):
            raise Refused(404)
        archived = segments[:2] == ["data", "archive"] and segments[2:3] and segments[2] in ARCHIVED
        if archived and not (segments[2] == "projects" and segments[4:5] == ["config"]):
            segments = ["data", *segments[2:]]
        return segments

    def _dispatch(self, request: Request, segments: list[str], trailing: bool) -> Response:
        user, session, fresh = self._who(request)
        try:
            route, values = self._router.find(request.method, segments)
        except Refused:
            if user is None:  # a closed site does not tell strangers what exists
                return self._ask_for_login(request, segments)
            raise
        if user is None and not route.open:
            return self._ask_for_login(request, segments)
        context = Context(
            request, self.store, self.schemas, self.settings, self.sessions, user or GUEST, session, values,
            "/" + "/".join(segments), trailing,
        )  # fmt: skip
        try:
            if segments[:1] == ["data"] and not route.open:
                _refuse_forgery(context)
            response = route.view(context)
        except Refused as refusal:
            response = self._refusal(segments, refusal)
        self._set_cookies(response, context.session, fresh or context.session is not session)
        return response

    def _who(self, request: Request) -> tuple[User | None, WebSession | None, bool]:
        """User, session, whether the session is new; no user means: not logged in on a closed site."""
        session = self.sessions.get(request.cookies.get("JSESSIONID", ""))
        authorization = request.authorization
        if authorization is not None and authorization.type == "basic":
            user = self.store.users.check(authorization.username or "", authorization.password or "")
            if user is None:
                raise Refused(self._bad_credentials_status(authorization.username or ""), "Bad credentials")
            if session is not None and session.login == user.login:
                return user, session, False
            return user, self.sessions.create(user.login), True
        if session is not None:
            known = GUEST if session.login == "guest" else self.store.users.get(session.login)
            if known is not None and known.enabled and not (known.guest and self.settings.require_login):
                return known, session, False
        if self.settings.require_login:
            return None, None, False
        return GUEST, self.sessions.create("guest"), True

    def _bad_credentials_status(self, alias: str) -> int:
        token = self.store.users.token(alias)
        return 403 if token and not token.enabled and not self.settings.at_least("1.7.5") else 401

    def _ask_for_login(self, request: Request, segments: list[str]) -> Response:
        browser = _BROWSER.search(request.headers.get("User-Agent", "")) is not None
        if segments[:1] and segments[0] in _DATA and not browser:
            return self._refusal(segments, Refused(401))
        response = Response(status=302)
        response.headers["Location"] = f"{self.settings.context_path}/app/template/Login.vm"
        return response

    def _refusal(self, segments: list[str], refusal: Refused) -> Response:
        if segments[:1] == ["xapi"]:
            response = render.text("" if refusal.status in (401, 403) else refusal.message, refusal.status)
        else:
            response = render.status_page(refusal.status, refusal.message, self.settings.context_path)
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = f'Basic realm="{self.settings.site_id}"'
        response.headers.update(refusal.headers)
        return response

    def _set_cookies(self, response: Response, session: WebSession | None, fresh: bool) -> None:
        if session is None:
            return
        path = f"{self.settings.context_path}/"
        if fresh:
            response.set_cookie("JSESSIONID", session.id, path=path, httponly=True)
        # Written by hand: the value is quoted on the wire, and holds a comma.
        expiry = f'SESSION_EXPIRATION_TIME="{now_ms()},{self.sessions.seconds * 1000}"; Path={path}'
        response.headers.add("Set-Cookie", expiry)
