"""/data/services/import, dicomdump, the status of imports, and the users' caches of files to import from."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Response

from .. import render
from ..bodies import received_file
from ..clock import now_ms
from ..dicom_dump import dump, wanted_tags
from ..downloads import plain_answer
from ..errors import Refused
from ..importing import HANDLERS, Importer, Options
from ..prearchive import Intake, row_of_uri
from ..routing import Context, Route
from ..store import Record
from ..unpack import BadArchive, unpack
from ..user_cache import UserCache
from ..xar import import_xar

__all__ = ["ROUTES"]


# -- import -----------------------------------------------------------------------------------------------------------


def import_(context: Context) -> Response:
    """POST /data/services/import: the URIs of the sessions it made, one a line."""
    if context.user.guest:
        raise Refused(403)
    handler = _handler(context)
    listener = context.query.get("http-session-listener", "")
    try:
        uris = _inbox(context) if handler == "inbox" else _run(context, handler)
    except Refused as refusal:
        _note(context, listener, "FAILED", refusal.message)
        raise
    finally:
        context.request.close()
    for uri in uris:
        bare = uri.removeprefix("/data")
        _note(context, listener, "COMPLETED", f"{bare.split('/')[1].capitalize()}:{bare}")
    return _answer(context, uris)


def _answer(context: Context, uris: list[str]) -> Response:
    if context.format == "html":
        items = "".join(f'<li><a href="{uri}">{uri}</a></li>' for uri in uris)
        return render.text(f"<html><body><ul>{items}</ul></body></html>", content_type="text/html;charset=UTF-8")
    response = render.uri_list(uris)
    if context.format in ("text", "txt", "plain"):
        response.content_type = "text/plain;charset=UTF-8"
    return response


def _handler(context: Context) -> str:
    name = context.query.get("import-handler", "")
    if name:
        known = next((handler for handler in HANDLERS if handler.lower() == name.lower()), None)
        if known is None:
            raise Refused(404, f"Unknown importer implementation specified: {name}")
        return known
    if context.request.mimetype == "application/dicom":
        return "gradual-DICOM"
    return "DICOM-zip" if context.settings.at_least("1.8.10") else "SI"


def _run(context: Context, handler: str) -> list[str]:
    # Form fields of a multipart body count as parameters too; urlencoded bodies are refused where the file is read.
    params = dict(context.query.items())
    if context.request.mimetype == "multipart/form-data":
        params = {**dict(context.request.form.items()), **params}
    options = Options.parse(handler, params)
    with received_file(context, _cached(context)) as received:
        if received is None:
            # Without a handler the real server stumbles over the missing file instead of noticing it.
            asked = "import-handler" in context.query
            raise Refused(400 if asked else 500, "Unable to identify upload format.")
        path, name = received
        if handler == "DICOM-zip" and "." not in name and not context.request.files:
            raise Refused(400, "Unsupported format")
        if handler == "XAR":
            return _run_xar(context, options, path, name)
        return Importer(context.store, context.user, options).run(path, name)


def _run_xar(context: Context, options: Options, path: Path, name: str) -> list[str]:
    with tempfile.TemporaryDirectory(dir=context.store.scratch()) as folder:
        try:
            members = unpack(path, name, Path(folder))
        except BadArchive as error:
            raise Refused(400, str(error)) from error
        return import_xar(context.store, context.schemas, context.user, options, members)


def _cached(context: Context) -> Path | None:
    source = context.query.get("src", "")
    if not source:
        return None
    path = UserCache(context.store, context.user.login).find(source)
    if path is None:
        raise Refused(404, f"Unable to find {source}")
    return path


# -- inbox ------------------------------------------------------------------------------------------------------------


def _inbox(context: Context) -> list[str]:
    """Import a folder (or file) that lies on the server already, below ``inbox`` in the sandbox's own folder."""
    params = dict(context.query.items())
    path = _inbox_path(context, params.get("path", ""))
    options = Options.parse("SI", params)
    options.area = "prearchive"
    number = context.store.database.count("inbox")
    status, session_path = "Completed", ""
    with tempfile.TemporaryDirectory(dir=context.store.scratch()) as folder:
        source = path
        if path.is_dir():
            source = Path(folder) / "inbox.zip"
            with zipfile.ZipFile(source, "w") as archive:
                for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
                    archive.write(file, file.relative_to(path).as_posix())
        try:
            session_path = "".join(Importer(context.store, context.user, options).run(source, source.name)[:1])
        except Refused as refusal:
            status, session_path = "Failed", refusal.message
    if params.get("cleanupAfterImport", "true").lower() == "true" and status == "Completed":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    request: dict[str, Any] = {
        "id": number, "status": status, "username": context.user.login, "parameters": params,
        "sessionPath": session_path,
        "cleanupAfterImport": params.get("cleanupAfterImport", "true").lower() == "true", "enabled": True,
        "created": now_ms(), "timestamp": now_ms(),
    }  # fmt: skip
    context.store.documents.put("inbox", "", str(number), json.dumps(request), user=context.user.login)
    return [f"/xapi/dicom/inbox/{number}"]


