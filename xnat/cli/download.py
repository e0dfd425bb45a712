"""``xnat download`` and ``xnat sync``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xnat.cli.paths as paths
from xnat.exceptions import XNATDownloadError, XNATTransferError

from .connect import open_session
from .failures import OK, PARTIAL, TRANSFER, UsageError, explain
from .options import dry_run_option, standard_options
from .output import Output

__all__ = ["add_download", "add_sync"]

COLUMNS = ("state", "path", "size", "remark")


def add_download(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Download everything below objects: files, resources and assessors included. Files are checked, and appear "
        "complete or not at all; an interrupted download goes on when it is started again. --json and --csv tell of "
        "each file."
    )
    parser.add_argument("path", nargs="+", metavar="PATH", help="as PROJECT/SUBJECT; '*' and '?' stand for several")
    parser.add_argument("-o", "--output", metavar="DIR", default=".", help="where to (default: here)")
    parser.add_argument(
        "--existing", choices=("refresh", "skip", "overwrite", "error"), default="refresh",
        help="files that are here already: replace those that differ (the default), keep, replace, or refuse",
    )  # fmt: skip
    _transfer_options(parser)
    parser.set_defaults(run=run_download)


def add_sync(parser: argparse.ArgumentParser) -> None:
    parser.description = "Bring a local mirror of an object up to date: fetch what is new or differs."
    parser.add_argument("path", metavar="PATH", help="as PROJECT/SUBJECT/EXPERIMENT")
    parser.add_argument("output", metavar="DIR", help="the folder in which the mirror is")
    parser.add_argument(
        "--delete", action="store_true", help="also remove files that were fetched earlier and are gone on the server"
    )
    _transfer_options(parser)
    parser.set_defaults(run=run_sync)


def _transfer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=_workers, default=4, metavar="N", help="so many files at once (default: 4)")
    parser.add_argument("-v", "--verbose", action="store_true", help="name each file")
    dry_run_option(parser)
    standard_options(parser)


def _workers(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"a number from 1 to 64, not {text!r}")
    return int(text)


def run_download(args: argparse.Namespace, out: Output) -> int:
    """Download."""

    def transfer(thing: Any) -> Any:
        if paths.kind_of(thing) == "file":
            return _download_file(thing, args, out)
        return thing.download_dir(
            args.output, verbose=False, workers=args.workers, existing=args.existing,
            progress_callback=out.progress(), dry_run=args.dry_run,
        )  # fmt: skip

    return _run(args, out, args.path, transfer)


def run_sync(args: argparse.Namespace, out: Output) -> int:
    """Mirror."""

    def transfer(thing: Any) -> Any:
        if paths.kind_of(thing) == "file":
            raise UsageError("one file is no tree to mirror; use 'xnat download'")
        return thing.sync(
            args.output,
            delete=args.delete,
            workers=args.workers,
            progress_callback=out.progress(),
            dry_run=args.dry_run,
        )

    return _run(args, out, [args.path], transfer)


def _run(args: argparse.Namespace, out: Output, wanted: list[str], transfer: Callable[[Any], Any]) -> int:
    rows: list[dict[str, Any]] = []
    failed = done = 0
    try:
        with open_session(args, out) as session:
            for place in [place for path in wanted for place in paths.find(session, path)]:
                if paths.kind_of(place.object) == "server":
                    raise UsageError("a path is needed, as PROJECT/SUBJECT")
                if paths.kind_of(place.object) == "prearchive":
                    raise UsageError(
                        f"{place.path} waits in the prearchive; archive it first, by 'xnat prearchive archive', or get "
                        f"it as a zip file: 'xnat rest get {place.path} --format zip -o FILE'"
                    )
                found, error = _one(place, transfer, out)
                rows += found
                failed += error is not None
                done += error is None or any(row["state"] not in ("failed", "refuse") for row in found)
    finally:
        if out.form != "human" or args.verbose or args.dry_run:
            out.table(COLUMNS, rows)
    return OK if not failed else PARTIAL if done else TRANSFER


def _one(
    place: paths.Place, transfer: Callable[[Any], Any], out: Output
) -> tuple[list[dict[str, Any]], BaseException | None]:
    """(rows, error) of one object; other objects are still to be fetched when it fails."""
    try:
        report = transfer(place.object)
    except XNATTransferError as error:
        out.error(f"{place.path}: {explain(error)}")
        return _rows(error.report), error
    except XNATDownloadError as error:
        out.error(f"{place.path}: {explain(error)}")
        return [{"state": "failed", "path": place.path, "remark": str(error)}], error
    out.say(f"{place.path}: {_summary(report)}")
    return _rows(report), None


def _rows(report: Any) -> list[dict[str, Any]]:
    """The lines of a report, or of a plan."""
    if report is None:
        return []
    if hasattr(report, "items"):
        return [
            {"state": item.action, "path": str(report.target / item.path), "size": item.size, "remark": item.reason}
            for item in report.items
        ]
    return [
        {
            "state": result.state,
            "path": str(result.path),
            "size": result.size,
            "remark": str(result.error or result.note or ""),
        }
        for result in report
    ]


def _summary(report: Any) -> str:
    if hasattr(report, "items"):
        return str(report).splitlines()[0]
    return repr(report).strip("<>").removeprefix("TransferReport ")


def _download_file(file: Any, args: argparse.Namespace, out: Output) -> Any:
    from pathlib import PurePosixPath

    from xnat.transfer.names import safe_name
    from xnat.transfer.plan import RemoteFile, RemoteGroup
    from xnat.transfer.tree import download_tree

    # As a tree of one, so that existing files, dry runs and reports are the same for one file and for many.
    remote = RemoteFile(file.uri, PurePosixPath(safe_name(file.name)), file.size, file.digest)
    report: Any = download_tree(
        file.xnat_session.client,
        [RemoteGroup([remote])],
        Path(args.output).expanduser(),
        existing=args.existing,
        update_func=out.progress(),
        dry_run=args.dry_run,
    )
    if not args.dry_run:
        report.raise_for_failures()
    return report
