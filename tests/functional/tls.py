"""A server behind TLS, with a certificate that nobody trusts."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CERTIFICATE = Path(__file__).parents[1] / "unit" / "transport" / "localhost.pem"


@contextmanager
def behind_tls(server: Any) -> Iterator[str]:
    """The https address of something that passes everything on to the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    port = urlsplit(server.url).port
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, context, port), daemon=True).start()
        yield f"https://localhost:{listening.getsockname()[1]}"


def _accept(listening: socket.socket, context: ssl.SSLContext, port: Any) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(plain, context, port), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    """One request at a time, from one socket to the other, and its answer back."""
    try:
        with context.wrap_socket(plain, server_side=True) as near, socket.create_connection(("127.0.0.1", port)) as far:
            while request := _message(near):
                far.sendall(request)
                near.sendall(_message(far, bodiless=request.startswith(b"HEAD ")))
    except OSError:
        plain.close()


def _message(source: socket.socket, *, bodiless: bool = False) -> bytes:
    """A request or answer, with as much body as it says (that to HEAD has none all the same); empty at the end."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = source.recv(1 << 16)
        if not piece:
            return b""
        found += piece
    head, _, body = found.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and not bodiless and len(body) < lengths[0]:
        piece = source.recv(1 << 16)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body
