"""Searches: constraints become XNAT's search document, its answer becomes objects or tables.

::

    MrSession = session.classes.MrSessionData
    query = Query(MrSession, session)
    query = query.filter(MrSession.date >= datetime.date(2016, 1, 1), MrSession.label.like('brain*'))
    for experiment in query:
        ...

A constraint has no truth value: ``if experiment_class.label == 'x'`` is nearly always a mistake for
``experiment.label == 'x'``, and raises instead of being true. Fields themselves can be keys of dicts and members of
sets: two fields compare by what they name, a field and a value make a constraint.
"""

from __future__ import annotations

import collections
import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import uris
from .columns import ColumnType, column_type, to_pandas
from .exceptions import XNATResponseError, XNATValueError
from .searchterms import (
    BaseConstraint,
    CompoundConstraint,
    Constraint,
    SearchField,
    add_element,
    and_,
    display_field,
    element,
    or_,
    sql_name,
    xml_bytes,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import pandas
    import requests

    from .protocols import Connection

__all__ = ["BaseConstraint", "CompoundConstraint", "Constraint", "Query", "SearchField", "and_", "or_"]

# Users know the words of a search under this module, whichever one holds them.
for _part in (BaseConstraint, CompoundConstraint, Constraint, SearchField, and_, or_):
    _part.__module__ = __name__
del _part

#: The columns that name the things found, by kind of class: field to ask for → field of the object.
#: The names are those of XNAT's display documents (xnat_mrSessionData_display.xml and its like).
_IDENTIFYING: dict[str, dict[str, str]] = {
    "project": {"ID": "ID", "NAME": "name"},
    "subject": {"SUBJECT_ID": "ID", "PROJECT": "project", "SUBJECT_LABEL": "label"},
    "session": {"SESSION_ID": "ID", "PROJECT": "project", "SUBJECT_ID": "subject_ID", "LABEL": "label"},
}
_COLLECTION = {"project": "projects", "subject": "subjects", "session": "experiments", "experiment": "experiments"}
# Display documents of other experiments name the ID in one of these ways; SESSION_ID is that of an assessor's session.
_EXPERIMENT_IDS = ("EXPT_ID", "EXPERIMENT_ID", "ID")
# What a session's list of display fields leaves out: those with an argument, and those of sharing.
_UNLISTED = re.compile(r"=|SHARINGSHAREPROJECT")


class Query:
    """A search for things of one type. It is immutable: the methods that narrow it give a new one.

    Nothing is asked until results are; then it is one POST, each time anew. Columns that are named by their path in the
    schema need the server's list of display fields, once per session and type.

    :param queried_class: what to search for, a class of ``session.classes``
    :param xnat_session: the session
    :param constraints: what has to be fulfilled
    """

    def __init__(
        self,
        queried_class: type[Any],
        xnat_session: Connection,
        constraints: BaseConstraint | None = None,
        *,
        fields: Sequence[SearchField | str] = (),
        order: Sequence[SearchField | str] = (),
        descending: bool = False,
        limit: int | None = None,
    ) -> None:
        self.queried_class = queried_class
        self.xnat_session = xnat_session
        self.constraints = constraints
        self._fields = tuple(_field(queried_class, field) for field in fields)
        self._order = tuple(_field(queried_class, field) for field in order)
        self._descending = descending
        self._limit = limit
        self._experiment_columns: dict[str, str] | None = None
        self._listed: dict[str, frozenset[str]] = {}

    def _changed(self, **changes: Any) -> Query:
        kept: dict[str, Any] = {
            "constraints": self.constraints,
            "fields": self._fields,
            "order": self._order,
            "descending": self._descending,
            "limit": self._limit,
        }
        return type(self)(self.queried_class, self.xnat_session, **{**kept, **changes})

    # -- building ----------------------------------------------------------------------------------------------------

    def filter(self, *constraints: BaseConstraint) -> Query:
        """A query that asks for these as well."""
        if not constraints:
            return self
        joined = and_(*constraints)
        return self._changed(constraints=joined if self.constraints is None else and_(self.constraints, joined))

    def view(self, *fields: SearchField | str) -> Query:
        """A query with these columns: fields, paths (``'scanner/model'``) or names of display fields (``'AGE'``).

        A search shows display fields only, so a path is asked for by the name of the display field that XNAT made of
        it, where the server lists one: ``SCANNERMODEL``, whose column is called ``scannermodel``.
        """
        return self._changed(fields=fields)

    def order_by(self, *fields: SearchField | str, descending: bool = False) -> Query:
        """A query whose results the server sorts by these fields."""
        return self._changed(order=fields, descending=descending)

    def limit(self, n: int) -> Query:
        """A query for the first ``n`` results only. (XNAT sends all, the rest is dropped here.)"""
        if n < 0:
            raise XNATValueError(f"A limit has to be 0 or more, not {n}")
        return self._changed(limit=n)

    @property
    def xsi_type(self) -> str:
        """The type of what is searched for."""
        return str(self.queried_class.XSI_TYPE)

    @property
    def fields(self) -> tuple[SearchField, ...]:
        """The columns it asks for: those of :meth:`view`, else those that name the things found."""
        return self._fields or tuple(_field(self.queried_class, name) for name in self._identifying())

    @property
    def _kind(self) -> str:
        kind = str(getattr(self.queried_class, "KIND", ""))
        types = {getattr(base, "XSI_TYPE", "") for base in self.queried_class.__mro__}
        return "session" if kind == "experiment" and "xnat:imageSessionData" in types else kind

    def _identifying(self) -> dict[str, str]:
        """Which columns name the things found. Types of experiments other than sessions differ in that: one GET.

        The list is the one that paths are looked up in, so the session keeps it.
        """
        if self._kind != "experiment":
            return _IDENTIFYING.get(self._kind, {})
        if self._experiment_columns is None:
            known = self.xnat_session.display_fields(self.queried_class.XSI_TYPE)
            id_ = next((name for name in _EXPERIMENT_IDS if name in known), f"{self.queried_class.XSI_TYPE}/ID")
            others = {"PROJECT": "project", "LABEL": "label"}
            self._experiment_columns = {id_: "ID", **{name: to for name, to in others.items() if name in known}}
        return self._experiment_columns

    def _shown(self, field: SearchField) -> SearchField:
        """The field by the name that the server shows it under, as far as it lists one."""
        made = None if field.is_display_field else display_field(field)
        if made is None:
            return field
        known = _UNLISTED.search(made.name) or made.name in self._display_fields(field.element)
        return made if known else field

    def _display_fields(self, xsi_type: str) -> frozenset[str]:
        # Kept here as well: one question per type also where the session keeps nothing, or the server has no answer.
        if xsi_type not in self._listed:
            try:
                self._listed[xsi_type] = self.xnat_session.display_fields(xsi_type)
            except XNATResponseError as error:
                # Types of plug-ins without a display document, and types this account may not see.
                self.xnat_session.logger.debug("No display fields of %s: %s", xsi_type, error)
                self._listed[xsi_type] = frozenset()
        return self._listed[xsi_type]

    def to_xml(self) -> Element:
        """The search document, as an ``xml.etree`` element. Columns that are paths: one GET per session and type."""
        return self._document([self._shown(field) for field in self.fields])

    def _document(self, fields: Sequence[SearchField]) -> Element:
        root_type = self.queried_class.XSI_TYPE
        bundle = element("bundle")
        add_element(bundle, "root_element_name", root_type)
        for number, field in enumerate(fields):
            column = add_element(bundle, "search_field")
            add_element(column, "element_name", field.element)
            add_element(column, "field_ID", field.name if field.is_display_field else field.identifier)
            add_element(column, "sequence", str(number))
            add_element(column, "type", "string")
            add_element(column, "header", field.name)
        if self.constraints is not None:
            where = add_element(bundle, "search_where", method="AND")
            CompoundConstraint([self.constraints], "AND")._fill(where)
        return bundle

    def to_string(self) -> bytes:
        """The search document as XML in bytes, ASCII, as both releases give it; asks what :meth:`to_xml` asks."""
        return xml_bytes(self.to_xml())

    # -- asking ------------------------------------------------------------------------------------------------------

    def _ask(self, format: str, fields: Sequence[SearchField]) -> requests.Response:
        # Two paths, or a path and a display field, may be the same column; that is sent once.
        wanted = list(dict.fromkeys(map(self._shown, [*fields, *self._order])))
        query = {"format": format}
        if self._order:
            query["sortBy"] = ",".join(self._names(field)[0] for field in self._order)
            query["sortOrder"] = "DESC" if self._descending else "ASC"
        # A search changes nothing, so a POST that got lost may be repeated.
        return self.xnat_session.client.request(
            "POST",
            "/data/search",
            query=query,
            data=xml_bytes(self._document(wanted), "utf-8", declaration=True),
            headers={"Content-Type": "text/xml"},
            accepted=[200],
            idempotent=True,
        )

    def _names(self, field: SearchField) -> list[str]:
        """The names the column of a field may have in an answer, likeliest first."""
        root_type = self.queried_class.XSI_TYPE
        names = [*_column_names(self._shown(field), root_type), *_column_names(field, root_type)]
        return list(dict.fromkeys(names))

    def _csv(self, fields: Sequence[SearchField]) -> str:
        """The answer as text. Warns of fields that it lacks: XNAT leaves out what it doesn't know."""
        text = _text(self._ask("csv", fields))
        columns = {name for row in _cells(text.partition("\n")[0]) for name in row}
        missing = [field.identifier for field in [*fields, *self._order] if columns.isdisjoint(self._names(field))]
        if missing:
            self.xnat_session.logger.warning(
                "The server doesn't know all of the fields of a search: %s; it answers with %s",
                ", ".join(dict.fromkeys(missing)),
                # The status it adds by itself.
                ", ".join(map(ascii, sorted(columns - {"quarantine_status"}))) or "none",
            )
        return text

    def _rows(self, fields: Sequence[SearchField] | None = None) -> list[dict[str, str]]:
        return _table(self._csv(self.fields if fields is None else fields))[1][: self._limit]

    def all(self) -> list[Any]:
        """The objects found.

        :raises XNATValueError: things of this type have no REST path of their own; :meth:`tabulate` gives their values
        """
        kind, names = self._kind, self._identifying()
        if not names:
            raise XNATValueError(
                f"{self.queried_class.__name__} objects can't be made from a search; use tabulate() for their values, "
                "or search for the experiments they belong to"
            )
        fields = {target: _field(self.queried_class, name) for name, target in names.items()}
        rows = self._rows(list(fields.values()))
        columns = {target: self._names(field) for target, field in fields.items()}
        return [self._object(row, columns, kind) for row in rows]

    def _object(self, row: Mapping[str, str], columns: Mapping[str, Sequence[str]], kind: str) -> Any:
        root_type = self.queried_class.XSI_TYPE
        known = {
            target: next((row[column] for column in candidates if row.get(column)), "")
            for target, candidates in columns.items()
        }
        if not known["ID"]:
            raise XNATResponseError(
                f"The server's answer to a search for {root_type} doesn't say which objects were found: it has the "
                f"columns {', '.join(row)}",
                url="/data/search",
            )
        known = {name: value for name, value in known.items() if value}
        uri = uris.join("/data", _COLLECTION[kind], known["ID"])
        return self.xnat_session.create_object(uri, root_type, id_=known["ID"], datafields=known)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.all())

    def count(self) -> int:
        """How many were found."""
        return len(self._rows())

    def first(self) -> Any:
        """The first object found, None without any."""
        return next(iter(self.limit(1 if self._limit is None else min(1, self._limit)).all()), None)

    def last(self) -> Any:
        """The last object found, None without any."""
        found = self.all()
        return found[-1] if found else None

    def one(self) -> Any:
        """The only object found.

        :raises XNATValueError: there is none, or more than one
        """
        found = self.one_or_none()
        if found is None:
            raise XNATValueError(f"The search for {self.queried_class.__name__} found nothing, but one() needs one")
        return found

    def one_or_none(self) -> Any:
        """The only object found, None without any.

        :raises XNATValueError: there is more than one
        """
        found = self.all()
        if len(found) > 1:
            raise XNATValueError(
                f"The search for {self.queried_class.__name__} found {len(found)}, but one was asked for: {found[:5]}"
            )
        return found[0] if found else None

    # -- tables ------------------------------------------------------------------------------------------------------

    def tabulate(self) -> tuple[Any, ...]:
        """The results as a tuple of ``TableRow`` named tuples of text, ``()`` without any.

        Columns have the server's names, which are lower case: ``session_id``, ``project``, ...
        """
        rows = self._rows()
        if not rows:
            return ()
        names = [re.sub(r"\W", "_", name) for name in rows[0]]
        row_class: Any = collections.namedtuple("TableRow", names, rename=True)  # type: ignore[misc]
        return tuple(row_class(*row.values()) for row in rows)

    def tabulate_dict(self) -> list[dict[str, str]]:
        """The results as a list of dicts: column → text."""
        return self._rows()

    def tabulate_csv(self) -> str:
        """The results as CSV text with a header line."""
        text = self._csv(self.fields)
        if self._limit is None:
            return text
        # Line by line won't do: a quoted cell may hold line ends.
        out = io.StringIO()
        rows = _cells(text)
        csv.writer(out, lineterminator="\n").writerows(rows[: self._limit + 1])
        return out.getvalue()

    def tabulate_json(self) -> str:
        """The server's answer as JSON text: ``ResultSet`` with ``Result`` (rows) and ``Columns`` (what they mean)."""
        try:
            answer = self._ask("json", self.fields).json()
        except (ValueError, RecursionError) as error:
            raise XNATResponseError("The server's answer to a search isn't JSON", url="/data/search") from error
        rows = _answer_rows(answer)
        if self._limit is not None:
            answer["ResultSet"]["Result"] = rows[: self._limit]
        return json.dumps(answer)

    def tabulate_pandas(self) -> pandas.DataFrame:
        """The results as a pandas frame: dates, numbers and categories by the schema where it knows the column.

        :raises ModuleNotFoundError: pandas isn't installed (``pip install 'xnat[pandas]'``)
        """
        header, rows = _table(self.tabulate_csv())
        return to_pandas([(name, name) for name in header], rows, self._column_types().get)

    def _column_types(self) -> dict[str, ColumnType]:
        """What the schema says about columns, by any name they may have in the answer."""
        classes = getattr(self.xnat_session, "classes", None)
        found: dict[str, ColumnType] = {}
        for field in [*self.fields, *self._order]:
            # Most display fields are called as what they display: DATE, AGE.
            name = field.name.lower() if field.is_display_field else field.identifier
            told = column_type(classes, field.element, name)
            if told is not None:
                found.update(dict.fromkeys(self._names(field), told))
        return found

    def __repr__(self) -> str:
        return f"<Query {self.queried_class.__name__} {self.constraints!r}>"


