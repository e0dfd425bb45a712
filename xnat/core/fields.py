"""The descriptors that generated classes are made of.

On an instance they give values, objects and listings; on the class a search term (simple fields) or the class of what
lies there (objects). Assigning checks the value against the schema's restrictions and then writes it, in one request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..datatypes import check, convert_from, convert_to, is_text
from ..exceptions import XNATValueError
from ..hints import CONCRETE_TYPES
from .kinds import rest_listing
from .sublistings import XNATSimpleListing, XNATSubListing
from .terms import FieldTerm, type_path
from .texts import Text
from .variables import VariableMap

if TYPE_CHECKING:
    from .objects import XNATBaseObject

__all__ = ["Field", "ObjectField", "RestListing", "SimpleListing", "SubListing", "SubObjectField", "Variables"]

Value = TypeVar("Value")


class _Descriptor:
    """What all of them share: a path in the item, a name, what it means."""

    path: str

    def __init__(self, path: str, doc: str = "") -> None:
        self.path = path
        self.name = path
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self.path}>"


class Field(_Descriptor, Generic[Value]):
    """One value: an element or an attribute of simple type.

    :param path: its path below the type, as item JSON has it
    :param type: its xs type
    :param facets: the schema's restrictions (``enumeration``, ``max_length``, ``min_inclusive``, ...)
    """

    #: Of text: its attributes, once somebody has looked (most values have none).
    _parts: Mapping[str, Field[Any]] | None = None

    def __init__(self, path: str, type: str = "xs:string", *, doc: str = "", **facets: Any) -> None:
        super().__init__(path, doc)
        self.type = type
        self.facets: Mapping[str, Any] = facets

    @overload
    def __get__(self, instance: None, owner: type) -> FieldTerm: ...
    @overload
    def __get__(self, instance: XNATBaseObject, owner: type | None = None) -> Any: ...
    def __get__(self, instance: XNATBaseObject | None, owner: type | None = None) -> Any:
        parts = self._parts
        if parts is None:
            parts = self._parts = self._find_parts(type(instance) if owner is None else owner)
        if instance is None:
            return FieldTerm(f"{type_path(owner)}/{self.path}", self.__doc__ or "", parts, owner)
        value = convert_to(instance._raw(self.path), self.type)
        return Text("" if value is None else value, instance, parts) if parts else value

    def _find_parts(self, owner: type) -> dict[str, Field[Any]]:
        """The attributes of the element, by name, where its content is text."""
        if not is_text(self.type):
            return {}
        below, prefix = f"{self.path}/", f"{self.name}_"
        fields = (field for base in owner.__mro__ for field in vars(base).values())
        return {
            field.name.removeprefix(prefix): field
            for field in fields
            if isinstance(field, Field) and field.path.startswith(below)
        }

    def __set__(self, instance: XNATBaseObject, value: Any) -> None:
        instance._write({self.path: self.to_text(value)})

    def __delete__(self, instance: XNATBaseObject) -> None:
        instance.del_(self.path)

    def to_text(self, value: Any) -> str:
        """The value as XNAT wants it written, checked against the schema's restrictions.

        :raises XNATValueError: it isn't valid; the text says what is
        """
        text = convert_from(value, self.type)
        check(self.name, value, self.facets, self.type)
        return text


class ObjectField(_Descriptor):
    """One object of a named type, as a subject's demographics. What isn't there yet can be written to."""

    def __init__(self, path: str, type: str, *, doc: str = "") -> None:
        super().__init__(path, doc)
        self.type = type

    def __get__(self, instance: XNATBaseObject | None, owner: type | None = None) -> Any:
        if instance is None:
            # Where the schema names an abstract type, what one can search by are the fields of the usual one.
            return _class_of(owner, CONCRETE_TYPES.get(self.type, self.type)) or _class_of(owner, self.type)
        return instance.get_object(self.path, self.type)

    def __set__(self, instance: XNATBaseObject, value: Any) -> None:
        raise self.refusal()

    def __delete__(self, instance: XNATBaseObject) -> None:
        raise XNATValueError(
            f"{self.name} is an object of type {self.type}: clear its fields, as in del {self.name}.<field>"
        )

    @property
    def assignment(self) -> str:
        """How it is written to."""
        return f"{self.name}.<field> = value"

    def refusal(self) -> XNATValueError:
        """The error for a value that is assigned to it."""
        return XNATValueError(
            f"{self.name} is an object of type {self.type}: assign to its fields, as in {self.assignment}"
        )


class SubObjectField(ObjectField):
    """A group of fields, as the parameters of a scan."""


class _Listing(_Descriptor):
    """A listing is made once per object and kept with it."""

    def __get__(self, instance: XNATBaseObject | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        found = instance._listings.get(self.name)
        if found is None:
            # One listing for all threads, whoever comes first.
            found = instance._listings.setdefault(self.name, self._make(instance))
        return found

    def __set__(self, instance: XNATBaseObject, value: Any) -> None:
        raise self.refusal()

    def __delete__(self, instance: XNATBaseObject) -> None:
        raise XNATValueError(f"{self.name} is a listing and can't be deleted; delete what is in it")

    @property
    def assignment(self) -> str:
        """How something is put into it."""
        raise NotImplementedError

    def refusal(self) -> XNATValueError:
        """The error for a value that is assigned to it."""
        return XNATValueError(f"{self.name} is a listing and can't be replaced; change what is in it")

    def _make(self, instance: XNATBaseObject) -> Any:
        raise NotImplementedError


class RestListing(_Listing):
    """A listing with a REST collection of its own, as the scans of a session.

    :param segment: the collection's name below the object's REST path
    :param item: xsi type of what is in it
    :param key: its second key
    """

    def __init__(self, segment: str, *, item: str, key: str | None = None, doc: str = "") -> None:
        super().__init__(segment, doc)
        self.item = item
        self.key = key

    @property
    def assignment(self) -> str:
        """What is in it is made by itself."""
        return f"Class(parent=new.{self.name}, ...)"

    def _make(self, instance: XNATBaseObject) -> Any:
        return rest_listing(instance._session, self.path, parent=instance, xsi_type=self.item, key=self.key)


class SubListing(_Listing):
    """Objects that live in their parent's item, as the investigators of a project."""

    def __init__(self, path: str, *, item: str, key: str | None = None, doc: str = "") -> None:
        super().__init__(path, doc)
        self.item = item
        self.key = key

    @property
    def assignment(self) -> str:
        """An element is added by writing to it."""
        return f"{self.name}[key].<field> = value"

    def _make(self, instance: XNATBaseObject) -> XNATSubListing:
        return XNATSubListing(
            parent=instance, field_name=self.path, secondary_lookup_field=self.key, xsi_type=self.item
        )


class SimpleListing(_Listing):
    """Values that live in their parent's item: by key, or just one after the other.

    :param value: the field that holds the value
    :param key: the field that names it
    """

    listing_class: type[XNATSimpleListing] = XNATSimpleListing

    def __init__(
        self, path: str, *, value: str, key: str | None = None, type: str = "xs:string", doc: str = ""
    ) -> None:
        super().__init__(path, doc)
        self.value = value
        self.key = key
        self.type = type

    @property
    def assignment(self) -> str:
        """A value is put under its key."""
        return f"{self.name}[key] = value"

    def _make(self, instance: XNATBaseObject) -> XNATSimpleListing:
        return self.listing_class(instance, self.path, self.value, self.key, self.type)


class Variables(SimpleListing):
    """The custom variables of an object."""

    listing_class = VariableMap


def _class_of(owner: type | None, xsi_type: str) -> Any:
    import sys

    module = sys.modules.get(getattr(owner, "__module__", ""))
    lookup = getattr(module, "XNAT_CLASS_LOOKUP", {})
    return lookup.get(xsi_type)
