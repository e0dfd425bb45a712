"""Answers: plain texts, JSON, tables in every format, status pages and the few HTML pages that clients look at."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from werkzeug.wrappers import Response

from .errors import Refused

if TYPE_CHECKING:
    from .routing import Context

__all__ = [
    "Table",
    "cell_text",
    "duplicates",
    "front_page",
    "json_answer",
    "login_page",
    "sort_rows",
    "status_page",
    "table",
    "text",
    "uri_list",
    "xml_answer",
]

# Restlet's own sentences; clients compare some of them.
SENTENCES = {
    400: "The request could not be understood by the server due to malformed syntax",
    401: "The request requires user authentication",
    403: "The server understood the request, but is refusing to fulfill it",
    404: "The server has not found anything matching the request URI",
    405: "The method specified in the request is not allowed for the resource identified by the request URI",
    406: "The resource identified by the request is only capable of generating response entities which have content"
    " characteristics not acceptable according to the accept headers sent in the request",
    409: "The request could not be completed due to a conflict with the current state of the resource",
    500: "The server encountered an unexpected condition which prevented it from fulfilling the request",
    503: "The server is currently unable to handle the request due to a temporary overloading or maintenance of the"
    " server",
}


@dataclass
class Table:
    """A listing: cells are text, numbers or None; ``total`` is whether the answer says how many rows there are."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    title: str = ""
    total: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[dict[str, Any]], **options: Any) -> Table:
        """A table of dictionaries."""
        return cls(columns, [[row.get(column) for column in columns] for row in rows], **options)


def cell_text(value: Any) -> str:
    """A cell as every format prints it: text, '' for nothing, ``true`` and ``false``, ``42.0``."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# -- simple answers ---------------------------------------------------------------------------------------------------


def text(body: str | bytes = "", status: int = 200, content_type: str = "text/plain;charset=UTF-8") -> Response:
    """A plain text, maybe empty."""
    return Response(body, status, content_type=content_type)


def json_answer(data: Any, status: int = 200, content_type: str = "application/json;charset=UTF-8") -> Response:
    """Any data as JSON."""
    return Response(json.dumps(data, ensure_ascii=False), status, content_type=content_type)


def duplicates(names: Sequence[str]) -> Response:
    """The files that exist and were not replaced: JSON without blanks, said to be HTML."""
    body = json.dumps({"duplicates": names}, ensure_ascii=False, separators=(",", ":"))
    return Response(body, content_type="text/html;charset=UTF-8")


def xml_answer(body: str | bytes, content_type: str = "text/xml;charset=UTF-8") -> Response:
    """An XML document."""
    return Response(body, content_type=content_type)


def uri_list(uris: Iterable[str], status: int = 200) -> Response:
    """URIs, one a line, each ended by CRLF."""
    return Response("".join(f"{uri}\r\n" for uri in uris), status, content_type="text/uri-list")


def status_page(status: int, message: str = "", context_path: str = "") -> Response:
    """What ``/data`` answers in place of a result."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Status"
    sentence = html.escape(message or SENTENCES.get(status, phrase), quote=False)
    section = f"10.{status // 100}.{status % 100 + 1}"
    body = (
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n"
        f"<h3>{sentence}</h3><p>You can get technical details "
        f'<a href="http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec{section}">here</a>.<br>\n'
        f'Please continue your visit at our <a href="{context_path}/">home page</a>.\n</p>\n</body>\n</html>\n'
    )
    return Response(body, status, content_type="text/html;charset=UTF-8")


def login_page(context_path: str = "", message: str = "") -> Response:
    """The HTML login form, with status 200."""
    note = f'<div id="login_message">{html.escape(message)}</div>\n' if message else ""
    body = (
        "<!DOCTYPE html>\n<html>\n<head><title>XNAT</title></head>\n<body>\n"
        f'{note}<form name="form1" method="post" action="{context_path}/login">\n'
        '<input type="text" name="username"><input type="password" name="password">\n</form>\n</body>\n</html>\n'
    )
    return Response(body, content_type="text/html;charset=UTF-8")


def front_page(context_path: str, login: str, guest: bool) -> Response:
    """The page at ``/``: old clients read in it who is logged in."""
    who = '<span style="color:red;">Guest</span>'
    if not guest:
        href = f"{context_path}/app/template/XDATScreen_UpdateUser.vm"
        who = f'&nbsp;<a href="{href}">{html.escape(login)}</a>'
    body = (
        "<!DOCTYPE html>\n<html>\n<head><title>XNAT</title></head>\n<body>\n"
        f'<div id="user_bar"><span id="user_info">Logged in as: {who}</span></div>\n</body>\n</html>\n'
    )
    return Response(body, content_type="text/html;charset=UTF-8")


# -- tables -----------------------------------------------------------------------------------------------------------


def table(context: Context, data: Table, default: str = "json") -> Response:
    """A listing in the format that was asked for, sorted by ``sortBy`` and ``sortOrder``."""
    columns = list(data.columns)
    rows = [[cell if type(cell) is str else cell_text(cell) for cell in row] for row in data.rows]
    rows = sort_rows(context, columns, rows)
    wanted = context.format or default
    if wanted in ("json", "javascript"):
        return _json_table(columns, rows, data)
    if wanted in ("csv", "txt", "plain"):
        return text(_csv(columns, rows), content_type="text/csv;charset=UTF-8" if wanted == "csv" else "text/plain")
    if wanted in ("xml", "xlist", "xcat"):
        return xml_answer(_xml_table(columns, rows, data))
    if wanted == "html":
        return text(_html_table(columns, rows), content_type="text/html;charset=UTF-8")
    raise Refused(406, f"Unsupported format {wanted}")


def sort_rows(context: Context, columns: list[str], rows: list[list[str]]) -> list[list[str]]:
    """Rows of text by the columns of ``sortBy``, in the order of ``sortOrder``."""
    by = [name.strip() for name in context.query.get("sortBy", "").split(",") if name.strip()]
    lowered = [column.lower() for column in columns]
    places = [lowered.index(name.lower()) for name in by if name.lower() in lowered]
    if not places:
        return rows
    descending = context.query.get("sortOrder", "").lower() == "desc"
    return sorted(rows, key=lambda row: [_sort_key(row[place]) for place in places], reverse=descending)


def _sort_key(cell: str) -> tuple[int, float, str]:
    try:
        return (0, float(cell), "")
    except ValueError:
        return (1, 0.0, cell)


def _json_table(columns: list[str], rows: list[list[str]], data: Table) -> Response:
    result: dict[str, Any] = {"Result": [dict(zip(columns, row, strict=True)) for row in rows], **data.extra}
    if data.total:
        result["totalRecords"] = str(len(rows))
    if data.title:
        result["title"] = data.title
    return json_answer({"ResultSet": result})


def _csv(columns: list[str], rows: list[list[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell.replace("\r", " ").replace("\n", " ") for cell in row])
    return out.getvalue()


def _xml_table(columns: list[str], rows: list[list[str]], data: Table) -> str:
    attributes = f" totalRecords={quoteattr(str(len(rows)))}" if data.total else ""
    attributes += f" title={quoteattr(data.title)}" if data.title else ""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n', f"<ResultSet{attributes}><results><columns>"]
    parts += [f"<column>{escape(column)}</column>" for column in columns]
    parts.append("</columns><rows>")
    parts += ["<row>" + "".join(f"<cell>{escape(cell)}</cell>" for cell in row) + "</row>" for row in rows]
    parts.append("</rows></results></ResultSet>")
    return "".join(parts)


def _html_table(columns: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<html><body><table><tr>{head}</tr>\n{body}</table></body></html>"
