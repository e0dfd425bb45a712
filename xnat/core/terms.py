"""What a field gives when it is asked of its class: a term for searches."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..search import SearchField

__all__ = ["DisplayFields", "FieldTerm", "TwoSided", "field_property", "parent_property", "type_path"]


Value = TypeVar("Value")


class DisplayFields(type):
    """Type of classes of objects: names in capitals are the display fields that the server's searches know.

    ``MrSessionData.AGE`` asks the server for the display fields of the type, once per session and type, when the first
    of them is touched; connecting asks for none.
    """

    if not TYPE_CHECKING:  # a checker would take it for leave to misspell any field
        # Not __getattr__: IPython would take that for one of the objects, and look into none of them for completion.
        def __getattribute__(cls, name: str) -> Any:
            try:
                found = super().__getattribute__(name)
            except AttributeError:
                return cls._display_field(name)
            # Here and not in its __get__: without one of its own, a property is read on instances in no time.
            return found.on_class(cls) if isinstance(found, TwoSided) else found

    def _display_field(cls, name: str) -> SearchField:
        xsi_type = cls.__dict__.get("XSI_TYPE")
        module = sys.modules.get(cls.__module__)
        if xsi_type and re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and hasattr(module, "current_session"):
            known = module.current_session().display_fields(xsi_type)  # type: ignore[union-attr]
            if name in known:
                return SearchField(f"{xsi_type}.{name}")
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}") from None


def type_path(owner: Any) -> str:
    """How searches name a type: ``xnat:mrScanData``; of a type that the schema gives no name the place it stands at,
    ``xnat:mrScanData/parameters``, since that is what the server knows.
    """
    xsi_type = str(getattr(owner, "XSI_TYPE", ""))
    classes = getattr(getattr(sys.modules.get(getattr(owner, "__module__", "")), "model", None), "classes", {})
    path = ""
    # Types of a schema lie in each other a few deep; the bound is for schemas that can't be.
    for _ in range(20):
        container = classes.get(getattr(classes.get(xsi_type), "parent", None))
        place = next((item.path for item in getattr(container, "fields", ()) if item.type == xsi_type), None)
        if container is None or place is None:
            break
        xsi_type, path = container.key, f"/{place}{path}"
    return f"{xsi_type}{path}"


class FieldTerm(SearchField):
    """A term for searches (``SubjectData.label == 'x'``) that also tells what the field means."""

    def __init__(
        self, identifier: str, doc: str, parts: Mapping[str, Any] | None = None, owner: type | None = None
    ) -> None:
        super().__init__(identifier)
        self.__doc__ = doc
        self._parts = parts or {}
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        # The attributes of an element that holds text: MrSessionData.scanner.model.
        if name in self.__dict__.get("_parts", {}):
            return self._parts[name].__get__(None, self._owner)
        raise AttributeError(f"{self!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parts})

    # help() shows the documentation of a class attribute only if it looks like a data descriptor.
    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(f"{self!r} is a search term")


class TwoSided(property):
    """A property of objects that says something of its own when it is asked of their class."""

    def on_class(self, owner: type) -> Any:
        """What it is on a class of objects."""
        raise NotImplementedError


class _FieldProperty(TwoSided, Generic[Value]):
    """A property that is a search term on its class, as generated fields are."""

    path = ""

    if TYPE_CHECKING:

        @overload  # type: ignore[override]
        def __get__(self, instance: None, owner: type | None = None) -> FieldTerm: ...
        @overload
        def __get__(self, instance: Any, owner: type | None = None) -> Value: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any: ...

    def on_class(self, owner: type) -> FieldTerm:
        """The search term."""
        return FieldTerm(f"{type_path(owner)}/{self.path}", self.__doc__ or "")

    def setter(self, fset: Callable[[Any, Any], None]) -> _FieldProperty[Value]:
        made: _FieldProperty[Value] = _FieldProperty(self.fget, fset, self.fdel, self.__doc__)
        made.path = self.path
        made.__doc__ = self.__doc__  # what the call above was given, a subclass of property forgets
        return made


class _ParentProperty(TwoSided):
    """What an object lies in; on its class, the class of that."""

    container: str | None = None

    def on_class(self, owner: type) -> Any:
        """The class of what such objects lie in; None where that can be of any type."""
        module = sys.modules.get(owner.__module__)
        lookup = getattr(module, "XNAT_CLASS_LOOKUP", {})
        container = self.container
        if container is None and (definition := lookup and module.model.classes.get(owner.XSI_TYPE)):  # type: ignore
            container = definition.parent
        return lookup.get(container)


def parent_property(container: str | None = None) -> Callable[[Callable[[Any], Any]], Any]:
    """Decorator: a property that tells what an object lies in.

    :param container: xsi type of that; where there is none, the type the schema declares its own type in
    """

    def decorate(function: Callable[[Any], Any]) -> Any:
        made = _ParentProperty(function)
        made.container = container
        return made

    return decorate


def field_property(path: str) -> Callable[[Callable[[Any], Value]], _FieldProperty[Value]]:
    """Decorator: a property written by hand for the field of this XNAT path."""

    def decorate(function: Callable[[Any], Value]) -> _FieldProperty[Value]:
        made: _FieldProperty[Value] = _FieldProperty(function)
        made.path = path
        return made

    return decorate
