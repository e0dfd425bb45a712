"""How XNAT lists each kind of thing: the collection's name, the columns to ask for, how a row names its object.

Columns cost memory for every row and answer attribute reads without a request, so they are what nested loops read.
Only shortcuts stand here: a full path of a sub-type would hide rows of other types (XNAT's QueryOrganizer takes the
sub-type as the root of the query then), and ``subject_ID`` does the same to the site's own list of experiments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import uris
from ..exceptions import XNATKeyError
from .catalogs import is_resource
from .listings import ListingKind, XNATListing
from .rows import Row

if TYPE_CHECKING:
    from ..protocols import Connection

__all__ = ["ASSESSORS_OF_PROJECT", "FileListing", "ResourceListing", "file_path", "file_uri", "rest_listing"]

KINDS: dict[str, ListingKind] = {
    "projects": ListingKind("project", ("ID", "URI", "name")),
    "subjects": ListingKind("subject", ("ID", "URI", "label", "project")),
    "experiments": ListingKind("experiment", ("ID", "URI", "label", "xsiType", "project", "date"), "xsiType", True),
    "scans": ListingKind(
        "scan", ("ID", "URI", "type", "xsiType", "quality", "note", "series_description"), "xsiType", True
    ),
    "assessors": ListingKind("experiment", ("ID", "URI", "label", "xsiType", "project", "date"), "xsiType", True),
    "reconstructions": ListingKind("reconstruction", ("ID", "URI", "type", "xsiType"), "xsiType"),
    # XNAT ignores the columns of these two and sends what it has.
    "resources": ListingKind("resource", (), "element_name"),
    "files": ListingKind("file", ()),
}
_DEMOGRAPHICS = "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]"
#: Short names of columns, from XNAT's XMLPathShortcuts: those that listings are asked for most.
SHORTCUTS: dict[str, dict[str, str]] = {
    "project": {
        **{name: f"xnat:projectData/{name}" for name in ("ID", "secondary_ID", "name", "description", "keywords")},
        "alias": "xnat:projectData/aliases/alias/alias",
        "pi_firstname": "xnat:projectData/PI/firstname",
        "pi_lastname": "xnat:projectData/PI/lastname",
        "note": "xnat:projectData/fields/field[name=note]/field",
    },
    "subject": {
        **{name: f"xnat:subjectData/{name}" for name in ("ID", "project", "label", "group", "src")},
        **{
            name: f"{_DEMOGRAPHICS}/{name}"
            for name in ("dob", "yob", "age", "gender", "handedness", "ses", "education", "race", "height", "weight")
        },
    },
    "experiment": {
        name: f"xnat:experimentData/{name}"
        for name in ("ID", "project", "label", "date", "time", "note", "visit_id", "acquisition_site", "duration")
    },
    "imageSession": {
        name: f"xnat:imageSessionData/{name}"
        for name in (
            "scanner",
            "operator",
            "session_type",
            "modality",
            "UID",
            "dcmAccessionNumber",
            "dcmPatientId",
            "dcmPatientName",
        )
    },
    "scan": {
        name: f"xnat:imageScanData/{name}"
        for name in ("ID", "type", "UID", "note", "quality", "condition", "series_description", "frames", "modality")
    },
}
#: Experiments of a project or subject: their addresses for writing go through the subject.
_EXPERIMENTS_BELOW = ListingKind(
    "experiment", ("ID", "URI", "label", "xsiType", "project", "date", "subject_ID"), "xsiType", True
)
#: Below a session its assessors are listed by its own collection; of a whole project they are experiments of a type.
ASSESSORS_OF_PROJECT = ListingKind(
    "experiment",
    ("ID", "URI", "label", "xsiType", "project", "date", "session_ID", "session_label"),
    "xsiType",
    True,
)


# A full URL up to XNAT's own path, by whatever name the site goes by outside: what is asked is this server.
_FULL_URL = r"[A-Za-z][A-Za-z0-9+.-]*:/(?:/[^/]*)+?(?=/(?:data|REST)/)"


class ResourceListing(XNATListing):
    """The resources of an object. A row names its resource by ``xnat_abstractresource_id``, and has no address."""

    def _row_id(self, row: Mapping[str, Any]) -> str | None:
        id_ = row.get("xnat_abstractresource_id")
        return None if id_ in (None, "") else str(id_)


class FileListing(XNATListing):
    """The files of an object or resource, by their path below the resource's ``files`` and by name."""

    @staticmethod
    def _is_redundant(column: str) -> bool:
        # Only the server knows which resource a listed file is in.
        return False

    def _records(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        rows = super()._records(query)
        taken: set[str] = set()
        for row in rows:
            path = file_path(row)
            # Two resources of one object can hold the same path; the first keeps it as its key.
            row["path"] = path if path not in taken else f"{row.get('collection', '')}/{path}"
            taken.add(path)
        return rows

    def _row_id(self, row: Mapping[str, Any]) -> str | None:
        return row.get("path") or None

    def _make(self, row: Row) -> Any:
        return self._session.create_object(
            file_uri(row, self.uri),
            self.xsi_type,
            fieldname=self.field_name,
            id_=row["path"],
            datafields=row,
            parent=self.parent,
        )


def _path_text(row: Mapping[str, Any]) -> tuple[str, str]:
    """The file's address up to ``/files/``, and its path below as plain text."""
    address = str(row["URI"])
    if not address.startswith("/"):
        full = re.match(_FULL_URL, address)
        address = address[full.end() :] if full else address
    parts = uris.split_at_files(address)
    if parts is None:
        raise XNATKeyError(f"The server's list of files has an address without /files/: {address!r}")
    base, path = parts
    name = str(row.get("Name", ""))
    # Servers differ in whether the address is percent-encoded; the name, which never is, tells which it is.
    plain = path if path.endswith(name) and uris.unquote(path) != path else uris.unquote(path)
    return base, plain


def file_path(row: Mapping[str, Any]) -> str:
    """The path of a listed file below its resource, as plain text."""
    return _path_text(row)[1]


def file_uri(row: Mapping[str, Any], collection: str | None = None) -> str:
    """The REST path of a listed file, encoded once.

    :param collection: the REST path at which the list was asked for, where that is ``.../files`` of one object
    """
    base, path = _path_text(row)
    if collection is not None and ("?" in base or "%" in base):
        # Servers send IDs as they are: of 'scans/a%20b' only the path that was asked for tells which scan is meant.
        owner, resource = uris.parent(collection), base.rpartition("/resources/")[2]
        if not is_resource(owner):
            owner = uris.join(owner, "resources", uris.unquote(resource))
        return uris.join(owner, "files", *path.split("/"))
    return uris.join(uris.canonical(base), "files", *path.split("/"))


_CLASSES: dict[str, type[XNATListing]] = {"resources": ResourceListing, "files": FileListing}


def rest_listing(
    session: Connection, segment: str, *, parent: Any = None, xsi_type: str, key: str | None = None
) -> XNATListing:
    """The listing of one collection of the session (``projects``) or of an object (``scans``). No request."""
    kind = KINDS[segment]
    if segment == "experiments" and parent is not None:
        kind = _EXPERIMENTS_BELOW
    uri = None if parent is not None else f"/data/{segment}"
    return _CLASSES.get(segment, XNATListing)(
        uri,
        parent=parent,
        field_name=segment,
        secondary_lookup_field=key,
        xsi_type=xsi_type,
        kind=kind,
        session=session,
    )
