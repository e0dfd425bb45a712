"""Text of elements that have attributes as well: the scanner of a session, with its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..exceptions import XNATAttributeError
from ..naming import did_you_mean

if TYPE_CHECKING:
    from .objects import XNATBaseObject

__all__ = ["Text"]


class Text(str):
    """The text of an element, with the element's attributes: ``experiment.scanner.model``; empty where it has none.

    The attributes are fields of the object it was read from: reading costs the object's item at most, setting and
    deleting is one PUT each. Copies and pickles are plain text.
    """

    def __new__(cls, text: str, holder: XNATBaseObject, parts: Mapping[str, Any]) -> Text:
        made = super().__new__(cls, text)
        made.__dict__.update(_holder=holder, _parts=parts)
        return made

    if TYPE_CHECKING:
        _holder: XNATBaseObject
        _parts: Mapping[str, Any]

    def _part(self, name: str) -> Any:
        found = self._parts.get(name)
        if found is None:
            hint = did_you_mean(name, self._parts, f"; it has {', '.join(self._parts)}")
            raise XNATAttributeError(f"This text has no attribute {name!r}{hint}")
        return found

    def __getattr__(self, name: str) -> Any:
        return self._part(name).__get__(self._holder)

    def __setattr__(self, name: str, value: Any) -> None:
        self._part(name).__set__(self._holder, value)

    def __delattr__(self, name: str) -> None:
        self._part(name).__delete__(self._holder)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parts})

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)
