"""Every error this package raises on purpose.

::

    XNATError
    ├── XNATValueError (ValueError)              the caller's mistake; the text says what would have worked
    │   ├── XNATResponseError                    the server answered, but not with what was asked for
    │   │   ├── XNATUnauthorizedError            401; also an XNATAuthError
    │   │   ├── XNATForbiddenError               403
    │   │   ├── XNATNotFoundError                404
    │   │   ├── XNATConflictError                409
    │   │   └── XNATUnexpectedPageError          an HTML page (often the login page) where data was asked for
    │   ├── XNATNoServerError (RuntimeError)     connect() was told of no server, nor is the environment
    │   └── XNATConnectionError                  no answer: name, network, refused, broken off
    │       ├── XNATTimeoutError                 no answer in time
    │       └── XNATRedirectError                the server sends us where credentials must not go
    ├── XNATKeyError (KeyError)                  no such key in a listing, no such data type
    ├── XNATAttributeError (AttributeError)      no such field on this type
    ├── XNATIOError (OSError)
    │   ├── XNATUploadError                      an upload that failed or was refused
    │   ├── XNATDownloadError                    a download that is short, damaged or can't be stored
    │   │   └── XNATUnsafeArchiveError           an archive member that would leave the target, a bomb, ...
    │   └── XNATTransferError                    some of several files failed; carries the report
    ├── XNATSSLError (requests' SSLError)        TLS could not be agreed on
    ├── XNATAuthError (ValueError)
    │   ├── XNATLoginFailedError                 the server refuses these credentials
    │   ├── XNATExpiredCredentialsError          the password is right but has run out
    │   └── XNATUnsafeNetrcError                 others can read the netrc file, or it can't be parsed
    ├── XNATSchemaError (ValueError)             no usable data model could be made
    ├── XNATNotConnectedError                    the session was closed
    ├── XNATObjectDestroyedError                 the object was deleted on the server
    └── XNATObjectAlreadyExistsError             creation of something that exists

    XNATMappingException (BaseException)         raised by nothing here; scripts of other clients catch it

Facts stand on the exception as attributes, so that programs need not read the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

__all__ = [
    "XNATAttributeError",
    "XNATAuthError",
    "XNATConflictError",
    "XNATConnectionError",
    "XNATDownloadError",
    "XNATError",
    "XNATExpiredCredentialsError",
    "XNATForbiddenError",
    "XNATIOError",
    "XNATKeyError",
    "XNATLoginFailedError",
    "XNATMappingException",
    "XNATNoServerError",
    "XNATNotConnectedError",
    "XNATNotFoundError",
    "XNATObjectAlreadyExistsError",
    "XNATObjectDestroyedError",
    "XNATRedirectError",
    "XNATResponseError",
    "XNATSSLError",
    "XNATSchemaError",
    "XNATTimeoutError",
    "XNATTransferError",
    "XNATUnauthorizedError",
    "XNATUnexpectedPageError",
    "XNATUnsafeArchiveError",
    "XNATUnsafeNetrcError",
    "XNATUploadError",
    "XNATValueError",
]


class XNATError(Exception):
    """Root of all errors of this package."""


class XNATValueError(XNATError, ValueError):
    """A value that can't be used; the text says what would have worked."""


class XNATResponseError(XNATValueError):
    """The server answered, but not with what was asked for.

    :ivar method: HTTP verb of the request
    :ivar url: the URL asked, without credentials
    :ivar status_code: HTTP status of the answer
    :ivar text: the answer's text, or the message inside XNAT's error page
    :ivar response: the answer itself, if the raiser had it. It tells URL, status and text where they aren't given; of
        the URL not the query, whose values can be patients' data.
    """

    def __init__(
        self,
        message: str,
        response: requests.Response | None = None,
        *,
        method: str | None = None,
        url: str | None = None,
        status_code: int | None = None,
        text: str | None = None,
    ) -> None:
        super().__init__(message)
        self.response = response
        self.method = method
        self.url = response.url.partition("?")[0] if url is None and response is not None else url
        self.status_code = response.status_code if status_code is None and response is not None else status_code
        self.text = response.text if text is None and response is not None else text

    def __reduce__(self) -> tuple[Any, ...]:
        # An answer holds a socket and cookies; neither may travel to another process.
        facts = {"method": self.method, "url": self.url, "status_code": self.status_code, "text": self.text}
        return (_rebuild, (type(self), self.args, facts))


