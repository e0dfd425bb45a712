"""Parses a schema that is not trusted: no DTD, no entities, no network, limits on size and on what takes long."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["MAX_ATTRIBUTES", "MAX_NAMESPACES", "MAX_SIZE", "XSD", "UnreadableError", "decode", "line_of", "parse"]

#: Namespace of XML Schema itself.
XSD = "http://www.w3.org/2001/XMLSchema"

#: Bytes of one schema beyond which it is not read; real ones stay below 1 MB.
MAX_SIZE = 32 * 1024 * 1024

#: Namespace declarations in one schema beyond which it is not read; looking prefixes up costs time for each.
MAX_NAMESPACES = 500

#: Attributes of one element beyond which a schema is not read: libxml2 before 2.12 compares each with all the others.
MAX_ATTRIBUTES = 2000

_DECLARATION = re.compile(rb"<\?xml\s[^>]{0,200}?\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
#: Encodings a declaration may ask for. Others (UTF-7, EBCDIC) would only serve to hide something.
_ALLOWED_ENCODING = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-\d+|latin-?1|windows-125\d|cp125\d|utf-?16(le|be)?", re.I
)


class UnreadableError(Exception):
    """The file is no schema that could be read; carries the line."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


def decode(content: bytes) -> str:
    """Return the text of an XML file, without its XML declaration.

    XNAT's own xnat.xsd declares windows-1252 while servers send UTF-8. No longer text is valid UTF-8 by accident, so
    that is tried first, then what the declaration says.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return _strip_declaration(content.decode(encoding, "replace").lstrip("\ufeff"))
    for start, encoding in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if content.startswith(start):
            return _strip_declaration(content.decode(encoding, "replace"))
    declaration = _DECLARATION.match(content.lstrip()[:300])
    named = _ENCODING.search(declaration.group()) if declaration else None
    encodings = ["utf-8"]
    if named is not None and _ALLOWED_ENCODING.fullmatch(named[1].decode("ascii")):
        encodings.append(named[1].decode("ascii"))
    for encoding in encodings:
        try:
            return _strip_declaration(content.decode(encoding))
        except (UnicodeDecodeError, LookupError):
            continue
    return _strip_declaration(content.decode("utf-8", "replace"))


def _strip_declaration(text: str) -> str:
    # White space before the declaration is an error some files make; it costs nothing to allow it.
    start = len(text) - len(text.lstrip())
    if text.startswith("<?xml", start) and (end := text.find("?>", start)) >= 0:
        return "\n" * text.count("\n", 0, end) + text[end + 2 :]
    return text


def parse(content: bytes, max_size: int) -> tuple[Element, bool]:
    """Return the root element, and whether namespaces are declared anywhere but there."""
    if len(content) > max_size:
        raise UnreadableError(f"the schema has {len(content)} bytes, more than {max_size}")
    text = decode(content)
    start = _refuse_prolog(text)
    declared = text.count("xmlns")
    if declared > MAX_NAMESPACES:
        raise UnreadableError(f"the schema declares {declared} namespaces, more than {MAX_NAMESPACES}")
    # A '<' can't stand inside a tag, so no tag is longer than what lies between two of them.
    if any(len(part) > MAX_ATTRIBUTES and part.count("=") > MAX_ATTRIBUTES for part in text.split("<")):
        raise UnreadableError(f"an element has more than {MAX_ATTRIBUTES} attributes")
    from lxml import etree

    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        reason = (error.msg or "not well-formed").partition(", line")[0]
        raise UnreadableError(f"not well-formed XML: {reason}", error.lineno or 0) from error
    except ValueError as error:
        raise UnreadableError(f"not XML: {error}") from error
    if root.tag != f"{{{XSD}}}schema":
        raise UnreadableError(f"the root element is {str(root.tag)[:200]!r}, not an XML schema", line_of(root))
    return root, declared > text.count("xmlns", start, text.find(">", start))


def _refuse_prolog(text: str) -> int:
    """Refuse a document type, and HTML pages servers send in a schema's place; return where the root element begins."""
    position, end = 0, len(text)
    while position < end:
        if text[position].isspace():
            position += 1
        elif text.startswith("<!--", position) and (stop := text.find("-->", position)) >= 0:
            position = stop + 3
        elif text.startswith("<?", position) and (stop := text.find("?>", position)) >= 0:
            position = stop + 2
        else:
            break
    line = text.count("\n", 0, position) + 1
    start = text[position : position + 20].lower()
    if start.startswith(("<html", "<!doctype html")):
        raise UnreadableError("an HTML page, not a schema", line)
    if start.startswith("<!doctype"):
        raise UnreadableError("the schema has a document type declaration, which is refused", line)
    if not start:
        raise UnreadableError("empty", 1)
    return position


def line_of(node: Any) -> int:
    """The line an element begins on, 0 if that is not known."""
    return node.sourceline or 0
