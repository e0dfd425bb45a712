"""Items from XML documents and back, in the schema's order."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from .datatypes import Node, Schemas
from .errors import Refused
from .items import Item, Value
from .paths import anonymous_type
from .values import convert
from .xmltext import XSI, Element, parse

__all__ = ["read_item", "write_item"]


# -- reading ----------------------------------------------------------------------------------------------------------


def read_item(schemas: Schemas, data: bytes) -> Item:
    """The item of a document. 422 when it is not XML or of no known type, 400 for a value that is not of its kind."""
    try:
        root = parse(data)
    except ValueError as error:
        raise Refused(400 if "DOCTYPE" in str(error) else 422, str(error)) from None
    namespace, _, name = root.tag.lstrip("{").rpartition("}")
    declared = root.get(f"{{{XSI}}}type") or schemas.element_type(namespace, name)
    if not declared or not schemas.known(declared):
        raise Refused(422, f"Unknown data type: {declared or name}")
    return _read(schemas, root, declared)


def _read(schemas: Schemas, element: Element, declared: str) -> Item:
    item = Item(element.get(f"{{{XSI}}}type", declared))
    known = {node.name: node for node in schemas.nodes(item.xsi_type)}
    key = schemas.text_key(item.xsi_type)
    if key and element.text and element.text.strip():
        item.fields[key] = element.text.strip()
    _read_content(schemas, item, element, known, "")
    return item


def _read_content(schemas: Schemas, item: Item, element: Element, nodes: dict[str, Node], prefix: str) -> None:
    for name, text in element.attrib.items():
        if not name.startswith("{"):
            _put(item, prefix + name, nodes.get(name), text)
    for child in element:
        name = child.tag.rpartition("}")[2]
        node = nodes.get(name)
        path = prefix + name
        if node and node.type:
            item.children.setdefault(path, []).append(_read(schemas, child, node.type))
        elif node and node.multiple:
            entry = Item(anonymous_type(schemas, item.xsi_type, path))
            _put(entry, name, Node(name, kind=node.kind, multiple=True), (child.text or "").strip())
            _read_content(schemas, entry, child, node.nodes, "")
            item.children.setdefault(path, []).append(entry)
        else:
            _put(item, path, node, (child.text or "").strip())
            _read_content(schemas, item, child, node.nodes if node else {}, f"{path}/")


def _put(item: Item, path: str, node: Node | None, text: str) -> None:
    if text:
        item.fields[path] = convert(node, path, text)


# -- writing ----------------------------------------------------------------------------------------------------------


def write_item(schemas: Schemas, item: Item, site_url: str) -> str:
    """The document of an item, with ``xsi:schemaLocation`` naming every schema of the server."""
    name = schemas.element_name(item.xsi_type)
    used = {prefix: space for prefix, space in schemas.namespaces.items() if prefix not in ("xs", "xsi")}
    attributes = "".join(f" xmlns:{prefix}={quoteattr(space)}" for prefix, space in used.items())
    locations = " ".join(f"{space} {site_url}/schemas/{path}" for space, path in schemas.locations())
    attributes += f' xmlns:xsi="{XSI}" xsi:schemaLocation={quoteattr(locations)}'
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write(schemas, parts, item, name, attributes, schemas.nodes(item.xsi_type))
    return "".join(parts)


def _write(
    schemas: Schemas, parts: list[str], item: Item, name: str, attributes: str, nodes: Iterable[Node], key: str = ""
) -> None:
    nodes = list(nodes)
    if not nodes:  # a type no schema knows: its fields as elements
        nodes = [Node(field, kind="string") for field in item.fields if "/" not in field and field != key]
    for node in nodes:
        if node.attribute and node.name in item.fields:
            attributes += f" {node.name}={quoteattr(_text(node, item.fields[node.name]))}"
    text = escape(str(item.fields[key])) if key in item.fields else ""
    inner: list[str] = []
    _write_elements(schemas, inner, item, nodes, "")
    body = text + "".join(inner)
    parts.append(f"<{name}{attributes}>{body}</{name}>" if body else f"<{name}{attributes}/>")


def _write_elements(schemas: Schemas, parts: list[str], item: Item, nodes: Iterable[Node], above: str) -> None:
    for node in nodes:
        if node.attribute:
            continue
        path = above + node.name
        name = _qualified(node)
        if path in item.children:
            for child in item.children[path]:
                _write_child(schemas, parts, child, name, node)
        elif not node.type:
            _write_flat(schemas, parts, item, node, path)


def _write_child(schemas: Schemas, parts: list[str], child: Item, name: str, node: Node) -> None:
    if not node.type:
        _write(schemas, parts, child, name, "", node.nodes.values(), node.name)
        return
    stated = f" xsi:type={quoteattr(child.xsi_type)}" if child.xsi_type != node.type else ""
    key = schemas.text_key(child.xsi_type) or ""
    _write(schemas, parts, child, name, stated, schemas.nodes(child.xsi_type), key)


def _write_flat(schemas: Schemas, parts: list[str], item: Item, node: Node, path: str) -> None:
    text = escape(_text(node, item.fields[path])) if path in item.fields else ""
    attributes = "".join(
        f" {inner.name}={quoteattr(_text(inner, item.fields[f'{path}/{inner.name}']))}"
        for inner in node.nodes.values()
        if inner.attribute and f"{path}/{inner.name}" in item.fields
    )
    content: list[str] = []
    _write_elements(schemas, content, item, node.nodes.values(), f"{path}/")
    if text or attributes or content:
        parts.append(f"<{_qualified(node)}{attributes}>{text}{''.join(content)}</{_qualified(node)}>")


def _qualified(node: Node) -> str:
    return f"{node.prefix}:{node.name}" if node.prefix else node.name


def _text(node: Node, value: Value) -> str:
    text = str(value)
    return text.replace(" ", "T", 1) if node.kind == "dateTime" else text
