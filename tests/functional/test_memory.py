"""A large file costs time, not memory; a large answer is not decoded to look for a login page in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from xnat.sandbox import Sandbox, faults

from .conftest import connect

ROOT = Path(__file__).parents[2]
HUGE = 2 << 30
ALLOWED = 64 << 20
MARK = b"these are not the bytes of a page" * 1024

# The peak of this process alone: ru_maxrss of a child may be its parent's, inherited on the way to exec.
CHILD = """
import os, pathlib, sys
import xnat

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")

what, url, folder, size = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])

def move(session, name, size):
    project = session.projects["P"]
    if what == "upload":
        with open(folder / name, "wb") as file:
            file.truncate(size)
        project.resources["R"].upload(folder / name, name)
    elif what == "upload_dir":
        (folder / f"{name}.d").mkdir()
        with open(folder / f"{name}.d" / name, "wb") as file:
            file.truncate(size)
        assert len(project.resources["R"].upload_dir(folder / f"{name}.d").verified) == 1
    elif what == "download":
        assert project.resources["R"].files[name].download(folder / name, verbose=False).stat().st_size == size
    elif what == "download_dir":
        report = project.resources[name].download_dir(folder / name, verbose=False)
        assert report.bytes == size and len(report.verified) == 1
    elif what == "zip":
        assert project.resources[name].download(folder / name, verbose=False).stat().st_size > size / 2000
    else:
        with open(os.devnull, "wb") as stream:
            assert project.resources["R"].files[name].download_stream(stream) == size

with xnat.connect(url, user="admin", password="admin") as session:
    move(session, "small", 4 << 20)
    forget_peak()
    before = peak()
    move(session, "large", size)
    print(peak() - before)
"""

linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured with /proc")


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.fixture
def empty_disk(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()  # pytest keeps folders of several runs


def grown(what: str, size: int, folder: Path) -> int:
    """By how many bytes a process grows that moves a file of this size."""
    with Sandbox() as server, connect(server) as session:
        project = session.classes.ProjectData(parent=session, name="P")
        resource = project.create_resource("R")
        if "upload" not in what:
            for name, length in (("small", 4 << 20), ("large", size)):
                place = sparse(folder / "source", length)
                if what in ("download_dir", "zip"):
                    project.create_resource(name).upload(place, name)
                else:
                    resource.upload(place, name)
        (folder / "target").mkdir()
        child = subprocess.run(
            [sys.executable, "-c", CHILD, what, server.url, str(folder / "target"), str(size)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    assert child.returncode == 0, child.stderr
    print(f"{what} of {size} bytes: {int(child.stdout) / 1e6:.1f} MB")
    return int(child.stdout)


@linux
@pytest.mark.parametrize("what", ["upload", "upload_dir", "download", "download_dir", "zip", "stream"])
def test_memory_stays_small(empty_disk: Path, what: str) -> None:
    assert grown(what, 200 << 20, empty_disk) < ALLOWED


@linux
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ["upload", "upload_dir", "download", "download_dir", "zip"])
def test_memory_stays_small_with_two_gigabytes(empty_disk: Path, what: str) -> None:
    assert grown(what, HUGE, empty_disk) < ALLOWED


# -- answers in memory ------------------------------------------------------------------------------------------------


class Large:
    """A server that gives a large body for a path."""

    def __init__(self, server: Sandbox, size: int) -> None:
        self.count = size // len(MARK)
        self.size = self.count * len(MARK)
        server.faults.add(faults.Action(before=self._answer), path="^/data/large$", times=None)

    def _answer(self, request: Request, application: Any) -> Response:
        answer = Response((MARK for _ in range(self.count)), 200, content_type="application/octet-stream")
        answer.headers["Content-Length"] = str(self.size)
        return answer


def get_without_looking(
    server: Sandbox, session: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> tuple[float, float]:
    """CPU seconds of a GET by this thread, and of reading the same bytes from a bare socket."""
    import requests

    def no_guessing(*args: Any, **options: Any) -> Any:
        raise AssertionError("the body was looked through for its character set")

    monkeypatch.setattr(requests.models.chardet, "detect", no_guessing)
    monkeypatch.setattr(requests.Response, "text", property(no_guessing))
    large = Large(server, size)
    begun = time.thread_time()
    response = session.get("/data/large")
    ours = time.thread_time() - begun
    assert len(response.content) == large.size
    cookie = {"Cookie": f"JSESSIONID={session.jsession}"}
    begun = time.thread_time()
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/data/large", headers=cookie)) as bare:
        pieces = []
        while piece := bare.read(262144):
            pieces.append(piece)
    return ours, time.thread_time() - begun


def test_get_does_not_decode_a_body(server: Sandbox, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    get_without_looking(server, session, monkeypatch, 20 << 20)


@pytest.mark.slow
def test_get_of_200_mb_costs_little(server: Sandbox, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, bare = get_without_looking(server, session, monkeypatch, 200 << 20)
    print(f"session.get of 200 MB: {ours:.2f} s of CPU, reading alone {bare:.2f} s")
    assert ours < 5 * bare + 0.5


MEASURE_GET = """
import sys
import xnat
from tests.functional.test_memory import *

exec(CHILD.partition("what, url")[0])
with xnat.connect(sys.argv[1], user="admin", password="admin") as session:
    forget_peak()
    before = peak()
    size = len(session.get("/data/large").content)
    print((peak() - before) / size)
"""


@linux
@pytest.mark.slow
def test_get_of_200_mb_holds_it_twice_at_most(server: Sandbox) -> None:
    Large(server, 200 << 20)
    child = subprocess.run(
        [sys.executable, "-c", MEASURE_GET, server.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    print(f"session.get of 200 MB: {float(child.stdout):.2f} times the body")
    assert float(child.stdout) < 2.2
