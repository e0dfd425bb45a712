"""The command as a process, and a server with a little of everything for it to work with."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import xnat
import xnat.cli
from tests.waiting import PATIENCE
from xnat.sandbox import Sandbox

PASSWORD = "t0p-secret-pässword"
#: A session's ID, as XNAT writes it; digests are in lower case.
JSESSION = re.compile(r"\b[0-9A-F]{32}\b")


@dataclass
class Result:
    """What a process left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def csv(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out)))


class Cli:
    """Runs ``xnat`` with a home of its own; looks for secrets in all that it says."""

    def __init__(self, home: Path, server: Any = None, **environ: str) -> None:
        self.home = home
        self.command = [sys.executable, "-W", "ignore", "-m", "xnat"]
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XNAT", "XDG_")) and name not in ("NETRC", "PYTHONWARNINGS")
        }
        self.environ = {
            **kept,
            "HOME": str(home),
            "XNAT_CACHE_DIR": str(home / "cache"),
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "120",
            **environ,
        }
        if server is not None:
            self.environ |= {"XNAT_HOST": server.url, "XNAT_USER": server.user, "XNAT_PASS": server.password}

    def run(self, *words: str, input: str = "", **environ: str) -> Result:
        done = subprocess.run(
            [*self.command, *words],
            input=input.encode(),
            capture_output=True,
            timeout=PATIENCE,
            cwd=self.home,
            env={**self.environ, **environ},
        )
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        self.check(result.out + result.err)
        return result

    @staticmethod
    def check(text: str) -> None:
        assert PASSWORD not in text
        assert not JSESSION.search(text)
        assert "Traceback" not in text

    def ok(self, *words: str, **options: str) -> Result:
        result = self.run(*words, **options)
        assert result.code == 0, result
        return result

    def fails(self, code: int, *words: str, **options: str) -> str:
        """What it says, in one line."""
        result = self.run(*words, **options)
        assert result.code == code, result
        assert result.err.startswith("xnat")
        return result.err


class Inside(Cli):
    """The same in this process, for what isn't about processes: it takes a tenth of the time.

    :ivar terminal: whether somebody sits there
    """

    terminal = False

    def run(self, *words: str, input: str = "", **environ: str) -> Result:
        terminal = self.terminal

        class Stream(io.TextIOWrapper):
            def isatty(self) -> bool:
                return terminal

        stdin, out, err = (Stream(io.BytesIO(data), encoding="utf-8") for data in (input.encode(), b"", b""))
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ.keys() - self.environ.keys():
                patch.delenv(name)
            for name, value in {**self.environ, **environ}.items():
                patch.setenv(name, value)
            patch.chdir(self.home)
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = xnat.cli.main(words)
            for stream in (out, err):
                stream.flush()
        result = Result(code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())
        self.check(result.out + result.err)
        return result


def fill(server: Sandbox) -> None:
    with xnat.connect(server.url, server.user, server.password) as session:
        classes = session.classes
        project = classes.ProjectData(parent=session, name="P")
        classes.ProjectData(parent=session, name="Other")
        subject = classes.SubjectData(parent=project, label="S1")
        subject.demographics.gender = "female"
        classes.SubjectData(parent=project, label="S2")
        experiment = classes.MrSessionData(parent=subject, label="E1", date="2020-01-02")
        experiment.fields["volume"] = 7
        for id_, type_ in (("1", "T1"), ("2", "T2")):
            scan = classes.MrScanData(parent=experiment, id_=id_, type=type_)
            scan.create_resource("RAW", format="RAW").upload_data(b"x" * 1000 * int(id_), f"{id_}.dat")
        experiment.create_resource("NOTES").upload_data(b"a note", "sub/note.txt")
        experiment.create_assessor("QC1", "xnat:qcManualAssessorData")
        project.create_resource("DOCS").upload_data(b"steps", "protocol.txt")


@pytest.fixture(scope="session")
def site() -> Iterator[Sandbox]:
    """A server with content, for tests that leave it as it is."""
    with Sandbox(password=PASSWORD) as server:
        fill(server)
        yield server


@pytest.fixture(scope="session")
def cli(site: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command for that server, logged in by the environment."""
    return Cli(tmp_path_factory.mktemp("cli"), site)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Sandbox]:
    """An empty server to change."""
    with Sandbox(password=PASSWORD) as server:
        yield server


@pytest.fixture
def own_cli(own: Sandbox, tmp_path: Path) -> Cli:
    return Cli(tmp_path, own)


@pytest.fixture(scope="session")
def inside(site: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """The command for the server that is left as it is, in this process."""
    return Inside(tmp_path_factory.mktemp("inside"), site)


@pytest.fixture
def own_inside(own: Sandbox, tmp_path: Path) -> Inside:
    return Inside(tmp_path, own)
