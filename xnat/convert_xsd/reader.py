"""Reads schemas: bytes → types as they are written, references unresolved.

One ``_visit_*`` method per XSD element, found by tag. The schemas are not validated, as sites publish many that are not
valid: unknown and misplaced elements are passed over, a file that is not well-formed becomes one :class:`Problem`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .model import ClassDef, FieldDef, FieldKind, Model, SchemaDocument, SimpleDef
from .parsing import MAX_SIZE, XSD, UnreadableError, line_of, parse

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["MAX_DEPTH", "read_document"]

#: Levels of elements in a schema beyond which it is not read; real ones stay below 40.
MAX_DEPTH = 120


def read_document(document: SchemaDocument, model: Model, *, namespace: str = "", max_size: int | None = None) -> bool:
    """Add a schema's types to the model; return whether it could be read.

    :param namespace: that of the schema that includes it, if it has none of its own
    :param max_size: bytes, instead of :data:`.parsing.MAX_SIZE`
    """
    try:
        root, redeclares = parse(document.content, MAX_SIZE if max_size is None else max_size)
        _SchemaReader(model, document.name, root, redeclares, namespace).read(root)
    except UnreadableError as error:
        model.problem(document.name, error.line, str(error))
        return False
    return True


def _tag(name: str) -> str:
    return f"{{{XSD}}}{name}"


_ANNOTATION = _tag("annotation")
_DOCUMENTATION = _tag("documentation")
_COMPLEX_TYPE = _tag("complexType")
_SIMPLE_TYPE = _tag("simpleType")
_RESTRICTION = _tag("restriction")
_UNION = _tag("union")
_LIST = _tag("list")
_ENUMERATION = _tag("enumeration")

_FACET_TAGS = {
    _tag("minLength"): "min_length",
    _tag("maxLength"): "max_length",
    _tag("length"): "length",
    _tag("minInclusive"): "min_inclusive",
    _tag("maxInclusive"): "max_inclusive",
    _tag("minExclusive"): "min_exclusive",
    _tag("maxExclusive"): "max_exclusive",
    # Not read: pattern (another dialect of regular expressions, and a server could send one that never ends),
    # whiteSpace, totalDigits, fractionDigits (the server applies them).
}

#: visits one element of a type's content: (reader, element, type, repeated)
_Visit = Callable[["_SchemaReader", Any, ClassDef, bool], None]


class _SchemaReader:
    """Reads one schema into a model."""

    def __init__(self, model: Model, file: str, root: Element, redeclares: bool, adopted: str = "") -> None:
        self.model = model
        self.file = file
        own = root.get("targetNamespace") or ""
        self.namespace = own or adopted
        #: where names without a prefix belong if the schema doesn't say it
        self._unprefixed = "" if own else adopted
        self._prefixes = dict(root.nsmap)
        self._redeclares = redeclares
        self._depth = 0

    def read(self, root: Element) -> None:
        """Read every type, element and group at the top of the schema."""
        self._note_prefix()
        for child in root:
            visit = _TOP.get(child.tag)
            if visit is not None:
                visit(self, child)

    def _note_prefix(self) -> None:
        """Remember which prefix the schema itself gives its namespace; that is the one on the wire."""
        for prefix, namespace in self._prefixes.items():
            if prefix and namespace != XSD:
                if namespace == self.namespace:
                    self.model.prefixes.setdefault(namespace, prefix)
                else:
                    self.model.prefixes.setdefault(f"?{namespace}", prefix)

    # --- what stands at the top ---

    def _visit_include(self, node: Element) -> None:
        """The types of the other schema come with its own document, where the server lists it."""
        self.model.includes.append(
            (self.file, line_of(node), (node.get("schemaLocation") or "").strip(), self.namespace)
        )

    def _visit_changes(self, node: Element) -> None:
        """redefine, override: no schema known for XNAT has any, so that they are told of rather than guessed at."""
        self._visit_include(node)
        changed = [child.get("name") for child in node if child.get("name")]
        word = node.tag.rpartition("}")[2]
        if changed:
            text = f"{word} is not supported; these stay as they were: {', '.join(map(str, changed))}"
            self.model.problem(self.file, line_of(node), text)

    def _visit_complex_type(self, node: Element) -> None:
        if name := node.get("name"):
            self._add_class(node, f"{{{self.namespace}}}{name}")

    def _visit_global_element(self, node: Element) -> None:
        name = node.get("name")
        if not name:
            return
        key = f"{{{self.namespace}}}{name}"
        if key in self.model.global_elements:
            return
        item = FieldDef(name, line=line_of(node))
        item.doc = _documentation(node)
        inline = _child(node, _COMPLEX_TYPE)
        if inline is not None and not node.get("type"):
            # Its type has no name; nobody can extend it, but elements that refer to this one share it.
            item.type = f"{{{self.namespace}}}element:{name}"
            self._add_class(inline, item.type, doc=item.doc)
        else:
            self._type_of(node, item, None)
        self.model.global_elements[key] = item

    def _visit_global_simple(self, node: Element) -> None:
        if name := node.get("name"):
            key = f"{{{self.namespace}}}{name}"
            if key in self.model.simples:
                return
            self._add_simple(node, key)

    def _visit_global_attribute(self, node: Element) -> None:
        if name := node.get("name"):
            item = FieldDef(name, attribute=True, line=line_of(node))
            item.doc = _documentation(node)
            self._type_of(node, item, None)
            self.model.global_elements.setdefault(f"{{{self.namespace}}}@{name}", item)

    def _visit_global_group(self, node: Element) -> None:
        if name := node.get("name"):
            key = f"{{{self.namespace}}}{name}"
            sort = "@" if node.tag == _tag("attributeGroup") else ""
            group = ClassDef(f"{key}#{sort}group", namespace=self.namespace, file=self.file, line=line_of(node))
            if self.model.groups.setdefault(f"{key}{sort}", group) is group:
                self._content(node, group, False)

    def _add_class(
        self, node: Element, key: str, *, doc: str = "", parent: str | None = None, element: str = ""
    ) -> None:
        definition = ClassDef(
            key,
            doc=_documentation(node) or doc,
            namespace=self.namespace,
            parent=parent,
            element=element,
            file=self.file,
            line=line_of(node),
        )
        self._content(node, definition, False)
        known = self.model.classes.setdefault(key, definition)
        if known is not definition and not _same(known, definition):
            self.model.problem(
                self.file,
                definition.line,
                f"type {key.rpartition('}')[2]!r} is defined again and differs; {known.file}:{known.line} is used",
            )

    # --- inside a complex type ---

    def _content(self, node: Element, owner: ClassDef, repeated: bool) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError("nested too deeply", line_of(node))
        for child in node:
            visit = _CONTENT.get(child.tag)
            if visit is not None:
                visit(self, child, owner, repeated)
        self._depth -= 1

    def _visit_particles(self, node: Element, owner: ClassDef, repeated: bool) -> None:
        """sequence, all, choice: what they hold are fields; which exclude each other is the server's business."""
        self._content(node, owner, repeated or _is_many(node))

    def _visit_nothing(self, node: Element, owner: ClassDef, repeated: bool) -> None:
        """simpleContent, complexContent: only their extension or restriction says something."""
        self._content(node, owner, repeated)

    def _visit_derivation(self, node: Element, owner: ClassDef, repeated: bool) -> None:
        base = node.get("base")
        if base and owner.base is None:
            owner.base = self._reference(node, base)
        restrictions = _facets(node)
        if restrictions:
            owner.text = FieldDef("", type=owner.base or "", restrictions=restrictions, line=line_of(node))
        self._content(node, owner, repeated)

    def _visit_group(self, node: Element, owner: ClassDef, repeated: bool) -> None:
        if ref := node.get("ref"):
            sort = "@" if node.tag == _tag("attributeGroup") else ""
            item = FieldDef(
                "",
                type=self._reference(node, ref) + sort,
                kind=FieldKind.GROUP,
                repeated=repeated or _is_many(node),
                line=line_of(node),
            )
            owner.fields.append(item)

    def _visit_element(self, node: Element, owner: ClassDef, repeated: bool) -> None:
        if node.get("maxOccurs") == "0":
            return
        self._add_field(node, owner, FieldDef("", repeated=repeated or _is_many(node), line=line_of(node)))

    def _visit_attribute(self, node: Element, owner: ClassDef, repeated: bool) -> None:
        if node.get("use") != "prohibited":
            self._add_field(node, owner, FieldDef("", attribute=True, line=line_of(node)))

    def _add_field(self, node: Element, owner: ClassDef, item: FieldDef) -> None:
        item.doc = _documentation(node)
        if ref := node.get("ref"):
            item.type, item.ref = self._reference(node, ref, attribute=item.attribute), True
            item.path = item.type.rpartition("}")[2].rpartition(":")[2].lstrip("@")
        elif name := node.get("name"):
            item.path = name.strip()
            self._type_of(node, item, owner)
        if not item.path or "/" in item.path:
            self.model.problem(self.file, item.line, "an element or attribute without a usable name is left out")
            return
        owner.fields.append(item)

    def _type_of(self, node: Element, item: FieldDef, owner: ClassDef | None) -> None:
        """Find the type of an element or attribute: said by name, written inside, or (against the rules) both."""
        named = node.get("type")
        simple = _child(node, _SIMPLE_TYPE)
        inline = None if item.attribute or owner is None else _child(node, _COMPLEX_TYPE)
        reference = self._reference(node, named) if named else None
        if simple is not None:
            self._inline_simple(simple, item)
        elif inline is not None and owner is not None and (reference is None or reference.startswith(f"{{{XSD}}}")):
            item.type = self._anonymous_key(owner, item.path)
            self._add_class(inline, item.type, parent=owner.key, element=item.path)
        else:
            item.type = reference or f"{{{XSD}}}{'string' if item.attribute else 'anyType'}"

    def _anonymous_key(self, owner: ClassDef, element: str) -> str:
        key = f"{owner.key}/{element}"
        return key if key not in self.model.classes else f"{key}~{len(self.model.classes)}"

    # --- simple types ---

    def _inline_simple(self, node: Element, item: FieldDef) -> None:
        """Fold a restriction into the field; anything else gets a key of its own."""
        restriction = _child(node, _RESTRICTION)
        if restriction is not None and (base := restriction.get("base")):
            item.type, item.restrictions = self._reference(restriction, base), _facets(restriction)
        else:
            item.type = f"{{}}simple#{len(self.model.simples)}"
            self._add_simple(node, item.type)

    def _add_simple(self, node: Element, key: str) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError("nested too deeply", line_of(node))
        definition = SimpleDef(key, namespace=self.namespace, file=self.file, line=line_of(node))
        self.model.simples[key] = definition
        if (restriction := _child(node, _RESTRICTION)) is not None:
            definition.restrictions = _facets(restriction)
            if base := restriction.get("base"):
                definition.base = self._reference(restriction, base)
            else:
                definition.base = next(self._inner_simples(restriction), "")
        elif (union := _child(node, _UNION)) is not None:
            members = [self._reference(union, name) for name in (union.get("memberTypes") or "").split()]
            definition.members = (*members, *self._inner_simples(union))
        # A list is sent and stored as one text; there is nothing to say about it.
        self._depth -= 1

    def _inner_simples(self, node: Element) -> Iterator[str]:
        for child in node:
            if child.tag == _SIMPLE_TYPE:
                key = f"{{}}simple#{len(self.model.simples)}"
                self._add_simple(child, key)
                yield key

    # --- names ---

    def _reference(self, node: Element, name: str, attribute: bool = False) -> str:
        """Return a QName as ``{namespace}name``; ``?prefix:name`` if the prefix is bound to nothing."""
        prefix, _, local = name.strip().rpartition(":")
        mark = "@" if attribute else ""
        # Prefixes are nearly always declared at the root only; asking lxml at every element is slow.
        prefixes = node.nsmap if self._redeclares else self._prefixes
        namespace = prefixes.get(prefix or None)
        if namespace is None:
            return f"?{prefix}:{mark}{local}" if prefix else f"{{{self._unprefixed}}}{mark}{local}"
        return f"{{{namespace}}}{mark}{local}"


