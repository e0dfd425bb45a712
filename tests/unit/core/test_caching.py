"""Properties that are computed once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from xnat.core.caching import caching


class Holder:
    def __init__(self) -> None:
        self.caching = True
        self.stamp: Hashable = 1
        self.calls = 0
        self._cache: dict[str, tuple[Hashable, Any]] = {}

    def _stamp(self) -> Hashable:
        return self.stamp

    @caching
    def value(self) -> int:
        self.calls += 1
        return self.calls


def test_kept_until_the_stamp_changes() -> None:
    holder = Holder()
    assert [holder.value(), holder.value()] == [1, 1]
    holder.stamp = 2
    assert holder.value() == 2


def test_nothing_is_kept_while_caching_is_off_nor_comes_back() -> None:
    holder = Holder()
    holder.value()
    holder.caching = False
    assert [holder.value(), holder.value()] == [2, 3]
    holder.caching = True
    assert holder.value() == 4


def test_a_write_while_the_server_is_asked_makes_the_answer_stale() -> None:
    class Racing(Holder):
        @caching
        def value(self) -> int:
            self.calls += 1
            self.stamp = self.calls + 1
            return self.calls

    holder = Racing()
    assert [holder.value(), holder.value()] == [1, 2]
