"""The sandbox in a process of its own, with faults, and with a line to ask how many sessions are open there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO, Any, cast

#: (probability, action, path): what goes wrong all the time. Each kind has a seed of its own, so runs are alike.
#: Logins and logouts get their answers: a session whose ID never arrived can only be ended by the server.
FAULTS = [
    (0.02, "close()", r"^/data/(projects|experiments|subjects)"),
    (0.02, "status(503, headers={'Retry-After': '0'})", r"^/data/(?!JSESSION|services)"),
    (0.01, "status(500)", r"^/data/(projects|subjects)"),
    (0.03, "cut(1000)", r"/files/"),
    (0.02, "cut(2000)", r"/files$"),
    (0.02, "corrupt(100)", r"/files"),
    (0.003, "expire()", r"^/data/(?!JSESSION|services)"),
    (0.01, "wrong_digest()", r"/files$"),
]

_CODE = """
import json, sys
from xnat.sandbox import Sandbox, faults
with Sandbox() as server:
    for seed, (chance, action, path) in enumerate(json.loads(sys.argv[1])):
        server.faults.add(eval(action, vars(faults)), path=path, times=None, probability=chance, seed=seed)
    rules, server.faults.rules = server.faults.rules, []
    print(server.url, flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word == "faults":
            server.faults.rules = rules
        elif word == "calm":
            server.faults.rules = []
        print(len(server.application.sessions.of("admin")), flush=True)
"""


class Server:
    """A sandbox in another process."""

    def __enter__(self) -> Server:
        # Its files are its own: what is counted is what the client leaves.
        self._folder = tempfile.TemporaryDirectory(prefix="soak-server-")
        # S603: the text above, with our own Python
        self._process: subprocess.Popen[str] = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _CODE, json.dumps(FAULTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd(), "TMPDIR": self._folder.name},
        )
        self.url = cast(IO[str], self._process.stdout).readline().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cast(IO[Any], self._process.stdin).close()
        self._process.wait(30)
        self._folder.cleanup()
        cast(IO[Any], self._process.stdout).close()

    def tell(self, word: str = "") -> int:
        """Switch faults on (``faults``) or off (``calm``); gives the number of sessions that are open."""
        stdin, stdout = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        stdin.write(word + "\n")
        stdin.flush()
        return int(stdout.readline())
