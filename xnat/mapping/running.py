"""How ``map`` runs: objects to an executor, results back, every one of them noted before the next is looked at."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack
from typing import Any

from ..exceptions import XNATValueError
from ..protocols import UpdateFunc
from .journal import Journal

__all__ = ["MappedFunctionFailed", "Threads", "run"]

#: Calls handed to an executor ahead of time: enough for a cluster, and little memory however many objects there are.
_AHEAD = 1024
#: Calls ahead per thread of our own: they begin at once, so there is no need for more.
_AHEAD_PER_THREAD = 4
_POLL = 0.2  # a wait without end can't be interrupted by Ctrl-C on Windows


class MappedFunctionFailed:
    """In the results of ``map``: what stands where the function raised.

    :ivar reason: kind and text of the error
    :ivar traceback: where it was raised, as text
    """

    def __init__(self, reason: str, traceback: str = "") -> None:
        self.reason = reason
        self.traceback = traceback

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MappedFunctionFailed) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.reason, self.traceback))

    @classmethod
    def of(cls, error: BaseException) -> MappedFunctionFailed:
        """What became of an error. The error itself may not be fit to travel between processes."""
        import traceback

        text = f"{type(error).__name__}: {error}".rstrip(": ")
        return cls(text, "".join(traceback.format_exception(type(error), error, error.__traceback__)))

    def __repr__(self) -> str:
        return f"MappedFunctionFailed({self.reason!r})"


class Threads(Executor):
    """Threads that don't keep the program from ending: what ``ThreadPoolExecutor`` does not offer.

    Its threads are waited for at exit, so that Ctrl-C would take as long as the slowest call that is under way.
    """

    def __init__(self, workers: int) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise XNATValueError(f"workers must be a whole number from 1 on, not {workers!r}")
        self.workers = workers
        self._todo: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have ``fn(*args, **kwargs)`` called in a thread."""
        future: Future[Any] = Future()
        self._todo.put((future, lambda: fn(*args, **kwargs)))
        if len(self._threads) < self.workers:
            thread = threading.Thread(target=self._work, name=f"xnat-map-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:
        """End the threads when nothing is left to do, without waiting; calls that were cancelled are nothing."""
        for _ in self._threads:
            self._todo.put(None)

    def _work(self) -> None:
        while (job := self._todo.get()) is not None:
            future, call = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # it is raised where the result is looked at
                future.set_exception(error)
            del job, future, call


def run(
    objects: Iterable[Any],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    server: str,
    executor: Executor | None,
    workers: int,
    progress: UpdateFunc | bool | None,
    journal: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """Result by address of ``function(object, *args, **kwargs)``, failures as values."""
    with ExitStack() as stack:
        notes = stack.enter_context(Journal(journal, server)) if journal is not None else None
        direct = executor is None
        if executor is None:
            executor = Threads(workers)
            stack.callback(executor.shutdown, wait=False)
        calls = _Calls(executor, function, args, kwargs, direct=direct)
        ahead = workers * _AHEAD_PER_THREAD if direct else _AHEAD
        return _Mapping(calls, notes, _teller(progress), ahead=ahead).over(objects)


class _Calls:
    """Calls that were handed to the executor, and those that have come back."""

    def __init__(
        self,
        executor: Executor,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        direct: bool,
    ) -> None:
        self._executor = executor
        self._call = (function, args, dict(kwargs))
        self._direct = direct
        self._back: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self.open: dict[Future[Any], str] = {}

    def begin(self, uri: str, obj: Any) -> None:
        """Have the function called with an object."""
        import pickle

        # As bytes, so that what fails on arrival (no credentials there, say) is that call's failure. A process pool
        # whose worker fails to unpickle a call breaks down as a whole.
        sent = obj if self._direct else pickle.dumps(obj)
        future = self._executor.submit(_perform, sent, *self._call)
        self.open[future] = uri
        future.add_done_callback(self._back.put)

    def next(self) -> tuple[str, Future[Any]]:
        """Wait for a call to come back."""
        while True:
            try:
                future = self._back.get(timeout=_POLL)
            except queue.Empty:
                continue
            return self.open.pop(future), future

    def stop(self) -> Iterator[tuple[str, Future[Any]]]:
        """Cancel what hasn't begun; those that have come back meanwhile."""
        for future in self.open:
            future.cancel()
        while True:
            try:
                future = self._back.get_nowait()
            except queue.Empty:
                return
            if future in self.open and not future.cancelled():
                yield self.open.pop(future), future


def _perform(sent: Any, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """In the worker: the function's result, or its failure as a value. Ctrl-C and exits pass through."""
    import pickle

    try:
        # S301: these bytes were made by begin(), of an object, in the process that started this one.
        obj = pickle.loads(sent) if isinstance(sent, bytes) else sent  # noqa: S301
        return function(obj, *args, **kwargs)
    except Exception as error:
        return MappedFunctionFailed.of(error)


class _Mapping:
    """One run."""

    def __init__(self, calls: _Calls, journal: Journal | None, tell: UpdateFunc, *, ahead: int) -> None:
        self._calls = calls
        self._journal = journal
        self._tell = tell
        self._ahead = ahead
        self._total: int | None = None
        self._done = 0
        self.results: dict[str, Any] = {}

    def over(self, objects: Iterable[Any]) -> dict[str, Any]:
        """Go over the objects."""
        try:
            for uri, obj in self._new(objects):
                self._calls.begin(uri, obj)
                while len(self._calls.open) >= self._ahead:
                    self._settle(*self._calls.next())
            self._total = len(self.results)
            while self._calls.open:
                self._settle(*self._calls.next())
        except BaseException:
            # What has come back already is not to be done again by the next run.
            for uri, future in self._calls.stop():
                self._rescue(uri, future)
            raise
        finally:
            self._tell(self._done, self._total, True)
        return self.results

    def _new(self, objects: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """Those that are to be done; the others' results are taken from the journal."""
        earlier = self._journal.done if self._journal is not None else {}
        for obj in objects:
            uri = obj.fulluri
            if uri in self.results:
                continue
            # The place in the order; the result follows.
            self.results[uri] = earlier.get(uri)
            if uri in earlier:
                self._advance()
            else:
                yield uri, obj

    def _settle(self, uri: str, future: Future[Any]) -> None:
        """Take one result.

        :raises BrokenExecutor: the executor has lost its workers
        :raises KeyboardInterrupt: so did the function; the same for SystemExit
        """
        try:
            result = future.result()
        except BrokenExecutor:
            raise
        except Exception as error:
            # Not the function's, whose are values by now: it, its arguments or its result could not travel.
            result = MappedFunctionFailed.of(error)
        self.results[uri] = result
        if self._journal is not None:
            if isinstance(result, MappedFunctionFailed):
                self._journal.failed(uri, result.reason)
            else:
                self._journal.succeeded(uri, result)
        self._advance()

    def _rescue(self, uri: str, future: Future[Any]) -> None:
        try:
            self._settle(uri, future)
        except BaseException:  # noqa: S110 - the run ends with its first error; this one has left no trace
            pass

    def _advance(self) -> None:
        self._done += 1
        self._tell(self._done, self._total, False)


def _teller(progress: UpdateFunc | bool | None) -> UpdateFunc:
    from ..transfer.progress import ignore

    if callable(progress):
        return progress
    return _Bar() if progress else ignore


class _Bar:
    """A progress bar of objects; their number is known only when the last listing has been asked for."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, done: int, total: int | None, finished: bool) -> None:
        import progressbar

        from ..transfer.progress import Screen

        if self._bar is None:
            # By itself it would write to what was standard error when it was imported.
            self._bar = progressbar.ProgressBar(max_value=progressbar.UnknownLength, fd=Screen(sys.stderr))
        if total is not None and self._bar.max_value is progressbar.UnknownLength:
            self._bar.max_value = total
        if finished:
            self._bar.finish(dirty=total is not None and done < total)
        else:
            self._bar.update(done)
