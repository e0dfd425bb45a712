"""What XNAT says of people."""

from __future__ import annotations

from ..core.terms import field_property
from .traits import Base

__all__ = ["InvestigatorData"]


class InvestigatorData(Base):
    """An investigator of a project, or of what was measured in it."""

    __slots__ = ()

    @property
    def fullname(self) -> str:
        """Title, first and last name, as far as they are known."""
        names = (self._raw("title"), self._raw("firstname"), self._raw("lastname"))
        return " ".join(str(name) for name in names if name)

    @field_property("ID")
    def identifier(self) -> str | None:
        """The ID that the site gave to the person."""
        value = self._raw("ID")
        return None if value is None else str(value)

    def _set_identifier(self, value: str) -> None:
        self.set("ID", value)

    # Not as a decorator: type checkers take two functions of one name for one with overloads.
    identifier = identifier.setter(_set_identifier)

    #: The name it has in scripts for other clients.
    id_ = identifier
