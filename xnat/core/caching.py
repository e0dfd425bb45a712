"""Properties that are computed once and asked for again only when something made them stale."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

__all__ = ["caching"]

Result = TypeVar("Result")


class _Cached(Protocol):
    caching: bool
    _cache: dict[str, tuple[Hashable, Any]]

    def _stamp(self) -> Hashable: ...


def caching(function: Callable[[Any], Result]) -> Callable[[Any], Result]:
    """Decorator: keep what the method returned until the object's stamp changes or its ``caching`` is off."""
    name = function.__name__

    @functools.wraps(function)
    def cached(self: _Cached) -> Result:
        if not self.caching:
            # What was kept earlier must not come back when caching is switched on again.
            self._cache.pop(name, None)
            return function(self)
        # The stamp is taken before the server is asked: a write in between makes the answer stale, not fresh.
        stamp = self._stamp()
        kept = self._cache.get(name)
        if kept is not None and kept[0] == stamp:
            value: Result = kept[1]
            return value
        value = function(self)
        self._cache[name] = (stamp, value)
        return value

    return cached
