"""What a command changes, one after the other: planned, done, or failed with a reason."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import xnat.cli.failures as failures
from xnat.exceptions import XNATError

from .output import Output, is_terminal

__all__ = ["Change", "carry_out", "confirm"]

COLUMNS = ("state", "action", "path", "detail")


@dataclass(frozen=True)
class Change:
    """One thing to do.

    :ivar action: a verb
    :ivar path: what it is done to
    :ivar do: does it; text it gives is the detail of the result
    :ivar detail: what will be done, in words
    """

    action: str
    path: str
    do: Callable[[], Any]
    detail: str = ""


def carry_out(changes: Sequence[Change], args: argparse.Namespace, out: Output) -> int:
    """Do all changes and print what came of each; with --dry-run only print them. The exit code.

    One that fails doesn't keep the others from being done.
    """
    rows: list[dict[str, str]] = []
    failed: list[BaseException] = []
    try:
        for change in changes:
            rows.append({"state": "planned", "action": change.action, "path": change.path, "detail": change.detail})
            if args.dry_run:
                continue
            try:
                told = change.do()
            except (XNATError, OSError) as error:
                failed.append(error)
                rows[-1].update(state="failed", detail=str(error))
                out.error(f"{change.action} {change.path}: {failures.explain(error)}")
            except BaseException as error:
                # Interrupted, or something unforeseen: nobody knows how far it came.
                rows[-1].update(state="failed", detail=str(error) or type(error).__name__)
                raise
            else:
                rows[-1].update(state="done", detail=told if isinstance(told, str) else change.detail)
    finally:
        out.table(COLUMNS, rows)
    if not failed:
        return failures.OK
    return failures.PARTIAL if len(failed) < len(changes) else failures.exit_code(failed[0])


def confirm(question: str, args: argparse.Namespace, what: Sequence[str], out: Output) -> bool:
    """Ask before something is lost; ``--yes`` and ``--dry-run`` answer beforehand.

    :raises UsageError: nobody is there to answer
    """
    import sys

    if args.yes or args.dry_run:
        return True
    if not is_terminal(sys.stdin):
        raise failures.UsageError(f"{question} Nobody is there to answer: give --yes, or look with --dry-run")
    for line in what[:20]:
        out.error(f"  {line}")
    if len(what) > 20:
        out.error(f"  … and {len(what) - 20} more")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
