#!/usr/bin/env python
"""Measure every session of a project on the workers of a Dask cluster, and go on where the last run stopped.

    dask_cohort.py https://xnat.example.com brainimages sizes.jsonl
    dask_cohort.py https://xnat.example.com brainimages sizes.jsonl --scheduler tcp://cluster.example.com:8786

Without ``--scheduler`` two processes of this machine do the work. Workers fetch what they need from XNAT themselves,
with credentials of their own: from their environment (XNAT_HOST, XNAT_USER, XNAT_PASS) or netrc file. ``--token`` makes
an alias token and gives it to every worker, also to one that joins or is restarted later.

Needs ``pip install xnat[dask]``.
"""

import argparse
import sys

from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import WorkerPlugin

import xnat


class Login(WorkerPlugin):
    """Tells a worker what to log in with; the scheduler keeps it for workers that come later."""

    def __init__(self, server, token):
        self.server, self.token = server, token

    def setup(self, worker):
        xnat.pickling.set_credentials(self.server, self.token.alias, self.token.secret)


def measure(experiment):
    """What is done with one session, on a worker: here, the bytes of its scans by type."""
    sizes = {}
    for scan in experiment.scans.values():
        size = sum(file.size for file in scan.files.values())
        sizes[scan.type] = sizes.get(scan.type, 0) + size
    return sizes


def main():
    parser = argparse.ArgumentParser(description="Measure every session of a project on a Dask cluster.")
    parser.add_argument("server", help="address of the server, with https://")
    parser.add_argument("project", help="ID or name of the project")
    parser.add_argument("journal", help="file for the results; sessions that are in it are not done again")
    parser.add_argument("--scheduler", help="address of a Dask scheduler; default: two processes of this machine")
    parser.add_argument("--token", action="store_true", help="log the workers in with an alias token")
    args = parser.parse_args()

    cluster = args.scheduler or LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None)
    with xnat.connect(args.server) as session, Client(cluster) as client:
        if args.token:
            client.register_plugin(Login(session.server, session.services.issue_token()))
        project = session.projects[args.project]
        results = project.map(measure, "experiment", executor=client.get_executor(), journal=args.journal)

    failed = {uri: result.reason for uri, result in results.items() if isinstance(result, xnat.MappedFunctionFailed)}
    for uri, reason in failed.items():
        print(f"{uri}: {reason}", file=sys.stderr)
    print(f"{len(results) - len(failed)} of {len(results)} sessions done; the results are in {args.journal}")
    if not args.scheduler:
        cluster.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
