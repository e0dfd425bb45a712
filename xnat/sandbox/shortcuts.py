"""The short names of fields in queries, and the paths they stand for."""

from __future__ import annotations

__all__ = ["DEFAULTS", "ROOTS", "SHORTCUTS", "full_path", "shortcut_of"]

_DEMOGRAPHICS = "demographics[@xsi:type=xnat:demographicData]"
_INVESTIGATOR = {
    f"invest_{name}": f"investigator/{name}"
    for name in ("ID", "title", "firstname", "lastname", "institution", "department", "email", "phone", "fax")
}

_PROJECT = {
    "ID": "ID", "secondary_ID": "secondary_ID", "name": "name", "description": "description", "keywords": "keywords",
    "alias": "aliases/alias/alias", "note": "fields/field[name=note]/field", "type": "type",
    **{f"pi_{name}": f"PI/{name}" for name in ("ID", "title", "firstname", "lastname", "institution", "department",
                                               "email", "phone", "fax")},
}  # fmt: skip

_SUBJECT = {
    "ID": "ID", "project": "project", "label": "label", "group": "group", "src": "src", "pi_firstname": "PI/firstname",
    "pi_lastname": "PI/lastname", "insert_date": "insert_date", "insert_user": "insert_user",
    "last_modified": "last_modified", "xsiType": "xsiType",
    **{name: f"{_DEMOGRAPHICS}/{name}" for name in (
        "dob", "yob", "age", "gender", "handedness", "ses", "education", "educationDesc", "race", "ethnicity",
        "weight", "height", "gestational_age", "post_menstrual_age", "birth_weight")},
    **_INVESTIGATOR,
}  # fmt: skip

_EXPERIMENT = {
    "ID": "ID", "project": "project", "label": "label", "xsiType": "xsiType", "visit_id": "visit_id", "visit": "visit",
    "date": "date", "time": "time", "note": "note", "acquisition_site": "acquisition_site", "age": "age",
    "subject_ID": "subject_ID", "subject_label": "subject_label", "subject_project": "subject_project",
    "session_ID": "session_ID", "session_label": "session_label", "insert_date": "insert_date",
    "insert_user": "insert_user", "last_modified": "last_modified", "duration": "duration", "delay": "delay",
    "scanner": "scanner", "scanner_manufacturer": "scanner/manufacturer", "scanner_model": "scanner/model",
    "operator": "operator", "session_type": "session_type", "modality": "modality", "UID": "UID",
    "study_id": "study_id", "dcmAccessionNumber": "dcmAccessionNumber", "dcmPatientId": "dcmPatientId",
    "dcmPatientName": "dcmPatientName", "coil": "coil", "fieldStrength": "fieldStrength",
    "field_strength": "fieldStrength", "marker": "marker", "stabilization": "stabilization",
    "studyType": "studyType", "patient_ID": "patientID", "patient_name": "patientName",
    "prearchivePath": "prearchivePath", "validation_method": "validation/method",
    "validation_status": "validation/status", "validation_date": "validation/date",
    "validation_notes": "validation/notes",
    **{f"tracer_{name}": f"tracer/{name}" for name in ("name", "startTime", "dose", "isotope", "transmissions")},
    **_INVESTIGATOR,
}  # fmt: skip

_SCAN = {
    "ID": "ID", "type": "type", "UID": "UID", "note": "note", "quality": "quality", "condition": "condition",
    "series_description": "series_description", "documentation": "documentation", "scanner": "scanner",
    "scanner_manufacturer": "scanner/manufacturer", "scanner_model": "scanner/model", "modality": "modality",
    "frames": "frames", "operator": "operator", "startTime": "startTime", "start_date": "start_date", "coil": "coil",
    "fieldStrength": "fieldStrength", "field_strength": "fieldStrength", "marker": "marker",
    "stabilization": "stabilization", "xsiType": "xsiType", "xnat_imagescandata_id": "xnat_imagescandata_id",
    "project": "project", "series_class": "series_class", "subject_ID": "subject_ID", "session_ID": "session_ID",
    "session_label": "session_label", "insert_date": "insert_date", "insert_user": "insert_user",
    "last_modified": "last_modified", "protocolName": "protocolName", "bodyPartExamined": "bodyPartExamined",
}  # fmt: skip

_RECONSTRUCTION = {
    "ID": "ID", "type": "type", "baseScanType": "baseScanType", "xsiType": "xsiType",
    "xnat_reconstructedimagedata_id": "xnat_reconstructedimagedata_id", "session_ID": "session_ID",
}  # fmt: skip

SHORTCUTS = {
    "project": _PROJECT,
    "subject": _SUBJECT,
    "experiment": _EXPERIMENT,
    "assessor": _EXPERIMENT,
    "scan": _SCAN,
    "reconstruction": _RECONSTRUCTION,
}

ROOTS = {
    "project": "xnat:projectData",
    "subject": "xnat:subjectData",
    "experiment": "xnat:experimentData",
    "assessor": "xnat:imageAssessorData",
    "scan": "xnat:imageScanData",
    "reconstruction": "xnat:reconstructedImageData",
}

DEFAULTS = {
    "project": ["ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname"],
    "subject": ["ID", "project", "label", "insert_date", "insert_user"],
    "experiment": ["ID", "project", "date", "xsiType", "label", "insert_date"],
    "assessor": ["ID", "project", "label", "date", "xsiType", "insert_date", "session_ID", "session_label"],
    "scan": ["xnat_imagescandata_id", "ID", "type", "quality", "xsiType", "note", "series_description"],
    "reconstruction": ["xnat_reconstructedimagedata_id", "ID", "type", "baseScanType"],
}

_LOWERED = {kind: {name.lower(): name for name in names} for kind, names in SHORTCUTS.items()}


def shortcut_of(kind: str, name: str) -> str | None:
    """A short name as XNAT spells it, asked for in any case; None when there is no such name."""
    return _LOWERED[kind].get(name.lower())


def full_path(kind: str, name: str) -> str | None:
    """The path a short name stands for, below the kind's type; None when there is no such name."""
    known = shortcut_of(kind, name)
    return SHORTCUTS[kind][known] if known else None
