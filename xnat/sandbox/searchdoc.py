"""The search document: its XML read into a small tree, and criteria compared the way SQL does."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .errors import Refused
from .xmltext import Element, parse

__all__ = ["Criterion", "Group", "SearchDocument", "SearchField", "compare", "read_document"]

NAMESPACE = "http://nrg.wustl.edu/security"
COMPARISONS = ("=", "!=", "<>", "<", "<=", ">", ">=", "LIKE", "NOT LIKE", "IN", "BETWEEN", "IS NULL", "IS NOT NULL")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: (\d\d:\d\d:\d\d(?:\.\d+)?))?\Z")


@dataclass(frozen=True)
class SearchField:
    """A column to show: field ``id`` of data type ``element``, with an argument for those that take one."""

    element: str
    id: str
    type: str = "string"
    header: str = ""
    value: str = ""
    visible: bool = True


@dataclass(frozen=True)
class Criterion:
    """One condition; ``field`` is written as in the document: ``type/path`` or ``type.FIELD_ID``."""

    field: str
    comparison: str
    value: str


@dataclass(frozen=True)
class Group:
    """Conditions joined by AND or OR."""

    method: str
    parts: tuple[Criterion | Group, ...]

    def holds(self, test: Callable[[Criterion], bool]) -> bool:
        """Whether the group is true, given how to test one condition. An empty group is."""
        answers = (part.holds(test) if isinstance(part, Group) else test(part) for part in self.parts)
        return all(answers) if self.method == "AND" or not self.parts else any(answers)


@dataclass(frozen=True)
class SearchDocument:
    """A search: what is looked for, what is shown, which conditions, which order."""

    root: str
    fields: tuple[SearchField, ...] = ()
    where: tuple[Group, ...] = ()
    sort_by: tuple[str, str] = ("", "")
    attributes: dict[str, str] = field(default_factory=dict, hash=False)
    users: tuple[str, ...] = ()


def read_document(body: bytes) -> SearchDocument:
    """The search that a request's body asks for; 422 when it is none."""
    try:
        root = parse(body)
    except ValueError as error:
        raise Refused(422, str(error)) from None
    if root.tag not in (f"{{{NAMESPACE}}}bundle", f"{{{NAMESPACE}}}stored_search"):
        raise Refused(422, "The document is not a search.")
    name = _text(root, "root_element_name")
    if not name:
        raise Refused(422, "The search has no root_element_name.")
    sort = root.find(f"{{{NAMESPACE}}}sort_by")
    return SearchDocument(
        name,
        tuple(_field(element) for element in _all(root, "search_field")),
        tuple(_group(element) for element in _all(root, "search_where")),
        (_text(sort, "element_name"), _text(sort, "field_ID")) if sort is not None else ("", ""),
        {key.rpartition("}")[2]: value for key, value in root.attrib.items()},
        tuple(_text(element, "login") for element in _all(root, "allowed_user")),
    )


def _all(parent: Element, name: str) -> list[Element]:
    return parent.findall(f"{{{NAMESPACE}}}{name}")


def _text(parent: Element, name: str) -> str:
    return (parent.findtext(f"{{{NAMESPACE}}}{name}") or "").strip()


def _field(element: Element) -> SearchField:
    id, _, argument = _text(element, "field_ID").partition("=")
    return SearchField(
        _text(element, "element_name"),
        id,
        _text(element, "type") or "string",
        _text(element, "header"),
        argument or _text(element, "value"),
        element.get("visible", "1") not in ("0", "false"),
    )


def _group(element: Element) -> Group:
    parts: list[Criterion | Group] = []
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name == "criteria":
            parts.append(_criterion(child))
        elif name == "child_set":
            parts.append(_group(child))
    method = element.get("method", "AND").strip().upper()
    if method not in ("AND", "OR"):
        raise Refused(422, f"Unknown method {method}")
    return Group(method, tuple(parts))


def _criterion(element: Element) -> Criterion:
    comparison = " ".join(_text(element, "comparison_type").upper().split())
    value = _text(element, "value")
    if comparison in ("IS", "IS NOT") and value.upper() in ("NULL", ""):
        comparison = f"{comparison} NULL"
    if comparison not in COMPARISONS:
        raise Refused(422, f"Unknown comparison {comparison}")
    return Criterion(_text(element, "schema_field"), comparison, value)


# -- comparing --------------------------------------------------------------------------------------------------------


def compare(values: Iterable[str], comparison: str, wanted: str) -> bool:
    """Whether any of a field's values satisfies a comparison; a field without values is NULL, and only IS NULL."""
    present = [value for value in values if value != ""]
    if comparison == "IS NULL":
        return not present
    if comparison == "IS NOT NULL":
        return bool(present)
    return any(_compare_one(value, comparison, wanted) for value in present)


def _compare_one(value: str, comparison: str, wanted: str) -> bool:
    if comparison in ("LIKE", "NOT LIKE"):
        pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in wanted)
        found = re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL) is not None
        return found == (comparison == "LIKE")
    if comparison == "IN":
        choices = [part.strip().strip("'\"") for part in wanted.strip("() ").split(",")]
        return any(_order(value, choice) == 0 for choice in choices)
    if comparison == "BETWEEN":
        low, _, high = re.sub(r"\s+AND\s+", "\0", wanted, count=1, flags=re.IGNORECASE).partition("\0")
        if not high:
            raise Refused(400, "BETWEEN needs a value like: a AND b")
        return _order(value, low) >= 0 and _order(value, high) <= 0
    order = _order(value, wanted)
    return {"=": order == 0, "!=": order != 0, "<>": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0}.get(
        comparison, order >= 0
    )


def _order(value: str, wanted: str) -> int:
    """-1, 0 or 1; numbers as numbers, dates in either notation as dates, all else as text."""
    wanted = wanted.strip()
    if len(wanted) > 1 and wanted[0] == wanted[-1] and wanted[0] in "'\"":
        wanted = wanted[1:-1]
    wanted = _iso(wanted)
    try:
        left, right = float(value), float(wanted)
        return (left > right) - (left < right)
    except ValueError:
        pass
    if re.match(r"\d{4}-\d\d-\d\d\Z", wanted) and len(value) > len(wanted):
        value = value[: len(wanted)]  # a timestamp compared with a day
    return (value > wanted) - (value < wanted)


def _iso(value: str) -> str:
    """``12/31/2020`` as ``2020-12-31``; anything else as it is."""
    match = _US_DATE.match(value)
    if match is None:
        return value
    try:
        day = datetime.date(int(match[3]), int(match[1]), int(match[2])).isoformat()
    except ValueError:
        return value
    return f"{day} {match[4]}" if match[4] else day
