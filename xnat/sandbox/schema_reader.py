"""Complex types from XSD files: their fields, in order, with the kind of each. Only as much as a server needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .xmltext import Element, parse, prefixes

__all__ = ["Node", "SchemaReader", "TypeDefinition"]

XS = "{http://www.w3.org/2001/XMLSchema}"
_INTEGERS = {
    "integer", "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger", "negativeInteger",
    "nonPositiveInteger", "unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte",
}  # fmt: skip
_KINDS = {"float": "float", "double": "float", "decimal": "float"}
_OWN = {"boolean", "date", "time", "dateTime"}


@dataclass
class Node:
    """An element or attribute.

    ``kind`` is string, integer, float, boolean, date, time or dateTime (of the text, for an element with text), or ''
    for an element that only has content; ``type`` is the name of its complex type when it has one; ``nodes`` is the
    content of an anonymous one.
    """

    name: str
    attribute: bool = False
    kind: str = ""
    max_length: int = 0
    multiple: bool = False
    type: str = ""
    nodes: dict[str, Node] = field(default_factory=dict)
    prefix: str = ""
    """The prefix of the namespace it belongs to: a type of a plugin inherits elements of XNAT's own."""


@dataclass
class TypeDefinition:
    """A named complex type; ``text`` is the kind of its simple content, '' for none."""

    name: str
    base: str | None = None
    nodes: dict[str, Node] = field(default_factory=dict)
    text: str = ""
    abstract: bool = False


