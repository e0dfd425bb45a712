"""Objects that live inside another object's item, and are read and written through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import uris, xpath
from ..exceptions import XNATValueError
from .objects import XNATBaseObject
from .terms import DisplayFields

if TYPE_CHECKING:
    from ..protocols import Connection, Timeout

__all__ = ["XNATListedObject", "XNATNestedObject", "XNATSubObject", "class_inside", "restore_nested"]

#: The item of something that isn't there yet (a subject without demographics).
_NO_ITEM: dict[str, Any] = {"data_fields": {}, "children": [], "meta": {}}


class XNATNestedObject(XNATBaseObject):
    """An item that lies in another object's item; it is read and written through that one.

    :param fieldname: path of the field in the parent
    :param position: which of several: an index (from 0) or a (key, value) pair
    """

    __slots__ = ("_position",)

    def __init__(
        self,
        uri: str | None = None,
        xnat_session: Connection | None = None,
        id_: str | None = None,
        datafields: Mapping[str, Any] | None = None,
        parent: Any = None,
        fieldname: str | None = None,
        *,
        position: int | tuple[str, str] | None = None,
        **fields: Any,
    ) -> None:
        if parent is None or not fieldname or fields:
            raise XNATValueError(
                f"A {type(self).__name__} lives inside another object: write its fields there, as in "
                "subject.demographics.gender = 'female'"
            )
        self._position = position
        super().__init__(uri or parent.uri, xnat_session, id_, datafields, parent, fieldname)

    @property
    def id(self) -> str:
        """The parent's ID and the field it lies in."""
        return f"{self._parent.id}/{self._step}"

    @property
    def _path(self) -> str:
        """The REST path of the object it lies in."""
        full: str = self._parent._path
        return full

    @property
    def _step(self) -> str:
        path = self._fieldname or ""
        if self._position is None:
            return path
        if isinstance(self._position, tuple):
            return xpath.element(path, *self._position)
        return f"{path}[{self._position + 1}]"

    @property
    def xpath(self) -> str:
        """The path that names it in writes: ``xnat:subjectData/demographics[@xsi:type=xnat:demographicData]``."""
        parent: str = self._parent.xpath
        if self._position is not None:
            return xpath.join(parent, self._step)
        if self.XSI_TYPE.startswith("xnatpy:"):
            return xpath.join(parent, self._step)
        return xpath.join(parent, xpath.of_type(self._step, self.XSI_TYPE))

    @property
    def fulldata(self) -> dict[str, Any]:
        """Its item inside the parent's; an empty one if it isn't there yet."""
        items = self._parent._children(self._fieldname)
        if isinstance(self._position, tuple):
            key, value = self._position
            items = [item for item in items if str(item.get("data_fields", {}).get(key)) == value]
        elif isinstance(self._position, int):
            items = items[self._position : self._position + 1]
        return items[0] if items else _NO_ITEM

    def _raw(self, path: str) -> Any:
        return self.data.get(path)

    def _write(self, fields: Mapping[str, str], *, timeout: Timeout = None) -> None:
        below = self.xpath[len(self._parent.xpath) + 1 :]
        self._parent._write({xpath.join(below, path): text for path, text in fields.items()}, timeout=timeout)

    def _clear(self) -> None:
        """Clear all its fields, in one PUT."""
        self._write(dict.fromkeys(self.data, xpath.CLEAR))

    def clearcache(self) -> None:
        """Forget what the server said about the object it lies in."""
        self._parent.clearcache()

    def __reduce__(self) -> tuple[Any, ...]:
        return restore_nested, (self.XSI_TYPE, self._parent, self._fieldname, self._position)


def restore_nested(xsi_type: str, parent: Any, fieldname: str, position: int | tuple[str, str] | None) -> Any:
    """The object of a pickle, inside its parent."""
    session = parent.xnat_session
    cls = session.class_for(xsi_type, nested=True)
    return cls(uri=parent.uri, xnat_session=session, parent=parent, fieldname=fieldname, position=position)


class XNATListedObject(XNATNestedObject):
    """Something of a type with REST paths of its own, found inside another object's item.

    Publications of a project, and the files that went into a reconstruction (``in_``) and came ``out`` of it: they
    stand in the item, and XNAT has no listing for them.
    """

    __slots__ = ()

    @property
    def id(self) -> str:
        """Its number on the server; without one, the parent's ID and the field it lies in."""
        number = self._raw("xnat_abstractresource_id")
        return super().id if number is None else str(number)

    @property
    def _path(self) -> str:
        """Where its files are; the REST path of the object it lies in, if it has no number."""
        number = self._raw("xnat_abstractresource_id")
        if number is None:
            return super()._path
        side = (self._fieldname or "").partition("/")[0]
        return uris.join(super()._path, side if side in ("in", "out") else "", "resources", str(number))

    uri = _path

    def delete(self, remove_files: bool = True) -> None:
        """Take it out of the object it lies in, in one request."""
        self._check_alive()
        if self._raw("xnat_abstractresource_id") is None:
            self._clear()
        else:
            self._session.delete(self._path, query={"removeFiles": "true"} if remove_files else None)
            self._session.registry.wrote("delete", "resource")
            self._parent.clearcache()
        self._destroyed = True


def class_inside(cls: type[Any]) -> type[Any]:
    """The class for objects of this type inside another object's item: itself, unless it has REST paths of its own."""
    if issubclass(cls, XNATNestedObject):
        return cls
    found = vars(cls).get("_INSIDE")
    if found is None:
        names = {"__slots__": (), "__module__": cls.__module__, "__doc__": cls.__doc__, "XSI_TYPE": cls.XSI_TYPE}
        found = DisplayFields(cls.__name__, (XNATListedObject, cls), names)
        cls._INSIDE = found
    made: type[Any] = found
    return made


class XNATSubObject(XNATNestedObject):
    """A group of fields of another object, as the parameters of a scan."""

    __slots__ = ()

    @property
    def xpath(self) -> str:
        """The parent's path and the group's name: ``xnat:mrScanData/parameters``."""
        return xpath.join(self._parent.xpath, self._fieldname or "")

    @property
    def fulldata(self) -> dict[str, Any]:
        """The fields of the group, as an item of its own."""
        prefix = f"{self._fieldname}/"
        item = self._parent.fulldata
        fields = {
            name[len(prefix) :]: value for name, value in item.get("data_fields", {}).items() if name.startswith(prefix)
        }
        children = [
            {**child, "field": child["field"][len(prefix) :]}
            for child in item.get("children", ())
            if str(child.get("field", "")).startswith(prefix)
        ]
        # Some servers send the group as a child item instead of as flat fields.
        for child in self._parent._children(self._fieldname):
            fields = {**child.get("data_fields", {}), **fields}
            children += child.get("children", ())
        return {"data_fields": fields, "children": children, "meta": {}}

    def _raw(self, path: str) -> Any:
        # The group's own text, for an element with text and attributes, stands under the group's name.
        if not path:
            return self._parent._raw(self._fieldname)
        value = self._parent._raw(xpath.join(self._fieldname or "", path))
        return self.data.get(path) if value is None else value
