"""Tables: named tuples, CSV, and pandas frames whose types come from the schema."""

from __future__ import annotations

import datetime
import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest

from xnat.columns import ColumnType, column_type, to_pandas
from xnat.core.fields import Field, ObjectField, SubListing, SubObjectField, Variables
from xnat.core.tabulate import named_tuples, ordered_columns, to_csv

pandas = pytest.importorskip("pandas")
NUMBERS = [{"x": "1"}, {"x": ""}, {"x": "3"}]


class Details:
    XSI_TYPE = "a:details"
    gender = Field("gender", "xs:string", enumeration=("male", "female"))
    tr = Field("parameters/tr", "xs:float")
    label = Field("label")


class Other:
    weight = Field("weight", "xs:double")


class Thing:
    XSI_TYPE = "a:thing"
    date = Field("date", "xs:date")
    fields = Variables("fields/field", value="field", key="name")
    details = ObjectField("details", "a:details")
    group = SubObjectField("group", "a:details")
    parts = SubListing("parts/part", item="a:details", key="label")


CLASSES = SimpleNamespace(XNAT_CLASS_LOOKUP={"a:thing": Thing, "a:details": Details, "a:other": Other})


def frame(values: list[Any], xs_type: str | None = None, name: str = "x", choices: bool = False) -> Any:
    told = None if xs_type is None else ColumnType(xs_type, choices)
    return to_pandas([(name, "x")], [{"x": value} for value in values], lambda _: told)[name]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("date", ColumnType("xs:date")),
        ("a:thing/date", ColumnType("xs:date")),
        ("A:THING/DATE", ColumnType("xs:date")),
        ("a:thing/details/gender", ColumnType("xs:string", True)),
        ("a:thing/details[@xsi:type=a:other]/weight", ColumnType("xs:double")),
        ("a:thing/group/parameters/tr", ColumnType("xs:float")),
        ("a:thing/parts/part[label=x]/label", ColumnType("xs:string")),
        ("insert_date", ColumnType("xs:dateTime")),
        ("a:thing/fields/field[name=volume]/field", None),
        ("a:thing/details", None),
        ("a:thing/nothing", None),
        ("a:nothing/date", None),
        ("nothing", None),
    ],
)
def test_what_the_schema_says(column: str, expected: ColumnType | None) -> None:
    assert column_type(CLASSES, "a:thing", column) == expected


def test_without_classes_nothing_is_known() -> None:
    assert column_type(None, "a:thing", "date") is None


@pytest.mark.parametrize(
    ("xs_type", "values", "dtype"),
    [
        ("xs:integer", ["1", "", "-3"], "Int64"),
        ("xs:int", ["1.0", "2.", None], "Int64"),
        ("xs:float", ["1.5", "", "INF"], "float64"),
        ("xs:boolean", ["1", "false", ""], "boolean"),
        ("xs:boolean", [True, False, None], "boolean"),
        ("xs:time", ["10:11:12", ""], None),
        ("xs:string", ["1", "2"], None),
        ("xs:duration", ["PT1H"], None),
        ("x:unknown", ["1"], None),
    ],
)
def test_types_by_the_schema(xs_type: str, values: list[Any], dtype: str | None) -> None:
    column = frame(values, xs_type)
    assert (str(column.dtype) if dtype else column.dtype) == (dtype or frame(["text"], "xs:string").dtype)
    assert list(column.isna()) == [value in ("", None) for value in values]


def test_values_by_the_schema() -> None:
    assert list(frame(["1.5", "INF", "-INF"], "xs:double")) == [1.5, math.inf, -math.inf]
    assert list(frame(["2020-01-02", ""], "xs:date"))[0].to_pydatetime() == datetime.datetime(2020, 1, 2)
    moment = frame(["2021-03-18 11:33:11.835", "2021-03-18T11:33:11"], "xs:dateTime")
    assert moment.dt.hour.tolist() == [11, 11]
    assert frame(["10:11:12"], "xs:time")[0] == "10:11:12"


def test_types_do_not_depend_on_the_rows() -> None:
    assert str(frame([], "xs:integer").dtype) == str(frame(["", ""], "xs:integer").dtype) == "Int64"
    assert frame(["", ""], "xs:date").dtype.kind == frame([], "xs:date").dtype.kind == "M"
    assert str(frame([], None, "xsiType").dtype) == str(frame(["a", "b"], None, "quality").dtype) == "category"


@pytest.mark.parametrize("xs_type", ["xs:date", "xs:integer", "xs:float", "xs:boolean", "xs:dateTime"])
def test_a_value_that_is_not_of_the_type_does_not_get_lost(xs_type: str) -> None:
    assert list(frame(["ca. 1999", "1"], xs_type)) == ["ca. 1999", "1"]


def test_labels_and_ids_stay_text() -> None:
    for name in ("label", "ID", "subject_ID", "session_label", "xnat:subjectData/ID", "project", "UID"):
        assert list(frame(["007", "8"], None, name)) == ["007", "8"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "", "3"], "Int64"),
        (["1.5", "2"], "float64"),
        (["true", "false"], "boolean"),
        (["123456789012345678901234"], "float64"),
    ],
)
def test_guesses(values: list[str], dtype: str) -> None:
    assert str(frame(values).dtype) == dtype


def test_guessed_dates() -> None:
    assert frame(["2020-01-02", ""]).dtype.kind == "M"
    assert frame(["2020-01-02", "soon"]).dtype.kind != "M"


def test_choices_are_categories() -> None:
    column = frame(["male", "", "other"], "xs:string", "x", choices=True)
    assert str(column.dtype) == "category"
    # What the schema doesn't foresee is not lost.
    assert sorted(column.cat.categories) == ["male", "other"]
    assert column.isna().tolist() == [False, True, False]


def test_empty_frames_have_their_columns() -> None:
    found = to_pandas([("a", "a"), ("b", "b")], [])
    assert list(found.columns) == ["a", "b"]
    assert len(found) == 0
    assert to_pandas([], []).empty


def test_named_tuples_and_csv() -> None:
    columns = [("a b", "x"), ("class", "y"), ("a_b", "z")]
    (row,) = named_tuples(columns, [{"x": "1", "y": "2"}])
    assert row._fields == ("a_b", "class_", "a_b_2")
    assert row == ("1", "2", "")
    assert named_tuples(columns, []) == ()
    assert to_csv(columns, [{"x": "a,b", "y": "2"}]) == 'a b,class,a_b\n"a,b",2,\n'


def test_columns_the_server_does_not_know(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"label": "x", "xnat:mrsessiondata/date": "2020-01-02"}]
    logger = logging.getLogger("test")
    with caplog.at_level(logging.WARNING):
        found = ordered_columns(["xnat:mrSessionData/date", "labell"], rows, logger)
    assert found == [("xnat:mrSessionData/date", "xnat:mrsessiondata/date")]
    assert "did you mean label?" in caplog.text
