"""Schemas of a malicious or broken server: a skipped schema with a Problem, or classes that hold declarations only.

Encodings, document types and nesting are also looked at in tests/unit/convert_xsd; here every input goes the whole way
to classes that are made and used.
"""

from __future__ import annotations

import ast
import gzip
import inspect
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest

from xnat.convert_xsd import Model, SchemaDocument, checking, convert, emit, load, sources
from xnat.exceptions import XNATError, XNATNotFoundError, XNATSchemaError

from .guard import CANARY, CODE, guarded

XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
T = 'targetNamespace="urn:t" xmlns:t="urn:t"'


def schema(body: str, head: str = f"{XS} {T}") -> bytes:
    return f"<xs:schema {head}>{body}</xs:schema>".encode()


def thing(content: str, name: str = "thing") -> bytes:
    return schema(f"<xs:complexType name={quoteattr(name)}>{content}</xs:complexType>")


def field(attributes: str, content: str = "") -> bytes:
    return thing(f"<xs:sequence><xs:element {attributes}>{content}</xs:element></xs:sequence>")


def facets(base: str, *values: tuple[str, str]) -> bytes:
    inside = "".join(f"<xs:{facet} value={quoteattr(value)}/>" for facet, value in values)
    return field('name="a"', f'<xs:simpleType><xs:restriction base="{base}">{inside}</xs:restriction></xs:simpleType>')


def documented(text: str) -> bytes:
    return thing(f"<xs:annotation><xs:documentation>{escape(text)}</xs:documentation></xs:annotation>")


#: Texts that would be code somewhere, if anything but repr() brought them there.
PAYLOADS = {
    "docstring end": f'"""\n{CODE}\n"""',
    "docstring end, single": f"'''\n{CODE}\n'''",
    "expression": CODE,
    "closing call": f"') or {CODE} or ('",
    "closing call, double": f'") or {CODE} or ("',
    "next statement": f"x'\n    y = {CODE}\n#",
    "carriage return": f"x\r{CODE}",
    "form feed": f"x\f\n{CODE}",
    "line separator": f"x\u2028{CODE}\u2029{CODE}",
    "next line": f"x\x85{CODE}",
    "backslash at the end": "x\\",
    "backslashes and quote": f"\\\\\\'; {CODE} #",
    "octal": f"\\47\\x27 {CODE}",
    "named character": "\\N{APOSTROPHE}",
    "f-string": "{" + CODE + "}",
    "format": "%(x)s {0.__class__.__mro__} $x ${x}",
    "template": "{{ 7*7 }}<%= x %>#{x}",
    "comment": f"# {CODE}\n",
    "coding line": f"# -*- coding: utf-7 -*-\n+AGA- {CODE}",
    "class": f"A(object):\n    x = {CODE}\nclass B",
    "keyword": "import",
    "dunder": "__init_subclass__",
    "class cell": "__class__",
    "slots": "__slots__",
    "mangled": "__secret",
    "bidi": "\u202e evil \u202c",
    "tag characters": "\U000e0001\U000e0041",
    "homoglyph": "ｅｘｅｃ",
    "surrogate escape": "\udc80",
    "terminal": "\x9b31m",
    "shell": f"$(python -c {CODE}); rm -rf /",
    "path": "../../../../etc/passwd",
    "very long": "x" * 100_000,
    "empty": "",
    "blank": " \t ",
}
#: The places of a schema where text of the server's choice may stand.
PLACES: dict[str, Any] = {
    "type name": lambda text: thing('<xs:sequence><xs:element name="a"/></xs:sequence>', text),
    "element name": lambda text: field(f"name={quoteattr(text)}"),
    "attribute name": lambda text: thing(f"<xs:attribute name={quoteattr(text)}/>"),
    "element type": lambda text: field(f'name="a" type={quoteattr("t:" + text)}'),
    "element ref": lambda text: field(f"ref={quoteattr('t:' + text)}"),
    "base": lambda text: thing(f"<xs:complexContent><xs:extension base={quoteattr(text)}/></xs:complexContent>"),
    "documentation": documented,
    "enumeration": lambda text: facets("xs:string", ("enumeration", text), ("enumeration", "b")),
    "minimum": lambda text: facets("xs:integer", ("minInclusive", text), ("maxLength", text)),
    "maxOccurs": lambda text: field(f'name="a" maxOccurs={quoteattr(text)}'),
    "namespace": lambda text: schema(
        '<xs:complexType name="x"/>', f"{XS} targetNamespace={quoteattr(text)} xmlns:p={quoteattr(text or 'u')}"
    ),
    "group": lambda text: thing(f"<xs:group ref={quoteattr(text)}/>"),
    "anonymous": lambda text: field(
        f"name={quoteattr(text)}", '<xs:complexType><xs:attribute name="b"/></xs:complexType>'
    ),
    "list item": lambda text: field(
        'name="list"',
        f'<xs:complexType><xs:sequence><xs:element name={quoteattr(text)} maxOccurs="unbounded"/></xs:sequence></xs:complexType>',
    ),
}


