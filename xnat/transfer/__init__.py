"""Moving bytes: downloads, uploads, whole trees, with checks, resumption and a report.

Knows no XNAT types; it moves bytes for anyone who gives it URIs and a :py:class:`~xnat.protocols.Requester`.
"""

from __future__ import annotations

from xnat.protocols import Requester, UpdateFunc

from .archive import ArchiveLimits, files_below, pack_tar, unpack
from .download import download_file, download_stream, download_tree
from .names import original_name, resolve_inside, safe_name, safe_path
from .plan import Plan, PlanItem, RemoteFile, RemoteGroup
from .progress import default_update_func
from .report import FileResult, TransferReport
from .upload import METHODS, upload_data, upload_file, upload_tree

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
