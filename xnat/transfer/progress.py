"""Progress of transfers: a callable ``(bytes so far, total or None, finished)``, and a bar as the default one."""

from __future__ import annotations

import contextvars
import importlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from xnat.protocols import UpdateFunc

__all__ = ["Aggregate", "Screen", "Share", "UpdateFunc", "default_update_func", "human_bytes", "ignore"]


def ignore(done: int, total: int | None, finished: bool) -> None:
    """Show nothing."""


def default_update_func(total: int | None) -> UpdateFunc:
    """A function that shows a progress bar while a transfer goes on, in a notebook or on a terminal; elsewhere nothing.

    :param total: the bytes to come; None if that is known only when the answer begins, or never
    """
    if _in_notebook():
        return _NotebookBar(total)
    # A bar in the log file of a cron job is noise, and it must not cost the import of progressbar either.
    if not _is_terminal(sys.stdout):
        return ignore
    return _Bar(total)


class _Bar:
    """A progress bar, made when the first bytes come: by then the length is known if ever."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._bar: Any = None

    def __call__(self, done: int, total: int | None, finished: bool) -> None:
        import progressbar

        if self._bar is None:
            self._bar = self._made(progressbar, total)
        bar = self._bar
        if bar.max_value is not progressbar.UnknownLength and done > bar.max_value:
            bar.max_value = done  # a server may send more than it announced; that is no reason to fail here
        if finished:
            bar.finish(dirty=total is not None and done < total)
            return
        if bar.value is not None and done < bar.value:
            bar.start()  # an attempt begins again
        bar.update(done)

    def _made(self, progressbar: Any, total: int | None) -> Any:
        length: Any = next((n for n in (total, self._total) if n is not None), progressbar.UnknownLength)
        known = length is not progressbar.UnknownLength
        shape = [progressbar.Percentage(), " ", progressbar.Bar()] if known else [progressbar.AnimatedMarker()]
        widgets = [*shape, " ", self._amount, " ", progressbar.AdaptiveETA()]
        return progressbar.ProgressBar(max_value=length, widgets=widgets, fd=Screen(sys.stdout))

    @staticmethod
    def _amount(bar: Any, data: dict[str, Any]) -> str:
        """``12.0 MB of 40.0 MB, 3.1 MB/s``, at a width that doesn't jump."""
        done, seconds = data["value"] or 0, data["total_seconds_elapsed"] or 0
        whole = f" of {human_bytes(data['max_value'])}" if isinstance(data["max_value"], int) else ""
        rate = f", {human_bytes(done / seconds)}/s" if seconds > 0 else ""
        return f"{human_bytes(done)}{whole}{rate}"


class Screen:
    """A stream of now. Given stdout or stderr itself, progressbar writes to what that was when first imported."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _NotebookBar:
    """A progress bar as an output of a notebook's cell, renewed in its place; it needs no widgets.

    A page that was saved shows the last state. Plain text stands beside the HTML for what can't show that.
    """

    #: Seconds between two states that are shown; each is a message to the browser.
    INTERVAL = 0.2

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._handle: Any = None
        self._start = self._shown = clock()
        # Workers tell how far they are; the notebook finds the cell of a message by the context.
        self._context = contextvars.copy_context()

    def __call__(self, done: int, total: int | None, finished: bool) -> None:
        now = self._clock()
        if self._handle is not None and not finished and now - self._shown < self.INTERVAL:
            return
        self._shown = now
        self._context.run(self._show, self._views(done, total or self._total, finished, now - self._start))

    def _show(self, views: dict[str, str]) -> None:
        # By name: type checkers needn't have IPython.
        display = importlib.import_module("IPython.display").display
        if self._handle is None:
            self._handle = display(views, raw=True, display_id=True)
        else:
            self._handle.update(views, raw=True)

    @staticmethod
    def _views(done: int, total: int | None, finished: bool, seconds: float) -> dict[str, str]:
        text = human_bytes(done) if total is None else f"{human_bytes(done)} of {human_bytes(total)}"
        if finished and total is not None and done < total:
            text += ", incomplete"
        elif seconds > 0 and done:
            text += f", {human_bytes(done / seconds)}/s"
        # Without a value the browser shows that something goes on, without an end in sight.
        limits = f' value="{done}" max="{max(total or 0, done, 1)}"' if total is not None or finished else ""
        style = "width: 20em; vertical-align: middle"
        return {"text/plain": text, "text/html": f'<progress{limits} style="{style}"></progress> {text}'}


def _in_notebook() -> bool:
    """Whether outputs go to a notebook: IPython runs, and as a kernel, not in a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class Aggregate:
    """Adds up the progress of several files for one update function; safe to use from several threads.

    :ivar error: what the update function raised: the user's way to end a transfer
    """

    def __init__(self, update_func: UpdateFunc | None, total: int | None) -> None:
        self._update = update_func
        self._total = total
        self._lock = threading.Lock()
        self.done = 0
        self.error: BaseException | None = None

    def share(self) -> Share:
        """A counter for one file."""
        return Share(self)

    def advance(self, count: int) -> None:
        """Note more bytes (or fewer, if an attempt was in vain)."""
        with self._lock:
            self.done += count
            if self._update is None or not count:
                return
            try:
                self._update(self.done, self._total, False)
            except BaseException as error:
                self._update, self.error = None, error
                raise

    def finish(self) -> None:
        """Say that nothing more will come."""
        with self._lock:
            update, self._update = self._update, None
            if update is not None:
                update(self.done, self._total, True)


class Share:
    """The part of one file in an :py:class:`Aggregate`; can be taken back when the file starts again."""

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate
        self.done = 0

    def __call__(self, count: int) -> None:
        self.done += count
        self._aggregate.advance(count)

    def restart(self) -> None:
        """Take back what was counted."""
        self(-self.done)


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # replaced by something that is no file, or closed
        return False


def human_bytes(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
