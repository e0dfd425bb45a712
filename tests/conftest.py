"""What every test has: a home of its own, no network but loopback, and a sandbox to talk to."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest

from tests.slow import is_slow

# How long an input takes to make, or to be worked on, says more about what else the machine does.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
KEPT = ("XNAT_TEST_SERVER", "XNAT_TEST_USER", "XNAT_TEST_PASS")


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """HOME, netrc and caches in a temporary folder, no XNAT_* variable of the developer's, no proxies."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if (name.startswith("XNAT") and name not in KEPT) or name.lower() in PROXIES:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("USERPROFILE", str(home))
        patch.setenv("NETRC", str(home / ".netrc"))
        patch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
        patch.setenv("XNAT_CACHE_DIR", str(home / ".cache" / "xnat"))
        yield


def _is_allowed(address: Any, family: int) -> bool:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = address[0]
    given = urlsplit(os.environ.get("XNAT_TEST_SERVER", "")).hostname
    if host == "localhost" or host == given:
        return True
    try:
        if ipaddress.ip_address(host).is_loopback:
            return True
    except ValueError:
        return False
    return given is not None and host in {info[4][0] for info in socket.getaddrinfo(given, None)}


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Refuse every connection that leaves this machine: a test that needs one is wrong."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: Any) -> None:
        if not _is_allowed(address, self.family):
            raise PermissionError(f"A test tried to connect to {address}")
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        if not _is_allowed(address, self.family):
            raise PermissionError(f"A test tried to connect to {address}")
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a server that isn't there. Its port is taken, so that nobody begins to listen there meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Any]:
    """A server for the session: a sandbox, or the one of XNAT_TEST_SERVER (then it only has url, user and password).

    Tests share it: use projects of your own, and leave no faults behind.
    """
    given = os.environ.get("XNAT_TEST_SERVER")
    if given:
        user, password = os.environ.get("XNAT_TEST_USER", "admin"), os.environ.get("XNAT_TEST_PASS", "admin")
        yield SimpleNamespace(url=given.rstrip("/"), user=user, password=password)
        return
    from xnat.sandbox import Sandbox

    with Sandbox() as server:
        yield server


@pytest.fixture
def own_sandbox() -> Iterator[Any]:
    """A fresh sandbox for one test that counts requests, scripts faults or needs a server with nothing in it."""
    from xnat.sandbox import Sandbox

    with Sandbox() as server:
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what tests/slow.py lists."""
    seen: dict[str, int] = {}
    for item in items:
        if is_slow(item.nodeid, seen):
            item.add_marker(pytest.mark.slow)
