"""Items as the server's JSON has them, and values as it wants them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from xnat.core.items import children_of, current_item, insert_date, to_text
from xnat.exceptions import XNATResponseError, XNATValueError


def item(**meta: Any) -> dict[str, Any]:
    return {"data_fields": {"ID": "a"}, "children": [], "meta": meta}


def test_the_item_that_is_no_history_is_taken() -> None:
    old, new = item(isHistory=True), item(isHistory=False)
    assert current_item({"items": [old, new]}, "/data/x") is new


@pytest.mark.parametrize(
    "answer", [{}, [], "text", {"items": []}, {"items": [item(isHistory=True)]}, {"ResultSet": {"Result": []}}, None]
)
def test_an_answer_without_a_current_item_is_an_error(answer: Any) -> None:
    with pytest.raises(XNATResponseError, match="holds no item"):
        current_item(answer, "/data/x")


def test_children_of_a_field() -> None:
    one, two = item(), item()
    parent = {"children": [{"field": "a/b", "items": [one]}, {"field": "c"}, {"field": "a/b", "items": [two]}]}
    assert children_of(parent, "a/b") == [one, two]
    assert children_of(parent, "c") == children_of(parent, "d") == children_of({}, "a") == []


def test_insert_date_without_one() -> None:
    assert insert_date({}) is None
    assert insert_date({"meta": {"start_date": ""}}) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (3, "3"), (2.5, "2.5"), ("x", "x"), (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05"), (datetime.time(1, 2, 3), "01:02:03"),
        (datetime.timedelta(hours=1), "PT1H"),
    ],
)  # fmt: skip
def test_values_go_by_their_own_type(value: Any, text: str) -> None:
    assert to_text(value, None) == text


def test_values_go_by_a_given_type_or_function() -> None:
    assert to_text("2020-01-02", "xs:date") == "2020-01-02"
    assert to_text(3, lambda value: value * 2) == "6"
    with pytest.raises(XNATValueError):
        to_text("x", "xs:integer")
    with pytest.raises(XNATValueError):
        to_text(None, None)
