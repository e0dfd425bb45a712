"""DICOM files read and sorted by their own headers: which study, which series, and by what labels to archive them."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from .dicom_fields import scan_fields, session_fields, text
from .items import Value
from .unpack import Member

__all__ = [
    "FALLBACK_LABEL",
    "Instance",
    "Study",
    "is_directory",
    "label_of",
    "lenient",
    "read",
    "read_all",
    "scan_type",
    "session_type",
    "sort",
]

FALLBACK_LABEL = "dicom_upload"
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"

# What decides a session's type when it holds several modalities: the first of this list that is present.
SESSION_TYPES: dict[str, str] = {
    "PT": "petSessionData", "MR": "mrSessionData", "CT": "ctSessionData", "NM": "nmSessionData", "US": "usSessionData",
    "IVUS": "usSessionData", "XA": "xaSessionData", "RF": "rfSessionData", "MG": "mgSessionData", "CR": "crSessionData",
    "DX": "dxSessionData", "IO": "ioSessionData", "RG": "rgSessionData", "ECG": "ecgSessionData",
    "HD": "hdSessionData", "EPS": "epsSessionData", "EEG": "eegSessionData", "ES": "esSessionData",
    "GM": "gmSessionData",
    "SM": "smSessionData", "XC": "xcSessionData", "OP": "opSessionData", "OPT": "optSessionData",
    "RTIMAGE": "rtSessionData", "RTDOSE": "rtSessionData", "RTPLAN": "rtSessionData", "RTSTRUCT": "rtSessionData",
    "SR": "srSessionData",
}  # fmt: skip
SCAN_TYPES: dict[str, str] = {
    "PT": "petScanData", "MR": "mrScanData", "CT": "ctScanData", "NM": "nmScanData", "US": "usScanData",
    "IVUS": "usScanData", "XA": "xaScanData", "RF": "rfScanData", "MG": "mgScanData", "CR": "crScanData",
    "DX": "dxScanData",
    "IO": "ioScanData", "RG": "rgScanData", "ECG": "ecgScanData", "HD": "hdScanData", "EPS": "epsScanData",
    "EEG": "eegScanData", "ES": "esScanData", "GM": "gmScanData", "SM": "smScanData", "XC": "xcScanData",
    "OP": "opScanData",
    "OPT": "optScanData", "RTIMAGE": "rtImageScanData", "RTDOSE": "rtImageScanData", "SR": "srScanData",
    "SEG": "segScanData", "SC": "scScanData",
}  # fmt: skip
# A file without Modality tells by its kind of object.
SOP_MODALITIES: dict[str, str] = {
    "1.2.840.10008.5.1.4.1.1.1": "CR", "1.2.840.10008.5.1.4.1.1.2": "CT", "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR", "1.2.840.10008.5.1.4.1.1.4.1": "MR", "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.3.1": "US", "1.2.840.10008.5.1.4.1.1.7": "SC", "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.128": "PT", "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
}  # fmt: skip

# pydicom's switch for lenient reading is global: one reader at a time holds it.
_reading = threading.Lock()


@dataclass(frozen=True)
class Instance:
    """One DICOM file, and what its header says about where it belongs."""

    name: str
    path: Path
    study_uid: str
    series_uid: str
    sop_uid: str
    number: str
    modality: str
    frames: int
    projects: tuple[str, ...]
    """Names the header offers for the project, best first."""
    subject: str
    session: str
    session_fields: dict[str, Value] = field(compare=False)
    scan_fields: dict[str, Value] = field(compare=False)


@dataclass
class Study:
    """The files of one study of one subject, to become one session."""

    uid: str
    subject: str
    session: str
    projects: tuple[str, ...]
    instances: list[Instance]


@contextmanager
def lenient() -> Iterator[None]:
    """While pydicom accepts odd values silently; elements are converted when first looked at, so look in here."""
    with _reading, disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read(path: Path, name: str) -> Instance | None:
    """Read one file's header; None when this is no DICOM file that pydicom can read, or an index of such files."""
    with lenient():
        try:
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            return _instance(dataset, path, name) if _plausible(dataset, path) else None
        except Exception:  # pydicom raises whatever a broken file makes its parser stumble over
            return None


def is_directory(path: Path) -> bool:
    """Whether the file is a DICOMDIR: an index of a medium, which belongs to no session."""
    with lenient():
        try:
            return _is_directory(pydicom.dcmread(path, specific_tags=["SOPClassUID"]))
        except Exception:
            return False


