"""What went wrong, in one sentence for people and as facts for programs.

Texts name method, URL, status or cause, and the server's own words. They never hold credentials, cookies or query
values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

from xnat import uris
from xnat.exceptions import (
    XNATConflictError,
    XNATConnectionError,
    XNATError,
    XNATForbiddenError,
    XNATNotFoundError,
    XNATRedirectError,
    XNATResponseError,
    XNATTimeoutError,
    XNATUnauthorizedError,
    XNATUnexpectedPageError,
)
from xnat.transport import pages
from xnat.transport.retry import Failure

if TYPE_CHECKING:
    import requests

__all__ = ["Asked", "classify", "connection_error", "page_error", "redirect_error", "response_error", "too_large"]

_BY_STATUS: dict[int, type[XNATResponseError]] = {
    401: XNATUnauthorizedError,
    403: XNATForbiddenError,
    404: XNATNotFoundError,
    409: XNATConflictError,
}
_Error = TypeVar("_Error", bound=XNATConnectionError)
# So much of an answer's text is kept on the exception.
_KEPT = 16384


class Asked(NamedTuple):
    """A request, as errors name it."""

    method: str
    url: str

    def __str__(self) -> str:
        return f"{self.method} {uris.redact(self.url)}"


def response_error(asked: Asked, response: requests.Response, body: bytes, *, note: str = "") -> XNATResponseError:
    """The exception for a status that wasn't expected: by class 401, 403, 404, 409 or any other."""
    said = pages.reason(body, response.encoding) if body else ""
    status = f"{response.status_code} {pages.one_line(response.reason or '')}".rstrip()
    message = f"The server answered {asked} with {status}{f': {said}' if said else ''}{note}"
    text = said if pages.is_html(body) else _decoded(body[:_KEPT], response.encoding)
    return _make(_BY_STATUS.get(response.status_code, XNATResponseError), message, asked, response, text)


def page_error(asked: Asked, response: requests.Response, page: bytes, *, note: str = "") -> XNATUnexpectedPageError:
    """The exception for an HTML page where data was asked for."""
    found = pages.title(page) or pages.reason(page)
    titled = f" ({found!r})" if found else ""
    kind = "its login page" if pages.is_login_page(page) else "an HTML page"
    message = f"The server answered {asked} with {kind}{titled} instead of data{note}"
    error = _make(XNATUnexpectedPageError, message, asked, response, found)
    assert isinstance(error, XNATUnexpectedPageError)
    return error


def too_large(asked: Asked, response: requests.Response, limit: int) -> XNATResponseError:
    """The exception for an answer that is larger, perhaps only when unpacked, than anything asked for can be."""
    message = f"The server answered {asked} with more than {limit} bytes; that much is only had as a stream"
    return _make(XNATResponseError, message, asked, response, "")


def redirect_error(asked: Asked, target: str, why: str) -> XNATRedirectError:
    """The exception for a redirect that is not followed; names both places."""
    message = f"{asked} was redirected to {uris.redact(target)}, which is not followed: {why}"
    return _located(XNATRedirectError(message), asked, 1)


def connection_error(
    asked: Asked, error: BaseException, attempts: int, trust: object = "", *, doubtful: bool = False
) -> XNATError:
    """The exception for a request that got no (complete) answer; names host, attempts and the last cause.

    :param doubtful: an earlier attempt may have reached the server
    """
    for link in chain(error):
        # An error of requests holds the request, with cookie and body; tools that pickle causes would pass them on.
        for name in ("request", "response"):
            if getattr(link, name, None) is not None:
                setattr(link, name, None)
    import requests

    cause = innermost(error)
    said = f"{type(cause).__name__}: {_words(cause)}"
    times = f" after {attempts} attempts" if attempts > 1 else ""
    host = _host(asked.url)
    if _is_tls(error):
        from xnat.exceptions import XNATSSLError

        return XNATSSLError(f"No secure connection to {host}{times} ({said}); {trust}")
    found: XNATConnectionError
    if isinstance(error, requests.ConnectTimeout):
        found = XNATTimeoutError(f"Could not connect to {host}{times}: no answer in time ({said})")
    elif isinstance(error, requests.Timeout) or _is_read_timeout(error):
        found = XNATTimeoutError(f"No answer from {host} to {asked} in time{times} ({said})")
    elif classify(error) is Failure.UNSENT:
        found = XNATConnectionError(f"Could not connect to {host}{times} (encountered {said})")
    else:
        found = XNATConnectionError(f"The connection to {host} failed at {asked}{times} ({said})")
    found.sent = doubtful or classify(error) is not Failure.UNSENT
    return _located(found, asked, attempts)


def classify(error: BaseException) -> Failure:
    """How far the request got that ended in this error."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    if isinstance(error, requests.ConnectTimeout):
        return Failure.UNSENT
    causes = list(chain(error))
    if _is_tls(error) or isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader):
        return Failure.FATAL
    if any(isinstance(cause, NewConnectionError | ConnectTimeoutError) for cause in causes):
        return Failure.UNSENT
    if isinstance(error, requests.RequestException):
        known = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
        return Failure.BROKEN if isinstance(error, known) else Failure.FATAL
    return Failure.BROKEN


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and the errors it wraps, by any of the ways requests and urllib3 wrap them."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        inner = [getattr(found, "reason", None), getattr(found, "original_error", None), *found.args]
        inner += [found.__cause__, found.__context__]
        found = next((item for item in inner if isinstance(item, BaseException) and id(item) not in seen), None)


def innermost(error: BaseException) -> BaseException:
    """The cause at the bottom, such as ``ConnectionRefusedError``; wrappers' texts repeat the URL with its query."""
    return list(chain(error))[-1]


def _words(cause: BaseException) -> str:
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    # what is left of urllib3's own texts may hold the URL
    return pages.one_line(text.split(" with url: ")[0]) or "no more is known"


def _is_tls(error: BaseException) -> bool:
    """True for certificates and protocol versions; a peer that hangs up in mid-handshake is a broken connection."""
    import ssl

    import requests

    broken = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError, TimeoutError)
    if isinstance(error, OSError) and "CA certificate bundle" in str(error):
        return True
    return isinstance(error, requests.exceptions.SSLError) and not isinstance(innermost(error), broken)


def _is_read_timeout(error: BaseException) -> bool:
    from urllib3.exceptions import ReadTimeoutError

    return any(isinstance(cause, ReadTimeoutError | TimeoutError) for cause in chain(error))


def _located(error: _Error, asked: Asked, attempts: int) -> _Error:
    error.attempts = attempts
    error.host = _host(asked.url)
    return error


def _host(url: str) -> str:
    parts = urlsplit(uris.redact(url))
    return f"{parts.scheme}://{parts.netloc}"


def _decoded(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        # A charset nobody knows, or one of Python's that is none (idna), or no name at all.
        return body.decode("utf-8", "replace")


def _make(
    cls: type[XNATResponseError], message: str, asked: Asked, response: requests.Response, text: str
) -> XNATResponseError:
    url = uris.redact(asked.url)
    return cls(message, response, method=asked.method, url=url, status_code=response.status_code, text=text)
