"""What a field gives when it is asked of its class: a term for searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..search import SearchField

__all__ = ["FieldTerm", "field_property"]


class FieldTerm(SearchField):
    """A term for searches (``SubjectData.label == 'x'``) that also tells what the field means."""

    def __init__(self, identifier: str, doc: str) -> None:
        super().__init__(identifier)
        self.__doc__ = doc

    # help() shows the documentation of a class attribute only if it looks like a data descriptor.
    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(f"{self!r} is a search term")


class _FieldProperty(property):
    """A property that is a search term on its class, as generated fields are."""

    path = ""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return FieldTerm(f"{getattr(owner, 'XSI_TYPE', '')}/{self.path}", self.__doc__ or "")
        return super().__get__(instance, owner)

    def setter(self, fset: Callable[[Any, Any], None]) -> _FieldProperty:
        made = _FieldProperty(self.fget, fset, self.fdel, self.__doc__)
        made.path = self.path
        return made


def field_property(path: str) -> Callable[[Callable[[Any], Any]], _FieldProperty]:
    """Decorator: a property written by hand for the field of this XNAT path."""

    def decorate(function: Callable[[Any], Any]) -> _FieldProperty:
        made = _FieldProperty(function)
        made.path = path
        return made

    return decorate
