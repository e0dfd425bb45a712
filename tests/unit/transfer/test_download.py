from __future__ import annotations

import errno
import io
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from xnat.exceptions import XNATDownloadError, XNATNotFoundError, XNATUnexpectedPageError, XNATValueError
from xnat.transfer import fetch
from xnat.transfer.download import download_file, download_stream

from .conftest import make_zip, md5, noise
from .server import Answer, FakeServer, SimpleRequester

URI = "/data/f.bin"
DATA = noise(1_000_000)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_BACKOFF", 0.0)


@pytest.fixture
def served(server: FakeServer) -> FakeServer:
    server.files[URI] = DATA
    return server


class Pipe(io.RawIOBase):
    """Can't be wound back."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("data", [DATA, b"", b"x"])
def test_stream(server: FakeServer, requester: SimpleRequester, framing: str, data: bytes) -> None:
    server.files[URI], server.framing = data, framing
    stream, calls = io.BytesIO(), []
    count = download_stream(requester, URI, stream, chunk_size=100_000, update_func=lambda *call: calls.append(call))
    assert stream.getvalue() == data
    assert count == len(data)
    total = len(data) if framing == "length" else None
    assert calls[-1] == (len(data), total, True)
    assert [call[2] for call in calls].count(True) == 1
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    if data is DATA and framing == "length":
        assert len(calls) >= 11


def test_stream_begins_where_the_file_stands(served: FakeServer, requester: SimpleRequester) -> None:
    stream = io.BytesIO(b"head")
    stream.seek(4)
    served.script(URI, Answer(cut=500_000))
    download_stream(requester, URI, stream)
    assert stream.getvalue() == b"head" + DATA


CUTS = [
    ("length", {"size": None, "digest": None}),
    ("chunked", {"size": None, "digest": None}),
    ("close", {"size": len(DATA), "digest": None}),
    ("close", {"size": None, "digest": md5(DATA)}),
]


@pytest.mark.parametrize(("framing", "known"), CUTS)
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("kind", ["stream", "pipe", "file"])
def test_broken_body_is_completed(
    served: FakeServer,
    requester: SimpleRequester,
    tmp_path: Path,
    framing: str,
    known: dict[str, Any],
    ranges: bool,
    kind: str,
) -> None:
    served.ranges = ranges
    served.script(URI, Answer(cut=600_000, framing=framing))
    if kind == "file":
        download_file(requester, URI, tmp_path / "f", **known)
        assert (tmp_path / "f").read_bytes() == DATA
        assert [path.name for path in tmp_path.iterdir()] == ["f"]
    else:
        stream: Any = io.BytesIO() if kind == "stream" else Pipe()
        download_stream(requester, URI, stream, **known)
        assert (stream.getvalue() if kind == "stream" else stream.data) == DATA
    assert len(served.gets()) == 2
    if framing != "close" or known["size"]:
        assert "Range" in served.gets()[1].headers
        assert (served.gets()[1].sent < 500_000) is ranges


@pytest.mark.parametrize("known", [{"size": len(DATA)}, {"digest": md5(DATA)}])
def test_silent_end_is_noticed_and_given_up_in_the_end(
    served: FakeServer, requester: SimpleRequester, tmp_path: Path, known: dict[str, Any]
) -> None:
    served.script(URI, *[Answer(cut=1000, framing="close")] * 10)
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(XNATDownloadError):
        download_file(requester, URI, tmp_path / "f", **known)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("f", b"old")]


def test_broken_bodies_end_in_an_error(served: FakeServer, requester: SimpleRequester) -> None:
    served.script(URI, *[Answer(cut=1000)] * 10)
    calls: list[Any] = []
    with pytest.raises(XNATDownloadError, match="in a row"):
        download_stream(requester, URI, io.BytesIO(), update_func=lambda *call: calls.append(call))
    assert calls[-1][2] is True
    assert len(served.gets()) == fetch.ATTEMPTS


def test_many_breaks_are_no_problem_while_bytes_come(served: FakeServer, requester: SimpleRequester) -> None:
    served.ranges = True
    served.script(URI, *[Answer(cut=100_000)] * 9)
    stream = io.BytesIO()
    download_stream(requester, URI, stream, digest=md5(DATA), chunk_size=50_000)
    assert stream.getvalue() == DATA
    assert served.bytes_sent == len(DATA)


def test_server_without_ranges_is_not_asked_twice_for_one(served: FakeServer, requester: SimpleRequester) -> None:
    served.validators = False
    served.script(URI, Answer(cut=100_000), Answer(cut=200_000))
    download_stream(requester, URI, io.BytesIO(), chunk_size=50_000)
    assert ["Range" in seen.headers for seen in served.gets()] == [False, True, False]


def test_changed_file_is_not_glued_together(served: FakeServer, requester: SimpleRequester) -> None:
    served.ranges = served.etags = True
    served.script(URI, Answer(cut=500_000))
    other = noise(1_000_000, 7)
    original = requester.request

    def change(*args: Any, **kwargs: Any) -> Any:
        if "Range" in kwargs["headers"]:
            served.files[URI] = other
        return original(*args, **kwargs)

    requester.request = change  # type: ignore[method-assign]
    stream = io.BytesIO()
    download_stream(requester, URI, stream, chunk_size=50_000)
    assert stream.getvalue() == other


@pytest.mark.parametrize("content_range", ["bytes 0-999999/1000000", "bytes 600000-999998/1000000", "nonsense", ""])
def test_wrong_continuation_starts_again(served: FakeServer, requester: SimpleRequester, content_range: str) -> None:
    headers = {"Content-Range": content_range} if content_range else {}
    served.script(URI, Answer(cut=600_000), Answer(status=206, body=DATA[600_000:], headers=headers))
    stream = io.BytesIO()
    download_stream(requester, URI, stream)
    assert stream.getvalue() == DATA


def test_other_bytes_the_second_time_are_no_secret(served: FakeServer, requester: SimpleRequester) -> None:
    served.script(URI, Answer(cut=600_000), Answer(body=noise(1_000_000, 9)))
    with pytest.raises(XNATDownloadError, match="other bytes"):
        download_stream(requester, URI, Pipe())


@pytest.mark.parametrize("known", [{"digest": md5(b"?")}, {"size": 5}, {"size": len(DATA) + 1}])
def test_what_disagrees_is_not_stored(
    served: FakeServer, requester: SimpleRequester, tmp_path: Path, known: dict[str, Any]
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(XNATDownloadError, match="listing"):
        download_file(requester, URI, tmp_path / "f", **known)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("f", b"old")]


def test_damage_on_the_way_is_repaired(served: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    served.script(URI, Answer(body=b"?" * len(DATA)))
    result = download_file(requester, URI, tmp_path / "f", digest=md5(DATA).upper())
    assert result.state == "verified"
    assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize(
    ("known", "framing", "state"),
    [
        ({"digest": md5(DATA)}, "length", "verified"),
        ({"digest": ""}, "length", "size-only"),
        ({"size": len(DATA)}, "chunked", "size-only"),
        ({}, "chunked", "unverifiable"),
    ],
)
def test_states(
    served: FakeServer, requester: SimpleRequester, tmp_path: Path, known: dict[str, Any], framing: str, state: str
) -> None:
    served.framing = framing
    assert download_file(requester, URI, tmp_path / "f", **known).state == state


def test_page_is_accepted_only_if_the_digest_says_so(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path
) -> None:
    server.files["/a"] = server.files["/b.html"] = page = b"<html>"
    html = [Answer(headers={"Content-Type": "text/html"})] * 2
    server.script("/a", *html)
    with pytest.raises(XNATUnexpectedPageError):
        download_file(requester, "/a", tmp_path / "a")
    server.script("/a", *html)
    assert download_file(requester, "/a", tmp_path / "a", digest=md5(page)).state == "verified"
    server.script("/b.html", *html)
    download_file(requester, "/b.html", tmp_path / "b")


def test_missing_file_leaves_nothing(server: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    with pytest.raises(XNATNotFoundError):
        download_file(requester, "/nowhere", tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["file/f", "missing/f", "."])
def test_unwritable_target_is_told_before_asking(
    served: FakeServer, requester: SimpleRequester, tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(XNATDownloadError, match=str(tmp_path)) as caught:
        download_file(requester, URI, tmp_path / where)
    assert isinstance(caught.value, OSError)
    assert served.seen == []


def test_folder_is_made_on_request(served: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    download_file(requester, URI, tmp_path / "a" / "b" / "f", make_folder=True)
    assert (tmp_path / "a" / "b" / "f").read_bytes() == DATA


def test_long_names(served: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    place = tmp_path / ("ü" * 127)
    download_file(requester, URI, place)
    assert place.read_bytes() == DATA


def test_small_disk_is_noticed_when_the_length_comes(
    served: FakeServer, requester: SimpleRequester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 100))  # type: ignore[attr-defined]
    with pytest.raises(XNATDownloadError, match="not enough room"):
        download_file(requester, URI, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_full_disk(
    served: FakeServer, requester: SimpleRequester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(XNATDownloadError, match="No space left") as caught:
        download_file(requester, URI, tmp_path / "f")
    assert caught.value.errno == errno.ENOSPC
    assert str(tmp_path / "f") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("existing", "digest", "asked", "state"),
    [
        ("overwrite", md5(DATA), True, "verified"),
        ("skip", None, False, "skipped"),
        ("refresh", md5(DATA), False, "skipped"),
        ("refresh", None, True, "size-only"),
    ],
)
def test_existing(
    served: FakeServer,
    requester: SimpleRequester,
    tmp_path: Path,
    existing: Any,
    digest: str | None,
    asked: bool,
    state: str,
) -> None:
    (tmp_path / "f").write_bytes(DATA)
    result = download_file(requester, URI, tmp_path / "f", digest=digest, existing=existing)
    assert result.state == state
    assert bool(served.seen) is asked


def test_existing_error_and_unknown(served: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(XNATDownloadError, match="exists"):
        download_file(requester, URI, tmp_path / "f", existing="error")
    with pytest.raises(XNATValueError, match="refresh"):
        download_file(requester, URI, tmp_path / "f", existing="maybe")  # type: ignore[arg-type]
    assert served.seen == []


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_chunk_size_must_be_positive(requester: SimpleRequester, chunk_size: int) -> None:
    with pytest.raises(XNATValueError, match="chunk_size"):
        download_stream(requester, URI, io.BytesIO(), chunk_size=chunk_size)


# -- zips to disk ---------------------------------------------

ZIPPED = make_zip([(f"m{number}", noise(50_000, number)) for number in range(10)])


@pytest.mark.parametrize("answers", [[], [Answer(cut=300_000)], [Answer(cut=300_000, framing="close")]])
def test_zip_is_checked_while_it_comes(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path, answers: list[Answer]
) -> None:
    server.zips["/z"] = ZIPPED
    server.script("/z", *answers)
    result = download_file(requester, "/z", tmp_path / "z.zip", query={"format": "zip"}, check_zip=True)
    assert (tmp_path / "z.zip").read_bytes() == ZIPPED
    assert result.state == "verified"


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("cuts", [(1, 90_000), (300_000,), (300_000, 10_000, 490_000)])
def test_zip_that_comes_in_several_goes_is_checked(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path, ranges: bool, method: int, cuts: tuple[int, ...]
) -> None:
    data = make_zip([(f"m{number}", noise(50_000, number)) for number in range(10)], method=method)
    server.ranges = ranges
    server.zips["/z"] = data
    server.script("/z", *(Answer(cut=cut) for cut in cuts))
    result = download_file(
        requester, "/z", tmp_path / "z.zip", query={"format": "zip"}, check_zip=True, chunk_size=10_000
    )
    assert (tmp_path / "z.zip").read_bytes() == data
    assert (result.state, result.size) == ("verified", len(data))
    assert len(server.gets()) == len(cuts) + 1


@pytest.mark.parametrize("where", [40, 200_000, len(ZIPPED) - 5])
def test_damaged_zip_is_not_stored(server: FakeServer, requester: SimpleRequester, tmp_path: Path, where: int) -> None:
    damaged = bytearray(ZIPPED)
    damaged[where] ^= 0x10
    server.zips["/z"] = bytes(damaged)
    with pytest.raises(XNATDownloadError):
        download_file(requester, "/z", tmp_path / "z.zip", query={"format": "zip"}, check_zip=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_same_size_and_other_content_is_refreshed(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path
) -> None:
    server.files["/data/f"] = b"steps"
    target = tmp_path / "f"
    target.write_bytes(b"STEPS")
    options: Any = {"size": 5, "digest": md5(b"steps"), "existing": "refresh"}
    assert download_file(requester, "/data/f", target, **options).state == "verified"
    assert target.read_bytes() == b"steps"
    assert download_file(requester, "/data/f", target, **options).state == "skipped"
    assert len(server.gets()) == 1
