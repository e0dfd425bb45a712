"""Text of a request to what a field holds, by the field's kind; 400 when it cannot be that."""

from __future__ import annotations

import datetime
import re

from .datatypes import Node
from .errors import Refused
from .items import Value

__all__ = ["convert", "iso_date"]

# What XNAT gives a plain xs:string in its database.
STRING_LENGTH = 255
_DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%Y%m%d")
_TIME = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?\Z")
_TIMESTAMP = re.compile(r"(\S+?)[T ](\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?\Z")
_BOOLEANS = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}


def iso_date(text: str) -> str | None:
    """``2020-01-31`` from that or ``01/31/2020``; None when it is no date."""
    text = text.partition("T")[0].partition(" ")[0]
    for layout in _DATE_FORMATS:
        try:
            return datetime.datetime.strptime(text, layout).strftime("%Y-%m-%d")
        except ValueError:
            continue
    return None


def convert(node: Node | None, name: str, text: str) -> Value:
    """The value of a field from text; a field the schema does not know holds text."""
    kind = node.kind if node else ""
    converter = _CONVERTERS.get(kind)
    if converter is None:
        limit = _limit(node)
        if limit and len(text) > limit:
            raise Refused(400, f"{name}: '{text[:20]}...' must be less than {limit + 1} characters")
        return text
    value = converter(text.strip())
    if value is None:
        raise Refused(400, f"{name}: '{text}' is not a valid {kind}")
    return value


def _limit(node: Node | None) -> int:
    if node is None or node.kind != "string" or node.multiple or node.nodes:
        return node.max_length if node else 0
    return node.max_length or STRING_LENGTH


def _integer(text: str) -> Value | None:
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else None


def _float(text: str) -> Value | None:
    try:
        value = float(text)
    except ValueError:
        return None
    # JSON has no NaN: XNAT prints it as text
    return value if value == value and abs(value) != float("inf") else text


def _boolean(text: str) -> Value | None:
    return _BOOLEANS.get(text.lower())


def _time(text: str) -> Value | None:
    if not _TIME.match(text):
        return None
    return text if text.count(":") == 2 else f"{text}:00"


def _timestamp(text: str) -> Value | None:
    found = _TIMESTAMP.match(text)
    if not found:
        date = iso_date(text)
        return f"{date} 00:00:00.0" if date else None
    date, time = iso_date(found[1]), _time(found[2])
    if date is None or time is None:
        return None
    return f"{date} {time}" if "." in str(time) else f"{date} {time}.0"


_CONVERTERS = {
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "date": iso_date,
    "time": _time,
    "dateTime": _timestamp,
}
