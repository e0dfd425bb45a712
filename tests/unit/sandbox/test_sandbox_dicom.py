"""Sorting DICOM files by their headers, every odd one that pydicom brings along included."""

from __future__ import annotations

from pathlib import Path

import pydicom.data
import pytest

from xnat.sandbox.dicom import label_of, read, read_all, session_type, sort
from xnat.sandbox.dicom_dump import dump, wanted_tags
from xnat.sandbox.errors import Refused
from xnat.sandbox.unpack import Member

DATA = Path(pydicom.data.__file__).parent
FILES = [path for path in sorted(DATA.rglob("*")) if path.is_file() and path.suffix not in (".py", ".pyc")]
UNREADABLE = {".txt", ".md", ".json", ".icc", ".dump", ".gz"}


def test_every_shipped_file_is_sorted_or_unreadable() -> None:
    good, bad = read_all(Member(path.relative_to(DATA).as_posix(), path) for path in FILES)
    assert {name for name in bad if Path(name).suffix not in UNREADABLE} == {
        "test_files/no_meta.dcm", "test_files/dicomdirtests/TINY_ALPHA/README",
    }  # fmt: skip
    studies = sort(good)
    assert sum(len(study.instances) for study in studies) == len(good) > 150
    assert all(study.subject and study.session for study in studies)


def test_every_shipped_file_can_be_dumped() -> None:
    for path in FILES:
        for row in dump(path, []):
            assert set(row) == {"tag1", "tag2", "vr", "value", "desc"}
            assert all(isinstance(value, str) for value in row.values())


def test_mr_fields() -> None:
    instance = read(DATA / "test_files/MR_small.dcm", "MR_small.dcm")
    assert instance is not None
    assert (instance.subject, instance.session, instance.modality) == ("CompressedSamples_MR1", "4MR1", "MR")
    fields = instance.scan_fields
    assert (fields["parameters/tr"], fields["parameters/te"], fields["parameters/flip"]) == (4000.0, 240.0, 90.0)
    assert (fields["parameters/matrix/x"], fields["parameters/voxelRes/x"]) == (64, 0.3125)


def test_a_dicomdir_is_neither_read_nor_unreadable() -> None:
    path = DATA / "test_files/dicomdirtests/DICOMDIR"
    assert read_all([Member("DICOMDIR", path)]) == ([], [])


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [
        (["MR"], "mr"), (["PT", "CT"], "pet"), (["PT", "MR"], "petmr"), (["SR", "CT"], "ct"), (["RTDOSE"], "rt"),
        (["SEG"], "otherDicom"), (["XYZ"], "otherDicom"), ([], "otherDicom"),
    ],
)  # fmt: skip
def test_session_type(modalities: list[str], expected: str) -> None:
    assert session_type(modalities) == f"xnat:{expected}SessionData"


def test_labels() -> None:
    assert label_of("", "A^B c") == "A_B_c"
    assert label_of("やまだ", "12") == "12"
    assert label_of("", "^^") == "dicom_upload"


def test_wanted_tags() -> None:
    assert wanted_tags(["EchoTime", "00080060"]) == [0x00180081, 0x00080060]
    with pytest.raises(Refused):
        wanted_tags(["Nonsense"])
