"""What the tests with other clients share: running them in environments of their own, and what the sandbox holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:  # `pytest` without `python -m` does not put it there
    sys.path.insert(0, str(ROOT))

from benchmarks import environments  # noqa: E402

HERE = Path(__file__).parent
PATIENCE = 120


def python(name: str) -> Path:
    """The interpreter of a client's environment; the test is skipped where packages cannot be had."""
    try:
        return environments.python(name)
    except environments.PackagesUnreachableError as error:
        pytest.skip(f"No package index to get {name} from: {error}")


def program(name: str) -> Path:
    """The program ``name`` of the client's environment of that name."""
    python(name)
    return environments.executable(name, name)


def run(command: list[Any], home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a client that knows nothing of this machine's user."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [str(part) for part in command], env=environments.clean_environ(home, **environ), cwd=home,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def walk(name: str, sandbox: Any, folder: Path, *extra: Any, script: str = "walk") -> dict[str, Any]:
    """Run ``walk_<name>.py`` (or another such script) against the sandbox; what it saw."""
    home = folder / "home"
    command = [python(name), HERE / f"{script}_{name}.py", sandbox.url, sandbox.user, sandbox.password, folder, *extra]
    done = run(command, home)
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


class Truth:
    """What a sandbox holds of a project, read from its store."""

    def __init__(self, sandbox: Any, project: str = "brainimages") -> None:
        self.store = sandbox.store
        self.project = project
        archive = self.store.archive
        self.projects = sorted(record.id for record in archive.projects())
        self.subjects = {record.id: record.label for record in archive.subjects(project)}
        self.experiments: dict[str, list[str]] = {}
        self.scans: dict[str, dict[str, list[str]]] = {}
        for record in archive.experiments(project=project):
            self.experiments[record.id] = [archive.parent(record).id, record.label, record.xsi_type]
            self.scans[record.id] = {
                scan.id: [scan.xsi_type, str(scan.item.get("type") or "")] for scan in archive.scans(record)
            }

    def files(self, session: str, scan: str | None, resource: str) -> dict[str, bytes]:
        """The files of a resource of a scan, or of the session itself."""
        owner = self.store.archive.experiment(self.project, session)
        if scan is not None:
            owner = self.store.archive.scan(owner, scan)
        files = self.store.files
        return {file.path: file.file.read_bytes() for file in files.files(files.resource(owner, resource))}


def below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
