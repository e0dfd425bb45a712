"""Services: imports of every kind, DICOM dumps, tokens, catalogs."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

import xnat
from xnat.exceptions import (
    XNATForbiddenError,
    XNATLoginFailedError,
    XNATNotFoundError,
    XNATResponseError,
    XNATUploadError,
    XNATValueError,
)
from xnat.prearchive import PrearchiveSession
from xnat.sandbox import Sandbox, faults
from xnat.services import DicomBoxImportRequest, Services, TokenResult

DICOM = Path(pydicom.data.__file__).parent / "test_files"
MR, CT = "MR_small.dcm", "CT_small.dcm"


def packed(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.write(DICOM / name, name)
    return out.getvalue()


@pytest.fixture
def mr_zip(tmp_path: Path) -> Path:
    path = tmp_path / "ANONYMIZ.zip"
    path.write_bytes(packed(MR))
    return path


@pytest.fixture
def project(session: Any) -> Any:
    return session.classes.ProjectData(parent=session, name="brainimages")


@pytest.fixture
def services(session: Any, project: Any) -> Services:
    found: Services = session.services
    return found


# -- import ------------------------------------------------------------------------------------------------------------


def test_import_gives_the_experiment(services: Services, second: Any, mr_zip: Path) -> None:
    experiment = services.import_(str(mr_zip), project="brainimages", subject="ANONYMIZ2", experiment="ANONYMIZ2")
    assert repr(experiment) == f"<MrSessionData ANONYMIZ2 ({experiment.id})>"
    stored = second.projects["brainimages"].subjects["ANONYMIZ2"].experiments["ANONYMIZ2"]
    (file,) = stored.scans["1"].files.values()
    with file.open() as stream:
        assert stream.read() == (DICOM / MR).read_bytes()


def test_import_makes_listings_that_were_looked_at_stale(services: Services, project: Any, mr_zip: Path) -> None:
    assert len(project.subjects) == len(project.experiments) == 0
    experiment = services.import_(mr_zip, project=project)
    assert project.experiments.keys() == [experiment.id]
    assert len(project.subjects) == 1


def test_import_into_the_prearchive(services: Services, second: Any, mr_zip: Path) -> None:
    found = services.import_(mr_zip, project="brainimages", destination="/prearchive")
    assert isinstance(found, PrearchiveSession)
    assert repr(found) == f"<PrearchiveSession {found.id}>"
    assert second.prearchive.sessions()[0].id == found.id
    assert len(second.projects["brainimages"].experiments) == 0


def test_import_takes_objects_for_names(
    services: Services, session: Any, second: Any, project: Any, mr_zip: Path
) -> None:
    subject = session.classes.SubjectData(parent=project, label="S")
    experiment = services.import_(mr_zip, project=project, subject=subject, experiment="E")
    assert experiment.subject.id == subject.id
    again = services.import_(mr_zip, project=project, subject=subject, experiment=experiment, overwrite="delete")
    assert again.id == experiment.id
    assert len(second.projects["brainimages"].experiments) == 1


@pytest.mark.parametrize("data", [packed(MR), io.BytesIO(packed(MR))], ids=["bytes", "file"])
def test_import_of_data(services: Services, second: Any, data: Any) -> None:
    assert services.import_(data=data, project="brainimages", experiment="E").label == "E"
    if isinstance(data, io.BytesIO):
        assert not data.closed
    assert second.projects["brainimages"].experiments["E"].scans.keys() == ["1"]


def test_import_of_a_stream_without_length(services: Services, second: Any) -> None:
    class Stream:
        def __init__(self) -> None:
            self.source = io.BytesIO(packed(MR))

        def read(self, size: int = -1) -> bytes:
            return self.source.read(size)

    services.import_(data=Stream(), project="brainimages", experiment="E")  # type: ignore[arg-type]
    assert second.projects["brainimages"].experiments["E"].scans.keys() == ["1"]


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), ("", "w:gz")])
def test_import_of_other_archives(services: Services, second: Any, tmp_path: Path, suffix: str, mode: Any) -> None:
    path = tmp_path / f"data{suffix}"
    with tarfile.open(path, mode) as archive:
        archive.add(DICOM / MR, MR)
    services.import_(path, project="brainimages", experiment="E", import_handler="DICOM-zip")
    assert second.projects["brainimages"].experiments["E"].scans.keys() == ["1"]


def test_import_of_one_dicom_file(services: Services, session: Any) -> None:
    found = services.import_(DICOM / MR, project="brainimages", destination="/prearchive")
    assert [file.name for file in found.scans[0].files] or found.status == "RECEIVING"


def test_import_of_several_sessions_gives_a_list(
    services: Services, second: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="xnat")
    found = services.import_(data=packed(MR, CT), project="brainimages")
    assert sorted(type(each).__name__ for each in found) == ["CtSessionData", "MrSessionData"]
    assert sorted(each.id for each in found) == sorted(second.projects["brainimages"].experiments.keys())
    assert "made 2 sessions" in caplog.text


def test_import_of_several_sessions_into_the_prearchive(services: Services, session: Any) -> None:
    found = services.import_(data=packed(MR, CT), project="brainimages", destination="prearchive")
    assert sorted(each.id for each in found) == sorted(each.id for each in session.prearchive.sessions())


def test_import_sends_what_it_was_told(server: Sandbox, services: Services, mr_zip: Path) -> None:
    with server.record() as requests:
        services.import_(
            mr_zip,
            overwrite="append",
            quarantine=True,
            trigger_pipelines=False,
            project="brainimages",
            import_handler="DICOM-zip",
            ignore_unparsable=True,
            query={"rename": "true"},
        )
    entry = next(entry for entry in requests if entry.path == "/data/services/import")
    for part in (
        "overwrite=append", "quarantine=true", "triggerPipelines=false", "import-handler=DICOM-zip",
        "Ignore-Unparsable=true", "rename=true",
    ):  # fmt: skip
        assert part in str(entry.query)
    assert entry.method == "POST"


def test_import_says_nothing_of_pipelines_and_quarantine_by_default(
    server: Sandbox, services: Services, mr_zip: Path
) -> None:
    with server.record() as requests:
        services.import_(mr_zip, project="brainimages")
    query = str(requests[0].query)
    assert "ipelines" not in query
    assert "quarantine" not in query


def test_quarantined_import(services: Services, second: Any, mr_zip: Path) -> None:
    experiment = services.import_(mr_zip, project="brainimages", quarantine=True)
    assert second.get(f"{experiment.uri}/status").text.startswith("quarantine")


def test_import_with_a_conflict(services: Services, mr_zip: Path) -> None:
    services.import_(mr_zip, project="brainimages", experiment="E")
    with pytest.raises(XNATResponseError):
        services.import_(mr_zip, project="brainimages", experiment="E")


def test_import_of_something_that_is_no_dicom(services: Services, second: Any, tmp_path: Path) -> None:
    path = tmp_path / "text.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("text.txt", "hello")
    with pytest.raises(XNATResponseError):
        services.import_(path, project="brainimages", import_handler="DICOM-zip")


def test_import_is_never_sent_twice(server: Sandbox, services: Services, mr_zip: Path) -> None:
    rule = server.faults.add(faults.close(), path="/data/services/import", times=None)
    with pytest.raises(XNATValueError):
        services.import_(mr_zip, project="brainimages")
    assert rule.hits == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({}, ValueError),
        ({"path": "x.zip", "data": b"x"}, ValueError),
        ({"path": "does-not-exist.zip"}, FileNotFoundError),
        ({"data": b""}, ValueError),
        ({"data": b"x", "overwrite": "yes"}, ValueError),
        ({"data": b"x", "destination": "/somewhere"}, ValueError),
        ({"data": b"x", "trigger_pipelines": "false"}, TypeError),
        ({"data": b"x", "quarantine": "false"}, TypeError),
        ({"data": b"x", "projekt": "P"}, TypeError),
    ],
)
def test_import_refuses_before_anything_is_sent(
    server: Sandbox, services: Services, wrong: dict[str, Any], error: type[Exception]
) -> None:
    with server.record() as requests, pytest.raises(error):
        services.import_(**wrong)
    assert not requests


def test_import_tells_of_progress(services: Services, mr_zip: Path) -> None:
    told: list[tuple[int, int | None, bool]] = []
    services.import_(mr_zip, project="brainimages", update_func=lambda *facts: told.append(facts))
    size = mr_zip.stat().st_size
    assert told[-1] == (size, size, True)


def test_import_dir(services: Services, second: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "deep"
    folder.mkdir(parents=True)
    (folder / MR).write_bytes((DICOM / MR).read_bytes())
    experiment = services.import_dir(tmp_path / "data", project="brainimages", subject="S", experiment="E")
    assert experiment.label == "E"
    assert second.projects["brainimages"].experiments["E"].scans.keys() == ["1"]


def test_import_dir_of_nothing(services: Services, tmp_path: Path) -> None:
    with pytest.raises(XNATValueError, match="no files"):
        services.import_dir(tmp_path, project="brainimages")
    with pytest.raises(XNATValueError, match="not a directory"):
        services.import_dir(tmp_path / "missing", project="brainimages")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.zip", "application/zip"),
        ("a.ZIP", "application/zip"),
        ("a.tar", "application/x-tar"),
        ("a.tar.gz", "application/x-gtar"),
        ("a.tgz", "application/x-gtar"),
        ("a.dcm", "application/dicom"),
        ("a.bin", "application/octet-stream"),
    ],
)
def test_guess_content_type(name: str, content_type: str) -> None:
    assert Services.guess_content_type(name) == content_type


def test_guess_content_type_by_content(tmp_path: Path) -> None:
    path = tmp_path / "I0001"
    path.write_bytes((DICOM / MR).read_bytes())
    assert Services.guess_content_type(path) == "application/dicom"
    path.write_bytes(packed(MR))
    assert Services.guess_content_type(path) == "application/zip"


# -- inbox -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def inbox(server: Sandbox) -> Path:
    folder = server.store.folder / "inbox" / "incoming"
    folder.mkdir(parents=True)
    (folder / MR).write_bytes((DICOM / MR).read_bytes())
    return folder


@pytest.mark.parametrize("cleanup", [True, False])
def test_import_dicom_inbox(services: Services, session: Any, inbox: Path, cleanup: bool) -> None:
    request = services.import_dicom_inbox("incoming", cleanup=cleanup, project="brainimages", subject="S")
    assert isinstance(request, DicomBoxImportRequest)
    assert (request.status, request.username) == ("Completed", "admin")
    assert (request.project_id, request.subject_id) == ("brainimages", "S")
    assert (request.cleanup_after_import, request.enabled) == (cleanup, True)
    assert request.created is not None
    assert request.timestamp is not None
    assert request.created <= request.timestamp
    assert inbox.exists() is not cleanup
    assert session.prearchive.sessions()
    assert request.session_path
    assert repr(request) == f"<DicomBoxImportRequest {request.id}>"


def test_inbox_request_is_asked_for_once_until_refreshed(server: Sandbox, services: Services, inbox: Path) -> None:
    request = services.import_dicom_inbox("incoming")
    with server.record() as requests:
        assert request.status == request.status
        assert request.refresh().status
    assert len(requests) == 2


def test_inbox_without_such_a_folder(services: Services) -> None:
    with pytest.raises(XNATNotFoundError):
        services.import_dicom_inbox("missing")


# -- DICOM dump --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scan(services: Services, mr_zip: Path) -> Any:
    return services.import_(mr_zip, project="brainimages", subject="S", experiment="E").scans["1"]


def test_dicom_dump_of_all(services: Services, scan: Any) -> None:
    rows = services.dicom_dump(scan)
    assert len(rows) > 50
    assert set(rows[0]) >= {"tag1", "tag2", "vr", "value", "desc"}


@pytest.mark.parametrize("field", ["PatientID", "00100020", "(0010,0020)", "0010,0020", 0x00100020])
def test_dicom_dump_of_one_field(services: Services, scan: Any, field: Any) -> None:
    (row,) = services.dicom_dump(scan, [field])
    assert (row["tag1"], row["value"]) == ("(0010,0020)", "4MR1")
    if isinstance(field, str):
        assert services.dicom_dump(scan, field) == [row]


def test_dicom_dump_by_every_address(services: Services, scan: Any) -> None:
    expected = services.dicom_dump(scan, "PatientID")
    experiment = scan.image_session
    for address in (
        scan.uri,
        scan.fulluri,
        f"/data/archive/projects/brainimages/subjects/S/experiments/E/scans/{scan.id}",
        f"/archive/projects/brainimages/experiments/E/scans/{scan.id}",
        f"/data/experiments/{experiment.id}/scans/{scan.id}",
        f"/data/archive/experiments/{experiment.id}/scans/{scan.id}",
        experiment,
    ):
        assert services.dicom_dump(address, "PatientID") == expected


def test_dicom_dump_of_unknown_fields_and_sessions(services: Services, scan: Any) -> None:
    with pytest.raises(XNATResponseError) as caught:
        services.dicom_dump(scan, "NoSuchField")
    assert caught.value.status_code == 400
    with pytest.raises(XNATNotFoundError):
        services.dicom_dump("/archive/projects/brainimages/experiments/no/scans/1")


def test_dicom_dump_values_are_plain_text(server: Sandbox, services: Services, scan: Any) -> None:
    def escape(data: bytes) -> bytes:
        answer = json.loads(data)
        answer["ResultSet"]["Result"][0]["value"] = "M&uuml;ller &amp; Co &lt;x&gt;"
        return json.dumps(answer).encode()

    server.faults.add(faults.body(escape), path="dicomdump")
    assert services.dicom_dump(scan, "PatientName")[0]["value"] == "Müller & Co <x>"


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_token_works_for_login_until_it_is_invalidated(server: Sandbox, services: Services) -> None:
    token = services.issue_token()
    assert isinstance(token, TokenResult)
    assert token == (token.alias, token.secret)
    with xnat.connect(server.url, user=token.alias, password=token.secret, no_parse_model=True) as other:
        assert other.get("/data/auth").text.startswith("User 'admin' is logged in")
    assert services.validate_token(token) == services.validate_token(token.alias, token.secret) == "admin"
    assert services.invalidate_token(token) is True
    assert services.invalidate_token("00000000-0000-0000-0000-000000000000") is False
    assert services.validate_token(token) is None
    with pytest.raises(XNATLoginFailedError):
        xnat.connect(server.url, user=token.alias, password=token.secret, no_parse_model=True)


def test_token_for_somebody_else_needs_an_administrator(server: Sandbox, services: Services) -> None:
    server.add_user("jane", "secret")
    assert services.validate_token(services.issue_token("jane")) == "jane"
    with xnat.connect(server.url, user="jane", password="secret", no_parse_model=True) as jane:
        assert jane.services.validate_token(jane.services.issue_token()) == "jane"
        with pytest.raises(XNATForbiddenError):
            jane.services.issue_token("admin")


def test_token_needs_its_secret_for_validation(services: Services) -> None:
    with pytest.raises(XNATValueError):
        services.validate_token("alias")


def test_answer_without_a_token(server: Sandbox, services: Services) -> None:
    server.faults.add(faults.status(200, "{}"), path="tokens/issue")
    with pytest.raises(XNATResponseError, match="no token"):
        services.issue_token()


# -- catalogs ----------------------------------------------------------------------------------------------------------


def test_refresh_catalog(server: Sandbox, services: Services, scan: Any) -> None:
    resource = scan.resources["DICOM"]
    with server.record() as requests:
        assert services.refresh_catalog(resource, checksum=True, populate_stats=True) is None  # type: ignore[func-returns-value]
        services.refresh_catalog(scan.image_session.uri, append=True)
    first, last = (str(entry.query) for entry in requests if entry.path == "/data/services/refresh/catalog")
    assert "options=checksum" in first
    assert "options=populateStats" in first
    assert "options=append" in last
    assert "resource=/archive/projects/brainimages" in first.replace("%2F", "/")


def test_import_of_a_file_that_shrinks_is_not_waited_for(services: Services, second: Any, tmp_path: Path) -> None:
    path = tmp_path / "growing.zip"
    path.write_bytes(packed(MR) + b"\0" * 600_000)

    def shrink(done: int, total: int | None, finished: bool) -> None:
        path.write_bytes(b"")

    with pytest.raises(XNATUploadError, match="shrank"):
        services.import_(path, project="brainimages", subject="s", experiment="e", update_func=shrink)
    assert len(second.projects["brainimages"].experiments) == 0


def test_inbox_request_without_times(server: Sandbox, services: Services, inbox: Path) -> None:
    request = services.import_dicom_inbox("incoming")

    def timeless(data: bytes) -> bytes:
        return json.dumps({**json.loads(data), "created": None, "timestamp": "soon"}).encode()

    server.faults.add(faults.body(timeless), path="^/xapi/", method="GET", times=None)
    assert (request.refresh().created, request.timestamp) == (None, None)


@pytest.mark.parametrize("fields", [5, {"PatientID": 1}])
def test_dicom_dump_of_what_is_no_field(server: Sandbox, scan: Any, fields: Any) -> None:
    with server.record() as requests, pytest.raises(XNATValueError, match="should be list or a str"):
        scan.dicom_dump(fields)
    assert len(requests) == 0
