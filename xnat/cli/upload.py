"""``xnat upload``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xnat.cli.paths as paths
from xnat.exceptions import XNATTransferError

from .connect import open_session
from .create import creation
from .download import COLUMNS
from .failures import OK, USAGE, NotFoundError, UsageError, exit_code, explain
from .options import dry_run_option, standard_options
from .output import Output

if TYPE_CHECKING:
    from xnat.session import XNATSession

__all__ = ["add_upload"]


def add_upload(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Upload files, and folders with all below them, to a resource, which is made if it is missing. What the server "
        "has already isn't sent again; afterwards its list of files is compared with what was sent."
    )
    parser.add_argument("file", nargs="+", metavar="FILE", help="a file, or a folder: what is in it goes up")
    parser.add_argument(
        "path", metavar="PATH", help="the resource, as PROJECT/resources/LABEL; or a folder in it: .../LABEL/files/SUB"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there with other content")
    parser.add_argument("--extract", action="store_true", help="let the server unpack a zip or tar file")
    parser.add_argument("--format", metavar="TEXT", help="the format to note for the files, as NIFTI")
    parser.add_argument("--content", metavar="TEXT", help="the content to note for the files")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="so many files at once (default: 4)")
    parser.add_argument("-v", "--verbose", action="store_true", help="name each file")
    dry_run_option(parser)
    standard_options(parser)
    parser.set_defaults(run=run_upload)


def run_upload(args: argparse.Namespace, out: Output) -> int:
    """Upload."""
    with open_session(args, out) as session:
        resource, made, folder = _resource(session, args, out)
        files = list(_local(args.file, folder))
        if args.dry_run:
            out.table(COLUMNS, _plan(resource, files, args))
            return OK
        if resource is None:
            resource = made()
        return _send(resource, files, args, out)


def _resource(session: XNATSession, args: argparse.Namespace, out: Output) -> tuple[Any, Any, str]:
    """(the resource or None, what makes it, the folder in it)."""
    place, _, folder = args.path.partition("/files/")
    place = place.removesuffix("/files")
    try:
        found = paths.find_one(session, place).object
    except NotFoundError:
        fields = {"format": args.format} if args.format else {}
        change = creation(session, place, None, fields)
        if not change.detail.startswith("xnat:resourceCatalog"):
            raise UsageError(f"{place} isn't a resource; name one, as {place}/resources/LABEL") from None
        out.say(f"there is no resource {place} yet" + (", it would be made" if args.dry_run else ", making it"))

        def make() -> Any:
            change.do()
            return paths.find_one(session, place).object

        return None, make, folder
    if paths.kind_of(found) != "resource":
        raise UsageError(f"{place} is a {paths.kind_of(found)}; files go into a resource, as {place}/resources/LABEL")
    return found, None, folder


def _local(names: list[str], folder: str) -> Iterator[tuple[Path, str]]:
    """(local file, path in the resource) of all that is named."""
    before = f"{folder.strip('/')}/" if folder.strip("/") else ""
    seen: dict[str, Path] = {}
    for name in names:
        place = Path(name).expanduser()
        if place.is_dir():
            found = [(file, file.relative_to(place).as_posix()) for file in sorted(place.rglob("*")) if file.is_file()]
            if not found:
                raise UsageError(f"the folder {place} holds no files")
        elif place.is_file():
            found = [(place, place.name)]
        else:
            raise UsageError(f"there is no file or folder {place}")
        for file, remote in found:
            if remote in seen:
                raise UsageError(f"{seen[remote]} and {file} would both become {before}{remote}")
            seen[remote] = file
            yield file, before + remote


def _plan(resource: Any, files: list[tuple[Path, str]], args: argparse.Namespace) -> list[dict[str, Any]]:
    """What would be done with each file."""
    from xnat.transfer.manifest import md5_of

    there = {file.path: file for file in resource.files.values()} if resource is not None else {}
    rows = []
    for local, remote in files:
        size, known = local.stat().st_size, there.get(remote)
        same = known is not None and known.size == size and known.digest in (None, md5_of(local))
        state = "upload" if known is None else "skip" if same else "overwrite" if args.overwrite else "refuse"
        remark = {"skip": "there already", "refuse": "differs; --overwrite replaces it"}.get(state, f"from {local}")
        rows.append({"state": state, "path": remote, "size": size, "remark": remark})
    return rows


def _send(resource: Any, files: list[tuple[Path, str]], args: argparse.Namespace, out: Output) -> int:
    query = {name: getattr(args, name) for name in ("format", "content") if getattr(args, name)}
    if args.extract:
        for local, remote in files:
            resource.upload(
                local, remote, overwrite=args.overwrite, extract=True, update_func=out.progress(),
                file_format=args.format, file_content=args.content,
            )  # fmt: skip
        rows = [{"state": "unpacked", "path": remote, "size": local.stat().st_size} for local, remote in files]
        return _tell(rows, args, out)
    try:
        report = resource.upload_dir(
            files, overwrite=args.overwrite, workers=args.workers, update_func=out.progress(), query=query
        )
    except XNATTransferError as error:
        rows = _rows(error.report) if error.report is not None else []
        out.error(explain(error))
        _tell(rows, args, out)
        return exit_code(error) or USAGE
    out.say(repr(report).strip("<>").removeprefix("TransferReport "))
    return _tell(_rows(report), args, out)


def _rows(report: Any) -> list[dict[str, Any]]:
    return [
        {
            "state": result.state,
            "path": result.path.as_posix(),
            "size": result.size,
            "remark": str(result.error or result.note or ""),
        }
        for result in report
    ]


def _tell(rows: list[dict[str, Any]], args: argparse.Namespace, out: Output) -> int:
    if out.form != "human" or args.verbose:
        out.table(COLUMNS, rows)
    return OK
