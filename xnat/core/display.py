"""How objects and listings look in a console or a notebook. Nothing here asks the server.

Everything that came from a server is escaped: labels are text, whatever is in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import uris
from ..columns import fields_of

__all__ = [
    "LISTING_ENTRIES",
    "TABLE_ROWS",
    "CliName",
    "children_html",
    "entry_repr",
    "listing_repr",
    "object_html",
    "object_repr",
    "rows_html",
    "table_html",
]

#: A listing's repr shows so many entries.
LISTING_ENTRIES = 20
#: A listing's table in a notebook shows so many rows.
TABLE_ROWS = 50
#: A cell shows so many characters; a note can be a page long.
_CELL = 200
#: Notebooks align tables of numbers, to the right.
_LEFT = ' style="text-align: left"'


class CliName(str):
    """What the command line calls something: text that may be called, for scripts to which it is a method."""

    __slots__ = ()

    def __call__(self) -> str:
        """The text."""
        return str(self)


def entry_repr(class_name: str, id_: str | None, key: str | None) -> str:
    """``<SubjectData test001 (XNAT_S00001)>``; the part that isn't known is left out."""
    names = f"{key} ({id_})" if key and id_ else f"{key or id_ or '#NOID#'}"
    return f"<{class_name} {printable(names)}>"


def printable(text: str) -> str:
    """A server's text as it may stand on a terminal: what could move the cursor there is shown as its escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def object_repr(obj: Any) -> str:
    """The repr of an object, from what is known of it already."""
    id_, key = known_names(obj)
    return entry_repr(type(obj).__name__, id_, key)


def known_names(obj: Any) -> tuple[str | None, str | None]:
    """ID and second key of an object, each None unless it is known without a request."""
    facts = known_facts(obj)
    id_ = obj._id or facts.get("ID")
    field = obj.SECONDARY_LOOKUP_FIELD
    key = facts.get(field) if field else None
    if id_ is None and key is None:
        id_ = uris.split(obj._uri)[-1] if uris.split(obj._uri) else None
        if obj.fieldname and hasattr(type(obj), "_step"):
            id_ = f"{id_}/{obj.fieldname}"
    return (None if id_ is None else str(id_)), (None if key is None else str(key))


def known_facts(obj: Any) -> dict[str, Any]:
    """XNAT path → value of all that is known of an object without a request, from its listing's row and its item."""
    item = (known_item(obj) or {}).get("data_fields", {})
    row = {name: value for name, value in obj._row.items() if value != ""}
    # The row knows better what a shared object is called here; but not what was written since it came.
    return {**item, **row} if obj._touched <= obj._row_time else {**row, **item}


def known_item(obj: Any) -> dict[str, Any] | None:
    """The item of an object, or of its place in what it lies in, if it is here already."""
    holder = obj
    while getattr(holder, "fieldname", None) and hasattr(type(holder), "_step"):
        holder = holder.parent
    if holder._loaded() is None:
        return None
    item: dict[str, Any] | None = obj._loaded() if holder is obj else obj.fulldata
    return item


def listing_repr(name: str, entries: Iterable[tuple[str, str | None, str]], total: int, second_key: bool) -> str:
    """``<XNATListing (ID, key): <Class key (ID)>, ...>``; long ones end with how many more there are.

    :param entries: (ID, second key, class name) of at least the first entries
    """
    shown = []
    for index, (id_, key, class_name) in enumerate(entries):
        if index == LISTING_ENTRIES:
            shown.append(f"... {total - LISTING_ENTRIES} more")
            break
        label = printable(f"({id_}, {key})" if second_key else f"{id_}")
        shown.append(f"{label}: {entry_repr(class_name, id_, key)}")
    return f"<{name} {', '.join(shown)}>" if shown else f"<{name} (empty)>"


# -- notebooks --------------------------------------------------------------------------------------------------------


def table_html(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], total: int) -> str:
    """An HTML table for notebooks of the first rows, and how many more there are.

    :param rows: at least the rows that are shown
    """
    head = "".join(f"<th{_LEFT}>{_escaped(str(column))}</th>" for column in columns)
    body = []
    for index, row in enumerate(rows):
        if index == TABLE_ROWS:
            body.append(f'<tr><td colspan="{len(columns)}"{_LEFT}>... {total - TABLE_ROWS} more</td></tr>')
            break
        body.append("<tr>" + "".join(f"<td{_LEFT}>{_cell(cell)}</td>" for cell in row) + "</tr>")
    return (
        f"<table><caption{_LEFT}>{_escaped(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return _escaped(text if len(text) <= _CELL else text[: _CELL - 1] + "…")


def rows_html(caption: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], total: int) -> str:
    """The table of a listing's rows, without columns that say nothing."""
    shown = [row for row, _ in zip(rows, range(TABLE_ROWS + 1), strict=False)]
    told = [name for name in columns if not _hidden(name) and any(row.get(name) not in (None, "") for row in shown)]
    return table_html(caption, told, ([row.get(name) for name in told] for row in shown), total)


def _hidden(column: str) -> bool:
    """Whether a column is only of use to programs: addresses, and the ID under XNAT's internal name."""
    return column == "URI" or re.fullmatch(r"\w+:\w+/id|xnat_\w+_id", column) is not None


def children_html(name: str, keys: Sequence[Any], items: Sequence[Mapping[str, Any]]) -> str:
    """The table of items that lie in another one."""
    fields = [item.get("data_fields", {}) for item in items[: TABLE_ROWS + 1]]
    columns = list(dict.fromkeys(column for row in fields for column in row))
    rows = ([key, *map(row.get, columns)] for key, row in zip(keys, fields, strict=False))
    return table_html(f"{len(items)} {name}", ["", *columns], rows, len(items))


def object_html(obj: Any) -> str:
    """The fields of an object as far as they are known, with what they mean; and which others there are."""
    facts, names, docs = known_facts(obj), field_names(type(obj)), field_docs(type(obj))
    rows = [(names.get(path, path), value, docs.get(path, "")) for path, value in facts.items() if path in names]
    rows += [(path, value, "") for path, value in facts.items() if path not in names and not _hidden(path)]
    others = sorted((name, docs.get(path, "")) for path, name in names.items() if path not in facts)
    state = "not set" if known_item(obj) is not None else "not known yet, or not set"
    table = table_html(repr(obj), ("field", "value", "meaning"), rows[:TABLE_ROWS], len(rows))
    if not others:
        return table
    below = table_html("", ("field", "meaning"), others, len(others))
    return f"{table}<details><summary>{len(others)} more fields, {state}</summary>{below}</details>"


def field_names(cls: type) -> dict[str, str]:
    """Attribute of each field of a class, by its XNAT path."""
    return {path: name for name, (path, _) in fields_of(cls).items()}


def field_docs(cls: type) -> dict[str, str]:
    """What each field of a class means, by its XNAT path."""
    return {path: value.__doc__ or "" for path, value in fields_of(cls).values()}
