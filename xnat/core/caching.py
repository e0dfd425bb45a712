"""Properties that are computed once and asked for again only when something made them stale."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from ..protocols import Connection

__all__ = ["Caches", "caching"]

Result = TypeVar("Result")


class Caches:
    """Keeps what the server said, as the session does, or as it is told itself."""

    if TYPE_CHECKING:
        _caching: bool | None
        _session: Connection
    else:
        __slots__ = ()

    # Under this name the module's decorator is of no use in this class and below: they know it as ``cached``.
    @property
    def caching(self) -> bool:
        """Whether what the server said is kept; the session's setting unless set here (``del`` goes back to it)."""
        return self._session.caching if self._caching is None else self._caching

    @caching.setter
    def caching(self, value: bool) -> None:
        self._caching = bool(value)

    @caching.deleter
    def caching(self) -> None:
        self._caching = None


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
