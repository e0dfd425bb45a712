"""Resources: listing, making, the catalog, removing; and the refresh services."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from werkzeug.wrappers import Response

from .. import holdings, lookup, render
from ..errors import Refused
from ..render import Table
from ..resource_paths import resource_routes
from ..routing import Context, Route
from ..store import Record, Resource

COLUMNS = (
    "xnat_abstractresource_id", "label", "element_name", "category", "cat_id", "cat_desc", "file_count", "file_size",
    "tags", "content", "format",
)  # fmt: skip


def listing(context: Context) -> Response:
    """GET .../resources; with ``all=true`` on a session also the resources of its scans and assessors."""
    rows = []
    for owner in holdings.owners(context):
        rows += [_row(context, owner, resource) for resource in _of(context, owner)]
        if context.flag("all") and owner.kind == "experiment":
            for part in context.store.archive.children(owner):
                rows += [_row(context, part, resource) for resource in _of(context, part)]
    return render.table(context, Table(COLUMNS, rows, title="Resources"))


def _of(context: Context, owner: Record) -> list[Resource]:
    return context.store.files.resources(owner, context.path.get("direction"))


def _row(context: Context, owner: Record, resource: Resource) -> tuple[object, ...]:
    count, size = context.store.files.statistics(resource)
    part = owner.kind in ("scan", "assessor", "reconstruction")
    category = f"{owner.kind}s" if part else "resources"
    described = owner.item.fields.get("type", "") if owner.kind == "scan" else ""
    return (
        resource.key, resource.label, resource.xsi_type, category, owner.id if part else "", described, count, size,
        resource.tags, resource.content, resource.format,
    )  # fmt: skip


def catalog(context: Context) -> Response:
    """GET .../resources/{resource}: catalog XML, whatever ``format`` says."""
    found = holdings.find(context, required=True)[0].resource
    entries = []
    for file in context.store.files.files(found):
        values = {"URI": file.path, "name": file.name, "ID": file.path, "digest": file.digest}
        values |= {"format": file.format, "content": file.content}
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in values.items() if value)
        entries.append(f"<cat:entry{attributes}/>")
    kind = "cat:DCMCatalog" if found.format == "DICOM" else "cat:Catalog"
    spaces = 'xmlns:cat="http://nrg.wustl.edu/catalog" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    body = f"<cat:entries>{''.join(entries)}</cat:entries>" if entries else ""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return render.xml_answer(f"{head}<{kind} ID={quoteattr(found.label)} {spaces}>{body}</{kind}>")


def make(context: Context) -> Response:
    """PUT or POST .../resources[/{resource}]: nothing, or the URL when the path has no label."""
    name = context.path.get("resource", "")
    owner = lookup.owner(context, "edit")
    details = {key: context.query.get(key, "") for key in ("format", "content", "description", "tags")}
    xsi_type = context.query.get("xsiType") or "xnat:resourceCatalog"
    if context.schemas.spelling(xsi_type) is None:
        raise Refused(400, f"Unknown data type {xsi_type}")
    if name and context.store.files.resource(owner, name, context.path.get("direction", "")):
        raise Refused(409, "Specified resource already exists.")
    made = context.store.files.create_resource(
        owner,
        name or context.query.get("label", ""),
        direction=context.path.get("direction", ""),
        xsi_type=xsi_type,
        user=context.user.login,
        **details,
    )
    uri = f"{holdings.base_uri(context, owner)}/resources/{made.key}"
    return render.text() if name else render.text(f"{context.settings.site_url}{uri}")


def make_below(context: Context) -> Response:
    """PUT below a resource but not below its files."""
    raise Refused(400, "Invalid path: append '/files' to the resource to add files to it.")


def remove(context: Context) -> Response:
    """DELETE .../resources/{resource}: 200 also when there is none."""
    for owner in holdings.owners(context):
        context.require("delete", owner)
    for holding in holdings.find(context):
        context.store.files.delete_resource(holding.resource)
    return render.text()


# -- refresh ----------------------------------------------------------------------------------------------------------

OPTIONS = ("append", "checksum", "delete", "populateStats")


def refresh(context: Context) -> Response:
    """POST /data/services/refresh/catalog?resource=...&options=...; options may also be parameters of their own."""
    params = context.params
    options = {option.strip() for value in params.getlist("options") for option in value.split(",")}
    options |= {option for option in OPTIONS if params.get(option, "").lower() == "true"}
    uris = params.getlist("resource")
    if not uris:
        raise Refused(400, "Please set the resource parameter")
    _refresh(context, uris, options)
    return render.text()


def refresh_list(context: Context) -> Response:
    """PUT or POST /xapi/archive/catalogs/refresh[/{options}] with a JSON list of paths."""
    uris = context.request.get_json(force=True, silent=True)
    if not isinstance(uris, list):
        raise Refused(400, "A JSON list of resources is needed")
    given = context.path.get("options", "")
    _refresh(context, [str(uri) for uri in uris], given.split(",") if given else OPTIONS)
    return render.text()


def _refresh(context: Context, uris: Iterable[str], options: Iterable[str]) -> None:
    wanted = list(options)
    for uri in uris:
        owner, resource = holdings.by_uri(context, uri)
        if not context.can("edit", owner):
            raise Refused(403)
        for found in [resource] if resource else _all_resources(context, owner):
            context.store.files.refresh(found, wanted)


def _all_resources(context: Context, owner: Record) -> list[Resource]:
    found = list(context.store.files.resources(owner))
    if owner.kind == "experiment":
        for part in context.store.archive.children(owner):
            found += context.store.files.resources(part)
    return found


ROUTES = [
    *resource_routes("GET", "/resources", listing),
    *resource_routes("PUT POST", "/resources", make),
    *resource_routes("GET", "/resources/{resource}", catalog),
    *resource_routes("PUT POST", "/resources/{resource}", make),
    *resource_routes("DELETE", "/resources/{resource}", remove),
    *resource_routes("PUT POST", "/resources/{resource}/{rest*}", make_below),
    Route("POST", "/data/services/refresh/catalog", refresh),
    Route("PUT POST", "/xapi/archive/catalogs/refresh", refresh_list),
    Route("PUT POST", "/xapi/archive/catalogs/refresh/{options}", refresh_list),
]
