"""The memory of a target folder: which files are complete, and what arrived but is not in its place yet.

``.xnat-manifest.jsonl`` in the target folder holds one JSON object per line: ``path`` (relative, with ``/``), ``size``,
``mtime_ns``, ``md5``, ``uri``, ``state``; ``{"path": …, "gone": true}`` takes one back. Lines are only appended, each
with one write; the last one of a path counts, and a torn or foreign line is passed over. A line is written *before*
its file is renamed into place: it holds the size and time of exactly that file, so it proves nothing until the rename
happened.

``.xnat-transfer/<owner>/`` holds the bytes of a running transfer, with a journal of the same kind. After a crash the
next run takes over what its dead predecessor left: whole files are checked and used, a torn one is continued if the
server can do that, and the folder goes.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["MANIFEST_NAME", "STAGING_NAME", "Entry", "Leftover", "Manifest", "Staging", "md5_of"]

MANIFEST_NAME = ".xnat-manifest.jsonl"
STAGING_NAME = ".xnat-transfer"
_JOURNAL_NAME = "journal.jsonl"
_ABANDONED = 3600.0  # seconds without a write, after which the folder of a process on another machine counts as left
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """What the manifest knows of one complete file."""

    path: str
    size: int
    mtime_ns: int
    md5: str | None
    uri: str
    state: str = "unverifiable"

    def describes(self, stat: os.stat_result) -> bool:
        """Whether a file with this status is the one that was noted, untouched since."""
        return stat.st_size == self.size and stat.st_mtime_ns == self.mtime_ns


class Manifest:
    """The manifest of one target folder; appends from several threads and processes do not mix."""

    def __init__(self, target: Path) -> None:
        self.path = target / MANIFEST_NAME
        self._entries: dict[str, Entry] = {}
        self._lines = 0
        self._lock = threading.Lock()
        self._file: int | None = None
        for line in _read_lines(self.path):
            self._lines += 1
            self._take(line)

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, path: str) -> Entry | None:
        """What is known of the file at this relative path."""
        return self._entries.get(path)

    def entries(self) -> list[Entry]:
        """Everything known."""
        return list(self._entries.values())

    def record(self, entry: Entry) -> None:
        """Note a file that is about to be renamed into place."""
        with self._lock:
            self._entries[entry.path] = entry
            self._append(asdict(entry))

    def forget(self, path: str) -> None:
        """Note that a file is gone."""
        with self._lock:
            if self._entries.pop(path, None) is not None:
                self._append({"path": path, "gone": True})

    def close(self) -> None:
        """Close the file; shorten it first if most of its lines are out of date."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
                if self._lines > 2 * len(self._entries) + 100:
                    self._compact()

    def _take(self, line: dict[str, Any]) -> None:
        try:
            if line.get("gone"):
                self._entries.pop(line["path"], None)
                return
            md5, uri, state = line.get("md5"), str(line.get("uri") or ""), str(line.get("state") or "unverifiable")
            entry = Entry(str(line["path"]), int(line["size"]), int(line["mtime_ns"]), md5, uri, state)
        except (KeyError, TypeError, ValueError):
            return
        self._entries[entry.path] = entry

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is None:
            self._file = _open_for_append(self.path)
        self._lines += 1
        _write_line(self._file, line)

    def _compact(self) -> None:
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        text = "".join(_to_line(asdict(entry)) for entry in self._entries.values())
        with contextlib.suppress(OSError):  # a long manifest is as good as a short one
            temporary.write_text(text, encoding="utf-8", newline="\n")
            os.replace(temporary, self.path)


@dataclass(frozen=True)
class Leftover:
    """Bytes a dead run left: all of a file (``complete``), or its beginning."""

    temporary: Path
    path: str
    size: int | None
    md5: str | None
    uri: str
    validator: str | None
    complete: bool


