"""/data/search: what can be searched, searches run, paged, stored."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from werkzeug.wrappers import Response

from .. import render
from ..errors import Refused
from ..routing import Context, Route
from ..searchdoc import SearchDocument, read_document
from ..searchfields import display_fields, searchable, titles
from ..searchrun import Result, Search, readable_records, sort_key
from ..store import Document

__all__ = ["ROUTES"]

UNSECURED = "xnat:investigatorData"
STORED_COLUMNS = (
    "id", "root_element_name", "description", "brief_description", "tag", "secure", "allow_diff_columns",
    "layeredsequence",
    "sort_by_element_name", "sort_by_field_id", "users",
)  # fmt: skip


# -- what can be searched ---------------------------------------------------------------------------------------------


def elements(context: Context) -> Response:
    """The data types that can be searched, with the number of objects the user may read."""
    counts = _counts(context)
    rows = []
    for name in searchable(context.schemas):
        secured = name != UNSECURED
        if (context.flag("used") and not counts[name]) or (context.flag("secured") and not secured):
            continue
        singular, plural = titles(context.schemas, name)
        rows.append([name, singular, plural, secured, counts[name]])
    columns = ["ELEMENT_NAME", "SINGULAR", "PLURAL", "SECURED", "COUNT"]
    return render.table(context, render.Table(columns, rows, title="Data-Types"))


def _counts(context: Context) -> Counter[str]:
    readable = context.store.users.readable_projects(context.user)
    counts: Counter[str] = Counter()
    sql = "SELECT xsi_type, project, COUNT(*) AS number FROM objects GROUP BY xsi_type, project"
    for row in context.store.database.rows(sql):
        if readable is None or row["project"] in readable:
            counts[row["xsi_type"]] += row["number"]
    return counts


def element_fields(context: Context) -> Response:
    """The fields of one data type, or of a comma list of them."""
    names = [name for name in context.path["element"].split(",") if name]
    found = [context.schemas.spelling(name) for name in names]
    if not found or None in found:
        raise Refused(400, f"Unknown data type {context.path['element']}")
    rows = [row for name in found if name for row in _field_rows(context, name)]
    columns = ["FIELD_ID", "HEADER", "SUMMARY", "TYPE", "REQUIRES_VALUE", "DESC", "ELEMENT_NAME", "SRC"]
    extra: dict[str, Any] = {"element_name": found[0], "versions": {}}
    return render.table(context, render.Table(columns, rows, title="Search Fields", extra=extra), default="xml")


def _field_rows(context: Context, name: str) -> list[list[str]]:
    readable = context.store.users.readable_projects(context.user)
    projects = [
        project.id for project in context.store.archive.projects() if readable is None or project.id in readable
    ]
    has_projects = context.schemas.is_a(name, "xnat:subjectData") or context.schemas.is_a(name, "xnat:experimentData")
    fields = display_fields(context.schemas, name, _variables(context, name), projects if has_projects else [])
    return [
        [
            field.id, field.header, f"{name}.{field.id}", field.type, "true" if field.takes_value else "false",
            field.header, name, str(field.source),
        ]
        for field in fields
    ]  # fmt: skip


def _variables(context: Context, name: str) -> list[str]:
    """The names of the custom variables that objects of a type have."""
    like = context.store.database.value("SELECT 1 FROM objects WHERE xsi_type = ? AND doc LIKE '%fields/field%'", name)
    if not like:
        return []
    found: dict[str, None] = {}
    for record in readable_records(context.store, context.user, context.schemas, name):
        for child in record.item.children.get("fields/field", []):
            found[str(child.fields.get("name", ""))] = None
    return [variable for variable in found if variable]


# -- running ----------------------------------------------------------------------------------------------------------


def run(context: Context) -> Response:
    """POST /data/search: the rows; ``cache=true`` keeps them for paging."""
    document = read_document(context.request.get_data())
    result = Search(context.store, context.schemas, context.user, document).run()
    cached = ""
    if context.flag("cache"):
        cached = f"xs{uuid.uuid4().hex}"
        context.store.documents.put("search-cache", context.user.login, cached, json.dumps(asdict(result)))
    return _answer(context, result, cached)


def page(context: Context) -> Response:
    """GET /data/search/{ID}: rows of a kept search."""
    known = context.store.documents.get("search-cache", context.user.login, context.path["id"])
    if known is None:
        raise Refused(410, "The search has expired.")
    return _answer(context, Result(**json.loads(known.contents)), known.name)


def _answer(context: Context, result: Result, cached: str = "") -> Response:
    total = len(result.rows)
    rows = _page(context, result.columns, result.rows)
    extra: dict[str, Any] = {"Columns": result.details, "rootElementName": result.root, "totalRecords": str(total)}
    if cached:
        extra["ID"] = cached
    data = render.Table(result.columns, rows, title=titles(context.schemas, result.root)[1], total=False, extra=extra)
    return render.table(context, data)


def _page(context: Context, columns: list[str], rows: list[list[str]]) -> list[list[str]]:
    """The rows sorted and cut as the query says; the sort comes first, so that pages are stable."""
    by = context.query.get("sortBy", "").lower()
    if by in columns:
        place = columns.index(by)
        descending = context.query.get("sortOrder", "").lower() == "desc"
        rows = sorted(rows, key=lambda row: sort_key(row[place]), reverse=descending)
    offset, limit = _number(context, "offset", 0), _number(context, "limit", len(rows))
    return rows[offset : offset + limit]


def _number(context: Context, name: str, default: int) -> int:
    value = context.query.get(name, "")
    if value in ("", "*"):
        return default
    if not value.isdigit():
        raise Refused(422, f"Invalid {name}: {value}")
    return int(value)


# -- stored searches --------------------------------------------------------------------------------------------------


def saved_list(context: Context) -> Response:
    """The stored searches the user may use."""
    rows = []
    for document in context.store.documents.list("search"):
        search = read_document(document.contents.encode())
        if not _may_use(context, document, search):
            continue
        attributes = search.attributes
        element, field = search.sort_by
        rows.append([
            document.name, search.root, attributes.get("description", ""), attributes.get("brief-description", ""),
            attributes.get("tag", ""), attributes.get("secure", "0"), attributes.get("allow-diff-columns", "0"),
            attributes.get("layeredSequence", ""), element, field, ",".join(search.users or (document.user,)),
        ])  # fmt: skip
    return render.table(context, render.Table(STORED_COLUMNS, rows, title="Stored Searches"))


def _may_use(context: Context, document: Document, search: SearchDocument) -> bool:
    return context.user.admin or context.user.login in (document.user, *search.users)


def _saved(context: Context) -> Document:
    name = context.path["name"]
    if name.startswith("@"):
        return Document(0, "search", "", name, 1, _default_search(context, name[1:]), "enabled", "", "", "")
    document = context.store.documents.get("search", "", name)
    if document is None or not _may_use(context, document, read_document(document.contents.encode())):
        raise Refused(404)
    return document


def _default_search(context: Context, name: str) -> str:
    """``@xnat:mrSessionData``: all objects of a type with the usual columns."""
    root = context.schemas.spelling(name)
    if root is None:
        raise Refused(404)
    ids = (
        ("SUBJECTID", "SUBJECT_LABEL", "PROJECT")
        if root == "xnat:subjectData"
        else ("SESSION_ID", "LABEL", "PROJECT", "DATE")
    )
    fields = "".join(
        f"<xdat:search_field><xdat:element_name>{root}</xdat:element_name><xdat:field_ID>{id}</xdat:field_ID>"
        f"<xdat:sequence>{number}</xdat:sequence><xdat:type>string</xdat:type><xdat:header>{id}</xdat:header>"
        "</xdat:search_field>"
        for number, id in enumerate(ids)
    )
    return (
        f'<xdat:bundle ID="@{root}" brief-description={quoteattr(titles(context.schemas, root)[1])} secure="false"'
        f' xmlns:xdat="http://nrg.wustl.edu/security"><xdat:root_element_name>{escape(root)}</xdat:root_element_name>'
        f"{fields}</xdat:bundle>"
    )


def saved_xml(context: Context) -> Response:
    """GET a stored search's document."""
    return render.xml_answer(_saved(context).contents)


