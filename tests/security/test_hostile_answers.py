"""JSON and CSV of the wrong shape, with every value of every type: an error of the library, or a result that is safe.

Each answer goes through everything a script does with listings and objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import processor_seconds
from xnat.exceptions import XNATError
from xnat.sandbox import Sandbox, faults

from .guard import CODE, guarded

DEEP = "[" * 100_000 + "]" * 100_000
#: Values that stand where text is expected.
VALUES: dict[str, str] = {
    "null": "null", "true": "true", "zero": "0", "float": "1.5", "negative": "-1", "huge": "1e400", "digits": "9" * 4000,
    "too many digits": "9" * 10_000, "nan": "NaN", "infinity": "-Infinity", "list": "[]", "list of lists": "[[[]]]",
    "object": "{}", "object in object": '{"ID": {"ID": 1}}', "empty": '""', "blank": '" "', "dots": '".."',
    "slashes": '"../../../../etc/passwd"', "query": '"a?b=c#d%2e"', "line ends": '"a\\r\\nb"', "NUL": '"a\\u0000b"',
    "half a character": '"\\ud800"', "escape": '"\\u001b[2J\\u001b]0;x\\u0007"', "backwards": '"\\u202egpj.exe"',
    "markup": '"<script>alert(1)</script><img src=x onerror=alert(1)>"', "code": json.dumps(CODE),
    "long": json.dumps("x" * 100_000), "deep": "[" * 500 + "]" * 500,
}  # fmt: skip
#: Whole answers.
SHAPES: dict[str, str] = {
    "nothing": "", "null": "null", "true": "true", "number": "5", "text": '"x"', "list": "[]", "object": "{}",
    "list of objects": '[{"ID": "x"}]', "no result": '{"ResultSet": {}}', "null result set": '{"ResultSet": null}',
    "result set is a list": '{"ResultSet": []}', "result is null": '{"ResultSet": {"Result": null}}',
    "result is text": '{"ResultSet": {"Result": "abc"}}', "result is a number": '{"ResultSet": {"Result": 7}}',
    "result is an object": '{"ResultSet": {"Result": {"ID": "x", "label": "y"}}}',
    "rows are null": '{"ResultSet": {"Result": [null, null]}}', "rows are text": '{"ResultSet": {"Result": ["a", "b"]}}',
    "rows are lists": '{"ResultSet": {"Result": [["ID", "x"]]}}', "rows are numbers": '{"ResultSet": {"Result": [1, 2.5]}}',
    "rows are empty": '{"ResultSet": {"Result": [{}, {}]}}', "deep": DEEP, "deep rows": '{"ResultSet": {"Result": %s}}' % DEEP,
    "cut": '{"ResultSet": {"Result": [{"ID": "x"', "two answers": '{"ResultSet": {"Result": []}}{}', "XML": "<a/>",
    "not UTF-8": "\udcff\udcfe", "BOM": "\ufeff[]", "one key twice": '{"ResultSet": 1, "ResultSet": {"Result": []}}',
    "3,000 columns": '{"ResultSet": {"Result": [{"ID": "x", %s}]}}' % ",".join(f'"c{n}": "{n}"' for n in range(3000)),
    "1,000 rows of one ID": '{"ResultSet": {"Result": [%s]}}' % ",".join(['{"ID": "x", "label": "y"}'] * 1000),
    "rows with columns of their own": '{"ResultSet": {"Result": [%s]}}' % ",".join(f'{{"ID": "{n}", "c{n}": "x"}}' for n in range(1000)),
    "items": '{"items": []}', "items are null": '{"items": null}', "items are numbers": '{"items": [1]}',
    "items are text": '{"items": "abc"}', "item is null": '{"items": [null]}', "items are an object": '{"items": {"0": {}}}',
}  # fmt: skip


#: Enough of the values for a quick look.
FEW = (": null", ": list", ": object", ": float", ": escape")


def shortly(cases: list[tuple[str, ...]], is_quick: Callable[..., bool]) -> list[Any]:
    """The cases; all but the quick ones are marked as slow."""
    return [pytest.param(*case, marks=() if is_quick(*case) else pytest.mark.slow) for case in cases]


def row(column: str, value: str) -> str:
    known = {"ID": '"XNAT_X1"', "label": '"l"', "name": '"n"', "URI": '"/data/x/XNAT_X1"', "xsiType": '"xnat:mrSessionData"',
             "project": '"P"', "type": '"T1"', "Name": '"f"', "xnat_abstractresource_id": '"7"'}  # fmt: skip
    known[column] = value
    inside = ", ".join(f'"{name}": {text}' for name, text in known.items())
    return f'{{"ResultSet": {{"Result": [{{{inside}}}, {{"ID": "other", "label": "o", "name": "o"}}]}}}}'


COLUMNS = ("ID", "label", "name", "URI", "xsiType", "project", "Size", "digest", "collection")
LISTINGS = {
    **SHAPES,
    **{f"{column}: {name}": row(column, value) for column in COLUMNS for name, value in VALUES.items()},
}

#: What a script does with a listing.
USES: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "len": len,
    "keys": lambda listing: [hash(key) for key in listing],
    "values": lambda listing: [repr(thing) for thing in listing.values()],
    "attributes": lambda listing: [(thing.id, thing.uri, thing.fulluri) for thing in listing.values()[:20]],
    "index": lambda listing: listing["other"],
    "contains": lambda listing: "x" in listing,
    "key map": lambda listing: listing.key_map,
    "html": lambda listing: listing._repr_html_(),
    "filter": lambda listing: listing.filter(label="o*").keys(),
    "tabulate": lambda listing: listing.tabulate(),
    "tabulate csv": lambda listing: listing.tabulate_csv(),
    "completions": lambda listing: listing._ipython_key_completions_(),
}


def answer(server: Sandbox, body: str, path: str, query: str | None = None) -> None:
    server.faults.add(
        faults.body(body.encode("utf-8", "surrogateescape")), path=path, query=query, method="GET", times=None
    )


@pytest.mark.parametrize(
    ("listing", "name"),
    shortly(
        [
            (listing, name)
            for listing in ("subjects", "files", "projects", "experiments", "scans", "resources")
            for name in LISTINGS
        ],
        lambda listing, name: listing == "subjects" and (name in SHAPES or name.startswith("label")),
    ),
)
@processor_seconds(20)
def test_listings(hostile: Sandbox, session: Any, tmp_path: Path, listing: str, name: str) -> None:
    answer(hostile, LISTINGS[name], f"/{listing}$")
    parent = session.projects["P"] if listing == "experiments" else session
    if listing in ("scans", "resources", "files"):
        parent = session.create_object("/data/experiments/X", "xnat:mrSessionData", id_="X")
    with guarded(tmp_path):
        for use in USES.values():
            try:
                found = use(getattr(parent, listing))
            except XNATError as error:
                assert str(error)
            else:
                assert use is not USES["html"] or "<script" not in found
                assert use is not USES["repr"] or "\x1b" not in found


def item(place: str, value: str) -> str:
    """The answer for one item with a value in one of its places."""
    parts = {"meta": '{"isHistory": false, "xsi:type": "xnat:subjectData"}', "data_fields": '{"ID": "XNAT_S1", "label": "l"}',
             "children": "[]"}  # fmt: skip
    child = '{{"field": {field}, "items": [{{"meta": {meta}, "data_fields": {fields}, "children": []}}]}}'
    demographics = {
        "field": '"demographics"',
        "meta": '{"xsi:type": "xnat:demographicData"}',
        "fields": '{"gender": "male"}',
    }
    if place in parts:
        parts[place] = value
    elif place == "xsi:type":
        parts["meta"] = f'{{"xsi:type": {value}}}'
    elif place == "isHistory":
        parts["meta"] = f'{{"isHistory": {value}, "xsi:type": "xnat:subjectData", "start_date": {value}}}'
    elif place.startswith("field "):
        parts["data_fields"] = f'{{"ID": "XNAT_S1", "{place[6:]}": {value}}}'
    elif place == "child":
        parts["children"] = f"[{value}]"
    elif place == "child items":
        parts["children"] = (
            f'[{{"field": "demographics", "items": {value}}}, {{"field": "fields/field", "items": {value}}}]'
        )
    elif place == "child item":
        parts["children"] = (
            f'[{{"field": "demographics", "items": [{value}]}}, {{"field": "fields/field", "items": [{value}]}}]'
        )
    elif place == "variables":
        parts["children"] = (
            f'[{{"field": "fields/field", "items": [{{"data_fields": {{"name": {value}, "field": {value}}}}}]}}]'
        )
    else:
        parts["children"] = "[" + child.format(**{**demographics, place.removeprefix("child "): value}) + "]"
    return '{"items": [{%s}]}' % ", ".join(f'"{name}": {text}' for name, text in parts.items())


PLACES = ("meta", "data_fields", "children", "xsi:type", "isHistory", "field ID", "field label", "field group", "child",
          "child items", "child item", "child field", "child meta", "child fields", "variables")  # fmt: skip
ITEMS = {**SHAPES, **{f"{place}: {name}": item(place, value) for place in PLACES for name, value in VALUES.items()}}

LOOKS: dict[str, Callable[[Any], Any]] = {
    "repr": repr,
    "data": lambda thing: thing.data,
    "label": lambda thing: thing.label,
    "id": lambda thing: thing.id,
    "group": lambda thing: thing.group,
    "demographics": lambda thing: repr(thing.demographics),
    "gender": lambda thing: thing.demographics.gender,
    "yob": lambda thing: thing.demographics.yob,
    "variables": lambda thing: dict(thing.fields),
    "variable": lambda thing: thing.fields.get("a"),
    "sub listing": lambda thing: repr(thing.add_id),
    "keys of a sub listing": lambda thing: list(thing.add_id),
    "insert date": lambda thing: getattr(thing, "insert_date", None),
    "html": lambda thing: thing._repr_html_(),
}


@pytest.mark.parametrize(
    "name",
    shortly(
        [(name,) for name in ITEMS],
        lambda name: name in SHAPES or name.endswith(FEW) and name.startswith(("child", "xsi")),
    ),
)
def test_items(hostile: Sandbox, session: Any, tmp_path: Path, name: str) -> None:
    answer(hostile, ITEMS[name], "^/data/subjects/XNAT_S1$")
    with guarded(tmp_path):
        for look in LOOKS.values():
            session.clearcache()
            try:
                found = look(session.create_object("/data/subjects/XNAT_S1", "xnat:subjectData"))
            except XNATError as error:
                assert str(error)
            else:
                assert look is not LOOKS["html"] or "<script" not in found
                assert look is not LOOKS["repr"] or "\x1b" not in found
        try:
            session.create_object("/data/subjects/XNAT_S1")
        except XNATError as error:
            assert str(error)


OTHER = {**SHAPES, **{f"value {name}": value for name, value in VALUES.items()},
         **{f"row {name}": row("label", value) for name, value in VALUES.items()},
         **{f"rows of {name}": '{"ResultSet": {"Result": [{"project": %s, "name": %s, "url": %s, "status": %s, "lastmod": %s, "login": %s, "FIELD_ID": %s, "ELEMENT_NAME": %s, "tag1": %s, "value": %s, "username": %s}]}}' % ((value,) * 11)
            for name, value in VALUES.items()}}  # fmt: skip
#: Other things the server is asked for: the path, and who asks.
ASKED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "prearchive": ("/data/prearchive/projects$", lambda s: [(repr(x), x.label, x.uri, x.status, x.lastmod, x.cancelled if hasattr(x, "cancelled") else 0) for x in s.prearchive.sessions()]),
    "users": ("/users", lambda s: (repr(s.users), len(s.users), list(s.users), [repr(u) for u in s.users.values()])),
    "plugins": ("/xapi/plugins", lambda s: (repr(s.plugins), len(s.plugins), [repr(p) for p in s.plugins.values()])),
    "build info": ("/xapi/siteConfig/buildInfo", lambda s: (s.xnat_version, s.xnat_build_info)),
    "uptime": ("/xapi/siteConfig/uptime", lambda s: s.xnat_uptime),
    "inspect": ("/data/search/elements", lambda s: (s.inspect.datatypes(), s.inspect.datafields("subjectData"))),
    "scan types": ("/scan_types", lambda s: s.scan_types),
    "dicom dump": ("/data/services/dicomdump", lambda s: s.services.dicom_dump("/archive/projects/P/experiments/E/scans/1")),
    "tokens": ("/data/services/tokens/issue", lambda s: repr(s.services.issue_token())),
    "get_json": ("/data/anything", lambda s: s.get_json("/data/anything")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "name"),
    shortly(
        [(asked, name) for asked in ASKED for name in OTHER],
        lambda asked, name: name in SHAPES and asked in ("prearchive", "plugins"),
    ),
)
def test_other_answers(hostile: Sandbox, session: Any, tmp_path: Path, name: str, asked: str) -> None:
    path, ask = ASKED[asked]
    session.clearcache()
    if asked == "get_json":
        hostile.faults.add(faults.status(200, OTHER[name].encode("utf-8", "surrogateescape") or b" "), path=path)
    else:
        answer(hostile, OTHER[name], path)
    with guarded(tmp_path):
        try:
            ask(session)
        except XNATError as error:
            assert str(error)


TABLES: dict[str, bytes] = {
    "nothing": b"", "a line": b"\n", "a header": b"subject_id", "quotes that don't close": b'"subject_id,project\n"a',
    "NUL": b"subject_id,project\na\0b,c\n", "a cell of 1 MB": b"subject_id,project\n" + b"x" * 1_000_000 + b",P\n",
    "more cells than columns": b"subject_id\na,b,c,d\n", "fewer cells": b"subject_id,project\na\n",
    "one column twice": b"subject_id,subject_id\na,b\n", "no names": b",,,\na,b,c,d\n", "other columns": b"evil\nx\n",
    "names that are no names": b"class,__init__,1 2,\x1b[2J\na,b,c,d\n", "only commas": b"," * 100_000,
    "formula": b"subject_id,project\n=cmd|' /C calc'!A0,P\n", "dots": b"subject_id,project\n..,P\n",
    "slashes": b"subject_id,project\n../../x,P\n", "not UTF-8": b"subject_id,project\n\xff\xfe,P\n",
    "carriage returns": b"subject_id,project\ra,b\r\r\r", "line ends in cells": b'subject_id,project\n"a\n\nb",P\n',
    "XML": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
    "JSON": b'{"ResultSet": {"Result": []}}', "empty IDs": b"subject_id,project\n,\n,\n", "binary": bytes(range(256)) * 50,
    "UTF-16": "subject_id,project\na,P\n".encode("utf-16"), "2,000 lines": b"subject_id,project\n" + b"a,P\n" * 2000,
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_search_answers(hostile: Sandbox, session: Any, tmp_path: Path, name: str) -> None:
    from xnat.search import Query

    hostile.faults.add(faults.status(200, TABLES[name] or b" "), path="^/data/search$", method="POST", times=None)
    subject = session.classes.SubjectData
    query = Query(subject, session).filter(subject.label == "x")
    with guarded(tmp_path):
        for use in (query.all, query.first, query.count, query.tabulate, query.tabulate_dict, query.tabulate_csv,
                    query.limit(1).tabulate_csv, query.tabulate_json, query.limit(1).tabulate_json, query.tabulate_pandas,
                    query.one_or_none):  # fmt: skip
            try:
                found = use()
            except XNATError as error:
                assert str(error)
            except UnicodeError as error:  # pragma: no cover
                raise AssertionError(f"{use.__name__}: {error!r}") from error
            else:
                assert "root:" not in re.sub("x+", "", repr(found)[:5000])
