"""Which data types can be searched, and by which fields: the fixed display fields and those the schemas give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .datatypes import Node, Schemas

__all__ = ["DisplayField", "canonical_path", "display_fields", "find_field", "searchable", "sql_name", "titles"]

# Paths that begin with @ are computed by the reader of the values.
_COMMON = (
    ("LABEL", "Label", "string", "label"), ("PROJECT", "Project", "string", "project"),
    ("DATE", "Date", "date", "date"), ("INSERT_DATE", "Inserted", "timestamp", "@insert_date"),
    ("INSERT_USER", "Creator", "string", "@insert_user"), ("LAST_MODIFIED", "Last Modified", "timestamp",
    "@last_modified"),
    ("PROJECTS", "Projects", "string", "@projects"), ("EXPT_NOTE", "Note", "string", "note"),
)  # fmt: skip
_SUBJECT_OF = (
    ("SUBJECT_ID", "Subject ID", "string", "subject_ID"), ("SUBJECT_LABEL", "Subject", "string", "@subject_label"),
    ("AGE", "Age", "float", "age"),
)  # fmt: skip
_SESSION = (
    ("SESSION_ID", "XNAT_ID", "string", "ID"), ("EXPT_ID", "ID", "string", "ID"), *_COMMON, *_SUBJECT_OF,
    ("SCANNER", "Scanner", "string", "scanner"), ("SCANNER_MANUFACTURER", "Manufacturer", "string",
    "scanner/manufacturer"),
    ("SCANNER_MODEL", "Model", "string", "scanner/model"), ("UID", "UID", "string", "UID"),
    ("SCAN_COUNT_AGG", "Scan count", "integer", "@scan_count"), ("SCAN_TYPES_AGG", "Scans", "string",
    "scans/scan/type"),
)  # fmt: skip
_EXPERIMENT = (
    ("EXPT_ID", "ID", "string", "ID"), ("SESSION_ID", "XNAT_ID", "string", "ID"), *_COMMON, *_SUBJECT_OF,
)  # fmt: skip
_ASSESSOR = (
    ("EXPT_ID", "ID", "string", "ID"), ("SESSION_ID", "Session ID", "string", "imageSession_ID"),
    ("SESSION_LABEL", "Session", "string", "@session_label"), *_COMMON, ("SUBJECT_ID", "Subject ID", "string",
    "@subject_id"),
    ("SUBJECT_LABEL", "Subject", "string", "@subject_label"),
)  # fmt: skip
_SUBJECT = (
    ("SUBJECTID", "Subject ID", "string", "ID"), ("SUBJECT_ID", "Subject ID", "string", "ID"),
    ("SUBJECT_LABEL", "Subject", "string", "label"),
    *(entry for entry in _COMMON if entry[0] not in ("DATE", "EXPT_NOTE")),
    ("SUB_GROUP", "Group", "string", "group"), ("GENDER_TEXT", "M/F", "string", "demographics/gender"),
    ("GENDER", "Gender", "string", "demographics/gender"), ("HANDEDNESS_TEXT", "Hand", "string",
    "demographics/handedness"),
    ("DOB", "DOB", "date", "demographics/dob"), ("YOB", "YOB", "integer", "demographics/yob"),
    ("EDUC", "Education", "integer", "demographics/education"), ("SES", "SES", "integer", "demographics/ses"),
    ("RACE", "Race", "string", "demographics/race"), ("ETHNICITY", "Ethnicity", "string", "demographics/ethnicity"),
)  # fmt: skip
_PROJECT = (
    ("ID", "ID", "string", "ID"), ("PROJECT", "ID", "string", "ID"), ("NAME", "Title", "string", "name"),
    ("SECONDARY_ID", "Running Title", "string", "secondary_ID"), ("DESCRIPTION", "Description", "string",
    "description"),
    ("KEYWORDS", "Keywords", "string", "keywords"), ("PI", "PI", "string", "PI/lastname"),
    ("INSERT_DATE", "Created", "timestamp", "@insert_date"), ("INSERT_USER", "Creator", "string", "@insert_user"),
)  # fmt: skip
_SCAN = (
    ("ID", "Scan", "string", "ID"), ("SCAN_ID", "Scan", "string", "ID"), ("TYPE", "Type", "string", "type"),
    ("QUALITY", "Quality", "string", "quality"), ("SESSION_ID", "Session ID", "string", "image_session_ID"),
    ("PROJECT", "Project", "string", "project"),
)  # fmt: skip
_ABSTRACT = {
    "xnat:experimentData", "xnat:genericData", "xnat:subjectAssessorData", "xnat:imageSessionData", "xnat:derivedData",
    "xnat:imageAssessorData", "xnat:mrAssessorData", "xnat:petAssessorData", "xnat:abstractProjectAsset",
    "xnat:imageScanData",
}  # fmt: skip
# References worth looking into for fields: most others lead to lists of further objects.
_EXPANDED = {
    "xnat:abstractDemographicData": "xnat:demographicData", "xnat:abstractSubjectMetadata": "xnat:subjectMetadata",
    "xnat:investigatorData": "xnat:investigatorData", "xnat:validationData": "xnat:validationData",
}  # fmt: skip
_KINDS = {"integer": "integer", "float": "float", "date": "date", "dateTime": "timestamp", "time": "time"}


@dataclass(frozen=True)
class DisplayField:
    """A field that can be shown and searched: its ID, and the path of its value below the data type."""

    id: str
    header: str
    type: str
    path: str
    takes_value: bool = False
    source: int = 0
    """0 for display fields, 1 for those read from the schema."""


def sql_name(xsi_type: str) -> str:
    """``xnat_mrsessiondata``."""
    return xsi_type.replace(":", "_").lower()


def searchable(schemas: Schemas) -> list[str]:
    """The data types that can be searched for: projects, subjects, and every concrete kind of experiment and scan."""
    kinds = [*schemas.subtypes("xnat:experimentData"), *schemas.subtypes("xnat:imageScanData")]
    concrete = sorted({name for name in kinds if name not in _ABSTRACT})
    return ["xnat:projectData", "xnat:subjectData", *concrete, "xnat:investigatorData"]


def titles(schemas: Schemas, xsi_type: str) -> tuple[str, str]:
    """What one, and what several, of a type are called."""
    name = schemas.element_name(xsi_type).rpartition(":")[2]
    name = re.sub(r"(?<=[A-Za-z0-9])(Session|Assessment|Scan)$", r" \1", name)
    return name, name if name.endswith("s") else f"{name}s"


def _family(schemas: Schemas, xsi_type: str) -> tuple[tuple[str, str, str, str], ...]:
    families = (
        ("xnat:projectData", _PROJECT), ("xnat:subjectData", _SUBJECT), ("xnat:imageScanData", _SCAN),
        ("xnat:imageAssessorData", _ASSESSOR), ("xnat:imageSessionData", _SESSION),
        ("xnat:experimentData", _EXPERIMENT),
    )  # fmt: skip
    return next((fields for ancestor, fields in families if schemas.is_a(xsi_type, ancestor)), ())


def display_fields(
    schemas: Schemas, xsi_type: str, variables: Iterable[str] = (), projects: Iterable[str] = ()
) -> list[DisplayField]:
    """All fields of a type; ``variables`` and ``projects`` are the arguments to offer where a field takes one."""
    fields = {id: DisplayField(id, header, type, path) for id, header, type, path in _family(schemas, xsi_type)}
    for path, kind in _schema_paths(schemas, xsi_type):
        id = path.replace("/", "").upper()
        fields.setdefault(id, DisplayField(id, path.rpartition("/")[2], _KINDS.get(kind, "string"), path, source=1))
    found = list(fields.values())
    for name in variables:
        id = f"{sql_name(xsi_type).upper()}_FIELD_MAP={name}"
        found.append(DisplayField(id, name, "string", f"fields/field[name={name}]/field", True))
    for project in projects:
        found.append(
            DisplayField(f"{_identifier(xsi_type)}={project}", project, "string", f"@label_in={project}", True)
        )
    return found


def _identifier(xsi_type: str) -> str:
    return (
        "SUB_PROJECT_IDENTIFIER"
        if xsi_type == "xnat:subjectData"
        else f"{sql_name(xsi_type).upper()}_PROJECT_IDENTIFIER"
    )


def _schema_paths(schemas: Schemas, xsi_type: str) -> Iterator[tuple[str, str]]:
    for node in schemas.nodes(xsi_type):
        if node.name not in ("fields", "resources", "experiments", "scans", "assessors", "reconstructions", "regions"):
            yield from _paths_below(schemas, node, "", 0)


def _paths_below(schemas: Schemas, node: Node, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    path = f"{prefix}{node.name}"
    if node.kind:
        yield path, node.kind
    inner: Iterable[Node] = node.nodes.values()
    if node.type in _EXPANDED:
        inner = schemas.nodes(_EXPANDED[node.type])
    if depth < 3:
        for child in inner:
            yield from _paths_below(schemas, child, f"{path}/", depth + 1)


def find_field(schemas: Schemas, xsi_type: str, name: str, argument: str = "") -> DisplayField | None:
    """The field that a search means by an ID or a path; None when the type has no such field."""
    name, _, inline = name.partition("=") if "[" not in name else (name, "", "")
    argument = argument or inline
    upper = name.upper()
    if upper == f"{sql_name(xsi_type).upper()}_FIELD_MAP" or upper.endswith("_FIELD_MAP"):
        return DisplayField(upper, argument, "string", f"fields/field[name={argument}]/field", True)
    if upper.endswith("PROJECT_IDENTIFIER"):
        return DisplayField(upper, argument, "string", f"@label_in={argument}", True)
    fixed = next((entry for entry in _family(schemas, xsi_type) if entry[0] == upper), None)
    if fixed:
        return DisplayField(*fixed)
    known = canonical_path(schemas, xsi_type, name)
    if known:
        return DisplayField(name, name.rpartition("/")[2], _KINDS.get(known[1], "string"), known[0], source=1)
    squeezed = next(
        (entry for entry in _schema_paths(schemas, xsi_type) if entry[0].replace("/", "").upper() == upper), None
    )
    return DisplayField(upper, upper, _KINDS.get(squeezed[1], "string"), squeezed[0], source=1) if squeezed else None


_META = {
    "insert_date": "@insert_date",
    "insert_user": "@insert_user",
    "last_modified": "@last_modified",
    "status": "@status",
}


def canonical_path(schemas: Schemas, xsi_type: str, path: str) -> tuple[str, str] | None:
    """A path with the schema's spelling, and the kind of its value; None when it leads nowhere."""
    bare = re.sub(r"\[@[^\]]*\]", "", path).strip("/")
    meta = _META.get(bare.lower().removeprefix("meta/"))
    if meta:
        return meta, "dateTime" if meta != "@insert_user" else "string"
    variable = re.match(r"(fields/field)\[name=['\"]?([^'\"\]]*)['\"]?\]", bare)
    if variable:
        return f"{variable[1]}[name={variable[2]}]/field", "string"
    spelled: list[str] = []
    kind = ""
    nodes: list[Node] = _all_nodes(schemas, xsi_type)
    for part in bare.split("/"):
        part = re.sub(r"\[.*\]", "", part)
        node = next((node for node in nodes if node.name == part), None)
        node = node or next((node for node in nodes if node.name.lower() == part.lower()), None)
        if node is None:
            if kind and spelled and part.lower() == spelled[-1].lower():  # fields/field/field: the text itself
                spelled.append(spelled[-1])
                continue
            return None
        spelled.append(node.name)
        kind = node.kind or ("string" if node.type and not node.nodes else "")
        nodes = list(node.nodes.values()) + (_all_nodes(schemas, node.type) if node.type else [])
    return "/".join(spelled), kind


def _all_nodes(schemas: Schemas, xsi_type: str) -> list[Node]:
    """The fields of a type and of everything derived from it: a reference may hold any of them."""
    nodes = {node.name: node for node in schemas.nodes(xsi_type)}
    for derived in schemas.subtypes(xsi_type):
        definition = schemas.types.get(derived)
        for name, node in (definition.nodes if definition else {}).items():
            nodes.setdefault(name, node)
    return list(nodes.values())
