"""Runs a command: its words to options, its errors to exit codes, stdout for data and nothing else."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

import xnat.cli.failures as failures

from .output import Output

__all__ = ["run"]


def run(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    """Parse the words of a command and do it; the exit code."""
    args = parser.parse_intermixed_args(words) if _flat(parser) else parser.parse_args(words)
    out = Output(
        sys.stdout,
        sys.stderr,
        form=getattr(args, "form", "human"),
        header=not getattr(args, "no_header", False),
        quiet=getattr(args, "quiet", False),
    )
    try:
        # Whatever a library prints is words, so it goes where words go, progress bars included.
        with contextlib.redirect_stdout(sys.stderr):
            code: int = args.run(args, out)
        out.flush()
        return code
    except KeyboardInterrupt:
        out.error("interrupted")
        return failures.INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:
        if getattr(args, "debug", False):
            import traceback

            traceback.print_exc()
        out.error(failures.explain(error))
        return failures.exit_code(error)


def _flat(parser: argparse.ArgumentParser) -> bool:
    # Options may stand between positionals ('xnat upload a --overwrite b P/...'); argparse can't do both at once.
    return not any(isinstance(action, argparse._SubParsersAction) for action in parser._actions)


def _reader_gone() -> int:
    """``xnat ls | head``: nobody reads on, and that is no error. Python would complain when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return failures.PIPE
