#!/usr/bin/env python
"""List the experiments of a project that fit, as CSV.

    list_and_filter.py https://xnat.example.com brainimages --label 'ANON*' --after 2003-01-01 --output found.csv

All values come in one request. Login: the netrc file, or the environment.
"""

import argparse
import csv
import sys
from contextlib import nullcontext

import xnat

COLUMNS = ["ID", "label", "subject_label", "xsiType", "date"]


def find(session, project, columns, filters, after=""):
    """The rows of the experiments that fit, as dicts."""
    for row in session.projects[project].experiments.tabulate(columns=columns, filter=filters):
        if len(row) < len(columns):
            raise SystemExit(f"The server doesn't know all of these columns: {', '.join(columns)}")
        found = dict(zip(columns, row, strict=True))
        # Dates are written year first, so their order is that of the text.
        if found["date"] >= after:
            yield found


def main():
    parser = argparse.ArgumentParser(description="List the experiments of a project that fit, as CSV.")
    parser.add_argument("server", help="address of the server, with https://")
    parser.add_argument("project", help="ID or name of the project")
    parser.add_argument("--label", help="pattern of the label, as 'ANON*'")
    parser.add_argument("--type", help="data type, as xnat:mrSessionData")
    parser.add_argument("--after", default="", metavar="DATE", help="only those of this day (2003-01-31) or later")
    parser.add_argument("--columns", nargs="+", default=[], help="further columns: shortcuts or paths")
    parser.add_argument("--output", help="file to write; by default what is found is printed")
    args = parser.parse_args()

    columns = list(dict.fromkeys(COLUMNS + args.columns))
    filters = {"label": args.label, "xsiType": args.type}
    filters = {column: pattern for column, pattern in filters.items() if pattern}
    with xnat.connect(args.server) as session:
        found = list(find(session, args.project, columns, filters, args.after))
    # Not earlier: what was in the file is lost then.
    with open(args.output, "w", encoding="utf-8") if args.output else nullcontext(sys.stdout) as output:
        writer = csv.DictWriter(output, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


if __name__ == "__main__":
    main()
