"""Heartbeats with a clock that only moves when told to."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from datetime import datetime, timezone

import pytest

from tests.waiting import PATIENCE
from xnat.transport import keepalive as module
from xnat.transport.keepalive import KeepAlive, interval_for, parse_expiration


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Session:
    """Something with a heartbeat."""

    def __init__(self) -> None:
        self.beats = 0
        self.down = False
        self.beaten = threading.Event()

    def heartbeat(self) -> None:
        self.beats += 1
        self.beaten.set()
        if self.down:
            raise ConnectionError("down")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("value", ['"1668081619871,900000"', "1668081619871,900000", "1668081619871%2C900000"])
def test_the_expiration_cookie(value: str) -> None:
    assert parse_expiration(value) == (datetime(2022, 11, 10, 12, 0, 19, 871000, timezone.utc), 900.0)


@pytest.mark.parametrize("value", [None, "", '"', "1", "a,b", "1,2,3", f"{10**30},1", "1.5,2"])
def test_an_unreadable_expiration_cookie(value: str | None) -> None:
    assert parse_expiration(value) is None


@pytest.mark.parametrize(
    ("limit", "interval"),
    [(None, 840), (0, 840), (-1, 840), (900, 840), (3600, 840), (600, 540), (120, 60), (60, 30), (1, 1)],
)
def test_the_interval_leaves_a_margin(limit: float | None, interval: float) -> None:
    assert interval_for(limit) == interval


def test_a_beat_when_it_is_time(clock: Clock) -> None:
    session = Session()
    keeper = KeepAlive(session.heartbeat, 100, clock=clock)
    assert keeper.step() == 100
    clock.now += 60
    assert keeper.step() == 40
    assert session.beats == 0
    clock.now += 40
    assert keeper.step() == 100
    assert session.beats == 1


def test_no_beat_after_recent_traffic(clock: Clock) -> None:
    session = Session()
    traffic = [1090.0]
    keeper = KeepAlive(session.heartbeat, 100, last_traffic=lambda: traffic[0], clock=clock)
    clock.now += 100
    assert keeper.step() == 90
    clock.now += 90
    keeper.step()
    assert session.beats == 1


def test_failed_beats_are_survived_and_tried_again_sooner(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    session = Session()
    session.down = True
    keeper = KeepAlive(session.heartbeat, 840, logging.getLogger("xnat.test"), clock=clock)
    clock.now += 840
    with caplog.at_level(logging.DEBUG):
        assert keeper.step() == 30
        clock.now += 10
        assert keeper.step() == 20
        clock.now += 20
        assert keeper.step() == 30
        session.down = False
        clock.now += 30
        assert keeper.step() == 840
    assert session.beats == 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG"]


def test_a_session_nobody_uses_is_collected_and_ends_the_thread() -> None:
    session = Session()
    keeper = KeepAlive(session.heartbeat, 3600)
    keeper.start()
    thread = keeper._thread
    assert thread is not None
    assert thread.daemon
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert keeper.step() is None


def test_close_ends_the_thread_at_once() -> None:
    session = Session()
    keeper = KeepAlive(session.heartbeat, 3600)
    keeper.start()
    assert keeper.alive
    keeper.close(PATIENCE)
    assert not keeper.alive
    keeper.close()
    assert session.beats == 0


def test_a_new_interval_wakes_the_thread() -> None:
    session = Session()
    keeper = KeepAlive(session.heartbeat, 3600)
    keeper.start()
    keeper.interval = 0.001
    assert session.beaten.wait(PATIENCE)
    keeper.close(PATIENCE)


def test_start_twice_is_one_thread_and_after_close_a_new_one() -> None:
    session = Session()
    keeper = KeepAlive(session.heartbeat, 3600)
    keeper.start()
    first = keeper._thread
    keeper.start()
    assert keeper._thread is first
    keeper.close(PATIENCE)
    keeper.start()
    assert keeper.alive
    keeper.close(PATIENCE)


def test_a_beat_may_close_its_own_session() -> None:
    class Closing:
        keeper: KeepAlive

        def heartbeat(self) -> None:
            self.keeper.close()

    session = Closing()
    session.keeper = KeepAlive(session.heartbeat, 0.001)
    session.keeper.start()
    thread = session.keeper._thread
    assert thread is not None
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_forked_child_does_not_beat_until_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    keeper = KeepAlive(session.heartbeat, 3600)
    keeper.start()
    inherited, inherited_wake = keeper._thread, keeper._wake
    monkeypatch.setattr(module.os, "getpid", lambda: -1)
    assert not keeper.alive
    keeper.start()
    assert keeper.alive
    assert keeper._thread is not inherited
    keeper.close(PATIENCE)
    inherited_wake.set()


@pytest.mark.parametrize("interval", [0, -1])
def test_intervals_are_positive(interval: float) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        KeepAlive(lambda: None, interval)
