"""Files on their way out: one file with its headers, or many as a streamed zip or tar in XNAT's layouts."""

from __future__ import annotations

import re
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from werkzeug.http import http_date, parse_range_header
from werkzeug.wrappers import Response

from .assemble import archive_folder
from .errors import Refused
from .holdings import Holding
from .routing import Context
from .store import StoredFile
from .store_files import CHUNK

__all__ = ["ARCHIVES", "Entry", "archive_answer", "entry_name", "file_answer", "plain_answer", "zip_answer"]

# What is shown in a browser; everything else is an octet stream to be saved.
SHOWN = {
    "bmp": "image/bmp", "gif": "image/gif", "html": "text/html", "jpg": "image/jpeg", "jpeg": "image/jpeg",
    "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml", "tiff": "image/tiff", "txt": "text/plain",
    "xml": "text/xml",
}  # fmt: skip
ARCHIVES = {"zip": "application/zip", "tar": "application/x-tar", "tar.gz": "application/x-gtar"}


@dataclass(frozen=True)
class Entry:
    """A file to send, and where it is from."""

    holding: Holding
    file: StoredFile

    @property
    def uri(self) -> str:
        """The file's URI."""
        return f"{self.holding.uri}/files/{self.file.path}"


# -- one file ---------------------------------------------------------------------------------------------------------


def file_answer(context: Context, file: StoredFile) -> Response:
    """The bytes of a file. There is no ETag, and Range counts only if the sandbox was told so."""
    modified = int(file.modified)
    since = context.request.if_modified_since
    if since is not None and modified <= since.timestamp():
        return Response(status=304)
    if not file.file.exists():
        raise Refused(404, f"Unable to find the file {file.path}")
    kind = SHOWN.get(file.name.rpartition(".")[2].lower(), "application/octet-stream")
    size = file.file.stat().st_size
    start, stop = _range(context, size)
    response = Response(pieces(file.file, start, stop), direct_passthrough=True, content_type=kind)
    response.headers["Content-Length"] = str(stop - start)
    response.headers["Last-Modified"] = http_date(modified)
    response.headers["Cache-Control"] = "must-revalidate"
    if kind == "application/octet-stream":
        name = re.sub(r"[^\x20-\x7e]|\"", "_", file.name)
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if context.settings.ranges:
        response.headers["Accept-Ranges"] = "bytes"
        if (start, stop) != (0, size):
            response.status_code = 206
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return response


def plain_answer(path: Path) -> Response:
    """The bytes of a file that is nothing but bytes to the server."""
    response = Response(pieces(path), direct_passthrough=True, content_type="application/octet-stream")
    response.headers["Content-Length"] = str(path.stat().st_size)
    return response


