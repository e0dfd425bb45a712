"""The same functions with the package's own client against the sandbox, which behaves like XNAT."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from xnat import uris
from xnat.core.kinds import file_path, file_uri
from xnat.exceptions import XNATTransferError, XNATUnsafeArchiveError
from xnat.sandbox import Sandbox, faults
from xnat.transfer.download import download_file, download_tree
from xnat.transfer.names import safe_path
from xnat.transfer.plan import RemoteFile, RemoteGroup
from xnat.transfer.upload import METHODS, upload_data, upload_tree
from xnat.transport.client import HTTPClient
from xnat.transport.retry import RetryPolicy

from .conftest import make_zip, noise, tree_of

EXPERIMENT = "/data/projects/P/subjects/S/experiments/E"
RESOURCE = f"{EXPERIMENT}/resources/R"
CONTENT = {
    "a.txt": b"1",
    "sub/scan #1 100%?.dcm": noise(20_000),
    "sub/empty": b"",
    "ü.bin": noise(70_000, 1),
    "page.html": b"<!DOCTYPE html><html><body>a report</body></html>",
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[HTTPClient]:
    client = HTTPClient(sandbox.url, retry=RetryPolicy(sleep=lambda seconds: None), environ={})
    client.interface.auth = ("admin", "admin")
    client.request("PUT", "/data/projects/P")
    client.request("PUT", "/data/projects/P/subjects/S")
    client.request("PUT", EXPERIMENT, query={"xsiType": "xnat:mrSessionData"})
    yield client
    client.close()


def listing(client: HTTPClient) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.request("GET", f"{RESOURCE}/files", query={"format": "json"}).json()[
        "ResultSet"
    ]["Result"]
    return rows


name_of = file_path


def inventory(client: HTTPClient) -> list[RemoteFile]:
    return [RemoteFile(file_uri(r), PurePosixPath(name_of(r)), int(r["Size"]), r["digest"]) for r in listing(client)]


def group_of(client: HTTPClient) -> RemoteGroup:
    rows = listing(client)
    files = [RemoteFile(file_uri(r), safe_path(*name_of(r).split("/")), int(r["Size"]), r["digest"]) for r in rows]
    places = {name_of(row): file.path for row, file in zip(rows, files, strict=True)}
    return RemoteGroup(files, f"{RESOURCE}/files", lambda member: places.get(member.partition("/files/")[2]))


def put_content(client: HTTPClient) -> None:
    for name, data in CONTENT.items():
        upload_data(client, uris.join(RESOURCE, "files", *name.split("/")), data)


def pairs_in(folder: Path) -> list[tuple[Path, str]]:
    pairs = []
    for number, (name, data) in enumerate(CONTENT.items()):
        (folder / str(number)).write_bytes(data)
        pairs.append((folder / str(number), name))
    return pairs


@pytest.mark.parametrize("method", METHODS)
def test_there_and_back(client: HTTPClient, tmp_path: Path, method: str) -> None:
    (tmp_path / "local").mkdir()
    report = upload_tree(
        client, RESOURCE, pairs_in(tmp_path / "local"), method=method, inventory=lambda: inventory(client)
    )
    assert len(report.verified) == len(CONTENT)
    report = download_tree(client, [group_of(client)], tmp_path / "back")
    assert tree_of(tmp_path / "back") == CONTENT
    assert len(report.verified) == len(CONTENT)


FAULTS = {
    "zip cut": lambda f: f.add(faults.cut(30_000, chunked=True), query="format=zip", times=1),
    "zip cut at once": lambda f: f.add(faults.cut(0, chunked=True), query="format=zip", times=1),
    "zip damaged": lambda f: f.add(faults.corrupt(5000), query="format=zip", times=1),
    "no zip": lambda f: f.add(faults.status(500), query="format=zip"),
    "no zip, files cut": lambda f: (
        f.add(faults.status(404), query="format=zip"),
        f.add(faults.cut(30_000), path="/files/.", method="GET", times=3),
    ),
    "no zip, files damaged": lambda f: (
        f.add(faults.status(404), query="format=zip"),
        f.add(faults.corrupt(0), path="/files/.", method="GET", times=1),
    ),
    "busy": lambda f: f.add(faults.status(503, headers={"Retry-After": "0"}), path="/files", method="GET", times=2),
    "connections closed": lambda f: f.add(faults.close(), path="/files", method="GET", times=2),
    "sessions end": lambda f: f.add(faults.expire(), path="/files", method="GET", times=1),
    "zip is a page": lambda f: f.add(faults.body(b"\n<!DOCTYPE html><html>"), query="format=zip"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_survived(sandbox: Sandbox, client: HTTPClient, tmp_path: Path, fault: str) -> None:
    put_content(client)
    group = group_of(client)
    FAULTS[fault](sandbox.faults)
    download_tree(client, [group], tmp_path)
    assert tree_of(tmp_path) == CONTENT


def test_wrong_digest_in_the_listing(sandbox: Sandbox, client: HTTPClient, tmp_path: Path) -> None:
    put_content(client)
    sandbox.faults.add(faults.wrong_digest(), query="format=json", times=1)
    group = group_of(client)
    with pytest.raises(XNATTransferError, match="MD5"):
        download_tree(client, [group], tmp_path)
    assert tree_of(tmp_path) == {}


@pytest.mark.parametrize("member", ["../../evil", "/evil", "E/resources/R/files/a.txt\n"])
def test_hostile_zip(sandbox: Sandbox, client: HTTPClient, tmp_path: Path, member: str) -> None:
    put_content(client)
    group = group_of(client)
    members = [(f"E/resources/R/files/{name}", data) for name, data in CONTENT.items()]
    sandbox.faults.add(faults.body(make_zip([*members, (member, b"evil")])), query="format=zip")
    with pytest.raises(XNATUnsafeArchiveError) as caught:
        download_tree(client, [group], tmp_path / "t")
    assert caught.value.member == member
    assert tree_of(tmp_path) == {}


def test_damaged_upload_is_sent_again(sandbox: Sandbox, client: HTTPClient, tmp_path: Path) -> None:
    sandbox.faults.add(faults.corrupt_upload(0), method="PUT", path="/files/", times=1)
    report = upload_tree(client, RESOURCE, pairs_in(tmp_path), method="per_file", inventory=lambda: inventory(client))
    assert report.ok
    assert {str(file.path): file.size for file in inventory(client)} == {n: len(d) for n, d in CONTENT.items()}


def test_zip_to_disk(client: HTTPClient, tmp_path: Path) -> None:
    put_content(client)
    result = download_file(client, f"{RESOURCE}/files", tmp_path / "r.zip", query={"format": "zip"}, check_zip=True)
    assert result.state == "verified"
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        assert len(archive.namelist()) == len(CONTENT)


@pytest.mark.parametrize("ranges", [True, False])
def test_large_file_goes_on_where_it_broke(tmp_path: Path, ranges: bool) -> None:
    data = noise(3_000_000)
    with Sandbox(ranges=ranges) as sandbox:
        client = HTTPClient(sandbox.url, environ={})
        client.interface.auth = ("admin", "admin")
        client.request("PUT", "/data/projects/P")
        uri = "/data/projects/P/resources/R/files/large.bin"
        upload_data(client, uri, data)
        sandbox.faults.add(faults.cut(2_000_000), path="large", method="GET", times=2)
        download_file(client, uri, tmp_path / "f", size=len(data))
        client.close()
    assert (tmp_path / "f").read_bytes() == data
