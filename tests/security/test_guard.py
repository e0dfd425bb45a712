"""The guard itself: a watchman that sees nothing would let everything pass."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .guard import CODE, guarded


def _import() -> None:
    with pytest.raises(ImportError):
        eval(CODE)


@pytest.mark.parametrize(
    "deed",
    [
        lambda place: (place / "out").write_text("x"),
        lambda place: (place / "out").mkdir(),
        lambda place: os.rename(place / "there", place / "elsewhere"),
        lambda place: os.symlink("/etc/passwd", place / "link"),
        lambda place: os.unlink(place / "there"),
        lambda place: os.open(place / "out", os.O_CREAT | os.O_WRONLY),
        lambda place: subprocess.run([sys.executable, "-c", ""], check=True),
        lambda place: _import(),
        lambda place: (place / "in" / ".." / "out").write_text("x"),
    ],
)
def test_it_sees(tmp_path: Path, deed: Callable[[Path], object]) -> None:
    (tmp_path / "there").write_text("x")
    (tmp_path / "in").mkdir()
    with pytest.raises(AssertionError), guarded(tmp_path / "in"):
        made = deed(tmp_path)
    if isinstance(made, int):
        os.close(made)


def test_it_lets_pass_what_is_allowed(tmp_path: Path) -> None:
    with guarded(tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "b").write_text("x")
        os.rename(tmp_path / "a" / "b", tmp_path / "c")
        (tmp_path / "c").read_text()
    sys.modules.pop("xnat_canary", None)
