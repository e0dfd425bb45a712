"""Numbered items of the documented API: the session (A43-A60, A74)."""

from __future__ import annotations

import datetime
import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from xnat import exceptions
from xnat.core import XNATListing
from xnat.prearchive import Prearchive
from xnat.sandbox import Sandbox, faults
from xnat.services import Services
from xnat.session import XNATSession, default_update_func
from xnat.users import Users

from .conftest import connect


@pytest.fixture(scope="module")
def archive(demo: Sandbox) -> Iterator[Any]:
    """A session on the demo content, for tests that only read."""
    with connect(demo) as session:
        yield session


def queries(entries: Any) -> list[str]:
    return [f"{entry.method} {entry.path}?{entry.query}".rstrip("?") for entry in entries]


def test_a43_a_session_can_be_made_from_its_documented_arguments(server: Sandbox) -> None:
    log = logging.getLogger("a43")
    session = XNATSession(server.url, log, None, "admin", "admin", None, True, "http://before.example", "admin")
    assert (session.server, session.logger, session.debug, session.logged_in_user) == (server.url, log, True, "admin")
    assert session.keepalive is False
    session.disconnect()


def test_a44_entry_points(session: Any) -> None:
    for name in ("projects", "subjects", "experiments"):
        assert isinstance(getattr(session, name), XNATListing)
    assert isinstance(session.prearchive, Prearchive)
    assert isinstance(session.services, Services)
    assert isinstance(session.users, Users)


def test_a45_clearcache_and_caching(world: Any, session: Any, second: Any, server: Sandbox) -> None:
    assert len(world.subjects) == 1
    second.classes.SubjectData(parent=second.projects["P"], label="S2")
    assert len(world.subjects) == 1
    session.clearcache()
    assert len(world.subjects) == 2
    session.caching = False
    second.classes.SubjectData(parent=second.projects["P"], label="S3")
    assert len(world.subjects) == 3
    session.caching = True
    with server.record() as asked:
        len(world.subjects), len(world.subjects)
    assert len(list(asked)) == 1


def test_a46_get(archive: Any, demo: Sandbox) -> None:
    with demo.record() as asked:
        response = archive.get(
            "/data/archive/projects", "csv", {"columns": ["ID", "name"]}, [200], (5, 60), {"Accept": "text/csv"}
        )
    assert isinstance(response, requests.Response)
    assert response.text.startswith("ID,")
    (entry,) = asked
    assert entry.query.count("columns=") == 2
    assert "format=csv" in entry.query
    assert entry.headers["Accept"] == "text/csv"
    with pytest.raises(exceptions.XNATResponseError, match="404"):
        archive.get("/data/projects/NOPE")
    assert archive.get("/data/projects/NOPE", accepted_status=[200, 404]).status_code == 404
    assert archive.get("/data/projects", format="json", query={"format": "xml"}).json()["ResultSet"]


def test_a47_head(archive: Any, demo: Sandbox) -> None:
    response = archive.head("/data/projects", [200], False, 30, {"Accept": "*/*"})
    assert response.status_code == 200
    assert response.content == b""
    with pytest.raises(exceptions.XNATNotFoundError):
        archive.head("/data/projects/NOPE")
    demo.faults.add(faults.redirect("/data/projects"), path="^/data/moved", times=2)
    assert archive.head("/data/moved", accepted_status=[302]).status_code == 302
    assert archive.head("/data/moved", allow_redirects=True).status_code == 200
    demo.faults.clear()


def test_a48_post(session: Any, server: Sandbox) -> None:
    assert session.post("/data/projects", query={"ID": "P"}).status_code in (200, 201)
    session.post(
        "/data/projects/P/subjects", {"label": "S"}, None, None, {"label": "S"}, [200, 201], 30, {"X-Mine": "1"}
    )
    assert "S" in session.projects["P"].subjects
    token = session.get_json("/data/services/tokens/issue")
    assert token["alias"]
    with pytest.raises(exceptions.XNATNotFoundError):
        session.post("/data/nothing", json={"a": 1})


