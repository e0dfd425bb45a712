"""Contract C: projects."""

from __future__ import annotations

import csv
import io

import pytest
from lxml import etree

from .contract_world import World

KEYS = {"ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname", "URI"}


def test_c1_list(world: World) -> None:
    result = world.owner.get("/data/projects", format="json").json()["ResultSet"]
    row = next(row for row in result["Result"] if row["ID"] == world.p)
    assert set(row) == KEYS
    assert row["URI"] == f"/data/projects/{world.p}"
    assert all(isinstance(value, str) for value in row.values())
    assert result["totalRecords"] == str(len(result["Result"]))
    assert "title" not in result


def test_c1_list_with_columns(world: World) -> None:
    row = next(row for row in world.owner.rows("/data/projects", columns="ID,URI,name") if row["ID"] == world.p)
    assert set(row) == {"ID", "URI", "name"}


@pytest.mark.parametrize("path", ["/data/archive/projects", "/REST/projects"])
def test_c2_same_list_at_its_aliases(world: World, path: str) -> None:
    found = [next(row for row in world.owner.rows(at) if row["ID"] == world.p) for at in (path, "/data/projects")]
    assert found[0] == found[1]


def test_c3_list_as_csv(world: World) -> None:
    response = world.owner.get("/data/projects", format="csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert set(rows[0]) == KEYS
    assert world.p in {row["ID"] for row in rows}
    nothing = world.owner.get("/data/projects", format="csv", ID="no-such-project").text
    assert len(nothing.splitlines()) == 1


def test_c3_list_as_xml(world: World) -> None:
    root = etree.fromstring(world.owner.get("/data/projects", format="xml").content)
    assert root.tag == "ResultSet"
    columns = [column.text for column in root.findall("results/columns/column")]
    rows = [dict(zip(columns, [cell.text for cell in row], strict=True)) for row in root.findall("results/rows/row")]
    assert world.p in {row["ID"] for row in rows}


def test_c3_list_as_html(world: World) -> None:
    assert world.p in world.owner.get("/data/projects", format="html").text


def test_c4_put_makes_a_project_and_says_nothing(world: World) -> None:
    name = world.name()
    response = world.owner.put(f"/data/archive/projects/{name}", name=f"Name of {name}")
    assert (response.status_code, response.content) == (200, b"")
    assert world.owner.get(f"/data/projects/{name}").status_code == 200


def test_c5_put_without_parameters(world: World) -> None:
    name = world.name()
    assert world.owner.put(f"/data/projects/{name}").status_code == 200
    assert world.owner.get(f"/data/projects/{name}").status_code == 200


def test_c6_item(world: World) -> None:
    item = world.owner.get(f"/data/projects/{world.p}", format="json").json()["items"][0]
    assert item["meta"]["xsi:type"] == "xnat:projectData"
    assert item["meta"]["isHistory"] is False
    assert item["data_fields"]["ID"] == world.p


def test_c7_alias_resolves(world: World) -> None:
    alias = world.name()
    assert world.owner.put(f"/data/projects/{world.p}", req_format="qs", alias=alias).status_code == 200
    assert world.owner.get(f"/data/projects/{alias}", format="xml").status_code == 200


@pytest.mark.parametrize("own", ["ID", "name", "secondary_ID", "alias"])
@pytest.mark.parametrize("other", ["ID", "name", "secondary_ID", "alias"])
def test_c8_names_of_projects_do_not_collide(world: World, own: str, other: str) -> None:
    names = {key: world.name() for key in ("ID", "name", "secondary_ID", "alias")}
    id = names.pop("ID")
    assert world.owner.put(f"/data/projects/{id}", **names).status_code == 200
    taken = {"ID": id, **names}[other].lower()
    query = {} if own == "ID" else {own: taken}
    response = world.owner.put(f"/data/projects/{taken if own == 'ID' else world.name()}", **query)
    assert response.status_code in (403, 409)


def test_c9_missing_project(world: World) -> None:
    response = world.owner.get("/data/projects/NOPE-nope")
    assert response.status_code == 404
    assert "<h3>Unable to find the specified experiment.</h3>" in response.text


def test_c10_private_project_is_missing_for_strangers(world: World) -> None:
    assert world.as_user("stranger").get(f"/data/projects/{world.p}").status_code == 404
    assert world.p not in {row["ID"] for row in world.as_user("stranger").rows("/data/projects")}


def test_c11_delete(world: World) -> None:
    name = world.name()
    world.owner.put(f"/data/projects/{name}")
    assert world.owner.delete(f"/data/projects/{name}", removeFiles="true").status_code == 200
    assert world.owner.get(f"/data/projects/{name}").status_code == 404


def test_c12_delete_of_a_missing_project(world: World) -> None:
    assert world.owner.delete("/data/projects/NOPE-nope").status_code == 400


def test_c13_protected_project_and_a_stranger(world: World) -> None:
    base = f"/data/projects/{world.prot}"
    for api, statuses in ((world.as_user("stranger"), (200, 403, 403, 403)), (world.wrong(), (401,) * 4)):
        level = api.get(f"{base}/accessibility")
        found = (
            level.status_code,
            api.put(f"{base}/accessibility/public").status_code,
            api.put(base, alias="x").status_code,
            api.delete(base, removeFiles="true").status_code,
        )
        assert found == statuses
    assert world.owner.get(f"{base}/accessibility").text == "protected"


def test_c13_accessibility_changes(world: World) -> None:
    base = f"/data/projects/{world.p}/accessibility"
    response = world.owner.put(f"{base}/public")
    assert (response.status_code, response.text) == (200, "public")
    assert world.as_user("stranger").get(f"/data/projects/{world.p}").status_code == 200
    assert world.owner.put(base).status_code == 400
    assert world.owner.get("/data/projects/NOPE-nope/accessibility").status_code == 404


def test_c14_users(world: World) -> None:
    result = world.owner.get(f"/data/projects/{world.p}/users", format="json").json()["ResultSet"]
    row = next(row for row in result["Result"] if row["login"] == world.users["member"])
    assert set(row) == {"GROUP_ID", "displayname", "login", "firstname", "lastname", "email"}
    assert (row["GROUP_ID"], row["displayname"]) == (f"{world.p}_member", "Members")
    assert result["title"] == "Projects"


@pytest.mark.parametrize("group", ["member", "Members", "{p}_member"])
def test_c15_adding_and_removing_a_user(world: World, group: str) -> None:
    base, bob = f"/data/projects/{world.p}/users", world.users["bob"]
    path = f"{base}/{group.format(p=world.p)}/{bob}"
    assert world.owner.put(path).status_code == 200
    assert (f"{world.p}_member", bob) in {(row["GROUP_ID"], row["login"]) for row in world.owner.rows(base)}
    assert world.owner.delete(path).status_code == 200
    assert bob not in {row["login"] for row in world.owner.rows(base)}
    assert world.owner.put(f"{base}/nogroup/{bob}").status_code == 404


def test_c16_prearchive_code(world: World) -> None:
    base = f"/data/projects/{world.p}/prearchive_code"
    assert world.owner.get(base).text in ("0", "4", "5")
    for code in ("0", "5", "4"):
        response = world.owner.put(f"{base}/{code}")
        assert (response.status_code, response.content) == (200, b"")
        assert world.owner.get(base).text == code
    assert world.owner.put(f"/data/projects/{world.p}/no_such_setting/1").status_code == 400


def test_c17_access(world: World) -> None:
    rows = world.owner.get("/xapi/access/projects").json()
    row = next(row for row in rows if row["ID"] == world.p)
    assert row["role"] == "Owners"
    assert row["group_id"] == f"{world.p}_owner"
    assert {"URI", "name"} <= set(row)


def test_c_bad_project_id(world: World) -> None:
    assert world.owner.put("/data/projects/a%20b").status_code == 417


def test_c_collaborator_does_not_write(world: World) -> None:
    assert world.as_user("collab").put(f"/data/projects/{world.p}", description="x").status_code == 403


def test_c_unknown_setting(world: World) -> None:
    assert world.owner.get(f"/data/projects/{world.p}/no_such_setting").status_code == 400
    assert world.owner.put(f"/data/projects/{world.p}/no_such_setting/1").status_code == 400


def test_c_defaults_of_a_new_project(world: World) -> None:
    settings = [world.owner.get(f"/data/projects/{world.p}/{name}").text for name in ("quarantine_code", "current_arc")]
    assert settings == ["0", "arc001"]


def test_c_stranger_does_not_write_to_what_is_in_a_protected_project(world: World) -> None:
    subject = f"/data/projects/{world.prot}/subjects/S"
    world.admin.put(subject)
    world.admin.put(f"{subject}/experiments/E", xsiType="xnat:mrSessionData")
    stranger = world.as_user("stranger")
    for path in (subject, f"{subject}/experiments/E", f"{subject}/experiments/NEW"):
        assert stranger.put(path, xsiType="xnat:mrSessionData" if "exp" in path else "").status_code == 403
    assert stranger.get(subject).status_code == 404
    assert stranger.delete(subject).status_code == 404


def test_c_list_for_display(world: World) -> None:
    result = world.owner.get("/data/projects", accessible="true", format="json").json()["ResultSet"]
    assert result["title"] == "Projects"
    row = next(row for row in result["Result"] if row["id"] == world.p)
    expected = {"id", "name", "description", "secondary_id", "pi", "project_invs", "project_access", "insert_date"}
    assert expected <= set(row)
    user = result["xdat_user_id"]
    assert row["project_access"].lower() == "private"
    assert row[f"user_role_{user}"] == "Owners"
    assert f"last_accessed_{user}" in row


@pytest.mark.parametrize(("role", "who"), [("owner", "owner"), ("member", "member"), ("collaborator", "collab")])
def test_c_list_by_role(world: World, role: str, who: str) -> None:
    rows = world.as_user(who).rows("/data/projects", **{role: "true"})
    assert world.p in {row["id"] for row in rows}
    for other in {"owner", "member", "collaborator"} - {role}:
        assert world.p not in {row["id"] for row in world.as_user(who).rows("/data/projects", **{other: "true"})}
