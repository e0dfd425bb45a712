"""Resources as a relation that listings can join: the store keeps them apart from their owner's item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .items import Item

if TYPE_CHECKING:
    from .query import Line
    from .store import Store

__all__ = ["RESOURCE_REFERENCES", "resource_entries"]

#: The element that holds an object's resources, and the direction of those in it.
RESOURCE_REFERENCES = {"file": "", "resources/resource": "", "in/file": "in", "out/file": "out"}

_SELECT = """
SELECT r.*, COUNT(f.key) AS file_count, COALESCE(SUM(f.size), 0) AS file_size
FROM resources r LEFT JOIN files f ON f.resource = r.key AND f.registered
WHERE r.direction = ? GROUP BY r.key ORDER BY r.key
"""
_FIELDS = ("label", "format", "content", "description", "file_count", "file_size")


def resource_entries(store: Store, direction: str, line_class: type[Line]) -> Callable[[Line], list[Line]]:
    """Gives the resources of a listed object, as entries of a collection. One query for all objects."""
    grouped: dict[Any, list[Line]] = defaultdict(list)
    for row in store.database.rows(_SELECT, direction):
        fields = {name: row[name] for name in _FIELDS if row[name] != ""}
        fields["xnat_abstractresource_id"] = row["key"]
        grouped[row["owner"]].append(line_class(None, Item(row["xsi_type"], fields)))
    return lambda line: grouped.get(line.row["key"], []) if line.row else []
