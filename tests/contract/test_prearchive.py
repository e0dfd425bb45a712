"""Contract I9-I17: sessions that wait in the prearchive."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.contract_tools import DICOM, MR, MR_UID, Api, eventually, packed, series_700

COLUMNS = {
    "project", "timestamp", "lastmod", "uploaded", "scan_date", "scan_time", "subject", "folderName", "name", "tag",
    "status", "url", "autoarchive", "prevent_anon", "prevent_auto_commit", "SOURCE", "VISIT", "PROTOCOL", "TIMEZONE",
}  # fmt: skip


@pytest.fixture
def api(sandbox: Any) -> Iterator[Api]:
    with Api.of(sandbox) as api:
        yield api


@pytest.fixture
def project(api: Api) -> str:
    """A project whose uploads wait until somebody archives them."""
    return api.new_project(code="0")


@pytest.fixture
def waiting(api: Api, project: str) -> str:
    """The URI of a session in the prearchive of ``project``."""
    return api.uploaded(packed(MR), dest=f"/prearchive/projects/{project}")


def test_i9_listing(api: Api, project: str, waiting: str) -> None:
    table = api.get("/data/prearchive/projects", format="json").json()["ResultSet"]
    assert "totalRecords" not in table
    row = next(row for row in table["Result"] if row["project"] == project)
    assert set(row) == COLUMNS
    assert row["url"] == waiting.removeprefix("/data")
    assert row["scan_date"] == "2004-08-26"
    assert row["tag"] == MR_UID
    assert row["status"] == "READY"
    assert row["autoarchive"] == "Manual"
    assert all(isinstance(value, str) for value in row.values())


def test_i9_listing_of_one_project(api: Api, project: str, waiting: str) -> None:
    assert [row["url"] for row in api.rows(f"/data/prearchive/projects/{project}")] == [waiting.removeprefix("/data")]
    assert api.get("/data/prearchive/projects/NOSUCHPROJECT").status_code == 404


def test_i9_one_session(api: Api, waiting: str) -> None:
    (row,) = api.rows(waiting)
    assert row["url"] == waiting.removeprefix("/data")
    document = api.get(waiting)
    assert document.status_code == 200
    assert "MRSession" in document.text
    assert api.get(waiting, format="nonsense").status_code == 400
    assert api.get(f"{waiting}X", format="json").status_code == 404


def test_i10_scans_resources_files(api: Api, waiting: str) -> None:
    (scan,) = api.rows(f"{waiting}/scans")
    assert {"ID", "xsiType", "series_description"} == set(scan)
    assert (scan["ID"], scan["xsiType"]) == ("1", "xnat:mrScanData")
    size = str((DICOM / MR).stat().st_size)
    assert api.rows(f"{waiting}/scans/1/resources") == [{"label": "DICOM", "file_count": "1", "file_size": size}]
    (file,) = api.rows(f"{waiting}/scans/1/resources/DICOM/files")
    assert {"Name", "Size", "URI"} == set(file)
    assert (file["Name"], file["Size"]) == (MR, size)


def test_i11_file_bytes(api: Api, waiting: str) -> None:
    response = api.get(f"{waiting}/scans/1/resources/DICOM/files/{MR}")
    assert response.content == (DICOM / MR).read_bytes()
    assert api.get(f"{waiting}/scans/1/resources/DICOM/files/nope.dcm").status_code == 404


def test_i11_zip_of_session_and_scan(api: Api, waiting: str) -> None:
    for path in (waiting, f"{waiting}/scans/1"):
        archive = zipfile.ZipFile(io.BytesIO(api.get(path, format="zip").content))
        assert [name.rsplit("/", 1)[-1] for name in archive.namelist()] == [MR]
    assert api.get(f"{waiting}/scans/1", format="json").status_code == 400


def test_i12_commit_of_a_manual_session_stays(api: Api, project: str) -> None:
    uri = api.uploaded(packed(MR), dest=f"/prearchive/projects/{project}", import_handler="gradual-DICOM")
    response = api.post(uri, action="commit")
    assert response.status_code == 200
    assert response.text.strip() == uri
    assert api.rows(uri)[0]["status"] == "READY"


def test_i13_commit_with_archiving(api: Api, waiting: str) -> None:
    response = api.post(waiting, action="commit", AA="true")
    assert response.status_code == 301
    assert response.text.startswith("/data/archive")
    assert api.get(response.text.strip(), format="json").status_code == 200


def test_i13_move(api: Api, waiting: str) -> None:
    other = api.new_project()
    response = api.post(waiting, action="move", newProject=other)
    assert response.status_code == 301
    assert eventually(lambda: len(api.rows(f"/data/prearchive/projects/{other}")) == 1)
    assert api.get(waiting, format="json").status_code == 404


def test_i13_build_and_unknown_action(api: Api, waiting: str) -> None:
    response = api.post(waiting, action="build")
    assert (response.status_code, response.text.strip()) == (200, waiting)
    assert api.post(waiting, action="nonsense").status_code == 400


@pytest.mark.parametrize("prefix", ["/data", ""], ids=["with /data", "without /data"])
def test_i14_archive(api: Api, project: str, waiting: str, prefix: str) -> None:
    source = prefix + waiting.removeprefix("/data")
    options = {"overwrite": "none", "project": project, "subject": "S2", "session": "E2"}
    response = api.post("/data/services/archive", src=source, **options)
    assert response.status_code == 200
    assert response.text == f"/data/archive/projects/{project}/subjects/S2/experiments/E2\r\n"
    assert eventually(lambda: api.rows(f"/data/prearchive/projects/{project}") == [])
    assert api.get(response.text.strip(), format="json").status_code == 200


def test_i14_archive_of_an_automatic_session_redirects(api: Api) -> None:
    project = api.new_project(code="4")
    dest = f"/prearchive/projects/{project}"
    first = api.uploaded(packed(MR), dest=dest, session="A")
    second = api.uploaded(packed(MR), dest=dest, session="B")
    assert api.post("/data/services/archive", src=first).status_code == 303
    plain = api.post("/data/services/archive", src=second, **{"auto-archive": "false"})
    assert (plain.status_code, plain.text.strip().rsplit("/", 1)[-1]) == (200, "B")


def test_i14_archive_of_an_unknown_session(api: Api, project: str) -> None:
    source = f"/data/prearchive/projects/{project}/20200101_000000000/NOPE"
    response = api.post("/data/services/archive", src=source)
    assert response.status_code == 404
    assert "Unknown prearchive session." in response.text


def test_i14_archive_of_a_busy_session(sandbox: Any, api: Api, waiting: str) -> None:
    if not hasattr(sandbox, "store"):
        pytest.skip("a real server cannot be told to be busy")
    project, stamp, folder = waiting.split("/")[-3:]
    row = sandbox.store.prearchive.get(project, stamp, folder)
    row.status = "ARCHIVING"
    sandbox.store.prearchive.save(row)
    response = api.post("/data/services/archive", src=waiting)
    assert response.status_code == 403
    assert "Operation already in progress on this prearchive entry." in response.text
    assert api.post(waiting, action="build").status_code == 409


def test_i14_archive_of_an_archived_path(api: Api, project: str) -> None:
    source = f"/archive/projects/{project}/subjects/S/experiments/E"
    assert api.post("/data/services/archive", src=source).status_code == 400


def test_i15_delete_service_with_query(api: Api, project: str, waiting: str) -> None:
    assert api.post("/data/services/prearchive/delete", src=waiting).status_code == 200
    assert eventually(lambda: api.rows(f"/data/prearchive/projects/{project}") == [])


def test_i15_delete_service_with_form(api: Api, project: str, waiting: str) -> None:
    form = {"src": waiting.removeprefix("/data")}
    response = api.send("POST", "/data/services/prearchive/delete", {"format": "csv"}, data=form)
    assert response.status_code == 200
    assert response.text.startswith("project,timestamp,")
    assert eventually(lambda: api.rows(f"/data/prearchive/projects/{project}") == [])


def test_i16_move_service(api: Api, project: str, waiting: str) -> None:
    other = api.new_project()
    response = api.post("/data/services/prearchive/move", src=waiting, newProject=other)
    assert response.status_code == 200
    assert eventually(lambda: api.rows(f"/data/prearchive/projects/{project}") == [])
    assert eventually(lambda: len(api.rows(f"/data/prearchive/projects/{other}")) == 1)
    missing = api.rows(f"/data/prearchive/projects/{other}")[0]["url"]
    assert api.post("/data/services/prearchive/move", src=missing, newProject="NOSUCHPROJECT").status_code == 404


def test_i16_rebuild_service(api: Api, waiting: str) -> None:
    assert api.post("/data/services/prearchive/rebuild", src=waiting).status_code == 200
    assert api.rows(waiting)[0]["status"] == "READY"


def test_i17_delete(api: Api, project: str, waiting: str) -> None:
    assert api.delete(waiting).status_code == 200
    assert eventually(lambda: api.rows(f"/data/prearchive/projects/{project}") == [])
    assert api.delete(waiting).status_code == 404


def test_i17_delete_with_more_in_the_path(api: Api, waiting: str) -> None:
    assert api.delete(f"{waiting}/more").status_code == 400
    assert api.get(waiting, format="json").status_code == 200


def test_delete_of_a_scan(api: Api, project: str) -> None:
    uri = api.uploaded(series_700(), dest=f"/prearchive/projects/{project}")
    assert api.delete(f"{uri}/scans/9").status_code == 404
    assert api.delete(f"{uri}/scans/700").status_code == 200
    assert api.rows(f"{uri}/scans") == []


def test_logs(api: Api, waiting: str) -> None:
    assert api.rows(f"{waiting}/logs")
    assert api.get(f"{waiting}/logs/last").text


def test_validate_archive(api: Api, waiting: str) -> None:
    table = api.post("/data/services/validate-archive", src=waiting, format="json")
    assert table.status_code == 200
    assert table.json()["ResultSet"]["Result"] == []


def test_conflicting_session_can_be_archived_under_another_label(api: Api, project: str, waiting: str) -> None:
    assert api.post("/data/services/archive", src=waiting).status_code == 200
    again = api.uploaded(packed(MR), dest=f"/prearchive/projects/{project}")
    assert api.post("/data/services/archive", src=again).status_code == 409
    assert api.rows(again)[0]["status"] == "CONFLICT"
    assert api.post("/data/services/archive", src=again, session="OTHER").status_code == 200
