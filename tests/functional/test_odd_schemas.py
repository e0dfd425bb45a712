"""Schemas of plug-ins that are legal and odd: their fields are written and read through a server that has them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import xnat.sandbox
from xnat.sandbox import Sandbox

from .conftest import connect

#: What is written by hand for sessions, subjects or all objects, and fields may be called as well.
TAKEN = ("parent", "subject", "share", "files", "status", "resources", "delete", "uri", "data", "get", "query")

ODD = """<?xml version="1.0" encoding="{encoding}"?>
<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:core="http://nrg.wustl.edu/xnat" xmlns:o="http://example.org/odd"
        targetNamespace="http://example.org/odd" elementFormDefault="unqualified">
 <element name="Odd" type="o:oddData"/>
 <complexType name="oddData"><complexContent><extension base="core:subjectAssessorData">
  <sequence>
   {taken}
   <group ref="o:measures"/>
   <element name="größe" type="float"/>
   <element name="a-b" type="string"/><element name="a_b" type="string"/><element name="A_B" type="string"/>
   <element name="class" type="string"/><element name="__init__" type="string"/><element name="1st" type="string"/>
   <element name="either" type="o:numberOrWord"/>
   <element name="deep"><complexType><sequence><element name="er"><complexType><sequence>
    <element name="est" type="integer"/></sequence></complexType></element></sequence></complexType></element>
   <any minOccurs="0" processContents="lax"/>
  </sequence>
  <attributeGroup ref="o:marks"/>
 </extension></complexContent></complexType>
 <group name="measures"><choice><element name="width" type="float"/><group ref="o:more"/></choice></group>
 <group name="more"><sequence><element name="depth" type="float"/></sequence></group>
 <attributeGroup name="marks"><attribute name="good" type="boolean"/><anyAttribute/></attributeGroup>
 <simpleType name="numberOrWord"><union memberTypes="integer"><simpleType><restriction base="string">
  <enumeration value="none"/></restriction></simpleType></union></simpleType>
</schema>
"""


def served(folder: Path, *, encoding: str = "utf-8") -> Path:
    """The sandbox's schemas, and the odd one, in a folder."""
    shutil.copytree(Path(xnat.sandbox.__file__).parent / "schemas", folder)
    taken = "".join(f'<element name="{name}" type="string"/>' for name in TAKEN)
    (folder / "odd.xsd").write_bytes(ODD.format(encoding=encoding, taken=taken).encode(encoding))
    with (folder / "index.tsv").open("a") as index:
        index.write("odd/odd\todd.xsd\n")
    return folder


@pytest.fixture(params=["utf-8", "windows-1252", "utf-16"])
def odd(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A new object of the odd type."""
    with Sandbox(schemas=served(tmp_path / "schemas", encoding=request.param)) as server, connect(server) as session:
        project = session.classes.ProjectData(parent=session, name="P")
        subject = session.classes.SubjectData(parent=project, label="S")
        yield session.classes.OOddData(parent=subject, label="e")


VALUES = {
    **{f"{name}_": f"the {name}" for name in TAKEN},
    "width": 1.5,
    "depth": 2.0,
    "größe": 3.25,
    "either": "none",
    "good": True,
    "a_b": "1", "a_b_": "2", "a_b_2": "3",
    "class_": "x", "x1st": "y",
}  # fmt: skip


def test_odd_fields_are_written_and_read(odd: Any) -> None:
    for name, value in VALUES.items():
        setattr(odd, name, value)
    odd.deep.er.est = 7
    odd.xnat_session.clearcache()
    assert {name: getattr(odd, name) for name in VALUES} == VALUES
    assert odd.deep.er.est == 7
    # What is written by hand is what it was.
    assert odd.parent.label == "S"
    assert len(odd.files) == len(odd.resources) == 0
    odd.delete()
