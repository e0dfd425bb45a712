"""The targets: what was measured against what was promised."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .works import LOADED, OLD, OURS, PLAIN, Bench

__all__ = ["TARGETS", "Check", "check", "growth", "median"]

PREFETCH = f"{OURS}, prefetch"
SINGLY = f"{OURS}, one at a time"


@dataclass(frozen=True)
class Check:
    """One promise: what was measured, and whether it is kept (None: nothing was promised)."""

    work: str
    target: str
    measured: str
    met: bool | None


def median(bench: Bench, work: str, client: str, what: str = "time") -> float | None:
    """The median of a client's runs; None if there are none."""
    found = [run[what] for run in bench.results.get(work, {}).get(client, []) if what in run]
    return statistics.median(found) if found else None


def growth(bench: Bench, work: str, client: str) -> float | None:
    """How much memory the work took at its highest."""
    found = [run["peak"] - run["before"] for run in bench.results.get(work, {}).get(client, []) if "before" in run]
    return statistics.median(found) if found else None


def ratio(above: float | None, below: float | None) -> float | None:
    """Ours by theirs."""
    return above / below if above is not None and below else None


def _most(work: str, target: str, value: float | None, limit: float, unit: str = "", places: int = 3) -> Check:
    if value is None:
        return Check(work, target, "not measured", False)
    return Check(work, target, f"{value:.{places}f}{unit}", value <= limit)


def _least(work: str, target: str, value: float | None, limit: float) -> Check:
    if value is None:
        return Check(work, target, "not measured", False)
    return Check(work, target, f"{value:.3f}", value >= limit)


def _ratio(bench: Bench, name: str, work: str, limit: float, theirs: str = OLD, ours: str = OURS) -> Check:
    value = ratio(median(bench, work, ours), median(bench, work, theirs))
    return _most(name, f"≤ {limit} of {theirs}'s time" if theirs != SINGLY else f"≤ {limit}", value, limit)


def _importing(bench: Bench) -> Iterator[Check]:
    yield _ratio(bench, "import", "import", 0.35)


def _cold(bench: Bench) -> Iterator[Check]:
    work, name = "cold connect, 100 ms", "cold connect, core schemas, 100 ms per request"
    yield _ratio(bench, name, work, 0.08)
    schemas = int(bench.notes.get("core schemas", 0))
    yield _most(name, f"≤ 5 + {schemas} requests", median(bench, work, OURS, "requests"), 5 + schemas, places=0)


def _warm(bench: Bench) -> Iterator[Check]:
    work, name = "warm connect, 100 ms", "warm connect, core schemas, 100 ms per request"
    yield _ratio(bench, name, work, 0.035)
    yield _most(name, "≤ 5 requests", median(bench, work, OURS, "requests"), 5, places=0)
    yield _most(name, "≤ 3 of them one after another", median(bench, work, OURS, "in_a_row"), 3, places=0)
    cpu = median(bench, work, OURS, "cpu")
    if cpu is not None:
        # In a fresh process, so that it holds all imports, which are left to the first connection.
        again, loaded = median(bench, work, OURS, "cpu_again"), median(bench, work, LOADED, "cpu")
        text = (
            f"{cpu * 1000:.0f} ms; {(loaded or 0) * 1000:.0f} ms where requests had been imported before; "
            f"the next one of the process {(again or 0) * 1000:.0f} ms"
        )
        yield Check(name, "≤ 60 ms CPU", text, cpu <= 0.06)
    value = ratio(median(bench, work, OURS, "after"), median(bench, work, OLD, "after"))
    yield _most(name, f"≤ 0.5 of {OLD}'s memory afterwards", value, 0.5)


def _plugins(bench: Bench) -> Iterator[Check]:
    work = "cold connect with plug-ins, 100 ms"
    for client in (OURS, OLD):
        runs = bench.results.get(work, {}).get(client, [])
        if runs:
            run = runs[-1]
            text = run.get("failed") or f"{run['time']:.2f} s, {run['requests']} requests, {run['value']} classes"
            yield Check(f"cold connect, core and plug-in schemas, 100 ms per request: {client}", "printed", text, None)


