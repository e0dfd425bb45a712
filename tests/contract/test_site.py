"""Contract B: version and schemas."""

from __future__ import annotations

import requests
from lxml import etree

from .contract_world import World


def parsed(response: requests.Response) -> etree._Element:
    assert response.status_code == 200, response.url
    # the declaration of XNAT's own files states an encoding that is not theirs
    return etree.fromstring(response.content.partition(b"?>")[2] or response.content)


def test_b1_data_version_is_gone_since_1_7(world: World) -> None:
    response = world.owner.get("/data/version")
    assert response.status_code == 404
    assert response.text.lstrip().startswith("<")


def test_b2_build_info_is_open(world: World) -> None:
    response = requests.get(f"{world.sandbox.url}/xapi/siteConfig/buildInfo")
    assert response.status_code == 200
    info = response.json()
    assert info["version"]
    assert all(isinstance(value, str) for value in info.values())


def test_b3_uptime_runs(world: World) -> None:
    first, second = (world.owner.get("/xapi/siteConfig/uptime").json() for _ in range(2))
    assert all(isinstance(value, str) for value in first.values())

    def seconds(uptime: dict[str, str]) -> float:
        units = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
        return sum(factor * float(uptime.get(name, "0")) for name, factor in units.items())

    assert seconds(second) >= seconds(first) > 0


def test_b4_schema_names(world: World) -> None:
    names = world.owner.get("/xapi/schemas", format="json").json()
    assert len(names) > 10
    assert {"xnat", "xdat", "assessments", "pipeline/workflow"} <= set(names)


def test_b5_every_schema_parses(world: World) -> None:
    names = world.owner.get("/xapi/schemas").json()
    for name in names:
        for path in (f"/xapi/schemas/{name}", f"/schemas/{name}.xsd", f"/xapi/{name}.xsd"):
            assert parsed(world.owner.get(path)).tag == "{http://www.w3.org/2001/XMLSchema}schema"
    assert world.owner.get("/xapi/schemas/nope").status_code == 404


def test_b6_site_configuration_is_closed(world: World) -> None:
    assert requests.get(f"{world.sandbox.url}/xapi/siteConfig").status_code == 401
    assert world.admin.get("/xapi/siteConfig").json()["siteId"]


def test_b_site_configuration_is_changed_by_administrators(world: World) -> None:
    assert world.owner.send("POST", "/xapi/siteConfig", {}, json={"requireLogin": True}).status_code == 403
    assert world.admin.send("POST", "/xapi/siteConfig", {}, json={"requireLogin": True}).status_code == 200
    assert world.admin.get("/xapi/siteConfig").json()["requireLogin"] is True


def test_b_users_are_changed_by_administrators(world: World) -> None:
    path = f"/xapi/users/{world.users['bob']}"
    assert world.owner.send("PUT", path, {}, json={"firstName": "Robert"}).status_code == 403
    assert world.admin.send("PUT", path, {}, json={"firstName": "Robert"}).status_code == 200
    found = world.admin.get(path).json()
    assert (found["firstName"], found["lastName"]) == ("Robert", "L")
    assert world.as_user("bob").get("/data/auth").status_code == 200


def test_b2_one_build_property(world: World) -> None:
    url = f"{world.sandbox.url}/xapi/siteConfig/buildInfo"
    version = requests.get(f"{url}/version")
    assert version.status_code == 200
    assert version.text.strip('"') == requests.get(url).json()["version"]


def test_b_groups_of_a_user(world: World) -> None:
    path = f"/xapi/users/{world.users['bob']}/groups"
    group = f"{world.p}_member"
    assert world.owner.put(f"{path}/{group}").status_code == 403
    assert world.admin.put(f"{path}/{group}").status_code == 200
    assert group in world.admin.get(path).json()
    assert world.as_user("bob").get(f"/data/projects/{world.p}").status_code == 200
    assert world.admin.send("PUT", path, {}, json=[f"{world.q}_owner"]).status_code == 200
    assert {group, f"{world.q}_owner"} <= set(world.admin.get(path).json())
    assert world.admin.delete(f"{path}/{group}").status_code == 200
    assert group not in world.admin.get(path).json()


def test_b_disabled_users_do_not_get_in(world: World) -> None:
    path = f"/xapi/users/{world.users['bob']}/enabled"
    assert world.owner.put(f"{path}/false").status_code == 403
    assert world.admin.put(f"{path}/false").status_code == 200
    try:
        assert world.as_user("bob").get("/data/auth").status_code == 401
    finally:
        world.admin.put(f"{path}/true")
    assert world.as_user("bob").get("/data/auth").status_code == 200
