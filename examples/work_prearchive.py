#!/usr/bin/env python
"""Work through the prearchive: list what waits, archive it, move it or delete it.

work_prearchive.py https://xnat.example.com list
work_prearchive.py https://xnat.example.com archive --project brainimages --status READY
work_prearchive.py https://xnat.example.com move --session 'test*' --to sandbox
"""

import argparse
import sys

import xnat
from xnat.exceptions import XNATError


def describe(waiting):
    """One line about a session."""
    scans = ", ".join(f"{scan.id} {scan.series_description}" for scan in waiting.scans)
    return f"{waiting.id}  {waiting.status}  subject {waiting.subject}  {waiting.scan_date}  [{scans}]"


def archive(waiting, args):
    return f"archived as {waiting.archive(overwrite=args.overwrite)}"


def move(waiting, args):
    waiting.move(args.to)
    return f"moved to {waiting.wait().id}"


def delete(waiting, args):
    waiting.delete()
    return "deleted"


def main():
    parser = argparse.ArgumentParser(description="List, archive, move or delete what waits in the prearchive.")
    parser.add_argument("server", help="address of the server, with https://")
    parser.add_argument("action", choices=("list", "archive", "move", "delete"))
    parser.add_argument("--project", help="only of this project")
    parser.add_argument("--subject", help="only of this subject; '*' and '?' stand for anything")
    parser.add_argument("--session", help="only sessions of this name; '*' and '?' stand for anything")
    parser.add_argument("--status", help="only of this status, as READY or CONFLICT")
    parser.add_argument("--overwrite", choices=("append", "delete"), help="archive: if the session exists")
    parser.add_argument("--to", metavar="PROJECT", help="move: to this project")
    args = parser.parse_args()
    if args.action == "move" and not args.to:
        parser.error("move needs --to PROJECT")

    failures = 0
    with xnat.connect(args.server) as session:
        for waiting in session.prearchive.find(args.project, args.subject, args.session, args.status):
            name = waiting.id
            if args.action == "list":
                print(describe(waiting))
                continue
            try:
                done = {"archive": archive, "move": move, "delete": delete}[args.action](waiting, args)
                print(f"{name}: {done}")
            except XNATError as error:
                failures += 1
                print(f"{name}: {error}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
