"""Models become source that holds declarations and nothing else, whatever the schemas say."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import complex_type, extension, make_class, make_field, make_model, real_schemas, schema, sequence
from xnat.convert_xsd import Model, convert, emit
from xnat.convert_xsd.checking import check
from xnat.exceptions import XNATSchemaError
from xnat.naming import attribute_name, class_name

from .conftest import real

HOSTILE = [
    '"""\nimport os\nos.system("x")\n"""',
    "'''",
    "\\",
    'a"b',
    "a'b",
    "line\nbreak\r\nand\x0c\u2028more",
    "') or __import__('os').system('x') or ('",
    "{0.__class__}",
    "%s%n",
    'ends with "',
    "naïve ☃",
    "#",
]


def emitted(model, **options):
    source = emit.emit(model, **options).source
    check(source)
    return source


def one_class(*fields, **parts):
    definition = make_class("t:thing", *fields, name="Thing", **parts)
    for item in definition.fields:
        item.name = item.name or attribute_name(item.path)
        item.type = item.type.replace("{http://www.w3.org/2001/XMLSchema}", "xs:")
    return make_model(definition)


def body_of(source, name):
    (found,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name]
    return ast.unparse(found).splitlines()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_data(text):
    item = make_field("x", doc=text, restrictions={"enumeration": (text, "b"), "min_inclusive": text})
    source = emitted(one_class(item, doc=text), title=text)
    (definition,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert ast.get_docstring(definition, clean=False) == text
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in definition.body[-1].value.keywords}
    assert keywords == {"enumeration": (text, "b"), "min_inclusive": text, "doc": text}


@given(st.text(), st.text(), st.text())
@settings(max_examples=60)
def test_any_text_stays_data(path, doc, value):
    item = make_field(path, doc=doc, restrictions={"enumeration": (value,)}, name=attribute_name(path))
    definition = make_class(f"t:{path}", item, name=class_name(path), doc=doc)
    item.type = value
    check(emit.emit(make_model(definition)).source)


@pytest.mark.parametrize("name", ["a b", "a=1;b", "__init__", "class", "x\ny", ""])
def test_names_that_did_not_pass_the_gate_are_refused(name):
    with pytest.raises(XNATSchemaError):
        emit.emit(make_model(make_class("t:x", name=name)))
    with pytest.raises(XNATSchemaError):
        emit.emit(one_class(make_field("x", name=name) if name else make_field("x", name=" ")))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_in_a_schema(text):
    from xml.sax.saxutils import quoteattr

    body = f"<xs:element name={quoteattr(text)}/><xs:attribute name={quoteattr(text)}/>"
    document = schema(f"<xs:complexType name={quoteattr(text)}>{sequence(body)}</xs:complexType>")
    emitted(convert([document], require_core=False))


def test_names_provided_by_hand_are_skipped_with_a_comment():
    child = make_class("t:child", make_field("label", name="label", type="xs:string"), base="t:thing", name="Child")
    model = one_class("label", "group")
    model.classes["t:child"] = child
    source = emitted(model, provided={"t:thing": frozenset({"label"})}, bases={"t:thing": "Mixin"})
    assert source.count("# label: written by hand in xnat.xnatbases.Mixin") == 2
    assert "class Thing(xnatbases.Mixin, xnatcore.XNATNestedObject):" in source
    assert "class Child(Thing):" in source
    assert "label = " not in source


def test_reserved_names_get_an_underscore():
    lines = body_of(emitted(one_class("data", "data_", "xnatcore"), reserved=frozenset({"data"})), "Thing")
    assert [line.split()[0] for line in lines[3:]] == ["data__", "data_", "xnatcore_"]


def test_source_of_a_type():
    from textwrap import dedent

    item = make_field("x", "xs:integer", restrictions={"min_inclusive": 0, "max_inclusive": 30}, doc="How many")
    expected = """\
        'Test'
        from xnat import xnatbases, xnatcore


        class Thing(xnatcore.XNATNestedObject):
            'A thing'
            __slots__ = ()
            XSI_TYPE = 't:thing'
            x = xnatcore.Field('x', 'xs:integer', min_inclusive=0, max_inclusive=30, doc='How many')
        """
    assert emitted(one_class(item, doc="A thing"), title="Test") == dedent(expected)


def test_blocks_know_their_lines():
    model = one_class("a")
    model.classes["t:child"] = make_class("t:child", base="t:thing", name="Child")
    made = emit.emit(model)
    lines = made.source.splitlines()
    for block in made.blocks.values():
        assert lines[block.line - 1].startswith(f"class {block.name}(")
    assert made.blocks["Child"].base == "Thing"


def test_the_source_is_its_blocks(xnat_1_8):
    made = emit.emit(Model.from_json(xnat_1_8.to_json(), lazy=True), title="Test")
    alone = {block.line: made.body.text(block) for block in reversed(made.blocks.values())}
    lines = made.source.splitlines(keepends=True)
    assert made.source == made.header + "".join(f"\n\n{alone[line]}" for line in sorted(alone))
    for line, text in alone.items():
        assert "".join(lines[line - 1 :]).startswith(text)
    assert made.source == emit.emit(xnat_1_8, title="Test").source


def test_too_much_source_is_refused(monkeypatch):
    monkeypatch.setattr(emit, "MAX_SIZE", 100)
    model = one_class(make_field("x", doc="x" * 100))
    with pytest.raises(XNATSchemaError, match="more than 100 characters"):
        emit.emit(model)
    with pytest.raises(XNATSchemaError, match="more than 100 characters"):
        emit.emit(model)
    stored = emit.emit(Model.from_json(model.to_json(), lazy=True))
    with pytest.raises(XNATSchemaError, match="more than 100 characters"):
        stored.body.text(stored.blocks["Thing"])


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "x = 1",
        "print('x')",
        "class A(object()): pass",
        "class A(metaclass=B):\n    'x'",
        "@b\nclass A(xnatcore.XNATObject):\n    'x'",
        "class A(xnatcore.Other):\n    'x'",
        "class A(os.XNATObject):\n    'x'",
        "class A(xnatcore.XNATObject):\n    x = print('x')",
        "class A(xnatcore.XNATObject):\n    x = xnatcore.evil('x')",
        "class A(xnatcore.XNATObject):\n    x = xnatcore.Field(print('x'))",
        "class A(xnatcore.XNATObject):\n    x = xnatcore.Field('x', **{})",
        "class A(xnatcore.XNATObject):\n    x = xnatcore.Field('x', doc=f'{1}')",
        "class A(xnatcore.XNATObject):\n    x = xnatcore.Field('x', doc=(1, print()))",
        "class A(xnatcore.XNATObject):\n    x = xnatcore.Field('x').y",
        "class A(xnatcore.XNATObject):\n    __init__ = xnatcore.Field('x')",
        "class A(xnatcore.XNATObject):\n    __slots__ = ('a',)",
        "class A(xnatcore.XNATObject):\n    x = 1",
        "class A(xnatcore.XNATObject):\n    x = y = xnatcore.Field('x')",
        "class A(xnatcore.XNATObject):\n    x: print() = xnatcore.Field('x')",
        "class A(xnatcore.XNATObject):\n    def f(self): pass",
        "class __A__(xnatcore.XNATObject):\n    'x'",
        "class A(xnatcore.XNATObject):\n    'x'\nprint()",
        "class A(",
    ],
)
def test_the_check_refuses(line):
    with pytest.raises(XNATSchemaError):
        check(f"'Title'\nfrom xnat import xnatbases, xnatcore\n{line}\n")


@pytest.mark.parametrize("source", ["", "'x'", "import os\nimport sys", "'x'\nfrom os import path"])
def test_the_check_wants_the_header(source):
    with pytest.raises(XNATSchemaError):
        check(source)


def test_two_classes_of_one_name_are_refused():
    model = make_model(make_class("a:a", name="A"), make_class("b:a", name="A"))
    with pytest.raises(XNATSchemaError):
        emit.emit(model)


@pytest.mark.parametrize("sets", [real("xnat-1.6"), real("xnat-1.8"), real("xnat-1.8", "plugins")])
def test_real_schemas_give_source_that_passes_the_check(sets):
    emitted(convert(real_schemas(*sets)))


def test_stored_models_give_the_same_source():
    document = schema(complex_type("thing", extension("t:other", sequence('<xs:element name="a" type="xs:int"/>'))))
    model = convert([document], require_core=False)
    assert emit.emit(Model.from_json(model.to_json())).source == emit.emit(model).source


def test_limits_below_zero():
    restriction = '<xs:restriction base="xs:integer"><xs:minInclusive value="-5"/></xs:restriction>'
    field = f'<xs:element name="x"><xs:simpleType>{restriction}</xs:simpleType></xs:element>'
    assert "-5" in emitted(convert([schema(complex_type("a", sequence(field)))], require_core=False))


def test_a_model_keeps_what_few_ways_of_writing_it_gave():
    model = convert([schema(complex_type("a", sequence('<xs:element name="x"/>')))], require_core=False)
    first = emit.emit(model)
    assert emit.emit(model).blocks is first.blocks
    for number in range(5):
        emit.emit(model, reserved=frozenset({f"name{number}"}))
    assert len(model.emitted) <= 4
    assert emit.emit(model).source == first.source
