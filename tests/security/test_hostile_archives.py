"""Archives made to leave the target, to hide each other, to fill disk or memory, or to be read in two ways.

Names of members, links, devices, simple bombs and damage are tables in tests/unit/transfer/test_archive.py (64 names)
and tests/unit/sandbox/test_sandbox_unpack.py; here: structures, names in other encodings, and archives that a server
sends for a download.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import processor_seconds
from xnat.exceptions import XNATDownloadError, XNATError, XNATUnsafeArchiveError
from xnat.sandbox import Sandbox, faults
from xnat.transfer.archive import ArchiveLimits, unpack

from .guard import guarded


class Part:
    """A member with whatever its headers say of it."""

    def __init__(self, name: bytes, data: bytes = b"x", **facts: Any) -> None:
        self.name, self.data = name, data
        self.packed = facts.pop("packed", data)
        self.method = facts.pop("method", 0)
        self.flags = facts.pop("flags", 0)
        self.crc = facts.pop("crc", zlib.crc32(data))
        self.size = facts.pop("size", len(data))
        self.packed_size = facts.pop("packed_size", len(self.packed))
        self.extra = facts.pop("extra", b"")
        self.system = facts.pop("system", 3)
        self.mode = facts.pop("mode", 0)
        self.line_name = facts.pop("line_name", name)
        self.line_size = facts.pop("line_size", self.size)
        self.descriptor = facts.pop("descriptor", b"")
        assert not facts


def archive(*parts: Part, end: bytes | None = None, between: bytes = b"", comment: bytes = b"") -> bytes:
    body, lines = b"", b""
    for part in parts:
        offset = len(body)
        body += struct.pack(
            "<4s5H3L2H", b"PK\x03\x04", 20, part.flags, part.method, 0, 0, part.crc, part.packed_size, part.size,
            len(part.name), len(part.extra),
        ) + part.name + part.extra + part.packed + part.descriptor + between  # fmt: skip
        lines += struct.pack(
            "<4s2B5H3L5H2L", b"PK\x01\x02", 20, part.system, 20, part.flags, part.method, 0, 0, part.crc, part.packed_size,
            part.line_size, len(part.line_name), 0, 0, 0, 0, part.mode << 16, offset,
        ) + part.line_name  # fmt: skip
    if end is None:
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(parts), len(parts), len(lines), len(body), len(comment))
    return body + lines + end + comment


def deflated(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def plain(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            made.writestr(name, data)
    return out.getvalue()


NFC, NFD = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
ZEROS = bytes(3_000_000)
#: (what it is, the archive, the names that may come of it; None: refused)
ARCHIVES: list[tuple[str, bytes, set[str] | None]] = [
    ("one member", archive(Part(b"a")), {"a"}),
    ("no member", archive(), set()),
    ("a folder", archive(Part(b"d/", b"")), set()),
    ("dots in a name", archive(Part(b"..a.b..c")), {"..a.b..c"}),
    ("a dot as folder", archive(Part(b"./a/./b")), {"a/b"}),
    ("slashes in a row", archive(Part(b"a//b")), {"a/b"}),
    ("climbing at the end", archive(Part(b"a/b/..")), None),
    ("climbing in UTF-16", archive(Part("../x".encode("utf-16-le"))), None),
    ("overlong slash", archive(Part(b"..\xc0\xafx")), {"..└»x"}),
    ("overlong dots", archive(Part(b"\xc0\xae\xc0\xae/x")), {"└«└«/x"}),
    ("full-width dots", archive(Part("．．/x".encode(), flags=0x800)), {"．．/x"}),
    ("full-width slash", archive(Part("..／x".encode(), flags=0x800)), {"..／x"}),
    ("division slash", archive(Part("..∕x".encode(), flags=0x800)), {"..∕x"}),
    ("percent escapes", archive(Part(b"%2e%2e%2fx")), {"%2e%2e%2fx"}),
    ("double escapes", archive(Part(b"..%255cx")), {"..%255cx"}),
    ("home", archive(Part(b"~/x"), Part(b"~root/x")), {"~/x", "~root/x"}),
    ("variables", archive(Part(b"$HOME/x")), {"$HOME/x"}),
    ("an option", archive(Part(b"-rf"), Part(b"--help")), {"-rf", "--help"}),
    ("a hidden file", archive(Part(b".bashrc")), {".bashrc"}),
    ("UTF-8 that is none, announced as such", archive(Part(b"\xff\xfe", flags=0x800)), None),
    ("Latin-1", archive(Part("ä".encode("latin-1"))), {"Σ"}),
    ("backwards", archive(Part("\u202egpj.exe".encode(), flags=0x800)), {"\u202egpj.exe"}),
    ("256 bytes", archive(Part(b"a" * 256)), None),
    ("255 bytes", archive(Part(b"a" * 255)), {"a" * 255}),
    ("64 KB of name", archive(Part(b"a/" * 30_000 + b"b")), None),
    ("name of the extra field", archive(Part(b"a", extra=struct.pack("<HHBL", 0x7075, 9, 1, zlib.crc32(b"a")) + b"../x")), {"a"}),
    ("extra field without end", archive(Part(b"a", extra=b"\x01\x00\xff\xff")), {"a"}),
    ("zip64 sizes of 2^63", archive(Part(b"a", size=0xFFFFFFFF, packed_size=0xFFFFFFFF, extra=struct.pack("<HHQQ", 1, 16, 1 << 63, 1 << 63))), None),
    ("two names of one file", archive(Part(NFC.encode(), flags=0x800), Part(NFD.encode(), flags=0x800)), None),
    ("letter case", archive(Part(b"README"), Part(b"readme")), None),
    ("letter case of folders", archive(Part(b"Dir/a"), Part(b"dir/b")), None),
    ("long s", archive(Part("ſ".encode(), flags=0x800), Part(b"s")), None),
    ("ligature", archive(Part("ﬁ".encode(), flags=0x800), Part(b"fi")), None),
    ("Turkish i", archive(Part("İ".encode(), flags=0x800), Part("i̇".encode(), flags=0x800)), None),
    ("one name twice", archive(Part(b"a", b"1"), Part(b"a", b"2")), None),
    ("one name twice, the other spelling", archive(Part(b"d/a"), Part(b"d/./a")), None),
    ("a file and a folder", archive(Part(b"a"), Part(b"a/b")), None),
    ("a folder and a file", archive(Part(b"a/b"), Part(b"a")), None),
    ("a link", archive(Part(b"a", b"/etc", mode=stat.S_IFLNK | 0o777)), None),
    ("a link, then a file below it", archive(Part(b"a", b"/tmp", mode=stat.S_IFLNK | 0o777), Part(b"a/b")), None),
    ("a link made on Windows", archive(Part(b"a", b"/etc", mode=stat.S_IFLNK | 0o777, system=0)), None),
    ("a link made on a Mac", archive(Part(b"a", b"/etc", mode=stat.S_IFLNK | 0o777, system=19)), None),
    ("a device", archive(Part(b"a", b"", mode=stat.S_IFCHR | 0o666)), None),
    ("a pipe", archive(Part(b"a", b"", mode=stat.S_IFIFO | 0o666)), None),
    ("set-uid", archive(Part(b"a", mode=stat.S_IFREG | 0o4755)), {"a"}),
    ("other names in the directory", archive(Part(b"a", line_name=b"../x")), None),
    ("other sizes in the directory", archive(Part(b"a", line_size=5)), None),
    ("a member the directory hides", archive(Part(b"a"), Part(b"b")).replace(b"PK\x01\x02", b"PK\x05\x06", 1), None),
    ("a wrong CRC", archive(Part(b"a", crc=1)), None),
    ("a size too small", archive(Part(b"a", b"xxxx", size=1)), None),
    ("a size too large", archive(Part(b"a", b"x", size=100, packed_size=100)), None),
    ("a deflated member that goes on", archive(Part(b"a", b"x" * 9, packed=deflated(b"x" * 9) + b"junk", method=8)), None),
    ("deflate that is none", archive(Part(b"a", b"x", packed=b"\xff\xff", method=8)), None),
    ("deflate64", archive(Part(b"a", method=9)), None),
    ("bzip2", archive(Part(b"a", method=12)), None),
    ("method 65535", archive(Part(b"a", method=65535)), None),
    ("encrypted", archive(Part(b"a", flags=1)), None),
    ("strongly encrypted", archive(Part(b"a", flags=0x41)), None),
    ("patch data", archive(Part(b"a", flags=0x20)), {"a"}),
    ("a descriptor that lies", archive(Part(b"a", flags=8, crc=0, size=0, packed_size=0, descriptor=b"PK\x07\x08" + bytes(12))), None),
    ("no descriptor", archive(Part(b"a", flags=8, crc=0, size=0, packed_size=0)), None),
    ("text between members", archive(Part(b"a"), Part(b"b"), between=b"junk"), None),
    ("text before the first", b"#!/bin/sh\n" + archive(Part(b"a")), None),
    ("text behind the end", archive(Part(b"a")) + b"junk", None),
    ("two archives", archive(Part(b"a")) + archive(Part(b"b")), None),
    ("an archive in the comment", archive(Part(b"a"), comment=archive(Part(b"../x"))), {"a"}),
    ("an archive in an archive", archive(Part(b"a.zip", plain(("../x", b"1")))), {"a.zip"}),
    ("no end", archive(Part(b"a"), end=b""), None),
    ("an end that counts wrong", archive(Part(b"a"), end=struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5, 5, 47, 32, 0)), None),
    ("an end on another disk", archive(Part(b"a"), end=struct.pack("<4s4H2LH", b"PK\x05\x06", 9, 9, 1, 1, 47, 32, 0)), None),
    ("only an end", struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0), set()),
    ("a zip64 end of 2^40", archive(Part(b"a"), end=b"PK\x06\x06" + struct.pack("<Q", 1 << 40)), None),
    ("100 times one bomb", archive(*[Part(b"%d" % n, ZEROS, packed=deflated(ZEROS), method=8) for n in range(4)]), None),
    ("overlapping members", archive(Part(b"a", archive(Part(b"b"))[:-22])), {"a"}),
    ("tar", b"\0" * 1024, None),
    ("gzip", b"\x1f\x8b\x08\0", None),
    ("7z", b"7z\xbc\xaf\x27\x1c", None),
    ("rar", b"Rar!\x1a\x07\x00", None),
    ("HTML", b"<html>", None),
    ("JSON", b'{"ResultSet": {}}', None),
    ("nothing", b"", None),
    ("blanks", b" " * 100_000, None),
    ("signatures", b"PK\x03\x04" * 20_000, None),
    ("descriptors", archive(Part(b"a", b"PK\x07\x08" * 50_000, flags=8, crc=0, size=0, packed_size=0)), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected"), ARCHIVES, ids=[name for name, _, _ in ARCHIVES])
@processor_seconds(10)
def test_archives(kept_inside: Path, name: str, data: bytes, expected: set[str] | None) -> None:
    (kept_inside / "mine.txt").write_text("mine")
    limits = ArchiveLimits(max_bytes=8_000_000)
    if expected is None:
        with pytest.raises(XNATDownloadError) as caught:
            unpack(io.BytesIO(data), kept_inside, limits=limits)
        assert isinstance(caught.value, XNATError)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 200_000
    else:
        unpack(io.BytesIO(data), kept_inside, limits=limits)
    found = {path.relative_to(kept_inside).as_posix() for path in kept_inside.rglob("*") if path.is_file()}
    assert found == {"mine.txt"} | (expected or set())
    assert not any(path.is_symlink() for path in kept_inside.rglob("*"))
    assert all(path.stat().st_mode & 0o7000 == 0 for path in kept_inside.rglob("*") if path.is_file())


#: Archives in answer to a download: what a script calls.
@pytest.mark.parametrize("way", ["resource", "experiment", "zip"])
@pytest.mark.parametrize(
    "prefix", ["../../x", "/tmp/xnat-evil", "E/scans/1-T1/resources/DICOM/files/../../../../../../x", "C:\\x", "a\0b", "a\nb", "E/scans/../../../x"]
)  # fmt: skip
def test_a_server_that_sends_evil_archives(
    hostile: Sandbox, session: Any, kept_inside: Path, way: str, prefix: str
) -> None:
    """A listed file is asked for again singly; the evil member is refused, and nothing stands elsewhere."""
    good = "E/scans/1-T1/resources/DICOM/files/1.dcm"
    sent = archive(Part(good.encode(), b"content"), Part(prefix.encode(), b"evil"))
    hostile.faults.add(faults.status(200, sent, {"Content-Type": "application/zip"}), query="format=zip", times=None)
    experiment = session.create_object("/data/projects/P/experiments/E", "xnat:mrSessionData")
    calls = {
        "resource": lambda: experiment.scans["1"].resources["DICOM"].download_dir(kept_inside, verbose=False),
        "experiment": lambda: experiment.download_dir(kept_inside, verbose=False),
        "zip": lambda: session.download_zip(f"{experiment.uri}/scans/ALL/files", kept_inside / "x.zip", verbose=False),
    }
    try:
        calls[way]()
    except XNATError as error:
        assert str(error)
    assert not any(
        path.read_bytes() == b"evil" for path in kept_inside.rglob("*") if path.is_file() and path.suffix != ".zip"
    )


def test_unpacking_through_a_link_that_appears_meanwhile(tmp_path: Path) -> None:
    """Somebody else who may write to the target puts a link where a folder is about to be made."""
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()

    def swap(name: str) -> str:
        if not (target / "d").is_symlink():
            os.symlink(outside, target / "d")
        return name

    with guarded(target), pytest.raises(XNATUnsafeArchiveError):
        unpack(io.BytesIO(plain(("d/a", b"1"))), target, rename=swap)
    assert list(outside.iterdir()) == []