def _same(one: ClassDef, other: ClassDef) -> bool:
    def shape(definition: ClassDef) -> list[Any]:
        return [(item.path, item.type, item.repeated, item.kind) for item in definition.fields]

    return one.base == other.base and shape(one) == shape(other)


def _child(node: Element, tag: str) -> Element | None:
    for child in node:
        if child.tag == tag:
            return child
    return None


def _is_many(node: Element) -> bool:
    limit = node.get("maxOccurs")
    if limit is None:
        return False
    limit = limit.strip()
    return limit == "unbounded" or (limit.isdecimal() and limit.lstrip("0") not in ("", "1"))


def _documentation(node: Element) -> str:
    for child in node:
        if child.tag == _ANNOTATION:
            texts = ["".join(map(str, part.itertext())) for part in child if part.tag == _DOCUMENTATION]
            lines = [line.strip() for text in texts for line in text.splitlines()]
            return "\n".join(lines).strip()
    return ""


def _facets(node: Element) -> dict[str, Any]:
    """Return the restrictions written in an element, as text."""
    found: dict[str, Any] = {}
    values: list[str] = []
    for child in node:
        value = child.get("value")
        if value is None:
            continue
        if child.tag == _ENUMERATION:
            values.append(value)
        elif facet := _FACET_TAGS.get(child.tag):
            if facet == "length":
                found["min_length"] = found["max_length"] = value
            else:
                found[facet] = value
    if values:
        found["enumeration"] = tuple(dict.fromkeys(values))
    return found


