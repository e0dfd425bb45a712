"""Patterns that listings are filtered by: what the server is told of them, and what fits in the end."""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..naming import did_you_mean

__all__ = ["matches", "server_pattern", "warn_of_unknown"]


def server_pattern(pattern: str) -> str:
    """The pattern as the server understands it: at least what matches here matches there."""
    return re.sub(r"\?|\[[^]]*\]", "*", str(pattern))


def matches(row: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    """Whether a row fits the filters, as far as its columns tell."""
    for name, pattern in filters.items():
        value = row.get(name, row.get(name.lower()))
        if value is not None and not _fits(str(value), str(pattern)):
            return False
    return True


def _fits(value: str, pattern: str) -> bool:
    # The server takes a comma for "or", and a-b of dates and numbers for a range: it has judged those already.
    if re.fullmatch(r"[\d./: ]+-[\d./: ]+(,.*)?", pattern) or re.fullmatch(r"\d\d?/\d\d?/\d{4}", pattern):
        return True
    return value == pattern or any(fnmatch.fnmatchcase(value, part) for part in [pattern, *pattern.split(",")])


def warn_of_unknown(
    filters: Mapping[str, str], rows: Sequence[Mapping[str, Any]], uri: str, logger: logging.Logger
) -> None:
    """Tell of filters that nothing was filtered by, as far as the answer shows; XNAT passes over those."""
    # Not an error: parameters of the server that are no columns (accessible, recent) may be given as filters, too.
    for name in filters if rows else ():
        if "/" not in name and name not in rows[0] and name.lower() not in rows[0]:
            hint = did_you_mean(name, rows[0])
            logger.warning("The server knows no column %r of %s to filter by%s", name, uri, hint)
