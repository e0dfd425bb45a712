"""Contract D: subjects."""

from __future__ import annotations

import re

from .contract_world import World

XML = {"Content-Type": "text/xml"}


def document(label: str, education: str = "") -> str:
    inner = f"<xnat:education>{education}</xnat:education>" if education else ""
    return (
        f'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' label="{label}"><xnat:demographics xsi:type="xnat:demographicData"><xnat:gender>male</xnat:gender>{inner}'
        "</xnat:demographics></xnat:Subject>"
    )


def demographics(world: World) -> dict[str, object]:
    item = world.owner.get(world.subject, format="json").json()["items"][0]
    children = {child["field"]: child["items"] for child in item["children"]}
    return dict(children["demographics"][0]["data_fields"])


def test_d1_put_answers_the_id_new_and_again(world: World) -> None:
    path = f"/data/projects/{world.p}/subjects/NEW"
    new = world.owner.put(path, req_format="qs", gender="male", dob="2000-01-01")
    old = world.owner.put(path, req_format="qs", gender="male", dob="2000-01-01")
    assert (new.status_code, old.status_code) == (201, 200)
    assert new.text == old.text
    assert re.fullmatch(r"\w+_S\d{5,}", new.text)
    assert new.headers["Content-Type"].startswith("text/plain")


def test_d2_list_with_columns(world: World) -> None:
    response = world.owner.get(f"/data/projects/{world.p}/subjects", columns="ID,URI,label", format="json")
    result = response.json()["ResultSet"]
    id = world.subject_id()
    assert result["Result"] == [{"ID": id, "label": "SUBJ1", "URI": f"/data/subjects/{id}"}]
    assert result["totalRecords"] == "1"


def test_d3_list_without_columns(world: World) -> None:
    (row,) = world.owner.rows(f"/data/projects/{world.p}/subjects")
    assert set(row) == {"ID", "project", "label", "insert_date", "insert_user", "URI"}
    assert row["project"] == world.p
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,3}", row["insert_date"])
    assert row["insert_user"] == world.users["owner"]


def test_d4_item_by_label_and_by_id(world: World) -> None:
    world.owner.put(world.subject, gender="female")
    id = world.subject_id()
    paths = (world.subject, f"/data/projects/{world.p}/subjects/{id}", f"/data/subjects/{id}")
    items = [world.owner.get(path, format="json").json()["items"][0] for path in paths]
    assert {item["data_fields"]["ID"] for item in items} == {id}
    assert {item["data_fields"]["label"] for item in items} == {"SUBJ1"}
    assert demographics(world)["gender"] == "female"


def test_d5_xml_keeps_what_it_does_not_mention(world: World) -> None:
    for education, options, left in (("16", {}, 16), ("", {}, 16), ("", {"allowDataDeletion": "true"}, None)):
        response = world.owner.send("PUT", world.subject, options, data=document("SUBJ1", education), headers=XML)
        assert response.status_code == 200
        assert demographics(world).get("education") == left


def test_d6_rename(world: World) -> None:
    world.put_file(f"{world.subject}/resources/R/files/a.txt", b"text")
    response = world.owner.put(world.subject, label="NEWLBL")
    assert (response.status_code, response.content) == (200, b"")
    renamed = f"/data/projects/{world.p}/subjects/NEWLBL"
    assert world.owner.get(f"{renamed}/resources/R/files/a.txt").content == b"text"
    assert world.owner.get(world.subject).status_code == 404


def test_d6_rename_to_a_taken_label(world: World) -> None:
    world.owner.put(f"/data/projects/{world.p}/subjects/OTHER")
    assert world.owner.put(world.subject, label="OTHER").status_code == 409


def test_d7_missing(world: World) -> None:
    assert world.owner.get(f"/data/projects/{world.p}/subjects/NOPE").status_code == 404
    assert world.owner.get("/data/subjects/NOPE").status_code == 404


def test_d8_post(world: World) -> None:
    path = f"/data/projects/{world.p}/subjects"
    response = world.owner.send("POST", path, {}, data=document("POSTED"), headers=XML)
    assert response.status_code == 200
    assert response.text.startswith("http")
    assert response.headers["Location"] == response.text
    assert world.owner.get(f"{path}/POSTED").status_code == 200


def test_d9_strangers_do_not_write(world: World) -> None:
    path = f"/data/projects/{world.prot}/subjects"
    for api, status in ((world.as_user("stranger"), 403), (world.wrong(), 401)):
        assert api.put(f"{path}/X").status_code == status
        assert api.send("POST", path, {}, data=document("X"), headers=XML).status_code == status


def test_d10_members_do_not_delete(world: World) -> None:
    assert world.as_user("member").delete(world.subject).status_code == 403
    assert world.as_user("stranger").delete(world.subject).status_code == 404


def test_d11_delete(world: World) -> None:
    session = world.session_id()
    assert world.owner.delete(world.subject, removeFiles="true").status_code == 200
    assert world.owner.get(world.subject).status_code == 404
    assert world.owner.get(f"/data/experiments/{session}").status_code == 404


def test_d_list_of_a_missing_or_hidden_project(world: World) -> None:
    assert world.owner.get("/data/projects/NOPE-nope/subjects").status_code == 404
    assert world.as_user("stranger").get(f"/data/projects/{world.p}/subjects").status_code == 403


def test_d_pages(world: World) -> None:
    path = f"/data/projects/{world.p}/subjects"
    for number in range(5):
        world.owner.put(f"{path}/PAGE{number}")
    page = world.owner.get(path, columns="label", sortBy="label", limit="2", offset="1", format="json").json()
    assert [row["label"] for row in page["ResultSet"]["Result"]] == ["PAGE1", "PAGE2"]
    assert "totalRecords" not in page["ResultSet"]
    assert len(world.owner.rows(path, limit="*")) == 6


def test_d_filters(world: World) -> None:
    path = f"/data/projects/{world.p}/subjects"
    world.owner.put(f"{path}/A1", gender="male")
    world.owner.put(f"{path}/A2", gender="female")
    labels = {row["label"] for row in world.owner.rows(path, columns="label", label="A*")}
    assert labels == {"A1", "A2"}
    assert {row["label"] for row in world.owner.rows(path, columns="label", gender="male")} == {"A1"}
    assert {row["label"] for row in world.owner.rows(path, columns="label", label="SUBJ1,A2")} == {"SUBJ1", "A2"}


def test_d_column_by_the_path_of_a_short_name(world: World) -> None:
    world.owner.put(world.subject, gender="female")
    path = "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender"
    (row,) = world.owner.rows(f"/data/projects/{world.p}/subjects", columns=path)
    assert row["gender"] == "female"


def test_d_column_by_a_path_in_another_case(world: World) -> None:
    path = "xnat:subjectAssessorData/subject_id"
    (row,) = world.owner.rows(f"/data/projects/{world.p}/experiments", columns=path)
    assert row["subject_ID"] == world.subject_id()
