"""Heartbeats: a small request now and then, so that the server doesn't end a session that only waits."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from xnat.constants import HEARTBEAT_INTERVAL

__all__ = ["KeepAlive", "interval_for", "parse_expiration"]

_MARGIN = 60.0
_SOONER = 30.0


def parse_expiration(value: str | None) -> tuple[datetime, int] | None:
    """(time of the last answer, seconds to live after it) of a SESSION_EXPIRATION_TIME cookie; None if unreadable.

    The cookie is ``"<milliseconds since 1970>,<milliseconds>"``; its first number is the time of the answer, not of
    the end.
    """
    try:
        now, limit = (int(part) for part in (value or "").strip().strip('"').replace("%2C", ",").split(","))
        return datetime.fromtimestamp(now / 1000, timezone.utc), limit // 1000
    except (ValueError, OverflowError, OSError):
        return None


def interval_for(limit: float | None) -> float:
    """Seconds between beats, if the server ends sessions after ``limit`` idle seconds; 14 minutes if unknown."""
    if limit is None or limit <= 0:
        return HEARTBEAT_INTERVAL
    return max(1.0, min(HEARTBEAT_INTERVAL, limit - min(_MARGIN, limit / 2)))


class KeepAlive:
    """Calls ``beat`` whenever there was no traffic for ``interval`` seconds, from a daemon thread of its own.

    A bound method is held weakly: a session nobody else uses is collected, and then the thread ends. A beat that fails
    is tried again sooner, for as long as it takes. Nothing goes on in a forked child until it calls :meth:`start`.

    :param interval: seconds between beats
    :param last_traffic: gives the ``clock`` time of the last answer of the server, or None
    """

    def __init__(
        self,
        beat: Callable[[], object],
        interval: float = HEARTBEAT_INTERVAL,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        *,
        last_traffic: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wake = threading.Event()
        self._closed = False
        self._beat = _weakly(beat, self._stop)
        self._interval = _positive(interval)
        self._logger = logger or logging.getLogger("xnat")
        self._last_traffic = last_traffic
        self._clock = clock
        self._last_beat = clock()
        self._failures = 0
        self._at_once = False
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<KeepAlive every {self._interval:.0f} s{'' if self.alive else ' (off)'}>"

    @property
    def interval(self) -> float:
        """Seconds between beats. A new value holds at once."""
        return self._interval

    @interval.setter
    def interval(self, seconds: float) -> None:
        self._interval = _positive(seconds)
        self._wake.set()

    @property
    def alive(self) -> bool:
        """True while the thread runs in this process."""
        thread = self._thread
        return thread is not None and self._process == os.getpid() and thread.is_alive() and not self._closed

    def start(self, *, at_once: bool = False) -> None:
        """Starts the thread, unless it runs.

        :param at_once: the first beat is due now, whatever traffic there was
        """
        if self.alive:
            return
        self._at_once = at_once
        if self._process != os.getpid():
            # a child has none of its parent's threads, and maybe an event that was locked just then
            self._process, self._wake = os.getpid(), threading.Event()
        self._closed = False
        self._last_beat = self._clock()
        self._thread = threading.Thread(target=self._run, name="xnat-keepalive", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """Ends the thread. A beat under way isn't waited for longer than ``timeout`` seconds."""
        running = self.alive
        thread = self._thread
        self._stop()
        if running and thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def step(self) -> float | None:
        """Beats if it is time to. Seconds until the next step; None if there is nothing left to keep alive."""
        if self._closed:
            return None
        due = max(self._last_beat, self._last_traffic() or self._last_beat) + self._interval
        if self._failures:
            due = self._last_beat + min(_SOONER, self._interval / 4)
        wait = due - self._clock()
        if wait > 0 and not self._at_once:
            return wait
        self._at_once = False
        # Only now, for as long as the beat takes: while it is held here, the session can't be collected.
        beat = self._beat()
        if beat is None:
            return None
        try:
            beat()
            self._failures = 0
        except Exception as error:
            self._failures += 1
            # once aloud, then quietly: a server that is down for a night must not fill the log
            level = logging.WARNING if self._failures == 1 else logging.DEBUG
            self._logger.log(level, "Heartbeat failed (%s), it will be tried again", error)
        self._last_beat = self._clock()
        return min(_SOONER, self._interval / 4) if self._failures else self._interval

    def _run(self) -> None:
        while (wait := self.step()) is not None:
            self._wake.wait(wait)
            if not self._closed:
                self._wake.clear()

    def _stop(self, _: object = None) -> None:
        self._closed = True
        self._wake.set()


def _weakly(beat: Callable[[], object], ended: Callable[[object], None]) -> Callable[[], Callable[[], object] | None]:
    """The function that gives ``beat`` as long as its object exists; ``ended`` is called when it doesn't any more."""
    if hasattr(beat, "__self__") and hasattr(beat, "__func__"):
        return weakref.WeakMethod(beat, ended)
    return lambda: beat


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError(f"The interval of heartbeats must be greater than 0 seconds, found {seconds}")
    return float(seconds)
