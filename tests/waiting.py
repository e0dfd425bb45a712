"""Waiting for what other threads and processes do."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Longer than anything takes on a machine that is busy with other things: only what hangs reaches it.
PATIENCE = 120.0


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Looks again and again until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
