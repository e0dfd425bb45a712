"""Custom variables: the values that sites add to projects, subjects and experiments without a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .sublistings import XNATSimpleListing

__all__ = ["VariableMap"]


class VariableMap(XNATSimpleListing):
    """The custom variables of an object, as a mapping of text: ``experiment.fields['brain_volume'] = 42.0``.

    Reading costs the object's item at most; setting and deleting is one PUT each. Values read back as text.
    """

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several variables in one PUT: all of them, or none when a name can't be written."""
        values: Mapping[str, Any] = dict(*args, **kwargs)
        if values:
            self.parent._write(
                {f"{self._path(key)}/{self.value_name}": self._text(value) for key, value in values.items()}
            )
