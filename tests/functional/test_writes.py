"""Writing: every kind of write is read back through a second connection, and bad input changes nothing."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xnat import exceptions
from xnat.sandbox import Sandbox, faults

from .conftest import connect

PROTOCOL = b"""<?xml version="1.0"?>
<xnat:Project ID="P" xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <xnat:studyProtocol ID="P_mr" name="MR" data-type="xnat:mrSessionData" xsi:type="xnat:datatypeProtocol">
  <xnat:definitions><xnat:definition ID="anatomy" data-type="xnat:mrSessionData"><xnat:fields>
   <xnat:field name="Brain Volume" datatype="float" type="custom"
               xmlPath="xnat:mrSessionData/fields/field[name=brainvolume]/field"/>
   <xnat:field name="slices" datatype="integer" type="custom"/>
   <xnat:field name="scanned" datatype="date" type="custom"/>
   <xnat:field name="grade" datatype="string" type="custom"><xnat:possibleValues>
    <xnat:possibleValue>low</xnat:possibleValue><xnat:possibleValue>high</xnat:possibleValue>
   </xnat:possibleValues></xnat:field>
  </xnat:fields></xnat:definition></xnat:definitions>
 </xnat:studyProtocol>
 <xnat:studyProtocol ID="P_ct" name="CT" data-type="xnat:ctSessionData" xsi:type="xnat:datatypeProtocol"/>
