"""XML paths in requests: ``xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender`` and its setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .datatypes import Node, Schemas
from .errors import Refused
from .items import Item
from .values import convert

__all__ = ["CLEAR", "Path", "Step", "anonymous_type", "assign", "parse_path"]

CLEAR = "NULL"
"""The value that clears a field."""

_PREDICATE = re.compile(r"\[([^\]]*)\]")


@dataclass
class Step:
    """A name with its predicates: ``field[name=x]``, ``investigator[2]``, ``demographics[@xsi:type=T]``."""

    name: str
    xsi_type: str = ""
    index: int | None = None
    key: dict[str, str] = field(default_factory=dict)

    @property
    def bare(self) -> bool:
        """Whether there are no predicates."""
        return not self.xsi_type and self.index is None and not self.key


@dataclass
class Path:
    """A parsed path; ``root`` is the type it begins with, or ''."""

    root: str
    steps: list[Step]

    @property
    def plain(self) -> str:
        """The path below the root without predicates: ``demographics/gender``."""
        return "/".join(step.name for step in self.steps)


def parse_path(text: str) -> Path:
    """The parts of a path; '/' inside brackets does not split."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == "/" and depth <= 0:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    parts = [part for part in parts if part]
    root = parts.pop(0) if parts and ":" in parts[0].partition("[")[0] else ""
    return Path(root, [_step(part) for part in parts])


def _step(text: str) -> Step:
    step = Step(text.partition("[")[0])
    for predicate in _PREDICATE.findall(text):
        name, equals, value = predicate.partition("=")
        name, value = name.strip().lstrip("@"), value.strip().strip("\"'")
        if not equals and name.isdigit():
            step.index = max(int(name), 1) - 1
        elif name == "xsi:type":
            step.xsi_type = value
        elif equals:
            step.key[name] = value
    return step


def anonymous_type(schemas: Schemas, xsi_type: str, reference: str) -> str:
    """The name XNAT gives an unnamed type: ``xnat:experimentData_field`` for ``fields/field`` of any experiment."""
    first, _, _ = reference.partition("/")
    for level in schemas.lineage(xsi_type):
        definition = schemas.types.get(level)
        if definition and first in definition.nodes:
            return f"{level}_{reference.rpartition('/')[2]}"
    return f"{xsi_type}_{reference.rpartition('/')[2]}"


def assign(schemas: Schemas, item: Item, path: Path, value: str) -> None:
    """Set (or with ``NULL`` clear) a field of an item or of its children; children on the way are made.

    A path that begins with a type the item is not one of changes nothing, as on a real server.
    """
    if path.root and not schemas.is_a(item.xsi_type, path.root) and schemas.known(item.xsi_type):
        return
    _assign(schemas, item, path.steps, value, lambda name: schemas.node(item.xsi_type, name))


def _assign(schemas: Schemas, item: Item, steps: list[Step], value: str, look: Callable[[str], Node | None]) -> None:
    prefix: list[str] = []
    for place, step in enumerate(steps):
        node = look(step.name)
        reference = "/".join([*prefix, step.name])
        rest = steps[place + 1 :]
        if node and not step.bare and rest and not _is_reference(node, step):
            # investigators[1]/firstname: the predicate belongs to the only thing in the container
            node = next(iter(node.nodes.values()), node)
            step = Step(node.name, step.xsi_type, step.index, step.key)
            reference = f"{reference}/{node.name}"
            rest = rest[1:] if rest[0].name == node.name else rest
        if _is_reference(node, step):
            _assign_child(schemas, item, reference, step, node, rest, value)
            return
        if not rest:
            _set(item, reference, node, value)
            return
        prefix.append(step.name)
        look = (node.nodes if node else {}).get


def _is_reference(node: Node | None, step: Step) -> bool:
    return node.multiple or bool(node.type) if node else not step.bare


def _assign_child(
    schemas: Schemas, item: Item, reference: str, step: Step, node: Node | None, rest: list[Step], value: str
) -> None:
    declared = node.type if node and node.type else anonymous_type(schemas, item.xsi_type, reference)
    child = _select(item, reference, step, declared, make=value != CLEAR)
    if child is None:
        return
    text_key = (schemas.text_key(declared) if node and node.type else None) or step.name
    if not rest or (len(rest) == 1 and rest[0].name in (step.name, text_key)):
        _set(child, text_key, _text_node(node), value)
    elif value == CLEAR and len(rest) == 1 and rest[0].name in step.key:
        child.fields.clear()
        child.children.clear()
    elif node and node.type:
        _assign(schemas, child, rest, value, lambda name: schemas.node(child.xsi_type, name))
    else:
        _assign(schemas, child, rest, value, (node.nodes if node else {}).get)
    items = item.children[reference]
    items[:] = [known for known in items if known.fields or any(known.children.values())]
    if not items:
        del item.children[reference]


def _text_node(node: Node | None) -> Node | None:
    return Node(node.name, kind=node.kind, multiple=True) if node and node.kind else None


def _select(item: Item, reference: str, step: Step, declared: str, *, make: bool) -> Item | None:
    items = item.children.get(reference, [])
    matching = [known for known in items if all(str(known.fields.get(k, "")) == v for k, v in step.key.items())]
    index = step.index or 0
    if index < len(matching):
        found = matching[index]
        if step.xsi_type:
            found.xsi_type = step.xsi_type
        return found
    if not make:
        return None
    if index > len(matching):
        raise Refused(400, f"{reference}[{index + 1}]: there are only {len(matching)}")
    item.children.setdefault(reference, items).append(Item(step.xsi_type or declared, dict(step.key)))
    return item.children[reference][-1]


def _set(item: Item, name: str, node: Node | None, value: str) -> None:
    if value in (CLEAR, ""):
        item.fields.pop(name, None)
    else:
        item.fields[name] = convert(node, name, value)
