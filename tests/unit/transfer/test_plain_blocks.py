"""What deflate left as it is, is read without an inflater."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any
from unittest.mock import patch

import pytest

from xnat.transfer import deflate, zipstream
from xnat.transfer.zipstream import BadZipError, CutZipError, ZipStream

from .conftest import make_zip, noise


def plain(*blocks: bytes, kind: int = 0) -> bytes:
    """A deflate stream of blocks that are not packed; ``kind`` is what stands beside the mark of the last one."""
    ends = [kind] * (len(blocks) - 1) + [kind | 1]
    heads = [struct.pack("<BHH", end, len(block), len(block) ^ 0xFFFF) for end, block in zip(ends, blocks, strict=True)]
    return b"".join(head + block for head, block in zip(heads, blocks, strict=True))


def zip_of(stream: bytes, body: bytes) -> bytes:
    """A zip of one member whose deflate stream is given."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", stream)
    sizes = struct.pack("<LL", len(stream), len(stream))
    crcs = [struct.pack("<L", zlib.crc32(data)) for data in (stream, body)]
    data = made.getvalue().replace(crcs[0] + sizes, crcs[1] + struct.pack("<LL", len(stream), len(body)))
    data = data.replace(b"PK\3\4" + data[4:8] + b"\0\0", b"PK\3\4" + data[4:8] + b"\x08\0")
    at = data.rindex(b"PK\1\2")
    return data[: at + 10] + b"\x08\0" + data[at + 12 :]


class Inflaters:
    """Counts the inflaters that are made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, *arguments: Any) -> Any:
        self.made += 1
        return deflate.decompressobj(*arguments)


def read_counting(data: bytes, piece: int = 65536) -> tuple[list[bytes], int]:
    """The members of a zip, and how many inflaters that took."""
    inflaters = Inflaters()
    stream = ZipStream([data[start : start + piece] for start in range(0, len(data), piece)])
    with patch.object(zipstream, "decompressobj", inflaters):
        return [b"".join(stream.read()) for _ in stream], inflaters.made


@pytest.mark.parametrize("level", [0, 6])
def test_what_is_not_packed_needs_no_inflater(level: int) -> None:
    body = noise(300_000)
    assert read_counting(make_zip([("a", body), ("b", body)], level=level)) == ([body, body], 0)


@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize(
    "blocks",
    [
        [b""],
        [b"end"],
        [noise(5000), b""],
        [noise(65535), noise(4096), b"end"],
    ],
    ids=["empty", "short", "empty end", "long"],
)
def test_blocks_that_are_not_packed(blocks: list[bytes], piece: int) -> None:
    body = b"".join(blocks)
    assert read_counting(zip_of(plain(*blocks), body), piece) == ([body], 0)


def test_small_blocks_are_left_to_the_inflater() -> None:
    # Each would be a step of this program: a million of them must not hold it up.
    blocks = [noise(5000), b"", *[b"x"] * 1000, noise(5000)]
    body = b"".join(blocks)
    assert read_counting(zip_of(plain(*blocks), body)) == ([body], 1)


def test_bits_that_mean_nothing_are_passed_over() -> None:
    body = noise(9000)
    assert zlib.decompress(plain(body, b"", kind=0xF8), -15) == body
    assert read_counting(zip_of(plain(body, b"", kind=0xF8), body)) == ([body], 0)


@pytest.mark.parametrize("at", [1, 3, 5007], ids=["length", "its complement", "length of the second"])
def test_a_damaged_length_is_found(at: int) -> None:
    stream = bytearray(plain(noise(5000), noise(6000)))
    stream[at] ^= 0x40
    with pytest.raises(BadZipError, match="damaged"):
        read_counting(zip_of(bytes(stream), noise(5000) + noise(6000)))


@pytest.mark.parametrize("left", [3, 5, 700, 5003, 5005, 9000])
def test_a_zip_cut_in_such_a_block_is_cut(left: int) -> None:
    whole = zip_of(plain(noise(5000), noise(6000)), noise(5000) + noise(6000))
    with pytest.raises(CutZipError):
        read_counting(whole[: 31 + left])


def test_a_packed_block_reaches_as_far_back_as_it_may() -> None:
    # 32 KiB behind it, through blocks of which only the last ones are kept.
    body = noise(200_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=body[-32768:])
    tail = body[-32768 + 300 : -32768 + 600] + body[-300:]
    stream = plain(body[:60_000], body[60_000:120_000], body[120_000:180_000], body[180_000:], b"")[:-5]
    stream += packer.compress(tail) + packer.flush()
    assert len(stream) < 200_300  # so it does refer back
    assert zlib.decompress(stream, -15) == body + tail
    for piece in (500, 4096, 65536):
        assert read_counting(zip_of(stream, body + tail), piece) == ([body + tail], 1)
