"""Help, version, usage errors, completion: what needs no server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, killed_at_last
from xnat.cli import COMMANDS, main

from .conftest import Cli


@pytest.fixture
def alone(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def test_help_and_version(alone: Cli) -> None:
    shown = alone.ok("--help").out
    assert all(f"  {name} " in shown for name in COMMANDS)
    assert alone.ok("--version").out == f"xnat {__import__('xnat').__version__}\n"


def test_help_imports_nothing_heavy(alone: Cli) -> None:
    code = (
        "import sys; from xnat.cli import COMMANDS, main; main(['--help']);"
        "[main([name, '--help']) for name in COMMANDS];"
        "print(sorted({'requests', 'lxml', 'progressbar', 'pydicom', 'werkzeug', 'xnat.session'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=alone.environ)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="needs the times of child processes")
def test_help_starts_quickly(alone: Cli) -> None:
    import resource

    def best(*words: str) -> float:
        """The time of the processor, and the least of a few: what else the machine does says nothing about us."""
        found = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*alone.command[:-2], *words], check=True, stdout=subprocess.PIPE, env=alone.environ)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(found)

    # By what Python alone takes here: how quick the processor is says nothing about us either. requests alone is more.
    assert best("-m", "xnat", "--help") <= 3 * best("-c", "import argparse") + 0.05


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: xnat {name}")
    if name not in ("sandbox", "completion", "rest", "prearchive"):
        assert "--json" in shown
        assert "--server" in shown


@pytest.mark.parametrize(
    "words",
    [["download", "a"], ["sync", "a", "b"], ["upload", "a", "b"], ["import", "a"], ["create", "a"], ["set", "a"],
     ["share", "a", "b"], ["delete", "a"], ["prearchive", "archive"], ["prearchive", "move"], ["prearchive", "rebuild"],
     ["prearchive", "delete"], ["rest", "put"], ["rest", "post"], ["rest", "delete"]],
    ids=" ".join,
)  # fmt: skip
def test_all_that_changes_data_can_be_rehearsed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    assert "--dry-run" in capsys.readouterr().out


def test_usage_errors_are_two(alone: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["lsx"]) == 2
    assert "did you mean ls" in capsys.readouterr().err
    assert main(["ls", "--nonsense"]) == 2
    assert main(["rest"]) == 2
    assert main(["--nonsense"]) == 2
    assert "no server is named" in alone.fails(2, "ls")


def test_options_may_come_before_the_command(alone: Cli, nobody: str) -> None:
    # The server that was named is the one that isn't there.
    assert nobody in alone.fails(5, "--server", nobody, "ls")
    assert nobody in alone.fails(5, "-q", "rest", "get", f"--server={nobody}", "/data/projects")


def test_completion_scripts_are_valid(alone: Cli) -> None:
    scripts = {shell: alone.ok("completion", shell).out for shell in ("bash", "zsh", "fish")}
    subprocess.run(["bash", "-n"], input=scripts["bash"], text=True, check=True)
    assert "bashcompinit" in scripts["zsh"]
    assert "-a prearchive" in scripts["fish"]

    def complete(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        script = (
            f'{scripts["bash"]}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _xnat; echo "${{COMPREPLY[*]}}"'
        )
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert complete("xnat", "do") == ["download", "doctor"]
    assert complete("xnat", "ls", "--col") == ["--columns"]
    assert complete("xnat", "prearchive", "ar") == ["archive"]
    assert complete("xnat", "prearchive", "move", "--to") == ["--to-project"]


def test_sandbox_serves_until_it_is_interrupted(alone: Cli) -> None:
    import signal

    with (
        subprocess.Popen(
            [*alone.command, "sandbox", "--port", "0"], stdout=subprocess.PIPE, env=alone.environ
        ) as process,
        killed_at_last(process),
    ):
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        environ = {"XNAT_HOST": url, "XNAT_USER": "admin", "XNAT_PASS": "admin"}
        assert alone.ok("rest", "get", "/xapi/siteConfig/buildInfo", **environ).json["version"] == "1.8.9"
        assert alone.ok("ls", "--csv", **environ).csv == []
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
