"""Bytes become types, whatever the bytes are."""

from __future__ import annotations

import codecs

import pytest

from tests.factories import complex_type, extension, inner, schema, sequence
from xnat.convert_xsd import Model, SchemaDocument, parsing, reader
from xnat.convert_xsd.parsing import XSD, decode
from xnat.convert_xsd.reader import read_document

T = "{http://example.org/test}"


def read(body, **parts):
    model = Model()
    assert read_document(schema(body, **parts), model), model.problems
    return model


def problem_of(content, name="bad", **options):
    model = Model()
    assert not read_document(SchemaDocument.of(name, content), model, **options)
    (problem,) = model.problems
    assert problem.file == name
    return problem


def test_elements_and_attributes_are_fields():
    content = sequence('<xs:element name="a" type="xs:int"/>') + '<xs:attribute name="b"/>'
    model = read(complex_type("thing", content))
    fields = model.classes[T + "thing"].fields
    assert [(item.path, item.type, item.attribute) for item in fields] == [
        ("a", f"{{{XSD}}}int", False),
        ("b", f"{{{XSD}}}string", True),
    ]


def test_documentation_keeps_lines_and_loses_indentation():
    doc = "<xs:documentation>\n      one\n        two é\n  </xs:documentation><xs:appinfo>no</xs:appinfo>"
    assert read(complex_type("thing", f"<xs:annotation>{doc}</xs:annotation>")).classes[T + "thing"].doc == "one\ntwo é"


@pytest.mark.parametrize(
    ("occurs", "repeated"), [("unbounded", True), ("2", True), ("50", True), ("1", False), ("01", False), ("x", False)]
)
def test_repeated_elements(occurs, repeated):
    model = read(complex_type("thing", sequence(f'<xs:element name="a" maxOccurs="{occurs}"/>')))
    assert model.classes[T + "thing"].fields[0].repeated is repeated


def test_what_a_repeated_sequence_holds_is_repeated():
    content = '<xs:sequence maxOccurs="unbounded"><xs:choice><xs:element name="a"/></xs:choice></xs:sequence>'
    assert read(complex_type("thing", content)).classes[T + "thing"].fields[0].repeated


def test_prohibited_parts_are_no_fields():
    content = sequence('<xs:element name="a" maxOccurs="0"/>') + '<xs:attribute name="b" use="prohibited"/>'
    assert read(complex_type("thing", content)).classes[T + "thing"].fields == []


def test_bare_elements_in_an_extension_are_fields():
    model = read(complex_type("thing", extension("t:base", '<xs:element name="a"/>')))
    assert [item.path for item in model.classes[T + "thing"].fields] == ["a"]


def test_anonymous_types_are_kept_under_their_element():
    model = read(complex_type("thing", sequence(inner("a", sequence('<xs:element name="b"/>')))))
    assert model.classes[T + "thing/a"].parent == T + "thing"


def test_type_and_inline_type_at_once():
    both = inner("a", '<xs:restriction base="xs:string"><xs:maxLength value="5"/></xs:restriction>', "simpleType")
    both = both.replace('name="a"', 'name="a" type="xs:string"')
    (item,) = read(complex_type("thing", sequence(both))).classes[T + "thing"].fields
    assert item.restrictions == {"max_length": "5"}


def test_unknown_and_misplaced_children_are_passed_over():
    body = '<xs:sequence/><foo xmlns="urn:x"/>' + complex_type(
        "thing", '<xs:any/><xs:key name="k"/><xs:element name="a"/>'
    )
    assert [item.path for item in read(body).classes[T + "thing"].fields] == ["a"]


def test_prefixes_declared_below_the_root():
    body = complex_type("thing", sequence('<xs:element xmlns:o="urn:o" name="a" type="o:x"/>'))
    assert read(body).classes[T + "thing"].fields[0].type == "{urn:o}x"


