"""Files: listing, uploading, downloading one or many, removing."""

from __future__ import annotations

import fnmatch
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from werkzeug.wrappers import Response

from .. import holdings, lookup, render
from ..assemble import catalog_path
from ..downloads import ARCHIVES, Entry, archive_answer, file_answer
from ..errors import Refused
from ..holdings import Holding
from ..render import Table
from ..resource_paths import resource_routes
from ..routing import Context
from ..store import Record, Resource
from ..store_files import CHUNK, clean_path
from ..uploads import Upload, archive_members, spooled, uploads

COLUMNS = ("Name", "Size", "URI", "collection", "file_tags", "file_format", "file_content", "cat_ID", "digest")


# -- reading ----------------------------------------------------------------------------------------------------------


def get(context: Context) -> Response:
    """GET .../files[/{file}]: a listing, an archive of what the listing has, or one file."""
    try:
        return _get(context)
    except Refused as refusal:
        if refusal.status == 404 and context.flag("accept-not-found"):
            return Response(status=204)
        raise


def _get(context: Context) -> Response:
    found = holdings.find(context, required="resource" in context.path)
    path = context.path.get("file", "")
    entries = [Entry(holding, file) for holding in found for file in context.store.files.files(holding.resource)]
    if path and not context.trailing_slash:
        if "!/" in path:
            return _inside(entries, path)
        for entry in entries:
            if entry.file.path == path:
                return file_answer(context, entry.file)
        if "*" not in path:
            raise Refused(404, f"Unable to find the file {path}")
    entries = _selected(context, entries, path)
    if "index" in context.query:
        return _indexed(context, entries)
    archive = _archive_format(context)
    return archive_answer(context, entries, archive) if archive else _listing(context, entries)


def _inside(entries: list[Entry], path: str) -> Response:
    outer, _, inner = path.partition("!/")
    for entry in entries:
        if entry.file.path == outer and zipfile.is_zipfile(entry.file.file):
            with zipfile.ZipFile(entry.file.file) as archive:
                if inner in archive.namelist():
                    size = archive.getinfo(inner).file_size
                    body = _unpacked(entry.file.file, inner)
                    response = Response(body, direct_passthrough=True, content_type="application/octet-stream")
                    response.headers["Content-Length"] = str(size)
                    return response
    raise Refused(404, f"Unable to find the file {path}")


def _unpacked(path: Path, inner: str) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive, archive.open(inner) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _indexed(context: Context, entries: list[Entry]) -> Response:
    number = context.query["index"]
    if not number.isdigit() or int(number) >= len(entries):
        raise Refused(404, "There is no file with that index.")
    return file_answer(context, entries[int(number)].file)


def _archive_format(context: Context) -> str:
    wanted = {"tgz": "tar.gz", "targz": "tar.gz", "gtar": "tar.gz"}.get(context.format, context.format)
    return wanted if wanted in ARCHIVES else ""


def _selected(context: Context, entries: list[Entry], path: str) -> list[Entry]:
    if path and context.trailing_slash:
        entries = [entry for entry in entries if entry.file.path.startswith(f"{path}/")]
    elif path:
        entries = [entry for entry in entries if fnmatch.fnmatchcase(entry.file.path, path)]
    if not context.flag("recursive", True):
        depth = len(path) + 1 if path else 0
        entries = [entry for entry in entries if "/" not in entry.file.path[depth:]]
    for name in ("file_content", "file_format"):
        wanted = [value for text in context.query.getlist(name) for value in text.split(",")]
        if wanted:
            attribute = name.removeprefix("file_")
            allowed = {"" if value == "NULL" else value for value in wanted}
            entries = [entry for entry in entries if _detail(entry, attribute) in allowed]
    return entries


def _detail(entry: Entry, name: str) -> str:
    """A file's own format or content, or else its resource's."""
    return str(getattr(entry.file, name) or getattr(entry.holding.resource, name))


