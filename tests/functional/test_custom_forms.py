"""Values of custom forms: typed, written at once, the same for every kind of object."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

import xnat
from xnat.customforms import CustomForms
from xnat.exceptions import XNATForbiddenError, XNATNotFoundError, XNATValueError
from xnat.sandbox import Sandbox

VALUES = {
    "text": "é & <x>",
    "number": 3,
    "float": 0.25,
    "yes": True,
    "none": None,
    "list": [1, "a"],
    "object": {"a": {"b": 1}},
}


def of(session: Any, kind: str) -> Any:
    project = session.projects["P"]
    experiment = project.experiments["E1"]
    return {
        "project": project,
        "subject": project.subjects["S1"],
        "experiment": experiment,
        "scan": experiment.scans["1"],
        "assessor": experiment.assessors["QC1"],
    }[kind]


@pytest.fixture
def forms(world: Any) -> CustomForms:
    return CustomForms(world)


@pytest.mark.parametrize("kind", ["project", "subject", "experiment", "scan", "assessor"])
def test_values_keep_their_types_on_every_kind_of_object(world: Any, session: Any, second: Any, kind: str) -> None:
    forms = CustomForms(of(session, kind))
    assert isinstance(forms, MutableMapping)
    assert dict(forms) == {}
    forms.update(VALUES)
    assert dict(CustomForms(of(second, kind))) == VALUES
    forms["text"] = "new"
    del forms["list"]
    there = CustomForms(of(second, kind))
    assert (there["text"], "list" in there, there["object"]) == ("new", False, {"a": {"b": 1}})


def test_objects_have_values_of_their_own(world: Any, session: Any) -> None:
    CustomForms(of(session, "scan"))["a"] = 1
    assert dict(CustomForms(of(session, "experiment"))) == {}
    assert dict(CustomForms(world)) == {}


def test_requests(server: Sandbox, forms: CustomForms) -> None:
    with server.record() as requests:
        forms.update({"a": 1, "b": 2}, c=3)
        forms["a"] = 5
        assert forms["a"] == 5
        assert len(forms) == 3
        del forms["a"]
        assert list(forms) == ["b", "c"]
        forms.update({})
    assert [entry.method for entry in requests] == ["PUT", "PUT", "DELETE"]
    forms.clearcache()
    with server.record() as requests:
        assert forms["b"] == forms.get("b") == 2
    assert [entry.method for entry in requests] == ["GET"]


def test_keys_are_quoted(forms: CustomForms, second: Any) -> None:
    forms["a b/c?d#é"] = 1
    forms["keep"] = 2
    del forms["a b/c?d#é"]
    assert dict(CustomForms(second.projects["P"])) == {"keep": 2}


def test_missing_keys(forms: CustomForms) -> None:
    forms["there"] = 1
    with pytest.raises(KeyError, match="there is 'there'"):
        forms["no"]
    with pytest.raises(KeyError, match="there is 'there'"):
        del forms["no"]
    assert forms.get("no", 7) == 7


def test_null_counts_as_missing_for_deletion(forms: CustomForms) -> None:
    forms["none"] = None
    assert forms["none"] is None
    with pytest.raises(KeyError, match="null"):
        del forms["none"]


@pytest.mark.parametrize("bad", [{"a": float("nan")}, {"a": object()}, {1: "a"}, {"": 1}])
def test_what_cannot_be_written_is_refused_and_nothing_is_sent(server: Sandbox, forms: CustomForms, bad: Any) -> None:
    with server.record() as requests, pytest.raises(XNATValueError):
        forms.update({"good": 1, **bad})
    assert not requests


def test_repr(forms: CustomForms) -> None:
    forms["a"] = [1]
    assert repr(forms) == "<CustomForms {'a': [1]}>"


def test_objects_without_forms(world: Any) -> None:
    with pytest.raises(XNATValueError, match="no custom forms"):
        CustomForms(world.resources["PROTOCOL"])


def test_somebody_without_rights(server: Sandbox, world: Any) -> None:
    server.add_user("jane", "secret")
    world.xnat_session.put("/data/projects/P/users/Collaborators/jane")
    with xnat.connect(server.url, user="jane", password="secret") as session:
        forms = CustomForms(session.projects["P"])
        assert dict(forms) == {}
        with pytest.raises(XNATForbiddenError):
            forms["a"] = 1


def test_thing_that_is_gone(session: Any, second: Any, world: Any) -> None:
    forms = CustomForms(of(session, "scan"))
    of(second, "scan").delete()
    with pytest.raises(XNATNotFoundError):
        dict(forms)


@pytest.mark.parametrize("version", ["1.7.4", "1.8.2"])
def test_older_server(version: str) -> None:
    with Sandbox(xnat_version=version) as server, xnat.connect(server.url, user="admin", password="admin") as session:
        forms = CustomForms(session.classes.ProjectData(parent=session, name="P"))
        with pytest.raises(XNATNotFoundError, match=f"since 1.8.8, this server is {version}"):
            dict(forms)
        with pytest.raises(XNATNotFoundError, match="1.8.8"):
            forms["a"] = 1
