"""A server that sends exactly these bytes, however wrong they are as HTTP."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.waiting import PATIENCE

LOGGED_IN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"


class RawServer:
    """Answers each request with the next of the answers; the last one is repeated.

    ``{self}`` in an answer becomes the server's address.

    :ivar requests: what came in, head and body
    """

    def __init__(self, *answers: bytes, close: bool = True) -> None:
        self._answers = list(answers)
        self._close = close
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open[connection] = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._open[connection].start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while request := self._read(connection):
                with self._lock:
                    self.requests.append(request)
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                connection.sendall(answer.replace(b"{self}", self.url.encode()))
                if self._close:
                    connection.shutdown(socket.SHUT_WR)
                    # The client reads what it wants; hanging up at once would reset what is on its way.
                    while connection.recv(65536):
                        pass
                    return

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            piece = connection.recv(65536)
            if not piece:
                return b""
            body += piece
        return head + b"\r\n\r\n" + body

    @property
    def heard(self) -> bytes:
        """Everything that came in."""
        return b"\n".join(self.requests)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(PATIENCE)
        for connection, thread in self._open.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            # It closes the connection. Closed here, its number might be another's by the time the thread reads from it.
            thread.join(PATIENCE)