_TOP: dict[Any, Callable[[_SchemaReader, Any], None]] = {
    _tag("include"): _SchemaReader._visit_include,
    _tag("redefine"): _SchemaReader._visit_changes,
    _tag("override"): _SchemaReader._visit_changes,
    _COMPLEX_TYPE: _SchemaReader._visit_complex_type,
    _SIMPLE_TYPE: _SchemaReader._visit_global_simple,
    _tag("element"): _SchemaReader._visit_global_element,
    _tag("attribute"): _SchemaReader._visit_global_attribute,
    _tag("group"): _SchemaReader._visit_global_group,
    _tag("attributeGroup"): _SchemaReader._visit_global_group,
}

_CONTENT: dict[Any, _Visit] = {
    _tag("sequence"): _SchemaReader._visit_particles,
    _tag("all"): _SchemaReader._visit_particles,
    _tag("choice"): _SchemaReader._visit_particles,
    _tag("element"): _SchemaReader._visit_element,
    _tag("attribute"): _SchemaReader._visit_attribute,
    _tag("group"): _SchemaReader._visit_group,
    _tag("attributeGroup"): _SchemaReader._visit_group,
    _tag("simpleContent"): _SchemaReader._visit_nothing,
    _tag("complexContent"): _SchemaReader._visit_nothing,
    _tag("extension"): _SchemaReader._visit_derivation,
    _tag("restriction"): _SchemaReader._visit_derivation,
}
