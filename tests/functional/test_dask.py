"""``map`` over 200 sessions: on processes, and on a Dask cluster that loses a worker half way."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from xnat import MappedFunctionFailed, pickling
from xnat.sandbox import Sandbox

from .conftest import connect

ROOT = Path(__file__).parents[2]
MANY = 200

slow = [pytest.mark.slow, pytest.mark.timeout(600)]


def measure(experiment: Any, pause: float = 0.0) -> dict[str, Any]:
    time.sleep(pause)
    return {"label": experiment.label, "process": os.getpid(), "scans": len(experiment.scans)}


@pytest.fixture(scope="module")
def cohort() -> Iterator[Sandbox]:
    with Sandbox() as server, connect(server) as session:
        project = session.classes.ProjectData(parent=session, name="C")
        subject = session.classes.SubjectData(parent=project, label="S")
        for number in range(MANY):
            session.classes.MrSessionData(parent=subject, label=f"E{number:03}")
        experiment = session.classes.MrSessionData(parent=session.projects["C"].subjects["S"], label="LAST")
        session.classes.MrScanData(parent=experiment, id_="1", type="T1")
        experiment.delete()
        yield server


@pytest.fixture
def login(cohort: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the other processes log in with."""
    for name, value in (("XNAT_HOST", cohort.url), ("XNAT_USER", "admin"), ("XNAT_PASS", "admin")):
        monkeypatch.setenv(name, value)
    yield
    pickling.close_all()


def check(found: dict[str, Any], journal: Path) -> set[int]:
    """All are there, each journalled once; the processes that did the work."""
    failed = [result for result in found.values() if isinstance(result, MappedFunctionFailed)]
    assert failed == []
    assert sorted(result["label"] for result in found.values()) == [f"E{number:03}" for number in range(MANY)]
    lines = [json.loads(line) for line in journal.read_text().splitlines()][1:]
    assert len(lines) == MANY
    assert {line["uri"] for line in lines} == set(found)
    assert all(line["success"] for line in lines)
    return {result["process"] for result in found.values()}


@pytest.mark.parametrize("method", [pytest.param("spawn", marks=slow), "fork"])
def test_a_process_pool(cohort: Sandbox, login: None, tmp_path: Path, method: str) -> None:
    with (
        connect(cohort) as session,
        ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool,
    ):
        found = session.projects["C"].map(measure, executor=pool, journal=tmp_path / "journal")
    workers = check(found, tmp_path / "journal")
    assert os.getpid() not in workers
    assert len(workers) <= 2


def test_a_process_without_credentials_fails_by_object(cohort: Sandbox, tmp_path: Path) -> None:
    """The pool survives, and each result says what is missing."""
    with (
        connect(cohort) as session,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        listing = session.projects["C"].experiments.filter(label="E00*")
        found = listing.map(measure, executor=pool)
    assert len(found) == 10
    assert all("set_credentials" in result.reason for result in found.values())


@pytest.fixture
def cluster(login: None, tmp_path: Path) -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=None, local_directory=str(tmp_path / "dask")
        ) as running,
        distributed.Client(running) as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dask(cohort: Sandbox, cluster: Any, tmp_path: Path) -> None:
    with connect(cohort) as session:
        found = session.projects["C"].map(
            measure, executor=cluster.get_executor(), journal=tmp_path / "journal", kwargs={"pause": 0.01}
        )
    assert len(check(found, tmp_path / "journal")) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dask_goes_on_when_a_worker_is_killed(cohort: Sandbox, cluster: Any, tmp_path: Path) -> None:
    workers = list(cluster.run(os.getpid).values())
    killed = threading.Event()

    def kill(done: int, total: int | None, finished: bool) -> None:
        if done >= MANY // 2 and not killed.is_set():
            killed.set()
            os.kill(workers[0], signal.SIGKILL)

    with connect(cohort) as session:
        found = session.projects["C"].map(
            measure,
            executor=cluster.get_executor(),
            journal=tmp_path / "journal",
            progress=kill,
            kwargs={"pause": 0.05},
        )
    assert killed.is_set()
    assert len(check(found, tmp_path / "journal")) >= 2


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("options", [[], ["--token"]], ids=["netrc", "token"])
def test_the_example(cohort: Sandbox, tmp_path: Path, options: list[str]) -> None:
    pytest.importorskip("distributed")
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine {cohort.url.removeprefix('http://')} login admin password admin\n")
    netrc.chmod(0o600)
    environment = {**os.environ, "NETRC": str(netrc), "PYTHONPATH": str(ROOT)}
    journal = tmp_path / "sizes.jsonl"
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, str(ROOT / "examples/dask_cohort.py"), cohort.url, "C", str(journal), *options],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert f"{MANY} of {MANY} sessions done" in ran.stdout
    assert len(journal.read_text().splitlines()) == MANY + 1
