"""Numbered items of the documented API: what listings do as mappings, sequences and tables (A104-A116)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from xnat import exceptions
from xnat.core import XNATListing
from xnat.sandbox import Sandbox


@pytest.fixture
def scans(world: Any) -> Any:
    return world.experiments["E1"].scans


def test_a104_a_listing_is_a_mapping_and_a_sequence(scans: Any) -> None:
    assert isinstance(scans, Mapping)
    assert isinstance(scans, Sequence)
    assert {**scans} == dict(scans.items())


def test_a105_a_filter_that_the_answer_has_no_column_for_is_warned_of(
    scans: Any, world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(scans.filter(qualty="usable")) == 2
    assert "'qualty'" in caplog.text
    assert "did you mean quality" in caplog.text
    caplog.clear()
    assert [scan.id for scan in scans.filter(quality="usable", type="T?").values()] == ["1"]
    assert len(world.experiments.filter({"xnat:mrSessionData/date": "2020-01-02"})) == 1
    assert not caplog.records


def test_a105_files_are_filtered_by_their_path(world: Any) -> None:
    files = world.experiments["E1"].scans["1"].files
    assert list(files.filter(path="1.*")) == list(files.filter(Name="1.*")) == ["1.dcm"]


def test_a105_filters_are_merged_by_name() -> None:
    assert XNATListing.merge_filters({"a": "b"}, {"a": "b", "c": "d"}) == {"a": "b", "c": "d"}
    with pytest.raises(ValueError, match="Trying to redefine filter a=b to a=c"):
        XNATListing.merge_filters({"a": "b"}, {"a": "c"})


def test_a106_a_table_holds_what_fits_only_whichever_columns_it_has(scans: Any, world: Any) -> None:
    """The server knows ``*`` only: what it sends is held against the pattern here."""
    assert scans.tabulate(columns=["ID"], filter={"type": "T?"}) == (("1",),)
    assert scans.filter(type="T?").tabulate(columns=["ID"]) == (("1",),)
    assert [row.ID for row in scans.tabulate(filter={"type": "T?"})] == ["1"]
    # One that the server's own choice of columns doesn't hold.
    table = world.experiments.tabulate(filter={"subject_label": "S?"})
    assert [row.label for row in table] == ["E1"]
    assert "subject_label" not in table[0]._fields
    assert world.experiments.tabulate(filter={"subject_label": "[Q]?"}) == ()


def test_a106_one_column_may_be_named_without_a_list(scans: Any) -> None:
    assert [row.type for row in scans.tabulate(columns="type")] == ["T1", "T2 weighted"]
    assert scans.tabulate_csv(columns="type", header=False) == "T1\nT2 weighted\n"


def test_a109_get_gives_the_default_for_whatever_is_not_there(scans: Any) -> None:
    assert [scans.get(key, "none") for key in ("9", 9, -9, None)] == ["none"] * 4
    assert scans.get(1).id == scans.get("T2 weighted").id == "2"


def test_a109_index_and_count_take_objects_and_keys(scans: Any) -> None:
    assert [scans.index(value) for value in (scans["2"], "2", "T2 weighted")] == [1, 1, 1]
    assert [scans.count(value) for value in (scans["2"], "2", "T2 weighted", "9", None)] == [1, 1, 1, 0, 0]
    with pytest.raises(ValueError, match="'9' is not in the listing"):
        scans.index("9")


def test_a109_a_listing_equals_a_dict_of_the_same(scans: Any, world: Any, server: Sandbox) -> None:
    assert scans == dict(scans.items())
    assert dict(scans.items()) == scans
    assert scans != {"1": scans["1"]}
    assert scans != world.subjects
    assert scans != [*scans.values()]


def test_a114_a_value_needs_a_key(world: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    with pytest.raises(exceptions.XNATValueError, match="None can't be the key"):
        experiment.fields[None] = "x"
    with pytest.raises(exceptions.XNATValueError, match="None can't be the key"):
        experiment.fields.update({"a": "1", None: "x"})
    assert second.projects["P"].experiments["E1"].fields == {}


def test_a115_elements_are_not_assigned_but_written_to(world: Any, second: Any) -> None:
    for key in (0, "L"):
        with pytest.raises(exceptions.XNATValueError, match=r"assign to its fields, as in .*\.<field> = value"):
            world.investigators[key] = "x"
    with pytest.raises(exceptions.XNATValueError, match="None can't be the key"):
        world.investigators[None].firstname = "x"
    assert len(second.projects["P"].investigators) == 0
