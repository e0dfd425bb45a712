"""What the README (and the other pages) tell people to type exists."""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import docutils.core
import docutils.nodes
import docutils.utils
import pytest

from tests.functional.test_docs import PAGES, ROOT, blocks, page_name
from tests.meta.test_layers import LAYERS

README = ROOT / "README.rst"
PACKAGE = "xnat"
#: Programs that are there, or that are not ours to check.
FOREIGN = {"echo", "chmod", "export", "find", "git", "cd", "curl", "jq", "pass"}


def commands(page: Path) -> Iterator[list[str]]:
    """The commands in the console blocks of a page, as words."""
    for block in blocks(page):
        if block.language != "console":
            continue
        code = block.code.replace("\\\n", " ")
        for line in re.findall(r"^\$ (.*(?:\n> .*)*)", code, re.MULTILINE):
            words = shlex.split(re.sub(r"\n> ", "\n", line), comments=True)
            while "|" in words:
                yield words[: words.index("|")]
                words = words[words.index("|") + 1 :]
            yield words


def command_id(command: tuple[str, list[str]]) -> str:
    return f"{command[0]}: {' '.join(command[1])}"[:80]


ALL = [(page_name(page), words) for page in PAGES for words in commands(page)]


def make_targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    return rules & set(phony[1].split())


def extras() -> set[str]:
    return set(metadata.metadata(PACKAGE).get_all("Provides-Extra") or ())


@functools.cache
def help_of(*command: str) -> str:
    done = subprocess.run([sys.executable, *command, "--help"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


@pytest.mark.parametrize("command", ALL, ids=command_id)
def test_command_exists(command: tuple[str, list[str]]) -> None:
    _, (program, *words) = command
    if program == "make":
        assert set(words) <= make_targets()
    elif program == "pip":
        asked = [word for word in words if not word.startswith("-")][1:]
        for requirement in asked:
            found = re.fullmatch(r"(xnat|\.)(?:\[([\w,]+)\])?", requirement)
            assert found, requirement
            assert set((found[2] or "").split(",")) - {""} <= extras()
    elif program == "python" and words[:1] == ["-m"]:
        module = words[1]
        assert importlib.util.find_spec(module), module
        if module.startswith(PACKAGE):
            shown = help_of("-m", module)
            assert all(option in shown for option in options(words)), shown
    elif program == "python" and words and words[0].endswith(".py"):
        shown = help_of(words[0])
        assert all(option in shown for option in options(words)), shown
    elif program == PACKAGE:
        assert re.search(rf"^  {words[0]}\b", help_of("-m", PACKAGE), re.MULTILINE) or words[0] in (
            "--help",
            "--version",
        )
    else:
        assert program in FOREIGN | {"python"}, program


def test_readme_is_valid_rst() -> None:
    settings = {"halt_level": 5, "warning_stream": False}
    document = docutils.core.publish_doctree(README.read_text(encoding="utf-8"), settings_overrides=settings)
    messages = document.findall(docutils.nodes.system_message)
    assert [told.astext() for told in messages if told["level"] >= docutils.utils.Reporter.WARNING_LEVEL] == []


def test_readme_is_the_description_on_the_package_index() -> None:
    assert metadata.metadata(PACKAGE)["Description-Content-Type"] == "text/x-rst"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_make_targets_in_the_text_exist(page: Path) -> None:
    assert set(re.findall(r"``make (\w+)``", page.read_text(encoding="utf-8"))) <= make_targets()


def test_files_in_the_readme_exist() -> None:
    for name in ("LICENSE", ".ci/run"):
        assert f"``{name}``" in README.read_text()
        assert (ROOT / name).exists()


def test_command_is_installed() -> None:
    # Not from the metadata: an installation for development may be older than setup.py.
    assert re.search(r'"console_scripts": \["xnat = xnat\.cli:main"\]', (ROOT / "setup.py").read_text())


def test_fixture_is_installed() -> None:
    assert "xnat_sandbox" in README.read_text()
    points = metadata.distribution(PACKAGE).entry_points
    assert [point.value for point in points if point.group == "pytest11"] == ["xnat.sandbox.pytest_plugin"]


def test_every_layer_is_described() -> None:
    text = (ROOT / "docs" / "architecture.rst").read_text(encoding="utf-8")
    # docs/conf.py puts the modules there.
    assert {int(layer) for layer in re.findall(r"\|layer-(\d)\|", text)} == set(LAYERS.values())


def test_extras_are_documented() -> None:
    text = (ROOT / "docs" / "installation.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"^    \* - ``(\w+)``$", text, re.MULTILINE)) == extras()


def test_requirements_have_a_reason() -> None:
    text = (ROOT / "docs" / "dependencies.rst").read_text(encoding="utf-8").lower()
    for requirement in metadata.requires(PACKAGE) or ():
        name = re.match(r"[\w.-]+", requirement)
        assert name
        stubs = name[0].startswith("types-") or name[0].endswith("-stubs")
        assert f"``{name[0].lower()}``" in text or (stubs and "type stubs" in text), requirement


def test_examples_are_listed() -> None:
    text = (ROOT / "docs" / "howto" / "index.rst").read_text(encoding="utf-8")
    programs = {path.name for path in (ROOT / "examples").glob("*.py")} - {"demo.py"}
    assert programs == set(re.findall(r"``(\w+\.py)``", text))
