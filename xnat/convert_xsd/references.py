"""Two passes that settle what a schema refers to: groups, types, bases, other elements."""

from __future__ import annotations

from typing import Any

from .. import hints
from ..datatypes import XSD_TYPES
from ..exceptions import XNATValueError
from .model import FACETS, ClassDef, FieldDef, FieldKind, Model, SimpleDef
from .parsing import XSD

__all__ = ["MAX_LINEAGE", "expand_groups", "resolve"]

#: Fields that groups may add to a model; beyond, they are left out. A small file could ask for billions.
MAX_GROUP_FIELDS = 100_000

#: Values a field's list may have; longer ones are no restriction. Real ones have up to 55.
MAX_ENUMERATION = 2000

#: Types deriving from each other in a row beyond which the chain is cut; real ones have up to 6.
MAX_LINEAGE = 64

_TEXT = "xs:string"


# --- groups ----------------------------------------------------------------------------------------------------------


def expand_groups(model: Model) -> Model:
    """Replace references to groups by the fields of the group; two fields of one path are one."""
    done: dict[str, list[FieldDef]] = {}
    added = 0
    for owner in model.classes.values():
        if any(item.kind is FieldKind.GROUP for item in owner.fields):
            if added > MAX_GROUP_FIELDS:
                owner.fields = [item for item in owner.fields if item.kind is not FieldKind.GROUP]
                model.problem(owner.file, owner.line, f"{_label(owner)} is without its groups: there are too many")
                continue
            owner.fields = _expanded(model, owner, done, frozenset())
            added += len(owner.fields)
    return model


def _expanded(model: Model, owner: ClassDef, done: dict[str, list[FieldDef]], open_: frozenset[str]) -> list[FieldDef]:
    fields: dict[str, FieldDef] = {}
    for item in owner.fields:
        members = [item] if item.kind is not FieldKind.GROUP else _members(model, owner, item, done, open_)
        for member in members:
            fields.setdefault(member.path, member)
    return list(fields.values())


def _members(
    model: Model, owner: ClassDef, item: FieldDef, done: dict[str, list[FieldDef]], open_: frozenset[str]
) -> list[FieldDef]:
    key = next((key for key in _candidates(item.type, owner.namespace) if key in model.groups), None)
    if key is None or key in open_ or len(open_) > MAX_LINEAGE:
        reason = "is not defined" if key is None else "contains itself"
        model.problem(owner.file, item.line, f"group {_spoken(item.type)} {reason}; it is left out")
        return []
    if key not in done:
        # Each group is resolved once, so that groups of groups of groups cost no more than they hold.
        done[key] = _expanded(model, model.groups[key], done, open_ | {key})
    return [member.changed(repeated=member.repeated or item.repeated) for member in done[key]]


# --- references ------------------------------------------------------------------------------------------------------


def resolve(model: Model) -> Model:
    """Replace every reference by the key of a type or by a built-in type, and read the restrictions."""
    resolver = _Resolver(model)
    for owner in model.classes.values():
        resolver.base(owner)
    _cut_cycles(model)
    for owner in model.classes.values():
        for item in owner.fields:
            resolver.field(owner, item)
    for name, item in model.global_elements.items():
        namespace, _, local = name[1:].partition("}")
        found = next((key for key in _candidates(item.type, namespace) if key in model.classes), None)
        if found is not None and not local.startswith("@"):
            model.elements[name] = found
    return model


