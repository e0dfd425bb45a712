"""Numbered items of the documented API: package, connecting, disconnecting (A1-A18)."""

from __future__ import annotations

import importlib.metadata
import logging
import re
import threading
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat import exceptions
from xnat.sandbox import Sandbox, faults
from xnat.session import XNATSession

from .conftest import connect
from .tls import behind_tls

ROOT = Path(__file__).parents[2]


def test_a1_package_and_distribution_are_xnat_under_apache_2_on_requests() -> None:
    facts = importlib.metadata.metadata("xnat")
    assert facts["Name"] == "xnat"
    assert facts["Version"] == xnat.__version__
    assert "Apache" in (facts["License-Expression"] or facts["License"] or " ".join(facts.get_all("Classifier") or ()))
    needed = [re.split(r"[ ;<>=!~\[(]", line)[0] for line in importlib.metadata.requires("xnat") or ()]
    assert "requests" in needed


def test_a2_connect_gives_a_session_from_positional_arguments_in_the_documented_order(server: Sandbox) -> None:
    own = logging.getLogger("a2")
    with xnat.connect(server.url, "admin", "admin", True, None, False, True, None, own, True, False) as session:
        assert isinstance(session, XNATSession)
        assert session.logger is own
        assert session.logged_in_user == "admin"


@pytest.mark.parametrize("context", ["", "/xnat"])
def test_a3_server_is_a_uri_that_may_carry_a_context_path(context: str) -> None:
    with Sandbox(context_path=context) as server, connect(server) as session:
        assert session.server == server.url
        assert server.url.endswith(context)
        assert list(session.projects) == []
        assert session.get("/data/projects").status_code == 200


@pytest.mark.parametrize("nobody", [{}, {"user": "", "password": ""}, {"user": None, "password": None}])
def test_a4_no_user_is_the_netrc_entry_or_else_a_guest(nobody: dict[str, Any], tmp_path: Path) -> None:
    with Sandbox(require_login=False) as server:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine elsewhere.example.org\nlogin x\npassword y\n")
        netrc.chmod(0o600)
        with xnat.connect(server.url, netrc_file=str(netrc), **nobody) as session:
            assert session.logged_in_user == "guest"
        netrc.write_text("machine 127.0.0.1\nlogin admin\npassword admin\n")
        with xnat.connect(server.url, netrc_file=str(netrc), **nobody) as session:
            assert session.logged_in_user == "admin"


