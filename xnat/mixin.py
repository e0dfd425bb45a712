"""The behaviour of XNAT's types, under the name this module has in 0.8; see :mod:`xnat.xnatbases`.

For scripts that import from here, ``isinstance(found, xnat.mixin.SubjectData)``.
"""

from __future__ import annotations

from .mapping import MappedFunctionFailed
from .xnatbases import (
    AbstractResource,
    DerivedData,
    ExperimentData,
    ImageScanData,
    ImageSessionData,
    InvestigatorData,
    ProjectData,
    SubjectAssessorData,
    SubjectData,
)

__all__ = [
    "AbstractResource",
    "DerivedData",
    "ExperimentData",
    "ImageScanData",
    "ImageSessionData",
    "InvestigatorData",
    "MappedFunctionFailed",
    "ProjectData",
    "SubjectAssessorData",
    "SubjectData",
]
