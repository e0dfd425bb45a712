"""Contract J7-J12: users, scanners, configuration, workflows, error pages, timestamps."""

from __future__ import annotations

import pytest

from .contract_world import MR, World


def test_j7_users_are_for_administrators(world: World) -> None:
    assert world.owner.get("/data/users", format="json").status_code in (200, 403)
    row = next(row for row in world.admin.rows("/data/users") if row["login"] == world.users["owner"])
    assert set(row) == {"xdat_user_id", "login", "firstname", "lastname", "email"}


def test_j8_scanners_and_scan_types(world: World) -> None:
    world.owner.put(world.session, **{f"{MR}/scanner": "SCANNER-X"})
    world.owner.put(f"{world.session}/scans/1", series_description="localizer")
    assert "SCANNER-X" in {row["scanner"] for row in world.owner.rows("/data/archive/scanners")}
    rows = world.owner.rows("/data/archive/scan_types")
    assert set(rows[0]) == {"type", "series_descriptions"}
    assert "T1" in {row["type"] for row in rows}
    assert world.owner.get("/data/scanners", table="xnat_subjectData").status_code == 403


def test_j9_configuration(world: World) -> None:
    path = f"/data/projects/{world.p}/config/TOOL/some/path"
    owner = world.owner
    assert owner.send("PUT", path, {}, data="one", headers={"Content-Type": "text/plain"}).status_code == 201
    for text in ("two", "three"):
        assert owner.send("PUT", path, {}, data=text, headers={"Content-Type": "text/plain"}).status_code == 200
    (row,) = owner.rows(path)
    assert (row["version"], row["contents"], row["status"], row["tool"]) == ("3", "three", "enabled", "TOOL")
    assert owner.rows(path, version="1")[0]["contents"] == "one"
    assert owner.get(path, contents="true").text == "three"
    assert len(owner.rows(path, action="getHistory")) == 3
    assert owner.put(path, status="badstring").status_code == 400
    assert owner.put(path, status="disabled").status_code == 200
    assert owner.rows(path)[0]["status"] == "disabled"
    assert owner.get(f"/data/projects/{world.p}/config/TOOL/nope").status_code == 404
    assert {row["tool"] for row in owner.rows(f"/data/projects/{world.p}/config")} == {"TOOL"}


def test_j9_who_may_configure(world: World) -> None:
    path = f"/data/projects/{world.p}/config/TOOL/path"
    world.owner.send("PUT", path, {}, data="one")
    assert world.as_user("member").send("PUT", path, {}, data="two").status_code == 403
    assert world.as_user("stranger").get(path).status_code == 404
    assert world.as_user("stranger").send("PUT", path, {}, data="two").status_code == 403
    assert world.owner.send("PUT", "/data/config/TOOL/path", {}, data="one").status_code == 403


def test_j10_workflows(world: World) -> None:
    query = {
        "wrk:workflowData/id": world.session_id(),
        "wrk:workflowData/pipeline_name": "pipeline",
        "wrk:workflowData/launch_time": "2020-01-01 10:00:00",
        "wrk:workflowData/data_type": MR,
        "wrk:workflowData/status": "Running",
    }
    assert world.owner.put("/data/workflows", **query).status_code == 200
    found = world.owner.get("/data/workflows", format="json", **query).json()["items"][0]["data_fields"]
    assert found["status"] == "Running"
    assert world.owner.get(f"/data/workflows/{found['wrk_workflowData_id']}").status_code == 200
    assert world.as_user("stranger").put("/data/workflows", **query).status_code == 403
    del query["wrk:workflowData/launch_time"]
    assert world.owner.put("/data/workflows", **query).status_code == 400


@pytest.mark.parametrize(
    "path", ["/data/projects/NOPE-nope", "/data/subjects/NOPE", "/data/experiments/NOPE", "/data/no", "/data/version"]
)
def test_j11_errors_are_status_pages(world: World, path: str) -> None:
    response = world.owner.get(path)
    assert 400 <= response.status_code < 600
    assert response.text.startswith("<html>")
    assert "<h3>" in response.text
    assert response.headers["Content-Type"].startswith("text/html")


def test_j11_successes_are_not_pages(world: World) -> None:
    for path in ("/data/projects", "/data/subjects", "/data/experiments", world.subject, world.session, "/data/auth"):
        text = world.owner.get(path).text.lstrip().lower()
        assert not text.startswith(("<html", "<!doctype"))


def test_j11_wrong_method(world: World) -> None:
    assert world.owner.delete("/data/projects").status_code == 405


@pytest.mark.parametrize("moment", ["2020-01-01 10:00:00", "2020-01-01T10:00:00", "2020-01-01T10:00:00Z"])
def test_j12_timestamps(world: World, moment: str) -> None:
    path = f"{world.subject}/experiments/TIMED"
    body = (
        '<xnat:PETSession xmlns:xnat="http://nrg.wustl.edu/xnat" label="TIMED">'
        f"<xnat:start_time_scan>{moment}</xnat:start_time_scan></xnat:PETSession>"
    )
    response = world.owner.send("PUT", path, {}, data=body, headers={"Content-Type": "text/xml"})
    assert response.status_code == 201
    assert "2020-01-01T10:00:00" in world.owner.get(path, format="xml").text
