"""The data model of a server, as data: what the reader makes, the passes refine and the emitter writes.

Everything here is plain and can be stored (:meth:`Model.to_json`). Types are referred to by key. While schemas are
read, a key is ``{namespace}name``, with ``/element`` appended for each anonymous type inside; after the pass
``assign_names`` it is the XSI type.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Any, NamedTuple

from ..exceptions import XNATSchemaError

__all__ = [
    "FACETS",
    "FORMAT",
    "ClassDef",
    "ClassKind",
    "FieldDef",
    "FieldKind",
    "Model",
    "Problem",
    "SchemaDocument",
    "SimpleDef",
]

#: Raise when the meaning of a stored model changes; older snapshots are then ignored.
FORMAT = 1

#: Problems told per schema; each becomes a line in somebody's log.
MAX_PROBLEMS = 20

#: Characters of a problem's text; the names it quotes are as long as the server likes.
MAX_TEXT = 500

#: The restrictions a field can carry, as keyword arguments of ``xnatcore.Field``.
FACETS = (
    "enumeration",
    "min_length",
    "max_length",
    "min_inclusive",
    "max_inclusive",
    "min_exclusive",
    "max_exclusive",
)


class SchemaDocument(NamedTuple):
    """A schema as the server gave it.

    :ivar name: the name the server lists it under, such as ``xnat`` or ``pipeline/workflow``
    """

    name: str
    uri: str
    content: bytes
    digest: str

    @classmethod
    def of(cls, name: str, content: bytes, uri: str = "") -> SchemaDocument:
        """Return a document with its digest computed."""
        return cls(name, uri, content, sha256(content).hexdigest())


class Problem(NamedTuple):
    """Something about a schema that could not be used, and where."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        said = f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"
        # It quotes the schema, and is shown on terminals and in logs: one line, nothing that moves a cursor.
        return "".join(character if character.isprintable() else " " for character in said)


class FieldKind(str, Enum):
    """What a field becomes; the value is the name of its descriptor in ``xnatcore``."""

    VALUE = "Field"
    OBJECT = "ObjectField"
    SUB_OBJECT = "SubObjectField"
    REST_LISTING = "RestListing"
    SUB_LISTING = "SubListing"
    SIMPLE_LISTING = "SimpleListing"
    VARIABLES = "Variables"
    #: reader only: stands for the content of a group
    GROUP = "group"


class ClassKind(str, Enum):
    """What a class is; the value is the name of its base class in ``xnatcore``."""

    OBJECT = "XNATObject"
    NESTED = "XNATNestedObject"
    SUB_OBJECT = "XNATSubObject"


@dataclass(slots=True)
class FieldDef:
    """An element or attribute of a type.

    :ivar path: its place in the item, below its type (``ID``, ``investigators/investigator``)
    :ivar type: a built-in (``xs:string``) for values, else the key of a class
    :ivar name: the attribute's name, given by the pass ``assign_names``
    """

    path: str
    type: str = "xs:string"
    kind: FieldKind = FieldKind.VALUE
    name: str = ""
    doc: str = ""
    restrictions: dict[str, Any] = field(default_factory=dict)
    key: str | None = None
    value: str | None = None
    repeated: bool = False
    ref: bool = False
    attribute: bool = False
    line: int = 0

    @property
    def label(self) -> str:
        """The part of the path people call the field by: the wrapper of a listing, the element otherwise."""
        return self.path.partition("/")[0] if self.kind in LISTING_KINDS else self.path.replace("/", "_")


LISTING_KINDS = frozenset(
    {FieldKind.REST_LISTING, FieldKind.SUB_LISTING, FieldKind.SIMPLE_LISTING, FieldKind.VARIABLES}
)


@dataclass(slots=True)
class ClassDef:
    """A complex type, named or not.

    :ivar base: key of the type it extends
    :ivar text: its simple content, if it has some
    :ivar parent: key of the type an anonymous type stands in
    :ivar element: the element an anonymous type stands in
    """

    key: str
    name: str = ""
    base: str | None = None
    kind: ClassKind = ClassKind.NESTED
    doc: str = ""
    fields: list[FieldDef] = field(default_factory=list)
    text: FieldDef | None = None
    namespace: str = ""
    parent: str | None = None
    element: str = ""
    file: str = ""
    line: int = 0

    @property
    def anonymous(self) -> bool:
        """Whether the schema gives it no name."""
        return self.parent is not None

    @property
    def xsi_type(self) -> str:
        """The type's name on the wire (after the pass ``assign_names``)."""
        return self.key


@dataclass(slots=True)
class SimpleDef:
    """A simple type.

    :ivar base: the type it restricts; empty for lists and unions
    :ivar members: the types a union is made of
    """

    key: str
    base: str = ""
    members: tuple[str, ...] = ()
    restrictions: dict[str, Any] = field(default_factory=dict)
    namespace: str = ""
    file: str = ""
    line: int = 0


