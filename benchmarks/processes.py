"""Processes of a benchmark run: the sandbox, and the clients that are measured, each run in a fresh one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from . import environments
from .environments import ROOT

__all__ = ["Served", "probe", "program"]

PROBES = Path(__file__).parent / "probes"
PATIENCE = 300


class Served:
    """A sandbox in a process of its own."""

    def __init__(self, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.serving", json.dumps(options)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.told: dict[str, Any] = self._line()
        self.login = {name: self.told[name] for name in ("url", "user", "password")}

    def order(self, **order: Any) -> dict[str, Any]:
        """Have the sandbox do something; its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The sandbox ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()


def probe(
    client: str,
    script: str,
    work: str,
    arguments: dict[str, Any],
    *,
    begin: Callable[[], dict[str, Any]] = dict,
    end: Callable[[], dict[str, Any]] = dict,
    **environ: str,
) -> dict[str, Any]:
    """Run a work of ``probes/<script>.py`` with a client's Python.

    ``begin`` is called when the work is about to begin, ``end`` right after it; what that gives becomes part of the
    result.
    """
    interpreter = sys.executable if client == "ours" else str(environments.python(client))
    if client == "ours":
        environ = {"PYTHONPATH": str(ROOT), **environ}
    # Errors go to a file: a client that draws many progress bars would fill a pipe, and wait for ever.
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [interpreter, "-W", "ignore", str(PROBES / f"{script}.py"), work, json.dumps(arguments)],
            env=environments.clean_environ(home, **environ), cwd=home,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        with process:
            line, noted = _follow(process, begin, end)
        watchdog.cancel()
        if process.returncode:
            errors.seek(0)
            text = errors.read().strip()
            return {"failed": text.splitlines()[-1] if text else f"exit code {process.returncode}"}
    return {**json.loads(line), **noted}


def _follow(
    process: subprocess.Popen[str], begin: Callable[[], dict[str, Any]], end: Callable[[], dict[str, Any]]
) -> tuple[str, dict[str, Any]]:
    """Go along with a probe to its end; its last line, and what ``end`` gave."""
    assert process.stdin is not None
    assert process.stdout is not None
    line, noted = "", {}
    for line in process.stdout:
        if line in ("ready\n", "done\n"):
            noted = end() if line == "done\n" else begin()
            process.stdin.write("go on\n")
            process.stdin.flush()
    return line, noted


def program(command: Sequence[Any], home: str | os.PathLike[str], **environ: str) -> dict[str, Any]:
    """Run a program: wall time, CPU and peak memory of its process."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(part) for part in command], env=environments.clean_environ(home, **environ), cwd=home,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - start
        if process.returncode:
            errors.seek(0)
            text = errors.read().decode("utf-8", "replace").strip()
            return {"failed": text.splitlines()[-1] if text else f"exit code {process.returncode}"}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"time": took, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * unit}
