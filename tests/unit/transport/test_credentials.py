"""Which credentials belong to a server."""

from __future__ import annotations

import os
import pathlib
import pickle
from collections.abc import Callable

import pytest

from xnat.exceptions import XNATAuthError, XNATUnsafeNetrcError, XNATValueError
from xnat.transport import credentials as module
from xnat.transport.auth import Credentials, settle_credentials, settle_server

SERVER = "https://xnat.example.org"
posix = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")


@pytest.fixture(autouse=True)
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    def make(text: str, mode: int = 0o600, name: str = ".netrc") -> pathlib.Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return make


def unexpected(text: str) -> str:
    pytest.fail(f"asked: {text}")


def settle(
    server: str = SERVER, *args: object, environ: dict[str, str] | None = None, **options: object
) -> Credentials:
    options.setdefault("prompt", unexpected)
    return settle_credentials(server, *args, environ=environ or {}, **options)  # type: ignore[arg-type]


# -- the server


def test_the_argument_names_the_server() -> None:
    assert settle_server("https://a/xnat/", {"XNAT_HOST": "https://b"}) == ("https://a/xnat", False)


@pytest.mark.parametrize("name", ["XNATPY_HOST", "XNAT_HOST"])
def test_the_environment_names_the_server(name: str) -> None:
    assert settle_server(None, {name: "https://b/"}) == ("https://b", True)
    assert settle_server("", {name: "https://b/"}) == ("https://b", True)


def test_no_server_names_the_variables() -> None:
    with pytest.raises(XNATValueError, match="XNATPY_HOST or XNAT_HOST"):
        settle_server(None, {})


# -- arguments, environment, prompt, guest


def test_nothing_is_a_guest() -> None:
    found = settle(SERVER, "", "")
    assert (found.user, found.password, found.source, found.is_guest) == (None, None, "guest", True)


def test_arguments_come_first(write: Callable[..., pathlib.Path]) -> None:
    write("machine xnat.example.org login other password pw", 0o666)
    environ = {"XNAT_HOST": SERVER, "XNAT_USER": "other", "XNAT_PASS": "pw"}
    assert settle(SERVER, "me", "secret", environ=environ) == Credentials("me", "secret", "argument")


@pytest.mark.parametrize("prefix", ["XNATPY", "XNAT"])
def test_the_environment_counts_for_the_server_it_names(prefix: str) -> None:
    environ = {f"{prefix}_HOST": SERVER + "/", f"{prefix}_USER": "me", f"{prefix}_PASS": "secret"}
    assert settle(SERVER, environ=environ) == Credentials("me", "secret", "environment")
    assert settle(SERVER, "me", environ=environ) == Credentials("me", "secret", "environment")


@pytest.mark.parametrize(
    "host",
    [
        None,
        "https://other.example.org",
        "http://xnat.example.org",
        "https://xnat.example.org/other",
        "https://xnat.example.org:8443",
        "nonsense",
    ],
)
def test_the_environment_does_not_count_for_another_server(host: str | None) -> None:
    environ = {"XNAT_USER": "me", "XNAT_PASS": "secret"} | ({"XNAT_HOST": host} if host else {})
    assert settle(SERVER, environ=environ).is_guest


def test_the_environments_password_is_not_used_for_another_user() -> None:
    environ = {"XNAT_HOST": SERVER, "XNAT_USER": "me", "XNAT_PASS": "secret"}
    asked = []
    found = settle(SERVER, "you", environ=environ, prompt=lambda text: asked.append(text) or "typed")
    assert (found.user, found.password) == ("you", "typed")


def test_pairs_of_the_environment_are_not_mixed() -> None:
    environ = {"XNAT_HOST": SERVER, "XNATPY_USER": "a", "XNAT_USER": "b", "XNAT_PASS": "of b"}
    assert settle(SERVER, environ=environ) == Credentials("b", "of b", "environment")


def test_a_user_without_password_is_asked_for_it() -> None:
    asked: list[str] = []
    found = settle(SERVER, "test", prompt=lambda text: asked.append(text) or "typed")
    assert found == Credentials("test", "typed", "prompt")
    assert asked == ["Please enter the password for user 'test':"]


def test_no_console_to_ask_on() -> None:
    def prompt(text: str) -> str:
        raise EOFError

    with pytest.raises(XNATAuthError, match="no console"):
        settle(SERVER, "test", prompt=prompt)


def test_a_password_without_user_is_an_error() -> None:
    with pytest.raises(XNATValueError, match="without a user") as caught:
        settle(SERVER, None, "secret")
    assert "secret" not in str(caught.value)


# -- netrc

