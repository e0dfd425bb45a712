"""``xnat set``, ``xnat share``, ``xnat delete``."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping
from typing import Any

import xnat.cli.paths as paths

from .changes import Change, carry_out, confirm
from .connect import open_session
from .failures import FAILED, UsageError
from .options import dry_run_option, pair, pairs, standard_options
from .output import Output

__all__ = ["add_delete", "add_set", "add_share"]


# -- set --------------------------------------------------------------------------------------------------------------


def add_set(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Set fields of objects: by their Python name (date, demographics.gender) or XNAT path, all fields of an object "
        "in one request. 'label' renames; custom variables go by --variable."
    )
    parser.add_argument("path", metavar="PATH", help="as PROJECT/SUBJECT; '*' and '?' stand for several")
    parser.add_argument("field", nargs="*", type=pair, metavar="FIELD=VALUE", help="as demographics.dob=1957-03-05")
    parser.add_argument("--variable", action="append", type=pair, metavar="NAME=VALUE", help="set a custom variable")
    parser.add_argument("--unset", action="append", metavar="FIELD", help="clear a field", default=[])
    parser.add_argument(
        "--unset-variable", action="append", metavar="NAME", help="remove a custom variable", default=[]
    )
    dry_run_option(parser)
    standard_options(parser)
    parser.set_defaults(run=run_set)


def run_set(args: argparse.Namespace, out: Output) -> int:
    """Write fields."""
    fields, variables = pairs(args.field), pairs(args.variable)
    if not (fields or variables or args.unset or args.unset_variable):
        raise UsageError("nothing to set: give FIELD=VALUE, --variable, --unset or --unset-variable")
    with open_session(args, out) as session:
        changes = []
        for place in paths.find(session, args.path):
            changes += _settings(place, fields, variables, args.unset, args.unset_variable)
        return carry_out(changes, args, out)


def _settings(
    place: paths.Place, fields: Mapping[str, str], variables: Mapping[str, str], unset: list[str], gone: list[str]
) -> list[Change]:
    from .fields import by_owner

    thing = place.object
    changes = []
    plain = {name: value for name, value in fields.items() if name != "label"}
    if plain:
        for owner, values, whole in by_owner(thing, plain):
            changes.append(Change("set", place.path, functools.partial(owner.mset, values), _words(whole)))
    if variables:
        changes.append(
            Change("set", place.path, functools.partial(thing.fields.update, variables), _words(variables, "variable "))
        )
    changes += [Change("unset", place.path, functools.partial(_unset, thing, name), name) for name in unset]
    changes += [
        Change("unset", place.path, functools.partial(thing.fields.__delitem__, name), f"variable {name}")
        for name in gone
    ]
    if "label" in fields:
        # Last: the path above is by the old name.
        changes.append(
            Change("rename", place.path, functools.partial(setattr, thing, "label", fields["label"]), fields["label"])
        )
    return changes


def _unset(thing: Any, name: str) -> None:
    from .fields import path_of

    owner, path = path_of(thing, name)
    owner.del_(path)


def _words(values: Mapping[str, str], before: str = "") -> str:
    return ", ".join(f"{before}{name}={value}" for name, value in values.items())


# -- share ------------------------------------------------------------------------------------------------------------


def add_share(parser: argparse.ArgumentParser) -> None:
    parser.description = "Share subjects or experiments into another project; they stay where they are."
    parser.add_argument("path", metavar="PATH", help="as PROJECT/SUBJECT; '*' and '?' stand for several")
    parser.add_argument("project", metavar="PROJECT", help="the other project")
    parser.add_argument("--label", help="the label there; by default the same")
    parser.add_argument("--remove", action="store_true", help="take it out of the other project")
    dry_run_option(parser)
    standard_options(parser)
    parser.set_defaults(run=run_share)


def run_share(args: argparse.Namespace, out: Output) -> int:
    """Share, or end it."""
    with open_session(args, out) as session:
        places = paths.find(session, args.path)
        if args.label and len(places) > 1:
            raise UsageError(f"{args.path} fits {len(places)} things, which can't all be called {args.label}")
        session.projects[args.project]  # so that an unknown one is told of with those that are close
        changes = []
        for place in places:
            thing = place.object
            if not hasattr(thing, "share"):
                raise UsageError(f"{place.path} is a {paths.kind_of(thing)}; subjects and experiments can be shared")
            if args.remove:
                changes.append(
                    Change("unshare", place.path, functools.partial(thing.unshare, args.project), args.project)
                )
            else:
                share = functools.partial(thing.share, args.project, args.label)
                as_ = f" as {args.label}" if args.label else ""
                changes.append(Change("share", place.path, share, f"into {args.project}{as_}"))
        return carry_out(changes, args, out)


# -- delete -----------------------------------------------------------------------------------------------------------


def add_delete(parser: argparse.ArgumentParser) -> None:
    parser.description = "Delete objects on the server, with all that lies below them. Asks first."
    parser.add_argument("path", nargs="+", metavar="PATH", help="as PROJECT/SUBJECT; '*' and '?' stand for several")
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")
    parser.add_argument("--keep-files", action="store_true", help="leave the files on the server's disk")
    dry_run_option(parser)
    standard_options(parser)
    parser.set_defaults(run=run_delete)


def run_delete(args: argparse.Namespace, out: Output) -> int:
    """Delete."""
    with open_session(args, out) as session:
        places = [place for path in args.path for place in paths.find(session, path)]
        if any(paths.kind_of(place.object) == "server" for place in places):
            raise UsageError("a path is needed, as PROJECT/SUBJECT; the server can't be deleted")
        if any(paths.kind_of(place.object) == "prearchive" for place in places):
            raise UsageError("what waits in the prearchive is deleted by 'xnat prearchive delete'")
        names = [f"{paths.kind_of(place.object)} {place.path}" for place in places]
        shown = names[0] if len(names) == 1 else f"these {len(names)}"
        if not confirm(f"Delete {shown} on {session.server}?", args, names, out):
            out.error("nothing was deleted")
            return FAILED
        changes = []
        for place, name in zip(places, names, strict=True):
            delete = functools.partial(place.object.delete, remove_files=not args.keep_files)
            changes.append(Change("delete", place.path, delete, name.partition(" ")[0]))
        return carry_out(changes, args, out)
