"""Downloads, uploads, mirrors; the bar that only a terminal sees; partial failures and interruptions."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, killed_at_last, wait_until
from xnat.sandbox import Sandbox, faults

from .conftest import Cli, fill


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name[0] != "."
    )


def test_download(cli: Cli, tmp_path: Path) -> None:
    planned = cli.ok("download", "P/S1/E1", "-o", str(tmp_path / "a"), "--dry-run", "--json").json
    assert {row["state"] for row in planned} == {"fetch"}
    assert not (tmp_path / "a").exists()
    done = cli.ok("download", "P/S1/E1", "-o", str(tmp_path / "a"), "--json").json
    assert {row["state"] for row in done} == {"verified"}
    assert sorted(row["path"] for row in done) == sorted(row["path"] for row in planned)
    assert files(tmp_path / "a") == [
        "E1/resources/NOTES/files/sub/note.txt",
        "E1/scans/1-T1/resources/RAW/files/1.dat",
        "E1/scans/2-T2/resources/RAW/files/2.dat",
    ]
    again = cli.ok("download", "P/S1/E1", "-o", str(tmp_path / "a"), "--csv").csv
    assert {row["state"] for row in again} == {"skipped"}


def test_download_for_people_is_quiet_when_piped(cli: Cli, tmp_path: Path) -> None:
    done = cli.ok("download", "P/S1/E1/1", "P/resources/DOCS/protocol.txt", "-o", str(tmp_path))
    assert (done.out, done.err) == ("", "")
    assert (tmp_path / "protocol.txt").read_bytes() == b"steps"
    named = cli.ok("download", "P/resources/DOCS", "-o", str(tmp_path), "-v")
    assert "protocol.txt" in named.out


@pytest.mark.slow
def test_sync_follows_the_server(own: Sandbox, own_cli: Cli, tmp_path: Path) -> None:
    fill(own)
    mirror = tmp_path / "mirror"
    assert {row["state"] for row in own_cli.ok("sync", "P/S1/E1", str(mirror), "--json").json} == {"verified"}
    own_cli.ok("delete", "P/S1/E1/resources/NOTES", "--yes")
    own_cli.ok("sync", "P/S1/E1", str(mirror))
    assert len(files(mirror)) == 3
    planned = own_cli.ok("sync", "P/S1/E1", str(mirror), "--delete", "--dry-run", "--json").json
    assert [row["path"].rsplit("/", 1)[-1] for row in planned if row["state"] == "delete"] == ["note.txt"]
    assert len(files(mirror)) == 3
    own_cli.ok("sync", "P/S1/E1", str(mirror), "--delete")
    assert len(files(mirror)) == 2


def test_upload_a_folder(own: Sandbox, own_cli: Cli, tmp_path: Path) -> None:
    own_cli.ok("create", "P")
    folder = tmp_path / "results"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.txt").write_text("a")
    (folder / "sub" / "empty").write_text("")
    target = "P/resources/RESULTS"
    planned = own_cli.ok("upload", "results", target, "--dry-run", "--json").json
    assert [(row["state"], row["path"]) for row in planned] == [("upload", "a b.txt"), ("upload", "sub/empty")]
    assert own_cli.ok("ls", "P/resources", "--json").json == []
    assert {row["state"] for row in own_cli.ok("upload", "results", target, "--json").json} == {"verified"}
    assert [row["path"] for row in own_cli.ok("ls", target, "--json").json] == [
        f"{target}/a b.txt",
        f"{target}/sub/empty",
    ]
    assert own_cli.ok("upload", "results", target).out == ""
    (folder / "a b.txt").write_text("changed")
    assert "--overwrite" in own_cli.fails(7, "upload", "results", target)
    assert "refuse" in own_cli.ok("upload", "results", target, "--dry-run").out
    own_cli.ok("upload", "results", target, "--overwrite")
    own_cli.ok("upload", "results/a b.txt", f"{target}/files/deep/er")
    paths = [row["path"] for row in own_cli.ok("ls", target, "--csv").csv]
    assert f"{target}/deep/er/a b.txt" in paths


def test_uploads_that_cannot_be(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "resources/LABEL" in cli.fails(2, "upload", str(tmp_path / "file"), "P/S1")
    assert "no file" in cli.fails(2, "upload", str(tmp_path / "nix"), "P/resources/DOCS")
    assert cli.fails(4, "upload", str(tmp_path / "file"), "Nix/resources/DOCS")


def test_partial_is_seven_and_total_failure_six(own: Sandbox, own_cli: Cli, tmp_path: Path) -> None:
    fill(own)
    own.faults.add(path=r"/files/2\.dat$", method="GET", times=None, action=faults.status(404))
    own.faults.add(path=r"/files$", query="format=zip", times=None, action=faults.status(404))
    done = own_cli.run("download", "P/S1/E1", "-o", str(tmp_path / "a"), "--json")
    assert done.code == 7, done
    states = {row["path"].rsplit("/", 1)[-1]: row["state"] for row in done.json}
    assert states == {"1.dat": "verified", "2.dat": "failed", "note.txt": "verified"}
    assert "2.dat" in done.err
    assert "2.dat" in own_cli.fails(6, "download", "P/S1/E1/2/RAW/2.dat", "-o", str(tmp_path / "b"))


def on_a_terminal(cli: Cli, *words: str, answer: str = "") -> tuple[int, str, str]:
    """(exit code, what the terminal saw, stdout) of a command whose stdin and stderr are a pseudo-terminal."""
    import pty

    parent, child = pty.openpty()
    with (
        subprocess.Popen(
            [*cli.command, *words],
            stdin=child,
            stderr=child,
            stdout=subprocess.PIPE,
            env={**cli.environ, "TERM": "xterm"},
            cwd=cli.home,
        ) as process,
        killed_at_last(process),
    ):
        os.close(child)
        if answer:
            os.write(parent, answer.encode())
        seen = b""
        while True:
            try:
                chunk = os.read(parent, 4096)
            except OSError:  # Linux says so at the end of a terminal
                break
            if not chunk:
                break
            seen += chunk
        assert process.stdout is not None
        out = process.stdout.read().decode()
        code = process.wait(PATIENCE)
    os.close(parent)
    cli.check(seen.decode())
    return code, seen.decode(), out


@pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals")
def test_a_terminal_sees_the_bar_and_a_pipe_none(cli: Cli, tmp_path: Path) -> None:
    code, seen, out = on_a_terminal(cli, "download", "P/S1/E1", "-o", str(tmp_path / "a"), "--json")
    assert code == 0
    assert "100%" in seen
    assert "P/S1/E1: " in seen
    assert '"verified"' in out
    assert "%" not in out
    piped = cli.ok("download", "P/S1/E1", "-o", str(tmp_path / "b"), "--json")
    assert piped.err == ""
    code, seen, _ = on_a_terminal(cli, "download", "P/S1/E1", "-o", str(tmp_path / "c"), "--quiet")
    assert (code, seen) == (0, "")


@pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals")
def test_delete_asks(own: Sandbox, own_cli: Cli) -> None:
    own_cli.ok("create", "P")
    code, seen, _ = on_a_terminal(own_cli, "delete", "P", answer="n\n")
    assert code == 1
    assert f"Delete project P on {own.url}? [y/N]" in seen
    own_cli.ok("ls", "P")
    code, _, out = on_a_terminal(own_cli, "delete", "P", "--csv", answer="y\n")
    assert code == 0
    assert out.splitlines()[1] == "done,delete,P,project"
    own_cli.fails(4, "ls", "P")


def test_interrupted_is_130(own: Sandbox, own_cli: Cli) -> None:
    # The first request hangs, the interruption comes meanwhile; later ones (the logout) are answered.
    own.faults.add(path="^/data/projects$", action=faults.delay(10 * PATIENCE))
    with (
        subprocess.Popen(
            [*own_cli.command, "ls"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=own_cli.environ,
            cwd=own_cli.home,
        ) as process,
        killed_at_last(process),
    ):
        wait_until(lambda: any(entry.path == "/data/projects" for entry in list(own.requests)))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err.decode() == "xnat: interrupted\n"
    assert not own.application.sessions._sessions
