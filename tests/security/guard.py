"""What every hostile input is held against: nothing written elsewhere, nothing run, nothing said to other hosts.

Python tells of files, processes and imports through audit hooks. A hook can't be taken back, so there is one for the
process, which looks only while a :class:`Guard` is open.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: The module that payloads import. It doesn't exist; that somebody looked for it is proof enough.
CANARY = "xnat_canary"
#: What payloads call, in the spellings that fit an expression, a statement and a template.
CODE = f"__import__('{CANARY}')"

_RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pty.spawn", "ctypes.dlopen")
_WRITES = {"os.mkdir": (0,), "os.rename": (0, 1), "os.symlink": (1,), "os.link": (1,), "os.truncate": (0,),
           "os.remove": (0,), "os.rmdir": (0,), "os.chmod": (0,)}  # fmt: skip
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Collects what happened that must not."""

    def __init__(self, allowed: Iterable[str | os.PathLike[str]]) -> None:
        self.allowed = [os.path.realpath(path) for path in allowed]
        self.complaints: list[str] = []

    def _is_allowed(self, path: str) -> bool:
        # The folder is resolved, the last part is not: replacing a link is fine, writing through one is not seen here.
        parent, name = os.path.split(os.path.abspath(path))
        real = os.path.join(os.path.realpath(parent), name)
        return any(real == root or real.startswith(root + os.sep) for root in self.allowed)

    def saw(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import" and arguments[0] == CANARY:
            self.complaints.append("code of the input was run: the canary was imported")
        elif event in _RUNS:
            self.complaints.append(f"{event}{arguments[:1]}")
        elif event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & _WRITE_FLAGS:
            self._written(event, arguments[0])
        elif event in _WRITES:
            for index in _WRITES[event]:
                if isinstance(arguments[index], (str, os.PathLike)) and not _relative_to_a_folder(event, arguments):
                    self._written(event, os.fspath(arguments[index]))

    def _written(self, event: str, path: str) -> None:
        if path != os.devnull and "__pycache__" not in path and not self._is_allowed(path):
            self.complaints.append(f"{event} {path!r}, outside of {self.allowed}")


def _relative_to_a_folder(event: str, arguments: tuple[Any, ...]) -> bool:
    # shutil.rmtree names what it removes relative to an open folder, whose own place was looked at when it was made.
    return event in ("os.remove", "os.rmdir") and len(arguments) > 1 and arguments[1] not in (None, -1)


_open: list[Guard] = []
_state = threading.local()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _open or getattr(_state, "busy", False):
        return
    if event not in ("open", "import") and event not in _RUNS and event not in _WRITES:
        return
    _state.busy = True
    try:
        for guard in list(_open):
            guard.saw(event, arguments)
    finally:
        _state.busy = False


_hooked = False


@contextmanager
def guarded(*allowed: str | os.PathLike[str]) -> Iterator[Guard]:
    """Fails if anything inside writes outside of these folders, starts a process or runs the canary."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    guard = Guard(allowed)
    # Sessions that earlier tests left in circles remove their folders when they are collected, whenever that is.
    collecting = gc.isenabled()
    gc.disable()
    _open.append(guard)
    try:
        yield guard
    finally:
        _open.remove(guard)
        if collecting:
            gc.enable()
    assert CANARY not in sys.modules
    assert not guard.complaints, guard.complaints


def scratch() -> list[Path]:
    """Folders in which the library may always write: for temporary files, and its cache."""
    return [Path(tempfile.gettempdir()) / "xnat-none", Path(os.environ["XNAT_CACHE_DIR"])]
