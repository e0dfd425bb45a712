"""``xnat import``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import xnat.cli.paths as paths

from .changes import Change, carry_out
from .connect import open_session
from .failures import UsageError
from .options import dry_run_option, pair, pairs, standard_options
from .output import Output

__all__ = ["add_import"]


def add_import(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Import DICOM: zip and tar files, single files, or folders, which are packed first. Where the headers don't "
        "say where the data belongs, --project, --subject and --experiment do."
    )
    parser.add_argument("file", nargs="+", metavar="FILE", help="a zip, tar or DICOM file, or a folder")
    parser.add_argument("--project", help="ID of the project")
    parser.add_argument("--subject", help="label of the subject")
    parser.add_argument("--experiment", help="label of the new experiment")
    parser.add_argument(
        "--destination", metavar="WHERE", help="/archive (the default), /prearchive, or a path below one of them"
    )
    parser.add_argument("--overwrite", choices=("none", "append", "delete"), help="what to do with data that is there")
    parser.add_argument("--handler", metavar="NAME", help="the server's importer, as DICOM-zip, SI or gradual-DICOM")
    parser.add_argument("--quarantine", action="store_true", help="quarantine what is imported")
    parser.add_argument(
        "--trigger-pipelines", action=argparse.BooleanOptionalAction, default=None, help="run the server's pipelines"
    )
    parser.add_argument(
        "--option", action="append", type=pair, metavar="NAME=VALUE", help="others of the import service"
    )
    dry_run_option(parser)
    standard_options(parser)
    parser.set_defaults(run=run_import)


def run_import(args: argparse.Namespace, out: Output) -> int:
    """Import, one file or folder after the other."""
    for name in args.file:
        if not Path(name).expanduser().exists():
            raise UsageError(f"there is no file or folder {name}")
    if args.experiment and len(args.file) > 1 and args.overwrite is None:
        raise UsageError("several files for one --experiment need --overwrite append, or import a folder with them")
    options = {
        "project": args.project,
        "subject": args.subject,
        "experiment": args.experiment,
        "destination": args.destination,
        "overwrite": args.overwrite,
        "quarantine": args.quarantine,
        "trigger_pipelines": args.trigger_pipelines,
        "import_handler": args.handler,
        **pairs(args.option),
    }
    where = "/".join(name for name in (args.project, args.subject, args.experiment) if name) or "as its headers say"
    with open_session(args, out) as session:

        def change(name: str) -> Change:
            place = Path(name).expanduser()
            send = session.services.import_dir if place.is_dir() else session.services.import_

            def do() -> str:
                return _told(send(place, update_func=out.progress(), **options))

            return Change("import", name, do, f"to {args.destination or '/archive'}, {where}")

        return carry_out([change(name) for name in args.file], args, out)


def _told(found: Any) -> str:
    """What came of an import: paths that other commands take."""
    return ", ".join(map(_path, found if isinstance(found, list) else [found]))


def _path(thing: Any) -> str:
    if isinstance(thing, str):
        return thing
    if getattr(thing, "KIND", "") == "prearchive":
        return f"prearchive {thing.id}"
    project, subject = thing.project, getattr(thing, "subject", None)
    parts = [project, subject.label if subject is not None else None, thing.label]
    return "/".join(paths.escaped(str(part), None) for part in parts if part)
