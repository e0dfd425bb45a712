"""Archives that mean harm, and odd ones that don't."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from xnat.sandbox import unpack as unpacking
from xnat.sandbox.unpack import BadArchive, safe_name, unpack


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path):
    def run(data: bytes, name: str = "upload.zip") -> dict[str, bytes]:
        source, folder = tmp_path / "source", tmp_path / "folder"
        source.write_bytes(data)
        folder.mkdir()
        members = unpack(source, name, folder)
        assert all(member.path == source or member.path.parent == folder for member in members)
        return {member.name: member.path.read_bytes() for member in members}

    return run


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.dcm", "a/b.dcm"),
        ("../../etc/passwd", "etc/passwd"),
        ("/root/x", "root/x"),
        ("C:\\temp\\x", "C/temp/x"),
        ("a/./../b", "a/b"),
        ("...", "file"),
        ("new\nline", "newline"),
    ],
)
def test_safe_name(name: str, expected: str) -> None:
    assert safe_name(name) == expected


def test_a_file_that_is_no_archive_is_its_own_member(unpacked) -> None:
    assert unpacked(b"x" * 600, "x.dcm") == {"x.dcm": b"x" * 600}


def test_dicom_with_an_odd_preamble_is_no_archive(unpacked) -> None:
    data = b"PK\x03\x04".ljust(128, b"\0") + b"DICM" + b"\0" * 600
    assert unpacked(data, "x.dcm") == {"x.dcm": data}


def test_nested_archives_are_unpacked(unpacked) -> None:
    assert unpacked(zipped(**{"in/a.zip": zipped(b=b"1"), "c.gz": gzip.compress(b"2")})) == {"b": b"1", "c": b"2"}


def test_files_of_the_desktop_are_left_out(unpacked) -> None:
    assert unpacked(zipped(**{"__MACOSX/._a": b"1", "x/.DS_Store": b"2", "a": b"3"})) == {"a": b"3"}


def test_links_and_devices_are_left_out(unpacked) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        plain = tarfile.TarInfo("../plain")
        plain.size = 3
        archive.addfile(plain, io.BytesIO(b"abc"))
    assert unpacked(out.getvalue(), "x.tar") == {"plain": b"abc"}


def test_bombs_are_refused(unpacked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "FREE_BYTES", 1 << 16)
    monkeypatch.setattr(unpacking, "MAX_RATIO", 100)
    with pytest.raises(BadArchive, match="more data"):
        unpacked(zipped(a=zipped(b=b"\0" * (1 << 22))))


def test_too_many_files_are_refused(unpacked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_FILES", 2)
    with pytest.raises(BadArchive, match="more than 2 files"):
        unpacked(zipped(a=b"1", b=b"2", c=b"3"))


def test_matryoshka_is_refused(unpacked) -> None:
    data = b"x"
    for _ in range(6):
        data = zipped(a=data)
    with pytest.raises(BadArchive, match="nested"):
        unpacked(data)


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04 broken", b"\x1f\x8b broken", gzip.compress(b"x" * 99)[:-9]], ids=["zip", "gzip", "cut"]
)
def test_broken_archives_are_refused(unpacked, data: bytes) -> None:
    with pytest.raises(BadArchive, match="unable to read archive"):
        unpacked(data)
