"""Sockets: a threaded HTTP/1.1 server with persistent connections that streams bodies both ways.

Standard servers for WSGI close the connection after each answer; XNAT does not, and clients rely on it, so this one
speaks HTTP/1.1 itself: Content-Length or chunked in both directions, unread request bodies drained, ``TCP_NODELAY``,
and ``faults.Disconnect`` from the application or from a body closes the connection on the spot.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request

from .app import FormRequest
from .faults import Disconnect
from .wire import ChunkedBody, LimitedBody, RequestBody

if TYPE_CHECKING:
    from .app import Application

__all__ = ["Server", "is_loopback"]

log = logging.getLogger("xnat.sandbox")

DRAIN_LIMIT = 4 * 1024 * 1024
IDLE_SECONDS = 120
PATIENCE = 5.0
_EMPTY = {204, 304}


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Noelios-Restlet-Engine/1.1.10"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: _TCPServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s " + format, self.client_address[0], *args)

    def serve(self) -> None:
        """Answer the request whose head has been read."""
        if self.server.application.closing.is_set():  # what was sent ahead can still be read after a hang-up
            self._hang_up()
            return
        try:
            body = self._body()
        except ValueError as error:
            self.send_error(400, str(error))
            self.close_connection = True
            return
        try:
            self._answer(body)
            if not body.drain(DRAIN_LIMIT):
                self.close_connection = True
        except (Disconnect, ConnectionError, TimeoutError):
            self._hang_up()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = serve  # noqa: N815

    def _body(self) -> RequestBody:
        stream = cast(BinaryIO, self.rfile)
        if self.headers.get("Transfer-Encoding", "").lower().strip() == "chunked":
            return ChunkedBody(stream, self.server.bandwidth)
        length = self.headers.get("Content-Length", "0").strip()
        if not length.isdigit():
            raise ValueError("Bad Content-Length")
        return LimitedBody(stream, int(length), self.server.bandwidth)

    def _answer(self, body: RequestBody) -> None:
        environ = self._environ(body)
        request = FormRequest(environ)
        try:
            response = self.server.application(request)
            chunks, status, headers = response.get_wsgi_response(environ)
            try:
                self._send(chunks, status, Headers(headers))
            finally:
                response.close()
        finally:
            _close_uploads(request)

    def _send(self, chunks: Any, status: str, headers: Headers) -> None:
        code = int(status.split()[0])
        bodyless = self.command == "HEAD" or code in _EMPTY or code < 200
        chunked = "Content-Length" not in headers and not bodyless
        if chunked and self.request_version < "HTTP/1.1":
            chunked, self.close_connection = False, True
        elif chunked:
            headers["Transfer-Encoding"] = "chunked"
        if self.close_connection:
            headers["Connection"] = "close"
        pending = self._head(status, headers)
        if bodyless:
            self._write(pending)
            return
        left = int(headers.get("Content-Length", "0"))
        try:
            for chunk in chunks:
                if not chunk:
                    continue
                left -= len(chunk)
                self._write(pending + (b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk))
                pending = b""
        except Disconnect:
            self._write(pending)
            raise
        except (ConnectionError, TimeoutError):  # the client has gone
            raise
        except Exception as error:  # the head is out: all that is left is to show that the body is incomplete
            if self.server.application.store.closed:  # see Application
                raise Disconnect from error
            log.exception("The body of %s %s failed", self.command, self.path)
            raise Disconnect from error
        self._write(pending + (b"0\r\n\r\n" if chunked else b""))
        if not chunked and left > 0:
            raise Disconnect

    def _head(self, status: str, headers: Headers) -> bytes:
        lines = [f"HTTP/1.1 {status}", f"Server: {self.server_version}"]
        if "Date" not in headers:
            lines.append(f"Date: {self.date_time_string()}")
        lines += [f"{name}: {value}" for name, value in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _write(self, data: bytes) -> None:
        rate = self.server.bandwidth
        if not rate:
            self.wfile.write(data)
            return
        step = max(1, rate // 20)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            self.wfile.write(piece)
            time.sleep(len(piece) / rate)

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _environ(self, body: RequestBody) -> dict[str, Any]:
        target = self.path
        if not target.startswith("/"):  # absolute form, as proxies get it
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        host, port = self.server.server_address[:2]
        environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": target,
            "REMOTE_ADDR": self.client_address[0],
            "SERVER_NAME": str(host),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = "HTTP_" + key
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ


def _close_uploads(request: Request) -> None:
    # The temporary files of a form's parts; `request.close()` alone would first parse a form nobody asked for.
    if "files" in request.__dict__:
        request.close()


class _TCPServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application, bandwidth: int) -> None:
        self.application = application
        self.bandwidth = bandwidth
        self._open: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Condition()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._guard:
            # Accepted before the server ended, but begun only now: hang_up() did not see it.
            late = self.application.closing.is_set()
            if not late:
                self._open[request] = threading.current_thread()
        if late:
            self.shutdown_request(request)
            return
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                del self._open[request]
                self._guard.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("Connection of %s failed", client_address, exc_info=True)

    def hang_up(self) -> None:
        """Close every open connection, and wait for the threads that answer there, but not for ever."""
        with self._guard:
            self.application.closing.set()
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            # An answer that ends the server would wait for itself.
            own = threading.current_thread()
            self._guard.wait_for(lambda: not set(self._open.values()) - {own}, PATIENCE)


class Server:
    """Serves an application from a thread; ``url`` is where. ``stop()`` ends it and every connection.

    Answers under way are waited for, so that they find what they need until they end, but no longer than PATIENCE.
    """

    def __init__(self, application: Application, host: str = "127.0.0.1", port: int = 0, bandwidth: int = 0) -> None:
        self._tcp = _TCPServer((host, port), application, bandwidth)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._tcp.server_address[1]}{application.settings.context_path}"
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.05,), name="xnat-sandbox", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more, and wait until that is so."""
        if self._thread.is_alive():
            self._tcp.shutdown()
        self._tcp.server_close()
        self._tcp.hang_up()
        if self._thread.is_alive():
            self._thread.join(5)
