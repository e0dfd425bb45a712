"""Numbered items of the documented API: creation in every place, and input that can't be right (A96, A123-A127)."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xnat import exceptions
from xnat.sandbox import Sandbox


def writes(requests: Any) -> list[str]:
    """The requests that could have changed something."""
    return [f"{entry.method} {entry.path}" for entry in requests if entry.method not in ("GET", "HEAD")]


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return sorted(name.rpartition("/")[2] for name in archive.namelist())


@pytest.mark.parametrize("method", ["download", "download_zip"])
def test_a123_assessors_other_experiments_and_reconstructions_come_as_zip(
    world: Any, session: Any, tmp_path: Path, method: str
) -> None:
    """The document: "Experiments, scans and resources can also be downloaded in a zip bundle"."""
    experiment = world.experiments["E1"]
    visit = session.classes.SubjectAssessorData(parent=world.subjects["S1"], label="VISIT")
    visit.create_resource("FORMS").upload_data(b"yes", "form.txt")
    image = session.classes.ReconstructedImageData(parent=experiment, id="R1", type="mean")
    image.create_resource("NIFTI").upload_data(b"nii", "mean.nii")
    for thing, expected in ((experiment.assessors["QC1"], "qc.txt"), (visit, "form.txt"), (image, "mean.nii")):
        target = tmp_path / f"{thing.id}.zip"
        assert getattr(thing, method)(str(target), verbose=False) == target
        assert names(target) == [expected]


def test_a126_a_new_scan_knows_the_type_it_was_given(world: Any, session: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    scan = session.classes.MrScanData(parent=experiment, id="9", type="PD")
    with server.record() as sent:
        assert (repr(scan), scan.type) == ("<MrScanData PD (9)>", "PD")
    assert sent == []
    assert repr(session.classes.MrScanData(parent=experiment, id="10")) == "<MrScanData 10>"


def test_a126_a_label_of_another_kind_of_experiment_is_no_new_one(world: Any, session: Any, second: Any) -> None:
    """Listings of a project's experiments leave assessors out; a label is taken by these all the same."""
    before = second.get_json("/data/experiments")
    with pytest.raises(exceptions.XNATObjectAlreadyExistsError, match="QcManualAssessorData"):
        session.classes.CtSessionData(parent=world.subjects["S1"], label="QC1")
    assert second.get_json("/data/experiments") == before


@pytest.mark.parametrize(
    ("data_dir", "method", "words"),
    [("nowhere", None, "is not a directory"), (".", "carrier pigeon", "method must be one of"), (3, None, "not 3")],
)
def test_a124_a_resource_whose_files_cannot_be_sent_is_not_made(
    world: Any, session: Any, server: Sandbox, tmp_path: Path, data_dir: Any, method: str | None, words: str
) -> None:
    scan = world.experiments["E1"].scans["1"]
    if isinstance(data_dir, str):
        data_dir = tmp_path / data_dir
    with server.record() as sent:
        with pytest.raises(exceptions.XNATValueError, match=words):
            scan.create_resource("NEW", "NIFTI", data_dir, method)
        with pytest.raises(exceptions.XNATValueError, match=words):
            session.classes.ResourceCatalog(parent=scan, label="NEW", data_dir=data_dir, upload_method=method)
    assert writes(sent) == []
    assert "NEW" not in scan.resources


