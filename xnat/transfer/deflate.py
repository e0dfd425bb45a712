"""The library that unpacks and checks the members of zips.

zlib-ng where it is installed: it computes a CRC fifteen times as fast as zlib and unpacks in two thirds of the time,
which is most of what checking a download costs. The same names from the standard library otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["MAX_WBITS", "DeflateError", "crc32", "decompressobj"]

if TYPE_CHECKING:
    import zlib as library
else:
    try:
        from zlib_ng import zlib_ng as library
    except ImportError:  # not installed, or built for another machine
        import zlib as library

MAX_WBITS = library.MAX_WBITS
DeflateError = library.error
crc32 = library.crc32
decompressobj = library.decompressobj
