"""What XNAT does with its own data types, written by hand: one mixin per type, beside the generated fields.

Generated classes are made as ``class SubjectData(xnatbases.SubjectData, ...)``. :data:`BASES` says which type gets
which mixin; types that derive from it inherit the behaviour. A mixin is imported when the class of its type is made, or
something else asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assessor import DerivedData, ImageAssessorData
    from .experiment import ExperimentData, SubjectAssessorData
    from .file import FileData
    from .imagesession import ImageSessionData
    from .people import InvestigatorData
    from .project import ProjectData
    from .resource import AbstractResource
    from .scan import ImageScanData, ReconstructedImageData
    from .subject import SubjectData

    #: xsi type → the behaviour of that type and of all that derive from it.
    BASES: Mapping[str, type]

__all__ = [
    "BASES",
    "NAMES",
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

#: xsi type → the name of its mixin here.
NAMES: Mapping[str, str] = {
    "xnat:projectData": "ProjectData",
    "xnat:subjectData": "SubjectData",
    "xnat:experimentData": "ExperimentData",
    "xnat:subjectAssessorData": "SubjectAssessorData",
    "xnat:imageSessionData": "ImageSessionData",
    "xnat:derivedData": "DerivedData",
    "xnat:imageAssessorData": "ImageAssessorData",
    "xnat:imageScanData": "ImageScanData",
    "xnat:reconstructedImageData": "ReconstructedImageData",
    "xnat:abstractResource": "AbstractResource",
    "xnat:fileData": "FileData",
    "xnat:investigatorData": "InvestigatorData",
}

# The module each of them is in.
_HOMES = {
    "AbstractResource": "resource",
    "DerivedData": "assessor",
    "ExperimentData": "experiment",
    "FileData": "file",
    "ImageAssessorData": "assessor",
    "ImageScanData": "scan",
    "ImageSessionData": "imagesession",
    "InvestigatorData": "people",
    "ProjectData": "project",
    "ReconstructedImageData": "scan",
    "SubjectAssessorData": "experiment",
    "SubjectData": "subject",
}


def __getattr__(name: str) -> Any:
    import importlib

    value: Any
    if name == "BASES":
        value = {xsi_type: _mixin(xsi_type) for xsi_type in NAMES}
    elif name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _mixin(xsi_type: str) -> type:
    name = NAMES[xsi_type]
    found: type = globals().get(name) or __getattr__(name)
    return found


class _ProvidedNames(Mapping[str, frozenset[str]]):
    """xsi type → names; a mixin is imported when its names are asked for."""

    def __init__(self) -> None:
        self._found: dict[str, frozenset[str]] = {}

    def __getitem__(self, xsi_type: str) -> frozenset[str]:
        if xsi_type not in self._found:
            bases = _mixin(xsi_type).__mro__[:-1]
            self._found[xsi_type] = frozenset(
                {"id", *(name for base in bases for name in vars(base) if not name.startswith("_"))}
            )
        return self._found[xsi_type]

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


_provided = _ProvidedNames()


def provided_names() -> Mapping[str, frozenset[str]]:
    """The public names each mixin defines, by xsi type: the fields that the converter must not generate.

    ``id`` is one for all of them: the base class gives it.
    """
    return _provided
