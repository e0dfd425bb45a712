"""What a session tells about its server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..constants import EXPIRATION_COOKIE
from ..core.answers import result_rows
from ..core.caching import caching as cached
from ..core.looking import starting_point
from ..exceptions import XNATForbiddenError, XNATNotFoundError, XNATResponseError
from ..versions import ask_version, version_tuple

if TYPE_CHECKING:
    import datetime
    import logging

    from ..inspect import Inspect
    from ..plugins import Plugins
    from ..protocols import Connection
    from ..transport.client import HTTPClient
    from ..xnatbases.mounted import MountType

__all__ = ["AboutServer"]


class AboutServer:
    """Version, plugins, scanners and the like. Each costs a request when first asked for, and is cached then."""

    if TYPE_CHECKING:
        logger: logging.Logger

        @property
        def client(self) -> HTTPClient: ...

        @property
        def inspect(self) -> Inspect: ...

        def get_json(self, uri: str) -> Any: ...

    @property
    @cached
    def xnat_build_info(self) -> dict[str, Any]:
        """Version, build number, date and so on, as text (XNAT 1.7+)."""
        info: dict[str, Any] = self.get_json("/xapi/siteConfig/buildInfo")
        return info

    @property
    @cached
    def xnat_version(self) -> str:
        """The version of the server, as ``'1.8.9'``."""
        return ask_version(self)

    @property
    def xnat_version_tuple(self) -> tuple[int, ...]:
        """The numbers of the version, as ``(1, 8, 9)``."""
        return version_tuple(self.xnat_version)

    def check_version(self, version: str | Sequence[int], message: str | None = None) -> bool:
        """Whether the server is of this version or newer.

        :param version: as ``'1.8.3'``, or its numbers
        :param message: what needs it; given, a warning is logged where the server is older
        """
        wanted = version_tuple(version) if isinstance(version, str) else tuple(version)
        if self.xnat_version_tuple >= wanted:
            return True
        if message is not None:
            needed = ".".join(map(str, wanted))
            self.logger.warning("%s needs XNAT %s or newer; the server is %s", message, needed, self.xnat_version)
        return False

    @property
    def xnat_uptime(self) -> datetime.timedelta:
        """How long the server has been up (XNAT 1.7+). Not cached."""
        import datetime

        uri = "/xapi/siteConfig/uptime"
        told = self.get_json(uri)
        try:
            return datetime.timedelta(
                **{unit: float(told.get(unit, 0)) for unit in ("days", "hours", "minutes", "seconds")}
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise XNATResponseError(f"{uri}: the server's answer is no span of time ({error})", url=uri) from error

    @starting_point
    @cached
    def plugins(self) -> Plugins:
        """The server's plugins, by ID (XNAT 1.7+); see :class:`xnat.plugins.Plugins`."""
        from ..plugins import Plugins

        return Plugins(cast("Connection", self))

    @property
    @cached
    def access_levels(self) -> dict[str, str]:
        """Project ID → the role of this account in it (XNAT 1.8+). Only projects it is a member of are listed.

        Empty where the server has no such list, or doesn't show it to this account.
        """
        try:
            rows = self.get_json("/xapi/access/projects")
        except (XNATNotFoundError, XNATForbiddenError):
            return {}
        try:
            return {str(row["ID"]): str(row["role"]) for row in rows}
        except (KeyError, TypeError) as error:
            raise XNATResponseError("The server's answer is no list of projects and roles") from error

    def display_fields(self, xsi_type: str) -> frozenset[str]:
        """The display fields of a data type, by which can be searched. One GET per type when first asked for.

        :raises XNATResponseError: the server doesn't know the type (400)
        """
        known = self._display_fields()
        if xsi_type not in known:
            known[xsi_type] = frozenset(self.inspect.datafields(xsi_type, prepend_type=False))
        return known[xsi_type]

    @cached
    def _display_fields(self) -> dict[str, frozenset[str]]:
        return {}

    @property
    @cached
    def scanners(self) -> list[str]:
        """The scanners that sessions name."""
        uri = "/data/archive/scanners"
        return [row["scanner"] for row in result_rows(self.get_json(uri), uri)]

    @property
    @cached
    def scan_types(self) -> list[str]:
        """The types of scans."""
        uri = "/data/archive/scan_types"
        return [row["type"] for row in result_rows(self.get_json(uri), uri)]

    @property
    def mount_data_dir(self) -> Path | None:
        """The server's archive as a directory here (``XNAT_DATA`` in the environment), None if there is none."""
        path = os.environ.get("XNAT_DATA")
        return Path(path) if path and Path(path).is_dir() else None

    @property
    def mount_data_dir_type(self) -> MountType:
        """How the folders of :attr:`mount_data_dir` are laid out."""
        from ..xnatbases.mounted import mount_type

        return mount_type(self.mount_data_dir)

    @property
    def mount_xsi_type(self) -> str | None:
        """Type of the object that a JupyterHub of XNAT was started for (``XNAT_XSI_TYPE`` in the environment)."""
        return os.environ.get("XNAT_XSI_TYPE") or None

    @property
    def mount_xnat_item_id(self) -> str | None:
        """ID of the object that a JupyterHub of XNAT was started for (``XNAT_ITEM_ID`` in the environment)."""
        return os.environ.get("XNAT_ITEM_ID") or None

    @property
    def session_expiration_time(self) -> tuple[datetime.datetime, float] | None:
        """(time of the last refresh, seconds until the session ends after it), None where the server doesn't say."""
        from ..transport.keepalive import parse_expiration

        return parse_expiration(self.client.cookie(EXPIRATION_COOKIE))
