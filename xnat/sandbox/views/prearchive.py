"""/data/prearchive: what has been received and not archived yet; and the services that archive, move and delete it."""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from .. import render
from ..archiving import Conflict, archive, archive_uri
from ..dicom import FALLBACK_LABEL
from ..downloads import plain_answer, zip_answer
from ..errors import Refused
from ..importing import merge_options, truth
from ..item_xml import write_item
from ..items import Item, Value
from ..prearchive import BUSY, Held, HeldScan, Intake, log, refuse_busy, row_of_uri
from ..routing import Context, Route
from ..store import PREARCHIVE_COLUMNS, PrearchiveRow

__all__ = ["ROUTES"]

SESSION = "/data/prearchive/projects/{project}/{timestamp}/{folder}"


# -- listings ---------------------------------------------------------------------------------------------------------


def listing(context: Context) -> Response:
    """All sessions the user may edit, of all projects or of a comma list of them."""
    names = [name for name in context.path.get("project", "").split(",") if name]
    for name in names:
        _require_project(context, name)
    wanted = {_project_id(context, name) for name in names}
    rows = [
        row for row in context.store.prearchive.rows() if _may(context, row) and (not names or row.project in wanted)
    ]
    return _table(context, rows)


def _table(context: Context, rows: list[PrearchiveRow]) -> Response:
    return render.table(context, render.Table.of(PREARCHIVE_COLUMNS, [row.columns() for row in rows], total=False))


def _project_id(context: Context, name: str) -> str:
    record = None if name == "Unassigned" else context.store.archive.project(name)
    return record.id if record else ""


def _require_project(context: Context, name: str) -> None:
    if name == "Unassigned":
        if not context.user.admin:
            raise Refused(404)
        return
    context.require("edit", context.store.archive.project(name), f"Unable to identify project: {name}")


def _may(context: Context, row: PrearchiveRow) -> bool:
    return context.can("edit", row.project) if row.project else context.user.admin


def _row(context: Context) -> PrearchiveRow:
    """The session of the path; what the user may not edit is not there (a refusing constructor surfaces as 404)."""
    path = context.path
    row = context.store.prearchive.get(_project_or_name(context), path["timestamp"], path["folder"])
    if row is None or not _may(context, row):
        raise Refused(404)
    return row


def _project_or_name(context: Context) -> str:
    return _project_id(context, context.path["project"]) or context.path["project"]


def _held(context: Context) -> tuple[PrearchiveRow, Held]:
    row = _row(context)
    return row, Intake(context.store).held(row)


# -- one session ------------------------------------------------------------------------------------------------------


def session(context: Context) -> Response:
    """The session's row, its XML, or all of its files as a zip."""
    row, held = _held(context)
    wanted = context.format or "xml"
    if wanted in ("json", "csv", "html"):
        return _table(context, [row])
    if wanted == "zip":
        return _zip(context, row, held.scans)
    if wanted != "xml":
        raise Refused(400, f"Unsupported format {wanted}")
    if row.status == "RECEIVING":
        raise Refused(404, "Session XML has not been built yet.")
    return render.xml_answer(write_item(context.schemas, _session_item(row, held), context.settings.site_url))


def _session_item(row: PrearchiveRow, held: Held) -> Item:
    """The session as the archive would be given it."""
    item = Item(held.xsi_type, {**held.fields, "label": row.folderName, "project": row.project})
    for scan in held.scans:
        fields: dict[str, Value] = {**scan.fields, "ID": scan.id, "frames": sum(file.frames for file in scan.files)}
        item.children.setdefault("scans/scan", []).append(Item(scan.xsi_type, fields))
    return item


def act(context: Context) -> Response:
    """POST on a session: ``action`` is build, reset-status, move or commit."""
    row = _row(context)
    params = _parameters(context)
    action = params.get("action", "")
    if action not in ("build", "reset-status", "move", "commit"):
        raise Refused(400, f"Unsupported action: {action}")
    if BUSY.match(row.status) and action != "reset-status":
        raise Refused(409, "Session is locked.")
    intake = Intake(context.store)
    if action == "move":
        intake.move(row, _target(context, params.get("newProject", "")))
        return render.text(f"/data{row.url}", 301)
    if action == "commit":
        return _commit(context, row, params)
    intake.build(row)
    return render.text(f"/data{row.url}")


def _parameters(context: Context) -> Mapping[str, str]:
    """Query, form, or a JSON object, whichever the client sends."""
    if context.request.mimetype == "application/json":
        data = context.request.get_json(silent=True)
        merged: MultiDict[str, str] = MultiDict(context.query)
        merged.update({name: str(value) for name, value in data.items()} if isinstance(data, dict) else {})
        return merged
    return context.params


