"""A download that is killed again and again ends as if nothing had happened, and without fetching things twice.

What counts is what the server hands to its socket of files and zips. A killed client leaves bytes behind that it has
never read; how many is up to the buffers of both sockets, so both sides get small ones here.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from xnat.sandbox import Sandbox, faults

from .conftest import connect
from .test_download import contents

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")

ROOT = Path(__file__).parents[2]
BUFFER = 16384

CHILD = """
import socket, sys
from urllib3.connection import HTTPConnection
import xnat

HTTPConnection.default_socket_options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, int(sys.argv[3]))]
with xnat.connect(sys.argv[1], user="admin", password="admin", keepalive=False) as session:
    report = session.projects["P"].download_dir(sys.argv[2], verbose=False)
    assert report.ok
"""


class Wire:
    """Counts the bytes of files a server hands to its sockets, and kills the client at a given number of them."""

    def __init__(self, server: Sandbox) -> None:
        self.bytes = 0
        self.client: subprocess.Popen[bytes] | None = None
        self.kill_at: int | None = None
        self._lock = threading.Lock()
        server._server._tcp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        server.faults.add(faults.Action(after=self._watch), path="/files", method="GET", times=None)

    def _watch(self, request: Request, response: Response) -> Response:
        if "format=json" in request.query_string.decode() or response.status_code != 200:
            return response
        passthrough = response.direct_passthrough
        chunks: Any = response.response if passthrough else response.iter_encoded()
        if "Content-Length" not in response.headers and response.is_sequence:
            response.headers["Content-Length"] = str(sum(map(len, chunks)))
        response.direct_passthrough = True
        response.response = self._pieces(chunks)
        return response

    def _pieces(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            for start in range(0, len(chunk), BUFFER):
                piece = chunk[start : start + BUFFER]
                with self._lock:
                    self.bytes += len(piece)
                    kill = self.kill_at is not None and self.bytes >= self.kill_at and self.client is not None
                if kill and self.client is not None:
                    self.client.kill()
                yield piece


@pytest.fixture
def wire(server: Sandbox) -> Wire:
    return Wire(server)


def fill(server: Sandbox, wire: Wire, folder: Path, sizes: dict[str, list[int]]) -> dict[str, bytes]:
    """A project P with resources of files of these sizes; gives content by place below a download."""
    chance = random.Random(7)
    expected: dict[str, bytes] = {}
    with connect(server) as session:
        project = session.classes.ProjectData(parent=session, name="P")
        for label, lengths in sizes.items():
            resource = project.create_resource(label)
            packed = folder / f"{label}.zip"
            with zipfile.ZipFile(packed, "w") as archive:
                for number, size in enumerate(lengths):
                    data = chance.randbytes(size)
                    archive.writestr(f"d{number % 9}/{number:05}.dcm", data)
                    expected[f"P/resources/{label}/files/d{number % 9}/{number:05}.dcm"] = data
            resource.upload(packed, extract=True)
            packed.unlink()
    return expected


def run(server: Sandbox, wire: Wire, target: Path, kill_at: int | None) -> int:
    wire.kill_at = kill_at
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHILD, server.url, str(target), str(BUFFER)]
    with subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.PIPE) as child:
        wire.client = child
        _, errors = child.communicate()
    wire.client = None
    assert child.returncode in (0, -signal.SIGKILL), errors.decode()
    return child.returncode


def kill_and_resume(server: Sandbox, wire: Wire, expected: dict[str, bytes], target: Path, points: list[int]) -> int:
    """Gives how many bytes were fetched twice."""
    total = sum(map(len, expected.values()))
    for point in points:
        # The bytes the server has sent in all: a run that was killed late begins where the next one is killed.
        code = run(server, wire, target, max(point, wire.bytes + BUFFER))
        assert code == -signal.SIGKILL
        here = contents(target) if target.exists() else {}
        wrong = [name for name, data in here.items() if expected.get(name) != data]
        assert [name for name in wrong if not name.startswith(".xnat-transfer/")] == []
    assert run(server, wire, target, None) == 0
    assert contents(target) == expected
    assert sorted(path.name for path in target.iterdir()) == [".xnat-manifest.jsonl", "P"]
    twice = wire.bytes - total
    print(f"{len(points)} kills: {wire.bytes} bytes for {total}, {100 * twice / total:.2f} % twice")
    assert twice >= 0
    once = wire.bytes
    assert run(server, wire, target, None) == 0
    assert wire.bytes == once
    return twice


def points(count: int, total: int, seed: int) -> list[int]:
    chance = random.Random(seed)
    return sorted(chance.randrange(1, total) for _ in range(count))


def test_killed_four_times(server: Sandbox, wire: Wire, tmp_path: Path) -> None:
    expected = fill(
        server, wire, tmp_path, {"A": [20_000 + 300 * number for number in range(100)], "B": [60_000] * 100}
    )
    wire.bytes = 0
    twice = kill_and_resume(server, wire, expected, tmp_path / "t", points(4, sum(map(len, expected.values())), 4))
    # So few bytes that what is under way at each kill counts: of each worker, a file and what the buffers hold.
    assert twice <= 4 * 4 * (60_000 + 8 * BUFFER)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_twenty_random_points(server: Sandbox, wire: Wire, tmp_path: Path) -> None:
    sizes = {f"R{number}": [250_000] * 500 for number in range(4)}
    expected = fill(server, wire, tmp_path, sizes)
    wire.bytes = 0
    total = sum(map(len, expected.values()))
    assert (len(expected), total) == (2000, 500_000_000)
    twice = kill_and_resume(server, wire, expected, tmp_path / "t", points(20, total, 4))
    assert twice <= 0.05 * total
