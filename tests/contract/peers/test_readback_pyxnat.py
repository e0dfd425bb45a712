"""What our client writes, pyxnat 1.6.4 reads back as it was written.

Both could misunderstand the server, but hardly in the same way. Everything is written at first, then pyxnat looks once.
"""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Any

import pytest

import xnat
from tests.functional.dicom import DICOM, MR, packed
from xnat.sandbox import Sandbox
from xnat.transfer import METHODS

from .peer_tools import walk

pytestmark = [pytest.mark.peers, pytest.mark.slow]

ODD = "a & b = c #1 %41 é/ü?\ttab"
LONG = "ä&=#?+ %/" * 100
VARIABLE = "fields/field[name=%s]/field"

#: kind → path → the text that is written (None: it is set, and cleared again; names of projects differ)
FIELDS: dict[str, dict[str, str | None]] = {
    "project": {
        "name": "The %s name & more", "description": ODD, "PI/firstname": "Jane", "PI/lastname": "Döe",
        VARIABLE % "Brain Volume": ODD,
    },
    "subject": {
        "label": "renamed_subject", "group": "patients, é", "src": None, "demographics/gender": "female",
        "demographics/yob": "1980", "demographics/handedness": None, "demographics/dob": "1980-02-03",
        "demographics/ethnicity": ODD, VARIABLE % "iq": "100", VARIABLE % "gone": None,
    },
    "experiment": {
        "label": "renamed_session", "date": "2020-02-03", "time": "12:13:14", "note": LONG,
        "scanner/model": "SIGNA & Co", "fieldStrength": "1.5", "operator": None, "acquisition_site": "Ghent",
        VARIABLE % "dose": "2.5",
    },
    "scan": {
        "type": "T1 weighted", "quality": "questionable", "note": ODD, "frames": "12", "parameters/tr": "2.5",
        "parameters/te": None, "parameters/voxelRes/x": "0.6", "parameters/voxelRes/y": "0.7",
        "parameters/voxelRes/units": "mm", "parameters/addParam[name=kernel]/addField": "soft",
    },
    "reconstruction": {"type": "mean", "baseScanType": "T1"},
    "assessor": {
        "label": "renamed_QC", "date": "2021-01-02", "note": ODD, "xnat:qcManualAssessorData/rater": "me",
        VARIABLE % "checked": "twice",
    },
}  # fmt: skip
LEVELS = ("project", "subject", "experiment", "scan", "assessor", "reconstruction")
#: Names of files, each with its content. A literal %20 is left to the zip: pyxnat decodes the names of listings.
NAMES = [
    "plain.txt", "sub folder/ü ß.txt", "sub folder/deeper/日本.bin", "100%.txt", "#1 what?.txt", "a+b&c=d;e.txt",
    "[x].txt", "it's, ~this!.txt",
]  # fmt: skip
#: Format, content and tags of the first; the others may have those of the resource.
DETAILS = ["RAW", "TEXT", "first,second"]


def content(name: str) -> bytes:
    return f"what is in {name}".encode() * 3


# -- writing -----------------------------------------------------------------------------------------------------------


def write_fields(session: Any, name: str) -> dict[str, Any]:
    """A project with one object of each kind; every field in a write after the creation."""
    classes = session.classes
    project = classes.ProjectData(parent=session, name=name)
    subject = classes.SubjectData(parent=project, label="S1", src="cleared", initials="XY")
    experiment = classes.MrSessionData(parent=subject, label="E1", date="2001-01-01", operator="cleared")
    scan = classes.MrScanData(parent=experiment, id="1", type="T1", quality="usable")
    reconstruction = classes.ReconstructedImageData(parent=experiment, id="R", type="median")
    assessor = experiment.create_assessor("QC1", "xnat:qcManualAssessorData")

    project.name = f"The {name} name & more"
    project.description = ODD
    project.pi.mset(firstname="Jane", lastname="Döe")
    project.fields["Brain Volume"] = ODD
    for lastname in ("Roe", "Doe", "Poe"):
        project.investigators[lastname].firstname = "A & é"
    del project.investigators["Doe"]
    project.aliases[f"alias of {name}"] = f"alias of {name}"

    subject.group = FIELDS["subject"]["group"]
    del subject.src
    subject.demographics.gender = "female"
    subject.demographics.mset(yob=1980, handedness="left", dob=datetime.date(1980, 2, 3), ethnicity=ODD)
    del subject.demographics.handedness
    subject.fields.update(iq=100, gone="x")
    del subject.fields["gone"]
    subject.label = "renamed_subject"

    experiment.date = datetime.date(2020, 2, 3)
    experiment.note = LONG
    experiment.mset({"scanner/model": "SIGNA & Co"}, time="12:13:14", field_strength="1.5", acquisition_site="Ghent")
    del experiment.operator
    experiment.fields["dose"] = 2.5
    experiment.label = "renamed_session"

    scan.mset(type="T1 weighted", quality="questionable", note=ODD, frames=12)
    scan.parameters.mset(tr=2.5, te=1.5)
    del scan.parameters.te
    scan.parameters.voxel_res.x = 0.6
    scan.parameters.voxel_res.mset(y=0.7, units="mm")
    scan.parameters.add_param["kernel"] = "soft"

    reconstruction.mset(type="mean", base_scan_type="T1")
    assessor.mset(rater="me", note=ODD, date="2021-01-02")
    assessor.fields["checked"] = "twice"
    assessor.label = "renamed_QC"
    return {
        "project": project, "subject": subject, "experiment": experiment, "scan": scan, "assessor": assessor,
        "reconstruction": reconstruction,
    }  # fmt: skip


