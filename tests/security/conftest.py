"""Hostile input, and servers that send it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat.sandbox import Sandbox

from .guard import guarded
from .raw_server import RawServer


@pytest.fixture(autouse=True)
def nothing_runs() -> Iterator[None]:
    """No test of this folder runs code of its input."""
    assert "xnat_canary" not in sys.modules
    yield
    assert "xnat_canary" not in sys.modules


@pytest.fixture
def kept_inside(tmp_path: Path) -> Iterator[Path]:
    """A target folder; the test fails if anything is written, or run, outside of it."""
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    with guarded(target):
        yield target
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Makes servers that send exactly the given bytes."""
    servers: list[RawServer] = []

    def make(*answers: bytes, **options: Any) -> RawServer:
        servers.append(RawServer(*answers, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def hostile() -> Iterator[Sandbox]:
    """A server with a project P, subject S, session E, scan 1 and a file, whose answers tests distort."""
    with Sandbox() as server, xnat.connect(server.url, "admin", "admin") as session:
        project = session.classes.ProjectData(parent=session, name="P")
        subject = session.classes.SubjectData(parent=project, label="S")
        experiment = session.classes.MrSessionData(parent=subject, label="E")
        scan = session.classes.MrScanData(parent=experiment, id_="1", type="T1")
        scan.create_resource("DICOM").upload_data(b"content", "1.dcm")
        yield server


@pytest.fixture(scope="module")
def session(hostile: Sandbox) -> Iterator[Any]:
    with xnat.connect(hostile.url, "admin", "admin", keepalive=False) as connected:
        yield connected


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "hostile" in request.fixturenames:
        request.getfixturevalue("hostile").faults.clear()
        if "session" in request.fixturenames:
            request.getfixturevalue("session").clearcache()
