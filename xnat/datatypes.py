"""The built-in types of XML Schema and their Python counterparts.

Each type is a pair of functions in :data:`XSD_TYPES`: ``to_python`` reads what a server sends (JSON values or text),
``to_xnat`` writes the text a server understands. Reading is generous, because servers spell things in several ways;
writing is strict, because a server stores nonsense without a word.

A missing value (``None``, or empty text for anything but text) reads as ``None``.
"""

from __future__ import annotations

import datetime
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .exceptions import XNATValueError

__all__ = ["XSD_TYPES", "DataType", "check", "convert_from", "convert_to", "is_text"]


class DataType(NamedTuple):
    """A built-in type: how to read it, how to write it, and what a reader of the documentation calls it."""

    to_python: Callable[[Any], Any]
    to_xnat: Callable[[Any], str]
    python: str


def convert_to(value: Any, type_: str | Callable[[Any], Any] | None) -> Any:
    """Return a server's ``value`` as Python has it.

    :param type_: a type name (``'xs:integer'``) or a callable; unknown types are read as text
    :raises XNATValueError: if the value isn't one of that type
    """
    if value is None:
        return None
    if callable(type_):
        return type_(value)
    datatype = XSD_TYPES.get(type_ or "", _TEXT)
    if value == "" and datatype is not _TEXT:
        return None
    try:
        return datatype.to_python(value)
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise XNATValueError(_refusal(value, type_, error)) from error


def is_text(type_: str) -> bool:
    """Whether values of a type are text, as those of unknown types are."""
    return XSD_TYPES.get(type_, _TEXT).python == _TEXT.python


def convert_from(value: Any, type_: str | Callable[[Any], Any] | None) -> str:
    """Return a Python ``value`` as the text a server understands.

    :raises XNATValueError: if the value can't be written as that type, or is ``None``
    """
    if value is None:
        raise XNATValueError("None can't be stored; to clear a field, delete it: del obj.field")
    if callable(type_):
        value, type_ = type_(value), None
    try:
        return XSD_TYPES.get(type_ or "", _TEXT).to_xnat(value)
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise XNATValueError(_refusal(value, type_, error)) from error


def check(name: str, value: Any, restrictions: Mapping[str, Any], type_: str = "xs:string") -> None:
    """Hold a value against the restrictions a schema puts on a field.

    :param restrictions: any of enumeration, min_length, max_length, min_inclusive, max_inclusive, min_exclusive,
        max_exclusive
    :raises XNATValueError: naming what would have been accepted
    """
    if not restrictions:
        return
    text = convert_from(value, type_)
    allowed = restrictions.get("enumeration")
    if allowed and text not in allowed:
        raise XNATValueError(f"{name} has to be one of: " + ", ".join(f'"{item}"' for item in allowed))
    for facet, fits, words in _LENGTHS:
        limit = restrictions.get(facet)
        if limit is not None and not fits(len(text), limit):
            raise XNATValueError(f"length {name} has to be {words} {limit}")
    for facet, fits, words in _BOUNDS:
        limit = restrictions.get(facet)
        if limit is not None and not fits(convert_to(text, type_), convert_to(limit, type_)):
            raise XNATValueError(f"{name} has to be {words} {limit}")


_LENGTHS = [
    ("min_length", operator.ge, "larger than or equal to"),
    ("max_length", operator.le, "smaller than or equal to"),
]
_BOUNDS = [
    ("min_inclusive", operator.ge, "greater than or equal to"),
    ("max_inclusive", operator.le, "smaller than or equal to"),
    ("min_exclusive", operator.gt, "greater than"),
    ("max_exclusive", operator.lt, "smaller than"),
]


def _refusal(value: Any, type_: object, error: Exception) -> str:
    shown = repr(value)
    shown = shown if len(shown) <= 100 else shown[:97] + "..."
    return f"{shown} is not a valid {type_ or 'text'}: {error}"