#: What somebody does wrong → the error, and words of it. Nothing may be sent that could change anything.
BAD: dict[str, tuple[Callable[[Any, Any], Any], type[Exception], str]] = {
    "parent by position": (
        lambda classes, project: classes.SubjectData(project, label="X"),
        exceptions.XNATValueError, "parent=",
    ),
    "class as parent": (
        lambda classes, project: classes.MrSessionData(parent=classes.SubjectData, label="X"),
        exceptions.XNATValueError, "must be a subject",
    ),
    "nested object as parent": (
        lambda classes, project: classes.MrSessionData(parent=project.subjects["S1"].demographics, label="X"),
        exceptions.XNATValueError, "must be a subject",
    ),
    "file as parent": (
        lambda classes, project: classes.ResourceCatalog(parent=project.files[0], label="X"),
        exceptions.XNATValueError, "must be a project, subject, experiment, assessor, scan or reconstruction",
    ),
    "scan in a subject": (
        lambda classes, project: classes.MrScanData(parent=project.subjects["S1"], id="9"),
        exceptions.XNATValueError, "must be an experiment",
    ),
    "new file": (
        lambda classes, project: classes.FileData(parent=project.resources["PROTOCOL"], label="X"),
        exceptions.XNATValueError, "upload",
    ),
    "new nested object with fields": (
        lambda classes, project: classes.DemographicData(parent=project.subjects["S1"], gender="male"),
        exceptions.XNATValueError, "subject.demographics.gender",
    ),
    "sub-object on creation": (
        lambda classes, project: classes.MrScanData(parent=project.experiments["E1"], id="9", parameters={"tr": 1}),
        exceptions.XNATAttributeError, "parameters.<field> = value",
    ),
    "nested object on creation": (
        lambda classes, project: classes.SubjectData(parent=project, label="X", demographics={"gender": "male"}),
        exceptions.XNATAttributeError, "demographics.<field> = value",
    ),
    "variables on creation": (
        lambda classes, project: classes.SubjectData(parent=project, label="X", fields={"a": "b"}),
        exceptions.XNATAttributeError, "fields[key] = value",
    ),
    "scan as assessor": (
        lambda classes, project: project.experiments["E1"].create_assessor("X", "xnat:mrScanData"),
        exceptions.XNATValueError, "xnat:mrScanData is no type of assessors",
    ),
    "session as assessor": (
        lambda classes, project: project.experiments["E1"].create_assessor("X", classes.MrSessionData),
        exceptions.XNATValueError, "xnat:mrSessionData is no type of assessors",
    ),
    "path of a field that isn't": (
        lambda classes, project: project.subjects["S1"].set("grop", "x"),
        exceptions.XNATAttributeError, "did you mean group",
    ),
    "path of a nested field that isn't": (
        lambda classes, project: project.subjects["S1"].demographics.set("gendre", "male"),
        exceptions.XNATAttributeError, "did you mean gender",
    ),
    "clearing what isn't": (
        lambda classes, project: project.subjects["S1"].del_("grop"),
        exceptions.XNATAttributeError, "did you mean group",
    ),
    "path of a value outside an enumeration": (
        lambda classes, project: project.subjects["S1"].demographics.set("gender", "robot"),
        exceptions.XNATValueError, 'gender has to be one of: "male"',
    ),
    "value outside an enumeration, of several": (
        lambda classes, project: project.subjects["S1"].demographics.mset(gender="robot", age=3),
        exceptions.XNATValueError, 'gender has to be one of: "male"',
    ),
    "value of a sub-object": (
        lambda classes, project: setattr(project.experiments["E1"].scans["1"].parameters.fov, "x", 1.5),
        exceptions.XNATValueError, "whole number",
    ),
    "unknown attribute of a sub-object": (
        lambda classes, project: project.experiments["E1"].scans["1"].parameters.voxel_res.mset(x=1, xx=2),
        exceptions.XNATAttributeError, "did you mean x",
    ),
    "unknown attribute of an element": (
        lambda classes, project: setattr(project.investigators["L"], "fistname", "x"),
        exceptions.XNATAttributeError, "did you mean firstname",
    ),
    "empty label, of several": (
        lambda classes, project: project.subjects["S1"].mset(group="g", label=""),
        exceptions.XNATValueError, "can't be empty",
    ),
    "empty label by its path": (
        lambda classes, project: project.experiments["E1"].set("label", ""),
        exceptions.XNATValueError, "can't be empty",
    ),
    "clearing a label": (
        lambda classes, project: project.experiments["E1"].del_("label"),
        exceptions.XNATValueError, "can't be empty",
    ),
    "deleting a label": (
        lambda classes, project: delattr(project.experiments["E1"], "label"),
        exceptions.XNATAttributeError, "label of a MrSessionData can't be deleted",
    ),
    "deleting an object inside": (
        lambda classes, project: delattr(project.subjects["S1"], "demographics"),
        exceptions.XNATValueError, "del demographics.<field>",
    ),
    "deleting a listing": (
        lambda classes, project: delattr(project.experiments["E1"], "scans"),
        exceptions.XNATValueError, "can't be deleted",
    ),
    "setting an ID": (
        lambda classes, project: setattr(project.experiments["E1"].scans["1"], "id", "9"),
        exceptions.XNATAttributeError, "id of a MrScanData can't be set",
    ),
    "setting a subject": (
        lambda classes, project: setattr(project.experiments["E1"], "subject", project.subjects["S1"]),
        exceptions.XNATAttributeError, "subject of a MrSessionData can't be set",
    ),
    "renaming a file": (
        lambda classes, project: setattr(project.files[0], "name", "x"),
        exceptions.XNATAttributeError, "name of a FileData can't be set",
    ),
    "number as date": (
        lambda classes, project: setattr(project.experiments["E1"], "date", 20200101),
        exceptions.XNATValueError, "20200101 is not a valid xs:date: has to look like yyyy-mm-dd",
    ),
    "number as time": (
        lambda classes, project: setattr(project.experiments["E1"], "time", 1200),
        exceptions.XNATValueError, "1200 is not a valid xs:time: has to look like hh:mm:ss",
    ),
    "sharing with nobody": (
        lambda classes, project: project.subjects["S1"].share(None),
        exceptions.XNATValueError, "not None",
    ),
    "sharing with a subject": (
        lambda classes, project: project.experiments["E1"].share(project.subjects["S1"]),
        exceptions.XNATValueError, "must be a project",
    ),
    "mapping as file": (
        lambda classes, project: project.resources["PROTOCOL"].upload({"a": 1}, "a.txt"),
        exceptions.XNATValueError, "not dict",
    ),
    "nothing as directory": (
        lambda classes, project: project.resources["PROTOCOL"].upload_dir(None),
        exceptions.XNATValueError, "not None",
    ),
    "header of nothing": (
        lambda classes, project: project.xnat_session.services.dicom_dump(None),
        exceptions.XNATValueError, "not None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_typed_error_and_changes_nothing(world: Any, session: Any, server: Sandbox, name: str) -> None:
    world.investigators["L"].firstname = "F"
    do, error, words = BAD[name]
    with server.record() as sent, pytest.raises(error) as raised:
        do(session.classes, world)
    assert isinstance(raised.value, exceptions.XNATError)
    assert words in str(raised.value)
    assert writes(sent) == []


def test_a96_set_takes_names_and_paths_as_mset_does(world: Any, session: Any, second: Any) -> None:
    def there() -> Any:
        return second.projects["P"].experiments["E1"]

    experiment = world.experiments["E1"]
    experiment.set("acquisition_site", "Rotterdam")
    experiment.set("dcmPatientId", "1")
    experiment.set("dcm_patient_name", "A", "xs:string")
    experiment.set("note", datetime.date(2020, 1, 2))
    experiment.set("fields/field[name=dose]/field", 3)
    found = there()
    assert (found.acquisition_site, found.dcm_patient_id, found.dcm_patient_name) == ("Rotterdam", "1", "A")
    assert (found.note, found.fields["dose"]) == ("2020-01-02", "3")
    experiment.del_("dcm_patient_id")
    experiment.del_("note")
    assert (there().dcm_patient_id, there().note) == (None, None)


def test_a124_data_may_be_path_file_or_bytes(world: Any, tmp_path: Path, second: Any) -> None:
    resource = world.resources["PROTOCOL"]
    path = tmp_path / "local.txt"
    path.write_bytes(b"local")
    resource.upload(path, "1")
    resource.upload(str(path), "/2")
    with open(path, "rb") as file:
        resource.upload(file, "3")
    resource.upload(io.BytesIO(b"local"), "4")
    resource.upload(b"local", "5")
    resource.upload(bytearray(b"local"), "6")
    with pytest.raises(FileNotFoundError, match="upload_data"):
        resource.upload("local", "7")
    resource.upload_data("local", "7")
    found = second.projects["P"].resources["PROTOCOL"].files
    assert {name: found[name].size for name in "1234567"} == dict.fromkeys("1234567", 5)
