"""How objects are written: each change is one PUT, and of something that is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import uris, xpath
from ..exceptions import XNATAttributeError, XNATNotFoundError, XNATObjectDestroyedError, XNATResponseError
from ..naming import did_you_mean
from .items import to_text

if TYPE_CHECKING:
    from ..protocols import Connection, Timeout

__all__ = ["Writes", "getattr_static", "is_read_only", "unknown_field"]


class Writes:
    """The writing side of :class:`~xnat.core.objects.XNATBaseObject`."""

    __slots__ = ()

    if TYPE_CHECKING:
        XSI_TYPE: ClassVar[str]
        KIND: ClassVar[str]
        SECONDARY_LOOKUP_FIELD: ClassVar[str | None]

        @property
        def _session(self) -> Connection: ...

        @property
        def xpath(self) -> str: ...

        @property
        def _path(self) -> str: ...

        def clearcache(self) -> None: ...

        def _check_alive(self) -> None: ...

        def _thing(self) -> Hashable: ...

    def set(
        self, name: str, value: Any, type_: str | Callable[[Any], Any] | None = None, timeout: Timeout = None
    ) -> None:
        """Write one field, in one PUT.

        :param name: its XNAT path, as ``'fields/field[name=dose]/field'``, or its attribute name
        :param type_: how to write the value: an xs type (``'xs:date'``) or a callable; by default as the field's own
            type says, or the value's where the schema doesn't name the path
        :raises XNATAttributeError: there is no such field; nothing is sent
        """
        self._write(dict([_written(type(self), name, value, type_)]), timeout=timeout)

    def mset(self, values: Mapping[str, Any] | None = None, timeout: Timeout = None, **kwargs: Any) -> None:
        """Write several fields in one PUT: all of them, or none when one value isn't valid.

        :param values: field → value; a field by its attribute name or its XNAT path
        :raises XNATAttributeError: a name is neither; nothing is sent
        """
        given = {**(values or {}), **kwargs}
        self._write(dict(_written(type(self), name, value) for name, value in given.items()), timeout=timeout)

    def del_(self, name: str) -> None:
        """Clear one field, by its XNAT path or attribute name, in one PUT.

        :raises XNATAttributeError: there is no such field; nothing is sent
        """
        path, _ = _written(type(self), name, xpath.CLEAR, str)
        self._write({path: xpath.CLEAR})

    def _write(self, fields: Mapping[str, str], *, timeout: Timeout = None) -> None:
        """Write fields of this object: path below it → text."""
        self._check_alive()
        query = {"xsiType": self.XSI_TYPE, **{xpath.join(self.xpath, path): text for path, text in fields.items()}}
        self._put(query, timeout=timeout)
        self._wrote(fields)

    def _put(self, query: Mapping[str, str], *, timeout: Timeout = None) -> None:
        """One PUT to the object itself.

        :raises XNATObjectDestroyedError: it isn't there any more
        """
        answer = self._session.write_fields(self._path, query, timeout=timeout)
        made = answer.text.strip()
        if answer.status_code == 201 and made and made != uris.split(self._path)[-1]:
            # Somebody deleted it since it was looked at, and XNAT took the write for a creation: of something with an
            # ID of its own, which only this write can have made. Without such an ID nothing is taken back.
            self._take_back(uris.join(uris.parent(self._path), made))
            raise self._gone()

    def _take_back(self, made: str) -> None:
        """Delete what a write made anew at this path."""
        self._session.delete(made)

    def _is_there(self) -> bool:
        """Whether the server has it still: one HEAD. Where the server doesn't answer that, the write will tell."""
        try:
            self._session.client.request("HEAD", self._path, allow_html=True)
        except XNATNotFoundError:
            return False
        except XNATResponseError:
            return True
        return True

    def _gone(self) -> XNATObjectDestroyedError:
        """The error for an object that isn't on the server any more; it is of no use afterwards."""
        name = repr(self)
        self._mark_deleted()
        return XNATObjectDestroyedError(
            f"{name} isn't on the server any more: somebody else deleted it, so nothing was written; look it up again"
        )

    def _mark_deleted(self) -> None:
        """Note that it isn't on the server any more."""
        raise NotImplementedError

    def _wrote(self, fields: Mapping[str, str]) -> None:
        registry = self._session.registry
        registry.touch(self._thing())
        if self.SECONDARY_LOOKUP_FIELD in fields and self.KIND:
            registry.wrote("rename", self.KIND)
        self.clearcache()


def getattr_static(cls: type, name: str) -> Any:
    """What the class defines under this name, without asking descriptors; None if nothing."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def _written(cls: type, name: str, value: Any, type_: str | Callable[[Any], Any] | None = None) -> tuple[str, str]:
    """(path below the object, text) of a value for the field of this attribute name or path.

    :raises XNATAttributeError: there is no such field
    :raises XNATValueError: the value isn't valid, or the name is that of objects or a listing
    """
    root, _, below = name.partition("/")
    if below and any(getattr(base, "XSI_TYPE", None) == root for base in cls.__mro__):
        name = below  # the whole path, from the type on, as searches and listings have it
    field = getattr_static(cls, name)
    if not hasattr(field, "path"):
        field = next((found for found in _described(cls) if found.path == name), None)
    if hasattr(field, "refusal"):
        raise field.refusal()
    if hasattr(field, "to_text"):
        return field.path, field.to_text(value) if type_ is None else to_text(value, type_)
    if field is None and not any(mark in name for mark in "/[@") and not _in_schema(cls, name):
        raise unknown_field(cls, name)
    return getattr(field, "path", name), to_text(value, type_)


def _described(cls: type) -> Iterator[Any]:
    return (found for base in cls.__mro__ for found in vars(base).values() if hasattr(found, "path"))


def _in_schema(cls: Any, path: str) -> bool:
    """Whether the schema has this field, though a property written by hand may stand for it in the class.

    True as well where no schema tells: what lies in the prearchive refuses all writes by itself.
    """
    model = getattr(sys.modules.get(cls.__module__), "model", None)
    key = cls.XSI_TYPE
    if model is None or key not in model.classes:
        return True
    while (definition := model.classes.get(key)) is not None:
        if any(field.path == path for field in definition.fields):
            return True
        key = definition.base
    return False


def is_read_only(found: Any, function: str) -> bool:
    """Whether what a class defines is a property that lacks the function to set (``fset``) or delete it (``fdel``)."""
    return isinstance(found, property) and getattr(found, function) is None


def unknown_field(cls: type, name: str) -> XNATAttributeError:
    """The error for a name that is no field of the class; it suggests the nearest."""
    names = [known for known in dir(cls) if not known.startswith("_")]
    hint = did_you_mean(name, names, "; dir() of it lists the fields there are")
    return XNATAttributeError(f"{cls.__name__} has no field {name!r}{hint}")
