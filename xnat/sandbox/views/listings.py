"""Listings of projects, subjects, experiments, scans, assessors and reconstructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Response

from .. import lookup, render
from ..clock import days_ago
from ..errors import Refused
from ..query import Line, Listing, lines
from ..render import Table
from ..routing import Context, Route
from ..shortcuts import DEFAULTS
from ..store import Record
from .project_table import asked_for, project_table

DEFAULT_LIMIT = 100


def projects(context: Context) -> Response:
    """GET /data/projects: those the user may read."""
    if asked_for(context):
        return project_table(context)
    readable = context.store.users.readable_projects(context.user)
    listed = lines(context.store, "o.kind = 'project'")
    wanted = context.query.get("restrict")
    if wanted:
        action = {"edit": "edit", "delete": "delete"}.get(wanted, "read")
        listed = [line for line in listed if line.row and context.can(action, line.row["id"])]
    elif readable is not None:
        listed = [line for line in listed if line.row and _visible(context, line.row["id"], readable)]
    return _answer(context, Listing(context, "project"), listed, _uri("/data/projects"))


def _visible(context: Context, project: str, readable: set[str]) -> bool:
    return project in readable or context.store.users.accessibility(project) == "protected"


def subjects(context: Context) -> Response:
    """GET /data/subjects and /data/projects/{project}/subjects."""
    if "project" in context.path:
        project = _listed_project(context, "subjects")
        listed = _in_project(context, project.id, "'subject'")
        _relabel(context, listed, project.id)
    else:
        listed = _readable(context, "'subject'")
    return _answer(context, Listing(context, "subject"), listed, _uri("/data/subjects"), paged=True)


def experiments(context: Context) -> Response:
    """GET /data/experiments: every experiment, assessors too."""
    listing = Listing(context, "experiment", defaults=_experiment_columns(context), root_key=False)
    listed = _readable(context, "'experiment', 'assessor'")
    title = "Matching experiments"
    if "recent" in context.query:
        oldest = days_ago(_number(context, "recent", 60))
        listed = [line for line in listed if line.row and line.row["insert_date"] >= oldest]
        title = "Recent Experiments"
    return _answer(context, listing, listed, _uri("/data/experiments"), paged=True, title=title)


def _experiment_columns(context: Context) -> list[str]:
    names = list(DEFAULTS["experiment"])
    wanted = context.query.get("xsiType", "")
    if context.schemas.is_a(wanted, "xnat:subjectAssessorData"):
        names += ["subject_ID", "subject_label"]
    elif context.schemas.is_a(wanted, "xnat:imageAssessorData"):
        names += ["session_ID", "session_label"]
    return names


def project_experiments(context: Context) -> Response:
    """GET /data/projects/{project}/experiments, also below a subject: image assessors are not among them."""
    project = _listed_project(context, "experiments")
    if "subject" in context.path:
        subject = lookup.find_subject(context)
        if subject is None:
            raise Refused(404, f"Unable to identify subject {context.path['subject']}")
        listed = _in_project(context, project.id, "'experiment'", subject.key)
    else:
        listed = _in_project(context, project.id, "'experiment'")
    _relabel(context, listed, project.id, show_project=True)
    listing = Listing(context, "experiment", root="xnat:subjectAssessorData", root_key=True)
    return _answer(context, listing, listed, _uri("/data/experiments"), paged=True)


def scans(context: Context) -> Response:
    """GET .../experiments/{experiment}/scans: URIs are those of /data/experiments whatever path was used."""
    session = _listed_session(context)
    listed = lines(context.store, "o.parent = ? AND o.kind = 'scan'", session.key)
    return _answer(context, Listing(context, "scan"), listed, _uri(f"/data/experiments/{session.id}/scans"))


def assessors(context: Context) -> Response:
    """GET .../experiments/{experiment}/assessors."""
    session = _listed_session(context)
    listed = lines(context.store, "o.parent = ? AND o.kind = 'assessor'", session.key)
    listed = [line for line in listed if context.can("read", line.project) or _shared_to_user(context, line)]
    listing = Listing(context, "assessor", root_key=True)
    return _answer(context, listing, listed, _uri("/data/experiments"))


def reconstructions(context: Context) -> Response:
    """GET .../experiments/{experiment}/reconstructions."""
    session = _listed_session(context)
    listed = lines(context.store, "o.parent = ? AND o.kind = 'reconstruction'", session.key)
    uri = _uri(f"/data/experiments/{session.id}/reconstructions")
    return _answer(context, Listing(context, "reconstruction"), listed, uri)


# -- which objects ----------------------------------------------------------------------------------------------------


def _listed_project(context: Context, what: str) -> Record:
    name = context.path["project"]
    project = context.store.archive.project(name)
    if project is None or not context.can("read", project):
        # An unreadable project of a listing is the one case of 403 where elsewhere it is 404.
        raise Refused(404 if project is None else 403, _missing(name, what, project is None))
    if not context.can("read", project.id):
        raise Refused(403, _missing(name, what, False))
    return project


def _missing(name: str, what: str, missing: bool) -> str:
    return f"Unable to identify project {name}" if missing else f"Unable to read {what} for Project: {name}"


def _listed_session(context: Context) -> Record:
    if "project" in context.path and context.store.archive.project(context.path["project"]) is None:
        raise Refused(404, "Unable to find project.")
    found = lookup.find_experiment(context)
    if found is None or not context.can("read", found):
        raise Refused(404, "Unable to find experiment.")
    return found


def _in_project(context: Context, project: str, kinds: str, parent: int | None = None) -> list[Line]:
    shared_too = "(o.project = ? OR o.key IN (SELECT object FROM shares WHERE project = ?))"
    where = f"o.kind IN ({kinds}) AND {shared_too}"
    if parent is not None:
        return lines(context.store, where + " AND o.parent = ?", project, project, parent)
    shared = context.store.database.value("SELECT 1 FROM shares WHERE project = ? LIMIT 1", project)
    if shared is None:  # the common case, and much the quicker query
        return lines(context.store, f"o.kind IN ({kinds}) AND o.project = ?", project)
    return lines(context.store, where, project, project)


def _readable(context: Context, kinds: str) -> list[Line]:
    readable = context.store.users.readable_projects(context.user)
    if readable is None:
        return lines(context.store, f"o.kind IN ({kinds})")
    marks = ", ".join("?" * len(readable))
    shared = f"o.key IN (SELECT object FROM shares WHERE project IN ({marks}))"  # noqa: S608 - marks only
    return lines(context.store, f"o.kind IN ({kinds}) AND (o.project IN ({marks}) OR {shared})", *readable, *readable)


def _shared_to_user(context: Context, line: Line) -> bool:
    record = context.store.archive.get(line.row["key"]) if line.row else None
    return record is not None and context.can("read", record)


def _relabel(context: Context, listed: list[Line], project: str, *, show_project: bool = False) -> None:
    """Objects shared into a project have the share's label; experiments also seem to be of that project."""
    rows = context.store.database.rows("SELECT object, label FROM shares WHERE project = ?", project)
    labels = {row["object"]: row["label"] for row in rows}
    for line in listed if labels else ():
        assert line.row is not None
        if line.row["parent"] in labels:
            line.subject_label = labels[line.row["parent"]]
        if line.project != project:
            line.label = labels.get(line.row["key"], line.label)
            line.project = project if show_project else line.project


