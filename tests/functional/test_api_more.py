"""What scripts use beyond the numbered items: facts about server and objects, handles, searches by class, reports."""

from __future__ import annotations

import datetime
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat import exceptions
from xnat.core import XNATListing
from xnat.sandbox import Sandbox, faults
from xnat.search import Query
from xnat.transfer.report import TransferReport
from xnat.xnatbases.mounted import MountType

from .conftest import connect


def content(file: Any) -> bytes:
    with file.open() as stream:
        return bytes(stream.read())


# -- the session -------------------------------------------------------------------------------------------------------


def test_facts_about_the_server(session: Any, server: Sandbox) -> None:
    assert session.xnat_version_tuple == (1, 8, 9)
    assert session.xnat_build_info["version"] == "1.8.9"
    assert isinstance(session.xnat_uptime, datetime.timedelta)
    assert session.check_version("1.7") is True


def test_access_levels(world: Any, session: Any, server: Sandbox) -> None:
    assert session.access_levels == {"P": "Owners"}
    server.add_user("jane", "doe")
    world.set_access("jane", "member")
    with connect(server, user="jane", password="doe") as jane:
        assert jane.projects["P"].access_level == "Members"
        server.faults.add(faults.status(404), path="/xapi/access/projects", times=None)
        jane.clearcache()
        assert jane.access_levels == {}
        assert jane.projects["P"].access_level == "Members"


def test_source_code_of_the_classes(session: Any, tmp_path: Path) -> None:
    assert "class MrSessionData(" in session.source_code
    session.write_source_code(tmp_path / "model.py")
    assert (tmp_path / "model.py").read_text(encoding="utf-8") == session.source_code
    session.write_stubs(tmp_path)
    assert "class MrSessionData" in next(tmp_path.glob("*.pyi")).read_text(encoding="utf-8")


def test_urls(world: Any, session: Any, server: Sandbox) -> None:
    subject = world.subjects["S1"]
    assert session.url_for(subject) == f"{server.url}{subject.fulluri}"
    assert session.url_for("/data/projects", {"format": "json"}) == f"{server.url}/data/projects?format=json"
    assert subject.external_uri({"format": "xml"}, "https").startswith("https://127.0.0.1:")
    assert subject.external_uri().endswith(subject.fulluri)
    assert session.url_for(subject, scheme="https").startswith("https://")


def test_download_generator(world: Any, session: Any) -> None:
    file = world.resources["PROTOCOL"].files["protocol.txt"]
    assert b"".join(session.download_generator(file.uri, chunk_size=2)) == b"steps"
    assert next(session.download_generator("/data/projects", "csv")).startswith(b"ID")


