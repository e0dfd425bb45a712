"""The world of the contract cases: users with roles, three projects, a subject, a session, a scan with a resource."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from .contract_tools import Api

USERS = ("owner", "member", "collab", "stranger", "bob")
PASSWORD = "Contract-2024-x"
MR = "xnat:mrSessionData"


@dataclass
class World:
    """Projects with names of this test's own; ``as_user`` is somebody's requests."""

    sandbox: Any
    admin: Api
    p: str
    prot: str
    q: str
    users: dict[str, str]
    apis: dict[str, Api] = field(default_factory=dict)

    def as_user(self, who: str) -> Api:
        if who == "admin":
            return self.admin
        if who not in self.apis:
            self.apis[who] = Api(self.sandbox.url, self.users[who], PASSWORD)
        return self.apis[who]

    def wrong(self) -> Api:
        """Somebody with a password that is not theirs."""
        return self.apis.setdefault("wrong", Api(self.sandbox.url, self.users["owner"], "not-the-password"))

    @property
    def owner(self) -> Api:
        return self.as_user("owner")

    @property
    def subject(self) -> str:
        return f"/data/projects/{self.p}/subjects/SUBJ1"

    @property
    def session(self) -> str:
        return f"{self.subject}/experiments/SESS1"

    def session_id(self) -> str:
        return str(self.owner.get(self.session, format="json").json()["items"][0]["data_fields"]["ID"])

    def subject_id(self) -> str:
        return str(self.owner.get(self.subject, format="json").json()["items"][0]["data_fields"]["ID"])

    def name(self) -> str:
        """An unused project name; removed at the end."""
        name = f"N{uuid.uuid4().hex[:10]}"
        self.admin._made.append(name)
        return name

    def put_file(self, path: str, data: bytes = b"content", **query: Any) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        response = self.owner.send("PUT", path, query, data=data, headers=headers)
        assert response.status_code == 200, response.text