def classes_of(documents: list[SchemaDocument], folder: Path) -> tuple[Model, Any]:
    """The way of a connection with debug=True; every class is made and looked at."""
    from xnat.connection import _reserved_names

    model = convert(documents, require_core=False)
    emitted = emit.emit(model, reserved=_reserved_names())
    checking.check(emitted.source)
    module = load.load(emitted, model, debug=True, directory=str(folder))
    for xsi_type in module.xsi_types:
        cls = module.XNAT_CLASS_LOOKUP[xsi_type]
        assert xsi_type == cls.XSI_TYPE
        repr(cls)
        inspect.getdoc(cls)
        for name in vars(cls):
            assert not name.startswith("__") or name in _ORDINARY, name
    return model, module


_ORDINARY = {"__module__", "__doc__", "__slots__", "__dict__", "__weakref__", "__xsi_type__", "__firstlineno__",
             "__static_attributes__", "__orig_bases__", "__parameters__", "__qualname__", "__annotations__"}  # fmt: skip


#: These are looked at always, the others when there is time.
QUICK = (
    "docstring end",
    "next statement",
    "backslash at the end",
    "line separator",
    "dunder",
    "homoglyph",
    "very long",
)
CASES = [
    pytest.param(place, payload, marks=() if payload in QUICK else pytest.mark.slow)
    for place in PLACES
    for payload in PAYLOADS
]


@pytest.mark.parametrize(("place", "payload"), CASES)
def test_text_of_a_schema_never_becomes_code(tmp_path: Path, place: str, payload: str) -> None:
    document = SchemaDocument.of(
        PAYLOADS[payload][:150], PLACES[place](PAYLOADS[payload].encode("utf-8", "replace").decode())
    )
    with guarded(tmp_path):
        model, module = classes_of([document], tmp_path)
        try:
            tree = ast.parse(module.source)
            known = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {"xnatcore", "xnatbases"}
            assert {
                node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            } <= known
            calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
            assert calls <= {f"xnatcore.{name}" for name in checking.CORE_NAMES}
        finally:
            module.close()
    assert list(tmp_path.iterdir()) == []
    # Problems are shown to people, on one line each, and must not move the cursor.
    assert all(len(str(problem)) < 1000 and str(problem).isprintable() for problem in model.problems)


def laughs(levels: int, width: int) -> str:
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * width}">' for n in range(levels))
    return f'<!DOCTYPE x [<!ENTITY l0 "ha">{entities}]>'


def nested(tag: str, depth: int, inside: str = "") -> str:
    return f"<xs:{tag}>" * depth + inside + f"</xs:{tag}>" * depth


