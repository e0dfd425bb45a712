"""HTML where data was expected: recognise it by its first bytes, tell login pages from others, find the server's words.

XNAT answers a request of a session that ran out with its login page and status 200; a client that doesn't look saves
that page as the download. Only the beginning of a body is looked at: a 200 MB body is never decoded.
"""

from __future__ import annotations

import re

from xnat._compat import to_text

__all__ = ["PAGE", "PEEK", "is_html", "is_login_page", "is_login_url", "one_line", "reason", "title"]

PEEK = 1024  # bytes that decide whether a body is HTML
PAGE = 65536  # bytes of a page that are looked through for forms and messages

# All expressions are bounded, or stop at the next "<": a hostile page must not keep them busy.
# "<!DOCTYPE svg" or "<!DOCTYPE plist" begin files; so only HTML's own document type counts, or one without a name.
_HTML = re.compile(
    # A comment can end in one place only: with ".*?" a page of comments would be tried in all ways to divide it.
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*(?:<!doctype(?!\s+(?!html\b)\w)|<html\b)",
    re.IGNORECASE | re.DOTALL,
)
_LOGIN_URL = re.compile(
    r"/(?:app/(?:template|action|screen)/(?:XDAT)?Login(?:User)?(?:\.vm)?|login)/?\Z", re.IGNORECASE
)
# Those of pages that seldom come are compiled when one does: all that a connection doesn't need adds up.
_LOGIN_FORM = (
    r"(?i)<form\b[^<>]{0,2000}?\baction\s*=\s*[\"']?[^\"'<>\s]{0,500}?"
    r"(?:/login|j_spring_security_check|/XDATLoginUser)\b"
)
_LOGIN_INPUT = r"(?i)<input\b[^<>]*?\b(?:type\s*=\s*[\"']?password|name\s*=\s*[\"']?(?:j_)?password)\b"
_TITLE = r"(?is)<title[^<>]*>(.{0,500}?)</title>"
_MESSAGES = (
    r"(?is)<h3[^<>]*>(.{0,500}?)</h3>",  # Restlet's status pages
    r"(?is)<b>\s*Message\s*</b>(.{0,500}?)</p>",  # Tomcat's
    _TITLE,
)
_TAG = r"<[^<>]*>"
_LONGEST = 200


def is_html(head: bytes) -> bool:
    """True if a body that begins like this is an HTML page."""
    return _HTML.match(head[:PEEK]) is not None


def is_login_page(page: bytes) -> bool:
    """True if this page asks for user name and password the way XNAT's does."""
    text = to_text(page[:PAGE])
    return bool(re.search(_LOGIN_FORM, text) and re.search(_LOGIN_INPUT, text))


def is_login_url(url: str) -> bool:
    """True if a redirect to this URL means: log in first."""
    return _LOGIN_URL.search(url.partition("?")[0].partition("#")[0].partition(";")[0]) is not None


def title(page: bytes) -> str:
    """The title of an HTML page; empty if it has none."""
    return _find(_TITLE, to_text(page[:PAGE]))


def reason(body: bytes, encoding: str | None = None) -> str:
    """What the server says in an error's body, on one line: the message in XNAT's page, or the text's beginning."""
    try:
        text = to_text(body[:PAGE], encoding or "utf-8")
    except (LookupError, ValueError):
        # A charset nobody knows, or one of Python's that is none (idna), or no name at all.
        text = to_text(body[:PAGE])
    if is_html(body) or re.match(r"\s*<", text):
        found = next(filter(None, (_find(pattern, text) for pattern in _MESSAGES)), "")
        return found or one_line(re.sub(_TAG, " ", text))
    return one_line(text)


def _find(pattern: str, text: str) -> str:
    import html

    match = re.search(pattern, text)
    return one_line(html.unescape(re.sub(_TAG, " ", match.group(1)))) if match else ""


def one_line(text: str) -> str:
    """A server's words as they may stand in a message: short, on one line."""
    # Printable only: a server's text must not move the cursor of the terminal it is shown on.
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