class _Resolver:
    def __init__(self, model: Model) -> None:
        self.model = model
        self._simple: dict[str, tuple[str, dict[str, Any]]] = {}
        self._depth = 0

    def base(self, owner: ClassDef) -> None:
        """Settle what a type extends: another complex type, or a simple one, which makes it hold text."""
        if owner.base == f"{{{XSD}}}anyType":
            owner.base = None  # what every type extends, mostly without saying so; it holds no text
        if owner.base is None:
            return
        complex_, simple = self._find(owner.base, owner.namespace)
        if complex_ is not None:
            owner.base = complex_
            return
        reference, owner.base = owner.base, None
        if simple is None:
            text = f"{_label(owner)} extends {_spoken(reference)}, which is not defined; it is kept without base"
            self.model.problem(owner.file, owner.line, text)
            return
        builtin, restrictions = simple
        own = owner.text.restrictions if owner.text is not None else {}
        merged = self._convert(builtin, {**restrictions, **own}, owner.file, owner.line)
        owner.text = FieldDef("", type=builtin, restrictions=merged, line=owner.line)

    def field(self, owner: ClassDef, item: FieldDef) -> None:
        """Settle the type of a field."""
        if item.ref and not self._follow(owner, item):
            return
        complex_, simple = self._find(item.type, owner.namespace)
        if complex_ is not None:
            item.type, item.kind = (complex_, FieldKind.OBJECT) if not item.attribute else (_TEXT, FieldKind.VALUE)
            return
        if simple is None:
            text = (
                f"{_label(owner)}/{item.path} is of type {_spoken(item.type)}, which is not defined; it is read as text"
            )
            self.model.problem(owner.file, item.line, text)
            simple = _TEXT, {}
        item.type, restrictions = simple
        item.restrictions = self._convert(item.type, {**restrictions, **item.restrictions}, owner.file, item.line)

    def _follow(self, owner: ClassDef, item: FieldDef) -> bool:
        target = next(
            (key for key in _candidates(item.type, owner.namespace) if key in self.model.global_elements), None
        )
        if target is None:
            text = f"{_label(owner)} refers to {_spoken(item.type)}, which is not defined; it is read as text"
            self.model.problem(owner.file, item.line, text)
            item.type = _TEXT
            return False
        element = self.model.global_elements[target]
        item.path, item.type = element.path, element.type
        item.restrictions, item.doc = dict(element.restrictions), item.doc or element.doc
        return True

    def _find(self, reference: str, namespace: str) -> tuple[str | None, tuple[str, dict[str, Any]] | None]:
        """Return the key of the complex type, or the built-in type and restrictions of the simple one, or neither."""
        for key in self._candidates(reference, namespace):
            if key in self.model.classes:
                return key, None
            if key in self.model.simples or key.startswith(f"{{{XSD}}}") or key in hints.KNOWN_SIMPLE_TYPES:
                return None, self._simple_type(key)
        return None, None

    def _candidates(self, reference: str, namespace: str) -> list[str]:
        found = _candidates(reference, namespace)
        if reference.startswith("?"):
            # Nothing binds the prefix here, but another schema may say what it usually stands for.
            prefix, _, local = reference[1:].partition(":")
            found[:0] = [
                f"{{{space.lstrip('?')}}}{local}" for space, name in self.model.prefixes.items() if name == prefix
            ]
        return found

    def _simple_type(self, key: str) -> tuple[str, dict[str, Any]]:
        """Follow a simple type down to a built-in one, collecting restrictions on the way."""
        chain: dict[str, SimpleDef] = {}
        result: tuple[str, dict[str, Any]] = (_TEXT, {})
        while key not in self._simple:
            if key.startswith(f"{{{XSD}}}"):
                result = _builtin(key), {}
                break
            definition = self.model.simples.get(key)
            if definition is None or key in chain:
                result = hints.KNOWN_SIMPLE_TYPES.get(key, _TEXT), {}
                break
            chain[key] = definition
            if not definition.base:
                self._simple[key] = _TEXT, {}  # so that a union that contains itself ends
                result = self._union(definition)
                break
            key = next(iter(self._known(definition.base, definition.namespace)), f"{{{XSD}}}string")
        else:
            result = self._simple[key]
        for definition in reversed(chain.values()):
            result = result[0], {**result[1], **definition.restrictions}
            self._simple[definition.key] = result
        return result

    def _known(self, reference: str, namespace: str) -> list[str]:
        return [
            key
            for key in self._candidates(reference, namespace)
            if key in self.model.simples or key.startswith(f"{{{XSD}}}") or key in hints.KNOWN_SIMPLE_TYPES
        ]

    def _union(self, definition: SimpleDef) -> tuple[str, dict[str, Any]]:
        """A union is the type its members share; what it may hold is known only if all members list their values."""
        if self._depth >= MAX_LINEAGE:
            return _TEXT, {}
        self._depth += 1
        members = []
        for reference in definition.members:
            key = next(iter(self._known(reference, definition.namespace)), None)
            members.append(self._simple_type(key) if key else (_TEXT, {}))
        self._depth -= 1
        types = {builtin for builtin, _ in members}
        lists = [restrictions.get("enumeration") for _, restrictions in members]
        restrictions: dict[str, Any] = {}
        if lists and all(lists):
            values = tuple(dict.fromkeys(value for values in lists for value in values or ()))
            if len(values) <= MAX_ENUMERATION:
                restrictions["enumeration"] = values
        return (types.pop() if len(types) == 1 else _TEXT), restrictions

    def _convert(self, builtin: str, restrictions: dict[str, Any], file: str, line: int) -> dict[str, Any]:
        """Turn the restrictions' text into the values emit() writes; drop what makes no sense, and say so."""
        found: dict[str, Any] = {}
        for facet in FACETS:
            value = restrictions.get(facet)
            if value is None:
                continue
            try:
                if facet != "enumeration":
                    found[facet] = _limit(facet, value, builtin)
                elif len(value) <= MAX_ENUMERATION:
                    found[facet] = value
            except (ValueError, XNATValueError):
                self.model.problem(file, line, f"{facet} {value[:100]!r} makes no sense for {builtin}; it is left out")
        return found


