"""What a PUT or POST of an object says: its type, an XML document, fields by path; and putting that into a record."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import Refused
from .item_xml import read_item
from .items import Item
from .paths import Path, assign, parse_path
from .routing import Context
from .shortcuts import ROOTS, full_path

__all__ = ["Submission", "submission"]

# Parameters that say how to do it, not what.
CONTROL = {
    "xsitype", "element_0", "format", "req_format", "inbody", "allowdatadeletion", "columns", "removefiles", "primary",
    "event_reason", "event_action", "event_type", "event_comment", "event_id", "triggerpipelines", "fixscantypes",
    "pulldatafromheaders", "supressemail", "activate", "quarantine", "_lock", "_unlock", "_obsolete", "xnat_csrf",
    "concealhiddenfields", "handler", "includehistory", "overwrite", "accessibility",
}  # fmt: skip
# What a record knows about itself; not fields of its item.
IDENTITY = {"id", "label", "project", "subject_id", "image_session_id", "imagesession_id"}
_PARTS = (
    "scans/scan", "assessors/assessor", "reconstructions/reconstructedImage", "sharing/share", "resources/resource",
    "experiments/experiment", "file", "in/file", "out/file", "subjects/subject",
)  # fmt: skip


@dataclass
class Submission:
    """A parsed request: ``item`` from an XML body, ``fields`` from the parameters, identity and parts taken out."""

    kind: str
    xsi_type: str = ""
    explicit_type: str = ""
    item: Item | None = None
    fields: list[tuple[Path, str]] = field(default_factory=list)
    identity: dict[str, str] = field(default_factory=dict)
    parts: dict[str, list[Item]] = field(default_factory=dict)
    replace: bool = False

    @property
    def rename_only(self) -> bool:
        """Whether the short name ``label`` was given, which makes XNAT rename and do nothing else."""
        return "@label" in self.identity

    def build(self, context: Context, item: Item) -> Item:
        """The item with what was submitted on top; fields that are not mentioned stay, unless deletion was allowed."""
        if self.item is not None:
            item = self._merged(item)
        for path, value in self.fields:
            assign(context.schemas, item, path, value)
        return item

    def _merged(self, item: Item) -> Item:
        assert self.item is not None
        if self.replace:
            kept = {name: value for name, value in item.fields.items() if name.startswith("@")}
            return Item(item.xsi_type, {**self.item.fields, **kept}, self.item.copy().children)
        merge(item, self.item)
        return item


def merge(item: Item, other: Item) -> None:
    """Put another item's fields and children on top; entries with a name or an ID are merged by it."""
    item.fields.update(other.fields)
    for reference, children in other.children.items():
        known = item.children.setdefault(reference, [])
        for child in children:
            match = next((entry for entry in known if _same(entry, child, len(children))), None)
            if match is None:
                known.append(child.copy())
            else:
                match.xsi_type = child.xsi_type
                merge(match, child)


def _same(one: Item, other: Item, count: int) -> bool:
    for key in ("name", "ID"):
        if key in one.fields or key in other.fields:
            return one.fields.get(key) == other.fields.get(key)
    return count == 1 or one == other


def submission(context: Context, kind: str, existing_type: str = "", default_type: str = "") -> Submission:
    """Read the request: an XML body if there is one, then the parameters of the query and of a form."""
    found = Submission(kind, replace=context.flag("allowDataDeletion"))
    data = _xml_body(context)
    if data is not None:
        found.item = read_item(context.schemas, data)
        _take_out(found, found.item)
    for key, value in context.params.items(multi=True):
        _read_parameter(context, found, key, value)
    explicit = context.query.get("xsiType") or context.params.get("ELEMENT_0") or ""
    found.explicit_type = context.schemas.spelling(explicit) or explicit
    stated = found.explicit_type or (found.item.xsi_type if found.item else "")
    found.xsi_type = stated or existing_type or _first_root(context, found) or default_type
    return found


def _xml_body(context: Context) -> bytes | None:
    request = context.request
    wanted = context.query.get("req_format", "")
    if request.mimetype == "multipart/form-data":
        for upload in request.files.values():
            if (upload.filename or "").endswith(".xml"):
                return upload.stream.read()
        return None
    if request.mimetype in ("text/xml", "application/xml") or wanted == "xml" or context.flag("inbody", False):
        data = request.get_data()
        return data or None
    return None


def _first_root(context: Context, found: Submission) -> str:
    roots = (path.root for path, _ in found.fields if path.root)
    root = next(roots, found.identity.get("@root", ""))
    return context.schemas.spelling(root) or root


def _read_parameter(context: Context, found: Submission, key: str, value: str) -> None:
    if key.lower() in CONTROL:
        return
    if key.count("[") != key.count("]"):  # field[name=x]/field=1 with its first '=' not escaped
        raise Refused(400, f"Malformed field {key}")
    if "/" not in key and ":" not in key:
        full = full_path(found.kind, key)
        if full is None:
            if context.schemas.node(ROOTS[found.kind], key.partition("[")[0]) is None and "[" not in key:
                return
            full = key
        path = Path("", parse_path(full).steps)
        if key.lower() == "label":
            found.identity["@label"] = value
    else:
        path = parse_path(key)
        if path.root:
            found.identity.setdefault("@root", path.root)
    if len(path.steps) == 1 and path.steps[0].name.lower() in IDENTITY:
        found.identity[path.steps[0].name.lower()] = value
    elif path.steps and path.plain not in _NEVER:
        found.fields.append((path, value))


_NEVER = {"insert_date", "insert_user", "last_modified", "subject_label", "session_label", "session_ID", "xsiType"}


def _take_out(found: Submission, item: Item) -> None:
    for name in [name for name in item.fields if name.lower() in IDENTITY]:
        found.identity[name.lower()] = str(item.fields.pop(name))
    for reference in _PARTS:
        if reference in item.children:
            found.parts[reference] = item.children.pop(reference)
