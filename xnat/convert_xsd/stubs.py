"""Writes a model as a ``.pyi`` file, for editors and type checkers.

Attributes have the types a script sees: of an object ``str | None`` for a text field, the class for an object, a
listing of the class for a listing; of a class the terms of a search. ``Session`` and ``connect`` tie a script to it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .. import hints
from ..datatypes import XSD_TYPES, is_text
from ..naming import identifier
from .emit import attribute_names
from .model import ClassDef, FieldDef, FieldKind, Model
from .names import free_name

if TYPE_CHECKING:
    from .load import ModelModule

__all__ = ["stubs", "write"]

# Schemas give a field another type further down, which checkers call an error and scripts don't mind: hence the codes.
_HEADER = """\
# mypy: disable-error-code="assignment,misc,override,type-arg"
import builtins as _builtins
import datetime as _datetime
import logging as _logging
from collections.abc import Sequence as _Sequence
from typing import Any, Generic, TypeVar, overload

from xnat import XNATSession as _XNATSession
from xnat import xnatbases, xnatcore
from xnat.core import VariableMap, XNATSimpleListing
from xnat.core import XNATListing as _XNATListing
from xnat.core import XNATSubListing as _XNATSubListing
from xnat.core.texts import Text as _Text
from xnat.core.joined import JoinedListing as _JoinedListing
from xnat.protocols import Timeout as _Timeout
from xnat.search import SearchField as _SearchField

_Value = TypeVar("_Value")
_Item = TypeVar("_Item")

class _Field(Generic[_Value]):
    @overload
    def __get__(self, instance: None, owner: Any = ...) -> _SearchField: ...
    @overload
    def __get__(self, instance: object, owner: Any = ...) -> _Value | None: ...
    def __set__(self, instance: object, value: _Value) -> None: ...
    def __delete__(self, instance: object) -> None: ...

class _TextField:
    @overload
    def __get__(self, instance: None, owner: Any = ...) -> Any: ...
    @overload
    def __get__(self, instance: object, owner: Any = ...) -> _Text: ...
    def __set__(self, instance: object, value: str) -> None: ...
    def __delete__(self, instance: object) -> None: ...

class _Object(Generic[_Item]):
    @overload
    def __get__(self, instance: None, owner: Any = ...) -> type[_Item]: ...
    @overload
    def __get__(self, instance: object, owner: Any = ...) -> _Item: ...
    # Nothing can be assigned: its fields can.
    def __set__(self, instance: object, value: None) -> None: ...

class XNATListing(_XNATListing, Generic[_Item]):
    @overload
    def __getitem__(self, key: str | int) -> _Item: ...
    @overload
    def __getitem__(self, key: slice) -> list[_Item]: ...
    def get(self, key: str, default: Any = ...) -> _Item | Any: ...
    @property
    def data(self) -> dict[str, _Item]: ...
    @property
    def key_map(self) -> dict[str, _Item]: ...
    @property
    def listing(self) -> _Sequence[_Item]: ...
    def values(self) -> _Sequence[_Item]: ...
    def items(self) -> list[tuple[str, _Item]]: ...
    def filter(self, filters: Any = ..., **kwargs: str) -> XNATListing[_Item]: ...

class JoinedListing(_JoinedListing, Generic[_Item]):
    @overload
    def __getitem__(self, key: str | int) -> _Item: ...
    @overload
    def __getitem__(self, key: slice) -> list[_Item]: ...
    def values(self) -> _Sequence[_Item]: ...
    def items(self) -> list[tuple[str, _Item]]: ...
    def filter(self, filters: Any = ..., **kwargs: str) -> JoinedListing[_Item]: ...

class XNATSubListing(_XNATSubListing, Generic[_Item]):
    def __getitem__(self, key: str | int) -> _Item: ...
    @property
    def listing(self) -> list[_Item]: ...

SESSION: Any
XNAT_CLASS_LOOKUP: Any

def current_session() -> Any: ...
"""

# What the session gives, and how to get a session that does: a checker can't know which server a script will talk to.
_SESSION = """\
class {session}(_XNATSession):
    projects: XNATListing[{projects}]
    subjects: XNATListing[{subjects}]
    experiments: XNATListing[{experiments}]
    classes: _Classes
    def __enter__(self) -> {session}: ...

