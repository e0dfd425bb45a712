"""The main job, from start to end: fill a sandbox with DICOM, walk it, download a session, compare every byte.

Run it with ``make demo``. It needs no server: it starts one.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xnat
from xnat.sandbox import Sandbox
from xnat.sandbox.demo import fill, pydicom_files

TARGET = Path("demo-data")


def tree(session: Any) -> Iterator[str]:
    """The lines of the tree projects → subjects → experiments → scans → files, with types and sizes."""
    for project in session.projects.values():
        yield f"{project.name} ({project.id})"
        for subject in project.subjects.values():
            yield f"  {subject.label} ({subject.id})"
            for experiment in subject.experiments.values():
                yield f"    {experiment.label} ({experiment.id}): {type(experiment).__name__}, {experiment.date}"
                for scan in getattr(experiment, "scans", {}).values():
                    yield f"      {scan.id} {scan.type}: {type(scan).__name__}"
                    for file in scan.files.values():
                        yield f"        {file.path}: {file.size} bytes"


def largest_session(session: Any) -> Any:
    """The image session with most files."""
    sessions = [
        experiment
        for project in session.projects.values()
        for experiment in project.experiments.values()
        if isinstance(experiment, session.classes.ImageSessionData)
    ]
    return max(sessions, key=lambda experiment: sum(len(scan.files) for scan in experiment.scans.values()))


def check(folder: Path) -> int:
    """Compare all DICOM files below a folder with what was imported; the number that was compared."""
    imported = {(Path(name).name, hashlib.sha256(data).hexdigest()) for name, data in pydicom_files().items()}
    count = 0
    for path in sorted(folder.rglob("scans/**/files/**/*")):
        if path.is_file():
            if (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) not in imported:
                raise SystemExit(f"{path} is not what was imported")
            count += 1
    return count


def main() -> int:
    with Sandbox() as server:
        fill(server)
        with xnat.connect(server.url, user="admin", password="admin") as session:
            print(f"Connected to {session.server}, XNAT {session.xnat_version}")
            for line in tree(session):
                print(line)
            experiment = largest_session(session)
            expected = sum(len(scan.files) for scan in experiment.scans.values())
            report = experiment.download_dir(TARGET)
            print(report)
    folder = TARGET / experiment.label
    compared = check(folder)
    if compared != expected:
        raise SystemExit(f"{expected} files are on the server, but {compared} came down")
    print(f"All {compared} files are byte for byte what was imported. They are in {folder.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
