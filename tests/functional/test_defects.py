"""Known defects of today's client, a test each, named by its number. Others stand in the tests of their parts."""

from __future__ import annotations

import datetime
import gc
import io
import logging
import os
import re
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat import exceptions
from xnat.sandbox import Sandbox, faults

from .cli.conftest import Cli
from .conftest import connect
from .dicom import packed

QC = "xnat:qcManualAssessorData"


def stored(second: Any, resource: str = "PROTOCOL") -> dict[str, bytes]:
    files = second.projects["P"].resources[resource].files
    return {path: second.get(file.uri).content for path, file in files.items()}


# -- security ----------------------------------------------------------------------------------------------------------


def test_w1_nothing_of_a_schema_is_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    evil = f'"""\nopen({str(proof)!r}, "w").write("x")\n"""'
    schema = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://e/x" xmlns:x="http://e/x">'
        f'<xs:complexType name="bad"><xs:annotation><xs:documentation>{evil.replace(chr(34), "&quot;")}'
        '</xs:documentation></xs:annotation><xs:sequence><xs:element name="a"><xs:simpleType><xs:restriction '
        'base="xs:string"><xs:enumeration value="&quot;); raise SystemExit #"/></xs:restriction></xs:simpleType>'
        '</xs:element></xs:sequence><xs:attribute name="9lives" type="xs:string"/></xs:complexType></xs:schema>'
    )
    with Sandbox() as server:
        server.faults.add(faults.body(schema.encode()), path="/xapi/schemas/.*assessments", times=None)
        with connect(server, cache=False) as session:
            made = [session.XNAT_CLASS_LOOKUP[name] for name in session.XNAT_CLASS_LOOKUP]
            assert [cls for cls in made if "raise SystemExit" in str(vars(cls).get("a") and vars(cls)["a"].facets)]
    assert not proof.exists()


@pytest.mark.parametrize("mode", [0o666, 0o640, 0o604])
def test_w2_netrc_that_others_can_read_is_an_error(server: Sandbox, tmp_path: Path, mode: int) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin admin\npassword admin\n")
    netrc.chmod(mode)
    with pytest.raises(exceptions.XNATUnsafeNetrcError, match="chmod 600"):
        xnat.connect(server.url, netrc_file=str(netrc))
    netrc.chmod(0o600)
    netrc.write_text("machine 127.0.0.1 login\npasword admin\n")
    with pytest.raises(exceptions.XNATUnsafeNetrcError):
        xnat.connect(server.url, netrc_file=str(netrc))


def test_w3_credentials_do_not_follow_a_redirect_to_another_host(server: Sandbox) -> None:
    with Sandbox() as elsewhere:
        server.faults.add(
            faults.redirect(elsewhere.url.replace("127.0.0.1", "localhost") + "/"), path="^/$", times=None
        )
        with elsewhere.record() as seen:
            try:
                connect(server).disconnect()
            except exceptions.XNATError:
                pass
        assert not [entry for entry in seen if "Authorization" in entry.headers or entry.method == "PUT"]


def test_w4_credentials_of_the_environment_are_for_its_server_only(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HOST", "https://other.example.org"), ("USER", "secretive"), ("PASS", "hush")):
        monkeypatch.setenv(f"XNAT_{name}", value)
    with server.record() as seen, pytest.raises(exceptions.XNATError):
        xnat.connect(server.url)
    assert not [entry for entry in seen if "Authorization" in entry.headers or entry.method == "PUT"]


def test_w7_labels_do_not_lead_out_of_the_target(world: Any, session: Any, server: Sandbox, tmp_path: Path) -> None:
    subject = world.subjects["S1"]
    escape = faults.body(lambda data: data.replace(b'"S1"', b'"../../escaped"').replace(b'"E1"', b'"../../escaped"'))
    server.faults.add(escape, path="/(subjects|experiments)$", times=None)
    session.clearcache()
    target = tmp_path / "one" / "two"
    world.subjects[subject.id].download_dir(target, verbose=False)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and target not in path.parents]
    assert outside == []


@pytest.mark.parametrize("key", ["x]/y", "a[1", "a/b", "@a", "a=b", 'a"b', "a'b", "", " ", "a\nb", "<a>"])
def test_w8_keys_cannot_inject_an_xpath(world: Any, server: Sandbox, key: str) -> None:
    experiment = world.experiments["E1"]
    scan = experiment.scans["1"]
    with server.record() as sent:
        for values in (experiment.fields, scan.fields, experiment.subject.fields, world.aliases):
            with pytest.raises(exceptions.XNATValueError, match="can't be the key"):
                values[key] = "1"
        with pytest.raises(exceptions.XNATValueError, match="can't be the key"):
            experiment.fields.update({"fine": "1", key: "2"})
        with pytest.raises(exceptions.XNATValueError, match="can't be the key"):
            world.investigators[key].firstname = "x"
    assert [entry for entry in sent if entry.method == "PUT"] == []


