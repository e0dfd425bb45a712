"""``xnat prearchive list|archive|move|rebuild|delete``."""

from __future__ import annotations

import argparse
import fnmatch
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .changes import Change, carry_out, confirm
from .connect import open_session
from .failures import FAILED, OK, NotFoundError, UsageError
from .options import actions, dry_run_option, standard_options
from .output import Output

if TYPE_CHECKING:
    from xnat.session import XNATSession

__all__ = ["add_prearchive"]

COLUMNS = ("id", "project", "subject", "name", "status", "scan_date", "uploaded")


def add_prearchive(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Work with the prearchive: what was received but isn't archived yet. Its sessions are named by ID, "
        "PROJECT/TIMESTAMP/NAME, as 'xnat prearchive list' shows it, or by NAME alone; '*' and '?' stand for several."
    )
    actions(
        parser,
        [
            ("list", "list what waits", _add_list),
            ("archive", "move sessions into the archive", _add_archive),
            ("move", "move sessions to another project's prearchive", _add_move),
            ("rebuild", "let the server look at the files anew", _add_rebuild),
            ("delete", "delete sessions; asks first", _add_delete),
        ],
    )


def _selection(parser: argparse.ArgumentParser, nargs: str) -> None:
    parser.add_argument("id", nargs=nargs, metavar="ID", help="PROJECT/TIMESTAMP/NAME or NAME; '*' and '?' for several")
    parser.add_argument("--project", help="only of this project")
    parser.add_argument("--subject", help="only of this subject")
    parser.add_argument("--status", help="only those that are READY, CONFLICT, ERROR, ...")


def _add_list(parser: argparse.ArgumentParser) -> None:
    _selection(parser, "*")
    standard_options(parser)
    parser.set_defaults(run=run_list)


def run_list(args: argparse.Namespace, out: Output) -> int:
    """List."""
    with open_session(args, out) as session:
        rows = [
            {column: getattr(found, column) for column in COLUMNS}
            for found in _sessions(session, args)
            if not args.id or any(_fits(found, pattern) for pattern in args.id)
        ]
    out.table(COLUMNS, rows)
    if not rows:
        out.say("nothing waits in the prearchive")
    return OK


def _sessions(session: XNATSession, args: argparse.Namespace) -> list[Any]:
    return session.prearchive.find(args.project, subject=args.subject, status=args.status)


def _fits(found: Any, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in (found.id, found.name, found.folder_name))


def _chosen(session: XNATSession, args: argparse.Namespace) -> list[Any]:
    """The sessions that are named; each name has to fit something."""
    known, chosen = _sessions(session, args), {}
    for pattern in args.id:
        fitting = [found for found in known if _fits(found, pattern)]
        if not fitting:
            there = ", ".join(found.id for found in known[:5]) or "nothing"
            raise NotFoundError(f"no prearchive session fits {pattern!r}; there is {there}")
        if len(fitting) > 1 and not any(character in pattern for character in "*?["):
            raise UsageError(f"{pattern} is the name of several: {', '.join(found.id for found in fitting)}")
        chosen.update({found.id: found for found in fitting})
    return list(chosen.values())


def _add_archive(parser: argparse.ArgumentParser) -> None:
    _selection(parser, "+")
    parser.add_argument("--to-project", metavar="PROJECT", help="archive into this project")
    parser.add_argument("--to-subject", metavar="SUBJECT", help="as this subject")
    parser.add_argument("--experiment", metavar="LABEL", help="under this label")
    parser.add_argument("--overwrite", choices=("none", "append", "delete"), help="what to do with data that is there")
    parser.add_argument("--quarantine", action="store_true", default=None, help="quarantine what is archived")
    parser.add_argument(
        "--trigger-pipelines", action=argparse.BooleanOptionalAction, default=None, help="run the server's pipelines"
    )
    _changing(parser, run_archive)


def run_archive(args: argparse.Namespace, out: Output) -> int:
    """Archive."""
    from .import_ import _told

    with open_session(args, out) as session:
        chosen = _chosen(session, args)
        if args.experiment and len(chosen) > 1:
            raise UsageError(f"{len(chosen)} sessions can't all become {args.experiment}")

        def change(found: Any) -> Change:
            def do() -> str:
                return _told(
                    found.archive(
                        overwrite=args.overwrite, quarantine=args.quarantine, trigger_pipelines=args.trigger_pipelines,
                        project=args.to_project, subject=args.to_subject, experiment=args.experiment,
                    )
                )  # fmt: skip

            to = (args.to_project or found.project, args.to_subject or found.subject, args.experiment or found.name)
            return Change("archive", found.id, do, "to " + "/".join(str(part) for part in to if part))

        return carry_out([change(found) for found in chosen], args, out)


def _add_move(parser: argparse.ArgumentParser) -> None:
    _selection(parser, "+")
    parser.add_argument("--to-project", metavar="PROJECT", required=True, help="the project they go to")
    _changing(parser, run_move, waits=True)


def run_move(args: argparse.Namespace, out: Output) -> int:
    """Move."""
    return _each(args, out, "move", f"to {args.to_project}", lambda found: found.move(args.to_project))


def _add_rebuild(parser: argparse.ArgumentParser) -> None:
    _selection(parser, "+")
    _changing(parser, run_rebuild, waits=True)


def run_rebuild(args: argparse.Namespace, out: Output) -> int:
    """Rebuild."""
    return _each(args, out, "rebuild", "", lambda found: found.rebuild())


def _add_delete(parser: argparse.ArgumentParser) -> None:
    _selection(parser, "+")
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")
    _changing(parser, run_delete)


def run_delete(args: argparse.Namespace, out: Output) -> int:
    """Delete."""
    with open_session(args, out) as session:
        chosen = _chosen(session, args)
        names = [found.cli_str for found in chosen]
        shown = names[0] if len(names) == 1 else f"these {len(names)} sessions"
        if not confirm(f"Delete {shown} from the prearchive of {session.server}?", args, names, out):
            out.error("nothing was deleted")
            return FAILED
        changes = [Change("delete", found.id, functools.partial(found.delete)) for found in chosen]
        return carry_out(changes, args, out)


def _changing(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace, Output], int], *, waits: bool = False
) -> None:
    if waits:
        parser.add_argument("--wait", action="store_true", help="until the server is done with it")
    dry_run_option(parser)
    standard_options(parser)
    parser.set_defaults(run=run)


def _each(args: argparse.Namespace, out: Output, action: str, detail: str, do: Callable[[Any], Any]) -> int:
    def one(found: Any) -> str:
        do(found)
        return f"{found.id} {found.wait(('READY', 'ERROR', 'CONFLICT')).status}" if args.wait else detail

    with open_session(args, out) as session:
        changes = [Change(action, found.id, functools.partial(one, found), detail) for found in _chosen(session, args)]
        return carry_out(changes, args, out)
