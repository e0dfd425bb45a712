"""Contract H: custom variables and custom fields."""

from __future__ import annotations

from typing import Any

from .contract_world import MR, World


def variables(world: World, path: str) -> dict[str, str]:
    item = world.owner.get(path, format="json").json()["items"][0]
    found = [child["items"] for child in item["children"] if child["field"] == "fields/field"]
    entries = [entry["data_fields"] for entry in (found[0] if found else [])]
    assert len({entry["name"] for entry in entries}) == len(entries)
    return {entry["name"]: entry.get("field", "") for entry in entries}


def key(name: str, xsi_type: str = MR) -> str:
    return f"{xsi_type}/fields/field[name={name}]/field"


def test_h1_set(world: World) -> None:
    assert world.owner.put(world.session, **{key("test01"): "12"}).status_code == 200
    assert variables(world, world.session) == {"test01": "12"}


def test_h1_set_by_the_base_type(world: World) -> None:
    assert world.owner.put(world.session, **{key("test01", "xnat:experimentData"): "12"}).status_code == 200
    assert variables(world, world.session) == {"test01": "12"}


def test_h2_set_again_also_in_a_form(world: World) -> None:
    world.owner.put(world.session, **{key("test01"): "12"})
    assert world.owner.put(world.session, **{key("test01"): "14"}).status_code == 200
    assert variables(world, world.session) == {"test01": "14"}
    assert world.owner.send("PUT", world.session, {}, data={key("test01"): "15"}).status_code == 200
    assert variables(world, world.session) == {"test01": "15"}


def test_h3_columns(world: World) -> None:
    world.owner.put(world.session, **{key("a"): "1", key("b"): "2"})
    columns = f"{MR}/fields/field/field,{MR}/fields/field/name"
    query: dict[str, Any] = {f"{MR}/label": "SESS1", "columns": columns}
    rows = world.owner.rows(f"/data/projects/{world.p}/experiments", **query)
    value, name = "xnat:mrsessiondata/fields/field/field", "xnat:mrsessiondata/fields/field/name"
    assert {(row[name], row[value]) for row in rows} == {("a", "1"), ("b", "2")}


def test_h4_others_stay(world: World) -> None:
    world.owner.put(world.subject, **{key("one", "xnat:subjectData"): "1"})
    world.owner.put(world.subject, **{key("two", "xnat:subjectData"): "2"})
    assert variables(world, world.subject) == {"one": "1", "two": "2"}


def test_h4_null_removes(world: World) -> None:
    world.owner.put(world.session, **{key("a"): "1", key("b"): "2"})
    name = f"{MR}/fields/field[name=a]/name"
    assert world.owner.put(world.session, **{key("a"): "NULL", name: "NULL"}).status_code == 200
    assert variables(world, world.session) == {"b": "2"}


def test_h4_scan_parameters(world: World) -> None:
    scan = f"{world.session}/scans/1"
    assert world.owner.put(scan, **{"xnat:mrScanData/parameters/addParam[name=foo]/addField": "bar"}).status_code == 200
    item = world.owner.get(scan, format="json").json()["items"][0]
    (entries,) = (child["items"] for child in item["children"] if child["field"] == "parameters/addParam")
    assert entries[0]["data_fields"]["name"] == "foo"
    assert entries[0]["data_fields"]["addField"] == "bar"


def test_h5_custom_fields(world: World) -> None:
    base = f"/xapi/custom-fields/projects/{world.p}/fields"
    owner = world.owner
    assert owner.get(base).json() == {}
    assert owner.send("PUT", base, {}, json={"KEY1": "VAL 001"}).json() == {"KEY1": "VAL 001"}
    values = {"key2": 1000, "none": None, "list": [1, "a"], "deep": {"x": 1.5}}
    assert owner.send("PUT", base, {}, json=values).json() == {"KEY1": "VAL 001", **values}
    one = owner.get(f"{base}/KEY1")
    assert (one.status_code, one.text) == (200, "VAL 001")
    assert one.headers["Content-Type"].startswith("text/plain")
    missing = owner.get(f"{base}/NOPE")
    assert (missing.status_code, missing.text) == (404, "Field NOPE does not exist.")
    del values["key2"]
    assert owner.delete(f"{base}/key2").json() == {"KEY1": "VAL 001", **values}
    assert owner.delete(f"{base}/NOPE").status_code == 404
    assert owner.delete(f"{base}/none").status_code == 404
    assert owner.get(base, fieldNames="KEY1,unknown").json() == {"KEY1": "VAL 001"}


def test_h6_custom_fields_of_what_cannot_be_seen(world: World) -> None:
    base = "/xapi/custom-fields"
    for path in ("projects/NOPE-nope", "subjects/NOPE", "experiments/NOPE"):
        assert world.owner.get(f"{base}/{path}/fields").status_code == 403
    assert world.as_user("stranger").get(f"{base}/projects/{world.p}/fields").status_code == 403
    path = f"{base}/projects/{world.p}/experiments/SESS1/scans"
    assert world.owner.get(f"{path}/9/fields").status_code == 404
    assert world.owner.get(f"{path}/1/fields").json() == {}
