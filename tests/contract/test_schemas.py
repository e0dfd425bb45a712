"""Contract B4-B5: the schemas a server publishes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lxml import etree

from tests.contract.contract_tools import Api

NAMES = {
    "xnat", "xdat", "xdat/display", "xdat/instance", "security", "assessments", "catalog", "project",
    "pipeline/workflow", "pipeline/build", "pipeline/repository", "screening/screeningAssessment",
    "validation/protocolValidation",
}  # fmt: skip
XS = "{http://www.w3.org/2001/XMLSchema}"


@pytest.fixture
def api(sandbox: Any) -> Iterator[Api]:
    with Api.of(sandbox) as api:
        yield api


def test_b4_list(api: Api) -> None:
    names = api.get("/xapi/schemas", format="json").json()
    assert len(names) > 10
    assert set(names) >= NAMES


def test_b5_every_listed_schema_can_be_had_by_every_route(api: Api) -> None:
    for name in api.get("/xapi/schemas").json():
        for path in (f"/xapi/schemas/{name}", f"/schemas/{name}.xsd", f"/xapi/{name}.xsd"):
            response = api.get(path)
            assert response.status_code == 200, path
            assert etree.fromstring(response.content).tag == f"{XS}schema", path
    assert api.get("/xapi/schemas/nope").status_code == 404


def test_b5_types_that_clients_use_are_defined(api: Api) -> None:
    root = etree.fromstring(api.get("/xapi/schemas/xnat").content)
    assert root.get("targetNamespace") == "http://nrg.wustl.edu/xnat"
    types = {element.get("name") for element in root.findall(f"{XS}complexType")}
    assert types >= {
        "projectData", "subjectData", "demographicData", "experimentData", "imageSessionData", "mrSessionData",
        "petSessionData", "imageScanData", "mrScanData", "otherDicomScanData", "imageAssessorData", "resourceCatalog",
        "qcManualAssessorData", "reconstructedImageData", "investigatorData", "fieldDefinitionGroup",
    }  # fmt: skip


def test_b5_own_schemas_are_valid(sandbox: Any) -> None:
    schemas = getattr(getattr(sandbox, "application", None), "schemas", None)
    if schemas is None:
        pytest.skip("real servers publish schemas that are not valid XSD")
    for line in (schemas.folder / "index.tsv").read_text(encoding="utf-8").splitlines():
        etree.XMLSchema(etree.parse(str(schemas.folder / line.split("\t")[1])))
