"""``%load_ext xnat``: completion of keys behind other keys in IPython and notebooks.

Without it IPython completes the keys of what a name or attribute holds (``session.projects['<Tab>``), as it evaluates
no subscript of a class that it doesn't know. With it, also ``session.projects['x'].subjects['<Tab>``: one request for
each listing that isn't known yet.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

#: The classes whose subscripts may be evaluated while somebody types. A subscript costs the listing at most.
_CLASSES = frozenset({("xnat.core.listings", "XNATBaseListing"), ("xnat.core.sublistings", "XNATSubListing")})


def load_ipython_extension(ipython: Any) -> None:
    """Let IPython evaluate subscripts of listings for completion."""
    _allowed().update(_CLASSES)


def unload_ipython_extension(ipython: Any) -> None:
    """Leave it as it was."""
    _allowed().difference_update(_CLASSES)


def _allowed() -> set[Any]:
    # By name: type checkers needn't have IPython.
    policies = importlib.import_module("IPython.core.guarded_eval").EVALUATION_POLICIES
    allowed: set[Any] = policies["limited"].allowed_getitem_external
    return allowed
