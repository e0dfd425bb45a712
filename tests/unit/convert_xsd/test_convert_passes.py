"""Each pass by itself, on models made by hand."""

from __future__ import annotations

from tests.factories import NAMESPACE, listing, make_class, make_field, make_model
from xnat import hints
from xnat.convert_xsd import ClassKind, FieldKind, passes, references
from xnat.convert_xsd.model import SimpleDef
from xnat.convert_xsd.parsing import XSD

T = f"{{{NAMESPACE}}}"
INT = f"{{{XSD}}}integer"
STRING = f"{{{XSD}}}string"


def group(name, *fields):
    return make_class(f"{T}{name}", *fields)


def use(name):
    return make_field("", f"{T}{name}", kind=FieldKind.GROUP)


# --- expand_groups ---


def test_groups_are_replaced_by_their_fields():
    model = make_model(make_class(T + "a", "x", use("g")), groups={T + "g": group("g", "x", "y")})
    passes.expand_groups(model)
    assert [item.path for item in model.classes[T + "a"].fields] == ["x", "y"]


def test_a_group_that_contains_itself():
    model = make_model(make_class(T + "a", use("g")), groups={T + "g": group("g", "x", use("g"))})
    passes.expand_groups(model)
    assert [item.path for item in model.classes[T + "a"].fields] == ["x"]
    assert "contains itself" in model.problems[0].text


def test_an_unknown_group_is_left_out():
    model = make_model(make_class(T + "a", "x", use("g")))
    passes.expand_groups(model)
    assert [item.path for item in model.classes[T + "a"].fields] == ["x"]
    assert "not defined" in model.problems[0].text


def test_groups_of_groups_do_not_grow_exponentially():
    groups = {f"{T}g{n}": group(f"g{n}", use(f"g{n + 1}"), use(f"g{n + 1}")) for n in range(50)}
    groups[f"{T}g50"] = group("g50", "x")
    model = make_model(make_class(T + "a", use("g0")), groups=groups)
    passes.expand_groups(model)
    assert [item.path for item in model.classes[T + "a"].fields] == ["x"]


# --- resolve ---


def resolve_field(type_, **parts):
    model = passes.resolve(make_model(make_class(T + "a", make_field("x", type_)), **parts))
    return model.classes[T + "a"].fields[0], model


def test_builtin_types():
    item, _ = resolve_field(INT)
    assert (item.type, item.kind) == ("xs:integer", FieldKind.VALUE)


def test_unknown_builtin_types_are_text():
    item, model = resolve_field(f"{{{XSD}}}NMTOKEN")
    assert (item.type, model.problems) == ("xs:string", [])


def test_simple_types_are_followed_to_the_bottom():
    simples = {
        T + "s": SimpleDef(T + "s", base=T + "r", restrictions={"max_inclusive": "7"}, namespace=NAMESPACE),
        T + "r": SimpleDef(T + "r", base=INT, restrictions={"min_inclusive": "1", "max_inclusive": "9"}),
    }
    item, _ = resolve_field(T + "s", simples=simples)
    assert (item.type, item.restrictions) == ("xs:integer", {"min_inclusive": 1, "max_inclusive": 7})


def test_a_union_of_lists_is_one_list():
    simples = {
        T + "u": SimpleDef(T + "u", members=(T + "a", T + "b")),
        T + "a": SimpleDef(T + "a", base=STRING, restrictions={"enumeration": ("1", "2")}),
        T + "b": SimpleDef(T + "b", base=STRING, restrictions={"enumeration": ("2", "3")}),
    }
    item, _ = resolve_field(T + "u", simples=simples)
    assert item.restrictions == {"enumeration": ("1", "2", "3")}


def test_a_union_with_a_free_member_holds_anything():
    simples = {
        T + "u": SimpleDef(T + "u", members=(INT, T + "b")),
        T + "b": SimpleDef(T + "b", base=STRING, restrictions={"enumeration": ("2", "3")}),
    }
    item, _ = resolve_field(T + "u", simples=simples)
    assert (item.type, item.restrictions) == ("xs:string", {})


