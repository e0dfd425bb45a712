"""The sandbox itself: HTTP as a client relies on it, hostile requests, restarts, the command line, versions."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from lxml import etree

from tests.waiting import PATIENCE, killed_at_last, wait_until
from xnat.sandbox import Sandbox
from xnat.sandbox import server as server_module

from .contract_tools import MR as MR_FILE
from .contract_tools import Api, packed

MR = "xnat:mrSessionData"
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def api(own_sandbox: Any) -> Iterator[Api]:
    with Api.of(own_sandbox) as api:
        api.put("/data/projects/P")
        yield api


def talk(url: str, data: bytes, answers: int = 1) -> bytes:
    """Send bytes as they are; everything the server says until it has said ``answers`` statuses or hangs up."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(data)
        heard = b""
        while chunk := connection.recv(65536):
            heard += chunk
            if heard.count(b"HTTP/1.1 ") >= answers and b"\r\n\r\n" in heard:
                break
        return heard


# -- HTTP -------------------------------------------------------------------------------------------------------------


def test_connections_are_kept(own_sandbox: Any) -> None:
    parts = urlsplit(own_sandbox.url)
    request = b"GET /data/JSESSION HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_connection_close_is_honoured(own_sandbox: Any) -> None:
    request = b"GET /data/JSESSION HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b"Connection: close" in talk(own_sandbox.url, request)


def test_unread_bodies_do_not_disturb_the_next_request(own_sandbox: Any) -> None:
    first = b"PUT /data/projects/X HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    second = b"GET /data/JSESSION HTTP/1.1\r\nHost: x\r\n\r\n"
    heard = talk(own_sandbox.url, first + second, answers=2)
    assert re.findall(rb"HTTP/1.1 (\d+)", heard) == [b"401", b"200"]


def test_chunked_zip_upload(api: Api) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "text")
    path = "/data/projects/P/resources/R/files"
    chunks = iter([out.getvalue()[:10], out.getvalue()[10:]])
    headers = {"Content-Type": "application/zip"}
    assert api.send("PUT", f"{path}/up.zip", {"extract": "true"}, data=chunks, headers=headers).status_code == 200
    assert api.get(f"{path}/a.txt").text == "text"


def test_head_has_the_length_and_no_body(api: Api) -> None:
    api.send("PUT", "/data/projects/P/resources/R/files/a", {}, data=b"12345", headers=BYTES)
    response = api.send("HEAD", "/data/projects/P/resources/R/files/a", {})
    assert (response.headers["Content-Length"], response.content) == ("5", b"")


def test_large_files_pass_through(api: Api) -> None:
    data = os.urandom(1 << 20) * 20
    path = "/data/projects/P/resources/R/files/big"
    assert api.send("PUT", path, {}, data=io.BytesIO(data), headers=BYTES).status_code == 200
    assert api.get(path).content == data
    archive = zipfile.ZipFile(io.BytesIO(api.get("/data/projects/P/resources/R/files", format="zip").content))
    assert archive.read("P/resources/R/files/big") == data


@pytest.mark.parametrize(
    "path",
    [
        "/data/projects/{p}/resources/R/files/big.bin",
        "/data/projects/{p}/resources/R/files?format=zip",
        "/data/projects/{p}/resources/R/files?format=tar",
        "/data/projects/{p}/resources/R/files?format=tar.gz",
        "/data/projects/{p}/resources/Z/files/z.zip!/inner.bin",
        "/data/user/cache/resources/X/files/big.bin",
    ],
)
def test_large_files_are_not_held_in_memory(api: Api, path: str) -> None:
    size = 24 * 1024 * 1024
    packed_file = io.BytesIO()
    with zipfile.ZipFile(packed_file, "w") as archive:
        archive.writestr("inner.bin", bytes(size))
    project = api.new_project()
    resources = f"/data/projects/{project}/resources"
    api.send("PUT", f"{resources}/R/files/big.bin", {}, data=bytes(size), headers=BYTES)
    api.send("PUT", f"{resources}/Z/files/z.zip", {}, data=packed_file.getvalue(), headers=BYTES)
    api.send("PUT", "/data/user/cache/resources/X/files/big.bin", {}, files={"f": ("big.bin", bytes(size))})
    tracemalloc.start()
    try:
        with api.send("GET", path.format(p=project), {}, stream=True) as response:
            assert response.status_code == 200
            for _ in response.iter_content(64 * 1024):
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size / 2


