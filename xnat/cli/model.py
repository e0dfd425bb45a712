"""``xnat model``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .connect import open_session
from .failures import OK
from .options import standard_options
from .output import Output

if TYPE_CHECKING:
    from xnat.session import XNATSession

__all__ = ["add_model"]


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the server's data model as a .pyi file, with which editors complete its fields and mypy finds misspelt "
        "ones; or as the Python source of its classes."
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--source", action="store_true", help="the source of the classes, not stubs")
    form.add_argument("--list", action="store_true", help="list the data types and their classes")
    parser.add_argument(
        "-o", "--output", metavar="PLACE", help="a file, or a folder for xnat_classes.pyi in it (default: stdout)"
    )
    standard_options(parser)
    parser.set_defaults(run=run_model)


def run_model(args: argparse.Namespace, out: Output) -> int:
    """Write or list the data model."""
    with open_session(args, out) as session:
        if args.list:
            lookup = session.XNAT_CLASS_LOOKUP
            rows = [{"type": name, "class": lookup[name].__name__} for name in sorted(lookup)]
            out.table(("type", "class"), rows)
            return OK
        text = session.source_code if args.source else _stubs(session)
    if not args.output:
        out.raw(text)
        return OK
    place = _place(args.output, "xnat_classes.py" if args.source else "xnat_classes.pyi")
    beside = place.with_name(f".{place.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, place)
    out.say(f"wrote {place}")
    return OK


def _place(named: str, name: str) -> Path:
    """The file to write; what has no suffix is a folder, made if it is missing."""
    place = Path(named).expanduser()
    if place.is_dir() or named.endswith(os.sep) or not place.suffix:
        place.mkdir(parents=True, exist_ok=True)
        place /= name
    return place


def _stubs(session: XNATSession) -> str:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="xnat-") as folder:
        file = Path(folder) / "classes.pyi"
        session.write_stubs(file)
        return file.read_text(encoding="utf-8")
