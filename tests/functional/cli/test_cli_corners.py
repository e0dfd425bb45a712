"""What is asked for less often: the other answers of each command, in this process."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from email.utils import formatdate
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from xnat.sandbox import Sandbox, faults

from ..tls import CERTIFICATE, behind_tls
from .conftest import PASSWORD, Inside, fill
from .test_cli_change import dicom  # noqa: F401 - a fixture


@pytest.fixture
def full(own: Sandbox, own_inside: Inside) -> Inside:
    """The command for a server of its own with something on it."""
    fill(own)
    return own_inside


# -- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("info", "P/S1/experiments"), "P/S1/experiments is a collection; name something in it, or '*'"),
        (("info", "projects"), "the server/projects is a collection"),
        (("ls", "P/resources/DOCS/files/protocol.txt"), "nothing lies below a file"),
        (("create", "P/scans/1"), "a project has no scans"),
        (("create", "P/resources/DOCS/files/x"), "'xnat upload' makes files"),
        (("create", "/"), "a path is needed"),
        (("create", "P/S*/E"), "P/S* fits 2 things, but one is needed: P/S1, P/S2"),
        (("upload", ".", "/data"), "a path is needed"),
        (("download", "/data/archive"), "a path is needed"),
        (("delete", "/", "--yes"), "the server can't be deleted"),
        (("sync", "P/resources/DOCS/protocol.txt", "mirror"), "use 'xnat download'"),
        (("set", "P/S1"), "nothing to set"),
        (("set", "P/S1", "group=a", "group=b"), "group is given twice: 'a' and 'b'"),
        (("set", "P/S1", "demografics.gender=male"), "has no part 'demografics'; did you mean demographics"),
        (("share", "P/S*", "Other", "--label", "X"), "can't all be called X"),
        (("search",), "give a TYPE"),
        (("search", "MrSessionData", "date<"), "nothing follows <"),
        (("search", "MrSessionData", "date=2020-02-30"), "there is no day 2020-02-30"),
        (("upload", "nowhere", "P/resources/DOCS"), "there is no file or folder nowhere"),
        (("upload", ".", "P/S1"), "P/S1 is a subject; files go into a resource, as P/S1/resources/LABEL"),
        (("upload", ".", "P/S9"), "P/S9 isn't a resource"),
        (("login", "http://127.0.0.1:9", "--server", "http://127.0.0.1:7"), "two servers are named"),
        (("login", "--password-stdin"), "--password-stdin needs --user"),
        (("ls", "--server", "http://127.0.0.1:9", "--profile", "x"), "give one of them"),
        (("ls", "--loglevel", "LOUD"), "there is no log level 'LOUD'"),
        (("ls", "--timeout", "soon"), "a timeout is a number of seconds, not 'soon'"),
    ],
)
def test_what_cannot_be_done_is_two(inside: Inside, words: tuple[str, ...], said: str) -> None:
    assert said in inside.fails(2, *words)


@pytest.mark.parametrize("number", ["0", "65", "many"])
def test_workers_are_one_to_sixty_four(inside: Inside, number: str) -> None:
    assert "from 1 to 64" in inside.run("download", "P", "--workers", number).err


def test_assessors_and_projects_by_their_word(full: Inside) -> None:
    found = full.ok("info", "P/S1/E1/assessors/QC1", "--json").json
    assert (found["kind"], found["label"]) == ("assessor", "QC1")
    full.ok("create", "projects/New")
    assert full.ok("ls", "N*", "--columns", "ID", "--no-header").out.split() == ["New"]


def test_patterns_choose_from_what_is_listed(inside: Inside) -> None:
    assert inside.ok("ls", "P/*1", "--columns", "label", "--no-header").out.split() == ["S1"]
    assert inside.ok("ls", "P/S1/E1/2/RAW/*.dat", "--json").json[0]["path"] == "P/S1/E1/2/RAW/2.dat"
    assert inside.ok("ls", "P/S1/E1/2/RAW/*.txt", "--json").json == []


def test_several_objects_for_people(inside: Inside) -> None:
    first, second = inside.ok("info", "P/S1", "P/S2").out.split("\n\n")
    assert "demographics.gender" in first
    assert [line.split() for line in second.splitlines() if line.startswith("label")] == [["label", "S2"]]


def test_one_object_as_csv(inside: Inside) -> None:
    (row,) = inside.ok("info", "P/S2", "--csv").csv
    assert (row["label"], row["number of experiments"]) == ("S2", "0")
    assert "S2" in inside.ok("info", "P/S2", "--csv", "--no-header").out.splitlines()[0]


# -- search -----------------------------------------------------------------------------------------------------------


def test_searches_of_every_kind(inside: Inside) -> None:
    def labels(*words: str) -> list[str]:
        found = inside.ok("search", "xnat:mrSessionData", *words, "--columns", "label", "--csv").csv
        return [row["label"] for row in found]

    assert labels() == ["E1"]
    assert labels("date=") == []
    assert labels("date!=") == ["E1"]
    assert labels("xnat:mrSessionData/date=2020-01-02") == ["E1"]
    assert labels("PROJECT=P") == ["E1"]
    assert labels("PROJECT=Other") == []


def test_searches_are_sorted_and_cut(inside: Inside) -> None:
    def labels(*words: str) -> list[str]:
        found = inside.ok("search", "SubjectData", "--columns", "label", *words, "--json").json
        return [row["label"] for row in found]

    assert labels("--sort", "label") == ["S1", "S2"]
    assert labels("--sort=-label") == ["S2", "S1"]
    assert labels("--sort=-label", "--limit", "1") == ["S2"]


def test_fields_that_can_be_searched_by(inside: Inside) -> None:
    assert {"field": "AGE"} in inside.ok("search", "MrSessionData", "--fields", "--json").json


# -- transfers --------------------------------------------------------------------------------------------------------


def test_download_of_one_file_that_is_only_planned(inside: Inside, tmp_path: Path) -> None:
    words = ("download", "P/resources/DOCS/protocol.txt", "-o", str(tmp_path / "here"), "--dry-run", "--json")
    assert [row["state"] for row in inside.ok(*words).json] == ["fetch"]
    assert not (tmp_path / "here").exists()
    assert inside.ok("download", "P/resources/DOCS", "-o", str(tmp_path), "--workers", "2", "--json").json


def test_folders_that_cannot_be_uploaded(inside: Inside, tmp_path: Path) -> None:
    for name in ("empty", "a", "b"):
        (tmp_path / name).mkdir()
    assert "holds no files" in inside.fails(2, "upload", str(tmp_path / "empty"), "P/resources/DOCS")
    for name in ("a", "b"):
        (tmp_path / name / "same").write_text(name)
    said = inside.fails(2, "upload", str(tmp_path / "a"), str(tmp_path / "b"), "P/resources/DOCS/files/sub")
    assert "would both become sub/same" in said


def test_upload_of_an_archive_that_the_server_unpacks(full: Inside, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.txt", "a")
        archive.writestr("sub/b.txt", "b")
    done = full.ok("upload", "two.zip", "P/resources/UNPACKED", "--extract", "--json").json
    assert [(row["state"], row["path"]) for row in done] == [("unpacked", "two.zip")]
    found = full.ok("ls", "P/resources/UNPACKED", "--json").json
    assert sorted(row["path"].partition("UNPACKED/")[2] for row in found) == ["a.txt", "sub/b.txt"]


def test_two_files_cannot_be_one_experiment(inside: Inside) -> None:
    said = inside.fails(2, "import", ".", ".", "--project", "P", "--experiment", "E")
    assert "--overwrite append" in said


def test_prearchive_sessions_by_their_path(full: Inside, dicom: Path, tmp_path: Path) -> None:  # noqa: F811
    words = ("--project", "P", "--subject", "S1", "--destination", "/prearchive")
    for label in ("N1", "N2"):
        full.ok("import", str(dicom), *words, "--experiment", label)
    first = full.ok("prearchive", "list", "N1", "--json").json[0]
    uri = f"/data/prearchive/projects/{first['id']}"
    assert full.ok("info", uri, "--json").json["status"] == "READY"
    for words_ in (("download", uri), ("sync", uri, "mirror")):
        assert "waits in the prearchive; archive it first" in full.fails(2, *words_)
    full.ok("rest", "get", uri, "--format", "zip", "-o", "one.zip")
    assert zipfile.is_zipfile(tmp_path / "one.zip")
    assert "'xnat prearchive delete'" in full.fails(2, "delete", uri, "--yes")
    assert "can't all become X" in full.fails(2, "prearchive", "archive", "N*", "--experiment", "X")
    full.ok("import", str(dicom), *words, "--experiment", "N1")
    assert "N1 is the name of several" in full.fails(2, "prearchive", "delete", "N1", "--yes")


# -- what is asked at a terminal --------------------------------------------------------------------------------------


def test_deleting_is_asked_about_at_a_terminal(full: Inside, dicom: Path) -> None:  # noqa: F811
    full.ok("import", str(dicom), "--project", "P", "--subject", "S1", "--destination", "/prearchive")
    full.terminal = True
    for answer in ("\n", "n\n"):
        assert "nothing was deleted" in full.run("prearchive", "delete", "*", input=answer).err
    assert full.ok("prearchive", "delete", "*", input="y\n").err.count("[y/N]") == 1
    asked = full.run("delete", "P/*", input="no\n")
    assert asked.code == 1
    assert "Delete these 2 on" in asked.err
    assert [row["label"] for row in full.ok("ls", "P", "--json").json] == ["S1", "S2"]


def test_a_long_list_of_what_goes_is_cut(own: Sandbox, own_inside: Inside) -> None:
    own_inside.ok("create", "P")
    for number in range(22):
        own_inside.ok("rest", "put", f"/data/projects/P/subjects/s{number:02}")
    own_inside.terminal = True
    asked = own_inside.run("delete", "P/*", input="n\n").err
    assert "subject P/s19" in asked
    assert "subject P/s20" not in asked
    assert "… and 2 more" in asked


def test_who_logs_in_is_asked_at_a_terminal(own: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Inside(tmp_path)
    inside.terminal = True
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
    nobody = inside.run("login", own.url, input="\n")
    assert nobody.code == 2
    assert "no user is named" in nobody.err
    for user in ("", "admin"):  # by name: not asked for it
        options = ("--user", user) if user else ()
        done = inside.ok("login", own.url, *options, input="admin\n")
        assert ("User at" in done.err) is not bool(user)
        assert "logged in to" in done.err
    # The second login took the place of the first, which ended on the server as well.
    assert len(own.application.sessions._sessions) == 1
    inside.ok("logout")
    assert "there is no login to" in inside.ok("logout", own.url).err


# -- logins and settings ----------------------------------------------------------------------------------------------


class Keyring(ModuleType):
    """The package, with secrets in memory."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, name: str, secret: str) -> None:
        self.kept[service, name] = secret

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


