"""What a DICOM header says, as the fields of sessions and scans."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from .items import Value

__all__ = ["clean", "scan_fields", "session_fields", "text"]


def text(dataset: Dataset, keyword: str) -> str:
    """An element as text, several values joined by backslashes; '' when absent or unreadable."""
    try:
        value = dataset.get(keyword)
        if value is None:
            return ""
        if isinstance(value, (MultiValue, list, tuple)):
            return "\\".join(clean(str(part)) for part in value)
        return clean(str(value))
    except Exception:  # values are converted when first looked at, and a broken one raises anything
        return ""


def clean(value: str) -> str:
    """Text without padding and control characters."""
    return "".join(char for char in value if char.isprintable() or char in "\n\t").strip()


def _number(dataset: Dataset, keyword: str, index: int = 0) -> float | None:
    try:
        return float(text(dataset, keyword).split("\\")[index])
    except (ValueError, IndexError):
        return None


def _date(dataset: Dataset, keyword: str) -> str:
    digits = re.sub(r"\D", "", text(dataset, keyword))[:8]
    try:
        return datetime.datetime.strptime(digits, "%Y%m%d").date().isoformat()
    except ValueError:
        return ""


def _time(dataset: Dataset, keyword: str) -> str:
    digits = re.sub(r"\D", "", text(dataset, keyword).split(".")[0])[:6].ljust(6, "0")
    try:
        return datetime.datetime.strptime(digits, "%H%M%S").time().isoformat()
    except ValueError:
        return ""


def _first(*values: str) -> str:
    return next((value for value in values if value), "")


def session_fields(dataset: Dataset, modality: str) -> dict[str, Value]:
    """The session's fields, as far as this file knows them."""

    def get(keyword: str) -> str:
        return text(dataset, keyword)

    fields: dict[str, Value | None] = {
        "date": _date(dataset, "StudyDate") or _date(dataset, "SeriesDate"),
        "time": _time(dataset, "StudyTime") if get("StudyTime") else "",
        "scanner": get("StationName"),
        "scanner/manufacturer": get("Manufacturer"),
        "scanner/model": get("ManufacturerModelName"),
        "operator": get("OperatorsName")[:255],
        "acquisition_site": get("InstitutionName"),
        "modality": modality,
        "UID": get("StudyInstanceUID"),
        "study_id": get("StudyID"),
        "dcmAccessionNumber": get("AccessionNumber"),
        "dcmPatientId": get("PatientID"),
        "dcmPatientName": get("PatientName"),
        "dcmPatientBirthDate": _date(dataset, "PatientBirthDate"),
        "dcmPatientWeight": _number(dataset, "PatientWeight"),
        "age": _age(get("PatientAge")),
    }
    if modality == "MR":
        fields["fieldStrength"] = get("MagneticFieldStrength")
        fields["coil"] = get("ReceiveCoilName")[:255]
    return _present(fields)


def _age(value: str) -> float | None:
    """``042Y`` as years; other units are left out rather than rounded to nothing."""
    match = re.fullmatch(r"0*(\d+)Y", value)
    return float(match[1]) if match else None


def scan_fields(dataset: Dataset, modality: str) -> dict[str, Value]:
    """The scan's fields, as far as this file knows them."""

    def get(keyword: str) -> str:
        return text(dataset, keyword)

    fields: dict[str, Value | None] = {
        "type": get("SeriesDescription"),
        "series_description": get("SeriesDescription"),
        "quality": "usable",
        "modality": modality,
        "UID": get("SeriesInstanceUID"),
        "scanner": get("StationName"),
        "scanner/manufacturer": get("Manufacturer"),
        "scanner/model": get("ManufacturerModelName"),
        "scanner/softwareVersion": get("SoftwareVersions"),
        "operator": get("OperatorsName")[:255],
        "startTime": _time(dataset, "SeriesTime") if get("SeriesTime") else "",
        "start_date": _date(dataset, "SeriesDate") or _date(dataset, "AcquisitionDate"),
        "protocolName": get("ProtocolName"),
        "bodyPartExamined": get("BodyPartExamined"),
        "requestedProcedureDescription": get("RequestedProcedureDescription"),
        **PARAMETERS.get(modality, _no_parameters)(dataset),
    }
    return _present(fields)


def _no_parameters(dataset: Dataset) -> dict[str, Value | None]:
    return {}


def _geometry(dataset: Dataset) -> dict[str, Value | None]:
    x, y = _number(dataset, "PixelSpacing", 1), _number(dataset, "PixelSpacing", 0)
    rows, columns = _number(dataset, "Rows"), _number(dataset, "Columns")
    return {
        "parameters/voxelRes/units": "mm" if x is not None else None,
        "parameters/voxelRes/x": x,
        "parameters/voxelRes/y": y,
        "parameters/voxelRes/z": _number(dataset, "SliceThickness"),
        "parameters/fov/x": round(x * columns) if x is not None and columns is not None else None,
        "parameters/fov/y": round(y * rows) if y is not None and rows is not None else None,
        "parameters/orientation": _orientation(dataset),
        "parameters/subjectPosition": text(dataset, "PatientPosition"),
        "parameters/imageType": text(dataset, "ImageType"),
    }


def _orientation(dataset: Dataset) -> str:
    """The axis the slice normal is closest to, in XNAT's three words."""
    try:
        a, b, c, d, e, f = (float(part) for part in text(dataset, "ImageOrientationPatient").split("\\"))
    except ValueError:
        return ""
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    return ("Sag", "Cor", "Tra")[normal.index(max(normal))]


def _mr_parameters(dataset: Dataset) -> dict[str, Value | None]:
    matrix = [int(part) for part in text(dataset, "AcquisitionMatrix").split("\\") if part.isdigit() and int(part)]
    return {
        **_geometry(dataset),
        "coil": text(dataset, "ReceiveCoilName")[:255],
        "fieldStrength": text(dataset, "MagneticFieldStrength"),
        "parameters/matrix/x": matrix[0] if matrix else _integer(dataset, "Columns"),
        "parameters/matrix/y": matrix[1] if len(matrix) > 1 else _integer(dataset, "Rows"),
        "parameters/tr": _number(dataset, "RepetitionTime"),
        "parameters/te": _number(dataset, "EchoTime"),
        "parameters/ti": _number(dataset, "InversionTime"),
        "parameters/flip": _number(dataset, "FlipAngle"),
        "parameters/sequence": text(dataset, "SequenceName")[:255],
        "parameters/scanSequence": text(dataset, "ScanningSequence"),
        "parameters/seqVariant": text(dataset, "SequenceVariant"),
        "parameters/scanOptions": text(dataset, "ScanOptions"),
        "parameters/acqType": text(dataset, "MRAcquisitionType"),
        "parameters/pixelBandwidth": _number(dataset, "PixelBandwidth"),
    }


def _integer(dataset: Dataset, keyword: str) -> int | None:
    value = _number(dataset, keyword)
    return None if value is None else round(value)


def _ct_parameters(dataset: Dataset) -> dict[str, Value | None]:
    direction = text(dataset, "RotationDirection")
    return {
        **_geometry(dataset),
        "parameters/rescale/intercept": _number(dataset, "RescaleIntercept"),
        "parameters/rescale/slope": _number(dataset, "RescaleSlope"),
        "parameters/kvp": _number(dataset, "KVP"),
        "parameters/acquisitionNumber": _integer(dataset, "AcquisitionNumber"),
        "parameters/options": text(dataset, "ScanOptions"),
        "parameters/collectionDiameter": _number(dataset, "DataCollectionDiameter"),
        "parameters/distanceSourceToDetector": _number(dataset, "DistanceSourceToDetector"),
        "parameters/distanceSourceToPatient": _number(dataset, "DistanceSourceToPatient"),
        "parameters/gantryTilt": _number(dataset, "GantryDetectorTilt"),
        "parameters/tableHeight": _number(dataset, "TableHeight"),
        "parameters/rotationDirection": direction if direction in ("CW", "CC") else None,
        "parameters/exposureTime": _number(dataset, "ExposureTime"),
        "parameters/xrayTubeCurrent": _number(dataset, "XRayTubeCurrent"),
        "parameters/exposure": _number(dataset, "Exposure"),
        "parameters/filter": text(dataset, "FilterType"),
        "parameters/convolutionKernel": text(dataset, "ConvolutionKernel"),
    }


PARAMETERS: dict[str, Callable[[Dataset], dict[str, Value | None]]] = {"MR": _mr_parameters, "CT": _ct_parameters}


def _present(fields: dict[str, Any]) -> dict[str, Value]:
    return {name: value for name, value in fields.items() if value is not None and value != ""}
