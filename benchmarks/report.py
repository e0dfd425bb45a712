"""The report: a page of the documentation, and the same as text."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Sequence

from .targets import Check, check, growth, median
from .works import Bench

__all__ = ["page"]

INTRODUCTION = """\
.. This page is written by ``make bench``: don't edit it.

Benchmarks
==========

``make bench`` runs this client and, each in a virtual environment of its own, xnatpy, pyxnat, xnatctl and curl against
the sandbox server that comes with this package; this client with its extra ``fast``, where nothing else is said. The
server is a process of its own on the same machine, and waits as long before every answer as the rows say. The clients
do the same work in turn, each time in a fresh process; figures are medians. So that the clients are measured and not
the sandbox, it sends the zip uncompressed, and answers long listings from memory when they are asked for again.

"""
NOTES = """
*Memory growth* is the highest resident memory during the work, less that before it; of programs (curl, xnatctl, the
command lines) their peak. *In a row* is how many requests were answered one after another.
"""
VERDICTS = {True: "yes", False: "**no**", None: "–"}


def page(bench: Bench) -> str:
    """The page."""
    parts = [INTRODUCTION]
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    parts.append(f"Run on {today}: {machine()}.{_size(bench)}\n\n")
    parts += ["Targets\n-------\n\n", *_table(("Work", "Target", "Measured", "Met"), map(_target, check(bench)))]
    head = ("Work", "Client", "Runs", "Time", "CPU", "Memory growth", "Requests", "In a row")
    parts += ["\nMeasurements\n------------\n\n", *_table(head, _rows(bench))]
    parts.append(NOTES)
    return "".join(parts)


def machine() -> str:
    """What it ran on, without anything that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def _size(bench: Bench) -> str:
    return " **A quick run: sizes are reduced, so ratios are not those of the targets.**" if bench.quick else ""


def _target(found: Check) -> tuple[str, ...]:
    return found.work, found.target, found.measured, VERDICTS[found.met]


def _rows(bench: Bench) -> Iterable[tuple[str, ...]]:
    for work, clients in bench.results.items():
        for client, runs in clients.items():
            yield work, client, str(len(runs)), *_figures(bench, work, client)


def _figures(bench: Bench, work: str, client: str) -> tuple[str, ...]:
    runs = bench.results[work][client]
    failed = next((run[name] for run in runs for name in ("failed", "missing") if name in run), None)
    if failed is not None:
        return (f"failed: ``{failed[:120]}``", "", "", "", "")
    taken, cpu, requests = (median(bench, work, client, what) for what in ("time", "cpu", "requests"))
    in_a_row, grown = median(bench, work, client, "in_a_row"), growth(bench, work, client)
    memory = grown if grown is not None else median(bench, work, client, "peak")
    return (
        _seconds(taken), _seconds(cpu), "" if memory is None else f"{memory / 2**20:.1f} MB",
        "" if requests is None else f"{requests:.0f}", "" if in_a_row is None else f"{in_a_row:.0f}",
    )  # fmt: skip


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [".. list-table::\n   :header-rows: 1\n\n"]
    for row in [head, *rows]:
        for number, cell in enumerate(row):
            lines.append(f"   {'*' if number == 0 else ' '} - {cell}".rstrip() + "\n")
    return lines
