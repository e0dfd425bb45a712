"""Fixtures of the converter's tests."""

from __future__ import annotations

import pytest

from tests import factories
from xnat import convert_xsd


@pytest.fixture(autouse=True)
def _no_shared_models():
    """Each test converts for itself."""
    convert_xsd._cache.clear()
    yield
    convert_xsd._cache.clear()


@pytest.fixture
def fake_core(monkeypatch):
    """Generated modules get stand-ins for their two imports."""
    factories.install(factories.fake_core("SubjectData", "ProjectData"), monkeypatch)


def real(*sets):
    """A test parameter of real schema sets, skipped where they are not at hand."""
    missing = [name for name in sets if not (factories.SCHEMAS / name / "index.tsv").exists()]
    reason = f"real schemas {missing} are not beside the repository"
    return pytest.param(sets, marks=pytest.mark.skipif(bool(missing), reason=reason), id="+".join(sets))


@pytest.fixture
def xnat_1_8():
    """The model of a plain 1.8 server."""
    if not factories.SCHEMAS.exists():
        pytest.skip("real schemas are not beside the repository")
    return convert_xsd.convert(factories.real_schemas("xnat-1.8"))
