"""Values of XML Schema's types as Python values, both ways."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat.datatypes import XSD_TYPES, check, convert_from, convert_to
from xnat.exceptions import XNATValueError

UTC = dt.timezone.utc


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ("a", "xs:string", "a"),
        (5, "xs:string", "5"),
        ("http://x", "xs:anyURI", "http://x"),
        ("true", "xs:boolean", True),
        ("TRUE", "xs:boolean", True),
        ("1", "xs:boolean", True),
        (1, "xs:boolean", True),
        (True, "xs:boolean", True),
        ("false", "xs:boolean", False),
        ("0", "xs:boolean", False),
        (0, "xs:boolean", False),
        ("12", "xs:integer", 12),
        (12.0, "xs:integer", 12),
        (" 12 ", "xs:long", 12),
        ("7", "xs:int", 7),
        ("7", "xs:unsignedShort", 7),
        ("1.5", "xs:float", 1.5),
        (83.91, "xs:double", 83.91),
        ("INF", "xs:double", float("inf")),
        ("0.25", "xs:decimal", 0.25),
        ("2011-11-17", "xs:date", dt.date(2011, 11, 17)),
        ("2011-11-17Z", "xs:date", dt.date(2011, 11, 17)),
        ("2011-11-17 08:56:51.0", "xs:date", dt.date(2011, 11, 17)),
        ("08:56:51", "xs:time", dt.time(8, 56, 51)),
        ("08:56:51.5", "xs:time", dt.time(8, 56, 51, 500000)),
        ("2011-11-17 08:56:51.5", "xs:time", dt.time(8, 56, 51, 500000)),
        ("2016-11-07T11:48:59", "xs:dateTime", dt.datetime(2016, 11, 7, 11, 48, 59)),
        ("2016-11-07 11:48:59.342", "xs:dateTime", dt.datetime(2016, 11, 7, 11, 48, 59, 342000)),
        ("2016-11-07 11:48:59.123456789", "xs:dateTime", dt.datetime(2016, 11, 7, 11, 48, 59, 123456)),
        ("2016-11-07T11:48:59Z", "xs:dateTime", dt.datetime(2016, 11, 7, 11, 48, 59, tzinfo=UTC)),
        (
            "2016-11-07T11:48:59-02:30",
            "xs:dateTime",
            dt.datetime(2016, 11, 7, 11, 48, 59, tzinfo=dt.timezone(-dt.timedelta(hours=2, minutes=30))),
        ),
        ("PT1H30M", "xs:duration", dt.timedelta(hours=1, minutes=30)),
        ("-P1DT0.5S", "xs:duration", -dt.timedelta(days=1, microseconds=500000)),
        ("P0Y0M2D", "xs:duration", dt.timedelta(days=2)),
        ("2004", "xs:gYear", "2004"),
        ("x", "xs:neverHeardOf", "x"),
    ],
)
def test_reading(value, type_, expected):
    found = convert_to(value, type_)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("type_", sorted(XSD_TYPES))
def test_missing_values_read_as_none(type_):
    assert convert_to(None, type_) is None
    assert convert_to("", type_) in (None, "")


def test_empty_text_stays_text():
    assert convert_to("", "xs:string") == ""


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (42.0, "xs:string", "42.0"),
        (True, "xs:string", "true"),
        (dt.date(2020, 1, 2), "xs:string", "2020-01-02"),
        (True, "xs:boolean", "true"),
        ("0", "xs:boolean", "false"),
        (3, "xs:int", "3"),
        ("3", "xs:integer", "3"),
        (3, "xs:float", "3"),
        (0.1, "xs:double", "0.1"),
        (float("nan"), "xs:float", "NaN"),
        (float("-inf"), "xs:float", "-INF"),
        (dt.date(2020, 1, 2), "xs:date", "2020-01-02"),
        (dt.datetime(2020, 1, 2, 3), "xs:date", "2020-01-02"),
        ("2020-1-2", "xs:date", "2020-01-02"),
        (dt.time(1, 2, 3), "xs:time", "01:02:03"),
        ("2020-01-02 03:04:05", "xs:dateTime", "2020-01-02T03:04:05"),
        (dt.date(2020, 1, 2), "xs:dateTime", "2020-01-02T00:00:00"),
        (dt.timedelta(days=1, seconds=3723, microseconds=500000), "xs:duration", "P1DT1H2M3.5S"),
        (dt.timedelta(), "xs:duration", "PT0S"),
        (-dt.timedelta(hours=2), "xs:duration", "-PT2H"),
        ("PT90S", "xs:duration", "PT1M30S"),
    ],
)
def test_writing(value, type_, expected):
    assert convert_from(value, type_) == expected


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("maybe", "xs:boolean"),
        (2, "xs:boolean"),
        ("1.5", "xs:integer"),
        (1.5, "xs:integer"),
        (-1, "xs:unsignedInt"),
        (0, "xs:positiveInteger"),
        (2**31, "xs:int"),
        ("9" * 5000, "xs:integer"),
        ("x", "xs:float"),
        ("13/01/2020", "xs:date"),
        ("2020-13-01", "xs:date"),
        ("2020-01-01", "xs:time"),
        ("P", "xs:duration"),
        ("PT", "xs:duration"),
        ("P1M", "xs:duration"),
        (b"x", "xs:string"),
        (None, "xs:string"),
        ([], "xs:date"),
    ],
)
def test_values_that_cannot_be_written(value, type_):
    with pytest.raises(XNATValueError):
        convert_from(value, type_)


def test_writing_none_says_how_to_clear():
    with pytest.raises(XNATValueError, match=r"del obj\.field"):
        convert_from(None, "xs:integer")


def test_reading_nonsense_names_value_and_type():
    with pytest.raises(XNATValueError, match=r"'abc' is not a valid xs:integer"):
        convert_to("abc", "xs:integer")


def test_a_callable_serves_as_type():
    assert convert_to("7", int) == 7
    assert convert_to(None, int) is None


def test_numpy_values():
    numpy = pytest.importorskip("numpy")
    assert convert_from(numpy.int64(3), "xs:integer") == "3"
    assert convert_from(numpy.float64(1.5), "xs:float") == "1.5"
    assert convert_from(numpy.bool_(True), "xs:boolean") == "true"


@given(st.timedeltas(min_value=dt.timedelta(days=-100000), max_value=dt.timedelta(days=100000)))
def test_durations_survive(value):
    assert convert_to(convert_from(value, "xs:duration"), "xs:duration") == value


@given(st.datetimes())
def test_moments_survive(value):
    assert convert_to(convert_from(value, "xs:dateTime"), "xs:dateTime") == value


@given(st.floats(allow_nan=False))
def test_floats_survive(value):
    assert convert_to(convert_from(value, "xs:double"), "xs:double") == value


@pytest.mark.parametrize(
    ("value", "restrictions", "type_", "message"),
    [
        ("x", {"enumeration": ("male", "female")}, "xs:string", 'gender has to be one of: "male", "female"'),
        (1, {"min_inclusive": 2}, "xs:integer", "gender has to be greater than or equal to 2"),
        (3, {"max_inclusive": 2}, "xs:integer", "gender has to be smaller than or equal to 2"),
        (2, {"min_exclusive": 2}, "xs:float", "gender has to be greater than 2"),
        (2, {"max_exclusive": 2}, "xs:float", "gender has to be smaller than 2"),
        ("abc", {"max_length": 2}, "xs:string", "length gender has to be smaller than or equal to 2"),
        ("a", {"min_length": 2}, "xs:string", "length gender has to be larger than or equal to 2"),
        (
            "2019-12-31",
            {"min_inclusive": "2020-01-01"},
            "xs:date",
            "gender has to be greater than or equal to 2020-01-01",
        ),
    ],
)
def test_restrictions(value, restrictions, type_, message):
    with pytest.raises(XNATValueError) as caught:
        check("gender", value, restrictions, type_)
    assert str(caught.value) == message


def test_values_within_restrictions_pass():
    check("age", 5, {"min_inclusive": 0, "max_inclusive": 30}, "xs:integer")
    check("flag", True, {"enumeration": ("true", "false")}, "xs:boolean")
    check("anything", object, {})


def test_types_may_be_functions() -> None:
    assert convert_from("7", int) == "7"
    assert convert_from(" a ", str.strip) == "a"


def test_what_has_no_type_is_written_by_its_own() -> None:
    assert convert_from(dt.timedelta(hours=1, minutes=30), None) == convert_from(
        dt.timedelta(minutes=90), "xs:duration"
    )


def test_the_time_of_a_moment() -> None:
    moment = dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
    assert convert_to(moment, "xs:time") == dt.time(3, 4, 5, tzinfo=dt.timezone.utc)
