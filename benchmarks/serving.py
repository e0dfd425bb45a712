"""The sandbox as a process of its own: ``python -m benchmarks.serving OPTIONS`` with options and orders as JSON.

It prints its address and then answers one line with one line, until its standard input ends.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from werkzeug.wrappers import Request, Response

from xnat.sandbox import Sandbox
from xnat.sandbox.record import Entry, Recorder

from . import content

# The files of the benchmarks are random bytes: compressing them would measure zlib on the server.
STORED = b"&compression=0"


class Timed(Entry):
    """A request that knows when it was being answered."""

    began = 0.0
    ended = 0.0

    def finish(self, status: int) -> None:
        super().finish(status)
        self.ended = time.monotonic()


class Clock(Recorder):
    """Keeps every request since ``restart`` with its times, the sandbox's delay included."""

    def __init__(self) -> None:
        super().__init__()
        self.timed: list[Timed] = []

    def begin(self, request: Request) -> Entry:
        entry = Timed(request.method, request.path, request.query_string.decode("latin-1"), {})
        entry.began = time.monotonic() - delay(self)
        if b"format=zip" in request.query_string and b"compression=" not in request.query_string:
            request.query_string += STORED
        self.timed.append(entry)
        return entry

    def restart(self) -> None:
        self.timed = []

    def summary(self) -> dict[str, Any]:
        """How many requests, how many of them one after another, and what they were."""
        done = sorted((entry for entry in self.timed if entry.ended), key=lambda entry: entry.ended)
        chain, free = 0, 0.0
        for entry in done:
            if entry.began >= free:
                chain, free = chain + 1, entry.ended
        return {
            "requests": len(self.timed),
            "in_a_row": chain,
            "server_time": sum(entry.ended - entry.began for entry in done),
            "log": [
                f"{entry.method} {entry.path}?{entry.query} {entry.status}".replace("? ", " ") for entry in self.timed
            ],
        }


class Replay:
    """Answers a long listing from memory when it is asked for again: the clients are measured, not the sandbox.

    Anything else than a question makes it forget all.
    """

    LONG = 1_000_000
    KINDS = ("application/json", "text/csv")

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer
        self._known: dict[str, tuple[bytes, str]] = {}

    def __call__(self, request: Request) -> Response:
        """The answer to a request."""
        asking = request.method in ("GET", "HEAD")
        if not asking and request.path not in ("/data/services/auth", "/data/JSESSION"):
            self._known.clear()
        if request.method == "GET" and request.full_path in self._known:
            body, kind = self._known[request.full_path]
            return Response(body, content_type=kind)
        response = self._answer(request)
        kind = response.content_type or ""
        found = request.method == "GET" and response.status_code == 200 and response.is_sequence
        if found and kind.startswith(self.KINDS) and len(body := response.get_data()) > self.LONG:
            self._known[request.full_path] = (body, kind)
        return response


def delay(clock: Clock) -> float:
    """The delay the sandbox had waited before it noted the request."""
    return clock.settings.delay  # type: ignore[attr-defined]


def main(options: dict[str, Any]) -> None:
    """Serve until the standard input ends."""
    logging.getLogger("xnat.sandbox").setLevel(logging.ERROR)
    fill = options.pop("fill", {})
    with Sandbox(**options) as sandbox:
        clock = Clock()
        clock.settings = sandbox.settings  # type: ignore[attr-defined]
        sandbox.application.recorder = clock
        sandbox.application._answer = Replay(sandbox.application._answer)  # type: ignore[method-assign]
        told = {name: getattr(content, name)(sandbox, **arguments) for name, arguments in fill.items()}
        print(json.dumps({"url": sandbox.url, "user": sandbox.user, "password": sandbox.password, **told}), flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            answer: dict[str, Any] = {}
            if "delay" in order:
                sandbox.settings.delay = order["delay"]
            if order.get("restart"):
                clock.restart()
            if order.get("summary"):
                answer = clock.summary()
            if order.get("add_resource"):
                answer = content.resource(sandbox, **order["add_resource"])
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
