"""The prearchive: what waits there, what is in it, and what can be done with it."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

import xnat
from xnat._answers import answer_uris
from xnat.core import XNATBaseObject
from xnat.exceptions import (
    XNATConflictError,
    XNATError,
    XNATNotFoundError,
    XNATResponseError,
    XNATTimeoutError,
    XNATValueError,
)
from xnat.prearchive import PrearchiveSession
from xnat.sandbox import Sandbox, faults

DICOM = Path(pydicom.data.__file__).parent / "test_files"
MR, CT = "MR_small.dcm", "CT_small.dcm"
MR_UID = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"


def packed(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.write(DICOM / name, Path(name).name)
    return out.getvalue()


@pytest.fixture
def projects(session: Any) -> Any:
    for name in ("brainimages", "other"):
        session.classes.ProjectData(parent=session, name=name)
    return session.projects


@pytest.fixture
def send(session: Any, projects: Any) -> Callable[..., Any]:
    """Put files into the prearchive of a project."""

    def send(*names: str, project: str = "brainimages", **options: Any) -> Any:
        return session.services.import_(
            data=packed(*(names or (MR,))), project=project, destination="/prearchive", **options
        )

    return send


@pytest.fixture
def waiting(send: Callable[..., Any]) -> Any:
    """One MR session in the prearchive of brainimages."""
    return send()


# -- lists ------------------------------------------------------------------------------------------------------------


def test_empty_prearchive_is_an_empty_list(session: Any) -> None:
    assert session.prearchive.sessions() == []


def test_sessions_lists_what_waits(session: Any, waiting: Any) -> None:
    found = session.prearchive.sessions()
    assert isinstance(found, list)
    assert found == [waiting]
    assert session.prearchive.sessions("brainimages") == [waiting]
    assert session.prearchive.sessions(project=session.projects["other"]) == []


def test_sessions_of_an_unknown_project(session: Any) -> None:
    with pytest.raises(XNATNotFoundError):
        session.prearchive.sessions("nowhere")


def test_sessions_is_asked_anew_each_time(server: Sandbox, session: Any, second: Any, waiting: Any) -> None:
    assert len(session.prearchive.sessions()) == 1
    second.prearchive.sessions()[0].delete()
    assert session.prearchive.sessions() == []


def test_sessions_costs_one_request_and_answers_for_all_attributes(server: Sandbox, session: Any, waiting: Any) -> None:
    with server.record() as requests:
        (found,) = session.prearchive.sessions()
        assert (found.status, found.subject, found.name, found.tag) == (
            "READY",
            "CompressedSamples_MR1",
            "4MR1",
            MR_UID,
        )
        assert repr(found)
    assert [entry.path for entry in requests] == ["/data/prearchive/projects"]


def test_sessions_brings_known_objects_up_to_date(session: Any, second: Any, waiting: Any) -> None:
    assert waiting.subject == "CompressedSamples_MR1"
    second.post(
        "/data/services/import", data=packed(MR), headers={"Content-Type": "application/zip"},
        query={"dest": "/prearchive", "project": "brainimages", "subject": "renamed", "overwrite": "delete"},
    )  # fmt: skip
    changed = [found for found in session.prearchive.sessions() if found.id == waiting.id]
    if changed:
        assert changed[0] is waiting
        assert waiting.subject == changed[0].data["subject"]


def test_receiving_sessions_are_left_out_unless_asked_for(session: Any, second: Any, projects: Any) -> None:
    second.post(
        "/data/services/import", data=packed(MR), headers={"Content-Type": "application/zip"},
        query={"import-handler": "DICOM-zip", "project": "brainimages"},
    )  # fmt: skip
    assert session.prearchive.sessions() == []
    (receiving,) = session.prearchive.sessions(allow_receiving=True)
    assert receiving.status == "RECEIVING"
    assert session.prearchive.find(project="brainimages") == []
    assert session.prearchive.find(allow_receiving=True) == [receiving]
    assert session.prearchive.find(status="RECEIVING") == [receiving]


def test_find(session: Any, send: Callable[..., Any]) -> None:
    mr, ct = send(MR), send(CT, project="other")
    find = session.prearchive.find
    assert find(project="other") == [ct]
    assert find(subject="CompressedSamples_MR1") == [mr]
    assert find(subject="Compressed*") == sorted([mr, ct], key=find().index)
    assert find(session=ct.name) == [ct]
    assert find(session="no") == []
    assert find(status="ready", project="brainimages") == [mr]


# -- attributes -------------------------------------------------------------------------------------------------------


def test_documented_attributes(waiting: Any) -> None:
    assert isinstance(waiting, XNATBaseObject)
    now = datetime.datetime.now()
    assert waiting.project == "brainimages"
    assert waiting.name == waiting.label == waiting.folder_name == "4MR1"
    assert abs(waiting.timestamp - now) < datetime.timedelta(days=1.1)
    assert abs(waiting.uploaded - now) < datetime.timedelta(days=1.1)
    assert abs(waiting.lastmod - now) < datetime.timedelta(days=1.1)
    assert waiting.scan_date == datetime.date(2004, 8, 26)
    assert waiting.scan_time == datetime.time(18, 50, 59)
    assert (waiting.prevent_anon, waiting.prevent_auto_commit) == (False, False)
    assert waiting.autoarchive == "AutoArchive"
    assert waiting.xpath == "xnatpy:prearchiveSession"
    assert waiting.data["status"] == waiting.fulldata["data_fields"]["status"] == "READY"


def test_id_and_repr_name_project_time_and_session(server: Sandbox, session: Any, waiting: Any) -> None:
    project, timestamp, name = waiting.uri.split("/")[4:]
    assert waiting.id == f"{project}/{timestamp}/{name}" == f"brainimages/{timestamp}/4MR1"
    session.clearcache()
    with server.record() as requests:
        assert repr(waiting) == f"<PrearchiveSession brainimages/{timestamp}/4MR1>"
    assert not requests


def test_one_request_for_all_attributes(server: Sandbox, session: Any, waiting: Any) -> None:
    session.clearcache()
    with server.record() as requests:
        assert (waiting.status, waiting.subject, waiting.uploaded is None) == ("READY", "CompressedSamples_MR1", False)
    assert [entry.path for entry in requests] == [waiting.uri]


def test_without_caching_each_look_asks(server: Sandbox, waiting: Any) -> None:
    waiting.caching = False
    with server.record() as requests:
        assert waiting.status == waiting.status == "READY"
    assert len(requests) == 2


def test_time_that_cannot_be_read_is_none(server: Sandbox, session: Any, waiting: Any) -> None:
    def spoil(data: bytes) -> bytes:
        answer = json.loads(data)
        answer["ResultSet"]["Result"][0].update(
            uploaded="soon", scan_date="2001-09-24 00:00:00.0", scan_time="", prevent_anon=""
        )
        return json.dumps(answer).encode()

    server.faults.add(faults.body(spoil), path=waiting.uri)
    session.clearcache()
    assert waiting.uploaded is None
    assert waiting.scan_date == datetime.date(2001, 9, 24)
    assert waiting.scan_time is None
    assert waiting.prevent_anon is None


def test_server_that_cannot_tell_about_one_session_is_asked_for_all(
    server: Sandbox, session: Any, waiting: Any
) -> None:
    # XNAT 1.7.0 to 1.7.2
    server.faults.add(faults.status(404), path=waiting.uri + "$", times=None)
    session.clearcache()
    assert waiting.status == "READY"


def test_session_that_is_gone(session: Any, second: Any, waiting: Any) -> None:
    second.prearchive.sessions()[0].delete()
    session.clearcache()
    with pytest.raises(XNATNotFoundError):
        _ = waiting.status


def test_nothing_can_be_written_or_created_there(session: Any, waiting: Any) -> None:
    for thing in (waiting, waiting.scans[0]):
        with pytest.raises(XNATValueError, match="in the prearchive"):
            thing.set("note", "x")
    with pytest.raises(XNATValueError, match="import_"):
        PrearchiveSession(xnat_session=session, name="x")


def test_below_a_context_path() -> None:
    with (
        Sandbox(context_path="/xnat") as server,
        xnat.connect(server.url, user="admin", password="admin") as session,
    ):
        session.classes.ProjectData(parent=session, name="P")
        waiting = session.services.import_(data=packed(MR), project="P", destination="/prearchive")
        assert session.prearchive.sessions() == [waiting]
        response = session.post(
            "/data/services/archive", query={"src": waiting.uri, "redirect": "true"}, accepted_status=[303]
        )
        assert session.create_object(answer_uris(response)[0]).project == "P"


@pytest.mark.parametrize("version", ["1.6.4", "1.7.4"])
def test_older_servers(version: str) -> None:
    with (
        Sandbox(xnat_version=version) as server,
        xnat.connect(server.url, user="admin", password="admin") as session,
    ):
        session.classes.ProjectData(parent=session, name="P")
        waiting = session.services.import_(data=packed(MR), project="P", destination="/prearchive")
        assert waiting.archive(subject="S", experiment="E").label == "E"


def test_object_at_a_path(session: Any, waiting: Any) -> None:
    assert session.create_object(waiting.uri) is waiting
    scan = waiting.scans[0]
    assert session.create_object(scan.uri) is scan
    assert session.create_object(scan.files[0].uri).name == MR
    with pytest.raises(XNATValueError):
        session.create_object(f"{waiting.uri}/elsewhere")


# -- contents ---------------------------------------------------------------------------------------------------------


def test_scans_are_a_list_that_also_knows_ids(waiting: Any) -> None:
    scans = waiting.scans
    assert [type(scan).__name__ for scan in scans] == ["PrearchiveScan"]
    assert len(scans) == 1
    assert scans[0] is scans[-1] is scans["1"]
    assert scans[0:1] == [scans[0]]
    assert "1" in scans
    assert scans[0] in scans
    assert scans == [scans[0]]
    assert scans.keys() == ["1"]
    assert repr(scans[0]) == "<PrearchiveScan 1>"
    with pytest.raises(KeyError):
        scans["7"]
    with pytest.raises(IndexError):
        scans[1]


def test_scans_by_series_description(send: Callable[..., Any]) -> None:
    series = sorted((DICOM / "dicomdirtests/98892003").rglob("MR700/*"))
    found = send(*(str(path.relative_to(DICOM)) for path in series))
    scan = found.scans[0]
    assert scan.series_description
    assert found.scans[scan.series_description] is scan
    assert repr(scan) == f"<PrearchiveScan {scan.series_description} ({scan.id})>"
    assert len(scan.files) == len(series)


def test_resources_and_files(server: Sandbox, waiting: Any) -> None:
    scan = waiting.scans[0]
    (resource,) = scan.resources
    assert (resource.label, resource.file_count, resource.file_size) == ("DICOM", 1, (DICOM / MR).stat().st_size)
    (file,) = resource.files
    assert (file.name, file.size) == (MR, (DICOM / MR).stat().st_size)
    assert scan.files[MR] == file
    with server.record() as requests:
        assert [each.name for each in scan.files] == [MR]
        assert scan.files[0].data["Name"] == MR
    assert not requests


def test_scan_is_looked_up_in_its_listing_when_stale(server: Sandbox, session: Any, waiting: Any) -> None:
    scan = waiting.scans[0]
    session.clearcache()
    with server.record() as requests:
        assert scan.data["xsiType"] == "xnat:mrScanData"
        assert scan.data["ID"] == "1"
    assert [entry.path for entry in requests] == [f"{waiting.uri}/scans"]


def test_parts_found_by_their_path_know_what_they_are_in(second: Any, waiting: Any) -> None:
    second.caching = True
    file = second.create_object(waiting.scans[0].resources[0].files[0].uri)
    assert (file.name, file.size) == (MR, (DICOM / MR).stat().st_size)
    assert (file.parent.label, file.parent.file_count) == ("DICOM", 1)
    scan = file.parent.parent
    assert scan.data["xsiType"] == "xnat:mrScanData"
    assert scan.parent.status == "READY"
    assert repr(file.parent) == "<PrearchiveResource DICOM>"


def test_clearcache_of_a_part_asks_for_its_listing_again(server: Sandbox, waiting: Any) -> None:
    scan = waiting.scans[0]
    scan.clearcache()
    with server.record() as requests:
        assert scan.data["ID"] == "1"
    assert [entry.path for entry in requests] == [f"{waiting.uri}/scans"]


def test_scan_that_is_gone(server: Sandbox, second: Any, waiting: Any) -> None:
    scan = waiting.scans[0]
    second.delete(scan.uri)
    scan.clearcache()
    with pytest.raises(XNATNotFoundError, match="any more"):
        _ = scan.data


def test_repr_of_scans_asks_once(server: Sandbox, waiting: Any) -> None:
    with server.record() as requests:
        assert "<PrearchiveScan 1>" in repr(waiting.scans)
        assert waiting.scans._repr_html_()
    assert len(requests) == 1


def test_caching_of_the_prearchive(server: Sandbox, session: Any, waiting: Any) -> None:
    prearchive = session.prearchive
    assert prearchive.xnat_session is session
    assert prearchive.caching is True
    prearchive.caching = False
    (found,) = prearchive.sessions()
    with server.record() as requests:
        assert found.status == "READY"
    assert len(requests) == 1
    del prearchive.caching
    assert prearchive.caching is True


def test_downloads(waiting: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = waiting.scans[0]
    path = waiting.download(str(tmp_path / "session.zip"))
    assert path == str(tmp_path / "session.zip")
    for target in (path, scan.download(tmp_path / "scan.zip", verbose=False)):
        with zipfile.ZipFile(target) as archive:
            (member,) = archive.namelist()
            assert member.endswith(MR)
            assert archive.read(member) == (DICOM / MR).read_bytes()
    assert zipfile.is_zipfile(scan.resources[0].download(tmp_path / "resource.zip"))
    file = scan.files[0].download(tmp_path / "plain.dcm")
    assert Path(file).read_bytes() == (DICOM / MR).read_bytes()


def test_cut_download_leaves_nothing(server: Sandbox, waiting: Any, tmp_path: Path) -> None:
    file = waiting.scans[0].files[0]
    server.faults.add(faults.cut(100), path="/files/", times=None)
    with pytest.raises(XNATError):
        file.download(tmp_path / "plain.dcm")
    assert list(tmp_path.iterdir()) == []


def test_open_reads_the_file_and_nothing_else(server: Sandbox, second: Any, waiting: Any) -> None:
    file = waiting.scans[0].files[0]
    with file.open() as stream:
        assert stream.read() == (DICOM / MR).read_bytes()
        stream.seek(-4, 2)
        assert stream.read() == (DICOM / MR).read_bytes()[-4:]
    second.prearchive.sessions()[0].delete()
    with pytest.raises(XNATNotFoundError):
        file.open()


def test_dicom_headers(waiting: Any) -> None:
    scan = waiting.scans[0]
    (row,) = scan.dicom_dump(fields="PatientID")
    assert (row["tag1"], row["value"]) == ("(0010,0020)", "4MR1")
    assert len(scan.dicom_dump(["PatientID", "00100010"])) == 2
    assert len(scan.dicom_dump()) > 50
    assert scan.read_dicom().PatientID == "4MR1"
    assert "PixelData" in scan.read_dicom(MR, read_pixel_data=True)
    assert "PixelData" not in scan.files[0].read_dicom()


# -- archiving --------------------------------------------------------------------------------------------------------


def test_archive_gives_the_experiment(session: Any, second: Any, waiting: Any) -> None:
    projects = session.projects
    assert len(projects["brainimages"].experiments) == 0
    experiment = waiting.archive(subject="ANONYMIZ3", experiment="ANONYMIZ3")
    assert repr(experiment) == f"<MrSessionData ANONYMIZ3 ({experiment.id})>"
    assert projects["brainimages"].experiments.keys() == [experiment.id]
    assert second.projects["brainimages"].subjects["ANONYMIZ3"].experiments["ANONYMIZ3"].id == experiment.id
    assert second.prearchive.sessions() == []


def test_archive_sends_what_it_was_told(server: Sandbox, waiting: Any) -> None:
    with server.record() as requests:
        waiting.archive(
            overwrite="append",
            quarantine=True,
            trigger_pipelines=False,
            project="brainimages",
            subject="S",
            experiment="E",
        )
    (query,) = [entry.query for entry in requests if entry.path == "/data/services/archive"]
    for part in ("auto-archive=false", "overwrite=append", "quarantine=true", "triggerPipelines=false", "session=E"):
        assert part in str(query)


def test_archive_into_another_project_given_as_object(session: Any, second: Any, waiting: Any) -> None:
    waiting.archive(project=session.projects["other"], subject="S", experiment="E")
    assert second.projects["other"].experiments["E"].subject.label == "S"


def test_archive_understands_redirects(server: Sandbox, session: Any, waiting: Any) -> None:
    def redirected(data: bytes) -> bytes:
        return b"<html><body>The experiment</body></html>"

    location = {"Location": "http://localhost/data/archive/projects/brainimages/subjects/S/experiments/E?format=html"}
    other = session.classes.SubjectData(parent=session.projects["brainimages"], label="S")
    made = session.classes.MrSessionData(parent=other, label="E")
    server.faults.add(faults.status(303, "see there", location), path="/data/services/archive")
    assert waiting.archive() == made


def test_archive_of_an_answer_without_path(server: Sandbox, waiting: Any) -> None:
    server.faults.add(faults.status(200, "fine"), path="/data/services/archive")
    with pytest.raises(XNATResponseError, match="names no REST path"):
        waiting.archive()


def test_archive_with_form_writes_keeps_labels_out_of_the_url(
    server: Sandbox, session: Any, second: Any, waiting: Any
) -> None:
    session.form_writes = True
    with server.record() as requests:
        waiting.archive(subject="secret", experiment="E")
    assert not [entry for entry in requests if entry.method == "POST" and "secret" in str(entry.query)]
    assert "secret" in second.projects["brainimages"].subjects


@pytest.mark.parametrize("wrong", [{"overwrite": "yes"}, {"overwrite": True}])
def test_archive_refuses_other_overwrites(server: Sandbox, waiting: Any, wrong: dict[str, Any]) -> None:
    with server.record() as requests, pytest.raises(ValueError, match="none, append, delete"):
        waiting.archive(**wrong)
    assert not requests


@pytest.mark.parametrize("name", ["quarantine", "trigger_pipelines"])
def test_archive_refuses_flags_that_are_no_truth_value(waiting: Any, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        waiting.archive(**{name: "false"})


def test_archive_conflict(send: Callable[..., Any]) -> None:
    send().archive(subject="S", experiment="E")
    with pytest.raises(XNATResponseError) as caught:
        send().archive(subject="S", experiment="E")
    assert isinstance(caught.value, XNATConflictError) or caught.value.status_code is not None


# -- moving and the like ----------------------------------------------------------------------------------------------


def test_delete(second: Any, waiting: Any) -> None:
    response = waiting.delete()
    assert response.status_code == 200
    assert second.prearchive.sessions() == []


def test_rebuild_and_wait(waiting: Any) -> None:
    assert waiting.rebuild(asynchronous=True).status_code == 200
    assert waiting.wait() is waiting
    assert waiting.status == "READY"


def test_move_takes_the_object_along(session: Any, second: Any, waiting: Any) -> None:
    timestamp = waiting.timestamp
    response = waiting.move("other")
    assert response.status_code == 200
    waiting.wait(timeout=30)
    assert (waiting.project, waiting.timestamp) == ("other", timestamp)
    assert [found.id for found in second.prearchive.sessions()] == [waiting.id]
    assert session.prearchive.sessions("other") == [waiting]
    assert waiting.scans[0].files[0].name == MR
    waiting.archive(subject="S", experiment="E")
    assert second.projects["other"].experiments.keys()


def test_move_to_an_unknown_project(second: Any, waiting: Any) -> None:
    with pytest.raises(XNATNotFoundError):
        waiting.move("nowhere")
    assert waiting.project == "brainimages"
    assert second.prearchive.sessions()[0].project == "brainimages"


@pytest.mark.parametrize(("flag", "text"), [(True, "async=true"), (False, "async=false")])
def test_asynchronous_flag(server: Sandbox, waiting: Any, flag: bool, text: str) -> None:
    with server.record() as requests:
        waiting.rebuild(flag)
    assert text in str(requests[0].query)


def test_sessions_are_where_their_url_says(server: Sandbox, session: Any, waiting: Any) -> None:
    """Also if other columns of the list have something else; and whatever else the url begins with."""
    stamp = waiting.uri.split("/")[5].encode()
    other = faults.body(lambda data: data.replace(b'"timestamp": "' + stamp, b'"timestamp": "20200101_000000000'))
    server.faults.add(other, path="/data/prearchive/projects$", times=None)
    found = session.prearchive.sessions()
    assert found == [waiting]
    assert found[0].uri == waiting.uri
    longer = faults.body(lambda data: data.replace(b'"url": "', b'"url": "http://example.org/xnat/data'))
    server.faults.add(longer, path="/data/prearchive/projects$", times=None)
    assert [again.uri for again in session.prearchive.sessions()] == [waiting.uri]


def test_archive_is_answered_by_a_path_of_another_kind(server: Sandbox, waiting: Any) -> None:
    there = server.faults.add(faults.body(lambda data: b"/data/things/12"), path="/data/services/archive$")
    with pytest.raises(XNATNotFoundError, match="/data/things/12"):
        waiting.archive(subject="S", experiment="E")
    assert there.hits == 1


def test_wait_gives_up(waiting: Any) -> None:
    with pytest.raises(XNATTimeoutError, match="READY after"):
        waiting.wait("ARCHIVING", timeout=0.05, interval=0.01)


def test_wait_tells_of_errors(server: Sandbox, waiting: Any) -> None:
    server.faults.add(faults.body(lambda data: data.replace(b"READY", b"ERROR")), path=waiting.uri + "$")
    with pytest.raises(XNATResponseError, match="became ERROR"):
        waiting.wait()


# -- what is there no more, or never was ------------------------------------------------------------------------------


def test_a_session_of_which_the_server_lists_nothing(server: Sandbox, waiting: Any) -> None:
    nothing = json.dumps({"ResultSet": {"Result": []}}).encode()
    server.faults.add(faults.body(lambda data: nothing), path="^/data/prearchive/projects/[^/]+/[^/]+/[^/]+$")
    waiting.clearcache()
    with pytest.raises(XNATNotFoundError, match="no prearchive session"):
        waiting.tag  # noqa: B018


def test_one_of_several_where_the_server_cannot_tell_about_one(server: Sandbox, send: Callable[..., Any]) -> None:
    send(subject="OTHER", experiment="OTHER")
    mine = send(subject="MINE", experiment="MINE")
    server.faults.add(faults.status(404), path="^/data/prearchive/projects/[^/]+/[^/]+/[^/]+$", times=None)
    mine.clearcache()
    assert mine.name == "MINE"
    mine._uri = f"{mine.uri}-gone"
    mine.clearcache()
    with pytest.raises(XNATNotFoundError):
        mine.tag  # noqa: B018


@pytest.mark.parametrize("nowhere", ["", None])
def test_move_needs_a_project(server: Sandbox, waiting: Any, nowhere: Any) -> None:
    with server.record() as requests, pytest.raises(XNATValueError, match="give its ID"):
        waiting.move(nowhere)
    assert len(requests) == 0


def test_headers_by_file_and_of_scans_without_files(server: Sandbox, waiting: Any) -> None:
    scan = waiting.scans[0]
    assert scan.read_dicom(scan.files[0]).PatientID == "4MR1"
    nothing = json.dumps({"ResultSet": {"Result": []}}).encode()
    server.faults.add(faults.body(lambda data: nothing), path="/files$", times=None)
    scan.clearcache()
    waiting.clearcache()
    with pytest.raises(XNATValueError, match="has no files"):
        waiting.scans[0].read_dicom()


def test_a_part_that_nobody_listed_forgets(session: Any, waiting: Any) -> None:
    scan = session.create_object(f"{waiting.uri}/scans/1")
    scan.clearcache()
    assert scan.id == "1"
