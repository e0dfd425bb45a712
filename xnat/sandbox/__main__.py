"""``python -m xnat.sandbox``: serve until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from .sandbox import DEFAULT_PASSWORD, Sandbox


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m xnat.sandbox", description="A small XNAT for trying things out."
    )
    arguments.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    arguments.add_argument("--port", type=int, default=8080, help="port to listen on; 0 for any free one")
    arguments.add_argument("--schemas", metavar="DIR", help="serve these schemas: a folder with index.tsv")
    arguments.add_argument("--data", metavar="DIR", help="keep everything in this folder")
    arguments.add_argument("--demo", action="store_true", help="begin with demo content")
    arguments.add_argument("--user", default="admin", help="the administrator's login")
    arguments.add_argument("--password", default=DEFAULT_PASSWORD, help="the administrator's password")
    arguments.add_argument("--xnat-version", default="1.8.9", metavar="VERSION", help="which XNAT to be")
    arguments.add_argument("--context-path", default="", metavar="PATH", help="serve below this path, such as /xnat")
    arguments.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="wait before every answer")
    arguments.add_argument(
        "--idle-seconds", type=float, default=300.0, metavar="SECONDS",
        help="how long a session that is being received waits for more files (default: 300)",
    )  # fmt: skip
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Serve; the exit code."""
    options = vars(parser().parse_args(argv))
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        sandbox = Sandbox(**options)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"xnat.sandbox: {error}\n")
        return 1
    with sandbox:
        sys.stdout.write(f"{sandbox.url}\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
