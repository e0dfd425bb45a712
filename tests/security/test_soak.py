"""``make soak`` for half a minute, and whether it would notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soak.measures import ALLOWED, Line, grown

ROOT = Path(__file__).resolve().parents[2]


def lines(name: str = "", step: int = 0) -> list[Line]:
    """Twenty flat lines, or with one measure that grows by a step at a time; and the last, when all is closed."""
    flat = {"rounds": 9, "rss": 50_000, "threads": 2, "descriptors": 20, "temporary": 1, "sessions": 1, "modules": 1}
    made = [Line("x", **{**flat, **({name: flat[name] + step * n} if name else {})}) for n in range(20)]
    return [*made, Line("after", 9, 50_000, 1, 9, 0, 0, 0)]


def test_flat_lines_are_flat() -> None:
    assert grown(lines()) == []


@pytest.mark.parametrize("name", ALLOWED)
def test_what_grows_is_noticed(name: str) -> None:
    (problem,) = grown(lines(name, 2000 if name == "rss" else 1))
    assert problem.startswith(name)


@pytest.mark.parametrize("facts", [(1, 0), (0, 1)])
def test_what_stays_behind_is_noticed(facts: tuple[int, int]) -> None:
    assert grown([*lines()[:-1], Line("after", 9, 50_000, 1, 9, 0, *facts)]) != []


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.skipif(sys.platform != "linux", reason="measures what /proc tells")
def test_half_a_minute() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soak"],
        cwd=ROOT,
        env={**os.environ, "SOAK_SECONDS": "30"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") >= 22
