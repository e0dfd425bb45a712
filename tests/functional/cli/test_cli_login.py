"""Logins that last, and those that don't."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, killed_at_last
from xnat.sandbox import Sandbox

from .conftest import JSESSION, PASSWORD, Cli


@pytest.fixture
def stranger(tmp_path: Path) -> Cli:
    """Somebody whose environment says nothing."""
    return Cli(tmp_path)


def open_sessions(server: Sandbox) -> int:
    return len(server.application.sessions._sessions)


def test_login_lasts_and_logout_ends_it(own: Sandbox, stranger: Cli) -> None:
    done = stranger.ok("login", own.url, "--user", "admin", "--password-stdin", "--json", input=PASSWORD + "\n")
    assert done.json == {"server": own.url, "user": "admin"}
    (kept,) = (stranger.home / ".local/state/xnat/logins").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert JSESSION.search(kept.read_text())
    assert PASSWORD not in kept.read_text()
    with own.record() as requests:
        assert stranger.ok("whoami", "--json").json["login"] == "'xnat login'"
        stranger.ok("ls")
    assert not [entry for entry in requests if entry.path.endswith("/services/auth")]
    assert open_sessions(own) == 1
    assert stranger.ok("logout", "--json").json == [{"server": own.url, "user": "admin"}]
    assert open_sessions(own) == 0
    stranger.fails(2, "ls")


def test_login_for_one_command_is_ended_with_it(own: Sandbox, own_cli: Cli) -> None:
    own_cli.ok("ls")
    own_cli.fails(4, "ls", "nix")
    own_cli.ok("rest", "get", "/data/projects")
    assert open_sessions(own) == 0


def test_a_login_that_ran_out_is_renewed_from_the_environment(own: Sandbox, own_cli: Cli) -> None:
    own_cli.ok("login")
    own.expire_sessions()
    own_cli.ok("ls")
    assert open_sessions(own) == 1
    own_cli.ok("ls")
    assert open_sessions(own) == 1


def test_a_login_that_ran_out_without_a_password_is_three(own: Sandbox, stranger: Cli) -> None:
    stranger.ok("login", own.url, "--user", "admin", "--password-stdin", input=PASSWORD)
    own.expire_sessions()
    assert "xnat login" in stranger.fails(3, "ls")
    assert open_sessions(own) == 0


def test_a_login_others_can_read_is_not_used(own: Sandbox, stranger: Cli) -> None:
    stranger.ok("login", own.url, "--user", "admin", "--password-stdin", input=PASSWORD)
    (kept,) = (stranger.home / ".local/state/xnat/logins").iterdir()
    kept.chmod(0o644)
    assert "chmod 600" in stranger.fails(2, "ls", "--server", own.url)


def test_a_session_that_is_given_goes_on(own: Sandbox, stranger: Cli) -> None:
    session = own.application.sessions.create("admin")
    stranger.ok("ls", "--server", own.url, XNATPY_JSESSION=session.id)
    assert open_sessions(own) == 1


def test_another_user_than_the_one_logged_in(own: Sandbox, own_cli: Cli) -> None:
    own.add_user("jane", PASSWORD)
    own_cli.ok("login")
    assert own_cli.ok("whoami", "--json", XNAT_USER="jane").json["user"] == "jane"
    assert own_cli.ok("whoami", "--json").json["user"] == "admin"


def test_wrong_passwords_and_nobody_to_ask(own: Sandbox, stranger: Cli) -> None:
    stranger.fails(3, "login", own.url, "--user", "admin", "--password-stdin", input="wrong")
    stranger.fails(3, "login", own.url)
    stranger.fails(3, "ls", "--server", own.url, "--user", "admin")
    stranger.fails(2, "login", own.url, "--password-stdin")
    assert not (stranger.home / ".local/state/xnat/logins").exists()


def test_logout_when_the_server_is_gone(own: Sandbox, stranger: Cli) -> None:
    stranger.ok("login", own.url, "--user", "admin", "--password-stdin", input=PASSWORD)
    own._server.stop()
    stranger.ok("logout", "--all")
    assert not list((stranger.home / ".local/state/xnat/logins").iterdir())


def test_the_keyring_keeps_it_if_chosen(own: Sandbox, stranger: Cli, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "keyring.py").write_text(
        "import json, pathlib\n"
        f"PLACE = pathlib.Path({str(tmp_path / 'ring')!r})\n"
        "def _all(): return json.loads(PLACE.read_text()) if PLACE.exists() else {}\n"
        "def get_password(service, name): return _all().get(name)\n"
        "def set_password(service, name, value): PLACE.write_text(json.dumps({**_all(), name: value}))\n"
        "def delete_password(service, name): PLACE.unlink()\n"
    )
    words = ("login", own.url, "-u", "admin", "--password-stdin", "--keyring")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "keyring.py").write_text("raise ModuleNotFoundError('keyring')")
    missing = stranger.fails(2, *words, input=PASSWORD, PYTHONPATH=str(tmp_path / "none"))
    assert "xnat[keyring]" in missing
    assert open_sessions(own) == 0
    stranger.environ["PYTHONPATH"] = str(tmp_path / "modules")
    stranger.ok(*words, input=PASSWORD)
    (kept,) = (stranger.home / ".local/state/xnat/logins").iterdir()
    assert not JSESSION.search(kept.read_text())
    assert "keyring" in stranger.ok("whoami", "--json").json["login"]
    stranger.ok("logout")
    assert not (tmp_path / "ring").exists()
    assert open_sessions(own) == 0


@pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals")
def test_login_asks_at_a_terminal(own: Sandbox, stranger: Cli) -> None:
    spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    seen = b""
    with (
        subprocess.Popen(
            [sys.executable, "-c", spawn, *stranger.command, "login", own.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=stranger.environ,
            cwd=stranger.home,
        ) as process,
        killed_at_last(process),
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        for prompt, answer in ((b"User at", "admin"), (b"Password of admin", PASSWORD)):
            # What is typed before a password is asked for is thrown away.
            while prompt not in seen:
                seen += os.read(process.stdout.fileno(), 4096)
            process.stdin.write(f"{answer}\n".encode())
            process.stdin.flush()
        while chunk := os.read(process.stdout.fileno(), 4096):
            seen += chunk
        assert process.wait(PATIENCE) == 0
    assert b"logged in to" in seen
    stranger.check(seen.decode())
    stranger.ok("ls")
