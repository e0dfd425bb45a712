"""Writes a model as declarative Python: classes that hold descriptors and constants, nothing else.

This module is the boundary between what a server says and what Python runs. Two kinds of things reach the text: values,
through ``repr()``, and names, through :func:`xnat.naming.identifier`. :func:`check` holds a text against that rule.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..exceptions import XNATSchemaError
from ..naming import identifier
from .model import FACETS, ClassDef, FieldDef, FieldKind, Model

__all__ = ["Block", "Body", "Emitted", "Options", "attribute_names", "check", "emit"]

#: Names the text may use from xnat.xnatcore.
CORE_NAMES = frozenset(
    {
        "Field",
        "ObjectField",
        "RestListing",
        "SimpleListing",
        "SubListing",
        "SubObjectField",
        "Variables",
        "XNATNestedObject",
        "XNATObject",
        "XNATSubObject",
    }
)

#: Characters of source beyond which a model is refused; real ones make 200,000. A small schema can say one thing often.
MAX_SIZE = 64 * 1024 * 1024

#: A field of such a name would hide the module in the class body.
_MODULES = frozenset({"xnatbases", "xnatcore"})

_IMPORTS = "from xnat import xnatbases, xnatcore"


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
    return Emitted(f"{title!r}\n{_IMPORTS}\n", body, body.blocks, options)


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


# --- the rule, checked -----------------------------------------------------------------------------------------------


def check(source: str) -> None:
    """Raise unless a text is what :func:`emit` writes: classes, constants, and calls of known names with constants.

    For tests and for ``debug=True``; it costs about as much as compiling the whole text.

    :raises XNATSchemaError: naming the line
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise XNATSchemaError(f"The generated source is not Python: {error}") from error
    docstring, imports, *classes = tree.body if len(tree.body) >= 2 else [ast.Pass(), ast.Pass()]
    if not _is_docstring(docstring) or ast.unparse(imports) != _IMPORTS:
        raise XNATSchemaError("The generated source doesn't begin with a docstring and its import")
    for node in classes:
        if not isinstance(node, ast.ClassDef) or not _is_plain_class(node):
            raise XNATSchemaError(
                f"The generated source holds more than declarations, line {getattr(node, 'lineno', '?')}"
            )
        for statement in node.body:
            if not (_is_docstring(statement) or _is_declaration(statement)):
                raise XNATSchemaError(f"The generated source holds more than declarations, line {statement.lineno}")


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_plain_class(node: ast.ClassDef) -> bool:
    identifier(node.name)
    return (
        not node.keywords
        and not node.decorator_list
        and not getattr(node, "type_params", None)
        and all(
            isinstance(base, ast.Name)
            or _is_member(base, "xnatbases")
            or (_is_member(base, "xnatcore") and _is_core(base))
            for base in node.bases
        )
    )


def _is_declaration(node: ast.AST) -> bool:
    if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
        return False
    name, value = node.targets[0].id, node.value
    if name == "__slots__":
        return isinstance(value, ast.Tuple) and not value.elts
    if name == "XSI_TYPE":
        return isinstance(value, ast.Constant)
    identifier(name)
    return (
        isinstance(value, ast.Call)
        and _is_member(value.func, "xnatcore")
        and _is_core(value.func)
        and all(_is_constant(argument) for argument in value.args)
        and all(keyword.arg is not None and _is_constant(keyword.value) for keyword in value.keywords)
    )


def _is_member(node: ast.AST, module: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module


def _is_core(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in CORE_NAMES


def _is_constant(node: ast.AST) -> bool:
    if isinstance(node, ast.Tuple):
        return all(isinstance(item, ast.Constant) for item in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
        return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
    return isinstance(node, ast.Constant)
