"""Whatever comes in: properties that hold for all of it. Deep runs are marked as slow; the others take seconds.

More of the kind: tests/unit/test_uris.py (round trips of URIs), tests/unit/transfer/test_names.py (file names),
tests/unit/transfer/test_archive.py (zips like zipfile reads them), tests/unit/test_naming.py.
"""

from __future__ import annotations

import ast
import io
import json
import keyword
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import real_schemas
from xnat import uris
from xnat.convert_xsd import SchemaDocument, checking, convert, emit
from xnat.core.answers import result_rows
from xnat.core.items import children_of, current_item
from xnat.core.rows import Rows
from xnat.exceptions import XNATError, XNATValueError
from xnat.naming import attribute_name, class_name, identifier
from xnat.search import Query, SearchField
from xnat.transfer.archive import ArchiveLimits, unpack
from xnat.transfer.names import original_name, resolve_inside, safe_name
from xnat.transport import pages
from xnat.transport.netrc import read as read_netrc
from xnat.xpath import element

from .guard import CODE, guarded


def profile(quick: int, deep: int, *inputs: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """Runs a property of such inputs quickly always, and deeply where slow tests are run."""

    def decorate(function: Any) -> Any:
        @pytest.mark.filterwarnings("ignore:Duplicate name")  # of the zips that are made
        @pytest.mark.parametrize(
            "examples", [pytest.param(quick, id="quick"), pytest.param(deep, id="deep", marks=pytest.mark.slow)]
        )
        def test(examples: int) -> None:
            # A copy: settings can be given to a function once, and both runs may be in one process. What given() made
            # can't be copied: it would go on with the settings of the original.
            copy = FunctionType(function.__code__, function.__globals__, function.__name__, None, function.__closure__)
            count = settings(max_examples=examples, suppress_health_check=list(HealthCheck))
            given(*inputs)(count(copy))()

        test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
        return test

    return decorate


def test_properties_are_held_against_as_many_inputs_as_they_say() -> None:
    seen: list[int] = []

    @profile(7, 230, st.integers())
    def counted(number: int) -> None:
        seen.append(number)

    for examples in (7, 230):
        seen.clear()
        counted(examples)
        assert len(seen) == examples


TEXT = st.text(max_size=40) | st.sampled_from(
    ["", '"""', "'''", "\\", CODE, f"x'\n    y = {CODE}", "class", "__init__", "\u2028", "..", "../x", "a/b", "%2F", "\x1b[2J", "ﬁ", "\ufeff"]
)  # fmt: skip

# -- schemas --------------------------------------------------------------------------------------------------------------

NAMES = TEXT | st.sampled_from(
    ["a", "b", "thing", "t:thing", "t:a", "xs:string", "xs:int", "nowhere:x", "in", "ID", "label", "fields"]
)
TAGS = st.sampled_from(
    ["schema", "complexType", "simpleType", "element", "attribute", "sequence", "choice", "all", "group", "attributeGroup",
     "extension", "restriction", "complexContent", "simpleContent", "union", "list", "enumeration", "maxInclusive", "maxLength",
     "annotation", "documentation", "any", "key", "import", "include", "nonsense"]
)  # fmt: skip
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["name", "type", "ref", "base", "value", "maxOccurs", "use", "memberTypes", "itemType", "abstract", "mixed"]),
    NAMES | st.sampled_from(["unbounded", "0", "2", "prohibited", "t:a t:b"]), max_size=4,
)  # fmt: skip


def node(tag: str, attributes: dict[str, str], inside: list[str] | str) -> str:
    written = "".join(f" {name}={quoteattr(clean(value))}" for name, value in attributes.items())
    return f"<xs:{tag}{written}>{inside if isinstance(inside, str) else ''.join(inside)}</xs:{tag}>"


def clean(text: str) -> str:
    """What XML can hold."""
    return "".join(char for char in text if char in "\t\n\r" or " " <= char < "\ud800" or "\ue000" <= char < "\ufffe")


