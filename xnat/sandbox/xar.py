"""XAR imports: an archive with the XML of an experiment, and its files in the archive's own folders.

``SCANS/<scan>/<resource>/<file>`` belongs to a scan, ``RESOURCES/<resource>/<file>`` to the experiment; what else is in
there (catalogs, for example) is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from .archiving import archive_uri
from .datatypes import Schemas
from .errors import Refused
from .importing import Options
from .item_xml import read_item
from .items import Item
from .store import Record, Store, User
from .unpack import Member

__all__ = ["import_xar"]

IDENTITY = ("ID", "label", "project", "subject_ID")


def import_xar(store: Store, schemas: Schemas, user: User, options: Options, members: list[Member]) -> list[str]:
    """Archive every experiment that the members describe; their URIs."""
    uris = []
    with store.transaction():
        for member in members:
            if member.name.lower().endswith(".xml") and not member.name.endswith("_catalog.xml"):
                item = read_item(schemas, member.path.read_bytes())
                if not schemas.is_a(item.xsi_type, "xnat:subjectAssessorData"):
                    raise Refused(400, f"{member.name} is not an experiment but {item.xsi_type}")
                folder = member.name.rpartition("/")[0]
                record = _create(store, user, options, item)
                _store_files(store, user, record, folder, members)
                uris.append(archive_uri(store, record))
    if not uris:
        raise Refused(400, "The archive has no XNAT document.")
    return uris


def _create(store: Store, user: User, options: Options, item: Item) -> Record:
    identity = {name: str(item.fields.pop(name, "")) for name in IDENTITY}
    project = store.archive.project(options.project or identity["project"])
    if project is None or not store.users.can(user, "edit", project):
        raise Refused(403, f"Invalid permissions for project: {options.project or identity['project']}")
    label = options.session or identity["label"] or identity["ID"]
    name = options.subject or identity["subject_ID"]
    if not label or not name:
        raise Refused(400, "The document needs a label and a subject.")
    subject = store.archive.subject(project.id, name)
    subject = subject or store.archive.create_subject(project.id, name, user=user.login)
    if store.archive.experiment(project.id, label):
        raise Refused(409, "Specified label is already in use.")
    scans = item.children.pop("scans/scan", [])
    for reference in ("resources/resource", "assessors/assessor", "reconstructions/reconstructedImage"):
        item.children.pop(reference, None)  # these are objects of their own; files come from the folders
    record = store.archive.create_experiment(
        subject, label, item.xsi_type, project=project.id, item=item, user=user.login
    )
    for scan in scans:
        scan.children.pop("file", None)
        id = str(scan.fields.pop("ID", ""))
        store.archive.create_scan(record, id, scan.xsi_type, item=scan, user=user.login)
    return record


def _store_files(store: Store, user: User, record: Record, folder: str, members: Iterable[Member]) -> None:
    for member in members:
        inner = member.name.removeprefix(folder).lstrip("/").split("/")
        owner: Record | None = None
        if inner[0].upper() == "SCANS" and len(inner) > 3:
            owner = store.archive.scan(record, inner[1])
            inner = inner[2:]
        elif inner[0].upper() == "RESOURCES" and len(inner) > 2:
            owner, inner = record, inner[1:]
        if owner is None or inner[-1].endswith("_catalog.xml"):
            continue
        format = "DICOM" if inner[0] == "DICOM" else ""
        resource = store.files.resource(owner, inner[0])
        resource = resource or store.files.create_resource(owner, inner[0], format=format, user=user.login)
        with member.path.open("rb") as stream:
            store.files.write(resource, "/".join(inner[1:]), stream, format=format, overwrite=True)