def _inbox_path(context: Context, name: str) -> Path:
    if not name:
        raise Refused(400, "Please set the path parameter")
    root = (context.store.folder / "inbox").resolve()
    for prefix in (str(root), "/data/xnat/inbox"):
        name = name.removeprefix(prefix)
    path = (root / name.lstrip("/")).resolve()
    if path == root or not path.is_relative_to(root):
        raise Refused(403, "The path is not in the inbox.")
    if not path.exists():
        raise Refused(404, "The path does not exist in the inbox.")
    return path


def inbox_request(context: Context) -> Response:
    """GET an import request of the inbox."""
    document = context.store.documents.get("inbox", "", context.path["id"])
    if document is None:
        raise Refused(404)
    return render.json_answer(json.loads(document.contents))


# -- status -----------------------------------------------------------------------------------------------------------


def _note(context: Context, listener: str, state: str, message: str) -> None:
    if not listener:
        return
    known = context.store.documents.get("status", context.user.login, listener)
    messages = json.loads(known.contents) if known else []
    messages.append({"status": state, "msg": message, "terminal": True, "eventTime": now_ms(), "progress": 100})
    context.store.documents.put("status", context.user.login, listener, json.dumps(messages), user=context.user.login)


def status(context: Context) -> Response:
    """GET /data/status/{listener}: what an import has reported so far; the last entry is the newest."""
    known = context.store.documents.get("status", context.user.login, context.path["listener"])
    if known is None:
        raise Refused(404)
    return render.json_answer({"msgs": [json.loads(known.contents)]})


# -- DICOM dump -------------------------------------------------------------------------------------------------------


def dicom_dump(context: Context) -> Response:
    """GET /data/services/dicomdump: the elements of the first DICOM file of what ``src`` names."""
    source = context.query.get("src", "")
    if not source:
        raise Refused(400, "Please set the src parameter")
    tags = wanted_tags(context.query.getlist("field"))
    parts = [part for part in source.split("/") if part]
    path = None
    if source.startswith("/prearchive/"):
        path = _prearchive_file(context, source, parts)
    elif source.startswith("/archive/projects/"):  # anything else is answered with nothing, not with an error
        path = _archive_file(context, parts[1:])
    rows = dump(path, tags, summary=context.flag("summary")) if path else []
    columns = ["tag1", "tag2", "vr", "value", "desc"]
    return render.table(context, render.Table.of(columns, rows, total=False))


def _prearchive_file(context: Context, source: str, parts: list[str]) -> Path | None:
    row = row_of_uri(context.store, source)
    if row is None or not (context.can("edit", row.project) if row.project else context.user.admin):
        raise Refused(404, "Unknown prearchive session.")
    wanted = _pairs(parts[5:])
    for scan in Intake(context.store).held(row).scans:
        if wanted.get("scans", scan.id) == scan.id:
            for file in scan.files:
                if wanted.get("files", file.name) == file.name:
                    return context.store.prearchive.folder(row) / file.stored
    return None


