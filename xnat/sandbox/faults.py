"""Scripted misbehaviour: what goes wrong with which requests.

::

    sandbox.faults.add(path=r"/files/.*", method="GET", times=1, action=faults.cut(100))
    sandbox.faults.add(path=r"^/data/projects", times=2, action=faults.status(503, headers={"Retry-After": "1"}))
    sandbox.faults.clear()

A rule has matchers (method, regular expressions for path and query), a count (let ``after`` matching requests pass,
then act ``times`` times; None is always) and a probability with a seed of its own. The first rule that fires acts.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from werkzeug.wrappers import Request, Response

from . import render

if TYPE_CHECKING:
    from .app import Application

__all__ = [
    "Action",
    "Disconnect",
    "Faults",
    "Rule",
    "body",
    "close",
    "corrupt",
    "corrupt_upload",
    "cut",
    "delay",
    "expire",
    "login_page",
    "lose_answer",
    "redirect",
    "stall",
    "status",
    "wrong_digest",
]


class Disconnect(Exception):  # noqa: N818 - a message to the server: hang up now
    """Drop the connection here, without another byte."""


@dataclass
class Action:
    """What a rule does: ``before`` may answer in place of the application, ``after`` may change its answer."""

    before: Callable[[Request, Application], Response | None] = lambda request, application: None
    after: Callable[[Request, Response], Response] = lambda request, response: response


@dataclass
class Rule:
    """When to act, and how; ``hits`` counts how often it did."""

    action: Action
    method: str | None
    path: re.Pattern[str]
    query: re.Pattern[str] | None
    times: int | None
    after: int
    probability: float
    random: random.Random
    seen: int = 0
    hits: int = 0

    def fires(self, request: Request) -> bool:
        """Whether this request is one to act on; counts it."""
        if self.method is not None and request.method != self.method.upper():
            return False
        if not self.path.search(request.path):
            return False
        if self.query is not None and not self.query.search(request.query_string.decode("latin-1")):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.hits >= self.times):
            return False
        if self.random.random() >= self.probability:
            return False
        self.hits += 1
        return True


@dataclass
class Faults:
    """The rules of one sandbox; changed and consulted from any thread."""

    application: Application
    rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self,
        action: Action,
        *,
        path: str = "",
        method: str | None = None,
        query: str | None = None,
        times: int | None = 1,
        after: int = 0,
        probability: float = 1.0,
        seed: int = 0,
    ) -> Rule:
        """Add a rule; it is returned, so that a test can look at its ``hits``."""
        pattern = re.compile(query) if query is not None else None
        # S311: repeatable chance is wanted here, not secrecy
        chance = random.Random(seed)  # noqa: S311
        rule = Rule(action, method, re.compile(path), pattern, times, after, probability, chance)
        with self._lock:
            self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self.rules.clear()

    def apply(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        """The answer to a request, or what the first rule that fires makes of it."""
        with self._lock:
            rule = next((rule for rule in self.rules if rule.fires(request)), None)
        if rule is None:
            return answer(request)
        response = rule.action.before(request, self.application)
        if response is None:
            response = answer(request)
        return rule.action.after(request, response)


# -- actions ----------------------------------------------------------------------------------------------------------


def status(code: int, body: str | bytes = "", headers: dict[str, str] | None = None) -> Action:
    """Answer with a status, without asking the application: ``status(503, headers={"Retry-After": "1"})``."""

    def before(request: Request, application: Application) -> Response:
        page = Response(body, code, content_type="text/plain") if body else render.status_page(code, "")
        page.headers.update(headers or {})
        return page

    return Action(before=before)


def close() -> Action:
    """Close the connection before any answer."""

    def before(request: Request, application: Application) -> Response:
        raise Disconnect

    return Action(before=before)


def lose_answer() -> Action:
    """Do what was asked, then close the connection instead of answering."""

    def after(request: Request, response: Response) -> Response:
        response.close()
        raise Disconnect

    return Action(after=after)


def cut(size: int, *, chunked: bool = False) -> Action:
    """Close the connection after ``size`` bytes of the body; with Content-Length, or chunked."""

    def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
        left = size
        for chunk in chunks:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                break
        raise Disconnect

    return Action(after=lambda request, response: _streamed(response, pieces, keep_length=not chunked))


def stall(size: int, seconds: float) -> Action:
    """Pause for some time after ``size`` bytes of the body."""

    def before(request: Request, application: Application) -> None:
        request.environ["xnat.pause"] = application.pause

    def pieces(chunks: Iterable[bytes], pause: Callable[[float], None]) -> Iterator[bytes]:
        left: int | None = size
        for chunk in chunks:
            if left is not None and len(chunk) >= left:
                yield chunk[:left]
                pause(seconds)
                chunk, left = chunk[left:], None
            elif left is not None:
                left -= len(chunk)
            yield chunk

    def after(request: Request, response: Response) -> Response:
        return _streamed(response, lambda chunks: pieces(chunks, request.environ["xnat.pause"]))

    return Action(before=before, after=after)


def delay(seconds: float) -> Action:
    """Wait before the first byte of the answer."""

    def before(request: Request, application: Application) -> None:
        application.pause(seconds)

    return Action(before=before)


def login_page(lead: str = "") -> Action:
    """The HTML login page with status 200, as after a session has run out; ``lead`` comes before its first tag."""

    def before(request: Request, application: Application) -> Response:
        page = render.login_page(application.settings.context_path)
        page.set_data(lead.encode() + page.get_data())
        return page

    return Action(before=before)


def redirect(url: str, code: int = 302) -> Action:
    """Redirect somewhere else; ``{path}`` in ``url`` is the request's path and query."""

    def before(request: Request, application: Application) -> Response:
        response = Response(status=code)
        response.headers["Location"] = url.replace("{path}", request.full_path.rstrip("?"))
        return response

    return Action(before=before)