class XNATForbiddenError(XNATResponseError):
    """403: the account has no right to do this."""


class XNATNotFoundError(XNATResponseError):
    """404: there is no such thing, or this account may not see it (XNAT doesn't tell the two apart)."""


class XNATConflictError(XNATResponseError):
    """409: a label or ID is taken, data is already shared, a type differs."""


class XNATUnexpectedPageError(XNATResponseError):
    """An HTML page where data was asked for; often the login page of a session that ran out."""


class XNATConnectionError(XNATValueError):
    """No answer from the server: unknown name, refused, broken off.

    :ivar attempts: how many times the request was sent
    :ivar host: scheme, host and port that were asked
    :ivar sent: False if surely no byte of the request went out, so that the server can't have done anything
    """

    attempts: int = 1
    host: str | None = None
    sent: bool = True


class XNATTimeoutError(XNATConnectionError):
    """No answer in time."""


class XNATRedirectError(XNATConnectionError):
    """The server redirects to a place that must not be given the credentials."""


class XNATKeyError(XNATError, KeyError):
    """No such key; the text suggests keys that exist."""

    def __str__(self) -> str:
        # KeyError shows repr(text), which makes sentences unreadable.
        return Exception.__str__(self)


class XNATAttributeError(XNATError, AttributeError):
    """No such field on this type; the text suggests the nearest name."""


class XNATIOError(XNATError, OSError):
    """Reading or writing failed."""


class XNATUploadError(XNATIOError):
    """An upload failed or was refused."""


class XNATDownloadError(XNATIOError):
    """A download is short, damaged or can't be stored; nothing stands under the final name."""


class XNATUnsafeArchiveError(XNATDownloadError):
    """An archive holds a member that would leave the target directory, or is a bomb.

    :ivar member: the name of the member
    """

    member: str | None = None


class XNATTransferError(XNATIOError):
    """Some of several files could not be transferred.

    :ivar report: what happened to each file
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, {"report": self.report}))


class XNATAuthError(XNATError, ValueError):
    """It could not be settled who we are."""


class XNATUnauthorizedError(XNATResponseError, XNATAuthError):
    """401: nobody is logged in, or the session ran out and couldn't be renewed."""


class XNATLoginFailedError(XNATAuthError):
    """The server refuses these credentials."""


class XNATExpiredCredentialsError(XNATAuthError):
    """The password is right but has run out."""


class XNATUnsafeNetrcError(XNATAuthError):
    """The netrc file can be read by others, or can't be parsed."""


class XNATSchemaError(XNATError, ValueError):
    """No usable data model could be made of what the server publishes."""


class XNATNoServerError(XNATValueError, RuntimeError):
    """There is no server to connect to: no argument names one, and the environment neither."""


class XNATNotConnectedError(XNATError):
    """The session was closed, or never opened."""


class XNATObjectDestroyedError(XNATError):
    """The object was deleted on the server; this handle is of no more use."""


class XNATObjectAlreadyExistsError(XNATError):
    """What should be created exists."""


class XNATMappingException(BaseException):
    """Not raised by anything here, where ``map`` ends with what ended it: ``KeyboardInterrupt``, for example.

    It exists for scripts that were written for another client and catch it.
    """


def _rebuild(cls: type[XNATError], args: tuple[Any, ...], facts: dict[str, Any]) -> XNATError:
    error = cls(*args)
    for name, value in facts.items():
        setattr(error, name, value)
    return error


if TYPE_CHECKING:

    class XNATSSLError(XNATError, requests.exceptions.SSLError):
        """TLS could not be agreed on."""


def __getattr__(name: str) -> Any:
    # Its base comes from requests, which is slow to import; so this one class is made when first asked for.
    if name != "XNATSSLError":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from requests.exceptions import SSLError

    error = type(name, (XNATError, SSLError), {"__doc__": "TLS could not be agreed on.", "__module__": __name__})
    globals()[name] = error
    return error
