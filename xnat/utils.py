"""Helpers that scripts import from here; the naming functions live in :mod:`xnat.naming`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .naming import pythonize_attribute_name, pythonize_class_name

__all__ = ["mixedproperty", "pythonize_attribute_name", "pythonize_class_name"]


class mixedproperty:  # noqa: N801 - a decorator, named as `property` is
    """A property that answers on the class as well as on its objects.

    ::

        class Scan:
            @mixedproperty
            def kind(cls, self):
                return cls.__name__ if self is None else f'{cls.__name__} {self.id}'

    The getter gets the class, and the object or None. Setter and deleter are those of :class:`property`: they get the
    object, and assigning to the attribute of the class replaces the property there, as always in Python.

    :param fget: gets the class and the object
    :param fset: gets the object and the new value; without one the property can't be set
    :param fdel: gets the object; without one the property can't be deleted
    :param doc: the documentation, by default the getter's
    """

    def __init__(
        self,
        fget: Callable[[Any, Any], Any],
        fset: Callable[[Any, Any], None] | None = None,
        fdel: Callable[[Any], None] | None = None,
        doc: str | None = None,
    ) -> None:
        self.fget = fget
        self.fset = fset
        self.fdel = fdel
        self.__doc__ = fget.__doc__ if doc is None else doc
        self._name = getattr(fget, "__name__", "attribute")

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self.fget(type(instance) if owner is None else owner, instance)

    def __set__(self, instance: Any, value: Any) -> None:
        if self.fset is None:
            raise AttributeError(f"{self._name!r} of {type(instance).__name__} can't be set")
        self.fset(instance, value)

    def __delete__(self, instance: Any) -> None:
        if self.fdel is None:
            raise AttributeError(f"{self._name!r} of {type(instance).__name__} can't be deleted")
        self.fdel(instance)

    def setter(self, fset: Callable[[Any, Any], None]) -> mixedproperty:
        """The same property with this setter."""
        return type(self)(self.fget, fset, self.fdel, self.__doc__)

    def deleter(self, fdel: Callable[[Any], None]) -> mixedproperty:
        """The same property with this deleter."""
        return type(self)(self.fget, self.fset, fdel, self.__doc__)
