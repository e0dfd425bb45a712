"""One huge file costs time, not memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .server import FakeServer

HUGE = 2 << 30
SMALL = 4 << 20
ALLOWED = 64 << 20

CHILD = """
import pathlib, sys
from tests.unit.transfer.server import SimpleRequester
from xnat.transfer.download import download_file, download_tree
from xnat.transfer.plan import RemoteFile, RemoteGroup
from xnat.transfer.upload import upload_file

def peak():
    # Not ru_maxrss: that of a child begins with what its parent had at the time.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

what, url, folder, size = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
requester = SimpleRequester(url)

def move(name, size):
    if what == "file":
        assert download_file(requester, name, folder / "f").size == size
    elif what == "tree":
        group = RemoteGroup([RemoteFile(name, pathlib.PurePosixPath(name[1:]), size)])
        assert download_tree(requester, [group], folder / "t").bytes == size
    else:
        with open(folder / "u", "wb") as file:
            file.truncate(size)
        upload_file(requester, name, folder / "u")

move("/small", 4 << 20)
before = peak()
move("/huge", size)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured with /proc")
@pytest.mark.parametrize("what", ["file", "tree", "upload"])
@pytest.mark.parametrize("size", [pytest.param(HUGE, marks=pytest.mark.slow), 200 << 20])
def test_memory_stays_small(server: FakeServer, tmp_path: Path, what: str, size: int) -> None:
    server.huge |= {"/small": SMALL, "/huge": size}
    root = Path(__file__).resolve().parents[3]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, what, server.url, str(tmp_path), str(size)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < ALLOWED
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()  # pytest keeps folders of several runs
