"""Numbered items of the documented API: browsing and downloading (A19-A33)."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from xnat.core import XNATListing
from xnat.sandbox import Sandbox

from .conftest import connect


@pytest.fixture(scope="module")
def archive(demo: Sandbox) -> Iterator[Any]:
    """A session on the demo content, for tests that only read."""
    with connect(demo) as session:
        yield session


@pytest.fixture
def anonymiz(archive: Any) -> Any:
    return archive.projects["brainimages"].experiments["ANONYMIZ"]


def test_a19_every_level_is_reachable(archive: Any, world: Any) -> None:
    project = archive.projects["brainimages"]
    experiment = project.subjects["ANONYMIZ"].experiments["ANONYMIZ"]
    resource = experiment.scans["2"].resources["DICOM"]
    assert len(resource.files) > 0
    assert [file.name for file in experiment.resources["NOTES"].files.values()]
    assert list(experiment.assessors.key_map) == ["ANONYMIZ_QC"]
    assessor = world.experiments["E1"].assessors["QC1"]
    assert [file.name for file in assessor.resources["QC"].files.values()] == ["qc.txt"]


def test_a20_session_listings_are_cached_listings(demo: Sandbox, archive: Any) -> None:
    for name in ("projects", "subjects", "experiments"):
        listing = getattr(archive, name)
        assert isinstance(listing, XNATListing)
        len(listing)
        with demo.record() as requests:
            assert getattr(archive, name) is listing
            assert len(listing) == len(list(listing))
            assert listing[0] is listing[0]
        assert list(requests) == []


def test_a21_repr_of_a_listing(archive: Any) -> None:
    assert repr(archive.projects) == (
        "<XNATListing (sandbox, sandbox project): <ProjectData sandbox project (sandbox)>, "
        "(brainimages, Brain Image Analysis): <ProjectData Brain Image Analysis (brainimages)>>"
    )


def test_a22_either_key_finds_an_item(archive: Any, anonymiz: Any) -> None:
    assert archive.projects["brainimages"] is archive.projects["Brain Image Analysis"]
    subject = archive.projects["sandbox"].subjects["test001"]
    assert archive.projects["sandbox"].subjects[subject.id] is subject
    assert archive.projects["brainimages"].experiments[anonymiz.id] is anonymiz
    assert anonymiz.scans["1"] is anonymiz.scans["FAST LOCALIZER"]


def test_a23_a_listing_is_like_a_dict(archive: Any, anonymiz: Any) -> None:
    scans = anonymiz.scans
    assert isinstance(scans, Mapping)
    assert scans.keys() == ["1", "2", "700"]
    assert [scan.id for scan in scans.values()] == scans.keys() == list(scans)
    assert dict(scans.items()) == dict(scans) == scans.data
    assert len(scans) == 3
    assert "1" in scans
    assert scans.get("nine", 9) == 9


def test_a24_repr_of_objects(archive: Any, anonymiz: Any, world: Any, session: Any) -> None:
    assert repr(archive.projects["brainimages"]) == "<ProjectData Brain Image Analysis (brainimages)>"
    subject = archive.projects["brainimages"].subjects["ANONYMIZ"]  # of which the experiment knows the ID only
    assert re.fullmatch(r"<SubjectData ANONYMIZ \(XNAT_S\d{5}\)>", repr(subject))
    assert anonymiz.subject is subject
    assert re.fullmatch(r"<MrSessionData ANONYMIZ \(XNAT_E\d{5}\)>", repr(anonymiz))
    assert repr(anonymiz.scans["1"]) == "<MrScanData FAST LOCALIZER (1)>"
    new = session.classes.SubjectData(parent=world, label="new_subject_label")
    assert repr(new) == f"<SubjectData new_subject_label ({new.id})>"


def test_a25_attributes_lead_up_and_down(archive: Any, anonymiz: Any) -> None:
    subject = anonymiz.subject
    assert isinstance(subject, archive.classes.SubjectData)
    assert subject.label == "ANONYMIZ"
    assert archive.projects["brainimages"].subjects["ANONYMIZ"] is subject
    assert subject.experiments["ANONYMIZ"] is anonymiz
    scan = anonymiz.scans["FAST LOCALIZER"]
    assert len(scan.files) == len(scan.resources["DICOM"].files)
    assert [scan.id for scan in anonymiz.scans.values()] == ["1", "2", "700"]


def test_a26_files_have_names(anonymiz: Any) -> None:
    files = anonymiz.resources["NOTES"].files
    names = sorted(file.name for file in files.values())
    assert names == ["measurements.csv", "readme.txt", "scan order.txt"]
    assert [file.name for file in anonymiz.scans["700"].files.values()]


def test_a27_a_projects_listing_asks_for_its_own_subjects_only(demo: Sandbox, archive: Any) -> None:
    archive.clearcache()
    project = archive.projects["brainimages"]
    with demo.record() as requests:
        assert len(project.subjects) == 3
    assert [entry.path for entry in requests] == ["/data/projects/brainimages/subjects"]
    assert len(archive.subjects) > 3


def test_a28_listings_filter_and_tabulate(archive: Any) -> None:
    subjects = archive.projects["brainimages"].subjects
    assert sorted(subject.label for subject in subjects.filter(label="Doe*").values()) == ["Doe_Archibald", "Doe_Peter"]
    rows = subjects.tabulate(columns=["label"], filter={"label": "ANON*"})
    assert [row.label for row in rows] == ["ANONYMIZ"]


def test_a29_subject_download_dir_unpacks_all_experiments_in_a_new_folder(world: Any, tmp_path: Path) -> None:
    target = tmp_path / "Downloads" / "test001"
    world.subjects["S1"].download_dir(str(target), verbose=False)
    found = sorted(path.relative_to(target).as_posix() for path in target.rglob("*.dcm"))
    assert len(found) == 4
    assert found[0].startswith("S1/E1/scans/1-T1/resources/DICOM/files/")


@pytest.mark.parametrize("method", ["download_zip", "download"])
def test_a30_objects_come_as_zip_by_both_names(world: Any, tmp_path: Path, method: str, session: Any) -> None:
    experiment = world.experiments["E1"]
    scan = experiment.scans["1"]
    for number, obj in enumerate(
        [experiment, scan, scan.resources["DICOM"], experiment.assessors["QC1"].resources["QC"]]
    ):
        path = tmp_path / f"{number}.zip"
        getattr(obj, method)(str(path), verbose=False)
        assert zipfile.is_zipfile(path)
    session.download_zip(f"{scan.uri}/files", tmp_path / "session.zip", verbose=False)
    assert zipfile.is_zipfile(tmp_path / "session.zip")


def test_a31_scan_download_tells_what_it_does(
    world: Any, tmp_path: Path, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = world.experiments["E1"].scans["T1"]
    path = tmp_path / "T1.zip"
    scan.download(str(path))
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"Downloading {session.server}/data/.*/scans/1/files\?format=zip:", lines[0])
    assert lines[-1] == f"Saved as {path}..."


def test_a32_subject_download_dir_tells_what_it_does(
    world: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.subjects["S1"].download_dir(str(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if re.fullmatch(r"Downloading http.*/scans/ALL/files\?format=zip:", line)]
    assert lines[-2:] == [f"Downloaded image session to {tmp_path / 'S1'}", f"Downloaded subject to {tmp_path / 'S1'}"]


def test_a33_layout_of_downloaded_folders(world: Any, tmp_path: Path) -> None:
    world.subjects["S1"].download_dir(tmp_path, verbose=False)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert "S1/E1/scans/1-T1/resources/DICOM/files/1.dcm" in found
    assert "S1/E1/scans/2-T2_weighted/resources/DICOM/files/2.dcm" in found
    assert "S1/E1/resources/NOTES/files/sub/note.txt" in found
