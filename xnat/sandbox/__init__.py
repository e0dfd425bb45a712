"""A small XNAT of its own, for tests and for trying things out: no Java, no database server, no network.

::

    from xnat.sandbox import Sandbox

    with Sandbox() as sandbox:
        requests.get(sandbox.url + "/data/projects", auth=("admin", "admin"))

or ``python -m xnat.sandbox --demo``. It is a second reading of XNAT's behaviour: it shares no code with the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sandbox import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    # Imported when used: the pytest plugin lives in this package and is loaded in every test run.
    if name == "Sandbox":
        from .sandbox import Sandbox

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
