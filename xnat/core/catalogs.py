"""Resources, looked up among their siblings.

A resource's own address answers with its catalog, in XML whatever format is asked for (CatalogResource in xnat-web,
XNAT 1.7.5.3 and later). What other things tell at their address, resources tell in the listing they are in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .. import uris
from ..exceptions import XNATNotFoundError

__all__ = ["RESOURCE_TYPE", "is_catalog", "is_resource", "resource_item", "resource_row"]

#: What resources are, where a row doesn't say.
RESOURCE_TYPE = "xnat:resourceCatalog"

# So much of a body is looked at: declaration, a comment, the root's name.
_HEAD = 1024
_CATALOG = (
    rb"(?s)(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*"
    rb"<(?:[\w.-]{1,80}:)?(?:DCM)?Catalog[\s/>]"
)


def is_resource(uri: str) -> bool:
    """Whether a REST path is that of one resource: ``.../resources/<label or number>``."""
    return uris.split(uri)[-2:-1] == ["resources"]


def is_catalog(body: bytes) -> bool:
    """Whether a body that begins like this is the catalog of a resource."""
    return re.match(_CATALOG, body[:_HEAD]) is not None


def resource_row(rows: Sequence[Mapping[str, Any]], uri: str) -> Mapping[str, Any]:
    """The row of one resource in the listing it is in.

    :param rows: the listing
    :param uri: the resource's REST path; its last part is its number or its label
    :raises XNATNotFoundError: there is no such row
    """
    name = uris.split(uri)[-1]
    for column in ("xnat_abstractresource_id", "label"):
        # A label can look like a number; numbers name one resource only.
        for row in rows:
            if str(row.get(column)) == name:
                return row
    container = uris.parent(uri)
    labels = ", ".join(str(row.get("label")) for row in rows) or "none"
    raise XNATNotFoundError(f"There is no resource {name!r} at {container}; there is {labels}", url=container)


def resource_item(row: Mapping[str, Any], xsi_type: str = RESOURCE_TYPE) -> dict[str, Any]:
    """The row of a resource in the shape that items have.

    :param xsi_type: the type it has, where the row doesn't say
    """
    meta = {"xsi:type": str(row.get("element_name") or xsi_type), "isHistory": False}
    return {"data_fields": dict(row), "children": [], "meta": meta}
