"""zlib-ng and zlib tell the same of the same zip, whole or damaged."""

from __future__ import annotations

import subprocess
import sys
import zlib
from types import ModuleType
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnat.transfer import deflate, zipstream
from xnat.transfer.zipstream import BadZipError, ZipStream

from .conftest import make_zip, noise

zlib_ng = pytest.importorskip("zlib_ng.zlib_ng")

# The last one refers from a packed block back into blocks that hold their bytes as they are.
BODIES = [
    b"", b"a", b"text, " * 40_000, noise(200_000), bytes(3 << 20), noise(70_000) + bytes(70_000) + noise(70_000),
    noise(40_000) * 3,
]  # fmt: skip
ZIPS = [
    make_zip([(f"{number}-{level}", body) for number, body in enumerate(BODIES)], level=level) for level in (0, 1, 6, 9)
]


def outcome(data: bytes, piece: int, library: ModuleType) -> list[tuple[str, int, int]] | str:
    """What is read from a zip: of each member its name, length and CRC, or that it is damaged."""
    pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
    names = {"DeflateError": library.error, "crc32": library.crc32, "decompressobj": library.decompressobj}
    with patch.multiple(zipstream, **names):
        stream, found = ZipStream(pieces), []
        try:
            for member in stream:
                body = b"".join(stream.read())
                found.append((member.name, len(body), zlib.crc32(body)))
        except BadZipError as error:
            return type(error).__name__
    return found


@pytest.mark.parametrize("piece", [997, 65536, 1 << 22])
@pytest.mark.parametrize("data", ZIPS, ids=["level 0", "level 1", "level 6", "level 9"])
def test_they_read_the_same(data: bytes, piece: int) -> None:
    read = outcome(data, piece, zlib_ng)
    assert read == outcome(data, piece, zlib)
    assert [(length, crc) for _, length, crc in read] == [(len(body), zlib.crc32(body)) for body in BODIES]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(ZIPS), st.floats(0, 0.999), st.integers(1, 255), st.booleans())
def test_they_find_the_same_damage(data: bytes, place: float, change: int, cut: bool) -> None:
    at = int(place * len(data))
    damaged = data[:at] if cut else data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]
    assert outcome(damaged, 65536, zlib_ng) == outcome(damaged, 65536, zlib)


def test_zlib_ng_is_used_where_it_is_installed() -> None:
    assert deflate.crc32 is zlib_ng.crc32
    program = (
        "import sys, zlib\n"
        "sys.modules['zlib_ng'] = None\n"
        "from xnat.transfer import deflate\n"
        "assert deflate.crc32 is zlib.crc32 and deflate.DeflateError is zlib.error\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
