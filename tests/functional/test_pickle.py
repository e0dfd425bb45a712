"""What travels to other processes, how it connects there, and that no secret goes along."""

from __future__ import annotations

import copy
import io
import multiprocessing
import os
import pickle
import pickletools
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

import xnat
from tests.waiting import PATIENCE
from xnat import pickling
from xnat.exceptions import XNATAuthError, XNATLoginFailedError

from .conftest import connect

PASSWORD = "s3cret-of-pickles"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    pickling.close_all()
    pickling.forget_credentials()


@pytest.fixture
def user(server: Any) -> Any:
    server.add_user("rita", PASSWORD, admin=True)
    return server


def rita(server: Any, **options: Any) -> Any:
    return connect(server, user="rita", password=PASSWORD, **options)


def everything(session: Any) -> dict[str, Any]:
    """One of each kind of object and listing."""
    project = session.projects["P"]
    subject = project.subjects["S1"]
    experiment = subject.experiments["E1"]
    scan = experiment.scans["1"]
    resource = scan.resources["DICOM"]
    return {
        "session": session,
        "project": project,
        "subject": subject,
        "experiment": experiment,
        "experiment of project": project.experiments["E1"],
        "experiment of session": session.experiments["E1"],
        "scan": scan,
        "assessor": experiment.assessors["QC1"],
        "resource": resource,
        "file": resource.files["1.dcm"],
        "demographics": subject.demographics,
        "parameters": scan.parameters,
        "variables": experiment.fields,
        "projects": session.projects,
        "subjects": project.subjects,
        "filtered": project.subjects.filter(label="S*"),
        "scans": experiment.scans,
        "scans of project": project.scans,
        "resources": scan.resources,
        "files": resource.files,
        "prearchive": session.prearchive,
        "users": session.users,
        "services": session.services,
    }


KINDS = [
    "session", "project", "subject", "experiment", "experiment of project", "experiment of session", "scan",
    "assessor", "resource", "file", "demographics", "parameters", "variables", "projects", "subjects", "filtered",
    "scans", "scans of project", "resources", "files", "prearchive", "users", "services",
]  # fmt: skip


def told(thing: Any) -> Any:
    """Something that says whether it is the same thing and works."""
    if hasattr(thing, "fulluri"):
        return type(thing).__name__, thing.fulluri
    if hasattr(thing, "keys"):
        return type(thing).__name__, list(thing.keys())
    return type(thing).__name__


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_holds_no_secret_and_leads_back(world: Any, user: Any, kind: str) -> None:
    with rita(user) as session:
        thing = everything(session)[kind]
        before = told(thing)
        jsession = session.jsession
        data = pickle.dumps(thing)
        strings = [str(argument) for _, argument, _ in pickletools.genops(data) if argument is not None]
        for secret in (PASSWORD, jsession):
            assert secret.encode() not in data
            assert not any(secret in text for text in strings)
        if kind != "users":  # it holds what the server told of the users
            assert len(data) < 4000
        again = pickle.loads(data)
        assert told(again) == before
    # Without its session, with the credentials of this process:
    pickling.set_credentials(user.url, "rita", PASSWORD)
    other = pickle.loads(data)
    assert told(other) == before


def test_here_it_is_the_same_object(world: Any, session: Any) -> None:
    for name in ("session", "project", "subject", "experiment", "scan", "resource", "file"):
        thing = everything(session)[name]
        assert pickle.loads(pickle.dumps(thing)) is thing, name
        assert copy.deepcopy(thing) is thing


def test_what_is_in_the_prearchive(session: Any) -> None:
    samples = pytest.importorskip("pydicom.data")
    session.classes.ProjectData(parent=session, name="P")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(samples.get_testdata_file("MR_small.dcm", download=False), "1.dcm")
    session.services.import_(data=packed.getvalue(), project="P", destination="/prearchive")
    held = session.prearchive.sessions()[0]
    scan = held.scans[0]
    for thing in (held, scan, scan.files[0]):
        assert pickle.loads(pickle.dumps(thing)) is thing
    data = pickle.dumps([held, scan.files[0], held.scans])
    url, login = session.server, ("admin", "admin")
    session.disconnect()
    pickling.set_credentials(url, *login)
    other, file, scans = pickle.loads(data)
    assert other.label
    assert len(scans) == 1
    assert file.xnat_session is other.xnat_session


def test_two_sessions_of_one_user_are_told_apart(world: Any, session: Any, second: Any) -> None:
    assert pickle.loads(pickle.dumps(second.projects["P"])).xnat_session is second
    assert pickle.loads(pickle.dumps(session.projects["P"])).xnat_session is session


def test_an_unpickled_object_costs_no_request(world: Any, session: Any, server: Any) -> None:
    scan = session.projects["P"].subjects["S1"].experiments["E1"].scans["1"]
    data = pickle.dumps(scan)
    del scan
    with server.record() as requests:
        again = pickle.loads(data)
        assert again.id == "1"
        assert again.fulluri.endswith("/scans/1")
    assert requests == []


def test_without_credentials_it_says_what_to_do(world: Any, session: Any) -> None:
    data = pickle.dumps(session)
    session.disconnect()
    with pytest.raises(XNATAuthError, match="set_credentials"):
        pickle.loads(data)


