"""What was fetched whole, as a file to read from: small in memory, large on the disk."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from typing import IO, Any, NoReturn

__all__ = ["fetched"]

#: Larger ones go to the disk.
_IN_MEMORY = 1 << 24


def fetched(fetch: Callable[[IO[bytes]], Any]) -> IO[bytes]:
    """A file to read what ``fetch`` writes into it; it is gone when it is closed."""
    spool = _Fetched(max_size=_IN_MEMORY)
    try:
        fetch(spool)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    spool.sealed = True
    return spool


class _Fetched(tempfile.SpooledTemporaryFile[bytes]):
    """Takes no more once it is sealed: what one writes into it would reach no server, and nobody would know."""

    sealed = False

    # Python 3.10 doesn't have these three in the class above.
    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return not self.sealed

    def write(self, s: Any) -> int:
        return self._refuse() if self.sealed else super().write(s)

    def writelines(self, iterable: Any) -> None:
        return self._refuse() if self.sealed else super().writelines(iterable)

    def truncate(self, size: int | None = None) -> Any:
        if self.sealed:
            self._refuse()
        return super().truncate(size)

    def _refuse(self) -> NoReturn:
        raise io.UnsupportedOperation("This is what the server sent, to be read; upload() of a resource writes files")
