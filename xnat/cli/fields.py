"""Fields by the names a user writes: ``date``, ``demographics.gender``, or a full XNAT path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xnat.core.fields import Field, ObjectField
from xnat.core.writing import getattr_static

from ..naming import did_you_mean
from .failures import UsageError

__all__ = ["by_owner", "nested", "path_of"]


def by_owner(thing: Any, fields: Mapping[str, str]) -> list[tuple[Any, dict[str, str], dict[str, str]]]:
    """(object, its fields, the same by the names given) for all that is to be written.

    All are checked first, so that nothing is written if one of them is wrong.

    :raises UsageError: there is no such field
    :raises XNATValueError: the schema doesn't allow the value
    """
    found: dict[str, tuple[Any, dict[str, str], dict[str, str]]] = {}
    for name, value in fields.items():
        owner_name, _, last = name.rpartition(".") if _is_name(name) else ("", "", name)
        if owner_name not in found:
            found[owner_name] = (_owner(thing, owner_name, name), {}, {})
        owner, values, given = found[owner_name]
        field = _field(owner, last, name, thing)
        if field is not None:
            field.to_text(value)
        values[last] = given[name] = value
    return list(found.values())


def path_of(thing: Any, name: str) -> tuple[Any, str]:
    """(object, path in it) of a field."""
    owner_name, _, last = name.rpartition(".") if _is_name(name) else ("", "", name)
    owner = _owner(thing, owner_name, name)
    return owner, getattr(_field(owner, last, name, thing), "path", last)


def nested(thing: Any) -> Iterator[tuple[str, Any]]:
    """(name, object) of the objects inside a thing, as a subject's demographics."""
    for name in sorted({name for base in type(thing).__mro__ for name in vars(base)}):
        if isinstance(getattr_static(type(thing), name), ObjectField):
            yield name, getattr(thing, name)


def _is_name(name: str) -> bool:
    return "/" not in name and ":" not in name


def _owner(thing: Any, names: str, whole: str) -> Any:
    for name in names.split(".") if names else []:
        if not isinstance(getattr_static(type(thing), name), ObjectField):
            raise UsageError(f"{whole!r}: a {type(thing).__name__} has no part {name!r}{_hint(name, _names(thing))}")
        thing = getattr(thing, name)
    return thing


def _field(owner: Any, last: str, whole: str, thing: Any) -> Field[Any] | None:
    """The field of a name; None for a full XNAT path, which the server judges."""
    if not _is_name(last):
        return None
    found = getattr_static(type(owner), last)
    if isinstance(found, Field):
        return found
    raise UsageError(f"{type(thing).__name__} has no field {whole!r} that can be set{_hint(whole, _names(thing))}")


def _names(thing: Any) -> list[str]:
    own = {name for base in type(thing).__mro__ for name, value in vars(base).items() if isinstance(value, Field)}
    inner = {
        f"{part}.{name}"
        for part, child in nested(thing)
        for base in type(child).__mro__
        for name, value in vars(base).items()
        if isinstance(value, Field)
    }
    return sorted(own | inner)


def _hint(name: str, known: list[str]) -> str:
    ends = [one for one in known if one.rpartition(".")[2] == name]
    if ends:
        return f"; did you mean {' or '.join(ends)}?"
    return did_you_mean(name, known, f"; it has {', '.join(known[:20])}")
