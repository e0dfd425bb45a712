"""HTML: what counts as a page, as a login page, and what a server's error page says."""

from __future__ import annotations

import pytest

from xnat.transport import pages

from .scripted_server import LOGIN_PAGE, STATUS_PAGE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/app/template/Login.vm", True),
        ("http://h/xnat/app/template/Login.vm;jsessionid=1?x=y#z", True),
        ("http://h/login", True),
        ("http://h/app/action/XDATLoginUser", True),
        ("http://h/app/template/Index.vm", False),
        ("http://h/data/projects/login.txt", False),
        ("http://h/data/x?next=/login", False),
    ],
)
def test_login_urls(url: str, expected: bool) -> None:
    assert pages.is_login_url(url) is expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (LOGIN_PAGE, True),
        (b'<html><FORM METHOD=post ACTION="/xnat/j_spring_security_check"><input name="j_password">', True),
        (b'<html><form action="/xnat/login" name="form1"><input name=\'password\' id="p">', True),
        (b'<html><form action="/search"><input type="password">', False),
        (b'<html><a href="/login">log in</a>', False),
        (b"", False),
    ],
)
def test_login_pages(page: bytes, expected: bool) -> None:
    assert pages.is_login_page(page) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (STATUS_PAGE % b"Already assigned to project:pr000r00", "Already assigned to project:pr000r00"),
        (STATUS_PAGE % b"two\n  lines &lt;b&gt;", "two lines <b>"),
        (
            b"<!doctype html><html><head><title>HTTP Status 401 \xe2\x80\x93 Unauthorized</title></head>"
            b"<body><p><b>Type</b> Status Report</p><p><b>Message</b> Bad credentials</p></body></html>",
            "Bad credentials",
        ),
        (b"<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (b"<html><body>just\n text</body></html>", "just text"),
        (b"No plugin with ID X", "No plugin with ID X"),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 500, "x" * 199 + "…"),
    ],
)
def test_reason(body: bytes, expected: str) -> None:
    assert pages.reason(body) == expected


def test_reason_in_an_unknown_charset() -> None:
    assert pages.reason(b"plain", "no-such-charset") == "plain"


def test_title() -> None:
    assert pages.title(LOGIN_PAGE) == "XNAT Login"
    assert pages.title(b"<html>") == ""


@pytest.mark.parametrize(
    "start", [b"<" * 100_000, b"<!--" * 30_000, b"<form " * 20_000, b" " * 100_000, b"<h3>" * 20_000]
)
def test_hostile_pages_take_no_time(start: bytes) -> None:
    # fails by taking minutes, if an expression backtracks
    pages.is_html(start)
    pages.is_login_page(start)
    pages.reason(start)
