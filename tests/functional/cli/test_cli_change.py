"""Commands that change what is on the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from xnat.sandbox import Sandbox

from .conftest import PASSWORD, Cli, fill


def test_a_short_life(own_cli: Cli) -> None:
    assert own_cli.ok("create", "P", "name=A project", "--json").json[0]["state"] == "done"
    own_cli.ok("create", "P/S1", "demographics.gender=female")
    assert "done" in own_cli.ok("set", "P/S1", "demographics.yob=1980", "--variable", "a=b=c").out
    found = own_cli.ok("info", "P/S1", "--json").json
    assert (found["demographics.gender"], found["demographics.yob"], found["variable a"]) == ("female", 1980, "b=c")
    assert "demographics.gender" in own_cli.fails(2, "set", "P/S1", "gender=male")
    assert own_cli.ok("delete", "P/S1", "--yes", "--csv").csv[0]["state"] == "done"
    assert own_cli.ok("ls", "P", "--json").json == []


@pytest.mark.slow
def test_create_set_delete(own_cli: Cli) -> None:
    run = own_cli.ok
    assert run("create", "P", "name=A project", "--dry-run", "--json").json[0]["state"] == "planned"
    assert run("ls", "--json").json == []
    assert run("create", "P", "name=A project", "--json").json[0]["state"] == "done"
    assert "done" in run("create", "P/S1", "demographics.gender=female").out
    assert "--type" in own_cli.fails(2, "create", "P/S1/E1")
    run("create", "P/S1/E1", "--type", "xnat:mrSessionData", "date=2020-01-02")
    run("create", "P/S1/E1/1", "--type", "MrScanData", "type=T1")
    run("create", "P/S1/E1/resources/NOTES")
    run("create", "P/S1/E1/assessors/QC", "--type", "xnat:qcManualAssessorData")
    found = run("info", "P/S1/E1", "--json").json
    assert (found["date"], found["number of scans"], found["number of assessors"]) == ("2020-01-02", 1, 1)
    assert run("info", "P/S1", "--json").json["demographics.gender"] == "female"
    assert "is there already" in own_cli.fails(2, "create", "P/S1")
    own_cli.fails(4, "create", "Nix/S1")

    done = run("set", "P/S1/E1", "date=2021-01-01", "label=E2", "--variable", "a=b=c", "--json").json
    assert [(row["state"], row["action"]) for row in done] == [("done", "set"), ("done", "set"), ("done", "rename")]
    found = run("info", "P/S1/E2", "--json").json
    assert (found["date"], found["variable a"]) == ("2021-01-01", "b=c")
    assert "planned" in run("set", "P/S1/E2", "--unset", "date", "--dry-run").out
    run("set", "P/S1/E2", "--unset", "date", "--unset-variable", "a")
    found = run("info", "P/S1/E2", "--json").json
    assert "date" not in found
    assert "variable a" not in found
    assert "demographics.gender" in own_cli.fails(2, "set", "P/S1", "gender=male")
    assert "male" in own_cli.fails(2, "set", "P/S1", "demographics.gender=blue")

    assert "--yes" in own_cli.fails(2, "delete", "P/S1/E2/1")
    assert run("delete", "P/S1/E2/1", "--dry-run", "--csv").csv[0]["state"] == "planned"
    run("delete", "P/S1/E2/1", "P/S1/E2/resources/NOTES", "-y")
    assert run("ls", "P/S1/E2", "P/S1/E2/resources", "--json").json == []
    run("delete", "P", "--yes")
    assert run("ls", "--json").json == []


def test_some_done_some_failed_is_seven(own: Sandbox, own_cli: Cli) -> None:
    from xnat.sandbox import faults

    for path in ("P", "P/S1", "P/S2"):
        own_cli.ok("create", path)
    own.faults.add(path="/subjects/", method="DELETE", action=faults.status(403, "not yours"))
    done = own_cli.run("delete", "P/*", "-y", "--json")
    assert done.code == 7
    assert [row["state"] for row in done.json] == ["failed", "done"]
    assert "not yours" in done.err


@pytest.mark.slow
def test_share(own: Sandbox, own_cli: Cli) -> None:
    fill(own)
    assert "planned" in own_cli.ok("share", "P/S1", "Other", "--label", "X1", "--dry-run").out
    assert own_cli.ok("ls", "Other", "--json").json == []
    own_cli.ok("share", "P/S1", "Other", "--label", "X1", "--json")
    assert [row["label"] for row in own_cli.ok("ls", "Other", "--json").json] == ["X1"]
    own_cli.fails(5, "share", "P/S1", "Other")
    own_cli.ok("share", "P/S1", "Other", "--remove")
    assert own_cli.ok("ls", "Other", "--json").json == []
    own_cli.fails(2, "share", "P", "Other")
    own_cli.fails(4, "share", "P/S1", "Nix")


def test_rest_writes(own_cli: Cli) -> None:
    assert "PUT /data/projects/P" in own_cli.ok("rest", "put", "/data/projects/P", "--dry-run").out
    assert own_cli.ok("ls", "--json").json == []
    own_cli.ok("rest", "put", "/data/projects/P", "--query", "name=a=b")
    assert own_cli.ok("ls", "--json").json[0]["name"] == "a=b"
    own_cli.ok("rest", "put", "/data/projects/P/subjects/S1")
    own_cli.ok("rest", "put", "/data/projects/P/resources/R")
    own_cli.ok(
        "rest",
        "put",
        "/data/projects/P/resources/R/files/a.txt",
        "--query",
        "inbody=true",
        "--data",
        "@-",
        input="text",
    )
    assert own_cli.ok("rest", "get", "/data/projects/P/resources/R/files/a.txt").out == "text"
    assert "DELETE" in own_cli.ok("rest", "delete", "/data/projects/P/subjects/S1", "--dry-run").out
    own_cli.ok("rest", "delete", "/data/projects/P/subjects/S1")
    assert own_cli.ok("ls", "P", "--json").json == []
    own_cli.fails(2, "rest", "post", "/xapi/x", "--json", "{")
    assert "POST" in own_cli.ok("rest", "post", "/data/projects", "--form", f"password={PASSWORD}", "--dry-run").out


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    """A folder with one DICOM file, as the pydicom package brings it along."""
    from xnat.sandbox.demo import pydicom_files

    folder = tmp_path / "dicom"
    folder.mkdir()
    data = next(data for name, data in pydicom_files().items() if name.endswith("MR_small.dcm"))
    (folder / "image.dcm").write_bytes(data)
    return folder


def test_import_and_dicom(own_cli: Cli, dicom: Path) -> None:
    own_cli.ok("create", "P")
    words = ("import", str(dicom), "--project", "P", "--subject", "S1", "--experiment", "E1")
    assert own_cli.ok(*words, "--dry-run", "--json").json[0]["state"] == "planned"
    assert own_cli.ok("ls", "P", "--json").json == []
    assert own_cli.ok(*words, "--json").json[0]["detail"] == "P/S1/E1"
    own_cli.fails(5, *words)
    header = own_cli.ok("dicom", "P/S1/E1/*", "--field", "PatientID", "--json").json
    assert [(row["tag1"], row["value"]) for row in header] == [("(0010,0020)", "4MR1")]
    assert "Patient ID" in own_cli.ok("dicom", "P/S1/E1/1").out
    own_cli.fails(2, "import", "nowhere.zip")


@pytest.mark.slow
def test_prearchive(own_cli: Cli, dicom: Path) -> None:
    for path in ("P", "Q"):
        own_cli.ok("create", path)
    for label in ("E1", "E2", "E3"):
        own_cli.ok(
            "import",
            str(dicom),
            "--project",
            "P",
            "--subject",
            "S1",
            "--experiment",
            label,
            "--destination",
            "/prearchive",
        )
    waiting = own_cli.ok("prearchive", "list", "--json").json
    assert sorted(row["name"] for row in waiting) == ["E1", "E2", "E3"]
    assert {row["status"] for row in waiting} == {"READY"}
    assert own_cli.ok("prearchive", "list").out.splitlines()[0].split() == list(waiting[0])

    def names() -> list[str]:
        return sorted(f"{row['project']}/{row['name']}" for row in own_cli.ok("prearchive", "list", "--csv").csv)

    for action in ("archive", "rebuild", "delete"):
        assert "planned" in own_cli.ok("prearchive", action, "E1", "--dry-run").out
    assert "planned" in own_cli.ok("prearchive", "move", "E1", "--to-project", "Q", "--dry-run").out
    assert names() == ["P/E1", "P/E2", "P/E3"]
    own_cli.ok("prearchive", "rebuild", "E1", "--wait")
    moved = own_cli.ok("prearchive", "move", "E2", "--to-project", "Q", "--wait", "--json").json
    assert moved[0]["state"] == "done"
    assert names() == ["P/E1", "P/E3", "Q/E2"]
    done = own_cli.ok("prearchive", "archive", "E1", "--to-subject", "S9", "--experiment", "E9", "--json").json
    assert done[0]["detail"] == "P/S9/E9"
    assert "--yes" in own_cli.fails(2, "prearchive", "delete", "*")
    own_cli.ok("prearchive", "delete", "*", "-y")
    assert names() == []
    own_cli.fails(4, "prearchive", "archive", "E1")
