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
        "x": "int | None",
        "day": "datetime.date | None",
        "b": "B",
        "bs": "XNATListing[B]",
        "fields": "VariableMap",
    }


def test_fields_called_like_types():
    fields = [
        make_field(name, type_, name=name)
        for name, type_ in [("float", "xs:float"), ("datetime", "xs:date"), ("x", "xs:int")]
    ]
    text = stubs(make_model(make_class("a:a", *fields, name="A")))
    assert attributes(text, "A") == {"float": "builtins.float | None", "datetime": "Any", "x": "int | None"}


@pytest.mark.parametrize("sets", [real("xnat-1.6"), real("xnat-1.8"), real("xnat-1.8", "plugins")])
def test_stubs_of_real_models_are_python(sets):
    text = stubs(convert(real_schemas(*sets)))
    assert attributes(text, "SubjectData")["demographics"] == "DemographicData"
