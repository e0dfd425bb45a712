"""Whole-project listings and looking ahead: how many requests they cost, and that they tell the truth."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from xnat import exceptions
from xnat.sandbox import Sandbox, faults

from .test_browsing import asked


def test_all_scans_of_a_project_in_one_request(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        found = [(scan.id, scan.type, scan.quality, scan.series_description) for scan in world.scans.values()]
        assert world.scans.keys() == ["XNAT_E00001/1", "XNAT_E00001/2"]
        assert world.scans["XNAT_E00001/2"].type == "T2 weighted"
    assert found == [("1", "T1", "usable", None), ("2", "T2 weighted", "usable", None)]
    assert len(list(requests)) == 1


def test_items_of_the_joined_listing_are_the_real_scans(world: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    joined = world.scans["XNAT_E00001/1"]
    assert joined.image_session is experiment
    exact = experiment.scans["1"]
    assert type(exact).__name__ == "MrScanData"
    assert joined.uri == exact.uri
    exact.note = "changed"
    assert world.scans["XNAT_E00001/1"].note == "changed"
    assert world.scans["XNAT_E00001/1"] is exact


def test_joined_listing_filters_on_the_server(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        assert [scan.id for scan in world.scans.filter(type="T2*").values()] == ["2"]
    assert "T2*" in list(requests)[0].query
    with pytest.raises(exceptions.XNATValueError, match="there is session_ID"):
        world.scans.filter(tipe="T1")


def test_joined_tables(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        frame = world.scans.tabulate_pandas()
        assert world.scans.tabulate(columns=["session_label", "type"])[1] == ("E1", "T2 weighted")
    assert len(list(requests)) == 1
    assert list(frame.session_label) == ["E1", "E1"]
    assert world.scans.tabulate_csv(columns=["ID", "quality"], filter={"ID": "1"}) == "ID,quality\n1,usable\n"


def test_joined_tables_hold_what_fits_only(world: Any) -> None:
    assert world.scans.tabulate(columns=["ID"], filter={"type": "T?"}) == (("1",),)
    assert world.scans.filter(type="T?").tabulate(columns="ID", filter={"quality": "us*"}) == (("1",),)
    assert world.scans.tabulate(columns="ID") == (("1",), ("2",))
    with pytest.raises(exceptions.XNATValueError, match="No column qualty here; there is .*quality"):
        world.scans.tabulate(columns=["ID"], filter={"qualty": "bad"})


def test_full_paths_as_columns(world: Any) -> None:
    scan = world.experiments["E1"].scans["1"]
    scan.parameters.tr = 2.5
    table = world.scans.tabulate(columns=["ID", "xnat:mrScanData/parameters/tr"])
    assert table[0] == ("1", "2.5")


def test_assessors_and_resources_of_a_project(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        assert [assessor.label for assessor in world.assessors.values()] == ["QC1"]
        (row,) = world.resources_table("session").tabulate(
            columns=["session_label", "label", "file_count", "file_size"]
        )
        assert row == ("E1", "NOTES", "1", "6")
        frame = world.resources_table().tabulate_pandas()
    assert len(list(requests)) == 3
    assert list(frame.file_count) == [2, 2]
    resource = world.resources_table()["XNAT_E00001/1/DICOM"]
    assert sorted(resource.files) == ["1.dcm", "2.dcm"]


def test_prefetch_spares_the_loop_its_requests(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        world.prefetch("experiments", "scans")
        before = len(list(requests))
        for experiment in world.experiments.values():
            for scan in experiment.scans.values():
                assert scan.type
        assert len(list(requests)) == before == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("xnat-prefetch")]
    with pytest.raises(exceptions.XNATValueError, match="'shelves'"):
        world.prefetch("shelves")


def test_listing_of_the_session_is_asked(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        len(world.scans)
    assert asked(requests) == ["GET /data/projects/P/experiments"]


def test_server_that_joins_nothing_is_an_error_and_no_empty_table(world: Any, server: Sandbox) -> None:
    rows = {"ResultSet": {"Result": [{"ID": "XNAT_E00001", "label": "E1", "project": "P"}]}}
    server.faults.add(faults.body(json.dumps(rows)), path=r"/data/projects/P/experiments", times=None)
    with pytest.raises(exceptions.XNATResponseError, match=r"no column xnat:imageScanData/ID.*prefetch"):
        world.scans.tabulate()
    with pytest.raises(exceptions.XNATResponseError, match="no column"):
        len(world.resources_table())


def test_assessors_are_one_listing(world: Any) -> None:
    assert world.assessors is world.assessors
    assert list(world.assessors) == list(world.experiments["E1"].assessors)


def test_resources_of_another_level(world: Any) -> None:
    with pytest.raises(exceptions.XNATValueError, match="'scan' or 'session', not 'subject'"):
        world.resources_table("subject")