# --- text ------------------------------------------------------------------------------------------------------------


def _text_to_python(value: Any) -> str:
    return value if isinstance(value, str) else _text_to_xnat(value)


def _text_to_xnat(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        raise TypeError("bytes have to be decoded first")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return _duration_to_xnat(value)
    return str(value)


# --- truth -----------------------------------------------------------------------------------------------------------

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def _boolean_to_python(value: Any) -> bool:
    # Not text: real booleans and whole numbers, also NumPy's.
    text = value.strip().lower() if isinstance(value, str) else str(operator.index(value))
    if text not in _TRUTH:
        raise ValueError("has to be true or false")
    return _TRUTH[text]


def _boolean_to_xnat(value: Any) -> str:
    if type(value).__name__ in ("bool_", "bool"):  # NumPy's own has no __index__
        value = bool(value)
    return "true" if _boolean_to_python(value) else "false"


# --- numbers ---------------------------------------------------------------------------------------------------------


def _integer_to_python(value: Any) -> int:
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError("has to be a whole number")
        return int(value)
    if isinstance(value, str):
        return int(value)
    return operator.index(value)


def _integer_between(low: int | None, high: int | None) -> DataType:
    def to_xnat(value: Any) -> str:
        number = _integer_to_python(value)
        if low is not None and number < low:
            raise ValueError(f"has to be greater than or equal to {low}")
        if high is not None and number > high:
            raise ValueError(f"has to be smaller than or equal to {high}")
        return str(number)

    return DataType(_integer_to_python, to_xnat, "int")


def _float_to_xnat(value: Any) -> str:
    number = float(value)
    if math.isfinite(number):
        return str(int(value)) if isinstance(value, int) else repr(number)
    return "NaN" if math.isnan(number) else ("INF" if number > 0 else "-INF")


# --- dates -----------------------------------------------------------------------------------------------------------

_DATE = r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)"
_TIME = r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
_ZONE = r"(?: ?(?P<zone>Z|[+-]\d\d:?\d\d))?"
# Compiled when the first value is read: connecting needs none of them.
_MOMENT_TEXT = rf"(?a){_DATE}(?:[T ]{_TIME})?{_ZONE}"
_TIME_TEXT = rf"(?a){_TIME}{_ZONE}"


def _date_to_python(value: Any) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    return _moment(value, "yyyy-mm-dd").date()


def _datetime_to_python(value: Any) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day)
    return _moment(value, "yyyy-mm-ddThh:mm:ss")


def _time_to_python(value: Any) -> datetime.time:
    if isinstance(value, datetime.time):
        return value
    if isinstance(value, datetime.datetime):
        return value.timetz()
    found = re.fullmatch(_TIME_TEXT, value.strip()) if isinstance(value, str) else None
    if found is None:
        return _moment(value, "hh:mm:ss").timetz()
    return datetime.time(*_clock(found), tzinfo=_zone(found["zone"]))


def _moment(value: Any, wanted: str) -> datetime.datetime:
    found = re.fullmatch(_MOMENT_TEXT, value.strip()) if isinstance(value, str) else None
    if found is None or (wanted == "hh:mm:ss" and found["hour"] is None):
        raise ValueError(f"has to look like {wanted}")
    day = int(found["year"]), int(found["month"]), int(found["day"])
    clock = _clock(found) if found["hour"] else (0, 0, 0, 0)
    return datetime.datetime(*day, *clock, tzinfo=_zone(found["zone"]))


def _clock(found: re.Match[str]) -> tuple[int, int, int, int]:
    # Java trims the zeros of fractions ('.5'), and some databases give nine digits.
    fraction = (found["fraction"] or "")[:6].ljust(6, "0")
    return int(found["hour"]), int(found["minute"]), int(found["second"] or 0), int(fraction)


