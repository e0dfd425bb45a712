"""A sandbox that closes while it answers: it waits, or drops the connection, and never says that something broke."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.wrappers import Response

from tests.waiting import PATIENCE
from xnat.sandbox import Sandbox, app, faults, server

PATH = "/data/version"
LONG = PATIENCE


class Held:
    """A sandbox of which one request stands still, until ``go`` or until the store is closed.

    :ivar closed: the store was closed
    :ivar order: what came to an end, in order
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._others = set(threading.enumerate())  # other sandboxes' connections stay open
        self.sandbox = Sandbox().start()
        self.entered, self.go, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.order: list[str] = []
        self._pool = ThreadPoolExecutor(4)
        close = self.sandbox.store.close

        def closing() -> None:
            close()
            self.order.append("store")
            self.closed.set()

        monkeypatch.setattr(self.sandbox.store, "close", closing)

    def ask(self, path: str = PATH) -> Future[requests.Response]:
        """A request in a thread."""
        url = self.sandbox.url + path
        return self._pool.submit(lambda: requests.get(url, auth=("admin", "admin"), timeout=LONG))

    def close(self) -> Future[None]:
        """Closes the sandbox in a thread."""
        return self._pool.submit(self.sandbox.close)

    def end(self) -> None:
        self.go.set()
        self.sandbox.close()
        self._pool.shutdown()
        self.threads_end()

    def threads_end(self) -> None:
        """Waits for the sandbox's threads: what they have to say they have said then."""
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name and thread not in self._others:
                thread.join(LONG)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    one = Held(monkeypatch)
    yield one
    one.end()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What would be printed by a program that says nothing about logging."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_answers_under_way_are_waited_for(
    held: Held, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    settle = app.settle

    def slow(*arguments: Any) -> None:
        held.entered.set()
        held.go.wait(LONG)
        # Time enough for a server that does not wait.
        held.closed.wait(0.3)
        settle(*arguments)
        held.order.append("answer")

    monkeypatch.setattr(app, "settle", slow)
    answer = held.ask()
    assert held.entered.wait(LONG)
    closing = held.close()
    with pytest.raises(requests.ConnectionError):  # it is hung up on, whatever its answer would be
        answer.result(LONG)
    held.go.set()
    closing.result(LONG)
    assert held.order == ["answer", "store"]
    held.threads_end()
    assert said() == []


def test_answers_that_take_too_long_fail_quietly(
    held: Held, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.05)
    settle = app.settle
    failed: list[Exception] = []

    def slow(*arguments: Any) -> None:
        held.entered.set()
        held.closed.wait(LONG)
        try:
            settle(*arguments)
        except Exception as error:
            failed.append(error)
            raise

    monkeypatch.setattr(app, "settle", slow)
    answer = held.ask()
    assert held.entered.wait(LONG)
    held.close().result(LONG)
    with pytest.raises(requests.ConnectionError):
        answer.result(LONG)
    held.threads_end()
    assert [str(error) for error in failed] == ["Cannot operate on a closed database."]
    assert said() == []


def test_bodies_that_take_too_long_fail_quietly(
    held: Held, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.05)

    def body() -> Iterator[bytes]:
        held.entered.set()
        held.closed.wait(LONG)
        yield str(held.sandbox.store.users.get("admin")).encode()

    held.sandbox.faults.add(faults.Action(before=lambda request, application: Response(body())), path=PATH)
    answer = held.ask()
    assert held.entered.wait(LONG)
    held.close().result(LONG)
    with pytest.raises(requests.ConnectionError):
        answer.result(LONG)
    held.threads_end()
    assert said() == []


def test_requests_of_connections_that_were_just_accepted_are_not_answered(
    held: Held, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    """A thread that had no turn between the accepting of its connection and the closing."""
    begin = server._TCPServer.process_request_thread

    def late(self: Any, request: Any, address: Any) -> None:
        held.entered.set()
        held.closed.wait(LONG)
        begin(self, request, address)

    monkeypatch.setattr(server._TCPServer, "process_request_thread", late)
    answer = held.ask()
    assert held.entered.wait(LONG)
    held.close().result(LONG)
    with pytest.raises(requests.ConnectionError):
        answer.result(LONG)
    held.threads_end()
    assert list(held.sandbox.requests) == []
    assert said() == []


def test_requests_sent_ahead_are_not_answered_any_more(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two requests sent at once has arrived already; it must not find a closed store."""

    answer = server._Handler._answer

    def first(self: Any, body: Any) -> None:
        answer(self, body)
        held.entered.set()
        held.go.wait(LONG)

    monkeypatch.setattr(server._Handler, "_answer", first)
    parts = urlsplit(held.sandbox.url)
    request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=LONG) as connection:
        connection.sendall(request * 2)
        assert held.entered.wait(LONG)
        closing = held.close()
        while connection.recv(65536):
            pass
        held.go.set()
        closing.result(LONG)
    held.threads_end()
    assert len(held.sandbox.requests) == 1


@pytest.mark.parametrize(
    "fault", [faults.delay(LONG), faults.stall(0, LONG), None], ids=["delay", "stall", "the delay of every answer"]
)
def test_nobody_waits_for_answers_that_only_wait(held: Held, monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    monkeypatch.setattr(server, "PATIENCE", LONG)
    if fault is None:
        held.sandbox.settings.delay = LONG
    else:
        held.sandbox.faults.add(fault, path=PATH)
    application, entered = held.sandbox.application, held.entered
    pause = application.pause

    def told(seconds: float) -> None:
        entered.set()
        pause(seconds)

    monkeypatch.setattr(application, "pause", told)
    answer = held.ask()
    assert entered.wait(LONG)
    held.close().result(LONG / 2)
    with pytest.raises(requests.RequestException):
        answer.result(LONG)


def test_an_answer_may_close_its_own_server(held: Held) -> None:
    """As tests do that end the server in the middle of something."""

    def end(request: Any, application: Any) -> None:
        held.sandbox.close()

    held.sandbox.faults.add(faults.Action(before=end), path=PATH)
    with pytest.raises(requests.ConnectionError):
        held.ask().result(LONG)
    held.threads_end()
    assert held.order == ["store"]
