"""Rows of listings: the names of their columns."""

from __future__ import annotations

import pytest

from xnat.core.rows import respelled


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("id", "uri", "Label", "XSITYPE"), ("ID", "URI", "label", "xsiType")),
        (("id", "ID", "label"), ("id", "ID", "label")),
        (("id", "Id"), ("ID", "Id")),
        (("Name", "cat_ID", "Size"), ("Name", "cat_ID", "Size")),
        (("name", "cat_id", "element_name"), ("name", "cat_id", "element_name")),
        (("ELEMENT_NAME", "FIELD_ID"), ("ELEMENT_NAME", "FIELD_ID")),
        (("xnat:mrsessiondata/id", "own column"), ("xnat:mrsessiondata/id", "own column")),
    ],
)
def test_columns_are_known_whatever_their_capitals(names: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert respelled(names) == expected
