"""Servers with something on them, and sessions on those servers."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import xnat
from xnat.sandbox import Sandbox


def connect(server: Any, **options: Any) -> Any:
    return xnat.connect(server.url, **{"user": "admin", "password": "admin", **options})


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    # The workers of pytest-xdist have a main module of their own making, and new processes are made in its image.
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)


@pytest.fixture(autouse=True)
def no_last_result() -> Iterator[None]:
    # What an interactive session shows it keeps as builtins._, which all modules of the process have.
    yield
    vars(builtins).pop("_", None)


@pytest.fixture
def server() -> Iterator[Sandbox]:
    """An empty server of one's own."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def session(server: Sandbox) -> Iterator[Any]:
    """A session on the empty server."""
    with connect(server) as connected:
        yield connected


@pytest.fixture
def second(server: Sandbox) -> Iterator[Any]:
    """Another session on the same server, to see what really arrived there."""
    with connect(server) as connected:
        connected.caching = False
        yield connected


@pytest.fixture
def world(session: Any) -> Any:
    """Project P with a subject S1, a session E1 with scans 1 (T1) and 2 (T2), files in both, an assessor, resources."""
    project = session.classes.ProjectData(parent=session, name="P")
    subject = session.classes.SubjectData(parent=project, label="S1")
    experiment = session.classes.MrSessionData(parent=subject, label="E1", date="2020-01-02")
    for id_, type_ in (("1", "T1"), ("2", "T2 weighted")):
        scan = session.classes.MrScanData(parent=experiment, id_=id_, type=type_, quality="usable")
        resource = scan.create_resource("DICOM", format="DICOM")
        for number in (1, 2):
            resource.upload_data(f"scan {id_} file {number}".encode(), f"{number}.dcm")
    experiment.create_resource("NOTES").upload_data(b"a note", "sub/note.txt")
    subject.create_resource("CONSENT").upload_data(b"signed", "form.txt")
    project.create_resource("PROTOCOL").upload_data(b"steps", "protocol.txt")
    assessor = experiment.create_assessor("QC1", "xnat:qcManualAssessorData")
    assessor.create_resource("QC").upload_data(b"fine", "qc.txt")
    session.clearcache()
    return session.projects["P"]


@pytest.fixture(scope="session")
def demo() -> Iterator[Sandbox]:
    """A server with the demo content, shared by tests that only read."""
    with Sandbox(demo=True) as running:
        yield running
