"""``python -m benchmarks [--quick] [--only NAME ...]``: run the benchmarks and write their page."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from . import environments
from .report import page
from .targets import check
from .works import WORKS, Bench


def main(argv: list[str] | None = None) -> int:
    """Run them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything; writes no page unless told where")
    parser.add_argument("--only", action="append", choices=sorted(WORKS), help="only this work; may be repeated")
    parser.add_argument("--output", type=Path, help="where to write the page (docs/benchmarks.rst after a full run)")
    parser.add_argument("--json", type=Path, help="also write everything that was measured, requests included, here")
    options = parser.parse_args(argv)
    for name in environments.PEERS:
        environments.python(name)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="xnat-benchmarks-") as folder:
        bench = Bench(options.quick, Path(folder))
        for name, work in WORKS.items():
            if not options.only or name in options.only:
                began = time.monotonic()
                work(bench)
                print(f"-- {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"-- all: {time.monotonic() - start:.0f} s\n", file=sys.stderr)
    for found in check(bench):
        print(f"{ {True: 'ok', False: 'MISSED', None: '-'}[found.met]:7}{found.work}: {found.target}: {found.measured}")
    output = options.output
    if output is None and not options.quick and not options.only:
        output = environments.ROOT / "docs" / "benchmarks.rst"
    if output is not None:
        output.write_text(page(bench), encoding="utf-8")
    if options.json is not None:
        options.json.write_text(json.dumps({"results": bench.results, "notes": bench.notes}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
