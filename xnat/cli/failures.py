"""Errors to one line, an exit code and the next thing to try."""

from __future__ import annotations

from xnat import exceptions as x

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "LOGIN",
    "NOT_FOUND",
    "OK",
    "PARTIAL",
    "PIPE",
    "SERVER",
    "TRANSFER",
    "USAGE",
    "NotFoundError",
    "UsageError",
    "exit_code",
    "explain",
]

OK, FAILED, USAGE, LOGIN, NOT_FOUND, SERVER, TRANSFER, PARTIAL = range(8)
INTERRUPTED = 130
#: What a shell says of a program whose reader went away.
PIPE = 141


class UsageError(Exception):
    """The command can't be carried out as it was given."""


class NotFoundError(Exception):
    """A path leads to nothing."""


#: Most special first: the first that fits counts.
_CODES: list[tuple[type[BaseException], int]] = [
    (UsageError, USAGE),
    (NotFoundError, NOT_FOUND),
    (x.XNATAuthError, LOGIN),
    (x.XNATForbiddenError, LOGIN),
    (x.XNATNotFoundError, NOT_FOUND),
    (x.XNATResponseError, SERVER),
    (x.XNATConnectionError, SERVER),
    (x.XNATIOError, TRANSFER),
    (x.XNATSchemaError, SERVER),
    (x.XNATObjectAlreadyExistsError, SERVER),
    (x.XNATNotConnectedError, SERVER),
    (x.XNATKeyError, NOT_FOUND),
    (x.XNATObjectDestroyedError, NOT_FOUND),
    (x.XNATAttributeError, USAGE),
    (x.XNATValueError, USAGE),
    (FileNotFoundError, USAGE),
    (ModuleNotFoundError, USAGE),
]

_HINTS: list[tuple[type[BaseException], str]] = [
    (x.XNATForbiddenError, "this account has no right to do it; 'xnat whoami' tells which account it is"),
    (x.XNATUnsafeNetrcError, ""),
    (x.XNATAuthError, "try 'xnat login'"),
    (x.XNATNotFoundError, "'xnat ls' lists what there is; what the account may not see isn't found either"),
    (x.XNATTimeoutError, "try a larger --timeout, or 'xnat doctor'"),
    (x.XNATConnectionError, "'xnat doctor' finds out what is wrong"),
    (x.XNATTransferError, "run the same command again: what is complete isn't transferred again"),
    (x.XNATDownloadError, "run the same command again: what is complete isn't transferred again"),
    (x.XNATSchemaError, "'xnat doctor' finds out what is wrong; 'xnat rest' works without a data model"),
]


def exit_code(error: BaseException) -> int:
    """The exit code an error stands for."""
    if isinstance(error, x.XNATTransferError):
        report = error.report
        return PARTIAL if report is not None and any(result.ok for result in report) else TRANSFER
    if _is_ssl(error):
        return SERVER
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


#: What the library advises its callers, in the words of the command line.
_WORDS = (
    ("pass overwrite=True to replace it", "--overwrite replaces it"),
    ("pass existing='overwrite', 'refresh' or 'skip'", "--existing says what to do with it"),
)


def explain(error: BaseException) -> str:
    """What went wrong, in one line for each thing that did, and what to try."""
    text = str(error).strip() or type(error).__name__
    for library, command in _WORDS:
        text = text.replace(library, command)
    if not isinstance(error, (x.XNATError, UsageError, NotFoundError, OSError, ModuleNotFoundError)):
        text = f"unexpected {type(error).__name__}: {text}"
        hint = "'--debug' shows where; please report it"
    elif _is_ssl(error):
        hint = "name the certificates to trust with --ca-bundle; 'xnat doctor' tells more"
    elif any(word in text for word in ("'xnat ", "id you mean", "--overwrite", "--existing")):
        hint = ""  # it says so itself
    else:
        hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
    if not isinstance(error, x.XNATTransferError):  # which names each file in a line of its own
        text = " ".join(text.split())
    return text + (f"; {hint}" if hint and "\n" not in text else "") + (f"\n{hint}" if hint and "\n" in text else "")


def _is_ssl(error: BaseException) -> bool:
    # Asking for the class itself would import requests.
    return any(kind.__name__ == "XNATSSLError" for kind in type(error).__mro__)
