"""What a server does unasked: build sessions nothing more arrives for, and archive them if their projects say so."""

from __future__ import annotations

import datetime

from .archiving import Conflict, Merge, archive
from .clock import timestamp
from .errors import Refused
from .prearchive import Intake, lock
from .store import PrearchiveRow, Store

__all__ = ["settle"]


def settle(store: Store, seconds: float) -> None:
    """Build what has been RECEIVING for that long; a real server looks every minute, the sandbox before each answer."""
    limit = timestamp(datetime.datetime.now() - datetime.timedelta(seconds=seconds))
    if not store.prearchive.resting(limit):
        return
    with lock:  # asked again: the session may have grown, or somebody else may have built it
        for row in store.prearchive.resting(limit):
            Intake(store).build(row)
            if row.status == "READY" and row.autoarchive.startswith("Auto") and row.prevent_auto_commit != "true":
                _archive(store, row)


def _archive(store: Store, row: PrearchiveRow) -> None:
    merge = Merge("append", True) if row.autoarchive == "AutoArchiveOverwrite" else Merge()
    try:
        archive(store, row, merge, user=row.extra.get("user", "admin"))
    except (Conflict, Refused):
        # Nobody waits for this answer: the row's status and log say what is wrong.
        return
