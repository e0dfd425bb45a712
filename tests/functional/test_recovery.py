"""Sessions that end while work goes on, answers that are lost after the work was done, and servers that are gone."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from werkzeug.wrappers import Response

import xnat
from tests.waiting import wait_until
from xnat import _effects
from xnat.exceptions import XNATConflictError, XNATConnectionError, XNATError, XNATResponseError, XNATTransferError
from xnat.sandbox import Sandbox, faults
from xnat.transport.retry import RetryBudget

from .conftest import connect
from .test_download import contents

DICOM = Path(pydicom.data.__file__).parent / "test_files" / "MR_small.dcm"


def dicom_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.write(DICOM, "MR_small.dcm")
    return out.getvalue()


# -- sessions ---------------------------------------------------------------------------------------------------------


class Logins:
    """Counts the sessions a server gives out, and those that are killed."""

    def __init__(self, server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.logins = self.kills = 0
        self.server = server
        self._lock = threading.Lock()
        sessions = server.application.sessions
        create, end_all = sessions.create, sessions.end_all

        def counted_create(login: str) -> Any:
            with self._lock:
                self.logins += login != "guest"
            return create(login)

        def counted_end_all(login: str | None = None) -> list[str]:
            with self._lock:
                self.kills += 1
            return end_all(login)

        monkeypatch.setattr(sessions, "create", counted_create)
        monkeypatch.setattr(sessions, "end_all", counted_end_all)

    @property
    def open(self) -> list[str]:
        return self.server.application.sessions.of("admin")


@pytest.fixture
def logins(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Logins:
    return Logins(server, monkeypatch)


def project_with_files(session: Any, count: int, size: int) -> dict[str, bytes]:
    """A project P with one resource; its files' content by place below a download."""
    project = session.classes.ProjectData(parent=session, name="P")
    resource = project.create_resource("R")
    content = {f"{number:04}.bin": number.to_bytes(4, "big") * (size // 4) for number in range(count)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    resource.upload_data(packed.getvalue(), "all.zip", extract=True)
    return {f"P/resources/R/files/{name}": data for name, data in content.items()}


def work(session: Any, expected: dict[str, bytes], folder: Path, run: int) -> None:
    """Download file by file, upload file by file, list; all of it has to be right."""
    project = session.projects["P"]
    assert project.resources["R"].download_dir(folder / f"{run}", verbose=False, workers=8).ok
    assert contents(folder / f"{run}") == expected
    source = folder / f"{run}" / "P" / "resources" / "R" / "files"
    copy = project.create_resource(f"COPY{run}")
    report = copy.upload_dir(source, method="per_file", workers=8)
    assert len(report.verified) == len(expected)
    assert len(copy.files) == len(expected)
    session.clearcache()


def no_zips(server: Sandbox) -> None:
    # So that every file is a request of its own, as with files of some megabytes.
    server.faults.add(faults.status(400), path="/files$", query="format=zip", times=None)


def test_session_killed_every_few_requests(server: Sandbox, logins: Logins, tmp_path: Path) -> None:
    with connect(server, keepalive=False) as session:
        expected = project_with_files(session, 120, 400)
        session.clearcache()
        kill = server.faults.add(faults.expire(), path="^/data/(?!services/auth)", times=None)
        kill.fires = every(25)  # type: ignore[method-assign]
        no_zips(server)
        work(session, expected, tmp_path, 0)
        assert logins.kills >= 8
        assert logins.logins <= logins.kills + 1
    assert logins.open == []


def every(count: int) -> Callable[[Any], bool]:
    """Fires at every so-manieth request of what is the work; logging in doesn't count."""
    lock, seen = threading.Lock(), [0]

    def fires(request: Any) -> bool:
        if "JSESSION" in request.path or "auth" in request.path:
            return False
        with lock:
            seen[0] += 1
            return seen[0] % count == 0

    return fires


@pytest.mark.slow
def test_session_killed_every_two_seconds_for_half_a_minute(server: Sandbox, logins: Logins, tmp_path: Path) -> None:
    done = threading.Event()

    def kill() -> None:
        for _ in range(15):
            if done.wait(2):
                return
            server.expire_sessions()

    with connect(server) as session:
        expected = project_with_files(session, 150, 20_000)
        no_zips(server)
        server.settings.delay = 0.05
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            run = 0
            while killer.is_alive():
                work(session, expected, tmp_path, run)
                run += 1
        finally:
            done.set()
            killer.join()
            server.settings.delay = 0
        work(session, expected, tmp_path, run)
        print(f"{run + 1} runs, {logins.kills} kills, {logins.logins} logins")
        assert logins.kills == 15
        assert logins.logins <= logins.kills + 1
    assert logins.open == []


def test_empty_listing_of_a_guest_is_not_believed(server: Sandbox, session: Any) -> None:
    session.classes.ProjectData(parent=session, name="P")
    server.settings.require_login = False
    for _ in range(3):
        server.expire_sessions()
        session.clearcache()
        assert list(session.projects) == ["P"]


def test_heartbeats_survive_a_server_that_is_away(server: Sandbox) -> None:
    with connect(server, keepalive=False) as session:
        session.client.retry.sleep = lambda seconds: None
        down = server.faults.add(faults.close(), path="/data/JSESSION", times=None)
        session.keepalive = 0.05
        wait_until(lambda: down.hits >= 12)
        assert session.keepalive
        server.faults.clear()
        server.expire_sessions()
        with server.record() as requests:
            wait_until(lambda: any(entry.path == "/data/JSESSION" and entry.status == 200 for entry in list(requests)))
        assert session.keepalive


# -- answers that are lost --------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_effects, "INTERVAL", 0.01)
    monkeypatch.setattr(_effects, "FIRST_SIGN", 0.05)


@pytest.fixture
def project(session: Any) -> Any:
    for name in "PQ":
        session.classes.ProjectData(parent=session, name=name)
    return session.projects["P"]


@pytest.fixture
def waiting(session: Any, project: Any) -> Any:
    return session.services.import_(data=dicom_zip(), project="P", destination="/prearchive", experiment="E")


ARCHIVE, IMPORT = "/data/services/archive", "/data/services/import"


def test_archive_whose_answer_was_lost_gives_the_experiment(
    server: Sandbox, second: Any, waiting: Any, quick: None
) -> None:
    rule = server.faults.add(faults.lose_answer(), path=ARCHIVE, times=None)
    found = waiting.archive()
    assert rule.hits == 1
    assert [one.id for one in second.projects["P"].experiments.values()] == [found.id]
    assert second.prearchive.sessions() == []


def test_archive_that_never_arrived_is_sent_once_more(server: Sandbox, second: Any, waiting: Any, quick: None) -> None:
    rule = server.faults.add(faults.close(), path=ARCHIVE)
    assert waiting.archive(experiment="OTHER").label == "OTHER"
    assert rule.hits == 1
    assert [one.label for one in second.projects["P"].experiments.values()] == ["OTHER"]


def test_archive_is_given_up_in_the_end(server: Sandbox, waiting: Any, quick: None) -> None:
    rule = server.faults.add(faults.close(), path=ARCHIVE, times=None)
    with pytest.raises(XNATConnectionError, match="services/archive"):
        waiting.archive()
    assert rule.hits == 2
    assert waiting.status == "READY"


def test_archive_is_waited_for_while_the_server_is_at_work(
    server: Sandbox, second: Any, waiting: Any, quick: None
) -> None:
    """A proxy gives up, the server does not."""
    at_work = json.dumps({"ResultSet": {"Result": [{"status": "ARCHIVING", "name": "E"}]}})
    server.faults.add(faults.lose_answer(), path=ARCHIVE)
    looks = server.faults.add(
        faults.Action(before=lambda request, application: Response(at_work, content_type="application/json")),
        path="^/data/prearchive/projects/P/[^/]+/[^/]+$",
        times=5,
    )
    found = waiting.archive()
    assert looks.hits == 5
    assert [one.id for one in second.projects["P"].experiments.values()] == [found.id]


def test_lost_conflict_is_told(server: Sandbox, session: Any, waiting: Any, quick: None) -> None:
    session.services.import_(data=dicom_zip(), project="P", experiment="TAKEN")
    again = session.services.import_(data=dicom_zip(), project="P", destination="/prearchive", experiment="TAKEN")
    server.faults.add(faults.lose_answer(), path=ARCHIVE)
    with pytest.raises(XNATConnectionError, match="in the prearchive, as CONFLICT"):
        again.archive()
    with pytest.raises(XNATConflictError):
        again.archive()


def test_move_and_delete_whose_answers_were_lost(server: Sandbox, second: Any, waiting: Any, quick: None) -> None:
    server.faults.add(faults.lose_answer(), path="/prearchive/(move|delete)$", times=None)
    waiting.move("Q")
    assert waiting.project == "Q"
    assert [one.project for one in second.prearchive.sessions()] == ["Q"]
    waiting.delete()
    assert second.prearchive.sessions() == []


def test_delete_that_never_arrived(server: Sandbox, second: Any, waiting: Any, quick: None) -> None:
    server.faults.add(faults.close(), path="/prearchive/delete$")
    with pytest.raises(XNATConnectionError, match="nothing was done: it is still in its place, as READY"):
        waiting.delete()
    assert len(second.prearchive.sessions()) == 1


@pytest.mark.parametrize("destination", ["/archive", "/prearchive"])
def test_import_whose_answer_was_lost_is_found(
    server: Sandbox, session: Any, second: Any, project: Any, quick: None, destination: str
) -> None:
    rule = server.faults.add(faults.lose_answer(), path=IMPORT, times=None)
    found = session.services.import_(data=dicom_zip(), project="P", experiment="E", destination=destination)
    assert rule.hits == 1
    assert found.label == "E"
    there = second.projects["P"].experiments if destination == "/archive" else second.prearchive.sessions()
    assert len(there) == 1


def test_import_that_never_arrived(server: Sandbox, session: Any, second: Any, project: Any, quick: None) -> None:
    rule = server.faults.add(faults.close(), path=IMPORT, times=None)
    with pytest.raises(XNATConnectionError, match="nothing of it is to be found on the server"):
        session.services.import_(data=dicom_zip(), project="P", experiment="E")
    assert rule.hits == 1
    assert len(second.projects["P"].experiments) == 0


def test_import_that_got_no_further_than_the_prearchive(
    server: Sandbox, session: Any, project: Any, quick: None
) -> None:
    server.faults.add(
        faults.Action(before=lambda request, application: put_aside(application, request)), path=IMPORT, method="POST"
    )
    with pytest.raises(XNATResponseError, match=r"no further than the prearchive \(/data/prearchive/.*READY"):
        session.services.import_(data=dicom_zip(), project="P", experiment="E")


def put_aside(application: Any, request: Any) -> Any:
    """Import into the prearchive instead, and answer as a proxy that gave up."""
    request.environ["QUERY_STRING"] = request.environ["QUERY_STRING"].replace("archive", "prearchive", 1)
    request.environ["REQUEST_URI"] = f"{request.path}?{request.environ['QUERY_STRING']}"
    answer = application._answer(type(request)(request.environ))
    assert answer.status_code == 200, answer.get_data()
    return Response(status=504)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": "P"}, "where project and experiment"),
        ({"project": "P", "experiment": "E"}, "was there before"),
    ],
)
def test_import_says_when_it_can_not_be_told(
    server: Sandbox, session: Any, project: Any, quick: None, options: dict[str, str], said: str
) -> None:
    session.services.import_(data=dicom_zip(), project="P", experiment="E")
    rule = server.faults.add(faults.lose_answer(), path=IMPORT, times=None)
    with pytest.raises(XNATConnectionError, match=said):
        session.services.import_(data=dicom_zip(), overwrite="append", **options)
    assert rule.hits == 1


