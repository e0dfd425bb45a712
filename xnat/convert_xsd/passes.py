"""Refines a model in steps, each a function from :class:`Model` to :class:`Model`, listed in :data:`PASSES`.

Each step leaves a model the next one can use whatever the schemas said: what can't be resolved becomes text, or a type
without base, and a :class:`Problem`.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import hints
from .model import ClassDef, ClassKind, FieldDef, FieldKind, Model
from .names import assign_names, assign_prefixes
from .references import MAX_LINEAGE, expand_groups, resolve

__all__ = [
    "MAX_LINEAGE",
    "PASSES",
    "apply_hints",
    "assign_names",
    "assign_prefixes",
    "expand_groups",
    "resolve",
    "sort_bases_first",
    "unwrap",
]

_TEXT = "xs:string"


# --- shapes ----------------------------------------------------------------------------------------------------------


def unwrap(model: Model) -> Model:
    """Decide what each field becomes: a value, an object, an inner object, or one of the kinds of listing."""
    shapes = _Shapes(model)
    for owner in list(model.classes.values()):
        fields: dict[str, FieldDef] = {}
        for item in owner.fields:
            for made in shapes.of(item):
                fields.setdefault(made.path, made)
        owner.fields = list(fields.values())
    for owner in model.classes.values():
        shapes.add_text(owner)
    _drop_unused(model)
    return model


class _Shapes:
    def __init__(self, model: Model) -> None:
        self.model = model
        # The fields as the schema has them: those of a type may be looked at after its turn.
        self._fields = {key: list(owner.fields) for key, owner in model.classes.items()}
        self._paths: dict[str, frozenset[str]] = {}

    def of(self, item: FieldDef) -> list[FieldDef]:
        """Return the fields to make of one."""
        target = self.model.classes.get(item.type) if item.kind is FieldKind.OBJECT else None
        if item.repeated:
            return [self._listing(item, item.path, target)]
        if target is None:
            return [item]
        if not target.anonymous or target.base is not None:
            return [item]
        inner = self._fields[target.key]
        if target.text is not None:
            return [self._value(item, target.text), *(self._attribute(item, part) for part in inner)]
        if len(inner) == 1 and inner[0].repeated:
            repeated = inner[0].changed(doc=item.doc or inner[0].doc)
            entry = self.model.classes.get(repeated.type) if repeated.kind is FieldKind.OBJECT else None
            return [self._listing(repeated, f"{item.path}/{repeated.path}", entry)]
        target.kind = ClassKind.SUB_OBJECT
        return [item.changed(kind=FieldKind.SUB_OBJECT)]

    def _value(self, item: FieldDef, text: FieldDef) -> FieldDef:
        return item.changed(kind=FieldKind.VALUE, type=text.type, restrictions=text.restrictions)

    def _attribute(self, item: FieldDef, part: FieldDef) -> FieldDef:
        return part.changed(path=f"{item.path}/{part.path}")

    def _listing(self, item: FieldDef, path: str, entry: ClassDef | None) -> FieldDef:
        element = path.rpartition("/")[2]
        made = item.changed(path=path, repeated=False, kind=FieldKind.SUB_LISTING)
        if entry is None:
            made.kind, made.value = FieldKind.SIMPLE_LISTING, element
            return made
        names = self._inherited(entry)
        made.key = next((name for name in hints.DEFAULT_KEYS if name in names), None)
        text, value = self._text_of(entry)
        if text is not None and names <= {made.key}:
            made.kind = FieldKind.VARIABLES if path == hints.VARIABLES_PATH and made.key else FieldKind.SIMPLE_LISTING
            made.type, made.restrictions, made.value = text.type, text.restrictions, value or element
        return made

    def _inherited(self, owner: ClassDef) -> frozenset[str]:
        """Return the paths of all fields of a type."""
        if owner.key not in self._paths:
            parts = (part for definition in self.model.lineage(owner.key) for part in self._fields[definition.key])
            self._paths[owner.key] = frozenset(part.path for part in parts)
        return self._paths[owner.key]

    def _text_of(self, owner: ClassDef) -> tuple[FieldDef | None, str]:
        """Return a type's simple content, and its name in an item: the type's, or the element's if it is anonymous."""
        for definition in self.model.lineage(owner.key):
            if definition.text is not None:
                return definition.text, _local(definition)
        return None, ""

    def add_text(self, owner: ClassDef) -> None:
        """Give a type that holds text a field for it."""
        if owner.text is None or any(definition.text for definition in self.model.lineage(owner.key)[1:]):
            return
        path = _local(owner)
        if path and all(item.path != path for item in owner.fields):
            owner.fields.insert(0, owner.text.changed(path=path, doc="The text of the element."))


