from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnat.exceptions import XNATDownloadError, XNATUnsafeArchiveError, XNATUploadError
from xnat.transfer.archive import ArchiveLimits, check_arriving_zip, files_below, pack_tar, pack_zip, unpack
from xnat.transfer.zipstream import BadZipError, CutZipError, ZipStream

from .conftest import make_zip, md5, noise


def raw_zip(members: list[tuple[bytes, bytes]]) -> bytes:
    """A zip with exactly these raw names, which zipfile would tidy up."""
    body, directory = b"", b""
    for name, data in members:
        crc = zlib.crc32(data)
        sizes = (crc, len(data), len(data), len(name))
        line = (b"PK\x01\x02", 20, 3, 20, 0x800, 0, 0, 0, *sizes, 0, 0, 0, 0, 0, len(body))
        directory += struct.pack("<4s2B5H3L5H2L", *line) + name
        body += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0x800, 0, 0, 0, crc, len(data), len(data), len(name), 0)
        body += name + data
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + end


HOSTILE = [
    "../x", "..", "a/..", "a/../x", "a/../../x", "./../x", "../../../../../../etc/passwd", "a/b/../../../x", "../",
    "/x", "/etc/passwd", "//x", "///x", "//server/share/x", "/", "",
    "C:x", "C:/x", "c:/windows/x", "Z:\\x", "C:\\x", "C:", "file:///x",
    "..\\x", "a\\..\\x", "\\x", "\\\\server\\share\\x", "a\\b", "x\\",
    "CON", "con", "PRN.txt", "AUX", "aux.h", "NUL", "nul", "dir/NUL", "dir/nul.tar.gz", "COM1", "com9.log",
    "LPT1", "LPT9.x",
    "CONIN$", "CONOUT$", "CLOCK$", "COM¹", "NUL .txt", "nul:", "CON/x",
    "a\nb", "a\r\nb", "\n", "a\tb", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b",
    "a\0b", "a\0.txt", "\0", "x/\0/y",
    "a.", "a ", "dir./x", "dir /x", "...", "....", "a/. /b",
    "x:stream", "dir/x:y", "f" * 300, "d/" + "ü" * 200, ".xnat-manifest.jsonl", ".XNAT-transfer/x",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=[repr(name)[:40] for name in HOSTILE])
def test_hostile_names_are_refused_and_nothing_stays(tmp_path: Path, name: str) -> None:
    target = tmp_path / "in" / "target"
    target.mkdir(parents=True)
    (target / "mine").write_text("mine")
    data = raw_zip([(b"good.txt", b"good"), (name.encode(), b"evil"), (b"also good.txt", b"good")])
    with pytest.raises(XNATUnsafeArchiveError) as caught:
        unpack(io.BytesIO(data), target)
    assert caught.value.member == name
    assert repr(name) in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "mine", "target"]


def test_there_are_enough_hostile_names() -> None:
    assert len(set(HOSTILE)) >= 60


TOGETHER = [
    ("duplicate", ["a", "a"]),
    ("duplicate", ["d/a", "d//a"]),
    ("duplicate", ["a", "./a"]),
    ("collides", ["a", "A"]),
    ("collides", ["straße", "STRASSE"]),
    ("collides", ["é", "e\u0301"]),
    ("collides", ["d/x", "D/y"]),
    ("collides", ["a", "a/b"]),
    ("collides", ["a/b", "a"]),
    ("collides", ["A", "a/b"]),
    ("collides", ["d/", "D"]),
]


@pytest.mark.parametrize(("reason", "names"), TOGETHER)
def test_members_that_hide_each_other_are_refused(tmp_path: Path, reason: str, names: list[str]) -> None:
    data = raw_zip([(name.encode(), b"" if name.endswith("/") else b"x") for name in names])
    with pytest.raises(XNATUnsafeArchiveError, match=reason) as caught:
        unpack(io.BytesIO(data), tmp_path)
    assert caught.value.member == names[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "system"),
    [(kind, 3) for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)]
    + [(stat.S_IFLNK, 0)],  # links are looked for even if the zip says it was not made on Unix
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, system: int) -> None:
    info = zipfile.ZipInfo("link")
    info.create_system = system
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(XNATUnsafeArchiveError) as caught:
        unpack(io.BytesIO(make_zip([("a", b"1"), (info, b"/etc/passwd")])), tmp_path)
    assert caught.value.member == "link"
    assert list(tmp_path.iterdir()) == []


