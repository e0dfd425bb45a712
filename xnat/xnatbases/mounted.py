"""Where data lies when the server's archive is a directory here: ``XNAT_DATA`` in the environment names it.

Two layouts are known. The archive itself, as a server has it on disk, and what XNAT's JupyterHub plug-in mounts::

    <archive>/<project>/arc001/<session>/SCANS/<scan>/<resource>/<file>
    <mount>/projects/<project>/experiments/<session>/SCANS/<scan>/<resource>/<file>

Nothing here asks the server for more than labels.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

__all__ = ["MountType", "data_dir_of", "mount_type"]


class MountType(str, enum.Enum):
    """How the folders of a mounted archive are laid out."""

    ARCHIVE_DIR = "archive_dir"
    JUPYTER_HUB = "jupyter_hub"
    NONE = "none"


def mount_type(root: Path | None) -> MountType:
    """How the folders below ``root`` are laid out; None is no archive."""
    if root is None:
        return MountType.NONE
    return MountType.JUPYTER_HUB if (root / "projects").is_dir() else MountType.ARCHIVE_DIR


def data_dir_of(obj: Any) -> Path | None:
    """The directory of an object, None if no archive is mounted or it has none there."""
    found = expected_dir_of(obj)
    return found if found is not None and found.is_dir() else None


def expected_dir_of(obj: Any) -> Path | None:
    """Where the directory of an object should be, None if no archive is mounted or this cannot be told."""
    if obj.xnat_session.mount_data_dir is None:
        return None
    found: Path | None = _PLACES[_kind(obj)](obj)
    return found


def _kind(obj: Any) -> str:
    return "assessor" if getattr(obj, "IS_ASSESSOR", False) else str(obj.KIND)


def _below(folder: Path | None, *names: str | None) -> Path | None:
    """A folder below another, None where a name can't be that of a folder: names come from a server."""
    for name in names:
        if folder is None or not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            return None
        folder = folder / name
    return folder


def _project(project: str | None, session: Any) -> Path | None:
    root = session.mount_data_dir
    if session.mount_data_dir_type is MountType.JUPYTER_HUB:
        return _below(root, "projects", project)
    return _below(root, project)


def _experiment(obj: Any) -> Path | None:
    project = _project(obj.project, obj.xnat_session)
    if project is None:
        return None
    if obj.xnat_session.mount_data_dir_type is MountType.JUPYTER_HUB:
        return _below(project, "experiments", obj.label)
    # arc001 nearly always; sites can have more.
    places = [_below(folder, obj.label) for folder in sorted(project.glob("arc*"))]
    there = [place for place in places if place is not None and place.is_dir()]
    return next(iter(there), None) or _below(project, "arc001", obj.label)


def _resource(obj: Any) -> Path | None:
    parent = obj.parent
    kind = _kind(parent)
    label = obj.label
    if kind == "scan" and str(obj.get("format")).upper() == "DICOM":
        label = "DICOM"
    folder = expected_dir_of(parent)
    if kind == "project":
        return _below(folder, "resources", label)
    return _below(folder, "RESOURCES", label) if kind == "experiment" else _below(folder, label)


_PLACES: dict[str, Any] = {
    "project": lambda obj: _project(obj.id, obj.xnat_session),
    "subject": lambda obj: _below(_project(obj.project, obj.xnat_session), "subjects", obj.label),
    "experiment": _experiment,
    "scan": lambda obj: _below(_experiment(obj.image_session), "SCANS", obj.id),
    "assessor": lambda obj: _below(_experiment(obj.image_session), "ASSESSORS", obj.label),
    # Where servers keep reconstructions differs.
    "reconstruction": lambda obj: None,
    "resource": _resource,
}
