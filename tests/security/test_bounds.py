"""The heavy inputs, each in a process with 1 GB of memory and a limit of CPU time: it must do with that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .bounded import run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs setrlimit as Linux has it")]

SCHEMA = """
from xnat.convert_xsd import SchemaDocument, convert, emit
XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns:t="urn:t"'
def schema(body):
    return SchemaDocument.of("bad", f'<xs:schema {XS}>{body}</xs:schema>'.encode())
def convert_(*documents):
    model = convert(list(documents), require_core=False)
    try:
        source = emit.emit(model).source
    except XNATError as error:
        print("refused:", error)
        return model
    print(len(model.classes), len(source), [str(problem)[:100] for problem in model.problems[:3]])
    return model
"""

#: (what it is, code behind SCHEMA, what is said)
SCHEMAS = [
    ("100 MB of types", "convert_(schema('<xs:complexType name=\"a\"/>' * 3_800_000))", "more than"),
    ("100 MB of blanks", "convert_(schema(' ' * 100_000_000))", "more than"),
    ("100 MB of one name", "convert_(schema('<xs:complexType name=\"' + 'a' * 100_000_000 + '\"/>'))", "more than"),
    ("100 MB that is no schema", "convert_(SchemaDocument.of('bad', bytes(100_000_000)))", "more than"),
    ("30 MB of types", "convert_(schema(''.join(f'<xs:complexType name=\"a{n}\"/>' for n in range(900_000))))", ""),
    ("30 MB of fields", "convert_(schema('<xs:complexType name=\"a\">' + ''.join(f'<xs:attribute name=\"a{n}\"/>' for n in range(800_000)) + '</xs:complexType>'))", "tags"),
    ("30 MB of documentation", "convert_(schema('<xs:complexType name=\"a\"><xs:annotation><xs:documentation>' + 'x y\\n' * 7_000_000 + '</xs:documentation></xs:annotation></xs:complexType>'))", ""),
    ("5,000 levels of types", "convert_(schema('<xs:complexType name=\"a\">' + '<xs:sequence><xs:element name=\"a\"><xs:complexType>' * 5000 + '</xs:complexType></xs:element></xs:sequence>' * 5000 + '</xs:complexType>'))", ""),
    ("5,000,000 levels of anything", "convert_(schema('<a>' * 5_000_000))", ""),
    ("quadratic names", "convert_(schema(''.join('<xs:complexType name=\"' + '_' * (n % 3000) + '\"/>' for n in range(10_000))))", ""),
    ("10,000 types in a ring", "convert_(schema(''.join(f'<xs:complexType name=\"a{n}\"><xs:complexContent><xs:extension base=\"t:a{(n + 1) % 10000}\"/></xs:complexContent></xs:complexType>' for n in range(10_000))))", ""),
    ("groups of groups", "convert_(schema(''.join(f'<xs:group name=\"g{n}\">' + f'<xs:group ref=\"t:g{n + 1}\"/>' * 50 + f'<xs:sequence><xs:element name=\"e{n}\"/></xs:sequence></xs:group>' for n in range(1000)) + ''.join(f'<xs:complexType name=\"c{n}\"><xs:group ref=\"t:g0\"/></xs:complexType>' for n in range(500))))", ""),
    ("one enumeration for 20,000 fields", "convert_(schema('<xs:simpleType name=\"s\"><xs:restriction base=\"xs:string\">' + ''.join(f'<xs:enumeration value=\"{\"x\" * 1000}{n}\"/>' for n in range(1900)) + '</xs:restriction></xs:simpleType><xs:complexType name=\"a\">' + ''.join(f'<xs:attribute name=\"a{n}\" type=\"t:s\"/>' for n in range(20_000)) + '</xs:complexType>'))", "refused"),
    ("unions of unions", "convert_(schema(''.join(f'<xs:simpleType name=\"s{n}\"><xs:union memberTypes=\"{f\"t:s{n + 1} \" * 50}\"/></xs:simpleType>' for n in range(60)) + '<xs:complexType name=\"a\"><xs:attribute name=\"a\" type=\"t:s0\"/></xs:complexType>'))", ""),
    ("billion laughs", "convert_(SchemaDocument.of('bad', ('<!DOCTYPE x [<!ENTITY l0 \"ha\">' + ''.join(f'<!ENTITY l{n + 1} \"' + f'&l{n};' * 10 + '\">' for n in range(9)) + ']><x>&l9;</x>').encode()))", "refused"),
]  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "code", "said"), SCHEMAS, ids=[name for name, _, _ in SCHEMAS])
def test_schemas(tmp_path: Path, name: str, code: str, said: str) -> None:
    # f-strings with the same quotes inside are for newer Pythons only, so the code is not one.
    assert said in run(SCHEMA + code, tmp_path, megabytes=2048, seconds=90)


ARCHIVE = """
import io, zlib, zipfile
from xnat.transfer.archive import ArchiveLimits, unpack
def bomb(size, members=1, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for number in range(members):
            with archive.open(f"m{number}", "w", force_zip64=True) as member:
                for _ in range(size >> 20):
                    member.write(bytes(1 << 20))
    return out
def refused(data, **limits):
    data.seek(0)
    try:
        unpack(data, "target", limits=ArchiveLimits(**limits))
    except XNATError as error:
        print("refused:", error)
"""
ARCHIVES = [
    ("512 MB of zeros", "refused(bomb(1 << 29))", "max_ratio"),
    ("1 GB in 64 members", "refused(bomb(16 << 20, 64))", "max_ratio"),
    ("an own limit", "refused(bomb(64 << 20), max_bytes=1 << 20)", "max_bytes"),
    ("20,000 members", "refused(bomb(0, 20_000), max_members=10_000)", "max_members"),
    ("200 MB of descriptors", "refused(io.BytesIO(b'PK\\x03\\x04' + bytes([20, 0, 8, 0]) + bytes(22) + b'PK\\x07\\x08' * 50_000_000))", "refused"),
    ("100 MB of signatures", "refused(io.BytesIO(b'PK\\x03\\x04' * 25_000_000))", "refused"),
    ("an end of 2^40 bytes", "refused(io.BytesIO(b'PK\\x06\\x06' + (1 << 40).to_bytes(8, 'little')))", "refused"),
]  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "code", "said"), ARCHIVES, ids=[name for name, _, _ in ARCHIVES])
def test_archives(tmp_path: Path, name: str, code: str, said: str) -> None:
    assert said in run(ARCHIVE + code, tmp_path, file_megabytes=512, seconds=90)
    assert not (tmp_path / "target").exists() or list((tmp_path / "target").iterdir()) == []


ANSWERS = """
import gzip, threading
from tests.security.raw_server import RawServer
from xnat.transport.client import HTTPClient
def asked(body, *headers, **options):
    head = b"\\r\\n".join([b"HTTP/1.1 200 OK", *headers, b"Content-Length: %d" % len(body)]) + b"\\r\\n\\r\\n"
    server = RawServer(head + body)
    client = HTTPClient(server.url, environ={}, timeout=30)
    client.max_answer = 64 << 20
    try:
        response = client.request("GET", "/data/x", **options)
        print(sum(map(len, response.iter_content(65536))))
    except XNATError as error:
        print("refused:", error)
    finally:
        client.close()
        server.close()
def zeros(size):
    import zlib
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(engine.compress(bytes(1 << 20)) for _ in range(size >> 20)), engine.flush()])
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("asked(zeros(1 << 29), b'Content-Encoding: gzip')", "refused"),
        ("asked(gzip.compress(zeros(1 << 29)), b'Content-Encoding: gzip, gzip')", "refused"),
        ("asked(zeros(1 << 29), b'Content-Encoding: gzip', stream=True)", str(1 << 29)),
        ("asked(bytes(100 << 20))", "refused"),
        ("asked(bytes(100 << 20), stream=True)", str(100 << 20)),
        ("asked(b'<' * (60 << 20), b'Content-Type: text/html')", str(60 << 20)),
    ],
)
def test_answers(tmp_path: Path, code: str, said: str) -> None:
    assert said in run(ANSWERS + code, tmp_path, megabytes=800, seconds=90)
