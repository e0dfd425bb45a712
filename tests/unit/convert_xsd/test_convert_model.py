"""From schemas to a model, the whole way."""

from __future__ import annotations

import json

import pytest

from tests.factories import (
    complex_type,
    extension,
    inner,
    make_class,
    make_field,
    make_model,
    real_schemas,
    schema,
    sequence,
)
from xnat import hints
from xnat.convert_xsd import ClassKind, FieldKind, Model, SchemaDocument, convert, digest_of
from xnat.exceptions import XNATSchemaError

from .conftest import real


def fields_of(model, xsi_type):
    return {item.name: item for item in model.classes[xsi_type].fields}


def small(body, **parts):
    return convert([schema(body, **parts)], require_core=False)


# --- real servers ---

BROKEN = {
    ("xnat-1.6",): {("pipeline/repository", 24), ("search/search", 33)},
    ("xnat-1.8",): set(),
    # Two plug-ins define t:biosampleCollection, differently.
    ("xnat-1.8", "plugins"): {("anatqc-malformed", 2), ("workshop", 14)},
}


@pytest.mark.parametrize("sets", [real(*sets) for sets in BROKEN])
def test_exactly_the_bad_schemas_are_problems(sets):
    model = convert(real_schemas(*sets))
    assert {(problem.file, problem.line) for problem in model.problems} == BROKEN[sets]


@pytest.mark.parametrize("sets", [real(*sets) for sets in BROKEN])
def test_the_order_of_the_list_does_not_matter(sets):
    documents = real_schemas(*sets)
    backwards = Model.from_json(convert(list(reversed(documents))).to_json())
    from xnat import convert_xsd

    convert_xsd._cache.clear()
    assert backwards.to_json() == convert(documents).to_json()


def test_core_types(xnat_1_8):
    expected = {"xnat:projectData", "xnat:subjectData", "xnat:mrSessionData", "xnat:mrScanData", "xnat:resourceCatalog"}
    expected |= {
        "xnat:fileData",
        "xnat:qcManualAssessorData",
        "xdat:user",
        "xnatpy:mrScanDataParameters",
        "prov:process",
    }
    assert expected <= set(xnat_1_8.classes)
    assert xnat_1_8.elements["xnat:MRSession"] == "xnat:mrSessionData"


@pytest.mark.parametrize(
    ("xsi_type", "bases"),
    [
        ("xnat:mrSessionData", ["imageSessionData", "subjectAssessorData", "experimentData"]),
        ("xnat:qcManualAssessorData", ["imageAssessorData", "derivedData", "experimentData"]),
        ("xnat:mrScanData", ["imageScanData"]),
        ("xnat:resourceCatalog", ["resource", "abstractResource"]),
        ("xnat:demographicData", ["abstractDemographicData"]),
    ],
)
def test_core_inheritance(xnat_1_8, xsi_type, bases):
    lineage = [definition.key for definition in xnat_1_8.lineage(xsi_type)]
    assert [name.removeprefix("xnat:") for name in lineage[1:] if not name.endswith("mrAssessorData")] == bases


@pytest.mark.parametrize(
    ("xsi_type", "listings"),
    [
        ("xnat:projectData", {"subjects": "label", "experiments": "label", "resources": "label", "files": "Name"}),
        ("xnat:subjectData", {"experiments": "label", "resources": "label", "files": "Name"}),
        ("xnat:experimentData", {"resources": "label", "files": "Name"}),
        ("xnat:imageSessionData", {"scans": "type", "assessors": "label", "reconstructions": "ID"}),
        ("xnat:imageScanData", {"resources": "label", "files": "Name"}),
        ("xnat:reconstructedImageData", {"resources": "label", "files": "Name"}),
        ("xnat:abstractResource", {"files": "Name"}),
        ("xnat:derivedData", {}),
    ],
)
def test_rest_listings(xnat_1_8, xsi_type, listings):
    found = {
        name: item.key for name, item in fields_of(xnat_1_8, xsi_type).items() if item.kind is FieldKind.REST_LISTING
    }
    assert found == listings