def _zone(text: str | None) -> datetime.timezone | None:
    if not text:
        return None
    if text == "Z":
        return datetime.timezone.utc
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return datetime.timezone(datetime.timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _date_to_xnat(value: Any) -> str:
    return _date_to_python(value).isoformat()


def _datetime_to_xnat(value: Any) -> str:
    return _datetime_to_python(value).isoformat()


def _time_to_xnat(value: Any) -> str:
    return _time_to_python(value).isoformat()


# --- durations -------------------------------------------------------------------------------------------------------

_DURATION = (
    r"(?a)(?P<sign>-?)P(?=.)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.(?P<fraction>\d+))?S)?)?"
)


def _duration_to_python(value: Any) -> datetime.timedelta:
    if isinstance(value, datetime.timedelta):
        return value
    found = re.fullmatch(_DURATION, value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("has to look like P1DT2H3M4.5S")
    if int(found["years"] or 0) or int(found["months"] or 0):
        raise ValueError("years and months have no fixed length; read the text with get()")
    length = datetime.timedelta(
        days=int(found["days"] or 0),
        hours=int(found["hours"] or 0),
        minutes=int(found["minutes"] or 0),
        seconds=int(found["seconds"] or 0),
        microseconds=int((found["fraction"] or "")[:6].ljust(6, "0")),
    )
    return -length if found["sign"] else length


def _duration_to_xnat(value: Any) -> str:
    length = _duration_to_python(value)
    sign, length = ("-", -length) if length < datetime.timedelta() else ("", length)
    hours, seconds = divmod(length.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    fraction = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    time += f"{seconds}{fraction}S" if seconds or fraction or not (time or length.days) else ""
    return f"{sign}P" + (f"{length.days}D" if length.days else "") + (f"T{time}" if time else "")


# --- the table -------------------------------------------------------------------------------------------------------

_TEXT = DataType(_text_to_python, _text_to_xnat, "str")
_FLOAT = DataType(float, _float_to_xnat, "float")

#: Every built-in type met in real schemas, and the rest of the integers.
XSD_TYPES: dict[str, DataType] = {
    "xs:string": _TEXT,
    "xs:anyURI": _TEXT,
    "xs:anyType": _TEXT,
    "xs:base64Binary": _TEXT,
    "xs:gYear": _TEXT,
    "xs:gYearMonth": _TEXT,
    "xs:boolean": DataType(_boolean_to_python, _boolean_to_xnat, "bool"),
    "xs:float": _FLOAT,
    "xs:double": _FLOAT,
    # Not decimal.Decimal: sites use it for measurements, which go into calculations with floats.
    "xs:decimal": _FLOAT,
    "xs:integer": _integer_between(None, None),
    "xs:long": _integer_between(-(2**63), 2**63 - 1),
    "xs:int": _integer_between(-(2**31), 2**31 - 1),
    "xs:short": _integer_between(-(2**15), 2**15 - 1),
    "xs:byte": _integer_between(-(2**7), 2**7 - 1),
    "xs:unsignedLong": _integer_between(0, 2**64 - 1),
    "xs:unsignedInt": _integer_between(0, 2**32 - 1),
    "xs:unsignedShort": _integer_between(0, 2**16 - 1),
    "xs:unsignedByte": _integer_between(0, 2**8 - 1),
    "xs:nonNegativeInteger": _integer_between(0, None),
    "xs:positiveInteger": _integer_between(1, None),
    "xs:nonPositiveInteger": _integer_between(None, 0),
    "xs:negativeInteger": _integer_between(None, -1),
    "xs:date": DataType(_date_to_python, _date_to_xnat, "datetime.date"),
    "xs:time": DataType(_time_to_python, _time_to_xnat, "datetime.time"),
    "xs:dateTime": DataType(_datetime_to_python, _datetime_to_xnat, "datetime.datetime"),
    "xs:duration": DataType(_duration_to_python, _duration_to_xnat, "datetime.timedelta"),
}