def _field(queried_class: type[Any], field: SearchField | str) -> SearchField:
    if isinstance(field, SearchField):
        return field
    if not isinstance(field, str):
        raise XNATValueError(f"{field!r} is no field; use a field of a class (classes.SubjectData.label) or its path")
    if ":" in field.split("/")[0]:
        return SearchField(field)
    # Display fields are named in capitals: SESSION_ID, FIELD_MAP=dose.
    separator = "." if re.fullmatch(r"[A-Z][A-Z0-9_]*(=.*)?", field) else "/"
    return SearchField(f"{queried_class.XSI_TYPE}{separator}{field}")


def _column_names(field: SearchField, root_type: str) -> list[str]:
    """The names the column of a field may have in an answer, likeliest first."""
    element = sql_name(field.element)
    # A display field's argument stays as it is, but for its case: field_map_brain volume.
    exact = field.name.lower().replace("=", "_", 1)
    for_table = re.sub(r"\W", "_", exact)
    own = field.element == root_type
    if field.is_display_field:
        # Those named after their type (XNAT_SUBJECTDATA_FIELD_MAP=x) tell it already.
        plain = [exact, for_table] if own or exact.startswith(element) else []
        return plain if own else [*plain, f"{element}_{exact}", f"{element}_{for_table}"]
    names = (
        [for_table, f"xnat_col_{element.partition('_')[2]}{for_table.replace('_', '')}"]
        if own
        else [f"{element}_{for_table}"]
    )
    return [*names, field.identifier.lower()]


def _answer_rows(answer: Any) -> list[dict[str, Any]]:
    found = answer.get("ResultSet") if isinstance(answer, dict) else None
    rows = found.get("Result") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise XNATResponseError("The server's answer to a search holds no rows", url="/data/search")
    return rows


def _table(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a CSV text and its rows; cells that are missing are empty, and those without a column left out."""
    cells = _cells(text)
    header = list(dict.fromkeys(cells[0])) if cells else []
    return header, [
        {name: cell for name, cell in itertools.zip_longest(cells[0], row[: len(cells[0])], fillvalue="") if name}
        for row in cells[1:]
    ]


def _cells(text: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise XNATResponseError(f"The server's answer to a search is no table: {error}", url="/data/search") from error


def _text(response: requests.Response) -> str:
    # requests takes text without a charset for Latin-1; XNAT means UTF-8.
    charset = response.encoding if "charset" in response.headers.get("Content-Type", "").lower() else None
    try:
        return response.content.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):  # no charset that anybody knows
        return response.content.decode("utf-8", "replace")
