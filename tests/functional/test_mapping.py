"""``map``, ``search`` and ``batch_download`` on a server."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from xnat import FilterFunctions, MappedFunctionFailed, MappingLevel
from xnat.exceptions import XNATTransferError, XNATValueError
from xnat.mapping import objects_below
from xnat.sandbox import faults


def label(obj: Any) -> str:
    return str(obj.label)


def id_of(obj: Any, prefix: str = "") -> str:
    return f"{prefix}{obj.id}"


@pytest.fixture
def two(world: Any, session: Any) -> Any:
    """Beside P a project Q, named Queen, with subjects S1 (sessions E1, E2) and S2 (none)."""
    project = session.classes.ProjectData(parent=session, id_="Q", name="Queen")
    for name in ("S1", "S2"):
        session.classes.SubjectData(parent=project, label=name)
    for name in ("E1", "E2"):
        experiment = session.classes.CtSessionData(parent=project.subjects["S1"], label=name)
        scan = session.classes.CtScanData(parent=experiment, id_="7", type="CT head")
        scan.create_resource("DICOM").upload_data(b"ct", "1.dcm")
    session.clearcache()
    return session


LEVELS = {
    "project": ["/data/archive/projects/P", "/data/archive/projects/Q"],
    "project_resource": 1,
    "subject": 3,
    "subject_resource": 1,
    "experiment": 3,
    "experiment_resource": 1,
    "scan": 4,
    "scan_resource": 4,
    "connection": ["/data/archive"],
}


@pytest.mark.parametrize("level", MappingLevel)
def test_levels(two: Any, level: MappingLevel) -> None:
    found = two.map(id_of, level)
    expected = LEVELS[level.value] if level is not MappingLevel.CONNECTION else None
    if level is MappingLevel.CONNECTION:
        assert list(found) == ["/data/archive"]
        assert isinstance(found["/data/archive"], MappedFunctionFailed)  # a session has no id
    elif isinstance(expected, list):
        assert list(found) == expected
    else:
        assert len(found) == expected
    assert list(two.map(str, level.value)) == list(found)


def test_wrong_levels(two: Any) -> None:
    with pytest.raises(ValueError, match="experiment_resource"):
        two.map(label, "session")
    with pytest.raises(XNATValueError, match="session"):
        two.projects["Q"].map(label, "connection")


def test_of_a_project(two: Any, server: Any) -> None:
    project = two.projects["Q"]
    with server.record() as requests:
        found = project.map(label)
    assert sorted(found.values()) == ["E1", "E2"]
    assert len(requests) == 1
    assert all(uri.startswith("/data/archive/projects/Q/subjects/") for uri in found)
    assert sorted(project.map(id_of, "scan", args=("scan ",)).values()) == ["scan 7", "scan 7"]
    assert sorted(project.map(id_of, "subject", kwargs={"prefix": "s "}).values())[0].startswith("s ")


def test_of_listings(two: Any) -> None:
    project = two.projects["Q"]
    assert sorted(project.experiments.map(label).values()) == ["E1", "E2"]
    assert list(project.subjects.filter(label="S2").map(label).values()) == ["S2"]
    scans = two.projects["P"].experiments["E1"].scans
    assert list(scans.map(lambda scan: scan.type).values()) == ["T1", "T2 weighted"]
    assert two.projects.map(lambda project: 1 / 0).values()


def test_filters(two: Any) -> None:
    only = FilterFunctions(project=lambda project: project.id == "Q", experiment=lambda e: e.label == "E2")
    assert list(two.map(label, "experiment", filter_function=only).values()) == ["E2"]
    assert list(two.map(label, "subject", filter_function=lambda s: s.label == "S2").values()) == ["S2"]
    with_sessions = FilterFunctions(experiment=lambda experiment: True)
    assert len(two.map(label, "subject", filter_function=with_sessions)) == 2


SEARCHES: list[tuple[dict[str, Any], list[str]]] = [
    ({"project": "Q*"}, ["7", "7"]),
    ({"project": "Queen"}, ["7", "7"]),
    ({"project": "Q", "experiment": "E2"}, ["7"]),
    ({"scan": "T*"}, ["1", "2"]),
    ({"scan": "T? weighted"}, ["2"]),
    ({"scan": ["1", "7"]}, ["1", "7", "7"]),
    ({"scan": r"T\d", "use_regex": True}, ["1"]),
    ({"project": "P|Queen", "scan": "[17]", "use_regex": True}, ["1", "7", "7"]),
    ({"scan": lambda scan: scan.id == "2"}, ["2"]),
    ({"resource": "DICOM"}, ["1", "2", "7", "7"]),
    ({"resource": "NIFTI"}, []),
    ({"subject": "S2"}, []),
    ({"level": "subject", "subject": "S2"}, ["S2"]),
    ({"level": "subject", "scan": "7"}, ["S1"]),
    ({"level": "experiment", "resource": "NOTES"}, ["E1"]),
    ({"level": "experiment_resource"}, ["NOTES"]),
    ({"level": "project", "experiment": "E2"}, ["Queen"]),
]


@pytest.mark.parametrize(
    ("asked", "expected"), SEARCHES, ids=[f"{index} {sorted(asked)}" for index, (asked, _) in enumerate(SEARCHES)]
)
def test_search(two: Any, asked: dict[str, Any], expected: list[str]) -> None:
    found = two.search(**asked)
    names = [obj.name if obj.KIND == "project" else getattr(obj, "label", None) or obj.id for obj in found]
    assert sorted(names) == expected


def test_search_goes_only_where_it_must(two: Any, server: Any) -> None:
    two.clearcache()
    with server.record() as requests:
        two.search(project="Q", experiment="E1")
    assert [request.path for request in requests][0].endswith("/projects")
    assert len(requests) == 3


def test_a_journal_goes_on(two: Any, server: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    server.faults.add(faults.status(403), path=r"/scans$", times=1)
    first = two.map(lambda e: len(e.scans) + 0.5, "experiment", journal=journal, workers=1)
    assert sum(isinstance(result, MappedFunctionFailed) for result in first.values()) == 1
    calls: list[str] = []
    second = two.map(lambda e: calls.append(e.label) or len(e.scans) + 0.5, "experiment", logfile=journal)
    assert len(calls) == 1
    assert sorted(second.values()) == [1.5, 1.5, 2.5]
    assert b"admin" not in journal.read_bytes()
    assert two.jsession.encode() not in journal.read_bytes()


def test_off_the_main_thread(two: Any, tmp_path: Path) -> None:
    done: list[Any] = []

    def work() -> None:
        done.append(two.map(label, "experiment"))
        done.append(two.search(scan="T1"))
        done.append(two.batch_download(tmp_path, scan="T1"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert [len(one) for one in done] == [3, 1, 1]


def test_batch_download(two: Any, tmp_path: Path) -> None:
    two.batch_download(tmp_path / "one", project="P", scan="T1")
    files = [path.relative_to(tmp_path / "one").as_posix() for path in (tmp_path / "one").rglob("*.dcm")]
    assert sorted(files) == [f"E1/scans/1-T1/resources/DICOM/files/{n}.dcm" for n in (1, 2)]
    two.batch_download(tmp_path / "all", experiment="E1", level="experiment")
    assert (tmp_path / "all/P/E1/scans/1-T1/resources/DICOM/files/1.dcm").exists()
    assert (tmp_path / "all/Q/E1/scans/7-CT_head/resources/DICOM/files/1.dcm").exists()


def test_a_batch_with_failures_says_so_at_the_end(two: Any, server: Any, tmp_path: Path) -> None:
    server.faults.add(faults.status(403), path=r"/P/.*/scans/1/.*files|/scans/1/files", times=None)
    with pytest.raises(XNATTransferError, match="1 of 4") as caught:
        two.batch_download(tmp_path, level="scan")
    assert len(caught.value.report) == 4
    assert len(list(tmp_path.rglob("*.dcm"))) == 4


def test_from_where_one_stands_levels_go_down(world: Any) -> None:
    subject = world.subjects["S1"]
    with pytest.raises(XNATValueError, match="no level 'project' below"):
        list(objects_below(subject, "project"))
    with pytest.raises(XNATValueError, match="Only a session"):
        list(objects_below(subject, "connection"))
    assert list(objects_below(subject, "subject")) == [subject]
    nobody = FilterFunctions(subject=lambda subject: subject.label != "S1")
    assert list(objects_below(subject, "subject", nobody)) == []
