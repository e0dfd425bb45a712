"""A body whose beginning was looked at without being lost, and whose failures are this package's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from xnat.transport import pages

if TYPE_CHECKING:
    import requests

__all__ = ["Peeked", "peek"]

_CHUNK = 65536


class Peeked:
    """Stands in for ``response.raw``: gives the bytes that were read ahead, then the rest.

    Always reads through ``raw.read``. Reading ahead so and going on with urllib3's own ``stream`` would lose track of
    the chunks of a chunked body, since the two count them in different places.
    """

    def __init__(self, raw: Any, translate: Callable[[BaseException], BaseException]) -> None:
        self._raw = raw
        self._head = b""
        # Where nothing is packed: urllib3 then gives what it read, in place of a copy.
        self._unpack = raw.headers.get("Content-Encoding", "identity").lower() != "identity"
        self._translate = translate

    def peek(self, size: int) -> bytes:
        """The first ``size`` bytes, or all there are."""
        while len(self._head) < size:
            data = self._more(size - len(self._head))
            if not data:
                break
            self._head += data
        return self._head[:size]

    def read(self, amt: int | None = None, decode_content: bool | None = None, **_: Any) -> bytes:
        """The next bytes; all that are left without ``amt``."""
        if amt is None or amt < 0:
            return b"".join(self.stream())
        if not self._head:
            return self._more(amt)
        # a short read: what is here must not be lost if the connection breaks at the next byte
        head, self._head = self._head[:amt], self._head[amt:]
        return head

    def stream(self, amt: int | None = _CHUNK, decode_content: bool | None = None) -> Iterator[bytes]:
        """All bytes that are left, in pieces of at most ``amt``."""
        size = amt or _CHUNK
        while data := self.read(size):
            yield data

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    @property
    def closed(self) -> bool:
        """True when nothing is left to read."""
        return not self._head and bool(self._raw.closed)

    def __getattr__(self, name: str) -> Any:
        if name == "_raw":
            raise AttributeError(name)
        return getattr(self._raw, name)

    def _more(self, size: int) -> bytes:
        import requests
        from urllib3.exceptions import HTTPError

        try:
            data: bytes = self._raw.read(size, decode_content=self._unpack)
        except (HTTPError, requests.RequestException, OSError) as error:
            raise self._translate(error) from error
        except ValueError as error:  # the size of a chunk that is negative
            broken = requests.exceptions.ChunkedEncodingError(error)
            raise self._translate(broken) from broken
        return data


def peek(response: requests.Response, translate: Callable[[BaseException], BaseException], size: int) -> bytes:
    """The beginning of an answer's body; whoever reads the answer afterwards still gets all of it."""
    if response._content_consumed:  # type: ignore[attr-defined]
        return response.content[:size]
    if not isinstance(response.raw, Peeked):
        response.raw = Peeked(response.raw, translate)
    return response.raw.peek(size) or b""


def page(response: requests.Response, translate: Callable[[BaseException], BaseException]) -> bytes:
    """The part of an answer that is looked through for messages."""
    return peek(response, translate, pages.PAGE)
