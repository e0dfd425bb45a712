"""What to fetch: files and groups of files as the caller lists them, and the comparison with a target folder.

:py:func:`make_plan` only looks (at the listing, the manifest and the disk); nothing is fetched or changed by it, so a
plan can be shown to the user first (``dry_run=True``).
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from xnat.exceptions import XNATDownloadError, XNATValueError

from .manifest import Entry, Manifest, md5_of
from .names import collision_key, resolve_inside
from .progress import human_bytes
from .report import files_html

__all__ = [
    "EXISTING",
    "Action",
    "Existing",
    "Plan",
    "PlanItem",
    "RemoteFile",
    "RemoteGroup",
    "make_plan",
    "usable_digest",
]

#: What to do with files that exist: refuse, keep, replace, or replace what differs.
Existing = Literal["error", "skip", "overwrite", "refresh"]
EXISTING: tuple[str, ...] = ("error", "skip", "overwrite", "refresh")

#: ``fetch`` a missing file, ``overwrite`` one that differs, ``skip`` one that is complete or to be kept; ``refuse`` one
#: whose place is taken or whose path is not usable; ``delete`` one that vanished on the server.
Action = Literal["fetch", "overwrite", "skip", "refuse", "delete"]

_SHOWN = 20


@dataclass(frozen=True)
class RemoteFile:
    """A file on the server and its place below the target.

    :ivar uri: REST path of the file, quoted
    :ivar path: relative local path, of parts made by :py:func:`~xnat.transfer.names.safe_name`
    :ivar size: bytes by the server's listing, None if it does not say
    :ivar digest: MD5 in hex by the server's listing, None or empty if it does not say
    """

    uri: str
    path: PurePosixPath
    size: int | None = None
    digest: str | None = None

    @property
    def md5(self) -> str | None:
        """The digest in lower case, if it is an MD5."""
        return usable_digest(self.digest)


def _not_wanted(member: str) -> PurePosixPath | None:
    return None


@dataclass(frozen=True)
class RemoteGroup:
    """Files that can also be had as one zip.

    :ivar files: the files, each with an URI of its own
    :ivar archive_uri: where ``?format=zip`` gives all of them, None if nowhere
    :ivar member_path: maps the name of a zip member to the relative local path (as in :py:attr:`RemoteFile.path`), or
        to None for a member that is not wanted
    """

    files: list[RemoteFile]
    archive_uri: str | None = None
    member_path: Callable[[str], PurePosixPath | None] = _not_wanted


@dataclass(frozen=True)
class PlanItem:
    """What is to happen to one file, and why."""

    path: PurePosixPath
    action: Action
    reason: str
    file: RemoteFile | None = None
    entry: Entry | None = None

    @property
    def size(self) -> int | None:
        """Bytes, by the server's listing."""
        return self.file.size if self.file is not None else None


