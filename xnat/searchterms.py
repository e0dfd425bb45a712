"""The words of a search: fields, constraints on them, and how XNAT's search document spells them.

Users know these names under :mod:`xnat.search`, which also has the query that puts them to use.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .exceptions import XNATValueError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = [
    "BaseConstraint", "CompoundConstraint", "Constraint", "SearchField", "add_element", "and_", "display_field",
    "element", "or_", "sql_name", "xml_bytes",
]  # fmt: skip

#: The namespace of XNAT's search documents.
XDAT = "http://nrg.wustl.edu/security"

# What XML 1.0 can't hold, whatever the escaping.
_NOT_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
# The type of a sub-element says which fields it may have, not which sub-element is meant.
_OF_TYPE = r"\[@xsi:type=[^]]*\]"
_VARIABLE = r"fields/field\[name=([^]]+)\](?:/field)?"


class SearchField:
    """A field to search by: ``xnat:mrSessionData/date`` (path of the schema) or ``xnat:mrSessionData.AGE`` (display).

    Classes of ``session.classes`` give the terms of their fields: ``MrSessionData.date``. Comparing a field with a
    value makes a :class:`Constraint`; comparing it with None asks whether it is set.
    """

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier

    @property
    def element(self) -> str:
        """The type it belongs to: ``xnat:mrSessionData``."""
        return re.split(r"[/.]", self.identifier, maxsplit=1)[0]

    @property
    def name(self) -> str:
        """What follows the type: a path (``scanner/model``) or a display field's name (``AGE``)."""
        return self.identifier[len(self.element) + 1 :]

    @property
    def is_display_field(self) -> bool:
        """Whether it names a display field of the server rather than a path of the schema."""
        return self.identifier[len(self.element) : len(self.element) + 1] == "."

    # Dicts and sets compare their members, so between two fields == has to answer yes or no.
    def __eq__(self, other: object) -> Any:
        if isinstance(other, SearchField):
            return self.identifier == other.identifier
        return self.is_null() if other is None else Constraint(self.identifier, "=", other)

    def __ne__(self, other: object) -> Any:
        if isinstance(other, SearchField):
            return self.identifier != other.identifier
        return self.is_not_null() if other is None else Constraint(self.identifier, "!=", other)

    def __hash__(self) -> int:
        return hash((SearchField, self.identifier))

    def __gt__(self, other: Any) -> Constraint:
        return Constraint(self.identifier, ">", other)

    def __ge__(self, other: Any) -> Constraint:
        return Constraint(self.identifier, ">=", other)

    def __lt__(self, other: Any) -> Constraint:
        return Constraint(self.identifier, "<", other)

    def __le__(self, other: Any) -> Constraint:
        return Constraint(self.identifier, "<=", other)

    def like(self, pattern: str) -> Constraint:
        """Text that fits a pattern, whatever the case; ``*`` and ``%`` stand for anything.

        For paths of the schema XNAT (at least up to 1.8.10, its issue XNAT-7779) looks for the pattern anywhere in the
        text: ``like('a*')`` also finds ``'bar'``. Display fields take it literally.
        """
        # The blanks matter: some versions put the operator between field and value as it is.
        return Constraint(self.identifier, " LIKE ", str(pattern).replace("*", "%"))

    def in_(self, values: Iterable[Any]) -> BaseConstraint:
        """One of several values.

        Sent as alternatives, since XNAT's own IN fails for numbers and for paths of the schema (its issue XNAT-7777).

        :raises XNATValueError: no values, which nothing could fit
        """
        if isinstance(values, str):
            raise XNATValueError(f"in_() takes a list of values; for one value write == {values!r}")
        return or_(*(self == value for value in values))

    def between(self, low: Any, high: Any) -> BaseConstraint:
        """From ``low`` to ``high``, both included.

        Sent as two comparisons, since BETWEEN fails for paths of the schema (XNAT-7780).
        """
        return and_(self >= low, self <= high)

    def is_null(self) -> Constraint:
        """The field isn't set."""
        return Constraint(self.identifier, "IS", None)

    def is_not_null(self) -> Constraint:
        """The field is set."""
        return Constraint(self.identifier, "IS NOT", None)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<SearchField {self.identifier}>"


def sql_name(xsi_type: str) -> str:
    """A type as XNAT's database and the columns of searches spell it: ``xnat_mrsessiondata``."""
    return xsi_type.replace(":", "_").lower()


def display_field(field: SearchField) -> SearchField | None:
    """The display field that XNAT would make of a path of the schema; None where it makes none.

    ``xnat:mrSessionData/scanner/model`` becomes ``xnat:mrSessionData.SCANNERMODEL``, and a custom variable one with an
    argument: ``xnat:mrSessionData.XNAT_MRSESSIONDATA_FIELD_MAP=dose``. Whether the server has it, its list has to say.
    """
    path = re.sub(_OF_TYPE, "", field.name)
    variable = re.fullmatch(_VARIABLE, path)
    if variable:
        name = variable[1].strip("'\"").lower()
        return SearchField(f"{field.element}.{sql_name(field.element).upper()}_FIELD_MAP={name}")
    # Any other condition in brackets chooses among several elements, which a display field can't.
    squeezed = path.replace("/", "").upper()
    return SearchField(f"{field.element}.{squeezed}") if re.fullmatch(r"\w+", squeezed) else None


# -- constraints ----------------------------------------------------------------------------------------------------


