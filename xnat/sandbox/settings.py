"""How a sandbox is set up: what a site administrator, and the choice of version, decide on a real server."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Settings"]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


@dataclass
class Settings:
    """Plain values; tests may change them while the sandbox runs."""

    site_id: str = "XNAT"
    xnat_version: str = "1.8.9"
    context_path: str = ""
    site_url: str = ""
    require_login: bool = True
    restrict_user_list: bool = True
    ranges: bool = False
    delay: float = 0.0
    session_seconds: int = 900
    idle_seconds: float = 300.0

    def at_least(self, version: str) -> bool:
        """Whether the emulated version is that one or newer: ``settings.at_least("1.8")``."""
        return _numbers(self.xnat_version) >= _numbers(version)