def test_objects_can_be_forgotten(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    assert session.class_for("xnat:mrSessionData") is type(experiment)
    session.remove_object(experiment)
    assert session.create_object(experiment.uri) is not experiment
    with pytest.raises(exceptions.XNATKeyError, match="unknow to this"):
        session.class_for("no:suchType")


def test_upload_of_text_file_and_stream_by_name(world: Any, session: Any, tmp_path: Path, second: Any) -> None:
    uri = f"{world.resources['PROTOCOL'].uri}/files"
    path = tmp_path / "x.txt"
    path.write_bytes(b"file")
    session.upload_file(f"{uri}/file", path, upload_size=4, overwrite=True)
    session.upload_string(f"{uri}/string", b"bytes", content_type="text/plain", method="post")
    with path.open("rb") as stream:
        session.upload_stream(f"{uri}/stream", stream, upload_size=4)
    files = second.projects["P"].resources["PROTOCOL"].files
    assert [content(files[name]) for name in ("file", "string", "stream")] == [b"file", b"bytes", b"file"]
    with pytest.raises(FileNotFoundError):
        session.upload_file(f"{uri}/none", tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        session.upload_file(f"{uri}/folder", tmp_path)
    with pytest.raises(TypeError, match="upload_stream"):
        session.upload_string(f"{uri}/none", path)
    with pytest.raises(exceptions.XNATValueError, match="'put' and 'post'"):
        session.upload_string(f"{uri}/none", "x", method="patch")


def test_names_of_the_package() -> None:
    assert xnat.__version__
    for module in (
        "core", "session", "prearchive", "services", "users", "inspect", "search", "datatypes", "exceptions",
        "convert_xsd", "utils",
    ):  # fmt: skip
        assert getattr(xnat, module).__name__ == f"xnat.{module}"
        assert module in dir(xnat)
    assert xnat.utils.pythonize_class_name("mrSessionData") == "MrSessionData"
    assert xnat.utils.pythonize_attribute_name("dcmPatientId") == "dcm_patient_id"
    with pytest.raises(AttributeError):
        _ = xnat.nothing


# -- objects -----------------------------------------------------------------------------------------------------------


def test_what_an_object_tells_of_itself(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs(now - experiment.insert_date) < datetime.timedelta(minutes=10)
    assert experiment.fulldata["xnatpy"] == {"insert_date": experiment.insert_date}
    assert experiment.is_history is False
    assert experiment.fieldname == "experiments"
    assert experiment.logger is session.logger
    assert experiment.cache_id == session.create_object(experiment.uri).cache_id
    row = {"ID": experiment.id, "project": "P"}
    assert (
        type(experiment).create_cache_id(f"/data/archive/experiments/{experiment.id}", data=row) == experiment.cache_id
    )
    assert type(experiment).rest_shortcuts["date"] == "xnat:experimentData/date"
    assert [obj.cli_str for obj in (world, world.subjects["S1"], experiment)] == [
        "Project P",
        "Subject S1",
        "Experiment E1",
    ]
    assert experiment.scans["1"].cli_str == "Scan 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thu Apr 08 19:28:45 UTC 2021", datetime.datetime(2021, 4, 8, 19, 28, 45, tzinfo=datetime.timezone.utc)),
        ("Thu Apr 08 19:28:45 CDT 2021", datetime.datetime(2021, 4, 9, 0, 28, 45, tzinfo=datetime.timezone.utc)),
        ("Thu Apr 08 19:28:45 CEST 2021", datetime.datetime(2021, 4, 8, 17, 28, 45, tzinfo=datetime.timezone.utc)),
        ("Thu Apr 08 19:28:45 XYZT 2021", None),
        ("Thu Foo 99 19:28:45 UTC 2021", None),
        ("2021-04-08", None),
    ],
)
def test_insert_date_is_in_utc(world: Any, server: Sandbox, text: str, expected: Any) -> None:
    shown = faults.body(lambda data: re.sub(rb'("start_date": ?")[^"]*', rb"\g<1>" + text.encode(), data))
    server.faults.add(shown, path="/subjects/", times=None)
    assert world.subjects["S1"].insert_date == expected


def test_get_object_by_field(world: Any, session: Any) -> None:
    subject = world.subjects["S1"]
    subject.demographics.yob = 1980
    assert subject.get_object("demographics").yob == 1980
    assert type(subject.get_object("demographics", "xnat:abstractDemographicData")).__name__ == "DemographicData"


