"""How objects are written: each change is one PUT, and of something that is there."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import uris, xpath
from ..exceptions import XNATAttributeError, XNATObjectDestroyedError
from .items import to_text

if TYPE_CHECKING:
    from ..protocols import Connection, Timeout

__all__ = ["Writes", "getattr_static", "unknown_field"]


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
        def fulluri(self) -> str: ...

        def clearcache(self) -> None: ...

        def _check_alive(self) -> None: ...

        def _thing(self) -> Hashable: ...

    def set(
        self, name: str, value: Any, type_: str | Callable[[Any], Any] | None = None, timeout: Timeout = None
    ) -> None:
        """Write one field, by its XNAT path, in one PUT.

        :param type_: how to write the value: an xs type (``'xs:date'``) or a callable; by default the value's own type
        """
        self._write({name: to_text(value, type_)}, timeout=timeout)

    def mset(self, values: Mapping[str, Any] | None = None, timeout: Timeout = None, **kwargs: Any) -> None:
        """Write several fields in one PUT: all of them, or none when one value isn't valid.

        :param values: field → value; a field by its attribute name or its XNAT path
        :raises XNATAttributeError: a name is neither; nothing is sent
        """
        texts: dict[str, str] = {}
        for name, value in {**(values or {}), **kwargs}.items():
            field = getattr_static(type(self), name)
            if hasattr(field, "to_text"):
                texts[field.path] = field.to_text(value)
            elif "/" in name or _is_path(type(self), name):
                texts[name] = to_text(value, None)
            else:
                raise unknown_field(type(self), name)
        self._write(texts, timeout=timeout)

    def del_(self, name: str) -> None:
        """Clear one field, by its XNAT path."""
        self._write({name: xpath.CLEAR})

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
        answer = self._session.write_fields(self.fulluri, query, timeout=timeout)
        made = answer.text.strip()
        if answer.status_code == 201 and made and made != uris.split(self.fulluri)[-1]:
            # Somebody deleted it since it was looked at, and XNAT took the write for a creation: of something with an
            # ID of its own, which only this write can have made. Without such an ID nothing is taken back.
            self._take_back(uris.join(uris.parent(self.fulluri), made))
            raise self._gone()

    def _take_back(self, made: str) -> None:
        """Delete what a write made anew at this path."""
        self._session.delete(made)

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


def _is_path(cls: type, path: str) -> bool:
    return any(getattr(field, "path", None) == path for base in cls.__mro__ for field in vars(base).values())


def unknown_field(cls: type, name: str) -> XNATAttributeError:
    """The error for a name that is no field of the class; it suggests the nearest."""
    names = [known for known in dir(cls) if not known.startswith("_")]
    close = difflib.get_close_matches(name, names, 3)
    hint = f"; did you mean {' or '.join(close)}?" if close else "; dir() of it lists the fields there are"
    return XNATAttributeError(f"{cls.__name__} has no field {name!r}{hint}")
