#!/usr/bin/env python
"""Set custom variables of experiments (or subjects) from a spreadsheet, saved as CSV.

    set_variables.py https://xnat.example.com brainimages variables.csv

The first column holds labels and is called ``experiment`` or ``subject``; every other column is a variable. Empty cells
are passed over. The table is checked, and all labels are looked up, before anything is written.
"""

import argparse
import csv
import sys
from itertools import zip_longest

import xnat


def read_table(path):
    """(what the rows are about, label → variables) of a CSV file."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    except UnicodeDecodeError:
        raise SystemExit(f"{path}: save it as UTF-8, please") from None
    except OSError as error:
        raise SystemExit(str(error)) from None
    kind, *names = rows[0] if rows else [""]
    if kind not in ("experiment", "subject"):
        raise SystemExit(f"{path}: the first column has to be 'experiment' or 'subject', not {kind!r}")
    table = {}
    for number, (label, *cells) in enumerate(filter(any, rows[1:]), start=1):
        values = {name: cell for name, cell in zip_longest(names, cells) if cell}
        if not label or label in table:
            raise SystemExit(f"{path}: entry {number} has {'a label that was there before' if label else 'no label'}")
        bad = [name for name in values if not name or set(name) & set("[]/@='\"<>")]
        if bad:
            raise SystemExit(f"{path}: a column called {bad[0] or ''!r} can't be a variable")
        table[label] = values
    return kind, table


def main():
    parser = argparse.ArgumentParser(description="Set custom variables from a CSV file.")
    parser.add_argument("server", help="address of the server, with https://")
    parser.add_argument("project", help="ID or name of the project")
    parser.add_argument("table", help="the CSV file")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be changed")
    args = parser.parse_args()

    kind, table = read_table(args.table)
    with xnat.connect(args.server) as session:
        project = session.projects[args.project]
        listing = project.experiments if kind == "experiment" else project.subjects
        missing = [label for label in table if label not in listing]
        if missing:
            raise SystemExit(f"No such {kind} in {project.id}: {', '.join(missing)}; nothing was changed")
        for label, values in table.items():
            variables = listing[label].fields
            changed = {name: value for name, value in values.items() if variables.get(name) != value}
            for name, value in changed.items():
                print(f"{label}: {name} = {value} (was {variables.get(name, 'not set')})")
            if changed and not args.dry_run:
                variables.update(changed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
