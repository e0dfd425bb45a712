"""Headers of DICOM files on the server: the same as pydicom reads from disk, and little more than that is fetched."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

pydicom = pytest.importorskip("pydicom")

import pydicom.data as samples  # noqa: E402
from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian  # noqa: E402

from xnat import dicom  # noqa: E402
from xnat.exceptions import XNATValueError  # noqa: E402
from xnat.remotefile import Content  # noqa: E402
from xnat.sandbox import Sandbox, faults  # noqa: E402

from .conftest import connect  # noqa: E402

PIXELS = bytes(512 * 512 * 2)


def picture(number: int) -> bytes:
    """A file of half a megabyte with a header of its own."""
    meta = FileMetaDataset()
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    meta.TransferSyntaxUID = syntaxes[number % len(syntaxes)]
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID, data.Modality = "Doe^Jané", f"ID{number}", "MR"
    data.SpecificCharacterSet = "ISO_IR 192"
    data.InstanceNumber, data.EchoTime = number, 2.5 + number
    data.PixelSpacing, data.SeriesDate = [0.5, 0.75], "20200102"
    inner = pydicom.Dataset()
    inner.TextValue = "x" * (number % 7 * 1000)
    data.RequestAttributesSequence = [inner]
    data.add_new(0x00290010, "LO", "PRIVATE")
    data.add_new(0x00291001, "OB", bytes(number % 5 * 4000))
    data.Rows = data.Columns = 512
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.SamplesPerPixel, data.PixelRepresentation = 15, 1, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = PIXELS
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def fill(session: Any, folder: Path, scans: int, files: int) -> dict[str, Path]:
    """A project with one session; its files on disk by what they are called on the server."""
    project = session.classes.ProjectData(parent=session, name="D")
    subject = session.classes.SubjectData(parent=project, label="S")
    experiment = session.classes.MrSessionData(parent=subject, label="E")
    there: dict[str, Path] = {}
    for scan in range(1, scans + 1):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(files):
                name = f"{scan:02}-{number:04}.dcm"
                there[name] = folder / name
                there[name].write_bytes(picture(scan * files + number))
                archive.write(there[name], name)
        made = session.classes.MrScanData(parent=experiment, id_=str(scan), type="T1")
        made.create_resource("DICOM", format="DICOM").upload_data(packed.getvalue(), "all.zip", extract=True)
        made.create_resource("SNAPSHOTS").upload_data(b"GIF89a", "a.gif")
    return there


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes read from the server, file by file."""
    counts: list[int] = []
    close = Content.close

    def counting(self: Content) -> None:
        close(self)
        counts.append(self.fetched)

    monkeypatch.setattr(Content, "close", counting)
    return counts


@pytest.mark.parametrize(("scans", "files"), [(2, 20), pytest.param(10, 100, marks=pytest.mark.slow)])
def test_headers_equal_those_on_disk(
    session: Any, server: Sandbox, tmp_path: Path, fetched: list[int], scans: int, files: int
) -> None:
    there = fill(session, tmp_path, scans, files)
    with server.record() as requests:
        found = {file.path: header for file, header in dicom.read_headers(session.projects["D"], every_file=True)}
    assert len(requests) == scans * files + 3  # projects, experiments, and the files of the session
    assert found.keys() == there.keys()
    for name, header in found.items():
        assert header == pydicom.dcmread(there[name], stop_before_pixels=True), name
        assert header.file_meta == pydicom.dcmread(there[name], stop_before_pixels=True).file_meta
    assert sum(fetched) / len(fetched) <= 65536
    assert max(fetched) < len(PIXELS) / 4


def test_the_table(session: Any, server: Sandbox, tmp_path: Path) -> None:
    fill(session, tmp_path, 2, 3)
    project = session.projects["D"]
    rows = dicom.header_table(
        project, ["PatientID", "EchoTime", "PixelSpacing", "SeriesDate", 0x00080060, "BurnedInAnnotation"]
    )
    assert [(row["scan"], row["file"]) for row in rows] == [("1", "01-0000.dcm"), ("2", "02-0000.dcm")]
    first = {name: value for name, value in rows[0].items() if name != "uri"}
    assert first == {
        "experiment": "E", "scan": "1", "file": "01-0000.dcm", "error": None, "PatientID": "ID3", "EchoTime": 5.5,
        "PixelSpacing": [0.5, 0.75], "SeriesDate": "20200102", "Modality": "MR", "BurnedInAnnotation": None,
    }  # fmt: skip
    everything = dicom.header_table(project.subjects["S"].experiments["E"], every_file=True)
    assert len(everything) == 6
    assert everything[5]["PatientName"] == "Doe^Jané"
    assert "PixelData" not in everything[0]
    assert {type(value) for row in everything for value in row.values()} <= {str, int, float, list, type(None)}
    with pytest.raises(XNATValueError, match="PatientId"):
        dicom.header_table(project, ["PatientId"])


