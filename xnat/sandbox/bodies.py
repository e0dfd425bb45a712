"""The one file that a request brings along: a part of a form, the body itself, or something in the user's cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .errors import Refused
from .importing import truth, upload_name

if TYPE_CHECKING:
    from .routing import Context

__all__ = ["IN_BODY_TYPES", "received_file"]

IN_BODY_TYPES = {
    "application/octet-stream", "application/zip", "application/x-zip-compressed", "application/x-tar",
    "application/x-gtar",
    "application/gzip", "application/x-gzip", "application/dicom",
}  # fmt: skip
CHUNK = 1 << 20


@contextmanager
def received_file(context: Context, cached: Path | None = None) -> Iterator[tuple[Path, str] | None]:
    """The file's place on the disk and its name; None when the request has none. It is gone after the block."""
    if cached is not None:
        yield cached, cached.name
        return
    folder = Path(tempfile.mkdtemp(dir=context.store.scratch()))
    try:
        yield _receive(context, folder / "upload")
    finally:
        context.request.close()  # a form's files are temporary files of their own
        shutil.rmtree(folder, ignore_errors=True)


def _receive(context: Context, target: Path) -> tuple[Path, str] | None:
    request = context.request
    if request.mimetype == "application/x-www-form-urlencoded":
        raise Refused(400, "Unable to identify upload format.")
    if request.mimetype == "multipart/form-data":
        parts = [part for _, part in request.files.items(multi=True)]
        if len(parts) > 1:
            raise Refused(400, "Importer is limited to one uploaded resource at a time.")
        if not parts:
            return None
        _save(cast(BinaryIO, parts[0].stream), target)
        return target, upload_name("", parts[0].filename or "upload")
    if not truth(context.query.get("inbody")) and request.mimetype not in IN_BODY_TYPES:
        return None
    if request.content_length is None and request.mimetype != "application/zip":
        raise Refused(400, "Unable to identify upload format.")  # only zips may come without a length
    _save(cast(BinaryIO, request.stream), target)
    if not target.stat().st_size:
        return None
    return target, upload_name(request.mimetype, "")


def _save(stream: BinaryIO, target: Path) -> None:
    with target.open("wb") as out:
        shutil.copyfileobj(stream, out, CHUNK)