def test_effect_that_can_not_be_looked_for(server: Sandbox, waiting: Any, quick: None) -> None:
    server.faults.add(faults.lose_answer(), path=ARCHIVE)
    server.faults.add(faults.status(500), path="^/data/prearchive", times=None)
    with pytest.raises(XNATConnectionError, match="could not be found out .*500"):
        waiting.archive()


def test_nothing_is_looked_for_if_nothing_went_out(session: Any, server: Sandbox, waiting: Any) -> None:
    server._server.stop()
    session.client.retry.sleep = lambda seconds: None
    with contextlib.closing(Gone(server.url)), pytest.raises(XNATConnectionError) as caught:
        waiting.archive()
    assert not caught.value.sent
    assert "found out" not in str(caught.value)


# -- outage -----------------------------------------------------------------------------------------------------------


class Gone:
    """Takes the port of a server that has ended, so that nobody else gets it: what connects there is refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connections = 0
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", int(url.rpartition(":")[2])))

    def hang_up(self) -> None:
        """From now on, listen, and close every connection at once."""
        self._socket.listen(128)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it may never have listened
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def outage() -> Iterator[tuple[Any, list[float], Gone]]:
    """A session whose server went away; the seconds it waited; what is in the server's place."""
    waits: list[float] = []
    with Sandbox() as server, connect(server, keepalive=False) as session:
        project = session.classes.ProjectData(parent=session, name="P")
        project.create_resource("R").upload_data(b"x", "x")
        session.client.retry.sleep = waits.append
        session.client.retry.budget = RetryBudget(refill=0)
        server._server.stop()
        with contextlib.closing(Gone(server.url)) as gone:
            yield session, waits, gone


