"""A tiny HTTP server whose answers are scripted, and which remembers what arrived."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import PATIENCE

CERTIFICATE = pathlib.Path(__file__).with_name("localhost.pem")

LOGIN_PAGE = b"""\n\n<!DOCTYPE html>
<html><head><title>XNAT Login</title></head><body>
<form name="form1" method="post" action="/login" id="login_form">
<input type="text" name="username"><input type="password" name="password"></form></body></html>"""
STATUS_PAGE = (
    b"<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n<h3>%s</h3>"
    b'<p>You can get technical details <a href="http://www.w3.org/">here</a>.<br></p></body></html>'
)


@dataclass
class Arrived:
    """A request as the server saw it."""

    method: str
    path: str
    headers: Any
    body: bytes
    peer: int = 0  # the client's port: tells connections apart

    @property
    def cookies(self) -> dict[str, str]:
        items = (self.headers.get("Cookie") or "").split("; ")
        return {item.partition("=")[0]: item.partition("=")[2] for item in items if item}


@dataclass
class Answer:
    """A scripted answer; ``cut`` breaks the connection after so many bytes of the body, 0 before anything is sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, Any] = field(default_factory=dict)
    cut: int | None = None
    chunked: bool = False
    wait: threading.Event | None = None


Scripted = Answer | Callable[[Arrived], Answer]


class Server:
    """Answers in the order of ``script``; afterwards always with ``default``."""

    def __init__(self, *, tls: bool = False) -> None:
        self.requests: list[Arrived] = []
        self.script: list[Scripted] = []
        self.default: Scripted = Answer(200, b"ok", {"Content-Type": "text/plain"})
        self._lock = threading.Lock()
        self._httpd = _Sockets(("127.0.0.1", 0), _handler(self))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._httpd.socket = context.wrap_socket(self._httpd.socket, server_side=True)
        self.port = self._httpd.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def next(self, arrived: Arrived) -> Answer:
        with self._lock:
            self.requests.append(arrived)
            scripted = self.script.pop(0) if self.script else self.default
        return scripted if isinstance(scripted, Answer) else scripted(arrived)

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    def close(self) -> None:
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


class _Sockets(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def handle_request(self) -> None:
            answer = server.next(Arrived(self.command, self.path, self.headers, self._body(), self.client_address[1]))
            if answer.wait is not None:
                answer.wait.wait(PATIENCE)
            if answer.cut == 0 and not answer.headers.get("head first"):
                self._drop()
                return
            self._answer(answer)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_PATCH = handle_request

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _answer(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                for item in value if isinstance(value, list) else [value]:
                    self.send_header(key, item)
            empty = self.command == "HEAD" or answer.status in (204, 304)
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            body = b"" if empty else answer.body[: answer.cut]
            if answer.chunked:
                for start in range(0, len(body), 700):
                    piece = body[start : start + 700]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                body = b"" if answer.cut is not None else b"0\r\n\r\n"
            self.wfile.write(body)
            self.wfile.flush()
            if answer.cut is not None:
                self._drop()

        def _drop(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


class Waits(list[float]):
    """Stands in for sleeping: remembers how long it should have been."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)