def test_a5_user_without_password_is_prompted(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add_user("test", "word")
    asked = []

    def prompt(text: str) -> str:
        asked.append(text)
        return "word"

    monkeypatch.setattr("getpass.getpass", prompt)
    with xnat.connect(server.url, user="test") as session:
        assert session.logged_in_user == "test"
    assert [text.strip() for text in asked] == ["Please enter the password for user 'test':"]


def test_a6_netrc_gives_login_and_password_of_the_machine(
    server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path, options in ((tmp_path / ".netrc", {}), (tmp_path / "other", {"netrc_file": str(tmp_path / "other")})):
        path.write_text("machine 127.0.0.1\nlogin admin\npassword admin\n")
        path.chmod(0o600)
        with xnat.connect(server.url, **options) as session:
            assert session.logged_in_user == "admin"
        path.unlink()


def test_a7_netrc_that_others_can_read_is_an_error_that_says_so(server: Sandbox, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin admin\npassword admin\n")
    netrc.chmod(0o644)
    with server.record() as requests, pytest.raises(exceptions.XNATUnsafeNetrcError, match=re.escape(str(netrc))):
        xnat.connect(server.url, netrc_file=str(netrc))
    assert not [entry for entry in requests if entry.headers.get("Authorization")]
    netrc.chmod(0o600)
    with xnat.connect(server.url, netrc_file=str(netrc)) as session:
        assert session.logged_in_user == "admin"


def test_a8_verify_false_checks_no_certificates_and_says_so(server: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with behind_tls(server) as url:
        with pytest.raises(exceptions.XNATSSLError):
            xnat.connect(url, "admin", "admin", no_parse_model=True)
        with (
            caplog.at_level(logging.WARNING),
            xnat.connect(url, "admin", "admin", verify=False, no_parse_model=True) as session,
        ):
            assert session.logged_in_user == "admin"
    assert [record for record in caplog.records if "not checked (verify=False)" in record.getMessage()]


def test_a9_debug_and_loglevel_set_what_is_shown(server: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    with connect(server, loglevel="DEBUG") as session:
        session.get("/data/projects")
        assert "GET" in capsys.readouterr().err
        assert session.debug is False
    capsys.readouterr()
    with connect(server, loglevel="ERROR") as session:
        session.get("/data/projects")
    assert capsys.readouterr().err == ""
    with connect(server, debug=True) as session:
        assert session.debug is True
        assert session.logger.level == logging.DEBUG
        assert "GET" in capsys.readouterr().err


def test_a10_logger_of_the_caller_is_used(server: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    mine = logging.getLogger("mine.xnat")
    with caplog.at_level(logging.DEBUG, "mine.xnat"), connect(server, logger=mine, cache=False) as session:
        assert session.logger is mine
        assert list(session.projects) == []
    assert {record.name for record in caplog.records} == {"mine.xnat"}
    assert mine.handlers == []


def test_a11_redirect_at_connect_gives_the_address_used_from_then_on() -> None:
    with Sandbox(context_path="/xnat") as server:
        root = server.url.removesuffix("/xnat")
        server.faults.add(faults.redirect(f"{server.url}/"), path=r"^/$", times=None)
        with xnat.connect(root, user="admin", password="admin") as session:
            assert session.server == server.url
            with server.record() as requests:
                assert list(session.projects) == []
            assert [entry.status for entry in requests] == [200]


def test_a12_no_parse_model_leaves_the_verbs_and_nothing_else(server: Sandbox) -> None:
    with server.record() as requests, connect(server, no_parse_model=True) as session:
        assert not [entry for entry in requests if "schemas" in entry.path]
        assert session.get("/data/projects").status_code == 200
        assert session.put("/data/projects/P").status_code == 200
        assert session.head("/data/projects").status_code == 200
        assert session.delete("/data/projects/P").status_code == 200
        with pytest.raises(exceptions.XNATValueError, match="no_parse_model"):
            _ = session.projects


def test_a13_extension_types_are_found_through_a_project_on_old_servers() -> None:
    with Sandbox(xnat_version="1.6.4") as server:
        with connect(server) as session:
            session.put("/data/projects/P")
        with server.record() as requests, connect(server, cache=False) as session:
            assert "xnat:qcManualAssessorData" in session.XNAT_CLASS_LOOKUP
        assert {entry.path for entry in requests if entry.path.startswith("/schemas/")} > {"/schemas/xnat/xnat.xsd"}
        with server.record() as requests, connect(server, cache=False, extension_types=False) as session:
            assert "xnat:mrSessionData" in session.XNAT_CLASS_LOOKUP
        assert {entry.path for entry in requests if entry.path.startswith("/schemas/")} == {
            "/schemas/xnat/xnat.xsd",
            "/schemas/xdat/xdat.xsd",
        }


def test_a14_leaving_the_block_disconnects_also_on_an_error(server: Sandbox) -> None:
    session = connect(server)
    file = Path(session.classes.path)
    with pytest.raises(ZeroDivisionError), session:
        raise ZeroDivisionError
    assert not file.exists()
    assert [entry.method for entry in server.requests if entry.path == "/data/JSESSION"][-1] == "DELETE"
    alone = connect(server)
    file = Path(alone.classes.path)
    assert file.exists()
    alone.disconnect()
    assert not file.exists()
    with pytest.raises(exceptions.XNATNotConnectedError):
        alone.get("/data/projects")


def test_a15_classes_come_from_the_servers_schemas(server: Sandbox) -> None:
    with connect(server) as session:
        classes = session.classes
        assert classes.MrSessionData.XSI_TYPE == "xnat:mrSessionData"
        assert issubclass(classes.MrSessionData, classes.ImageSessionData)
        assert "field_strength" in dir(classes.MrSessionData)
        # of a schema that isn't XNAT's own
        assert issubclass(classes.QcManualAssessorData, classes.ImageAssessorData)


def test_a16_a_background_thread_sends_heartbeats(server: Sandbox) -> None:
    with connect(server) as session:
        assert session.keepalive is True
        assert [thread for thread in threading.enumerate() if thread.daemon and "xnat" in thread.name.lower()]
        with server.record() as requests:
            session.heartbeat()
        assert [(entry.method, entry.path) for entry in requests] == [("GET", "/data/JSESSION")]
    from xnat.transport.keepalive import interval_for

    assert interval_for(None) == 14 * 60
    assert interval_for(3600) == 14 * 60


def test_a17_info_lines_at_connect_and_a_schema_that_cannot_be_parsed(
    server: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults.add(faults.body(b"<html><body>sorry</body></html>"), path="qcManual|assessments", times=None)
    with connect(server, loglevel="INFO", cache=False) as session:
        assert "xnat:mrSessionData" in session.XNAT_CLASS_LOOKUP
        lines = capsys.readouterr().err.splitlines()
    assert "[INFO] Found an 1.8 version (1.8.9)" in lines
    assert [line for line in lines if line.startswith("[INFO] Retrieving schema from http")]
    assert [line for line in lines if line.startswith("[WARNING]") and "assessments" in line]


@pytest.mark.parametrize("version", ["1.6.4", "1.7.4", "1.8.9"])
def test_a18_works_with_old_and_new_servers(version: str) -> None:
    with Sandbox(xnat_version=version) as server, connect(server) as session:
        assert session.xnat_version == version
        project = session.classes.ProjectData(parent=session, name="P")
        subject = session.classes.SubjectData(parent=project, label="S")
        session.classes.MrSessionData(parent=subject, label="E")
        session.clearcache()
        assert [experiment.label for experiment in session.projects["P"].experiments.values()] == ["E"]
