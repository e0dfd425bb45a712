"""Contract E: experiments, scans, assessors, reconstructions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .contract_world import MR, World

XML = {"Content-Type": "text/xml"}
SCAN = "xnat:mrScanData"
QC = "xnat:qcManualAssessorData"


def mr_document(label: str, inner: str = "", project: str = "") -> str:
    stated = f' project="{project}"' if project else ""
    return (
        f'<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' label="{label}"{stated}>{inner}</xnat:MRSession>'
    )


def fields(world: World, path: str) -> dict[str, Any]:
    response = world.owner.get(path, format="json")
    assert response.status_code == 200, response.text
    return dict(response.json()["items"][0]["data_fields"])


def test_e1_put_answers_the_id_new_and_again(world: World) -> None:
    path = f"{world.subject}/experiments/NEW"
    new = world.owner.put(path, xsiType=MR, req_format="qs")
    old = world.owner.put(path, xsiType=MR, req_format="qs")
    assert (new.status_code, old.status_code) == (201, 200)
    assert new.text == old.text
    assert re.fullmatch(r"\w+_E\d{5,}", new.text)


def test_e2_missing_subject_is_made(world: World) -> None:
    path = f"/data/projects/{world.p}/subjects/NEWSUB"
    assert world.owner.put(f"{path}/experiments/X", xsiType=MR).status_code == 201
    assert world.owner.get(path).status_code == 200


def test_e3_post_below_a_missing_subject(world: World) -> None:
    path = f"/data/projects/{world.p}/subjects/INVALIDSUBJECT/experiments"
    assert world.owner.send("POST", path, {}, data=mr_document("X"), headers=XML).status_code == 404


@pytest.mark.parametrize(
    "inner",
    [
        "<xnat:date>2020-31-31</xnat:date>",
        "<xnat:delay>five</xnat:delay>",
        f"<xnat:acquisition_site>{'x' * 300}</xnat:acquisition_site>",
    ],
)
def test_e4_values_are_validated(world: World, inner: str) -> None:
    path = f"{world.subject}/experiments"
    assert world.owner.send("POST", path, {}, data=mr_document("BAD", inner), headers=XML).status_code == 400
    assert "BAD" not in {row["label"] for row in world.owner.rows(path)}


def test_e5_put_without_a_type(world: World) -> None:
    response = world.owner.put(f"{world.subject}/experiments/NEW")
    assert response.status_code == 417
    assert "Need PUT Contents" in response.text


def test_e5_put_of_an_unknown_type(world: World) -> None:
    response = world.owner.put(f"{world.subject}/experiments/NEW", xsiType="xnat:noSuchSessionData")
    assert response.status_code == 400


def test_e6_list_with_columns(world: World) -> None:
    (row,) = world.owner.rows(f"{world.subject}/experiments", columns="ID,URI,label,xsiType")
    id = world.session_id()
    assert row == {
        "ID": id,
        "label": "SESS1",
        "xsiType": MR,
        "URI": f"/data/experiments/{id}",
        "xnat:subjectassessordata/id": id,
    }


def test_e6_list_without_columns(world: World) -> None:
    (row,) = world.owner.rows(f"/data/projects/{world.p}/experiments")
    expected = {"ID", "project", "date", "xsiType", "label", "insert_date", "URI", "xnat:subjectassessordata/id"}
    assert set(row) == expected


def test_e7_columns_by_path_choose_the_type(world: World) -> None:
    world.owner.put(world.session, **{f"{MR}/age": "42"})
    world.owner.put(f"{world.subject}/experiments/PET", xsiType="xnat:petSessionData")
    (row,) = world.owner.rows(f"/data/projects/{world.p}/experiments", columns=f"ID,{MR}/age")
    assert row.get("age", row.get("xnat:mrsessiondata/age")) == "42.0"


def test_e8_item_at_its_three_paths(world: World) -> None:
    id, subject = world.session_id(), world.subject_id()
    for path in (world.session, f"/data/experiments/{id}", f"/data/projects/{world.p}/experiments/SESS1"):
        item = world.owner.get(path, format="json").json()["items"][0]
        assert item["meta"]["xsi:type"] == MR
        found = item["data_fields"]
        assert (found["ID"], found["label"], found["project"], found["subject_ID"]) == (id, "SESS1", world.p, subject)
        scans = next(child["items"] for child in item["children"] if child["field"] == "scans/scan")
        assert scans[0]["data_fields"]["ID"] == "1"


def test_e9_there_is_no_scans_list_below_a_project_experiment(world: World) -> None:
    answer = world.owner.get(f"/data/projects/{world.p}/experiments/SESS1/scans", format="json").json()
    assert "items" in answer
    assert "ResultSet" not in answer


def test_e10_fields_change_and_others_stay(world: World) -> None:
    world.owner.put(world.session, **{f"{MR}/note": "kept"})
    assert world.owner.put(world.session, **{f"{MR}/date": "2020-01-01"}).status_code == 200
    found = fields(world, world.session)
    assert (found["date"], found["note"]) == ("2020-01-01", "kept")


def test_e10_null_clears(world: World) -> None:
    world.owner.put(world.session, **{f"{MR}/note": "gone soon"})
    world.owner.put(world.session, **{f"{MR}/note": "NULL"})
    assert "note" not in fields(world, world.session)


def test_e10_numbers_are_numbers(world: World) -> None:
    world.owner.put(world.session, **{f"{MR}/age": "42.5"})
    world.owner.put(f"{world.session}/scans/1", **{f"{SCAN}/frames": "12", f"{SCAN}/parameters/tr": "2.5"})
    assert fields(world, world.session)["age"] == 42.5
    found = fields(world, f"{world.session}/scans/1")
    assert (found["frames"], found["parameters/tr"]) == (12, 2.5)


@pytest.mark.parametrize("key", ["date", "delay"])
def test_e10_bad_values_are_refused(world: World, key: str) -> None:
    assert world.owner.put(world.session, **{f"{MR}/{key}": "no such thing"}).status_code == 400


def test_e11_rename(world: World) -> None:
    world.put_file(f"{world.session}/resources/R/files/a.txt", b"text")
    response = world.owner.put(world.session, label="MOD1")
    assert (response.status_code, response.content) == (200, b"")
    assert world.owner.get(f"{world.subject}/experiments/MOD1/resources/R/files/a.txt").content == b"text"


@pytest.mark.parametrize(("who", "allowed"), [("collab", {403, 417}), ("stranger", {404}), ("member", {200})])
def test_e12_who_may_rename(world: World, who: str, allowed: set[int]) -> None:
    assert world.as_user(who).put(world.session, label="MOD1").status_code in allowed


def test_e13_delete(world: World) -> None:
    path = f"{world.subject}/experiments"
    assert len(world.owner.rows(path)) == 1
    assert world.owner.delete(world.session, removeFiles="true").status_code == 200
    assert world.owner.get(world.session).status_code == 404
    assert world.owner.rows(path) == []


def test_e14_delete_by_id_alone(world: World) -> None:
    session = world.session_id()
    assessor = world.owner.put(f"{world.session}/assessors/QC1", xsiType=QC).text
    for id in (assessor, session):
        assert world.owner.delete(f"/data/experiments/{id}").status_code == 200
        assert world.owner.get(f"/data/experiments/{id}").status_code == 404


def test_e15_new_scan_says_nothing(world: World) -> None:
    response = world.owner.put(f"{world.session}/scans/2", xsiType=SCAN, type="T2", quality="usable")
    assert (response.status_code, response.content) == (200, b"")


def test_e16_list_of_scans(world: World) -> None:
    (row,) = world.owner.rows(f"{world.session}/scans")
    expected = {"xnat_imagescandata_id", "ID", "type", "quality", "xsiType", "note", "series_description", "URI"}
    assert set(row) == expected
    assert (row["ID"], row["type"], row["quality"], row["xsiType"]) == ("1", "T1", "usable", SCAN)
    assert row["URI"] == f"/data/experiments/{world.session_id()}/scans/1"
    assert row["xnat_imagescandata_id"].isdigit()


def test_e16_list_of_scans_with_columns(world: World) -> None:
    (row,) = world.owner.rows(f"{world.session}/scans", columns="ID,URI,type,xsiType")
    assert set(row) == {"ID", "URI", "type", "xsiType"}


def test_e17_scan_item(world: World) -> None:
    item = world.owner.get(f"{world.session}/scans/1", format="json").json()["items"][0]
    assert item["meta"]["xsi:type"] == SCAN
    catalogs = next(child["items"] for child in item["children"] if child["field"] == "file")
    found = catalogs[0]["data_fields"]
    assert found["label"] == "DICOM"
    assert found["file_count"] == 1
    assert isinstance(found["file_count"], int)


def test_e18_scan_keeps_its_type(world: World) -> None:
    response = world.owner.put(f"{world.session}/scans/1", xsiType="xnat:ctScanData")
    assert response.status_code == 409
    assert "Specified xsiType differs from existing xsiType" in response.text


def test_e19_fields_of_another_type_change_nothing(world: World) -> None:
    path = f"{world.session}/scans/1"
    assert world.owner.put(path, **{"xnat:ctScanData/note": "test"}).status_code == 200
    item = world.owner.get(path, format="json").json()["items"][0]
    assert item["meta"]["xsi:type"] == SCAN
    assert "note" not in item["data_fields"]


def test_e20_scan_without_a_type(world: World) -> None:
    response = world.owner.put(f"{world.session}/scans/2")
    assert response.status_code == 417
    assert "Need PUT Contents" in response.text


@pytest.mark.parametrize("xsi_type", ["xnat:imageScanData", "xnat:mrSessionData"])
def test_e20_scan_of_no_concrete_scan_type(world: World, xsi_type: str) -> None:
    assert world.owner.put(f"{world.session}/scans/2", xsiType=xsi_type).status_code == 400


def test_e21_delete_scan(world: World) -> None:
    path = f"{world.session}/scans"
    assert world.as_user("member").delete(f"{path}/1").status_code == 403
    assert world.owner.delete(f"{path}/1").status_code == 200
    response = world.owner.delete(f"{path}/9")
    assert response.status_code == 404
    assert "Unable to find the specified scan." in response.text


def test_e22_reconstructions(world: World) -> None:
    path = f"{world.session}/reconstructions"
    assert world.owner.put(f"{path}/R1", type="LOC").status_code == 200
    assert world.owner.put(f"{path}/R2").status_code == 200
    assert {(row["ID"], row["type"]) for row in world.owner.rows(path)} == {("R1", "LOC"), ("R2", "")}


def test_e23_new_assessor(world: World) -> None:
    response = world.owner.put(f"{world.session}/assessors/QC1", xsiType=QC, **{f"{QC}/pass": "1"})
    assert response.status_code == 201
    assert re.fullmatch(r"\w+_E\d{5,}", response.text)
    assert world.owner.put(f"{world.session}/assessors/QC1", xsiType=QC).status_code == 200


def test_e24_list_of_assessors(world: World) -> None:
    id = world.owner.put(f"{world.session}/assessors/QC1", xsiType=QC).text
    session = world.session_id()
    for path in (f"{world.session}/assessors", f"/data/experiments/{session}/assessors"):
        (row,) = world.owner.rows(path)
        assert row["URI"] == f"/data/experiments/{id}"
        assert (row["session_ID"], row["session_label"]) == (session, "SESS1")
        assert row["xnat:imageassessordata/id"] == id
    one = f"{world.session}/assessors/QC1"
    assert world.owner.get(one).status_code == 200
    assert world.owner.delete(one).status_code == 200
    assert world.owner.rows(f"{world.session}/assessors") == []
    assert world.owner.get(one).status_code == 404


def test_e_identity_does_not_change(world: World) -> None:
    assert world.owner.put(world.session, **{f"{MR}/ID": "OTHER"}).status_code == 400
    assert world.owner.put(world.session, **{f"{MR}/project": world.q}).status_code == 409


def test_e_malformed_xml(world: World) -> None:
    response = world.owner.send("PUT", world.session, {}, data="<xnat:MRSession", headers=XML)
    assert response.status_code == 422


def test_e_status(world: World) -> None:
    assert world.owner.get(f"{world.session}/status").text == "active"
    world.owner.put(world.session, quarantine="true")
    assert world.owner.get(f"{world.session}/status").text == "quarantine"
    world.owner.put(world.session, activate="true")
    assert world.owner.get(f"{world.session}/status").text == "active"


def test_e_all_experiments_have_a_title(world: World) -> None:
    result = world.owner.get("/data/experiments", project=world.p, format="json").json()["ResultSet"]
    assert result["title"] == "Matching experiments"
    assert [row["label"] for row in result["Result"]] == ["SESS1"]


def test_e_columns_of_scans_give_a_row_each(world: World) -> None:
    world.owner.put(f"{world.session}/scans/2", xsiType=SCAN, type="T2")
    rows = world.owner.rows("/data/experiments", project=world.p, xsiType=MR, columns=f"ID,label,{SCAN}/ID,{SCAN}/type")
    found = {(row["label"], row["xnat:mrscandata/id"], row["xnat:mrscandata/type"]) for row in rows}
    assert found == {("SESS1", "1", "T1"), ("SESS1", "2", "T2")}
    assert rows[0]["xnat:mrsessiondata/id"] == world.session_id()


def test_e_recent_experiments_have_a_title_of_their_own(world: World) -> None:
    result = world.owner.get("/data/experiments", recent="1", format="json").json()["ResultSet"]
    assert result["title"] == "Recent Experiments"
    assert world.session_id() in {row["ID"] for row in result["Result"]}


def test_e_unknown_item_handler(world: World) -> None:
    response = world.owner.get(world.session, handler="noSuchHandler")
    assert response.status_code == 400
    assert "Invalid handler definition: noSuchHandler" in response.text


def test_e_what_was_written_as_xml_can_be_sent_back(world: World) -> None:
    """A type without a global element of its own as well; and with other clients' form of sending it."""
    path = f"{world.session}/assessors/A"
    assert world.owner.put(path, xsiType="xnat:mrAssessorData").status_code == 201
    document = world.owner.get(path, format="xml").text
    assert world.owner.send("PUT", path, {}, data=document.encode(), headers=XML).status_code in (200, 201)
    form = {"prov.xml": ("prov.xml", document, "text/xml")}
    assert world.owner.send("PUT", path, {}, files=form).status_code in (200, 201)
    assert world.owner.get(path, format="xml").text == document


def test_e_columns_reach_lists_inside_objects_inside(world: World) -> None:
    collection = f"{world.session}/reconstructions"
    assert world.owner.put(f"{collection}/R", xsiType="xnat:reconstructedImageData").status_code in (200, 201)
    step = "xnat:reconstructedImageData/provenance/processStep"
    asked = {f"{step}[{number}]/{name}": name * number for number in (1, 2) for name in ("program", "machine")}
    assert world.owner.put(f"{collection}/R", **asked).status_code == 200
    columns = [f"{step}/program", f"{step}/machine"]
    rows = world.owner.get(collection, format="json", columns=",".join(["ID", *columns])).json()["ResultSet"]["Result"]
    found = [[row[column.lower()] for column in columns] for row in rows]
    assert found == [["program", "machine"], ["programprogram", "machinemachine"]]
