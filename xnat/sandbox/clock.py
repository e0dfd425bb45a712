"""Times as XNAT writes them."""

from __future__ import annotations

import datetime

__all__ = ["days_ago", "folder_timestamp", "java_date", "now_ms", "timestamp"]


def timestamp(moment: datetime.datetime | None = None) -> str:
    """``2022-01-18 16:41:25.0``: milliseconds, trailing zeros trimmed down to one digit."""
    moment = moment or datetime.datetime.now()
    fraction = f"{moment.microsecond // 1000:03d}".rstrip("0") or "0"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{fraction}"


def folder_timestamp(moment: datetime.datetime | None = None) -> str:
    """``20161107_114859342``: the name of a prearchive folder."""
    moment = moment or datetime.datetime.now()
    return f"{moment:%Y%m%d_%H%M%S}{moment.microsecond // 1000:03d}"


def days_ago(days: int) -> str:
    """The timestamp of this moment some days ago."""
    return timestamp(datetime.datetime.now() - datetime.timedelta(days=days))


def java_date(text: str) -> str:
    """``Tue Sep 15 16:13:33 UTC 2020`` from a database timestamp, as Java's ``Date.toString`` prints it."""
    try:
        moment = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f")
    except ValueError:
        return text
    return f"{moment:%a %b %d %H:%M:%S} UTC {moment:%Y}"


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(datetime.datetime.now().timestamp() * 1000)
