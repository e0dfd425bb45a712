"""pyxnat 1.6.4 works against the sandbox: it reads, makes, uploads, sets and searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xnat.sandbox import Sandbox

from .peer_tools import Truth, walk

pytestmark = [pytest.mark.peers, pytest.mark.slow]
CONTENT = bytes(range(256)) * 64


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, dict[str, Any]]:
    with Sandbox(demo=True) as sandbox:
        truth = Truth(sandbox)
        truth.files_700 = truth.files("ANONYMIZ", "700", "DICOM")
        return truth, walk("pyxnat", sandbox, tmp_path_factory.mktemp("pyxnat"))


def test_it_lists_what_there_is(visit: tuple[Truth, dict[str, Any]]) -> None:
    truth, seen = visit
    assert seen["projects"] == truth.projects
    assert seen["project exists"]
    assert seen["name"] == "Brain Image Analysis"
    assert seen["subjects"] == truth.subjects
    assert seen["experiments"] == truth.experiments
    assert seen["scans"] == truth.scans
    assert seen["resources"] == ["DICOM"]
    assert seen["files"] == {name: len(data) for name, data in truth.files_700.items()}


def test_it_downloads_every_byte(visit: tuple[Truth, dict[str, Any]]) -> None:
    truth, seen = visit
    assert bytes.fromhex(seen["download"]) == truth.files_700["4467"]
    assert seen["zip"] == sorted(truth.files_700)


def test_it_makes_objects_and_files(visit: tuple[Truth, dict[str, Any]]) -> None:
    _, seen = visit
    assert seen["absent"] is False
    assert seen["made"]["exists"] == [True, True, True, True]
    assert seen["made"]["ids"][0].startswith("XNAT_S")
    assert seen["made"]["ids"][1].startswith("XNAT_E")
    assert seen["made"]["ids"][2] == "7"
    assert seen["made"]["files"] == [str(len(CONTENT))]
    assert bytes.fromhex(seen["read back"]) == CONTENT
    assert seen["deleted"] is False


def test_it_sets_and_reads_attributes(visit: tuple[Truth, dict[str, Any]]) -> None:
    _, seen = visit
    assert seen["attributes"] == {
        "gender": "female", "date": "2020-02-03", "note": "a note: é", "quality": "usable", "flip": "42.0",
        "mget": ["usable", ""],
    }  # fmt: skip


def test_it_searches(visit: tuple[Truth, dict[str, Any]]) -> None:
    truth, seen = visit
    made = seen["made"]["ids"]
    assert seen["search"] == sorted([*truth.subjects, made[0]])
    assert seen["path"] == sorted([*truth.experiments, made[1]])
    of_type = [id_ for id_, (_, _, xsi_type) in truth.experiments.items() if xsi_type == "xnat:mrSessionData"]
    assert seen["array"] == sorted([*of_type, made[1]])
    assert seen["types"]
    assert seen["fields"]
    assert seen["saved"] == []


def test_a_wrong_password_shows(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.password = "wrong"
        with pytest.raises(AssertionError, match=r"Error|error|40[13]"):
            walk("pyxnat", sandbox, tmp_path)
