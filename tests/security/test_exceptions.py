"""Exceptions from ruff's security rules (S, those of bandit): each says why, where it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOUND = [
    (path, number)
    for folder in ("xnat", "soak", "fuzz")
    for path in sorted((ROOT / folder).rglob("*.py"))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines())
    if re.search(r"noqa: .*\bS\d{3}|nosec", line)
]


@pytest.mark.parametrize(("path", "number"), FOUND, ids=[f"{path.relative_to(ROOT)}:{n + 1}" for path, n in FOUND])
def test_exceptions_are_explained(path: Path, number: int) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    rules = re.findall(r"\bS\d{3}", lines[number])
    assert rules, "the rule has to be named"
    behind = re.search(r"noqa: [A-Z0-9, ]+ +[-(] *\w", lines[number])
    above = [line for line in lines[max(0, number - 5) : number] if re.match(r"\s*#", line) and rules[0] in line]
    assert behind or above


def test_the_rules_are_on() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    selected = re.search(r"^select = \[([^]]*)\]", text, re.MULTILINE)
    assert selected
    assert '"S"' in selected[1]
    # Off everywhere: asserts, which state what the type checker can't see. Tests and examples are off altogether.
    ignored = re.search(r"^ignore = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert ignored
    assert re.findall(r'"S\d+"', ignored[1]) == ['"S101"']
    assert '"xnat' not in text.partition("[tool.ruff.lint.per-file-ignores]")[2].partition("\n[")[0]