def test_a_file_that_is_no_dicom_stands_in_its_row(session: Any, tmp_path: Path) -> None:
    fill(session, tmp_path, 1, 2)
    scan = session.projects["D"].experiments["E"].scans["1"]
    scan.resources["DICOM"].upload_data(b"not this", "00.dcm")
    rows = dicom.header_table(scan, ["PatientID"], every_file=True)
    assert [row["error"] is None for row in rows] == [False, True, True]
    assert "InvalidDicomError" in rows[0]["error"]


def test_a_connection_that_breaks_is_made_anew(session: Any, server: Sandbox, tmp_path: Path) -> None:
    there = fill(session, tmp_path, 1, 5)
    server.faults.add(faults.cut(2000), path=r"01-000[0-3]\.dcm$", method="GET", times=4)
    found = dict(dicom.read_headers(session.projects["D"], every_file=True, workers=2))
    for file, header in found.items():
        assert header == pydicom.dcmread(there[file.path], stop_before_pixels=True)


SAMPLES = [
    "MR_small.dcm", "CT_small.dcm", "image_dfl.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "reportsi.dcm",
    "rtplan.dcm", "no_meta.dcm", "liver_1frame.dcm", "ExplVR_LitEndNoMeta.dcm",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:VR lookup failed")  # of an element that no dictionary has, in no_meta.dcm
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("pixels", [False, True])
def test_files_of_many_kinds(world: Any, name: str, pixels: bool, tmp_path: Path) -> None:
    path = samples.get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this pydicom brings no {name}")
    scan = world.experiments["E1"].scans["1"]
    scan.resources["DICOM"].upload(path, "0.dcm")
    expected = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
    assert scan.read_dicom(read_pixel_data=pixels, force=True) == expected
    assert scan.read_dicom("0.dcm", pixels, True).file_meta == expected.file_meta


def test_which_file(world: Any, session: Any) -> None:
    scan = world.experiments["E1"].scans["1"]
    path = samples.get_testdata_file("MR_small.dcm", download=False)
    scan.create_resource("OTHER").upload(path, "sub/deep.dcm")
    for which in ("deep.dcm", "sub/deep.dcm", scan.resources["OTHER"].files["sub/deep.dcm"]):
        assert scan.read_dicom(which).PatientID == "4MR1"
    with pytest.raises(XNATValueError, match=r"no file 'none\.dcm'.*DICOM, OTHER"):
        scan.read_dicom("none.dcm")
    scan.resources["DICOM"].delete()
    scan.resources["OTHER"].delete()
    with pytest.raises(XNATValueError, match="no DICOM file"):
        scan.read_dicom()


def test_where_ranges_work() -> None:
    path = samples.get_testdata_file("CT_small.dcm", download=False)
    with Sandbox(ranges=True) as server, connect(server) as session:
        project = session.classes.ProjectData(parent=session, name="P")
        subject = session.classes.SubjectData(parent=project, label="S")
        experiment = session.classes.CtSessionData(parent=subject, label="E")
        scan = session.classes.CtScanData(parent=experiment, id_="1", type="CT")
        scan.create_resource("DICOM").upload(path, "1.dcm")
        assert scan.read_dicom() == pydicom.dcmread(path, stop_before_pixels=True)


def test_an_unpicklable_socket_is_not_kept(world: Any) -> None:
    import pickle

    scan = world.experiments["E1"].scans["1"]
    scan.resources["DICOM"].upload(samples.get_testdata_file("MR_small.dcm", download=False), "0.dcm")
    header = scan.read_dicom()
    assert pickle.loads(pickle.dumps(header)) == header


def test_where_scans_are_looked_for(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    scan = experiment.scans["1"]
    scan.resources["DICOM"].delete()
    scan.create_resource("DICOM").upload(samples.get_testdata_file("MR_small.dcm", download=False), "0.dcm")
    # Experiments of other types have no scans, and are passed over.
    session.classes.SubjectVariablesData(parent=world.subjects["S1"], label="VARIABLES")
    session.clearcache()
    for where in (session.projects["P"], session.projects["P"].subjects["S1"]):
        assert "1" in {file.scan for file in dicom.dicom_files(where)}
    with pytest.raises(XNATValueError, match="not in"):
        list(dicom.dicom_files(world.resources["PROTOCOL"]))
