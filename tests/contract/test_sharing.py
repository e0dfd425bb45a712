"""Contract F: sharing."""

from __future__ import annotations

from .contract_world import World

QC = "xnat:qcManualAssessorData"


def test_f1_subject_is_seen_under_the_new_label(world: World) -> None:
    assert world.owner.put(f"{world.subject}/projects/{world.q}", label="TOLSEN1").status_code == 200
    (row,) = world.owner.rows(f"/data/projects/{world.q}/subjects")
    assert (row["label"], row["project"]) == ("TOLSEN1", world.p)
    assert world.owner.get(f"/data/projects/{world.q}/subjects/TOLSEN1").status_code == 200


def test_f2_sharing_twice(world: World) -> None:
    path = f"{world.subject}/projects/{world.q}"
    assert world.owner.put(path, label="TOLSEN1").status_code == 200
    response = world.owner.put(path, label="TOLSEN1")
    assert response.status_code == 409
    assert f"<h3>Already assigned to project:{world.q}</h3>" in response.text


def test_f2_sharing_under_a_taken_label(world: World) -> None:
    world.owner.put(f"/data/projects/{world.q}/subjects/TAKEN")
    response = world.owner.put(f"{world.subject}/projects/{world.q}", label="TAKEN")
    assert response.status_code == 409
    assert "Label already in use:TAKEN" in response.text


def test_f3_unknown_project(world: World) -> None:
    response = world.owner.put(f"{world.subject}/projects/NOPE-nope")
    assert response.status_code == 404
    assert "Unable to identify project: NOPE-nope" in response.text


def test_f4_session_brings_its_scans(world: World) -> None:
    assert world.owner.put(f"{world.session}/projects/{world.q}", label="SHARED").status_code == 200
    id = world.session_id()
    admin = world.admin
    admin.put(f"/data/projects/{world.q}/users/Collaborators/{world.users['bob']}")
    bob = world.as_user("bob")
    assert bob.get(f"/data/projects/{world.q}/experiments/SHARED").status_code == 200
    assert [row["ID"] for row in bob.rows(f"/data/experiments/{id}/scans")] == ["1"]
    (row,) = bob.rows(f"/data/projects/{world.q}/experiments")
    assert (row["label"], row["project"]) == ("SHARED", world.q)
    files = bob.rows(f"/data/experiments/{id}/scans/1/files")
    assert bob.get(files[0]["URI"]).content == b"pixels"


def test_f5_deleting_in_the_receiving_project_unshares(world: World) -> None:
    world.owner.put(f"{world.subject}/projects/{world.q}", label="TOLSEN1")
    assert world.owner.delete(f"/data/projects/{world.q}/subjects/TOLSEN1").status_code == 200
    assert world.owner.rows(f"/data/projects/{world.q}/subjects") == []
    assert world.admin.get(world.subject).status_code == 200


def test_f6_projects_of_an_assessor(world: World) -> None:
    assessor = f"{world.session}/assessors/QC1"
    world.owner.put(assessor, xsiType=QC)
    path = f"{assessor}/projects"

    def projects() -> list[str]:
        return [row["ID"] for row in world.owner.rows(path)]

    assert projects() == [world.p]
    assert world.owner.put(f"{path}/{world.q}").status_code == 200
    assert projects() == [world.p, world.q]
    assert world.owner.delete(f"{path}/{world.q}").status_code == 200
    assert projects() == [world.p]


def test_f7_only_the_subject_is_shared(world: World) -> None:
    world.owner.put(f"{world.subject}/projects/{world.q}", label="TOLSEN1")
    world.admin.put(f"/data/projects/{world.q}/users/Members/{world.users['bob']}")
    bob = world.as_user("bob")
    assert bob.get(f"/data/projects/{world.q}/subjects/TOLSEN1").status_code == 200
    assert bob.get(world.session).status_code == 404


def test_f_primary_moves(world: World) -> None:
    response = world.owner.put(f"{world.session}/projects/{world.q}", primary="true", label="MOVED")
    assert response.status_code == 200
    id = world.owner.rows(f"/data/projects/{world.q}/experiments")[0]["ID"]
    item = world.owner.get(f"/data/experiments/{id}", format="json").json()["items"][0]
    assert item["data_fields"]["project"] == world.q
    assert world.owner.rows(f"/data/projects/{world.p}/experiments") == []
