"""What is alive, and what a write makes stale."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from xnat.core import registry as module
from xnat.core.registry import STALE, Registry


class Thing:
    pass


def test_one_identity_is_one_object_as_long_as_it_lives() -> None:
    registry = Registry()
    first = registry.intern("a", Thing)
    assert registry.intern("a", Thing) is first
    assert registry.find("a") is first
    assert registry.find("b") is None
    del first
    gc.collect()
    assert registry.find("a") is None


def test_objects_are_adopted_and_dropped() -> None:
    registry, made = Registry(), Thing()
    registry.adopt("a", made)
    assert registry.find("a") is made
    registry.drop("a")
    registry.drop("a")
    assert registry.find("a") is None


@pytest.mark.parametrize("write", STALE, ids="-".join)
def test_a_write_makes_its_kinds_stale_and_no_others(write: tuple[str, str]) -> None:
    registry = Registry()
    kinds = sorted({kind for kinds in STALE.values() for kind in kinds})
    before = {kind: registry.stamp(kind) for kind in kinds}
    registry.wrote(*write)
    assert {kind for kind in kinds if registry.stamp(kind) != before[kind]} == STALE[write]


def test_clear_makes_everything_stale_whatever_its_number() -> None:
    registry = Registry()
    before = registry.stamp(), registry.stamp("scan"), registry.touched("x")
    registry.clear()
    assert registry.stamp() != before[0]
    assert registry.stamp("scan") != before[1]
    assert registry.touched("x") > before[2]


def test_touching_is_later_than_what_was_asked_before() -> None:
    registry = Registry()
    asked = registry.now()
    registry.touch("x")
    assert registry.touched("x") > asked
    assert registry.touched("y") <= asked
    assert registry.now() > registry.touched("x")


def test_a_very_long_run_forgets_instead_of_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TOUCHED", 10)
    registry = Registry()
    before: Any = registry.stamp()
    for number in range(25):
        registry.touch(number)
    assert len(registry._touched) <= 10
    assert registry.stamp() != before
    # What was forgotten counts as touched when everything was cleared.
    assert registry.touched(0) > 0
