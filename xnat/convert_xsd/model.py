"""The data model of a server, as data: what the reader makes, the passes refine and the emitter writes.

Everything here is plain and can be stored (:meth:`Model.to_json`). Types are referred to by key. While schemas are
read, a key is ``{namespace}name``, with ``/element`` appended for each anonymous type inside; after the pass
``assign_names`` it is the XSI type.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
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
FORMAT = 3

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


class FieldDef:
    """An element or attribute of a type.

    :ivar path: its place in the item, below its type (``ID``, ``investigators/investigator``)
    :ivar type: a built-in (``xs:string``) for values, else the key of a class
    :ivar name: the attribute's name, given by the pass ``assign_names``
    """

    __slots__ = (
        "attribute", "doc", "key", "kind", "line", "name", "path", "ref", "repeated", "restrictions", "type", "value",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        type: str = "xs:string",
        kind: FieldKind = FieldKind.VALUE,
        name: str = "",
        doc: str = "",
        restrictions: dict[str, Any] | None = None,
        key: str | None = None,
        value: str | None = None,
        repeated: bool = False,
        ref: bool = False,
        attribute: bool = False,
        line: int = 0,
    ) -> None:
        self.path = path
        self.type = type
        self.kind = kind
        self.name = name
        self.doc = doc
        self.restrictions = {} if restrictions is None else restrictions
        self.key = key
        self.value = value
        self.repeated = repeated
        self.ref = ref
        self.attribute = attribute
        self.line = line

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldDef) and all(
            getattr(self, name) == getattr(other, name) for name in FieldDef.__slots__
        )

    __hash__ = None  # type: ignore[assignment]  # it is changed while schemas are read

    def __repr__(self) -> str:
        return f"<FieldDef {self.path} of {self.type}>"

    def changed(self, **values: Any) -> FieldDef:
        """The same field but for some of these values."""
        made = copy.copy(self)
        for name, value in values.items():
            setattr(made, name, value)
        return made

    @property
    def label(self) -> str:
        """The part of the path people call the field by: the wrapper of a listing, the element otherwise."""
        return self.path.partition("/")[0] if self.kind in LISTING_KINDS else self.path.replace("/", "_")


#: What comes of taking data for a stored model that isn't one.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError, StopIteration)

LISTING_KINDS = frozenset(
    {FieldKind.REST_LISTING, FieldKind.SUB_LISTING, FieldKind.SIMPLE_LISTING, FieldKind.VARIABLES}
)


class ClassDef:
    """A complex type, named or not.

    :ivar base: key of the type it extends
    :ivar text: its simple content, if it has some
    :ivar parent: key of the type an anonymous type stands in
    :ivar element: the element an anonymous type stands in
    """

    __slots__ = (
        "_count", "_fields", "_stored", "base", "doc", "element", "file", "key", "kind", "line", "name", "namespace",
        "parent", "text",
    )  # fmt: skip

    # Written out: the fields of a dataclass can't wait until they are asked for. And importing dataclasses takes
    # longer than all a later connection does with a stored model, so that nothing here is one.
    def __init__(
        self,
        key: str,
        name: str = "",
        base: str | None = None,
        kind: ClassKind = ClassKind.NESTED,
        doc: str = "",
        fields: list[FieldDef] | None = None,
        text: FieldDef | None = None,
        namespace: str = "",
        parent: str | None = None,
        element: str = "",
        file: str = "",
        line: int = 0,
    ) -> None:
        self.key = key
        self.name = name
        self.base = base
        self.kind = kind
        self.doc = doc
        self.text = text
        self.namespace = namespace
        self.parent = parent
        self.element = element
        self.file = file
        self.line = line
        self._fields = fields if fields is not None else []
        self._stored, self._count = "", 0

    @property
    def fields(self) -> list[FieldDef]:
        """Its own elements and attributes; those of a stored type are made when they are first asked for.

        :raises XNATSchemaError: if what is stored isn't that
        """
        if stored := self._stored:
            try:
                rows = json.loads(stored)
                if len(rows) != self._count:
                    raise ValueError(f"{len(rows)} fields, not {self._count}")
                self._fields = [_field_from_row(row) for row in rows]
            except _MALFORMED as error:
                raise XNATSchemaError(f"Not the stored fields of {self.key!r}: {error}") from error
            self._stored = ""  # last: another thread makes them once more rather than find none
        return self._fields

    @fields.setter
    def fields(self, value: list[FieldDef]) -> None:
        self._fields, self._stored = value, ""

    def field_count(self) -> int:
        """How many fields it has, without making them."""
        return self._count if self._stored else len(self._fields)

    def store(self, fields: str, count: int) -> None:
        """Take its fields as :meth:`Model.to_json` writes them, and how many they are."""
        self._stored, self._count = fields, count

    def __repr__(self) -> str:
        return f"<ClassDef {self.key} with {self.field_count()} fields>"

    @property
    def anonymous(self) -> bool:
        """Whether the schema gives it no name."""
        return self.parent is not None

    @property
    def xsi_type(self) -> str:
        """The type's name on the wire (after the pass ``assign_names``)."""
        return self.key


