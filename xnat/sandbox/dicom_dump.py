"""The rows of a DICOM dump: one element of a header each."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pydicom
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from .dicom import lenient
from .dicom_fields import clean
from .errors import Refused

__all__ = ["dump", "wanted_tags"]

MAX_VALUE = 64  # longer values are cut in the summary


def wanted_tags(fields: Iterable[str]) -> list[BaseTag]:
    """The tags that field names (``EchoTime``) or eight hexadecimal digits stand for; 400 for anything else."""
    tags = []
    for field in fields:
        for name in field.split(","):
            tag = int(name, 16) if re.fullmatch(r"[0-9A-Fa-f]{8}", name) else tag_for_keyword(name)
            if tag is None:
                raise Refused(400, f"Unknown DICOM field: {html.escape(name)}")
            tags.append(Tag(tag))
    return tags


def dump(path: Path, tags: list[BaseTag], *, summary: bool = False) -> list[dict[str, str]]:
    """The rows of a file; with ``tags`` only these, absent ones left out."""
    with lenient():
        try:
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            elements = list(_elements(dataset, tags))
        except Exception:  # a file that pydicom gives up on has no rows
            return []
        rows = []
        for element in elements:
            rows += list(_rows(element, summary))
        return rows


def _elements(dataset: Dataset, tags: list[BaseTag]) -> Iterator[DataElement]:
    meta = getattr(dataset, "file_meta", None) or Dataset()
    for source in (meta, dataset):
        for tag in sorted(source.keys()):
            if not tags or tag in tags:
                try:
                    yield source[tag]
                except Exception:  # noqa: S112 - a value that cannot be converted has no row
                    continue


def _rows(element: DataElement, summary: bool) -> Iterator[dict[str, str]]:
    tag = _tag(element.tag)
    if element.VR != "SQ":
        yield _row(tag, "", element, _value(element, summary))
        return
    yield _row(tag, "", element, "")
    for item in element.value or []:
        for key in item.keys():  # noqa: SIM118 - a dataset's iterator converts values, keys() does not
            try:
                inner = item[key]
            except Exception:  # noqa: S112 - as above
                continue
            yield _row(tag, _tag(inner.tag), inner, "" if inner.VR == "SQ" else _value(inner, summary))


def _row(tag: str, inner: str, element: DataElement, value: str) -> dict[str, str]:
    return {"tag1": tag, "tag2": inner, "vr": element.VR, "value": value, "desc": _description(element)}


def _tag(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


def _description(element: DataElement) -> str:
    try:
        return dictionary_description(element.tag)
    except KeyError:
        return "?"


def _value(element: DataElement, summary: bool) -> str:
    value = element.value
    if value is None:
        return ""
    if isinstance(value, bytes):
        text = f"{len(value)} bytes" if any(byte < 9 for byte in value) else value.decode("latin-1")
    elif element.VM > 1:
        text = "\\".join(str(part) for part in value)
    else:
        text = str(value)
    text = clean(text)
    return html.escape(text[:MAX_VALUE] if summary else text, quote=False)
