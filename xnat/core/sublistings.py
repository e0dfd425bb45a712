"""Listings that live inside the item of their parent: they cost no request beyond the parent's item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from .. import xpath
from ..datatypes import convert_from, convert_to
from ..exceptions import XNATKeyError, XNATValueError
from .display import children_html, table_html

if TYPE_CHECKING:
    from ..protocols import Connection
    from .nested import XNATNestedObject
    from .objects import XNATBaseObject

__all__ = ["XNATSimpleListing", "XNATSubListing"]


class _InItem:
    """What listings inside an item have of the object whose item it is."""

    parent: XNATBaseObject

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self.parent.xnat_session

    @property
    def uri(self) -> str:
        """REST path of the object in whose item it stands."""
        return self.parent.uri

    @property
    def caching(self) -> bool:
        """Whether what the server said is kept: as that object has it."""
        return self.parent.caching

    def clearcache(self) -> None:
        """Forget what the server said about that object; the next look asks again."""
        self.parent.clearcache()


class XNATSubListing(_InItem, Mapping[Any, Any]):
    """Objects inside another object's item, by key and by position.

    A key or index that isn't there yet gives a new element: assigning one of its fields adds it on the server.
    """

    def __init__(
        self, parent: XNATBaseObject, field_name: str, secondary_lookup_field: str | None, xsi_type: str
    ) -> None:
        self.parent = parent
        self.field_name = field_name
        self.secondary_lookup_field = secondary_lookup_field
        self.xsi_type = xsi_type

    def _places(self) -> list[tuple[int, dict[str, Any]]]:
        """The elements and where the server has them. What was removed stays there as an empty element."""
        items = enumerate(self.parent._children(self.field_name))
        return [(index, item) for index, item in items if item.get("data_fields") or item.get("children")]

    def _items(self) -> list[dict[str, Any]]:
        return [item for _, item in self._places()]

    def _key(self, item: Mapping[str, Any], index: int) -> Any:
        if self.secondary_lookup_field is None:
            return index
        value = item.get("data_fields", {}).get(self.secondary_lookup_field)
        return index if value is None else str(value)

    def _element(self, position: int | tuple[str, str], item: Mapping[str, Any] | None) -> XNATNestedObject:
        session = self.parent.xnat_session
        actual = (item or {}).get("meta", {}).get("xsi:type")
        cls = session.class_for(actual or self.xsi_type, self.xsi_type, nested=True)
        element: XNATNestedObject = cls(
            uri=self.parent.uri, xnat_session=session, parent=self.parent, fieldname=self.field_name, position=position
        )
        return element

    @property
    def listing(self) -> list[Any]:
        """The elements, in the server's order."""
        return [self._element(index, item) for index, item in self._places()]

    @property
    def data(self) -> dict[Any, Any]:
        """The elements, by key."""
        return dict(zip(self, self.listing, strict=False))

    def __getitem__(self, key: int | str) -> Any:
        places = self._places()
        if isinstance(key, int):
            position = key + len(places) if key < 0 else key
            if position < 0:
                raise IndexError(f"{self.field_name} has {len(places)} elements, so there is no {key}")
            if position < len(places):
                return self._element(*places[position])
            return self._element(len(self.parent._children(self.field_name)) + position - len(places), None)
        if self.secondary_lookup_field is None:
            raise XNATKeyError(f"The elements of {self.field_name} have no key; use a number from 0 to {len(places)}")
        found = next((item for index, (_, item) in enumerate(places) if self._key(item, index) == key), None)
        return self._element((self.secondary_lookup_field, xpath.predicate_value(key)), found)

    def __setitem__(self, key: int | str, value: Any) -> None:
        raise XNATValueError(
            f"{self.field_name} holds objects of type {self.xsi_type}: assign to its fields, as in "
            f"listing[{key!r}].<field> = value"
        )

    def __delitem__(self, key: int | str) -> None:
        """Clear all fields of an element on the server, in one PUT: XNAT has no way to remove it altogether."""
        if key not in self:
            raise XNATKeyError(f"No {key!r} in {self.field_name}; there is {', '.join(map(str, self)) or 'nothing'}")
        position = key if isinstance(key, int) else list(self).index(key)
        # By its place, since its key is cleared along with the rest.
        self[position]._clear()

    def __contains__(self, key: object) -> bool:
        if isinstance(key, int):
            return -len(self) <= key < len(self)
        return any(name == key for name in self)

    def __iter__(self) -> Iterator[Any]:
        return iter([self._key(item, index) for index, item in enumerate(self._items())])

    def __len__(self) -> int:
        return len(self._items())

    def _ipython_key_completions_(self) -> list[str]:
        return [key for key in self if isinstance(key, str)]

    def _repr_html_(self) -> str:
        return children_html(self.field_name, list(self), self._items())

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}: {element!r}" for key, element in zip(self, self.listing, strict=False))
        return f"<XNATSubListing {inside}>" if inside else "<XNATSubListing (empty)>"


