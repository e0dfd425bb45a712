"""Prints pip constraints that hold every requirement of ``setup.py`` at the oldest version it allows.

``make lowest`` runs the tests with them: a minimum that nobody tried is a guess.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

#: Tools of developers, of which the newest will do; and what has no wheel for some Python.
NOT_HELD = {"mypy", "pytest", "ruff", "sphinx", "atheris"}
#: What the oldest versions need without saying so.
BESIDE = ["numpy<2"]  # pandas 2.0 was built against numpy 1


def constraints() -> list[str]:
    """``name==version`` for each requirement that has a minimum."""
    import setuptools

    told: dict[str, Any] = {}
    setuptools.setup = told.update  # type: ignore[assignment]
    runpy.run_path(str(Path(__file__).resolve().parents[1] / "setup.py"))
    requirements = [*told["install_requires"], *(item for items in told["extras_require"].values() for item in items)]
    found = [re.match(r"([A-Za-z0-9._-]+)>=([0-9.]+)", item) for item in requirements]
    return sorted({f"{match[1]}=={match[2]}" for match in found if match and match[1] not in NOT_HELD}) + BESIDE


if __name__ == "__main__":
    sys.stdout.write("\n".join(constraints()) + "\n")
