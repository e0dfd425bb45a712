from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from xnat.exceptions import (
    XNATConnectionError,
    XNATLoginFailedError,
    XNATTransferError,
    XNATUploadError,
    XNATValueError,
)
from xnat.transfer import sending, upload_many
from xnat.transfer.plan import RemoteFile
from xnat.transfer.upload import METHODS, upload_data, upload_file, upload_tree

from .conftest import md5, noise
from .server import Answer, FakeServer, SimpleRequester

URI = "/data/R/files/f.bin"
RESOURCE = "/data/R"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BACKOFF", 0.0)


class Slow(io.RawIOBase):
    """A stream that can't be wound back and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._data.read(min(len(buffer), 7000))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        (b"bytes", b"bytes"),
        ("café", "café".encode()),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
        (lambda: io.StringIO("tëxt"), "tëxt".encode()),
        (lambda: Slow(b"x" * 100_000), b"x" * 100_000),
        (lambda: iter([b"a", b"b"]), b"ab"),
        (b"", b""),
        ("", b""),
        (io.BytesIO, b""),
        (lambda: Slow(b""), b""),
    ],
)
@pytest.mark.parametrize("method", ["put", "post"])
def test_data_of_all_kinds(
    server: FakeServer, requester: SimpleRequester, data: Any, stored: bytes, method: str
) -> None:
    data = data() if callable(data) else data
    upload_data(requester, URI, data, method=method)
    assert server.files[URI] == stored
    seen = server.puts()[-1]
    assert seen.method == method.upper()
    assert "Transfer-Encoding" not in seen.headers
    assert ("X-Multipart" in seen.headers) is (stored == b"")


def test_open_file_is_sent_from_where_it_stands_and_left_open(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"head" + b"body")
    with open(tmp_path / "f", "rb") as file:
        file.seek(4)
        server.script(URI, Answer(503), Answer(503))
        upload_data(requester, URI, file, retries=3)
        assert not file.closed
    assert server.files[URI] == b"body"
    assert [seen.body for seen in server.puts()] == [b"body"] * 3


def test_content_type_and_query(server: FakeServer, requester: SimpleRequester) -> None:
    query = {"content": "T1 & more", "inbody": "true"}
    upload_data(requester, URI, b"x", content_type="text/plain", query=query, overwrite=True)
    seen = server.puts()[-1]
    assert seen.headers["Content-Type"] == "text/plain"
    assert seen.query == {**query, "overwrite": "true"}
    upload_data(requester, URI, b"", query=query, overwrite=True)
    assert "inbody" not in server.puts()[-1].query  # which the server refuses together with a form
    assert query == {"content": "T1 & more", "inbody": "true"}


def test_file(server: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    calls: list[Any] = []
    upload_file(requester, URI, tmp_path / "f", update_func=lambda *call: calls.append(call))
    assert server.files[URI] == b"data"
    assert calls == [(4, 4, False), (4, 4, True)]


@pytest.mark.parametrize("name", ["missing", "."])
def test_missing_file(requester: SimpleRequester, tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        upload_file(requester, URI, tmp_path / name)


def test_duplicate_is_an_error_unless_overwritten(server: FakeServer, requester: SimpleRequester) -> None:
    server.files[URI] = b"old"
    with pytest.raises(XNATUploadError, match=r"f\.bin.*overwrite=True"):
        upload_data(requester, URI, b"new")
    assert server.files[URI] == b"old"
    upload_data(requester, URI, b"new", overwrite=True)
    assert server.files[URI] == b"new"


def test_lost_answer_is_not_taken_for_a_duplicate(server: FakeServer, requester: SimpleRequester) -> None:
    server.script(URI, Answer(drop=True))  # stored, but the answer is lost
    upload_data(requester, URI, b"data")
    assert [seen.method for seen in server.seen] == ["PUT", "PUT", "GET"]


def test_foreign_duplicate_after_a_lost_answer_is_an_error(server: FakeServer, requester: SimpleRequester) -> None:
    server.files[URI] = b"somebody else's"
    server.script(URI, Answer(drop=True))
    with pytest.raises(XNATUploadError, match="exists"):
        upload_data(requester, URI, b"data")


@pytest.mark.parametrize(
    ("status", "retries", "sent"), [(503, 3, 3), (500, 2, 2), (403, 3, 1), (404, 3, 1), (400, 3, 1), (503, 1, 1)]
)
def test_retries(server: FakeServer, requester: SimpleRequester, status: int, retries: int, sent: int) -> None:
    server.script(URI, *[Answer(status, body=b"no")] * 5)
    with pytest.raises(
        XNATUploadError, match=f"Upload failed after {sent} attempts?! Status code {status}, response text no"
    ):
        upload_data(requester, URI, b"data", retries=retries)
    assert len(server.puts()) == sent


def test_post_is_not_repeated_by_itself(server: FakeServer, requester: SimpleRequester) -> None:
    server.script(URI, Answer(drop=True, store=False))
    with pytest.raises(XNATUploadError):
        upload_data(requester, URI, b"data", method="post")
    assert len(server.puts()) == 1


def test_progress_begins_again_with_every_attempt(server: FakeServer, requester: SimpleRequester) -> None:
    server.script(URI, Answer(503))
    calls: list[Any] = []
    upload_data(requester, URI, noise(300_000), retries=2, update_func=lambda *call: calls.append(call))
    assert max(call[0] for call in calls) == 300_000
    assert calls[-1] == (300_000, 300_000, True)
    assert [call[2] for call in calls].count(True) == 1


def test_progress_is_finished_after_a_failure(server: FakeServer, requester: SimpleRequester) -> None:
    server.script(URI, Answer(403))
    calls: list[Any] = []
    with pytest.raises(XNATUploadError):
        upload_data(requester, URI, b"x", update_func=lambda *call: calls.append(call))
    assert calls[-1][2] is True


@pytest.mark.parametrize("method", ["patch", "", "PUT"])
def test_unknown_method(requester: SimpleRequester, method: str) -> None:
    with pytest.raises(XNATValueError, match="'put' or 'post'"):
        upload_data(requester, URI, b"x", method=method)


def test_what_is_no_data(requester: SimpleRequester) -> None:
    with pytest.raises(XNATValueError, match="int"):
        upload_data(requester, URI, 5)  # type: ignore[arg-type]


# -- many files ---------------------------------------------

CONTENT = {"a.txt": b"1", "sub/ü #?%41.dcm": noise(5000), "sub/deep/empty": b"", "b": b"b" * 70_000}


@pytest.fixture
def local(tmp_path: Path) -> list[tuple[Path, str]]:
    pairs = []
    for number, (name, data) in enumerate(CONTENT.items()):
        path = tmp_path / f"{number}"
        path.write_bytes(data)
        pairs.append((path, name))
    return pairs


Inventory = Callable[[], list[RemoteFile]]


@pytest.fixture
def inventory(server: FakeServer) -> Inventory:
    def ask() -> list[RemoteFile]:
        prefix = f"{RESOURCE}/files/"
        return [
            RemoteFile(path, PurePosixPath(path[len(prefix) :]), len(data), md5(data) if server.digests else "")
            for path, data in server.files.items()
            if path.startswith(prefix)
        ]

    return ask


def stored(server: FakeServer) -> dict[str, bytes]:
    return {path.removeprefix(f"{RESOURCE}/files/"): data for path, data in server.files.items()}


@pytest.mark.parametrize("method", METHODS)
def test_tree(server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory, method: str) -> None:
    calls: list[Any] = []
    report = upload_tree(
        requester, RESOURCE, local, method=method, inventory=inventory, update_func=lambda *call: calls.append(call)
    )
    assert stored(server) == CONTENT
    assert len(report.verified) == 4
    assert report.ok
    assert calls[-1][2] is True
    assert calls[-1][0] == pytest.approx(sum(map(len, CONTENT.values())), abs=4)
    if "_" in method and method != "per_file":
        assert [seen.query["extract"] for seen in server.puts()] == ["true"]


def test_tree_of_many_small_files_is_packed(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path, inventory: Inventory
) -> None:
    pairs = []
    for number in range(50):
        (tmp_path / str(number)).write_bytes(noise(100, number))
        pairs.append((tmp_path / str(number), f"{number}.dcm"))
    upload_tree(requester, RESOURCE, iter(pairs), inventory=inventory)
    assert len(server.puts()) == 1
    assert len(stored(server)) == 50


def test_unknown_tree_method_lists_the_known_ones(server: FakeServer, requester: SimpleRequester) -> None:
    with pytest.raises(XNATValueError, match="per_file.*tgz_memory"):
        upload_tree(requester, RESOURCE, [], method="magic")
    assert server.seen == []


@pytest.mark.parametrize("method", ["per_file", "tgz_file"])
def test_second_run_sends_nothing(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory, method: str
) -> None:
    upload_tree(requester, RESOURCE, local, method=method, inventory=inventory)
    server.seen.clear()
    report = upload_tree(requester, RESOURCE, local, method=method, inventory=inventory)
    assert server.puts() == []
    assert len(report.skipped) == 4


def test_existing_other_file_is_a_failure_unless_overwritten(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory
) -> None:
    server.files[f"{RESOURCE}/files/a.txt"] = b"2"
    with pytest.raises(XNATTransferError, match="overwrite=True") as caught:
        upload_tree(requester, RESOURCE, local, inventory=inventory)
    assert [result.path for result in caught.value.report.failed] == [local[0][0]]
    assert stored(server) == CONTENT | {"a.txt": b"2"}
    upload_tree(requester, RESOURCE, local, inventory=inventory, overwrite=True)
    assert stored(server) == CONTENT


@pytest.mark.parametrize("method", ["per_file", "tar_file", "zip_file"])
def test_only_what_is_missing_or_different_is_sent_again(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory, method: str
) -> None:
    asked = [0]

    def forgetful() -> list[RemoteFile]:
        asked[0] += 1
        if asked[0] == 2:  # after the first round: one lost, one damaged
            del server.files[f"{RESOURCE}/files/a.txt"]
            server.files[f"{RESOURCE}/files/b"] = b"x" * 70_000
        return inventory()

    report = upload_tree(requester, RESOURCE, local, method=method, inventory=forgetful)
    assert stored(server) == CONTENT
    assert report.ok
    again = server.puts()[4 if method == "per_file" else 1 :]
    assert sorted(seen.path for seen in again) == [f"{RESOURCE}/files/a.txt", f"{RESOURCE}/files/b"]


def test_silent_refusal_is_noticed(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory
) -> None:
    for _, name in local:  # 200, and nothing happens: no right to edit
        server.script(f"{RESOURCE}/files/{name}", *[Answer(store=False)] * 5)
    with pytest.raises(XNATTransferError, match="right to edit") as caught:
        upload_tree(requester, RESOURCE, local, method="per_file", inventory=inventory)
    assert len(caught.value.report.failed) == 4


@pytest.mark.parametrize("status", [400, 500])
def test_refused_archive_is_followed_by_single_files(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory, status: int
) -> None:
    server.script(f"{RESOURCE}/files/upload.tar", Answer(status))
    report = upload_tree(requester, RESOURCE, local, method="tar_file", inventory=inventory)
    assert report.ok
    assert stored(server) == CONTENT


def test_forbidden_archive_is_not_followed_by_anything(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory
) -> None:
    server.script(f"{RESOURCE}/files/upload.tar", Answer(403))
    with pytest.raises(XNATTransferError, match="403") as caught:
        upload_tree(requester, RESOURCE, local, method="tar_file", inventory=inventory)
    assert len(caught.value.report.failed) == 4
    assert len(server.puts()) == 1


def test_lost_login_ends_the_upload(server: FakeServer, local: Any) -> None:
    class LoggedOut(SimpleRequester):
        asked = 0

        def request(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            raise XNATLoginFailedError("who are you?")

    requester = LoggedOut(server.url)
    with pytest.raises(XNATTransferError, match="who are you") as caught:
        upload_tree(requester, RESOURCE, local, method="per_file", workers=1)
    assert requester.asked == 1
    assert len(caught.value.report.failed) == 4
    with pytest.raises(XNATLoginFailedError):
        upload_data(requester, URI, b"x")


@pytest.mark.parametrize("method", ["per_file", "tar_file"])
def test_update_function_can_end_an_upload(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory, method: str
) -> None:
    def stop(done: int, total: int | None, finished: bool) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        upload_tree(requester, RESOURCE, local, method=method, inventory=inventory, update_func=stop)
    upload_tree(requester, RESOURCE, local, method=method, inventory=inventory)
    assert stored(server) == CONTENT


def test_one_failure_does_not_hide_the_others(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory, tmp_path: Path
) -> None:
    server.script(f"{RESOURCE}/files/b", *[Answer(500)] * 9)
    with pytest.raises(XNATTransferError) as caught:
        upload_tree(requester, RESOURCE, [*local, (tmp_path / "gone", "gone")], method="per_file", inventory=inventory)
    report = caught.value.report
    assert {result.path.name for result in report.failed} == {"3", "gone"}
    assert len(report.verified) == 3
    assert len(report) == 5


def test_first_file_makes_the_resource_alone(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory
) -> None:
    events: list[str] = []
    lock = threading.Lock()

    class Watched(SimpleRequester):
        def request(self, method: str, path: str, **kwargs: Any) -> Any:
            with lock:
                events.append("begin")
            try:
                return super().request(method, path, **kwargs)
            finally:
                with lock:
                    events.append("end")

    watched = Watched(server.url)
    upload_tree(watched, RESOURCE, local, method="per_file", inventory=inventory)
    watched.session.close()
    assert events[:2] == ["begin", "end"]


def test_without_digests_sizes_are_compared(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory
) -> None:
    server.digests = False
    report = upload_tree(requester, RESOURCE, local, inventory=inventory)
    assert len(report.size_only) == 4


def test_without_inventory_nothing_is_verified(server: FakeServer, requester: SimpleRequester, local: Any) -> None:
    report = upload_tree(requester, RESOURCE, local)
    assert len(report.unverifiable) == 4
    assert stored(server) == CONTENT


@pytest.mark.parametrize("name", ["", "/", "a/../b", "..", "a//b", "."])
def test_bad_remote_names(requester: SimpleRequester, tmp_path: Path, name: str) -> None:
    with pytest.raises(XNATValueError):
        upload_tree(requester, RESOURCE, [(tmp_path, name)])


def test_two_files_of_one_name(server: FakeServer, requester: SimpleRequester, local: Any) -> None:
    with pytest.raises(XNATValueError, match="same name"):
        upload_tree(requester, RESOURCE, [(local[0][0], "x"), (local[1][0], "/x")])
    assert server.seen == []


def test_lost_connection_is_an_upload_error(tmp_path: Path) -> None:
    class Gone:
        def request(self, *args: Any, **kwargs: Any) -> Any:
            raise XNATConnectionError("refused")

    with pytest.raises(XNATUploadError, match="refused"):
        upload_data(Gone(), URI, b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize("refused", [False, True])
def test_without_inventory_an_archive_is_taken_for_sent_if_it_was_accepted(
    server: FakeServer, requester: SimpleRequester, local: Any, refused: bool
) -> None:
    if refused:
        server.script(f"{RESOURCE}/files/upload.zip", Answer(500))
    report = upload_tree(requester, RESOURCE, local, method="zip_file")
    assert stored(server) == CONTENT
    assert len(report.unverifiable) == 4
    assert len(server.puts()) == (5 if refused else 1)


def test_without_inventory_what_a_refused_archive_held_goes_singly(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_many, "_BATCH_FILES", 10)
    pairs = []
    for number in range(15):
        (tmp_path / str(number)).write_bytes(noise(100, number))
        pairs.append((tmp_path / str(number), f"{number}.dcm"))
    server.script(f"{RESOURCE}/files/upload.zip", Answer(), Answer(500))
    report = upload_tree(requester, RESOURCE, pairs)
    assert report.ok
    assert stored(server) == {f"{number}.dcm": noise(100, number) for number in range(15)}
    assert len(server.puts()) == 2 + 5


def test_archives_of_many_files_have_an_end(
    server: FakeServer,
    requester: SimpleRequester,
    tmp_path: Path,
    inventory: Inventory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload_many, "_BATCH_BYTES", 450)
    pairs = []
    for number in range(10):
        (tmp_path / str(number)).write_bytes(noise(100, number))
        pairs.append((tmp_path / str(number), f"{number}.dcm"))
    assert upload_tree(requester, RESOURCE, pairs, inventory=inventory).ok
    assert [seen.path.rpartition("/")[2] for seen in server.puts()] == ["upload.zip"] * 3
    assert len(stored(server)) == 10


def test_a_login_lost_half_way_leaves_word_of_each_file(server: FakeServer, local: Any) -> None:
    class LoggedOut(SimpleRequester):
        asked = 0

        def request(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            if self.asked > 2:
                raise XNATLoginFailedError("who are you?")
            return super().request(*args, **kwargs)

    requester = LoggedOut(server.url)
    with pytest.raises(XNATTransferError, match="who are you") as caught:
        upload_tree(requester, RESOURCE, local, method="per_file", workers=1)
    requester.session.close()
    report = caught.value.report
    assert [result.path for result in report.unverifiable] == [path for path, _ in local[:2]]
    assert [result.path for result in report.failed] == [path for path, _ in local[2:]]
    assert len(stored(server)) == 2


def test_a_file_that_shrinks_while_it_is_sent_is_a_failure(
    server: FakeServer, requester: SimpleRequester, tmp_path: Path, inventory: Inventory
) -> None:
    path = tmp_path / "growing.log"
    path.write_bytes(noise(300_000))

    def shrink(done: int, total: int | None, finished: bool) -> None:
        if done and path.stat().st_size > 200_000:
            os.truncate(path, 100_000)

    with pytest.raises(XNATTransferError, match="shrank.*300000 bytes then, [0-9]+ now") as caught:
        upload_tree(requester, RESOURCE, [(path, "growing.log")], inventory=inventory, update_func=shrink)
    assert [result.path for result in caught.value.report.failed] == [path]


def test_a_file_that_an_archive_of_unknown_fate_brought_damaged_is_no_success(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory
) -> None:
    def halfway() -> list[RemoteFile]:
        if server.puts() and not stored(server):  # the archive came to pieces on the server
            server.files.update({f"{RESOURCE}/files/{name}": data for name, data in CONTENT.items()})
            server.files[f"{RESOURCE}/files/b"] = b"x" * 70_000
        return inventory()

    server.script(f"{RESOURCE}/files/upload.zip", Answer(500))
    with pytest.raises(XNATTransferError) as caught:
        upload_tree(requester, RESOURCE, local, method="zip_file", inventory=halfway)
    assert [result.path.name for result in caught.value.report.failed] == ["3"]
    assert len(caught.value.report.verified) == 3


@pytest.mark.parametrize("pieces", [[b"a", b"", b"b"], [b"", b"ab"], ["a", "", "b"]])
def test_an_empty_piece_is_not_the_end(server: FakeServer, requester: SimpleRequester, pieces: list[Any]) -> None:
    upload_data(requester, URI, iter(pieces))
    assert server.files[URI] == b"ab"


def test_what_stays_damaged_is_an_error(server: FakeServer, requester: SimpleRequester) -> None:
    there = [RemoteFile(URI, PurePosixPath("f.bin"), 3, None), RemoteFile(URI, PurePosixPath("f.bin"), 4, md5(b"xxxx"))]
    with pytest.raises(XNATUploadError, match="MD5 is"):
        upload_data(requester, URI, b"four", stored=lambda: there.pop(0))
    assert [seen.query.get("overwrite") for seen in server.puts()] == [None, "true"]
    with pytest.raises(XNATUploadError, match="has 3 bytes of it, 4 were sent"):
        upload_data(
            requester, URI, b"four", stored=lambda: RemoteFile(URI, PurePosixPath("f.bin"), 3, None), overwrite=True
        )


def test_a_file_that_vanishes_before_its_turn(
    server: FakeServer, requester: SimpleRequester, local: Any, inventory: Inventory
) -> None:
    def vanish(done: int, total: int | None, finished: bool) -> None:
        local[-1][0].unlink(missing_ok=True)

    with pytest.raises(XNATTransferError, match="can't read .*No such file") as caught:
        upload_tree(requester, RESOURCE, local, method="per_file", workers=1, inventory=inventory, update_func=vanish)
    assert [result.path for result in caught.value.report.failed] == [local[-1][0]]
    assert len(caught.value.report.verified) == 3