def _commit(context: Context, row: PrearchiveRow, params: Mapping[str, str]) -> Response:
    Intake(context.store).build(row)
    asked = truth(params.get("AA")) or truth(params.get("auto-archive"))
    if not row.project or not (asked or row.autoarchive.startswith("Auto")):
        return render.text(f"/data{row.url}")
    return render.text(_archive(context, row, params), 301)


def _archive(context: Context, row: PrearchiveRow, params: Mapping[str, str]) -> str:
    names = {
        "project": params.get("project", ""),
        "subject": params.get("subject", "") or params.get("xnat:subjectAssessorData/subject_id", ""),
        "session": params.get("session", "") or params.get("xnat:experimentData/label", ""),
    }
    if names["project"]:
        names["project"] = _target(context, names["project"])
    try:
        record = archive(context.store, row, merge_options(params), user=context.user.login, **names)
    except Conflict as conflict:
        raise Refused(409, str(conflict)) from conflict
    return archive_uri(context.store, record)


def _target(context: Context, name: str) -> str:
    """The ID of the project to move to: 404 when there is none, 403 when the user may not fill it."""
    record = context.store.archive.project(name)
    if record is None:
        raise Refused(404, f"Unable to identify project: {name}")
    if not context.can("edit", record.id):
        raise Refused(403, f"Invalid permissions for project: {record.id}")
    return record.id


def remove(context: Context) -> Response:
    """DELETE a session."""
    row = _row(context)
    if not context.can("edit", row.project) and not context.user.admin:
        raise Refused(403)
    refuse_busy(row)
    context.store.prearchive.delete(row)
    return render.text()


def refuse_more(context: Context) -> Response:
    """DELETE of what is below a session but not one of its scans."""
    _row(context)
    raise Refused(400, "Only a session or one of its scans can be deleted.")


def logs(context: Context) -> Response:
    """What happened to the session: all of it, or the last line."""
    lines = _row(context).extra.get("logs", [])
    if context.path.get("which") == "last":
        return render.text(lines[-1] if lines else "")
    return render.table(context, render.Table(["entry"], [[line] for line in lines], total=False))


# -- scans and files --------------------------------------------------------------------------------------------------


def scans(context: Context) -> Response:
    """The scans of a session."""
    _, held = _held(context)
    rows = [[scan.id, scan.xsi_type, str(scan.fields.get("series_description", ""))] for scan in held.scans]
    return render.table(context, render.Table(["ID", "xsiType", "series_description"], rows, total=False))


def _scan(context: Context) -> tuple[PrearchiveRow, HeldScan]:
    row, held = _held(context)
    scan = held.scan(context.path["scan"])
    if scan is None:
        raise Refused(404, "Unable to find the specified scan.")
    return row, scan


def scan(context: Context) -> Response:
    """A scan can only be had as a zip."""
    row, found = _scan(context)
    if context.format != "zip":
        raise Refused(400, "Only zip is supported here.")
    return _zip(context, row, [found])


def remove_scan(context: Context) -> Response:
    """DELETE a scan of a session."""
    row = _row(context)
    refuse_busy(row)
    if not Intake(context.store).remove_scan(row, context.path["scan"]):
        raise Refused(404, "Unable to find the specified scan.")
    return render.text()


def scan_resources(context: Context) -> Response:
    """The resources of a scan: always one, the DICOM files."""
    _, found = _scan(context)
    return render.table(
        context, render.Table(["label", "file_count", "file_size"], [_resource_row(found)], total=False)
    )


def _resource_row(found: HeldScan) -> list[str]:
    return ["DICOM", str(len(found.files)), str(sum(file.size for file in found.files))]


def resources(context: Context) -> Response:
    """The resources of all scans."""
    _, held = _held(context)
    rows = [["scans", found.id, *_resource_row(found)] for found in held.scans]
    columns = ["category", "cat_id", "label", "file_count", "file_size"]
    return render.table(context, render.Table(columns, rows, total=False))


def files(context: Context) -> Response:
    """The files of a scan's resource, or one of them."""
    row, found = _scan(context)
    if context.path["resource"] != "DICOM":
        raise Refused(404, "Unable to find the specified resource.")
    name = context.path["file"]
    if name:
        return _file(context, row, found, name)
    if context.format == "zip":
        return _zip(context, row, [found])
    base = f"{row.url}/scans/{found.id}/resources/DICOM/files"
    rows = [[file.name, str(file.size), f"/data{base}/{file.name}"] for file in found.files]
    return render.table(context, render.Table(["Name", "Size", "URI"], rows, total=False))


def _file(context: Context, row: PrearchiveRow, found: HeldScan, name: str) -> Response:
    file = next((file for file in found.files if file.name == name), None)
    if file is None:
        raise Refused(404, "Unable to find the specified file.")
    response = plain_answer(context.store.prearchive.folder(row) / file.stored)
    response.headers["Content-Disposition"] = "attachment"
    return response