def test_w9_form_writes_keep_values_out_of_urls_and_logs(
    world: Any, session: Any, second: Any, server: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    experiment, subject = world.experiments["E1"], world.subjects["S1"]
    session.form_writes = True
    with server.record() as sent, caplog.at_level(logging.INFO):
        experiment.note = "SECRET-note"
        experiment.fields["diagnosis"] = "SECRET-diagnosis"
        experiment.fields.update(a="SECRET-a", b="SECRET-b")
        subject.demographics.race = "SECRET-race"
        subject.mset(group="SECRET-group", src="SECRET-src")
        experiment.scans["1"].series_description = "SECRET-series"
        experiment.custom_forms["finding"] = "SECRET-finding"
        made = session.classes.MrSessionData(parent=subject, label="E2", note="SECRET-new")
        session.classes.SubjectData(parent=world, label="S2", initials="SECRET-initials")
    assert not [entry for entry in sent if "SECRET" in entry.query + entry.path]
    assert "SECRET" not in caplog.text
    there = second.projects["P"].experiments["E1"]
    assert (there.note, there.fields["diagnosis"], there.fields["b"]) == ("SECRET-note", "SECRET-diagnosis", "SECRET-b")
    assert there.subject.demographics.race == "SECRET-race"
    assert (there.subject.group, there.subject.src) == ("SECRET-group", "SECRET-src")
    assert there.scans["1"].series_description == "SECRET-series"
    assert dict(there.custom_forms) == {"finding": "SECRET-finding"}
    assert second.projects["P"].experiments[made.id].note == "SECRET-new"
    assert second.projects["P"].subjects["S2"].initials == "SECRET-initials"


def test_w9_form_writes_hold_for_groups_listings_and_what_is_cleared(
    world: Any, session: Any, second: Any, server: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    experiment, subject = world.experiments["E1"], world.subjects["S1"]
    scan, assessor = experiment.scans["1"], experiment.assessors["QC1"]
    session.form_writes = True
    with server.record() as sent, caplog.at_level(logging.INFO):
        for thing in (world, subject, experiment, assessor):
            thing.fields.update(kept="SECRET-kept", gone="SECRET-gone")
            thing.fields.setdefault("more", "SECRET-more")
            del thing.fields["gone"]
        for thing in (world, subject, experiment, scan, assessor):
            thing.custom_forms.update(kept="SECRET-kept", gone=["SECRET-gone"])
            del thing.custom_forms["gone"]
        scan.fields["coil"] = "SECRET-coil"
        subject.demographics.mset(race="SECRET-race", ethnicity="SECRET-ethnicity")
        world.pi.mset(firstname="SECRET-first", lastname="SECRET-last")
        world.investigators["SECRET-name"].firstname = "SECRET-person"
        world.aliases["SECRET-alias"] = "SECRET-alias"
        subject.add_id["hospital"] = "SECRET-number"
        experiment.scanner.model = "SECRET-model"
        session.classes.MrScanData(parent=experiment, id_="9", note="SECRET-scan")
        session.classes.QcManualAssessorData(parent=experiment, label="QC9", comments="SECRET-comment")
        session.classes.MrSessionData(parent=subject, label="E1", note="SECRET-note", overwrites=True)
        del experiment.note
    assert not [entry for entry in sent if "SECRET" in entry.query + entry.path]
    assert "SECRET" not in caplog.text
    there = second.projects["P"]
    person = there.investigators["SECRET-name"]
    assert (there.pi.lastname, person.firstname) == ("SECRET-last", "SECRET-person")
    for thing in (there, there.subjects["S1"], there.experiments["E1"], there.experiments["E1"].assessors["QC1"]):
        assert dict(thing.fields) == {"kept": "SECRET-kept", "more": "SECRET-more"}
        assert dict(thing.custom_forms) == {"kept": "SECRET-kept"}
    assert there.experiments["E1"].note is None
    assert there.experiments["E1"].scanner.model == "SECRET-model"


@pytest.mark.parametrize("form", [False, True])
def test_w9_values_are_never_shown_at_info(
    world: Any, session: Any, form: bool, caplog: pytest.LogCaptureFixture
) -> None:
    session.form_writes = form
    with caplog.at_level(logging.INFO):
        world.experiments["E1"].note = "SECRET"
        with pytest.raises(exceptions.XNATError):
            world.experiments["E1"].set("nosuchfield/at/all[", "SECRET")
    assert "SECRET" not in caplog.text


# -- silent loss -------------------------------------------------------------------------------------------------------


def test_w10_text_arrives_as_utf8_and_the_connection_stays_usable(world: Any, session: Any, second: Any) -> None:
    uri = f"{world.resources['PROTOCOL'].uri}/files/cafe.txt"
    session.upload_string(uri, "café ☕")
    assert session.get("/data/projects").status_code == 200
    session.upload(uri.replace("cafe", "tea"), "thé")
    world.resources["PROTOCOL"].upload_data("maté", "mate.txt")
    session.upload_stream(uri.replace("cafe", "milk"), io.StringIO("lait à"))
    found = stored(second)
    assert found["cafe.txt"] == "café ☕".encode()
    assert found["tea.txt"] == "thé".encode()
    assert found["mate.txt"] == "maté".encode()
    assert found["milk.txt"] == "lait à".encode()


@pytest.mark.parametrize("name", ["scan#1.dcm", "a?b.txt", "100%.txt", "a b&c=d.txt", "ünï;x.txt", "q?x=1"])
def test_w11_paths_are_quoted(world: Any, session: Any, second: Any, name: str) -> None:
    world.resources["PROTOCOL"].upload_data(b"data", f"sub/{name}")
    file = second.projects["P"].resources["PROTOCOL"].files[f"sub/{name}"]
    assert file.name == name
    with file.open() as stream:
        assert stream.read() == b"data"


def test_w11_labels_are_quoted(world: Any, session: Any, second: Any) -> None:
    subject = session.classes.SubjectData(parent=world, label="a b")
    experiment = session.classes.MrSessionData(parent=subject, label="a#b?c", date=datetime.date(2020, 2, 3))
    assert second.projects["P"].experiments["a#b?c"].id == experiment.id
    assert second.projects["P"].experiments["a#b?c"].date == datetime.date(2020, 2, 3)


@pytest.mark.parametrize(
    "name",
    [
        "50% + = #",
        "ünï cödé",
        ".hidden",
        "trail.",
        " lead",
        "trail ",
        "a,b",
        "(x) [y] {z}",
        "日本",
        "a|b^c~d`e$f!g@h",
    ],
)
def test_w11_whatever_it_is_called_by_whatever_name(
    world: Any, session: Any, second: Any, tmp_path: Path, name: str
) -> None:
    subject, experiment = world.subjects["S1"], world.experiments["E1"]
    made = {
        "subjects": session.classes.SubjectData(parent=world, label=name),
        "experiments": session.classes.MrSessionData(parent=subject, label=name),
        # Labels of experiments are unique in a project, assessors included.
        "assessors": experiment.create_assessor(f"{name}2", QC),
        "scans": session.classes.MrScanData(parent=experiment, id_=name, type=name),
    }
    for kind, thing in made.items():
        owner = second.projects["P"] if kind in ("subjects", "experiments") else second.projects["P"].experiments["E1"]
        label = f"{name}2" if kind == "assessors" else name
        there = getattr(owner, kind)[label]
        assert there.id == thing.id
        thing.create_resource(name).upload_data(name.encode(), f"sub/{name}")
        file = there.resources[name].files[f"sub/{name}"]
        with file.open() as stream:
            assert (file.name, stream.read()) == (name, name.encode())
        there.custom_forms[name] = name
        assert thing.custom_forms[name] == name
        report = thing.download_dir(tmp_path / kind, verbose=False)
        assert [len(report.verified), len(report.failed)] == [1, 0]
        there.resources[name].delete()
        there.delete()
        session.clearcache()
        assert label not in getattr(second.projects["P"] if owner.KIND == "project" else owner, kind)
    subject.label = name
    assert second.projects["P"].subjects[name].id == subject.id


@pytest.mark.parametrize("name", ["q?", "a%20b", "50%", "x?a=1#b%2Fc"])
def test_w11_files_of_scans_whose_ids_look_like_addresses(
    world: Any, session: Any, second: Any, tmp_path: Path, name: str
) -> None:
    experiment = world.experiments["E1"]
    scan = session.classes.MrScanData(parent=experiment, id_=name, type="T")
    scan.create_resource("DICOM").upload_data(b"data", "x.dcm")
    there = second.projects["P"].experiments["E1"].scans[name]
    for file in (there.files["x.dcm"], there.resources["DICOM"].files["x.dcm"]):
        with file.open() as stream:
            assert stream.read() == b"data"
    for number, owner in enumerate((there, there.resources["DICOM"], experiment)):
        report = owner.download_dir(tmp_path / str(number), verbose=False)
        assert report.ok
        assert [path.read_bytes() for path in (tmp_path / str(number)).rglob("x.dcm")] == [b"data"]
    there.files["x.dcm"].delete()
    assert list(second.projects["P"].experiments["E1"].scans[name].files) == []


def test_w12_an_upload_that_was_not_stored_is_an_error(world: Any, session: Any, second: Any, tmp_path: Path) -> None:
    resource = world.resources["PROTOCOL"]
    with pytest.raises(exceptions.XNATUploadError, match="overwrite"):
        resource.upload_data(b"other", "protocol.txt")
    (tmp_path / "protocol.txt").write_bytes(b"other")
    with pytest.raises(exceptions.XNATUploadError):
        session.upload_file(f"{resource.uri}/files/protocol.txt", tmp_path / "protocol.txt")
    with pytest.raises(exceptions.XNATTransferError):
        resource.upload_dir(tmp_path)
    assert stored(second) == {"protocol.txt": b"steps"}
    resource.upload_data(b"other", "protocol.txt", overwrite=True)
    assert stored(second) == {"protocol.txt": b"other"}


def test_w13_flatten_dirs_keeps_what_was_there_and_loses_nothing(world: Any, tmp_path: Path) -> None:
    resource = world.resources["PROTOCOL"]
    for name in ("root.txt", "a/same.txt", "b/same.txt"):
        resource.upload_data(name.encode(), name)
    (tmp_path / "precious.txt").write_text("mine")
    resource.download_dir(tmp_path, verbose=False, flatten_dirs=True)
    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    found.pop(".xnat-manifest.jsonl")  # what is complete, for the next time
    assert found == {
        "precious.txt": "mine", "protocol.txt": "steps", "root.txt": "root.txt", "a/same.txt": "a/same.txt",
        "b/same.txt": "b/same.txt",
    }  # fmt: skip


def test_w14_a_login_page_is_never_a_download(world: Any, server: Sandbox, tmp_path: Path) -> None:
    server.faults.add(faults.login_page(), path="/files", times=None)
    with pytest.raises(exceptions.XNATError):
        world.resources["PROTOCOL"].download(tmp_path / "x.zip", verbose=False)
    assert list(tmp_path.iterdir()) == []


def test_w15_a_broken_download_keeps_the_old_file(world: Any, server: Sandbox, tmp_path: Path) -> None:
    file = world.experiments["E1"].scans["1"].files["1.dcm"]
    target = tmp_path / "x.dcm"
    target.write_bytes(b"old")
    server.faults.add(faults.cut(5), path="/files/1.dcm", times=None)
    with pytest.raises(exceptions.XNATError):
        file.download(target, verbose=False)
    server.faults.clear()
    server.faults.add(faults.corrupt(3), path="/files/1.dcm", times=None)
    with pytest.raises(exceptions.XNATDownloadError):
        file.download(target, verbose=False)
    assert file.verify_digest() is False
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.dcm": b"old"}
    with pytest.raises(exceptions.XNATDownloadError):
        file.xnat_session.download(file.uri, target, verbose=False, expected_md5_digest="0" * 32)


@pytest.mark.parametrize("method", ["auto", "per_file", "tar_file", "tgz_file", "tar_memory", "tgz_memory"])
def test_w16_upload_dir_sends_empty_files_or_says_it_did_not(
    world: Any, second: Any, tmp_path: Path, method: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "empty.txt").write_bytes(b"")
    (tmp_path / "full.txt").write_bytes(b"x")
    resource = world.create_resource("DIR")
    report = resource.upload_dir(tmp_path, method=method, verbose=False)
    assert report.ok
    assert stored(second, "DIR") == {"full.txt": b"x", "sub/empty.txt": b""}


def test_w16_unknown_upload_method_is_an_error(world: Any, server: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with server.record() as sent, pytest.raises(exceptions.XNATValueError, match="tgz_file"):
        world.resources["PROTOCOL"].upload_dir(tmp_path, method="pigeon")
    assert not [entry for entry in sent if entry.method in ("PUT", "POST")]


def test_w17_objects_that_share_a_path_are_not_confused(world: Any, session: Any, tmp_path: Path) -> None:
    subject = world.subjects["S1"]
    _ = subject.demographics.gender, world.pi.firstname
    session.clearcache()
    assert type(world.subjects["S1"]) is session.classes.SubjectData
    assert type(session.create_object(world.uri)) is session.classes.ProjectData
    scan = world.experiments["E1"].scans["1"]
    _ = scan.parameters.tr, scan.parameters.voxel_res.x
    assert scan.resources["DICOM"].parent is scan
    world.download_dir(tmp_path, verbose=False)


@pytest.mark.parametrize(("flag", "text"), [(True, "triggerPipelines=true"), (False, "triggerPipelines=false")])
def test_w18_trigger_pipelines_is_spelled_as_the_server_reads_it(
    session: Any, server: Sandbox, flag: bool, text: str
) -> None:
    session.put("/data/projects/P")
    with server.record() as sent:
        session.services.import_(data=packed(), project="P", trigger_pipelines=flag)
    assert text in next(entry.query for entry in sent if entry.path == "/data/services/import")


def test_w19_height_weight_and_ses_of_demographics(world: Any, second: Any) -> None:
    demographics = world.subjects["S1"].demographics
    demographics.height = 190.5
    demographics.height_units = "cm"
    demographics.weight = 80
    demographics.weight_units = "kg"
    demographics.ses = 3
    there = second.projects["P"].subjects["S1"].demographics
    found = (there.height, there.height_units, there.weight, there.weight_units, there.ses)
    assert found == (190.5, "cm", 80.0, "kg", 3)
    assert [type(value) for value in found] == [float, str, float, str, int]


def test_w20_deleting_a_custom_variable_clears_it_and_no_other(world: Any, second: Any, server: Sandbox) -> None:
    fields = world.experiments["E1"].fields
    fields.update(a="1", b="2")
    assert len(fields) == 2
    with server.record() as sent:
        del fields["a"]
    assert [entry.method for entry in sent] == ["PUT"]
    assert dict(fields) == dict(second.projects["P"].experiments["E1"].fields) == {"b": "2"}


def test_w21_values_of_every_type_are_read_and_written(world: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    there = second.projects["P"].experiments["E1"]
    values = {
        "duration": datetime.timedelta(hours=1, seconds=3), "time": datetime.time(12, 30, 1),
        "date": datetime.date(2021, 3, 4), "delay": 7, "note": "text",
    }  # fmt: skip
    for name, value in values.items():
        setattr(experiment, name, value)
        assert getattr(there, name) == value
    for name, text, value in (
        ("duration", "PT2M", datetime.timedelta(minutes=2)),
        ("date", "2022-01-02", datetime.date(2022, 1, 2)),
        ("time", "01:02:03", datetime.time(1, 2, 3)),
    ):
        setattr(experiment, name, text)
        assert getattr(there, name) == value
    world.active = True
    assert second.projects["P"].active is True
    world.mset(active=False, description="d")
    assert (second.projects["P"].active, second.projects["P"].description) == (False, "d")
    scan = experiment.scans["1"]
    scan.mset({"frames": 3})
    assert second.projects["P"].experiments["E1"].scans["1"].frames == 3
    with pytest.raises(exceptions.XNATValueError, match="del obj"):
        experiment.note = None
    del experiment.note
    assert there.note is None


# -- broken functions --------------------------------------------------------------------------------------------------


def test_w22_connect_without_a_server_uses_the_environment(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HOST", server.url), ("USER", "admin"), ("PASS", "admin")):
        monkeypatch.setenv(f"XNATPY_{name}", value)
    with xnat.connect() as session:
        assert session.logged_in_user == "admin"


def test_w23_a_project_is_created_by_name(session: Any, second: Any, server: Sandbox) -> None:
    with server.record() as sent:
        session.classes.ProjectData(parent=session, name="x")
        session.classes.ProjectData(parent=session, id_="y", name="Why not")
    assert not [entry for entry in sent if "None" in entry.path]
    assert second.projects.keys() == ["x", "y"]
    assert second.projects["y"].name == "Why not"
    with pytest.raises(exceptions.XNATValueError, match="id_='a_b'"):
        session.classes.ProjectData(parent=session, name="a b")


def test_w24_create_assessor_and_create_object_give_objects(world: Any, session: Any, second: Any) -> None:
    experiment = world.experiments["E1"]
    made = experiment.create_assessor("QC2", QC)
    assert made.label == "QC2"
    assert second.projects["P"].experiments["E1"].assessors["QC2"].id == made.id
    assert experiment.create_assessor("QC3", session.classes.QcManualAssessorData).label == "QC3"
    for obj in (world, world.subjects["S1"], experiment, experiment.scans["1"], experiment.resources["NOTES"]):
        assert session.create_object(obj.uri, type(obj).XSI_TYPE) is obj


def test_w25_access_of_users_is_set_and_removed(world: Any, server: Sandbox, second: Any) -> None:
    server.add_user("jane", "doe")
    there = second.projects["P"]
    for level, name in (("member", "Members"), ("Owners", "Owners"), ("P_collaborator", "Collaborators")):
        world.set_access("jane", level)
        assert world.users["jane"].access_level == there.users["jane"].access_level == name
    world.remove_access("jane")
    assert "jane" not in there.users
    world.set_access(world.xnat_session.users["jane"], "owner")
    world.remove_access(world.users["jane"])
    assert "jane" not in world.users
    with pytest.raises(exceptions.XNATKeyError, match="members are admin"):
        world.remove_access("jane")
    with pytest.raises(exceptions.XNATNotFoundError):
        world.set_access("jane", "emperor")
    assert world.access_level == "Owners"


def test_w26_an_import_of_several_sessions_gives_a_list(session: Any, second: Any) -> None:
    session.put("/data/projects/P")
    found = session.services.import_(data=packed("MR_small.dcm", "CT_small.dcm"), project="P")
    assert sorted(type(experiment).__name__ for experiment in found) == ["CtSessionData", "MrSessionData"]
    assert sorted(second.projects["P"].experiments) == sorted(experiment.id for experiment in found)


def test_w27_prearchive_find_download_and_open(session: Any, server: Sandbox, tmp_path: Path) -> None:
    session.put("/data/projects/P")
    waiting = session.services.import_(data=packed(), project="P", destination="/prearchive")
    receiving = faults.body(lambda data: data.replace(b'"READY"', b'"RECEIVING"'))
    server.faults.add(receiving, path="^/data/prearchive/projects$", times=None)
    assert session.prearchive.find() == []
    assert session.prearchive.find(allow_receiving=True) == [waiting]
    server.faults.clear()
    file = waiting.scans[0].files[0]
    assert Path(file.download(tmp_path / "x.dcm")).read_bytes()[128:132] == b"DICM"
    server.faults.add(faults.status(404, "<html>no</html>"), path="/files/", times=None)
    with pytest.raises(exceptions.XNATNotFoundError):
        file.open()


def test_w28_open_gives_a_whole_file_object(world: Any) -> None:
    with world.resources["PROTOCOL"].files["protocol.txt"].open() as stream:
        assert stream.read(-1) == b"steps"
        assert stream.seek(-2, os.SEEK_END) == 3
        assert stream.read() == b"ps"
        assert stream.seek(0) == 0
        assert list(stream) == [b"steps"]


def test_w29_search_and_map_work_in_another_thread(world: Any, session: Any) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(session.map(lambda subject: 1.5, "subject")))
    thread.start()
    thread.join(60)
    assert [list(result.values()) for result in found] == [[1.5]]


def test_w30_retries_closed_streams_and_streams_that_cannot_seek(
    world: Any, session: Any, server: Sandbox, second: Any, tmp_path: Path
) -> None:
    uri = f"{world.resources['PROTOCOL'].uri}/files"
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    server.faults.add(faults.status(503), path="/files/retried", method="PUT", times=2)
    session.upload_file(f"{uri}/retried", path, verbose=True, retries=3)
    with path.open("rb") as file:
        session.upload_stream(f"{uri}/stream", file, verbose=True)
        assert not file.closed
    read, write = os.pipe()
    with os.fdopen(read, "rb") as pipe:
        os.write(write, b"of a pipe")
        os.close(write)
        session.upload_stream(f"{uri}/pipe", pipe)
    found = stored(second)
    assert (found["retried"], found["stream"], found["pipe"]) == (b"0123456789", b"0123456789", b"of a pipe")


def test_w31_commands_do_their_work_and_fail_with_a_code(
    server: Sandbox, session: Any, second: Any, tmp_path: Path
) -> None:
    session.put("/data/projects/P")
    session.put("/data/projects/Q")
    for name in ("MR_small.dcm", "CT_small.dcm"):
        session.services.import_(data=packed(name), project="P", destination="/prearchive")
    first, other = second.prearchive.sessions()
    cli = Cli(tmp_path, server)
    assert cli.ok("rest", "head", "/data/projects").code == 0
    assert cli.ok("rest", "get", "/data/projects", "--query", "columns=ID", "--format", "csv").out.startswith("ID")
    before = len([entry for entry in server.requests if entry.method == "DELETE" and entry.path == "/data/JSESSION"])
    assert "404" in cli.fails(4, "rest", "get", "/data/projects/NOPE")
    cli.ok("prearchive", "move", first.id, "--to-project", "Q")
    second.prearchive.find(project="Q")[0].wait(timeout=20)
    cli.ok("prearchive", "delete", "-y", other.id)
    cli.ok("prearchive", "archive", second.prearchive.sessions("Q")[0].id, "--experiment", "E")
    assert second.prearchive.sessions() == []
    assert "E" in second.projects["Q"].experiments
    ended = len([entry for entry in server.requests if entry.method == "DELETE" and entry.path == "/data/JSESSION"])
    assert ended == before + 4


def test_w32_objects_of_listings_that_are_no_rest_collection(world: Any, session: Any, second: Any) -> None:
    session.put("/data/projects/P", query={"xnat:projectData/publications/publication[1]/title": "Paper"})
    session.clearcache()
    (publication,) = world.publications.listing
    assert isinstance(publication, session.classes.PublicationResource)
    assert publication.title == "Paper"
    publication.title = "Better"
    assert [found.title for found in second.projects["P"].publications.listing] == ["Better"]
    publication.delete()
    assert len(second.projects["P"].publications) == len(world.publications) == 0
    experiment = world.experiments["E1"]
    reconstruction = session.classes.ReconstructedImageData(parent=experiment, id="R1")
    session.put(
        f"{reconstruction.uri}/out/resources/OUT/files/a.txt", data=b"x", headers={"Content-Type": "text/plain"}
    )
    reconstruction.clearcache()
    (out,) = reconstruction.out.listing
    assert isinstance(out, session.classes.ResourceCatalog)
    assert (out.label, out.file_count) == ("OUT", 1)
    assert [file.name for file in out.files.values()] == ["a.txt"]
    assert len(reconstruction.in_) == 0
    out.delete()
    assert len(second.projects["P"].experiments["E1"].reconstructions["R1"].out) == 0
    assert reconstruction.out.parent is reconstruction


def test_w32_parameters_of_all_modalities(world: Any, session: Any, second: Any) -> None:
    subject = world.subjects["S1"]
    for modality in ("Mr", "Ct", "Pet", "Cr", "Dx", "Us", "Nm", "Xa"):
        made = getattr(session.classes, f"{modality}SessionData")(parent=subject, label=modality)
        scan = getattr(session.classes, f"{modality}ScanData")(parent=made, id="1")
        scan.fields["kernel"] = "soft"
        assert dict(second.projects["P"].experiments[modality].scans["1"].fields) == {"kernel": "soft"}


def test_w32_plugins_inbox_and_scan_filter(world: Any, session: Any, tmp_path: Path) -> None:
    assert len(session.plugins) == len(list(session.plugins))
    experiment = world.experiments["E1"]
    experiment.download_dir(tmp_path, verbose=False, scan_filter="T1")
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.dcm")}
    assert {name.split("/")[2] for name in found} == {"1-T1"}
    with pytest.raises(exceptions.XNATKeyError, match="T2 weighted"):
        experiment.download_dir(tmp_path, verbose=False, scan_filter="nine")


def test_w33_target_folders_are_made(world: Any, tmp_path: Path) -> None:
    experiment = world.experiments["E1"]
    for number, obj in enumerate(
        [world, world.subjects["S1"], experiment, experiment.scans["1"], experiment.resources["NOTES"]]
    ):
        target = tmp_path / str(number) / "a" / "b"
        obj.download_dir(str(target), verbose=False)
        assert [path for path in target.rglob("*") if path.is_file()]


# -- robustness --------------------------------------------------------------------------------------------------------


def test_w35_every_transfer_has_a_timeout(world: Any, session: Any, server: Sandbox, tmp_path: Path) -> None:
    file = world.resources["PROTOCOL"].files["protocol.txt"]
    server.faults.add(faults.stall(2, 60), path="/files/protocol.txt", times=None)
    with pytest.raises(exceptions.XNATError):
        session.download(file.uri, tmp_path / "x", verbose=False, timeout=(5, 0.1))
    assert session.client.timeout[1] is not None


def test_w36_heartbeats_survive_an_error_and_setting_keepalive_sends_none_twice(session: Any, server: Sandbox) -> None:
    with server.record() as sent:
        session.keepalive = 600
    assert len([entry for entry in sent if entry.path == "/data/JSESSION"]) <= 1
    server.faults.add(faults.status(500), path="/data/JSESSION", times=None)
    with pytest.raises(exceptions.XNATError):
        session.heartbeat()
    server.faults.clear()
    assert session.keepalive is True


def test_w37_an_error_at_logout_does_not_replace_the_users(server: Sandbox) -> None:
    server.faults.add(faults.close(), path="/data/JSESSION", method="DELETE", times=None)
    with pytest.raises(ZeroDivisionError), connect(server):
        raise ZeroDivisionError


def test_w38_a_row_of_an_unknown_type_and_a_forgotten_parent(
    world: Any, session: Any, server: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = faults.body(lambda data: data.replace(b"xnat:mrScanData", b"foo:barScanData", 1))
    server.faults.add(unknown, path="/scans$", times=1)
    assert len(world.experiments["E1"].scans.values()) == 2
    session.caching = False
    found = session.projects["P"].subjects.filter(label="S*")
    gc.collect()
    assert [subject.label for subject in found.values()] == ["S1"]
    assert dict(session.projects["P"].experiments["E1"].fields) == {}


@pytest.mark.parametrize(
    "answer",
    [
        faults.status(500), faults.status(404), faults.body(b"<html></html>"), faults.body(b"not xml"),
        faults.body(
            b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:group name="g"><xs:sequence>'
            b'<xs:element name="e" type="xs:string"/></xs:sequence></xs:group><xs:attributeGroup name="a"/>'
            b'<xs:complexType name="t"><xs:group ref="g"/><xs:attributeGroup ref="a"/></xs:complexType></xs:schema>'
        ),
    ],
)  # fmt: skip
def test_w39_a_schema_that_is_no_use_does_not_end_connect(server: Sandbox, answer: Any) -> None:
    server.faults.add(answer, path="/xapi/schemas/.*assessments", times=None)
    with connect(server, cache=False) as session:
        assert "xnat:mrSessionData" in session.XNAT_CLASS_LOOKUP


BROKEN: dict[str, Any] = {
    "truncated": lambda data: data[: len(data) // 2],
    "another encoding than it says": lambda data: b'<?xml version="1.0" encoding="UTF-16"?>' + _plain(data),
    "an encoding nobody knows": lambda data: b'<?xml version="1.0" encoding="x-none"?>' + _plain(data),
    "bytes that are no text": lambda data: data.replace(b"<xs:complexType", b"<!-- \xff\xfe --><xs:complexType", 1),
    "a document type": lambda data: b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + _plain(data),
    "something after its end": lambda data: data + b"\0\0",
    "other XML": lambda data: b"<wrap>" + _plain(data) + b"</wrap>",
    "imports itself": lambda data: data.replace(
        b"<xs:complexType", b'<xs:include schemaLocation="assessments.xsd"/><xs:complexType', 1
    ),
    "redefines": lambda data: data.replace(
        b"<xs:complexType", b'<xs:redefine schemaLocation="xnat.xsd"><xs:complexType name="subjectData"/></xs:redefine>'
        b"<xs:complexType", 1,
    ),
    "a type twice": lambda data: re.sub(rb'(<xs:complexType name="\w+")>', rb"\1/>\1>", data, count=1),
    "bases in a circle": lambda data: (
        b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://q" xmlns:q="http://q">'
        b'<xs:complexType name="a"><xs:complexContent><xs:extension base="q:b"/></xs:complexContent></xs:complexType>'
        b'<xs:complexType name="b"><xs:complexContent><xs:extension base="q:a"/></xs:complexContent></xs:complexType>'
        b"</xs:schema>"
    ),
}  # fmt: skip


def _plain(schema: bytes) -> bytes:
    """A schema without its XML declaration."""
    return re.sub(rb"^<\?xml[^>]*\?>", b"", schema)


@pytest.mark.parametrize("kind", BROKEN)
def test_w39_however_a_schema_is_broken(server: Sandbox, kind: str) -> None:
    server.faults.add(faults.body(BROKEN[kind]), path="/xapi/schemas/.*assessments", times=None)
    with connect(server, cache=False) as session:
        assert len(list(session.XNAT_CLASS_LOOKUP.values())) > 100
        project = session.classes.ProjectData(parent=session, name="P")
        subject = session.classes.SubjectData(parent=project, label="S", group="control")
        assert session.projects["P"].subjects["S"].group == "control"
        assert session.classes.MrSessionData(parent=subject, label="E").label == "E"


def test_w39_a_list_of_schemas_without_xdat(server: Sandbox) -> None:
    server.faults.add(faults.body(b'["xnat"]'), path="/xapi/schemas$", times=None)
    with connect(server, cache=False) as session:
        assert session.classes.SubjectData.label is not None


def test_w40_archive_in_a_project_that_archives_by_itself(session: Any, second: Any) -> None:
    session.put("/data/projects/P")
    session.put("/data/projects/P/prearchive_code/4")
    waiting = session.services.import_(
        data=packed(), project="P", destination="/prearchive", query={"prevent_auto_commit": "true"}
    )
    experiment = waiting.archive(experiment="E")
    assert isinstance(experiment, session.classes.MrSessionData)
    assert "E" in second.projects["P"].experiments


def test_w41_typos_queries_terms_and_loggers(world: Any, session: Any, server: Sandbox) -> None:
    subject = world.subjects["S1"]
    with pytest.raises(exceptions.XNATAttributeError, match="did you mean initials"):
        subject.initails = "X"
    query = {"columns": ["ID"]}
    session.get("/data/projects", format="json", query=query)
    session.get_json("/data/projects", query=query)
    assert query == {"columns": ["ID"]}
    term = session.classes.MrSessionData.date
    assert {term: 1}[session.classes.MrSessionData.date] == 1
    assert not hasattr(logging.Logger, "verbose")
    adapter = logging.LoggerAdapter(logging.getLogger("w41"), {})
    with connect(server, logger=adapter) as other:
        assert len(other.projects) == 1


def test_w42_an_experiment_made_in_this_run_is_seen_by_the_next_check(world: Any, session: Any) -> None:
    subject = world.subjects["S1"]
    assert len(world.experiments) == 1
    session.classes.MrSessionData(parent=subject, label="E2")
    with pytest.raises(exceptions.XNATObjectAlreadyExistsError, match="'E2'"):
        session.classes.MrSessionData(parent=subject, label="E2")
    assert "E2" in world.experiments
    world.experiments["E2"].label = "E3"
    assert "E3" in world.experiments
    assert "E2" not in subject.experiments


def test_w42_listings_can_be_read_from_many_threads(world: Any, session: Any, server: Sandbox) -> None:
    wrong: list[Any] = []

    def look() -> None:
        for _ in range(20):
            session.clearcache()
            if [subject.label for subject in world.subjects.values()] != ["S1"]:
                wrong.append(1)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_w48_nothing_is_left_behind_by_sessions_and_listings(server: Sandbox) -> None:
    def count() -> int:
        gc.collect()
        return sum(type(obj).__name__ in ("XNATListing", "ModelModule") for obj in gc.get_objects())

    with connect(server) as session:
        len(session.projects)
        before = count()
        for _ in range(50):
            session.clearcache()
            len(session.projects)
        assert count() <= before + 2
    handlers = len(logging.getLogger("xnat").handlers)
    for _ in range(3):
        with connect(server, no_parse_model=True), warnings.catch_warnings():
            pass
    assert len(logging.getLogger("xnat").handlers) == handlers
