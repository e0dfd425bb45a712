"""The programs in ``examples``, run as a user runs them: each a process of its own, its login from a netrc file."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat.sandbox import Sandbox

from .test_tutorial import SCANS, anonymiz, fill_brainimages, fill_sandbox  # noqa: F401 - anonymiz is a fixture

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sum(len(names) for _, _, names in SCANS.values())

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def session(server: Sandbox, anonymiz: bytes) -> Iterator[Any]:  # noqa: F811
    """A session on a server with the data of the tutorial."""
    with xnat.connect(server.url, user="admin", password="admin") as connected:
        fill_sandbox(connected, anonymiz)
        fill_brainimages(connected, anonymiz)
        connected.caching = False
        yield connected


@pytest.fixture
def run(server: Sandbox, other: Sandbox, anonymiz: bytes, tmp_path: Path) -> Run:  # noqa: F811
    """Runs an example in a folder with ANONYMIZ.zip; its exit status has to be the expected one."""
    (tmp_path / "ANONYMIZ.zip").write_bytes(anonymiz)
    netrc = tmp_path / ".netrc"
    hosts = [running.url.removeprefix("http://") for running in (server, other)]
    netrc.write_text("".join(f"machine {host} login admin password admin\n" for host in hosts))
    netrc.chmod(0o600)

    def run(name: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, EXAMPLES / name, *arguments],
            cwd=tmp_path,
            env={**os.environ, "NETRC": str(netrc), "PYTHONPATH": str(EXAMPLES.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


def test_every_example_is_tested() -> None:
    # The one for Dask needs a cluster, and is tested with what else runs on one.
    tested = Path(__file__).read_text() + Path(__file__).with_name("test_dask.py").read_text()
    assert {path.name for path in EXAMPLES.glob("*.py") if path.name not in tested} <= {"demo.py"}


def test_list_files(run: Run, session: Any, server: Sandbox) -> None:
    where = ["--xnathost", server.url, "--project", "brainimages", "--subject", "ANONYMIZ", "--session", "ANONYMIZ"]
    done = run("list_files.py", *where, "--scan", "PD")
    assert sorted(done.stdout.split()) == ["IM1.dcm", "IM12.dcm", "IM21.dcm"]
    done = run("list_files.py", *where, "--scan", "PD", "--filter", r"IM1\d.*")
    assert done.stdout == "IM12.dcm\n"


def test_list_and_filter(run: Run, session: Any, server: Sandbox, tmp_path: Path) -> None:
    subject = session.projects["brainimages"].subjects["ANONYMIZ"]
    session.classes.CtSessionData(parent=subject, label="ANON_CT", date="2020-01-02")
    path = "xnat:mrSessionData/scanner/model"
    run("list_and_filter.py", server.url, "brainimages", "--label", "ANON*", "--output", "all.csv")
    rows = csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text()))
    assert [row["label"] for row in rows] == ["ANONYMIZ", "ANON_CT"]
    done = run("list_and_filter.py", server.url, "brainimages", "--type", "xnat:mrSessionData", "--columns", path)
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["label"], row["date"], row[path]) == ("ANONYMIZ", "2003-05-05", "Eclipse 1.5T")
    done = run("list_and_filter.py", server.url, "brainimages", "--after", "2010-01-01")
    assert [row["label"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["ANON_CT"]


def test_download_project(run: Run, session: Any, server: Sandbox, tmp_path: Path, anonymiz: bytes) -> None:  # noqa: F811
    done = run("download_project.py", server.url, "brainimages", "data", "--dry-run")
    assert f"{FILES} to fetch" in done.stdout
    assert not (tmp_path / "data").exists()
    run("download_project.py", server.url, "brainimages", "data", "--report", "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["ok"], report["counts"]) == (True, {"verified": FILES})
    found = {path.name: path.read_bytes() for path in (tmp_path / "data").rglob("*.dcm")}
    with zipfile.ZipFile(io.BytesIO(anonymiz)) as archive:
        assert found == {Path(name).name: archive.read(name) for name in archive.namelist()}
    session.projects["brainimages"].experiments["ANONYMIZ"].scans["PD"].delete()
    done = run("download_project.py", server.url, "brainimages", "data", "--delete")
    assert "3 deleted" in done.stdout


def test_import_dicom(run: Run, session: Any, server: Sandbox, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ANONYMIZ.zip") as archive:
        archive.extractall(tmp_path / "folder")
    done = run("import_dicom.py", server.url, "sandbox", "folder", "--subject", "new", "--session", "new_MR")
    assert "<MrSessionData new_MR" in done.stdout
    assert len(session.projects["sandbox"].experiments["new_MR"].scans) == 3
    done = run("import_dicom.py", server.url, "sandbox", "ANONYMIZ.zip", "nothing.zip", "--prearchive", status=1)
    assert "nothing.zip" in done.stderr
    assert "1 of 2 failed" in done.stderr
    assert [waiting.name for waiting in session.prearchive.sessions("sandbox")] == ["ANONYMIZ"]


def test_work_prearchive(run: Run, session: Any, server: Sandbox, anonymiz: bytes) -> None:  # noqa: F811
    for label in ("A1", "A2", "B1"):
        session.services.import_(
            data=anonymiz, project="brainimages", subject=label, experiment=label, destination="/prearchive"
        )
    done = run("work_prearchive.py", server.url, "list")
    assert len(done.stdout.splitlines()) == 3
    assert "1001-MR2 FLAIR" in done.stdout
    done = run("work_prearchive.py", server.url, "archive", "--session", "A*", "--status", "READY")
    assert done.stdout.count("archived as <MrSessionData A") == 2
    assert {"A1", "A2"} <= set(session.projects["brainimages"].experiments.key_map)
    run("work_prearchive.py", server.url, "move", "--session", "B1", "--to", "sandbox")
    assert [waiting.project for waiting in session.prearchive.sessions()] == ["sandbox"]
    run("work_prearchive.py", server.url, "delete", "--project", "sandbox")
    assert session.prearchive.sessions() == []
    assert "needs --to" in run("work_prearchive.py", server.url, "move", status=2).stderr


def test_set_variables(run: Run, session: Any, server: Sandbox, tmp_path: Path) -> None:
    experiment = session.projects["brainimages"].experiments["ANONYMIZ"]
    table = tmp_path / "table.csv"
    table.write_text("experiment,brain_volume,rater,empty\nANONYMIZ,1234.5,Jané,\nNOBODY,1,,\n", encoding="utf-8")
    done = run("set_variables.py", server.url, "brainimages", "table.csv", status=1)
    assert "NOBODY; nothing was changed" in done.stderr
    assert dict(experiment.fields) == {"brain_volume": "0"}
    table.write_text("experiment,brain_volume,rater,empty\nANONYMIZ,1234.5,Jané,\n", encoding="utf-8")
    run("set_variables.py", server.url, "brainimages", "table.csv", "--dry-run")
    assert dict(experiment.fields) == {"brain_volume": "0"}
    done = run("set_variables.py", server.url, "brainimages", "table.csv")
    assert "brain_volume = 1234.5 (was 0)" in done.stdout
    assert dict(experiment.fields) == {"brain_volume": "1234.5", "rater": "Jané"}
    assert run("set_variables.py", server.url, "brainimages", "table.csv").stdout == ""
    table.write_text("subject,site\nANONYMIZ,3\n")
    run("set_variables.py", server.url, "brainimages", "table.csv")
    assert session.projects["brainimages"].subjects["ANONYMIZ"].fields["site"] == "3"


def test_copy_project(run: Run, session: Any, server: Sandbox, other: Sandbox) -> None:
    project = session.projects["brainimages"]
    subject = project.subjects["ANONYMIZ"]
    subject.demographics.gender = "female"
    experiment = subject.experiments["ANONYMIZ"]
    experiment.note = "a note"
    experiment.create_assessor("QC", "xnat:qcManualAssessorData").create_resource("PDF").upload_data(
        b"%PDF", "a b/qc.pdf"
    )
    project.create_resource("DOCS").upload_data("protocol", "protocol.txt")
    done = run("copy_project.py", server.url, "brainimages", other.url, "brains")
    assert f"{FILES + 2} files copied, {FILES + 2} of {FILES + 2} verified" in done.stdout
    with xnat.connect(other.url, user="admin", password="admin") as there:
        copy = there.projects["brains"]
        twin = copy.subjects["ANONYMIZ"].experiments["ANONYMIZ"]
        assert (type(twin).__name__, twin.date, twin.note) == ("MrSessionData", experiment.date, "a note")
        assert dict(twin.fields) == {"brain_volume": "0"}
        assert copy.subjects["ANONYMIZ"].demographics.gender == "female"
        assert {scan.id: scan.type for scan in twin.scans.values()} == {id_: type_ for id_, type_, _ in SCANS.values()}
        assert twin.scans["T1"].parameters.tr == experiment.scans["T1"].parameters.tr
        with twin.assessors["QC"].resources["PDF"].files["a b/qc.pdf"].open() as file:
            assert file.read() == b"%PDF"
        # A copy that lost something is completed.
        twin.scans["T1"].resources["DICOM"].files["IM3.dcm"].delete()
        copy.resources["DOCS"].files["protocol.txt"].delete()
    done = run("copy_project.py", server.url, "brainimages", other.url, "brains")
    assert f"{FILES + 2} of {FILES + 2} verified" in done.stdout


def test_set_variables_changes_nothing_for_a_table_with_mistakes(
    run: Run, session: Any, server: Sandbox, tmp_path: Path
) -> None:
    for content, words in (
        ("experiment,vol]x\nANONYMIZ,2\n", "'vol]x' can't be a variable"),
        ("experiment,vol\nANONYMIZ,1,2\n", "'' can't be a variable"),
        ("experiment,vol,\nANONYMIZ,1,2\n", "'' can't be a variable"),
        ("experiment,vol\nANONYMIZ,1\nANONYMIZ,2\n", "entry 2 has a label that was there before"),
        ("experiment,vol\nANONYMIZ,1\n,2\n", "entry 2 has no label"),
        ("experiment,vol\nANONYMIZ,é\n", "UTF-8"),
        ("experiment;vol\nANONYMIZ;1\n", "'experiment;vol'"),
        ("", "first column"),
    ):
        (tmp_path / "table.csv").write_text(content, encoding="latin-1")
        done = run("set_variables.py", server.url, "brainimages", "table.csv", status=1)
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert "Traceback" not in run("set_variables.py", server.url, "brainimages", "missing.csv", status=1).stderr
    assert dict(session.projects["brainimages"].experiments["ANONYMIZ"].fields) == {"brain_volume": "0"}
    # What spreadsheets leave behind is no mistake.
    (tmp_path / "table.csv").write_text("experiment, vol,rater\nANONYMIZ, 1 \n,,\n\n")
    run("set_variables.py", server.url, "brainimages", "table.csv")
    assert session.projects["brainimages"].experiments["ANONYMIZ"].fields["vol"] == "1"


def test_list_and_filter_keeps_the_file_when_it_fails(run: Run, session: Any, server: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "found.csv").write_text("kept")
    for project, column in (("brainimages", "nosuch"), ("NOPE", "note")):
        options = ["--columns", column, "--output", "found.csv"]
        done = run("list_and_filter.py", server.url, project, *options, status=1)
        assert column in done.stderr or project in done.stderr
    assert (tmp_path / "found.csv").read_text() == "kept"
    done = run("list_and_filter.py", server.url, "brainimages", "--columns", "label", "note")
    assert done.stdout.splitlines()[0] == "ID,label,subject_label,xsiType,date,note"


def test_download_project_makes_the_folder_of_the_report(
    run: Run, session: Any, server: Sandbox, tmp_path: Path
) -> None:
    session.classes.ProjectData(parent=session, name="nothing")
    run("download_project.py", server.url, "nothing", "data", "--report", "reports/of/today.json")
    assert json.loads((tmp_path / "reports/of/today.json").read_text())["ok"]


def test_copy_project_with_unusual_data(run: Run, session: Any, server: Sandbox, other: Sandbox) -> None:
    classes = session.classes
    project = classes.ProjectData(parent=session, name="odd")
    subject = classes.SubjectData(parent=project, label="süb ject (1)", group="g")
    classes.SubjectData(parent=project, label="bare")
    classes.SubjectAssessorData(parent=subject, label="visit").create_resource("FORM").upload_data(b"v", "v.txt")
    experiment = classes.MrSessionData(parent=subject, label="E #1 & co+%20", note="x&y\nzé")
    experiment.fields["dose é"] = "1"
    # One scan's ID is another one's type, and two have none.
    for id_, fields in (("1-a b", {"type": "T1"}), ("T1", {}), ("3", {"frames": 4})):
        scan = classes.MrScanData(parent=experiment, id_=id_, **fields)
        scan.create_resource("DICOM").upload_data(id_.encode(), "a b/ü #%.dcm")
    image = classes.ReconstructedImageData(parent=experiment, id_="mean", type="average")
    image.create_resource("NIFTI").upload_data(b"mean", "mean.nii")
    done = run("copy_project.py", server.url, "odd", other.url, "twin")
    assert "5 files copied, 5 of 5 verified" in done.stdout
    with xnat.connect(other.url, user="admin", password="admin") as there:
        twin = there.projects["twin"]
        copy = twin.experiments["E #1 & co+%20"]
        assert (sorted(twin.subjects.key_map), copy.note) == (["bare", "süb ject (1)"], "x&y\nzé")
        assert [(scan.id, scan.type, scan.frames) for scan in copy.scans.values()] == [
            ("1-a b", "T1", None), ("T1", None, None), ("3", None, 4),
        ]  # fmt: skip
        found = copy.reconstructions["mean"]
        assert (found.type, list(found.files)) == ("average", ["mean.nii"])
        # A run that ended between making something and filling it in.
        del copy.note
        copy.fields.clear()
        del twin.subjects["süb ject (1)"].group
        copy.scans["1-a b"].quality = "own"
    run("copy_project.py", server.url, "odd", other.url, "twin")
    with xnat.connect(other.url, user="admin", password="admin") as there:
        twin = there.projects["twin"]
        copy = twin.experiments["E #1 & co+%20"]
        assert (copy.note, dict(copy.fields), copy.subject.group) == ("x&y\nzé", {"dose é": "1"}, "g")
        assert copy.scans["1-a b"].quality == "own"


def test_copy_project_tells_of_differences(run: Run, session: Any, server: Sandbox, other: Sandbox) -> None:
    session.projects["fastrtutorial"].create_resource("DOCS").upload_data("right", "a.txt")
    run("copy_project.py", server.url, "fastrtutorial", other.url, "copy")
    with xnat.connect(other.url, user="admin", password="admin") as there:
        there.projects["copy"].resources["DOCS"].upload_data("wrong", "a.txt", overwrite=True)
    done = run("copy_project.py", server.url, "fastrtutorial", other.url, "copy", status=1)
    assert "differs: DOCS/a.txt" in done.stderr