@dataclass
class Plan:
    """What a transfer would do; print it, or ask its lists."""

    target: Path
    items: list[PlanItem] = field(default_factory=list)

    def having(self, *actions: Action) -> list[PlanItem]:
        """The items with one of these actions."""
        return [item for item in self.items if item.action in actions]

    @property
    def fetch(self) -> list[PlanItem]:
        """Files that are not here yet."""
        return self.having("fetch")

    @property
    def overwrite(self) -> list[PlanItem]:
        """Files that are here but differ."""
        return self.having("overwrite")

    @property
    def skip(self) -> list[PlanItem]:
        """Files that are complete, or kept."""
        return self.having("skip")

    @property
    def refuse(self) -> list[PlanItem]:
        """Files that can't be stored."""
        return self.having("refuse")

    @property
    def delete(self) -> list[PlanItem]:
        """Files that vanished on the server and would be removed here."""
        return self.having("delete")

    @property
    def bytes(self) -> int:
        """Bytes to fetch, as far as the server tells."""
        return sum(item.size or 0 for item in self.having("fetch", "overwrite"))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.having("fetch", "overwrite", "delete", "refuse")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        items = [
            {
                "path": item.path.as_posix(),
                "action": item.action,
                "reason": item.reason,
                "size": item.size,
                "uri": item.file.uri if item.file else (item.entry.uri if item.entry else None),
            }
            for item in self.items
        ]
        counts = dict(Counter(item.action for item in self.items))
        return {"target": str(self.target), "bytes": self.bytes, "counts": counts, "items": items}

    def to_json(self, indent: int | None = None) -> str:
        """The plan as JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def _summary(self) -> str:
        counts = Counter(item.action for item in self.items)
        words = ", ".join(f"{count} to {action}" for action, count in sorted(counts.items())) or "nothing to do"
        return f"{self.target}: {words}; {human_bytes(self.bytes)} to fetch"

    def _repr_html_(self) -> str:
        busy = [item for item in self.items if item.action != "skip"]
        rows = [
            [str(item.path), item.action, item.reason, "" if item.size is None else str(item.size)] for item in busy
        ]
        return files_html(self._summary(), ("file", "what to do", "because", "bytes"), rows)

    def __str__(self) -> str:
        lines = [self._summary()]
        busy = [item for item in self.items if item.action != "skip"]
        lines += [f"  {item.action:<9} {item.path}  ({item.reason})" for item in busy[:_SHOWN]]
        if len(busy) > _SHOWN:
            lines.append(f"  … and {len(busy) - _SHOWN} more")
        return "\n".join(lines)


def usable_digest(digest: str | None) -> str | None:
    """*digest* in lower case if it is an MD5 in hex, else None (XNAT gives an empty text if checksums are off)."""
    text = (digest or "").strip().lower()
    return text if len(text) == 32 and all(char in "0123456789abcdef" for char in text) else None


def make_plan(
    files: Iterable[RemoteFile],
    target: Path,
    manifest: Manifest,
    existing: Existing,
    *,
    delete: bool = False,
    below: PurePosixPath | None = None,
    zips: Collection[str] = (),
    fold: bool = False,
) -> Plan:
    """Compare the server's *files* with *target*.

    :param delete: also plan to remove files this package fetched earlier and the server no longer has
    :param below: only remove below this relative folder (the rest of the target may mirror something else)
    :param zips: archives of the server; what came from one of these without being listed has not vanished
    :param fold: the file system of the target takes names for equal that differ in case or Unicode form
    """
    if existing not in EXISTING:
        raise XNATValueError(f"existing must be one of {', '.join(EXISTING)}, not {existing!r}")
    plan = Plan(target)
    identity = collision_key if fold else str
    seen: dict[str, str] = {}
    listed = list(files)
    folders = {identity(parent) for parent in {parent for file in listed for parent in file.path.parents}}
    for file in listed:
        key = identity(file.path)
        if key in seen:
            plan.items.append(PlanItem(file.path, "refuse", f"same local name as {seen[key]}", file))
        elif key in folders:
            plan.items.append(PlanItem(file.path, "refuse", "a file and a folder have the same local name", file))
        else:
            plan.items.append(_decide(file, target, manifest, existing))
        seen.setdefault(key, file.uri)
    if delete:
        plan.items += _vanished({str(file.path) for file in listed}, target, manifest, below, zips)
    return plan


def _decide(file: RemoteFile, target: Path, manifest: Manifest, existing: Existing) -> PlanItem:
    try:
        place = resolve_inside(target, file.path)
        status = place.lstat()
    except XNATDownloadError as error:
        return PlanItem(file.path, "refuse", str(error), file)
    except (FileNotFoundError, NotADirectoryError):
        return PlanItem(file.path, "fetch", "not here yet", file)
    if stat.S_ISDIR(status.st_mode):
        return PlanItem(file.path, "refuse", "a folder is in its place", file)
    entry = manifest.get(str(file.path))
    if existing == "skip":
        return PlanItem(file.path, "skip", "exists", file, entry)
    if existing == "overwrite":
        return PlanItem(file.path, "overwrite", "exists", file, entry)
    difference = _difference(file, place, status, entry)
    if difference is None:
        return PlanItem(file.path, "skip", "complete", file, entry)
    return PlanItem(file.path, "refuse" if existing == "error" else "overwrite", difference, file, entry)


def _difference(file: RemoteFile, place: Path, status: os.stat_result, entry: Entry | None) -> str | None:
    """Why the file here is not (or is not known to be) what the server has; None if it is."""
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file here"
    if file.size is not None and status.st_size != file.size:
        return f"{status.st_size} bytes here, {file.size} on the server"
    known = entry.md5 if entry is not None and entry.describes(status) else None
    if known is None and (file.md5 or (entry is not None and entry.size == status.st_size and entry.md5)):
        known = md5_of(place)  # touched, copied, or from elsewhere: only the bytes themselves can tell
    if file.md5 is not None:
        return None if known == file.md5 else "content differs"
    if entry is None:
        return "not known to be complete"
    if entry.describes(status) or (known is not None and known == entry.md5):
        return None
    return "changed since it was fetched"


def _vanished(
    listed: set[str], target: Path, manifest: Manifest, below: PurePosixPath | None, zips: Collection[str]
) -> list[PlanItem]:
    items = []
    for entry in manifest.entries():
        path = PurePosixPath(entry.path)
        if entry.path in listed or entry.uri in zips or (below is not None and not path.is_relative_to(below)):
            continue
        try:
            status = resolve_inside(target, path).lstat()
        except (OSError, XNATDownloadError):
            continue
        if entry.describes(status):
            items.append(PlanItem(path, "delete", "vanished on the server", entry=entry))
        else:
            # Somebody worked on it: not ours to throw away.
            items.append(PlanItem(path, "skip", "vanished on the server, but changed here: kept", entry=entry))
    return items