@dataclass(eq=False)
class Model:
    """All types of a server.

    :ivar classes: key → type, bases before what derives from them
    :ivar elements: global elements, ``prefix:name`` → XSI type (``xnat:MRSession`` → ``xnat:mrSessionData``)
    :ivar problems: what could not be used
    """

    classes: dict[str, ClassDef] = field(default_factory=dict)
    elements: dict[str, str] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    digest: str = ""
    # The rest is of use while schemas are read and not stored.
    simples: dict[str, SimpleDef] = field(default_factory=dict, repr=False)
    groups: dict[str, ClassDef] = field(default_factory=dict, repr=False)
    global_elements: dict[str, FieldDef] = field(default_factory=dict, repr=False)
    #: what emit() made of this model, per set of behaviour classes
    emitted: dict[Any, Any] = field(default_factory=dict, repr=False)
    _counts: dict[str, int] = field(default_factory=dict, repr=False)

    def problem(self, file: str, line: int, text: str) -> None:
        """Note something that could not be used; after :data:`MAX_PROBLEMS` of a file only that there is more."""
        number = self._counts[file] = self._counts.get(file, 0) + 1
        if number <= MAX_PROBLEMS:
            self.problems.append(Problem(file, line, text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"))
        elif number == MAX_PROBLEMS + 1:
            self.problems.append(Problem(file, 0, "there is more of that kind"))

    def lineage(self, key: str) -> list[ClassDef]:
        """Return a type and the types it derives from, nearest first."""
        found: dict[str, ClassDef] = {}
        current: str | None = key
        while current is not None and current not in found and (definition := self.classes.get(current)) is not None:
            found[current] = definition
            current = definition.base
        return list(found.values())

    def to_json(self) -> str:
        """Return the model as text that :meth:`from_json` reads."""
        data = {
            "format": FORMAT,
            "digest": self.digest,
            "prefixes": self.prefixes,
            "elements": self.elements,
            "problems": self.problems,
            "classes": [_class_row(definition) for definition in self.classes.values()],
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Model:
        """Return a stored model.

        :raises XNATSchemaError: if the text isn't one, or is of another format
        """
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, not {FORMAT}")
            model = cls(
                elements=_words(data["elements"]),
                prefixes=_words(data["prefixes"]),
                problems=[Problem(str(file), int(line), str(words)) for file, line, words in data["problems"]],
                digest=str(data["digest"]),
            )
            for row in data["classes"]:
                definition = _class_from_row(row)
                if definition.base is not None and definition.base not in model.classes:
                    raise ValueError(f"the base of {definition.key!r} is missing")
                model.classes[definition.key] = definition
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise XNATSchemaError(f"Not a stored data model: {error}") from error
        return model


def _class_row(definition: ClassDef) -> list[Any]:
    fields = [_field_row(item) for item in definition.fields]
    return [
        definition.key,
        definition.name,
        definition.base,
        definition.kind.value,
        definition.doc,
        definition.parent,
        definition.element,
        definition.file,
        definition.line,
        fields,
    ]


def _field_row(item: FieldDef) -> list[Any]:
    row = [
        item.name,
        item.path,
        item.kind.value,
        item.type,
        item.doc,
        item.restrictions,
        item.key,
        item.value,
        item.line,
    ]
    # Most fields have no restrictions, key or value: rows end after the last thing worth saying.
    while row and not row[-1]:
        row.pop()
    return row


_FIELD_DEFAULTS: list[Any] = ["", "", "", "", "", None, None, None, 0]
_FIELD_KINDS = {kind.value: kind for kind in FieldKind if kind is not FieldKind.GROUP}
_CLASS_KINDS = {kind.value: kind for kind in ClassKind}


def _class_from_row(row: list[Any]) -> ClassDef:
    key, name, base, kind, doc, parent, element, file, line, fields = row
    _need_text(key, name, doc, element, file)
    _need_text(*(item for item in (base, parent) if item is not None))
    return ClassDef(
        key=key,
        name=name,
        base=base,
        kind=_CLASS_KINDS[kind],
        doc=doc,
        fields=[_field_from_row(item) for item in fields],
        parent=parent,
        element=element,
        file=file,
        line=int(line),
    )


def _field_from_row(row: list[Any]) -> FieldDef:
    name, path, kind, type_, doc, restrictions, key, value, line = row + _FIELD_DEFAULTS[len(row) :]
    _need_text(name, path, type_, doc, key or "", value or "")
    return FieldDef(
        path=path,
        type=type_,
        kind=_FIELD_KINDS[kind],
        name=name,
        doc=doc,
        restrictions=_restrictions(restrictions) if restrictions else {},
        key=key,
        value=value,
        line=line,
    )


def _restrictions(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for facet, value in data.items():
        if facet not in FACETS:
            raise ValueError(f"unknown restriction {facet!r}")
        if facet == "enumeration":
            _need_text(*value)
            value = tuple(value)
        elif not isinstance(value, (int, float, str)):
            raise ValueError(f"{facet} can't be {value!r}")
        found[facet] = value
    return found


def _words(data: dict[str, Any]) -> dict[str, str]:
    _need_text(*data.values())
    return dict(data)


def _need_text(*values: Any) -> None:
    for value in values:
        if type(value) is not str:
            raise ValueError(f"{value!r} is not text")
