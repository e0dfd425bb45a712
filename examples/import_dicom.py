#!/usr/bin/env python
"""Import DICOM data: zip and tar archives, and folders.

    import_dicom.py https://xnat.example.com brainimages scans/*.zip incoming/session7 --prearchive

Each archive or folder is one import. What fails is named at the end, and the exit status is 1 then.
"""

import argparse
import sys
from pathlib import Path

import xnat
from xnat.exceptions import XNATError


def import_one(session, path, **options):
    """What became of one archive or folder: a list of sessions."""
    services = session.services
    made = services.import_dir(path, **options) if path.is_dir() else services.import_(path, **options)
    return made if isinstance(made, list) else [made]


def main():
    parser = argparse.ArgumentParser(description="Import DICOM data: zip and tar archives, and folders.")
    parser.add_argument("server", help="address of the server, with https://")
    parser.add_argument("project", help="ID of the project")
    parser.add_argument("paths", nargs="+", type=Path, metavar="path", help="archive or folder")
    parser.add_argument("--subject", help="label of the subject; by default the headers tell")
    parser.add_argument("--session", help="label of the session; by default the headers tell")
    parser.add_argument("--prearchive", action="store_true", help="let it wait in the prearchive")
    parser.add_argument("--overwrite", choices=("append", "delete"), help="what to do with sessions that exist")
    args = parser.parse_args()

    options = {
        "project": args.project,
        "subject": args.subject,
        "experiment": args.session,
        "destination": "/prearchive" if args.prearchive else "/archive",
        "overwrite": args.overwrite,
    }
    failed = []
    with xnat.connect(args.server) as session:
        for path in args.paths:
            try:
                for made in import_one(session, path, **options):
                    print(f"{path}: {made}")
            except (XNATError, OSError) as error:
                failed.append(path)
                print(f"{path}: {error}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(args.paths)} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
