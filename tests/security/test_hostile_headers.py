"""Answers that are wrong as HTTP, and redirects and cookies that would take a login elsewhere.

Single redirects, retries and login pages are covered in tests/unit/transport; these tables are about what no honest
server sends.
"""

from __future__ import annotations

import gzip
import logging
import traceback
import zlib
from collections.abc import Callable
from typing import Any

import pytest

import xnat
from tests.waiting import processor_seconds
from xnat import uris
from xnat.exceptions import XNATError, XNATRedirectError, XNATValueError
from xnat.transport.auth import Credentials, login, probe
from xnat.transport.client import HTTPClient
from xnat.transport.retry import RetryPolicy

from .raw_server import RawServer

PASSWORD, SESSION = "pa55word-very-secret", "A1B2C3D4E5F60718293A4B5C6D7E8F90"
Make = Callable[..., RawServer]


def client_of(server: RawServer, **options: Any) -> HTTPClient:
    client = HTTPClient(
        server.url, retry=RetryPolicy(sleep=lambda seconds: None), environ={}, timeout=(30, 30), **options
    )
    client.jsession = SESSION
    return client


def answer(*headers: bytes, status: bytes = b"200 OK", body: bytes = b"data", length: bool = True) -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, *([b"Content-Length: %d" % len(body)] if length else [])]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


