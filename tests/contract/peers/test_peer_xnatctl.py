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

from ..contract_tools import DICOM, MR, Api, packed
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


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ctl]:
    """A sandbox of its own for what changes it: project P with a session and two scans, project Q."""
    with Sandbox(idle_seconds=0) as sandbox, Api.of(sandbox) as api:
        for path in ("P", "Q", "P/subjects/S"):
            api.put(f"/data/projects/{path}")
        session = "/data/projects/P/subjects/S/experiments/E"
        api.put(session, xsiType="xnat:mrSessionData")
        for scan in ("1", "2"):
            api.put(f"{session}/scans/{scan}", xsiType="xnat:mrScanData", type="T1")
            api.send("PUT", f"{session}/scans/{scan}/resources/DICOM/files/{scan}.dcm", {"inbody": "true"}, data=b"x")
        yield Ctl(sandbox, tmp_path / "home")


def rows(ctl: Ctl, path: str) -> list[dict[str, Any]]:
    with Api.of(ctl.sandbox) as api:
        return api.rows(path)


def test_it_asks_how_the_server_is(own: Ctl) -> None:
    own("health", "ping")
    assert "1.8.9" in own("admin", "version")


def test_it_makes_a_project_and_lets_users_in(own: Ctl) -> None:
    own.sandbox.add_user("bob", "secret")
    own("project", "create", "NEW", "--name", "A name", "--pi", "Smith", "--accessibility", "protected")
    assert own.json("project", "access", "NEW")["accessibility"] == "protected"
    own("project", "access", "NEW", "--set", "public", "--yes")
    assert own.json("project", "access", "NEW")["accessibility"] == "public"
    own("project", "grant", "NEW", "bob", "--role", "member", "--yes")
    assert {row["username"]: row["role"] for row in own.json("project", "users", "NEW")}["bob"] == "member"
    own("project", "revoke", "NEW", "bob", "--yes")
    assert "bob" not in {row["username"] for row in own.json("project", "users", "NEW")}
    own("admin", "user", "add", "bob", "Q_collaborator")
    assert own.json("admin", "user", "groups", "bob")
    own("admin", "user", "disable", "bob", "--yes")
    assert not own.sandbox.store.users.get("bob").enabled


def test_it_shares_renames_and_deletes(own: Ctl) -> None:
    own("subject", "share", "S", "--into", "Q", "-P", "P", "--label", "SHARED", "--yes")
    own("session", "share", "-E", "E", "-P", "P", "--into", "Q", "--label", "SEEN", "--yes")
    (row,) = own.json("session", "list", "-P", "Q")
    assert [row["label"], row["subject"]] == ["SEEN", "SHARED"]
    own("session", "unshare", "-E", "E", "-P", "P", "--from", "Q", "--yes")
    own("subject", "unshare", "S", "--from", "Q", "-P", "P", "--yes")
    assert rows(own, "/data/projects/Q/subjects") == []
    own("subject", "rename", "-P", "P", "--pattern", "^S$", "--to", "RENAMED")
    assert [row["label"] for row in rows(own, "/data/projects/P/subjects")] == ["RENAMED"]
    own("scan", "delete", "-E", "E", "-P", "P", "--scans", "2", "--yes")
    assert [row["id"] for row in own.json("scan", "list", "-E", "E", "-P", "P")] == ["1"]
    own("subject", "delete", "RENAMED", "-P", "P", "--yes")
    assert rows(own, "/data/experiments") == []


def test_it_sets_custom_variables(own: Ctl) -> None:
    own("subject", "vars", "set", "S", "tag=one", "-P", "P", "--yes")
    own("session", "vars", "set", "-E", "E", "-P", "P", "dose=2", "--yes")
    assert own.json("subject", "vars", "S", "-P", "P") == [{"name": "tag", "value": "one"}]
    assert own.json("session", "vars", "-E", "E", "-P", "P") == [{"name": "dose", "value": "2"}]


def test_it_downloads_scans_in_one_zip(own: Ctl, tmp_path: Path) -> None:
    own("scan", "download", "-E", "E", "-P", "P", "--scans", "1,2", "--out", tmp_path / "out")
    found = members((tmp_path / "out" / "E" / "scans.zip").read_bytes())
    assert {name.rpartition("/")[2] for name in found} == {"1.dcm", "2.dcm"}


@pytest.mark.parametrize("mode", ["tar", "zip"])
def test_it_sends_a_session_that_is_archived_by_itself(own: Ctl, tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "dicom"
    folder.mkdir()
    (folder / "a.dcm").write_bytes((DICOM / MR).read_bytes())
    own("session", "upload", folder, "-P", "P", "-S", "SENT", "-E", "ARRIVED", "--mode", mode, "-w", "1")
    (row,) = rows(own, "/data/projects/P/subjects/SENT/experiments")
    assert row["label"] == "ARRIVED"
    assert rows(own, "/data/prearchive") == []


def test_it_manages_the_prearchive(own: Ctl) -> None:
    own("prearchive", "settings", "-P", "P", "--set", "manual", "--yes")
    with Api.of(own.sandbox) as api:
        for label in ("ONE", "TWO", "THREE"):
            api.uploaded(packed(MR), dest="/prearchive/projects/P", session=label)
    times = {row["folderName"]: row["timestamp"] for row in rows(own, "/data/prearchive/projects/P")}
    own("prearchive", "move", "P", times["ONE"], "ONE", "Q")
    own("prearchive", "archive", "P", times["TWO"], "TWO")
    own("prearchive", "delete", "P", times["THREE"], "THREE", "--yes")
    assert [[row["project"], row["folderName"]] for row in rows(own, "/data/prearchive")] == [["Q", "ONE"]]
    assert {row["label"] for row in rows(own, "/data/projects/P/experiments")} == {"E", "TWO"}
