"""The requests session under the client: pool, proxies, CA bundle, cookies, and one exchange without any policy."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from xnat.constants import SESSION_COOKIE
from xnat.exceptions import XNATValueError
from xnat.version import __version__

if TYPE_CHECKING:
    import requests

__all__ = [
    "SESSION_COOKIE",
    "Trust",
    "exchange",
    "make_session",
    "set_session_id",
    "settle_trust",
    "user_agent",
    "without_session_id",
]

POOL_SIZE = 64
# The order requests uses, then OpenSSL's own names, which requests ignores.
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


_COOKIE_VALUE = re.compile(r"[!-+\--:<-~]*\Z")


class Trust(NamedTuple):
    """Which certificates are believed.

    :ivar verify: False, True (the bundle shipped with requests) or the path of a bundle or directory
    :ivar source: where that was said, for error texts
    """

    verify: bool | str
    source: str

    def __str__(self) -> str:
        if self.verify is False:
            return "certificates are not checked (verify=False)"
        if self.verify is True:
            from certifi import where

            return f"CA bundle {where()} (shipped with requests; verify= or SSL_CERT_FILE names another)"
        return f"CA bundle {self.verify} (from {self.source})"


def settle_trust(verify: bool | str | os.PathLike[str], environ: Mapping[str, str]) -> Trust:
    """The CA bundle to use: the argument, else the environment, else the one shipped with requests."""
    if not isinstance(verify, bool):
        return Trust(os.path.expanduser(os.fspath(verify)), "verify=")
    for name in CA_VARIABLES if verify else ():
        if environ.get(name):
            return Trust(environ[name], f"the environment variable {name}")
    return Trust(verify, "verify=")


def user_agent() -> str:
    """The name this client gives itself: its version, the system's, Python's and that of requests."""
    import requests

    python = ".".join(map(str, sys.version_info[:3]))
    return f"xnat/{__version__} ({_system()}; python/{python}; requests/{requests.__version__})"


def _system() -> str:
    if hasattr(os, "uname"):  # platform, which knows more systems, takes milliseconds to import
        return f"{os.uname().sysname}/{os.uname().release}"
    import platform

    return f"{platform.system()}/{platform.release()}"


def make_session(server: str, verify: bool | str, cert: Any, agent: str | None) -> requests.Session:
    """A requests session for one server: pooled, and with nothing of its own that could send credentials.

    ``trust_env`` is off, since it makes requests look into ~/.netrc for every request and replace our login; what else
    it covers, proxies and CA bundle, is settled here, once.
    """
    from requests.utils import get_environ_proxies

    session: requests.Session = _session_class()()
    session.trust_env = False
    session.proxies.update(get_environ_proxies(server))
    session.verify = verify
    session.cert = cert
    session.cookies = _jar()
    session.headers["User-Agent"] = agent or user_agent()
    adapter = _adapter(quiet=verify is False)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def exchange(
    session: requests.Session, prepared: requests.PreparedRequest, timeout: tuple[float | None, float | None]
) -> requests.Response:
    """Sends one request and returns its answer, body unread; follows nothing.

    By ``Session.send``, which libraries that stand in for a server in tests replace.
    """
    options: dict[str, Any] = {"verify": session.verify, "cert": session.cert, "proxies": session.proxies}
    return session.send(prepared, stream=True, timeout=timeout, allow_redirects=False, **options)


@functools.cache
def _session_class() -> type[requests.Session]:
    import requests

    class Session(requests.Session):
        def resolve_redirects(self, *args: Any, yield_requests: bool = False, **kwargs: Any) -> Any:
            # For the ``next`` of a redirect that it was told not to follow, requests reads that answer whole, winds the
            # body back and prepares another request, all of which is decided elsewhere here.
            return iter(()) if yield_requests else super().resolve_redirects(*args, **kwargs)

    return Session


def set_session_id(session: requests.Session, server: str, value: str | None) -> None:
    """Makes ``value`` the JSESSIONID sent to this server and to no other; None forgets it."""
    if value is not None and not _COOKIE_VALUE.match(value):
        # Not shown: who has it is logged in.
        raise XNATValueError("The ID of a session is text without blanks, ';' and other than ASCII letters and signs")
    jar: Any = session.cookies
    old = [cookie for cookie in jar if cookie.name == SESSION_COOKIE]
    place = _set(jar, server, value) if value is not None else None
    # the new one is in place first: a request of another thread must not go out as a guest's
    for cookie in old:
        if (cookie.domain, cookie.path) != place:
            jar.clear(cookie.domain, cookie.path, cookie.name)


def without_session_id(prepared: requests.PreparedRequest) -> None:
    """Takes the session's cookie out of a request, and leaves others, such as a load balancer's."""
    cookies = (prepared.headers.pop("Cookie", None) or "").split("; ")
    kept = "; ".join(cookie for cookie in cookies if not cookie.startswith(f"{SESSION_COOKIE}="))
    if kept:
        prepared.headers["Cookie"] = kept


def _set(jar: Any, server: str, value: str) -> tuple[str, str]:
    """Puts the session's cookie into the jar; its domain and path."""
    from requests.cookies import create_cookie

    parts = urlsplit(server)
    host = (f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname) or ""
    # http.cookiejar's own rule: a name without dots belongs to .local
    domain = host if "." in host else f"{host}.local"
    path = parts.path or "/"
    cookie = create_cookie(  # type: ignore[no-untyped-call]
        SESSION_COOKIE, value, domain=domain, path=path, secure=parts.scheme == "https"
    )
    jar.set_cookie(cookie)
    return domain, path


def _jar() -> Any:
    """A cookie jar for many threads, in which only a login can set the session's cookie.

    A server answers a request of a session that ran out with the cookie of a new guest session. Taken into the jar by a
    slow worker, it would log everybody out again after another worker has just logged in.
    """
    from http.cookiejar import DefaultCookiePolicy

    from requests.cookies import RequestsCookieJar

    class Policy(DefaultCookiePolicy):
        def set_ok(self, cookie: Any, request: Any) -> bool:
            return cookie.name != SESSION_COOKIE and super().set_ok(cookie, request)

    class Jar(RequestsCookieJar):
        def __iter__(self) -> Iterator[Any]:
            # a copy, since other threads add cookies meanwhile
            with self._cookies_lock:  # type: ignore[attr-defined]
                return iter(list(super().__iter__()))

    return Jar(policy=Policy())


def _adapter(*, quiet: bool) -> Any:
    """An adapter with a large pool; a ``quiet`` one doesn't warn about certificates it was told not to check.

    Switching urllib3's warning off would silence it for the whole process, other libraries included.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    if not quiet:
        return HTTPAdapter(pool_connections=8, pool_maxsize=POOL_SIZE)

    connection: Any = HTTPSConnectionPool.ConnectionCls

    class Connection(connection):  # type: ignore[misc]
        # urllib3 asks this only to decide about the warning
        is_verified = property(lambda self: True, lambda self, value: None)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    pools = {"http": HTTPConnectionPool, "https": Pool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Adapter(pool_connections=8, pool_maxsize=POOL_SIZE)
