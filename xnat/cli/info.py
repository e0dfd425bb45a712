"""``xnat info``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import xnat.cli.paths as paths
from xnat.exceptions import XNATError

from .connect import open_session
from .failures import OK
from .options import standard_options
from .output import Output

__all__ = ["add_info"]


def add_info(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show all that the server knows of objects: their fields and custom variables, what lies below."
    )
    parser.add_argument("path", nargs="+", metavar="PATH", help="as PROJECT/SUBJECT/EXPERIMENT")
    standard_options(parser)
    parser.set_defaults(run=run_info)


def run_info(args: argparse.Namespace, out: Output) -> int:
    """Show objects: one as a record, several as a table with a column for each name."""
    with open_session(args, out) as session:
        places = [place for path in args.path for place in paths.find(session, path)]
        records = [describe(place) for place in places]
    if len(records) == 1 and not any(map(paths.is_pattern, args.path)):
        out.record(records[0])
    elif out.form == "human":
        for number, record in enumerate(records):
            if number:
                out.line("")
            out.record(record)
    else:
        out.table(list(dict.fromkeys(name for record in records for name in record)), records)
    return OK


def describe(place: paths.Place) -> dict[str, Any]:
    """What is known of an object, flat: name → value."""
    from .fields import nested

    thing = place.object
    record: dict[str, Any] = {
        "path": place.path,
        "kind": paths.kind_of(thing),
        "type": thing.XSI_TYPE,
        "uri": thing.uri,
    }
    record["ID"] = thing.id
    record.update(thing.data)
    for name, part in nested(thing):
        record.update({f"{name}.{field}": value for field, value in part.data.items()})
    record.update(_variables(thing))
    for word in paths.BELOW.get(paths.kind_of(thing), ()):
        record[f"number of {word}"] = len(getattr(thing, word))
    return record


def _variables(thing: Any) -> dict[str, Any]:
    try:
        variables = thing.fields
    except (AttributeError, XNATError):
        return {}
    return {f"variable {name}": value for name, value in variables.items()} if isinstance(variables, Mapping) else {}