#: (what it is, content, whether it is skipped)
FILES: list[tuple[str, bytes, bool]] = [
    ("billion laughs", laughs(9, 10).encode() + schema("<xs:complexType name='&l9;'/>"), True),
    ("quadratic blow-up", f'<!DOCTYPE x [<!ENTITY a "{"x" * 50_000}">]>'.encode() + schema("&a;" * 50_000), True),
    ("external entity, file", b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + schema("&f;"), True),
    ("external entity, http", b'<!DOCTYPE x [<!ENTITY f SYSTEM "http://127.0.0.1:9/">]>' + schema("&f;"), True),
    ("parameter entity", b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>' + schema(""), True),
    ("external subset", b'<!DOCTYPE x PUBLIC "x" "http://127.0.0.1:9/x.dtd">' + schema(""), True),
    ("lower case doctype", b'<!doctype x [<!ENTITY a "b">]>' + schema(""), True),
    ("doctype after comment", b"<!-- x --><!-- y --><!DOCTYPE x>" + schema(""), True),
    ("doctype after instruction", b"<?a b?><?c?>\n<!DOCTYPE x>" + schema(""), True),
    ("doctype in UTF-16", ("<!DOCTYPE x []>" + schema("").decode()).encode("utf-16"), True),
    ("doctype in UTF-7", b'<?xml version="1.0" encoding="utf-7"?>+ADw-!DOCTYPE x+AD4-' + schema(""), True),
    ("encoding that is no encoding", b'<?xml version="1.0" encoding="rot13"?>' + schema(""), False),
    ("encoding that runs a codec", b'<?xml version="1.0" encoding="zlib_codec"?>' + schema(""), False),
    ("xinclude", schema('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'), False),
    ("include", schema('<xs:include schemaLocation="http://127.0.0.1:9/x.xsd"/>'), False),
    ("include of a file", schema('<xs:include schemaLocation="file:///etc/passwd"/>'), False),
    ("import", schema('<xs:import namespace="urn:x" schemaLocation="http://127.0.0.1:9/x.xsd"/>'), False),
    ("redefine", schema('<xs:redefine schemaLocation="http://127.0.0.1:9/x.xsd"/>'), False),
    ("style sheet", b'<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?>' + schema(""), False),
    ("5,000 sequences deep", thing(nested("sequence", 5000)), True),
    ("5,000 types deep", thing("<xs:sequence><xs:element name='a'><xs:complexType>" * 5000), True),
    ("closed, 100 types deep", thing("<xs:sequence><xs:element name='a'><xs:complexType>" * 100
                                     + "</xs:complexType></xs:element></xs:sequence>" * 100), True),
    ("5,000 unknown elements deep", schema("<a>" * 5000 + "</a>" * 5000), True),
    ("200 simple types deep", schema(f"<xs:simpleType name='s'>{nested('union', 1, nested('simpleType', 200))}</xs:simpleType>"), False),
    ("100,000 attributes of one element", schema("<x " + " ".join(f"a{n}='1'" for n in range(100_000)) + "/>"), True),
    ("1,000 namespaces", schema("", f"{XS} " + " ".join(f'xmlns:n{n}="u:{n}"' for n in range(1000))), True),
    ("a 1 MB name", schema(f'<xs:complexType name="{"n" * 1_000_000}"/>'), False),
    ("a 9 MB attribute", schema(f'<xs:complexType name="a" x="{"n" * 9_000_000}"/>'), False),
    ("derives from itself", thing('<xs:complexContent><xs:extension base="t:thing"/></xs:complexContent>'), False),
    ("element that refers to itself", schema('<xs:element name="a" type="t:a"/><xs:element ref="t:a" name="b"/>'), False),
    ("group in itself", schema('<xs:group name="g"><xs:sequence><xs:group ref="t:g"/></xs:sequence></xs:group>'
                               '<xs:complexType name="x"><xs:group ref="t:g"/></xs:complexType>'), False),
    ("groups in a ring", schema("".join(f'<xs:group name="g{n}"><xs:group ref="t:g{(n + 1) % 50}"/></xs:group>' for n in range(50))
                                + '<xs:complexType name="x"><xs:group ref="t:g0"/></xs:complexType>'), False),
    ("groups that double", schema("".join(f'<xs:group name="g{n}"><xs:group ref="t:g{n + 1}"/><xs:group ref="t:g{n + 1}"/></xs:group>' for n in range(60))
                                  + '<xs:complexType name="x"><xs:group ref="t:g0"/></xs:complexType>'), False),
    ("simple types in a ring", schema("".join(f'<xs:simpleType name="s{n}"><xs:restriction base="t:s{(n + 1) % 9}"/></xs:simpleType>' for n in range(9))
                                      + '<xs:complexType name="x"><xs:attribute name="a" type="t:s0"/></xs:complexType>'), False),
    ("unions in a ring", schema("".join(f'<xs:simpleType name="s{n}"><xs:union memberTypes="t:s{(n + 1) % 9} t:s{n}"/></xs:simpleType>' for n in range(9))
                                + '<xs:complexType name="x"><xs:attribute name="a" type="t:s0"/></xs:complexType>'), False),
    ("bases in a ring", schema("".join(f'<xs:complexType name="c{n}"><xs:complexContent><xs:extension base="t:c{(n + 1) % 200}"/></xs:complexContent></xs:complexType>' for n in range(200))), False),
    ("2,000 bases in a row", schema("".join(f'<xs:complexType name="c{n}"><xs:complexContent><xs:extension base="t:c{n + 1}"/></xs:complexContent></xs:complexType>' for n in range(2000))), False),
    ("50,000 values", facets("xs:string", *[("enumeration", str(n)) for n in range(50_000)]), False),
    ("a number of 5,000 digits", facets("xs:integer", ("maxInclusive", "9" * 5000)), False),
    ("infinity", facets("xs:double", ("maxInclusive", "1e999"), ("minInclusive", "NaN")), False),
    ("negative length", facets("xs:string", ("maxLength", "-1")), False),
    ("a pattern that never ends", facets("xs:string", ("pattern", "(a+)+$")), False),
    ("maxOccurs of 10^30", field(f'name="a" maxOccurs="{10**30}"'), False),
    ("maxOccurs in other digits", field('name="a" maxOccurs="²"'), False),
    ("one type 5,000 times", schema('<xs:complexType name="x"><xs:attribute name="a"/></xs:complexType>' * 5000), False),
    ("5,000 fields of one name", thing("<xs:attribute name='a'/>" * 5000), False),
    ("5,000 names that are one in Python", thing("".join(f"<xs:attribute name='{'A' * n}_'/>" for n in range(1, 300))), False),
    ("names that differ in case", schema("".join(f'<xs:complexType name="{name}"/>' for name in ("abc", "ABC", "Abc", "aBC"))), False),
    ("names that differ in Unicode form", schema('<xs:complexType name="é"/><xs:complexType name="e\u0301"/>'), False),
    ("another namespace's prefix", schema('<xs:complexType name="projectData"/>', f'{XS} targetNamespace="urn:evil" xmlns:xnat="urn:evil"'), False),
    ("namespace of XML Schema itself", schema('<xs:complexType name="string"/>', f'{XS} targetNamespace="http://www.w3.org/2001/XMLSchema"'), False),
    ("the schema in the wrong namespace", b'<schema xmlns="urn:x"/>', True),
    ("CDATA", schema(f"<xs:annotation><xs:documentation><![CDATA[{CODE}]]></xs:documentation></xs:annotation>"), False),
    ("NUL", schema("").replace(b">", b">\0", 1), True),
    ("NUL as reference", schema("&#0;"), True),
    ("escape as reference", schema("&#27;"), True),
    ("entity that isn't declared", schema("&evil;"), True),
    ("cut in the middle", schema("<xs:complexType name='x'/>")[:-9], True),
    ("two roots", schema("") * 2, True),
    ("text behind the root", schema("") + b"x", True),
    ("gzip", gzip.compress(schema("")), True),
    ("JSON", b'{"schemas": []}', True),
    ("HTML", b"<!DOCTYPE html><html><body>Login</body></html>", True),
    ("SOAP", b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"/>', True),
    ("nothing", b"", True),
    ("a BOM", b"\xef\xbb\xbf", True),
    ("half of a UTF-16 BOM", b"\xff\xfe<", True),
    ("a comment without end", b"<!-- " * 1000, True),
    ("an instruction without end", b"<? " * 1000, True),
    ("100,000 comments", b"<!-- -->" * 100_000 + schema(""), False),
    ("blanks", b" " * 5_000_000, True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "skipped"), FILES, ids=[name for name, _, _ in FILES])
def test_broken_and_malicious_files(tmp_path: Path, name: str, content: bytes, skipped: bool) -> None:
    good = SchemaDocument.of("good", schema('<xs:complexType name="good"/>', f'{XS} targetNamespace="urn:good"'))
    with guarded(tmp_path):
        model, module = classes_of([SchemaDocument.of("bad", content), good], tmp_path)
        module.close()
    assert any(xsi_type.endswith("good") for xsi_type in model.classes), "one bad schema spoils no other"
    if skipped:
        assert [problem.file for problem in model.problems] == ["bad"]
    assert "root:" not in module.source
    assert "hahaha" not in module.source


# -- the list of schemas ------------------------------------------------------------------------------------------------

LISTS: list[Any] = [
    None, True, 0, 1e308, "xnat", {}, {"schemas": ["xnat"]}, [None], [[]], [{}], [1, 2.5, True], [""], ["."], [".."],
    ["../../etc/passwd"], ["a/../../b"], ["/etc/passwd"], ["//evil.example/x"], ["http://evil.example/x.xsd"],
    ["file:///etc/passwd"], ["a\\b"], ["a\nb"], ["a\0b"], ["a?b=c"], ["a#b"], ["a%2F..%2Fb"], ["%2e%2e/x"], ["x" * 5000],
    ["\ud800"], ["x"] * 5000, [f"s{n}" for n in range(5000)], [CODE], ["\x1b[31m"], [["x"] * 5], [float("nan")],
]  # fmt: skip


@pytest.mark.parametrize("listed", LISTS, ids=[repr(entry)[:40] for entry in LISTS])
def test_lists_of_schemas(listed: Any) -> None:
    """Whatever is listed: asked for below /xapi/schemas of this server, at most a thousand, and no error."""
    asked: list[str] = []

    def fetch(path: str) -> bytes:
        asked.append(path)
        raise XNATNotFoundError("no such schema")

    found = sources.from_xapi(fetch, lambda path: listed, threads=1)
    assert found.documents == []
    assert len(asked) <= sources.MAX_SCHEMAS + 2
    for path in asked:
        assert path.startswith("/xapi/schemas/")
        assert not {".", "..", ""} & set(path.split("/")[1:])
        assert not set(path) & set("?# \\\n\0")


OLD_LISTS = [
    b"", b"<html>", b"schemaLocation=", b'<x xsi:schemaLocation="a http://evil.example/schemas/x/x.xsd">',
    b'<x schemaLocation="a ../schemas/../../etc/passwd.xsd"/>', b'<x schemaLocation="a /schemas/%2e%2e/x.xsd"/>',
    b'<x schemaLocation="a http://[::1/schemas/x.xsd"/>', b'<x schemaLocation="a file:///schemas/x/x.xsd"/>',
    b'<x schemaLocation="a /schemas/a%0Ab/x.xsd"/>', b'<x schemaLocation="' + b"a /schemas/x/x.xsd " * 5000 + b'"/>',
    b'<x schemaLocation="' + b"x" * 1_000_000, b"\xff\xfe schemaLocation='\xff /schemas/\xff.xsd'",
    b"".join(b"schemaLocation = " for _ in range(50_000)),
]  # fmt: skip


@pytest.mark.parametrize("content", OLD_LISTS, ids=range(len(OLD_LISTS)))
@pytest.mark.parametrize("listing", [{"ResultSet": {"Result": [{"ID": "../x?y#z"}]}}])
def test_schemas_of_an_old_server_are_its_own(content: bytes, listing: Any) -> None:
    asked: list[str] = []

    def fetch(path: str) -> bytes:
        asked.append(path)
        if path.startswith("/data/"):
            return content
        raise XNATNotFoundError("no such schema")

    sources.from_1_6(fetch, lambda path: listing, server="http://127.0.0.1", threads=1)
    assert asked[0] == "/data/projects/..%2Fx%3Fy%23z?format=xml"
    for path in asked[1:]:
        assert path.startswith("/schemas/")
        assert "evil" not in path
        assert not {".", "..", ""} & set(path.split("/")[1:])


BAD_LISTINGS = [None, [], {}, {"ResultSet": None}, {"ResultSet": {"Result": 5}}, {"ResultSet": {"Result": [5]}},
                {"ResultSet": {"Result": [{}]}}, {"ResultSet": {"Result": {"0": {}}}}, "x", 3]  # fmt: skip


@pytest.mark.parametrize("listing", BAD_LISTINGS, ids=repr)
def test_project_listings_of_an_old_server(listing: Any) -> None:
    def fetch(path: str) -> bytes:
        raise XNATNotFoundError("nothing")

    found = sources.from_1_6(fetch, lambda path: listing, threads=1)
    assert found.documents == []


# -- the whole connection -----------------------------------------------------------------------------------------------


def test_a_server_that_is_hostile_altogether(tmp_path: Path, hostile: Any) -> None:
    """With debug=True the source is checked before anything of it runs; the session works with what is left."""
    import xnat
    from xnat.sandbox import faults

    evil = documented(PAYLOADS["docstring end"]).decode().replace("</xs:schema>", "") + "".join(
        f'<xs:complexType name="t{n}"><xs:attribute name={quoteattr(text[:500])}/></xs:complexType>'
        for n, text in enumerate(PAYLOADS.values())
        if "\udc80" not in text and text.isprintable()
    )
    evil += "</xs:schema>"
    # 'catalog' is one of the schemas the sandbox lists
    hostile.faults.add(faults.body(evil.encode()), path=r"^/xapi/schemas/catalog", times=None)
    with xnat.connect(hostile.url, "admin", "admin", debug=True, cache=False, keepalive=False) as session:
        assert "projectData" in repr(session.classes.ProjectData.XSI_TYPE)
        assert "P" in session.projects
        assert CANARY not in "".join(dir(session.classes))
        checking.check(session.source_code)


def test_without_the_core_schema_there_is_an_error() -> None:
    with pytest.raises(XNATSchemaError):
        convert([SchemaDocument.of("xnat", b"<html>")])
    assert issubclass(XNATSchemaError, XNATError)
