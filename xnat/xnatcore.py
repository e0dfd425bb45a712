"""Exactly the names that generated modules may use, and nothing else."""

from __future__ import annotations

from .core.fields import Field, ObjectField, RestListing, SimpleListing, SubListing, SubObjectField, Variables
from .core.nested import XNATNestedObject, XNATSubObject
from .core.objects import XNATObject

__all__ = [
    "MODEL_ABI",
    "Field",
    "ObjectField",
    "RestListing",
    "SimpleListing",
    "SubListing",
    "SubObjectField",
    "Variables",
    "XNATNestedObject",
    "XNATObject",
    "XNATSubObject",
]

#: Raised when generated modules of an older version can't be used with these names any more.
MODEL_ABI = 1
