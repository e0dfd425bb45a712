from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from pathlib import Path, PurePosixPath

import pytest

from tests.waiting import PATIENCE
from xnat.exceptions import (
    XNATDownloadError,
    XNATLoginFailedError,
    XNATTransferError,
    XNATUnsafeArchiveError,
    XNATValueError,
)
from xnat.transfer.archive import ArchiveLimits
from xnat.transfer.download import download_tree
from xnat.transfer.manifest import MANIFEST_NAME, STAGING_NAME
from xnat.transfer.plan import Plan, RemoteFile, RemoteGroup

from .conftest import Publish, make_zip, md5, noise, tree_of
from .server import Answer, FakeServer, SimpleRequester

SMALL = {f"d{i % 3}/f{i}.dcm": noise(1000 + i, i) for i in range(12)} | {"empty.txt": b"", "é ü.txt": "ä".encode()}
ZIP = "/data/E/R/files"


def test_small_files_come_as_one_zip(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    report = download_tree(requester, [publish(SMALL)], tmp_path / "new" / "target")
    assert tree_of(tmp_path / "new" / "target") == SMALL
    assert [seen.path for seen in server.gets()] == [ZIP]
    assert len(report.verified) == len(SMALL)
    assert report.ok
    assert not (tmp_path / "new" / "target" / STAGING_NAME).exists()


def test_large_files_come_singly_and_in_parallel(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {f"{i}.bin": noise(5 << 20, i) for i in range(4)}
    group = publish(content)
    # Each answer waits until all four were asked for: only workers that really run side by side get past that.
    everyone = threading.Barrier(4)

    class Together(SimpleRequester):
        def request(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            everyone.wait(PATIENCE)
            return super().request(*args, **kwargs)  # type: ignore[arg-type]

    together = Together(server.url)
    report = download_tree(together, [group], tmp_path, workers=4)
    together.session.close()
    assert tree_of(tmp_path) == content
    assert not any(seen.query for seen in server.gets())
    assert len(report.verified) == 4


def test_workers_limit_is_kept(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    download_tree(requester, [publish(SMALL, archive=False)], tmp_path, workers=2)
    assert server.most_in_flight <= 2


@pytest.mark.parametrize("workers", [0, -1, 1.5, "4", True])
def test_unusable_workers_are_refused(requester: SimpleRequester, tmp_path: Path, workers: object) -> None:
    with pytest.raises(XNATValueError, match="workers"):
        download_tree(requester, [], tmp_path, workers=workers)  # type: ignore[arg-type]


def test_second_run_asks_for_nothing(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL)
    download_tree(requester, [group], tmp_path)
    server.seen.clear()
    report = download_tree(requester, [group], tmp_path)
    assert server.seen == []
    assert len(report.skipped) == len(SMALL)


def test_second_run_asks_for_nothing_without_digests(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL, digests=False, sizes=False)
    download_tree(requester, [group], tmp_path)
    server.seen.clear()
    download_tree(requester, [group], tmp_path)
    assert server.seen == []


def test_copied_tree_is_recognised_by_content(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL)
    download_tree(requester, [group], tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copyfile)
    (tmp_path / "b" / MANIFEST_NAME).unlink()
    server.seen.clear()
    download_tree(requester, [group], tmp_path / "b")
    assert server.seen == []


def test_changed_file_is_fetched_again(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL, digests=False)
    download_tree(requester, [group], tmp_path)
    victim = tmp_path / "d1" / "f1.dcm"
    victim.write_bytes(b"x" * len(SMALL["d1/f1.dcm"]))
    server.seen.clear()
    report = download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == SMALL
    assert [seen.path for seen in server.seen] == [ZIP + "/d1/f1.dcm"]
    assert len(report.transferred) == 1


def test_changed_server_file_is_fetched_again(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    download_tree(requester, [publish(SMALL)], tmp_path)
    changed = SMALL | {"d0/f0.dcm": b"y" * len(SMALL["d0/f0.dcm"])}
    download_tree(requester, [publish(changed)], tmp_path)
    assert tree_of(tmp_path) == changed


# -- existing= ---------------------------------------------

EXISTING = [
    # existing, digest known, content here          -> fetched, content afterwards is the server's
    ("refresh", True, b"same", False, True),
    ("refresh", True, b"else", True, True),
    ("refresh", True, b"longer one", True, True),
    ("refresh", False, b"same", True, True),
    ("skip", True, b"else", False, False),
    ("skip", True, b"same", False, True),
    ("overwrite", True, b"same", True, True),
    ("overwrite", False, b"else", True, True),
    ("error", True, b"same", False, True),
]


@pytest.mark.parametrize(("existing", "digests", "here", "fetched", "right"), EXISTING)
def test_existing_files(
    server: FakeServer,
    requester: SimpleRequester,
    publish: Publish,
    tmp_path: Path,
    existing: str,
    digests: bool,
    here: bytes,
    fetched: bool,
    right: bool,
) -> None:
    group = publish({"a.txt": b"same"}, digests=digests)
    (tmp_path / "a.txt").write_bytes(here)
    download_tree(requester, [group], tmp_path, existing=existing)  # type: ignore[arg-type]
    assert bool(server.seen) is fetched
    assert ((tmp_path / "a.txt").read_bytes() == b"same") is right


@pytest.mark.parametrize("digests", [True, False])
def test_existing_error_refuses_before_anything_is_fetched(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path, digests: bool
) -> None:
    group = publish({"a.txt": b"same", "b.txt": b"new"}, digests=digests)
    (tmp_path / "a.txt").write_bytes(b"else")
    with pytest.raises(XNATDownloadError, match=r"a\.txt"):
        download_tree(requester, [group], tmp_path, existing="error")
    assert server.seen == []
    assert tree_of(tmp_path) == {"a.txt": b"else"}


def test_existing_error_goes_on_with_what_it_fetched_itself(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL, digests=False)
    download_tree(requester, [group], tmp_path, existing="error")
    (tmp_path / "empty.txt").unlink()
    report = download_tree(requester, [group], tmp_path, existing="error")
    assert tree_of(tmp_path) == SMALL
    assert len(report.transferred) == 1


def test_unknown_existing_is_refused(requester: SimpleRequester, tmp_path: Path) -> None:
    with pytest.raises(XNATValueError, match="refresh"):
        download_tree(requester, [], tmp_path, existing="replace")  # type: ignore[call-overload]


# -- zips that don't keep their promise ---------------------------------------------


def test_cut_zip_keeps_what_came_and_fetches_only_the_rest(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {f"{i:02}.bin": noise(100_000, i) for i in range(20)}
    group = publish(content)
    server.script(ZIP, Answer(cut=1_050_000))
    report = download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == content
    assert len(report.verified) == 20
    singles = [seen.path for seen in server.gets() if not seen.query]
    assert 8 <= len(singles) <= 11  # what lay behind the cut, and no more
    assert server.bytes_sent <= 1.08 * 2_000_000


def test_member_with_wrong_crc_is_fetched_singly(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL)
    damaged = bytearray(make_zip([(f"LABEL/files/{name}", data) for name, data in SMALL.items()], method=0))
    where = damaged.index(SMALL["d2/f2.dcm"][:50])
    damaged[where] ^= 0xFF
    server.zips[ZIP] = bytes(damaged)
    report = download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == SMALL
    assert report.ok


def test_zip_that_misses_files_or_has_other_bytes(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL)
    members = [(f"LABEL/files/{name}", data) for name, data in SMALL.items()][2:]
    members[0] = (members[0][0], b"other" + members[0][1][5:])
    members[1] = (members[1][0], members[1][1] + b"longer")
    server.zips[ZIP] = make_zip(members)
    download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == SMALL
    assert len([seen for seen in server.gets() if not seen.query]) == 4


@pytest.mark.parametrize(
    "answer", [Answer(404), Answer(500), Answer(403), Answer(body=b"no zip at all"), Answer(drop=True)]
)
def test_group_whose_zip_is_refused_comes_singly(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path, answer: Answer
) -> None:
    if answer.status != 200:
        answer.body = b"sorry"
    server.script(ZIP, answer)
    report = download_tree(requester, [publish(SMALL)], tmp_path)
    assert tree_of(tmp_path) == SMALL
    assert report.ok


def test_file_that_stays_wrong_is_failed_and_the_others_are_there(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL)
    wrong = [
        RemoteFile(file.uri, file.path, file.size, md5(b"?")) if "f5" in file.uri else file for file in group.files
    ]
    with pytest.raises(XNATTransferError, match=r"f5\.dcm") as caught:
        download_tree(requester, [RemoteGroup(wrong, group.archive_uri, group.member_path)], tmp_path)
    report = caught.value.report
    assert [result.path.name for result in report.failed] == ["f5.dcm"]
    assert len(report.verified) == len(SMALL) - 1
    assert tree_of(tmp_path) == {name: data for name, data in SMALL.items() if "f5" not in name}


def test_wrong_bytes_never_replace_the_old_file(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish({"a": b"server"}, digests=False)
    (tmp_path / "a").write_bytes(b"mine")
    wrong = RemoteFile(group.files[0].uri, PurePosixPath("a"), 6, md5(b"?"))
    with pytest.raises(XNATTransferError):
        download_tree(requester, [RemoteGroup([wrong])], tmp_path, existing="overwrite")
    assert tree_of(tmp_path) == {"a": b"mine"}


def test_unlisted_member_is_kept_and_reported(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL, extra=[("LABEL/files/surprise.txt", b"!"), ("elsewhere/x", b"?")])
    report = download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == SMALL | {"surprise.txt": b"!"}
    assert [result.note for result in report if result.path.name == "surprise.txt"] == [
        "in the zip, but not in the server's listing"
    ]
    report = download_tree(requester, [group], tmp_path, delete=True)
    assert not report.deleted


@pytest.mark.parametrize(
    "member",
    [
        "../evil",
        "LABEL/files/../../../evil",
        "/abs",
        "C:/evil",
        "LABEL/files/CON",
        "LABEL/files/EMPTY.TXT",
        "a\nb",
        "a\\..\\b",
    ],
)
@pytest.mark.parametrize("where", ["first", "last"])
def test_unsafe_member_leaves_nothing_of_that_archive(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path, member: str, where: str
) -> None:
    group = publish(SMALL)
    other = publish({f"ok{i}": b"fine" for i in range(4)}, "/data/E/S")
    members = [(f"LABEL/files/{name}", data) for name, data in SMALL.items()]
    members.insert(0 if where == "first" else len(members), (member, b"evil"))
    server.zips[ZIP] = make_zip(members)
    target = tmp_path / "deep" / "target"
    with pytest.raises(XNATUnsafeArchiveError) as caught:
        download_tree(requester, [group, other], target)
    assert isinstance(caught.value, XNATTransferError)
    assert caught.value.member == member
    assert repr(member) in str(caught.value)
    assert tree_of(target) == {f"ok{i}": b"fine" for i in range(4)}
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert len(caught.value.report.failed) == len(SMALL)


def test_bomb_is_stopped(server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path) -> None:
    group = publish(SMALL, extra=[("LABEL/files/bomb", bytes(3_000_000))])
    limits = ArchiveLimits(max_ratio=20, ratio_from=1_000_000)
    with pytest.raises(XNATUnsafeArchiveError, match="max_ratio"):
        download_tree(requester, [group], tmp_path, limits=limits)
    download_tree(requester, [group], tmp_path, limits=ArchiveLimits(ratio_from=10_000_000))
    assert (tmp_path / "bomb").stat().st_size == 3_000_000


def test_announced_files_may_be_as_compressible_as_they_like(
    requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {f"mask{i}": bytes(2_000_000) for i in range(3)}
    limits = ArchiveLimits(max_ratio=2, ratio_from=1000, max_bytes=1000)
    download_tree(requester, [publish(content)], tmp_path, limits=limits)
    assert tree_of(tmp_path) == content


def test_files_that_differ_in_case_only_are_kept_apart_or_told_of(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {"a.txt": b"1", "A.txt": b"2", "b": b"3"}
    (tmp_path / "probe").touch()
    if (tmp_path / "PROBE").exists():
        with pytest.raises(XNATTransferError, match="same local name"):
            download_tree(requester, [publish(content)], tmp_path / "t")
    else:
        download_tree(requester, [publish(content)], tmp_path / "t")
        assert tree_of(tmp_path / "t") == content


# -- names ---------------------------------------------


def test_target_can_not_be_left(server: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "link").symlink_to(outside)
    server.files["/f"] = b"x"
    bad = [RemoteFile("/f", PurePosixPath(path)) for path in ("../evil", "/tmp/evil-xnat", "link/evil")]
    good = RemoteFile("/f", PurePosixPath("good"))
    with pytest.raises(XNATTransferError) as caught:
        download_tree(requester, [RemoteGroup([*bad, good])], target)
    assert len(caught.value.report.failed) == 3
    assert (target / "good").read_bytes() == b"x"
    assert list(outside.iterdir()) == []


def test_two_files_of_one_local_name(server: FakeServer, requester: SimpleRequester, tmp_path: Path) -> None:
    server.files |= {"/1": b"1", "/2": b"2", "/3": b"3"}
    files = [
        RemoteFile("/1", PurePosixPath("x/a")),
        RemoteFile("/2", PurePosixPath("x/a")),
        RemoteFile("/3", PurePosixPath("x")),
    ]
    with pytest.raises(XNATTransferError) as caught:
        download_tree(requester, [RemoteGroup(files)], tmp_path)
    assert {result.uri for result in caught.value.report.failed} == {"/2", "/3"}
    assert tree_of(tmp_path) == {"x/a": b"1"}


# -- plan and sync ---------------------------------------------


def test_dry_run_gives_a_plan_and_touches_nothing(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish({"a": b"1", "b": b"22"})
    plan = download_tree(requester, [group], tmp_path / "t", dry_run=True)
    assert isinstance(plan, Plan)
    assert [str(item.path) for item in plan.fetch] == ["a", "b"]
    assert plan.bytes == 3
    assert "2 to fetch" in str(plan)
    assert json.loads(plan.to_json())["counts"] == {"fetch": 2}
    assert server.seen == []
    assert not (tmp_path / "t").exists()


def test_delete_removes_what_vanished_and_nothing_else(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    download_tree(requester, [publish({"s/a": b"1", "s/old/b": b"2", "s/old/mine": b"3", "t/x": b"4"})], tmp_path)
    (tmp_path / "s" / "notes.txt").write_text("the user's own")
    (tmp_path / "s" / "old" / "mine").write_text("edited")
    left = publish({"s/a": b"1"})
    plan = download_tree(requester, [left], tmp_path, delete=True, below=PurePosixPath("s"), dry_run=True)
    assert [str(item.path) for item in plan.delete] == ["s/old/b"]
    report = download_tree(requester, [left], tmp_path, delete=True, below=PurePosixPath("s"))
    assert [result.path.name for result in report.deleted] == ["b"]
    assert set(tree_of(tmp_path)) == {"s/a", "s/notes.txt", "s/old/mine", "t/x"}
    download_tree(requester, [left], tmp_path, delete=True)
    assert set(tree_of(tmp_path)) == {"s/a", "s/notes.txt", "s/old/mine"}
    assert not (tmp_path / "t").exists()


def test_nothing_is_deleted_after_failures(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    download_tree(requester, [publish({"a": b"1"})], tmp_path)
    missing = RemoteGroup([RemoteFile("/nowhere", PurePosixPath("b"))])
    with pytest.raises(XNATTransferError):
        download_tree(requester, [missing], tmp_path, delete=True)
    assert tree_of(tmp_path) == {"a": b"1"}


def test_torn_manifest_line_is_passed_over(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish(SMALL, digests=False)
    download_tree(requester, [group], tmp_path)
    manifest = tmp_path / MANIFEST_NAME
    raw = manifest.read_bytes()
    manifest.write_bytes(raw[:-25])
    server.seen.clear()
    report = download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == SMALL
    assert len(report.transferred) == 1
    server.seen.clear()
    download_tree(requester, [group], tmp_path)
    assert server.seen == []


# -- the end of the world ---------------------------------------------


def test_too_little_room_is_noticed_before(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 100))  # type: ignore[attr-defined]
    with pytest.raises(XNATDownloadError, match="not enough room") as caught:
        download_tree(requester, [publish(SMALL)], tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert server.seen == []


@pytest.mark.parametrize("archive", [True, False])
def test_full_disk_ends_the_transfer_and_leaves_no_half_file(
    server: FakeServer,
    requester: SimpleRequester,
    publish: Publish,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    archive: bool,
) -> None:
    group = publish({f"{i:03}": noise(1000, i) for i in range(100)}, archive=archive)
    real, written = os.write, [0]

    def write(file: int, data: bytes) -> int:
        if len(data) == 1000:
            written[0] += 1
            if written[0] > 10:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(XNATTransferError, match="No space left") as caught:
        download_tree(requester, [group], tmp_path, workers=2)
    monkeypatch.undo()
    report = caught.value.report
    assert len(report) == 100
    assert all("No space left" in str(file.error) for file in report if file.state == "failed")
    assert len(server.gets()) < 50  # it did not try each of them
    assert all(len(data) == 1000 for data in tree_of(tmp_path).values())
    download_tree(requester, [group], tmp_path)
    assert len(tree_of(tmp_path)) == 100


def test_unusable_target_is_told_before_anything_is_asked(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(XNATDownloadError, match="file"):
        download_tree(requester, [publish(SMALL)], tmp_path / "file" / "below")
    assert server.seen == []


def test_lost_login_ends_the_transfer(server: FakeServer, publish: Publish, tmp_path: Path) -> None:
    class LoggedOut(SimpleRequester):
        asked = 0

        def request(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            self.asked += 1
            raise XNATLoginFailedError("who are you?")

    requester = LoggedOut(server.url)
    with pytest.raises(XNATTransferError, match="who are you") as caught:
        download_tree(requester, [publish({f"{i}": b"x" for i in range(50)}, archive=False)], tmp_path, workers=1)
    assert requester.asked == 1
    assert len(caught.value.report.failed) == 50


def test_vanished_server_is_not_asked_for_every_file(publish: Publish, tmp_path: Path) -> None:
    from xnat.exceptions import XNATConnectionError

    class Gone(SimpleRequester):
        asked = 0

        def request(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            self.asked += 1
            raise XNATConnectionError("refused")

    requester = Gone("http://127.0.0.1:9")
    with pytest.raises(XNATTransferError) as caught:
        download_tree(requester, [publish({f"{i}": b"x" for i in range(200)}, archive=False)], tmp_path, workers=2)
    assert requester.asked < 40
    assert len(caught.value.report.failed) == 200


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("archive", [True, False])
def test_update_function_can_end_a_transfer_and_the_next_run_goes_on(
    server: FakeServer,
    requester: SimpleRequester,
    publish: Publish,
    tmp_path: Path,
    error: type[BaseException],
    archive: bool,
) -> None:
    content = {f"{i:02}": noise(300_000, i) for i in range(20)}
    group = publish(content, archive=archive)

    def interrupt(done: int, total: int | None, finished: bool) -> None:
        if done > 3_000_000 and not finished:
            raise error

    with pytest.raises(error):
        download_tree(requester, [group], tmp_path, update_func=interrupt)
    assert not any(
        path.name in content and path.read_bytes() != content[path.name]
        for path in tmp_path.iterdir()
        if path.is_file()
    )
    server.seen.clear()
    download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == content
    assert server.bytes_sent < 3_000_000 + 4 * 300_000


def test_ctrl_c_stops_workers_between_chunks(
    server: FakeServer, publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xnat.transfer import pool, tree

    group = publish({f"{i:02}": noise(300_000, i) for i in range(20)}, archive=False)
    served: list[str] = []
    stopped = threading.Event()

    class Watched(SimpleRequester):
        def request(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            served.append(str(args[1]))
            stopped.wait(PATIENCE)  # else the workers may be through before this thread gets to the interruption
            return super().request(*args, **kwargs)  # type: ignore[arg-type]

    def interrupted(self: pool.Pool) -> object:
        tell = self.stop.set
        monkeypatch.setattr(self.stop, "set", lambda: (tell(), stopped.set()))
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(pool.Pool, "__iter__", interrupted)
    requester = Watched(server.url)
    with pytest.raises(KeyboardInterrupt):
        tree.download_tree(requester, [group], tmp_path)
    requester.session.close()
    assert stopped.is_set()
    assert len(served) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("xnat-transfer")]


# -- progress ---------------------------------------------


@pytest.mark.parametrize("archive", [True, False])
def test_progress_adds_up(requester: SimpleRequester, publish: Publish, tmp_path: Path, archive: bool) -> None:
    calls: list[tuple[int, int | None, bool]] = []
    download_tree(requester, [publish(SMALL, archive=archive)], tmp_path, update_func=lambda *call: calls.append(call))
    total = sum(map(len, SMALL.values()))
    assert calls[-1] == (total, total, True)
    assert [call[2] for call in calls].count(True) == 1
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)


def test_progress_takes_back_what_was_in_vain(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish({"a": noise(1_500_000)})
    server.script(ZIP + "/a", Answer(cut=1_000_000), Answer(cut=100_000))
    calls: list[tuple[int, int | None, bool]] = []
    download_tree(requester, [group], tmp_path, update_func=lambda *call: calls.append(call))
    assert calls[-1] == (1_500_000, 1_500_000, True)
    assert max(call[0] for call in calls) == 1_500_000


# -- what stands in the way, and what is left over --------------------------------------------------------------------


def test_folders_and_links_in_the_place_of_files(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    group = publish({"a": b"1", "b": b"2", "c": b"3"}, archive=False)
    (tmp_path / "a").mkdir()
    (tmp_path / "elsewhere").write_bytes(b"mine")
    os.mkfifo(tmp_path / "b")
    with pytest.raises(XNATTransferError, match="a folder is in its place") as caught:
        download_tree(requester, [group], tmp_path)
    assert [result.path.name for result in caught.value.report.failed] == ["a"]
    assert (tmp_path / "a").is_dir()
    assert (tmp_path / "b").read_bytes() == b"2"
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"


def test_a_long_plan_is_cut(requester: SimpleRequester, publish: Publish, tmp_path: Path) -> None:
    plan = download_tree(requester, [publish({f"f{number:03}": b"x" for number in range(120)})], tmp_path, dry_run=True)
    lines = str(plan).splitlines()
    assert len(lines) < 120
    shown = len(lines) - 2
    assert lines[-1] == f"  … and {120 - shown} more"


def test_a_target_on_a_disk_that_cannot_be_written(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No test can mount a disk for reading only, and an administrator may write everywhere else.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, *mode: str(path) != str(tmp_path) and access(path, *mode))
    with pytest.raises(XNATDownloadError, match="ermission"):
        download_tree(requester, [publish({"a": b"1"})], tmp_path)
    assert server.seen == []


def test_folders_that_deletions_leave_empty_go_too(
    requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {"a/b/c/one": b"1", "a/two": b"2", "three": b"3"}
    download_tree(requester, [publish(content)], tmp_path)
    download_tree(requester, [publish({"a/two": b"2"})], tmp_path, delete=True)
    assert tree_of(tmp_path) == {"a/two": b"2"}
    assert not (tmp_path / "a" / "b").exists()
    download_tree(requester, [], tmp_path, delete=True)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_unlisted_members_do_not_replace_what_is_to_be_kept(
    requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    (tmp_path / "catalog.xml").write_bytes(b"mine")
    extra = [("LABEL/files/catalog.xml", b"theirs"), ("LABEL/files/other.xml", b"other")]
    download_tree(requester, [publish(SMALL, extra=extra)], tmp_path, existing="skip")
    assert (tmp_path / "catalog.xml").read_bytes() == b"mine"
    assert (tmp_path / "other.xml").read_bytes() == b"other"