def _limit(facet: str, text: str, builtin: str) -> Any:
    if len(text) > 100:
        raise ValueError("too long")
    if facet.endswith("_length"):
        length = int(text)
        if length < 0:
            raise ValueError("negative")
        return length
    value = XSD_TYPES[builtin].to_python(text)
    if isinstance(value, float):
        if value - value != 0:  # infinite or not a number: no limit at all
            raise ValueError("no number")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value if isinstance(value, int) and not isinstance(value, bool) else text


def _builtin(key: str) -> str:
    name = "xs:" + key.rpartition("}")[2]
    return name if name in XSD_TYPES else _TEXT  # token, NCName, hexBinary, ...: text to us


def _candidates(reference: str, namespace: str) -> list[str]:
    """Return the keys a reference may mean, best first; sites forget prefixes, and mean their own namespace then."""
    if reference.startswith("?"):
        local = reference.partition(":")[2]
        return [f"{{{namespace}}}{local}"]
    if reference.startswith("{}") and not reference.startswith("{}simple#"):
        local = reference[2:]
        return [reference, f"{{{namespace}}}{local}", *([f"{{{XSD}}}{local}"] if f"xs:{local}" in XSD_TYPES else [])]
    return [reference]


def _cut_cycles(model: Model) -> None:
    """Make every chain of bases end, and within :data:`MAX_LINEAGE`."""
    depth: dict[str, int] = {}
    for key in model.classes:
        chain: dict[str, None] = {}
        current: str | None = key
        while current is not None and current not in depth and current not in chain:
            chain[current] = None
            current = model.classes[current].base
        if current is not None and current in chain:
            definition = model.classes[next(reversed(chain))]
            model.problem(
                definition.file, definition.line, f"{_label(definition)} derives from itself; the base is ignored"
            )
            definition.base, current = None, None
        level = depth[current] if current is not None else 0
        for name in reversed(chain):
            level += 1
            if level > MAX_LINEAGE:
                definition, level = model.classes[name], 1
                text = f"{_label(definition)} has more than {MAX_LINEAGE} bases in a row; it is kept without base"
                model.problem(definition.file, definition.line, text)
                definition.base = None
            depth[name] = level


def _label(owner: ClassDef) -> str:
    return "type " + owner.key.rpartition("}")[2].replace("element:", "")


def _spoken(reference: str) -> str:
    """Return a reference as a reader of the schema knows it."""
    if reference.startswith("?"):
        return repr(reference[1:])
    namespace, _, local = reference.rpartition("}")
    return f"{local.strip('@')!r}" + (f" of {namespace[1:]}" if namespace[1:] else "")