def saved_store(context: Context) -> Response:
    """PUT a search under a name; its ID becomes that name."""
    name = context.path["name"]
    body = context.request.get_data()
    read_document(body)
    known = context.store.documents.get("search", "", name)
    if known and not context.user.admin and known.user != context.user.login:
        raise Refused(403)
    text = body.decode("utf-8", "replace")
    context.store.documents.put("search", "", name, _with_id(text, name), user=context.user.login)
    context.store.documents.delete("search-results", context.user.login, name)
    return render.text()


def _with_id(text: str, name: str) -> str:
    """The document with its ID attribute set; the rest stays as its writer formatted it."""
    root = re.search(r"<(?:[\w.-]+:)?(?:bundle|stored_search)\b[^>]*>", text)
    if root is None:
        return text
    tag = re.sub(r"\sID\s*=\s*(\"[^\"]*\"|'[^']*')", "", root[0])
    tag = re.sub(r"^(<[\w.:-]+)", lambda match: f"{match[1]} ID={quoteattr(name)}", tag)
    return text[: root.start()] + tag + text[root.end() :]


def saved_results(context: Context) -> Response:
    """GET the rows of a stored search; they stay the same until ``refresh=true``."""
    document = _saved(context)
    login = context.user.login
    kept = None if context.flag("refresh") else context.store.documents.get("search-results", login, document.name)
    if kept is not None and not document.name.startswith("@"):
        return _answer(context, Result(**json.loads(kept.contents)))
    search = read_document(document.contents.encode())
    result = Search(context.store, context.schemas, context.user, search).run()
    context.store.documents.put("search-results", login, document.name, json.dumps(asdict(result)))
    return _answer(context, result)


def saved_delete(context: Context) -> Response:
    """DELETE a stored search."""
    document = _saved(context)
    if not context.user.admin and document.user != context.user.login:
        raise Refused(403)
    context.store.documents.delete("search", "", document.name)
    context.store.documents.delete("search-results", context.user.login, document.name)
    return render.text()


ROUTES = [
    Route("GET", "/data/search/elements", elements),
    Route("GET", "/data/search/elements/{element}", element_fields),
    Route("POST", "/data/search", run),
    Route("GET", "/data/search/saved", saved_list),
    Route("GET", "/data/search/saved/{name}", saved_xml),
    Route("PUT", "/data/search/saved/{name}", saved_store),
    Route("DELETE", "/data/search/saved/{name}", saved_delete),
    Route("GET", "/data/search/saved/{name}/results", saved_results),
    Route("GET", "/data/search/{id}", page),
]
