"""Does a cell satisfy what a query asks: alternatives, wildcards, ranges of numbers and dates."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

from .values import iso_date

__all__ = ["matcher"]

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z")


def matcher(wanted: str, kind: str = "string") -> Callable[[str], bool]:
    """A test of cells for a query's value: commas separate alternatives, ``*`` and ``%`` are wildcards."""
    tests = [_one(part.strip(), kind) for part in wanted.split(",")]
    return tests[0] if len(tests) == 1 else lambda cell: any(test(cell) for test in tests)


def _one(wanted: str, kind: str) -> Callable[[str], bool]:
    if wanted in ("NULL", "IS NULL"):
        return lambda cell: cell == ""
    if wanted == "IS NOT NULL":
        return lambda cell: cell != ""
    if kind in ("integer", "float"):
        return _number_test(wanted)
    if kind in ("date", "dateTime"):
        return _date_test(wanted)
    if "*" in wanted or "%" in wanted:
        escaped = re.sub(r"[\[?]", lambda found: f"[{found[0]}]", wanted.lower()).replace("%", "*")
        pattern = re.compile(fnmatch.translate(escaped))
        return lambda cell: pattern.match(cell.lower()) is not None
    return lambda cell: cell == wanted


def _number_test(wanted: str) -> Callable[[str], bool]:
    if _NUMBER.match(wanted):
        exact = float(wanted)
        return lambda cell: _number(cell) == exact
    for place in range(1, len(wanted)):
        low, high = _number(wanted[:place]), _number(wanted[place + 1 :])
        if wanted[place] == "-" and low is not None and high is not None:
            return lambda cell: (value := _number(cell)) is not None and low <= value <= high
    return lambda cell: cell == wanted


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _date_test(wanted: str) -> Callable[[str], bool]:
    exact = iso_date(wanted)
    if exact:
        return lambda cell: cell[:10] == exact
    for place in range(1, len(wanted)):
        low, high = iso_date(wanted[:place]), iso_date(wanted[place + 1 :])
        if wanted[place] == "-" and low and high:
            return lambda cell: bool(cell) and low <= cell[:10] <= high
    return lambda cell: cell == wanted
