"""Waiting for what other threads and processes do."""

from __future__ import annotations

import functools
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Longer than anything takes on a machine that is busy with other things: only what hangs reaches it.
PATIENCE = 120.0


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Looks again and again until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@contextmanager
def killed_at_last(process: subprocess.Popen[Any]) -> Iterator[None]:
    """A process that a failed assertion leaves running would be waited for, by ``with`` of Popen, for ever."""
    try:
        yield
    finally:
        process.kill()  # of one that has ended it does nothing


@functools.cache
def _slowness() -> float:
    """How many times longer this machine works on something than the one on which bounds were set; 1 at least."""

    def once() -> float:
        begun = time.thread_time()
        found = {str(number): number * number for number in range(200_000)}
        sorted(found, key=lambda key: found[key])
        return time.thread_time() - begun

    return max(1.0, min(once() for _ in range(3)) / 0.1)


@contextmanager
def processor_seconds(most: float) -> Iterator[None]:
    """Fails if what is inside takes this process longer, in seconds of its processors and of an ordinary machine."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < most * _slowness(), "it takes longer than it may, such as quadratic time"