def ask(session: Any, number: int) -> None:
    """One of several calls that cost one request each."""
    session.clearcache()
    calls: list[Callable[[], Any]] = [
        lambda: list(session.projects),
        lambda: session.projects["P"],
        lambda: session.get("/data/users"),
        lambda: session.put("/data/projects/P/subjects/S"),
        lambda: session.heartbeat(),
    ]
    calls[number % len(calls)]()


def test_outage_of_a_server_that_refuses(outage: tuple[Any, list[float], Gone]) -> None:
    session, waits, gone = outage
    attempts = 0
    for number in range(200):
        with pytest.raises(XNATConnectionError) as caught:
            ask(session, number)
        attempts += caught.value.attempts
        assert caught.value.host == gone.url
        assert gone.url in str(caught.value)
        assert "Connection refused" in str(caught.value)
        assert (f"after {caught.value.attempts} attempts" in str(caught.value)) == (caught.value.attempts > 1)
    print(f"200 calls, {attempts} attempts")
    assert attempts == 200 + len(waits)
    assert 200 < attempts <= 220


def test_outage_of_a_server_that_hangs_up(outage: tuple[Any, list[float], Gone]) -> None:
    session, _, gone = outage
    gone.hang_up()
    for number in range(200):
        with pytest.raises(XNATError, match=r"RemoteDisconnected|ConnectionReset|Connection reset"):
            ask(session, number)
    print(f"200 calls, {gone.connections} connections")
    assert 200 < gone.connections <= 220


