"""Users, their roles in projects, what they may do, and alias tokens."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass

from .clock import now_ms
from .database import Database, Row
from .errors import Refused
from .store_archive import Archive, Record

__all__ = ["GUEST", "ROLES", "Token", "User", "Users"]

ROLES = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}
TOKEN_LIFETIME_MS = 48 * 3600 * 1000
_ALLOWED = {
    "owner": {"read", "edit", "delete", "own"},
    "member": {"read", "edit"},
    "collaborator": {"read"},
}


@dataclass(frozen=True)
class User:
    """Somebody who may ask."""

    id: int
    login: str
    firstname: str = ""
    lastname: str = ""
    email: str = ""
    admin: bool = False
    enabled: bool = True

    @property
    def guest(self) -> bool:
        """Whether nobody logged in."""
        return self.login == "guest"


GUEST = User(0, "guest")


@dataclass(frozen=True)
class Token:
    """An alias token: a pair that logs in as ``login`` until it expires (both times are epoch milliseconds)."""

    id: int
    alias: str
    secret: str
    login: str
    created: int
    expires: int
    enabled: bool


def _user(row: Row) -> User:
    return User(
        row["id"],
        row["login"],
        row["firstname"],
        row["lastname"],
        row["email"],
        bool(row["admin"]),
        bool(row["enabled"]),
    )


def _hash(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 2000).hex()


class Users:
    """``can()`` is the one place that decides who may do what."""

    def __init__(self, database: Database, archive: Archive) -> None:
        self._database = database
        self._archive = archive
        # Basic credentials come with every request: remember which ones were right.
        self._good: dict[str, str] = {}

    # -- users ----------------------------------------------------------------------------------------------------

    def add(
        self,
        login: str,
        password: str,
        *,
        firstname: str = "",
        lastname: str = "",
        email: str = "",
        admin: bool = False,
    ) -> User:
        """A new user, or an existing one with a new password and rights."""
        salt = secrets.token_hex(8)
        with self._database.transaction():
            self._database.run("INSERT OR IGNORE INTO users (login) VALUES (?)", login)
            self._database.run(
                "UPDATE users SET password = ?, firstname = ?, lastname = ?, email = ?, admin = ? WHERE login = ?",
                f"{salt}${_hash(password, salt)}", firstname or login.capitalize(), lastname or "User",
                email or f"{login}@example.org", int(admin), login,
            )  # fmt: skip
            self._good.pop(login, None)
            user = self.get(login)
            assert user is not None
            return user

    def change(self, login: str, password: str | None = None, **details: str) -> None:
        """Change a user's password, ``firstname``, ``lastname`` or ``email``; what is not given stays."""
        values: dict[str, str] = {name: details[name] for name in ("firstname", "lastname", "email") if name in details}
        if password:
            salt = secrets.token_hex(8)
            values["password"] = f"{salt}${_hash(password, salt)}"
            self._good.pop(login, None)
        for name, value in values.items():
            self._database.run(f"UPDATE users SET {name} = ? WHERE login = ?", value, login)  # noqa: S608 - fixed names

    def get(self, login: str) -> User | None:
        """The user with that login."""
        row = self._database.row("SELECT * FROM users WHERE login = ?", login)
        return _user(row) if row else None

    def all(self) -> list[User]:
        """Every user, in the order they were added."""
        return [_user(row) for row in self._database.rows("SELECT * FROM users ORDER BY id")]

    def enable(self, login: str, enabled: bool) -> None:
        """Let a user in, or keep it out."""
        self._database.run("UPDATE users SET enabled = ? WHERE login = ?", int(enabled), login)

    def check(self, login: str, password: str) -> User | None:
        """The user if the password (or the alias token's secret) is right; ``provider/login`` is understood."""
        user = self._check_password(login.rpartition("/")[2], password)
        return user or self.check_token(login, password)

    def _check_password(self, login: str, password: str) -> User | None:
        row = self._database.row("SELECT * FROM users WHERE login = ? AND enabled", login)
        if row is None:
            return None
        digest = hashlib.sha256(f"{row['password']}\n{password}".encode()).hexdigest()
        if self._good.get(login) != digest:
            salt, _, expected = row["password"].partition("$")
            if not expected or not hmac.compare_digest(_hash(password, salt), expected):
                return None
            self._good[login] = digest
        return _user(row)

    # -- roles ----------------------------------------------------------------------------------------------------

    def set_role(self, project: str, login: str, role: str) -> None:
        """Put a user into a project's ``owner``, ``member`` or ``collaborator`` group, out of any other."""
        if role not in ROLES:
            raise Refused(404, f"Unknown group {role}")
        self._database.run(
            "INSERT OR REPLACE INTO members (project, login, role) VALUES (?, ?, ?)", project, login, role
        )

    def remove_role(self, project: str, login: str, role: str | None = None) -> None:
        """Take a user out of a project's group (of any group without ``role``)."""
        if role is None or self.role(project, login) == role:
            self._database.run("DELETE FROM members WHERE project = ? AND login = ?", project, login)

    def role(self, project: str, login: str) -> str:
        """``owner``, ``member``, ``collaborator`` or ''."""
        sql = "SELECT role FROM members WHERE project = ? AND login = ?"
        return str(self._database.value(sql, project, login) or "")

    def members(self, project: str) -> list[tuple[str, User]]:
        """The project's members: role and user."""
        sql = "SELECT members.role AS role, users.* FROM members JOIN users USING (login) WHERE project = ?"
        return [(row["role"], _user(row)) for row in self._database.rows(f"{sql} ORDER BY login", project)]

    def memberships(self, login: str) -> list[tuple[str, str]]:
        """The projects a user is a member of: project ID and role."""
        sql = "SELECT project, role FROM members WHERE login = ? ORDER BY project"
        return [(row["project"], row["role"]) for row in self._database.rows(sql, login)]

    # -- rights ---------------------------------------------------------------------------------------------------

    def can(self, user: User, action: str, record: Record) -> bool:
        """Whether a user may ``read``, ``edit``, ``delete`` or ``own`` (administrate) a record.

        A record shared into a project can be read by that project's users. A protected project itself (not what is in
        it) can be read by everybody.
        """
        if self.can_in(user, action, record.project):
            return True
        if action != "read":
            return False
        if record.kind == "project":
            return self.accessibility(record.id) == "protected"
        shared = self._archive.shares(record)
        if any(self.can_in(user, "read", share.project) for share in shared):
            return True
        # Sharing a session shares its scans, assessors stay on their own.
        above = self._archive.parent(record) if record.kind in ("scan", "reconstruction") else None
        return above is not None and self.can(user, "read", above)

    def can_in(self, user: User, action: str, project: str) -> bool:
        """Whether a user may do something to whatever belongs to a project."""
        if user.admin:
            return True
        role = "" if user.guest else self.role(project, user.login)
        if action in _ALLOWED.get(role, ()):
            return True
        return action == "read" and self.accessibility(project) == "public"

    def accessibility(self, project: str) -> str:
        """``private``, ``protected`` or ``public``."""
        sql = "SELECT json_extract(doc, '$.f.\"@accessibility\"') FROM objects WHERE kind = 'project' AND id = ?"
        return str(self._database.value(sql, project) or "private")

    def readable_projects(self, user: User) -> set[str] | None:
        """The IDs of the projects whose content a user may read; None means all of them."""
        if user.admin:
            return None
        sql = "SELECT id FROM objects WHERE kind = 'project' AND json_extract(doc, '$.f.\"@accessibility\"') = 'public'"
        found = {row["id"] for row in self._database.rows(sql)}
        return found | {project for project, _ in self.memberships(user.login)}

    # -- alias tokens ---------------------------------------------------------------------------------------------

    def issue_token(self, login: str, lifetime_ms: int = TOKEN_LIFETIME_MS) -> Token:
        """A new alias token for a user."""
        now = now_ms()
        alias, secret = str(uuid.uuid4()), secrets.token_hex(32)
        key = self._database.insert(
            "tokens", alias=alias, secret=secret, login=login, created=now, expires=now + lifetime_ms
        )
        return Token(key, alias, secret, login, now, now + lifetime_ms, True)

    def tokens(self, login: str) -> list[Token]:
        """A user's valid tokens."""
        sql = "SELECT * FROM tokens WHERE login = ? AND enabled AND expires > ? ORDER BY id"
        return [Token(**dict(row)) for row in self._database.rows(sql, login, now_ms())]

    def token(self, alias: str) -> Token | None:
        """The token with that alias, valid or not."""
        row = self._database.row("SELECT * FROM tokens WHERE alias = ?", alias)
        return Token(**dict(row)) if row else None

    def check_token(self, alias: str, secret: str) -> User | None:
        """The user behind a valid token."""
        token = self.token(alias)
        if token is None or not token.enabled or token.expires <= now_ms():
            return None
        user = self.get(token.login) if hmac.compare_digest(token.secret, secret) else None
        return user if user and user.enabled else None

    def invalidate_token(self, alias: str) -> bool:
        """End a token; whether there was one."""
        known = self.token(alias) is not None
        self._database.run("UPDATE tokens SET enabled = 0 WHERE alias = ?", alias)
        return known
