"""The configuration service: versioned texts of a tool, of the site or of a project."""

from __future__ import annotations

from werkzeug.wrappers import Response

from .. import render
from ..errors import Refused
from ..render import Table
from ..routing import Context, Route, atomic
from ..store import Document

COLUMNS = (
    "tool", "path", "project", "user", "create_date", "reason", "contents", "unversioned", "version", "status",
)  # fmt: skip
KIND = "config"


def _owner(context: Context, action: str) -> str:
    """The project of the path, or '' for the site's. Who may not read gets 404, who may not write 403."""
    if "project" in context.path:
        project = context.store.archive.project(context.path["project"])
        if project is None or (action == "read" and not context.can("read", project.id)):
            raise Refused(404)
        if not context.can(action, project.id):
            raise Refused(403)
        return project.id
    if action != "read" and not context.user.admin:
        raise Refused(403)
    return ""


def tools(context: Context) -> Response:
    """GET .../config: the tools that have any."""
    owner = _owner(context, "read")
    names = sorted({document.name.partition("/")[0] for document in context.store.documents.list(KIND, owner)})
    return render.table(context, Table(("tool",), [(name,) for name in names], total=False))


def get(context: Context) -> Response:
    """GET .../config/{tool}[/{path}]: rows, or with ``contents=true`` the raw text."""
    owner = _owner(context, "read")
    path = context.path.get("path", "")
    if path:
        documents = [_wanted(context, owner)]
    else:
        tool = f"{context.path['tool']}/"
        documents = [found for found in context.store.documents.list(KIND, owner) if found.name.startswith(tool)]
    if context.query.get("action") == "getHistory" and path:
        documents = list(reversed(context.store.documents.history(KIND, owner, documents[0].name)))
    if not documents:
        return _none(context)
    if context.flag("contents") and path:
        return render.text(documents[0].contents)
    rows = [_row(document) for document in documents]
    return render.table(context, Table(COLUMNS, rows, total=False))


def _wanted(context: Context, owner: str) -> Document:
    name = f"{context.path['tool']}/{context.path['path']}"
    version = context.query.get("version", "")
    number = int(version) if version.isdigit() else None
    found = context.store.documents.get(KIND, owner, name, number)
    if found is None and owner and context.flag("defaultToSiteWide"):
        found = context.store.documents.get(KIND, "", name, number)
    if found is None:
        raise Refused(204 if context.flag("accept-not-found") else 404, "Couldn't find config for specified path.")
    return found


def _none(context: Context) -> Response:
    if context.flag("accept-not-found"):
        return Response(status=204)
    raise Refused(404, "Couldn't find config for specified tool.")


def _row(document: Document) -> tuple[object, ...]:
    tool, _, path = document.name.partition("/")
    return (
        tool, path, document.owner, document.user, document.created, document.reason, document.contents, "false",
        document.version, document.status,
    )  # fmt: skip


def put(context: Context) -> Response:
    """PUT .../config/{tool}/{path}: 201 for a new text, 200 for a new version or a new status."""
    owner = _owner(context, "own")
    name = f"{context.path['tool']}/{context.path.get('path', '')}"
    status = context.query.get("status")
    if status is not None and status not in ("enabled", "disabled"):
        raise Refused(400, f"Invalid status: {status}")
    known = context.store.documents.get(KIND, owner, name)
    contents = context.request.get_data().decode("utf-8", "replace")
    if not contents and status is not None and known is not None:
        contents = known.contents
    reason = context.query.get("reason", "")
    context.store.documents.put(
        KIND, owner, name, contents, user=context.user.login, status=status or "enabled", reason=reason
    )
    return render.text(status=200 if known else 201)


def disable(context: Context) -> Response:
    """DELETE .../config/{tool}/{path}: the text stays, disabled."""
    owner = _owner(context, "own")
    found = _wanted(context, owner)
    context.store.documents.put(
        KIND, owner, found.name, found.contents, user=context.user.login, status="disabled", reason="deleted"
    )
    return render.text()


ROUTES = [
    route
    for base in ("/data/config", "/data/projects/{project}/config")
    for route in (
        Route("GET", base, tools),
        Route("GET", f"{base}/{{tool}}", get),
        Route("GET", f"{base}/{{tool}}/{{path*}}", get),
        Route("PUT POST", f"{base}/{{tool}}", atomic(put)),
        Route("PUT POST", f"{base}/{{tool}}/{{path*}}", atomic(put)),
        Route("DELETE", f"{base}/{{tool}}/{{path*}}", disable),
    )
]