def test_transfer_in_an_outage_ends_soon(tmp_path: Path) -> None:
    """A thousand files don't wait for the server one after the other."""
    with Sandbox() as server, connect(server, keepalive=False) as session:
        expected = project_with_files(session, 300, 8)
        session.client.retry.sleep = lambda seconds: None
        project = session.projects["P"]
        no_zips(server)
        rule = server.faults.add(faults.close(), path=r"/files/\d", times=None, after=50)
        with pytest.raises(XNATTransferError) as caught:
            project.download_dir(tmp_path, verbose=False)
        report = caught.value.report
        assert 50 <= len(report.verified) < 100
        assert len(report.failed) + len(report.verified) == len(expected)
        assert rule.hits < 80
        server.faults.clear()
        assert project.download_dir(tmp_path, verbose=False).ok
        assert contents(tmp_path) == expected


def test_connecting_during_an_outage_says_so(nobody: str) -> None:
    with pytest.raises(XNATConnectionError, match=f"Could not connect to {nobody}.*refused"):
        xnat.connect(nobody, user="admin", password="admin")


def answering(row: dict[str, str] | None) -> faults.Action:
    """A look at the prearchive that sees this."""
    told = json.dumps({"ResultSet": {"Result": [] if row is None else [row]}})
    return faults.Action(before=lambda request, application: Response(told, content_type="application/json"))


@pytest.mark.parametrize("what", ["archive", "delete", "import"])
def test_a_server_that_stays_at_work_is_not_waited_for_without_end(
    server: Sandbox, session: Any, waiting: Any, quick: None, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(_effects, "PATIENCE", 0.3)
    server.faults.add(faults.close(), path="/data/services/", method="POST", times=None)
    busy = {"status": "ARCHIVING", "name": "NEW", "folderName": "NEW", "project": "P", "timestamp": "1", "url": "/x"}
    calls = {
        "archive": waiting.archive,
        "delete": waiting.delete,
        "import": lambda: session.services.import_(data=dicom_zip(), project="P", experiment="NEW"),
    }

    def at_work(request: Any, application: Any) -> Response | None:
        # What was there before the import is one thing, what is there after it another.
        if what == "import" and not seen.hits:
            return None
        return answering(busy).before(request, application)  # type: ignore[return-value]

    seen = server.faults.rules[0]
    server.faults.add(faults.Action(before=at_work), path="^/data/prearchive", method="GET", times=None)
    with pytest.raises(XNATConnectionError, match="still at work on it"):
        calls[what]()


def test_archive_that_left_no_experiment_says_so(server: Sandbox, waiting: Any, quick: None) -> None:
    server.faults.add(faults.close(), path=ARCHIVE, times=None)
    server.faults.add(faults.status(404), path="^/data/prearchive/projects/P/", method="GET", times=None)
    server.faults.add(answering(None), path="^/data/prearchive/projects/P$", method="GET", times=None)
    with pytest.raises(XNATConnectionError, match="left the prearchive, but there is no such experiment in P"):
        waiting.archive()


def test_archive_whose_second_answer_was_lost_gives_the_experiment(
    server: Sandbox, second: Any, waiting: Any, quick: None
) -> None:
    server.faults.add(faults.close(), path=ARCHIVE)
    rule = server.faults.add(faults.lose_answer(), path=ARCHIVE)
    found = waiting.archive()
    assert rule.hits == 1
    assert [one.id for one in second.projects["P"].experiments.values()] == [found.id]


@pytest.mark.parametrize("after", [1, 200_000])
def test_open_file_of_a_download_that_began_anew(server: Sandbox, session: Any, project: Any, after: int) -> None:
    data = bytes(range(256)) * 2000
    project.create_resource("R").upload_data(data, "a.bin")
    session.client.retry.sleep = lambda seconds: None
    rule = server.faults.add(faults.cut(after), path="a.bin$", method="GET")
    with project.resources["R"].files["a.bin"].open() as file:
        assert file.read() == data
    assert rule.hits == 1
