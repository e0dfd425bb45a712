#!/usr/bin/env python
"""Print the names of the files of a scan."""

import argparse
import re

import xnat


def get_files(connection, project, subject, session, scan):
    xnat_project = connection.projects[project]
    xnat_subject = xnat_project.subjects[subject]
    xnat_experiment = xnat_subject.experiments[session]
    xnat_scan = xnat_experiment.scans[scan]
    return xnat_scan.files.values()


def filter_files(xnat_files, regex):
    regex = re.compile(regex)
    return [file for file in xnat_files if regex.match(file.name)]


def main():
    parser = argparse.ArgumentParser(description="Prints all files from a certain scan.")
    parser.add_argument("--xnathost", required=True, help="xnat host name")
    parser.add_argument("--project", required=True, help="Project id")
    parser.add_argument("--subject", required=True, help="subject")
    parser.add_argument("--session", required=True, help="session")
    parser.add_argument("--scan", required=True, help="scan")
    parser.add_argument("--filter", default=".*", help="regex filter for file names")
    args = parser.parse_args()

    with xnat.connect(args.xnathost) as connection:
        xnat_files = get_files(connection, args.project, args.subject, args.session, args.scan)
        for file in filter_files(xnat_files, args.filter):
            print(file.name)


if __name__ == "__main__":
    main()