#: Some content or an error of ours: what decompresses to nothing in particular can't be told from a short text.
ANY = b"any"
#: (what it is, the bytes the server sends, the content that is given; None: an error of ours)
HEADS: list[tuple[str, bytes, bytes | None]] = [
    ("nothing", b"", None),
    ("no HTTP", b"220 smtp.example.org ESMTP\r\n", None),
    ("TLS alert", b"\x15\x03\x01\0\x02\x02\x28", None),
    ("SSH", b"SSH-2.0-OpenSSH_9\r\n", None),
    ("a status that is no number", answer(status=b"abc"), None),
    ("a status of four digits", answer(status=b"2000 OK"), None),
    ("a negative status", answer(status=b"-200 OK"), None),
    ("status 0", answer(status=b"000 x"), None),
    ("status 99", answer(status=b"99 x"), None),
    ("status 600", answer(status=b"600 x"), None),
    ("status 999", answer(status=b"999 x"), None),
    ("status 100 for ever", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, None),
    ("switching protocols", answer(status=b"101 Switching Protocols", length=False), None),
    ("HTTP/9.9", b"HTTP/9.9 200 OK\r\n\r\n", None),
    ("a reason with escapes", answer(status=b"500 \x1b[2J\x07evil"), None),
    ("a reason of 60 KB", answer(status=b"500 " + b"x" * 60_000), None),
    ("a status line without end", b"HTTP/1.1 200 " + b"x" * 200_000, None),
    ("a header of 60 KB", answer(b"X-A: " + b"x" * 60_000), b"data"),
    ("a header of 1 MB", answer(b"X-A: " + b"x" * 1_000_000), None),
    ("1,000 headers", answer(*[b"X-%d: y" % n for n in range(1000)]), None),
    ("100,000 headers", answer(*[b"X: y"] * 100_000), None),
    ("headers without end", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500_000, None),
    ("a header without colon", answer(b"nonsense"), b"data"),
    ("a header with NUL", answer(b"X-A: a\0b"), b"data"),
    ("a header in Latin-1", answer("X-A: é".encode("latin-1")), b"data"),
    ("folded header", answer(b"X-A: a\r\n b"), b"data"),
    ("length that is no number", answer(b"Content-Length: many", length=False), b"data"),
    ("negative length", answer(b"Content-Length: -1", length=False), b"data"),
    ("length in hex", answer(b"Content-Length: 0x4", length=False), b"data"),
    ("length with sign", answer(b"Content-Length: +4", length=False), b"data"),
    ("length too long", answer(b"Content-Length: 1000", length=False), None),
    ("length of 2^64", answer(b"Content-Length: 18446744073709551616", length=False), None),
    ("length of 5,000 digits", answer(b"Content-Length: " + b"9" * 5000, length=False), b"data"),
    ("two lengths that differ", answer(b"Content-Length: 2", b"Content-Length: 3", length=False, body=b"data"), None),
    ("length and chunks", answer(b"Transfer-Encoding: chunked", b"Content-Length: 1", body=b"4\r\ndata\r\n0\r\n\r\n", length=False), b"data"),
    ("chunk size that is no number", answer(b"Transfer-Encoding: chunked", body=b"zz\r\ndata\r\n0\r\n\r\n", length=False), None),
    ("negative chunk", answer(b"Transfer-Encoding: chunked", body=b"-4\r\ndata\r\n0\r\n\r\n", length=False), None),
    ("chunk of 2^64", answer(b"Transfer-Encoding: chunked", body=b"ffffffffffffffff\r\ndata\r\n", length=False), None),
    ("chunk line without end", answer(b"Transfer-Encoding: chunked", body=b"4" * 200_000, length=False), None),
    ("last chunk missing", answer(b"Transfer-Encoding: chunked", body=b"4\r\ndata\r\n", length=False), None),
    ("unknown transfer encoding", answer(b"Transfer-Encoding: evil", body=b"data", length=False), b"data"),
    ("gzip that is none", answer(b"Content-Encoding: gzip"), None),
    ("gzip, cut", answer(b"Content-Encoding: gzip", body=gzip.compress(b"x" * 9999)[:-20]), ANY),
    ("gzip in gzip in gzip", answer(b"Content-Encoding: gzip, gzip, gzip", body=gzip.compress(gzip.compress(gzip.compress(b"data")))), b"data"),
    ("20 layers of gzip", answer(b"Content-Encoding: " + b", ".join([b"gzip"] * 20), body=gzip.compress(b"x")), None),
    ("deflate that is none", answer(b"Content-Encoding: deflate"), ANY),
    ("an encoding nobody knows", answer(b"Content-Encoding: evil"), b"data"),
    ("a charset nobody knows", answer(b"Content-Type: text/plain; charset=evil"), b"data"),
    ("a charset that is a codec", answer(b"Content-Type: text/plain; charset=zip"), b"data"),
    ("an error in a charset nobody knows", answer(b"Content-Type: text/plain; charset=evil", status=b"500 x"), None),
    ("an error in a codec", answer(b"Content-Type: text/plain; charset=zip", status=b"500 x"), None),
    ("an error in idna", answer(b"Content-Type: text/plain; charset=idna", status=b"500 x", body=b"\xff" * 100), None),
    ("an error in punycode", answer(b"Content-Type: text/plain; charset=punycode", status=b"500 x", body=b"\xff-" * 100), None),
    ("an error with escapes", answer(status=b"500 x", body=b"\x1b[2J\x1b]0;evil\x07"), None),
    ("an error of 5 MB", answer(status=b"500 x", body=b"<h3>" * 1_250_000), None),
    ("an error page that nests", answer(b"Content-Type: text/html", status=b"500 x", body=b"<html>" + b"<b>" * 20_000), None),
    ("Retry-After of a million years", answer(b"Retry-After: 99999999999999", status=b"503 x"), None),
    ("Retry-After that is negative", answer(b"Retry-After: -5", status=b"503 x"), None),
    ("Retry-After that is no number", answer(b"Retry-After: NaN", status=b"503 x"), None),
    ("Retry-After that is infinite", answer(b"Retry-After: inf", status=b"503 x"), None),
    ("Retry-After of 10,000 digits", answer(b"Retry-After: " + b"9" * 10_000, status=b"503 x"), None),
    ("Retry-After on the 32nd", answer(b"Retry-After: Fri, 32 Foo 2026 25:61:61 GMT", status=b"503 x"), None),
    ("a login page in disguise", answer(b"Content-Type: application/json", body=b'<html><form action="/login"><input type="password">'), None),
    ("a page of comments", answer(body=b"<!-- x -->" * 100_000), b"<!-- x -->" * 100_000),
    ("forms without end", answer(b"Content-Type: text/html", body=b"<html>" + b"<form action=" * 20_000), None),
    ("actions without end", answer(b"Content-Type: text/html", body=b"<html><form " + b"action=" * 9_000), None),
    ("blanks without end", answer(body=b"<html>Logged in as:" + b" " * 60_000), None),
    ("HTTP/1.0 without length", b"HTTP/1.0 200 OK\r\n\r\ndata", b"data"),
    ("HTTP/0.9", b"data", None),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("name", "sent", "content"), HEADS, ids=[name for name, _, _ in HEADS])
