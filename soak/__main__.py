"""``python -m soak``: prints one line per interval, and fails when something grew.

Server and client live in processes of their own, so that what is measured is the client's.
"""

from __future__ import annotations

import os
import sys
import tempfile

from .load import Load
from .measures import Line, grown, measure
from .server import Server


def main() -> int:
    """The exit code: 0 if every line was flat."""
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Server() as server:
        os.environ.update(TMPDIR=folder, XNAT_CACHE_DIR=os.path.join(folder, "cache"), HOME=folder)
        tempfile.tempdir = folder
        with Load(server, folder) as load:
            lines = watch(load, server, folder, seconds)
            load.stop()
            lines.append(measure(load, server, folder, "after"))
            say(str(lines[-1]))
    problems = grown(lines)
    for problem in problems:
        say(f"GREW: {problem}")
    if not problems:
        say(f"flat: {load.done} rounds, {load.errors} ended in an error of the library, {load.wrong} in another")
    for text in load.surprises:
        say(text)
    return 1 if problems or load.wrong else 0


def watch(load: Load, server: Server, folder: str, seconds: float) -> list[Line]:
    """Some 20 lines over the time, the first after things have warmed up."""
    say(Line.HEAD)
    load.run(seconds * 0.15)
    lines = []
    for number in range(20):
        # Paused, so that what is open is what leaks, not what is in use.
        load.run(seconds * 0.85 / 20)
        lines.append(measure(load, server, folder, f"{seconds * (0.15 + 0.85 * (number + 1) / 20):.0f} s"))
        say(str(lines[-1]))
    return lines


def say(text: str) -> None:
    """A line for whoever waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
