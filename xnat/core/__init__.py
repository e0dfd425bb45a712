"""Objects and listings: what every data type shares, whatever the server's data model."""

from __future__ import annotations

from .caching import caching
from .listings import XNATBaseListing, XNATListing
from .nested import XNATNestedObject, XNATSubObject
from .objects import XNATBaseObject, XNATObject
from .sublistings import XNATSimpleListing, XNATSubListing
from .variables import VariableMap

__all__ = [
    "VariableMap",
    "XNATBaseListing",
    "XNATBaseObject",
    "XNATListing",
    "XNATNestedObject",
    "XNATObject",
    "XNATSimpleListing",
    "XNATSubListing",
    "XNATSubObject",
    "caching",
]

# Users know these names under xnat.core, whichever module of the package holds them.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