def connect(
    server: str | None = ...,
    user: str | None = ...,
    password: str | None = ...,
    verify: bool | str = ...,
    netrc_file: str | None = ...,
    debug: bool = ...,
    extension_types: bool = ...,
    loglevel: str | int | None = ...,
    logger: _logging.Logger | None = ...,
    detect_redirect: bool = ...,
    no_parse_model: bool = ...,
    *,
    default_timeout: _Timeout = ...,
    auth_provider: str | None = ...,
    jsession: str | None = ...,
    keepalive: bool | float = ...,
    cache: bool = ...,
    pilot_timeout: _Timeout = ...,
    cli: bool = ...,
) -> {session}: ...
"""

#: What hand-written classes give, where they can't name the class: type → attribute, annotation, type of what it is.
_GIVEN: dict[str, tuple[tuple[str, str, str], ...]] = {
    "xnat:projectData": (
        ("scans", "JoinedListing[{}]", "xnat:imageScanData"),
        ("assessors", "XNATListing[{}]", "xnat:imageAssessorData"),
    ),
    "xnat:subjectAssessorData": (("subject", "{}", "xnat:subjectData"),),
    "xnat:imageAssessorData": (("image_session", "{}", "xnat:imageSessionData"),),
    "xnat:imageScanData": (("image_session", "{}", "xnat:imageSessionData"),),
    "xnat:reconstructedImageData": (("image_session", "{}", "xnat:imageSessionData"),),
}

#: Names of types a field may have as its own name, and how to write them then.
_BUILTINS = ("bool", "float", "int", "str")


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
    return "\n".join([_HEADER, *classes, _session(model)])


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
    # The paths under which others lie: of text, these are its attributes.
    above = {item.path.rpartition("/")[0] for item in owner.fields}
    for item in owner.fields:
        name = names[item.name]
        if name is not None:
            with_parts = item.kind is FieldKind.VALUE and item.path in above and is_text(item.type)
            annotation = "_TextField" if with_parts else _type(model, item, own)
            lines.append(f"    {identifier(name)}: {annotation}")
    for attribute, annotation, target in _GIVEN.get(owner.key, ()):
        if owner.key in bases and attribute not in own and target in model.classes:
            lines.append(f"    {attribute}: {annotation.format(_class_name(model, target))}")
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines) + "\n"


def _session(model: Model) -> str:
    """Return the classes as the session has them, and the session."""
    names = [identifier(owner.name) for owner in model.classes.values()]
    # Within the class the plain name would be the attribute.
    aliases = [f"_{name} = {name}" for name in names]
    classes = ["class _Classes:", "    XNAT_CLASS_LOOKUP: Any", *(f"    {name}: type[_{name}]" for name in names)]
    tops = {top: _class_name(model, f"xnat:{top[:-1]}Data") for top in ("projects", "subjects", "experiments")}
    session = free_name("Session", names.__contains__)
    return "\n".join([*aliases, "", *classes, "", _SESSION.format(session=session, **tops)])


def _class_name(model: Model, xsi_type: str) -> str:
    found = model.classes.get(xsi_type)
    return identifier(found.name) if found is not None else "Any"


def _type(model: Model, item: FieldDef, own: set[str | None]) -> str:
    """Return what a field is annotated with.

    :param own: names of fields of the same class, which a builtin type may have as well
    """
    if item.kind is FieldKind.VALUE:
        python = XSD_TYPES[item.type].python if item.type in XSD_TYPES else "str"
        prefix = (
            "_builtins." if python in own and python in _BUILTINS else "_" if python.startswith("datetime.") else ""
        )
        return f"_Field[{prefix}{python}]"
    if item.kind is FieldKind.VARIABLES:
        return "VariableMap"
    if item.kind is FieldKind.SIMPLE_LISTING:
        return "XNATSimpleListing"
    # What the schema calls abstract is nearly always of one type, whose fields one wants to be told.
    concrete = hints.CONCRETE_TYPES.get(item.type, item.type)
    target = _class_name(model, concrete if concrete in model.classes else item.type)
    if item.kind is FieldKind.REST_LISTING:
        return f"XNATListing[{target}]"
    if item.kind is FieldKind.SUB_LISTING:
        return f"XNATSubListing[{target}]"
    return f"_Object[{target}]"
