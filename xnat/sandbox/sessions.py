"""Who is logged in: the sessions behind the JSESSIONID cookies, kept in memory as a real server does."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field

__all__ = ["Sessions", "WebSession"]

#: Sessions beyond which the first ones are forgotten.
MOST = 50_000


@dataclass
class WebSession:
    """One login."""

    id: str
    login: str
    csrf: str = field(default_factory=lambda: str(uuid.uuid4()))
    used: float = field(default_factory=time.monotonic)


class Sessions:
    """All sessions; one that rests longer than ``seconds`` is over."""

    def __init__(self, seconds: int = 900) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._sessions: dict[str, WebSession] = {}
        self._next_look = 1000

    def create(self, login: str) -> WebSession:
        """A new session of a user (or of the guest)."""
        session = WebSession(secrets.token_hex(16).upper(), login)
        with self._lock:
            if len(self._sessions) >= self._next_look:
                self._forget_old()
            self._sessions[session.id] = session
        return session

    def _forget_old(self) -> None:
        # Every request of a stranger opens one, and nobody asks for it again.
        oldest = time.monotonic() - self.seconds
        self._sessions = {id: session for id, session in self._sessions.items() if session.used > oldest}
        for id in list(self._sessions)[: max(0, len(self._sessions) - MOST)]:
            del self._sessions[id]
        self._next_look = len(self._sessions) + 1000

    def get(self, id: str) -> WebSession | None:
        """The live session with that ID; asking keeps it alive."""
        now = time.monotonic()
        with self._lock:
            session = self._sessions.get(id)
            if session is None:
                return None
            if now - session.used > self.seconds:
                del self._sessions[id]
                return None
            session.used = now
            return session

    def end(self, id: str) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(id, None)

    def end_all(self, login: str | None = None) -> list[str]:
        """Forget all sessions (of one user); their IDs."""
        with self._lock:
            ended = [id for id, session in self._sessions.items() if login in (None, session.login)]
            for id in ended:
                del self._sessions[id]
            return ended

    def of(self, login: str) -> list[str]:
        """The IDs of a user's sessions."""
        with self._lock:
            return [id for id, session in self._sessions.items() if session.login == login]