</xnat:Project>"""


@pytest.fixture
def there(world: Any, second: Any) -> Callable[[], Any]:
    """The experiment as somebody else sees it."""
    return lambda: second.projects["P"].experiments["E1"]


def content(file: Any) -> bytes:
    with file.open() as stream:
        return bytes(stream.read())


def writes(entries: Any) -> list[str]:
    return [f"{entry.method} {entry.path}" for entry in entries if entry.method in ("PUT", "POST", "DELETE")]


# -- fields ------------------------------------------------------------------------------------------------------------


def test_attributes_are_set_and_deleted_in_one_put_each(world: Any, there: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    with server.record() as sent:
        experiment.note = "a & b = c #1"
    assert len(writes(sent)) == 1
    assert there().note == experiment.note == "a & b = c #1"
    with server.record() as sent:
        del experiment.note
    assert len(writes(sent)) == 1
    assert there().note is None
    assert experiment.note is None


def test_set_mset_and_del_by_path(world: Any, there: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    experiment.set("note", 3, str)
    assert there().get("note") == "3"
    experiment.set("date", "2021-01-02", "xs:date", timeout=60)
    with server.record() as sent:
        experiment.mset({"note": "x", "scanner/model": "SIGNA"}, date=datetime.date(2022, 1, 2), timeout=60)
    assert len(writes(sent)) == 1
    assert (there().note, there().get("scanner/model"), there().date) == ("x", "SIGNA", datetime.date(2022, 1, 2))
    experiment.del_("note")
    assert there().note is None


def test_nested_and_sub_objects(world: Any, there: Any) -> None:
    experiment = world.experiments["E1"]
    subject, scan = experiment.subject, experiment.scans["1"]
    subject.demographics.gender = "female"
    subject.demographics.mset(handedness="left", yob=1980)
    assert (there().subject.demographics.gender, there().subject.demographics.yob) == ("female", 1980)
    scan.parameters.tr = 2.5
    scan.parameters.voxel_res.x = 0.6
    scan.parameters.voxel_res.mset(y=0.7, z=0.8)
    seen = there().scans["1"].parameters
    assert (seen.tr, seen.voxel_res.x, seen.voxel_res.y, seen.voxel_res.z) == (2.5, 0.6, 0.7, 0.8)
    del scan.parameters.tr
    assert there().scans["1"].parameters.tr is None
    world.pi.mset(firstname="Jane", lastname="Doe", title="Dr.")
    world.pi.identifier = "jd"
    assert world.pi.fullname == "Dr. Jane Doe"
    assert world.pi.identifier == world.pi.id_ == "jd"


def test_elements_of_listings_inside_items(world: Any, second: Any) -> None:
    world.investigators["Doe"].firstname = "Jane"
    world.investigators["Roe"].firstname = "Richard"
    seen = second.projects["P"].investigators
    assert list(seen) == ["Doe", "Roe"]
    assert seen["Roe"].fullname == "Richard Roe"
    world.investigators[0].institution = "Here"
    assert second.projects["P"].investigators["Doe"].institution == "Here"
    del world.investigators["Doe"]
    assert list(world.investigators) == ["Roe"]
    assert world.investigators[0].firstname == "Richard"
    assert list(second.projects["P"].investigators) == ["Roe"]
    with pytest.raises(exceptions.XNATKeyError):
        del world.investigators["Nobody"]
    assert world.investigators[-1].lastname == "Roe"
    assert "Roe" in world.investigators
    assert repr(world.investigators).startswith("<XNATSubListing Roe: <InvestigatorData")


def test_simple_listings(world: Any, there: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    scan = experiment.scans["1"]
    scan.parameters.add_param["kernel"] = "soft"
    assert dict(there().scans["1"].parameters.add_param) == {"kernel": "soft"}
    del scan.parameters.add_param["kernel"]
    assert dict(there().scans["1"].parameters.add_param) == {}
    world.aliases["other name"] = "other name"
    assert list(second.projects["P"].aliases) == ["other name"]


def test_custom_variables(world: Any, there: Any) -> None:
    fields = world.experiments["E1"].fields
    fields["a"] = 1
    fields.update({"b": 2.5}, c="three")
    assert dict(there().fields) == {"a": "1", "b": "2.5", "c": "three"}
    del fields["b"]
    fields.setdefault("d", "4")
    assert fields.pop("a") == "1"
    assert dict(there().fields) == {"c": "three", "d": "4"}
    with pytest.raises(exceptions.XNATKeyError, match="'c'"):
        _ = fields["e"]
    with pytest.raises(exceptions.XNATKeyError):
        del fields["e"]
    with pytest.raises(exceptions.XNATValueError, match="use del"):
        fields["c"] = None
    world.subjects["S1"].fields["x"] = "y"
    world.fields["z"] = "w"
    assert (dict(there().subject.fields), dict(there().parent.parent.fields)) == ({"x": "y"}, {"z": "w"})


def test_custom_variables_by_group_have_types_and_options(
    world: Any, session: Any, there: Any, server: Sandbox
) -> None:
    session.put("/data/projects/P", data=PROTOCOL, headers={"Content-Type": "text/xml"})
    session.clearcache()
    variables = world.experiments["E1"].custom_variables
    assert list(variables) == ["anatomy"]
    group = variables["anatomy"]
    assert dict(group) == {"Brain Volume": None, "slices": None, "scanned": None, "grade": None}
    group["Brain Volume"] = 1.5
    group["slices"] = 12
    group["scanned"] = datetime.date(2020, 1, 2)
    group["grade"] = "high"
    assert dict(there().custom_variables["anatomy"]) == {
        "Brain Volume": 1.5, "slices": 12, "scanned": datetime.date(2020, 1, 2), "grade": "high",
    }  # fmt: skip
    assert dict(there().fields) == {
        "brainvolume": "1.5", "slices": "12", "scanned": "2020-01-02", "grade": "high",
    }  # fmt: skip
    with server.record() as sent:
        with pytest.raises(exceptions.XNATValueError, match="'low', 'high'"):
            group["grade"] = "middling"
        with pytest.raises(exceptions.XNATValueError):
            group["slices"] = "many"
        with pytest.raises(exceptions.XNATKeyError, match="'slices'"):
            group["slice"] = 1
        with pytest.raises(exceptions.XNATKeyError, match="'anatomy'"):
            variables["physiology"]
        with pytest.raises(exceptions.XNATValueError, match="can't be replaced"):
            world.experiments["E1"].custom_variables = {}
    assert writes(sent) == []
    del group["grade"]
    assert there().custom_variables["anatomy"]["grade"] is None
    assert len(world.subjects["S1"].custom_variables) == len(world.custom_variables) == 0
    assert "Brain Volume" in repr(variables)
    assert "anatomy" in repr(group)


def test_custom_variables_of_a_class_are_terms_for_searches(world: Any, session: Any) -> None:
    world.experiments["E1"].fields["dose"] = "3"
    mr = session.classes.MrSessionData
    session.classes.MrSessionData(parent=world.subjects["S1"], label="E2")
    assert mr.query(mr.custom_variables["Dose"] == "3").all() == [world.experiments["E1"]]
    assert mr.query(mr.custom_variables["dose"] == "4").all() == []


def test_custom_forms(world: Any, there: Any) -> None:
    forms = world.experiments["E1"].custom_forms
    forms["pain"] = 3
    forms.update(more={"a": [1, None]})
    assert dict(there().custom_forms) == {"pain": 3, "more": {"a": [1, None]}}
    del forms["pain"]
    assert dict(there().custom_forms) == {"more": {"a": [1, None]}}


def test_labels_status_and_sharing(world: Any, session: Any, second: Any, there: Any) -> None:
    experiment, subject = world.experiments["E1"], world.subjects["S1"]
    experiment.label = "E9"
    subject.label = "S9"
    assert "E9" in second.projects["P"].experiments
    assert "E1" not in second.projects["P"].experiments
    assert "S9" in second.projects["P"].subjects
    assert experiment.status == "active"
    experiment.quarantine()
    assert second.experiments[experiment.id].status == "quarantine"
    experiment.activate()
    experiment.status = "quarantined"
    experiment.status = "active"
    assert second.experiments[experiment.id].status == "active"
    other = session.classes.ProjectData(parent=session, name="Q")
    subject.share(other)
    experiment.share("Q", label="elsewhere")
    shared = second.projects["Q"].experiments["elsewhere"]
    assert (shared.id, shared.label, shared.project) == (experiment.id, "elsewhere", "Q")
    assert second.projects["P"].experiments["E9"].label == "E9"
    with pytest.raises(exceptions.XNATConflictError):
        experiment.share("Q")
    experiment.unshare("Q")
    assert len(second.projects["Q"].experiments) == 0


# -- creation, deletion ------------------------------------------------------------------------------------------------


def test_every_type_with_its_own_path_is_created_in_its_parent(session: Any, second: Any) -> None:
    classes = session.classes
    project = classes.ProjectData(parent=session, name="P", description="d")
    subject = classes.SubjectData(parent=project.subjects, label="S", initials="XY")
    experiment = classes.MrSessionData(parent=subject.experiments, label="E", date="2020-01-02")
    scan = classes.MrScanData(parent=experiment.scans, id="1", type="T1", quality="usable")
    reconstruction = classes.ReconstructedImageData(parent=experiment, id="R", type="mean")
    assessor = classes.QcManualAssessorData(parent=experiment, label="A", rater="me")
    for obj in (project, subject, experiment, scan, reconstruction, assessor):
        resource = classes.ResourceCatalog(parent=obj, label="FILES", format="TEXT", content="x")
        assert resource.label == "FILES"
    seen = second.projects["P"]
    assert seen.description == "d"
    assert seen.subjects["S"].initials == "XY"
    found = seen.experiments["E"]
    assert found.date == datetime.date(2020, 1, 2)
    assert (found.scans["1"].type, found.scans["1"].quality) == ("T1", "usable")
    assert found.reconstructions["R"].type == "mean"
    assert found.assessors["A"].rater == "me"
    for obj in (seen, seen.subjects["S"], found, found.scans["1"], found.reconstructions["R"], found.assessors["A"]):
        assert obj.resources["FILES"].get("format") == "TEXT"


def test_creation_of_a_label_that_exists(world: Any, session: Any, there: Any, server: Sandbox) -> None:
    subject = world.subjects["S1"]
    with server.record() as sent, pytest.raises(exceptions.XNATObjectAlreadyExistsError, match="overwrites"):
        session.classes.MrSessionData(parent=subject, label="E1", note="x")
    assert writes(sent) == []
    for overwrites in (True, {"note": "of overwrites"}):
        again = session.classes.MrSessionData(parent=subject, label="E1", overwrites=overwrites)
        assert again.id == there().id
    assert there().note == "of overwrites"
    # A subject is got or made; who holds it already sees what was written.
    assert subject.group is None
    assert session.classes.SubjectData(parent=world, label="S1", group="g").id == subject.id
    assert subject.group == "g"
    assert there().subject.group == "g"
    with pytest.raises(exceptions.XNATConflictError):
        world.experiments["E1"].create_resource("NOTES")


def test_resource_with_the_files_of_a_directory(world: Any, session: Any, second: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    experiment = world.experiments["E1"]
    experiment.create_resource("ONE", "TEXT", tmp_path, "per_file")
    session.classes.ResourceCatalog(parent=experiment, label="TWO", data_dir=tmp_path, upload_method="tgz_file")
    for label in ("ONE", "TWO"):
        assert list(second.projects["P"].experiments["E1"].resources[label].files) == ["a.txt"]


def test_uploads(world: Any, session: Any, second: Any, tmp_path: Path) -> None:
    resource = world.resources["PROTOCOL"]
    local = tmp_path / "local.txt"
    local.write_bytes(b"local")
    resource.upload(local)
    resource.upload(str(local), "named.txt", file_content="C", file_format="F", file_tags="T")
    with local.open("rb") as file:
        resource.upload(file, "/slash/open.txt")
    resource.upload(b"bytes", "bytes.txt")
    resource.upload_data("text", "text.txt")
    resource.refresh_catalog(checksum=True, populate_stats=True)
    seen = second.projects["P"].resources["PROTOCOL"]
    found = {path: content(file) for path, file in seen.files.items()}
    assert found == {
        "protocol.txt": b"steps", "local.txt": b"local", "named.txt": b"local", "slash/open.txt": b"local",
        "bytes.txt": b"bytes", "text.txt": b"text",
    }  # fmt: skip
    named = seen.files["named.txt"]
    assert (named.file_content, named.file_format, named.file_tags) == ("C", "F", "T")
    assert (named.collection, named.cat_id) == ("PROTOCOL", seen.id)
    assert (named.size, named.file_size) == (5, 5)
    assert named.resource is seen
    assert named.verify_digest()
    assert named.verify_digest(local)
    assert named.verify_digest(b"other") is False
    assert named.calculate_digest(b"local") == named.calculate_digest(str(local)) == named.digest
    with pytest.raises(exceptions.XNATValueError, match="remotepath"):
        resource.upload(b"bytes")
    with pytest.raises(exceptions.XNATValueError, match="can't be a path"):
        resource.upload(b"bytes", "../../up")
    named.delete()
    assert "named.txt" not in second.projects["P"].resources["PROTOCOL"].files


def test_deletion_of_every_type(world: Any, session: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    session.classes.ReconstructedImageData(parent=experiment, id="R")
    doomed = [
        experiment.scans["1"].resources["DICOM"].files["1.dcm"], experiment.scans["1"].resources["DICOM"],
        experiment.scans["1"], experiment.assessors["QC1"], experiment.reconstructions["R"], experiment,
        world.subjects["S1"], world,
    ]  # fmt: skip
    for obj in doomed:
        obj.delete()
        with pytest.raises(exceptions.XNATNotFoundError):
            second.get(obj.uri)
        with pytest.raises(exceptions.XNATObjectDestroyedError):
            obj.delete()
    assert len(second.projects) == len(session.projects) == 0


# -- bad input ---------------------------------------------------------------------------------------------------------

#: what is done → the error, and words in it that say what would have worked
BAD: dict[str, tuple[Callable[[Any, Any], Any], type[Exception], str]] = {
    "wrong parent kind": (
        lambda classes, project: classes.MrSessionData(parent=project, label="X"),
        exceptions.XNATValueError, "parent of a new MrSessionData must be a subject",
    ),
    "scan in a subject": (
        lambda classes, project: classes.MrScanData(parent=project.subjects["S1"], id="9"),
        exceptions.XNATValueError, "must be an experiment",
    ),
    "no parent": (
        lambda classes, project: classes.SubjectData(label="X"), exceptions.XNATValueError, "must be a project",
    ),
    "nested object": (
        lambda classes, project: classes.DemographicData(parent=project.subjects["S1"]),
        exceptions.XNATValueError, "subject.demographics.gender",
    ),
    "missing label": (
        lambda classes, project: classes.SubjectData(parent=project),
        exceptions.XNATValueError, "The label for a xnat:subjectData need to be specified on creation",
    ),
    "missing scan id": (
        lambda classes, project: classes.MrScanData(parent=project.experiments["E1"], type="T1"),
        exceptions.XNATValueError, "id='...'",
    ),
    "label that exists": (
        lambda classes, project: classes.MrSessionData(parent=project.subjects["S1"], label="E1"),
        exceptions.XNATObjectAlreadyExistsError, "overwrites=True",
    ),
    "field that isn't, on creation": (
        lambda classes, project: classes.SubjectData(parent=project, label="X", initails="A"),
        exceptions.XNATAttributeError, "did you mean initials",
    ),
    "bad value on creation": (
        lambda classes, project: classes.MrSessionData(parent=project.subjects["S1"], label="X", date="yesterday"),
        exceptions.XNATValueError, "yyyy-mm-dd",
    ),
    "outside an enumeration": (
        lambda classes, project: setattr(project.subjects["S1"].demographics, "gender", "robot"),
        exceptions.XNATValueError, 'gender has to be one of: "male", "female"',
    ),
    "outside a range": (
        lambda classes, project: setattr(project.subjects["S1"].demographics, "ses", "much"),
        exceptions.XNATValueError, "not a valid xs:integer",
    ),
    "one bad value of several": (
        lambda classes, project: project.experiments["E1"].mset(note="fine", date="never"),
        exceptions.XNATValueError, "yyyy-mm-dd",
    ),
    "unknown attribute": (
        lambda classes, project: setattr(project.experiments["E1"], "dat", "2020-01-01"),
        exceptions.XNATAttributeError, "did you mean date",
    ),
    "unknown attribute inside": (
        lambda classes, project: setattr(project.subjects["S1"].demographics, "gendre", "male"),
        exceptions.XNATAttributeError, "did you mean gender",
    ),
    "unknown attribute of several": (
        lambda classes, project: project.experiments["E1"].mset(note="fine", dat="2020-01-01"),
        exceptions.XNATAttributeError, "did you mean date",
    ),
    "replacing a listing": (
        lambda classes, project: setattr(project.experiments["E1"], "scans", []),
        exceptions.XNATValueError, "can't be replaced",
    ),
    "replacing an object": (
        lambda classes, project: setattr(project.subjects["S1"], "demographics", "x"),
        exceptions.XNATValueError, "assign to its fields",
    ),
    "empty label": (
        lambda classes, project: setattr(project.subjects["S1"], "label", ""),
        exceptions.XNATValueError, "can't be empty",
    ),
    "unknown status": (
        lambda classes, project: setattr(project.experiments["E1"], "status", "lost"),
        exceptions.XNATValueError, "'active' or 'quarantined'",
    ),
    "clearing by None": (
        lambda classes, project: setattr(project.experiments["E1"], "note", None),
        exceptions.XNATValueError, "del obj.field",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_says_what_works_and_sends_nothing(world: Any, session: Any, server: Sandbox, name: str) -> None:
    do, error, words = BAD[name]
    with server.record() as sent, pytest.raises(error) as raised:
        do(session.classes, world)
    assert isinstance(raised.value, exceptions.XNATError)
    assert words in str(raised.value)
    assert writes(sent) == []


@pytest.fixture
def reader(server: Sandbox, world: Any) -> Any:
    """A session of somebody who may only look."""
    server.add_user("reader", "pw")
    world.set_access("reader", "collaborator")
    with connect(server, user="reader", password="pw") as session:
        yield session


@pytest.mark.parametrize(
    "do",
    [
        lambda project: setattr(project.experiments["E1"], "note", "x"),
        lambda project: setattr(project.subjects["S1"].demographics, "gender", "male"),
        lambda project: project.experiments["E1"].delete(),
        lambda project: project.subjects["S1"].delete(),
        lambda project: project.delete(),
        lambda project: project.subjects["S1"].__class__(parent=project, label="X"),
        lambda project: project.experiments["E1"].create_resource("X"),
        lambda project: project.experiments["E1"].quarantine(),
        lambda project: project.set_access("reader", "owner"),
    ],
)
def test_forbidden_writes_are_typed_and_change_nothing(reader: Any, world: Any, there: Any, do: Any) -> None:
    with pytest.raises(exceptions.XNATForbiddenError) as raised:
        do(reader.projects["P"])
    assert raised.value.status_code == 403
    assert "403" in str(raised.value)
    seen = there()
    assert (seen.note, seen.subject.demographics.gender, seen.status) == (None, None, "active")
    assert list(seen.subject.parent.subjects.key_map) == ["S1"]
    assert list(seen.resources.key_map) == ["NOTES"]


#: how to find it → how to write to it
GONE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "subject": (lambda project: project.subjects["S1"], lambda obj: setattr(obj, "group", "x")),
    "label of a subject": (lambda project: project.subjects["S1"], lambda obj: setattr(obj, "label", "x")),
    "inside a subject": (
        lambda project: project.subjects["S1"], lambda obj: setattr(obj.demographics, "gender", "male"),
    ),
    "experiment": (lambda project: project.experiments["E1"], lambda obj: setattr(obj, "note", "x")),
    "variable": (lambda project: project.experiments["E1"], lambda obj: obj.fields.update(a="1")),
    "scan": (lambda project: project.experiments["E1"].scans["1"], lambda obj: setattr(obj, "note", "x")),
    "assessor": (lambda project: project.experiments["E1"].assessors["QC1"], lambda obj: setattr(obj, "note", "x")),
    "project": (lambda project: project, lambda obj: setattr(obj, "description", "x")),
    "label of an experiment": (lambda project: project.experiments["E1"], lambda obj: setattr(obj, "label", "x")),
    "status": (lambda project: project.experiments["E1"], lambda obj: obj.quarantine()),
    "subject of a new experiment": (
        lambda project: project.subjects["S1"],
        lambda obj: obj.xnat_session.classes.MrSessionData(parent=obj, label="X"),
    ),
    "session of a new scan": (
        lambda project: project.experiments["E1"],
        lambda obj: obj.xnat_session.classes.MrScanData(parent=obj, id="9"),
    ),
    "project of a new subject": (
        lambda project: project, lambda obj: obj.xnat_session.classes.SubjectData(parent=obj, label="X"),
    ),
}  # fmt: skip
#: Those of which the server itself says nothing that would help.
DESTROYED = {"label of an experiment", "status", "subject of a new experiment"}


@pytest.mark.parametrize("name", GONE)
def test_writing_to_what_somebody_else_deleted_makes_nothing(world: Any, session: Any, second: Any, name: str) -> None:
    find, write = GONE[name]
    mine = find(world)
    _ = mine.data
    find(second.projects["P"]).delete()
    with pytest.raises(exceptions.XNATError) as raised:
        write(mine)
    assert isinstance(raised.value, (exceptions.XNATObjectDestroyedError, exceptions.XNATResponseError))
    assert name not in DESTROYED or isinstance(raised.value, exceptions.XNATObjectDestroyedError)
    with pytest.raises(exceptions.XNATNotFoundError):
        second.get(mine.uri)
    projects = second.projects.keys()
    assert projects == ([] if name.startswith("project") else ["P"])
    if projects:
        labels = list(second.projects["P"].subjects.key_map)
        assert labels == ([] if "subject" in name else ["S1"])


@pytest.mark.parametrize(
    "find",
    [
        lambda project: project.subjects["S1"], lambda project: project.experiments["E1"],
        lambda project: project.experiments["E1"].scans["1"],
    ],
)  # fmt: skip
def test_after_that_the_handle_says_so(world: Any, second: Any, find: Any) -> None:
    mine = find(world)
    _ = mine.data
    find(second.projects["P"]).delete()
    for _ in range(2):
        with pytest.raises(exceptions.XNATObjectDestroyedError):
            mine.set("note" if mine.KIND != "subject" else "src", "x")


def test_deleting_what_is_gone(world: Any, second: Any) -> None:
    mine = world.subjects["S1"]
    second.projects["P"].subjects["S1"].delete()
    with pytest.raises(exceptions.XNATNotFoundError):
        mine.delete()


@pytest.mark.parametrize("form", [False, True])
def test_long_values_and_both_styles_of_writing(world: Any, session: Any, there: Any, form: bool) -> None:
    session.form_writes = form
    text = "ä&=#?+ %/" * (270 if form else 100)
    world.experiments["E1"].note = text
    assert there().note == text


def test_a_write_to_what_went_with_its_subject_makes_neither_anew(world: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    assert experiment.subject_id == world.subjects["S1"].id
    second.projects["P"].subjects["S1"].delete()
    with pytest.raises(exceptions.XNATObjectDestroyedError):
        experiment.note = "too late"
    assert len(second.projects["P"].subjects) == 0
    assert len(second.projects["P"].experiments) == 0


def test_setting_no_variables_asks_nothing(world: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    with server.record() as sent:
        experiment.fields.update({})
    assert len(sent) == 0


@pytest.mark.parametrize("name", ["scans", "fields"])
def test_objects_and_listings_are_not_set_as_fields(world: Any, server: Sandbox, name: str) -> None:
    with server.record() as sent, pytest.raises(exceptions.XNATError):
        world.experiments["E1"].set(name, "x")
    assert writes(sent) == []


def test_a_creation_whose_answer_was_lost_is_not_taken_for_somebody_else_s(
    session: Any, world: Any, server: Sandbox, second: Any
) -> None:
    session.client.retry.sleep = lambda seconds: None
    rule = server.faults.add(faults.lose_answer(), path="/experiments/E9$", method="PUT")
    made = session.classes.MrSessionData(parent=world.subjects["S1"], label="E9")
    assert rule.hits == 1
    assert made.label == "E9"
    assert sorted(one.label for one in second.projects["P"].experiments.values()) == ["E1", "E9"]


def test_variables_whose_value_was_cleared_elsewhere_are_gone(world: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    experiment.fields["a"], experiment.fields["b"] = "1", "2"
    del second.projects["P"].experiments["E1"].fields["a"]
    experiment.clearcache()
    assert dict(experiment.fields) == {"b": "2"}


def test_fields_of_parts_whose_type_has_no_name(world: Any, session: Any, second: Any) -> None:
    experiment = session.classes.XaSessionData(parent=world.subjects["S1"], label="X1")
    scan = session.classes.XaScanData(parent=experiment, id_="1", type="run")
    scan.parameters.pixel_res.x = 2
    scan.parameters.mset({"imageType": "DERIVED"})
    stored = second.projects["P"].experiments["X1"].scans["1"]
    assert (stored.parameters.pixel_res.x, stored.parameters.image_type) == (2, "DERIVED")


@pytest.mark.parametrize("root", ["xnat:mrSessionData", "xnat:experimentData"])
def test_fields_by_their_whole_path(world: Any, there: Callable[[], Any], root: str) -> None:
    experiment = world.experiments["E1"]
    experiment.set(f"{root}/note", "by its path")
    experiment.mset({f"{root}/date": "2021-02-03"})
    assert (there().note, there().date) == ("by its path", datetime.date(2021, 2, 3))
    experiment.del_(f"{root}/note")
    assert there().note is None
    with pytest.raises(exceptions.XNATAttributeError):
        experiment.set(f"{root}/noote", "misspelt")
