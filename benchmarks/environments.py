"""Virtual environments for other clients, each in ``.venvs/<name>`` below the repository.

They are made when first asked for and kept. The contract tests with other clients and the benchmarks share them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PEERS", "ROOT", "PackagesUnreachableError", "PeerError", "clean_environ", "executable", "python"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venvs"

#: What each environment holds. pyxnat imports nibabel and pandas without declaring them.
PEERS: Mapping[str, tuple[str, ...]] = {
    "xnatpy": ("xnat==0.8.1",),
    "pyxnat": ("pyxnat==1.6.4", "nibabel", "pandas"),
    "xnatctl": ("xnatctl==0.6.0",),
}

_UNREACHABLE = re.compile(
    r"connection broken|Max retries|NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|"
    r"Temporary failure in name resolution|Name or service not known|Network is unreachable",
    re.IGNORECASE,
)
_PATIENCE = 600
# As it was when this was imported: tests take the user's settings away, but pip needs those of the network.
_ENVIRON = dict(os.environ)


class PeerError(Exception):
    """An environment could not be made."""


class PackagesUnreachableError(PeerError):
    """The package index cannot be reached from here."""


def python(name: str) -> Path:
    """The interpreter of the environment ``name``; made if there is none."""
    return _ready(name, PEERS[name]) / _scripts() / ("python.exe" if os.name == "nt" else "python")


def executable(name: str, program: str) -> Path:
    """A program of the environment ``name``; made if there is none."""
    return _ready(name, PEERS[name]) / _scripts() / (f"{program}.exe" if os.name == "nt" else program)


def clean_environ(home: str | os.PathLike[str], **extra: str) -> dict[str, str]:
    """Environment variables for a client: nothing of the user's XNAT settings, credentials or proxies gets through."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"XNAT|PYTHON|NETRC|.*proxy|VIRTUAL_ENV|PYTEST", name, re.IGNORECASE)
    }
    places = {"HOME": str(home), "XDG_CACHE_HOME": f"{home}/.cache", "XDG_CONFIG_HOME": f"{home}/.config"}
    return {**kept, **places, "NO_PROXY": "127.0.0.1,localhost", **extra}


def _scripts() -> str:
    return "Scripts" if os.name == "nt" else "bin"


def _ready(name: str, requirements: tuple[str, ...]) -> Path:
    folder, wanted = FOLDER / name, "\n".join([*requirements, sys.version])
    stamp = folder / ".installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder
    FOLDER.mkdir(exist_ok=True)
    lock = FOLDER / f"{name}.lock"
    if not _take(lock, stamp):
        return _ready(name, requirements)
    try:
        _make(folder, requirements)
        stamp.write_text(wanted)
    finally:
        lock.rmdir()
    return folder


def _take(lock: Path, stamp: Path) -> bool:
    """Take the lock; False when another process, which had it, has made the environment."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            lock.mkdir()
            return True
        except FileExistsError:
            if time.monotonic() > deadline:
                raise PeerError(f"{lock} is left over: remove it") from None
            time.sleep(0.5)
        if stamp.is_file() and not lock.exists():
            return False


def _make(folder: Path, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / _scripts() / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, *requirements])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=_ENVIRON, timeout=_PATIENCE, check=False)
    if done.returncode:
        kind = PackagesUnreachableError if _UNREACHABLE.search(done.stderr) else PeerError
        raise kind(f"{' '.join(command[1:])} failed: {done.stderr.strip()[-800:]}")