@processor_seconds(10)
def test_heads(raw_server: Make, name: str, sent: bytes, content: bytes | None, stream: bool) -> None:
    server = raw_server(sent)
    client = client_of(server)
    try:
        response = client.request("GET", "/data/x", stream=stream)
        found = b"".join(response.iter_content(65536)) if stream else response.content
        response.close()
    except XNATError as error:
        assert content in (None, ANY) or stream, f"{error}"
        said = str(error)
        assert len(said) < 2000
        assert said.isprintable()
        assert SESSION not in "".join(traceback.format_exception(error))
    else:
        assert content in (found, ANY)
    finally:
        client.close()
    assert len(server.requests) < 20, "attempts end"


#: Where a server may send us: {other} is another server, {self} the one asked.
TARGETS = [
    "{other}/data/x", "http://127.0.0.1.evil.example/x", "//evil.example/x", "///evil.example", "\\\\evil.example\\x",
    "/\\evil.example/x", "http:\\\\evil.example", "https://evil.example/", "http://{self}@evil.example/",
    "http://user:password@evil.example/", "http://evil.example#@127.0.0.1/", "http://evil.example?{self}",
    "http://127.0.0.1:1/", "http://localhost/x", "http://[::1]/x", "http://2130706433/x", "http://0x7f.1/x",
    "http://127.1/x", "http://[::ffff:127.0.0.1]/x", "http://①②⑦.0.0.1/x", "http://xn--/x", "http://\u202eevil/x",
    "ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://127.0.0.1:25/x", "javascript:alert(1)", "data:text/plain,x",
    "jar:http://127.0.0.1!/x", "ldap://127.0.0.1/", "http:", "http://", "http:///x", "://x", "http://[", "http://[::1",
    "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://" + "a" * 50_000, "http://a b/", "http://a\tb/",
    "HTTPS://EVIL.EXAMPLE/", "hTtP://evil.example", "http://evil.example:80", "http://127.0.0.1:80@evil.example/x",
]  # fmt: skip


@pytest.mark.parametrize(
    "status", [302, 308, *(pytest.param(code, marks=pytest.mark.slow) for code in (301, 303, 307))]
)
@pytest.mark.parametrize("target", TARGETS, ids=[target[:40].encode("ascii", "replace").decode() for target in TARGETS])
def test_redirects_take_the_login_nowhere(raw_server: Make, target: str, status: int) -> None:
    """The session's cookie goes to the server it belongs to only: an error names where it was to go."""
    other = raw_server(answer())
    location = target.replace("{other}", other.url).replace("{self}", "127.0.0.1")
    server = raw_server(answer(b"Location: " + location.encode(), status=b"%d Moved" % status))
    client = client_of(server)
    try:
        for method in ("GET", "PUT"):
            with pytest.raises(XNATError) as caught:
                client.request(method, "/data/x", data="x" if method == "PUT" else None)
            assert SESSION not in str(caught.value)
            assert "password" not in str(caught.value)
            assert len(str(caught.value)) < 60_000
            assert str(caught.value).isprintable()
    finally:
        client.close()
    assert other.requests == []
    assert len(server.requests) < 50


