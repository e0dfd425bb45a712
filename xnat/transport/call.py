"""One request as its caller wants it; survives its repetitions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from xnat.constants import CONNECT_TIMEOUT, READ_TIMEOUT
from xnat.exceptions import XNATValueError
from xnat.protocols import Timeout
from xnat.transport.body import Body
from xnat.transport.errors import Asked

__all__ = ["DEFAULT_TIMEOUT", "Call", "announced_length", "header_name", "header_value", "pair", "settle_headers"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_NOT_IN_HEADER = re.compile("[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")

# Seconds to connect, and the longest silence while waiting for an answer or between two parts of it.
DEFAULT_TIMEOUT: Timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)


class Call:
    """One request as the caller wants it; survives its repetitions.

    :ivar attempts: how often it was sent in the present round
    :ivar doubtful: an earlier attempt may have done its work although its answer was lost
    """

    def __init__(
        self,
        *,
        method: str,
        url: str,
        body: Body,
        headers: dict[str, str],
        timeout: tuple[float | None, float | None],
        accepted: Collection[int] | None,
        stream: bool,
        allow_redirects: bool,
        idempotent: bool,
        allow_html: bool,
        with_session: bool,
        most_attempts: int | None,
    ) -> None:
        self.method = method
        self.url = url
        self.body = body
        self.headers = headers
        self.timeout = timeout
        self.accepted = accepted
        self.stream = stream
        self.allow_redirects = allow_redirects
        self.idempotent = idempotent
        self.allow_html = allow_html
        self.with_session = with_session
        self.most_attempts = most_attempts
        self.attempts = 0
        self.doubtful = False

    @property
    def asked(self) -> Asked:
        return Asked(self.method, self.url)

    def accepts(self, status: int) -> bool:
        if self.accepted is not None and status in self.accepted:
            return True
        # The first DELETE may have worked and only its answer got lost.
        if self.doubtful and self.method == "DELETE" and status == 404:
            return True
        return self.accepted is None and 200 <= status < 300


def settle_headers(headers: Mapping[str, str], body: Body, *, stream: bool) -> dict[str, str]:
    """The caller's headers, with the body's content type, and no compression of what is streamed, if they don't say."""
    given = {header_name(key): header_value(value) for key, value in headers.items()}
    names = {key.lower() for key in given}
    if body.content_type and "content-type" not in names:
        given["Content-Type"] = body.content_type
    if stream and "accept-encoding" not in names:
        given["Accept-Encoding"] = "identity"
    # requests would send it beside its own
    return {key: value for key, value in given.items() if key.lower() != "content-length"}


def header_name(name: object) -> str:
    """The name of a header, if it can be one: anything else would begin another header, or the body."""
    text = str(name)
    if not _TOKEN.match(text):
        raise XNATValueError(f"{text!r} can't be the name of a header")
    return text


def header_value(value: object) -> str:
    """The value of a header, if it can be one.

    :raises XNATValueError: it holds a line end or anything else that can't be sent; not shown, as it may be a secret
    """
    text = str(value)
    if _NOT_IN_HEADER.search(text):
        raise XNATValueError("The value of a header can't hold line ends, control characters or other than Latin-1")
    return text


def announced_length(headers: Mapping[str, str]) -> int | None:
    """The length a caller announces for a stream."""
    values = [str(value) for key, value in headers.items() if key.lower() == "content-length"]
    return int(values[-1]) if values and values[-1].isdigit() else None


def pair(timeout: Timeout) -> tuple[float | None, float | None]:
    """(connect, read). One number limits the silence; connecting has its own, shorter limit."""
    if timeout is None or isinstance(timeout, tuple):
        return timeout or (None, None)
    if timeout <= 0:
        raise XNATValueError(f"A timeout must be greater than 0, found {timeout}")
    return (min(CONNECT_TIMEOUT, timeout), timeout)
