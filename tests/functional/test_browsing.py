"""Listings and objects: keys, filters, tables, identity, caching, and how many requests all that costs."""

from __future__ import annotations

import datetime
import logging
from typing import Any

import pytest

from xnat import exceptions
from xnat.core import XNATListing, XNATNestedObject, XNATSubObject, tabulate
from xnat.sandbox import Sandbox, faults


def asked(requests: Any) -> list[str]:
    return [f"{entry.method} {entry.path}" for entry in requests]


def test_listing_costs_nothing_until_looked_at_and_then_one_request(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        scans = world.experiments["E1"].scans
        assert asked(requests) == ["GET /data/projects/P/experiments"]
        assert len(scans) == 2
        assert "1" in scans
        assert "T1" in scans
        assert scans.keys() == ["1", "2"]
        assert scans["1"] is scans["T1"] is scans[0]
        assert [scan.type for scan in scans.values()] == ["T1", "T2 weighted"]
        assert repr(scans)
    assert len(list(requests)) == 2


def test_nested_loop_reads_attributes_from_rows(world: Any, server: Sandbox) -> None:
    with server.record() as requests:
        seen = [
            (scan.id, scan.type, scan.quality, scan.series_description)
            for experiment in world.experiments.values()
            for scan in experiment.scans.values()
        ]
    assert seen == [("1", "T1", "usable", None), ("2", "T2 weighted", "usable", None)]
    assert len(list(requests)) == 2


def test_reprs_as_documented(world: Any, session: Any) -> None:
    subject = world.subjects["S1"]
    assert repr(session.projects) == "<XNATListing (P, P): <ProjectData P (P)>>"
    assert repr(world.subjects) == f"<XNATListing ({subject.id}, S1): <SubjectData S1 ({subject.id})>>"
    assert repr(subject.experiments).startswith("<XNATListing (XNAT_E00001, E1): <MrSessionData E1 (XNAT_E00001)>")
    assert repr(world.experiments["E1"].scans["1"]) == "<MrScanData T1 (1)>"
    assert repr(session.create_object(subject.uri, "xnat:subjectData")) == f"<SubjectData S1 ({subject.id})>"


def test_repr_makes_no_request(world: Any, session: Any, server: Sandbox) -> None:
    objects = [world, world.subjects["S1"], world.experiments["E1"], world.experiments["E1"].scans["1"]]
    session.clearcache()
    bare = session.create_object("/data/projects/P/subjects/XNAT_S00001", "xnat:subjectData")
    with server.record() as requests:
        for obj in [*objects, bare]:
            assert repr(obj).startswith("<")
            assert obj._repr_html_().startswith("<table>")
    assert asked(requests) == []


def test_long_repr_ends_with_how_many_more(world: Any, session: Any, server: Sandbox) -> None:
    for number in range(30):
        session.classes.SubjectData(parent=world, label=f"L{number:02}")
    with server.record() as requests:
        text = repr(world.subjects)
    assert text.endswith("... 11 more>")
    assert text.count("<SubjectData") == 20
    assert len(list(requests)) == 1


def test_unknown_key_suggests_close_ones(world: Any) -> None:
    with pytest.raises(KeyError, match=r"Could not find ID/label S11 in collection! Did you mean 'S1'\?"):
        world.subjects["S11"]
    with pytest.raises(exceptions.XNATKeyError):
        world.subjects["S2"]
    assert world.subjects.get("S2") is None
    with pytest.raises(IndexError):
        world.subjects[1]


def test_key_that_several_share(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    session.classes.MrScanData(parent=experiment, id_="3", type="T1")
    with pytest.raises(KeyError, match="multiple items with that key.*'T1' is shared by 1, 3"):
        experiment.scans["T1"]
    assert experiment.scans.non_unique_keys == {None, "T1"}
    assert set(experiment.scans.key_map) == {"T2 weighted"}
    assert experiment.scans["3"].type == "T1"


def test_mapping_and_sequence(world: Any) -> None:
    scans = world.experiments["E1"].scans
    assert list(scans) == ["1", "2"]
    assert [key for key, _ in scans.items()] == ["1", "2"]
    assert scans[-1].id == "2"
    assert [scan.id for scan in scans[0:2]] == ["1", "2"]
    assert scans.index(scans["2"]) == 1
    assert scans.count(scans["2"]) == 1
    assert dict(scans.data) == {"1": scans["1"], "2": scans["2"]}
    assert isinstance(scans, XNATListing)


def test_filter_on_server_and_here(world: Any, session: Any, server: Sandbox) -> None:
    for label in ("A1", "A2", "B1"):
        session.classes.SubjectData(parent=world, label=label)
    with server.record() as requests:
        found = world.subjects.filter(label="A*")
        assert sorted(subject.label for subject in found.values()) == ["A1", "A2"]
    assert [entry.query for entry in requests if "label=A*" in entry.query]
    assert [subject.label for subject in found.filter(label="A*").values()] == ["A1", "A2"]
    with pytest.raises(exceptions.XNATValueError, match=r"Trying to redefine filter label=A\* to label=B\*"):
        found.filter(label="B*")
    assert [subject.label for subject in world.subjects.filter({"label": "[AB]1"}).values()] == ["A1", "B1"]
    assert found.used_filters == {"label": "A*"}


def test_tabulate(world: Any) -> None:
    rows = world.experiments["E1"].scans.tabulate(columns=["type", "ID"])
    assert rows[0] == ("T1", "1")
    assert rows[0]._fields == ("type", "ID")
    assert type(rows[0]).__name__ == "TableRow"
    assert world.subjects.filter(label="none").tabulate() == ()
    (row,) = world.experiments.tabulate(columns=["label", "xnat:mrSessionData/date"], filter={"label": "E1"})
    assert row == ("E1", "2020-01-02")
    assert row._fields == ("label", "xnat_mrSessionData_date")
    assert world.subjects.tabulate_csv(columns=["label"]) == "label\nS1\n"
    assert world.subjects.tabulate_csv(columns=["label"], header=False) == "S1\n"


def test_tabulate_pandas_has_types(world: Any) -> None:
    frame = world.experiments.tabulate_pandas(columns=["label", "date"])
    assert list(frame.columns) == ["label", "date"]
    row = frame[frame.label == "E1"].iloc[0]
    assert row.date.to_pydatetime() == datetime.datetime(2020, 1, 2)


def test_unknown_column_is_warned_of(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        world.subjects.tabulate(columns=["label", "labell"])
    assert "labell" in caplog.text


def test_one_thing_is_one_object(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    assert world.subjects["S1"].experiments["E1"] is experiment
    assert session.experiments["E1"] is experiment
    assert session.create_object(experiment.uri) is experiment
    assert experiment.subject is world.subjects["S1"]
    assert experiment.scans["1"].image_session is experiment
    assert experiment.parent is experiment.subject
    assert experiment.subject.parent is world
    assert world.parent is session


@pytest.mark.parametrize(
    "form", ["/data/archive/projects/P", "/data/projects/P", "/REST/projects/P", "{server}/data/projects/P"]
)
def test_every_spelling_of_an_address(world: Any, session: Any, form: str) -> None:
    assert session.create_object(form.format(server=session.server)) is world


def test_nested_objects_do_not_disturb_listings(world: Any, session: Any) -> None:
    subject = world.subjects["S1"]
    assert subject.demographics.gender is None
    assert isinstance(subject.demographics, XNATNestedObject)
    assert world.subjects["S1"] is subject
    assert isinstance(world.experiments["E1"].scans["1"].parameters, XNATSubObject)
    assert session.create_object(subject.uri) is subject


def test_types_of_attributes(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    assert experiment.date == datetime.date(2020, 1, 2)
    scan = experiment.scans["1"]
    scan.mset({"frames": 12, "parameters/tr": 1.5})
    assert scan.frames == 12
    assert scan.parameters.tr == 1.5
    assert scan.get("frames", "xs:integer") == 12
    assert scan.get("frames", str) == "12"
    assert scan.get("nothing") is None
    assert scan.parameters.xpath == "xnat:mrScanData/parameters"
    assert scan.parameters.voxel_res.xpath == "xnat:mrScanData/parameters/voxelRes"
    assert experiment.xpath == "xnat:mrSessionData"
    assert experiment.subject.demographics.xpath == ("xnat:subjectData/demographics[@xsi:type=xnat:demographicData]")


def test_fulldata_and_data(world: Any) -> None:
    experiment = world.experiments["E1"]
    assert experiment.fulldata["meta"]["xsi:type"] == "xnat:mrSessionData"
    assert experiment.data["label"] == "E1"
    assert {child["field"] for child in experiment.fulldata["children"]} >= {"scans/scan"}
    resource = experiment.resources["NOTES"]
    assert resource.data["label"] == "NOTES"
    assert (resource.file_count, resource.file_size) == (1, 6)
    assert resource.files["sub/note.txt"].data["Size"] == "6"


def test_uris(world: Any) -> None:
    experiment = world.experiments["E1"]
    below = f"projects/P/subjects/{experiment.subject.id}"
    full = f"{below}/experiments/{experiment.id}"
    assert world.fulluri == "/data/archive/projects/P"
    assert experiment.subject.fulluri == f"/data/archive/{below}"
    assert experiment.fulluri == f"/data/archive/{full}"
    assert experiment.scans["1"].fulluri == f"/data/{full}/scans/1"
    for thing in (world, experiment.subject, experiment, experiment.scans["1"]):
        assert thing.external_uri() == f"{thing.xnat_session.server}{thing.fulluri}"
        assert thing.xnat_session.create_object(thing.fulluri) is thing
    assert (
        experiment.assessors["QC1"].fulluri
        == f"/data/experiments/{experiment.id}/assessors/{experiment.assessors['QC1'].id}"
    )


def test_clearcache_and_caching_switches(world: Any, session: Any, server: Sandbox) -> None:
    subjects = world.subjects
    len(subjects)
    with server.record() as requests:
        len(subjects)
        assert len(list(requests)) == 0
        session.clearcache()
        len(subjects)
        assert len(list(requests)) == 1
        subjects.clearcache()
        len(subjects)
        assert len(list(requests)) == 2
        session.caching = False
        len(subjects)
        len(subjects)
        assert len(list(requests)) == 4
        subjects.caching = True
        len(subjects)
        len(subjects)
        assert len(list(requests)) == 5
        del subjects.caching
        assert subjects.caching is False


def test_write_makes_other_handles_stale(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    other = session.create_object(f"/data/experiments/{experiment.id}", "xnat:mrSessionData", id_=experiment.id)
    assert other.note is None
    experiment.note = "new"
    assert other.note == "new"


def test_row_of_an_unknown_type_costs_a_warning(world: Any, server: Sandbox, session: Any, caplog: Any) -> None:
    server.faults.add(
        path=".*/scans",
        times=9,
        action=faults.body(lambda data: data.replace(b"xnat:mrScanData", b"foo:barScanData", 1)),
    )
    with caplog.at_level(logging.WARNING):
        scans = world.experiments["E1"].scans
        assert sorted(type(scan).__name__ for scan in scans.values()) == ["ImageScanData", "MrScanData"]
        assert len(repr(scans)) > 10
    assert len([record for record in caplog.records if "foo:barScanData" in record.getMessage()]) == 1


def test_html_instead_of_json_is_an_error_never_an_empty_listing(world: Any, server: Sandbox) -> None:
    server.faults.add(path=".*/subjects", times=9, action=faults.body(b"<html><title>Gateway</title></html>"))
    with pytest.raises(exceptions.XNATUnexpectedPageError, match="Gateway"):
        list(world.subjects)


def test_something_else_than_a_listing_is_an_error(world: Any, server: Sandbox) -> None:
    server.faults.add(path=".*/subjects", times=9, action=faults.body(b'{"items": []}'))
    with pytest.raises(exceptions.XNATResponseError, match="asked for a listing"):
        list(world.subjects)
    server.faults.add(path=".*/subjects", times=9, action=faults.body(b"{not json"))


def test_missing_project(session: Any) -> None:
    with pytest.raises(exceptions.XNATNotFoundError):
        session.create_object("/data/projects/NOPE")
    missing = session.create_object("/data/projects/NOPE", "xnat:projectData")
    with pytest.raises(exceptions.XNATNotFoundError):
        list(missing.subjects)


def test_verbs(world: Any, session: Any) -> None:
    assert session.get("/data/archive/projects", format="csv").text.startswith("ID")
    assert session.get("/data/projects", query={"format": "csv"}, format="json").json()["ResultSet"]
    file = world.resources["PROTOCOL"].files["protocol.txt"]
    assert session.head(file.uri).headers["Content-Length"] == "5"
    query = {"columns": "ID"}
    session.get_json("/data/projects", query=query)
    assert query == {"columns": "ID"}
    with pytest.raises(exceptions.XNATNotFoundError) as missing:
        session.get("/data/projects/NOPE")
    assert missing.value.status_code == 404
    assert "/data/projects/NOPE" in missing.value.url
    assert session.get("/data/projects/NOPE", accepted_status=[404]).status_code == 404
    with pytest.raises(exceptions.XNATValueError, match="should start with a /"):
        session.get("data/projects")
    with pytest.raises(ValueError, match="Could not decode JSON"):
        session.get_json(file.uri)
    assert session.interface.cookies


def test_class_attributes_are_search_terms_with_docs(session: Any) -> None:
    classes = session.classes
    assert repr(classes.MrSessionData.date) == "<SearchField xnat:mrSessionData/date>"
    assert repr(classes.MrSessionData.label) == "<SearchField xnat:mrSessionData/label>"
    assert repr(classes.SubjectData.id) == "<SearchField xnat:subjectData/ID>"
    assert classes.SubjectData.demographics is classes.DemographicData
    assert classes.MRSessionData is classes.MrSessionData
    assert "MrSessionData" in dir(classes)
    assert "MRSessionData" not in dir(classes)


def test_help_tells_what_a_field_means(session: Any) -> None:
    import pydoc

    classes = session.classes
    documented = [
        (cls, name, field)
        for cls in (classes.DemographicData, classes.MrScanData)
        for base in cls.__mro__
        for name, field in vars(base).items()
        if hasattr(field, "to_text") and field.__doc__
    ]
    assert documented
    rendered = {cls: pydoc.render_doc(cls, renderer=pydoc.plaintext) for cls, _, _ in documented}
    for cls, name, field in documented:
        assert field.__doc__.split("\n")[0] in rendered[cls]
        assert getattr(cls, name).__doc__ == field.__doc__


def test_filters_by_ranges_are_the_server_s(world: Any, session: Any) -> None:
    for label, date in (("A", "2019-05-01"), ("B", "2021-05-01")):
        session.classes.MrSessionData(parent=world.subjects["S1"], label=label, date=date)
    session.clearcache()
    found = session.projects["P"].experiments.filter(date="01/01/2020-12/31/2020")
    assert [experiment.label for experiment in found.values()] == ["E1"]
    assert [experiment.label for experiment in found.filter(label="E*").values()] == ["E1"]


def test_columns_whose_names_are_no_names(world: Any) -> None:
    names = ("1st", "_hidden", "class", "a b", "a-b", "")
    assert list(tabulate._field_names(names)) == ["x1st", "x_hidden", "class_", "a_b", "a_b_2", "x"]
