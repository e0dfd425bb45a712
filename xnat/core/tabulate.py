"""Rows of a listing as named tuples or CSV text; :mod:`xnat.columns` makes pandas frames of them."""

from __future__ import annotations

import collections
import csv
import io
import keyword
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..naming import did_you_mean

__all__ = ["named_tuples", "ordered_columns", "to_csv"]


def ordered_columns(
    asked: Sequence[str] | None, rows: Sequence[Mapping[str, Any]], logger: logging.Logger
) -> list[tuple[str, str]]:
    """(name as asked, key in the rows) of each column that the answer has, in the order asked.

    The server answers a path in lower case; a column it doesn't know it leaves out, which is warned of.
    """
    there: dict[str, str] = {}
    for row in rows:
        for name in row:
            there.setdefault(name.lower(), name)
        break
    if asked is None:
        return [(name, name) for name in there.values()]
    found = []
    for name in asked:
        key = there.get(name.lower()) or there.get(name.rsplit("/", 1)[-1].lower())
        if key is not None:
            found.append((name, key))
        elif rows:
            logger.warning("The server knows no column %r here%s", name, did_you_mean(name, there.values()))
    return found


def named_tuples(columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """A tuple of ``TableRow`` named tuples; ``()`` without rows."""
    if not rows:
        return ()
    row_class = collections.namedtuple("TableRow", _field_names([name for name, _ in columns]))  # type: ignore[misc]
    return tuple(row_class(*(row.get(key, "") for _, key in columns)) for row in rows)


def _field_names(names: Sequence[str]) -> list[str]:
    """Names a named tuple can have: other characters become '_', and no two are the same."""
    made: dict[str, None] = {}
    for name in names:
        text = re.sub(r"\W", "_", name, flags=re.ASCII)
        if not text or text[0].isdigit() or text.startswith("_"):
            text = "x" + text
        if keyword.iskeyword(text):
            text += "_"
        base, number = text, 2
        while text in made:
            text, number = f"{base}_{number}", number + 1
        made[text] = None
    return list(made)


def to_csv(columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, Any]], header: bool = True) -> str:
    """CSV text, a line each, with ``\\n`` line ends."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow([name for name, _ in columns])
    writer.writerows([row.get(key, "") for _, key in columns] for row in rows)
    return out.getvalue()
