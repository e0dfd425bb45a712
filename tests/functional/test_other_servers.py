"""Servers that say the same in another form than the sandbox: older, newer, behind something that rewrites answers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Response

from xnat.exceptions import XNATResponseError
from xnat.sandbox import Sandbox, faults

from .conftest import connect
from .dicom import packed


def rewrite(server: Sandbox, path: str, change: Callable[[Any], Any], **options: Any) -> None:
    """Change the JSON that comes from a path, from now on."""

    def changed(data: bytes) -> bytes:
        try:
            answer = json.loads(data)
        except ValueError:
            return data
        return json.dumps(change(answer)).encode()

    server.faults.add(faults.body(changed), path=path, times=None, **options)


def rows_of(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """What changes each row of a listing."""

    def changed(answer: Any) -> Any:
        if isinstance(answer, dict) and "ResultSet" in answer:
            answer["ResultSet"]["Result"] = [change(row) for row in answer["ResultSet"]["Result"]]
        return answer

    return changed


# -- what a creation answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        "{id}\r\n",
        "/data/projects/P/subjects/{id}",
        "/data/archive/projects/P/subjects/{id}\r\n",
        "http://{host}/data/projects/P/subjects/{id}",
        "",
        "<p>Done</p>",
    ],
)
def test_creation_answered_in_another_form(server: Sandbox, session: Any, form: str) -> None:
    project = session.classes.ProjectData(parent=session, name="P")
    host = server.url.partition("://")[2]
    told = faults.body(lambda data: form.format(id=data.decode(), host=host).encode())
    server.faults.add(told, path="/subjects/s1$", method="PUT", times=None)
    subject = session.classes.SubjectData(parent=project, label="s1")
    subject.group = "g"
    session.clearcache()
    assert (subject.id, subject.label, subject.group) == ("XNAT_S00001", "s1", "g")
    assert subject.uri.startswith("/data/projects/P/subjects/")
    experiment = session.classes.MrSessionData(parent=subject, label="e1")
    assert experiment.subject is subject


def test_rename_of_what_is_only_known_by_its_label(server: Sandbox, session: Any) -> None:
    project = session.classes.ProjectData(parent=session, name="P")
    server.faults.add(faults.body(lambda data: b""), path="/subjects/s1$", method="PUT")
    subject = session.classes.SubjectData(parent=project, label="s1")
    subject.label = "s2"
    session.clearcache()
    assert (subject.label, subject.id) == ("s2", "XNAT_S00001")


def test_rename_of_what_an_import_made(session: Any) -> None:
    session.classes.ProjectData(parent=session, name="P")
    experiment = session.services.import_(data=packed(), project="P", subject="s1", experiment="e1")
    experiment.label = "e2"
    assert (experiment.label, len(experiment.scans)) == ("e2", 1)
    experiment.subject.label = "s2"
    assert (experiment.subject.label, experiment.modality) == ("s2", "MR")


def test_creation_where_no_list_of_experiments_is_given(server: Sandbox, world: Any) -> None:
    rewrite(server, "/data/projects/P/experiments", lambda answer: {"ResultSet": {}})
    with pytest.raises(XNATResponseError, match="no rows"):
        world.xnat_session.classes.MrSessionData(parent=world.subjects["S1"], label="E9")


@pytest.mark.parametrize("status", [400, 405, 501])
def test_writes_where_nothing_answers_a_head(server: Sandbox, world: Any, second: Any, status: int) -> None:
    server.faults.add(faults.status(status), method="HEAD", times=None)
    experiment = world.xnat_session.classes.MrSessionData(parent=world.subjects["S1"], label="E9")
    scan = world.xnat_session.classes.MrScanData(parent=experiment, id_="1", type="T1")
    scan.quality = "usable"
    experiment.label = "E10"
    there = second.projects["P"].subjects["S1"].experiments["E10"]
    assert there.scans["1"].quality == "usable"
    with pytest.raises(XNATResponseError):
        _ = world.xnat_session.create_object(world.resources["PROTOCOL"].uri + "/files/protocol.txt").size


def test_size_of_a_file_of_which_nothing_is_told(server: Sandbox, world: Any) -> None:
    server.faults.add(faults.cut(1 << 30, chunked=True), method="HEAD", times=None)
    with pytest.raises(XNATResponseError, match="how large"):
        _ = world.xnat_session.create_object(world.resources["PROTOCOL"].uri + "/files/protocol.txt").size


# -- rows in another form ---------------------------------------------------------------------------------------------


def files_below(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )


def test_download_where_numbers_are_numbers(server: Sandbox, world: Any, tmp_path: Path) -> None:
    rewrite(server, "", rows_of(lambda row: {name: int(v) if v.isdigit() else v for name, v in row.items()}))
    experiment = world.subjects["S1"].experiments["E1"]
    experiment.download_dir(tmp_path, verbose=False)
    assert len(files_below(tmp_path)) == 6
    experiment.download_dir(tmp_path / "T1", scan_filter="1", verbose=False)
    assert len(files_below(tmp_path / "T1")) == 2


@pytest.mark.parametrize("base", ["{url}", "https://archive.example.org", "https://archive.example.org/xnat"])
def test_files_listed_by_full_urls(server: Sandbox, world: Any, tmp_path: Path, base: str) -> None:
    base = base.format(url=server.url)
    rewrite(server, "/files$", rows_of(lambda row: {**row, "URI": base + row["URI"]}))
    experiment = world.subjects["S1"].experiments["E1"]
    assert experiment.scans["1"].files["1.dcm"].size == len(b"scan 1 file 1")
    experiment.download_dir(tmp_path, verbose=False)
    assert len(files_below(tmp_path)) == 6
    experiment.scans["1"].resources["DICOM"].upload_data(b"new", "new.dcm")


# -- servers that don't tell their version ----------------------------------------------------------------------------


@pytest.mark.parametrize("info", [{}, [], {"version": None}, {"version": ""}, None])
def test_connecting_where_no_version_is_told(server: Sandbox, info: Any) -> None:
    path = "/xapi/siteConfig/buildInfo"
    if info is None:
        server.faults.add(faults.status(403), path=path, times=None)
    else:
        rewrite(server, path, lambda answer: info)
    with connect(server) as session:
        assert "MrSessionData" in dir(session.classes)
        with pytest.raises(XNATResponseError, match="tells no version"):
            _ = session.xnat_version


def test_connecting_where_there_is_no_version_and_no_list_of_schemas(server: Sandbox) -> None:
    server.faults.add(faults.status(403), path="^/xapi/", times=None)
    with pytest.raises(XNATResponseError, match="tells no version.*403"):
        connect(server)


@pytest.mark.parametrize("version", ["ML-BETA", "1.8.10-SNAPSHOT", "2025.1"])
def test_version_of_a_build_of_ones_own(server: Sandbox, version: str) -> None:
    rewrite(server, "/xapi/siteConfig/buildInfo", lambda answer: {**answer, "version": version})
    with connect(server, cache=False) as session:
        assert session.xnat_version == version
    assert any(request.path == "/xapi/schemas" for request in server.requests)
    assert not any(request.path.startswith("/schemas/") for request in server.requests)


# -- rows with other columns ------------------------------------------------------------------------------------------


def test_rows_that_tell_no_type(server: Sandbox, world: Any, tmp_path: Path) -> None:
    listings = r"/(experiments|scans|assessors|resources)$"
    rewrite(
        server, listings, rows_of(lambda row: {k: v for k, v in row.items() if k not in ("xsiType", "element_name")})
    )
    session = world.xnat_session
    experiment = world.subjects["S1"].experiments["E1"]
    assert type(experiment).__name__ == "MrSessionData"
    assert [type(scan).__name__ for scan in experiment.scans.values()] == ["MrScanData", "MrScanData"]
    assert type(experiment.assessors["QC1"]).__name__ == "QcManualAssessorData"
    assert world.experiments["E1"] is experiment
    assert type(session.experiments["E1"]).__name__ == "MrSessionData"
    with server.record() as requests:
        assert [type(scan).__name__ for scan in experiment.scans] == ["str", "str"]
        assert experiment.scans["T1"].quality == "usable"
        assert experiment.scans["T1"].quality == "usable"
    assert len(requests) <= 1
    experiment.download_dir(tmp_path, verbose=False)
    assert len(files_below(tmp_path)) == 6


def test_rows_that_tell_no_type_and_items_neither(
    server: Sandbox, world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(server, "/experiments$", rows_of(lambda row: {k: v for k, v in row.items() if k != "xsiType"}))
    rewrite(server, "/experiments/[^/]*$", lambda answer: {"items": [{**answer["items"][0], "meta": {}}]}, method="GET")
    assert world.experiments["E1"].label == "E1"
    assert "no type of XNAT_E00001 is told" in caplog.text


CAPITALS = {
    "ID": "id",
    "URI": "uri",
    "label": "Label",
    "xsiType": "xsitype",
    "Name": "name",
    "project": "Project",
    "element_name": "Element_Name",
}


def test_columns_spelled_with_other_capitals(server: Sandbox, world: Any, tmp_path: Path) -> None:
    rewrite(server, "", rows_of(lambda row: {CAPITALS.get(name, name.upper()): v for name, v in row.items()}))
    session = world.xnat_session
    assert session.projects["P"].name == "P"
    experiment = world.subjects["S1"].experiments["E1"]
    assert (experiment.project, str(experiment.date)) == ("P", "2020-01-02")
    assert [(scan.id, scan.type) for scan in experiment.scans.values()] == [("1", "T1"), ("2", "T2 weighted")]
    resource = experiment.scans["1"].resources["DICOM"]
    assert (resource.file_count, type(resource).__name__) == (2, "ResourceCatalog")
    assert experiment.scans["1"].files["1.dcm"].size == len(b"scan 1 file 1")
    assert world.users["admin"].access_level == "Owners"
    subject = session.classes.SubjectData(parent=world, label="S2")
    assert world.subjects["S2"] is subject
    experiment.download_dir(tmp_path, verbose=False)
    assert len(files_below(tmp_path)) == 6
    assert world.subjects.tabulate(columns=["label"])[0].label == "S1"


# -- rows and items that lack something, or hold something else --------------------------------------------------------


def test_rows_without_an_id_are_left_out_with_a_warning(
    server: Sandbox, world: Any, session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    session.classes.SubjectData(parent=world, label="S2")
    rewrite(server, "/projects/P/subjects$", rows_of(lambda row: {**row, "ID": ""} if row["label"] == "S1" else row))
    session.clearcache()
    subjects = session.projects["P"].subjects
    assert [subject.label for subject in subjects.values()] == ["S2"]
    assert len(subjects) == 1
    assert "S1" not in subjects
    assert subjects["S2"].label == "S2"
    assert "1 rows without an ID are left out" in caplog.text


def test_a_key_that_three_share(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    for id_ in ("3", "4"):
        session.classes.MrScanData(parent=experiment, id_=id_, type="T1")
    with pytest.raises(KeyError, match="'T1' is shared by 1, 3, 4"):
        experiment.scans["T1"]


def test_users_without_a_login_are_no_users(server: Sandbox, session: Any) -> None:
    rewrite(
        server, "/data/users$", rows_of(lambda row: {name: value for name, value in row.items() if name != "login"})
    )
    assert list(session.users) == []


@pytest.mark.parametrize("answer", ["[]", '{"ResultSet": []}', '{"ResultSet": {"Result": [1]}}', '{"ResultSet": {}}'])
def test_a_search_whose_answer_holds_no_rows(server: Sandbox, session: Any, world: Any, answer: str) -> None:
    server.faults.add(faults.body(lambda data: answer.encode()), path="/data/search", times=None)
    with pytest.raises(XNATResponseError, match="holds no rows"):
        session.classes.MrSessionData.query().tabulate_json()


@pytest.mark.parametrize(
    "change",
    [
        lambda item: {**item, "meta": {"xsi:type": 7}},
        lambda item: {**item, "children": ["scans"]},
        lambda item: {**item, "children": [{"field": "scans/scan", "items": "two"}]},
        lambda item: {**item, "data_fields": ["label"]},
    ],
)
def test_an_item_of_another_shape_is_an_error(
    server: Sandbox, session: Any, world: Any, change: Callable[[Any], Any]
) -> None:
    rewrite(server, "/subjects/[^/]+$", lambda answer: {"items": [change(answer["items"][0])]})
    session.clearcache()
    with pytest.raises(XNATResponseError):
        session.projects["P"].subjects["S1"].fulldata  # noqa: B018


def test_an_item_without_a_type(server: Sandbox, session: Any, world: Any) -> None:
    rewrite(server, "/data/experiments/", lambda answer: {"items": [{**answer["items"][0], "meta": {}}]})
    uri = f"/data/experiments/{world.experiments['E1'].id}"
    session.clearcache()
    with pytest.raises(XNATResponseError, match="tells no xsi:type"):
        session.create_object(uri)


def test_files_without_an_address_are_an_error(server: Sandbox, session: Any, world: Any) -> None:
    rewrite(server, "/files$", rows_of(lambda row: {**row, "URI": "/data/somewhere/else"}))
    with pytest.raises(KeyError, match="address"):
        list(world.resources["PROTOCOL"].files.values())


def test_custom_forms_that_are_no_object(server: Sandbox, session: Any, world: Any) -> None:
    server.faults.add(faults.body(lambda data: b"[1]"), path="^/xapi/custom-fields", method="GET")
    with pytest.raises(XNATResponseError, match="no JSON object"):
        dict(world.custom_forms)
    server.faults.add(faults.body(lambda data: b"true"), path="^/xapi/custom-fields", method="PUT")
    world.custom_forms.update()  # nothing to say
    world.custom_forms["a"] = 1
    assert dict(world.custom_forms) == {"a": 1}


def test_a_shared_label_is_the_one_of_this_project(session: Any, world: Any) -> None:
    for name in ("Q", "R"):
        session.classes.ProjectData(parent=session, name=name)
    subject = world.subjects["S1"]
    for name in ("R", "Q"):
        subject.share(name, label=f"S1 in {name}")
    session.clearcache()
    for name in ("R", "Q"):
        shared = session.create_object(f"/data/projects/{name}/subjects/{subject.id}", "xnat:subjectData")
        assert shared.label == f"S1 in {name}"


def test_sessions_that_end_soon_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox() as server:
        server.application.sessions.seconds = 20
        with connect(server):
            pass
    assert "ends sessions after 20 s" in caplog.text


@pytest.mark.parametrize("version", ["", "unknown", "v1"])
def test_a_version_that_is_none(server: Sandbox, version: str) -> None:
    server.faults.add(faults.status(404), path="/xapi/siteConfig/buildInfo", times=None)
    server.faults.add(
        faults.Action(before=lambda request, application: Response(version, content_type="text/plain")),
        path="^/data/version$",
        times=None,
    )
    with connect(server) as session, pytest.raises(XNATResponseError, match="tells no version; .* it says"):
        session.xnat_version  # noqa: B018


def test_an_archive_with_more_in_it_than_scans(server: Sandbox, world: Any, tmp_path: Path) -> None:
    """A notice that the site adds to its zips is told of, and disturbs nothing."""

    def with_notice(data: bytes) -> bytes:
        packed = io.BytesIO(data)
        with zipfile.ZipFile(packed, "a") as archive:
            archive.writestr("NOTICE.txt", "for research only")
        return packed.getvalue()

    for number in range(10):
        world.experiments["E1"].scans["1"].resources["DICOM"].upload_data(b"more", f"more{number}.dcm")
    rule = server.faults.add(faults.body(with_notice), query="format=zip", times=None)
    report = world.experiments["E1"].download_dir(tmp_path, verbose=False)
    assert rule.hits
    assert report.ok
    assert len(list(tmp_path.rglob("*.dcm"))) == 14