def test_an_upload_that_breaks_off_leaves_nothing(api: Api, own_sandbox: Any) -> None:
    api.put("/data/projects/P/resources/R")
    session = api.get("/data/JSESSION").text
    head = (
        f"PUT /data/projects/P/resources/R/files/a HTTP/1.1\r\nHost: x\r\nCookie: JSESSIONID={session}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n"
    )
    parts = urlsplit(own_sandbox.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(head.encode() + b"x" * 100)
    # 0: the server has noticed, and hung up
    wait_until(lambda: [entry.status for entry in list(own_sandbox.requests) if entry.path.endswith("/files/a")] == [0])
    assert api.rows("/data/projects/P/resources/R/files") == []


def test_bandwidth() -> None:
    with Sandbox(bandwidth=200_000) as server, Api.of(server) as api:
        server.store.archive.create_project("P")
        resource = server.store.files.create_resource(server.store.archive.project("P"), "R")
        server.store.files.write(resource, "a", b"x" * 100_000)
        begin = time.monotonic()
        api.get("/data/projects/P/resources/R/files/a")
        assert time.monotonic() - begin > 0.4


def test_ranges() -> None:
    with Sandbox(ranges=True) as server, Api.of(server) as api:
        api.put("/data/projects/P")
        path = "/data/projects/P/resources/R/files/a"
        api.send("PUT", path, {}, data=b"0123456789", headers=BYTES)
        part = api.send("GET", path, {}, headers={"Range": "bytes=2-5"})
        assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"2345", "bytes 2-5/10")
        assert api.send("GET", path, {}, headers={"Range": "bytes=20-"}).status_code == 416


def test_context_path() -> None:
    with Sandbox(context_path="/xnat") as server, Api.of(server) as api:
        assert server.url.endswith("/xnat")
        assert api.put("/data/projects/P").status_code == 200
        response = api.get("/data/JSESSION")
        assert "Path=/xnat/" in response.headers["Set-Cookie"]
        assert requests.get(server.url.removesuffix("/xnat") + "/data/projects").status_code == 404
        result = api.get("/data/projects/P/files", format="json").json()["ResultSet"]
        assert result["Columns"][0]["serverRoot"] == "/xnat"


RECEIVED = {"import_handler": "DICOM-zip", "session": "IDLE", "subject": "SUBJ"}


def test_waiting_sessions_are_built_when_nothing_more_arrives() -> None:
    with Sandbox(idle_seconds=0) as sandbox, Api.of(sandbox) as api:
        project = api.new_project(code="0")
        uri = api.uploaded(packed(MR_FILE), project=project, **RECEIVED)
        (row,) = api.rows(f"/data/prearchive/projects/{project}")
        assert (row["status"], f"/data{row['url']}") == ("READY", uri)
        assert api.get(uri).status_code == 200


def test_waiting_sessions_of_automatic_projects_are_archived() -> None:
    with Sandbox(idle_seconds=0) as sandbox, Api.of(sandbox) as api:
        sandbox.add_user("sender", "secret")
        project = api.new_project(code="4")
        api.put(f"/data/projects/{project}/users/Members/sender")
        with Api(sandbox.url, "sender", "secret") as sender:
            sender.uploaded(packed(MR_FILE), project=project, **RECEIVED)
        path = f"/data/projects/{project}/subjects/SUBJ/experiments"
        (row,) = api.rows(path, columns="label,insert_user")
        assert (row["label"], row["insert_user"]) == ("IDLE", "sender")
        assert api.rows("/data/prearchive") == []
        api.uploaded(packed(MR_FILE), project=project, **RECEIVED)
        assert [row["status"] for row in api.rows("/data/prearchive")] == ["CONFLICT"]
        api.uploaded(packed(MR_FILE), project=project, prevent_auto_commit="true", **{**RECEIVED, "session": "HELD"})
        assert {row["folderName"]: row["status"] for row in api.rows("/data/prearchive")}["HELD"] == "READY"


def test_waiting_sessions_wait() -> None:
    with Sandbox() as sandbox, Api.of(sandbox) as api:
        project = api.new_project(code="4")
        api.uploaded(packed(MR_FILE), project=project, **RECEIVED)
        assert [row["status"] for row in api.rows("/data/prearchive")] == ["RECEIVING"]


def test_guests_of_an_open_site() -> None:
    with Sandbox(require_login=False) as server, requests.Session() as http:
        server.store.archive.create_project("OPEN", accessibility="public")
        server.store.archive.create_project("CLOSED")
        assert "Guest" in http.get(f"{server.url}/").text
        rows = http.get(f"{server.url}/data/projects?format=json").json()["ResultSet"]["Result"]
        assert [row["ID"] for row in rows] == ["OPEN"]
        assert http.get(f"{server.url}/data/JSESSION").text == http.cookies["JSESSIONID"]
        assert http.put(f"{server.url}/data/projects/NEW").status_code == 403
        assert http.get(f"{server.url}/data/projects/CLOSED").status_code == 404
        assert http.get(f"{server.url}/data/auth").status_code == 401


