"""Writes a model as declarative Python: classes that hold descriptors and constants, nothing else.

This module is the boundary between what a server says and what Python runs. Two kinds of things reach the text: values,
through ``repr()``, and names, through :func:`xnat.naming.identifier`. :mod:`.checking` holds a
text against that rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..exceptions import XNATSchemaError
from ..naming import identifier
from .model import FACETS, ClassDef, FieldDef, FieldKind, Model

__all__ = ["Block", "Body", "Emitted", "Options", "attribute_names", "emit"]

#: Characters of source beyond which a model is refused; real ones make 200,000. A small schema can say one thing often.
MAX_SIZE = 64 * 1024 * 1024

#: A field of such a name would hide the module in the class body.
_MODULES = frozenset({"xnatbases", "xnatcore"})

#: The line of imports that the text begins with.
IMPORTS = "from xnat import xnatbases, xnatcore"


class Block(NamedTuple):
    """Where a class stands in the text.

    :ivar line: the number of its first line
    :ivar base: the class that has to exist before, if that is another block
    """

    name: str
    xsi_type: str
    base: str | None
    line: int


class Options(NamedTuple):
    """What :func:`emit` was told about hand-written classes."""

    provided: Mapping[str, frozenset[str]]
    bases: Mapping[str, str]
    reserved: frozenset[str]


class Body:
    """The text of a model's classes: a class at a time, made when it is asked for, or with ``str()`` all of it.

    Where a class stands is known before: it has a line per field, whatever those say.

    :raises XNATSchemaError: if two types have the same class name
    """

    def __init__(self, model: Model, options: Options) -> None:
        self.options = options
        self.blocks: dict[str, Block] = {}
        self._model = model
        self._texts: dict[str, str] = {}
        self._size = 0
        line = 3  # the header has two lines
        for owner in model.classes.values():
            base = model.classes[owner.base].name if owner.base is not None else None
            self.blocks[owner.name] = Block(owner.name, owner.xsi_type, base, line + 2)
            line += 2 + (4 if owner.doc else 3) + owner.field_count()
        if len(self.blocks) != len(model.classes):
            raise XNATSchemaError("Two types have the same class name")

    def text(self, block: Block) -> str:
        """Return the text of one class.

        :raises XNATSchemaError: if one of its names can't stand in source, or the classes made so far are too long
        """
        if block.name not in self._texts:
            lines: list[str] = []
            for line in _lines(self._model, self._model.classes[block.xsi_type], self.options):
                self._size += len(line)
                if self._size > MAX_SIZE:
                    raise XNATSchemaError(f"The server's data model makes more than {MAX_SIZE} characters of source")
                lines.append(line)
            self._texts[block.name] = "\n".join(lines) + "\n"
        return self._texts[block.name]

    def __str__(self) -> str:
        return "".join(f"\n\n{self.text(block)}" for block in self.blocks.values())


class Emitted(NamedTuple):
    """The text of a module, and where in it each class stands."""

    header: str
    body: Body
    blocks: dict[str, Block]
    options: Options

    @property
    def source(self) -> str:
        """The whole text."""
        return f"{self.header}{self.body}"


def emit(
    model: Model,
    *,
    provided: Mapping[str, frozenset[str]] | None = None,
    bases: Mapping[str, str] | None = None,
    reserved: frozenset[str] = frozenset(),
    title: str = "Data model of an XNAT server",
) -> Emitted:
    """Return the source of the model's classes.

    What a server said is made text at once, so that what can't be raises here. A stored model passed that before it was
    stored: its classes become text when they are asked for, through the same gate.

    :param provided: XSI type → names its hand-written mixin provides; no field of that name is generated, for the type
        and what derives from it
    :param bases: XSI type → name of its mixin in ``xnat.xnatbases``
    :param reserved: names of the public API all objects share; a field of such a name gets a trailing underscore
    :param title: the module's docstring, one line
    :raises XNATSchemaError: if there can be no such source
    """
    options = Options(provided or {}, bases or {}, reserved)
    # Compared, not hashed: what is the same object is equal at once, and the names mixins provide take time to find.
    body = next((known for known in model.emitted if known.options == options), None)
    if body is None:
        body = Body(model, options)
        if not model.stored:
            str(body)
        if len(model.emitted) >= 4:
            model.emitted.clear()
        model.emitted.append(body)
    return Emitted(f"{title!r}\n{IMPORTS}\n", body, body.blocks, options)


def _lines(model: Model, owner: ClassDef, options: Options) -> Iterator[str]:
    """Give the lines of a class: as many as :class:`Body` counts."""
    yield f"class {identifier(owner.name)}({_bases(model, owner, options.bases)}):"
    if owner.doc:
        yield f"    {owner.doc!r}"
    # As everywhere above: a script may hold 100,000 objects.
    yield "    __slots__ = ()"
    yield f"    XSI_TYPE = {owner.xsi_type!r}"
    names = attribute_names(model, owner, options.provided, options.reserved)
    for item in owner.fields:
        attribute = names[item.name]
        if attribute is None:
            mixin = identifier(_provider(model, owner, item.name, options))
            yield f"    # {identifier(item.name)}: written by hand in xnat.xnatbases.{mixin}"
        else:
            yield f"    {identifier(attribute)} = {_call(item)}"


def attribute_names(
    model: Model, owner: ClassDef, provided: Mapping[str, frozenset[str]], reserved: frozenset[str]
) -> dict[str, str | None]:
    """Return, per field of a type, the name it gets in the class; None where a mixin has it already."""
    lineage = model.lineage(owner.key)
    by_hand = frozenset().union(*(provided.get(definition.key, frozenset()) for definition in lineage))
    refused = by_hand | reserved | _MODULES
    # A mixin stands for fields of its own type, also where they are declared again. What another type calls by the name
    # of one of its methods is a field of its own.
    own = provided.get(owner.key, frozenset())
    inherited = {part.path for definition in lineage[1:] for part in definition.fields}
    found: dict[str, str | None] = {}
    for item in owner.fields:
        if item.name in own or (item.name in by_hand and item.path in inherited):
            found[item.name] = None
        elif item.name not in refused:
            found[item.name] = item.name
    for item in owner.fields:
        if item.name not in found:
            from .names import free_name  # seldom needed, and it brings what reads schemas

            # The same field gets the same name in every type; so what stands in the way is another one's name.
            others = {part.name for definition in lineage for part in definition.fields if part.path != item.path}
            found[item.name] = free_name(f"{item.name}_", (refused | others).__contains__)
    return found


def _provider(model: Model, owner: ClassDef, name: str, options: Options) -> str:
    """Return the nearest mixin that provides a name."""
    provided = options.provided
    return next(options.bases[part.key] for part in model.lineage(owner.key) if name in provided.get(part.key, ()))


def _bases(model: Model, owner: ClassDef, bases: Mapping[str, str]) -> str:
    mixin = f"xnatbases.{identifier(bases[owner.key])}, " if owner.key in bases else ""
    return mixin + (
        identifier(model.classes[owner.base].name) if owner.base is not None else f"xnatcore.{owner.kind.value}"
    )


def _call(item: FieldDef) -> str:
    """Return the call that makes the descriptor of a field."""
    kind = item.kind
    arguments = [repr(item.path)]
    if kind in (FieldKind.VALUE, FieldKind.OBJECT, FieldKind.SUB_OBJECT):
        arguments.append(repr(item.type))
    elif kind in (FieldKind.REST_LISTING, FieldKind.SUB_LISTING):
        arguments.append(f"item={item.type!r}")
    if kind in (FieldKind.SIMPLE_LISTING, FieldKind.VARIABLES):
        arguments.append(f"value={item.value!r}")
    if item.key is not None:
        arguments.append(f"key={item.key!r}")
    if kind is FieldKind.SIMPLE_LISTING and item.type != "xs:string":
        arguments.append(f"type={item.type!r}")
    if kind is FieldKind.VALUE and item.restrictions:
        arguments += [f"{facet}={item.restrictions[facet]!r}" for facet in FACETS if facet in item.restrictions]
    if item.doc:
        arguments.append(f"doc={item.doc!r}")
    return f"xnatcore.{kind.value}({', '.join(arguments)})"