def expire(every: float = 0.0) -> Action:
    """The server forgets all sessions, then goes on as always; with ``times=None`` once ``every`` so many seconds."""
    last = [float("-inf")]

    def before(request: Request, application: Application) -> None:
        now = time.monotonic()
        if now - last[0] >= every:
            last[0] = now
            application.sessions.end_all()

    return Action(before=before)


def body(make: Callable[[bytes], bytes | str] | bytes | str) -> Action:
    """Replace the body of the answer: by a constant, or by what a function makes of it."""

    def after(request: Request, response: Response) -> Response:
        response.direct_passthrough = False
        response.set_data(make(response.get_data()) if callable(make) else make)
        return response

    return Action(after=after)


def wrong_digest(digest: str = "0" * 32) -> Action:
    """Listings of files state a digest that is not the file's."""
    return body(lambda data: re.sub(rb'("digest": ?")[0-9a-f]*"', rb"\g<1>" + digest.encode() + b'"', data))


def corrupt(position: int = 0) -> Action:
    """Flip the bits of one byte of the answer's body."""

    def pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from _flip(chunks, position)

    return Action(after=lambda request, response: _streamed(response, pieces))


def corrupt_upload(position: int = 0) -> Action:
    """Flip the bits of one byte of the request's body."""

    def before(request: Request, application: Application) -> None:
        request.environ["wsgi.input"] = _FlippedInput(request.environ["wsgi.input"], position)

    return Action(before=before)


def _flip(chunks: Iterable[bytes], position: int) -> Iterator[bytes]:
    for chunk in chunks:
        if 0 <= position < len(chunk):
            chunk = chunk[:position] + bytes([chunk[position] ^ 0xFF]) + chunk[position + 1 :]
        position -= len(chunk)
        yield chunk


class _FlippedInput:
    def __init__(self, stream: BinaryIO, position: int) -> None:
        self._stream = stream
        self._position = position

    def read(self, size: int = -1) -> bytes:
        return self._flip(self._stream.read(size))

    def readline(self, size: int = -1) -> bytes:
        return self._flip(self._stream.readline(size))

    def _flip(self, data: bytes) -> bytes:
        changed = b"".join(_flip([data], self._position))
        self._position -= len(data)
        return changed


def _streamed(
    response: Response, pieces: Callable[[Iterable[bytes]], Iterator[bytes]], *, keep_length: bool = True
) -> Response:
    if keep_length and response.is_sequence:
        response.headers["Content-Length"] = str(sum(len(chunk) for chunk in response.iter_encoded()))
    elif not keep_length:
        response.headers.pop("Content-Length", None)
    chunks = cast("Iterable[bytes]", response.response) if response.direct_passthrough else response.iter_encoded()
    response.direct_passthrough = True
    response.response = pieces(chunks)
    return response