def test_no_listings_at_rest_paths_that_do_not_exist(xnat_1_8):
    assert "file" not in fields_of(xnat_1_8, "xnat:imageScanData")
    assert fields_of(xnat_1_8, "xnat:projectData")["publications"].kind is FieldKind.SUB_LISTING
    assert fields_of(xnat_1_8, "xnat:reconstructedImageData")["in_"].kind is FieldKind.SUB_LISTING
    known = {(hint.type, hint.name) for hint in hints.REST_LISTINGS}
    for key, definition in xnat_1_8.classes.items():
        assert all((key, i.name) in known for i in definition.fields if i.kind is FieldKind.REST_LISTING)


@pytest.mark.parametrize(
    ("xsi_type", "name", "kind", "path", "value", "key"),
    [
        ("xnat:projectData", "fields", FieldKind.VARIABLES, "fields/field", "field", "name"),
        ("xnat:projectData", "aliases", FieldKind.SIMPLE_LISTING, "aliases/alias", "alias", "alias"),
        ("xnat:projectData", "investigators", FieldKind.SUB_LISTING, "investigators/investigator", None, "lastname"),
        ("xnat:projectData", "study_protocol", FieldKind.SUB_LISTING, "studyProtocol", None, "ID"),
        ("xnat:subjectData", "add_id", FieldKind.SIMPLE_LISTING, "addID", "addID", "name"),
        ("xnat:subjectData", "sharing", FieldKind.SIMPLE_LISTING, "sharing/share", "label", "project"),
        ("xnat:experimentData", "sharing", FieldKind.SIMPLE_LISTING, "sharing/share", "label", "project"),
        ("xnat:crScanData", "parameters", FieldKind.SIMPLE_LISTING, "parameters/addParam", "addField", "name"),
        ("xnatpy:mrScanDataParameters", "add_param", FieldKind.SIMPLE_LISTING, "addParam", "addField", "name"),
        ("xnat:fieldDefinitionGroup", "fields", FieldKind.SUB_LISTING, "fields/field", None, "name"),
        ("xnat:datatypeProtocol", "definitions", FieldKind.SUB_LISTING, "definitions/definition", None, "ID"),
    ],
)
def test_listings_inside_items(xnat_1_8, xsi_type, name, kind, path, value, key):
    item = fields_of(xnat_1_8, xsi_type)[name]
    assert (item.kind, item.path, item.value, item.key) == (kind, path, value, key)


def test_values_objects_and_sub_objects(xnat_1_8):
    demographics = fields_of(xnat_1_8, "xnat:demographicData")
    assert demographics["gender"].restrictions["enumeration"][:2] == ("male", "female")
    assert demographics["education"].restrictions == {"min_inclusive": 0, "max_inclusive": 30}
    assert demographics["height"].type == "xs:float"
    assert demographics["height_units"].path == "height/units"
    assert fields_of(xnat_1_8, "xnat:projectData")["pi"].kind is FieldKind.OBJECT
    parameters = fields_of(xnat_1_8, "xnat:mrScanData")["parameters"]
    assert (parameters.kind, parameters.type) == (FieldKind.SUB_OBJECT, "xnatpy:mrScanDataParameters")
    assert fields_of(xnat_1_8, "xnatpy:mrScanDataParametersVoxelres")["x"].type == "xs:float"


def test_kinds(xnat_1_8):
    kinds = {
        key: xnat_1_8.classes[key].kind for key in ("xnat:qcManualAssessorData", "xnat:fileData", "xnat:ctScanData")
    }
    assert set(kinds.values()) == {ClassKind.OBJECT}
    assert xnat_1_8.classes["xnat:investigatorData"].kind is ClassKind.NESTED
    assert xnat_1_8.classes["xnatpy:mrScanDataParameters"].kind is ClassKind.SUB_OBJECT


