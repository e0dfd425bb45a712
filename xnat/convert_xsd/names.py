"""Two passes that name things: types as they are called on the wire, then classes and attributes."""

from __future__ import annotations

import re
from collections.abc import Callable

from .. import hints
from ..naming import attribute_name, class_name
from .model import ClassDef, FieldKind, Model
from .parsing import XSD

__all__ = ["assign_names", "assign_prefixes", "free_name"]

_NO_PREFIX = re.compile(r"[^\w.-]+")


def assign_prefixes(model: Model) -> Model:
    """Rename every type from ``{namespace}name`` to its XSI type, ``prefix:name``.

    Anonymous types get a made-up one, ``xnatpy:<parent class><Element>``.
    """
    prefixes = _prefixes(model)
    renamed: dict[str, str] = {}
    taken: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for key, owner in model.classes.items():
        if not owner.anonymous:
            renamed[key] = _unique(_xsi_type(key, prefixes), taken, numbers, key, model, owner)
    # Parents come first: an anonymous type is named after the one it stands in.
    for key in sorted((key for key, owner in model.classes.items() if owner.anonymous), key=lambda key: key.count("/")):
        owner = model.classes[key]
        parent = class_name(renamed.get(owner.parent or "", owner.parent or ""))
        made = "xnatpy:" + parent[:1].lower() + parent[1:] + _suffix(owner.element)
        renamed[key] = _unique(made, taken, numbers, key, model, None)
    _rename(model, renamed, prefixes)
    return model


def assign_names(model: Model) -> Model:
    """Name classes and attributes, legally and uniquely; an attribute hides an inherited one only if it is the same."""
    classes: dict[str, str] = dict.fromkeys(_MODULE_NAMES, "")
    numbers: dict[str, int] = {}
    own_first = sorted(model.classes, key=lambda key: not key.startswith("xnat:"))
    for key in own_first:
        owner = model.classes[key]
        owner.name = free_name(class_name(key), classes.__contains__, numbers)
        classes[owner.name] = key
    done: dict[str, dict[str, str]] = {}
    for key in model.classes:
        lineage = model.lineage(key)
        for place in reversed(range(len(lineage))):
            owner = lineage[place]
            if owner.key not in done:
                done[owner.key] = _name_fields(owner, [done[base.key] for base in lineage[place + 1 :]])
    return model


def free_name(name: str, is_taken: Callable[[str], bool], numbers: dict[str, int] | None = None) -> str:
    """Return the name, with an underscore or a number if it takes that to be no other's.

    :param numbers: where to remember how far names are numbered, so that the next one needn't count from the start
    """
    if not is_taken(name):
        return name
    numbers = numbers if numbers is not None else {}
    number = numbers.get(name, 1)
    made = f"{name}_" if number == 1 else f"{name}_{number}"
    while is_taken(made):
        number += 1
        made = f"{name}_{number}"
    numbers[name] = number
    return made


#: Attributes of generated modules that a class could be called.
_MODULE_NAMES = ("SESSION", "XNAT_CLASS_LOOKUP")


def _name_fields(owner: ClassDef, inherited: list[dict[str, str]]) -> dict[str, str]:
    """Name the fields of a type; return name → path. What it inherits keeps its names, and so do listings we named."""
    own: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for item in sorted(owner.fields, key=lambda item: item.kind is not FieldKind.REST_LISTING):
        # A field at the path of a collection ("files") is another thing than the collection.
        path = f"/{item.path}" if item.kind is FieldKind.REST_LISTING else item.path

        def is_taken(name: str, path: str = path) -> bool:
            return name in own or any(names.get(name, path) != path for names in inherited)

        item.name = free_name(item.name or attribute_name(item.label), is_taken, numbers)
        own[item.name] = path
    return own


def _prefixes(model: Model) -> dict[str, str]:
    """Return namespace → prefix: the one its own schema uses, else what another calls it, else the schema's name."""
    found: dict[str, str] = {}
    for owner in model.classes.values():
        space = owner.namespace
        if space not in found:
            prefix = hints.KNOWN_PREFIXES.get(space) or model.prefixes.get(space) or model.prefixes.get(f"?{space}")
            if prefix is None and space:
                prefix = _NO_PREFIX.sub("", owner.file.rpartition("/")[2].removesuffix(".xsd"))
            found[space] = prefix or ""
    found.pop(XSD, None)
    return found


def _xsi_type(key: str, prefixes: dict[str, str]) -> str:
    if not key.startswith("{"):
        return key
    namespace, _, local = key[1:].rpartition("}")
    local = local.removeprefix("element:")
    prefix = prefixes.get(namespace, "")
    return f"{prefix}:{local}" if prefix else local


def _suffix(element: str) -> str:
    """Return an element's name with only its first letter upper, as other clients form the names of inner types."""
    text = re.sub(r"\W+", "", element)
    return text[:1].upper() + text[1:].lower()


def _unique(
    name: str, taken: dict[str, str], numbers: dict[str, int], key: str, model: Model, owner: ClassDef | None
) -> str:
    made, number = name, numbers.get(name, 1)
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    numbers[name] = number
    if made != name and owner is not None and "element:" not in key:
        # One prefix for two namespaces, and the same name in both: the server itself could not tell them apart.
        model.problem(owner.file, owner.line, f"another type is called {name} already; this one becomes {made}")
    taken[made] = key
    return made


def _rename(model: Model, renamed: dict[str, str], prefixes: dict[str, str]) -> None:
    classes: dict[str, ClassDef] = {}
    for key, owner in model.classes.items():
        owner.key = renamed[key]
        owner.base = renamed.get(owner.base) if owner.base is not None else None
        owner.parent = renamed.get(owner.parent, owner.parent) if owner.parent is not None else None
        for item in owner.fields:
            item.type = renamed.get(item.type, item.type)
        classes[owner.key] = owner
    model.classes = classes
    model.elements = {
        _xsi_type(name, prefixes): renamed[target] for name, target in model.elements.items() if target in renamed
    }
    model.prefixes = {space: prefix for space, prefix in prefixes.items() if prefix}
