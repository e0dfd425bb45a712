"""Contract I1-I8 and I18-I21: the import service, user caches, DICOM dumps."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.contract_tools import CT, DICOM, MR, SERIES_700, Api, packed, series_700, tarred
from xnat.sandbox import Sandbox, demo


@pytest.fixture
def api(sandbox: Any) -> Iterator[Api]:
    with Api.of(sandbox) as api:
        yield api


@pytest.fixture
def project(api: Api) -> str:
    return api.new_project()


@pytest.mark.parametrize("as_form", [True, False], ids=["multipart", "raw"])
def test_i1_import_into_a_project_takes_labels_from_the_headers(api: Api, project: str, as_form: bool) -> None:
    name = "upload.zip" if as_form else ""
    response = api.upload(packed(MR), name=name, dest=f"/archive/projects/{project}")
    assert response.status_code == 200
    assert response.text == f"/data/archive/projects/{project}/subjects/CompressedSamples_MR1/experiments/4MR1\r\n"
    assert response.headers["Content-Type"].startswith("text/uri-list")
    assert api.get(response.text.strip(), format="json").status_code == 200


def test_i1_import_raw_with_inbody(api: Api, project: str) -> None:
    assert api.uploaded(packed(MR), dest=f"/archive/projects/{project}", inbody="true")


def test_i1_import_honours_subject_and_experiment_of_dest(api: Api, project: str) -> None:
    uri = api.uploaded(packed(MR), dest=f"/archive/projects/{project}/subjects/SUBJ1/experiments/LBL")
    assert uri == f"/data/archive/projects/{project}/subjects/SUBJ1/experiments/LBL"
    item = api.get(uri, format="json").json()["items"][0]
    assert item["meta"]["xsi:type"] == "xnat:mrSessionData"
    assert item["data_fields"]["label"] == "LBL"
    assert item["data_fields"]["date"] == "2004-08-26"
    assert item["data_fields"]["scanner/manufacturer"] == "TOSHIBA_MEC"


def test_i1_import_honours_label_parameters(api: Api, project: str) -> None:
    uri = api.uploaded(packed(MR), dest="/archive", project=project, subject="S2", session="E2")
    assert uri == f"/data/archive/projects/{project}/subjects/S2/experiments/E2"


def test_i1_imported_files_are_unchanged(api: Api, project: str) -> None:
    uri = api.uploaded(packed(MR), dest=f"/archive/projects/{project}")
    (scan,) = api.rows(f"{uri}/scans")
    assert (scan["ID"], scan["xsiType"], scan["quality"]) == ("1", "xnat:mrScanData", "usable")
    (file,) = api.rows(f"{uri}/scans/1/resources/DICOM/files")
    data = (DICOM / MR).read_bytes()
    assert (file["Name"], file["Size"], file["digest"]) == (MR, str(len(data)), hashlib.md5(data).hexdigest())
    assert api.get(file["URI"]).content == data


def test_i1_import_with_project_only_goes_to_the_archive_of_an_automatic_project(api: Api, project: str) -> None:
    assert api.uploaded(packed(MR), project=project, import_handler="SI").startswith("/data/archive/")


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tgz"])
def test_i1_import_reads_tar(api: Api, project: str, name: str) -> None:
    data = tarred(MR, compress=not name.endswith(".tar"))
    assert api.uploaded(data, name=name, dest=f"/archive/projects/{project}").endswith("/4MR1")


def test_i1_import_reads_archives_in_archives(api: Api, project: str) -> None:
    data = packed(extra={"inner/a.zip": packed(MR), "inner/b.tar.gz": tarred(CT, compress=True)})
    response = api.upload(data, dest=f"/archive/projects/{project}")
    assert response.status_code == 200
    assert [line.rsplit("/", 1)[-1] for line in response.text.split("\r\n") if line] == ["4MR1", "1CT1"]


def test_i1_malformed_dest_is_refused(api: Api, project: str) -> None:
    response = api.upload(packed(MR), dest=f"/archive/projects/{project}/nonsense")
    assert response.status_code == 400
    assert "dest format error" in response.text


def test_i1_member_names_cannot_leave_the_archive(api: Api, project: str) -> None:
    data = (DICOM / MR).read_bytes()
    uri = api.uploaded(packed(extra={"../../../evil.dcm": data}), dest=f"/archive/projects/{project}")
    assert [file["Name"] for file in api.rows(f"{uri}/scans/1/files")] == ["evil.dcm"]


def test_i2_import_to_the_prearchive_stays_there(api: Api, project: str) -> None:
    uri = api.uploaded(packed(MR), dest=f"/prearchive/projects/{project}")
    head, stamp, label = uri.rsplit("/", 2)
    assert head == f"/data/prearchive/projects/{project}"
    assert len(stamp) == 18
    assert label == "4MR1"
    assert len(api.rows(f"/data/prearchive/projects/{project}")) == 1


def test_i2_prearchive_takes_the_given_labels(api: Api, project: str) -> None:
    uri = api.uploaded(packed(MR), dest="/prearchive", project=project, subject="S", session="E")
    assert uri.startswith(f"/data/prearchive/projects/{project}/")
    assert uri.endswith("/E")
    (row,) = api.rows(f"/data/prearchive/projects/{project}")
    assert (row["subject"], row["folderName"], row["name"]) == ("S", "E", "E")


def test_i3_dicom_zip_adds_to_the_waiting_session_of_the_same_study(api: Api, project: str) -> None:
    options = {"dest": f"/prearchive/projects/{project}", "import_handler": "DICOM-zip"}
    first = api.uploaded(series_700(), **options)
    second = api.uploaded(packed("dicomdirtests/98892003/MR1/5641"), **options)
    assert first == second
    assert {row["ID"] for row in api.rows(f"{first}/scans")} == {"700", "1"}


def test_i4_gradual_import_without_project_is_unassigned(api: Api) -> None:
    headers = {"Content-Type": "application/dicom"}
    data = (DICOM / CT).read_bytes()
    uri = api.uploaded(data, headers=headers, dest="/prearchive", import_handler="gradual-DICOM")
    assert uri.startswith("/data/prearchive/projects/Unassigned/")
    row = next(row for row in api.rows("/data/prearchive/projects") if row["url"] == uri.removeprefix("/data"))
    assert row["project"] == ""
    assert row["status"] == "RECEIVING"
    assert api.delete(uri).status_code == 200


@pytest.mark.parametrize(("handler", "conflict"), [("SI", 409), ("DICOM-zip", 400)])
def test_i5_existing_session_conflicts_unless_overwritten(api: Api, project: str, handler: str, conflict: int) -> None:
    options = {"dest": f"/archive/projects/{project}/subjects/S/experiments/LBL", "import_handler": handler}
    assert api.upload(packed(MR), **options).status_code == 200
    assert api.upload(packed(MR), **options).status_code == conflict
    assert api.upload(packed(MR), **options, overwrite="append").status_code == conflict
    rows = api.rows(f"/data/prearchive/projects/{project}")
    assert rows
    assert {row["status"] for row in rows} <= {"CONFLICT", "ERROR"}
    assert api.upload(packed(MR), **options, overwrite="append", overwrite_files="true").status_code == 200
    assert api.upload(packed(MR), **options, overwrite="delete").status_code == 200
    assert len(api.rows(f"{options['dest'].replace('/archive', '/data', 1)}/scans")) == 1


def test_i5_another_modality_conflicts_even_when_appending(api: Api, project: str) -> None:
    dest = f"/archive/projects/{project}/subjects/S/experiments/LBL"
    assert api.upload(packed(MR), dest=dest, import_handler="SI").status_code == 200
    assert api.upload(packed(CT), dest=dest, import_handler="SI", overwrite="append").status_code == 409


def test_i6_append_adds_the_other_half_of_a_scan(api: Api, project: str) -> None:
    dest = f"/archive/projects/{project}/subjects/S/experiments/LBL"
    assert api.upload(series_700(SERIES_700[:3]), dest=dest).status_code == 200
    uri = api.uploaded(series_700(SERIES_700[3:]), dest=dest, overwrite="append")
    assert {file["Name"] for file in api.rows(f"{uri}/scans/700/files")} == set(SERIES_700)


def test_i7_unreadable_entry_is_named(api: Api, project: str) -> None:
    data = packed(MR, extra={"z/notes.txt": b"no DICOM"})
    options = {"dest": f"/archive/projects/{project}", "import_handler": "DICOM-zip"}
    response = api.upload(data, **options)
    assert response.status_code == 400
    assert "unable to read DICOM object" in response.text
    assert "notes.txt" in response.text
    assert api.upload(data, **options, Ignore_Unparsable="true").status_code == 200


def test_i7_ignoring_everything_fails(api: Api, project: str) -> None:
    data = packed(extra={"notes.txt": b"no DICOM"})
    options = {"dest": f"/archive/projects/{project}", "import_handler": "DICOM-zip"}
    assert api.upload(data, **options, Ignore_Unparsable="true").status_code == 400


def test_i8_unknown_handler(api: Api) -> None:
    response = api.upload(packed(MR), import_handler="NOPE")
    assert response.status_code == 404
    assert "Unknown importer implementation specified: NOPE" in response.text


def test_i8_no_file(api: Api) -> None:
    response = api.post("/data/services/import", **{"import-handler": "SI"})
    assert response.status_code == 400
    assert "Unable to identify upload format." in response.text


def test_i8_two_files(api: Api) -> None:
    files = {"a": ("a.zip", packed(MR)), "b": ("b.zip", packed(CT))}
    response = api.send("POST", "/data/services/import", {"import-handler": "SI"}, files=files)
    assert response.status_code == 400
    assert "Importer is limited to one uploaded resource at a time." in response.text


def test_i8_octet_stream_has_no_format_for_dicom_zip(api: Api, project: str) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    response = api.upload(packed(MR), headers=headers, import_handler="DICOM-zip", project=project)
    assert response.status_code == 400


def test_a_second_series_with_the_same_number_gets_an_id_of_its_own(api: Api, project: str) -> None:
    modified = (DICOM / MR).read_bytes().replace(b"1.3.6.1.4.1.5962.1.3.4.1.2004", b"1.3.6.1.4.1.5962.1.3.4.9.2004")
    data = packed(MR, extra={"other.dcm": modified})
    uri = api.uploaded(data, dest=f"/archive/projects/{project}")
    assert {row["ID"] for row in api.rows(f"{uri}/scans")} == {"1", "1-MR1"}


def test_i18_import_from_the_user_cache(api: Api, project: str) -> None:
    path = "/user/cache/resources/X/files/a.zip"
    data = packed(MR)
    stored = api.send("PUT", f"/data{path}", {}, files={"file": ("a.zip", data)})
    assert stored.status_code == 200
    listener = f"X{project}"
    dest = f"/archive/projects/{project}/subjects/S/experiments/E"
    response = api.post("/data/services/import", src=path, dest=dest, **{"http-session-listener": listener})
    assert response.status_code == 200
    last = api.get(f"/data/status/{listener}", format="json").json()["msgs"][0][-1]
    assert last["status"] == "COMPLETED"
    assert last["msg"].startswith("Archive:/archive/")
    assert api.get(f"/data{path}").content == data
    assert api.delete(f"/data{path}").status_code == 200
    assert api.delete(f"/data{path}").status_code == 404
    assert api.post("/data/services/import", src=path, dest=dest).status_code == 404


def test_xar_import(api: Api, project: str) -> None:
    document = f"""<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat"
        xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" project="{project}" label="X1">
      <xnat:date>2020-05-06</xnat:date>
      <xnat:subject_ID>S1</xnat:subject_ID>
      <xnat:scans><xnat:scan ID="4" type="T1" xsi:type="xnat:mrScanData"/></xnat:scans>
    </xnat:MRSession>"""
    extra = {"X1/session.xml": document.encode(), "X1/SCANS/4/DICOM/a.dcm": (DICOM / MR).read_bytes()}
    uri = api.uploaded(packed(extra=extra), import_handler="XAR")
    assert uri == f"/data/archive/projects/{project}/subjects/S1/experiments/X1"
    assert api.get(uri, format="json").json()["items"][0]["data_fields"]["date"] == "2020-05-06"
    assert [(scan["ID"], scan["type"]) for scan in api.rows(f"{uri}/scans")] == [("4", "T1")]
    assert [file["Name"] for file in api.rows(f"{uri}/scans/4/files")] == ["a.dcm"]


def test_demo_content_is_imported_byte_for_byte(sandbox: Any) -> None:
    if not hasattr(sandbox, "store"):
        pytest.skip("demo content is for sandboxes")
    with Sandbox(demo=True) as filled, Api.of(filled) as api:
        listed: Counter[tuple[str, str]] = Counter()
        for project in demo.PROJECTS:
            for session in api.rows(f"/data/projects/{project}/experiments"):
                for file in api.rows(f"{session['URI']}/scans/ALL/files"):
                    listed[file["Name"], file["digest"]] += 1
    files = demo.pydicom_files().items()
    expected = Counter((name.rpartition("/")[2], hashlib.md5(data).hexdigest()) for name, data in files)
    assert listed == expected


@pytest.fixture
def session_path(api: Api, project: str) -> str:
    api.uploaded(packed(MR), dest=f"/archive/projects/{project}/subjects/SUBJ1/experiments/SESS1")
    return f"/archive/projects/{project}/experiments/SESS1"


def test_i19_dicom_dump(api: Api, session_path: str) -> None:
    rows = api.rows("/data/services/dicomdump", src=f"{session_path}/scans/1")
    modality = next(row for row in rows if row["tag1"] == "(0008,0060)")
    assert {"tag1", "tag2", "vr", "value", "desc"} == set(modality)
    assert (modality["vr"], modality["value"], modality["desc"]) == ("CS", "MR", "Modality")


def test_i19_dicom_dump_of_a_prearchive_scan(api: Api, project: str) -> None:
    uri = api.uploaded(packed(MR), dest=f"/prearchive/projects/{project}")
    source = f"{uri.removeprefix('/data')}/scans/1"
    rows = api.rows("/data/services/dicomdump", src=source, field="PatientID")
    assert [row["value"] for row in rows] == ["4MR1"]


def test_i20_dicom_dump_of_some_fields(api: Api, session_path: str) -> None:
    options = {"src": f"{session_path}/scans/1"}
    rows = api.rows("/data/services/dicomdump", **options, field=["EchoTime", "00080060"])
    assert {row["tag1"] for row in rows} == {"(0018,0081)", "(0008,0060)"}
    assert api.rows("/data/services/dicomdump", **options, field="TableHeight") == []
    assert api.get("/data/services/dicomdump", **options, field="NoSuchField").status_code == 400


def test_i21_dicom_dump_of_other_paths_is_empty(api: Api, session_path: str) -> None:
    source = session_path.replace("/archive", "/data", 1)
    assert api.rows("/data/services/dicomdump", src=f"{source}/scans/1") == []
    assert api.rows("/data/services/dicomdump", src="/archive/experiments/X/scans/1") == []
    response = api.get("/data/services/dicomdump")
    assert response.status_code == 400
    assert "Please set the src parameter" in response.text
    missing = session_path.replace("SESS1", "NOPE")
    assert api.get("/data/services/dicomdump", src=f"{missing}/scans/1").status_code == 404
