"""Contract G: resources and files."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from typing import Any

import pytest
import requests

from .contract_world import World

ROW = {
    "xnat_abstractresource_id", "label", "element_name", "file_count", "file_size", "format", "content", "category",
    "cat_id", "cat_desc", "tags",
}  # fmt: skip
FILE = {"Name", "Size", "URI", "collection", "file_tags", "file_format", "file_content", "cat_ID", "digest"}
BYTES = {"Content-Type": "application/octet-stream"}


def resource_row(world: World, label: str) -> dict[str, Any]:
    return next(row for row in world.owner.rows(f"{world.session}/resources") if row["label"] == label)


def names(world: World, path: str, **query: Any) -> set[str]:
    """The files of a listing, by their path below the resource."""
    return {row["URI"].partition("/files/")[2] for row in world.owner.rows(path, **query)}


def zip_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tar_of(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entries(response: requests.Response) -> set[str]:
    assert response.status_code == 200, response.text
    return set(zipfile.ZipFile(io.BytesIO(response.content)).namelist())


def owners(world: World) -> dict[str, str]:
    """Everything that has resources."""
    world.owner.put(f"{world.session}/reconstructions/R1", type="LOC")
    return {
        "project": f"/data/projects/{world.p}",
        "subject": world.subject,
        "session": world.session,
        "scan": f"{world.session}/scans/1",
        "reconstruction": f"{world.session}/reconstructions/R1",
    }


@pytest.mark.parametrize("query", [{}, {"file_stats": "true"}, {"file_stats": "false"}])
def test_g1_no_resources(world: World, query: dict[str, str]) -> None:
    result = world.owner.get(f"{world.session}/resources", format="json", **query).json()["ResultSet"]
    assert (result["Result"], result["totalRecords"], result["title"]) == ([], "0", "Resources")


def test_g3_resources_of_a_reconstruction_are_its_output(world: World) -> None:
    path = owners(world)["reconstruction"]
    assert world.owner.put(f"{path}/resources/RES").status_code == 200
    assert world.owner.put(f"{path}/resources/RES").status_code == 409
    world.put_file(f"{path}/resources/RES/files/a b/1.txt", b"text")
    for listed, labels in (("resources", ["RES"]), ("out/resources", ["RES"]), ("in/resources", [])):
        assert [row["label"] for row in world.owner.rows(f"{path}/{listed}")] == labels
    (item,) = world.owner.get(path, format="json").json()["items"]
    assert [child["field"] for child in item["children"]] == ["out/file"]
    assert world.owner.get(f"{path}/out/resources/RES/files/a b/1.txt").content == b"text"


def test_g2_g3_new_resource_in_the_list(world: World) -> None:
    response = world.owner.put(f"{world.session}/resources/RES", format="NIFTI", content="X")
    assert (response.status_code, response.content) == (200, b"")
    row = resource_row(world, "RES")
    assert set(row) == ROW
    assert row["element_name"] == "xnat:resourceCatalog"
    assert row["xnat_abstractresource_id"].isdigit()
    assert (row["format"], row["content"]) == ("NIFTI", "X")


def test_g4_making_it_twice(world: World) -> None:
    world.owner.put(f"{world.session}/resources/RES")
    response = world.owner.put(f"{world.session}/resources/RES")
    assert response.status_code == 409
    assert "Specified resource already exists." in response.text


def test_g5_catalog_is_xml_whatever_the_format(world: World) -> None:
    world.put_file(f"{world.session}/resources/RES/files/a.txt")
    response = world.owner.get(f"{world.session}/resources/RES", format="json")
    assert response.status_code == 200
    assert "<cat:" in response.text
    assert "a.txt" in response.text
    missing = world.owner.get(f"{world.session}/resources/NOPE")
    assert missing.status_code == 404
    assert "Unable to find the specified catalog." in missing.text


def test_g6_raw_upload(world: World) -> None:
    path = f"{world.session}/resources/RES/files/a.txt"
    response = world.owner.send("PUT", path, {}, data=b"bytes", headers=BYTES)
    assert (response.status_code, response.content) == (200, b"")
    assert world.owner.get(path).content == b"bytes"


def test_g7_upload_in_body_to_a_number(world: World) -> None:
    world.owner.put(f"{world.session}/resources/RES")
    number = resource_row(world, "RES")["xnat_abstractresource_id"]
    path = f"{world.session}/resources/{number}/files/a.txt"
    query = {"inbody": "true", "format": "U", "content": "U", "tags": "U", "overwrite": "false"}
    assert world.owner.send("POST", path, query, data=b"bytes").status_code == 200
    assert world.owner.get(f"{world.session}/resources/RES/files/a.txt").content == b"bytes"


def test_g8_multipart_upload_makes_the_resource(world: World) -> None:
    path = f"{world.session}/resources/NEWRES/files/1.dcm"
    assert world.owner.send("PUT", path, {}, files={"anything": ("x.dcm", b"bytes")}).status_code == 200
    assert world.owner.get(path).content == b"bytes"


def test_g9_existing_files_are_not_replaced_unasked(world: World) -> None:
    path = f"{world.session}/resources/RES/files/1.dcm"
    world.put_file(path, b"old")
    kept = world.owner.send("PUT", path, {}, data=b"new", headers=BYTES)
    assert kept.status_code == 200
    assert kept.json() == {"duplicates": ["1.dcm"]}
    assert kept.headers["Content-Type"].startswith("text/html")
    assert world.owner.get(path).content == b"old"
    replaced = world.owner.send("PUT", path, {"overwrite": "true"}, data=b"new", headers=BYTES)
    assert (replaced.status_code, replaced.content) == (200, b"")
    assert world.owner.get(path).content == b"new"


def test_g10_json_body_is_not_a_file(world: World) -> None:
    path = f"{world.session}/resources/RES/files/a.json"
    response = world.owner.send("PUT", path, {}, data=b"{}", headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert "You tried to PUT a payload of" in response.text


def test_g11_list_of_files(world: World) -> None:
    world.put_file(f"{world.session}/resources/RES/files/a.txt", b"bytes")
    number, id = resource_row(world, "RES")["xnat_abstractresource_id"], world.session_id()
    for base, expected in (
        (world.session, f"/data/projects/{world.p}/subjects/"),
        (f"/data/experiments/{id}", f"/data/experiments/{id}/resources/{number}/files/a.txt"),
    ):
        result = world.owner.get(f"{base}/resources/RES/files", format="json").json()["ResultSet"]
        (row,) = result["Result"]
        assert set(row) == FILE
        assert row["URI"].startswith(expected)
        assert row["URI"].endswith(f"/resources/{number}/files/a.txt")
        assert (row["Name"], row["Size"], row["collection"], row["cat_ID"]) == ("a.txt", "5", "RES", number)
        assert row["digest"] == hashlib.md5(b"bytes").hexdigest()
        assert result["title"] == "Files"
        assert result["Columns"][0]["key"] == "URI"
        assert "serverRoot" in result["Columns"][0]
        assert "totalRecords" not in result


def test_g12_download(world: World) -> None:
    world.put_file(f"{world.session}/resources/RES/files/a.bin", bytes(range(256)) * 4000)
    (row,) = world.owner.rows(f"{world.session}/resources/RES/files")
    response = world.owner.get(row["URI"])
    assert response.status_code == 200
    assert hashlib.md5(response.content).hexdigest() == row["digest"]
    assert "Last-Modified" in response.headers
    assert "ETag" not in response.headers
    head = world.owner.send("HEAD", row["URI"], {})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == row["Size"]


def test_g12_conditional_download(world: World) -> None:
    path = f"{world.session}/resources/RES/files/a.txt"
    world.put_file(path)
    modified = world.owner.get(path).headers["Last-Modified"]
    response = world.owner.send("GET", path, {}, headers={"If-Modified-Since": modified})
    assert (response.status_code, response.content) == (304, b"")


@pytest.mark.parametrize("kind", ["project", "subject", "session", "scan", "reconstruction"])
def test_g13_file_without_its_resource(world: World, kind: str) -> None:
    owner = owners(world)[kind]
    world.put_file(f"{owner}/resources/RES/files/x.dcm", kind.encode())
    assert world.owner.get(f"{owner}/files/x.dcm").content == kind.encode()


def test_g14_files_of_an_assessor(world: World) -> None:
    assessor = f"{world.session}/assessors/QC1"
    world.owner.put(assessor, xsiType="xnat:qcManualAssessorData")
    world.put_file(f"{assessor}/out/resources/DICOM/files/1.dcm", b"out")
    assert world.owner.get(f"{assessor}/out/files/1.dcm").content == b"out"
    assert [row["Name"] for row in world.owner.rows(f"{assessor}/out/files")] == ["1.dcm"]


@pytest.mark.parametrize("kind", ["project", "subject", "session", "scan"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_g15_extract(world: World, kind: str, name: str) -> None:
    members = {"mr_1/1.dcm": b"one", "mr_1/2.dcm": b"two"}
    data = zip_of(members) if name == "a.zip" else tar_of(members, "w" if name == "a.tar" else "w:gz")
    path = f"{owners(world)[kind]}/resources/TEST/files"
    response = world.owner.send("POST", path, {"extract": "true"}, files={"file": (name, data)})
    assert (response.status_code, response.content) == (200, b"")
    assert names(world, path) == set(members)
    assert world.owner.get(f"{path}/mr_1/2.dcm").content == b"two"


def test_g15_extract_raw_named_in_the_path(world: World) -> None:
    path = f"{world.session}/resources/TEST/files"
    data = tar_of({"sub/a.txt": b"a"}, "w:gz")
    assert world.owner.send("PUT", f"{path}/upload.tar.gz", {"extract": "true"}, data=data, headers=BYTES).ok
    assert names(world, path) == {"sub/a.txt"}


def test_g16_zip_of_a_resource(world: World) -> None:
    world.put_file(f"{world.session}/resources/TEST/files/1.dcm")
    response = world.owner.get(f"{world.session}/resources/TEST/files", format="zip", compression="0")
    assert entries(response) == {"SESS1/resources/TEST/files/1.dcm"}
    assert "Content-Length" not in response.headers


@pytest.mark.parametrize("level", [None, "0", "1", "9"])
def test_g16_compression_is_a_level_of_deflate(world: World, level: str | None) -> None:
    # Java's zip streams store only members whose CRC is known before they begin.
    world.put_file(f"{world.session}/resources/TEST/files/1.dcm")
    response = world.owner.get(
        f"{world.session}/resources/TEST/files", format="zip", **({"compression": level} if level else {})
    )
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        for line in archive.infolist():
            assert line.compress_type == zipfile.ZIP_DEFLATED
            assert line.flag_bits & 0x8


@pytest.mark.parametrize("scan", ["1", "ALL"])
def test_g17_zip_of_scans(world: World, scan: str) -> None:
    response = world.owner.get(f"{world.session}/scans/{scan}/files", format="zip")
    assert entries(response) == {"SESS1/scans/1-T1/resources/DICOM/files/1.dcm"}


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        ("simplified", "SESS1/scans/1/DICOM/1.dcm"),
        ("improved", "scans/1_T1/DICOM/1.dcm"),
        ("legacy", "SESS1/SCANS/1/DICOM/1.dcm"),
    ],
)
def test_g18_structures(world: World, structure: str, expected: str) -> None:
    response = world.owner.get(f"{world.session}/scans/1/files", format="zip", structure=structure)
    assert entries(response) == {expected}


@pytest.mark.parametrize("archive", ["tar", "tar.gz"])
def test_g17_tar(world: World, archive: str) -> None:
    response = world.owner.get(f"{world.session}/scans/1/files", format=archive)
    with tarfile.open(fileobj=io.BytesIO(response.content)) as found:
        assert found.getnames() == ["SESS1/scans/1-T1/resources/DICOM/files/1.dcm"]


def test_g17_empty_archive(world: World) -> None:
    world.owner.put(f"{world.session}/resources/EMPTY")
    assert world.owner.get(f"{world.session}/resources/EMPTY/files", format="zip").status_code == 404


def test_g19_g20_folders(world: World) -> None:
    path = f"{world.session}/resources/TEST/files"
    for name in ("1.dcm", "sub/2.dcm", "sub/folder/3.dcm"):
        world.put_file(f"{path}/{name}")
    assert names(world, f"{path}/sub/") == {"sub/2.dcm", "sub/folder/3.dcm"}
    assert names(world, f"{path}/sub/", recursive="false") == {"sub/2.dcm"}
    assert len(entries(world.owner.get(f"{path}/sub/", format="zip"))) == 2
    assert world.owner.delete(f"{path}/sub/folder").status_code == 200
    assert names(world, f"{path}/sub/") == {"sub/2.dcm"}


def test_g21_delete_a_file(world: World) -> None:
    path = f"{world.session}/resources/RES/files/a.txt"
    world.put_file(path)
    assert world.owner.delete(path).status_code == 200
    assert world.owner.get(path).status_code == 404
    assert names(world, f"{world.session}/resources/RES/files") == set()


def test_g22_delete_what_is_not_there(world: World) -> None:
    world.owner.put(f"{world.session}/resources/RES")
    response = world.owner.delete(f"{world.session}/resources/RES/files/nope.txt")
    assert response.status_code == 404
    assert "No matched files" in response.text
    assert world.owner.delete(f"{world.session}/resources/NOPE/files/nope.txt").status_code == 400


def test_g23_delete_a_resource(world: World) -> None:
    world.put_file(f"{world.session}/resources/RES/files/a.txt")
    assert world.owner.delete(f"{world.session}/resources/RES").status_code == 200
    assert world.owner.rows(f"{world.session}/resources") == []
    assert world.owner.delete(f"{world.session}/resources/NOPE").status_code == 200


def test_g24_filters(world: World) -> None:
    path = f"{world.session}/resources/RES/files"
    for number, content in enumerate(("TEST1", "TEST1", "TEST2", "TEST2", "TEST3")):
        world.put_file(f"{path}/{number}.txt", str(number).encode(), content=content)
    assert names(world, path, file_content="TEST2") == {"2.txt", "3.txt"}
    assert world.owner.get(path, file_content="TEST2", index="1").content == b"3"
    assert world.owner.get(path, file_content="TEST3", index="1").status_code == 404


def test_g25_range_is_ignored(world: World) -> None:
    path = f"{world.session}/resources/RES/files/a.txt"
    world.put_file(path, b"0123456789abcdef")
    response = world.owner.send("GET", path, {}, headers={"Range": "bytes=0-9"})
    assert (response.status_code, response.content) == (200, b"0123456789abcdef")
    assert "Content-Range" not in response.headers


@pytest.mark.parametrize(("who", "allowed"), [("collab", {200, 403}), ("stranger", {403, 404})])
def test_g26_no_right_no_file(world: World, who: str, allowed: set[int]) -> None:
    world.owner.put(f"{world.session}/resources/RES")
    path = f"{world.session}/resources/RES/files/x"
    response = world.as_user(who).send("PUT", path, {}, data=b"x", headers=BYTES)
    assert response.status_code in allowed
    assert names(world, f"{world.session}/resources/RES/files") == set()


def test_g27_refresh(world: World) -> None:
    world.put_file(f"{world.session}/resources/RES/files/a.txt", b"bytes")
    uri = world.session.replace("/data/", "/archive/")
    query = {"resource": uri, "options": ["checksum", "append"]}
    response = world.owner.send("POST", "/data/services/refresh/catalog", query)
    assert (response.status_code, response.content) == (200, b"")
    (row,) = world.owner.rows(f"{world.session}/resources/RES/files")
    assert row["digest"] == hashlib.md5(b"bytes").hexdigest()
    assert world.owner.get("/data/services/refresh/catalog", resource=uri).status_code == 405


@pytest.mark.parametrize("name", ["with space.txt", "umlaut-ä.txt", "a#b.txt", "a%b.txt", "a+b&c=d.txt", "q?x.txt"])
def test_g_odd_names(world: World, name: str) -> None:
    quoted = requests.utils.quote(name, safe="")
    path = f"{world.session}/resources/RES/files/{quoted}"
    world.put_file(path, b"odd")
    (row,) = world.owner.rows(f"{world.session}/resources/RES/files")
    assert row["Name"] == name
    assert world.owner.get(path).content == b"odd"


def test_g_empty_body_is_refused(world: World) -> None:
    path = f"{world.session}/resources/RES/files/empty"
    assert world.owner.send("PUT", path, {}, data=b"", headers=BYTES).status_code in (400, 500)
    chunked = world.owner.send("PUT", path, {}, data=iter([b"some", b"data"]), headers=BYTES)
    assert chunked.status_code in (400, 500)
