"""Items as the server's JSON has them, and values as it wants them written."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Callable, Mapping
from typing import Any

from ..datatypes import convert_from
from ..exceptions import XNATResponseError

__all__ = ["children_of", "current_item", "insert_date", "to_text"]

#: Java writes a date with the name of the server's time zone. UTC and those of North America are in the standard
#: library; these are the others whose abbreviation means one thing.
_ZONES = {"CET": "+0100", "CEST": "+0200", "EET": "+0200", "EEST": "+0300", "WET": "+0000", "WEST": "+0100"}


def current_item(answer: Any, uri: str) -> dict[str, Any]:
    """The item in an answer of the server that isn't history.

    :raises XNATResponseError: there is none
    """
    items = answer.get("items") if isinstance(answer, Mapping) else None
    for item in items if isinstance(items, list) else ():
        found = _sound(item, uri)
        if not found["meta"].get("isHistory"):
            # Scripts for other clients look for it there.
            found["xnatpy"] = {"insert_date": insert_date(found)}
            return found
    raise XNATResponseError(
        f"{uri}: the server's answer holds no item, so there is nothing to read fields from", url=uri
    )


def _sound(item: Any, uri: str) -> dict[str, Any]:
    """The item, of which the rest may believe that it and what lies in it have the shape of an item.

    :raises XNATResponseError: it hasn't
    """
    waiting = [item]
    while waiting:
        part = waiting.pop()
        kinds = {"meta": dict, "data_fields": dict, "children": list}
        if not isinstance(part, dict) or not all(
            isinstance(part.get(name) or kind(), kind) for name, kind in kinds.items()
        ):
            raise _misshapen(uri)
        for name, kind in kinds.items():
            part[name] = part.get(name) or kind()
        type_ = part["meta"].get("xsi:type")
        if type_ is not None and not isinstance(type_, str):
            raise _misshapen(uri)
        for child in part["children"]:
            if not isinstance(child, dict) or not isinstance(child.get("items") or [], list):
                raise _misshapen(uri)
            child["field"] = str(child.get("field", ""))
            child["items"] = child.get("items") or []
            waiting += child["items"]
    found: dict[str, Any] = item
    return found


def _misshapen(uri: str) -> XNATResponseError:
    return XNATResponseError(
        f"{uri}: asked for an item, but the server's answer doesn't have the shape of one", url=uri
    )


def insert_date(item: Mapping[str, Any]) -> datetime.datetime | None:
    """When an item was put into the archive, in UTC: ``Thu Apr 08 19:28:45 UTC 2021`` in its ``meta``."""
    words = str(item.get("meta", {}).get("start_date", "")).split()
    if len(words) != 6:
        return None
    _, month, day, clock, zone, year = words
    try:
        found = email.utils.parsedate_to_datetime(f"{day} {month} {year} {clock} {_ZONES.get(zone, zone)}")
    except (TypeError, ValueError):
        return None
    # A zone that nobody knows gives a time that could be anywhere.
    return None if found.tzinfo is None else found.astimezone(datetime.timezone.utc)


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
