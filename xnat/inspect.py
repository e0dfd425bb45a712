"""Which data types and fields a server's searches know, as ``session.inspect``."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from . import uris
from .core.answers import result_rows
from .exceptions import XNATResponseError, XNATValueError

if TYPE_CHECKING:
    from .protocols import Connection

__all__ = ["Inspect"]

ELEMENTS = "/data/search/elements"


class Inspect:
    """What can be searched for. Nothing here is cached.

    :param xnat_session: the session
    """

    def __init__(self, xnat_session: Connection) -> None:
        self._session = xnat_session

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self._session

    def datatypes(self, pattern: str = "*", fields_pattern: str | None = None) -> list[str]:
        """The data types that can be searched for, as ``['xnat:mrSessionData', ...]``. One GET.

        :param pattern: only these; ``*`` and ``?`` stand for anything
        :param fields_pattern: give the fields of these types that match this, not the types; one more GET per type
        """
        rows = result_rows(self._session.get_json(ELEMENTS), ELEMENTS)
        types = [name for name in (str(row["ELEMENT_NAME"]) for row in rows) if fnmatch.fnmatchcase(name, pattern)]
        if fields_pattern is None:
            return types
        found: list[str] = []
        for name in types:
            try:
                found += self.datafields(name, fields_pattern)
            except XNATResponseError as error:
                # Types of plug-ins without a display document, and types this account may not see.
                self._session.logger.debug("No fields of %s: %s", name, error)
        return found

    def datafields(self, datatype: Any, pattern: str = "*", prepend_type: bool = True) -> list[str]:
        """The fields of a data type by which can be searched. One GET.

        :param datatype: its name (``'xnat:mrSessionData'``), its class, or an object of it
        :param pattern: only these; ``*`` and ``?`` stand for anything
        :param prepend_type: whether to put the type in front: ``xnat:mrSessionData/AGE`` instead of ``AGE``
        :raises XNATResponseError: the server doesn't know the type (400)
        """
        name = datatype if isinstance(datatype, str) else getattr(datatype, "XSI_TYPE", None)
        if not name:
            raise XNATValueError(f"{datatype!r} is no data type; give its name, its class, or an object of it")
        uri = uris.join(ELEMENTS, name)
        fields = [str(row["FIELD_ID"]) for row in result_rows(self._session.get_json(uri), uri)]
        # Fields with an argument (FIELD_MAP=dose) and those of sharing exist once per variable and project.
        plain = [field for field in fields if "=" not in field and "SHARINGSHAREPROJECT" not in field]
        return [f"{name}/{field}" if prepend_type else field for field in plain if fnmatch.fnmatchcase(field, pattern)]

    def __repr__(self) -> str:
        return "<Inspect>"
