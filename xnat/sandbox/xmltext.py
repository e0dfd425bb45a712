"""Reading XML from anywhere, without document type declarations (entities can be bombs)."""

from __future__ import annotations

import codecs
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = ["XSI", "Element", "parse", "prefixes"]

XSI = "http://www.w3.org/2001/XMLSchema-instance"
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_PREFIX = re.compile(r"\bxmlns(?::([\w.-]+))?\s*=\s*[\"']([^\"']+)[\"']")


def decode(data: bytes | str) -> str:
    """The text of a document, without its XML declaration: XNAT's own files state an encoding that is not theirs."""
    text = data if isinstance(data, str) else _decoded(data)
    return _DECLARATION.sub("", text, count=1)


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def parse(data: bytes | str) -> Element:
    """The root of a document; ``ValueError`` when it is not well formed or has a document type declaration."""
    text = decode(data)
    if "<!DOCTYPE" in text:
        raise ValueError("DOCTYPE is disallowed")
    try:
        # S314: what makes this parser unsafe needs the DOCTYPE refused above
        return ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"Malformed XML: {error}") from None


def prefixes(data: bytes | str) -> dict[str, str]:
    """The prefixes a document declares ('' is the default namespace); the first declaration of each counts."""
    found: dict[str, str] = {}
    for prefix, namespace in _PREFIX.findall(decode(data)):
        found.setdefault(prefix, namespace)
    return found
