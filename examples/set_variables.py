#!/usr/bin/env python
"""Set custom variables of experiments (or subjects) from a spreadsheet, saved as CSV.

    set_variables.py https://xnat.example.com brainimages variables.csv

The first column holds labels and is called ``experiment`` or ``subject``; every other column is a variable. Empty cells
are passed over. All labels are looked up before anything is written.
"""

import argparse
import csv
import sys

import xnat


def read_table(path):
    """(what the rows are about, label → variables) of a CSV file."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        kind = (reader.fieldnames or [""])[0]
        if kind not in ("experiment", "subject"):
            raise SystemExit(f"{path}: the first column has to be 'experiment' or 'subject', not {kind!r}")
        table = {row.pop(kind): {name: value for name, value in row.items() if value} for row in reader}
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
