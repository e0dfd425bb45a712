"""Connecting: credentials, redirects, versions, failures, and what is left behind."""

from __future__ import annotations

import gc
import glob
import logging
import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import xnat
from tests.waiting import PATIENCE
from xnat import exceptions
from xnat.sandbox import Sandbox, faults

from .conftest import connect

SHARED = Path(__file__).parents[3] / "shared" / "schemas"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests make modules as well.
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def generated_folders() -> list[str]:
    return glob.glob(os.path.join(tempfile.gettempdir(), "xnat_*"))


def generated_files() -> set[str]:
    return set(glob.glob(os.path.join(tempfile.gettempdir(), "xnat_*", "xnat_classes_*.py")))


def test_context_manager_logs_out_and_removes_the_module(server: Sandbox) -> None:
    before = generated_files()
    with connect(server) as session:
        path = session.classes.path
        assert Path(path).read_text().startswith("'Data model")
        assert oct(os.stat(os.path.dirname(path)).st_mode & 0o777) == "0o700"
        assert session.logged_in_user == "admin"
    assert generated_files() - before == set()
    assert ("DELETE", "/data/JSESSION") in [(entry.method, entry.path) for entry in server.requests]
    with pytest.raises(exceptions.XNATNotConnectedError):
        session.get("/data/projects")


def test_error_in_the_block_still_disconnects_and_comes_through(server: Sandbox) -> None:
    with pytest.raises(ZeroDivisionError), connect(server) as session:
        raise ZeroDivisionError
    with pytest.raises(exceptions.XNATNotConnectedError):
        _ = session.interface


def test_failing_logout_does_not_hide_the_users_error(server: Sandbox) -> None:
    server.faults.add(path="/data/JSESSION", method="DELETE", times=9, action=faults.status(500))
    with pytest.raises(ZeroDivisionError), connect(server):
        raise ZeroDivisionError


def test_dropped_session_is_collected_with_thread_and_file(server: Sandbox) -> None:
    before, others = generated_files(), set(threading.enumerate())
    session = connect(server)
    list(session.projects)
    (thread,) = [one for one in threading.enumerate() if one.name == "xnat-keepalive" and one not in others]
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    assert generated_files() - before == set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_wrong_password(server: Sandbox) -> None:
    before = generated_files()
    with pytest.raises(exceptions.XNATLoginFailedError, match="admin"):
        connect(server, password="secret-but-wrong")
    assert generated_files() - before == set()


def test_errors_never_tell_the_password(server: Sandbox) -> None:
    with pytest.raises(exceptions.XNATLoginFailedError) as failed:
        connect(server, password="secret-but-wrong")
    assert "secret-but-wrong" not in str(failed.value) + repr(failed.value)


def test_unknown_server(nobody: str) -> None:
    with pytest.raises(exceptions.XNATConnectionError, match=nobody):
        xnat.connect(nobody, user="a", password="b")


def test_server_without_scheme_says_what_works() -> None:
    with pytest.raises(exceptions.XNATValueError, match="http"):
        xnat.connect("xnat.example.com", user="a", password="b")


def test_no_server_at_all_names_the_variables() -> None:
    with pytest.raises(exceptions.XNATValueError, match="XNATPY_HOST"):
        xnat.connect()


