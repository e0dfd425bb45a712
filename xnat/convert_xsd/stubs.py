"""Writes a model as a ``.pyi`` file, for editors and type checkers.

Attributes have the types a script sees on an object: ``str | None`` for a text field, the class for an object, a
listing of the class for a listing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .. import hints
from ..datatypes import XSD_TYPES
from ..naming import identifier
from .emit import attribute_names
from .model import ClassDef, FieldDef, FieldKind, Model

if TYPE_CHECKING:
    from .load import ModelModule

__all__ = ["stubs", "write"]

# Schemas give a field another type further down, which checkers call an error and scripts don't mind: hence the codes.
_HEADER = """\
# mypy: disable-error-code="assignment,misc,override,type-arg"
import builtins
import datetime
from typing import Any, Generic, TypeVar, overload

from xnat import xnatbases, xnatcore
from xnat.core import VariableMap, XNATSimpleListing
from xnat.core import XNATListing as _XNATListing
from xnat.core import XNATSubListing as _XNATSubListing

_Item = TypeVar("_Item")

class XNATListing(_XNATListing, Generic[_Item]):
    @overload
    def __getitem__(self, key: str | int) -> _Item: ...
    @overload
    def __getitem__(self, key: slice) -> list[_Item]: ...
    def values(self) -> list[_Item]: ...
    def items(self) -> list[tuple[str, _Item]]: ...
    def filter(self, filters: Any = ..., **kwargs: str) -> XNATListing[_Item]: ...

class XNATSubListing(_XNATSubListing, Generic[_Item]):
    def __getitem__(self, key: str | int) -> _Item: ...

SESSION: Any
XNAT_CLASS_LOOKUP: Any

def current_session() -> Any: ...
"""

#: Names of types a field may have as its own name, and how to write them then.
_TYPE_NAMES = re.compile(r"\b(?<!\.)(bool|float|int|str|datetime)\b")


def stubs(
    model: Model,
    *,
    provided: Mapping[str, frozenset[str]] | None = None,
    bases: Mapping[str, str] | None = None,
    reserved: frozenset[str] = frozenset(),
) -> str:
    """Return the stub of the module :func:`xnat.convert_xsd.emit.emit` makes of the same arguments."""
    provided, bases = provided or {}, bases or {}
    classes = [_class(model, owner, provided, bases, reserved) for owner in model.classes.values()]
    return "\n".join([_HEADER, *classes])


def write(module: ModelModule, path: str | os.PathLike[str]) -> Path:
    """Write the stub of a module; return its path.

    :param path: the file, or a directory in which ``xnat_classes.pyi`` is made
    """
    target = Path(path)
    if target.is_dir():
        target /= "xnat_classes.pyi"
    target.write_text(stubs(module.model, **module.options._asdict()), encoding="utf-8")
    return target


def _class(
    model: Model,
    owner: ClassDef,
    provided: Mapping[str, frozenset[str]],
    bases: Mapping[str, str],
    reserved: frozenset[str],
) -> str:
    base = identifier(model.classes[owner.base].name) if owner.base is not None else f"xnatcore.{owner.kind.value}"
    mixin = f"xnatbases.{identifier(bases[owner.key])}, " if owner.key in bases else ""
    lines = [f"class {identifier(owner.name)}({mixin}{base}):"]
    names = attribute_names(model, owner, provided, reserved)
    own = set(names.values())
    for item in owner.fields:
        name = names[item.name]
        if name is not None:
            lines.append(f"    {identifier(name)}: {_qualified(_type(model, item), own)}")
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines) + "\n"


def _qualified(type_: str, own: set[str | None]) -> str:
    """Return a type in a form that a field called ``float`` or ``str`` in the same class doesn't change."""
    if own.isdisjoint({"bool", "float", "int", "str", "datetime"}):
        return type_
    if "datetime" in own and "datetime." in type_:
        return "Any"
    return _TYPE_NAMES.sub(lambda found: f"builtins.{found[1]}" if found[1] in own else found[1], type_)


def _type(model: Model, item: FieldDef) -> str:
    if item.kind is FieldKind.VALUE:
        return f"{XSD_TYPES[item.type].python if item.type in XSD_TYPES else 'str'} | None"
    if item.kind is FieldKind.VARIABLES:
        return "VariableMap"
    if item.kind is FieldKind.SIMPLE_LISTING:
        return "XNATSimpleListing"
    # What the schema calls abstract is nearly always of one type, whose fields one wants to be told.
    concrete = hints.CONCRETE_TYPES.get(item.type, item.type)
    found = model.classes.get(concrete) or model.classes.get(item.type)
    target = identifier(found.name) if found is not None else "Any"
    if item.kind is FieldKind.REST_LISTING:
        return f"XNATListing[{target}]"
    if item.kind is FieldKind.SUB_LISTING:
        return f"XNATSubListing[{target}]"
    return target
