"""xnatctl 0.6.0 works against the sandbox: it logs in, lists, downloads and uploads."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xnat.sandbox import Sandbox

from ..contract_tools import MR, Api, packed
from .peer_tools import Truth, below, program, run

pytestmark = [pytest.mark.peers, pytest.mark.slow]
SCANS = {"1": "1-FAST_LOCALIZER", "2": "2-T_S_C_RF_FAST_PILOT", "700": "700-ANGIO_Projected_from___C"}


class Ctl:
    """``xnatctl`` with a profile for the sandbox."""

    def __init__(self, sandbox: Any, home: Path) -> None:
        self.sandbox, self.home, self.program = sandbox, home, program("xnatctl")
        self("config", "init", "--url", sandbox.url, "--no-login")

    def __call__(self, *arguments: Any, fails: bool = False, **environ: str) -> str:
        login = {"XNAT_USER": self.sandbox.user, "XNAT_PASS": self.sandbox.password, **environ}
        done = run([self.program, *arguments], self.home, **login)
        assert bool(done.returncode) is fails, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        self.told = done.stderr
        return done.stdout

    def json(self, *arguments: Any) -> Any:
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def ctl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ctl]:
    with Sandbox(demo=True) as sandbox:
        yield Ctl(sandbox, tmp_path_factory.mktemp("xnatctl"))


@pytest.fixture(scope="module")
def truth(ctl: Ctl) -> Truth:
    return Truth(ctl.sandbox)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_logs_in(ctl: Ctl) -> None:
    assert f"Logged in to {ctl.sandbox.url} as admin" in ctl("auth", "login") + ctl.told
    who = ctl.json("whoami")
    assert [who["username"], who["server"], who["auth_mode"]] == ["admin", ctl.sandbox.url, "session"]


def test_a_wrong_password_is_refused(ctl: Ctl, tmp_path: Path) -> None:
    other = Ctl(ctl.sandbox, tmp_path)
    assert "Logged in" not in other("auth", "login", fails=True, XNAT_PASS="wrong") + other.told


def test_it_lists(ctl: Ctl, truth: Truth) -> None:
    assert sorted(row["id"] for row in ctl.json("project", "list")) == truth.projects
    subjects = ctl.json("subject", "list", "-P", "brainimages")
    assert {row["id"]: row["label"] for row in subjects} == truth.subjects
    counts = {id_: sum(entry[0] == id_ for entry in truth.experiments.values()) for id_ in truth.subjects}
    assert {row["id"]: row["sessions"] for row in subjects} == counts
    sessions = ctl.json("session", "list", "-P", "brainimages")
    assert {row["id"]: [row["subject"], row["label"]] for row in sessions} == {
        id_: [truth.subjects[subject], label] for id_, (subject, label, _) in truth.experiments.items()
    }
    assert {row["id"]: row["modality"] for row in sessions} == {
        id_: type_.removeprefix("xnat:").removesuffix("SessionData").upper()
        for id_, (_, _, type_) in truth.experiments.items()
    }
    for id_, scans in truth.scans.items():
        rows = ctl.json("scan", "list", "-E", id_)
        assert {row["id"]: row["type"] for row in rows} == {scan: type_ for scan, (_, type_) in scans.items()}


def test_it_shows_a_session_and_its_resources(ctl: Ctl, truth: Truth) -> None:
    shown = ctl.json("session", "show", "-E", "ANONYMIZ", "-P", "brainimages")
    assert truth.experiments[shown["id"]] == [shown["subject"], "ANONYMIZ", shown["xsi_type"]]
    assert [row["ID"] for row in shown["scans"]] == list(SCANS)
    assert [row["label"] for row in ctl.json("resource", "list", shown["id"])] == ["NOTES"]
    (dicom,) = ctl.json("resource", "list", shown["id"], "--scan", "700")
    files = truth.files("ANONYMIZ", "700", "DICOM")
    assert dicom["label"] == "DICOM"
    assert [int(dicom["file_count"]), int(dicom["file_size"])] == [len(files), sum(map(len, files.values()))]


@pytest.mark.parametrize("workers", [1, 4])
def test_it_downloads_a_session(ctl: Ctl, truth: Truth, tmp_path: Path, workers: int) -> None:
    where = ["session", "download", "-E", "ANONYMIZ", "-P", "brainimages", "--out", tmp_path, "-w", workers]
    done = ctl.json(*where, "--extract", "--session-resources")
    assert done["status"] == "success"
    expected = {}
    for scan, folder in SCANS.items():
        for name, data in truth.files("ANONYMIZ", scan, "DICOM").items():
            expected[f"ANONYMIZ/scans/{folder if workers == 1 else scan}/resources/DICOM/files/{name}"] = data
    for name, data in truth.files("ANONYMIZ", None, "NOTES").items():
        expected[f"ANONYMIZ/resources/NOTES/files/{name}"] = data
    found = below(tmp_path)
    if workers > 1:  # session resources stay zipped
        for name in [name for name in found if name.endswith(".zip")]:
            found.update(members(found.pop(name)))
    assert found == expected


def test_it_downloads_a_resource(ctl: Ctl, truth: Truth, tmp_path: Path) -> None:
    id_ = next(id_ for id_, entry in truth.experiments.items() if entry[1] == "ANONYMIZ")
    ctl("resource", "download", id_, "DICOM", "--scan", "700", "-f", tmp_path / "dicom.zip")
    prefix = f"ANONYMIZ/scans/{SCANS['700']}/resources/DICOM/files/"
    files = truth.files("ANONYMIZ", "700", "DICOM")
    assert members((tmp_path / "dicom.zip").read_bytes()) == {prefix + name: data for name, data in files.items()}


def test_it_uploads_a_folder(ctl: Ctl, truth: Truth, tmp_path: Path) -> None:
    id_ = next(id_ for id_, entry in truth.experiments.items() if entry[1] == "Peter_CT")
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / "deep" / "b c.txt").write_bytes(b"b")
    ctl("resource", "upload", "-P", "brainimages", id_, "UP", tmp_path)
    assert truth.files("Peter_CT", None, "UP") == {"a.txt": b"a", "deep/b c.txt": b"b"}
    assert ctl.json("resource", "show", id_, "UP")["file_count"] == "2"


def test_it_lists_the_prearchive(ctl: Ctl) -> None:
    assert ctl.json("prearchive", "list") == []
    Api.of(ctl.sandbox).uploaded(packed(MR), dest="/prearchive", project="sandbox")
    (row,) = ctl.json("prearchive", "list")
    assert [row["project"], row["status"]] == ["sandbox", "READY"]


def test_something_unknown_is_not_found(ctl: Ctl) -> None:
    ctl("session", "show", "-E", "XNAT_E99999", fails=True)
    assert "not found" in ctl.told.lower()


def test_the_raw_api(ctl: Ctl, truth: Truth) -> None:
    answer = ctl.json("api", "get", "/data/projects/brainimages/subjects", "--params", "columns=ID,label")
    rows = answer["ResultSet"]["Result"]
    assert {row["ID"]: row["label"] for row in rows} == truth.subjects
