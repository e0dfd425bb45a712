"""``xnat sandbox``."""

from __future__ import annotations

import argparse

from .failures import UsageError
from .options import talk_options
from .output import Output

__all__ = ["add_sandbox"]


def add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a small XNAT server on this machine, for trying things out, until Ctrl-C. Its address is the first line "
        "on stdout; log in as admin with password admin."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0 for any free one (default: 8080)")
    parser.add_argument("--demo", action="store_true", help="begin with demo content")
    parser.add_argument("--data", metavar="DIR", help="keep everything in this folder")
    parser.add_argument("--schemas", metavar="DIR", help="serve these schemas: a folder with index.tsv")
    parser.add_argument("--xnat-version", default="1.8.9", metavar="VERSION", help="which XNAT to be")
    parser.add_argument("--context-path", default="", metavar="PATH", help="serve below this path, such as /xnat")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="wait before every answer")
    talk_options(parser)
    parser.set_defaults(run=run_sandbox)


def run_sandbox(args: argparse.Namespace, out: Output) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    import signal
    import threading

    names = ("host", "port", "demo", "data", "schemas", "xnat_version", "context_path", "delay")
    try:
        from xnat.sandbox import Sandbox

        sandbox = Sandbox(**{name: getattr(args, name) for name in names})
    except ModuleNotFoundError as error:
        raise UsageError(f"the sandbox needs {error.name}: pip install 'xnat[sandbox]'") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with sandbox:
        out.line(sandbox.url)
        out.flush()
        out.say(f"'xnat login {sandbox.url} --user admin' logs in (password admin), Ctrl-C ends it")
        ended.wait()
    return 0
