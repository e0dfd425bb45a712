"""Names: of XNAT's types and fields on one side, of Python's classes and attributes on the other.

Whatever becomes part of generated source passes :func:`identifier`; other functions make names that do, and suggest
names for those that nobody knows.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

from .exceptions import XNATSchemaError

__all__ = [
    "attribute_name",
    "class_name",
    "close_names",
    "did_you_mean",
    "identifier",
    "pythonize_attribute_name",
    "pythonize_class_name",
]

#: Prefixes that leave no trace in a class name: XNAT's own types, and the made-up ones of anonymous types.
SILENT_PREFIXES = frozenset({"xnat", "xnatpy"})

_SEPARATORS = re.compile(r"[\W_]+")
_OTHER_CHARACTERS = re.compile(r"\W+")
_CAPITALS = re.compile(r"[A-Z]+")
_UNDERSCORES = re.compile(r"__+")


def identifier(text: str) -> str:
    """Return ``text`` if it may stand as a name in generated source.

    That is: a Python identifier in the form Python itself normalises to, no keyword, no ``__special__`` name.

    :raises XNATSchemaError: for anything else
    """
    if (
        not isinstance(text, str)
        or not text.isidentifier()
        or (not text.isascii() and unicodedata.normalize("NFKC", text) != text)
        or keyword.iskeyword(text)
        or (text.startswith("__") and text.endswith("__"))
    ):
        raise XNATSchemaError(f"{text!r} can't be used as a name in generated source")
    return text


def class_name(xsi_type: str) -> str:
    """Return the class name of an XSI type: ``xnat:mrSessionData`` → ``MrSessionData``, ``xdat:user`` → ``XdatUser``.

    The prefix is kept, capitalised, unless it is XNAT's own: two plug-ins may call a type the same.
    """
    prefix, colon, local = xsi_type.rpartition(":")
    parts = [] if not colon or prefix in SILENT_PREFIXES else _SEPARATORS.split(prefix)
    parts += _SEPARATORS.split(local)
    name = "".join(part[0].upper() + part[1:] for part in map(_normalise, parts) if part)
    return _legal(name, "Type", "X")


def attribute_name(name: str) -> str:
    """Return the attribute name of a schema field: ``dcmPatientId`` → ``dcm_patient_id``, ``in`` → ``in_``.

    It never begins with an underscore: such names belong to the hand-written classes.
    """
    text = _OTHER_CHARACTERS.sub("_", _normalise(name))
    text = _CAPITALS.sub(lambda run: "_" + run.group().lower(), text)
    text = _UNDERSCORES.sub("_", text).lstrip("_")
    return _legal(text, "field", "x")


def _normalise(text: str) -> str:
    # Python does this to identifiers; doing it first keeps two fields from becoming one unnoticed.
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _legal(text: str, empty: str, before: str) -> str:
    text = text or empty
    if not text.isidentifier():
        text = before + text  # begins with a digit, which some sites' schemas do although XML forbids it
    if not text.isidentifier():
        text = before + re.sub(r"[^0-9A-Za-z_]", "", text)
    return identifier(text + "_" if keyword.iskeyword(text) else text)


#: The names these functions have in ``xnat.utils`` of older clients.
pythonize_class_name = class_name
pythonize_attribute_name = attribute_name


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that are spelled much like this one, the closest first."""
    import difflib

    return difflib.get_close_matches(name, list(known), 3)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The end of a message about a name that isn't known: what may have been meant, or else something else."""
    close = close_names(name, known)
    return f"; did you mean {' or '.join(close)}?" if close else otherwise
