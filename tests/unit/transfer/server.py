"""A tiny XNAT-like file server that does as it is told, and the smallest requester."""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import io
import json
import socket
import tarfile
import threading
import weakref
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
import requests.adapters

from tests.waiting import PATIENCE
from xnat.exceptions import (
    XNATConnectionError,
    XNATForbiddenError,
    XNATNotFoundError,
    XNATResponseError,
    XNATUnexpectedPageError,
)


@dataclass
class Answer:
    """One scripted answer; the default one is what the server would say anyway."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # bytes after which the connection is cut
    framing: str | None = None  # length, chunked, close
    drop: bool = False  # no answer at all
    store: bool = True  # uploads: really keep the file
    gate: threading.Event | None = None  # wait for this before the body's second half


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    sent: int = 0


class FakeServer:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.zips: dict[str, Any] = {}
        self.huge: dict[str, int] = {}  # files of so many zero bytes, never held in memory
        self.seen: list[Seen] = []
        self.ranges = False
        self.validators = True
        self.etags = False
        self.digests = True
        self.framing = "length"
        self._scripts: dict[str, list[Answer]] = defaultdict(list)
        self.lock = threading.Lock()
        self.in_flight = self.most_in_flight = 0
        handler = type("Handler", (_Handler,), {"fake": self})
        self.http = _Http(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def script(self, path: str, *answers: Answer) -> None:
        self._scripts[path] += answers

    def next_answer(self, path: str) -> Answer | None:
        with self.lock:
            steps = self._scripts.get(path)
            return replace(steps.pop(0)) if steps else None

    def gets(self, path: str | None = None) -> list[Seen]:
        return [s for s in self.seen if s.method == "GET" and (path is None or s.path == path)]

    def puts(self) -> list[Seen]:
        return [s for s in self.seen if s.method in ("PUT", "POST")]

    @property
    def bytes_sent(self) -> int:
        return sum(s.sent for s in self.seen)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        # Little is written ahead into the socket, so that bytes sent are nearly bytes received (inherited by accept).
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed is part of the tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeServer

    def log_message(self, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if path in self.fake.huge:
            self._huge(self.fake.huge[path])
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = Seen(self.command, path, query, dict(self.headers.items()), body)
        fake = self.fake
        with fake.lock:
            fake.seen.append(seen)
            fake.in_flight += 1
            fake.most_in_flight = max(fake.most_in_flight, fake.in_flight)
        try:
            answer = fake.next_answer(path)
            if answer is not None and answer.drop and not answer.store:
                self._cut()
                return
            (self._get if self.command == "GET" else self._put)(seen, answer)
        finally:
            with fake.lock:
                fake.in_flight -= 1

    def _huge(self, size: int) -> None:
        """Send that many bytes, or take them and say how many came."""
        block, left = bytes(1 << 20), int(self.headers.get("Content-Length", 0))
        while left:
            left -= len(self.rfile.read(min(left, len(block))))
        self.send_response(200)
        self.send_header("Content-Length", str(size if self.command == "GET" else 0))
        self.end_headers()
        for start in range(0, size if self.command == "GET" else 0, len(block)):
            self.wfile.write(block[: size - start])
        with self.fake.lock:
            self.fake.seen.append(Seen(self.command, self.path, {}, dict(self.headers.items()), b""))

    do_GET = do_PUT = do_POST = _serve

    def _get(self, seen: Seen, answer: Answer | None) -> None:
        fake = self.fake
        zipped = seen.query.get("format") == "zip"
        content = fake.zips.get(seen.path) if zipped else fake.files.get(seen.path)
        content = content() if callable(content) else content
        headers, status = {}, 200
        answer = answer or Answer()
        if answer.drop:
            self._cut()
            return
        if answer.body is not None:
            content = answer.body
        if content is None:
            self._send(seen, Answer(404 if answer.status == 200 else answer.status), b"nothing here", {})
            return
        if not zipped and fake.validators:
            headers["Last-Modified"] = "Mon, 01 Jan 2024 00:00:00 GMT"
            if fake.etags:
                headers["ETag"] = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = seen.headers.get("Range")
        condition = seen.headers.get("If-Range")
        if (
            wanted
            and fake.ranges
            and not zipped
            and condition in (None, headers.get("ETag"), headers.get("Last-Modified"))
        ):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        if answer.status == 200:
            answer.status = status
        if answer.framing is None:
            answer.framing = "chunked" if zipped else fake.framing
        self._send(seen, answer, content, headers)

    def _put(self, seen: Seen, answer: Answer | None) -> None:
        answer = answer or Answer()
        duplicates: list[str] = []
        if answer.status == 200 and answer.store:
            kind = self.headers.get("Content-Type", "")
            data = seen.body
            if kind.startswith("multipart/"):
                text = f"Content-Type: {kind}\r\n\r\n".encode() + data
                message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(text)
                data = next(iter(message.iter_parts())).get_payload(decode=True) or b""
                seen.headers["X-Multipart"] = "yes"
            elif not data:
                self._send(seen, Answer(500), b"Internal error", {})
                return
            members = _extract(data) if seen.query.get("extract") == "true" else {None: data}
            base = seen.path.rpartition("/")[0]
            for name, content in members.items():
                place = seen.path if name is None else f"{base}/{name}"
                if place in self.fake.files and seen.query.get("overwrite") != "true":
                    duplicates.append(place.rpartition("/")[2])
                else:
                    self.fake.files[place] = content
        if answer.drop:
            self._cut()
            return
        body = json.dumps({"duplicates": duplicates}).encode() if duplicates else answer.body or b""
        self._send(seen, answer, body, {"Content-Type": "text/html"})

    def _send(self, seen: Seen, answer: Answer, content: bytes, headers: dict[str, str]) -> None:
        framing = answer.framing or "length"
        headers = {"Content-Type": "application/octet-stream", **headers, **answer.headers}
        self.send_response(answer.status)
        if framing == "length":
            headers.setdefault("Content-Length", str(len(content)))
        elif framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Connection"] = "close"
            self.close_connection = True
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        end = len(content) if answer.cut is None else min(answer.cut, len(content))
        step = 65536
        half = end // 2
        for start in range(0, end, step):
            if answer.gate is not None and start + step > half:
                answer.gate.wait(PATIENCE)
            piece = content[start : min(start + step, end)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)
            seen.sent += len(piece)
        if answer.cut is not None:
            self._cut()
            return
        if framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _cut(self) -> None:
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _extract(data: bytes) -> dict[str, bytes]:
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore[union-attr]


class _SmallBuffers(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        super().init_poolmanager(*args, **kwargs, socket_options=options)


class SimpleRequester:
    """The contract of Requester and no more: one attempt, typed errors, HTML refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.mount("http://", _SmallBuffers())
        self._finalizer = weakref.finalize(self, self.session.close)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Any = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        headers: Any = None,
        timeout: Any = None,
        accepted: Any = None,
        stream: bool = False,
        allow_redirects: bool = True,
        idempotent: bool | None = None,
        allow_html: bool = False,
    ) -> requests.Response:
        try:
            response = self.session.request(
                method,
                self.url + path,
                params=query,
                data=data,
                files=files,
                headers=headers,
                timeout=timeout or 30,
                stream=stream,
            )
        except requests.RequestException as error:
            raise XNATConnectionError(f"no answer: {error}") from error
        status = response.status_code
        ok = status in accepted if accepted else 200 <= status < 300
        if not ok:
            text = response.text
            response.close()
            kind = {403: XNATForbiddenError, 404: XNATNotFoundError}.get(status, XNATResponseError)
            raise kind(f"{method} {path}: {status}", response, status_code=status, text=text)
        if not allow_html and response.headers.get("Content-Type", "").startswith("text/html") and method == "GET":
            response.close()
            raise XNATUnexpectedPageError("a page", status_code=200)
        return response
