"""xnatpy 0.8.1 works against the sandbox: it connects, walks, downloads, imports, writes and tabulates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from xnat.sandbox import Sandbox

from ..contract_tools import MR, packed
from .peer_tools import Truth, walk

pytestmark = [pytest.mark.peers, pytest.mark.slow]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("xnatpy")
    archive = folder / "upload.zip"
    archive.write_bytes(packed(MR))
    with Sandbox(demo=True) as sandbox:
        truth = Truth(sandbox)
        truth.session = {scan: truth.files("ANONYMIZ", scan, "DICOM") for scan in ("1", "2", "700")}
        return truth, walk("xnatpy", sandbox, folder, archive)


def test_it_connects(visit: tuple[Truth, dict[str, Any]]) -> None:
    _, seen = visit
    assert seen["version"] == "0.8.1"
    assert seen["server"] == ["1.8.9", "admin"]


def test_it_walks(visit: tuple[Truth, dict[str, Any]]) -> None:
    truth, seen = visit
    assert seen["projects"] == truth.projects
    assert seen["name"] == "Brain Image Analysis"
    assert seen["subjects"] == truth.subjects
    assert seen["experiments"] == truth.experiments
    assert seen["scans"] == truth.scans
    assert seen["files"] == {name: len(data) for name, data in truth.session["700"].items()}
    assert seen["gender"] == "female"
    assert seen["assessors"] == {"ANONYMIZ_QC": "xnat:qcManualAssessorData"}
    assert seen["fields"] == {"brain_volume": "0"}


def test_it_downloads_every_byte(visit: tuple[Truth, dict[str, Any]]) -> None:
    truth, seen = visit
    assert bytes.fromhex(seen["download"]) == truth.session["700"]["4467"]
    folders = {"1": "1-FAST_LOCALIZER", "2": "2-T_S_C_RF_FAST_PILOT", "700": "700-ANGIO_Projected_from___C"}
    assert seen["tree"] == {
        f"ANONYMIZ/scans/{folders[scan]}/resources/DICOM/files/{name}": len(data)
        for scan, files in truth.session.items()
        for name, data in files.items()
    }


def test_it_tabulates_and_filters(visit: tuple[Truth, dict[str, Any]]) -> None:
    truth, seen = visit
    assert seen["tabulate"] == [[id_, label, type_] for id_, (_, label, type_) in truth.experiments.items()]
    assert sorted(seen["filtered"]) == ["Peter_Brain", "Peter_CT", "Peter_Carotids"]
    assert seen["dump"] == [["(0008,0020)", "20030505"], ["(0010,0020)", "98890234"]]


def test_it_writes(visit: tuple[Truth, dict[str, Any]]) -> None:
    _, seen = visit
    assert seen["read back"]
    ids = seen["written"].pop("ids")
    assert [ids[0][:6], ids[1][:6], ids[2]] == ["XNAT_S", "XNAT_E", "7"]
    assert seen["written"] == {"note": "a note: é", "gender": "female", "field": "42.5"}
    assert seen["deleted"] is False


def test_it_imports_and_archives(visit: tuple[Truth, dict[str, Any]]) -> None:
    _, seen = visit
    assert seen["imported"] == ["xpy_import_MR", "xnat:mrSessionData", 1]
    assert seen["prearchive"] == [["sandbox", "READY"]]
    assert seen["archived"] == "xpy_archived_MR"


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.password = "wrong"
        with pytest.raises(AssertionError, match="XNATLoginFailedError"):
            walk("xnatpy", sandbox, tmp_path)


@pytest.mark.skipif(sys.version_info >= (3, 10), reason="xnatpy 0.3.16 does not import on Python 3.10 and newer")
def test_the_oldest_xnatpy() -> None:  # pragma: no cover - this package needs 3.10
    raise AssertionError("unreachable")