def test_simple_types_in_a_circle_are_text():
    simples = {
        T + "s": SimpleDef(T + "s", base=T + "r"),
        T + "r": SimpleDef(T + "r", base=T + "s"),
        T + "u": SimpleDef(T + "u", members=(T + "u", INT)),
    }
    assert resolve_field(T + "s", simples=simples)[0].type == "xs:string"
    assert resolve_field(T + "u", simples=simples)[0].type == "xs:string"


def test_xdat_types_are_known_without_their_schema():
    item, model = resolve_field("{http://nrg.wustl.edu/xdat}LONGVARCHAR")
    assert (item.type, model.problems) == ("xs:string", [])


def test_an_unknown_type_is_text_and_a_problem():
    item, model = resolve_field("{urn:elsewhere}thing")
    assert item.type == "xs:string"
    assert "'thing' of urn:elsewhere" in model.problems[0].text


def test_names_without_prefix_mean_the_schema_itself():
    model = make_model(make_class(T + "a", make_field("x", "{}b")), make_class(T + "b"))
    assert passes.resolve(model).classes[T + "a"].fields[0].type == T + "b"


def test_an_unbound_prefix_means_what_others_say():
    model = make_model(make_class(T + "a", make_field("x", "?o:b")), make_class("{urn:o}b"), prefixes={"urn:o": "o"})
    assert passes.resolve(model).classes[T + "a"].fields[0].type == "{urn:o}b"


def test_an_unknown_base_leaves_a_type_without_base():
    model = passes.resolve(make_model(make_class(T + "a", "x", base="{urn:gone}b")))
    assert model.classes[T + "a"].base is None
    assert "extends 'b' of urn:gone" in model.problems[0].text


def test_a_simple_base_makes_text():
    model = passes.resolve(make_model(make_class(T + "a", base=INT)))
    assert model.classes[T + "a"].base is None
    assert model.classes[T + "a"].text.type == "xs:integer"


def test_types_that_derive_in_a_circle():
    classes = [make_class(f"{T}{n}", base=f"{T}{(n + 1) % 3}") for n in range(3)]
    model = passes.resolve(make_model(*classes))
    assert len(model.problems) == 1
    assert all(len(model.lineage(key)) <= 3 for key in model.classes)


def test_very_long_lines_of_bases_are_cut():
    classes = [make_class(f"{T}{n}", base=f"{T}{n + 1}" if n < 999 else None) for n in range(1000)]
    model = passes.resolve(make_model(*classes))
    assert max(len(model.lineage(key)) for key in model.classes) <= passes.MAX_LINEAGE
    assert model.problems


def test_references_to_elements():
    target = make_field("b", T + "c")
    reference = make_field("b", T + "b", ref=True)
    lost = make_field("z", T + "z", ref=True)
    model = make_model(make_class(T + "a", reference, lost), make_class(T + "c"), global_elements={T + "b": target})
    passes.resolve(model)
    assert [item.type for item in model.classes[T + "a"].fields] == [T + "c", "xs:string"]
    assert len(model.problems) == 1
    assert model.elements == {T + "b": T + "c"}


def test_restrictions_that_make_no_sense_are_dropped():
    item, model = resolve_field(INT)
    facets = {"min_inclusive": "low", "max_inclusive": "9" * 5000, "max_length": "-1", "min_length": "2"}
    model = make_model(make_class(T + "a", make_field("x", INT, restrictions=facets)))
    item = passes.resolve(model).classes[T + "a"].fields[0]
    assert item.restrictions == {"min_length": 2}
    assert len(model.problems) == 3


def test_infinite_limits_are_none():
    model = make_model(make_class(T + "a", make_field("x", f"{{{XSD}}}double", restrictions={"max_inclusive": "INF"})))
    assert passes.resolve(model).classes[T + "a"].fields[0].restrictions == {}


# --- unwrap ---


def anonymous(element, *fields, parent=T + "a", **parts):
    return make_class(f"{parent}/{element}", *fields, parent=parent, element=element, **parts)


def unwrap(*classes):
    return passes.unwrap(passes.resolve(make_model(*classes))).classes


def test_an_element_holding_one_repeated_element_is_a_listing():
    classes = unwrap(
        make_class(T + "a", make_field("regions", T + "a/regions")),
        anonymous("regions", make_field("region", T + "r", repeated=True)),
        make_class(T + "r", "name"),
    )
    (item,) = classes[T + "a"].fields
    assert (item.path, item.kind, item.type, item.key) == ("regions/region", FieldKind.SUB_LISTING, T + "r", "name")
    assert T + "a/regions" not in classes


