"""``xnat ls``."""

from __future__ import annotations

import argparse
import csv
import fnmatch
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

import xnat.cli.paths as paths

from .connect import open_session
from .failures import OK
from .options import pair, pairs, standard_options
from .output import Output

__all__ = ["add_ls"]

#: What is listed of each kind of thing, unless --columns says otherwise.
COLUMNS: dict[str, tuple[str, ...]] = {
    "projects": ("ID", "name", "description"),
    "subjects": ("ID", "label", "project"),
    "experiments": ("ID", "label", "xsiType", "date", "project"),
    "scans": ("ID", "type", "series_description", "quality", "xsiType"),
    "assessors": ("ID", "label", "xsiType", "date"),
    "reconstructions": ("ID", "type", "xsiType"),
    "resources": ("xnat_abstractresource_id", "label", "format", "content", "file_count", "file_size"),
    "files": ("Size", "digest", "collection"),
}
_NUMBERS = frozenset({"Size", "file_count", "file_size"})
_IDS = {"resources": "xnat_abstractresource_id"}


def add_ls(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List what lies at a path: without one the projects, below a project its subjects, then experiments, scans, "
        "resources, files. Other collections go by their word: P/experiments, P/resources, P/S/E/assessors."
    )
    parser.add_argument("path", nargs="*", metavar="PATH", help="as PROJECT/SUBJECT; '*' and '?' stand for several")
    parser.add_argument(
        "--columns", action="append", metavar="A,B", help="these columns; also fields by their full XNAT path"
    )
    parser.add_argument(
        "--filter",
        action="append",
        type=pair,
        metavar="COLUMN=PATTERN",
        help="only rows that fit, several: all of them",
    )
    standard_options(parser)
    parser.set_defaults(run=run_ls)


def run_ls(args: argparse.Namespace, out: Output) -> int:
    """List."""
    asked = [name.strip() for group in args.columns or [] for name in group.split(",") if name.strip()]
    filters = pairs(args.filter)
    columns: dict[str, None] = dict.fromkeys(asked or ["path"])
    rows: list[dict[str, Any]] = []
    with open_session(args, out) as session:
        for path in args.path or [""]:
            for place, word, pattern in paths.listed(session, path):
                if not asked:
                    columns.update(dict.fromkeys(COLUMNS[word]))
                rows += _rows(place, word, pattern, asked or list(COLUMNS[word]), filters)
    out.table(list(columns), rows)
    if not rows:
        out.say("nothing there" if not filters else "nothing fits the filters")
    return OK


def _rows(
    place: paths.Place, word: str, pattern: str, columns: list[str], filters: Mapping[str, str]
) -> list[dict[str, Any]]:
    listing = getattr(place.object, word)
    if word == "files":
        return _files(place, listing, pattern, filters)
    id_, key = _IDS.get(word, "ID"), listing.secondary_lookup_field
    named = [name for name in (id_, key) if name and name not in columns]
    text = listing.tabulate_csv([name for name in columns if name != "path"] + named, filters or None)
    found = list(csv.DictReader(io.StringIO(text)))
    times = Counter(row.get(key or "") for row in found)
    prefix, rows = paths.prefix_of(place, word), []
    for row in found:
        label = row.get(key or "")
        if not paths.fits(word, pattern, row.get(id_) or "", label):
            continue
        by_id = word in ("projects", "scans", "reconstructions") or not label or times[label] > 1
        name = paths.escaped((row[id_] if by_id else label) or "", word)
        rows.append({**{column: _value(column, cell) for column, cell in row.items()}, "path": prefix + name})
    return rows


def _files(place: paths.Place, listing: Any, pattern: str, filters: Mapping[str, str]) -> list[dict[str, Any]]:
    prefix, rows = paths.prefix_of(place, "files"), []
    for file in listing.values():
        row = {**file.data, "path": prefix + file.path}
        fits = all(fnmatch.fnmatchcase(str(row.get(column, "")), wanted) for column, wanted in filters.items())
        if fits and paths.fits("files", pattern, file.path, file.name):
            rows.append({column: _value(column, cell) for column, cell in row.items()})
    return rows


def _value(column: str, cell: Any) -> Any:
    return int(cell) if column in _NUMBERS and str(cell).isdigit() else cell