class SimpleDef:
    """A simple type.

    :ivar base: the type it restricts; empty for lists and unions
    :ivar members: the types a union is made of
    """

    def __init__(
        self,
        key: str,
        base: str = "",
        members: tuple[str, ...] = (),
        restrictions: dict[str, Any] | None = None,
        namespace: str = "",
        file: str = "",
        line: int = 0,
    ) -> None:
        self.key = key
        self.base = base
        self.members = members
        self.restrictions = {} if restrictions is None else restrictions
        self.namespace = namespace
        self.file = file
        self.line = line


class Model:
    """All types of a server.

    :ivar classes: key → type, bases before what derives from them
    :ivar elements: global elements, ``prefix:name`` → XSI type (``xnat:MRSession`` → ``xnat:mrSessionData``)
    :ivar problems: what could not be used
    :ivar stored: it came out of a snapshot; only a model that classes could be made of gets into one
    :ivar emitted: the texts emit() made of it, one per set of behaviour classes
    """

    def __init__(
        self,
        classes: dict[str, ClassDef] | None = None,
        elements: dict[str, str] | None = None,
        prefixes: dict[str, str] | None = None,
        problems: list[Problem] | None = None,
        digest: str = "",
        stored: bool = False,
        simples: dict[str, SimpleDef] | None = None,
        groups: dict[str, ClassDef] | None = None,
        global_elements: dict[str, FieldDef] | None = None,
    ) -> None:
        self.classes = {} if classes is None else classes
        self.elements = {} if elements is None else elements
        self.prefixes = {} if prefixes is None else prefixes
        self.problems = [] if problems is None else problems
        self.digest = digest
        self.stored = stored
        self.emitted: list[Any] = []
        # The rest is of use while schemas are read and not stored.
        self.simples = {} if simples is None else simples
        self.groups = {} if groups is None else groups
        self.global_elements = {} if global_elements is None else global_elements
        #: (file, line, location, namespace of the including schema) of each include
        self.includes: list[tuple[str, int, str, str]] = []
        self._counts: dict[str, int] = {}

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
        """Return the model as text that :meth:`from_json` reads.

        Everything but the fields is on the first line. Each type that has some has a line for them, in the same order,
        so that it can be read alone.
        """
        data = {
            "format": FORMAT,
            "digest": self.digest,
            "prefixes": self.prefixes,
            "elements": self.elements,
            "problems": self.problems,
            "classes": [_class_row(definition) for definition in self.classes.values()],
        }
        fields = [[_field_row(item) for item in definition.fields] for definition in self.classes.values()]
        return "\n".join(json.dumps(part, separators=(",", ":")) for part in (data, *filter(None, fields)))

    @classmethod
    def from_json(cls, text: str | bytes, *, lazy: bool = False) -> Model:
        """Return a stored model.

        :param lazy: look at the fields of a type when they are first asked for; that may raise then
        :raises XNATSchemaError: if the text isn't one, or is of another format
        """
        try:
            lines = iter((text if isinstance(text, str) else text.decode()).split("\n"))
            data = json.loads(next(lines))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, not {FORMAT}")
            model = cls(
                elements=_words(data["elements"]),
                prefixes=_words(data["prefixes"]),
                problems=[Problem(str(file), int(line), str(words)) for file, line, words in data["problems"]],
                digest=str(data["digest"]),
                stored=True,
            )
            for row in data["classes"]:
                definition = _class_from_row(row, lines)
                if definition.base is not None and definition.base not in model.classes:
                    raise ValueError(f"the base of {definition.key!r} is missing")
                model.classes[definition.key] = definition
                if not lazy:
                    definition.fields  # noqa: B018 - made, hence checked
            if next(lines, None) is not None:
                raise ValueError("there are more fields than types have")
        except _MALFORMED as error:
            raise XNATSchemaError(f"Not a stored data model: {error}") from error
        return model


def _class_row(definition: ClassDef) -> list[Any]:
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
        definition.field_count(),
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


def _class_from_row(row: list[Any], lines: Iterator[str]) -> ClassDef:
    key, name, base, kind, doc, parent, element, file, line, count = row
    _need_text(key, name, "" if base is None else base, doc, "" if parent is None else parent, element, file)
    definition = ClassDef(
        key=key,
        name=name,
        base=base,
        kind=_CLASS_KINDS[kind],
        doc=doc,
        parent=parent,
        element=element,
        file=file,
        line=int(line),
    )
    if type(count) is not int:
        raise ValueError(f"{count!r} is not a number of fields")
    if count:
        stored = next(lines)
        if not 0 < count <= len(stored):  # lines of source are counted by it
            raise ValueError(f"{count} fields in {len(stored)} characters")
        definition.store(stored, count)
    return definition


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
