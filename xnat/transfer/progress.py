"""Progress of transfers: a callable ``(bytes so far, total or None, finished)``, and a bar as the default one."""

from __future__ import annotations

import sys
import threading
from typing import Any

from xnat.protocols import UpdateFunc

__all__ = ["Aggregate", "Share", "UpdateFunc", "default_update_func", "ignore"]


def ignore(done: int, total: int | None, finished: bool) -> None:
    """Show nothing."""


def default_update_func(total: int | None) -> UpdateFunc:
    """A function that shows a progress bar on stdout while a transfer goes on; nothing if stdout is not a terminal.

    :param total: the bytes to come; None if that is known only when the answer begins, or never
    """
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
            length: Any = next((n for n in (total, self._total) if n is not None), progressbar.UnknownLength)
            self._bar = progressbar.DataTransferBar(max_value=length, fd=_Screen(sys.stdout))
        bar = self._bar
        if bar.max_value is not progressbar.UnknownLength and done > bar.max_value:
            bar.max_value = done  # a server may send more than it announced; that is no reason to fail here
        if finished:
            bar.finish(dirty=total is not None and done < total)
            return
        if bar.value is not None and done < bar.value:
            bar.start()  # an attempt begins again
        bar.update(done)


class _Screen:
    """The stdout of now. Given sys.stdout itself, progressbar writes to what that was when it was first imported."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


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
