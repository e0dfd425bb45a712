"""Editors and type checkers know the server's own classes, from the stubs that a session writes."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat.sandbox import Sandbox
from xnat.sandbox.datatypes import OWN_SCHEMAS

from .conftest import connect

pytest.importorskip("mypy")

ROOT = Path(__file__).parents[2]
TYPED = Path(__file__).parent / "typed"
REAL = ROOT.parent / "shared" / "schemas"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A server with a plug-in that adds a type."""
    schemas = tmp_path_factory.mktemp("server") / "schemas"
    shutil.copytree(OWN_SCHEMAS, schemas)
    shutil.copy(TYPED / "clinic.xsd", schemas)
    with (schemas / "index.tsv").open("a") as index:
        index.write("clinic\tclinic.xsd\n")
    with Sandbox(schemas=schemas) as server:
        yield server


@pytest.fixture(scope="module")
def project(clinic: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: the stubs in ``typings``, and a cache of mypy's that the tests share."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "typings").mkdir()
    with connect(clinic) as session:
        session.write_stubs(folder / "typings")
    return folder


def mypy(folder: Path, script: Path) -> list[str]:
    """What mypy says about a script and the stubs. What it says about the package itself is for 'make types'."""
    environment = {**os.environ, "MYPYPATH": f"{folder / 'typings'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.10", "--config-file", os.devnull]
    done = subprocess.run(
        [*command, "--cache-dir", folder / "cache", "--hide-error-context", script],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if re.match(r"(typings/)?[\w.]+\.pyi?:|/.*user_script", line)]
    return [line for line in lines if ": note:" not in line]


def changed(folder: Path, name: str, old: str, new: str) -> Path:
    """The user's script with something else in one place."""
    text = (TYPED / "user_script.py").read_text()
    assert text.count(old) == 1
    script = folder / f"{name}.py"
    script.write_text(text.replace(old, new))
    return script


@pytest.mark.slow
def test_a_script_type_checks_against_the_stubs(project: Path) -> None:
    assert mypy(project, changed(project, "fine", "from __future__", "from __future__")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("visit.room = ", "visit.rooom = ", '"ClinicVisitData" has no attribute "rooom"'),
        ("    visit.coffees = 2\n", '    visit.coffees = "two"\n', '(expression has type "str"'),
        ("scan.parameters.tr or", "scan.parameters.trr or", '"MrScanDataParameters" has no attribute "trr"'),
        ("classes.ClinicVisitData(parent", "classes.ClinicVisitDate(parent", 'has no attribute "ClinicVisitDate"'),
        ("mr_session.date >= since", "mr_session.datum >= since", '"type[MrSessionData]" has no attribute "datum"'),
        ("day: datetime.date | None = experiment.date", "day: int = experiment.date", 'has type "date | None"'),
        ("session.projects[name].subjects[\"S1\"]\n", "session.project[name]\n", 'has no attribute "project"'),
    ],
    ids=["field", "value", "group", "class", "term", "type", "session"],
)  # fmt: skip
def test_a_mistake_is_reported(project: Path, old: str, new: str, told: str, request: Any) -> None:
    script = changed(project, f"mistaken_{request.node.callspec.id}", old, new)
    found = mypy(project, script)
    assert found, "mypy has nothing to say"
    assert told in found[0]


def test_the_script_runs_as_well(clinic: Sandbox, tmp_path: Path) -> None:
    with connect(clinic) as session:
        new = session.classes.ProjectData(parent=session, name="P")
        subject = session.classes.SubjectData(parent=new, label="S1")
        experiment = session.classes.MrSessionData(parent=subject, label="E1", date="2020-01-02")
        scan = session.classes.MrScanData(parent=experiment, id_="1", type="T1", frames=12)
        scan.create_resource("DICOM").upload_data(b"12345", "1.dcm")
    done = subprocess.run(
        [sys.executable, TYPED / "user_script.py", clinic.url, "P", "--folder", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "S1: S1_visit on 2024-05-06 in B12, 2 coffees, 120.5",
        "Person(label='S1', gender=None, born=None, sessions=1, volume=None)",
        "Total(people=1, frames=12, repetition=0.0)",
        "['E1']",
        "2 5",
        "2020-01-02",
    ]
    assert (tmp_path / "1.dcm").read_bytes() == b"12345"


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the schemas of real servers are not here")
def test_stubs_of_a_real_server_with_plugins(tmp_path: Path) -> None:
    from tests.factories import real_schemas
    from xnat.convert_xsd import convert
    from xnat.convert_xsd.stubs import stubs

    folder = tmp_path / "typings"
    folder.mkdir()
    # The mixins as a session has them: without those, fields would hide what is written by hand.
    from xnat import xnatbases
    from xnat.connection import _reserved_names

    model = convert(real_schemas(REAL / "xnat-1.8", REAL / "plugins"))
    bases: dict[str, Any] = {xsi_type: mixin.__name__ for xsi_type, mixin in xnatbases.BASES.items()}
    text = stubs(model, provided=xnatbases.provided_names(), bases=bases, reserved=_reserved_names())
    (folder / "xnat_classes.pyi").write_text(text)
    script = tmp_path / "script.py"
    script.write_text(
        "from __future__ import annotations\n"
        "from xnat_classes import FsFsData, Session\n\n"
        "def volume(session: Session, key: str) -> float:\n"
        "    for assessor in session.projects[key].assessors.values():\n"
        "        if isinstance(assessor, session.classes.FsFsData):\n"
        "            return assessor.measures.volumetric.icv or 0.0\n"
        "    return 0.0\n\n"
        "def misspelt(found: FsFsData) -> object:\n"
        "    return found.measures.volumetrik\n"
    )
    (line,) = mypy(tmp_path, script)
    assert 'script.py:11: error: "FsFsDataMeasures" has no attribute "volumetrik"' in line


def test_the_stubs_connect_as_the_package_does(project: Path) -> None:
    text = (project / "typings" / "xnat_classes.pyi").read_text()
    found = re.search(r"^def connect\(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    names = [line.strip().split(":")[0].rstrip(",") for line in found[1].splitlines()]
    wanted = inspect.signature(xnat.connect).parameters.values()
    positional = [parameter.name for parameter in wanted if parameter.kind is not parameter.KEYWORD_ONLY]
    named = [parameter.name for parameter in wanted if parameter.kind is parameter.KEYWORD_ONLY]
    assert names == [*positional, "*", *named]


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(xnat.__file__).parent / "py.typed").is_file()