def _listing(context: Context, entries: Iterable[Entry]) -> Response:
    rows = []
    for entry in entries:
        file, resource = entry.file, entry.holding.resource
        rows.append(
            (
                file.name, file.size, _locator(context, entry), resource.label, file.tags,
                _detail(entry, "format"), _detail(entry, "content"), resource.key, file.digest,
            )
        )  # fmt: skip
    extra = {"Columns": [{"key": "URI", "serverRoot": context.settings.context_path}]}
    return render.table(context, Table(COLUMNS, rows, title="Files", total=False, extra=extra))


def _locator(context: Context, entry: Entry) -> str:
    wanted = context.query.get("locator", "")
    if wanted not in ("absolutePath", "projectPath"):
        return entry.uri
    folder = catalog_path(context.store, entry.holding.owner, entry.holding.resource).rpartition("/")[0]
    path = f"{folder}/{entry.file.path}"
    return path if wanted == "absolutePath" else re.sub(r"^/data/xnat/archive/", "", path)


# -- uploading --------------------------------------------------------------------------------------------------------


def put(context: Context) -> Response:
    """PUT or POST .../files[/{file}]: nothing, or the names of files that exist and were not replaced.

    Who may not write gets 200 too, and nothing is written: so it is on a real server.
    """
    owner = lookup.owner(context)
    if not context.can("edit", owner):
        return render.text()
    path = context.path.get("file", "")
    duplicates: list[str] = []
    any_file = False
    for upload in uploads(context):
        any_file = True
        duplicates += _store(context, owner, upload, path)
    if not any_file:
        raise Refused(400, "The request brought no file.")
    if duplicates:
        return render.duplicates(duplicates)
    return render.text()


def _store(context: Context, owner: Record, upload: Upload, path: str) -> list[str]:
    name = path or upload.name or "upload"
    # The sender may give its own full path; only the name is meant.
    name = clean_path(path) if path else clean_path(re.split(r"[/\\]", name)[-1] or "upload")
    resource = context.store.files.ensure_resource(
        owner, context.path.get("resource", "NULL"), context.path.get("direction", ""), user=context.user.login
    )
    if not context.flag("extract"):
        return _write(context, resource, name, upload.stream)
    with spooled(context, upload.stream) as spool:
        members = archive_members(spool)
        if members is None:
            with spool.open("rb") as whole:
                return _write(context, resource, name, whole)
        folder = name.rpartition("/")[0]
        duplicates = []
        for member, stream in members:
            target = clean_path(f"{folder}/{member}" if folder else member)
            duplicates += _write(context, resource, target, cast(BinaryIO, stream))
        return duplicates


def _write(context: Context, resource: Resource, path: str, stream: BinaryIO) -> list[str]:
    details: dict[str, Any] = {name: context.query.get(name, "") for name in ("format", "content", "tags")}
    overwrite = context.flag("overwrite")
    stored = context.store.files.write(resource, path, stream, overwrite=overwrite, **details)
    return [] if stored else [path]


# -- removing ---------------------------------------------------------------------------------------------------------


def remove(context: Context) -> Response:
    """DELETE .../files/{file}: everything whose path begins so."""
    for owner in holdings.owners(context):
        context.require("delete", owner)
    found: list[Holding] = holdings.find(context)
    if not found:
        raise Refused(400, "Unable to find the specified resource.")
    path = context.path.get("file", "")
    matched = [
        file for holding in found for file in context.store.files.files(holding.resource) if file.path.startswith(path)
    ]
    if not matched:
        if context.flag("accept-not-found"):
            return Response(status=204)
        raise Refused(404, "No matched files")
    for file in matched:
        context.store.files.delete_file(file, remove_files=context.flag("removeFiles", True))
    return render.text()


ROUTES = [
    route
    for tail in ("/resources/{resource}/files", "/resources/{resource}/files/{file*}", "/files", "/files/{file*}")
    for route in (
        *resource_routes("GET", tail, get),
        *resource_routes("PUT POST", tail, put),
        *resource_routes("DELETE", tail, remove),
    )
]