class XNATSimpleListing(_InItem, MutableMapping[Any, Any]):
    """Values inside another object's item: a mapping by key, or by number where the schema gives them no key.

    Setting and deleting write to the server at once, in one request.
    """

    def __init__(
        self, parent: XNATBaseObject, field_name: str, value_name: str, key_name: str | None, type_: str = "xs:string"
    ) -> None:
        self.parent = parent
        self.field_name = field_name
        self.value_name = value_name
        self.key_name = key_name
        self.type = type_

    @property
    def data(self) -> dict[Any, Any]:
        """All values, by key."""
        found: dict[Any, Any] = {}
        for item in self.parent._children(self.field_name):
            fields = item.get("data_fields", {})
            value = fields.get(self.value_name)
            key = len(found) if self.key_name is None else fields.get(self.key_name)
            # An element that was cleared keeps its name on the server, without a value.
            if value is not None and key is not None:
                found[key if self.key_name is None else str(key)] = convert_to(str(value), self.type)
        return found

    @property
    def listing(self) -> list[Any]:
        """All values, in the server's order."""
        return list(self.data.values())

    def _path(self, key: Any) -> str:
        if self.key_name is not None:
            return xpath.element(self.field_name, self.key_name, key)
        if not isinstance(key, int) or key < 0:
            raise XNATValueError(f"The values of {self.field_name} have no key; use a number from 0 to {len(self)}")
        # What was cleared stays on the server as an element without a value, and counts there.
        items = self.parent._children(self.field_name)
        places = [
            place for place, item in enumerate(items) if item.get("data_fields", {}).get(self.value_name) is not None
        ]
        place = places[key] if key < len(places) else len(items) + key - len(places)
        return f"{self.field_name}[{place + 1}]"

    def __getitem__(self, key: Any) -> Any:
        data = self.data
        try:
            return data[key]
        except KeyError:
            there = ", ".join(repr(name) for name in data) or "nothing"
            raise XNATKeyError(f"No {key!r} in {self.field_name}; there is {there}") from None

    def __setitem__(self, key: Any, value: Any) -> None:
        self.parent._write({xpath.join(self._path(key), self.value_name): self._text(value)})

    def _text(self, value: Any) -> str:
        # A variable takes any simple value; str() of it is what reads back.
        if value is None:
            raise XNATValueError(f"None can't be written to {self.field_name}; use del to remove an entry")
        return str(value) if self.type == "xs:string" else convert_from(value, self.type)

    def __delitem__(self, key: Any) -> None:
        if key not in self.data:
            raise XNATKeyError(f"No {key!r} in {self.field_name}")
        path = self._path(key)
        cleared = {xpath.join(path, self.value_name): xpath.CLEAR}
        if self.key_name is not None:
            cleared[xpath.join(path, self.key_name)] = xpath.CLEAR
        self.parent._write(cleared)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def _ipython_key_completions_(self) -> list[str]:
        return [] if self.key_name is None else list(self.data)

    def _repr_html_(self) -> str:
        data = self.data
        return table_html(f"{len(data)} {self.field_name}", ("key", "value"), data.items(), len(data))

    def __repr__(self) -> str:
        data = self.data
        shown = repr(list(data.values())) if self.key_name is None else repr(data)
        return f"<{type(self).__name__} {shown}>"
