"""Corners of objects and listings that loops and scripts come to: no project, no key, nothing there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xnat import exceptions
from xnat.core import XNATSubListing
from xnat.sandbox import Sandbox, faults


def test_objects_that_were_found_without_their_project(world: Any, session: Any) -> None:
    ids = world.subjects["S1"].id, world.experiments["E1"].id
    session.clearcache()
    experiment = session.create_object(f"/data/experiments/{ids[1]}", "xnat:mrSessionData")
    assert experiment.subject.id == ids[0]
    assert experiment.parent is experiment.subject
    assert experiment.project == "P"
    assert experiment.fulluri == f"/data/archive/projects/P/subjects/{ids[0]}/experiments/{ids[1]}"
    subject = session.create_object(f"/data/subjects/{ids[0]}", "xnat:subjectData")
    assert subject.fulluri == f"/data/archive/projects/P/subjects/{ids[0]}"
    assert subject.parent is session.projects["P"]
    assessor = session.create_object(f"/data/experiments/{experiment.assessors['QC1'].id}")
    assert assessor.image_session.id == ids[1]
    assert assessor.label == "QC1"
    scan = session.create_object(f"/data/experiments/{ids[1]}/scans/1", "xnat:mrScanData")
    assert (scan.parent.id, scan.project) == (ids[1], "P")


def test_objects_of_no_project_at_all(world: Any, session: Any, server: Sandbox) -> None:
    bare = faults.body(lambda data: data.replace(b'"project": "P"', b'"other": "P"'))
    server.faults.add(bare, path="^/data/(subjects|experiments)/", times=None)
    subject = session.create_object(f"/data/subjects/{world.subjects['S1'].id}", "xnat:subjectData")
    session.clearcache()
    assert subject.project is None
    assert subject.fulluri == subject.uri
    assert subject.parent is None
    experiment = session.create_object("/data/experiments/XNAT_E00001", "xnat:mrSessionData")
    session.clearcache()
    assert experiment.fulluri == experiment.uri
    assert experiment.subject.uri == f"/data/subjects/{subject.id}"
    with pytest.raises(exceptions.XNATValueError, match="doesn't tell its project"):
        len(experiment.custom_variables)


def test_values_without_a_key(world: Any, session: Any, second: Any) -> None:
    made = session.classes.ReconstructedImageData(parent=world.experiments["E1"], id="R")
    there = second.projects["P"].experiments["E1"].reconstructions["R"]
    made.in_scans[0] = "1"
    made.in_scans[1] = "2"
    assert list(there.in_scans.data.values()) == ["1", "2"]
    assert repr(made.in_scans) == "<XNATSimpleListing ['1', '2']>"
    del made.in_scans[0]
    assert made.in_scans.data == there.in_scans.data == {0: "2"}
    made.in_scans[0] = "3"
    made.in_scans[1] = "4"
    assert there.in_scans.data == {0: "3", 1: "4"}
    for wrong in ("a", -1):
        with pytest.raises(exceptions.XNATValueError, match="use a number"):
            made.in_scans[wrong] = "x"
    with pytest.raises(exceptions.XNATKeyError):
        del made.in_scans[7]


def test_elements_by_number(world: Any, second: Any) -> None:
    there = second.projects["P"]
    assert repr(world.investigators) == "<XNATSubListing (empty)>"
    world.investigators[0].lastname = "Doe"
    world.investigators[1].lastname = "Roe"
    world.investigators[2].firstname = "Nameless"
    assert list(there.investigators) == ["Doe", "Roe", 2]
    assert [person.lastname for person in world.investigators.listing] == ["Doe", "Roe", None]
    assert 2 in world.investigators
    assert 3 not in world.investigators
    del world.investigators[0]
    world.investigators[2].lastname = "Poe"
    assert list(there.investigators) == ["Roe", 1, "Poe"]
    with pytest.raises(IndexError, match="has 3 elements"):
        _ = world.investigators[-4]
    with pytest.raises(exceptions.XNATKeyError):
        del world.investigators[9]
    keyless = XNATSubListing(world, "investigators/investigator", None, "xnat:investigatorData")
    assert list(keyless) == [0, 1, 2]
    with pytest.raises(exceptions.XNATKeyError, match="have no key"):
        _ = keyless["x"]
    assert world.investigators["Roe"].id == "P/investigators/investigator[lastname=Roe]"
    assert world.pi.id == "P/PI"


def test_labels_that_are_patterns_to_the_server(world: Any, session: Any, second: Any) -> None:
    session.classes.MrSessionData(parent=world.subjects["S1"], label="a,b")
    assert "a,b" in second.projects["P"].experiments


def test_a_resource_that_is_gone(world: Any, session: Any, second: Any) -> None:
    resource = world.resources["PROTOCOL"]
    second.projects["P"].resources["PROTOCOL"].delete()
    session.clearcache()
    with pytest.raises(exceptions.XNATNotFoundError, match="there is none"):
        _ = resource.file_count
    by_label = session.create_object(f"{world.uri}/resources/NOPE", "xnat:resourceCatalog")
    with pytest.raises(exceptions.XNATNotFoundError):
        _ = by_label.id


def test_a_resource_by_its_label(world: Any, session: Any) -> None:
    found = session.create_object("/data/projects/P/resources/PROTOCOL")
    assert found.label == "PROTOCOL"
    assert found.id == world.resources["PROTOCOL"].id
    assert (found.parent, found.project) == (world, "P")


def test_a_file_by_its_address(world: Any, session: Any) -> None:
    listed = world.experiments["E1"].resources["NOTES"].files["sub/note.txt"]
    uri = listed.uri
    del listed
    session.remove_object(session.create_object(uri))
    file = session.create_object(uri)
    assert (file.name, file.path, file.id, file.size) == ("note.txt", "sub/note.txt", "sub/note.txt", 6)
    assert file.digest is None
    with pytest.raises(exceptions.XNATValueError, match="no digest"):
        file.verify_digest()
    assert file.resource.label == "NOTES"


def test_folders_of_resources_in_downloads(world: Any, session: Any, tmp_path: Path) -> None:
    experiment = world.experiments["E1"]
    made = session.classes.ReconstructedImageData(parent=experiment, id="R")
    made.create_resource("OUT").upload_data(b"x", "x.txt")
    for obj in (made, made.resources["OUT"], experiment.assessors["QC1"], experiment.assessors["QC1"].resources["QC"]):
        obj.download_dir(tmp_path, verbose=False)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt")}
    assert found == {
        "E1/reconstructions/R/resources/OUT/files/x.txt", "E1/assessors/QC1/resources/QC/files/qc.txt",
    }  # fmt: skip


def test_resources_without_statistics_or_files(world: Any) -> None:
    resource = world.create_resource("EMPTY")
    assert (resource.file_count, resource.file_size, len(resource.files)) == (0, 0, 0)


def test_objects_that_are_the_same_are_equal_and_hashable(world: Any) -> None:
    assert len({world.subjects["S1"], world.experiments["E1"].subject}) == 1
    assert world.subjects == world.subjects
    assert world.subjects != world.experiments
    with pytest.raises(TypeError):
        hash(world.subjects)
