"""Which failure is tried again, how often, and after how long: one policy, with all its numbers, for every request.

* Repeating must be harmless. GET, HEAD, OPTIONS, PUT and DELETE may be sent twice; POST may not. A PUT of an item is
  harmless on XNAT (the second one answers 200 instead of 201). Some PUTs are not: of a resource catalog and of a share
  (the second answers 409), of a file without ``overwrite`` (the second reports a duplicate); their callers pass
  ``idempotent=False``.
* When no byte of the request went out (name, refused, connect timeout), any verb may be tried again.
* Waiting grows exponentially, with jitter, so that many workers don't come back at once; a ``Retry-After`` header sets
  the least.
* A budget limits all retries of a client together, so that an outage isn't answered with a storm.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from enum import Enum

__all__ = ["IDEMPOTENT", "Failure", "RetryBudget", "RetryPolicy"]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Failure(Enum):
    """How far a failed request got."""

    UNSENT = "no byte of the request went out"
    BROKEN = "the connection broke or timed out after the request began"
    STATUS = "the server answered that it can't serve just now"
    FATAL = "trying again can't help (certificate, URL, redirect)"


class RetryBudget:
    """A token bucket all requests of a client share: a retry takes one token, a success gives a tenth back.

    In an outage nothing succeeds, and retries end after the allowance: 200 requests make at most 210 connections. With
    occasional failures the allowance refills. A trickle over time lets a session that is mostly idle recover too.

    :param allowance: tokens at the start, and the most there can be
    :param ratio: tokens a success gives back: the part of all requests that may be retries
    :param refill: tokens per second
    """

    def __init__(
        self,
        allowance: float = 10.0,
        ratio: float = 0.1,
        refill: float = 1 / 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowance = self._tokens = allowance
        self._ratio = ratio
        self._refill = refill
        self._clock = clock
        self._filled_at = clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """True if there is a token for one retry; it is spent."""
        with self._lock:
            self._add((self._clock() - self._filled_at) * self._refill)
            self._filled_at = self._clock()
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def succeeded(self) -> None:
        """Notes a request that was answered."""
        with self._lock:
            self._add(self._ratio)

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock just then."""
        self._lock = threading.Lock()

    def _add(self, tokens: float) -> None:
        self._tokens = min(self._allowance, self._tokens + max(0.0, tokens))


class RetryPolicy:
    """How failures are met.

    :param attempts: how often a request is sent at most, the first time included
    :param backoff: seconds before the second attempt; doubled for each further one
    :param maximum: most seconds to wait, also when the server's ``Retry-After`` asks for more
    :param jitter: the part of a waiting time that is left to chance
    :param budget: what limits the retries of all requests together
    :param statuses: answers that mean "not now"
    :param sleep: how to wait; by default, until the client is closed
    """

    def __init__(
        self,
        attempts: int = 4,
        backoff: float = 0.5,
        maximum: float = 30.0,
        jitter: float = 0.5,
        budget: RetryBudget | None = None,
        statuses: Collection[int] = (429, 502, 503, 504),
        sleep: Callable[[float], object] | None = None,
        random: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.attempts = attempts
        self.backoff = backoff
        self.maximum = maximum
        self.jitter = jitter
        self.budget = RetryBudget() if budget is None else budget
        self.statuses = statuses
        self.sleep = sleep
        self.random = random
        self.clock = clock

    def delay(
        self,
        attempt: int,
        failure: Failure,
        *,
        idempotent: bool,
        headers: Mapping[str, str] | None = None,
    ) -> float | None:
        """Seconds to wait before the next attempt; None if there should be none. Spends from the budget.

        :param attempt: how often the request was sent so far
        :param headers: those of the answer, for ``Retry-After``
        """
        if failure is Failure.FATAL or attempt >= self.attempts:
            return None
        if not idempotent and failure is not Failure.UNSENT:
            return None
        if not self.budget.take():
            return None
        wait: float = min(self.maximum, self.backoff * 2.0 ** (attempt - 1))
        wait *= 1 - self.jitter * self.random()
        return min(self.maximum, max(wait, self._asked_for(headers or {})))

    def pause(self, seconds: float, closing: threading.Event) -> None:
        """Waits; ends early when the client is closed."""
        if self.sleep is not None:
            self.sleep(seconds)
        else:
            closing.wait(seconds)

    def _asked_for(self, headers: Mapping[str, str]) -> float:
        """Seconds of a ``Retry-After`` header, given as a number or a date; 0 without one or if unreadable."""
        from email.utils import parsedate_to_datetime

        value = headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return float(value)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - self.clock())
        except (TypeError, ValueError, OverflowError):
            return 0.0