def test_every_hint_speaks_of_types_the_core_schemas_have(xnat_1_8):
    for hint in hints.REST_LISTINGS:
        assert {hint.type, hint.item} <= set(xnat_1_8.classes)
    assert set(hints.REST_TYPES) <= set(xnat_1_8.classes)
    assert {name for pair in hints.CONCRETE_TYPES.items() for name in pair} <= set(xnat_1_8.classes)


@pytest.mark.parametrize("sets", [real(*sets) for sets in BROKEN])
def test_models_are_consistent(sets):
    model = convert(real_schemas(*sets))
    seen = set()
    for key, definition in model.classes.items():
        assert definition.base is None or definition.base in seen
        seen.add(key)
        assert len({item.name for item in definition.fields}) == len(definition.fields)
        for item in definition.fields:
            if item.kind in (FieldKind.OBJECT, FieldKind.SUB_OBJECT, FieldKind.SUB_LISTING, FieldKind.REST_LISTING):
                assert item.type in model.classes
            else:
                assert item.type.startswith("xs:")


# --- what is in no real schema, or in few ---


def test_attribute_groups_and_groups():
    body = (
        '<xs:group name="g"><xs:sequence><xs:element name="a"/></xs:sequence></xs:group>'
        '<xs:attributeGroup name="g"><xs:attribute name="b" type="xs:int"/></xs:attributeGroup>'
        + complex_type("thing", '<xs:group ref="t:g"/><xs:attributeGroup ref="t:g"/>')
    )
    model = small(body)
    assert {name: item.type for name, item in fields_of(model, "t:thing").items()} == {"a": "xs:anyType", "b": "xs:int"}
    assert model.problems == []


def test_references_to_elements_and_attributes():
    body = (
        inner("shared", sequence('<xs:element ref="t:shared"/>'))
        + '<xs:attribute name="unit" type="xs:int"/>'
        + complex_type("thing", sequence('<xs:element ref="t:shared"/>') + '<xs:attribute ref="t:unit"/>')
    )
    model = small(body)
    fields = fields_of(model, "t:thing")
    assert (fields["shared"].kind, fields["shared"].type) == (FieldKind.OBJECT, "t:shared")
    assert fields_of(model, "t:shared")["shared"].type == "t:shared"
    assert (fields["unit"].type, model.problems) == ("xs:int", [])


def test_recursive_types():
    body = complex_type(
        "thing",
        sequence(
            '<xs:element name="sets"><xs:complexType><xs:sequence>'
            '<xs:element name="set" type="t:thing" maxOccurs="9"/></xs:sequence></xs:complexType></xs:element>'
        ),
    )
    assert fields_of(small(body), "t:thing")["sets"].type == "t:thing"


def test_types_of_one_namespace_in_several_files():
    one = schema(complex_type("one", extension("t:two")), name="one")
    two = schema(complex_type("two"), name="two", prefix="u")
    model = convert([one, two], require_core=False)
    assert model.classes["t:one"].base == "t:two"


def test_a_plug_in_whose_base_is_not_installed():
    model = small(
        complex_type("thing", extension("o:gone", sequence('<xs:element name="a"/>'))), extra='xmlns:o="urn:o"'
    )
    assert model.classes["t:thing"].base is None
    assert "a" in fields_of(model, "t:thing")
    assert len(model.problems) == 1


def test_restriction_of_a_complex_type():
    content = sequence('<xs:element name="a"/>')
    restricted = f'<xs:complexContent><xs:restriction base="t:base">{content}</xs:restriction></xs:complexContent>'
    model = small(complex_type("base", content) + complex_type("thing", restricted))
    assert model.classes["t:thing"].base == "t:base"
    assert list(fields_of(model, "t:thing")) == ["a"]


