"""The files a request brings: parts of a form or the body itself, and what is in an archive of them."""

from __future__ import annotations

import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from .errors import Refused
from .routing import Context
from .store_files import CHUNK

__all__ = ["Upload", "archive_members", "uploads"]

# The content types that mean "this body is a file", and the name such a file gets without one in the path.
FILE_TYPES = {
    "application/octet-stream": "upload",
    "application/zip": "upload.zip",
    "application/x-zip-compressed": "upload.zip",
    "application/x-tar": "upload.tar",
    "application/x-gtar": "upload.tar.gz",
    "application/x-gzip": "upload.gzip",
    "application/gzip": "upload.gzip",
    "application/dicom": "upload.dcm",
    "application/pdf": "upload.pdf",
    "text/plain": "upload.txt",
    "text/csv": "upload.csv",
    "text/xml": "upload.xml",
    "application/xml": "upload.xml",
    "text/html": "upload.html",
}


@dataclass
class Upload:
    """One file on its way in: its name ('' when nobody gave one) and its bytes as a stream."""

    name: str
    stream: BinaryIO


def uploads(context: Context) -> Iterator[Upload]:
    """The files of a request, to be read in order."""
    request = context.request
    mimetype = request.mimetype
    in_body = context.flag("inbody")
    if mimetype == "multipart/form-data":
        if in_body:
            raise Refused(406, "A multipart request cannot have its file in the body.")
        for part in request.files.values():
            yield Upload(part.filename or "", cast(BinaryIO, part.stream))
        return
    known = mimetype in FILE_TYPES or mimetype.startswith(("image/", "video/"))
    if not in_body and not known:
        words = f"You tried to {request.method} a payload of type {mimetype or 'unknown'} but didn't provide any data"
        raise Refused(400, f"{words}: use inbody=true or a multipart request.")
    _check_length(context, mimetype)
    yield Upload(FILE_TYPES.get(mimetype, "upload"), cast(BinaryIO, request.stream))


def _check_length(context: Context, mimetype: str) -> None:
    length = context.request.content_length
    if length:
        return
    # A real server needs to know the length, except of zip files since 1.8.
    streamed = length is None and "zip" in mimetype and context.settings.at_least("1.8")
    if not streamed:
        raise Refused(500, "Unable to identify the content of the request: no Content-Length, or an empty body.")


@contextmanager
def spooled(context: Context, stream: BinaryIO) -> Iterator[Path]:
    """The stream as a file, for formats that need to seek."""
    path = context.store.scratch() / uuid.uuid4().hex
    try:
        with path.open("wb") as out:
            while chunk := stream.read(CHUNK):
                out.write(chunk)
        yield path
    finally:
        path.unlink(missing_ok=True)


def archive_members(path: Path) -> Iterator[tuple[str, IO[bytes]]] | None:
    """The files in a zip or tar (compressed or not): their names in the archive, and streams; None if it is neither."""
    if zipfile.is_zipfile(path):
        return _zip_members(path)
    return _tar_members(path) if tarfile.is_tarfile(path) else None


def _zip_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    with archive.open(info) as stream:
                        yield info.filename, stream
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Refused(400, f"Unable to read the archive: {error}") from error


def _tar_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        with tarfile.open(path) as archive:
            for info in archive:
                stream = archive.extractfile(info) if info.isreg() else None
                if stream is not None:
                    yield info.name, stream
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Refused(400, f"Unable to read the archive: {error}") from error