def _local(owner: ClassDef) -> str:
    return owner.element or owner.key.rpartition("}")[2].rpartition(":")[2]


def _drop_unused(model: Model) -> None:
    """Forget anonymous types that became values, listings of values or the wrapper of a listing."""
    while True:
        used = {item.type for owner in model.classes.values() for item in owner.fields}
        used |= {owner.base for owner in model.classes.values() if owner.base is not None}
        unused = [key for key, owner in model.classes.items() if owner.anonymous and key not in used]
        if not unused:
            return
        for key in unused:
            del model.classes[key]


# --- what the schema does not say ------------------------------------------------------------------------------------


def apply_hints(model: Model) -> Model:
    """Add what :mod:`xnat.hints` knows: types with REST paths, their listings, the keys of listings, missing types."""
    # Reading keys by XSI type: from here on types are known by that name.
    for extra in hints.EXTRA_TYPES:
        if extra.type not in model.classes:
            model.classes[extra.type] = ClassDef(extra.type, doc=extra.doc)
    for owner in model.classes.values():
        for item in owner.fields:
            _apply_key(model, item)
    for hint in hints.REST_LISTINGS:
        target = model.classes.get(hint.type)
        if target is not None:
            target.fields = [item for item in target.fields if item.path != hint.replaces]
            target.fields.append(
                FieldDef(hint.segment, hint.item, FieldKind.REST_LISTING, name=hint.name, key=hint.key)
            )
    _drop_unused(model)
    _mark_kinds(model)
    return model


def _apply_key(model: Model, item: FieldDef) -> None:
    if item.kind not in (FieldKind.SUB_LISTING, FieldKind.SIMPLE_LISTING):
        return
    for hint in hints.LISTING_KEYS:
        if item.path != hint.path:
            continue
        if item.kind is FieldKind.SUB_LISTING:
            # A plug-in may use the same element for something else: what the hint speaks of has to be there.
            wanted = {name for name in (hint.key, hint.value) if name is not None}
            parts = (part for owner in model.lineage(item.type) for part in owner.fields)
            if wanted != {part.path for part in parts if part.path in wanted}:
                continue
            if hint.value is not None:
                item.kind, item.type, item.value = FieldKind.SIMPLE_LISTING, _TEXT, hint.value
        item.key = hint.key


def _mark_kinds(model: Model) -> None:
    roots = {name for name in hints.REST_TYPES if name in model.classes}
    for key, owner in model.classes.items():
        if any(definition.key in roots for definition in model.lineage(key)):
            owner.kind = ClassKind.OBJECT


# --- order -----------------------------------------------------------------------------------------------------------


def sort_bases_first(model: Model) -> Model:
    """Put every type after its base, else by class name, XNAT's own types first."""

    def rank(owner: ClassDef) -> tuple[bool, str]:
        return not owner.key.startswith(("xnat:", "xnatpy:")), owner.name

    done: dict[str, ClassDef] = {}
    for owner in sorted(model.classes.values(), key=rank):
        for definition in reversed(model.lineage(owner.key)):
            done.setdefault(definition.key, definition)
    model.classes = done
    return model


#: In this order.
PASSES: list[Callable[[Model], Model]] = [
    expand_groups,
    resolve,
    unwrap,
    assign_prefixes,
    apply_hints,
    assign_names,
    sort_bases_first,
]
