"""Contract J1-J6: what can be searched, searches run, paged and stored."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from tests.contract.contract_tools import Api

MR = "xnat:mrSessionData"
NS = "http://nrg.wustl.edu/security"


@pytest.fixture
def api(sandbox: Any) -> Iterator[Api]:
    with Api.of(sandbox) as api:
        yield api


@pytest.fixture
def project(api: Api) -> str:
    """Three MR sessions of two subjects, with dates, notes and a custom variable."""
    project = api.new_project()
    api.put(f"/data/projects/{project}/subjects/S1", gender="male", group="patients")
    api.put(f"/data/projects/{project}/subjects/S2", gender="female")
    for subject, label, date, more in (
        ("S1", "A", "2020-01-01", {"note": "first", f"{MR}/fieldStrength": "1.5"}),
        ("S1", "B", "2020-02-01", {"note": "second", f"{MR}/fieldStrength": "3.0"}),
        ("S2", "C", "2021-03-01", {f"{MR}/fieldStrength": "7", f"{MR}/fields/field[name=volume]/field": "12"}),
    ):
        path = f"/data/projects/{project}/subjects/{subject}/experiments/{label}"
        assert api.put(path, xsiType=MR, date=date, **more).status_code == 201
    return project


def field(id: str, element: str = MR, value: str = "") -> str:
    argument = f"<xdat:value>{escape(value)}</xdat:value>" if value else ""
    return (
        f"<xdat:search_field><xdat:element_name>{element}</xdat:element_name><xdat:field_ID>{id}</xdat:field_ID>"
        f"<xdat:sequence>0</xdat:sequence><xdat:type>string</xdat:type><xdat:header>{id}</xdat:header>{argument}"
        "</xdat:search_field>"
    )


def criterion(schema_field: str, comparison: str, value: str = "") -> str:
    return (
        '<xdat:criteria override_value_formatting="0">'
        f"<xdat:schema_field>{escape(schema_field)}</xdat:schema_field>"
        f"<xdat:comparison_type>{escape(comparison)}</xdat:comparison_type><xdat:value>{escape(value)}</xdat:value>"
        "</xdat:criteria>"
    )


def group(method: str, *parts: str) -> str:
    return f'<xdat:child_set method="{method}">{"".join(parts)}</xdat:child_set>'


def bundle(conditions: Iterable[str], fields: Iterable[str] = (), root: str = MR, attributes: str = "") -> str:
    shown = "".join(fields) or field("SESSION_ID") + field("LABEL") + field("DATE")
    return (
        f'<xdat:bundle xmlns:xdat="{NS}" {attributes}><xdat:root_element_name>{root}</xdat:root_element_name>{shown}'
        f'<xdat:search_where method="AND">{"".join(conditions)}</xdat:search_where></xdat:bundle>'
    )


def search(api: Api, document: str) -> list[dict[str, str]]:
    response = api.send("POST", "/data/search", {"format": "csv"}, data=document)
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text)))


def labels(api: Api, project: str, *conditions: str) -> str:
    """The labels of the sessions of a project that satisfy conditions, as one sorted word."""
    document = bundle([criterion(f"{MR}/PROJECT", "=", project), *conditions])
    return "".join(sorted(row["label"] for row in search(api, document)))


def test_j1_elements(api: Api) -> None:
    rows = api.rows("/data/search/elements")
    assert {"ELEMENT_NAME", "SINGULAR", "PLURAL", "SECURED", "COUNT"} <= set(rows[0])
    names = {row["ELEMENT_NAME"] for row in rows}
    assert names >= {"xnat:projectData", "xnat:subjectData", MR, "xnat:ctSessionData", "xnat:qcManualAssessorData"}
    assert [row["ELEMENT_NAME"] for row in rows if row["SECURED"] == "false"] == ["xnat:investigatorData"]


def test_j1_counts(api: Api, project: str) -> None:
    row = next(row for row in api.rows("/data/search/elements", used="true") if row["ELEMENT_NAME"] == MR)
    assert int(row["COUNT"]) >= 3


def test_j2_fields_of_an_element(api: Api, project: str) -> None:
    table = api.get(f"/data/search/elements/{MR}", format="json").json()["ResultSet"]
    keys = {"FIELD_ID", "HEADER", "SUMMARY", "TYPE", "REQUIRES_VALUE", "DESC", "ELEMENT_NAME", "SRC"}
    assert keys == set(table["Result"][0])
    assert table["element_name"] == MR
    ids = {row["FIELD_ID"] for row in table["Result"]}
    assert ids >= {"SESSION_ID", "LABEL", "PROJECT", "DATE", "SUBJECT_ID", "FIELDSTRENGTH", "SHARINGSHAREPROJECT"}
    assert f"XNAT_MRSESSIONDATA_PROJECT_IDENTIFIER={project}" in ids
    assert "XNAT_MRSESSIONDATA_FIELD_MAP=volume" in ids


def test_j2_unknown_element(api: Api) -> None:
    assert api.get("/data/search/elements/xnat:nope", format="json").status_code == 400


def test_j2_default_format_is_xml(api: Api) -> None:
    assert api.get(f"/data/search/elements/{MR}").text.startswith("<?xml")


def test_j3_search_as_csv(api: Api, project: str) -> None:
    document = bundle([criterion(f"{MR}/PROJECT", "=", project)], [field("SESSION_ID"), field("DATE")])
    response = api.send("POST", "/data/search", {"format": "csv"}, data=document)
    header, *rows = response.text.splitlines()
    assert header.startswith("session_id,date")
    assert "quarantine_status" in header.split(",")
    assert len(rows) == 3


def test_j3_columns_of_other_elements(api: Api, project: str) -> None:
    subject = "xnat:subjectData"
    shown = [
        field("LABEL"), field("SUB_GROUP", subject), field("XNAT_MRSESSIONDATA_PROJECT_IDENTIFIER", value=project),
        field("XNAT_MRSESSIONDATA_FIELD_MAP=volume"),
    ]  # fmt: skip
    rows = search(api, bundle([criterion(f"{MR}/PROJECT", "=", project)], shown))
    by_label = {row["label"]: row for row in rows}
    assert by_label["A"]["xnat_subjectdata_sub_group"] == "patients"
    assert by_label["A"][f"xnat_mrsessiondata_project_identifier_{project.lower()}"] == "A"
    assert by_label["C"]["xnat_mrsessiondata_field_map_volume"] == "12"


def test_j3_subjects(api: Api, project: str) -> None:
    root = "xnat:subjectData"
    document = bundle(
        [criterion(f"{root}/project", "=", project), criterion(f"{root}/demographics/gender", "=", "female")],
        [field("SUBJECTID", root), field("SUBJECT_LABEL", root)],
        root,
    )
    assert [row["subject_label"] for row in search(api, document)] == ["S2"]


def test_j3_not_a_search(api: Api) -> None:
    for body in ("<nonsense/>", "no XML"):
        assert api.send("POST", "/data/search", {"format": "csv"}, data=body).status_code == 422
    assert api.get("/data/search").status_code in (404, 405)


def test_j4_cached_search_in_pages(api: Api, project: str) -> None:
    document = bundle([criterion(f"{MR}/PROJECT", "=", project)])
    result = api.send("POST", "/data/search", {"format": "json", "cache": "true"}, data=document).json()["ResultSet"]
    assert result["totalRecords"] == "3"
    assert result["rootElementName"] == MR
    assert {column["key"] for column in result["Columns"]} >= {"session_id", "label", "date"}
    path = f"/data/search/{result['ID']}"
    pages = [api.rows(path, sortBy="date", sortOrder="DESC", limit=1, offset=offset) for offset in range(4)]
    assert [[row["label"] for row in page] for page in pages] == [["C"], ["B"], ["A"], []]
    assert api.get(path, limit="x").status_code == 422
    assert api.get("/data/search/expired", format="json").status_code == 410


@pytest.mark.parametrize(
    ("path", "comparison", "value", "expected"),
    [
        ("label", "=", "A", "A"),
        ("label", "!=", "A", "BC"),
        ("label", "LIKE", "%", "ABC"),
        ("label", " LIKE ", "B%", "B"),
        ("label", "IN", "A,C", "AC"),
        ("date", "=", "2020-02-01", "B"),
        ("date", "=", "02/01/2020", "B"),
        ("date", "<", "2020-02-01", "A"),
        ("date", "<=", "2020-02-01", "AB"),
        ("date", ">", "02/01/2020", "C"),
        ("date", ">=", "2020-02-01", "BC"),
        ("date", "BETWEEN", "2020-01-15 AND 2021-03-01", "BC"),
        ("fieldStrength", ">", "2", "BC"),
        ("note", "IS NULL", "", "C"),
        ("note", "IS NOT NULL", "", "AB"),
        ("note", "!=", "first", "B"),
        ("SUBJECT_LABEL", "=", "S1", "AB"),
        ("fields/field[name=volume]/field", "=", "12", "C"),
    ],
)
def test_j5_comparisons(api: Api, project: str, path: str, comparison: str, value: str, expected: str) -> None:
    assert labels(api, project, criterion(f"{MR}/{path}", comparison, value)) == expected


def test_j5_display_fields_and_other_elements(api: Api, project: str) -> None:
    assert labels(api, project, criterion("xnat:subjectData.SUB_GROUP", "=", "patients")) == "AB"
    identifier = f"xnat:subjectData.SUB_PROJECT_IDENTIFIER={project}"
    assert labels(api, project, criterion(identifier, "=", "S2")) == "C"


def test_j5_nested_sets(api: Api, project: str) -> None:
    a, b = criterion(f"{MR}/label", "=", "A"), criterion(f"{MR}/label", "=", "B")
    late = criterion(f"{MR}/date", ">", "2020-01-15")
    assert labels(api, project, group("OR", a, b)) == "AB"
    assert labels(api, project, group("OR", a, group("AND", b, late))) == "AB"
    assert labels(api, project, group("AND", group("OR", a, b), late)) == "B"


def test_j6_saved_search(api: Api, project: str) -> None:
    name = f"SEARCH{uuid.uuid4().hex[:8]}"
    path = f"/data/search/saved/{name}"
    document = bundle([criterion(f"{MR}/PROJECT", "=", project)], attributes='brief-description="My search"')
    assert api.send("PUT", path, {"inbody": "true"}, data=document).status_code == 200
    listed = csv.DictReader(io.StringIO(api.get("/data/search/saved", format="csv").text))
    row = next(row for row in listed if row["id"] == name)
    assert (row["root_element_name"], row["brief_description"]) == (MR, "My search")
    stored = etree.fromstring(api.get(path).content)
    assert stored.tag == f"{{{NS}}}bundle"
    assert stored.get("ID") == name
    rows = list(csv.DictReader(io.StringIO(api.get(f"{path}/results", format="csv").text)))
    assert sorted(row["label"] for row in rows) == ["A", "B", "C"]
    assert api.delete(path).status_code == 200
    assert api.get(path).status_code == 404


def test_j6_results_stay_until_refreshed(api: Api, project: str) -> None:
    path = f"/data/search/saved/SEARCH{uuid.uuid4().hex[:8]}"
    api.send("PUT", path, {"inbody": "true"}, data=bundle([criterion(f"{MR}/PROJECT", "=", project)]))
    assert len(api.rows(f"{path}/results")) == 3
    api.put(f"/data/projects/{project}/subjects/S1/experiments/D", xsiType=MR)
    assert len(api.rows(f"{path}/results")) == 3
    assert len(api.rows(f"{path}/results", refresh="true")) == 4
    api.delete(path)


def test_j6_default_search_of_a_type(api: Api, project: str) -> None:
    assert f"<xdat:root_element_name>{MR}" in api.get(f"/data/search/saved/@{MR}", dv="listing").text
    rows = api.rows(f"/data/search/saved/@{MR}/results")
    assert {"A", "B", "C"} <= {row["label"] for row in rows if row["project"] == project}
