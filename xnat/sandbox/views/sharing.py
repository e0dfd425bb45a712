"""Sharing of subjects, experiments, assessors and scans into other projects: ``.../projects[/{other}]``."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.wrappers import Response

from .. import lookup, render
from ..errors import Refused
from ..render import Table
from ..routing import Context, Route, atomic
from ..store import Record


def _found(context: Context, kind: str) -> Record:
    if kind == "subject":
        return lookup.subject(context)
    return lookup.experiment(context) if kind == "experiment" else lookup.part(context, kind)


def shares(kind: str) -> Callable[[Context], Response]:
    """GET .../projects: the primary project first."""

    def view(context: Context) -> Response:
        record = _found(context, kind)
        seen = [(record.label, record.project)]
        seen += [(share.label, share.project) for share in context.store.archive.shares(record)]
        rows = []
        for label, id in seen:
            project = context.store.archive.project(id)
            if project is not None:
                fields = project.item.fields
                rows.append((label, id, fields.get("secondary_ID"), fields.get("name")))
        return render.table(context, Table(("label", "ID", "Secondary_ID", "Name"), rows))

    return view


def share(kind: str) -> Callable[[Context], Response]:
    """PUT .../projects/{other}[?label=][&primary=true]."""

    def view(context: Context) -> Response:
        record = _found(context, kind)
        other = context.store.archive.project(context.path["other"])
        if other is None:
            raise Refused(404, f"Unable to identify project: {context.path['other']}")
        if not context.can("edit", other.id) or not context.can("edit", record):
            raise Refused(403)
        label = context.query.get("label")
        if context.flag("primary"):
            context.store.archive.move(record, other.id, label, context.user.login)
        else:
            context.store.archive.share(record, other.id, label)
        return render.text()

    return view


def unshare(kind: str) -> Callable[[Context], Response]:
    """DELETE .../projects/{other}."""

    def view(context: Context) -> Response:
        record = _found(context, kind)
        other = context.path["other"]
        if not context.can("edit", other) and not context.can("edit", record):
            raise Refused(403)
        if other == record.project:
            raise Refused(403, "Objects cannot be removed from their own project.")
        if not context.store.archive.unshare(record, other):
            raise Refused(404, f"Unable to identify project: {other}")
        return render.text()

    return view


_SUBJECTS = ("/data/projects/{project}/subjects/{subject}", "/data/subjects/{subject}")
_SESSIONS = ("/data/projects/{project}/subjects/{subject}/experiments/{experiment}", "/data/experiments/{experiment}")
_BASES = [
    *(("subject", base) for base in _SUBJECTS),
    *(("experiment", base) for base in (*_SESSIONS, "/data/projects/{project}/experiments/{experiment}")),
    *(("assessor", f"{base}/assessors/{{assessor}}") for base in _SESSIONS),
    *(("scan", f"{base}/scans/{{scan}}") for base in _SESSIONS),
]

ROUTES = [
    route
    for kind, base in _BASES
    for route in (
        Route("GET", f"{base}/projects", shares(kind)),
        Route("PUT", f"{base}/projects/{{other}}", atomic(share(kind))),
        Route("DELETE", f"{base}/projects/{{other}}", atomic(unshare(kind))),
    )
]
