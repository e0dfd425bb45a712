"""Report, progress, pool and manifest."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.waiting import PATIENCE
from xnat.exceptions import XNATTransferError, XNATUnsafeArchiveError, XNATValueError
from xnat.transfer.manifest import MANIFEST_NAME, STAGING_NAME, Entry, Manifest, Staging
from xnat.transfer.pool import Pool, Stop, Stopped
from xnat.transfer.progress import Aggregate, default_update_func, ignore
from xnat.transfer.report import FileResult, TransferReport, human_bytes

# -- report ---------------------------------------------


def result(name: str, state: str = "verified", **facts: object) -> FileResult:
    return FileResult(Path(name), f"/data/{name}", state, **{"size": 10, **facts})  # type: ignore[arg-type]


def test_report_counts_and_reads_like_a_list() -> None:
    report = TransferReport([result("a"), result("b", "skipped"), result("c", "failed", error=OSError("x"))], seconds=2)
    assert len(report) == 3
    assert report[0].path == Path("a")
    assert [one.path.name for one in report[1:]] == ["b", "c"]
    assert [one.path.name for one in report.failed] == ["c"]
    assert not report.ok
    assert report.bytes == 10
    assert repr(report) == "<TransferReport transfer: 1 verified, 1 skipped, 1 failed; 10 B in 2.0 s, 5 B/s>"
    assert json.loads(report.to_json())["counts"] == {"verified": 1, "skipped": 1, "failed": 1}


def test_empty_report_is_fine() -> None:
    report = TransferReport()
    report.raise_for_failures()
    assert report.ok
    assert report
    assert "nothing to do" in repr(report)


def test_html_is_escaped() -> None:
    text = TransferReport([result("<script>", "failed", error=OSError("<b>"))])._repr_html_()
    assert "<script>" not in text
    assert "&lt;b&gt;" in text


def test_one_error_tells_of_all_failures() -> None:
    failures = [result(f"f{number}", "failed", error=OSError(f"reason {number}")) for number in range(15)]
    report = TransferReport([result("ok"), *failures])
    with pytest.raises(XNATTransferError) as caught:
        report.raise_for_failures()
    text = str(caught.value)
    assert "15 of 16 files failed" in text
    assert "reason 3" in text
    assert "5 more" in text
    assert caught.value.report is report


def test_unsafe_archive_stays_recognisable() -> None:
    unsafe = XNATUnsafeArchiveError("refused")
    unsafe.member = "../x"
    report = TransferReport([result("a", "failed", error=OSError()), result("b", "failed", error=unsafe)])
    with pytest.raises(XNATUnsafeArchiveError) as caught:
        report.raise_for_failures()
    assert caught.value.member == "../x"
    assert isinstance(caught.value, XNATTransferError)
    assert len(pickle.loads(pickle.dumps(caught.value)).report) == 2


# -- progress ---------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert default_update_func(10) is ignore
    monkeypatch.setattr(sys, "stdout", None)
    assert default_update_func(10) is ignore


@pytest.mark.parametrize("total", [100, None])
@pytest.mark.parametrize(
    "calls", [[(50, False), (100, False), (100, True)], [(150, False), (20, False), (20, True)], [(0, True)], []]
)
def test_bar_shows_and_never_fails(
    monkeypatch: pytest.MonkeyPatch, total: int | None, calls: list[tuple[int, bool]]
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    update = default_update_func(total)
    for done, finished in calls:
        update(done, total, finished)
    monkeypatch.undo()
    assert bool(screen.getvalue()) is bool(calls)


def test_bar_learns_the_total_late(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    update = default_update_func(None)
    update(50, 200, False)
    update(200, 200, True)
    monkeypatch.undo()
    assert "100%" in screen.getvalue()


def test_aggregate_adds_up_over_threads() -> None:
    calls: list[tuple[int, int | None, bool]] = []
    aggregate = Aggregate(lambda *call: calls.append(call), 8000)

    def work() -> None:
        share = aggregate.share()
        for _ in range(1000):
            share(2)
        share.restart()
        for _ in range(1000):
            share(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    aggregate.finish()
    aggregate.finish()
    assert calls[-1] == (8000, 8000, True)
    assert [call[2] for call in calls].count(True) == 1


# -- pool ---------------------------------------------


def test_pool_gives_values_and_errors_and_takes_more_meanwhile() -> None:
    with Pool(3) as pool:
        for number in range(10):
            pool.submit(number, lambda n: 10 // (n - 5), number)
        seen = {}
        for outcome in pool:
            seen[outcome.task] = outcome
            if outcome.error is not None:
                pool.submit("again", lambda: "fine")
    assert len(seen) == 11
    assert isinstance(seen[5].error, ZeroDivisionError)
    assert seen["again"].value == "fine"
    assert not pool.running


def test_pool_stops_its_tasks() -> None:
    started = threading.Event()
    with Pool(1) as pool:

        def endless() -> None:
            started.set()
            while True:
                pool.stop.wait(0.01)

        pool.submit("endless", endless)
        pool.submit("never", lambda: None)
        assert started.wait(PATIENCE)
        pool.stop.set()
        outcomes = {outcome.task: outcome.error for outcome in pool}
    assert {name: type(error) for name, error in outcomes.items()} == {"endless": Stopped, "never": Stopped}


def test_pool_uses_no_more_threads_than_tasks() -> None:
    with Pool(50) as pool:
        pool.submit(1, int)
        list(pool)
        assert len(pool._threads) == 1
    with pytest.raises(XNATValueError):
        Pool(0)


def test_stop_wait() -> None:
    stop = Stop()
    stop.wait(0)
    stop.set()
    with pytest.raises(Stopped):
        stop.wait(100)


# -- manifest ---------------------------------------------


def entry(path: str, size: int = 1) -> Entry:
    return Entry(path, size, 5, "0" * 32, "/data/x", "verified")


def test_manifest_remembers_and_forgets(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.record(entry("a"))
    manifest.record(entry("ü\n"))
    manifest.record(entry("a", 2))
    manifest.record(entry("gone"))
    manifest.forget("gone")
    manifest.close()
    again = Manifest(tmp_path)
    assert {one.path: one.size for one in again.entries()} == {"a": 2, "ü\n": 1}
    assert "gone" not in again
    assert again.get("a") == entry("a", 2)


@pytest.mark.parametrize(
    "junk",
    [
        b'{"path": "torn", "si',
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"path": 5}',
        b'{"path": "x", "size": "?", "mtime_ns": 1}',
        b"{}",
    ],
)
def test_junk_in_the_manifest_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    manifest = Manifest(tmp_path)
    manifest.record(entry("a"))
    manifest.close()
    with open(tmp_path / MANIFEST_NAME, "ab") as file:
        file.write(junk)
    again = Manifest(tmp_path)
    assert len(again) == 1
    again.record(entry("b"))
    again.close()
    assert {one.path for one in Manifest(tmp_path).entries()} == {"a", "b"}


def test_every_cut_of_a_manifest_can_be_read(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    for name in "abc":
        manifest.record(entry(name))
    manifest.close()
    raw = (tmp_path / MANIFEST_NAME).read_bytes()
    for length in range(len(raw)):
        (tmp_path / MANIFEST_NAME).write_bytes(raw[:length])
        assert len(Manifest(tmp_path)) in (raw[:length].count(b"\n"), raw[:length].count(b"\n") + 1)


def test_long_manifest_is_shortened(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    for number in range(500):
        manifest.record(entry("a", number))
    manifest.close()
    assert len((tmp_path / MANIFEST_NAME).read_text().splitlines()) == 1
    assert Manifest(tmp_path).get("a") == entry("a", 499)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    manifests = [Manifest(tmp_path) for _ in range(4)]

    def work(number: int) -> None:
        for count in range(200):
            manifests[number].record(entry(f"{number}-{count}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for manifest in manifests:
        manifest.close()
    assert len(Manifest(tmp_path)) == 800


def test_forgetting_what_is_not_known_writes_nothing(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.forget("nobody knows it")
    manifest.close()
    assert not (tmp_path / MANIFEST_NAME).exists()


def test_a_journal_of_which_lines_are_damaged(tmp_path: Path) -> None:
    """What can be understood of a dead run is used; the rest is as if it had never been."""
    dead = Staging(tmp_path)
    paths = [dead.new_file(name, 1, None, f"/data/{name}") for name in ("good", "nameless", "nowhere")]
    for path in paths:
        path.write_bytes(b"x")
    dead.close(keep=True)
    (journal,) = (tmp_path / STAGING_NAME).rglob("*.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    lines[1]["path"], lines[2]["temp"] = None, 7
    journal.write_text("\n".join(map(json.dumps, lines)) + "\n[]\n")
    living = Staging(tmp_path)
    assert [found.path for found in living.leftovers()] == ["good"]
    living.close()
    assert not (tmp_path / STAGING_NAME).exists()


@pytest.mark.parametrize(("age", "found"), [(0.0, False), (30 * 86400.0, True)])
def test_what_a_run_on_another_machine_left_is_used_when_it_is_old(tmp_path: Path, age: float, found: bool) -> None:
    dead = Staging(tmp_path)
    dead.new_file("a", 1, None, "/data/a").write_bytes(b"x")
    dead.close(keep=True)
    (folder,) = (tmp_path / STAGING_NAME).iterdir()
    elsewhere = folder.rename(folder.with_name("another-host~1~x"))
    for path in (*elsewhere.iterdir(), elsewhere):
        os.utime(path, (time.time() - age,) * 2)
    living = Staging(tmp_path)
    assert bool(list(living.leftovers())) is found
    living.close()


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (2.5e6, "2.5 MB"), (3e16, "30000.0 TB")])
def test_numbers_of_bytes_for_people(count: float, text: str) -> None:
    assert human_bytes(count) == text