def test_a49_put(session: Any) -> None:
    session.put("/data/projects/P")
    session.put("/data/projects/P/subjects/S", query={"gender": "female"})
    assert session.projects["P"].subjects["S"].demographics.gender == "female"
    uri = "/data/projects/P/resources/R/files/a.bin"
    session.put(uri, data=b"one", headers={"Content-Type": "application/octet-stream"})
    session.put(
        "/data/projects/P/resources/R/files/b.bin", files={"file": ("b.bin", io.BytesIO(b"two"))}, accepted_status=[200]
    )
    assert session.get(uri).content == b"one"
    assert session.get("/data/projects/P/resources/R/files/b.bin").content == b"two"
    session.put("/xapi/custom-fields/projects/P/fields", json={"a": [1]})
    assert session.get_json("/xapi/custom-fields/projects/P/fields") == {"a": [1]}


def test_a50_delete(session: Any) -> None:
    session.put("/data/projects/P")
    session.put("/data/projects/P/subjects/S")
    assert (
        session.delete("/data/projects/P/subjects/S", {"X-Mine": "1"}, [200], {"removeFiles": "true"}, 30).status_code
        == 200
    )
    assert len(session.projects["P"].subjects) == 0
    with pytest.raises(exceptions.XNATNotFoundError):
        session.delete("/data/projects/P/subjects/S")
    assert session.delete("/data/projects/P/subjects/S", accepted_status=[404]).status_code == 404


def test_a51_paths_are_rest_paths_and_timeouts_one_number_or_two(archive: Any, demo: Sandbox) -> None:
    for path in ("/data/archive/projects", "/data/projects", f"{demo.url}/data/projects"):
        assert archive.get(path, timeout=30).status_code == 200
        assert archive.get(path, timeout=(5, 30)).status_code == 200
    with pytest.raises(exceptions.XNATValueError, match="should start with a /"):
        archive.get("data/projects")
    demo.faults.add(faults.delay(20), path="^/data/projects$", times=9)
    with pytest.raises(exceptions.XNATTimeoutError):
        archive.post("/data/projects", timeout=(5, 0.1))
    demo.faults.clear()


def test_a52_get_json(archive: Any) -> None:
    found = archive.get_json("/data/projects", {"columns": "ID"}, [200])
    assert {row["ID"] for row in found["ResultSet"]["Result"]} == {"sandbox", "brainimages"}
    with pytest.raises(ValueError, match="Could not decode JSON"):
        archive.get_json(next(iter(archive.projects["sandbox"].resources["NOTES"].files.values())).uri)


