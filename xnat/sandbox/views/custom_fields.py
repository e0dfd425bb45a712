"""/xapi/custom-fields: the values of custom forms, any JSON by name, of every kind of object (since 1.8.8)."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from .. import lookup, render
from ..errors import Refused
from ..routing import Context, Route, atomic
from ..store import Record

KIND = "custom-fields"


def _record(context: Context, action: str) -> Record:
    """The object: 403 also when a project, subject or experiment does not exist, 404 for a scan or an assessor."""
    if not context.settings.at_least("1.8.8"):
        raise Refused(404)
    try:
        return lookup.owner(context, action)
    except Refused as refusal:
        if refusal.status != 404 or not _above_readable(context):
            raise Refused(403) from None
        raise


def _above_readable(context: Context) -> bool:
    part = next((kind for kind in ("scan", "assessor", "reconstruction") if kind in context.path), None)
    if part is None:
        return False
    try:
        lookup.session(context)
    except Refused:
        return False
    return True


def _fields(context: Context, record: Record) -> dict[str, Any]:
    document = context.store.documents.get(KIND, str(record.key), "fields")
    return dict(json.loads(document.contents)) if document else {}


def _save(context: Context, record: Record, fields: dict[str, Any]) -> None:
    text = json.dumps(fields, ensure_ascii=False)
    context.store.documents.put(KIND, str(record.key), "fields", text, user=context.user.login)


def get(context: Context) -> Response:
    """GET .../fields: all of them, or those of ``fieldNames``."""
    fields = _fields(context, _record(context, "read"))
    wanted = [name for text in context.query.getlist("fieldNames") for name in text.split(",") if name]
    return render.json_answer({name: value for name, value in fields.items() if not wanted or name in wanted})


def get_one(context: Context) -> Response:
    """GET .../fields/{name}: text as it is, anything else as JSON text."""
    fields = _fields(context, _record(context, "read"))
    name = context.path["name"]
    if name not in fields:
        raise Refused(404, f"Field {name} does not exist.")
    value = fields[name]
    return render.text(value if isinstance(value, str) else json.dumps(value))


def put(context: Context) -> Response:
    """PUT .../fields: the object with what was there before."""
    record = _record(context, "edit")
    sent = context.request.get_json(force=True, silent=True)
    if not isinstance(sent, dict):
        raise Refused(400, "A JSON object is needed")
    with context.store.transaction():
        fields = _fields(context, record) | sent
        _save(context, record, fields)
    return render.json_answer(fields)


def remove(context: Context) -> Response:
    """DELETE .../fields/{name}: what is left; 404 also when its value is null."""
    record = _record(context, "edit")
    with context.store.transaction():
        fields = _fields(context, record)
        name = context.path["name"]
        if fields.pop(name, None) is None:
            raise Refused(404, f"Field {name} does not exist.")
        _save(context, record, fields)
    return render.json_answer(fields)


_ROOT = "/xapi/custom-fields"
_SESSIONS = (
    "/projects/{project}/subjects/{subject}/experiments/{experiment}",
    "/projects/{project}/experiments/{experiment}",
    "/experiments/{experiment}",
)
_OBJECTS = [
    "/projects/{project}",
    "/projects/{project}/subjects/{subject}",
    "/subjects/{subject}",
    *_SESSIONS,
    *(f"{session}/{kind}s/{{{kind}}}" for session in _SESSIONS for kind in ("scan", "assessor")),
]

ROUTES = [
    route
    for path in _OBJECTS
    for route in (
        Route("GET", f"{_ROOT}{path}/fields", get),
        Route("PUT POST", f"{_ROOT}{path}/fields", atomic(put)),
        Route("GET", f"{_ROOT}{path}/fields/{{name}}", get_one),
        Route("DELETE", f"{_ROOT}{path}/fields/{{name}}", remove),
    )
]
