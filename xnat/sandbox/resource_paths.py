"""The paths below which there are resources and files."""

from __future__ import annotations

from werkzeug.wrappers import Response

from .errors import Refused
from .routing import Context, Route, View

__all__ = ["resource_routes"]

_SESSIONS = ("/data/projects/{project}/subjects/{subject}/experiments/{experiment}", "/data/experiments/{experiment}")
_SHORT = "/data/projects/{project}/experiments/{experiment}"
_OWNERS = [
    "/data/projects/{project}",
    "/data/projects/{project}/subjects/{subject}",
    "/data/subjects/{subject}",
    *_SESSIONS,
    _SHORT,
    *(f"{session}/{kind}s/{{{kind}}}" for session in _SESSIONS for kind in ("scan", "assessor", "reconstruction")),
]


def resource_routes(methods: str, tail: str, view: View) -> list[Route]:
    """A route for every object that has resources, and for both directions of those that have them."""
    found = []
    for owner in _OWNERS:
        found.append(Route(methods, owner + tail, _since_1_8(view) if owner == _SHORT else view))
        if owner.endswith(("{assessor}", "{reconstruction}")):
            found += [Route(methods, f"{owner}/{name}{tail}", _directed(view, name)) for name in ("in", "out")]
    return found


def _directed(view: View, direction: str) -> View:
    def directed(context: Context) -> Response:
        context.path["direction"] = direction
        return view(context)

    return directed


def _since_1_8(view: View) -> View:
    def checked(context: Context) -> Response:
        if not context.settings.at_least("1.8"):
            raise Refused(404)
        return view(context)

    return checked