def test_a53_download_to_a_file(archive: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "projects.csv"
    archive.download("/data/projects", str(target), "csv", True, 60)
    assert target.read_text().startswith("ID,")
    assert f"Saved as {target}..." in capsys.readouterr().out
    archive.download("/data/projects", tmp_path / "quiet.csv", format="csv", verbose=False)
    assert capsys.readouterr().out == ""


def test_a54_download_stream_tells_of_progress(archive: Any, demo: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    file = max(
        archive.projects["brainimages"].experiments["ANONYMIZ"].scans["700"].files.values(), key=lambda f: f.size
    )
    out, calls = io.BytesIO(), []
    archive.download_stream(file.uri, out, None, False, 1000, lambda *call: calls.append(call), 60)
    assert len(out.getvalue()) == file.size
    assert len(calls) > file.size // 1000 // 2
    assert calls[-1] == (file.size, file.size, True)
    assert not any(call[2] for call in calls[:-1])
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    failed: list[Any] = []
    demo.faults.add(faults.cut(500), path="/files/", times=None)
    with pytest.raises(exceptions.XNATError):
        archive.download_stream(file.uri, io.BytesIO(), update_func=lambda *call: failed.append(call))
    demo.faults.clear()
    assert failed[-1][2] is True
    # No bar where stdout is no terminal.
    archive.download_stream(file.uri, io.BytesIO(), verbose=True)
    assert capsys.readouterr().out == ""


def test_a55_download_zip(archive: Any, tmp_path: Path) -> None:
    scan = archive.projects["brainimages"].experiments["ANONYMIZ"].scans["700"]
    archive.download_zip(f"{scan.uri}/files", str(tmp_path / "x.zip"), False, 60)
    assert len(zipfile.ZipFile(tmp_path / "x.zip").namelist()) == len(scan.files)


def test_a56_upload_of_file_path_and_data(
    world: Any, session: Any, second: Any, tmp_path: Path, server: Sandbox
) -> None:
    files = f"{world.resources['PROTOCOL'].uri}/files"
    path = tmp_path / "local.txt"
    path.write_bytes(b"of a path")
    session.upload(f"{files}/path.txt", str(path))
    with path.open("rb") as file:
        session.upload(f"{files}/open.txt", file)
    session.upload(f"{files}/text.txt", "plain text")
    session.upload(f"{files}/bytes.txt", b"bytes", 2, {"content": "X"}, "text/plain", "post", False, 60)
    with pytest.raises(exceptions.XNATUploadError):
        session.upload(f"{files}/text.txt", b"again")
    session.upload(f"{files}/text.txt", b"again", overwrite=True)
    with pytest.raises(ValueError, match="Invalid upload method"):
        session.upload(f"{files}/x", b"x", method="patch")
    found = {
        file.name: second.get(file.uri).content for file in second.projects["P"].resources["PROTOCOL"].files.values()
    }
    assert found == {
        "protocol.txt": b"steps", "path.txt": b"of a path", "open.txt": b"of a path", "text.txt": b"again",
        "bytes.txt": b"bytes",
    }  # fmt: skip
    assert second.projects["P"].resources["PROTOCOL"].files["bytes.txt"].file_content == "X"
    kinds = [
        entry.headers["Content-Type"]
        for entry in server.requests
        if entry.path.endswith("/path.txt") and entry.method == "PUT"
    ]
    assert kinds == ["application/octet-stream"]


def test_a57_interface_is_the_requests_session(session: Any, server: Sandbox) -> None:
    assert isinstance(session.interface, requests.Session)
    answer = session.interface.get(f"{server.url}/data/projects", params={"format": "json"})
    assert answer.status_code == 200


def test_a58_what_the_server_tells_of_itself(archive: Any, demo: Sandbox) -> None:
    assert archive.xnat_version == "1.8.9"
    assert "FAST LOCALIZER" in archive.scan_types
    assert "MRC25641" in archive.scanners
    with demo.record() as asked:
        assert archive.xnat_version == "1.8.9"
    assert list(asked) == []
    when, seconds = archive.session_expiration_time
    assert isinstance(when, datetime.datetime)
    assert seconds > 0
    archive.interface.cookies.set("SESSION_EXPIRATION_TIME", '"nonsense"')
    with connect(demo) as fresh:
        fresh.client.interface.cookies.clear()
        assert fresh.session_expiration_time is None


def test_a59_prearchive_services_and_users_belong_to_the_session(session: Any) -> None:
    for name in ("prearchive", "services", "users"):
        assert getattr(session, name).xnat_session is session
    assert session.users["admin"].login == "admin"


def test_a60_default_update_func(archive: Any) -> None:
    total = 1000
    update = default_update_func(total)
    for done in (0, 500, 1000):
        update(done, total, False)
    update(total, total, True)
    default_update_func(None)(10, None, True)


def test_a74_what_is_not_wrapped_is_reachable(session: Any) -> None:
    session.put("/data/projects/P")
    assert session.put("/data/projects/P/prearchive_code/4").status_code == 200
    assert session.get("/data/projects/P/prearchive_code").text.strip() == "4"
    assert session.post("/data/services/refresh/catalog", query={"resource": "/archive/projects/P"}).status_code == 200
    assert session.head("/data/projects/P").status_code == 200
    assert session.delete("/data/projects/P").status_code == 200
