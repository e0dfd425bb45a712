"""Makes models and schemas for tests of the converter, so that a test shows only what it is about."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

from xnat.convert_xsd import ClassDef, FieldDef, FieldKind, Model, SchemaDocument

NAMESPACE = "http://example.org/test"

#: Real schemas, beside the repository; not part of it.
SCHEMAS = Path(__file__).resolve().parents[2] / "shared" / "schemas"

DESCRIPTORS = ("Field", "ObjectField", "RestListing", "SimpleListing", "SubListing", "SubObjectField", "Variables")
CORE_CLASSES = ("XNATNestedObject", "XNATObject", "XNATSubObject")


def make_model(*classes: ClassDef, **parts: Any) -> Model:
    """A model of these types."""
    return Model(classes={definition.key: definition for definition in classes}, **parts)


def make_class(key: str, *fields: FieldDef | str, **parts: Any) -> ClassDef:
    """A type; a field given as text is a text field of that path."""
    parts.setdefault("namespace", key.partition("}")[0].lstrip("{") if key.startswith("{") else "")
    parts.setdefault("file", "test")
    made = [
        FieldDef(item, type="{http://www.w3.org/2001/XMLSchema}string") if isinstance(item, str) else item
        for item in fields
    ]
    return ClassDef(key, fields=made, **parts)


def make_field(path: str, type: str = "{http://www.w3.org/2001/XMLSchema}string", **parts: Any) -> FieldDef:
    """A field."""
    return FieldDef(path, type=type, **parts)


def listing(path: str, type: str, **parts: Any) -> FieldDef:
    """A listing of objects inside an item."""
    return FieldDef(path, type=type, kind=FieldKind.SUB_LISTING, **parts)


def schema(
    body: str, *, name: str = "test", namespace: str = NAMESPACE, prefix: str = "t", extra: str = ""
) -> SchemaDocument:
    """A schema with this content; xs and the schema's own prefix are bound, and xnat."""
    names = f'targetNamespace="{namespace}" xmlns:{prefix}="{namespace}" {extra}'
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" {names}>{body}</xs:schema>'
    return SchemaDocument.of(name, text.encode())


def complex_type(name: str, content: str = "") -> str:
    """The XML of a named type."""
    return f'<xs:complexType name="{name}">{content}</xs:complexType>'


def sequence(*elements: str) -> str:
    """The XML of a sequence."""
    return f"<xs:sequence>{''.join(elements)}</xs:sequence>"


def inner(name: str, content: str = "", kind: str = "complexType") -> str:
    """The XML of an element with a type of its own."""
    return f'<xs:element name="{name}"><xs:{kind}>{content}</xs:{kind}></xs:element>'


def extension(base: str, content: str = "", kind: str = "complexContent") -> str:
    """The XML of an extension."""
    return f'<xs:{kind}><xs:extension base="{base}">{content}</xs:extension></xs:{kind}>'


def real_schemas(*sets: str) -> list[SchemaDocument]:
    """Sets of schemas that real servers publish."""
    documents = []
    for folder in (SCHEMAS / name for name in sets):
        for line in (folder / "index.tsv").read_text().splitlines():
            name, path = line.split("\t")
            documents.append(SchemaDocument.of(name, (folder / path).read_bytes(), path))
    return documents


def fake_core(*mixins: str) -> dict[str, types.ModuleType]:
    """Stand-ins for xnat.xnatcore and xnat.xnatbases: descriptors that remember their arguments, empty classes."""
    core, bases = types.ModuleType("xnat.xnatcore"), types.ModuleType("xnat.xnatbases")

    class Descriptor:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.arguments, self.options = arguments, options

    for name in DESCRIPTORS:
        setattr(core, name, type(name, (Descriptor,), {}))
    for name in CORE_CLASSES:
        setattr(core, name, type(name, (), {"__slots__": ("__weakref__",) if name == "XNATObject" else ()}))
    for name in mixins:
        setattr(bases, name, type(name, (), {"__slots__": ()}))
    return {"xnatcore": core, "xnatbases": bases}


def install(parts: dict[str, types.ModuleType], monkeypatch: Any) -> None:
    """Put stand-ins in the place of the real modules, for one test."""
    import xnat

    for name, module in parts.items():
        monkeypatch.setitem(sys.modules, f"xnat.{name}", module)
        monkeypatch.setattr(xnat, name, module, raising=False)