def write_objects(session: Any, made: dict[str, Any]) -> None:
    """More types, and the first subject and session shared into another project."""
    classes = session.classes
    other = classes.ProjectData(parent=session, name="other")
    made["ct"] = classes.CtSessionData(parent=made["subject"], label="ct")
    classes.PetSessionData(parent=made["subject"], label="pet & more")
    classes.MrScanData(parent=made["experiment"], id="2-MR1", type="localizer")
    classes.OtherDicomScanData(parent=made["experiment"], id="3", type="?")
    made["subject"].share(other, label="elsewhere")
    made["experiment"].share("other", label="session elsewhere")
    made["ct"].share(other)
    made["ct"].unshare(other)


def write_files(session: Any, made: dict[str, Any], folder: Path) -> None:
    """A resource of each level with the same files; in the CT session a resource for each way to upload a directory."""
    for level in LEVELS:
        resource = session.classes.ResourceCatalog(parent=made[level], label=level, format="BIN", content="TEST")
        local = folder / "local.txt"
        local.write_bytes(content("plain.txt"))
        resource.upload(local, "plain.txt", file_format="RAW", file_content="TEXT", file_tags="first,second")
        for name in NAMES[1:]:
            resource.upload_data(b"not yet", name)
            resource.upload_data(content(name), name, overwrite=True)
        resource.upload_data(b"x", "deleted.txt")
        resource.files["deleted.txt"].delete()
    tree = folder / "tree"
    for name in [*NAMES, "50%20.txt", "an empty one"]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"" if "empty" in name else content(name))
    for method in METHODS:
        made["ct"].create_resource(method).upload_dir(tree, method=method)
    made["ct"].create_resource("created", "BIN", tree)


def write_imports(session: Any) -> None:
    archive = packed(MR)
    session.services.import_(data=archive, project="url", subject="imported", experiment="scanned")
    place = {"project": "url", "subject": "waiting", "experiment": "waits", "destination": "/prearchive"}
    session.services.import_(data=archive, **place)


def write_access(sandbox: Sandbox, project: Any) -> None:
    for login in ("reader", "writer", "chief", "left"):
        sandbox.add_user(login, "pw")
    project.set_access("reader", "collaborator")
    project.set_access("writer", "collaborator")
    project.set_access("writer", "member")
    project.set_access("chief", "owner")
    project.set_access("left", "member")
    project.remove_access("left")