def _listing(bench: Bench) -> Iterator[Check]:
    name = f"list {int(bench.notes.get('subjects', 0)):,} subjects, read every label"
    yield _ratio(bench, name, "list subjects", 0.4)
    value = ratio(growth(bench, "list subjects", OURS), growth(bench, "list subjects", OLD))
    yield _most(name, f"≤ 0.35 of {OLD}'s memory growth", value, 0.35)


def _scans(bench: Bench) -> Iterator[Check]:
    name = "four attributes of all scans of a project, project.scans"
    yield _most(name, "≤ 3 requests", median(bench, "scans of a project", OURS, "requests"), 3, places=0)


def _nested(bench: Bench) -> Iterator[Check]:
    work, name = "nested loop, 100 ms", "nested loop over 20 sessions × 5 scans, 100 ms per request"
    yield _most(name, "≤ 22 requests", median(bench, work, OURS, "requests"), 22, places=0)
    yield _ratio(bench, name, work, 0.2)
    yield _ratio(bench, f"{name}, prefetch", work, 0.05, ours=PREFETCH)


def _zip(bench: Bench) -> Iterator[Check]:
    size = f"zip of {bench.notes.get('zip bytes', 0) / 2**30:.2g} GiB to disk, loopback"
    for client, name in ((OURS, size), (PLAIN, size + PLAIN.removeprefix(OURS))):
        yield _least(
            name, "≥ 0.9 of curl's throughput",
            ratio(median(bench, "zip to disk", "curl"), median(bench, "zip to disk", client)), 0.9,
        )  # fmt: skip
        ours, curl = median(bench, "zip to disk", client, "cpu"), median(bench, "zip to disk", "curl", "cpu")
        if ours is not None and curl is not None:
            limit = 1.5 * curl + bench.notes["crc32 CPU"]
            text = f"{ours:.2f} s; limit 1.5 × {curl:.2f} + {bench.notes['crc32 CPU']:.2f} (CRC-32) = {limit:.2f} s"
            yield Check(name, "CPU ≤ 1.5 × curl's + hashing", text, ours <= limit)


def _download(bench: Bench) -> Iterator[Check]:
    name = f"download_dir of {bench.notes.get('tree bytes', 0) / 1e6:.0f} MB in files of 200 kB, 20 ms, 200 Mbit/s"
    yield _ratio(bench, name, "download_dir", 0.35)


def _upload(bench: Bench) -> Iterator[Check]:
    name = f"upload_dir of {int(bench.notes.get('upload files', 0))} × 20 kB per file, 20 ms; ours one at a time"
    yield _ratio(bench, name, "upload_dir", 0.15, theirs=SINGLY)
    yield _ratio(bench, name.replace("ours one at a time", OLD), "upload_dir", 0.15)


def _types(bench: Bench) -> Iterator[Check]:
    times = {}
    for work in bench.results:
        if work.endswith("generated types"):
            count = int(work.split()[0])
            cpu, grown = median(bench, work, OURS, "cpu"), growth(bench, work, OURS)
            times[count] = cpu
            if cpu is not None and grown is not None:
                text = f"{cpu:.2f} s CPU, {grown / 2**20:.0f} MB"
                yield Check(f"conversion with {count} generated types", "printed", text, None)
    if len(times) == 3 and None not in times.values():
        (small, first), (middle, second), (large, third) = sorted(times.items())
        slopes = (second - first) / (middle - small), (third - second) / (large - middle)
        text = f"{slopes[0] * 1000:.2f} ms per type below {middle}, {slopes[1] * 1000:.2f} ms above"
        yield Check("conversion of generated types", "grows linearly", text, slopes[1] <= 1.5 * slopes[0])


TARGETS: tuple[Callable[[Bench], Iterator[Check]], ...] = (
    _importing, _cold, _warm, _plugins, _listing, _scans, _nested, _zip, _download, _upload, _types,
)  # fmt: skip


def check(bench: Bench) -> list[Check]:
    """Every target whose work was done."""
    return [found for target in TARGETS for found in target(bench) if found.measured != "not measured" or _ran(bench)]


def _ran(bench: Bench) -> bool:
    """Whether everything was run: then what was not measured is worth a line."""
    return "import" in bench.results and "upload_dir" in bench.results
