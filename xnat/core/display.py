"""How objects and listings look in a console or a notebook. Nothing here asks the server."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from .. import uris

__all__ = ["LISTING_ENTRIES", "listing_repr", "object_html", "object_repr", "table_html"]

#: A listing's repr shows so many entries.
LISTING_ENTRIES = 20
#: A listing's table in a notebook shows so many rows.
TABLE_ROWS = 50


def entry_repr(class_name: str, id_: str | None, key: str | None) -> str:
    """``<SubjectData test001 (XNAT_S00001)>``; the part that isn't known is left out."""
    if key and id_:
        return f"<{class_name} {key} ({id_})>"
    return f"<{class_name} {key or id_ or '#NOID#'}>"


def object_repr(obj: Any) -> str:
    """The repr of an object, from what is known of it already."""
    id_, key = known_names(obj)
    return entry_repr(type(obj).__name__, id_, key)


def known_names(obj: Any) -> tuple[str | None, str | None]:
    """ID and second key of an object, each None unless it is known without a request."""
    item = obj._loaded() or {}
    facts = {**item.get("data_fields", {}), **{name: value for name, value in obj._row.items() if value != ""}}
    id_ = obj._id or facts.get("ID")
    field = obj.SECONDARY_LOOKUP_FIELD
    key = facts.get(field) if field else None
    if id_ is None and key is None:
        id_ = uris.split(obj._uri)[-1] if uris.split(obj._uri) else None
        if obj.fieldname:
            id_ = f"{id_}/{obj.fieldname}"
    return (None if id_ is None else str(id_)), (None if key is None else str(key))


def listing_repr(name: str, entries: Iterable[tuple[str, str | None, str]], total: int, second_key: bool) -> str:
    """``<XNATListing (ID, key): <Class key (ID)>, ...>``; long ones end with how many more there are.

    :param entries: (ID, second key, class name) of at least the first entries
    """
    shown = []
    for index, (id_, key, class_name) in enumerate(entries):
        if index == LISTING_ENTRIES:
            shown.append(f"... {total - LISTING_ENTRIES} more")
            break
        label = f"({id_}, {key})" if second_key else f"{id_}"
        shown.append(f"{label}: {entry_repr(class_name, id_, key)}")
    return f"<{name} {', '.join(shown)}>" if shown else f"<{name} (empty)>"


def table_html(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], total: int) -> str:
    """An HTML table for notebooks; every cell is escaped, since labels come from a server."""
    head = "".join(f"<th>{html.escape(str(column))}</th>" for column in columns)
    body = []
    for index, row in enumerate(rows):
        if index == TABLE_ROWS:
            body.append(f'<tr><td colspan="{len(columns)}">... {total - TABLE_ROWS} more</td></tr>')
            break
        body.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>")
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def object_html(obj: Any) -> str:
    """The fields of an object as far as they are known, with what they mean."""
    item = obj._loaded() or {}
    facts = {**{name: value for name, value in obj._row.items() if value != ""}, **item.get("data_fields", {})}
    docs = field_docs(type(obj))
    rows = [(name, value, docs.get(name, "")) for name, value in facts.items()]
    return table_html(repr(obj), ("field", "value", "meaning"), rows, len(rows))


def field_docs(cls: type) -> dict[str, str]:
    """What each field of a class means, by its XNAT path."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for value in vars(base).values():
            path = getattr(value, "path", None)
            if isinstance(path, str):
                found[path] = value.__doc__ or ""
    return found
