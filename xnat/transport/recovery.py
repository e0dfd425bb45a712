"""One new login for a session that ran out, however many workers notice."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

from xnat.exceptions import XNATAuthError, XNATError

__all__ = ["Recovery"]


class Recovery:
    """Lets the first worker that lost the session log in, while the others wait for the result and share it.

    A request notes the ``generation`` before it is sent. If that isn't the current one any more when its session
    turns out to be lost, somebody has logged in meanwhile and it just has to be repeated.

    A refused login is remembered: asking again with the same password for every request would lock the account.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._finished = 0
        self._error: XNATError | None = None
        self._lock = threading.Lock()

    def run(self, generation: int, login: Callable[[], None]) -> bool:
        """Logs in unless that was done since ``generation``; raises what the login raised, in every waiting worker.

        :return: whether this call logged in
        """
        finished = self._finished
        with self._lock:
            if self.generation != generation:
                return False
            shared = self._finished != finished or isinstance(self._error, XNATAuthError)
            if shared and self._error is not None:
                raise copy.copy(self._error) from self._error
            try:
                login()
            except XNATError as error:
                self._error = error
                raise
            else:
                self._error = None
                self.generation += 1
            finally:
                self._finished += 1
        return True

    def renewed(self) -> None:
        """Notes that a login took place in another way; forgets a refused one."""
        with self._lock:
            self.generation += 1
            self._error = None
