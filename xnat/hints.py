"""What XNAT knows but its schemas do not say: one row per fact, with its reason.

Tables only. The converter applies them in :func:`xnat.convert_xsd.passes.apply_hints`; the session and the behaviour
classes read them too, so that a fact has one home.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "CONCRETE_TYPES",
    "DEFAULT_KEYS",
    "EXTRA_TYPES",
    "KNOWN_SIMPLE_TYPES",
    "LISTING_KEYS",
    "REST_LISTINGS",
    "REST_TYPES",
    "VARIABLES_PATH",
    "ExtraType",
    "ListingKey",
    "RestListingHint",
]

XNAT = "http://nrg.wustl.edu/xnat"


class RestListingHint(NamedTuple):
    """A type has a listing with a REST collection of its own."""

    type: str
    name: str
    item: str
    key: str | None
    #: path of the schema's own element for the same things, which is then not emitted
    replaces: str | None
    reason: str

    @property
    def segment(self) -> str:
        """The collection's path below the object; XNAT names all of them like the attribute."""
        return self.name


class ListingKey(NamedTuple):
    """How the entries of a listing inside an item are told apart."""

    path: str
    key: str | None
    #: the field that holds an entry's value; given, the listing is one of simple values
    value: str | None
    reason: str


class ExtraType(NamedTuple):
    """A type no schema mentions."""

    type: str
    doc: str
    reason: str


#: Types with a REST path of their own, as everything derived from them. All others live in their parent's item.
REST_TYPES: dict[str, str] = {
    "xnat:projectData": "/data/projects/P",
    "xnat:subjectData": "/data/projects/P/subjects/S",
    "xnat:experimentData": "/data/experiments/E; sessions, assessors and plug-ins' experiments derive from it",
    "xnat:imageScanData": "/data/experiments/E/scans/N",
    "xnat:reconstructedImageData": "/data/experiments/E/reconstructions/R",
    "xnat:imageAssessorData": "/data/experiments/E/assessors/A",
    "xnat:abstractResource": "…/resources/R of any of the above",
    "xnat:fileData": "…/files/path; a row of a listing, not an item",
}

EXTRA_TYPES = [
    ExtraType("xnat:fileData", "A file of a resource.", "files have REST paths and rows, but no schema defines them"),
]

_RESOURCES = "resources/resource"

REST_LISTINGS = [
    RestListingHint("xnat:projectData", "subjects", "xnat:subjectData", "label", None, "not in the schema at all"),
    RestListingHint("xnat:projectData", "experiments", "xnat:experimentData", "label", None, "not in the schema"),
    RestListingHint("xnat:projectData", "resources", "xnat:abstractResource", "label", _RESOURCES, "has a collection"),
    RestListingHint("xnat:projectData", "files", "xnat:fileData", "Name", None, "files of all resources"),
    RestListingHint(
        "xnat:subjectData",
        "experiments",
        "xnat:subjectAssessorData",
        "label",
        "experiments/experiment",
        "the item holds a copy of each experiment; the collection gives rows",
    ),
    RestListingHint("xnat:subjectData", "resources", "xnat:abstractResource", "label", _RESOURCES, "has a collection"),
    RestListingHint("xnat:subjectData", "files", "xnat:fileData", "Name", None, "files of all resources"),
    RestListingHint(
        "xnat:experimentData", "resources", "xnat:abstractResource", "label", _RESOURCES, "all experiments have it"
    ),
    RestListingHint("xnat:experimentData", "files", "xnat:fileData", "Name", None, "files of all resources"),
    RestListingHint("xnat:imageSessionData", "scans", "xnat:imageScanData", "type", "scans/scan", "has a collection"),
    RestListingHint(
        "xnat:imageSessionData",
        "assessors",
        "xnat:imageAssessorData",
        "label",
        "assessors/assessor",
        "has a collection",
    ),
    RestListingHint(
        "xnat:imageSessionData",
        "reconstructions",
        "xnat:reconstructedImageData",
        "ID",
        "reconstructions/reconstructedImage",
        "has a collection",
    ),
    RestListingHint(
        "xnat:imageScanData",
        "resources",
        "xnat:abstractResource",
        "label",
        "file",
        "a scan's `file` elements are its resources",
    ),
    RestListingHint("xnat:imageScanData", "files", "xnat:fileData", "Name", None, "files of all resources"),
    RestListingHint(
        "xnat:reconstructedImageData",
        "resources",
        "xnat:abstractResource",
        "label",
        None,
        "in and out stay: no such paths",
    ),
    RestListingHint("xnat:reconstructedImageData", "files", "xnat:fileData", "Name", None, "files of all resources"),
    RestListingHint("xnat:abstractResource", "files", "xnat:fileData", "Name", None, "the resource's own files"),
]

#: By the path below the type, whatever the type: XNAT uses these structures in many places.
LISTING_KEYS = [
    ListingKey("aliases/alias", "alias", "alias", "an alias is its own key; `source` says who gave it"),
    ListingKey("sharing/share", "project", "label", "what one asks is the label in another project; the text is empty"),
    ListingKey("investigators/investigator", "lastname", None, "the only field a site always fills"),
    ListingKey("studyProtocol", "ID", None, "protocols are addressed by ID; names repeat"),
    ListingKey("addID", "name", "addID", "the name says whose ID it is"),
    ListingKey("addParam", "name", "addField", "of type xnat:addField"),
    ListingKey("parameters/addParam", "name", "addField", "same, where addParam is all there is in parameters"),
    ListingKey("tags/tag", None, "tag", "the name of a tag is optional and hardly ever given"),
    ListingKey("addField", "name", "addField", "same structure, in statistics"),
]

#: Without a row above, an entry is known by the first of these fields it has.
DEFAULT_KEYS = ("name", "ID", "id", "label")

#: Custom variables: repeated `name` → text, in projects, subjects, experiments and whatever imitates them.
VARIABLES_PATH = "fields/field"

#: What to create where the schema names an abstract type.
CONCRETE_TYPES: dict[str, str] = {
    "xnat:abstractDemographicData": "xnat:demographicData",
    "xnat:abstractSubjectMetadata": "xnat:subjectMetadata",
    "xnat:abstractStatistics": "xnat:statisticsData",
    "xnat:abstractProtocol": "xnat:datatypeProtocol",
    "xnat:abstractResource": "xnat:resourceCatalog",
}

#: Simple types of xdat.xsd that others use; known even where a server doesn't list that schema (W39).
KNOWN_SIMPLE_TYPES: dict[str, str] = {
    "{http://nrg.wustl.edu/xdat}LONGVARCHAR": "xs:string",
    "{http://nrg.wustl.edu/xdat}jsonb": "xs:string",
}

#: Namespaces whose prefix does not depend on what a schema happens to declare.
KNOWN_PREFIXES: dict[str, str] = {XNAT: "xnat", "http://nrg.wustl.edu/xdat": "xdat"}
