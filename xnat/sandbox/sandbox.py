"""The sandbox as a context manager: a store, an application and a server that belong together."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from .app import Application
from .datatypes import Schemas
from .faults import Faults
from .record import Entry
from .server import Server, is_loopback
from .settings import Settings
from .store import Store, User

__all__ = ["Sandbox"]

DEFAULT_PASSWORD = "admin"  # noqa: S105 - loopback only, see Sandbox.__init__


class Sandbox:
    """A running XNAT-compatible server.

    :param host: where to listen; other than loopback needs a password other than the default
    :param port: 0 for any free one
    :param schemas: a folder with ``index.tsv`` and the XSD files to serve, in place of the sandbox's own
    :param data: a folder to keep everything in across restarts; in memory without it
    :param user: the administrator's login
    :param password: and password
    :param xnat_version: which XNAT to be: 1.6.x, 1.7.x or 1.8.x
    :param demo: begin with demo content
    :param context_path: serve below this path, as Tomcat does ('/xnat')
    :param delay: seconds to wait before every answer
    :param bandwidth: bytes per second of each connection, both ways; 0 for no limit
    :param ranges: answer 206 to Range; a real server ignores it
    :param idle_seconds: how long a session in the prearchive waits for more files until it is built, and archived if
        its project archives by itself
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        schemas: str | Path | None = None,
        data: str | Path | None = None,
        user: str = "admin",
        password: str = DEFAULT_PASSWORD,
        xnat_version: str = "1.8.9",
        demo: bool = False,
        context_path: str = "",
        site_id: str = "XNAT",
        require_login: bool = True,
        delay: float = 0.0,
        checksums: bool = True,
        bandwidth: int = 0,
        ranges: bool = False,
        idle_seconds: float = 300.0,
    ) -> None:
        if not is_loopback(host) and password == DEFAULT_PASSWORD:
            raise ValueError(f"Refusing to listen on {host} with the default password: give a password")
        context_path = "/" + context_path.strip("/") if context_path.strip("/") else ""
        self.user, self.password = user, password
        self.settings = Settings(
            site_id=site_id, xnat_version=xnat_version, context_path=context_path, require_login=require_login,
            delay=delay, ranges=ranges, idle_seconds=idle_seconds,
        )  # fmt: skip
        self.store = Store(data, site_id)
        self.store.files.checksums = checksums
        self.store.users.add(user, password, admin=True)
        self.application = Application(self.store, Schemas.load(schemas), self.settings)
        try:
            self._server = Server(self.application, host, port, bandwidth)
        except OSError:
            self.store.close()
            raise
        self.url = self.settings.site_url = self._server.url
        self._demo = demo
        self._running = False

    def start(self) -> Sandbox:
        """Begin to answer; ``with`` does it for you."""
        self._server.start()
        self._running = True
        if self._demo:
            from .demo import fill

            fill(self)
        return self

    def close(self) -> None:
        """Stop, and forget everything that is not kept in a data folder."""
        self._server.stop()
        if self._running:
            self._running = False
        self.store.close()

    def __enter__(self) -> Sandbox:
        return self if self._running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def faults(self) -> Faults:
        """The misbehaviour to come, see ``xnat.sandbox.faults``."""
        return self.application.faults

    @property
    def requests(self) -> deque[Entry]:
        """The last requests that came in, oldest first."""
        return self.application.recorder.entries

    def record(self) -> AbstractContextManager[list[Entry]]:
        """``with sandbox.record() as requests:`` collects what is asked meanwhile."""
        return self.application.recorder.record()

    def add_user(self, login: str, password: str, *, admin: bool = False, **details: str) -> User:
        """Add a user, or change its password; ``details`` are firstname, lastname, email."""
        return self.store.users.add(login, password, admin=admin, **details)

    def expire_sessions(self) -> None:
        """Forget every login."""
        self.application.sessions.end_all()
