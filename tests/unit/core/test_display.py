"""What a notebook shows: tables whose cells are text, whatever a server put into them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import pytest

from xnat.core.display import TABLE_ROWS, children_html, listing_repr, object_html, object_repr, rows_html, table_html
from xnat.core.terms import field_property
from xnat.transfer.plan import Plan, PlanItem, RemoteFile
from xnat.transfer.report import FileResult, TransferReport

HOSTILE = "<script>alert('x')</script>&\""


def cells(html: str, tag: str = "td") -> list[str]:
    return ["".join(cell.itertext()) for cell in ElementTree.fromstring(f"<div>{html}</div>").iter(tag)]


class Thing:
    """As much of an object as display looks at."""

    SECONDARY_LOOKUP_FIELD = "label"
    fieldname = None
    _touched = _row_time = 0
    _uri = "/data/things/T1"

    def __init__(self, row: dict[str, Any], item: dict[str, Any] | None = None, id_: str | None = None) -> None:
        self._row, self._item, self._id = row, item, id_

    def _loaded(self) -> dict[str, Any] | None:
        return None if self._item is None else {"data_fields": self._item}

    @field_property("label")
    def label(self) -> str:
        """What it is called."""
        raise AssertionError("display must not compute values")

    @field_property("size/max")
    def max_size(self) -> str:
        """How big it may get."""
        raise AssertionError("display must not compute values")

    def __repr__(self) -> str:
        return object_repr(self)


def test_cells_are_text() -> None:
    html = table_html(HOSTILE, [HOSTILE], [[HOSTILE]], 1)
    assert "<script" not in html
    assert cells(html) == cells(html, "th") == cells(html, "caption") == [HOSTILE]


def test_long_tables_say_how_much_more_there_is() -> None:
    html = table_html("x", ["a"], ([number] for number in range(200)), 200)
    assert cells(html)[:2] == ["0", "1"]
    assert len(cells(html)) == TABLE_ROWS + 1
    assert cells(html)[-1] == "... 150 more"


def test_long_cells_are_cut() -> None:
    (cell,) = cells(table_html("", ["a"], [["n" * 1000]], 1))
    assert len(cell) == 200
    assert cell.endswith("n…")


def test_only_as_many_rows_are_looked_at_as_are_shown() -> None:
    taken = []

    def rows() -> Any:
        for number in range(10_000):
            taken.append(number)
            yield {"ID": str(number)}

    rows_html("10000 things", ["ID"], rows(), 10_000)
    assert len(taken) <= TABLE_ROWS + 2


def test_columns_that_say_nothing_are_left_out() -> None:
    row = {"ID": "E1", "URI": "/data/experiments/E1", "xnat:subjectassessordata/id": "E1", "note": "", "label": "x"}
    assert cells(rows_html("1 experiments", list(row), [row], 1), "th") == ["ID", "label"]


def test_an_object_shows_what_is_known_and_what_else_there_is() -> None:
    html = object_html(Thing({"ID": "T1", "label": HOSTILE, "URI": "/x"}))
    first, below = html.split("<details>")
    # What has no attribute of that name comes last.
    assert cells(first) == ["label", HOSTILE, "What it is called.", "ID", "T1", ""]
    assert "1 more fields, not known yet, or not set" in below
    assert cells("<details>" + below) == ["max_size", "How big it may get."]


def test_an_object_that_was_fetched_knows_what_is_not_set() -> None:
    html = object_html(Thing({}, {"size/max": "3"}, "T1"))
    assert cells(html.split("<details>")[0]) == ["max_size", "3", "How big it may get."]
    assert "1 more fields, not set" in html


def test_children() -> None:
    items = [{"data_fields": {"a": "1"}}, {"data_fields": {"b": HOSTILE}}]
    html = children_html("parts", ["x", 1], items)
    assert cells(html, "th") == ["", "a", "b"]
    assert cells(html) == ["x", "1", "", "1", "", HOSTILE]
    assert cells(children_html("parts", [], []), "caption") == ["0 parts"]


@pytest.mark.parametrize(("total", "end"), [(1, ">>"), (25, "... 5 more>")])
def test_repr_of_listings(total: int, end: str) -> None:
    entries = ((str(number), None, "Thing") for number in range(total))
    assert listing_repr("XNATListing", entries, total, second_key=True).endswith(end)


def test_report_and_plan() -> None:
    failed = FileResult(Path(HOSTILE), "/x", "failed", 3, error=ValueError("<b>"))
    results = [FileResult(Path(f"{number}.dcm"), "/x", "verified", 3) for number in range(30)]
    html = TransferReport([*results, failed], what=HOSTILE)._repr_html_()
    assert "<script" not in html
    assert cells(html)[:4] == [HOSTILE, "failed", "3", "<b>"]
    assert cells(html)[-1] == "... 21 more"
    item = PlanItem(PurePosixPath(HOSTILE), "fetch", "not here yet", RemoteFile("/x", PurePosixPath("x"), 7))
    kept = PlanItem(PurePosixPath("kept"), "skip", "complete")
    html = Plan(Path("target"), [item, kept])._repr_html_()
    assert "<script" not in html
    assert cells(html) == [HOSTILE, "fetch", "not here yet", "7"]
    assert cells(html, "p") == ["target: 1 to fetch, 1 to skip; 7 B to fetch"]