class Staging:
    """The folder of one run below the target, for bytes that are not files yet. Threads share it.

    It is on the target's file system, so taking a file from here to its final name is one rename.
    """

    _active: set[str] = set()  # folders of runs in this very process

    def __init__(self, target: Path) -> None:
        self.root = target / STAGING_NAME
        self._lock = threading.Lock()
        self._count = 0
        self._journal: int | None = None
        token = f"{time.time_ns():x}"
        self.folder = self.root / f"{socket.gethostname()}~{os.getpid()}~{token}"
        self._active.add(str(self.folder))

    def new_file(self, path: str, size: int | None, md5: str | None, uri: str) -> Path:
        """A fresh name for the bytes of *path*; the expectations are noted for whoever finds them after a crash."""
        with self._lock:
            if self._journal is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._journal = _open_for_append(self.folder / _JOURNAL_NAME)
            self._count += 1
            temporary = self.folder / f"{self._count:06d}.part"
            line = {"temp": temporary.name, "path": path, "size": size, "md5": md5, "uri": uri}
            _write_line(self._journal, line)
        return temporary

    def note(self, temporary: Path, **facts: Any) -> None:
        """Add facts to the journal: ``validator=`` of the answer, ``complete=True`` with ``md5=``."""
        with self._lock:
            if self._journal is not None:
                _write_line(self._journal, {"temp": temporary.name, **facts})

    def leftovers(self) -> Iterator[Leftover]:
        """What dead runs left, now owned by this run (and removed with it unless it is used)."""
        for folder in self._abandoned():
            with self._lock:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._count += 1
                mine = self.folder / f"found-{self._count}"
            try:
                os.rename(folder, mine)  # of two runs that see the same leftovers one wins
            except OSError:
                continue
            # A run that took over leftovers itself has them in folders of their own.
            for journal in sorted(mine.rglob(_JOURNAL_NAME)):
                yield from _read_journal(journal.parent)

    def close(self, *, keep: bool = False) -> None:
        """Remove the folder and everything in it, or leave it to the next run."""
        import shutil

        with self._lock:
            if self._journal is not None:
                os.close(self._journal)
                self._journal = None
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._active.discard(str(self.folder))
        with contextlib.suppress(OSError):  # another run may use the parent
            self.root.rmdir()

    def _abandoned(self) -> list[Path]:
        try:
            folders = [path for path in self.root.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:
            return []
        return [path for path in sorted(folders) if str(path) not in self._active and _owner_is_dead(path)]


def md5_of(path: Path) -> str:
    """The MD5 of a file on disk."""
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _owner_is_dead(folder: Path) -> bool:
    host, _, rest = folder.name.partition("~")
    pid = rest.partition("~")[0]
    if host == socket.gethostname() and pid.isdigit() and os.name != "nt":
        # Our own number and not an active folder: a container that always runs as process 1.
        return int(pid) == os.getpid() or not _process_exists(int(pid))
    # No lock can be trusted across machines (flock "succeeds" on some cluster file systems), but time can. Windows
    # refuses to rename a folder with open files, so there a living owner is safe in any case.
    try:
        newest = max((entry.stat().st_mtime for entry in folder.iterdir()), default=folder.stat().st_mtime)
    except OSError:
        return False
    return time.time() - newest > _ABANDONED or os.name == "nt"


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _read_journal(folder: Path) -> Iterator[Leftover]:
    facts: dict[str, dict[str, Any]] = {}
    for line in _read_lines(folder / _JOURNAL_NAME):
        if isinstance(line.get("temp"), str):
            facts.setdefault(line["temp"], {}).update(line)
    for name, known in facts.items():
        temporary = folder / name
        if os.sep in name or "/" in name or not temporary.is_file() or temporary.is_symlink():
            continue
        path, uri = known.get("path"), known.get("uri")
        if isinstance(path, str) and isinstance(uri, str):
            yield Leftover(
                temporary,
                path,
                known.get("size"),
                known.get("md5"),
                uri,
                known.get("validator"),
                known.get("complete") is True,
            )


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        raw = path.read_bytes()
    except OSError:
        return
    for line in raw.split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:  # torn by a crash, or not ours
            continue
        if isinstance(value, dict):
            yield value


def _open_for_append(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    end = os.lseek(file, 0, os.SEEK_END)
    if end:
        os.lseek(file, end - 1, os.SEEK_SET)
        if os.read(file, 1) != b"\n":
            os.write(file, b"\n")  # a line torn by a crash must not swallow the next one
    return file


def _write_line(file: int, line: dict[str, Any]) -> None:
    os.write(file, _to_line(line).encode())


def _to_line(line: dict[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":")) + "\n"