def test_simple_content_with_restrictions():
    facets = '<xs:maxInclusive value="5"/><xs:attribute name="unit"/>'
    content = f'<xs:simpleContent><xs:restriction base="xs:integer">{facets}</xs:restriction></xs:simpleContent>'
    fields = fields_of(small(complex_type("thing", sequence(inner("w", content)))), "t:thing")
    assert fields["w"].restrictions == {"max_inclusive": 5}
    assert fields["w_unit"].path == "w/unit"


def test_extending_a_type_with_text():
    body = complex_type("text", extension("xs:int", '<xs:attribute name="name"/>', "simpleContent")) + complex_type(
        "more", extension("t:text", '<xs:attribute name="extra"/>', "simpleContent")
    )
    model = small(body)
    assert list(fields_of(model, "t:text")) == ["text", "name"]
    assert list(fields_of(model, "t:more")) == ["extra"]


def test_awkward_names():
    names = ["in", "pass", "class", "Longitudinal Processing", "a-b", "None", "1st", "self", "id", "type"]
    body = complex_type("thing", "".join(f'<xs:attribute name="{name}"/>' for name in names))
    assert list(fields_of(small(body), "t:thing")) == [
        "in_", "pass_", "class_", "longitudinal_processing", "a_b", "none", "x1st", "self", "id", "type",
    ]  # fmt: skip


def test_an_unprefixed_default_namespace():
    document = SchemaDocument.of(
        "mine",
        b'<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:m">'
        b'<complexType name="a"><attribute name="x" type="int"/></complexType></schema>',
    )
    model = convert([document], require_core=False)
    assert fields_of(model, "mine:a")["x"].type == "xs:int"


def test_bad_schemas_do_not_stop_good_ones():
    bad = [SchemaDocument.of(f"bad{n}", content) for n, content in enumerate([b"", b"<html>", b"<a", b"\xff"])]
    model = convert([*bad, schema(complex_type("thing"))], require_core=False)
    assert "t:thing" in model.classes
    assert len(model.problems) == len(bad)


def test_without_xnats_own_schema():
    with pytest.raises(XNATSchemaError, match="XNAT's own types"):
        convert([schema(complex_type("thing"))])
    with pytest.raises(XNATSchemaError, match="xnat:1: an HTML page"):
        convert([SchemaDocument.of("xnat", b"<html>")])


def test_a_thousand_extension_types_grow_linearly():
    def counts(number):
        bodies = [
            complex_type(f"type{n}", extension("t:base", sequence(f'<xs:element name="e{n}"/><xs:element name="g"/>')))
            for n in range(number)
        ]
        model = small(complex_type("base", sequence('<xs:element name="z"/>')) + "".join(bodies))
        from xnat.convert_xsd import emit

        return len(model.classes), sum(len(c.fields) for c in model.classes.values()), len(emit.emit(model).source)

    few, many = counts(100), counts(1000)
    assert many[0] - 2 == 10 * (few[0] - 2)
    assert many[1] - 1 == 10 * (few[1] - 1)
    assert many[2] < 11 * few[2]


def test_the_same_schemas_are_converted_once():
    one, two = schema(complex_type("a"), name="one"), schema(complex_type("b"), name="two")
    assert convert([one, two], require_core=False) is convert([two, one], require_core=False)
    assert digest_of([one]) != digest_of([two])


# --- storing ---


def test_models_survive_storing(xnat_1_8):
    assert Model.from_json(xnat_1_8.to_json()).to_json() == xnat_1_8.to_json()