def test_recording(own_sandbox: Any) -> None:
    with Api.of(own_sandbox) as api, own_sandbox.record() as seen:
        api.get("/data/projects", format="json")
        api.get("/data/nothing")
    assert [(entry.method, entry.path, entry.query, entry.status) for entry in seen] == [
        ("GET", "/data/projects", "format=json", 200),
        ("GET", "/data/nothing", "", 404),
    ]
    assert "Authorization" in seen[0].headers
    assert len(own_sandbox.requests) >= 2


# -- hostile requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd/../../x",
        "a%00b",
        "..",
        "a/../../b",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_paths_do_not_leave_the_data_folder(own_sandbox: Any, api: Api, method: str, path: str) -> None:
    api.put("/data/projects/P/resources/R")
    session = api.get("/data/JSESSION").text
    request = (
        f"{method} /data/projects/P/resources/R/files/{path} HTTP/1.1\r\nHost: x\r\nCookie: JSESSIONID={session}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    )
    heard = talk(own_sandbox.url, request.encode())
    status = int(heard.split()[1])
    assert 400 <= status < 500
    assert b"root:" not in heard
    assert api.rows("/data/projects/P/resources/R/files") == []


def test_archives_do_not_leave_the_data_folder(own_sandbox: Any, api: Api, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../outside.txt", "x")
    path = "/data/projects/P/resources/R/files"
    response = api.send("POST", path, {"extract": "true"}, files={"file": ("a.zip", out.getvalue())})
    assert response.status_code == 400
    assert api.rows(path) == []
    assert not list(own_sandbox.store.folder.parent.glob("outside.txt"))


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /data/projects HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /data/projects/P HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"BREW /data/projects HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /data/projects HTTP/1.1\r\nHost: x\r\nAuthorization: Basic !!!\r\n\r\n",
        b"GET /data/%ff%fe/%C3 HTTP/1.1\r\nHost: x\r\nCookie: JSESSIONID=\xff\r\n\r\n",
    ],
)
def test_malformed_requests_get_an_answer(own_sandbox: Any, request_: bytes) -> None:
    heard = talk(own_sandbox.url, request_)
    assert re.match(rb"HTTP/1\.\d [45]\d\d ", heard) or b"Error code: 400" in heard
    assert b"Traceback" not in heard
    assert requests.get(f"{own_sandbox.url}/xapi/siteConfig/buildInfo").status_code == 200