BODIES = st.recursive(
    TEXT.map(lambda text: escape(clean(text))),
    lambda inner: st.builds(node, TAGS, ATTRIBUTES, st.lists(inner, max_size=4)),
    max_leaves=25,
)
TYPES = st.builds(
    lambda name, body: node("complexType", {"name": name}, f"<xs:sequence>{body}</xs:sequence>"), NAMES, BODIES
)


@profile(
    60,
    400,
    st.lists(TYPES | BODIES, max_size=5),
    st.sampled_from(["urn:t", "", "http://nrg.wustl.edu/xnat", "http://www.w3.org/2001/XMLSchema"]),
)
def test_any_schema_gives_declarations_only(bodies: list[str], namespace: str) -> None:
    """Reader, passes and emit: the text passes the check, and parses to what it was made of."""
    head = f'xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace={quoteattr(namespace)} xmlns:t={quoteattr(namespace or "u")}'
    document = SchemaDocument.of("test", f"<xs:schema {head}>{''.join(bodies)}</xs:schema>".encode("utf-8", "replace"))
    model = convert([document], require_core=False)
    source = emit.emit(model, title=namespace).source
    checking.check(source)
    found = {item.name for item in ast.parse(source).body if isinstance(item, ast.ClassDef)}
    assert found == {definition.name for definition in model.classes.values()}
    assert all(str(problem).isprintable() for problem in model.problems)


@profile(100, 1000, st.binary(max_size=300), st.sampled_from([b"", b"<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>", b"<?xml version='1.0' encoding='utf-16'?>", b"<!DOCTYPE x ["]))  # fmt: skip
def test_any_bytes_are_a_schema_or_a_problem(content: bytes, before: bytes) -> None:
    model = convert([SchemaDocument.of("test", before + content)], require_core=False)
    checking.check(emit.emit(model).source)


_REAL = Path(__file__).resolve().parents[2] / "xnat" / "sandbox" / "schemas" / "project.xsd"


@profile(
    40, 300, st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=12), st.integers(0, 30)), min_size=1, max_size=6)
)
def test_damaged_schemas(damage: list[tuple[float, bytes, int]]) -> None:
    """A real schema with pieces replaced: still read, or one problem."""
    content = _REAL.read_bytes()
    for place, piece, cut in damage:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + cut :]
    model = convert([SchemaDocument.of("test", content)], require_core=False)
    checking.check(emit.emit(model).source)


@profile(200, 2000, st.text())
def test_names_pass_the_gate(text: str) -> None:
    for name in (class_name(text), class_name(f"p:{text}"), attribute_name(text)):
        assert identifier(name) == name
        assert not keyword.iskeyword(name)
        assert not attribute_name(text).startswith("_")


# -- answers ----------------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["ID", "label", "items", "meta", "data_fields", "children", "field", "xsi:type", "isHistory", "Result", "ResultSet"]) | TEXT, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@profile(200, 2000, JSON, st.booleans())
def test_any_json_is_rows_or_an_error(value: Any, wrapped: bool) -> None:
    answer = {"ResultSet": {"Result": value}} if wrapped else value
    try:
        records = result_rows(answer, "/x")
    except XNATError:
        return
    rows = Rows(records, 1)
    assert len(rows) == len(value if wrapped else answer["ResultSet"]["Result"])
    for row in rows:
        for column in row:
            hash(row[column])


@profile(200, 2000, JSON, st.booleans())
def test_any_json_is_an_item_or_an_error(value: Any, wrapped: bool) -> None:
    try:
        item = current_item({"items": [value]} if wrapped else value, "/x")
    except XNATError:
        return
    assert isinstance(item["data_fields"], dict)
    assert item["meta"].get("xsi:type") is None or isinstance(item["meta"]["xsi:type"], str)
    for path in ("label", "fields/field"):
        for child in children_of(item, path):
            assert isinstance(child["data_fields"], dict)


