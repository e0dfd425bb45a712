"""Names of XNAT as names of Python."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat.exceptions import XNATSchemaError
from xnat.naming import attribute_name, class_name, identifier, pythonize_attribute_name, pythonize_class_name


@pytest.mark.parametrize(
    ("xsi_type", "expected"),
    [
        ("xnat:mrSessionData", "MrSessionData"),
        ("xnat:dx3DCraniofacialSessionData", "Dx3DCraniofacialSessionData"),
        ("xdat:user", "XdatUser"),
        ("proc:genProcData", "ProcGenProcData"),
        ("xnatpy:mrScanDataParameters", "MrScanDataParameters"),
        ("xnat_a:ybocsData", "XnatAYbocsData"),
        ("xnat:foo-bar_baz", "FooBarBaz"),
        ("Instance_Settings", "InstanceSettings"),
        ("xnat:3dData", "X3dData"),
        ("xnat:none", "None_"),
        ("xnat:", "Type"),
        ("xnat:'); import os #", "ImportOs"),
    ],
)
def test_class_name(xsi_type, expected):
    assert class_name(xsi_type) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("addID", "add_id"),
        ("dcmPatientId", "dcm_patient_id"),
        ("UID", "uid"),
        ("subject_ID", "subject_id"),
        ("PI", "pi"),
        ("in", "in_"),
        ("pass", "pass_"),
        ("voxelRes", "voxel_res"),
        ("ID", "id"),
        ("deltaTE", "delta_te"),
        ("data-type", "data_type"),
        ("Longitudinal Processing", "longitudinal_processing"),
        ("T1", "t1"),
        ("3dt1", "x3dt1"),
        ("__class__", "class_"),
        ("_private", "private"),
        ("", "field"),
        ("***", "field"),
        ("naïve", "naïve"),
    ],
)
def test_attribute_name(name, expected):
    assert attribute_name(name) == expected


@pytest.mark.parametrize(
    "text", ["class", "None", "a b", "a.b", "", "1a", "__init__", "x=1", "a\n", "ﬁeld", "print()", None, 3]
)
def test_identifier_refuses(text):
    with pytest.raises(XNATSchemaError):
        identifier(text)


@pytest.mark.parametrize("text", ["a", "A1", "_a", "match", "type", "größe"])
def test_identifier_passes(text):
    assert identifier(text) is text


@given(st.text())
def test_every_text_gives_names_that_pass_the_gate(text):
    assert identifier(class_name(text)) == class_name(text)
    name = attribute_name(text)
    assert identifier(name) == name
    assert not name.startswith("_")
    assert not keyword.iskeyword(name)


def test_old_names():
    assert pythonize_class_name is class_name
    assert pythonize_attribute_name is attribute_name
