"""What searches know: data types and their fields."""

from __future__ import annotations

from typing import Any

import pytest

from xnat.exceptions import XNATResponseError, XNATValueError
from xnat.inspect import Inspect
from xnat.sandbox import Sandbox, faults


def test_datatypes(session: Any) -> None:
    inspect = session.inspect
    assert isinstance(inspect, Inspect)
    assert inspect.xnat_session is session
    assert {"xnat:subjectData", "xnat:mrSessionData"} <= set(inspect.datatypes())
    assert inspect.datatypes("xnat:subjectData") == ["xnat:subjectData"]
    found = inspect.datatypes("*SessionData")
    assert "xnat:mrSessionData" in found
    assert "xnat:subjectData" not in found
    assert inspect.datatypes("no*") == []


def test_datatypes_with_a_fields_pattern_gives_fields(session: Any) -> None:
    found = session.inspect.datatypes("xnat:subjectData", "*GENDER*")
    assert found
    assert all(field.startswith("xnat:subjectData/") and "GENDER" in field for field in found)


def test_types_that_tell_no_fields_are_skipped(server: Sandbox, session: Any) -> None:
    server.faults.add(faults.status(403), path="/data/search/elements/xnat:mrSessionData", times=None)
    found = session.inspect.datatypes("xnat:?rSessionData", "LABEL")
    assert "xnat:crSessionData/LABEL" in found
    assert "xnat:mrSessionData/LABEL" not in found


def test_datafields_of_name_class_and_object(session: Any, world: Any) -> None:
    by_name = session.inspect.datafields("xnat:subjectData")
    assert "xnat:subjectData/SUBJECT_LABEL" in by_name
    assert session.inspect.datafields(session.classes.SubjectData) == by_name
    assert session.inspect.datafields(world.subjects["S1"]) == by_name


def test_datafields_patterns_and_prefix(session: Any) -> None:
    assert session.inspect.datafields("xnat:mrSessionData", "AGE") == ["xnat:mrSessionData/AGE"]
    assert session.inspect.datafields("xnat:mrSessionData", "SESSION_I*", prepend_type=False) == ["SESSION_ID"]


def test_fields_with_arguments_are_left_out(session: Any, world: Any) -> None:
    world.experiments["E1"].fields["dose"] = 3
    assert not [field for field in session.inspect.datafields("xnat:mrSessionData") if "=" in field]


def test_unknown_types(session: Any) -> None:
    with pytest.raises(XNATResponseError):
        session.inspect.datafields("xnat:noSuchData")
    with pytest.raises(XNATValueError):
        session.inspect.datafields(3)
