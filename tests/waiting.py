"""Waiting for what other threads and processes do."""

from __future__ import annotations

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
