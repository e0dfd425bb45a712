"""Stubs say what the generated classes have."""

from __future__ import annotations

import ast

import pytest

from tests.factories import make_class, make_field, make_model, real_schemas
from xnat.convert_xsd import FieldKind, convert
from xnat.convert_xsd.stubs import stubs

from .conftest import real


def attributes(text, name):
    (found,) = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == name]
    return {node.target.id: ast.unparse(node.annotation) for node in found.body if isinstance(node, ast.AnnAssign)}


def test_types_of_attributes():
    model = make_model(
        make_class("a:b", name="B"),
        make_class(
            "a:a",
            make_field("x", "xs:int", name="x"),
            make_field("day", "xs:date", name="day"),
            make_field("b", "a:b", kind=FieldKind.OBJECT, name="b"),
            make_field("bs", "a:b", kind=FieldKind.REST_LISTING, name="bs"),
            make_field("fields/field", "xs:string", kind=FieldKind.VARIABLES, name="fields"),
            make_field("label", "xs:string", name="label"),
            name="A",
        ),
    )
    text = stubs(model, provided={"a:a": frozenset({"label"})}, bases={"a:a": "A"})
    assert "class A(xnatbases.A, xnatcore.XNATNestedObject):" in text
    assert attributes(text, "A") == {
        "x": "_Field[int]",
        "day": "_Field[_datetime.date]",
        "b": "_Object[B]",
        "bs": "XNATListing[B]",
        "fields": "VariableMap",
    }


def test_fields_called_like_types():
    fields = [
        make_field(name, type_, name=name)
        for name, type_ in [("float", "xs:float"), ("datetime", "xs:date"), ("x", "xs:int")]
    ]
    text = stubs(make_model(make_class("a:a", *fields, name="A")))
    assert attributes(text, "A") == {
        "float": "_Field[_builtins.float]",
        "datetime": "_Field[_datetime.date]",
        "x": "_Field[int]",
    }


@pytest.mark.parametrize("sets", [real("xnat-1.6"), real("xnat-1.8"), real("xnat-1.8", "plugins")])
def test_stubs_of_real_models_are_python(sets):
    text = stubs(convert(real_schemas(*sets)))
    assert attributes(text, "SubjectData")["demographics"] == "_Object[DemographicData]"


def test_the_session_and_its_classes():
    model = make_model(make_class("xnat:projectData", name="ProjectData"), make_class("a:session", name="Session"))
    text = stubs(model)
    assert attributes(text, "Session_") == {
        "projects": "XNATListing[ProjectData]",
        "subjects": "XNATListing[Any]",
        "experiments": "XNATListing[Any]",
        "classes": "_Classes",
    }
    assert attributes(text, "_Classes") == {
        "XNAT_CLASS_LOOKUP": "Any",
        "ProjectData": "type[_ProjectData]",
        "Session": "type[_Session]",
    }


def test_what_is_written_by_hand_names_its_classes():
    model = make_model(
        make_class("xnat:subjectAssessorData", name="SubjectAssessorData"),
        make_class("xnat:subjectData", name="SubjectData"),
    )
    text = stubs(model, bases={"xnat:subjectAssessorData": "SubjectAssessorData"})
    assert attributes(text, "SubjectAssessorData") == {"subject": "SubjectData"}