def test_a_repeated_builtin_is_a_listing_of_values():
    (item,) = unwrap(make_class(T + "a", make_field("x", INT, repeated=True)))[T + "a"].fields
    assert (item.kind, item.type, item.value, item.key) == (FieldKind.SIMPLE_LISTING, "xs:integer", "x", None)


def test_repeated_text_with_a_name_is_a_listing_by_name():
    classes = unwrap(
        make_class(T + "a", make_field("addID", T + "a/addID", repeated=True)),
        anonymous("addID", make_field("name", attribute=True), base=STRING),
    )
    (item,) = classes[T + "a"].fields
    assert (item.kind, item.value, item.key) == (FieldKind.SIMPLE_LISTING, "addID", "name")
    assert list(classes) == [T + "a"]


def test_fields_field_is_for_variables():
    classes = unwrap(
        make_class(T + "a", make_field("fields", T + "a/fields")),
        anonymous("fields", make_field("field", T + "a/fields/field", repeated=True)),
        anonymous("field", make_field("name", attribute=True), parent=T + "a/fields", base=STRING),
    )
    (item,) = classes[T + "a"].fields
    assert (item.path, item.kind, item.value, item.key) == ("fields/field", FieldKind.VARIABLES, "field", "name")


def test_repeated_text_with_more_attributes_keeps_them():
    classes = unwrap(
        make_class(T + "a", make_field("label", T + "a/label", repeated=True)),
        anonymous("label", make_field("id", INT, attribute=True), make_field("side", attribute=True), base=STRING),
    )
    (item,) = classes[T + "a"].fields
    assert (item.kind, item.key) == (FieldKind.SUB_LISTING, "id")
    assert [part.path for part in classes[T + "a/label"].fields] == ["label", "id", "side"]


def test_one_element_of_text_with_attributes_is_several_values():
    classes = unwrap(
        make_class(T + "a", make_field("weight", T + "a/weight")),
        anonymous("weight", make_field("units", attribute=True), base=f"{{{XSD}}}float"),
    )
    assert [(item.path, item.type) for item in classes[T + "a"].fields] == [
        ("weight", "xs:float"),
        ("weight/units", "xs:string"),
    ]


def test_inner_structures_are_sub_objects():
    classes = unwrap(
        make_class(T + "a", make_field("parameters", T + "a/parameters")),
        anonymous("parameters", "x", make_field("voxelRes", T + "a/parameters/voxelRes")),
        anonymous("voxelRes", "x", "y", parent=T + "a/parameters"),
    )
    assert classes[T + "a"].fields[0].kind is FieldKind.SUB_OBJECT
    assert classes[T + "a/parameters"].kind is ClassKind.SUB_OBJECT
    assert classes[T + "a/parameters/voxelRes"].kind is ClassKind.SUB_OBJECT


def test_named_types_are_objects_even_if_they_hold_one_listing():
    classes = unwrap(
        make_class(T + "a", make_field("c", T + "c")), make_class(T + "c", make_field("x", INT, repeated=True))
    )
    assert classes[T + "a"].fields[0].kind is FieldKind.OBJECT


def test_named_text_is_called_like_its_type():
    classes = unwrap(
        make_class(T + "a", make_field("addParam", T + "addField", repeated=True)),
        make_class(T + "addField", make_field("name", attribute=True), base=STRING),
    )
    assert classes[T + "a"].fields[0].value == "addField"
    assert [item.path for item in classes[T + "addField"].fields] == ["addField", "name"]


def test_types_that_hold_themselves():
    classes = unwrap(make_class(T + "a", make_field("a", T + "a"), make_field("many", T + "a", repeated=True)))
    assert [item.kind for item in classes[T + "a"].fields] == [FieldKind.OBJECT, FieldKind.SUB_LISTING]


# --- hints ---