@pytest.mark.parametrize(
    "status", [302, 308, *(pytest.param(code, marks=pytest.mark.slow) for code in (301, 303, 307))]
)
@pytest.mark.parametrize("target", TARGETS, ids=[target[:40].encode("ascii", "replace").decode() for target in TARGETS])
def test_redirects_before_the_login_take_it_nowhere(raw_server: Make, target: str, status: int) -> None:
    other = raw_server(answer())
    location = target.replace("{other}", other.url).replace("{self}", "127.0.0.1")
    server = raw_server(answer(b"Location: " + location.encode(), status=b"%d Moved" % status))
    client = client_of(server)
    client.jsession = None
    try:
        with pytest.raises(XNATError):
            login(client, Credentials("user", PASSWORD), probed=probe(client))
    finally:
        client.close()
    assert other.requests == []
    assert uris.same_origin(client.server, server.url)
    # Not sent before the redirect either: the front page is asked for first, and without credentials. What is no other
    # server's address may be a path of this one, which may be told the password.
    is_path = uris.same_origin(server.url, uris.redirect_target(server.url + "/", location))
    assert PASSWORD.encode() not in server.heard or is_path


def test_a_redirect_to_the_login_service_of_another_server(raw_server: Make) -> None:
    """A server that is honest until the login: the password isn't sent again, to nobody."""
    other = raw_server(answer())
    moved = answer(b"Location: " + other.url.encode() + b"/data/services/auth", status=b"307 Moved")
    server = raw_server(answer(), moved)
    client = client_of(server)
    try:
        found = probe(client)
        with pytest.raises(XNATRedirectError):
            login(client, Credentials("user", PASSWORD), probed=found)
    finally:
        client.close()
    assert other.requests == []
    assert server.heard.count(PASSWORD.encode()) == 1


COOKIES = [
    b"JSESSIONID=evil; Domain=example.org", b"JSESSIONID=evil; Domain=.org", b"JSESSIONID=evil; Domain=127.0.0.2",
    b"JSESSIONID=evil; Domain=localhost", b"JSESSIONID=evil; Domain=", b"JSESSIONID=evil; Domain=.1", b"JSESSIONID=evil",
    b"JSESSIONID=evil; Path=/elsewhere", b"jsessionid=evil", b"JSESSIONID=", b"JSESSIONID", b"=evil", b";", b"",
    b"JSESSIONID=evil; Max-Age=0", b"JSESSIONID=evil; Max-Age=" + b"9" * 5000, b"JSESSIONID=evil; Expires=yesterday",
    b"JSESSIONID=evil; Secure; HttpOnly; SameSite=None", b'JSESSIONID="evil\\"; X=y"', b"JSESSIONID=\xff\xfe",
    b"JSESSIONID=" + b"x" * 50_000, b"__Host-x=y; Domain=example.org", b"a=b; Port=80; Version=1",
    b"JSESSIONID=evil, JSESSIONID=evil2; Domain=example.org", b"X\x0bY=z", b"$Version=1; JSESSIONID=evil",
]  # fmt: skip


@pytest.mark.parametrize("cookie", COOKIES, ids=[repr(cookie[:40]) for cookie in COOKIES])
def test_cookies_of_a_request_do_not_change_the_login(raw_server: Make, cookie: bytes) -> None:
    server = raw_server(answer(b"Set-Cookie: " + cookie), answer())
    client = client_of(server)
    try:
        client.request("PUT", "/data/x")
        client.request("PUT", "/data/x")
        assert client.jsession == SESSION
        assert {item.domain for item in client.interface.cookies} <= {"127.0.0.1"}
    finally:
        client.close()
    sent = server.requests[1]
    assert b"JSESSIONID=" + SESSION.encode() in sent
    assert b"evil" not in sent.replace(b"jsessionid=evil", b"")


SESSION_IDS = [
    b"", b"\r\nX: y", b"a b", b"a;b", b"a,b", b"x" * 5000, b"<html>", b"\0", "ä".encode(), b"a\nb", b'"', b"a=b; c=d",
    b"../../etc", b"%0d%0aX:%20y", b"\xff", b'{"JSESSIONID": "x"}',
]  # fmt: skip


