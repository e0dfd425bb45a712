"""``xnat dicom``."""

from __future__ import annotations

import argparse

import xnat.cli.paths as paths

from .connect import open_session
from .failures import OK, UsageError
from .options import standard_options
from .output import Output

__all__ = ["add_dicom"]

COLUMNS = ("path", "tag1", "tag2", "vr", "value", "desc")


def add_dicom(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show the DICOM header of the first file of scans, as the server reads it."
    parser.add_argument("path", nargs="+", metavar="PATH", help="as PROJECT/SUBJECT/SESSION/SCAN")
    parser.add_argument("--field", action="append", metavar="NAME", help="only this: PatientID or 00100020")
    standard_options(parser)
    parser.set_defaults(run=run_dicom)


def run_dicom(args: argparse.Namespace, out: Output) -> int:
    """Show headers."""
    rows = []
    with open_session(args, out) as session:
        for path in args.path:
            for place in paths.find(session, path):
                if not hasattr(place.object, "dicom_dump"):
                    raise UsageError(f"{path} is a {paths.kind_of(place.object)}; scans have DICOM headers")
                rows += [{**line, "path": place.path} for line in place.object.dicom_dump(args.field)]
    several = len({row["path"] for row in rows}) > 1 or any(map(paths.is_pattern, args.path))
    out.table(COLUMNS if several or out.form != "human" else COLUMNS[1:], rows)
    return OK