def test_the_environment_gives_the_login(
    world: Any, session: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pickle.dumps(session.projects["P"])
    session.disconnect()
    monkeypatch.setenv("XNAT_HOST", server.url)
    monkeypatch.setenv("XNAT_USER", "admin")
    monkeypatch.setenv("XNAT_PASS", "admin")
    assert pickle.loads(data).subjects.keys()


def test_netrc_gives_the_login(world: Any, session: Any, server: Any) -> None:
    data = pickle.dumps(session.projects["P"])
    session.disconnect()
    netrc = os.environ["NETRC"]
    host = server.url.split("//")[1]
    with open(os.open(netrc, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
        stream.write(f"machine {host}\nlogin admin\npassword admin\n")
    try:
        assert pickle.loads(data).id == "P"
    finally:
        os.unlink(netrc)


def test_a_token_or_function_gives_the_login(world: Any, session: Any, server: Any) -> None:
    token = session.services.issue_token()
    data = pickle.dumps(session.projects["P"])
    session.disconnect()
    asked = []

    def give(address: str, name: str | None) -> tuple[str, str]:
        asked.append((address, name))
        return token.alias, token.secret

    pickling.set_credentials(None, give)
    project = pickle.loads(data)
    assert project.subjects.keys()
    assert asked == [(server.url, "admin")]
    assert token.alias.encode() not in pickle.dumps(project)
    assert token.secret.encode() not in pickle.dumps(project)


def test_a_wrong_password_is_an_error_each_time(world: Any, session: Any, server: Any) -> None:
    data = pickle.dumps(session)
    session.disconnect()
    pickling.set_credentials(server.url, "admin", "wrong")
    for _ in range(2):
        with pytest.raises(XNATLoginFailedError):
            pickle.loads(data)


def test_a_process_connects_once(world: Any, session: Any, server: Any) -> None:
    project = session.projects["P"]
    pickles = [pickle.dumps(thing) for thing in (session, project, *project.subjects.values(), project.subjects)] * 4
    session.disconnect()
    pickling.set_credentials(server.url, "admin", "admin")
    with server.record() as requests, ThreadPoolExecutor(8) as pool:
        things = list(pool.map(pickle.loads, pickles))
    assert len({id(thing.xnat_session) for thing in things}) == 1
    assert [request.path for request in requests].count("/data/services/auth") == 1


def test_a_session_without_a_recipe_refuses() -> None:
    import logging

    from xnat.session import XNATSession

    with pytest.raises(TypeError, match="connect"):
        pickle.dumps(XNATSession("http://localhost", logging.getLogger("x")))


# -- other processes -------------------------------------------------------------------------------------------------


def look(thing: Any) -> tuple[int, str, list[str], Any]:
    experiment = thing.experiments["E1"]
    return os.getpid(), experiment.label, list(experiment.scans.keys()), experiment


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_other_processes(world: Any, session: Any, server: Any, method: str) -> None:
    context = multiprocessing.get_context(method)
    subject = session.projects["P"].subjects["S1"]
    told_ = (server.url, "admin", "admin") if method != "fork" else ()
    with (
        server.record() as requests,
        ProcessPoolExecutor(
            2, mp_context=context, initializer=pickling.set_credentials if told_ else None, initargs=told_
        ) as pool,
    ):
        answers = list(pool.map(look, [subject] * 12))
    assert all((label, scans) == ("E1", ["1", "2"]) for _, label, scans, _ in answers)
    assert os.getpid() not in {answer[0] for answer in answers}
    logins = [request for request in requests if request.path == "/data/services/auth"]
    # What comes back belongs to the session it went out from.
    assert all(answer[3].xnat_session is session for answer in answers)
    workers = len({answer[0] for answer in answers})
    assert len(logins) == (0 if method == "fork" else workers)
    assert session.projects["P"].subjects.keys()  # the child has not ended our session


def read_in_child(session: Any, queue: Any) -> None:
    queue.put(sorted(session.projects["P"].subjects["S1"].experiments.keys()))


def test_a_fork_while_threads_hold_every_lock(world: Any, session: Any) -> None:
    """The child must not wait for locks that only threads of its parent could have given back."""
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        client = session.client
        jar = client.interface.cookies
        with (
            session.registry._lock, client._lock, client.recovery._lock, client.retry.budget._lock, jar._cookies_lock,
            session.classes._lock, pickling._process.lock,
        ):  # fmt: skip
            held.set()
            free.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=read_in_child, args=(session, queue))
    child.start()
    free.set()
    thread.join()
    child.join(PATIENCE)
    hung = child.is_alive()
    child.kill()
    assert not hung
    assert child.exitcode == 0
    assert len(queue.get()) == 1


def test_the_public_names() -> None:
    assert xnat.MappingLevel("scan") is xnat.MappingLevel.SCAN
    assert callable(xnat.FilterFunctions)
    assert xnat.MappedFunctionFailed("x").reason == "x"
    assert xnat.MappedFunctionFailed("x") == xnat.MappedFunctionFailed("x") != xnat.MappedFunctionFailed("y")
    assert len({xnat.MappedFunctionFailed("x"), xnat.MappedFunctionFailed("x")}) == 1


@pytest.mark.parametrize(
    "given", [(None, "user", "password"), ("http://localhost", "user"), ("http://localhost", None)]
)
def test_credentials_of_which_half_is_missing(given: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="needs a server, a user and a password"):
        pickling.set_credentials(*given)
