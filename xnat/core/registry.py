"""Which objects are alive, and what a write made stale.

One thing on the server is one object here: :meth:`Registry.intern` gives the live object for an identity, or makes it.
Objects are held weakly, so dropping them frees them. What is left of them is swept up now and then, which costs a loop
over 100,000 objects a third of what a callback for each would.

Staleness is counted, not searched for. A listing remembers the number of its kind when it asked the server; a write
that changes what listings of a kind hold (:data:`STALE`) adds one to that number. A write that changes fields only
*touches* the object: rows that were asked for before no longer answer for it.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any

__all__ = ["STALE", "Registry"]

#: What a write makes stale: the kinds of listing, by (what was done, kind of object).
#: ``set`` with a changed key (label, name, type) counts as ``rename``.
STALE: dict[tuple[str, str], frozenset[str]] = {
    ("create", "project"): frozenset({"project"}),
    ("create", "subject"): frozenset({"subject"}),
    # XNAT makes the subject of a new experiment when it is missing.
    ("create", "experiment"): frozenset({"experiment", "subject"}),
    ("create", "scan"): frozenset({"scan"}),
    ("create", "reconstruction"): frozenset({"reconstruction"}),
    ("create", "resource"): frozenset({"resource", "file"}),
    ("create", "file"): frozenset({"resource", "file"}),
    ("rename", "project"): frozenset({"project"}),
    ("rename", "subject"): frozenset({"subject"}),
    ("rename", "experiment"): frozenset({"experiment"}),
    ("rename", "scan"): frozenset({"scan"}),
    ("rename", "reconstruction"): frozenset({"reconstruction"}),
    ("rename", "resource"): frozenset({"resource", "file"}),
    # What is deleted takes everything below it along.
    ("delete", "project"): frozenset(
        {"project", "subject", "experiment", "scan", "reconstruction", "resource", "file"}
    ),
    ("delete", "subject"): frozenset({"subject", "experiment", "scan", "reconstruction", "resource", "file"}),
    ("delete", "experiment"): frozenset({"experiment", "scan", "reconstruction", "resource", "file"}),
    ("delete", "scan"): frozenset({"scan", "resource", "file"}),
    ("delete", "reconstruction"): frozenset({"reconstruction", "resource", "file"}),
    ("delete", "resource"): frozenset({"resource", "file"}),
    ("delete", "file"): frozenset({"resource", "file"}),
    ("share", "subject"): frozenset({"subject"}),
    ("share", "experiment"): frozenset({"experiment"}),
    # An import can bring anything into being.
    ("import", "any"): frozenset({"project", "subject", "experiment", "scan", "reconstruction", "resource", "file"}),
}

#: There are never more references than this, and never more than twice as many as objects were alive when last swept.
_FEW = 1_000

#: A run that writes to more things than this forgets all it has cached, once, rather than grow without bound.
_MOST_TOUCHED = 100_000


class Registry:
    """Live objects by identity, and the counters that make cached data stale. Safe to share between threads.

    :ivar latest: when something was last written or forgotten; for what was asked for since, nothing need be looked up
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._objects: dict[Hashable, weakref.ref[Any]] = {}
        self._room = _FEW
        self._clock = itertools.count(1)
        self._epoch = 0
        self._kinds: dict[str, int] = {}
        self._touched: dict[Hashable, int] = {}
        self._cleared = 0
        self.latest = 0

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock just then."""
        self._lock = threading.RLock()

    def intern(self, identity: Hashable, make: Callable[[], Any]) -> Any:
        """The live object of this identity, else what ``make`` makes."""
        with self._lock:
            held = self._objects.get(identity)
            found = None if held is None else held()
            if found is None:
                found = make()
                self._hold(identity, found)
            return found

    def live(
        self,
        identity: Hashable,
        cls: type[Any],
        make: Callable[[], Any],
        row: Mapping[str, Any] | None = None,
        item: dict[str, Any] | None = None,
        parent: Any = None,
    ) -> Any:
        """The object of an identity: the one that is alive, told what was found out now, else what ``make`` makes."""
        with self._lock:
            held = self._objects.get(identity)
            obj = None if held is None else held()
            if obj is None:
                obj = make()
                self._hold(identity, obj)
                # It was made of all that is told here, but for the item.
                row = parent = None
        if row is None and item is None and parent is None:
            return obj
        if type(obj) is not cls and not isinstance(obj, cls) and issubclass(cls, type(obj)):
            # The listing of a whole project knows only the base type; now the exact one is known.
            obj = make()
            self.adopt(identity, obj)
        obj._learn(row, item, parent)
        return obj

    def adopt(self, identity: Hashable, obj: Any) -> None:
        """Make this the live object of an identity: it was just created."""
        with self._lock:
            self._hold(identity, obj)

    def _hold(self, identity: Hashable, obj: Any) -> None:
        if len(self._objects) >= self._room:
            self._objects = {name: held for name, held in self._objects.items() if held() is not None}
            self._room = max(_FEW, 2 * len(self._objects))
        self._objects[identity] = weakref.ref(obj)

    def find(self, identity: Hashable) -> Any | None:
        """The live object of this identity, or None."""
        with self._lock:
            held = self._objects.get(identity)
            return None if held is None else held()

    def drop(self, identity: Hashable) -> None:
        """Forget the object: it was deleted on the server."""
        with self._lock:
            self._objects.pop(identity, None)

    def stamp(self, kind: str = "") -> tuple[int, int]:
        """What cached data of this kind must carry to be fresh."""
        with self._lock:
            return self._epoch, self._kinds.get(kind, 0)

    @property
    def epoch(self) -> int:
        """How often everything was made stale."""
        return self._epoch

    def now(self) -> int:
        """A number larger than every one given before: the time of a request."""
        return next(self._clock)

    def clear(self) -> None:
        """Make everything that is cached stale, at once and whatever its number."""
        with self._lock:
            self._epoch += 1
            # Whatever was asked for before is stale now: cached data by its epoch, rows by their time.
            self._cleared = self.latest = next(self._clock)
            self._touched.clear()

    def wrote(self, action: str, kind: str) -> None:
        """A write of this sort succeeded: listings it may have changed are stale."""
        with self._lock:
            for name in STALE[action, kind]:
                self._kinds[name] = self._kinds.get(name, 0) + 1

    def touch(self, thing: Hashable) -> None:
        """Fields of this thing were written: what was asked for before no longer answers for it."""
        with self._lock:
            if len(self._touched) >= _MOST_TOUCHED:
                self.clear()
            self._touched[thing] = self.latest = next(self._clock)

    def touched(self, thing: Hashable) -> int:
        """When fields of this thing were last written here, or everything was forgotten; 0 if never."""
        return max(self._touched.get(thing, 0), self._cleared)
