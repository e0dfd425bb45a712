"""Which XNAT a server is."""

from __future__ import annotations

import re
from typing import Any

from .exceptions import XNATResponseError

__all__ = ["ask_version", "told_version", "version_tuple"]


def ask_version(session: Any) -> str:
    """The server's version: 1.7 and later tell their build info, 1.6 has a path of its own.

    :raises XNATResponseError: it tells neither
    """
    try:
        return told_version(session.get_json("/xapi/siteConfig/buildInfo"))
    except (XNATResponseError, KeyError, TypeError) as error:
        try:
            text = session.get("/data/version").text.strip()
        except XNATResponseError:
            said = error if isinstance(error, XNATResponseError) else "its build info names none"
            raise XNATResponseError(
                f"The server tells no version, neither at /xapi/siteConfig/buildInfo nor at /data/version: {said}"
            ) from None
    if not re.match(r"\d+\.\d+", text):
        raise XNATResponseError(f"The server tells no version; at /data/version it says {text[:80]!r}")
    return str(text)


def told_version(info: Any) -> str:
    """The version in the build info of a server.

    :raises KeyError: there is none
    :raises TypeError: it isn't build info
    """
    version = info["version"]
    if version in (None, ""):
        raise KeyError("version")
    return str(version)


def version_tuple(version: str) -> tuple[int, ...]:
    """The numbers of a version: ``'1.8.9-SNAPSHOT'`` → (1, 8, 9)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
