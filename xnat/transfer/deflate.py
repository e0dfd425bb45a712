"""The library that unpacks and checks the members of zips.

zlib-ng where it is installed: it computes a CRC fifteen times as fast as zlib and unpacks in two thirds of the time,
which is most of what checking a download costs. The same names from the standard library otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["MAX_WBITS", "crc32", "decompressobj", "error"]

if TYPE_CHECKING:
    from zlib import MAX_WBITS, crc32, decompressobj, error
else:
    try:
        from zlib_ng.zlib_ng import MAX_WBITS, crc32, decompressobj, error
    except ImportError:  # not installed, or built for another machine
        from zlib import MAX_WBITS, crc32, decompressobj, error
