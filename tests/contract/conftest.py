"""Fixtures of the contract cases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from .contract_tools import Api
from .contract_world import MR, PASSWORD, USERS, World


@pytest.fixture(scope="session")
def user_names(sandbox: Any) -> dict[str, str]:
    """Users that exist on the server: logins by role."""
    suffix = uuid.uuid4().hex[:6]
    names = {role: f"{role}{suffix}" for role in USERS}
    with Api.of(sandbox) as admin:
        for login in names.values():
            details = {"username": login, "password": PASSWORD, "firstName": "F", "lastName": "L"}
            details["email"] = f"{login}@example.org"
            response = admin.send("POST", "/xapi/users", {}, json={**details, "enabled": True, "verified": True})
            assert response.status_code == 201, response.text
    return names


@pytest.fixture
def world(sandbox: Any, user_names: dict[str, str]) -> Iterator[World]:
    with Api.of(sandbox) as admin:
        names = [f"{letter}{uuid.uuid4().hex[:10]}" for letter in ("P", "T", "Q")]
        world = World(sandbox, admin, *names, users=user_names)
        for name in names:
            assert admin.put(f"/data/projects/{name}").status_code == 200
            admin._made.append(name)
            for role, group in (("owner", "Owners"), ("member", "Members"), ("collab", "Collaborators")):
                if name != world.prot or role == "owner":
                    admin.put(f"/data/projects/{name}/users/{group}/{user_names[role]}")
        admin.put(f"/data/projects/{world.prot}/accessibility/protected")
        admin.put(f"/data/projects/{world.p}/accessibility/private")
        world.owner.put(world.subject, req_format="qs")
        world.owner.put(world.session, xsiType=MR, req_format="qs")
        world.owner.put(f"{world.session}/scans/1", xsiType="xnat:mrScanData", type="T1", quality="usable")
        world.put_file(f"{world.session}/scans/1/resources/DICOM/files/1.dcm", b"pixels")
        try:
            yield world
        finally:
            for api in world.apis.values():
                api.http.close()