def test_environment(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XNAT_HOST", server.url)
    monkeypatch.setenv("XNAT_USER", "admin")
    monkeypatch.setenv("XNAT_PASS", "admin")
    with xnat.connect() as session:
        assert session.logged_in_user == "admin"


def test_credentials_of_the_environment_stay_with_its_server(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XNAT_HOST", "https://other.example.com")
    monkeypatch.setenv("XNAT_USER", "admin")
    monkeypatch.setenv("XNAT_PASS", "admin")
    with pytest.raises(exceptions.XNATLoginFailedError, match="guest"):
        xnat.connect(server.url)


def test_netrc(server: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1\nlogin admin\npassword admin\n")
    path.chmod(0o600)
    with xnat.connect(server.url, netrc_file=str(path)) as session:
        assert session.logged_in_user == "admin"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_netrc_that_others_can_read_is_an_error_with_the_cure(server: Sandbox, tmp_path: Path, mode: int) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1\nlogin admin\npassword admin\n")
    path.chmod(mode)
    with pytest.raises(exceptions.XNATUnsafeNetrcError, match=f"chmod 600 {path}"):
        xnat.connect(server.url, netrc_file=str(path))


def test_default_netrc_is_found_and_checked(server: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    path = tmp_path / ".netrc"
    path.write_text("machine 127.0.0.1\nlogin admin\npassword admin\n")
    path.chmod(0o600)
    with xnat.connect(server.url) as session:
        assert session.logged_in_user == "admin"
    path.chmod(0o644)
    with pytest.raises(exceptions.XNATUnsafeNetrcError):
        xnat.connect(server.url)


def test_prompt_for_the_password(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "admin")
    with xnat.connect(server.url, user="admin") as session:
        assert session.logged_in_user == "admin"
    assert asked == ["Please enter the password for user 'admin':"]


def test_guest(tmp_path: Path) -> None:
    with Sandbox(require_login=False) as server, xnat.connect(server.url) as session:
        assert session.logged_in_user == "guest"
        assert len(session.projects) == 0


def test_context_path() -> None:
    with Sandbox(context_path="/xnat") as server, connect(server) as session:
        assert session.server == server.url
        assert session.server.endswith("/xnat")
        session.classes.ProjectData(parent=session, name="P")
        assert list(session.projects) == ["P"]
        assert session.create_object(f"{server.url}/data/archive/projects/P") is session.projects["P"]


def test_redirect_to_another_root_of_the_host_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox(context_path="/xnat") as server:
        root = server.url.removesuffix("/xnat")
        server.faults.add(path=r"^/$", times=1, action=faults.redirect(f"{server.url}/"))
        with caplog.at_level(logging.WARNING), xnat.connect(root, user="admin", password="admin") as session:
            assert session.server == server.url
    assert f"Detected a redirect from {root} to {server.url}" in caplog.text


def test_redirect_to_another_host_gets_no_credentials() -> None:
    with Sandbox() as trusted, Sandbox() as other:
        trusted.faults.add(path="/?", times=9, action=faults.redirect(other.url + "/"))
        with pytest.raises(exceptions.XNATRedirectError, match=other.url):
            connect(trusted)
        assert [entry for entry in other.requests if entry.method != "GET"] == []


def test_no_parse_model(server: Sandbox) -> None:
    with connect(server, no_parse_model=True) as session:
        assert session.get_json("/data/projects")["ResultSet"]["Result"] == []
        assert session.classes is None
        with pytest.raises(exceptions.XNATValueError, match="no_parse_model"):
            _ = session.projects
        assert [entry.path for entry in server.requests if "schemas" in entry.path] == []


def test_no_extension_types(server: Sandbox) -> None:
    with connect(server, extension_types=False) as session:
        assert "xnat:mrSessionData" in session.XNAT_CLASS_LOOKUP
    fetched = {entry.path for entry in server.requests if entry.path.startswith("/xapi/schemas/")}
    assert fetched == {"/xapi/schemas/xnat", "/xapi/schemas/xdat"}


def test_old_server_finds_schemas_through_a_project(caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox(xnat_version="1.6.4") as server:
        with connect(server) as session:
            session.classes.ProjectData(parent=session, name="P")
        with connect(server, loglevel="INFO") as session:
            assert session.xnat_version == "1.6.4"
            assert session.projects["P"].name == "P"
            assert any(entry.path.startswith("/schemas/") and "/xnat/" not in entry.path for entry in server.requests)


@pytest.mark.parametrize(
    "answer", [faults.status(500), faults.status(404), faults.login_page()], ids=["500", "404", "login page"]
)
def test_schema_that_cannot_be_had_costs_a_warning(
    server: Sandbox, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    server.faults.add(path="/xapi/schemas/assessments", times=99, action=answer)
    with caplog.at_level(logging.WARNING), connect(server) as session:
        assert "xnat:mrSessionData" in session.XNAT_CLASS_LOOKUP
    assert len([record for record in caplog.records if "assessments" in record.getMessage()]) == 1


def test_schema_that_is_not_xml_costs_a_warning(server: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    server.faults.add(path="/xapi/schemas/assessments", times=99, action=faults.body(b"<schema>\n\n<oops"))
    with caplog.at_level(logging.WARNING), connect(server) as session:
        assert "xnat:mrSessionData" in session.XNAT_CLASS_LOOKUP
    found = [record.getMessage() for record in caplog.records if "assessments" in record.getMessage()]
    assert len(found) == 1
    assert "assessments:3" in found[0]


def test_failure_after_login_logs_out(server: Sandbox) -> None:
    before = generated_files()
    server.faults.add(path="/xapi/schemas/.*", times=99, action=faults.status(404))
    with pytest.raises(exceptions.XNATSchemaError):
        connect(server)
    assert [entry.method for entry in server.requests if entry.path == "/data/JSESSION"] == ["DELETE"]
    assert generated_files() - before == set()


WARM = """
import sys
import requests
brought = set(sys.modules)
import xnat
from xnat.convert_xsd import emit, model
made, fields = [], []
lines, field = emit._lines, model._field_from_row
emit._lines = lambda model, owner, options: made.append(owner.key) or lines(model, owner, options)
model._field_from_row = lambda row: fields.append(row) or field(row)
with xnat.connect(sys.argv[1], user="admin", password="admin") as session:
    only_cold = "reader", "passes", "names", "references", "sources"
    print(*[name for name in only_cold if "xnat.convert_xsd." + name in sys.modules])
    print(*[name for name in sys.modules if name.startswith("xnat.xnatbases.")])
    print(*[name for name in sys.argv[2:] if name in sys.modules and name not in brought])
    print(len(made), len(fields))
    session.classes.MrSessionData
    print(*sorted(made))
    print("xnat.convert_xsd.reader" in sys.modules)
"""


# What only some scripts need: to import it would cost each connection milliseconds.
LATER = [
    "lxml", "progressbar", "xml.etree.ElementTree", "pickle", "difflib", "html", "platform", "zipfile",
    "dataclasses", "inspect", "ast", "xnat.convert_xsd.checking", "xnat.transfer.report",
    "xnat.transfer.archive", "xnat.transfer.download", "xnat.transfer.plan", "xnat.transfer.upload",
    "xnat.prearchive", "xnat.services", "xnat.users", "xnat.dicom",
]  # fmt: skip


def test_warm_connect_makes_what_is_used(server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    def run() -> list[str]:
        command = [sys.executable, "-c", WARM, server.url, *LATER]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()

    monkeypatch.setenv("XNAT_CACHE_DIR", str(tmp_path / "cache"))
    cold, warm = run(), run()
    assert cold[0] == "reader passes names references sources"
    assert warm[:4] == ["", "", "", "0 0"]
    chain = "xnat:experimentData xnat:imageSessionData xnat:mrSessionData xnat:subjectAssessorData"
    assert warm[4] == chain
    assert warm[5] == "False"


def test_model_that_makes_no_classes_is_not_remembered(
    server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xnat.convert_xsd import emit

    monkeypatch.setenv("XNAT_CACHE_DIR", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(emit, "MAX_SIZE", 1000)
        patch.setattr("xnat.convert_xsd._cache", type(xnat.convert_xsd._cache)())
        for _ in range(2):
            with pytest.raises(exceptions.XNATSchemaError, match="more than 1000 characters"):
                connect(server)
    assert list(tmp_path.glob("cache/*")) == []
    assert generated_folders() == []


def test_folder_of_the_module_is_removed_even_if_nobody_asked_for_its_path(server: Sandbox) -> None:
    with connect(server) as session:
        assert session.projects is session.projects
        assert len(generated_folders()) == 1
    assert generated_folders() == []


def test_importing_changes_nothing(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import logging, sys; before = set(logging.root.manager.loggerDict);"
        "import xnat;"
        "assert not logging.getLogger('xnat').handlers and not logging.root.handlers;"
        "assert 'requests' not in sys.modules and 'lxml' not in sys.modules and 'socket' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_handler_only_where_asked_for(server: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    with connect(server) as session:
        assert session.logger.handlers == []
    assert capsys.readouterr().err == ""
    with connect(server, loglevel="INFO"):
        pass
    assert "[INFO] Logged in successfully as admin" in capsys.readouterr().err


def test_heartbeat_and_keepalive(server: Sandbox) -> None:
    with connect(server, keepalive=False) as session:
        assert session.keepalive is False
        session.heartbeat()
        assert server.requests[-1].path == "/data/JSESSION"
        session.keepalive = 300
        assert session.keepalive is True
        session.keepalive = 0
        assert session.keepalive is False
        with pytest.raises(TypeError):
            session.keepalive = "often"


def test_jsession_is_reused(server: Sandbox) -> None:
    with connect(server) as first:
        with xnat.connect(server.url, jsession=first.jsession) as again:
            assert again.jsession == first.jsession
            assert again.logged_in_user == "admin"
        assert first.get("/data/projects").status_code == 200, "what connect() was given it must not end"
    with pytest.raises(exceptions.XNATLoginFailedError):
        xnat.connect(server.url, jsession="0" * 32)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the real schemas of ../shared")
@pytest.mark.parametrize("name", ["xnat-1.6", "xnat-1.8"])
def test_real_schemas(name: str, tmp_path: Path) -> None:
    version = "1.6.4" if name == "xnat-1.6" else "1.8.9"
    with Sandbox(schemas=SHARED / name, xnat_version=version) as server, connect(server) as session:
        session.classes.ProjectData(parent=session, name="P")
        assert issubclass(session.classes.MrSessionData, session.classes.ImageSessionData)
    assert generated_files() == set()


WHOLE = """
import sys, threading
start, found = threading.Thread.start, []
def watched(self):
    found.append(hasattr(sys.modules.get("requests"), "Session"))
    start(self)
threading.Thread.start = watched
import xnat
xnat.connect(sys.argv[1], user="admin", password="admin").disconnect()
print(len(found) > 1, all(found))
"""


ENDING = """
import importlib, sys, threading
import xnat
import_module = importlib.import_module
def ending(name, package=None):
    if threading.current_thread() is threading.main_thread():
        return import_module(name, package)
    raise RuntimeError("can't register atexit after shutdown")
importlib.import_module = ending
try:
    xnat.connect(sys.argv[1], user="admin", password="admin")
except Exception as error:
    print(type(error).__name__)
"""


def test_imports_ahead_end_quietly_with_the_program(nobody: str) -> None:
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", ENDING, nobody], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("XNATConnectionError\n", "")


def test_requests_is_imported_before_there_are_threads(server: Sandbox) -> None:
    """A thread that imports a part of a package while another imports the whole can end in a deadlock error."""
    import subprocess
    import sys

    command = [sys.executable, "-c", WHOLE, server.url]
    assert subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split() == ["True", "True"]


def test_what_stands_in_for_requests_is_asked(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that answer in place of a server (requests-mock, responses) replace one of these two."""
    import requests

    seen: dict[str, list[str]] = {"Session.send": [], "HTTPAdapter.send": []}

    def watched(owner: type, name: str) -> None:
        function = owner.send  # type: ignore[attr-defined]

        def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            seen[name].append(f"{request.method} {requests.compat.urlsplit(request.url).path}")
            return function(self, request, *args, **kwargs)

        monkeypatch.setattr(owner, "send", send)

    watched(requests.Session, "Session.send")
    watched(requests.adapters.HTTPAdapter, "HTTPAdapter.send")
    with server.record() as asked, connect(server) as session:
        session.classes.ProjectData(parent=session, name="P")
        assert [project.id for project in session.projects.values()] == ["P"]
    wanted = sorted(f"{entry.method} {entry.path}" for entry in asked)
    assert {name: sorted(found) for name, found in seen.items()} == dict.fromkeys(seen, wanted)


def test_the_session_underneath_follows_redirects(server: Sandbox) -> None:
    with connect(server) as session:
        server.faults.add(faults.redirect("/data/version"), path="/data/elsewhere")
        answer = session.interface.get(f"{server.url}/data/elsewhere", allow_redirects=True)
        assert answer.url == f"{server.url}/data/version"
        assert [earlier.status_code for earlier in answer.history] == [302]


def test_levels_of_other_clients(server: Sandbox) -> None:
    with connect(server, loglevel="verbose") as session:
        assert session.logger.getEffectiveLevel() == 15
    with pytest.raises(ValueError, match="LOUD"):
        connect(server, loglevel="loud")


def test_levels_as_numbers(server: Sandbox) -> None:
    with connect(server, loglevel=15) as session:
        assert session.logger.getEffectiveLevel() == 15