def _is_directory(dataset: Dataset) -> bool:
    meta = getattr(dataset, "file_meta", None) or {}
    return str(meta.get("MediaStorageSOPClassUID", "")) == MEDIA_DIRECTORY


def _plausible(dataset: Dataset, path: Path) -> bool:
    """Without the DICM mark any bytes give *some* dataset: ask for an identity in the header then."""
    with path.open("rb") as stream:
        marked = stream.read(132)[128:] == b"DICM"
    if marked:
        return len(dataset) > 0 and not _is_directory(dataset)
    return bool(text(dataset, "SOPClassUID") or text(dataset, "StudyInstanceUID"))


def _instance(dataset: Dataset, path: Path, name: str) -> Instance:
    modality = text(dataset, "Modality").upper() or SOP_MODALITIES.get(text(dataset, "SOPClassUID"), "OT")
    if modality == "OT":  # "other" says less than the kind of object does
        modality = SOP_MODALITIES.get(text(dataset, "SOPClassUID"), "OT")
    frames = text(dataset, "NumberOfFrames")
    return Instance(
        name=name,
        path=path,
        study_uid=text(dataset, "StudyInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        sop_uid=text(dataset, "SOPInstanceUID"),
        number=text(dataset, "SeriesNumber"),
        modality=modality,
        frames=int(frames) if frames.isdigit() else 1,
        projects=tuple(_project_names(dataset)),
        subject=_subject(dataset),
        session=_session(dataset),
        session_fields=session_fields(dataset, modality),
        scan_fields=scan_fields(dataset, modality),
    )


def _comments(dataset: Dataset) -> Iterator[str]:
    for keyword in ("PatientComments", "StudyComments", "AdditionalPatientHistory"):
        yield text(dataset, keyword)


def _named(dataset: Dataset, word: str) -> str:
    """The value after ``Project:`` and the like in one of the comments."""
    for comment in _comments(dataset):
        if match := re.search(rf"\b{word}\s*:\s*([A-Za-z0-9_-]+)", comment, re.IGNORECASE):
            return match[1]
    return ""


def _project_names(dataset: Dataset) -> Iterator[str]:
    candidates = (_named(dataset, "Project"), text(dataset, "StudyDescription"), text(dataset, "AccessionNumber"))
    for candidate in candidates:
        if candidate.strip():
            yield candidate.strip()


def _subject(dataset: Dataset) -> str:
    # Of a name in several scripts (alphabetic=ideographic=phonetic) the first one; padding carets carry nothing.
    name = text(dataset, "PatientName").partition("=")[0].rstrip("^ ")
    return label_of(_named(dataset, "Subject"), name, text(dataset, "PatientID"))


def _session(dataset: Dataset) -> str:
    return label_of(_named(dataset, "Session"), text(dataset, "PatientID"))


def label_of(*candidates: str) -> str:
    """The first candidate that gives a label with at least one letter or digit, with odd characters as underscores."""
    for candidate in candidates:
        label = re.sub(r"[^A-Za-z0-9_-]", "_", candidate.strip())
        if re.search(r"[A-Za-z0-9]", label):
            return label[:64]
    return FALLBACK_LABEL


def session_type(modalities: Iterable[str]) -> str:
    """The data type of a session with scans of these modalities."""
    found = set(modalities)
    if {"PT", "MR"} <= found:
        return "xnat:petmrSessionData"
    for modality, name in SESSION_TYPES.items():
        if modality in found:
            return f"xnat:{name}"
    return "xnat:otherDicomSessionData"


def scan_type(modality: str) -> str:
    """The data type of a scan of this modality."""
    return f"xnat:{SCAN_TYPES.get(modality, 'otherDicomScanData')}"


def sort(instances: Iterable[Instance]) -> list[Study]:
    """Group files by study; people who share a study UID (it happens in test data) stay apart."""
    studies: dict[tuple[str, str, str], Study] = {}
    for instance in instances:
        key = (instance.study_uid, instance.subject, instance.session)
        if key not in studies:
            studies[key] = Study(instance.study_uid, instance.subject, instance.session, instance.projects, [])
        studies[key].instances.append(instance)
    return list(studies.values())


def read_all(members: Iterable[Member]) -> tuple[list[Instance], list[str]]:
    """The readable files, and the names of the unreadable ones; a DICOMDIR is neither."""
    good: list[Instance] = []
    bad: list[str] = []
    for member in members:
        instance = read(member.path, member.name)
        if instance is not None:
            good.append(instance)
        elif not is_directory(member.path):
            bad.append(member.name)
    return good, bad