def test_caching_of_one_object(world: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    experiment.caching = False
    with server.record() as asked:
        _ = experiment.note, experiment.note
    assert len(list(asked)) == 2
    del experiment.caching
    assert experiment.caching is True
    experiment.clearcache()
    with server.record() as asked:
        _ = experiment.note, experiment.note
    assert len(list(asked)) == 1


def test_fields_are_only_given_on_creation(world: Any, session: Any) -> None:
    with pytest.raises(exceptions.XNATValueError, match="only given on creation"):
        session.classes.SubjectData(uri="/data/subjects/x", xnat_session=session, label="a", overwrites={"b": "c"})


def test_resource_and_assessor_know_their_parents(world: Any) -> None:
    experiment = world.experiments["E1"]
    assert experiment.resources["NOTES"].parent_obj is experiment
    assessor = experiment.assessors["QC1"]
    assert assessor.session_id == experiment.id
    assert assessor.image_session is assessor.parent is experiment


def test_scans_of_an_unknown_type_have_no_parameters(world: Any, session: Any) -> None:
    scan = world.experiments["E1"].scans["1"]
    bare = session.classes.ImageScanData(uri=scan.uri, xnat_session=session, id_="1", parent=scan.parent)
    with pytest.raises(exceptions.XNATAttributeError, match="no additional parameters"):
        _ = bare.fields


# -- listings and searches ---------------------------------------------------------------------------------------------


def test_filters_of_listings_are_merged() -> None:
    assert XNATListing.merge_filters({"a": "1"}, {"b": "2", "a": "1"}) == {"a": "1", "b": "2"}
    with pytest.raises(exceptions.XNATValueError, match="Trying to redefine filter a=1 to a=2"):
        XNATListing.merge_filters({"a": "1"}, {"a": "2"})


def test_every_class_can_be_searched(world: Any, session: Any, server: Sandbox) -> None:
    classes = session.classes
    mr, subject = classes.MrSessionData, classes.SubjectData
    assert isinstance(mr.query(), Query)
    assert mr.query(mr.label == "E1", mr.date >= datetime.date(2020, 1, 1)).all() == [world.experiments["E1"]]
    assert subject.query(subject.label.like("S*")).one() is world.subjects["S1"]
    assert mr.query(mr.note.is_null()).count() == 1
    assert mr.query(mr.note.is_not_null()).count() == 0
    assert (mr.date.element, mr.date.is_display_field) == ("xnat:mrSessionData", False)
    query = mr.query(mr.label == "E1")
    assert b"<ns0:" not in query.to_string()
    assert query.to_xml().tag.endswith("bundle")
    assert (mr.label == "E1").to_xml().tag.endswith("criteria")


def test_display_fields_are_looked_up_when_touched(world: Any, session: Any, server: Sandbox) -> None:
    mr = session.classes.MrSessionData
    assert not [entry for entry in server.requests if "search/elements" in entry.path]
    with server.record() as asked:
        term = mr.SUBJECT_LABEL
        assert term.is_display_field
        assert repr(mr.PROJECT) == "<SearchField xnat:mrSessionData.PROJECT>"
        assert not hasattr(mr, "NOTHING_LIKE_THAT")
        assert "AGE" in session.display_fields("xnat:mrSessionData")
        with pytest.raises(AttributeError, match="lower"):
            _ = mr.lower
    assert [entry.path for entry in asked] == ["/data/search/elements/xnat:mrSessionData"]
    assert mr.query(term == "S1").all() == [world.experiments["E1"]]
    with server.record() as asked, pytest.raises(exceptions.XNATAttributeError):
        world.experiments["E1"].SHOUTED = 1
    assert list(asked) == []


# -- writes ------------------------------------------------------------------------------------------------------------


def test_write_fields_is_what_attributes_use(world: Any, session: Any, second: Any) -> None:
    for form in (False, True):
        session.form_writes = form
        session.write_fields(world.fulluri, {"xsiType": "xnat:projectData", "xnat:projectData/description": f"{form}"})
        assert second.projects["P"].description == f"{form}"
    assert session.access_levels
    session.forget("access_levels")
    assert session.access_levels


# -- transfers ---------------------------------------------------------------------------------------------------------


def test_reports_and_plans(world: Any, tmp_path: Path) -> None:
    plan = world.experiments["E1"].download_dir(tmp_path, verbose=False, dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert len(plan.fetch) == len(plan.having("fetch")) == 6
    assert plan.to_dict() == json.loads(plan.to_json())
    report = world.experiments["E1"].download_dir(tmp_path, verbose=False)
    assert isinstance(report, TransferReport)
    assert len(report.having("verified", "size-only")) == len(report.transferred) == 6
    assert report.size_only == []
    assert report.to_dict()["files"] or report.to_dict()
    assert report[0].to_dict()["state"] == "verified"
    report.raise_for_failures()
    both = TransferReport()
    both.extend(report)
    assert len(both) == 6


# -- a mounted archive -------------------------------------------------------------------------------------------------


def fill(path: Path, data: bytes = b"local") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("kind", "project", "experiment"),
    [
        (MountType.ARCHIVE_DIR, "P", "P/arc001/E1"),
        (MountType.JUPYTER_HUB, "projects/P", "projects/P/experiments/E1"),
    ],
)
def test_mounted_archive(
    world: Any, session: Any, server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: MountType,
    project: str, experiment: str,
) -> None:  # fmt: skip
    mine = world.experiments["E1"]
    file = mine.scans["1"].files["1.dcm"]
    assert (session.mount_data_dir, session.mount_data_dir_type) == (None, MountType.NONE)
    assert mine.data_dir is file.data_path is file.expected_data_path is None
    local = fill(tmp_path / experiment / "SCANS" / "1" / "DICOM" / "1.dcm")
    fill(tmp_path / experiment / "RESOURCES" / "NOTES" / "sub" / "note.txt")
    fill(tmp_path / experiment / "ASSESSORS" / "QC1" / "QC" / "qc.txt")
    fill(tmp_path / project / "resources" / "PROTOCOL" / "protocol.txt")
    fill(tmp_path / project / "subjects" / "S1" / "CONSENT" / "form.txt")
    monkeypatch.setenv("XNAT_DATA", str(tmp_path))
    monkeypatch.setenv("XNAT_XSI_TYPE", "xnat:mrSessionData")
    monkeypatch.setenv("XNAT_ITEM_ID", mine.id)
    assert (session.mount_data_dir, session.mount_data_dir_type) == (tmp_path, kind)
    assert (session.mount_xsi_type, session.mount_xnat_item_id) == ("xnat:mrSessionData", mine.id)
    assert world.data_dir == tmp_path / project
    assert mine.data_dir == tmp_path / experiment
    assert mine.scans["1"].data_dir == tmp_path / experiment / "SCANS" / "1"
    assert mine.scans["2"].data_dir is None
    assert mine.scans["1"].resources["DICOM"].data_dir == local.parent
    assert mine.resources["NOTES"].data_dir == tmp_path / experiment / "RESOURCES" / "NOTES"
    assert mine.assessors["QC1"].resources["QC"].data_dir == tmp_path / experiment / "ASSESSORS" / "QC1" / "QC"
    assert world.resources["PROTOCOL"].data_dir == tmp_path / project / "resources" / "PROTOCOL"
    assert world.subjects["S1"].resources["CONSENT"].data_dir == tmp_path / project / "subjects" / "S1" / "CONSENT"
    assert (file.data_path, file.expected_data_path) == (local, local)
    with server.record() as asked, file.open() as stream:
        assert stream.read() == b"local"
    assert not [entry for entry in asked if entry.path.endswith(".dcm")]
    missing = mine.scans["2"].files["1.dcm"]
    assert missing.data_path is None
    assert missing.expected_data_path == tmp_path / experiment / "SCANS" / "2" / "DICOM" / "1.dcm"
    with missing.open() as stream:
        assert stream.read() == b"scan 2 file 1"
    reconstruction = session.classes.ReconstructedImageData(parent=mine, id="R")
    assert reconstruction.data_dir is None


def test_labels_do_not_lead_out_of_a_mounted_archive(
    world: Any, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "archive"
    fill(root / "P" / "x")
    fill(tmp_path / "escaped" / "x")
    monkeypatch.setenv("XNAT_DATA", str(root))
    evil = session.classes.MrSessionData(parent=world.subjects["S1"], label="E2")
    monkeypatch.setattr(type(evil), "label", "../../escaped")
    assert evil.data_dir is None


def test_warnings_are_for_types_that_no_schema_names(world: Any, session: Any, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        world.experiments["E1"].fields["a"] = "1"
        dict(world.experiments["E1"].fields)
    assert caplog.text == ""


def test_rows_of_a_listing_as_listings_keep_them(world: Any, session: Any) -> None:
    rows = session.get_rows("/data/projects", {"columns": "ID,name"}, time=7, drop=lambda column: column == "URI")
    assert [row["ID"] for row in rows] == ["P"]
    assert "URI" not in rows.columns
    with pytest.raises(exceptions.XNATResponseError):
        session.get_rows(world.resources["PROTOCOL"].files["protocol.txt"].uri, time=7, drop=lambda column: False)


@pytest.mark.parametrize("version", ["1.9.2", "ML-BETA", "2.0.0-SNAPSHOT", "1.8.10.1-RC3"])
def test_versions_nobody_knows_are_tried(server: Sandbox, version: str) -> None:
    server.faults.add(
        faults.body(lambda data: data.replace(b"1.8.9", version.encode())), path="/siteConfig/buildInfo", times=None
    )
    with connect(server, cache=False) as session:
        assert session.xnat_version == version
        assert len(session.projects) == 0
        assert "xnat:mrSessionData" in session.XNAT_CLASS_LOOKUP
