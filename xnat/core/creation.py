"""Making a new thing on the server: which PUT, where, with what.

One row of :data:`WHERE` per kind says where it is made and by which keyword it is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import uris, xpath
from ..exceptions import XNATAttributeError, XNATObjectAlreadyExistsError, XNATValueError
from ..naming import did_you_mean
from .answers import result_rows

__all__ = ["WHERE", "Created", "Place", "create"]


class Place(NamedTuple):
    """Where a kind of thing is made.

    :ivar segment: the REST collection below the parent
    :ivar keywords: keywords that can name the new thing; the first one is what errors ask for
    :ivar parents: kinds of parent it can be made in; '' is the session
    :ivar plain: keywords that go into the query by their own name, not as a path of the type
    :ivar answers_id: the server answers with the accession number
    """

    segment: str
    keywords: tuple[str, ...]
    parents: tuple[str, ...]
    plain: tuple[str, ...] = ()
    answers_id: bool = False


#: By kind. What the server answers was read in XNAT's ProjectResource, SubjectResource, SubjAssessmentResource, ...
WHERE: dict[str, Place] = {
    "project": Place("projects", ("id_", "name"), ("",)),
    "subject": Place("subjects", ("label",), ("project",), answers_id=True),
    "experiment": Place("experiments", ("label",), ("subject",), answers_id=True),
    "assessor": Place("assessors", ("label",), ("experiment",), answers_id=True),
    "scan": Place("scans", ("id_", "id"), ("experiment",)),
    "reconstruction": Place("reconstructions", ("id_", "id"), ("experiment",)),
    "resource": Place(
        "resources",
        ("label",),
        ("project", "subject", "experiment", "assessor", "scan", "reconstruction"),
        plain=("format", "content", "description", "tags"),
    ),
}


class Created(NamedTuple):
    """A thing that now exists: its REST path, its ID if the server said it, and what we know of its fields."""

    uri: str
    id: str | None
    row: dict[str, Any]


def create(new: Any, parent: Any, fields: dict[str, Any], overwrites: Mapping[str, Any] | bool | None) -> Created:
    """Make ``new`` on the server, in ``parent``.

    :raises XNATValueError: no name, or a parent of the wrong kind; nothing was sent
    :raises XNATObjectAlreadyExistsError: an experiment of that label exists in the project
    :raises XNATObjectDestroyedError: the subject of a new experiment was deleted meanwhile
    """
    place = WHERE.get(_place_of(new))
    if place is None:
        instead = (
            "Upload it into a resource: resource.upload(path, name)"
            if new.KIND == "file"
            else "It lives inside another object: write its fields there"
        )
        raise XNATValueError(
            f"Cannot figure out correct object creation url for {type(new).__name__}, creation currently "
            f"not supported! {instead}"
        )
    session = new._session
    if place.parents == ("",):
        parent = session if parent is None else parent
    _check_parent(new, parent, place)
    name = _take_name(new, place, fields)
    query = _query(new, place, fields, overwrites if isinstance(overwrites, Mapping) else {})
    if place.segment == "experiments":
        # XNAT's SubjAssessmentResource makes a missing subject along with it, called by the ID of the old one.
        if not parent._is_there():
            raise parent._gone()
        if not overwrites:
            _check_label_is_free(new, parent, name)
    container = "/data" if place.parents == ("",) else parent._path
    uri = uris.join(container, place.segment, name)
    # A second PUT of an item is the same as the first; of a resource it is answered with 409.
    answer = session.write_fields(uri, query, idempotent=place.segment != "resources")
    text = _answered_id(answer.text) if place.answers_id else ""
    session.registry.wrote("create", new.KIND)
    if place.parents != ("",):
        parent.clearcache()
    if new.KIND == "experiment" and text and answer.status_code == 200 and not overwrites:
        _check_type(new, parent, name, text)
    id_ = text or (name if new.KIND in ("project", "scan", "reconstruction") else None)
    row = {place.keywords[-1]: name} if place.keywords[-1] != "id" else {}
    second = new.SECONDARY_LOOKUP_FIELD
    if fields.get(second):
        row[second] = str(fields[second])
    return Created(uris.join(container, place.segment, id_ or name), id_, row)


def _answered_id(text: str) -> str:
    """The accession number in an answer; empty if it tells none: the new thing then goes by its label."""
    # A PUT is answered with the bare number, a POST with the new address, and what stands before XNAT may turn the one
    # into the other.
    lines = text.strip().splitlines()
    if len(lines) != 1 or lines[0].startswith(("<", "{", "[")):
        return ""
    return uris.split(lines[0])[-1] if lines[0].strip("/") and "/" in lines[0] else lines[0].strip("/")


def _place_of(new: Any) -> str:
    return "assessor" if getattr(new, "IS_ASSESSOR", False) else new.KIND


def _check_parent(new: Any, parent: Any, place: Place) -> None:
    is_object = hasattr(parent, "KIND") and not isinstance(parent, type)
    kind = "" if parent is new._session else (_place_of(parent) if is_object else None)
    if kind in place.parents:
        return
    *others, last = place.parents
    words = ", ".join(others) + (" or " if others else "") + last
    right = f"{'an' if words[0] in 'aeiou' else 'a'} {words}" if words else "the session"
    raise XNATValueError(f"The parent of a new {type(new).__name__} must be {right}, not {parent!r}")


def _take_name(new: Any, place: Place, fields: dict[str, Any]) -> str:
    # A project is named by id_; its name is a field of its own, and stands in for the ID when that is missing.
    for keyword in place.keywords:
        if fields.get(keyword):
            return _project_id(str(fields["name"])) if keyword == "name" else str(fields.pop(keyword))
    asked = next(word for word in reversed(place.keywords))
    raise XNATValueError(
        f"The {asked} for a {new.XSI_TYPE} need to be specified on creation: "
        f"{type(new).__name__}(parent=..., {asked}='...')"
    )


def _project_id(name: str) -> str:
    # XNAT's ProjectResource answers 417 for other characters in a project's ID.
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return name
    made = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    raise XNATValueError(f"The name {name!r} can't be the ID of a project too; give one as well: id_={made!r}")


def _query(new: Any, place: Place, fields: dict[str, Any], overwrites: Mapping[str, Any]) -> dict[str, str]:
    query = {"xsiType": new.XSI_TYPE, "req_format": "qs"}
    for name, value in fields.items():
        if name in place.plain:
            query[name] = str(value)
            continue
        field = _field(type(new), name)
        query[xpath.join(new.XSI_TYPE, field.path)] = field.to_text(value)
    for path, value in overwrites.items():
        query[path if path.startswith(f"{new.XSI_TYPE}/") else xpath.join(new.XSI_TYPE, path)] = str(value)
    return query


def _field(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        field = vars(base).get(name)
        if hasattr(field, "to_text"):
            return field
    inside = next((vars(base)[name] for base in cls.__mro__ if hasattr(vars(base).get(name), "assignment")), None)
    if inside is not None:
        raise XNATAttributeError(
            f"{name} of a {cls.__name__} can't be given on creation; create it first, then: {inside.assignment}"
        )
    names = sorted({name for base in cls.__mro__ for name, value in vars(base).items() if hasattr(value, "to_text")})
    hint = did_you_mean(name, names)
    raise XNATAttributeError(f"{cls.__name__} has no field {name!r} that can be given on creation{hint}")


def _check_type(new: Any, parent: Any, label: str, id_: str) -> None:
    # A label may be that of another kind of experiment: lists of a project's experiments leave out assessors.
    found = new._session.create_object(uris.join("/data", "experiments", id_))
    if not isinstance(found, type(new)):
        raise XNATObjectAlreadyExistsError(
            f"Project {parent.project} has a {type(found).__name__} {label!r} already ({id_}); choose another label"
        )


def _check_label_is_free(new: Any, parent: Any, label: str) -> None:
    # Asks for one row, not for all experiments of the project. Commas and stars are patterns to the server.
    if any(character in label for character in ",*%"):
        return
    project = uris.join("/data", "projects", parent.project)
    uri = uris.join(project, "experiments")
    answer = new._session.get_json(uri, query={"columns": "ID,label,project", "label": label})
    taken = [row for row in result_rows(answer, uri) if row.get("label") == label]
    if taken:
        raise XNATObjectAlreadyExistsError(
            f"Project {parent.project} has an experiment {label!r} already ({taken[0].get('ID')}); choose another "
            "label, take that one with project.experiments[label], or give overwrites=True to update it"
        )
