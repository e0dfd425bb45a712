"""What ``xnat doctor`` looks at before the first request: proxy, name, connection, certificate."""

from __future__ import annotations

import os
import socket
import ssl
import time
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Finding", "Trouble", "check_connection", "check_name", "check_proxy", "check_tls"]

_SECONDS = 3.0
_EXPIRES_SOON = 14  # days


class Finding(NamedTuple):
    """What a check found; with advice it is a warning."""

    text: str
    advice: str = ""


class Trouble(Exception):  # noqa: N818 - a finding, too: the check failed
    """What is wrong, and what to do."""

    def __init__(self, text: str, advice: str = "") -> None:
        super().__init__(text)
        self.advice = advice


def proxy_of(server: str) -> str | None:
    """The proxy on the way to a server, without its credentials."""
    from urllib.request import getproxies, proxy_bypass

    from xnat import uris

    parts = urlsplit(server)
    if proxy_bypass(parts.netloc) or proxy_bypass(parts.hostname or ""):
        return None
    found = getproxies().get(parts.scheme) or getproxies().get("all")
    return None if not found else uris.redact(found if "://" in found else f"http://{found}")


def check_proxy(server: str) -> Finding:
    """Whether a proxy is on the way."""
    proxy = proxy_of(server)
    if proxy is None:
        return Finding("none")
    if urlsplit(server).hostname in ("localhost", "127.0.0.1", "::1"):
        return Finding(f"{proxy}, also for this machine", "set NO_PROXY=localhost,127.0.0.1")
    return Finding(f"{proxy} (by the environment; NO_PROXY names servers to reach without)")


def check_name(server: str) -> Finding:
    """Whether the server's name is known."""
    host = urlsplit(server).hostname or ""
    if proxy_of(server):
        return Finding("left to the proxy")
    try:
        found = socket.getaddrinfo(host, _port(server), type=socket.SOCK_STREAM)
    except OSError as error:
        raise Trouble(
            f"the name {host} is not known ({error.strerror or error})",
            "check the spelling, your network, and whether a VPN is needed",
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Finding(f"{host} is {', '.join(addresses[:3])}")


def check_connection(server: str) -> Finding:
    """Whether something listens there."""
    where = proxy_of(server)
    target = where or server
    host, port = urlsplit(target).hostname or "", _port(target)
    started = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            pass
    except OSError as error:
        what = f"the proxy {where}" if where else server
        raise Trouble(
            f"{what} can't be reached on port {port} ({error.strerror or error})",
            "check the port, and whether a firewall, VPN or proxy is in between; the server may be down",
        ) from error
    return Finding(f"port {port} answers in {(time.monotonic() - started) * 1000:.0f} ms")


def check_tls(server: str, verify: bool | str) -> Finding:
    """Whether the server's certificate is good."""
    from xnat.transport.wire import settle_trust

    parts = urlsplit(server)
    if parts.scheme != "https":
        if parts.hostname in ("localhost", "127.0.0.1", "::1"):
            return Finding("not used; the server is on this machine")
        return Finding("not used", "passwords and data travel in the clear: use https:// if the server has it")
    if proxy_of(server):
        return Finding("not looked at, a proxy is in between")
    trust = settle_trust(verify, os.environ)
    if trust.verify is False:
        return Finding("certificates are not checked", "drop --no-verify; name a CA bundle instead: --ca-bundle FILE")
    try:
        version, days = _handshake(parts.hostname or "", _port(server), trust.verify)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        raise Trouble(
            f"no agreement on TLS: {reason}",
            "if the site has its own certificate authority, name its bundle with --ca-bundle FILE or SSL_CERT_FILE",
        ) from error
    except OSError as error:
        raise Trouble(f"the connection broke off during the handshake ({error})", "a firewall may cut it") from error
    soon = f"tell the administrator: it runs out in {days} days" if days < _EXPIRES_SOON else ""
    return Finding(f"{version}, certificate good for {days} days", soon)


def _handshake(host: str, port: int, verify: bool | str) -> tuple[str, int]:
    """(version, days until the certificate ends)."""
    if isinstance(verify, str):
        folder = os.path.isdir(verify)
        context = ssl.create_default_context(cafile=None if folder else verify, capath=verify if folder else None)
    else:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    with (
        socket.create_connection((host, port), timeout=_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        certificate = secure.getpeercert() or {}
        end = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return str(secure.version()), int((end - time.time()) // 86400)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
