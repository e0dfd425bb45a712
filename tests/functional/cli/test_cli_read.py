"""Commands that only look."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.waiting import PATIENCE, killed_at_last
from xnat.sandbox import Sandbox, faults

from .conftest import PASSWORD, Cli


def test_ls_follows_the_path(cli: Cli) -> None:
    assert [row["path"] for row in cli.ok("ls", "--json").json] == ["P", "Other"]
    assert [row["path"] for row in cli.ok("ls", "P", "--csv").csv] == ["P/S1", "P/S2"]
    rows = cli.ok("ls", "P/S1", "P/S1/E1", "P/S1/E1/2", "P/S1/E1/2/RAW", "--json").json
    assert [row["path"] for row in rows] == [
        "P/S1/E1", "P/S1/E1/1", "P/S1/E1/2", "P/S1/E1/2/RAW", "P/S1/E1/2/RAW/2.dat",
    ]  # fmt: skip
    assert rows[0]["xsiType"] == "xnat:mrSessionData"
    assert rows[1]["type"] == "T1"
    assert rows[-1]["Size"] == 2000


def test_ls_of_other_collections_and_patterns(cli: Cli) -> None:
    rows = cli.ok(
        "ls", "P/resources", "P/S1/E1/assessors", "P/S1/E1/resources/NOTES", "P/*/E*", "P/experiments", "--json"
    ).json
    assert [row["path"] for row in rows] == [
        "P/resources/DOCS",
        "P/S1/E1/assessors/QC1",
        "P/S1/E1/resources/NOTES/sub/note.txt",
        "P/S1/E1",
        "P/experiments/E1",
    ]
    found = cli.ok("ls", "/data/projects/P/subjects/S1/experiments/E1/scans/T*", "--columns", "path,type", "--csv").csv
    assert found == [{"path": "P/S1/E1/1", "type": "T1"}, {"path": "P/S1/E1/2", "type": "T2"}]


def test_ls_has_the_same_columns_in_every_form(cli: Cli) -> None:
    human = cli.ok("ls", "P").out.splitlines()
    columns = human[0].split()
    assert columns == list(cli.ok("ls", "P", "--json").json[0])
    assert columns == list(cli.ok("ls", "P", "--csv").csv[0])
    assert len(human) == 3
    assert cli.ok("ls", "P", "--no-header", "--columns", "label").out.split() == ["S1", "S2"]


def test_ls_filters(cli: Cli) -> None:
    assert [row["label"] for row in cli.ok("ls", "P", "--filter", "label=*2", "--json").json] == ["S2"]
    assert cli.ok("ls", "P", "--filter", "label=nobody", "--json").json == []
    assert cli.ok("ls", "P", "--filter", "label=nobody").out == ""
    assert "NAME=VALUE" in cli.run("ls", "P", "--filter", "label").err


def test_info(cli: Cli) -> None:
    found = cli.ok("info", "P/S1/E1", "--json").json
    assert found["type"] == "xnat:mrSessionData"
    assert found["date"] == "2020-01-02"
    assert found["variable volume"] == "7"
    assert found["number of scans"] == 2
    human = dict(line.split(maxsplit=1) for line in cli.ok("info", "P/S1").out.splitlines() if line)
    assert human["demographics.gender"] == "female"
    several = cli.ok("info", "P/S*", "--csv").csv
    assert [row["label"] for row in several] == ["S1", "S2"]


def test_what_is_not_there_is_four(cli: Cli) -> None:
    assert "did you mean" in cli.fails(4, "ls", "Othr").lower()
    assert "nothing fits" in cli.fails(4, "info", "P/X*")
    cli.fails(4, "rest", "get", "/data/projects/nix")
    cli.fails(4, "dicom", "P/S1/E1/99")
    assert cli.fails(2, "dicom", "P/S1").count("\n") == 1


def test_whoami(cli: Cli, site: Sandbox) -> None:
    found = cli.ok("whoami", "--json").json
    assert found["user"] == "admin"
    assert found["server"] == site.url
    assert found["login"] == "environment"
    assert "admin" in cli.ok("whoami").out


def test_search(cli: Cli) -> None:
    found = cli.ok("search", "xnat:mrSessionData", "date>=2019-01-01", "label~E*", "--columns", "label", "--json").json
    assert [row["label"] for row in found] == ["E1"]
    assert cli.ok("search", "MrSessionData", "date<2019-01-01", "--csv").csv == []
    assert "E1" in cli.ok("search", "MrSessionData", "label=nix", "date=2020-01-02", "--any").out
    assert {"type": "xnat:subjectData"} in cli.ok("search", "--types", "--json").json
    cli.fails(2, "search", "xnat:mrSessionData", "label")
    assert "no data type" in cli.fails(4, "search", "xnat:nixData")


def test_rest_can_be_piped(cli: Cli) -> None:
    assert cli.ok("rest", "get", "/data/projects", "--query", "format=csv").csv[0]["ID"] == "P"
    assert len(cli.ok("rest", "get", "/data/projects", "--format", "json").json["ResultSet"]["Result"]) == 2
    head = cli.ok("rest", "head", "/data/projects", "--json").json
    assert head["status"] == 200
    assert "Set-Cookie" not in head


def test_rest_gives_the_bytes_of_a_file(cli: Cli, tmp_path: Path) -> None:
    path = cli.ok("ls", "P/S1/E1/2/RAW", "--columns", "URI", "--no-header").out.strip()
    assert cli.ok("rest", "get", path).out == "x" * 2000
    cli.ok("rest", "get", path, "-o", str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"x" * 2000


def test_model(cli: Cli, tmp_path: Path) -> None:
    assert "class MrSessionData(" in cli.ok("model").out
    cli.ok("model", "--output", str(tmp_path / "typings"))
    assert "class MrSessionData(" in (tmp_path / "typings" / "xnat_classes.pyi").read_text()
    source = cli.ok("model", "--source").out
    compile(source, "model", "exec")
    assert {"type": "xnat:mrSessionData", "class": "MrSessionData"} in cli.ok("model", "--list", "--json").json


def test_config_file_profiles(site: Sandbox, nobody: str, tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text(
        f"[default]\nserver = {nobody}\n\n[site]\nserver = {site.url}\nuser = admin\nnetrc = {tmp_path}/netrc\n"
    )
    host = site.url.split("/")[2].split(":")[0]
    (tmp_path / "netrc").write_text(f'machine {host} login admin password "{PASSWORD}"\n')
    (tmp_path / "netrc").chmod(0o600)
    cli = Cli(tmp_path, XNAT_CONFIG=str(tmp_path / "config.ini"))
    assert cli.ok("whoami", "--profile", "site", "--json").json["server_from"] == "profile site"
    assert nobody in cli.fails(5, "ls")
    assert "site" in cli.fails(2, "ls", "--profile", "other")
    (tmp_path / "netrc").chmod(0o644)
    assert "chmod 600" in cli.fails(3, "ls", "--profile", "site")
    (tmp_path / "config.ini").write_text(f"[site]\nserver = {site.url}\npassword = {PASSWORD}\n")
    assert "netrc" in cli.fails(2, "ls", "--profile", "site")


def test_errors_are_one_line_and_codes_are_told_apart(site: Sandbox, nobody: str, tmp_path: Path) -> None:
    cli = Cli(tmp_path, site)
    wrong = cli.fails(3, "ls", XNAT_PASS="wrong-" + PASSWORD)
    assert wrong.count("\n") == 1
    assert "xnat login" in wrong
    assert "admits no guests" in cli.fails(3, "ls", XNAT_USER="", XNAT_PASS="")
    assert "xnat doctor" in cli.fails(5, "ls", "--server", nobody)
    rule = site.faults.add(path="/data/projects$", times=None, action=faults.status(500))
    try:
        assert cli.fails(5, "ls").count("\n") == 1
    finally:
        site.faults.rules.remove(rule)


def test_labels_cannot_steer_a_terminal(own_cli: Cli, own: Sandbox) -> None:
    own.faults.add(
        path="^/data/projects$",
        times=None,
        action=faults.body('{"ResultSet":{"Result":[{"ID":"a\\u001b[31mb","name":"n","description":"d"}]}}'),
    )
    shown = own_cli.ok("ls").out
    assert "\x1b" not in shown
    assert "a\\x1b[31mb" in shown


@pytest.mark.slow
def test_debug_shows_a_traceback_and_no_secret(site: Sandbox, tmp_path: Path) -> None:
    import subprocess

    cli = Cli(tmp_path, site)
    done = subprocess.run(
        [*cli.command, "ls", "nix", "--debug"], capture_output=True, env=cli.environ, cwd=tmp_path, timeout=PATIENCE
    )
    shown = (done.stdout + done.stderr).decode()
    assert done.returncode == 4
    assert "Traceback" in shown
    assert "DEBUG" in shown
    cli.check(shown.replace("Traceback", ""))


def test_a_reader_that_goes_away_is_no_error(cli: Cli) -> None:
    import subprocess

    with (
        subprocess.Popen(
            [*cli.command, "ls"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=cli.environ,
            cwd=cli.home,
        ) as process,
        killed_at_last(process),
    ):
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 141