def _range(context: Context, size: int) -> tuple[int, int]:
    header = context.request.headers.get("Range")
    if not context.settings.ranges or not header:
        return 0, size
    wanted = parse_range_header(header)
    found = wanted.range_for_length(size) if wanted else None
    if found is None:
        raise Refused(416, "Requested range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return found


def pieces(path: Path, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """A file's bytes, some at a time."""
    left = path.stat().st_size - start if stop is None else stop - start
    with path.open("rb") as source:
        source.seek(start)
        while left > 0 and (chunk := source.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


# -- layouts ----------------------------------------------------------------------------------------------------------


def entry_name(context: Context, entry: Entry, structure: str, archive: str) -> str:
    """The name of a file in an archive."""
    return LAYOUTS.get(structure, _default)(context, entry, archive)


def _token(context: Context, entry: Entry) -> tuple[str, str]:
    """The label the default layout begins with, and the path from there to the resource."""
    owner = entry.holding.owner
    direction = f"/{entry.holding.resource.direction}" if entry.holding.resource.direction else ""
    for kind in ("scan", "assessor", "reconstruction"):
        if kind in context.path and "experiment" in context.path:
            session = context.store.archive.parent(owner)
            return session.label if session else "", f"/{kind}s/{owner.label}{direction}"
    return owner.label, direction


def _default(context: Context, entry: Entry, archive: str) -> str:
    first, middle = _token(context, entry)
    name = f"{first}{middle}/resources/{_resource(entry)}/files/{entry.file.path}"
    scan = entry.holding.owner if entry.holding.owner.kind == "scan" else None
    kind = _scan_type(entry)
    # A real server replaces the scan's ID wherever it is a whole folder name, not only below scans/.
    return name.replace(f"/{scan.id}/", f"/{scan.id}-{kind}/") if scan and kind else name


def _simplified(context: Context, entry: Entry, archive: str) -> str:
    first, middle = _token(context, entry)
    name = f"{first}{middle}/resources/{_resource(entry)}/files/{entry.file.path}"
    return name.replace("/resources", "").replace("/files", "")


def _improved(context: Context, entry: Entry, archive: str) -> str:
    owner = entry.holding.owner
    kind = _scan_type(entry)
    folder = "resources"
    if owner.kind == "scan":
        folder = f"scans/{owner.id}_{kind}" if kind and archive == "zip" else f"scans/{owner.id}"
    elif owner.kind in ("assessor", "reconstruction"):
        folder = f"{owner.kind}s/{owner.label}"
    return f"{folder}/{_resource(entry)}/{entry.file.path}"


def _legacy(context: Context, entry: Entry, archive: str) -> str:
    owner = entry.holding.owner
    folder = archive_folder(context.store, owner)
    middle = "" if owner.kind in ("scan", "project") else "/RESOURCES"
    return f"{folder}{middle}/{_resource(entry)}/{entry.file.path}"


LAYOUTS: dict[str, Callable[[Context, Entry, str], str]] = {
    "simplified": _simplified,
    "improved": _improved,
    "legacy": _legacy,
}


def _resource(entry: Entry) -> str:
    return entry.holding.resource.label or str(entry.holding.resource.key)


def _scan_type(entry: Entry) -> str:
    return re.sub(r"\W", "_", str(entry.holding.owner.item.fields.get("type", "")))


# -- archives ---------------------------------------------------------------------------------------------------------


def archive_answer(context: Context, entries: list[Entry], archive: str) -> Response:
    """The files as a zip or tar, made while it is sent; 404 when there are none."""
    if not entries:
        raise Refused(404, "No files were found.")
    structure = context.query.get("structure", "default").lower()
    level = context.query.get("compression", "")
    files = [
        (entry_name(context, entry, structure, archive), entry.file.file, entry.file.modified) for entry in entries
    ]
    make = _zip(files, int(level) if level.isdigit() else 6) if archive == "zip" else _tar(files, archive)
    response = Response(make, direct_passthrough=True, content_type=ARCHIVES[archive])
    owner = entries[0].holding.owner
    label = archive_folder(context.store, owner).partition("/")[0] if owner.kind != "project" else owner.id
    name = re.sub(r"[^\w.-]", "_", label, flags=re.ASCII)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{archive}"'
    return response


Member = tuple[str, Path, float]
"""A file to pack: its name in the archive, where its bytes are, and when they were written."""


def zip_answer(members: Iterable[Member]) -> Response:
    """Files as a zip that is made while it is sent."""
    return Response(_zip(members, 1), direct_passthrough=True, content_type=ARCHIVES["zip"])


class _Sink:
    """Takes what an archiver writes, until it is sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield b"".join(pieces)


def _zip(named: Iterable[Member], level: int) -> Iterator[bytes]:
    sink = _Sink()
    # XNAT sets the level only. Java's zip streams can't store members whose CRC isn't known beforehand.
    method = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(sink, "w", method, compresslevel=min(level, 9)) as archive:  # type: ignore[call-overload]
        for name, path, modified in named:
            info = zipfile.ZipInfo(name, time.localtime(max(modified, 315619200))[:6])
            info.compress_type, info._compresslevel = method, min(level, 9)  # type: ignore[attr-defined]
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=path.stat().st_size > 2**31 - 2**24) as out:
                for piece in pieces(path):
                    out.write(piece)
                    yield from sink.taken()
            yield from sink.taken()
    yield from sink.taken()


def _tar(named: Iterable[Member], archive: str) -> Iterator[bytes]:
    blocks = _tar_blocks(named)
    if archive == "tar":
        yield from blocks
        return
    gzip = zlib.compressobj(wbits=31)
    for block in blocks:
        yield gzip.compress(block)
    yield gzip.flush()


def _tar_blocks(named: Iterable[Member]) -> Iterator[bytes]:
    # TarFile.addfile() takes in a whole file before any of it could be sent.
    for name, path, modified in named:
        info = tarfile.TarInfo(name)
        info.size = path.stat().st_size
        info.mtime = int(modified)
        yield info.tobuf()
        yield from pieces(path, 0, info.size)
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
