"""Remembers a server's data model between programs, so that connecting again needs no schemas.

One file per server in the user's cache directory: a header, the model as JSON, the schemas it was made of. Data only,
never code. A snapshot counts if it is ours (owner, permissions), whole (checksums), made by this version, and if the
fingerprint the caller passes is the one it was stored with. Anything else is as if there were none: a cache is no
reason to fail.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from ..exceptions import XNATSchemaError
from ..version import __version__
from .model import FORMAT, Model, SchemaDocument

__all__ = ["cache_directory", "documents_in", "forget", "load", "load_documents", "save"]

#: Bytes of a snapshot beyond which it is neither written nor read.
MAX_SIZE = 256 * 1024 * 1024

_MAX_HEADER = 4 * 1024 * 1024
_SUFFIX = ".snapshot"


def cache_directory() -> Path:
    """Return where snapshots are: XNAT_CACHE_DIR, else ``xnat`` in XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get("XNAT_CACHE_DIR"):
        return Path(named).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home and os.path.isabs(home) else Path.home() / ".cache") / "xnat"


def load(server: str, fingerprint: str, *, directory: Path | None = None) -> Model | None:
    """Return the stored model of a server, or None if there is none that holds.

    :param fingerprint: says which state of the server is meant: its build, its plug-ins, its list of schemas
    """
    from . import known, remember

    try:
        with _open(_path(server, directory)) as stream:
            header = _header(stream)
            if header["server"] != server or header["fingerprint"] != fingerprint:
                return None
            if (model := known(header["digest"])) is not None:
                return model
            model = Model.from_json(_part(stream, header["model"]), lazy=True)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError):
        return None
    return remember(model) if model.digest == header["digest"] else None


def load_documents(server: str, *, directory: Path | None = None) -> list[SchemaDocument] | None:
    """Return the schemas a server's model was made of, or None."""
    try:
        return documents_in(_path(server, directory), server)
    except RuntimeError:
        return None


def documents_in(path: Path, server: str | None = None) -> list[SchemaDocument] | None:
    """Return the schemas in a snapshot, or None if it isn't a good one.

    :param server: whose it must be; any server's without
    """
    try:
        with _open(path) as stream:
            header = _header(stream)
            if server not in (None, header["server"]):
                return None
            _part(stream, header["model"])
            return [
                SchemaDocument(str(item["name"]), str(item["uri"]), _part(stream, item), str(item["sha256"]))
                for item in header["schemas"]
            ]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def save(
    server: str,
    fingerprint: str,
    model: Model,
    documents: Sequence[SchemaDocument] = (),
    *,
    directory: Path | None = None,
) -> bool:
    """Store a server's model; return whether that worked. Several programs may do so at once: the last one wins."""
    import tempfile

    data = model.to_json().encode("utf-8")
    header = {
        "format": FORMAT,
        "version": __version__,
        "server": server,
        "fingerprint": fingerprint,
        "digest": model.digest,
        "model": _describe(data),
        "schemas": [
            {"name": document.name, "uri": document.uri, **_describe(document.content)} for document in documents
        ],
    }
    head = json.dumps(header).encode("utf-8") + b"\n"
    if len(head) > _MAX_HEADER or len(data) + sum(len(document.content) for document in documents) > MAX_SIZE:
        return False
    try:
        path = _path(server, directory)
        _make_private(path.parent)
        handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # 0600
        try:
            with open(handle, "wb") as stream:
                stream.writelines([head, data, *(document.content for document in documents)])
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except (OSError, RuntimeError):
        return False
    return True


def forget(server: str | None = None, *, directory: Path | None = None) -> None:
    """Delete the snapshot of a server, or all of them."""
    try:
        folder = directory or cache_directory()
        paths = [_path(server, directory)] if server is not None else list(folder.glob(f"*{_SUFFIX}"))
    except (OSError, RuntimeError):
        return
    for path in paths:
        try:
            path.unlink()
        except OSError:
            continue


def _path(server: str, directory: Path | None) -> Path:
    return (directory or cache_directory()) / (sha256(server.encode("utf-8", "replace")).hexdigest()[:32] + _SUFFIX)


def _describe(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": sha256(data).hexdigest()}


def _open(path: Path) -> BinaryIO:
    """Open a snapshot that nobody but us can have written."""
    if not _is_ours(os.stat(path.parent)):
        raise PermissionError(f"{path.parent} can be written by others")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    stream = open(os.open(path, flags), "rb")  # noqa: SIM115 - the caller closes it
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SIZE + _MAX_HEADER or not _is_ours(status):
        stream.close()
        raise PermissionError(f"{path} is not a file only we can write")
    return stream


def _is_ours(status: os.stat_result) -> bool:
    # Windows has neither; its user profiles are private.
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def _make_private(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    if not _is_ours(os.stat(folder)):
        raise PermissionError(f"{folder} can be written by others")


def _header(stream: BinaryIO) -> dict[str, Any]:
    header = json.loads(stream.readline(_MAX_HEADER))
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("version") != __version__:
        raise ValueError("made by another version")
    return header


def _part(stream: BinaryIO, described: dict[str, Any]) -> bytes:
    size = described["bytes"]
    if not isinstance(size, int) or not 0 <= size <= MAX_SIZE:
        raise ValueError("no size")
    data = stream.read(size)
    if len(data) != size or sha256(data).hexdigest() != described["sha256"]:
        raise XNATSchemaError("damaged")
    return data