def test_link_in_the_target_is_not_followed_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "link").symlink_to(tmp_path / "out")
    with pytest.raises(XNATUnsafeArchiveError, match="leaves"):
        unpack(io.BytesIO(make_zip([("link/x", b"1")])), target)
    unpack(io.BytesIO(make_zip([("link", b"1")])), target)  # replaced, not written through
    assert list((tmp_path / "out").iterdir()) == []
    assert not (target / "link").is_symlink()


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (ArchiveLimits(max_bytes=1_000_000), "max_bytes"),
        (ArchiveLimits(max_ratio=100, ratio_from=1_000_000), "max_ratio"),
        (ArchiveLimits(max_members=2), "max_members"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_bombs_are_refused_and_limits_can_be_raised(
    tmp_path: Path, limits: ArchiveLimits, word: str, streamed: bool
) -> None:
    data = make_zip([("a", b"1"), ("b", bytes(5_000_000)), ("c", b"")], streamed=streamed)
    with pytest.raises(XNATUnsafeArchiveError, match=word):
        unpack(io.BytesIO(data), tmp_path, limits=limits)
    assert list(tmp_path.iterdir()) == []
    unpack(io.BytesIO(data), tmp_path)
    assert (tmp_path / "b").stat().st_size == 5_000_000


def test_unpack(tmp_path: Path) -> None:
    content = {"a/b/ü.txt": b"1", "empty": b"", "x": noise(100_000)}
    data = make_zip([("a/", b""), ("void/", b""), *content.items()])
    (tmp_path / "archive.zip").write_bytes(data)
    target = tmp_path / "new" / "target"
    files = unpack(tmp_path / "archive.zip", target)
    assert {path.relative_to(target).as_posix(): path.read_bytes() for path in files} == content
    assert (target / "void").is_dir()
    assert sorted(path.name for path in target.iterdir()) == ["a", "empty", "void", "x"]


def test_unpack_renamed(tmp_path: Path) -> None:
    data = make_zip([("L/a", b"1"), ("M/b", b"2")])
    unpack(io.BytesIO(data), tmp_path, rename=lambda name: PurePosixPath("new", name[2:]) if name[0] == "L" else None)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == ["new/a"]


@pytest.mark.parametrize("place", ["../x", "/tmp/xnat-evil"])
def test_renaming_can_not_leave_the_target_either(tmp_path: Path, place: str) -> None:
    with pytest.raises(XNATUnsafeArchiveError):
        unpack(io.BytesIO(make_zip([("a", b"1")])), tmp_path, rename=lambda name: place)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK", b"PK\x03\x04"])
def test_what_is_no_zip(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(XNATDownloadError):
        unpack(io.BytesIO(data), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_damage_leaves_old_files_alone(tmp_path: Path) -> None:
    data = bytearray(make_zip([("a", b"new"), ("b", noise(1000))], method=zipfile.ZIP_STORED))
    data[200] ^= 1
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(XNATDownloadError):
        unpack(io.BytesIO(data), tmp_path)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_directory_must_agree_with_the_members() -> None:
    one, two = raw_zip([(b"a", b"1")]), raw_zip([(b"b", b"1")])
    forged = one[: one.index(b"PK\x01\x02")] + two[two.index(b"PK\x01\x02") :]
    with pytest.raises(BadZipError, match="other members"):
        list(ZipStream([forged]))


@pytest.mark.parametrize("tail", [b"x", b"PK\x03\x04"])
def test_bytes_behind_the_end_are_refused(tail: bytes) -> None:
    with pytest.raises(BadZipError):
        list(ZipStream([raw_zip([(b"a", b"1")]) + tail]))


def test_encrypted_and_exotic_members_are_refused() -> None:
    data = bytearray(raw_zip([(b"a", b"1")]))
    data[6] |= 1
    with pytest.raises(BadZipError, match="encrypted"):
        list(ZipStream([bytes(data)]))
    with pytest.raises(BadZipError, match="method 14"):
        list(ZipStream([make_zip([("a", b"1")], streamed=False, method=zipfile.ZIP_LZMA)]))


PIECES = st.sampled_from([b"", b"PK\x07\x08", b"PK\x03\x04", b"0" * 5000, noise(3000), b"PK", b"\x07\x08"])


@settings(max_examples=150)
@given(
    st.lists(st.lists(PIECES, max_size=6).map(b"".join), max_size=5),
    st.booleans(),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.integers(1, 3000),
)
def test_any_zip_is_read_like_zipfile_does(contents: list[bytes], streamed: bool, method: int, step: int) -> None:
    members = [(f"m{number}", content) for number, content in enumerate(contents)]
    data = make_zip(members, streamed=streamed, method=method)
    stream = ZipStream(data[start : start + step] for start in range(0, len(data), step))
    assert [(member.name, b"".join(stream.read())) for member in stream] == members


@settings(max_examples=100)
@given(st.binary(max_size=500), st.booleans(), st.sampled_from([0, 8]), st.floats(0, 0.999))
def test_a_cut_zip_is_never_taken_for_a_whole_one(content: bytes, streamed: bool, method: int, part: float) -> None:
    data = make_zip([("a", content), ("b", content)], streamed=streamed, method=method)
    with pytest.raises(CutZipError):
        list(ZipStream([data[: int(len(data) * part)]]))


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_garbage_is_an_error_of_ours(garbage: bytes) -> None:
    with pytest.raises(BadZipError):
        list(ZipStream([b"PK\x03\x04" + garbage]))


def test_false_descriptors_take_no_quadratic_time() -> None:
    content = b"PK\x07\x08" * 100_000
    stream = ZipStream([make_zip([("a", content)], method=zipfile.ZIP_STORED)])
    assert sum(len(piece) for _ in stream for piece in stream.read()) == len(content)


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_that_arrives_is_checked(tmp_path: Path, good: bool, method: int) -> None:
    data = bytearray(make_zip([("a", noise(100_000))], method=method))
    if good:
        check(tmp_path / "a.zip", data)
    else:
        data[50_000] ^= 1
        with pytest.raises(BadZipError):
            check(tmp_path / "a.zip", data)


def stored(tmp_path: Path) -> tuple[Path, bytearray]:
    """A zip whose stored members don't say how long they are, and the place it is to be written to."""
    members = [("a", noise(50_000)), ("b", b""), ("c", b"PK\x07\x08" * 1000)]
    return tmp_path / "a.zip", bytearray(make_zip(members, method=zipfile.ZIP_STORED))


def check(path: Path, data: bytes) -> None:
    """Check a zip that comes in pieces."""
    path.write_bytes(data)
    check_arriving_zip(iter([bytes(data[start : start + 1000]) for start in range(0, len(data), 1000)]), path)


def test_members_of_unknown_length_are_checked_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[object] = []
    search = ZipStream._stored_until_descriptor
    monkeypatch.setattr(
        ZipStream, "_stored_until_descriptor", lambda self, member: searched.append(member) or search(self, member)
    )
    path, data = stored(tmp_path)
    check(path, data)
    assert searched == []
    assert [member.size for member in list(ZipStream([bytes(data)]))] == [50_000, 0, 4000]
    assert len(searched) == 3


@pytest.mark.parametrize("place", [100, 5000, 49_000])
def test_damage_in_them_is_found(tmp_path: Path, place: int) -> None:
    path, data = stored(tmp_path)
    data[place] ^= 1
    with pytest.raises(BadZipError):
        check(path, data)


@pytest.mark.parametrize("length", [0, 10, 30_000, 54_100, -1])
def test_a_cut_in_them_is_found(tmp_path: Path, length: int) -> None:
    path, data = stored(tmp_path)
    with pytest.raises(CutZipError):
        check(path, data[:length])


def test_a_directory_that_lies_about_their_length_is_no_help(tmp_path: Path) -> None:
    path, data = stored(tmp_path)
    line = data.index(b"PK\x01\x02")
    struct.pack_into("<LL", data, line + 20, 49_000, 49_000)
    with pytest.raises(BadZipError):
        check(path, data)


# -- packing ---------------------------------------------


def _tree(folder: Path) -> dict[str, bytes]:
    content = {"a.txt": b"1", "sub/ü b#.txt": noise(5000), "sub/deep/empty": b""}
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return content


@pytest.mark.parametrize("compression", ["", "gz"])
def test_pack_tar(tmp_path: Path, compression: str) -> None:
    content = _tree(tmp_path)
    (tmp_path / ".xnat-manifest.jsonl").write_text("ours")
    packed = io.BytesIO()
    told = pack_tar(tmp_path, packed, compression)  # type: ignore[arg-type]
    packed.seek(0)
    with tarfile.open(fileobj=packed) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert {member.uname for member in tar} == {""}
    assert found == content
    assert told == {name: (len(data), md5(data)) for name, data in content.items()}


def test_pack_zip(tmp_path: Path) -> None:
    content = _tree(tmp_path)
    packed = io.BytesIO()
    told = pack_zip(tmp_path, packed)
    with zipfile.ZipFile(packed) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == content
    assert told == {name: (len(data), md5(data)) for name, data in content.items()}


def test_links_are_followed_once_around(tmp_path: Path) -> None:
    _tree(tmp_path)
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "a.txt")
    names = [name for _, name in files_below(tmp_path)]
    assert names == sorted(["a.txt", "linked", "sub/deep/empty", "sub/ü b#.txt"])


def test_what_can_not_be_sent_is_told(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(XNATUploadError, match="dangling"):
        files_below(tmp_path)
    if hasattr(os, "mkfifo"):
        (tmp_path / "dangling").unlink()
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(XNATUploadError, match="pipe"):
            files_below(tmp_path)
