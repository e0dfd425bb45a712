"""From a path's segments to records, with the refusals of a real server for what is missing or hidden."""

from __future__ import annotations

from .errors import Refused
from .routing import Context
from .store import Record

__all__ = ["experiment", "owner", "part", "project", "scans", "seen_project", "session", "subject"]

NO_ITEM = "Unable to find the specified experiment."


def project(context: Context, action: str = "read", missing: str = NO_ITEM) -> Record:
    """The project of the path: 404 when it is missing or hidden, 403 without the right."""
    return context.require(action, context.store.archive.project(context.path["project"]), missing)


def seen_project(context: Context) -> str | None:
    """The ID of the path's project, through whose eyes the path is read; None for a path without one."""
    if "project" not in context.path:
        return None
    found = context.store.archive.project(context.path["project"])
    if found is None:
        raise Refused(404, f"Unable to identify project {context.path['project']}")
    return found.id


def find_subject(context: Context) -> Record | None:
    """The subject of the path, if there is one; whether it may be seen is not asked."""
    name = context.path["subject"]
    where = seen_project(context)
    return context.store.archive.subject(where, name) if where else context.store.archive.subject_by_id(name)


def subject(context: Context, action: str = "read") -> Record:
    """The subject of the path."""
    name, where = context.path["subject"], context.path.get("project", "")
    message = f"Unable to identify subject {name}" + (f" in project {where}" if where else "")
    return context.require(action, find_subject(context), message)


def find_experiment(context: Context) -> Record | None:
    """The experiment (or assessor) of the path, if there is one."""
    archive, name = context.store.archive, context.path["experiment"]
    where = seen_project(context)
    if where is None:
        return archive.experiment_by_id(name)
    found = archive.experiment(where, name)
    if found is None or "subject" not in context.path:
        return found
    above = find_subject(context)
    if above is None or (found.kind == "experiment" and found.parent != above.key):
        return None
    return found


def experiment(context: Context, action: str = "read") -> Record:
    """The experiment of the path."""
    return context.require(action, find_experiment(context), NO_ITEM)


def session(context: Context, action: str = "read") -> Record:
    """The image session of the path, for what is below it."""
    found = find_experiment(context)
    if found is None or not context.can("read", found):
        raise Refused(404, "Specified image session doesn't exist.")
    if not context.can(action, found):
        raise Refused(403)
    return found


def find_part(context: Context, kind: str) -> Record | None:
    """The scan, assessor or reconstruction of the path, if there is one."""
    name = context.path[kind].replace("[SLASH]", "/").replace("[COMMA]", ",")
    archive = context.store.archive
    if kind == "assessor" and "experiment" not in context.path:
        found = archive.experiment_by_id(name)
        return found if found and found.kind == "assessor" else None
    above = session(context)
    if kind == "scan":
        return archive.scan(above, name)
    return archive.assessor(above, name) if kind == "assessor" else archive.reconstruction(above, name)


def part(context: Context, kind: str, action: str = "read") -> Record:
    """The scan, assessor or reconstruction of the path."""
    words = {"scan": "scan", "assessor": "assessor", "reconstruction": "reconstruction"}
    return context.require(action, find_part(context, kind), f"Unable to find the specified {words[kind]}.")


def scans(context: Context) -> list[Record]:
    """The scans a path's segment names: an ID, a type, ``*`` or ``ALL``, or a comma list."""
    above = session(context)
    every = context.store.archive.scans(above)
    wanted = context.path["scan"]
    if wanted in ("*", "ALL"):
        return every
    names = [name.replace("[SLASH]", "/").replace("[COMMA]", ",") for name in wanted.split(",")]
    exact = wanted.replace("[SLASH]", "/").replace("[COMMA]", ",")
    found = [scan for scan in every if scan.id == exact]
    found = found or [scan for scan in every if scan.id in names or str(scan.item.fields.get("type", "")) in names]
    if not found:
        raise Refused(404, "Unable to find the specified scan.")
    return found


def owner(context: Context, action: str = "read") -> Record:
    """The deepest object of the path: the owner of its resources."""
    for kind in ("scan", "assessor", "reconstruction"):
        if kind in context.path:
            return part(context, kind, action)
    if "experiment" in context.path:
        return experiment(context, action)
    return subject(context, action) if "subject" in context.path else project(context, action)
