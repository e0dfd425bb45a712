"""A few worker threads for transfers: results as they come, prompt stop.

The threads are daemons and every task gets a :py:class:`Stop` to look at between chunks, so Ctrl-C ends a transfer of
hours at once instead of after the files that happen to be in flight.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from xnat.exceptions import XNATValueError

__all__ = ["Outcome", "Pool", "Stop", "Stopped", "check_workers"]

_GRACE = 2.0  # seconds to let workers remove their temporary files after a stop
_POLL = 0.2  # a wait without end can't be interrupted by Ctrl-C on Windows


class Stopped(Exception):  # noqa: N818  (not an error: the answer to a request to stop)
    """Raised inside a task when the transfer is to end."""


class Stop:
    """Tells tasks to end."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask every task to end."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether tasks should end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise :py:class:`Stopped` if tasks should end."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Sleep, but not past a stop.

        :raises Stopped: tasks should end
        """
        self._event.wait(seconds)
        self.check()


@dataclass(frozen=True)
class Outcome:
    """What became of one task: a value, or the error it ended with; ``fatal`` if that error stopped the pool."""

    task: Any
    value: Any = None
    error: BaseException | None = None
    fatal: bool = False


class Pool:
    """Runs tasks in *workers* threads. Submit, iterate over the outcomes, submit more meanwhile.

    ::

        with Pool(4) as pool:
            pool.submit(task, function, argument)
            for outcome in pool:      # ends when nothing is left
                ...

    :param is_fatal: says of a task's error whether all further tasks are senseless; called in the worker
    """

    def __init__(self, workers: int = 4, is_fatal: Callable[[BaseException], bool] = lambda error: False) -> None:
        self.stop = Stop()
        self._is_fatal = is_fatal
        self._workers = check_workers(workers)
        self._todo: queue.SimpleQueue[tuple[Any, Callable[..., Any], tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._open = 0
        self._threads: list[threading.Thread] = []

    def submit(self, task: Any, function: Callable[..., Any], *args: Any) -> None:
        """Have ``function(*args)`` run in a worker; *task* comes back in its outcome."""
        self._open += 1
        self._todo.put((task, function, args))
        if len(self._threads) < min(self._workers, self._open):
            thread = threading.Thread(target=self._work, name=f"xnat-transfer-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def __iter__(self) -> Iterator[Outcome]:
        while self._open:
            try:
                outcome = self._done.get(timeout=_POLL)
            except queue.Empty:
                continue
            self._open -= 1
            yield outcome

    @property
    def running(self) -> bool:
        """Whether a thread is still at work (only after a stop that one did not hear in time)."""
        return any(thread.is_alive() for thread in self._threads)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.stop.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join(_GRACE if error is not None else None)

    def _work(self) -> None:
        while (job := self._todo.get()) is not None:
            task, function, args = job
            try:
                self.stop.check()
                self._done.put(Outcome(task, function(*args)))
            except BaseException as error:  # travels to the main thread, which reports it
                fatal = not isinstance(error, Stopped) and (not isinstance(error, Exception) or self._is_fatal(error))
                if fatal:
                    self.stop.set()
                self._done.put(Outcome(task, error=error, fatal=fatal))


def check_workers(workers: int) -> int:
    """*workers* if it is a usable number of threads.

    :raises xnat.exceptions.XNATValueError: it is not
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise XNATValueError(f"workers must be a whole number from 1 on, not {workers!r}")
    return workers
