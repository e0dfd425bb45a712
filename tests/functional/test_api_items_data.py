"""Numbered items of the documented API: import, prearchive, creation, DICOM headers, custom variables (A34-A42)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from xnat import exceptions
from xnat.core import VariableMap
from xnat.prearchive import PrearchiveSession

from .dicom import packed, zip_file


@pytest.fixture
def project(session: Any) -> Any:
    return session.classes.ProjectData(parent=session, name="brainimages")


def test_a34_import_goes_to_the_archive_and_gives_the_experiment(
    session: Any, project: Any, tmp_path: Path, second: Any
) -> None:
    experiment = session.services.import_(
        str(zip_file(tmp_path)), project="brainimages", subject="test002", experiment="visit1"
    )
    assert isinstance(experiment, session.classes.MrSessionData)
    assert experiment.subject.label == "test002"
    seen = second.projects["brainimages"].experiments["visit1"]
    assert (seen.id, seen.subject.label, len(seen.scans)) == (experiment.id, "test002", 1)


def test_a35_import_to_the_prearchive_gives_a_prearchive_session(session: Any, project: Any, tmp_path: Path) -> None:
    waiting = session.services.import_(str(zip_file(tmp_path)), project="brainimages", destination="/prearchive")
    assert isinstance(waiting, PrearchiveSession)
    assert re.fullmatch(r"<PrearchiveSession brainimages/\d{8}_\d{9}/\w+>", repr(waiting))
    assert len(project.experiments) == 0


def test_a36_sessions_of_the_prearchive_are_a_list(session: Any, project: Any) -> None:
    assert session.prearchive.sessions() == []
    waiting = session.services.import_(data=packed(), project="brainimages", destination="/prearchive")
    assert session.prearchive.sessions() == [waiting]


def test_a37_work_with_a_prearchive_session_and_archive_it(session: Any, project: Any, second: Any) -> None:
    other = session.classes.ProjectData(parent=session, name="other")
    waiting = session.services.import_(data=packed(), project="brainimages", destination="/prearchive")
    assert waiting.status == "READY"
    assert [(scan.id, len(scan.files)) for scan in waiting.scans] == [("1", 1)]
    waiting.rebuild()
    waiting.wait(timeout=20)
    waiting.move(other)
    waiting.wait(timeout=20)
    assert [found.project for found in second.prearchive.sessions()] == ["other"]
    experiment = waiting.archive(subject="S", experiment="E")
    assert isinstance(experiment, session.classes.MrSessionData)
    assert second.projects["other"].experiments["E"].subject.label == "S"
    gone = session.services.import_(data=packed(), project="brainimages", destination="/prearchive")
    gone.delete()
    assert second.prearchive.sessions() == []


def test_a38_calling_a_class_creates_on_the_server(session: Any, project: Any, second: Any) -> None:
    subject = session.classes.SubjectData(parent=project, label="new_subject_label")
    assert second.projects["brainimages"].subjects["new_subject_label"].id == subject.id


def test_a39_the_parent_must_be_of_the_right_kind(session: Any, project: Any, second: Any) -> None:
    with pytest.raises(exceptions.XNATValueError, match="parent of a new MrSessionData must be a subject"):
        session.classes.MrSessionData(parent=project, label="E")
    subject = session.classes.SubjectData(parent=project, label="S")
    session.classes.MrSessionData(parent=subject, label="E")
    assert second.projects["brainimages"].experiments["E"].subject.label == "S"
    session.classes.ProjectData(parent=session, name="another")
    assert "another" in second.projects


def test_a40_all_classes_are_in_classes(session: Any) -> None:
    classes = session.classes
    assert classes.MRSessionData is classes.MrSessionData
    assert classes.CTSessionData is classes.CtSessionData
    assert {"MrSessionData", "SubjectData", "FileData"} <= set(dir(classes))
    assert classes.current_session() is classes.SESSION is session
    assert classes.XNAT_CLASS_LOOKUP["xnat:mrSessionData"] is classes.MrSessionData


def test_a41_dicom_dump_of_archive_and_prearchive(session: Any, project: Any) -> None:
    experiment = session.services.import_(data=packed(), project="brainimages")
    waiting = session.services.import_(data=packed("CT_small.dcm"), project="brainimages", destination="/prearchive")
    for scan in (experiment.scans[0], waiting.scans[0]):
        assert len(scan.dicom_dump()) > 20
        (row,) = scan.dicom_dump(fields="PatientID")
        assert row["tag1"] == "(0010,0020)"
        assert row["value"]
        both = scan.dicom_dump(fields=["PatientID", "PatientName"])
        assert sorted(found["tag1"] for found in both) == ["(0010,0010)", "(0010,0020)"]


def test_a42_custom_variables_are_a_mapping_of_text(world: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    experiment.fields["brain_volume"] = "0"
    assert isinstance(experiment.fields, VariableMap)
    assert repr(experiment.fields) == "<VariableMap {'brain_volume': '0'}>"
    experiment.fields["brain_volume"] = 42.0
    assert experiment.fields["brain_volume"] == "42.0"
    assert dict(second.projects["P"].experiments["E1"].fields) == {"brain_volume": "42.0"}
