"""Whole items from what the store keeps in parts: identity, keys, sharing, resources, and what is below."""

from __future__ import annotations

import re
from typing import Any

from .clock import java_date
from .items import Item, Value
from .settings import Settings
from .store import Record, Resource, Store

__all__ = ["archive_folder", "assemble", "catalog_path", "item_json"]

# Fields the sandbox keeps in an item for itself, such as a project's accessibility, begin with this.
INTERNAL = "@"
_RESOURCE_REFERENCE = {"scan": "file"}


def assemble(store: Store, record: Record, *, project: str | None = None, deep: bool = True) -> Item:
    """The item of a record as seen from ``project``, with everything below it."""
    item = record.item.copy()
    share = store.archive.share_in(record, project) if project and project != record.project else None
    _identify(store, item, record, share.label if share else record.label)
    for number, shared in enumerate(store.archive.shares(record), 1):
        child = Item("xnat:projectParticipant" if record.kind == "subject" else "xnat:experimentData_share")
        child.fields = {"project": shared.project, "label": shared.label, f"{_sql(child.xsi_type)}_id": number}
        item.children.setdefault("sharing/share", []).append(child)
    _add_resources(store, item, record)
    if deep and record.kind != "project":
        for below in store.archive.children(record):
            reference = _REFERENCES[below.kind]
            child = assemble(store, below, project=project, deep=below.kind not in ("experiment", "assessor"))
            item.children.setdefault(reference, []).append(child)
    return item


_REFERENCES = {
    "subject": "subjects/subject",
    "experiment": "experiments/experiment",
    "assessor": "assessors/assessor",
    "scan": "scans/scan",
    "reconstruction": "reconstructions/reconstructedImage",
}


def _identify(store: Store, item: Item, record: Record, label: str) -> None:
    fields: dict[str, Value] = {"ID": record.id}
    if record.kind in ("subject", "experiment", "assessor"):
        fields |= {"id": record.id, "label": label, "project": record.project}
    parent = store.archive.parent(record)
    if record.kind == "experiment" and parent:
        fields["subject_ID"] = parent.id
    elif record.kind == "assessor" and parent:
        fields["imageSession_ID"] = parent.id
    elif record.kind == "scan":
        fields |= {"xnat_imagescandata_id": record.key, "xnat_imageScanData_id": record.key}
        fields["image_session_ID"] = parent.id if parent else ""
    elif record.kind == "reconstruction":
        fields["xnat_reconstructedimagedata_id"] = record.key
    item.fields = {**item.fields, **fields, f"{INTERNAL}start": record.insert_date}


def _sql(xsi_type: str) -> str:
    return xsi_type.replace(":", "_").lower()


def _add_resources(store: Store, item: Item, record: Record) -> None:
    for resource in store.files.resources(record):
        reference = _RESOURCE_REFERENCE.get(record.kind, "resources/resource")
        if resource.direction:
            reference = f"{resource.direction}/file"
        count, size = store.files.statistics(resource)
        fields: dict[str, Value] = {
            "label": resource.label,
            "URI": catalog_path(store, record, resource),
            "content": resource.content,
            "format": resource.format,
            "description": resource.description,
            "file_count": count,
            "file_size": size,
            "xnat_abstractresource_id": resource.key,
            "xnat_abstractResource_id": resource.key,
            f"{INTERNAL}start": resource.insert_date,
        }
        child = Item(resource.xsi_type, {name: value for name, value in fields.items() if value != ""})
        item.children.setdefault(reference, []).append(child)


def archive_folder(store: Store, record: Record) -> str:
    """Where a real server keeps a record's files, below the project's folder: ``SESS1/SCANS/1``."""
    parent = store.archive.parent(record)
    if record.kind == "project":
        return "resources"
    if record.kind == "subject":
        return f"subjects/{record.label}"
    if record.kind == "experiment" or parent is None:
        return record.label
    part = {"scan": "SCANS", "assessor": "ASSESSORS", "reconstruction": "PROCESSED"}[record.kind]
    return f"{parent.label}/{part}/{record.id if record.kind != 'assessor' else record.label}"


def catalog_path(store: Store, record: Record, resource: Resource) -> str:
    """The absolute path of a resource's catalog on a real server's disk."""
    label = re.sub(r"[^\w.-]", "_", resource.label) or str(resource.key)
    middle = "" if record.kind in ("scan", "project") else "RESOURCES/"
    folder = archive_folder(store, record)
    return f"/data/xnat/archive/{record.project}/arc001/{folder}/{middle}{label}/{label}_catalog.xml"


# -- JSON -------------------------------------------------------------------------------------------------------------


def item_json(
    item: Item, settings: Settings, history: list[tuple[str, str, Item]] | None = None, event: int = 1
) -> dict[str, Any]:
    """``{"items": [...]}``: the current item first, then what it was."""
    items = [_one(item, event)]
    for place, (changed, _, old) in enumerate(history or []):
        entry = _one(old, event + place + 1)
        entry["meta"] |= {"isHistory": True, "end_date": java_date(changed), "modified_event_id": event + place}
        items.append(entry)
    return {"items": items}


def _one(item: Item, event: int) -> dict[str, Any]:
    meta: dict[str, Any] = {"create_event_id": event, "xsi:type": item.xsi_type, "isHistory": False}
    start = item.fields.get(f"{INTERNAL}start")
    if start:
        meta["start_date"] = java_date(str(start))
    children = [
        {"field": reference, "items": [_one(child, event) for child in children]}
        for reference, children in item.children.items()
        if children
    ]
    fields = {name: value for name, value in item.fields.items() if not name.startswith(INTERNAL)}
    return {"children": children, "meta": meta, "data_fields": fields}
