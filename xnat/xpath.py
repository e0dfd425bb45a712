"""The query keys that set, add or clear a field of an item.

XNAT takes writes as ``PUT <item>?<xpath>=<value>``; the keys are a small dialect of XPath, without any way to quote
inside a predicate. So a name that would end the predicate is refused here, before anything is sent.
"""

from __future__ import annotations

from .exceptions import XNATValueError

__all__ = ["CLEAR", "element", "join", "of_type", "predicate_value"]

#: The value that clears a field.
CLEAR = "NULL"

_FORBIDDEN = frozenset("[]/@='\"<>\x00\n\r\t")


def join(*parts: str) -> str:
    """The parts as one path; empty ones are left out."""
    return "/".join(part for part in parts if part)


def predicate_value(value: object) -> str:
    """The value's text, if it can stand inside ``[name=...]``; XNAT knows no quoting there.

    :raises XNATValueError: the text could end the predicate and so write somewhere else
    """
    if value is None:
        raise XNATValueError("None can't be the key of a field in XNAT: give it a name")
    text = str(value)
    bad = sorted(_FORBIDDEN.intersection(text))
    if bad or not text.strip():
        shown = ", ".join(repr(character) for character in bad) or "nothing else"
        raise XNATValueError(
            f"{text!r} can't be the key of a field in XNAT: it holds {shown}; "
            "letters, digits, '_', '-', '.' and blanks work"
        )
    return text


def element(path: str, key: str, value: object) -> str:
    """The element of a repeated field whose ``key`` has this value: ``fields/field[name=a]``."""
    return f"{path}[{key}={predicate_value(value)}]"


def of_type(path: str, xsi_type: str) -> str:
    """A sub-element of a given type: ``demographics[@xsi:type=xnat:demographicData]``."""
    return f"{path}[@xsi:type={xsi_type}]"
