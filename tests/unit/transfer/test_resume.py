"""Killed at any point and run again: the tree is right, and hardly anything was fetched twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xnat.transfer.download import download_tree
from xnat.transfer.manifest import STAGING_NAME, Staging
from xnat.transfer.plan import RemoteGroup

from .conftest import Publish, noise, tree_of
from .server import Answer, FakeServer, SimpleRequester

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")

# What a server has written when its client is killed but the client had not read: socket buffers, of four connections.
_AHEAD = 4 * 400_000

CHILD = """
import json, os, signal, sys
from pathlib import PurePosixPath
from tests.unit.transfer.server import SimpleRequester
from xnat.transfer.download import download_tree
from xnat.transfer.plan import RemoteFile, RemoteGroup

job = json.loads(sys.stdin.read())

def member_path(name):
    return PurePosixPath(name[12:]) if name.startswith("LABEL/files/") else None

groups = [
    RemoteGroup([RemoteFile(u, PurePosixPath(p), s, d) for u, p, s, d in files], archive, member_path)
    for files, archive in job["groups"]
]

def update(done, total, finished):
    if job["kill_at"] is not None and done >= job["kill_at"]:
        os.kill(os.getpid(), signal.SIGKILL)

download_tree(SimpleRequester(job["url"]), groups, job["target"], update_func=update)
"""


def run_child(server: FakeServer, groups: list[RemoteGroup], target: Path, kill_at: int | None) -> int:
    job = {
        "url": server.url,
        "target": str(target),
        "kill_at": kill_at,
        "groups": [
            [[[f.uri, str(f.path), f.size, f.digest] for f in group.files], group.archive_uri] for group in groups
        ],
    }
    root = Path(__file__).resolve().parents[3]
    environ = {**os.environ, "PYTHONPATH": str(root)}
    child = subprocess.run([sys.executable, "-c", CHILD], input=json.dumps(job), text=True, env=environ, cwd=root)
    return child.returncode


def check_no_wrong_file(target: Path, content: dict[str, bytes]) -> None:
    for name, data in tree_of(target).items():
        if not name.startswith(STAGING_NAME):
            assert data == content[name], name


def kill_and_resume(
    server: FakeServer, groups: list[RemoteGroup], content: dict[str, bytes], target: Path, points: list[int]
) -> None:
    for point in points:
        assert run_child(server, groups, target, point) == -signal.SIGKILL
        check_no_wrong_file(target, content)
    assert run_child(server, groups, target, None) == 0
    assert tree_of(target) == content


@pytest.mark.parametrize("part", [0.3, 0.999])
@pytest.mark.parametrize("archive", [True, False])
def test_killed_once(server: FakeServer, publish: Publish, tmp_path: Path, part: float, archive: bool) -> None:
    content = {f"d{number % 5}/{number:03}.dcm": noise(20_000 + number, number) for number in range(200)}
    total = sum(map(len, content.values()))
    group = publish(content, archive=archive)
    kill_and_resume(server, [group], content, tmp_path / "t", [int(part * total) + 1])
    assert server.bytes_sent <= 1.05 * total + _AHEAD


def test_killed_again_and_again(server: FakeServer, publish: Publish, tmp_path: Path) -> None:
    content = {f"{number:03}": noise(30_000, number) for number in range(60)}
    group = publish(content)
    kill_and_resume(server, [group], content, tmp_path / "t", [300_000] * 4)


@pytest.mark.slow
def test_killed_at_random_points_of_a_large_tree(server: FakeServer, publish: Publish, tmp_path: Path) -> None:
    server.ranges = True
    points = random.Random(4)
    contents: dict[str, bytes] = {}
    groups = []
    for scan in range(8):
        content = {f"scan{scan}-{number:04}.dcm": noise(150_000, scan * 1000 + number) for number in range(150)}
        groups.append(publish(content, f"/data/E/scans/{scan}"))
        contents |= content
    large = {f"large{number}.nii": noise(40_000_000, 99 + number) for number in range(2)}
    groups.append(publish(large, "/data/E/large"))
    contents |= large
    total = sum(map(len, contents.values()))
    kill_and_resume(
        server, groups, contents, tmp_path / "t", [int(points.random() * total * 0.4) + 1 for _ in range(4)]
    )
    assert server.bytes_sent <= 1.05 * total + 4 * _AHEAD


@pytest.mark.parametrize("ranges", [True, False])
def test_beginning_of_a_large_file_is_used_if_the_server_can_continue(
    server: FakeServer, publish: Publish, tmp_path: Path, ranges: bool
) -> None:
    server.ranges = ranges
    content = {"large.nii": noise(8_000_000)}
    kill_and_resume(server, [publish(content)], content, tmp_path / "t", [5_000_000])
    again = server.gets()[-1]
    assert "Range" in again.headers
    assert (again.sent < 4_000_000) is ranges


def leave_behind(target: Path, path: str, data: bytes, uri: str, **facts: object) -> Staging:
    """What a killed run leaves: a staging folder whose owner no longer exists."""
    staging = Staging(target)
    temporary = staging.new_file(path, facts.pop("size", None), facts.pop("md5", None), uri)  # type: ignore[arg-type]
    temporary.write_bytes(data)
    if facts:
        staging.note(temporary, **facts)
    staging.close(keep=True)
    return staging


def test_wrong_leftovers_are_not_believed(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {"a": noise(1000), "b": noise(2000), "c": b"c"}
    group = publish(content, archive=False)
    files = {str(file.path): file for file in group.files}
    leave_behind(tmp_path, "a", b"?" * 1000, files["a"].uri, size=1000, complete=True, md5=files["a"].digest)
    leave_behind(tmp_path, "b", content["b"], "/another/file", size=2000, complete=True, md5=files["b"].digest)
    leave_behind(tmp_path, "../../evil", b"x", files["c"].uri, complete=True)
    report = download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == content
    assert len(server.gets()) == 3
    assert report.ok
    assert not (tmp_path / STAGING_NAME).exists()


def test_whole_leftovers_are_taken_over(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {"a": noise(1000), "b": noise(2000)}
    group = publish(content, archive=False)
    leave_behind(tmp_path, "a", content["a"], group.files[0].uri, size=1000, md5=group.files[0].digest, complete=True)
    report = download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == content
    assert [seen.path for seen in server.gets()] == [group.files[1].uri]
    assert report[0].note == "taken over from an interrupted run"


def test_leftovers_survive_a_second_crash(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    content = {"a": noise(1000)}
    group = publish(content, archive=False)
    leave_behind(tmp_path, "a", content["a"], group.files[0].uri, size=1000, md5=group.files[0].digest, complete=True)
    second = Staging(tmp_path)
    assert len(list(second.leftovers())) == 1
    second.close(keep=True)  # and dies
    download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == content
    assert server.gets() == []


def test_damaged_beginning_is_noticed_by_the_digest(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    server.ranges = True
    content = {"a": noise(10_000)}
    group = publish(content)
    leave_behind(tmp_path, "a", b"?" * 5000, group.files[0].uri, size=10_000, md5=group.files[0].digest)
    download_tree(requester, [group], tmp_path)
    assert tree_of(tmp_path) == content


def test_other_running_transfer_is_left_alone(
    server: FakeServer, requester: SimpleRequester, publish: Publish, tmp_path: Path
) -> None:
    """Two downloads into one folder at once: both end well, neither takes the other's bytes."""
    content = {f"{number}": noise(200_000, number) for number in range(6)}
    gate = threading.Event()
    slow = publish(content, "/data/E/slow", folder="slow")
    server.script("/data/E/slow/files", Answer(gate=gate))
    other = SimpleRequester(server.url)
    thread = threading.Thread(target=download_tree, args=(other, [slow], tmp_path))
    thread.start()
    try:
        download_tree(requester, [publish(content, "/data/E/fast", folder="fast")], tmp_path)
    finally:
        gate.set()
        thread.join()
        other.session.close()
    assert tree_of(tmp_path) == {
        f"{folder}/{name}": data for folder in ("slow", "fast") for name, data in content.items()
    }
    report = download_tree(requester, [slow], tmp_path)
    assert len(report.skipped) == 6
