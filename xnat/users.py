"""The users of a server, as ``session.users``, and the members of a project."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import uris
from .core.answers import result_rows
from .core.caching import caching as cached
from .exceptions import XNATForbiddenError, XNATKeyError
from .naming import close_names

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .protocols import Connection

__all__ = ["User", "Users"]

_COLUMNS = ("login", "first_name", "last_name", "email", "access_level")


class User:
    """Representation of a user on the connected XNAT system.

    :param data: the row of the server's list
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = dict(data)

    def _text(self, name: str) -> str | None:
        value = self._data.get(name)
        return None if value in (None, "") else str(value)

    @property
    def data(self) -> dict[str, Any]:
        """The row of the server's list."""
        return self._data

    @property
    def id(self) -> str | None:
        """The id of the user; the members of a project have none."""
        return self._text("xdat_user_id")

    @property
    def login(self) -> str | None:
        """The login name of the user."""
        return self._text("login")

    @property
    def email(self) -> str | None:
        """The email of the user."""
        return self._text("email")

    @property
    def first_name(self) -> str | None:
        """The first name of the user."""
        return self._text("firstname")

    @property
    def last_name(self) -> str | None:
        """The last name of the user."""
        return self._text("lastname")

    @property
    def access_level(self) -> str | None:
        """In a project: Owners, Members, Collaborators, or the name of a group of its own."""
        return self._text("displayname")

    @property
    def group(self) -> str | None:
        """In a project: ID of the group, as ``sandbox_owner``."""
        return self._text("GROUP_ID")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, User) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self.login)

    def __str__(self) -> str:
        return f"{self.login} ({self.access_level})" if self.access_level else str(self.login)

    def __repr__(self) -> str:
        return f"<User {self}>"


class Users(Mapping[str, User]):
    """Listing of the users on the connected XNAT installation, or of one project, by login name.

    One GET when it is first looked at, then cached. An account that may not see users gets an empty mapping and a
    warning.

    :param project: ID of the project whose members to list
    """

    def __init__(self, xnat_session: Connection, *, project: str | None = None) -> None:
        self._session = xnat_session
        self._project = project
        self._cache: dict[str, tuple[Hashable, Any]] = {}
        self._generation = 0

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self._session

    @property
    def uri(self) -> str:
        """REST path of the list."""
        return "/data/users" if self._project is None else uris.join("/data/projects", self._project, "users")

    @property
    def caching(self) -> bool:
        """Whether the list is kept; the session's setting."""
        return self._session.caching

    def clearcache(self) -> None:
        """Forget the list; the next look asks the server again."""
        self._generation += 1

    def _stamp(self) -> Hashable:
        return (self._session.registry.stamp(), self._generation)

    @property
    def data(self) -> dict[str, User]:
        """The users by login name."""
        return self._users()

    @cached
    def _users(self) -> dict[str, User]:
        try:
            rows = result_rows(self._session.get_json(self.uri), self.uri)
        except XNATForbiddenError:
            # Sites can keep the list to their administrators (restrictUserListAccessToAdmins).
            self._session.logger.warning("This account may not see the users at %s", self.uri)
            return {}
        found: dict[str, User] = {}
        for user in map(User, rows):
            # Somebody in several groups of a project has a row for each; the first one is the strongest.
            if user.login is not None:
                found.setdefault(user.login, user)
        return found

    def __getitem__(self, login: str) -> User:
        users = self.data
        try:
            return users[login]
        except KeyError:
            close = close_names(str(login), users)
            hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise XNATKeyError(f"There is no user {login!r} among {len(users)}{hint}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.data))

    def __len__(self) -> int:
        return len(self.data)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.data)

    def _cells(self) -> list[list[str]]:
        columns = [name for name in _COLUMNS if name != "access_level" or self._project is not None]
        rows = [[getattr(user, name) or "" for name in columns] for user in self.data.values()]
        return [[name.replace("_", " ") for name in columns], *rows]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    def _repr_html_(self) -> str:
        head, *rows = [[html.escape(cell) for cell in row] for row in self._cells()]
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>{body}</table>"
