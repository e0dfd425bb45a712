"""Columns of tables: which field of the schema each one is, and pandas frames with the types that follow from it.

The type of a column depends on its name, not on the values that happen to be in it: a listing of two sessions gives a
frame of the same types as a listing of two thousand. Only what the schema doesn't know is guessed from the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .datatypes import XSD_TYPES, convert_to
from .exceptions import XNATValueError
from .hints import CONCRETE_TYPES

if TYPE_CHECKING:
    import pandas

__all__ = ["ColumnType", "column_type", "fields_of", "to_pandas"]


class ColumnType(NamedTuple):
    """What the schema says about a column.

    :ivar type: its xs type
    :ivar choices: whether it has one of a few values
    """

    type: str
    choices: bool = False


#: Columns that XNAT makes, by name in lower case: the schema doesn't have them.
_XNAT_COLUMNS: dict[str, ColumnType] = {
    "insert_date": ColumnType("xs:dateTime"),
    "last_modified": ColumnType("xs:dateTime"),
    "file_count": ColumnType("xs:long"),
    "file_size": ColumnType("xs:long"),
    "size": ColumnType("xs:long"),
}
#: Text with few values, by the last part of the column's name in lower case.
_CHOICES = frozenset(
    {
        "collection", "condition", "content", "element_name", "ethnicity", "file_content", "file_format", "format",
        "gender", "handedness", "insert_user", "modality", "quality", "race", "scan_type", "series_class",
        "session_xsitype", "status", "type", "xsitype",
    }
)  # fmt: skip
#: Labels and IDs stay text although they may look like numbers: '007' is not 7.
_TEXT = r"(?i)(^|/|_)(id|label|name|uri|uid|project|digest|path)$"
#: Where else the listing of a type gets its shortcuts from (``gender`` of subjects).
_ELSEWHERE = {"xnat:subjectData": ("xnat:demographicData",)}


# -- what the schema says ---------------------------------------------------------------------------------------------


def fields_of(cls: type) -> dict[str, tuple[str, Any]]:
    """Attribute → (XNAT path, what defines it) of all fields of a class, those of its base classes first."""
    found: dict[str, tuple[str, Any]] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            path = getattr(value, "path", None)
            if isinstance(path, str) and not name.startswith("_"):
                found[name] = (path, value)
    return found


def column_type(classes: Any, xsi_type: str, column: str) -> ColumnType | None:
    """What the schema says about a column of a listing; None if nothing.

    :param classes: the session's classes
    :param xsi_type: the type of the listing's items
    :param column: a shortcut (``'date'``), or a path that begins with a type (``'xnat:mrScanData/parameters/tr'``)
    """
    lookup = getattr(classes, "XNAT_CLASS_LOOKUP", None) or {}
    root, _, path = column.partition("/")
    if ":" in root:
        return _field_type(lookup, root, path)
    known = _XNAT_COLUMNS.get(column.lower())
    places = (xsi_type, *_ELSEWHERE.get(xsi_type, ()))
    return known or next((found for place in places if (found := _field_type(lookup, place, column))), None)


def _field_type(lookup: Mapping[str, Any], xsi_type: str, path: str) -> ColumnType | None:
    """The type of the field at a path below a type, through what lies in it."""
    xsi_type = next((name for name in lookup if name.lower() == xsi_type.lower()), "")
    if not xsi_type:
        return None
    fields = {where.lower(): field for where, field in fields_of(lookup[xsi_type]).values()}
    steps = path.split("/")
    for count in range(len(steps), 0, -1):
        field = fields.get(re.sub(r"\[[^]]*\]", "", "/".join(steps[:count])).lower())
        if field is None:
            continue
        below = "/".join(steps[count:])
        if not below:
            facets = getattr(field, "facets", None)
            return None if facets is None else ColumnType(field.type, "enumeration" in facets)
        told = re.search(r"\[@xsi:type=['\"]?([\w:]+)", steps[count - 1])
        inside = str(told[1] if told else getattr(field, "item", None) or getattr(field, "type", ""))
        # Where the schema names an abstract type, paths may lead on into the one that objects have.
        return next(
            (
                found
                for place in (inside, CONCRETE_TYPES.get(inside))
                if place and (found := _field_type(lookup, place, below))
            ),
            None,
        )
    return None


# -- frames -----------------------------------------------------------------------------------------------------------


def to_pandas(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Mapping[str, Any]],
    type_of: Callable[[str], ColumnType | None] | None = None,
) -> pandas.DataFrame:
    """A pandas frame: dates, numbers and truth values as such, text of few values as categories, times as text.

    What is missing is missing in pandas' sense (``isna``). A column with a value that isn't of its type stays text.

    :param columns: (name, key in the rows) of each
    :param type_of: what is known of the type of a column, by name
    :raises ModuleNotFoundError: pandas isn't installed (``pip install xnat[pandas]``)
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Tables as pandas frames need pandas: pip install 'xnat[pandas]'") from error
    made = {name: _series(name, [_known(row.get(key)) for row in rows], type_of) for name, key in columns}
    frame: pandas.DataFrame = pandas.DataFrame(made, columns=[name for name, _ in columns], index=range(len(rows)))
    return frame


def _known(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _series(name: str, texts: list[str | None], type_of: Callable[[str], ColumnType | None] | None) -> Any:
    import pandas

    told = type_of(name) if type_of is not None else None
    last = name.rsplit("/", 1)[-1].lower()
    if told is None:
        told = ColumnType("xs:string" if re.search(_TEXT, name) or last in _CHOICES else _guess(texts))
    try:
        found = _typed(texts, told.type)
    except (ValueError, OverflowError, XNATValueError):
        found = None  # one value that isn't of the type; none of them shall get lost
    if found is None:
        choices = told.choices or last in _CHOICES
        found = pandas.Series(texts, dtype="category" if choices else _text_dtype())
    return found


def _text_dtype() -> Any:
    # pandas 3 has a type for text; before, it is object.
    import pandas

    return "str" if int(pandas.__version__.split(".")[0]) >= 3 else "object"


def _typed(texts: list[Any], xs_type: str) -> Any:
    """The values as pandas has them; None for text, and for types it has no counterpart of.

    :raises ValueError: a value is not of that type
    """
    import pandas

    kind = XSD_TYPES[xs_type].python if xs_type in XSD_TYPES else "str"
    if kind in ("datetime.date", "datetime.datetime"):
        return pandas.to_datetime(pandas.Series(texts, dtype="object"), format="ISO8601")
    if kind == "float":
        return pandas.Series([None if text is None else float(text) for text in texts], dtype="float64")
    dtype = {"int": "Int64", "bool": "boolean"}.get(kind)
    if dtype is None:
        return None
    return pandas.Series([_python(text, xs_type) for text in texts], dtype=dtype)


def _python(text: str | None, xs_type: str) -> Any:
    if text is not None and xs_type != "xs:boolean" and re.fullmatch(r"-?\d+\.0*", text):
        text = text.partition(".")[0]  # some servers write whole numbers so
    return convert_to(text, xs_type)


_GUESSES = (
    (r"-?\d{1,18}", "xs:long"),
    (r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", "xs:double"),
    (r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d(\.\d+)?)?", "xs:dateTime"),
    (r"true|false", "xs:boolean"),
)


def _guess(texts: Sequence[str | None]) -> str:
    known = [text for text in texts if text is not None]
    if known:
        for pattern, xs_type in _GUESSES:
            if all(re.fullmatch(pattern, text) for text in known):
                return xs_type
    return "xs:string"