def delete_things(session: Any, project: Any) -> None:
    classes = session.classes
    classes.ProjectData(parent=session, name="gone").delete()
    classes.SubjectData(parent=project, label="gone").delete()
    subject = classes.SubjectData(parent=project, label="survivor")
    classes.MrSessionData(parent=subject, label="gone").delete()
    experiment = classes.MrSessionData(parent=subject, label="survivor")
    scans = [classes.MrScanData(parent=experiment, id=id_, type="T1") for id_ in ("1", "2")]
    scans[1].delete()
    experiment.create_assessor("QC", "xnat:qcManualAssessorData").delete()
    classes.ReconstructedImageData(parent=experiment, id="R").delete()
    experiment.create_resource("gone").delete()
    resource = experiment.create_resource("kept")
    for name in ("gone.txt", "kept.txt"):
        resource.upload_data(name.encode(), name)
    resource.files["gone.txt"].delete()


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What our client has written, and what pyxnat saw of it."""
    with Sandbox() as sandbox:
        with xnat.connect(sandbox.url, user="admin", password="admin") as session:
            session.form_writes = True
            write_fields(session, "form")
            session.form_writes = False
            made = write_fields(session, "url")
            write_objects(session, made)
            write_files(session, made, tmp_path_factory.mktemp("local"))
            write_imports(session)
            write_access(sandbox, made["project"])
            delete_things(session, made["project"])
            ids = {kind: thing.id for kind, thing in made.items()}
        return ids, walk("pyxnat", sandbox, tmp_path_factory.mktemp("pyxnat"), script="read")


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("style", ["url", "form"])
def test_fields(read: tuple[dict[str, Any], dict[str, Any]], style: str, kind: str) -> None:
    _, seen = read
    written = {path: (value or "").replace("%s", style) for path, value in FIELDS[kind].items()}
    assert {path: number(value) for path, value in seen[style][kind].items()} == {
        path: number(value) for path, value in written.items()
    }


def number(text: str) -> str | float:
    """Numbers as such: where the schema has floats, XNAT may write 100 as 100.0."""
    try:
        return float(text)
    except ValueError:
        return text


@pytest.mark.parametrize("style", ["url", "form"])
def test_what_was_renamed_and_cleared_is_gone(read: tuple[dict[str, Any], dict[str, Any]], style: str) -> None:
    _, seen = read
    assert seen[style]["old names"] == [False, False, False]
    assert seen[style]["elements"] == ["iq"]


@pytest.mark.parametrize("style", ["url", "form"])
def test_elements_of_lists(read: tuple[dict[str, Any], dict[str, Any]], style: str) -> None:
    _, seen = read
    assert seen[style]["investigators"] == ["A & é", "Roe", "A & é", "Poe"]
    assert seen[style]["aliases"] == [f"alias of {style}"]


def test_objects_and_their_types(read: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ids, seen = read
    assert seen["ids"] == [ids["project"], ids["subject"], ids["experiment"]]
    assert seen["types"] == {
        "renamed_session": "xnat:mrSessionData", "ct": "xnat:ctSessionData", "pet & more": "xnat:petSessionData",
    }  # fmt: skip
    assert seen["scans"] == {
        "1": ["xnat:mrScanData", "T1 weighted"], "2-MR1": ["xnat:mrScanData", "localizer"],
        "3": ["xnat:otherDicomScanData", "?"],
    }  # fmt: skip
    assert seen["reconstructions"] == {"R": "xnat:reconstructedImageData"}
    assert seen["assessors"] == {"renamed_QC": [ids["assessor"], "xnat:qcManualAssessorData"]}


def test_sharing(read: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ids, seen = read
    assert seen["shares"] == [["url", "other"], ["url", "other"]]
    assert seen["unshared"] == ["url"]
    assert seen["shared subjects"] == {ids["subject"]: "elsewhere"}
    assert seen["shared"] == {ids["experiment"]: "session elsewhere"}


def test_sharing_seen_from_the_other_project(read: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ids, seen = read
    assert set(seen["experiments of the project"]) == {ids["experiment"]}


@pytest.mark.parametrize("level", LEVELS)
def test_resources(read: tuple[dict[str, Any], dict[str, Any]], level: str) -> None:
    _, seen = read
    labels, told = seen["resources"][level]
    assert labels == [level]
    size = sum(len(content(name)) for name in NAMES)
    assert told == {
        "label": level, "file_count": str(len(NAMES)), "file_size": str(size), "tags": "", "content": "TEST",
        "format": "BIN",
    }  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_files_and_what_is_told_of_them(read: tuple[dict[str, Any], dict[str, Any]], level: str) -> None:
    _, seen = read
    assert {name: size for name, (size, *_) in seen["files"][level].items()} == {
        name: len(content(name)) for name in NAMES
    }
    assert seen["files"][level]["plain.txt"][1:] == DETAILS


@pytest.mark.parametrize("level", LEVELS)
def test_bytes_of_files(read: tuple[dict[str, Any], dict[str, Any]], level: str) -> None:
    _, seen = read
    found, one = seen["bytes"][level]
    assert {name: bytes.fromhex(text) for name, text in found.items()} == {name: content(name) for name in NAMES}
    assert bytes.fromhex(one) == content("sub folder/ü ß.txt")


@pytest.mark.parametrize("label", [*METHODS, "created"])
def test_directories(read: tuple[dict[str, Any], dict[str, Any]], label: str) -> None:
    _, seen = read
    expected = {name: content(name) for name in [*NAMES, "50%20.txt"]} | {"an empty one": b""}
    assert seen["formats"][label] == ("BIN" if label == "created" else "")
    assert {name: bytes.fromhex(text) for name, text in seen["trees"][label].items()} == expected


def test_imports(read: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, seen = read
    assert seen["imported"] == ["xnat:mrSessionData", "1", "xnat:mrScanData"]
    assert seen["dicom"] == ["DICOM", hashlib.md5((DICOM / MR).read_bytes()).hexdigest()]
    assert seen["prearchive"] == [["url", "waits", "READY"]]
    assert seen["prearchive scans"] == [["1"]]


def test_access(read: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, seen = read
    assert seen["users"] == ["admin", "chief", "reader", "writer"]
    assert seen["roles"] == [["admin", "chief"], ["writer"], ["reader"]]


def test_what_was_deleted_is_gone_and_nothing_else(read: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, seen = read
    assert not any(seen["gone"].values()), seen["gone"]
    assert seen["kept"] == [True, True, {"kept.txt": [8, "", "", ""]}]
