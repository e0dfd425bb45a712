"""Users of a server and members of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import xnat
from xnat.sandbox import Sandbox
from xnat.users import User, Users


@pytest.fixture
def jane(server: Sandbox) -> None:
    server.add_user("jane", "secret", firstname="Jane", lastname="Dœ", email="jane@example.org")


def test_users_is_a_mapping_by_login(session: Any, jane: None) -> None:
    users = session.users
    assert isinstance(users, Mapping)
    assert set(users) == {"admin", "jane"}
    assert len(users) == 2
    user = users["jane"]
    assert isinstance(user, User)
    assert (user.login, user.first_name, user.last_name, user.email) == ("jane", "Jane", "Dœ", "jane@example.org")
    assert user.id
    assert user.data["login"] == "jane"
    assert users.data["jane"] == user
    assert "bob" not in users
    assert users.get("bob") is None
    assert users.xnat_session is session


def test_users_are_asked_for_once(server: Sandbox, session: Any, jane: None) -> None:
    with server.record() as requests:
        assert session.users["jane"].login == session.users["jane"].login
        assert len(session.users) == 2
    assert [entry.path for entry in requests] == ["/data/users"]
    server.add_user("bob", "secret")
    assert "bob" not in session.users
    session.clearcache()
    assert "bob" in session.users


def test_users_without_caching(server: Sandbox, session: Any, jane: None) -> None:
    session.caching = False
    with server.record() as requests:
        assert session.users["jane"].login == session.users["jane"].login
    assert len(requests) == 2


def test_unknown_login_suggests_close_ones(session: Any, jane: None) -> None:
    with pytest.raises(KeyError, match="did you mean 'jane'"):
        session.users["jan"]


def test_users_repr_is_a_table(session: Any, jane: None) -> None:
    lines = repr(session.users).splitlines()
    assert lines[0].split() == ["login", "first", "name", "last", "name", "email"]
    assert any(line.split() == ["jane", "Jane", "Dœ", "jane@example.org"] for line in lines)
    assert "<td>jane</td>" in session.users._repr_html_()


def test_account_that_may_not_see_users(server: Sandbox, jane: None, caplog: pytest.LogCaptureFixture) -> None:
    server.settings.restrict_user_list = True
    with xnat.connect(server.url, user="jane", password="secret") as session:
        assert dict(session.users) == {}
        assert repr(session.users)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "may not see" in warnings[0].getMessage()


def test_members_of_a_project(session: Any, jane: None) -> None:
    session.classes.ProjectData(parent=session, name="P")
    session.put("/data/projects/P/users/Members/jane")
    members = Users(session, project="P")
    assert set(members) >= {"admin", "jane"}
    assert (members["jane"].access_level, members["jane"].group) == ("Members", "P_member")
    assert str(members["jane"]) == "jane (Members)"
    assert repr(members["jane"]) == "<User jane (Members)>"
    assert members["admin"].access_level == "Owners"
    assert "access level" in repr(members)


def test_user_of_a_site_has_no_level() -> None:
    user = User({"login": "x", "xdat_user_id": 7, "email": ""})
    assert (str(user), repr(user), user.id, user.email, user.access_level) == ("x", "<User x>", "7", None, None)


def test_taking_somebody_out_of_a_project(session: Any, jane: None) -> None:
    project = session.classes.ProjectData(parent=session, name="P")
    project.set_access("jane", "member")
    assert project.users is project.users
    assert project.users["jane"].access_level == "Members"
    project.remove_access("jane")
    assert "jane" not in project.users
    with pytest.raises(KeyError, match="'jane' is no member of project P; members are admin"):
        project.remove_access("jane")