class BaseConstraint:
    """A condition that what is searched for has to fulfil; combine several with ``&`` and ``|``."""

    def to_xml(self) -> Element:
        """The part of the search document that says it."""
        raise NotImplementedError

    def to_string(self) -> bytes:
        """The same as bytes, ASCII: as both releases give it."""
        return xml_bytes(self.to_xml())

    def __and__(self, other: BaseConstraint) -> BaseConstraint:
        return and_(self, other) if isinstance(other, BaseConstraint) else NotImplemented

    def __or__(self, other: BaseConstraint) -> BaseConstraint:
        return or_(self, other) if isinstance(other, BaseConstraint) else NotImplemented

    def __bool__(self) -> bool:
        raise XNATValueError(
            f"{self!r} is a condition for a search and neither true nor false. To search, hand it to Query.filter(); "
            "to join conditions use & and | with brackets, (a == 1) & (b == 2), not 'and' and 'or'; to compare a "
            "value, take it from an object, not from its class"
        )


class Constraint(BaseConstraint):
    """A field, an operator and a value."""

    def __init__(self, identifier: str, operator: str, right_hand: Any) -> None:
        if right_hand is None and not operator.strip().startswith("IS"):
            raise XNATValueError(
                f"None can't be compared by {operator}; is_null() and is_not_null() ask if a field is set"
            )
        self.identifier = identifier
        self.operator = operator
        self.right_hand = right_hand
        self._text = "NULL" if right_hand is None else _value_text(right_hand)

    def to_xml(self) -> Element:
        """Its ``criteria`` element."""
        # NULL is SQL's word, so it must not be quoted as text: that is what override_value_formatting says.
        criteria = element("criteria", override_value_formatting="1" if self.right_hand is None else "0")
        add_element(criteria, "schema_field", self.identifier)
        add_element(criteria, "comparison_type", self.operator)
        add_element(criteria, "value", self._text)
        return criteria

    def __repr__(self) -> str:
        return f"<Constraint {self.identifier} {self.operator.strip()} {self._text}>"


class CompoundConstraint(BaseConstraint):
    """Several constraints, of which all (``AND``) or one (``OR``) have to be fulfilled."""

    def __init__(self, constraints: Iterable[BaseConstraint], operator: str) -> None:
        self.operator = operator
        self.constraints: tuple[BaseConstraint, ...] = tuple(_flattened(constraints, operator))

    def to_xml(self) -> Element:
        """Its ``child_set`` element."""
        return self._fill(element("child_set", method=self.operator))

    def _fill(self, parent: Element) -> Element:
        parent.extend(constraint.to_xml() for constraint in self.constraints)
        return parent

    def __repr__(self) -> str:
        return f"<CompoundConstraint {self.operator} {', '.join(map(repr, self.constraints))}>"


def and_(*constraints: BaseConstraint) -> BaseConstraint:
    """All of these have to be fulfilled.

    :raises XNATValueError: none given
    """
    return _compound(constraints, "AND")


def or_(*constraints: BaseConstraint) -> BaseConstraint:
    """At least one of these has to be fulfilled.

    :raises XNATValueError: none given
    """
    return _compound(constraints, "OR")


def _compound(constraints: Sequence[BaseConstraint], operator: str) -> BaseConstraint:
    if not constraints:
        raise XNATValueError(f"{operator.lower()}_() needs at least one constraint, as in cls.label == 'x'")
    return _checked(constraints[0]) if len(constraints) == 1 else CompoundConstraint(constraints, operator)


def _flattened(constraints: Iterable[BaseConstraint], operator: str) -> Iterator[BaseConstraint]:
    for constraint in constraints:
        if isinstance(constraint, CompoundConstraint) and constraint.operator == operator:
            yield from constraint.constraints
        else:
            yield _checked(constraint)


def _checked(constraint: object) -> BaseConstraint:
    if not isinstance(constraint, BaseConstraint):
        raise XNATValueError(
            f"{constraint!r} is no constraint; compare a field of a class and a value: classes.SubjectData.label == 'x'"
        )
    return constraint


def _value_text(value: Any) -> str:
    """A value as XNAT's search reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime) and value.time() != datetime.time():
        # A moment has only this form; the tenths make Java recognise it.
        return value.strftime("%Y-%m-%d %H:%M:%S.") + (f"{value.microsecond:06d}".rstrip("0") or "0")
    if isinstance(value, datetime.date):
        # The form that all versions know. (strftime drops the leading zeros of years on some systems.)
        return f"{value.month:02d}/{value.day:02d}/{value.year:04d}"
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M:%S")
    if isinstance(value, (str, int, float)):
        text = str(value)
        if re.search(_NOT_XML, text):
            raise XNATValueError(f"{text!r} can't be searched for: it holds characters that XML has no place for")
        return text
    raise XNATValueError(f"{value!r} can't be searched for; text, numbers, truth values, dates and times can")


@cache
def _etree() -> ModuleType:
    from xml.etree import ElementTree  # when the first search is made, not for every connection

    ElementTree.register_namespace("xdat", XDAT)
    return ElementTree


def element(name: str, **attributes: str) -> Element:
    """An element of a search document."""
    made: Element = _etree().Element(f"{{{XDAT}}}{name}", attributes)
    return made


def add_element(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    """The same below another."""
    child = element(name, **attributes)
    child.text = text
    parent.append(child)
    return child


def xml_bytes(root: Element, encoding: str = "us-ascii", declaration: bool = False) -> bytes:
    """An element and what is in it, as XML."""
    data: bytes = _etree().tostring(root, encoding=encoding, xml_declaration=declaration)
    return data
