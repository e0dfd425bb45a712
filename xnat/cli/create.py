"""``xnat create``."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import xnat.cli.paths as paths
from xnat.exceptions import XNATAttributeError, XNATKeyError

from .changes import Change, carry_out
from .connect import open_session
from .failures import NotFoundError, UsageError
from .options import dry_run_option, pair, pairs, standard_options
from .output import Output

if TYPE_CHECKING:
    from xnat.session import XNATSession

__all__ = ["add_create", "creation"]

#: By collection: the type made without --type, and the keyword that names the new thing. Experiments, scans and the
#: like have no usual type: which one it is decides what can be stored of it.
_MADE: dict[str, tuple[str | None, str]] = {
    "projects": ("xnat:projectData", "id_"),
    "subjects": ("xnat:subjectData", "label"),
    "experiments": (None, "label"),
    "assessors": (None, "label"),
    "scans": (None, "id"),
    "reconstructions": ("xnat:reconstructedImageData", "id"),
    "resources": ("xnat:resourceCatalog", "label"),
}


def add_create(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Create something: PROJECT, PROJECT/SUBJECT, PROJECT/SUBJECT/EXPERIMENT, .../SCAN, .../resources/LABEL or "
        ".../assessors/LABEL. What it lies in has to exist."
    )
    parser.add_argument("path", metavar="PATH", help="where it will be; its last part is the new name")
    parser.add_argument("field", nargs="*", type=pair, metavar="FIELD=VALUE", help="as demographics.gender=female")
    parser.add_argument(
        "-t", "--type", metavar="TYPE", help="xsi type or class, as xnat:mrSessionData or MrSessionData"
    )
    dry_run_option(parser)
    standard_options(parser)
    parser.set_defaults(run=run_create)


def run_create(args: argparse.Namespace, out: Output) -> int:
    """Create."""
    with open_session(args, out) as session:
        change = creation(session, args.path, args.type, pairs(args.field))
        return carry_out([change], args, out)


def creation(session: XNATSession, path: str, type_: str | None, fields: dict[str, str]) -> Change:
    """What makes the thing at a path.

    :raises UsageError: nothing can be made there, or its type isn't clear
    :raises NotFoundError: what it would lie in isn't there
    """
    above, name, word = paths.split_last(path)
    parent = paths.find_one(session, above).object if above else session
    word, listing = paths.collection(parent, word)
    if word not in _MADE:
        raise UsageError(f"{word} can't be created; 'xnat upload' makes files")
    if name in listing:
        raise UsageError(f"{path} is there already; 'xnat set' changes it")
    usual, keyword = _MADE[word]
    chosen = type_ or usual
    if chosen is None:
        raise UsageError(f"give the --type, as --type {_example(session, word)}; 'xnat model --list' lists all types")
    cls = class_named(session, chosen)
    make: Callable[[], Any] = functools.partial(_made, cls, {keyword: name, **fields}, parent)
    detail = ", ".join([cls.XSI_TYPE, *(f"{field}={value}" for field, value in fields.items())])
    return Change("create", path, make, detail)


def _made(cls: Any, fields: dict[str, Any], parent: Any) -> str:
    from .fields import by_owner

    inner = {name: value for name, value in fields.items() if "." in name}
    made = cls(parent=parent, **{name: value for name, value in fields.items() if name not in inner})
    for owner, values, _ in by_owner(made, inner):
        owner.mset(values)
    return f"{cls.XSI_TYPE} {made.id}"


def class_named(session: XNATSession, name: str) -> Any:
    """The class of an xsi type, or of its own name.

    :raises NotFoundError: there is none; it names those that are close
    """
    lookup = session.XNAT_CLASS_LOOKUP
    try:
        return lookup[name] if ":" in name else getattr(session.classes, name)
    except (XNATKeyError, XNATAttributeError) as error:
        raise NotFoundError(f"{session.server} has no data type {name!r}; 'xnat model --list' lists them") from error


def _example(session: XNATSession, word: str) -> str:
    known = session.XNAT_CLASS_LOOKUP
    likely = {"experiments": "xnat:mrSessionData", "scans": "xnat:mrScanData", "assessors": "xnat:qcManualAssessorData"}
    return likely[word] if likely.get(word) in known else next(iter(known))
