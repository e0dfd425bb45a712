"""netrc files that others wrote, that aren't netrc files, or that hold more than they seem to.

Permissions, hosts and users are the subject of tests/unit/transport/test_credentials.py; here: what else a file can be.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.waiting import processor_seconds
from xnat.exceptions import XNATAuthError, XNATError, XNATUnsafeNetrcError
from xnat.transport import netrc
from xnat.transport.credentials import settle_credentials

SECRET = "Tops3cret-of-somebody"
SERVER = "https://xnat.example.org:8443"

#: content → (login, password) that is found for the server, None for none, an error class for a refusal
FILES: list[tuple[bytes, object]] = [
    (b"machine xnat.example.org login u password p", ("u", "p")),
    (b"machine xnat.example.org:8443 login u password p", ("u", "p")),
    (b"machine XNAT.EXAMPLE.ORG login u password p", ("u", "p")),
    (b"machine xnat.example.org.evil login u password p", None),
    (b"machine evil.xnat.example.org login u password p", None),
    (b"machine example.org login u password p", None),
    (b"machine xnat.example.org:443 login u password p", None),
    (b"machine xnat.example.org. login u password p", None),
    (b"machine https://xnat.example.org login u password p", None),
    (b"machine * login u password p", None),
    (b"machine .* login u password p", None),
    (b"default login u password p", ("u", "p")),
    (b"machine a login a password a default login u password p", ("u", "p")),
    (b"machine xnat.example.org login u", None),
    (b"machine xnat.example.org password p", None),
    (b"machine xnat.example.org login u password p\nmachine xnat.example.org login v password q", ("u", "p")),
    (b'machine xnat.example.org login u password "a b#c\\"d\\\\"', ("u", 'a b#c"d\\')),
    (b"machine xnat.example.org login u password #p", ("u", "#p")),
    (b"machine xnat.example.org login u password default", ("u", "default")),
    (b"machine xnat.example.org login machine password login", ("machine", "login")),
    (b"# machine xnat.example.org login u password p\n", None),
    (b"machine xnat.example.org # c\nlogin u password p", ("u", "p")),
    (b"macdef init\nmachine xnat.example.org login u password p\n\n", None),
    (b"macdef init\ncd /\n\nmachine xnat.example.org login u password p\n", ("u", "p")),
    (b"macdef", None),
    (b"machine xnat.example.org login u account a password p", ("u", "p")),
    (b"machine xnat.example.org\tlogin\tu\r\npassword\tp\r\n", ("u", "p")),
    (b"", None),
    (b"\n\n \t\r\n", None),
    (b"#" * 10_000, None),
    (f"machine {SECRET}".encode(), None),
    (f"machine xnat.example.org login u password {SECRET} {SECRET}2".encode(), XNATUnsafeNetrcError),
    (f"machine xnat.example.org login u passwd {SECRET}".encode(), XNATUnsafeNetrcError),
    (f"machine xnat.example.org login u password: {SECRET}".encode(), XNATUnsafeNetrcError),
    (f"{SECRET}".encode(), XNATUnsafeNetrcError),
    (f"login u password {SECRET}".encode(), XNATUnsafeNetrcError),
    (f'machine x login "u password {SECRET}'.encode(), None),
    (b"machine xnat.example.org login u password", XNATUnsafeNetrcError),
    (b"machine", XNATUnsafeNetrcError),
    (b"machine xnat.example.org login", XNATUnsafeNetrcError),
    (b'{"machine": "xnat.example.org"}', XNATUnsafeNetrcError),
    (b"[xnat]\nuser=u", XNATUnsafeNetrcError),
    (b"\x7fELF\x02\x01\x01\0\0", XNATUnsafeNetrcError),
    (b"\0" * 1000, XNATUnsafeNetrcError),
    (b"\xff\xfem\0a\0c\0h\0i\0n\0e\0", XNATUnsafeNetrcError),
    ("machine xnat.example.org login ü password ä€".encode(), ("ü", "ä€")),
    (b"machine xnat.example.org login \xff password p", ("\ufffd", "p")),
    (b"machine m login l password p\n" * 20_000 + b"machine xnat.example.org login u password p", ("u", "p")),
    (b'"' * 100_000, XNATUnsafeNetrcError),
    (b'"\\' * 50_000, XNATUnsafeNetrcError),
    (b"machine " + b"x" * 1_000_000 + b" login u password p", None),
]


def written(folder: Path, content: bytes) -> Path:
    path = folder / ".netrc"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("content", "expected"), FILES, ids=[repr(content[:50]) for content, _ in FILES])
@processor_seconds(5)
def test_files(tmp_path: Path, content: bytes, expected: object) -> None:
    path = written(tmp_path, content)
    if isinstance(expected, type):
        with pytest.raises(expected) as caught:
            settle_credentials(SERVER, netrc_file=path, environ={})
        assert isinstance(caught.value, XNATError)
        assert SECRET not in str(caught.value)
        assert str(path) in str(caught.value)
    else:
        found = settle_credentials(SERVER, netrc_file=path, environ={})
        assert ((found.user, found.password) if found.user else None) == expected
        assert (
            found.password is None or found.password not in repr(found) or found.password in ("p", "login", "default")
        )


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
@pytest.mark.parametrize("mode", [0o601, 0o602, 0o604, 0o610, 0o620, 0o640, 0o660, 0o666, 0o777, 0o4777])
@pytest.mark.parametrize("way", ["argument", "environment", "link"])
def test_files_of_others_are_refused(tmp_path: Path, mode: int, way: str) -> None:
    path = written(tmp_path, f"machine xnat.example.org login u password {SECRET}".encode())
    path.chmod(mode)
    environ = {}
    if way == "link":
        link = tmp_path / "link"
        link.symlink_to(path)
        path = link
    if way == "environment":
        environ["NETRC"] = str(path)
    with pytest.raises(XNATUnsafeNetrcError) as caught:
        settle_credentials(SERVER, netrc_file=None if way == "environment" else path, environ=environ)
    assert "chmod 600" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "missing", "no access", "pipe", "zeros"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    """Refused at once: reading a pipe would wait for ever, a device would fill the memory."""
    path = tmp_path / "netrc"
    if kind == "folder":
        path.mkdir()
    elif kind == "no access":
        path.write_text("machine")
        path.chmod(0)
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "zeros":
        path = Path("/dev/zero")
    with pytest.raises(XNATAuthError):
        settle_credentials(SERVER, netrc_file=path, environ={})


def test_a_file_too_large_to_be_one_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"")
    with path.open("r+b") as file:
        file.truncate(5 << 30)  # holes: it takes no space
    with pytest.raises(XNATUnsafeNetrcError):
        settle_credentials(SERVER, netrc_file=path, environ={})


def test_entries_hide_their_password() -> None:
    assert SECRET not in repr(netrc.Entry("m", "u", SECRET))
