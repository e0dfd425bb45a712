"""Objects inside another object's item."""

from __future__ import annotations

from typing import Any

import pytest

from xnat.core.items import children_of
from xnat.core.nested import XNATListedObject, XNATNestedObject, XNATSubObject, class_inside
from xnat.core.objects import XNATObject
from xnat.core.registry import Registry
from xnat.exceptions import XNATValueError


class Session:
    """As much of a session as a nested object asks for."""

    caching = True

    def __init__(self) -> None:
        self.registry = Registry()


class Scan:
    """As much of a parent."""

    KIND, XSI_TYPE = "scan", "xnat:mrScanData"
    uri = _path = fulluri = "/data/experiments/E/scans/1"
    id, xpath, parent = "1", "xnat:mrScanData", None

    def __init__(self, item: dict[str, Any]) -> None:
        self.xnat_session, self.fulldata = Session(), item

    def _children(self, path: str) -> list[dict[str, Any]]:
        return children_of(self.fulldata, path)

    def _raw(self, path: str) -> Any:
        return self.fulldata["data_fields"].get(path)


def item(fields: dict[str, Any], **children: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "data_fields": fields,
        "children": [{"field": name, "items": items} for name, items in children.items()],
        "meta": {},
    }


def test_a_group_of_fields_that_a_server_sends_flat() -> None:
    scan = Scan(item({"parameters/tr": 2.5, "parameters/voxelRes/x": 1, "type": "T1", "parameters": "all"}))
    group = XNATSubObject(parent=scan, fieldname="parameters")
    assert group.data == {"tr": 2.5, "voxelRes/x": 1}
    assert (group.get("tr"), group.get("type"), group._raw("")) == (2.5, None, "all")
    assert group.xpath == "xnat:mrScanData/parameters"


def test_a_group_of_fields_that_a_server_sends_as_a_child() -> None:
    inner = item({"te": 9.5, "tr": 0}, addParam=[item({"name": "a"})])
    group = XNATSubObject(parent=Scan(item({"parameters/tr": 2.5}, parameters=[inner])), fieldname="parameters")
    assert group.data == {"te": 9.5, "tr": 2.5}
    assert group.get("te") == 9.5
    assert [child["data_fields"] for child in group._children("addParam")] == [{"name": "a"}]


def test_children_below_a_group() -> None:
    scan = Scan(item({}))
    scan.fulldata["children"] = [{"field": "parameters/addParam", "items": [item({"name": "a"})]}]
    group = XNATSubObject(parent=scan, fieldname="parameters")
    assert [child["data_fields"] for child in group._children("addParam")] == [{"name": "a"}]


@pytest.mark.parametrize(
    ("position", "expected", "step"),
    [
        (None, {"name": "a"}, "addID"),
        (1, {"name": "b"}, "addID[2]"),
        (("name", "b"), {"name": "b"}, "addID[name=b]"),
        (("name", "c"), {}, "addID[name=c]"),
        (5, {}, "addID[6]"),
    ],
)
def test_which_of_several(position: Any, expected: dict[str, str], step: str) -> None:
    scan = Scan(item({}, addID=[item({"name": "a"}), item({"name": "b"})]))
    nested = XNATNestedObject(parent=scan, fieldname="addID", position=position)
    assert nested.data == expected
    assert nested.id == f"1/{step}"


def test_alone_it_is_nothing() -> None:
    with pytest.raises(XNATValueError, match="lives inside another object"):
        XNATNestedObject(parent=None)


def test_types_with_paths_of_their_own_have_a_class_for_inside_an_item() -> None:
    class Publication(XNATObject):
        """A publication."""

        __slots__ = ()
        XSI_TYPE = "xnat:publicationResource"

    inside = class_inside(Publication)
    assert issubclass(inside, Publication)
    assert issubclass(inside, XNATListedObject)
    assert inside is class_inside(Publication)
    assert (inside.__name__, inside.__doc__, inside.XSI_TYPE) == (
        "Publication", "A publication.", "xnat:publicationResource",
    )  # fmt: skip
    assert class_inside(XNATSubObject) is XNATSubObject
    there = item({"xnat_abstractresource_id": 7, "label": "OUT"})
    found = inside(parent=Scan(item({}, **{"out/file": [there]})), fieldname="out/file", position=0)
    assert (found.id, found.uri) == ("7", "/data/experiments/E/scans/1/out/resources/7")