def test_a_login_in_the_keyring(own: Sandbox, own_inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", keyring := Keyring())
    state = own_inside.home / "state"
    own_inside.environ["XNAT_STATE_DIR"] = str(state)
    own_inside.ok("login", "--keyring")
    assert len(keyring.kept) == 1
    (file,) = (state / "logins").iterdir()
    assert json.loads(file.read_text()) == {"server": own.url, "user": "admin", "keyring": True}
    assert own_inside.ok("whoami", "--json").json["login"] == "'xnat login' (keyring)"
    keyring.kept.clear()  # somebody tidied up
    assert own_inside.ok("whoami", "--json").json["login"] == "environment"
    own_inside.ok("login", "--keyring")
    own_inside.ok("logout")
    assert keyring.kept == {}


def test_a_given_session_of_the_server_goes_on(own: Sandbox, own_inside: Inside) -> None:
    own_inside.ok("login")
    (kept,) = (own_inside.home / ".local/state/xnat/logins").iterdir()
    given = {"XNATPY_JSESSION": json.loads(kept.read_text())["jsession"], "XNAT_USER": "", "XNAT_PASS": ""}
    kept.unlink()
    for _ in range(2):
        assert own_inside.ok("whoami", "--json", **given).json["login"] == "--jsession or XNATPY_JSESSION"


def test_a_profile_without_a_server(own_inside: Inside) -> None:
    (own_inside.home / "config.ini").write_text("[lab]\nuser = jane\n")
    said = own_inside.fails(2, "ls", "--profile", "lab", XNAT_CONFIG=str(own_inside.home / "config.ini"))
    assert "[lab] names no server" in said


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_certificates(own: Sandbox, own_inside: Inside) -> None:
    with behind_tls(own) as url:
        own_inside.environ["XNAT_HOST"] = url
        assert "--ca-bundle" in own_inside.fails(5, "ls")
        assert own_inside.ok("ls", "--ca-bundle", str(CERTIFICATE), "--json").json == []
        assert own_inside.ok("ls", "--no-verify", "--json", "--quiet").json == []
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
            own_inside.environ.pop(name, None)
        assert examined(own_inside)["tls"]["state"] == "failed"
        assert examined(own_inside, "--ca-bundle", str(CERTIFICATE))["tls"]["finding"].startswith("TLSv1")
        assert examined(own_inside, "--no-verify")["tls"]["state"] == "warning"


def test_requests_are_shown_on_demand(inside: Inside) -> None:
    assert "DEBUG" in inside.ok("ls", "--loglevel", "debug").err
    assert "DEBUG" not in inside.ok("ls", "--loglevel", "VERBOSE").err


# -- rest and model ---------------------------------------------------------------------------------------------------


def test_rest_with_headers(inside: Inside) -> None:
    for header in ("Accept: application/xml", "Accept=application/xml"):
        assert inside.ok("rest", "get", "/data/projects/P", "--header", header).out.startswith("<?xml")
    assert "NAME=VALUE" in inside.run("rest", "get", "/data/projects", "--header", "Accept").err


def test_model_into_a_file_of_that_name(inside: Inside, tmp_path: Path) -> None:
    inside.ok("model", "--output", str(tmp_path / "types.pyi"))
    assert "class MrSessionData(" in (tmp_path / "types.pyi").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["types.pyi"]


# -- output -----------------------------------------------------------------------------------------------------------


def test_wide_letters_keep_columns_aligned(own: Sandbox, own_inside: Inside) -> None:
    own_inside.ok("create", "A", "name=日本 e\u0301")
    own_inside.ok("create", "B", "name=x", "description=\x1b[31mred")
    lines = own_inside.ok("ls", "--columns", "name,ID", "--no-header").out.splitlines()
    assert lines == ["日本 e\u0301  A", "x       B"]


def test_quiet_says_errors_only(own: Sandbox, own_inside: Inside) -> None:
    own_inside.ok("login")
    own.faults.add(faults.status(500), path="/data/JSESSION", method="DELETE", times=None)
    own.faults.add(faults.status(500), path="/data/projects/P$")
    assert own_inside.ok("logout", "--quiet").err == ""
    assert own_inside.run("rest", "get", "/data/projects/P", "--quiet").err.startswith("xnat: ")


# -- doctor -----------------------------------------------------------------------------------------------------------


def examined(inside: Inside, *words: str, **environ: str) -> dict[str, dict[str, str]]:
    return {row["check"]: row for row in inside.run("doctor", "--json", *words, **environ).json}


def test_doctor_of_an_open_server_without_a_login(tmp_path: Path) -> None:
    with Sandbox(require_login=False) as server:
        rows = examined(Inside(tmp_path), "--server", server.url)
    assert rows["login"]["state"] == "warning"
    assert "xnat login" in rows["login"]["advice"]
    assert rows["rights"]["finding"] == "no project can be seen"
    assert rows["digests"]["finding"] == rows["ranges"]["finding"] == "no file was found to look at"


@pytest.mark.parametrize(("seconds", "way"), [(-3600, "ahead of"), (3600, "behind")])
def test_doctor_of_clocks_that_differ(own: Sandbox, own_inside: Inside, seconds: int, way: str) -> None:

    def shift(request: Any, response: Any) -> Any:
        response.headers["Date"] = formatdate(time.time() + seconds, usegmt=True)
        return response

    own.faults.add(faults.Action(after=shift), path="/data/version", method="HEAD", times=None)
    clock = examined(own_inside)["clock"]
    assert clock["state"] == "failed"
    assert way in clock["finding"]
    assert "NTP" in clock["advice"]


def test_doctor_of_a_server_that_is_too_old(own: Sandbox, own_inside: Inside) -> None:
    own.settings.xnat_version = "1.5.4"
    version = examined(own_inside)["version"]
    assert (version["state"], version["finding"]) == ("warning", "XNAT 1.5.4")


def test_doctor_of_a_cache_that_cannot_be_written(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    # An administrator may write everywhere, and tests are run by one at times.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, *mode: "cache" not in str(path) and access(path, *mode))
    cache = examined(inside, XNAT_CACHE_DIR=str(tmp_path / "cache"))["cache"]
    assert cache["state"] == "warning"
    assert "XNAT_CACHE_DIR" in cache["advice"]


def test_doctor_takes_the_timeout_it_is_given(inside: Inside) -> None:
    assert {row["state"] for row in examined(inside, "--timeout", "7").values()} == {"ok"}


def test_doctor_looks_for_files_in_scans_and_experiments(own: Sandbox, own_inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "image").write_text("pixels")
    for path, *words in (("A",), ("B",), ("B/S",), ("B/S/E", "-t", "xnat:mrSessionData")):
        own_inside.ok("create", path, *words)
    own_inside.ok("create", "B/S/E/1", "-t", "xnat:mrScanData")
    assert examined(own_inside)["digests"]["finding"] == "no file was found to look at"
    own_inside.ok("upload", "image", "B/S/E/1/RAW")
    assert examined(own_inside)["digests"]["finding"].startswith("on")


def test_doctor_with_a_proxy_in_between(inside: Inside, site: Sandbox) -> None:
    rows = examined(inside, HTTP_PROXY="http://user:secret@127.0.0.1:9", NO_PROXY="")
    assert rows["proxy"]["state"] == "warning"
    assert "NO_PROXY" in rows["proxy"]["advice"]
    assert "secret" not in rows["proxy"]["finding"]
    assert rows["dns"]["finding"] == "left to the proxy"
    assert rows["connection"]["state"] == "failed"
    assert rows["tls"]["state"] == "skipped"
    assert examined(inside, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1")["proxy"]["finding"] == "none"


def test_doctor_of_a_server_elsewhere_behind_a_proxy(tmp_path: Path, site: Sandbox) -> None:
    # The sandbox stands in for the proxy: it listens.
    inside = Inside(tmp_path)
    for scheme, words in (("http", "travel in the clear"), ("https", "a proxy is in between")):
        rows = examined(inside, "--server", f"{scheme}://xnat.invalid", **{f"{scheme}_proxy": site.url, "no_proxy": ""})
        assert rows["proxy"]["state"] == "ok"
        assert words in rows["tls"]["finding"] + rows["tls"]["advice"]


def test_fields_by_every_name(full: Inside) -> None:
    words = ("demographics.gender=male", "demographics.yob=1980", "xnat:subjectData/group=controls")
    full.ok("set", "P/S1", *words)
    found = full.ok("info", "P/S1", "--json").json
    assert (found["demographics.gender"], found["demographics.yob"], found["group"]) == ("male", 1980, "controls")
    full.ok("set", "P/S1", "--unset", "xnat:subjectData/group")
    assert "group" not in full.ok("info", "P/S1", "--json").json


def test_what_nobody_foresaw_is_one_line_and_more_on_demand(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("xnat.cli.ls._rows", fail)
    assert inside.fails(1, "ls").startswith("xnat: unexpected ZeroDivisionError: a bug; '--debug' shows where")
    monkeypatch.setattr(Inside, "check", staticmethod(lambda text: None))
    assert "Traceback" in inside.run("ls", "--debug").err


def test_logins_where_the_desktop_keeps_state(own: Sandbox, own_inside: Inside, tmp_path: Path) -> None:
    own_inside.ok("login", XDG_STATE_HOME=str(tmp_path / "state"))
    assert len(list((tmp_path / "state" / "xnat" / "logins").iterdir())) == 1
    assert not (tmp_path / ".local").exists()


def test_doctor_does_not_wait_for_ever(own: Sandbox, own_inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xnat.cli.doctor._PATIENCE", 0.0)
    own.faults.add(faults.delay(1.0), path="^/data/services/auth$", times=None)
    rows = examined(own_inside)
    assert (rows["login"]["state"], rows["login"]["finding"]) == ("failed", "it took too long")
    assert rows["rights"]["state"] == "skipped"
