"""The ``xnat_sandbox`` fixture: an XNAT server for anybody's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox


@pytest.fixture
def xnat_sandbox() -> Iterator[Sandbox]:
    """A fresh, empty sandbox; ``xnat_sandbox.url``, user and password ``admin``."""
    from .sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox
