#!/usr/bin/env python
"""Download a project, or bring an earlier download of it up to date.

    download_project.py https://xnat.example.com brainimages ./data --report report.json

Run it again after any interruption: what is complete is not fetched again. It ends with 1 if files are missing.
"""

import argparse
import sys
from pathlib import Path

import xnat
from xnat.exceptions import XNATTransferError


def download(project, target, delete=False, workers=4):
    """The report of the download, whether or not some files failed."""
    try:
        return project.sync(target, verbose=True, delete=delete, workers=workers)
    except XNATTransferError as error:
        return error.report


def main():
    parser = argparse.ArgumentParser(description="Download a project, or bring a download of it up to date.")
    parser.add_argument("server", help="address of the server, with https://")
    parser.add_argument("project", help="ID or name of the project")
    parser.add_argument("target", type=Path, help="folder in which the project's folder is made")
    parser.add_argument("--delete", action="store_true", help="remove files that vanished on the server")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--workers", type=int, default=4, help="so many transfers at once")
    parser.add_argument("--report", type=Path, help="write what happened to each file here, as JSON")
    args = parser.parse_args()

    if args.report:
        # Now, and not after hours of downloading, is the time to find out that it can't be written.
        args.report.parent.mkdir(parents=True, exist_ok=True)
    with xnat.connect(args.server) as session:
        project = session.projects[args.project]
        if args.dry_run:
            print(project.sync(args.target, delete=args.delete, dry_run=True))
            return 0
        report = download(project, args.target, args.delete, args.workers)
    print(report)
    if args.report:
        args.report.write_text(report.to_json(indent=2), encoding="utf-8")
    for result in report.failed:
        print(f"{result.path}: {result.error}", file=sys.stderr)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
