"""What is measured, and what counts as growth."""

from __future__ import annotations

import gc
import os
import statistics
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .load import Load
    from .server import Server

#: How far the end may lie above the beginning: memory moves, the others don't.
ALLOWED = {"rss": 12_000, "threads": 2, "descriptors": 4, "temporary": 0, "sessions": 0, "modules": 0}


@dataclass
class Line:
    """One look at the process, while nothing is being done."""

    HEAD: ClassVar[str] = (
        f"{'time':>8} {'rounds':>8} {'RSS kB':>8} {'threads':>8} {'fds':>6} {'files':>6} {'sessions':>9} {'modules':>8}"
    )

    when: str
    rounds: int
    rss: int
    threads: int
    descriptors: int
    temporary: int
    sessions: int
    modules: int

    def __str__(self) -> str:
        return (
            f"{self.when:>8} {self.rounds:>8} {self.rss:>8} {self.threads:>8} {self.descriptors:>6} "
            f"{self.temporary:>6} {self.sessions:>9} {self.modules:>8}"
        )


def measure(load: Load, server: Server, folder: str, when: str) -> Line:
    """A line; the workers rest meanwhile."""
    gc.collect()
    cache = Path(folder) / "cache"
    return Line(
        when,
        load.done,
        _rss(),
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),
        sum(1 for path in Path(folder).rglob("*") if path != cache and cache not in path.parents),
        server.tell("calm"),
        _modules(),
    )


def _rss() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def _modules() -> int:
    import sys

    return sum(name.startswith("xnat_classes") for name in sys.modules)


def grown(lines: list[Line]) -> list[str]:
    """What was more at the end than at the beginning, beyond what is allowed."""
    part = max(2, len(lines) // 4)
    problems = []
    for name, allowed in ALLOWED.items():
        first = statistics.median(getattr(line, name) for line in lines[:part])
        # Without the very last line: there everything is closed.
        last = statistics.median(getattr(line, name) for line in lines[-part - 1 : -1])
        if last - first > allowed:
            problems.append(f"{name}: {first:.0f} at the beginning, {last:.0f} at the end, {allowed} more are allowed")
    end = lines[-1]
    if end.sessions or end.modules:
        problems.append(f"after everything was closed there are {end.sessions} sessions and {end.modules} modules")
    return problems
