"""The levels that ``map`` works on, under the name this module has in 0.8; see :mod:`xnat.mapping`."""

from __future__ import annotations

from .mapping import MappingLevel

__all__ = ["MappingLevel"]