NETRC = """
# a comment, with machine xnat.example.org in it
machine other.example.org login other password wrong
machine xnat.example.org
    login me
    password "se#cret \\"quoted\\""
machine xnat.example.org login second password #two
machine xnat.example.org:8443 login port password three
macdef init
machine xnat.example.org login macro password no

machine nologin.example.org password x
"""


def test_the_entry_of_the_host(write: Callable[..., pathlib.Path]) -> None:
    path = write(NETRC)
    assert settle() == Credentials("me", 'se#cret "quoted"', str(path))
    assert settle(SERVER, "second").password == "#two"
    assert settle(SERVER + ":8443").user == "port"
    assert settle(SERVER + ":9000/xnat").user == "me"
    assert settle("https://unknown.example.org").is_guest
    assert settle("https://nologin.example.org").is_guest


def test_an_entry_of_another_user_is_not_used(write: Callable[..., pathlib.Path]) -> None:
    write(NETRC)
    assert settle(SERVER, "third", prompt=lambda text: "typed").source == "prompt"


def test_the_default_entry_comes_last(write: Callable[..., pathlib.Path]) -> None:
    write("machine a login x password y\ndefault login anyone password z\n")
    assert settle("http://a").user == "x"
    assert settle("http://b").user == "anyone"


def test_the_netrc_variable_and_argument(write: Callable[..., pathlib.Path]) -> None:
    write("machine xnat.example.org login home password x")
    other = write("machine xnat.example.org login variable password x", name="other")
    third = write("machine xnat.example.org login argument password x", name="third")
    environ = {"NETRC": str(other)}
    assert settle(environ=environ).user == "variable"
    assert settle(SERVER, None, None, third, environ=environ).user == "argument"
    assert settle(SERVER, None, None, "~/third").user == "argument"
    assert settle(environ={"NETRC": "/no/such/file"}).is_guest


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(XNATAuthError, match="/no/such/netrc"):
        settle(SERVER, None, None, "/no/such/netrc")


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o666, 0o777, 0o610])
@pytest.mark.parametrize("named", [False, True])
def test_a_file_others_can_read_is_an_error(write: Callable[..., pathlib.Path], mode: int, named: bool) -> None:
    path = write(NETRC, mode)
    with pytest.raises(XNATUnsafeNetrcError, match=f"chmod 600 {path}"):
        settle(SERVER, None, None, path if named else None)
    with pytest.raises(XNATUnsafeNetrcError):
        settle("https://unknown.example.org")


@posix
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_only_the_owner_can_read_is_fine(write: Callable[..., pathlib.Path], mode: int) -> None:
    write(NETRC, mode)
    assert settle().user == "me"


@posix
def test_a_link_to_an_unsafe_file_is_an_error(write: Callable[..., pathlib.Path], tmp_path: pathlib.Path) -> None:
    target = write(NETRC, 0o644, "target")
    (tmp_path / ".netrc").symlink_to(target)
    with pytest.raises(XNATUnsafeNetrcError):
        settle()


@posix
def test_a_file_of_another_user_is_an_error(
    write: Callable[..., pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(NETRC)
    os.chown(path, 12345, -1) if os.geteuid() == 0 else monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(XNATUnsafeNetrcError, match="another user"):
        settle()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("machine xnat.example.org\nlogin me\npassword\n", 3),
        ("machine xnat.example.org login me\nsecret password x\n", 2),
        ("\n\nsecret", 3),
        ("machine", 1),
        ('machine x login me password "sec ret', 1),
    ],
)
def test_a_broken_file_names_the_line_but_not_what_stands_there(
    write: Callable[..., pathlib.Path], text: str, line: int
) -> None:
    path = write(text)
    with pytest.raises(XNATUnsafeNetrcError, match=f"{path}.*line {line}:") as caught:
        settle()
    assert "sec" not in str(caught.value).replace(str(path), "")
    assert caught.value.__cause__ is None


def test_windows_looks_for_its_own_name_first(
    write: Callable[..., pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("machine a login x password y", name="_netrc")
    monkeypatch.setattr(module, "WINDOWS", True)
    assert settle("http://a").source == str(path)


# -- secrets


def test_reprs_hide_the_password() -> None:
    from xnat.transport.netrc import Entry

    assert (
        "secret" not in f"{Credentials('me', 'secret')!r} {Credentials('me', 'secret')} {Entry('a', 'b', 'secret')!r}"
    )


def test_credentials_are_not_pickled() -> None:
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(Credentials("me", "secret"))


@pytest.mark.parametrize(
    ("user", "alias"),
    [
        ("451a00c9-441d-4674-84b3-baafb5ab1122", True),
        ("451A00C9-441D-4674-84B3-BAAFB5AB1122", True),
        ("admin", False),
        (None, False),
    ],
)
def test_alias_tokens_look_like_uuids(user: str | None, alias: bool) -> None:
    assert Credentials(user).is_alias is alias
