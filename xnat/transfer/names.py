"""From names a server gives to names that are safe on this disk.

One encoder for every local file and folder name (:py:func:`safe_name`), its inverse (:py:func:`original_name`), and one
gate every write passes (:py:func:`resolve_inside`). Names that need no change keep their spelling, so the usual tree
looks exactly like XNAT's own zip.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from xnat.exceptions import XNATDownloadError

__all__ = [
    "PRIVATE_PREFIX",
    "collision_key",
    "original_name",
    "resolve_inside",
    "safe_name",
    "safe_path",
    "strict_objection",
    "unsafe_objection",
]

#: Names of our own files in a target folder start like this; no server-given name may.
PRIVATE_PREFIX = ".xnat-"

_MAX_BYTES = 255  # the limit of ext4, XFS, APFS and (in UTF-16 units) NTFS for one name
_MAX_PATH = 4000  # what systems take for a whole path ends there or earlier
_DIGEST_LENGTH = 16
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Forbidden everywhere: separators of any system, and what breaks terminals, logs and C strings. A '%' is only
# escaped where it would be read as an escape, so '100%.txt' keeps its name.
_ALWAYS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029/\\\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})")
_ON_WINDOWS = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|COM[0-9¹²³]|LPT[0-9¹²³]) *(?:\.|:|$)", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


def safe_name(label: str, *, windows: bool = os.name == "nt") -> str:
    """A file or folder name for *label* that can't leave its folder, reversible with :py:func:`original_name`.

    Awkward characters become ``%XX`` (their UTF-8 bytes): both slashes, control characters, a ``%`` that would read as
    an escape, the first letter of a device name (``CON``, ``nul.txt``), of ``.``, ``..`` and of names this package
    keeps for itself, a trailing dot or space; on Windows also ``< > : " | ? *``. Labels of more than 255 bytes are the
    one exception to reversibility: they are cut and end in ``~`` and a digest of the whole label (the suffix stays).
    """
    if label == "":
        return "%"  # a lone '%' is escaped below, so this stands for nothing else
    if label == "%":
        return "%25"
    name = _ALWAYS.sub(_escape, label)
    if windows:
        name = _ON_WINDOWS.sub(_escape, name)
    if name.strip(".") == "" or _DEVICE.match(name) or name.casefold().startswith(PRIVATE_PREFIX):
        name = _escape_char(name[0]) + name[1:]
    if name[-1] in ". ":
        name = name[:-1] + _escape_char(name[-1])
    return name if len(name.encode()) <= _MAX_BYTES else _shorten(name, label)


def original_name(name: str) -> str:
    """The label :py:func:`safe_name` made *name* of (of a shortened name: the shortened label)."""
    if name == "%":
        return ""
    raw = b""
    position = 0
    for match in _ESCAPE.finditer(name):
        raw += name[position : match.start()].encode("utf-8", "surrogatepass") + bytes.fromhex(match.group(1))
        position = match.end()
    raw += name[position:].encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "surrogatepass")


def safe_path(*labels: str) -> PurePosixPath:
    """A relative path of one safe name per label."""
    return PurePosixPath(*(safe_name(label) for label in labels))


def resolve_inside(target: str | os.PathLike[str], relative: str | os.PathLike[str]) -> Path:
    """The place of *relative* below *target*; refuses to leave it, through symbolic links as well.

    :raises xnat.exceptions.XNATDownloadError: the path is absolute, climbs, or a link on the way leads outside
    """
    root = Path(target)
    text = os.fspath(relative)
    parts = PurePosixPath(text).parts
    windows = PureWindowsPath(text)
    climbs = any(part in ("..", ".", "") for part in parts)
    drives = os.name == "nt" and bool(windows.drive or windows.root)
    if not parts or climbs or drives or PurePosixPath(text).is_absolute() or "\0" in text:
        raise XNATDownloadError(f"refused to write {text!r}: not a path below {root}")
    place = os.fspath(root)
    for part in parts[:-1]:
        # As text: this is asked several times for every file, and paths as objects cost ten times as much.
        place = os.path.join(place, part)
        if os.path.islink(place) and not _leads_inside(Path(place), root):
            raise XNATDownloadError(f"refused to write {text!r}: {place} is a link that leaves {root}")
    return Path(place, parts[-1])


def _leads_inside(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop
        return False


def unsafe_objection(name: str) -> str | None:
    """Why an archive member of this name can't be accepted by anybody, or None."""
    if not name or not name.strip("/"):
        return "empty name"
    if "\0" in name:
        return "NUL in the name"
    if _CONTROL.search(name):
        return "line break or control character in the name"
    if "\\" in name:
        return "backslash in the name"
    if name.startswith("/"):
        return "absolute path"
    if _DRIVE.match(name):
        return "drive letter"
    if ".." in name.split("/"):
        return "path leads out of its folder"
    if len(name) > _MAX_PATH:
        return f"path longer than {_MAX_PATH} characters"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "name is not valid Unicode"
    return None


def strict_objection(name: str) -> str | None:
    """Why a member nobody announced is refused, although it stays below the target, or None."""
    for part in name.split("/"):
        if _DEVICE.match(part):
            return "device name"
        if part not in ("", ".") and part[-1] in ". ":
            return "name ends in a dot or space"
        if ":" in part:
            return "colon in the name"
        if len(part.encode()) > _MAX_BYTES:
            return "name longer than 255 bytes"
        if part.casefold().startswith(PRIVATE_PREFIX):
            return "name kept for the transfer's own files"
    return None


def collision_key(path: str | PurePosixPath) -> str:
    """Equal for two paths that some file systems take for one: letter case and Unicode form are ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


def _escape(match: re.Match[str]) -> str:
    return _escape_char(match.group())


def _escape_char(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _shorten(name: str, label: str) -> str:
    import hashlib

    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    # Compound suffixes matter to readers of the files (.nii.gz), so both last ones stay if they are short.
    suffix = "".join(PurePosixPath(name).suffixes[-2:])
    tail = "~" + digest + (suffix if len(suffix.encode()) <= 32 and suffix[-1:] not in (".", " ") else "")
    head = name.encode()[: _MAX_BYTES - len(tail.encode())].decode("utf-8", "ignore")
    return re.sub(r"%[0-9A-Fa-f]?$", "", head) + tail