def test_a_bug_is_a_status_page(own_sandbox: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(own_sandbox.store.archive, "project", broken)
    response = api.get("/data/projects/P")
    assert response.status_code == 500
    assert "broken on purpose" in response.text
    assert "Traceback" not in response.text


def test_entity_bombs_are_refused(api: Api) -> None:
    bomb = (
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat">&a;</xnat:Subject>'
    )
    headers = {"Content-Type": "text/xml"}
    response = api.send("PUT", "/data/projects/P/subjects/S", {}, data=bomb, headers=headers)
    assert response.status_code >= 400
    assert "DOCTYPE is disallowed" in response.text


# -- keeping, starting, ending ----------------------------------------------------------------------------------------


def test_data_folder_keeps_everything(tmp_path: Path) -> None:
    path = "/data/projects/P/subjects/S/experiments/E"
    with Sandbox(data=tmp_path) as server, Api.of(server) as api:
        api.put("/data/projects/P")
        first = api.put(path, xsiType=MR).text
        api.send("PUT", f"{path}/resources/R/files/a", {}, data=b"kept", headers=BYTES)
    with Sandbox(data=tmp_path) as server, Api.of(server) as api:
        assert api.get(f"{path}/resources/R/files/a").content == b"kept"
        api.delete(path, removeFiles="true")
        assert api.put(path, xsiType=MR).text != first


def test_memory_sandbox_leaves_nothing_behind() -> None:
    with Sandbox() as server:
        folder = server.store.folder
        assert folder.exists()
    assert not folder.exists()


def test_other_addresses_need_a_password() -> None:
    with pytest.raises(ValueError, match="default password"):
        Sandbox(host="0.0.0.0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_line(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "xnat.sandbox", "--port", "0", "--password", "secret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, killed_at_last(process):
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(f"{url}/data/auth", auth=("admin", "secret")).text == "User 'admin' is logged in"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0


def test_closing_is_quick_with_open_connections(own_sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a next request nor for its patience with answers under way does it wait."""
    monkeypatch.setattr(server_module._Handler, "timeout", 10 * PATIENCE)
    monkeypatch.setattr(server_module, "PATIENCE", 10 * PATIENCE)
    with requests.Session() as http, ThreadPoolExecutor(1) as pool:
        http.get(f"{own_sandbox.url}/xapi/siteConfig/buildInfo")
        pool.submit(own_sandbox.close).result(PATIENCE)


# -- versions ---------------------------------------------------------------------------------------------------------


def test_version_1_6() -> None:
    with Sandbox(xnat_version="1.6.4") as server, Api.of(server) as api:
        assert (api.get("/data/version").status_code, api.get("/data/version").text) == (200, "1.6.4")
        assert api.get("/xapi/schemas").status_code == 404
        assert api.get("/schemas/xnat/xnat.xsd").status_code == 200
        api.put("/data/projects/P")
        root = etree.fromstring(api.get("/data/projects/P", format="xml").content)
        location = root.get("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation").split()
        urls = [word for word in location if word.endswith(".xsd")]
        assert f"{server.url}/schemas/xnat/xnat.xsd" in urls
        assert all(requests.get(url).status_code == 200 for url in urls)


def test_version_1_7() -> None:
    with Sandbox(xnat_version="1.7.4") as server, Api.of(server) as api:
        assert api.get("/data/auth").text == "User 'admin' is logged in."
        assert api.get("/xapi/access/projects").status_code == 404
        api.put("/data/projects/P")
        for number in range(3):
            api.put(f"/data/projects/P/subjects/S{number}")
        result = api.get("/data/projects/P/subjects", limit="1", format="json").json()["ResultSet"]
        assert (len(result["Result"]), result["totalRecords"]) == (3, "3")
        api.put("/data/projects/P/subjects/S0/experiments/E", xsiType=MR)
        assert api.get("/data/projects/P/experiments/E/resources", format="json").status_code in (200, 404)
        assert api.get("/xapi/custom-fields/projects/P/fields").status_code == 404


def statements(server: Any, ask: Callable[[], object]) -> int:
    """How many questions to the database a request takes."""
    asked: list[str] = []
    connection = server.store.database._connection
    connection.set_trace_callback(asked.append)
    try:
        ask()
    finally:
        connection.set_trace_callback(None)
    return len(asked)


def test_more_subjects_are_listed_with_no_more_questions(own_sandbox: Any, api: Api) -> None:
    archive = own_sandbox.store.archive

    def ask() -> list[dict[str, str]]:
        return api.rows("/data/projects/P/subjects", columns="ID,label")

    archive.create_subject("P", "first")
    asked = statements(own_sandbox, ask)
    with own_sandbox.store.transaction():
        for number in range(2_000):
            archive.create_subject("P", f"S{number}")
    assert statements(own_sandbox, ask) == asked
    assert len(ask()) == 2_001


def test_more_joined_scans_are_listed_with_no_more_questions(own_sandbox: Any, api: Api) -> None:
    archive = own_sandbox.store.archive
    subject = archive.create_subject("P", "S")

    def add(sessions: range) -> None:
        with own_sandbox.store.transaction():
            for number in sessions:
                session = archive.create_experiment(subject, f"E{number}", MR)
                for scan in range(10):
                    archive.create_scan(session, str(scan), "xnat:mrScanData")

    def ask() -> list[dict[str, str]]:
        columns = "ID,label,xnat:mrScanData/ID,xnat:imageScanData/type"
        return api.rows("/data/experiments", xsiType=MR, project="P", columns=columns)

    add(range(2))
    asked = statements(own_sandbox, ask)
    add(range(2, 200))
    assert statements(own_sandbox, ask) == asked
    assert len(ask()) == 2000


def test_one_of_many_requests_makes_the_object(own_sandbox: Any, api: Api) -> None:
    path = "/data/projects/P/subjects/S/experiments/E"

    def put(_: int) -> tuple[int, str]:
        with Api.of(own_sandbox) as other:
            response = other.put(path, xsiType=MR)
            file = other.send("PUT", f"{path}/resources/R/files/a", {}, data=b"x", headers=BYTES)
            assert file.status_code == 200
            return response.status_code, response.text

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(put, range(16)))
    assert len({id for _, id in answers}) == 1
    assert sorted(status for status, _ in answers) == [200] * 15 + [201]
    assert len(api.rows(f"{path}/resources/R/files")) == 1