class _Answer:
    """A session whose searches are answered with one text."""

    def __init__(self, content: bytes, kind: str) -> None:
        import logging

        self.content, self.headers, self.encoding = content, {"Content-Type": kind}, "utf-8"
        self.client, self.logger = self, logging.getLogger("xnat.test")

    def request(self, *arguments: Any, **options: Any) -> Any:
        return self

    def json(self) -> Any:
        return json.loads(self.content)

    def create_object(self, uri: str, type_: str, **facts: Any) -> Any:
        assert uri.startswith("/data/subjects/")
        assert len(uris.split(uri)) == 3
        return uri


class _Subject:
    XSI_TYPE, KIND = "xnat:subjectData", "subject"


@profile(150, 1500, st.binary(max_size=200) | st.lists(st.lists(TEXT, max_size=4), max_size=5).map(lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")),
       st.sampled_from([b"", b"subject_id,project,subject_label\n"]), st.sampled_from(["text/csv", "text/csv; charset=utf-16", "text/csv; charset=evil", "text/csv; charset=idna"]))  # fmt: skip
def test_any_answer_to_a_search(content: bytes, before: bytes, kind: str) -> None:
    query = Query(_Subject, _Answer(before + content, kind))  # type: ignore[arg-type]
    for use in (
        query.all,
        query.tabulate,
        query.tabulate_dict,
        query.tabulate_csv,
        query.limit(1).tabulate_csv,
        query.count,
        query.tabulate_json,
    ):
        try:
            use()
        except XNATError as error:
            assert str(error)


@profile(200, 1500, TEXT, TEXT)
def test_search_documents_say_what_was_meant(value: str, path: str) -> None:
    """A value or field reads back from the XML as it was, and adds no elements."""
    field = SearchField(f"xnat:subjectData/{path}")
    try:
        query = Query(_Subject, _Answer(b"", "text/csv"), field == value)  # type: ignore[arg-type]
        text = query.to_string()
        read = ElementTree.fromstring(text)
    except (XNATValueError, ElementTree.ParseError) as error:
        # Fields are of the script's making: what XML has no place for is refused by the parser at the latest.
        assert clean(value) != value or clean(path) != path, error
        return
    assert len(list(read.iter("{http://nrg.wustl.edu/security}criteria"))) == 1
    found = read.find(".//{http://nrg.wustl.edu/security}value")
    assert found is not None
    assert (found.text or "").replace("\r", "\n") == value.replace("\r\n", "\n").replace("\r", "\n")


# -- paths, names, files --------------------------------------------------------------------------------------------------------


@profile(300, 3000, st.lists(TEXT, min_size=1, max_size=4))
def test_segments_survive_the_way_to_a_server(labels: list[str]) -> None:
    try:
        uri = uris.join("/data", *labels)
    except XNATValueError:
        assert any(not label or not label.isprintable() for label in labels)
        return
    assert uris.split(uri) == ["data", *labels]
    assert uris.canonical(uri) == uri or labels[0] in ("archive", "REST")
    assert uri.isascii()
    assert uri.count("/") == len(labels) + 1


@profile(300, 3000, TEXT | st.text(alphabet="ab./%\\:~", max_size=300), st.booleans())
def test_file_names_are_reversible_and_stay_inside(label: str, windows: bool) -> None:
    name = safe_name(label, windows=windows)
    assert resolve_inside("/t", name) == Path("/t") / name
    assert len(name.encode()) <= 255
    if len(name) < 200:
        assert original_name(name) == label


@profile(200, 2000, TEXT, TEXT)
def test_keys_can_not_end_a_predicate(name: str, key: str) -> None:
    try:
        path = element("fields/field", "name", key)
    except XNATValueError:
        return
    assert path == f"fields/field[name={key}]"
    assert path.count("[") == path.count("]") == 1


MEMBERS = st.lists(
    st.tuples(
        st.text(alphabet="ab./\\:\0\né ", max_size=12) | st.sampled_from(["../x", "/x", "a/../../x", "CON", "a", "A", "d/", "d"]),
        st.binary(max_size=30),
        st.sampled_from([0, 0o120777, 0o100644, 0o040755, 0o010644]),
    ),
    max_size=5,
)  # fmt: skip


@profile(
    80,
    500,
    MEMBERS,
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.floats(0, 1),
    st.binary(max_size=4),
)
def test_any_archive_stays_inside(
    members: list[tuple[str, bytes, int]], method: int, place: float, damage: bytes
) -> None:
    """Members of any name, mode and content, in a zip that may be damaged: all below the target, or nothing at all."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data, mode in members:
            info = zipfile.ZipInfo("x")
            info.filename = name or "x"
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, data)
    content = bytearray(out.getvalue())
    at = int(place * len(content))
    content[at : at + len(damage)] = damage
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "target"
        target.mkdir()
        try:
            with guarded(target):
                files = unpack(io.BytesIO(bytes(content)), target, limits=ArchiveLimits(max_bytes=10_000))
        except XNATError as error:
            assert str(error)
            assert list(target.iterdir()) == []
        else:
            assert all(path.is_file() and not path.is_symlink() for path in files)
        assert os.listdir(folder) == ["target"]


@profile(
    200,
    2000,
    st.binary(max_size=200),
    st.sampled_from([b"", b"PK\x03\x04", struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 8, 8, 0, 0, 0, 0, 0, 1, 0)]),
)
def test_any_bytes_are_no_crash_of_the_unpacker(content: bytes, before: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            unpack(io.BytesIO(before + content), Path(folder) / "target")
        except XNATError as error:
            assert str(error)


@profile(200, 2000, st.lists(st.sampled_from([b"machine", b"login", b"password", b"default", b"macdef", b"account", b"\n", b" ", b'"', b"#", b"\\", b"x", b"\xff"]) | st.binary(max_size=4), max_size=20).map(b" ".join))  # fmt: skip
def test_any_netrc_is_entries_or_an_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "netrc"
        path.write_bytes(content)
        path.chmod(0o600)
        try:
            read_netrc(path)
        except XNATError as error:
            assert str(path) in str(error)


@profile(
    200,
    2000,
    st.binary(max_size=300),
    st.sampled_from([b"", b"<html>", b"<!-- ", b"<form action=", b"<h3>", b"<title>", b"<?xml "]),
    st.text(max_size=10),
)
def test_any_page_is_looked_through(body: bytes, before: bytes, charset: str) -> None:
    page = (before + body) * 3
    pages.is_html(page)
    pages.is_login_page(page)
    assert pages.reason(page, charset).isprintable()
    assert len(pages.reason(page)) <= 200


@profile(200, 2000, st.text(max_size=60), st.sampled_from(["", "//", "http://", "/", "https://127.0.0.1@", "http:"]))
def test_only_one_origin_is_the_same(location: str, before: str) -> None:
    """Whatever a Location says: if we take it for our server, so does the library that opens connections."""
    from urllib3.util import parse_url

    target = uris.redirect_target("http://127.0.0.1:8080/data", before + location)
    if uris.same_origin("http://127.0.0.1:8080", target):
        try:
            parsed = parse_url(uris.requote_url(target))
        except XNATValueError:
            return
        assert (parsed.scheme, parsed.host, parsed.port) == ("http", "127.0.0.1", 8080)
        assert parsed.auth is None or "@" in target


@pytest.mark.slow
def test_the_real_schemas_pass_the_check() -> None:
    try:
        documents = real_schemas("xnat-1.8")
    except FileNotFoundError:
        pytest.skip("real schemas are beside the repository only")
    checking.check(emit.emit(convert(documents)).source)
