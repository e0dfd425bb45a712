"""The log of requests that tests read: what was asked, in order, and what was answered."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from werkzeug.wrappers import Request

__all__ = ["Entry", "Recorder"]

_HEADERS = (
    "Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Content-Type", "Cookie",
    "If-Modified-Since", "Range", "Transfer-Encoding", "User-Agent",
)  # fmt: skip


@dataclass
class Entry:
    """One request; ``status`` is None until it is answered, 0 when the connection was dropped instead."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    status: int | None = None

    def finish(self, status: int) -> None:
        """Note the answer."""
        self.status = status


class Recorder:
    """Keeps the last requests, and those of every ``record()`` block."""

    def __init__(self, size: int = 1000) -> None:
        self._lock = threading.Lock()
        self.entries: deque[Entry] = deque(maxlen=size)
        self._lists: list[list[Entry]] = []

    def begin(self, request: Request) -> Entry:
        """Note a request that came in."""
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        entry = Entry(request.method, request.path, request.query_string.decode("latin-1"), headers)
        with self._lock:
            self.entries.append(entry)
            for entries in self._lists:
                entries.append(entry)
        return entry

    @contextmanager
    def record(self) -> Iterator[list[Entry]]:
        """``with recorder.record() as requests:`` collects the block's requests in the list it gives."""
        entries: list[Entry] = []
        with self._lock:
            self._lists.append(entries)
        try:
            yield entries
        finally:
            with self._lock:
                # by identity: two lists of the same requests are equal
                self._lists = [known for known in self._lists if known is not entries]