def _pairs(parts: list[str]) -> dict[str, str]:
    """``scans/1/resources/DICOM/files/a/b`` as a mapping; the file takes all that is left."""
    found = {}
    while len(parts) > 1:
        if parts[0] == "files":
            found["files"] = "/".join(parts[1:])
            break
        found[parts[0]], parts = parts[1], parts[2:]
    return found


def _archive_file(context: Context, parts: list[str]) -> Path | None:
    wanted = _pairs(parts)
    project = context.store.archive.project(wanted.get("projects", ""))
    session = context.store.archive.experiment(project.id, wanted.get("experiments", "")) if project else None
    session = context.require("read", session, "Unable to find the specified session.")
    owners = [session] if "resources" in wanted and "scans" not in wanted else context.store.archive.scans(session)
    for owner in owners:
        if owner.kind == "scan" and wanted.get("scans", owner.id) != owner.id:
            continue
        path = _first_file(context, owner, wanted)
        if path:
            return path
    return None


def _first_file(context: Context, owner: Record, wanted: dict[str, str]) -> Path | None:
    for resource in context.store.files.resources(owner):
        label = wanted.get("resources")
        if label not in (None, resource.label, str(resource.key)) or (label is None and resource.format != "DICOM"):
            continue
        for file in context.store.files.files(resource):
            if wanted.get("files", file.path) == file.path:
                return file.file
    return None


# -- user cache -------------------------------------------------------------------------------------------------------


def cache_list(context: Context) -> Response:
    """The resources of the user's cache."""
    names = UserCache(context.store, context.user.login).resources()
    rows = [[name, f"/data/user/cache/resources/{name}"] for name in names]
    return render.table(context, render.Table(["Resource", "URI"], rows, total=False))


def cache_make(context: Context) -> Response:
    """PUT a new, empty resource; 412 when it exists."""
    folder = UserCache(context.store, context.user.login).folder(context.path["resource"])
    if folder.exists():
        raise Refused(412, "User resource exists.")
    folder.mkdir(parents=True)
    return render.text()


def cache_files(context: Context) -> Response:
    """GET a resource's files, or one of them."""
    cache = UserCache(context.store, context.user.login)
    resource, name = context.path["resource"], context.path.get("file", "")
    if name:
        path = cache.path(resource, name)
        if not path.is_file():
            raise Refused(404)
        return plain_answer(path)
    folder = cache.folder(resource)
    if not folder.is_dir():
        raise Refused(404)
    base = f"/data/user/cache/resources/{resource}/files"
    found = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in cache.files(resource)]
    rows = [[relative.rsplit("/", 1)[-1], str(size), f"{base}/{relative}"] for relative, size in found]
    return render.table(context, render.Table(["Name", "Size", "URI"], rows, total=False))


def cache_store(context: Context) -> Response:
    """PUT or POST a file into a resource of the cache, which is made when needed."""
    cache = UserCache(context.store, context.user.login)
    with received_file(context) as received:
        if received is None:
            raise Refused(400, "Unable to identify upload format.")
        path, name = received
        target = cache.path(context.path["resource"], context.path.get("file") or name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    return render.text(status=201 if context.request.method == "POST" else 200)


def cache_delete(context: Context) -> Response:
    """DELETE a file of a resource, or the resource."""
    cache = UserCache(context.store, context.user.login)
    if not cache.delete(context.path["resource"], context.path.get("file", "")):
        raise Refused(404)
    return render.text()


CACHE = "/data/user/cache/resources"

ROUTES = [
    Route("POST", "/data/services/import", import_),
    Route("GET", "/xapi/dicom/inbox/{id}", inbox_request),
    Route("GET", "/data/status/{listener}", status),
    Route("GET", "/data/services/dicomdump", dicom_dump),
    Route("GET", CACHE, cache_list),
    Route("PUT", CACHE + "/{resource}", cache_make),
    Route("GET", CACHE + "/{resource}", cache_files),
    Route("DELETE", CACHE + "/{resource}", cache_delete),
    Route("GET", CACHE + "/{resource}/files/{file*}", cache_files),
    Route("PUT POST", CACHE + "/{resource}/files/{file*}", cache_store),
    Route("DELETE", CACHE + "/{resource}/files/{file*}", cache_delete),
]