def test_unbound_prefix_is_remembered_as_such():
    model = read(complex_type("thing", sequence('<xs:element name="a" type="nowhere:x"/>')))
    assert model.classes[T + "thing"].fields[0].type == "?nowhere:x"


def test_same_type_twice_is_fine_if_it_is_the_same():
    model = Model()
    read_document(schema(complex_type("thing"), name="one"), model)
    read_document(schema(complex_type("thing"), name="two"), model)
    assert model.problems == []


def test_same_type_twice_with_other_fields_is_a_problem():
    model = Model()
    read_document(schema(complex_type("thing"), name="one"), model)
    read_document(schema(complex_type("thing", sequence('<xs:element name="a"/>')), name="two"), model)
    assert [problem.file for problem in model.problems] == ["two"]
    assert model.classes[T + "thing"].fields == []


# --- encodings ---


@pytest.mark.parametrize(
    "content",
    [
        '<?xml version="1.0" encoding="windows-1252"?><a>é</a>'.encode("cp1252"),
        '<?xml version="1.0" encoding="windows-1252"?><a>é</a>'.encode(),
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1"),
        "<a>é</a>".encode(),
        codecs.BOM_UTF8 + '<?xml version="1.0"?><a>é</a>'.encode(),
        '<?xml version="1.0" encoding="UTF-16"?><a>é</a>'.encode("utf-16"),
        '  <?xml version="1.0"?><a>é</a>'.encode(),
    ],
)
def test_encodings(content):
    assert decode(content).strip() == "<a>é</a>"


def test_bytes_of_no_encoding_do_not_fail():
    assert decode(b'<?xml version="1.0" encoding="utf-8"?><a>\xff</a>') == "<a>\ufffd</a>"


def test_an_encoding_that_could_hide_something_is_not_used():
    assert decode(b'<?xml version="1.0" encoding="utf-7"?>+ADw-a+AD4- \xff').startswith("+ADw-")


def test_lines_are_counted_as_in_the_file():
    content = b'<?xml version="1.0"\n encoding="windows-1252"?>\r\n<xs:schema>\r\n'
    assert problem_of(content).line == 3


# --- hostile and broken files ---


