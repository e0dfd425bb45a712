"""The data model without its server."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat.convert_xsd import snapshot, stubs
from xnat.exceptions import XNATNotConnectedError, XNATSchemaError
from xnat.sandbox import Sandbox

from .conftest import connect

SCHEMAS = Path(__file__).parents[2] / "xnat/sandbox/schemas"


@pytest.fixture
def gone() -> str:
    """The address of a server that was connected to once and is no more."""
    with Sandbox() as server, connect(server):
        pass
    return server.url


def looks_right(model: Any, tmp_path: Path) -> None:
    scan = model.MrScanData
    assert model.XNAT_CLASS_LOOKUP["xnat:mrScanData"] is scan
    assert issubclass(scan, model.ImageScanData)
    assert "quality" in dir(scan)
    assert scan.__doc__
    assert inspect.getsource(scan).startswith("class MrScanData(")
    assert str(scan.quality == "usable")
    assert "not connected" in repr(model)
    assert "not connected" in (model.__doc__ or "")
    written = stubs.write(model, tmp_path)
    assert "class MrScanData(" in written.read_text()


def test_of_a_server_that_was_connected_to(gone: str, tmp_path: Path) -> None:
    model = xnat.load_model(gone)
    try:
        looks_right(model, tmp_path)
    finally:
        model.close()


def test_of_a_file_of_the_cache(gone: str, tmp_path: Path) -> None:
    path = snapshot._path(gone, None)
    shutil.copy(path, tmp_path / "saved.snapshot")
    (tmp_path / "saved.snapshot").chmod(0o600)
    looks_right(xnat.load_model(tmp_path / "saved.snapshot"), tmp_path)


def test_of_a_folder_with_an_index(tmp_path: Path) -> None:
    looks_right(xnat.load_model(SCHEMAS), tmp_path)


def test_of_a_folder_without(tmp_path: Path) -> None:
    shutil.copytree(SCHEMAS / "xnat", tmp_path / "mine")
    shutil.copy(SCHEMAS / "xdat/xdat.xsd", tmp_path / "mine")
    looks_right(xnat.load_model(tmp_path / "mine"), tmp_path)


def test_what_needs_a_server_says_so() -> None:
    model = xnat.load_model(SCHEMAS)
    with pytest.raises(XNATNotConnectedError):
        model.ProjectData(name="x")
    with pytest.raises(XNATNotConnectedError):
        model.SESSION  # noqa: B018


def test_it_asks_nobody(gone: str) -> None:
    """With every socket refused."""
    program = (
        "import socket, sys\n"
        "def refuse(*args): raise AssertionError('no network here')\n"
        "socket.socket.connect = refuse\n"
        "import xnat\n"
        f"print(xnat.load_model({gone!r}).SubjectData.__name__)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stdout == "SubjectData\n", ran.stderr


@pytest.mark.parametrize("place", ["https://never.example.com", "nowhere", "."])
def test_where_there_is_none(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(XNATSchemaError):
        xnat.load_model(place)


def test_a_folder_that_leads_astray(tmp_path: Path) -> None:
    (tmp_path / "index.tsv").write_text("xnat\tmissing.xsd\n")
    with pytest.raises(XNATSchemaError, match="missing"):
        xnat.load_model(tmp_path)
