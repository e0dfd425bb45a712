"""Tables as pandas frames: of listings, of whole projects, of searches; types as the schema has them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from xnat.sandbox import Sandbox
from xnat.search import Query

pytest.importorskip("pandas")


def types(frame: Any) -> dict[str, str]:
    """Column → type, in words that don't change between versions of pandas."""
    words = {"M": "date", "O": "text", "U": "text", "T": "text"}
    return {name: words.get(column.dtype.kind, str(column.dtype)) if str(column.dtype) != "category" else "category"
            for name, column in frame.items()}  # fmt: skip


@pytest.fixture
def measured(world: Any) -> Any:
    """The world, with values of all types."""
    experiment = world.experiments["E1"]
    experiment.mset({"time": "10:11:12", "age": 41.5, "scanner/model": "007", "note": "x"})
    experiment.fields["brain_volume"] = "1200"
    experiment.scans["1"].mset({"frames": 12, "parameters/tr": 2.5, "startTime": "09:00:00"})
    world.subjects["S1"].demographics.mset({"gender": "female", "yob": 1980})
    other = world.xnat_session.classes.SubjectData(parent=world, label="007")
    world.xnat_session.classes.CtSessionData(parent=other, label="8")
    return world


def test_experiments(measured: Any, server: Sandbox) -> None:
    model, volume = "xnat:mrSessionData/scanner/model", "xnat:mrSessionData/fields/field[name=brain_volume]/field"
    with server.record() as requests:
        frame = measured.experiments.tabulate_pandas(columns=["label", "date", "time", "xsiType", "age", "insert_date"])
    assert len(list(requests)) == 1
    assert types(frame) == {
        "label": "text", "date": "date", "time": "text", "xsiType": "category", "age": "float64", "insert_date": "date",
    }  # fmt: skip
    row = frame[frame.label == "E1"].iloc[0]
    assert (row.date.to_pydatetime(), row.time, row.age) == (datetime.datetime(2020, 1, 2), "10:11:12", 41.5)
    assert frame[frame.label == "8"].date.isna().all()
    frame = measured.experiments.tabulate_pandas(columns=["label", model, volume])
    # The schema says text of the model, whatever it looks like; of a custom variable it says nothing.
    assert types(frame) == {"label": "text", model: "text", volume: "Int64"}
    assert frame[frame.label == "E1"].iloc[0].tolist() == ["E1", "007", 1200]


def test_subjects(measured: Any) -> None:
    path = "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/yob"
    frame = measured.subjects.tabulate_pandas(columns=["label", "gender", "yob", path])
    assert types(frame) == {"label": "text", "gender": "category", "yob": "Int64", path: "Int64"}
    by_label = frame.set_index("label")
    assert by_label.loc["S1"].tolist() == ["female", 1980, 1980]
    assert by_label.loc["007"].isna().all()


def test_filter_and_an_empty_table(measured: Any) -> None:
    frame = measured.experiments.tabulate_pandas(columns=["label", "date"], filter={"label": "E*"})
    assert list(frame.label) == ["E1"]
    empty = measured.experiments.filter(label="nothing").tabulate_pandas()
    assert len(empty) == 0


def test_scans(measured: Any) -> None:
    frame = measured.experiments["E1"].scans.tabulate_pandas(columns=["ID", "type", "quality", "xsiType", "frames"])
    assert types(frame) == {
        "ID": "text", "type": "category", "quality": "category", "xsiType": "category", "frames": "Int64",
    }  # fmt: skip
    assert frame.set_index("ID").frames["1"] == 12


def test_resources_and_files(measured: Any) -> None:
    experiment = measured.experiments["E1"]
    assert types(experiment.resources.tabulate_pandas())["file_size"] == "Int64"
    files = experiment.scans["1"].files.tabulate_pandas()
    assert types(files)["Size"] == "Int64"
    assert files.Size.sum() == sum(file.size for file in experiment.scans["1"].files.values())


def test_a_whole_project(measured: Any, server: Sandbox) -> None:
    with server.record() as requests:
        frame = measured.scans.tabulate_pandas()
        tr = measured.scans.tabulate_pandas(
            columns=["ID", "xnat:mrScanData/parameters/tr", "xnat:mrScanData/startTime"]
        )
        sizes = measured.resources_table().tabulate_pandas()
    assert len(list(requests)) == 3
    assert frame.frames.tolist()[0] == 12
    assert types(frame)["session_xsiType"] == types(frame)["type"] == types(frame)["modality"] == "category"
    assert list(types(tr).values()) == ["text", "float64", "text"]
    assert tr.iloc[0].tolist() == ["1", 2.5, "09:00:00"]
    assert types(sizes)["file_count"] == "Int64"
    assert types(measured.assessors.tabulate_pandas())["date"] == "date"


def test_searches(measured: Any, session: Any) -> None:
    mr_session = session.classes.MrSessionData
    query = Query(mr_session, session).view("LABEL", "DATE", "AGE")
    frame = query.tabulate_pandas()
    found = types(frame)
    assert (found["label"], found["date"], found["age"]) == ("text", "date", "float64")
    assert frame.iloc[0].label == "E1"
    assert frame.iloc[0].age == 41.5
    empty = query.filter(mr_session.label == "nothing").tabulate_pandas()
    assert len(empty) == 0
    assert types(empty)["date"] == "date"


def test_without_pandas_it_is_said_what_to_install(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'xnat\[pandas\]'"):
        world.subjects.tabulate_pandas()
