"""Archives: unpacking what a server sent without trusting it, packing what it shall get.

Nothing an archive says is believed before it was checked: names that leave the target or mean something to an operating
system, links, members that would hide each other, and members that grow beyond reason are refused with
:py:class:`~xnat.exceptions.XNATUnsafeArchiveError`, and nothing of that archive stays.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Literal

from xnat.exceptions import XNATDownloadError, XNATUnsafeArchiveError, XNATUploadError

from .fetch import FileSink, storage_error
from .manifest import MANIFEST_NAME, STAGING_NAME
from .names import collision_key, resolve_inside, strict_objection, unsafe_objection
from .zipstream import UnknownEndError, ZipStream, stored_sizes

__all__ = [
    "ArchiveLimits",
    "Compression",
    "Names",
    "Ratio",
    "check_arriving_zip",
    "files_below",
    "pack_tar",
    "pack_zip",
    "unpack",
    "unsafe",
]

Compression = Literal["", "gz"]
_CHUNK = 1 << 20
_OWN_NAMES = (MANIFEST_NAME, STAGING_NAME)


@dataclass(frozen=True)
class ArchiveLimits:
    """How far an archive may unfold; raise what your data need.

    :ivar max_bytes: unpacked bytes of all members
    :ivar max_members: number of members
    :ivar max_ratio: unpacked to packed bytes; deflate itself ends at 1032, masks and label maps come close to it
    :ivar ratio_from: unpacked bytes up to which the ratio does not matter
    """

    max_bytes: int = 1 << 40
    max_members: int = 2_000_000
    max_ratio: float = 250.0
    ratio_from: int = 256 << 20


class Ratio:
    """Watches one archive against its limits."""

    def __init__(self, limits: ArchiveLimits, stream: ZipStream) -> None:
        self._limits, self._stream = limits, stream
        self._bytes = self._expected = self._members = 0

    def member(self, name: str, expected: int = 0) -> None:
        """One more member; *expected* bytes of it are announced by a listing and not suspicious."""
        self._members += 1
        self._expected += expected
        if self._members > self._limits.max_members:
            raise unsafe(name, f"more than {self._limits.max_members} members (ArchiveLimits.max_members)")

    def bytes(self, name: str, count: int) -> None:
        """More unpacked bytes."""
        self._bytes += count
        surplus, limits = self._bytes - self._expected, self._limits
        if surplus > limits.max_bytes:
            raise unsafe(name, f"unpacks to more than {limits.max_bytes} bytes (ArchiveLimits.max_bytes)")
        if surplus > limits.ratio_from and surplus > limits.max_ratio * max(self._stream.packed, 1):
            raise unsafe(name, f"unpacks to more than {limits.max_ratio:g} times its size (ArchiveLimits.max_ratio)")


class Names:
    """The names of one archive so far; refuses those that can't or must not stand beside each other.

    :param known: paths that were announced by a listing; they may differ in case only, if the disk can do that
    """

    def __init__(self, known: Iterable[PurePosixPath] = ()) -> None:
        self._members: set[str] = set()
        self._known = set(known)
        self._files: dict[str, list[PurePosixPath]] = {}
        self._folders: dict[str, list[PurePosixPath]] = {}
        self._reserved: dict[str, list[PurePosixPath]] = {}
        for way in {way for path in self._known for way in (path, *path.parents)}:
            self._reserved.setdefault(collision_key(way), []).append(way)

    def member(self, name: str) -> None:
        """Check the name of any member, wanted or not."""
        objection = unsafe_objection(name)
        if objection is not None:
            raise unsafe(name, objection)
        plain = "/".join(part for part in name.split("/") if part not in ("", "."))
        if plain in self._members and not name.endswith("/"):
            raise unsafe(name, "duplicate member")
        self._members.add(plain)

    def place(self, name: str, path: PurePosixPath, *, folder: bool = False) -> None:
        """Check the local place of a wanted member."""
        announced = path in self._known
        objection = None if announced else strict_objection(name)
        if objection is not None:
            raise unsafe(name, objection)
        ways = [parent for parent in path.parents if parent.parts] + ([path] if folder else [])
        for way in ways:
            self._stand(name, way, announced, self._folders, self._files)
        if not folder:
            if path in self._files.get(collision_key(path), ()):
                raise unsafe(name, "another member has the same place")
            self._stand(name, path, announced, self._files, self._folders)

    def _stand(
        self,
        name: str,
        path: PurePosixPath,
        announced: bool,
        same: dict[str, list[PurePosixPath]],
        other: dict[str, list[PurePosixPath]],
    ) -> None:
        key = collision_key(path)
        paths = same.setdefault(key, [])
        rivals = [rival for rival in paths if rival != path] + other.get(key, [])
        if not announced:
            rivals += [rival for rival in self._reserved.get(key, []) if rival != path]
        if rivals and (path in rivals or not announced):
            raise unsafe(name, f"collides with {rivals[0]}")
        if path not in paths:
            paths.append(path)


def unsafe(member: str, reason: str) -> XNATUnsafeArchiveError:
    """The error that refuses a member."""
    error = XNATUnsafeArchiveError(f"refused archive member {member!r}: {reason}")
    error.member = member
    return error


def refuse_special(stream: ZipStream, names: dict[bytes, str]) -> None:
    """Refuse links and devices; only the directory at the end of an archive tells of them."""
    for line in stream.directory:
        if line.is_special:
            raise unsafe(names.get(line.raw_name, repr(line.raw_name)), "symbolic link or special file")


def unpack(
    archive: str | os.PathLike[str] | BinaryIO,
    target: str | os.PathLike[str],
    *,
    rename: Callable[[str], str | PurePosixPath | None] | None = None,
    limits: ArchiveLimits | None = None,
) -> list[Path]:
    """Unpack a zip into *target*: all of it or nothing, and nothing outside.

    :param archive: a path or an open file
    :param target: a folder; made if it isn't there. Files that exist are replaced.
    :param rename: gives the relative path for a member's name, None to leave it out
    :returns: the files, in the archive's order
    :raises xnat.exceptions.XNATUnsafeArchiveError: a member is refused; its ``member`` attribute names it
    :raises xnat.exceptions.XNATDownloadError: the archive is damaged or can't be stored
    """
    import shutil
    import tempfile

    root = Path(target)
    made = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".xnat-unpack-", dir=root))
    except OSError as error:
        raise storage_error(root, error) from error
    done = False
    try:
        with contextlib.ExitStack() as stack:
            file: Any = archive if hasattr(archive, "read") else stack.enter_context(open(archive, "rb"))
            found = _unpack_aside(_read_zip(file), folder, rename, limits or ArchiveLimits())
        files = _put_in_place(found, root)
        done = True
        return files
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if made and not done:
            with contextlib.suppress(OSError):
                root.rmdir()


def _unpack_aside(
    stream: ZipStream,
    folder: Path,
    rename: Callable[[str], str | PurePosixPath | None] | None,
    limits: ArchiveLimits,
) -> list[tuple[str, PurePosixPath, Path | None]]:
    names, ratio = Names(), Ratio(limits, stream)
    raw_names: dict[bytes, str] = {}
    found: list[tuple[str, PurePosixPath, Path | None]] = []
    for member in stream:
        names.member(member.name)
        ratio.member(member.name)
        raw_names[member.raw_name] = member.name
        renamed = member.name if rename is None else rename(member.name)
        path = None if renamed is None else PurePosixPath(renamed)
        if path is not None:
            names.place(member.name, path, folder=member.is_dir)
        temporary = None if path is None or member.is_dir else folder / str(len(found))
        _write_member(stream, member.name, temporary, ratio)
        if path is not None:
            found.append((member.name, path, temporary))
    refuse_special(stream, raw_names)
    return found


def _write_member(stream: ZipStream, name: str, temporary: Path | None, ratio: Ratio) -> None:
    sink = FileSink(temporary, Path(name)) if temporary is not None else None
    try:
        for piece in stream.read():
            ratio.bytes(name, len(piece))
            if sink is not None:
                sink.write(piece)
    finally:
        if sink is not None:
            sink.close()


def _put_in_place(found: list[tuple[str, PurePosixPath, Path | None]], root: Path) -> list[Path]:
    places: list[tuple[Path, Path | None]] = []
    for name, path, temporary in found:
        try:
            place = resolve_inside(root, path)
        except XNATDownloadError as error:
            raise unsafe(name, str(error)) from error
        if temporary is not None and place.is_dir() and not place.is_symlink():
            raise unsafe(name, "a folder is in its place")
        places.append((place, temporary))
    for place, temporary in places:
        try:
            (place if temporary is None else place.parent).mkdir(parents=True, exist_ok=True)
            if temporary is not None:
                os.replace(temporary, place)
        except OSError as error:
            raise storage_error(place, error) from error
    return [place for place, temporary in places if temporary is not None]


def _read_zip(file: BinaryIO) -> ZipStream:
    """The members of an archive that is all there."""
    sizes: dict[int, int] = {}
    if file.seekable():
        begin = file.tell()
        if begin == 0:
            sizes = stored_sizes(file)
        file.seek(begin)
    return ZipStream(iter(lambda: file.read(_CHUNK), b""), sizes=sizes)


def check_arriving_zip(chunks: Iterator[bytes], path: Path) -> None:
    """Check the structure of a zip and every CRC while its bytes come; who gives them writes them to *path*.

    Members that don't tell their length are checked there, once all is there: the directory at the end has it, and
    reading them once more is cheaper than searching for their ends.

    In the same thread as what receives and writes: two threads that both copy and hash wait longer for the interpreter
    than the second one saves.

    :raises xnat.transfer.zipstream.BadZipError: damaged
    """
    try:
        for _ in ZipStream(chunks, search=False):
            pass
    except UnknownEndError:
        for _ in chunks:
            pass
        with open(path, "rb") as file:
            for _ in _read_zip(file):
                pass


def files_below(directory: str | os.PathLike[str]) -> list[tuple[Path, str]]:
    """All files below a folder with their relative names (with ``/``), sorted. Links are followed, once around.

    :raises xnat.exceptions.XNATUploadError: something below is neither file nor folder
    """
    found: list[tuple[Path, str]] = []
    root = Path(directory)
    _collect(root, "", found, frozenset())
    return sorted(found, key=lambda item: item[1])


def _collect(folder: Path, prefix: str, found: list[tuple[Path, str]], above: frozenset[tuple[int, int]]) -> None:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder we are in
        return
    for path in folder.iterdir():
        if not prefix and path.name in _OWN_NAMES:
            continue
        if path.is_dir():
            _collect(path, f"{prefix}{path.name}/", found, above | {here})
        elif path.is_file():
            found.append((path, prefix + path.name))
        else:
            raise XNATUploadError(f"can't upload {path}: not a file (or a link that leads nowhere)")


def pack_tar(
    source: str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], str]],
    fileobj: IO[bytes],
    compression: Compression = "",
) -> dict[str, tuple[int, str]]:
    """Pack a folder, or ``(path, name)`` pairs, as tar into an open file.

    :param compression: ``""`` or ``"gz"``
    :returns: size and MD5 of each member, computed on the way
    """
    import tarfile

    packed: dict[str, tuple[int, str]] = {}
    level: dict[str, Any] = {"compresslevel": 3} if compression else {}  # the default, 9, is slower than most networks
    mode: Any = f"w:{compression}"
    with tarfile.open(fileobj=fileobj, mode=mode, format=tarfile.PAX_FORMAT, **level) as tar:
        for path, name in _pairs(source):
            with _open_source(path) as file:
                reader = _HashingReader(file)
                info = tarfile.TarInfo(name)
                status = os.fstat(file.fileno())
                info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o644
                tar.addfile(info, reader)  # owner and rights of this machine mean nothing there
                packed[name] = (reader.count, reader.digest.hexdigest())
    return packed


def pack_zip(
    source: str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], str]], fileobj: IO[bytes]
) -> dict[str, tuple[int, str]]:
    """Like :py:func:`pack_tar`, as zip: the one archive XNAT 1.7 unpacks as well."""
    import shutil
    import zipfile

    packed: dict[str, tuple[int, str]] = {}
    with zipfile.ZipFile(fileobj, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, name in _pairs(source):
            with _open_source(path) as file, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                reader = _HashingReader(file)
                shutil.copyfileobj(reader, member, _CHUNK)
                packed[name] = (reader.count, reader.digest.hexdigest())
    return packed


class _HashingReader:
    """Reads a file and hashes what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        import hashlib

        self._file = file
        self.digest = hashlib.md5(usedforsecurity=False)
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        self.count += len(data)
        return data


def _pairs(
    source: str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], str]],
) -> Iterable[tuple[str | os.PathLike[str], str]]:
    return files_below(source) if isinstance(source, str | os.PathLike) else source


def _open_source(path: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return open(path, "rb")
    except OSError as error:
        problem = XNATUploadError(f"can't read {os.fspath(path)}: {error.strerror or error}")
        problem.errno = error.errno
        raise problem from error