def test_stored_models_keep_everything():
    item = make_field(
        "x", "xs:int", name="x", doc="d", restrictions={"enumeration": ("a",), "min_inclusive": 0}, line=7
    )
    model = make_model(make_class("a:a", item, name="A", doc="D", kind=ClassKind.OBJECT, line=3), digest="abc")
    model.problem("f", 1, "t")
    again = Model.from_json(model.to_json())
    assert again.classes["a:a"].fields == [item]
    assert (again.digest, again.problems) == ("abc", model.problems)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(format=0),
        lambda data: data.pop("classes"),
        lambda data: data.update(classes=[[1]]),
        lambda data: data.update(classes=7),
        lambda data: data["classes"][0].__setitem__(0, 7),
        lambda data: data["classes"][0].__setitem__(2, "gone:base"),
        lambda data: data["classes"][0].__setitem__(3, "object"),
        lambda data: data["classes"][0].__setitem__(9, [["x", "x", "exec"]]),
        lambda data: data["classes"][0].__setitem__(9, [["x", "x", "Field", "xs:int", "", {"evil": 1}]]),
        lambda data: data["classes"][0].__setitem__(9, [["x", "x", "Field", "xs:int", "", {"enumeration": [1]}]]),
        lambda data: data.update(elements={"a": 1}),
        lambda data: data.update(problems=[1]),
    ],
)
def test_what_is_no_stored_model_is_refused(change):
    data = json.loads(make_model(make_class("a:a", name="A")).to_json())
    change(data)
    with pytest.raises(XNATSchemaError):
        Model.from_json(json.dumps(data))


FIELD = ["x", "x", "Field", "xs:int"]


@pytest.mark.parametrize(
    "rows",
    [
        [["x", "x", "exec", "xs:int"]],
        [["x", "x", "group", "xs:int"]],
        [["x", "x", ["Field"], "xs:int"]],
        [[1, "x", "Field", "xs:int"]],
        [["x", None, "Field", "xs:int"]],
        [[*FIELD, "", {"evil": 1}]],
        [[*FIELD, "", {"enumeration": [1]}]],
        [[*FIELD, "", {"min_length": [1]}]],
        [[*FIELD, "", [1]]],
        [[*FIELD, "", {}, 7]],
        [[*FIELD, "", {}, "k", 7]],
        [[*FIELD, "", {}, "k", "v", 1, 2]],
        [FIELD, FIELD],
        [],
        {"a": 1},
        7,
        "x",
        [7],
    ],
)
def test_what_are_no_stored_fields_is_refused(rows):
    good = make_model(make_class("a:a", make_field("x", "xs:int", name="x"), name="A")).to_json()
    text = good.partition("\n")[0] + "\n" + json.dumps(rows)
    with pytest.raises(XNATSchemaError):
        Model.from_json(text)
    lazy = Model.from_json(text, lazy=True)
    for _ in range(2):
        with pytest.raises(XNATSchemaError, match="stored fields of 'a:a'"):
            _ = lazy.classes["a:a"].fields


@pytest.mark.parametrize("change", [lambda t: t.partition("\n")[0], lambda t: t + "\n[]", lambda t: t + "\n"])
def test_types_and_lines_of_fields_have_to_match(change):
    text = make_model(make_class("a:a", make_field("x", "xs:int", name="x"), name="A")).to_json()
    with pytest.raises(XNATSchemaError):
        Model.from_json(change(text), lazy=True)


@pytest.mark.parametrize("count", [-1, 10**12, True, 1.0, "1", None])
def test_a_number_of_fields_that_cannot_be(count):
    head, line = make_model(make_class("a:a", make_field("x", name="x"), name="A")).to_json().split("\n")
    data = json.loads(head)
    data["classes"][0][9] = count
    with pytest.raises(XNATSchemaError):
        Model.from_json(json.dumps(data) + "\n" + line, lazy=True)


def test_stored_fields_are_counted_without_making_them():
    model = make_model(make_class("a:a", make_field("x", "xs:int", name="x"), name="A"), make_class("a:b", name="B"))
    lazy = Model.from_json(model.to_json(), lazy=True)
    assert [definition.field_count() for definition in lazy.classes.values()] == [1, 0]
    assert lazy.classes["a:a"].fields is lazy.classes["a:a"].fields
    lazy.classes["a:b"].fields.append(make_field("y"))
    assert [definition.field_count() for definition in lazy.classes.values()] == [1, 1]
    lazy.classes["a:a"].fields = []
    assert lazy.classes["a:a"].field_count() == 0


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "{", b"\xff", "[" * 100000])
def test_other_text_is_refused(text):
    with pytest.raises(XNATSchemaError):
        Model.from_json(text)


