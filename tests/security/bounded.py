"""Runs a piece of code in a process of its own with little memory and time."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_HEAD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, ({file}, {file}))
from tests.security.guard import guarded
from xnat.exceptions import XNATError
"""


def run(code: str, folder: Path, *, megabytes: int = 1024, seconds: int = 60, file_megabytes: int = 256) -> str:
    """What the code printed.

    :param folder: where it may write
    :raises AssertionError: it needed more memory, time or disk, or failed
    """
    head = _HEAD.format(memory=megabytes << 20, seconds=seconds, file=file_megabytes << 20)
    body = f"with guarded({str(folder)!r}):\n" + textwrap.indent(textwrap.dedent(code), "    ")
    done = subprocess.run(
        [sys.executable, "-c", head + f"import os\nos.chdir({str(folder)!r})\n" + body],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=seconds * 5,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    return done.stdout
