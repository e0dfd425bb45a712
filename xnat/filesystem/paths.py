"""Paths of the file system: what they mean on the server, and the server's listings as entries of directories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import uris
from ..core.answers import result_rows
from ..core.kinds import file_path, file_uri
from ..exceptions import XNATNotFoundError

__all__ = ["MAGIC", "Place", "bulk_files", "directory", "entries", "files_of_resource", "parents", "place_of", "tree"]

#: Characters that make a part of a path a pattern.
MAGIC = frozenset("*?[")

#: What lies below a thing, by the collection it is in. XNAT also has experiments below projects, but not their
#: scans, and everything would be found twice.
BELOW: Mapping[str, tuple[str, ...]] = {
    "": ("projects",),
    "projects": ("resources", "subjects"),
    "subjects": ("experiments", "resources"),
    "experiments": ("assessors", "reconstructions", "resources", "scans"),
    "scans": ("resources",),
    "assessors": ("resources",),
    "reconstructions": ("resources",),
    "resources": ("files",),
}
#: Columns to ask for, and which of them is the name: the first that has a value.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "projects": ("ID",),
    "subjects": ("label", "ID"),
    "experiments": ("label", "ID"),
    "scans": ("ID",),
    "assessors": ("label", "ID"),
    "reconstructions": ("ID",),
    "resources": ("label", "xnat_abstractresource_id"),
}


@dataclass(frozen=True)
class Place:
    """Where a path leads.

    :ivar kind: ``'thing'`` (a project, ... or resource; also the root), ``'collection'`` (of such), or ``'files'`` (the
        files of a resource, and what lies in it)
    :ivar uri: REST path
    :ivar collection: the last collection on the way
    :ivar owner: path of what it lies in, leaving collections out; of files, their resource
    :ivar root: of files: path of the resource's ``files``
    """

    kind: str
    uri: str
    collection: str = ""
    owner: str = ""
    root: str = ""

    @property
    def below(self) -> tuple[str, ...]:
        """The names of the collections below a thing."""
        return BELOW[self.collection]


def place_of(path: str) -> Place:
    """Where a path leads.

    :raises FileNotFoundError: it isn't one that the REST API has
    """
    segments = path.split("/") if path else []
    collection = ""
    for number in range(0, len(segments), 2):
        name = segments[number]
        if name == "files" and collection == "resources":
            return _in_files(segments, number)
        if "" in segments[number : number + 2]:
            raise FileNotFoundError(f"{path}: there is no thing without a name")
        if name not in BELOW[collection]:
            break
        collection = name
    else:
        kind = "collection" if len(segments) % 2 else "thing"
        owner = "/".join(segments[: -1 if kind == "collection" else -2])
        return Place(kind, uris.join("/data", *segments), collection, owner)
    there = ", ".join(BELOW[collection])
    raise FileNotFoundError(f"{path}: there is no {segments[number]!r} in {'/'.join(segments[:number])!r}, but {there}")


def _in_files(segments: list[str], number: int) -> Place:
    owner, root = "/".join(segments[:number]), "/".join(segments[: number + 1])
    return Place("files", uris.join("/data", *filter(None, segments)), "files", owner, root)


def directory(name: str, **more: Any) -> dict[str, Any]:
    """The entry of a directory."""
    return {"name": name, "type": "directory", "size": 0, **more}


def entries(session: Any, path: str, place: Place) -> list[dict[str, Any]]:
    """The entries of a collection. One request."""
    columns = _COLUMNS[place.collection]
    query = None if place.collection == "resources" else {"columns": ",".join(columns)}
    found: dict[str, dict[str, Any]] = {}
    for row in result_rows(session.get_json(place.uri, query=query), place.uri):
        names = [str(row[column]) for column in columns if row.get(column)]
        # A name with a slash can't be part of a path.
        if names and "/" not in names[0]:
            found.setdefault(names[0], directory(f"{path}/{names[0]}", id=names[-1]))
    return list(found.values())


def files_of_resource(session: Any, place: Place) -> list[dict[str, Any]]:
    """The entries of all files of a resource. One request."""
    uri = uris.join("/data", *place.root.split("/"))
    return [_file(f"{place.root}/{file_path(row)}", row) for row in result_rows(session.get_json(uri), uri)]


def bulk_files(session: Any, path: str, place: Place) -> list[dict[str, Any]] | None:
    """The entries of all files that come in one request: of a thing's own resources, or of all scans of a session.

    None where there is no such request.
    """
    if place.collection == "scans" and place.kind == "collection":
        uri = uris.join(place.uri, "ALL", "files")
        try:
            rows = result_rows(session.get_json(uri), uri)
        except XNATNotFoundError:
            # A session without scans.
            return []
        return [_file(f"{path}/{_scan_of(row)}/resources/{_label(row)}/files/{file_path(row)}", row) for row in rows]
    holder = path.removesuffix("/resources")
    if place.collection == "resources" and place.kind == "collection":
        uri = uris.join("/data", *holder.split("/"), "files")
    elif place.kind == "thing" and place.collection not in ("", "resources"):
        uri = uris.join(place.uri, "files")
    else:
        return None
    rows = result_rows(session.get_json(uri), uri)
    return [_file(f"{holder}/resources/{_label(row)}/files/{file_path(row)}", row) for row in rows]


def _scan_of(row: Mapping[str, Any]) -> str:
    segments = uris.split(file_uri(row))
    return segments[segments.index("scans") + 1]


def _label(row: Mapping[str, Any]) -> str:
    return str(row.get("collection") or row.get("cat_ID"))


def _file(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    size = str(row.get("Size", ""))
    return {
        "name": name,
        "type": "file",
        "size": int(size) if size.isdigit() else None,
        "digest": row.get("digest") or None,
        "format": row.get("file_format") or None,
        "content": row.get("file_content") or None,
    }


def tree(files: Iterable[dict[str, Any]], root: str) -> dict[str, list[dict[str, Any]]]:
    """The directories below a root: path → entries."""
    found: dict[str, dict[str, dict[str, Any]]] = {root: {}}
    for entry in files:
        name, below = entry["name"], entry
        while True:
            name = name.rpartition("/")[0]
            known = name in found
            found.setdefault(name, {})[below["name"]] = below
            if known:
                break
            below = directory(name)
    return {name: list(there.values()) for name, there in found.items()}


def parents(names: Iterable[str], root: str) -> dict[str, dict[str, Any]]:
    """The entries of all directories below a root in which these lie."""
    return {name: directory(name) for path in names for name in _up(path, root)}


def _up(path: str, root: str) -> Iterator[str]:
    name = path.rpartition("/")[0]
    while len(name) > len(root):
        yield name
        name = name.rpartition("/")[0]
