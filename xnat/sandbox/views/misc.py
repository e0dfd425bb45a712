"""Small listings: users, scanners, scan types, investigators; and workflows."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from .. import render
from ..assemble import item_json
from ..clock import timestamp
from ..errors import Refused
from ..items import Item
from ..query import lines
from ..render import Table
from ..routing import Context, Route

# The sessions whose scanners can be listed; other tables are refused.
SCANNER_TABLES = {
    "xnat_mrSessionData": "xnat:mrSessionData",
    "xnat_petSessionData": "xnat:petSessionData",
    "xnat_ctSessionData": "xnat:ctSessionData",
}
_WORKFLOW = "wrk:workflowData"
_KEYS = ("id", "pipeline_name", "launch_time")


def users(context: Context) -> Response:
    """GET /data/users: 403 for others than administrators when the list is restricted."""
    if context.settings.restrict_user_list and not context.user.admin:
        raise Refused(403)
    listed = context.store.users.all()
    rows = [(user.id, user.login, user.firstname, user.lastname, user.email) for user in listed]
    columns = ("xdat_user_id", "login", "firstname", "lastname", "email")
    return render.table(context, Table(columns, rows, title="Projects", total=False))


def scanners(context: Context) -> Response:
    """GET /data/scanners and /data/projects/{project}/scanners: those of MR sessions, or of ``table``."""
    table = context.query.get("table", "xnat_mrSessionData")
    if table not in SCANNER_TABLES:
        raise Refused(403)
    found = _values(context, "experiment", SCANNER_TABLES[table], "scanner")
    return render.table(
        context, Table(("scanner",), [(name,) for name in sorted(found)], title="Scanners", total=False)
    )


def scan_types(context: Context) -> Response:
    """GET /data/scan_types and /data/projects/{project}/scan_types."""
    table = context.query.get("table", "xnat_mrScanData").replace("_", ":", 1)
    types = _values(context, "scan", table, "type", "series_description")
    rows = [(" ".join(sorted(filter(None, described))), name) for name, described in sorted(types.items())]
    columns = ("series_descriptions", "type")
    return render.table(context, Table(columns, rows, title="Scan Types", total=False))


def _values(context: Context, kind: str, xsi_type: str, name: str, other: str = "") -> dict[str, set[str]]:
    readable = context.store.users.readable_projects(context.user)
    found: dict[str, set[str]] = {}
    for line in lines(context.store, "o.kind = ?", kind):
        wanted = context.path.get("project")
        if not line.row or (readable is not None and line.project not in readable):
            continue
        if (wanted and line.project != wanted) or not context.schemas.is_a(line.row["xsi_type"], xsi_type):
            continue
        value = line.getter(name)
        if value:
            found.setdefault(str(value), set()).add(str(line.getter(other) or "") if other else "")
    return found


def investigators(context: Context) -> Response:
    """GET /data/investigators: those named by the projects the user may read."""
    columns = ("firstname", "lastname", "institution", "department", "email", "xnat_investigatordata_id", "login")
    seen: dict[tuple[Any, ...], None] = {}
    for project in context.store.archive.projects():
        if context.can("read", project):
            for reference in ("PI", "investigators/investigator"):
                for person in project.item.children.get(reference, []):
                    seen[tuple(person.fields.get(name, "") for name in columns[:5])] = None
    rows = [(*person, number, "") for number, person in enumerate(seen, 1)]
    return render.table(context, Table(columns, rows, title="Investigators", total=False))


# -- workflows --------------------------------------------------------------------------------------------------------


def _workflow_fields(context: Context) -> dict[str, str]:
    prefix = f"{_WORKFLOW}/"
    return {key.removeprefix(prefix): value for key, value in context.params.items() if key.startswith(prefix)}


def _workflow_name(fields: dict[str, str]) -> str:
    if any(not fields.get(key) for key in _KEYS):
        raise Refused(400, "A workflow needs an id, a pipeline_name and a launch_time")
    return "|".join(fields[key] for key in _KEYS)


def put_workflow(context: Context) -> Response:
    """PUT /data/workflows?wrk:workflowData/id=...: needs the right to edit what it is about."""
    fields = _workflow_fields(context)
    name = _workflow_name(fields)
    archive = context.store.archive
    subject = (
        archive.experiment_by_id(fields["id"]) or archive.subject_by_id(fields["id"]) or archive.project(fields["id"])
    )
    allowed = context.can("edit", subject) if subject else context.user.admin
    if not allowed:
        raise Refused(403)
    document = context.store.documents.get("workflow", "", name)
    known = json.loads(document.contents) if document else {"wrk_workflowData_id": _next_workflow(context)}
    merged = {**known, **fields, "last_modified": timestamp()}
    context.store.documents.put("workflow", "", name, json.dumps(merged), user=context.user.login)
    return render.text()


def _next_workflow(context: Context) -> int:
    return context.store.database.count("workflow")


def get_workflow(context: Context) -> Response:
    """GET /data/workflows with the same keys, or /data/workflows/{id}."""
    if "id" in context.path:
        documents = context.store.documents.list("workflow")
        found = [json.loads(document.contents) for document in documents]
        matching = [fields for fields in found if str(fields["wrk_workflowData_id"]) == context.path["id"]]
        fields = matching[0] if matching else None
    else:
        document = context.store.documents.get("workflow", "", _workflow_name(_workflow_fields(context)))
        fields = json.loads(document.contents) if document else None
    if fields is None:
        raise Refused(404)
    return render.json_answer(item_json(Item(_WORKFLOW, fields), context.settings))


ROUTES = [
    Route("GET", "/data/users", users),
    Route("GET", "/data/scanners", scanners),
    Route("GET", "/data/projects/{project}/scanners", scanners),
    Route("GET", "/data/scan_types", scan_types),
    Route("GET", "/data/projects/{project}/scan_types", scan_types),
    Route("GET", "/data/investigators", investigators),
    Route("PUT POST", "/data/workflows", put_workflow),
    Route("GET", "/data/workflows", get_workflow),
    Route("GET", "/data/workflows/{id}", get_workflow),
]
