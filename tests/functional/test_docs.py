"""Every example of the documentation and of the README, run against a server on which it makes sense.

A page is run from top to bottom in one namespace, in a folder of its own, with a fresh server of its own. Blocks of
Python without prompts are executed; with prompts (``>>>``) the answers are compared, too. Blocks in other languages
have to say which, so that nothing is passed over by mistake.
"""

from __future__ import annotations

import doctest
import functools
import io
import re
import shutil
import textwrap
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import xnat
from xnat.sandbox import Sandbox

from .test_tutorial import Checker, anonymiz, fill_brainimages, fill_sandbox  # noqa: F401 - anonymiz is a fixture

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
#: Languages of blocks that aren't executed: commands for a shell, files, and what is printed by them.
NOT_RUN = ("console", "ini", "text", "yaml", "csv", "make")
#: The servers' names in the documentation.
HOST, OTHER_HOST = "https://xnat.example.com", "https://other.example.com"
PASSWORD = "secret"


class Block(NamedTuple):
    """A block of code: the line it begins at, its language, and the code."""

    line: int
    language: str
    code: str

    @property
    def has_prompts(self) -> bool:
        return self.code.lstrip().startswith(">>>")


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of code in a page, from top to bottom."""
    lines = page.read_text(encoding="utf-8").split("\n")
    number = 0
    while number < len(lines):
        directive = re.match(r"( *)\.\. (?:code-block|code|sourcecode)::\s*(\S*)", lines[number])
        start = number
        if directive:
            number += 1
            while number < len(lines) and (not lines[number] or lines[number].startswith(directive[1] + " ")):
                number += 1
            body = textwrap.dedent("\n".join(lines[start + 1 : number]))
            options = re.match(r"(:\w+:.*\n)*", body)
            yield Block(start + 1, directive[2], body[options.end() if options else 0 :].strip("\n") + "\n")
        elif lines[number].lstrip().startswith(">>>"):
            while number < len(lines) and lines[number].strip():
                number += 1
            yield Block(start + 1, "python", textwrap.dedent("\n".join(lines[start:number])) + "\n")
        else:
            number += 1


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def is_python(code: str) -> bool:
    """Whether a text is more than names and values, and Python."""
    try:
        compile(code, "text", "exec")
    except SyntaxError:
        return False
    return bool(re.search(r"\bimport\b|\w\(|\w = ", code))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_is_run_or_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language in ("python", *NOT_RUN), f"{page_name(page)}:{block.line}: {block.language!r}"
        assert block.language == "python" or not is_python(block.code), f"{page_name(page)}:{block.line} is Python"
    text = page.read_text(encoding="utf-8")
    literal = re.search(r"^(?!.*\.\. ).*::$", text, re.MULTILINE)
    assert literal is None, f"{page_name(page)}: use a code-block in place of {literal and literal[0]!r}"


# -- running a page ---------------------------------------------------------------------------------------------------


def prepare(folder: Path, anonymiz: bytes) -> None:  # noqa: F811
    """The files that examples use."""
    (folder / "ANONYMIZ.zip").write_bytes(anonymiz)
    with zipfile.ZipFile(folder / "ANONYMIZ.zip") as archive:
        archive.extractall(folder / "dicom")
    results = folder / "results"
    (results / "maps").mkdir(parents=True)
    (results / "volumes.csv").write_text("region,volume\nbrain,1234.5\n")
    (results / "maps" / "mask.nii").write_bytes(b"\0" * 352)
    shutil.copytree(ROOT / "xnat" / "sandbox" / "schemas", folder / "schemas")
    (folder / "variables.csv").write_text("experiment,brain_volume,rater\nANONYMIZ,1234.5,Jane\n")


@pytest.fixture(scope="module")
def ready(anonymiz: bytes) -> Any:  # noqa: F811
    """Gives a server with the data of the tutorial, and the name examples know it by."""

    def make() -> Sandbox:
        server = Sandbox(password=PASSWORD).start()
        server.add_user("jane", PASSWORD, firstname="Jane", lastname="Doe", email="jane@example.com")
        with xnat.connect(server.url, user="admin", password=PASSWORD) as session:
            fill_sandbox(session, anonymiz)
            fill_brainimages(session, anonymiz)
        # What somebody put into the server's own inbox.
        with zipfile.ZipFile(io.BytesIO(anonymiz)) as archive:
            archive.extractall(server.store.folder / "inbox" / "session1")
        return server

    return make


class World:
    """What a page finds: servers by name, and a namespace."""

    def __init__(self, servers: dict[str, Sandbox], folder: Path) -> None:
        self.opened: list[Any] = []
        self.servers = servers
        # A script that a page tests, or runs, stands for any script.
        my_script = types.SimpleNamespace(main=lambda *args: None)
        self.globals: dict[str, Any] = {"__name__": "docs", "my_script": my_script}
        self.checker = Checker({server.url: name for name, server in servers.items()} | {str(folder): "/home/jane"})

    def connect(self, connect: Any, server: str | None = None, *args: Any, **options: Any) -> Any:
        address = self.servers[server].url if server in self.servers else server
        session = connect(address, *args, **options)
        self.opened.append(session)
        return session

    def run(self, page: Path) -> None:
        for block in blocks(page):
            if block.language == "python":
                (self.compare if block.has_prompts else self.execute)(page, block)

    def execute(self, page: Path, block: Block) -> None:
        code = compile("\n" * block.line + block.code, str(page), "exec")
        exec(code, self.globals)
        for name in re.findall(r"^def (test_\w+)", block.code, re.MULTILINE):
            with Sandbox() as server:
                self.globals[name](server)

    def compare(self, page: Path, block: Block) -> None:
        parsed = doctest.DocTestParser().get_doctest(block.code, {}, page_name(page), str(page), block.line - 1)
        parsed.globs = self.globals
        runner = doctest.DocTestRunner(self.checker, False, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        told: list[str] = []
        runner.run(parsed, out=told.append, clear_globs=False)
        assert runner.failures == 0, "".join(told)


@pytest.fixture
def world(
    ready: Any, anonymiz: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> Iterator[World]:  # fmt: skip
    """A folder with files, two servers with their logins in a netrc file, and ``xnat.connect`` that knows them."""
    prepare(tmp_path, anonymiz)
    servers = {HOST: ready(), OTHER_HOST: Sandbox(password=PASSWORD).start()}
    netrc = tmp_path / ".netrc"
    hosts = [server.url.removeprefix("http://") for server in servers.values()]
    netrc.write_text("".join(f"machine {host} login admin password {PASSWORD}\n" for host in hosts))
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr("getpass.getpass", lambda prompt: print(prompt) or PASSWORD)
    monkeypatch.chdir(tmp_path)
    found = World(servers, tmp_path)
    monkeypatch.setattr(xnat, "connect", functools.partial(found.connect, xnat.connect))
    yield found
    for session in found.opened:
        session.disconnect()
    for server in servers.values():
        server.close()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.language == "python" for block in blocks(page))], ids=page_name
)
def test_page(page: Path, world: World) -> None:
    world.run(page)