# --- schemas in several files ---

#: The class of files, which no schema defines.
ADDED = {"xnat:fileData"}


def test_an_include_that_the_server_does_not_list_is_a_problem():
    model = small('<xs:include schemaLocation="gone.xsd"/><xs:include schemaLocation="../a/there.xsd"/>')
    assert [problem.text for problem in model.problems] == [
        "includes 'gone.xsd', which is not among the server's schemas",
        "includes '../a/there.xsd', which is not among the server's schemas",
    ]
    there = schema(complex_type("sub", sequence('<xs:element name="x"/>')), name="a/there")
    thing = complex_type("thing", sequence('<xs:element name="a" type="t:sub"/>'))
    model = convert([schema(f'<xs:include schemaLocation="../a/there.xsd"/>{thing}'), there], require_core=False)
    assert model.problems == []
    assert fields_of(model, "t:thing")["a"].type == "t:sub"


def bare(body, name="bare"):
    return SchemaDocument.of(
        name, f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{body}</xs:schema>'.encode()
    )


def test_a_schema_without_namespace_belongs_to_those_that_include_it():
    sub = complex_type("sub", sequence('<xs:element name="x" type="number"/>'))
    number = '<xs:simpleType name="number"><xs:restriction base="xs:int"/></xs:simpleType>'
    shared = [bare(f'{sub}<xs:include schemaLocation="more.xsd"/>'), bare(number, "more")]
    including = [
        schema(
            '<xs:include schemaLocation="bare.xsd"/>'
            + complex_type("thing", extension(f"{prefix}:sub", sequence('<xs:element name="y"/>'))),
            name=f"a{prefix}", namespace=f"http://example.com/{prefix}", prefix=prefix,
        )
        for prefix in ("t", "u")
    ]  # fmt: skip
    for documents in ([*shared, *including], [*including, *shared]):
        model = convert(documents, require_core=False)
        assert model.problems == []
        assert sorted(set(model.classes) - ADDED) == ["t:sub", "t:thing", "u:sub", "u:thing"]
        assert fields_of(model, "u:sub")["x"].type == "xs:int"
        assert model.classes["u:thing"].base == "u:sub"


def test_a_schema_without_namespace_that_nobody_includes_is_read_as_it_is():
    sub = complex_type("sub", sequence('<xs:element name="x"/>'))
    model = convert([bare(sub), schema(complex_type("thing"))], require_core=False)
    assert set(model.classes) - ADDED == {"sub", "t:thing"}
    assert list(fields_of(model, "sub")) == ["x"]


def test_schemas_that_include_each_other_are_read_once():
    ring = [bare(f'{complex_type(name)}<xs:include schemaLocation="{other}.xsd"/>', name)
            for name, other in (("one", "two"), ("two", "one"))]  # fmt: skip
    model = convert([*ring, schema('<xs:include schemaLocation="one.xsd"/>')], require_core=False)
    assert model.problems == []
    assert set(model.classes) - ADDED == {"t:one", "t:two"}


@pytest.mark.parametrize("word", ["redefine", "override"])
def test_changed_types_are_a_problem_and_stay_as_they_were(word):
    more = complex_type("sub", extension("t:sub", sequence('<xs:element name="more"/>')))
    there = schema(complex_type("sub", sequence('<xs:element name="x"/>')), name="there")
    model = convert([schema(f'<xs:{word} schemaLocation="there.xsd">{more}</xs:{word}>'), there], require_core=False)
    (problem,) = model.problems
    assert problem.text == f"{word} is not supported; these stay as they were: sub"
    assert list(fields_of(model, "t:sub")) == ["x"]
