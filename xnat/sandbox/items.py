"""The generic item: a data type, flat fields by XML path, and child items by the path of their reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Item", "Value"]

Value = str | int | float
"""What a field holds: text, or a native number where the schema says so (booleans are the texts true and false)."""


@dataclass
class Item:
    """One XNAT item.

    ``fields`` is keyed by the path below the item (``scanner/manufacturer``); ``children`` by the path of the
    reference (``demographics``, ``fields/field``, ``parameters/addParam``), each holding items in order.
    """

    xsi_type: str
    fields: dict[str, Value] = field(default_factory=dict)
    children: dict[str, list[Item]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The item as plain data; ``from_dict`` reads it back."""
        data: dict[str, Any] = {"t": self.xsi_type}
        if self.fields:
            data["f"] = self.fields
        if self.children:
            data["c"] = {path: [child.to_dict() for child in items] for path, items in self.children.items() if items}
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Item:
        """The item that ``to_dict`` described."""
        children = {path: [cls.from_dict(child) for child in items] for path, items in data.get("c", {}).items()}
        return cls(data.get("t", ""), dict(data.get("f", {})), children)

    def to_json(self) -> str:
        """The item as the text kept in the database."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Item:
        """The item kept as ``text``."""
        return cls.from_dict(json.loads(text))

    def get(self, path: str) -> Value | None:
        """The value at ``path``: an own field, or one of the first child on the way (``demographics/gender``)."""
        if path in self.fields:
            return self.fields[path]
        for value in self.values(path):
            return value
        return None

    def values(self, path: str) -> Iterator[Value]:
        """Every value at ``path``, through all children on the way (``fields/field/name``)."""
        if path in self.fields:
            yield self.fields[path]
        for reference, items in self.children.items():
            if path.startswith(reference + "/"):
                for child in items:
                    yield from child.values(path[len(reference) + 1 :])

    def below(self, reference: str) -> Iterator[Item]:
        """Every child at ``reference``, through all children on the way (``provenance/processStep``)."""
        yield from self.children.get(reference, ())
        for own, items in self.children.items():
            if reference.startswith(own + "/"):
                for child in items:
                    yield from child.below(reference[len(own) + 1 :])

    def child(self, reference: str, xsi_type: str = "", **key: Value) -> Item:
        """The first child at ``reference`` whose fields equal ``key``; made when there is none."""
        items = self.children.setdefault(reference, [])
        for item in items:
            if all(item.fields.get(name) == value for name, value in key.items()):
                return item
        items.append(Item(xsi_type, dict(key)))
        return items[-1]

    def copy(self) -> Item:
        """A copy that shares nothing with this item."""
        return Item.from_dict(json.loads(self.to_json()))