def test_rest_listings_replace_the_schemas_own():
    model = make_model(
        make_class(
            "xnat:imageSessionData", listing("scans/scan", "xnat:imageScanData"), make_field("note", "xs:string")
        ),
    )
    fields = {item.path: item.kind for item in passes.apply_hints(model).classes["xnat:imageSessionData"].fields}
    assert "scans/scan" not in fields
    assert fields["scans"] is FieldKind.REST_LISTING
    assert fields["note"] is FieldKind.VALUE


def test_rest_types_and_what_derives_from_them_are_objects():
    model = make_model(
        make_class("xnat:experimentData"), make_class("my:thing", base="xnat:experimentData"), make_class("my:other")
    )
    passes.apply_hints(model)
    kinds = {key: definition.kind for key, definition in model.classes.items()}
    assert kinds == {
        "xnat:experimentData": ClassKind.OBJECT,
        "my:thing": ClassKind.OBJECT,
        "my:other": ClassKind.NESTED,
        "xnat:fileData": ClassKind.OBJECT,
    }


def test_keys_of_known_listings():
    model = make_model(
        make_class("a:a", listing("investigators/investigator", "a:i"), listing("sharing/share", "a:s")),
        make_class("a:i", "lastname"),
        make_class("a:s", "label", "project"),
    )
    investigators, sharing = passes.apply_hints(model).classes["a:a"].fields
    assert (investigators.kind, investigators.key) == (FieldKind.SUB_LISTING, "lastname")
    assert (sharing.kind, sharing.key, sharing.value) == (FieldKind.SIMPLE_LISTING, "project", "label")


def test_hints_do_not_apply_to_other_things_of_the_same_name():
    model = make_model(make_class("a:a", listing("sharing/share", "a:s")), make_class("a:s", "percent"))
    (item,) = passes.apply_hints(model).classes["a:a"].fields
    assert item.kind is FieldKind.SUB_LISTING


# --- names ---


def test_one_prefix_for_two_namespaces():
    model = make_model(
        make_class("{urn:1}user"), make_class("{urn:2}field"), prefixes={"urn:1": "xdat", "urn:2": "xdat"}
    )
    assert set(passes.assign_prefixes(model).classes) == {"xdat:user", "xdat:field"}


def test_one_prefix_for_two_namespaces_with_the_same_name_in_both():
    model = make_model(make_class("{urn:1}user"), make_class("{urn:2}user"), prefixes={"urn:1": "p", "urn:2": "p"})
    assert set(passes.assign_prefixes(model).classes) == {"p:user", "p:user_2"}
    assert len(model.problems) == 1


def test_a_schema_without_prefix_is_called_by_others_or_by_its_file():
    model = make_model(
        make_class("{urn:1}a"),
        make_class("{urn:2}b", file="some/thing.xsd"),
        make_class("{}c"),
        prefixes={"?urn:1": "one"},
    )
    assert set(passes.assign_prefixes(model).classes) == {"one:a", "thing:b", "c"}


def test_anonymous_types_are_named_after_what_they_stand_in():
    model = make_model(
        make_class("{urn:1}genProcData", make_field("scans", "{urn:1}genProcData/scans")),
        make_class("{urn:1}genProcData/scans", parent="{urn:1}genProcData", element="scans"),
        make_class("{urn:1}genProcData/scans/voxelRes", parent="{urn:1}genProcData/scans", element="voxelRes"),
        prefixes={"urn:1": "proc"},
    )
    passes.assign_names(passes.assign_prefixes(model))
    assert set(model.classes) == {
        "proc:genProcData",
        "xnatpy:procGenProcDataScans",
        "xnatpy:procGenProcDataScansVoxelres",
    }
    assert model.classes["proc:genProcData"].fields[0].type == "xnatpy:procGenProcDataScans"
    assert model.classes["xnatpy:procGenProcDataScans"].name == "ProcGenProcDataScans"


def names_of(*fields, **parts):
    model = passes.assign_names(make_model(make_class("a:a", *fields, **parts)))
    return [item.name for item in model.classes["a:a"].fields]


def test_names_are_unique():
    assert names_of("fooBar", "foo_bar", "foo-bar") == ["foo_bar", "foo_bar_", "foo_bar_2"]


def test_listings_are_called_like_their_wrapper_and_values_by_their_whole_path():
    assert names_of(listing("regions/region", "x"), make_field("scanner/model")) == ["regions", "scanner_model"]


