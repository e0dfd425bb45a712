"""Fixtures of the transport tests: scripted servers, and clients that don't really wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from xnat.transport.client import HTTPClient
from xnat.transport.retry import RetryPolicy

from .scripted_server import Server, Waits


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(**options: bool) -> Server:
        servers.append(Server(**options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def make_client(waits: Waits) -> Iterator[Callable[..., HTTPClient]]:
    clients: list[HTTPClient] = []

    def make(url: str, **options: Any) -> HTTPClient:
        options.setdefault("retry", RetryPolicy(sleep=waits, random=lambda: 0.0))
        options.setdefault("environ", {})
        clients.append(HTTPClient(url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(server: Server, make_client: Callable[..., HTTPClient]) -> HTTPClient:
    return make_client(server.url)
