"""Items as the server's JSON has them, and values as it wants them written."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from ..datatypes import convert_from
from ..exceptions import XNATResponseError

__all__ = ["children_of", "current_item", "to_text"]


def current_item(answer: Any, uri: str) -> dict[str, Any]:
    """The item in an answer of the server that isn't history.

    :raises XNATResponseError: there is none
    """
    items = answer.get("items") if isinstance(answer, Mapping) else None
    for item in items or ():
        if not item.get("meta", {}).get("isHistory"):
            found: dict[str, Any] = item
            return found
    raise XNATResponseError(
        f"{uri}: the server's answer holds no item, so there is nothing to read fields from", url=uri
    )


def children_of(item: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """The items in one field of an item."""
    return [
        child_item
        for child in item.get("children") or ()
        if child.get("field") == path
        for child_item in child.get("items", ())
    ]


def to_text(value: Any, type_: str | Callable[[Any], Any] | None) -> str:
    """A value as XNAT wants it written."""
    if type_ is None:
        return convert_from(value, _natural_type(value))
    if callable(type_):
        return str(type_(value))
    return convert_from(value, type_)


def _natural_type(value: Any) -> str:
    kinds: list[tuple[type, str]] = [
        (bool, "xs:boolean"),
        (int, "xs:long"),
        (float, "xs:double"),
        (datetime.datetime, "xs:dateTime"),
        (datetime.date, "xs:date"),
        (datetime.time, "xs:time"),
        (datetime.timedelta, "xs:duration"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "xs:string")
