"""The fuzz targets on what fuzzing found, and on what it begins with; without atheris."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.targets import TARGETS, seeds

FINDINGS = Path(__file__).resolve().parents[2] / "fuzz" / "findings"
FOUND = [(path.parent.name, path) for path in sorted(FINDINGS.glob("*/*")) if path.is_file()]


@pytest.mark.parametrize(("name", "path"), FOUND, ids=[f"{name}-{path.name[:40]}" for name, path in FOUND])
def test_findings(name: str, path: Path) -> None:
    TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name](seed)
