"""The sandbox under malformed requests: it answers or hangs up, goes on serving, and touches nothing but its data.

Path traversal, archives and entity bombs sent to it are in tests/contract/test_sandbox_server.py.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.waiting import PATIENCE, processor_seconds, wait_until
from xnat.sandbox import Sandbox
from xnat.sandbox.server import is_loopback

HOST = b"Host: x\r\n"
GET = b"GET /xapi/siteConfig/buildInfo HTTP/1.1\r\n"


def put(*headers: bytes, body: bytes = b"") -> bytes:
    return (
        b"PUT /data/projects/P HTTP/1.1\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n"
        + HOST
        + b"".join(header + b"\r\n" for header in headers)
        + b"\r\n"
        + body
    )


#: (what it is, the bytes; the connection is half closed behind them)
REQUESTS: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("a line end", b"\r\n"),
    ("line ends", b"\r\n" * 10_000),
    ("one letter", b"G"),
    ("no line end", b"GET / HTTP/1.1"),
    ("no head end", GET + HOST),
    ("a word", b"HELLO\r\n\r\n"),
    ("four words", b"GET / x HTTP/1.1\r\n\r\n"),
    ("HTTP/0.9", b"GET /\r\n"),
    ("HTTP/1.0", b"GET /data/JSESSION HTTP/1.0\r\n\r\n"),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\n\r\n"),
    ("HTTP/9.9", b"GET / HTTP/9.9\r\n\r\n"),
    ("HTTP/x", b"GET / HTTP/x\r\n\r\n"),
    ("HTTP/1.99999999999", b"GET / HTTP/1.99999999999999999999\r\n\r\n"),
    ("a preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 512),
    ("SSH", b"SSH-2.0-x\r\n"),
    ("binary", bytes(range(256)) * 20),
    ("NULs", b"\0" * 5000 + b"\r\n\r\n"),
    ("a NUL in the path", b"GET /data/\0projects HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a NUL in a header", GET + HOST + b"X: a\0b\r\n\r\n"),
    ("no host", GET + b"\r\n"),
    ("two hosts", GET + HOST + HOST + b"\r\n"),
    ("a host that is none", GET + b"Host: ../../etc\r\n\r\n"),
    ("a host of 60 KB", GET + b"Host: " + b"x" * 60_000 + b"\r\n\r\n"),
    ("no path", b"GET  HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a star", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("an authority", b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("somebody else's URL", b"GET http://evil.example/data/JSESSION HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a URL of a file", b"GET file:///etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("two slashes", b"GET //etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("backslashes", b"GET \\..\\..\\etc\\passwd HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("dots", b"GET /../../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("escaped dots", b"GET /data/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("half an escape", b"GET /data/%4 HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("escapes that are none", b"GET /data/%zz%%%25%u0041 HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("escaped line ends", b"GET /data/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("not UTF-8", b"GET /data/%ff\xff HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a path of 60 KB", b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a path of 30,000 segments", b"GET " + b"/a" * 30_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a query of 60 KB", b"GET /data/projects?" + b"a=b&" * 15_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a fragment", b"GET /data/projects#x HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a method of 60 KB", b"X" * 60_000 + b" / HTTP/1.1\r\n\r\n"),
    ("a method in lower case", b"get / HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("TRACE", b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a method of ours", b"_serve / HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a method that is an attribute", b"__class__ / HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("a header of 1 MB", GET + HOST + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n"),
    ("10,000 headers", GET + HOST + b"X: y\r\n" * 10_000 + b"\r\n"),
    ("a header without colon", GET + HOST + b"nonsense\r\n\r\n"),
    ("a header without name", GET + HOST + b": x\r\n\r\n"),
    ("a blank before the colon", GET + HOST + b"X : y\r\n\r\n"),
    ("a folded header", GET + HOST + b"X: a\r\n\tb\r\n\r\n"),
    ("bare line feeds", GET.replace(b"\r", b"") + b"Host: x\n\n"),
    ("bare carriage returns", GET + b"Host: x\rX: y\r\r"),
    ("environment in a header", GET + HOST + b"Wsgi.Input: x\r\nScript_Name: /etc\r\n\r\n"),
    ("negative length", put(b"Content-Length: -1")),
    ("length with sign", put(b"Content-Length: +1", body=b"x")),
    ("length in hex", put(b"Content-Length: 0x1", body=b"x")),
    ("length with blanks", put(b"Content-Length: 1 1", body=b"x")),
    ("length in other digits", put("Content-Length: ²".encode(), body=b"x")),
    ("length of 2^70", put(b"Content-Length: 1180591620717411303424", body=b"x")),
    ("length of 5,000 digits", put(b"Content-Length: " + b"9" * 5000, body=b"x")),
    ("two lengths", put(b"Content-Length: 1", b"Content-Length: 5", body=b"x")),
    ("a body that is too short", put(b"Content-Length: 100", body=b"x")),
    ("length and chunks", put(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\n\r\n")),
    ("chunks that are none", put(b"Transfer-Encoding: chunked", body=b"hello\r\n")),
    ("a negative chunk", put(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n")),
    ("a chunk with sign", put(b"Transfer-Encoding: chunked", body=b"+5\r\nhello\r\n0\r\n\r\n")),
    ("a chunk with underscore", put(b"Transfer-Encoding: chunked", body=b"0_5\r\nhello\r\n0\r\n\r\n")),
    ("a chunk of 2^70", put(b"Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\nx")),
    ("a chunk line of 60 KB", put(b"Transfer-Encoding: chunked", body=b"1" * 60_000)),
    ("a chunk extension of 60 KB", put(b"Transfer-Encoding: chunked", body=b"1;" + b"x" * 60_000 + b"\r\nx\r\n0\r\n\r\n")),
    ("trailers without end", put(b"Transfer-Encoding: chunked", body=b"0\r\n" + b"X: y\r\n" * 20_000)),
    ("chunks twice", put(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n")),
    ("an encoding nobody knows", put(b"Transfer-Encoding: evil", body=b"x")),
    ("gzip", put(b"Content-Encoding: gzip", b"Content-Length: 3", body=b"\x1f\x8b\x08")),
    ("a form that is none", put(b"Content-Type: multipart/form-data", b"Content-Length: 1", body=b"x")),
    ("a boundary of 60 KB", put(b"Content-Type: multipart/form-data; boundary=" + b"x" * 60_000, b"Content-Length: 1", body=b"x")),
    ("a form without end", put(b"Content-Type: multipart/form-data; boundary=x", b"Content-Length: 40", body=b"--x\r\nContent-Disposition: form-data; n")),
    ("a form with a file elsewhere", put(b"Content-Type: multipart/form-data; boundary=x", b"Content-Length: 97",
     body=b'--x\r\nContent-Disposition: form-data; name="f"; filename="../../../../tmp/evil"\r\n\r\ndata\r\n--x--\r\n')),
    ("JSON that is none", put(b"Content-Type: application/json", b"Content-Length: 1", body=b"{")),
    ("deep JSON", put(b"Content-Type: application/json", b"Content-Length: 100000", body=b"[" * 100_000)),
    ("basic that is none", GET + HOST + b"Authorization: Basic !!!\r\n\r\n"),
    ("basic without colon", GET + HOST + b"Authorization: Basic eA==\r\n\r\n"),
    ("basic of 60 KB", GET + HOST + b"Authorization: Basic " + b"QUFB" * 15_000 + b"\r\n\r\n"),
    ("basic that is not UTF-8", GET + HOST + b"Authorization: Basic //79Ov8=\r\n\r\n"),
    ("digest", GET + HOST + b"Authorization: Digest username=x\r\n\r\n"),
    ("bearer", GET + HOST + b"Authorization: Bearer x\r\n\r\n"),
    ("a cookie of 60 KB", GET + HOST + b"Cookie: JSESSIONID=" + b"x" * 60_000 + b"\r\n\r\n"),
    ("cookies that are none", GET + HOST + b"Cookie: ;;;==;\"\\\r\n\r\n"),
    ("10,000 cookies", GET + HOST + b"Cookie: " + b"a=b; " * 10_000 + b"\r\n\r\n"),
    ("a range that is none", GET + HOST + b"Range: bytes=5-1,abc,-\r\n\r\n"),
    ("10,000 ranges", GET + HOST + b"Range: bytes=" + b"0-0," * 10_000 + b"\r\n\r\n"),
    ("expect what nobody knows", GET + HOST + b"Expect: the-unexpected\r\n\r\n"),
    ("expect 100 and then nothing", put(b"Expect: 100-continue", b"Content-Length: 5")),
    ("upgrade", GET + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ("smuggled request", put(b"Content-Length: 0", body=b"GET /evil HTTP/1.1\r\n" + HOST + b"\r\n")),
    ("500 requests at once", (GET + HOST + b"\r\n") * 500),
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def talk(url: str, data: bytes, seconds: float = PATIENCE) -> bytes:
    """Everything the server says until it hangs up."""
    parts = urlsplit(url)
    heard = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as connection:
        # The server may hang up before it has heard all of it.
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                heard += chunk
    return heard


def test_there_are_enough() -> None:
    assert len(REQUESTS) >= 90


@pytest.mark.parametrize(("name", "request_"), REQUESTS, ids=[name for name, _ in REQUESTS])
@processor_seconds(5)
def test_requests(server: Sandbox, name: str, request_: bytes) -> None:
    heard = talk(server.url, request_)
    assert heard == b"" or re.match(rb"HTTP/1\.[01] [1-5]\d\d |<!DOCTYPE|<html", heard, re.IGNORECASE), heard[:100]
    for status in re.findall(rb"HTTP/1\.1 (\d+)", heard):
        assert status != b"500", heard[-300:]
    assert b"Traceback" not in heard
    assert b"root:" not in heard
    assert b"\r\nSet-Cookie: a=b" not in heard
    assert requests.get(f"{server.url}/xapi/siteConfig/buildInfo", timeout=PATIENCE).status_code == 200
    assert not Path("/tmp/evil").exists()


def test_slow_clients_do_not_keep_others_waiting(server: Sandbox) -> None:
    """Heads and bodies that come a byte at a time, or never: each holds a thread of its own, and nothing else."""
    parts = urlsplit(server.url)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection((parts.hostname, parts.port))) for _ in range(100)]
        for number, connection in enumerate(slow):
            connection.sendall(b"G" if number % 2 else put(b"Content-Length: 1000", body=b"x"))
        for _ in range(5):
            assert requests.get(f"{server.url}/xapi/siteConfig/buildInfo", timeout=PATIENCE).status_code == 200


def test_clients_that_never_end_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from xnat.sandbox import server as module

    monkeypatch.setattr(module._Handler, "timeout", 0.2)
    with Sandbox() as running:
        for said in (
            b"",
            b"GET / HT",
            GET,
            put(b"Content-Length: 10", body=b"x"),
            put(b"Transfer-Encoding: chunked", body=b"5\r\nx"),
        ):
            parts = urlsplit(running.url)
            with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as connection:
                connection.sendall(said)
                with contextlib.suppress(ConnectionError):  # hung up on, if not all had been read
                    while connection.recv(65536):
                        pass


def test_connections_leave_no_threads(server: Sandbox) -> None:
    talk(server.url, GET + HOST + b"\r\n")
    for _ in range(30):
        talk(server.url, put(b"Content-Length: 10", body=b"x"))
    # Of this server: others of the process have threads of their own.
    wait_until(lambda: not server._server._tcp._open)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org", "localhost.evil.example", "127.0.0.1.evil.example",
                                  "::ffff:192.0.2.1", "0", "1.1", "*", "localhost ", "LOCALHOST.", "2130706433"])  # fmt: skip
def test_other_hosts_need_a_password(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ValueError, match="default password"):
        Sandbox(host=host)


def test_it_listens_on_loopback_by_default(server: Sandbox) -> None:
    assert urlsplit(server.url).hostname == "127.0.0.1"
    with pytest.raises(OSError):
        # The same port on another address of this machine, if it has one.
        socket.create_connection(("127.0.0.2", urlsplit(server.url).port), timeout=5)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_the_command_line_refuses_as_well(host: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from xnat.sandbox import __main__ as module

    monkeypatch.setattr(module.signal, "signal", lambda number, handler: None)
    assert module.main(["--host", host, "--port", "0"]) == 1
    assert "default password" in capsys.readouterr().err
