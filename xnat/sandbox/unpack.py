"""Archives on their way in: zip, tar, compressed tar, gzip, and archives within archives, unpacked without trust.

Members are written under numbers, never under their own names, so no name can lead out of the folder.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["MAX_BYTES", "MAX_FILES", "BadArchive", "Member", "archive_kind", "safe_name", "unpack"]

MAX_FILES = 200_000
MAX_BYTES = 16 * 2**30
MAX_DEPTH = 3
MAX_RATIO = 2000  # deflate reaches about 1000:1 on zeros; nested layers multiply, and that is what a bomb does
FREE_BYTES = 64 * 2**20  # small archives may compress as well as they like
CHUNK = 1 << 20
JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")


class BadArchive(Exception):  # noqa: N818 - named for what it is; the view turns it into a status
    """The archive cannot be read, or holds more than the sandbox will unpack."""


@dataclass(frozen=True)
class Member:
    """One unpacked file: the cleaned name it had in its archive, and where its bytes are now."""

    name: str
    path: Path


def safe_name(name: str) -> str:
    """A relative path with nothing in it that climbs, starts at a root or hides control characters."""
    parts = []
    for part in name.replace("\\", "/").split("/"):
        cleaned = "".join(char for char in part if char.isprintable() and char not in ':*?"<>|').strip()
        if cleaned and set(cleaned) != {"."}:
            parts.append(cleaned)
    return "/".join(parts) or "file"


def archive_kind(path: Path) -> str | None:
    """``zip``, ``gzip`` or ``tar`` by the file's first bytes; None for anything else."""
    with path.open("rb") as stream:
        head = stream.read(512)
    if head[128:132] == b"DICM":  # whatever its preamble, and its pixels, look like
        return None
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[257:262] == b"ustar":
        return "tar"
    return None


def unpack(path: Path, name: str, into: Path) -> list[Member]:
    """Unpack an archive, archives inside it too; a file that is none is its own only member."""
    return _Unpacker(path, into).run(path, safe_name(name))


class _Unpacker:
    def __init__(self, source: Path, into: Path) -> None:
        self._into = into
        self._count = 0
        self._bytes = 0
        self._budget = min(MAX_BYTES, FREE_BYTES + source.stat().st_size * MAX_RATIO)

    def run(self, path: Path, name: str, depth: int = 0) -> list[Member]:
        kind = archive_kind(path)
        if kind is None:
            return [Member(name, path)]
        if depth > MAX_DEPTH:
            raise BadArchive(f"archives are nested too deeply: {name}")
        try:
            return list(self._members(path, name, kind, depth))
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise BadArchive(f"unable to read archive {name}: {error}") from error

    def _members(self, path: Path, name: str, kind: str, depth: int) -> Iterator[Member]:
        opened = {"zip": _zip_members, "tar": _tar_members, "gzip": _gzip_member}[kind](path, name)
        for member_name, stream in opened:
            safe = safe_name(member_name)
            if any(junk in f"{safe}/" if junk.endswith("/") else safe.endswith(junk) for junk in JUNK):
                continue
            target = self._write(stream)
            nested = archive_kind(target)
            if nested is None:
                yield Member(safe, target)
                continue
            yield from self.run(target, safe, depth + 1)
            target.unlink()

    def _write(self, stream: IO[bytes]) -> Path:
        self._count += 1
        if self._count > MAX_FILES:
            raise BadArchive(f"the archive holds more than {MAX_FILES} files")
        target = self._into / f"{self._count:06d}"
        with stream, target.open("wb") as out:
            while chunk := stream.read(CHUNK):
                self._bytes += len(chunk)
                if self._bytes > self._budget:
                    raise BadArchive("the archive unpacks to more data than its size allows for")
                out.write(chunk)
        return target


def _zip_members(path: Path, name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            # A symbolic link in a zip is a small file that holds its target: only the flag tells.
            if not info.is_dir() and (info.external_attr >> 28) != 0o12:
                yield info.filename, archive.open(info)


def _tar_members(path: Path, name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(path, "r:*") as archive:
        for info in archive:
            stream = archive.extractfile(info) if info.isfile() else None
            if stream is not None:
                yield info.name, stream


def _gzip_member(path: Path, name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with gzip.open(path) as probe:
        head = probe.read(512)
    if head[257:262] == b"ustar" and head[128:132] != b"DICM":
        yield from _tar_members(path, name)
        return
    bare = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    yield bare, gzip.open(path)  # type: ignore[misc] # noqa: SIM115 - whoever reads the member closes it