def _zip(context: Context, row: PrearchiveRow, found: list[HeldScan]) -> Response:
    folder = context.store.prearchive.folder(row)
    places = [
        (f"{row.folderName}/SCANS/{entry.id}/DICOM/{file.name}", folder / file.stored)
        for entry in found
        for file in entry.files
    ]
    return zip_answer([(name, path, path.stat().st_mtime) for name, path in places])


# -- services ---------------------------------------------------------------------------------------------------------


def _sources(context: Context) -> list[PrearchiveRow]:
    """The sessions that ``src`` names, all of them there, editable and not busy."""
    uris = [uri for value in context.params.getlist("src") for uri in value.split(",") if uri]
    if not uris:
        raise Refused(400, "Please set the src parameter")
    rows = []
    for uri in uris:
        if uri.removeprefix("/data").startswith("/archive/"):
            raise Refused(400, f"{uri} is not in the prearchive.")
        row = row_of_uri(context.store, uri)
        if row is None:
            raise Refused(404, "Unknown prearchive session.")
        if not _may(context, row):
            raise Refused(403, f"Invalid permissions for {uri}")
        if not truth(context.params.get("overrideLock")):
            refuse_busy(row)
        rows.append(row)
    return rows


def archive_service(context: Context) -> Response:
    """POST /data/services/archive: one session gives its new URI, several give their rows."""
    rows = _sources(context)
    params = context.params
    if len(rows) > 1:
        for row in rows:
            _archive(context, row, params)
        return _table(context, rows)
    # Sessions that would have been archived anyway redirect to the result, unless the request says they are not such.
    automatic = rows[0].autoarchive.startswith("Auto") and params.get("auto-archive", "").lower() != "false"
    if not rows[0].project and not params.get("project"):
        raise Refused(400, "Unassigned sessions need a project.")
    uri = _archive(context, rows[0], params)
    if truth(params.get("redirect")) or automatic:
        response = render.uri_list([uri], 303)
        response.headers["Location"] = f"{context.settings.context_path}{uri}"
        return response
    return render.uri_list([uri])


def move_service(context: Context) -> Response:
    """POST /data/services/prearchive/move: the moved rows."""
    target = _target(context, context.params.get("newProject", ""))
    rows = _sources(context)
    for row in rows:
        Intake(context.store).move(row, target)
    return _table(context, rows)


def delete_service(context: Context) -> Response:
    """POST /data/services/prearchive/delete: the rows that are going."""
    rows = _sources(context)
    for row in rows:
        context.store.prearchive.delete(row)
        row.status = "QUEUED_DELETING"
    return _table(context, rows)


def rebuild_service(context: Context) -> Response:
    """POST /data/services/prearchive/rebuild: the rebuilt rows."""
    rows = _sources(context)
    for row in rows:
        log(row, "Rebuild requested")
        Intake(context.store).build(row)
    return _table(context, rows)


def validate_archive(context: Context) -> Response:
    """What archiving the session would stumble over."""
    row = _sources(context)[0]
    found = []
    if not row.project:
        found.append(["1", "FAIL", "Session is not assigned to a project."])
    elif context.store.archive.experiment(row.project, row.folderName):
        found.append(["2", "CONFLICT", "Session already exists, retry with overwrite enabled"])
    if row.subject == FALLBACK_LABEL:
        found.append(["3", "WARN", "No subject label in the headers."])
    return render.table(context, render.Table(["code", "type", "message"], found, total=False))


ROUTES = [
    Route("GET", "/data/prearchive", listing),
    Route("GET", "/data/prearchive/projects", listing),
    Route("GET", "/data/prearchive/projects/{project}", listing),
    Route("GET", SESSION, session),
    Route("POST PUT", SESSION, act),
    Route("DELETE", SESSION, remove),
    Route("DELETE", SESSION + "/{rest*}", refuse_more),
    Route("GET", SESSION + "/logs", logs),
    Route("GET", SESSION + "/logs/{which}", logs),
    Route("GET", SESSION + "/scans", scans),
    Route("GET", SESSION + "/scans/{scan}", scan),
    Route("DELETE", SESSION + "/scans/{scan}", remove_scan),
    Route("GET", SESSION + "/scans/{scan}/resources", scan_resources),
    Route("GET", SESSION + "/scans/{scan}/resources/{resource}/files/{file*}", files),
    Route("GET", SESSION + "/resources", resources),
    Route("POST", "/data/services/archive", archive_service),
    Route("POST", "/data/services/prearchive/move", move_service),
    Route("POST", "/data/services/prearchive/delete", delete_service),
    Route("POST", "/data/services/prearchive/rebuild", rebuild_service),
    Route("GET POST", "/data/services/validate-archive", validate_archive),
]