class SchemaReader:
    """``add`` every document, then ``resolve``; after that the public attributes are complete."""

    def __init__(self) -> None:
        self.types: dict[str, TypeDefinition] = {}
        self.elements: dict[tuple[str, str], str] = {}
        self.namespaces: dict[str, str] = {}
        self.targets: list[str] = []
        """The target namespace of each document that was added, in order."""
        self._simple: dict[str, tuple[str, int]] = {}
        self._prefix = ""
        self._documents: list[tuple[Element, dict[str, str]]] = []

    def add(self, data: bytes) -> None:
        """Read a document; one that is not XML is served, but defines nothing."""
        try:
            root = parse(data)
        except ValueError:
            self.targets.append("")
            return
        declared = prefixes(data)
        self._documents.append((root, declared))
        own = root.get("targetNamespace", "")
        self.targets.append(own)
        for prefix, namespace in declared.items():
            if prefix and namespace == own:
                self.namespaces.setdefault(prefix, namespace)

    def resolve(self) -> None:
        """Define everything the documents hold."""
        for _, declared in self._documents:
            for prefix, namespace in declared.items():
                if prefix and namespace not in self.namespaces.values():
                    self.namespaces.setdefault(prefix, namespace)
        for root, declared in self._documents:
            for simple in root.findall(f"{XS}simpleType"):
                self._simple[self._own_name(root, simple)] = self._restriction(simple, declared)
        for root, declared in self._documents:
            self._prefix = self.prefix(root.get("targetNamespace", ""))
            for complex_type in root.findall(f"{XS}complexType"):
                self._define(self._own_name(root, complex_type), complex_type, declared)
            for element in root.findall(f"{XS}element"):
                self._define_element(root, element, declared)
        for definition in self.types.values():
            self._settle(definition.nodes)
        self._documents.clear()

    def _settle(self, nodes: dict[str, Node]) -> None:
        # A type that no document defines (xdat:LONGVARCHAR, in some releases) can only be text.
        for node in nodes.values():
            if node.type and node.type not in self.types:
                node.type, node.kind = "", node.kind or "string"
            self._settle(node.nodes)

    def prefix(self, namespace: str) -> str:
        """The prefix of a namespace, or ''."""
        return next((prefix for prefix, known in self.namespaces.items() if known == namespace), "")

    def _own_name(self, root: Element, element: Element) -> str:
        return f"{self.prefix(root.get('targetNamespace', ''))}:{element.get('name', '')}"

    def _define_element(self, root: Element, element: Element, declared: dict[str, str]) -> None:
        anonymous = element.find(f"{XS}complexType")
        if anonymous is not None:
            name = self._own_name(root, element)
            self._define(name, anonymous, declared)
        else:
            name = self._name(element.get("type", ""), declared)
        self.elements[root.get("targetNamespace", ""), element.get("name", "")] = name

    def _define(self, name: str, element: Element, declared: dict[str, str]) -> None:
        definition = TypeDefinition(name, abstract=element.get("abstract") == "true")
        self.types[name] = definition
        extension = next(_derivations(element), None)
        if extension is not None:
            base = self._name(extension.get("base", ""), declared)
            simple = element.find(f"{XS}simpleContent") is not None
            if simple:
                definition.text = self._kind(base)[0]
            if not base.startswith("xs:") and base not in self._simple and base != name:
                definition.base = base
        definition.nodes = self._content(element, declared)

    def _content(self, element: Element, declared: dict[str, str]) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for child in _particles(element):
            node = self._node(child, declared)
            if node.name:
                nodes.setdefault(node.name, node)
        return nodes

    def _node(self, element: Element, declared: dict[str, str]) -> Node:
        reference = element.get("ref", "").rpartition(":")[2]
        node = Node(element.get("name", reference), attribute=element.tag == f"{XS}attribute")
        node.prefix = self._prefix
        node.multiple = element.get("maxOccurs", "1") not in ("0", "1")
        declared_type = element.get("type")
        simple = element.find(f"{XS}simpleType")
        anonymous = element.find(f"{XS}complexType")
        if anonymous is not None:
            self._fill_anonymous(node, anonymous, declared)
        elif simple is not None:
            node.kind, node.max_length = self._restriction(simple, declared)
        elif declared_type:
            name = self._name(declared_type, declared)
            if name.startswith("xs:") or name in self._simple:
                node.kind, node.max_length = self._kind(name)
            else:
                node.type = name
        else:
            node.kind = "string"
        return node

    def _fill_anonymous(self, node: Node, anonymous: Element, declared: dict[str, str]) -> None:
        node.nodes = self._content(anonymous, declared)
        extension = next(_derivations(anonymous), None)
        if extension is None:
            return
        base = self._name(extension.get("base", ""), declared)
        if anonymous.find(f"{XS}simpleContent") is not None:
            node.kind, node.max_length = self._kind(base)
            restriction = extension if extension.tag == f"{XS}restriction" else None
            if restriction is not None:
                node.max_length = _max_length(restriction) or node.max_length
        else:
            node.type = base

    def _restriction(self, simple: Element, declared: dict[str, str]) -> tuple[str, int]:
        restriction = simple.find(f"{XS}restriction")
        if restriction is None:
            return "string", 0
        kind, length = self._kind(self._name(restriction.get("base", "xs:string"), declared))
        return kind, _max_length(restriction) or length

    def _kind(self, name: str) -> tuple[str, int]:
        prefix, _, local = name.partition(":")
        if prefix != "xs":
            return self._simple.get(name, ("string", 0))
        if local in _INTEGERS:
            return "integer", 0
        return _KINDS.get(local, local if local in _OWN else "string"), 0

    def _name(self, name: str, declared: dict[str, str]) -> str:
        prefix, _, local = name.rpartition(":")
        namespace = declared.get(prefix, "")
        if namespace == XS[1:-1]:
            return f"xs:{local}"
        return f"{self.prefix(namespace) or prefix}:{local}"


def _derivations(element: Element) -> Iterator[Element]:
    for content in ("complexContent", "simpleContent"):
        for derivation in ("extension", "restriction"):
            found = element.find(f"{XS}{content}/{XS}{derivation}")
            if found is not None:
                yield found


def _particles(element: Element) -> Iterator[Element]:
    """The elements and attributes of a complex type's content, through groups and derivations but not deeper."""
    for child in element:
        if child.tag in (f"{XS}element", f"{XS}attribute"):
            yield child
        elif isinstance(child.tag, str) and child.tag != f"{XS}annotation":
            yield from _particles(child)


def _max_length(restriction: Element) -> int:
    facet = restriction.find(f"{XS}maxLength")
    return int(facet.get("value", "0")) if facet is not None else 0