def test_a_field_hides_an_inherited_one_only_if_it_is_the_same():
    model = make_model(make_class("a:b", "age", "subject_ID"), make_class("a:a", "age", "subjectId", base="a:b"))
    passes.assign_names(model)
    assert [item.name for item in model.classes["a:a"].fields] == ["age", "subject_id_"]


def test_two_types_with_one_class_name():
    model = passes.assign_names(
        make_model(make_class("xnat:foo-bar"), make_class("xnat:fooBar"), make_class("xnat:FooBar"))
    )
    assert sorted(definition.name for definition in model.classes.values()) == ["FooBar", "FooBar_", "FooBar_2"]


def test_class_names_leave_the_modules_own_alone():
    model = passes.assign_names(make_model(make_class("xnat:SESSION")))
    assert model.classes["xnat:SESSION"].name == "SESSION_"


def test_bases_come_first():
    model = make_model(
        make_class("x:a", base="x:z", name="A"), make_class("x:z", name="Z"), make_class("xnat:m", name="M")
    )
    assert list(passes.sort_bases_first(model).classes) == ["xnat:m", "x:z", "x:a"]


def test_a_schema_full_of_problems_does_not_fill_the_log():
    model = make_model()
    for line in range(1000):
        model.problem("bad", line, "oh")
    model.problem("other", 1, "oh")
    assert len(model.problems) == 22


def test_more_fields_by_groups_than_anything_needs(monkeypatch):
    monkeypatch.setattr(references, "MAX_GROUP_FIELDS", 3)
    classes = [make_class(T + name, make_field("own"), use("g")) for name in ("first", "second")]
    model = passes.expand_groups(make_model(*classes, groups={T + "g": group("g", *"abcd")}))
    assert [item.path for item in model.classes[T + "first"].fields] == ["own", "a", "b", "c", "d"]
    assert [item.path for item in model.classes[T + "second"].fields] == ["own"]
    assert "too many" in model.problems[0].text


def test_extending_anything_is_extending_nothing():
    model = passes.resolve(make_model(make_class(T + "a", base=f"{{{XSD}}}anyType")))
    assert (model.classes[T + "a"].base, model.classes[T + "a"].text, model.problems) == (None, None, [])


def test_an_unknown_prefix_is_told_as_it_was_written():
    model = passes.resolve(make_model(make_class(T + "a", base="?lost:base")))
    assert "'lost:base'" in model.problems[0].text


def test_unions_in_unions_have_an_end():
    depth = references.MAX_LINEAGE + 2
    simples = {f"{T}{n}": SimpleDef(f"{T}{n}", members=(f"{T}{n + 1}",)) for n in range(depth)}
    simples[f"{T}{depth}"] = SimpleDef(f"{T}{depth}", base=INT)
    assert resolve_field(f"{T}0", simples=simples)[0].type == "xs:string"
    assert resolve_field(f"{T}5", simples=simples)[0].type == "xs:integer"


def test_lists_of_values_that_nobody_reads_are_dropped():
    def values(begin):
        return tuple(str(number) for number in range(begin, begin + references.MAX_ENUMERATION))

    simples = {
        T + "u": SimpleDef(T + "u", members=(T + "p", T + "q")),
        T + "p": SimpleDef(T + "p", base=STRING, restrictions={"enumeration": values(0)}),
        T + "q": SimpleDef(T + "q", base=STRING, restrictions={"enumeration": values(5000)}),
        T + "r": SimpleDef(T + "r", base=STRING, restrictions={"enumeration": (*values(0), "one more")}),
    }
    assert len(resolve_field(T + "p", simples=simples)[0].restrictions["enumeration"]) == references.MAX_ENUMERATION
    assert resolve_field(T + "u", simples=simples)[0].restrictions == {}
    assert resolve_field(T + "r", simples=simples)[0].restrictions == {}


def test_types_that_hints_know_and_the_schemas_as_well():
    extra = hints.EXTRA_TYPES[0]
    own = make_class(extra.type, make_field("mine"), doc="The schema's own.")
    model = passes.apply_hints(make_model(own))
    assert model.classes[extra.type].doc == "The schema's own."
    assert "mine" in [item.path for item in model.classes[extra.type].fields]
