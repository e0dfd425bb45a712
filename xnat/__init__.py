"""Client for XNAT archive servers: ``connect()`` gives a session whose objects are the server's own data types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import exceptions
from .version import __version__

if TYPE_CHECKING:
    from .connection import connect
    from .mapping import FilterFunctions, MappedFunctionFailed, MappingLevel
    from .offline import load_model
    from .session import XNATSession

__all__ = [
    "FilterFunctions",
    "MappedFunctionFailed",
    "MappingLevel",
    "XNATSession",
    "__version__",
    "connect",
    "exceptions",
    "load_model",
]

# Where the rest lives. It is imported when first used, so that importing the package stays quick.
_HOMES = {
    "connect": "connection",
    "load_model": "offline",
    **dict.fromkeys(("BaseXNATSession", "XNATSession"), "session"),
    **dict.fromkeys(("FilterFunctions", "MappedFunctionFailed", "MappingLevel"), "mapping"),
    **dict.fromkeys(("load_ipython_extension", "unload_ipython_extension"), "notebook"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


#: Modules that scripts reach as attributes of the package.
_MODULES = frozenset(
    {
        "connection", "constants", "convert_xsd", "core", "datatypes", "dicom", "filesystem", "inspect", "map",
        "mapping", "mixin", "offline", "pickling", "prearchive", "search", "services", "session", "users", "utils",
        "xnatbases", "xnatcore",
    }
)  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
