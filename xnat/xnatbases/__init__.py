"""What XNAT does with its own data types, written by hand: one mixin per type, beside the generated fields.

Generated classes are made as ``class SubjectData(xnatbases.SubjectData, ...)``. :data:`BASES` says which type gets
which mixin; types that derive from it inherit the behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping

from .assessor import DerivedData, ImageAssessorData
from .experiment import ExperimentData, SubjectAssessorData
from .file import FileData
from .imagesession import ImageSessionData
from .people import InvestigatorData
from .project import ProjectData
from .resource import AbstractResource
from .scan import ImageScanData, ReconstructedImageData
from .subject import SubjectData

__all__ = [
    "BASES",
    "AbstractResource",
    "DerivedData",
    "ExperimentData",
    "FileData",
    "ImageAssessorData",
    "ImageScanData",
    "ImageSessionData",
    "InvestigatorData",
    "ProjectData",
    "ReconstructedImageData",
    "SubjectAssessorData",
    "SubjectData",
    "provided_names",
]

#: xsi type → the behaviour of that type and of all that derive from it.
BASES: Mapping[str, type] = {
    "xnat:projectData": ProjectData,
    "xnat:subjectData": SubjectData,
    "xnat:experimentData": ExperimentData,
    "xnat:subjectAssessorData": SubjectAssessorData,
    "xnat:imageSessionData": ImageSessionData,
    "xnat:derivedData": DerivedData,
    "xnat:imageAssessorData": ImageAssessorData,
    "xnat:imageScanData": ImageScanData,
    "xnat:reconstructedImageData": ReconstructedImageData,
    "xnat:abstractResource": AbstractResource,
    "xnat:fileData": FileData,
    "xnat:investigatorData": InvestigatorData,
}


def provided_names() -> dict[str, frozenset[str]]:
    """The public names each mixin defines, by xsi type: the fields that the converter must not generate.

    ``id`` is one for all of them: the base class gives it.
    """
    return {
        xsi_type: frozenset(
            {"id", *(name for base in mixin.__mro__[:-1] for name in vars(base) if not name.startswith("_"))}
        )
        for xsi_type, mixin in BASES.items()
    }
