"""Which resources a path means, and the URIs their files have when seen through that path."""

from __future__ import annotations

from dataclasses import dataclass

from . import lookup
from .errors import Refused
from .routing import Context
from .store import Record, Resource

__all__ = ["Holding", "by_uri", "find", "owners"]

NO_CATALOG = "Unable to find the specified catalog."


@dataclass(frozen=True)
class Holding:
    """A resource with its owner, and the URI of the owner in the style of the request's path."""

    owner: Record
    resource: Resource
    base: str

    @property
    def uri(self) -> str:
        """The URI of the resource."""
        direction = f"/{self.resource.direction}" if self.resource.direction else ""
        return f"{self.base}{direction}/resources/{self.resource.key}"


def owners(context: Context) -> list[Record]:
    """The objects whose resources the path means: one, or several scans."""
    return lookup.scans(context) if "scan" in context.path else [lookup.owner(context)]


def find(context: Context, *, required: bool = False) -> list[Holding]:
    """The resources of the path: all of its owners, or the named ones (number, label, comma list, ``*``)."""
    files, direction = context.store.files, context.path.get("direction")
    name = context.path.get("resource", "*")
    found = []
    for owner in owners(context):
        base = base_uri(context, owner)
        resources = files.resources(owner, direction)
        if name not in ("*", "ALL"):
            exact = files.resource(owner, name, direction)
            parts = name.split(",")
            some = [entry for entry in resources if entry.label in parts or str(entry.key) in parts]
            resources = [exact] if exact else some
        found += [Holding(owner, resource, base) for resource in resources]
    if required and not found:
        raise Refused(404, NO_CATALOG)
    return found


def base_uri(context: Context, owner: Record) -> str:
    """The owner's URI with IDs for labels, below a project or not as the request's path is."""
    uri = "/data"
    project = lookup.seen_project(context)
    if project:
        uri += f"/projects/{project}"
    if "subject" in context.path:
        uri += f"/subjects/{lookup.subject(context).id}"
    if "experiment" in context.path:
        uri += f"/experiments/{lookup.experiment(context).id}"
    for kind in ("assessor", "scan", "reconstruction"):
        if kind in context.path:
            uri += f"/{kind}s/{owner.id}"
    return uri


_KINDS = {
    "projects": "project",
    "subjects": "subject",
    "experiments": "experiment",
    "assessors": "assessor",
    "scans": "scan",
    "reconstructions": "reconstruction",
    "resources": "resource",
}


def by_uri(context: Context, uri: str) -> tuple[Record, Resource | None]:
    """The object, and the resource if it ends in one, that a parameter's URI means; with /data, /archive or neither."""
    parts = [part for part in uri.split("/") if part]
    while parts and parts[0] in ("data", "archive", "REST"):
        parts.pop(0)
    named: dict[str, str] = {}
    while len(parts) > 1 and parts[0] in _KINDS:
        named[_KINDS[parts[0]]] = parts[1]
        parts = parts[2:]
        if parts and parts[0] in ("in", "out"):
            named["direction"] = parts.pop(0)
    if not named:
        raise Refused(400, f"Unknown resource {uri}")
    saved, context.path = context.path, named
    try:
        owner = lookup.owner(context)
        resource = None
        if "resource" in named:
            resource = context.store.files.resource(owner, named["resource"], named.get("direction"))
            if resource is None:
                raise Refused(404, NO_CATALOG)
        return owner, resource
    finally:
        context.path = saved
