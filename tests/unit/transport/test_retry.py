"""The retry policy, without a server: what, how often, how long, and how much in all."""

from __future__ import annotations

import threading

import pytest

from xnat.transport.retry import Failure, RetryBudget, RetryPolicy


def policy(**options: object) -> RetryPolicy:
    options.setdefault("random", lambda: 0.0)
    return RetryPolicy(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("failure", "idempotent", "again"),
    [
        (Failure.UNSENT, True, True),
        (Failure.UNSENT, False, True),
        (Failure.BROKEN, True, True),
        (Failure.BROKEN, False, False),
        (Failure.STATUS, True, True),
        (Failure.STATUS, False, False),
        (Failure.FATAL, True, False),
        (Failure.FATAL, False, False),
    ],
)
def test_what_is_tried_again(failure: Failure, idempotent: bool, again: bool) -> None:
    assert (policy().delay(1, failure, idempotent=idempotent) is not None) is again


def test_waiting_doubles_up_to_the_maximum_and_ends() -> None:
    waits = [policy(attempts=9, maximum=10).delay(n, Failure.STATUS, idempotent=True) for n in range(1, 10)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, None]


def test_jitter_shortens_by_at_most_its_part() -> None:
    assert policy(random=lambda: 1.0).delay(1, Failure.STATUS, idempotent=True) == 0.25
    assert policy(random=lambda: 0.5, jitter=0.2).delay(1, Failure.STATUS, idempotent=True) == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("86400", 30.0),
        ("Thu, 01 Jan 1970 00:16:45 GMT", 5.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 30.0),
        ("soon", 0.5),
        ("", 0.5),
        ("-5", 0.5),
        ("\u0662", 0.5),
        ("1e9", 0.5),
    ],
)
def test_retry_after(header: str, wait: float) -> None:
    delay = policy(clock=lambda: 1000.0).delay(1, Failure.STATUS, idempotent=True, headers={"Retry-After": header})
    assert delay == pytest.approx(wait)


def test_the_budget_ends_retries_in_an_outage() -> None:
    budget = RetryBudget(clock=lambda: 0.0)
    assert sum(budget.take() for _ in range(600)) == 10


def test_successes_pay_for_a_tenth() -> None:
    budget = RetryBudget(clock=lambda: 0.0)
    retries = 0
    for number in range(200):
        if number % 2:
            budget.succeeded()
        else:
            retries += budget.take()
    assert retries <= 20


def test_occasional_failures_never_exhaust_the_budget() -> None:
    budget = RetryBudget(clock=lambda: 0.0)
    for _ in range(500):
        assert budget.take()
        for _ in range(11):
            budget.succeeded()


def test_an_idle_client_recovers_slowly() -> None:
    now = [0.0]
    budget = RetryBudget(clock=lambda: now[0])
    while budget.take():
        pass
    now[0] = 29.0
    assert not budget.take()
    now[0] = 61.0
    assert budget.take()
    assert budget.take()
    assert not budget.take()
    now[0] = 1e6
    assert sum(budget.take() for _ in range(100)) == 10


def test_the_budget_is_shared_by_threads() -> None:
    budget = RetryBudget(allowance=50, clock=lambda: 0.0)
    taken: list[bool] = []
    threads = [threading.Thread(target=lambda: taken.extend(budget.take() for _ in range(20))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 50


def test_a_spent_budget_means_no_retry() -> None:
    assert policy(budget=RetryBudget(allowance=0)).delay(1, Failure.UNSENT, idempotent=True) is None


def test_pausing_ends_when_the_client_closes() -> None:
    closing = threading.Event()
    closing.set()
    policy().pause(3600, closing)