# -- the answer -------------------------------------------------------------------------------------------------------


def _uri(base: str) -> Callable[[Line], str]:
    return lambda line: f"{base}/{line.row['id']}" if line.row else base


def _answer(
    context: Context,
    listing: Listing,
    listed: list[Line],
    uri: Callable[[Line], str],
    *,
    paged: bool = False,
    title: str = "",
) -> Response:
    rows: list[list[Any]] = listing.rows(listed, uri)
    table = Table(listing.names, rows, title=title)
    paging = paged and context.settings.at_least("1.8") and ("limit" in context.query or "offset" in context.query)
    if paging:
        # sorted first: a page is a page of the sorted listing
        rows = render.sort_rows(
            context, list(table.columns), [[render.cell_text(cell) for cell in row] for row in rows]
        )
        start = _number(context, "offset", 0)
        limit = context.query.get("limit", str(DEFAULT_LIMIT))
        stop = None if limit == "*" else start + _number(context, "limit", DEFAULT_LIMIT)
        table = Table(listing.names, rows[start:stop], title=title, total=False)
    return render.table(context, table)


def _number(context: Context, name: str, default: int) -> int:
    text = context.query.get(name, str(default))
    if not text.isdigit():
        raise Refused(400, f"{name} must be a number")
    return int(text)


_SESSIONS = ("/data/projects/{project}/subjects/{subject}/experiments/{experiment}", "/data/experiments/{experiment}")

ROUTES = [
    Route("GET", "/data/projects", projects),
    Route("GET", "/data/subjects", subjects),
    Route("GET", "/data/projects/{project}/subjects", subjects),
    Route("GET", "/data/experiments", experiments),
    Route("GET", "/data/projects/{project}/experiments", project_experiments),
    Route("GET", "/data/projects/{project}/subjects/{subject}/experiments", project_experiments),
    *(
        Route("GET", f"{session}/{name}", view)
        for session in _SESSIONS
        for name, view in (("scans", scans), ("assessors", assessors), ("reconstructions", reconstructions))
    ),
]
