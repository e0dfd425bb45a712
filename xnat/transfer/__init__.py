"""Moving bytes: downloads, uploads, whole trees, with checks, resumption and a report.

Knows no XNAT types; it moves bytes for anyone who gives it URIs and a :py:class:`~xnat.protocols.Requester`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xnat.protocols import Requester, UpdateFunc

    from .archive import ArchiveLimits, files_below, pack_tar, unpack
    from .download import download_file, download_stream, download_tree
    from .names import original_name, resolve_inside, safe_name, safe_path
    from .plan import Plan, PlanItem, RemoteFile, RemoteGroup
    from .progress import default_update_func
    from .report import FileResult, TransferReport
    from .upload import METHODS, upload_data, upload_file, upload_tree

# Where each lives. It is imported when first used: a session needs the progress bar only, until it moves bytes.
_HOMES = {
    **dict.fromkeys(("ArchiveLimits", "files_below", "pack_tar", "unpack"), "archive"),
    **dict.fromkeys(("download_file", "download_stream", "download_tree"), "download"),
    **dict.fromkeys(("original_name", "resolve_inside", "safe_name", "safe_path"), "names"),
    **dict.fromkeys(("Plan", "PlanItem", "RemoteFile", "RemoteGroup"), "plan"),
    "default_update_func": "progress",
    **dict.fromkeys(("FileResult", "TransferReport"), "report"),
    **dict.fromkeys(("METHODS", "upload_data", "upload_file", "upload_tree"), "upload"),
    **dict.fromkeys(("Requester", "UpdateFunc"), "xnat.protocols"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    value = getattr(importlib.import_module(home if "." in home else f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


__all__ = [
    "METHODS",
    "ArchiveLimits",
    "FileResult",
    "Plan",
    "PlanItem",
    "RemoteFile",
    "RemoteGroup",
    "Requester",
    "TransferReport",
    "UpdateFunc",
    "default_update_func",
    "download_file",
    "download_stream",
    "download_tree",
    "files_below",
    "original_name",
    "pack_tar",
    "resolve_inside",
    "safe_name",
    "safe_path",
    "unpack",
    "upload_data",
    "upload_file",
    "upload_tree",
]