def test_not_well_formed():
    problem = problem_of(b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">\n\n<xs:element></xs:schema>')
    assert problem.line == 3
    assert "not well-formed" in problem.text


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "prolog",
    [
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!-- x --><?x y?>\n<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_document_types_are_refused(prolog):
    content = f'<?xml version="1.0"?>{prolog}<xs:schema xmlns:xs="{XSD}"><xs:complexType name="&l9;&f;"/></xs:schema>'
    assert "document type" in problem_of(content.encode()).text


def test_an_entity_without_document_type_is_an_error():
    assert "not well-formed" in problem_of(f'<xs:schema xmlns:xs="{XSD}">&x;</xs:schema>'.encode()).text


@pytest.mark.parametrize("depth", [130, 5000])
def test_deep_nesting_ends_in_a_problem(depth):
    body = "<xs:sequence>" * depth + "</xs:sequence>" * depth
    model = Model()
    assert not read_document(schema(complex_type("thing", body)), model)
    assert len(model.problems) == 1


def test_deeply_nested_simple_types_end_in_a_problem():
    body = "<xs:simpleType><xs:restriction>" * 70 + "</xs:restriction></xs:simpleType>" * 70
    model = Model()
    read_document(schema(f'<xs:simpleType name="s"><xs:union>{body}</xs:union></xs:simpleType>'), model)
    assert len(model.problems) <= 1


def test_size_limit():
    assert "more than 100" in problem_of(b"<a/>" * 100, max_size=100).text
    assert parsing.MAX_SIZE == 32 * 1024 * 1024


def test_namespace_limit():
    many = " ".join(f'xmlns:n{number}="urn:{number}"' for number in range(600))
    model = Model()
    assert not read_document(schema("", extra=many), model)


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html></html>", b"\n<HTML><body>login</body>", b"<!doctype HTML>"]
)
def test_html_pages(content):
    assert problem_of(content).text == "an HTML page, not a schema"


@pytest.mark.parametrize("content", [b"", b"  \n", b"not xml", b"<a/>", b"\x00\x01", b"<", b"<?xml"])
def test_other_content(content):
    problem_of(content)


def test_names_of_no_use_are_left_out():
    model = read(complex_type("thing", sequence('<xs:element name="a/b"/><xs:element/><xs:element name="c"/>')))
    assert [item.path for item in model.classes[T + "thing"].fields] == ["c"]
    assert len(model.problems) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_two_bytes_a_character_with_and_without_byte_order_mark(encoding):
    text = f'<?xml version="1.0" encoding="utf-16"?><xs:schema xmlns:xs="{XSD}">é</xs:schema>'
    assert decode(text.encode(encoding)) == f'<xs:schema xmlns:xs="{XSD}">é</xs:schema>'


# -- parts that say nothing, or too much ------------------------------------------------------------------------------


def test_parts_of_a_schema_without_a_name_or_reference_are_passed_over():
    nameless = "".join(
        f"<xs:{tag}/>" for tag in ("complexType", "element", "simpleType", "attribute", "attributeGroup", "group")
    )
    content = sequence("<xs:group/>") + "<xs:attributeGroup/><xs:complexContent><xs:extension/></xs:complexContent>"
    model = read(nameless + complex_type("thing", content))
    assert list(model.classes) == [T + "thing"]
    assert (model.classes[T + "thing"].base, model.classes[T + "thing"].fields) == (None, [])
    assert [*model.simples, *model.groups, *model.global_elements, *model.problems] == []


def test_the_first_of_two_simple_types_or_groups_of_one_name_counts():
    simple = '<xs:simpleType name="s"><xs:restriction base="xs:{}"/></xs:simpleType>'
    group = '<xs:group name="g"><xs:sequence><xs:element name="{}"/></xs:sequence></xs:group>'
    model = read(simple.format("int") + simple.format("date") + group.format("a") + group.format("b"))
    assert model.simples[T + "s"].base == f"{{{XSD}}}int"
    assert [item.path for item in model.groups[T + "g"].fields] == ["a"]


def test_a_type_extends_the_first_base_it_names():
    twice = extension("t:a") + extension("t:b")
    assert read(complex_type("thing", twice)).classes[T + "thing"].base == T + "a"


def test_a_length_is_both_limits():
    restriction = '<xs:restriction base="xs:string"><xs:length value="3"/><xs:whiteSpace/></xs:restriction>'
    model = read(complex_type("thing", sequence(inner("a", restriction, kind="simpleType"))))
    assert model.classes[T + "thing"].fields[0].restrictions == {"min_length": "3", "max_length": "3"}


def test_unions_of_types_without_a_name():
    member = (
        '<xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="{}"/></xs:restriction></xs:simpleType>'
    )
    union = f"<xs:annotation/>{member.format('a')}{member.format('b')}"
    model = read(complex_type("thing", sequence(inner("x", f"<xs:union>{union}</xs:union>", kind="simpleType"))))
    (key,) = (item.type for item in model.classes[T + "thing"].fields)
    assert [model.simples[member].restrictions["enumeration"] for member in model.simples[key].members] == [
        ("a",),
        ("b",),
    ]


def test_simple_types_nested_without_end():
    deep = reader.MAX_DEPTH + 5
    text = "<xs:simpleType><xs:union>" * deep + "</xs:union></xs:simpleType>" * deep
    content = schema(f'<xs:element name="x">{text}</xs:element>').content
    assert "nested too deeply" in problem_of(content).text


def test_an_element_with_too_many_attributes():
    many = " ".join(f'a{number}=""' for number in range(parsing.MAX_ATTRIBUTES + 2))
    assert "attributes" in problem_of(schema(f"<xs:element {many}/>").content).text
