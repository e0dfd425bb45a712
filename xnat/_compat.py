"""Text and bytes at the wire boundary; the only module that imports six.

What goes out is always bytes, in UTF-8, so that a length counted is the length sent (an upload of ``'café'`` once
announced four bytes, sent five and spoiled the next request on that connection).
"""

from __future__ import annotations

import six

__all__ = ["to_bytes", "to_text"]


def to_bytes(value: str | bytes) -> bytes:
    """The UTF-8 bytes of a text; bytes stay as they are."""
    return six.ensure_binary(value, "utf-8")


def to_text(value: str | bytes, encoding: str = "utf-8", errors: str = "replace") -> str:
    """The text of bytes that came from outside; undecodable bytes never raise, unless ``errors`` says so."""
    return six.ensure_text(value, encoding, errors)
