"""Every documented item and every known defect has a test, and every public method is used by one."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]

#: Numbers of the defects of today's client that this project promises not to have.
DEFECTS = [8, 9, 10, 11, 12, *range(16, 34), *range(38, 43)]

#: Where public classes live.
MODULES = [
    "xnat.session", "xnat.core", "xnat.prearchive", "xnat.services", "xnat.users", "xnat.inspect", "xnat.search",
    "xnat.plugins", "xnat.customforms", "xnat.transfer.report", "xnat.transfer.plan", "xnat.mapping",
    "xnat.xnatbases", "xnat.xnatbases.customvariables", "xnat.xnatbases.tables", "xnat.xnatbases.trees",
    "xnat.xnatbases.traits",
]  # fmt: skip

#: Public in form only, by class and name: what each is for instead of users.
NOT_FOR_USERS: dict[str, str] = {
    "Registry": "counts what is stale, for objects and listings",
    "XNATBaseListing": "base class; its methods are reached through listings",
    "RemoteGroup": "files that can be had as one archive; made and read by transfers",
}


@functools.cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(TESTS.rglob("*.py"))}


@functools.cache
def names_of_tests() -> frozenset[str]:
    return frozenset(
        node.name
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@functools.cache
def names_used() -> frozenset[str]:
    """What functional tests read from anything: attributes, and texts that stand for them in getattr() and tables."""
    found: set[str] = set()
    for path, tree in trees().items():
        if "functional" not in path.parts:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                found.add(node.value)
    return frozenset(found)


@pytest.mark.parametrize("number", range(1, 75))
def test_documented_item_has_a_test(number: int) -> None:
    assert [name for name in names_of_tests() if re.match(rf"test_a{number}_", name)]


@pytest.mark.parametrize("number", DEFECTS)
def test_known_defect_has_a_test(number: int) -> None:
    assert [name for name in names_of_tests() if re.match(rf"test_w{number}_", name)]


def public_classes() -> list[type]:
    found: dict[str, type] = {}
    for module in MODULES:
        part = importlib.import_module(module)
        for name in part.__all__:
            value = getattr(part, name)
            if isinstance(value, type) and not issubclass(value, BaseException) and name not in NOT_FOR_USERS:
                found[f"{value.__module__}.{name}"] = value
    return list(found.values())


def public_members(cls: type) -> list[str]:
    """Methods and properties that the class or a base of it in this package defines."""
    bases = [base for base in inspect.getmro(cls) if base.__module__.startswith("xnat")]
    members: dict[str, Any] = {}
    for base in reversed(bases):
        members.update({name: value for name, value in vars(base).items() if not name.startswith("_")})
    return sorted(
        name
        for name, value in members.items()
        if inspect.isfunction(value)
        or isinstance(value, (property, classmethod, staticmethod, functools.cached_property))
    )


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
def test_every_public_method_is_used_by_a_functional_test(cls: type) -> None:
    assert [name for name in public_members(cls) if name not in names_used()] == []