@pytest.mark.parametrize("given", SESSION_IDS, ids=[repr(value[:30]) for value in SESSION_IDS])
def test_session_ids_that_are_none(raw_server: Make, given: bytes) -> None:
    """What a login's answer calls the session becomes a header of every request: only an ID does."""
    server = raw_server(answer(body=given))
    client = client_of(server)
    client.jsession = None
    try:
        with pytest.raises(XNATError) as caught:
            login(client, Credentials("user", PASSWORD), verify=False)
        assert PASSWORD not in str(caught.value)
        assert client.jsession is None
    finally:
        client.close()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: y", "a\nb", "a; b=c", "a\0b", "ä", "a b", "\ud800", "", " "])
@pytest.mark.parametrize("place", ["jsession", "header", "header name", "method", "agent", "provider", "user"])
def test_our_own_values_can_not_add_headers(raw_server: Make, value: str, place: str) -> None:
    """What a script passes on, perhaps from elsewhere, stays one value, or is refused."""
    server = raw_server(answer())
    options: dict[str, Any] = {"user_agent": value} if place == "agent" else {}
    client = None
    try:
        try:
            client = client_of(server, **options)
            if place == "jsession":
                client.jsession = value
            headers = {"header": {"X-A": value}, "header name": {value: "x"}}.get(place)
            if place in ("provider", "user"):
                user = value if place == "user" and value else "user"
                login(client, Credentials(user, PASSWORD), value if place == "provider" else None, verify=False)
            client.request(f"GET{value}" if place == "method" else "GET", "/data/x", headers=headers)
        except XNATError as error:
            assert PASSWORD not in str(error)
    finally:
        if client is not None:
            client.close()
    for request in server.requests:
        head = request.partition(b"\r\n\r\n")[0].lower()
        assert b"\nx-evil" not in head
        assert b"\nb" not in head


@pytest.mark.parametrize("path", ["/data/a\r\nX-Evil: y", "/data/a\nb", "/data/\0", "/data/x HTTP/1.1\r\nX-Evil: y", "/data/\ud800",
                                  "//evil.example/x", "http://evil.example/x", "data/x", "", "?x", "@evil.example/", "/../../x", "\\\\evil"])  # fmt: skip
def test_paths_can_not_add_requests(raw_server: Make, path: str) -> None:
    server = raw_server(answer())
    client = client_of(server)
    try:
        client.request("GET", path)
    except XNATError as error:
        assert isinstance(error, XNATValueError)
    finally:
        client.close()
    for request in server.requests:
        lines = request.split(b"\r\n")
        assert lines[0].startswith(b"GET /")
        assert lines[0].count(b" ") == 2
        assert b"evil.example" not in request.split(b"\r\n", 1)[1]


@pytest.mark.parametrize("layers", [1, 2])
def test_compressed_answers_are_bounded(raw_server: Make, layers: int) -> None:
    """A listing of 64 KB that unfolds to 64 MB costs what it holds; twice compressed it would cost a machine."""
    body = bytes(64 << 20)
    for _ in range(layers):
        body = zlib.compress(body, 9)
    server = raw_server(answer(b"Content-Encoding: " + b", ".join([b"deflate"] * layers), body=body))
    client = client_of(server)
    try:
        assert len(client.request("GET", "/data/x").content) == 64 << 20
    finally:
        client.close()


def test_answers_have_a_largest_size(raw_server: Make) -> None:
    body = zlib.compress(bytes(64 << 20), 9)
    server = raw_server(answer(b"Content-Encoding: deflate", body=body))
    client = client_of(server)
    client.max_answer = 1 << 20
    try:
        with pytest.raises(XNATError, match="stream"):
            client.request("GET", "/data/x")
        assert client.request("GET", "/data/x", stream=True).raw.read(10) == bytes(10)
    finally:
        client.close()
    assert len(server.requests) == 2, "it is not asked for again"


def test_a_connection_to_something_that_is_no_xnat(raw_server: Make, caplog: Any) -> None:
    for sent in (answer(), answer(body=b"{}"), answer(status=b"404 x"), answer(body=b"null"), answer(body=b"[]")):
        server = raw_server(sent)
        with caplog.at_level(logging.DEBUG), pytest.raises(XNATError) as caught:
            xnat.connect(server.url, "user", PASSWORD, cache=False)
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in caplog.text
