"""Downloads: everything comes, byte for byte, in the documented layout, or an error says what did not."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from xnat.exceptions import XNATConnectionError, XNATDownloadError, XNATValueError
from xnat.sandbox import Sandbox, faults


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".xnat-")
    }


SESSION = {
    "scans/1-T1/resources/DICOM/files/1.dcm": b"scan 1 file 1",
    "scans/1-T1/resources/DICOM/files/2.dcm": b"scan 1 file 2",
    "scans/2-T2_weighted/resources/DICOM/files/1.dcm": b"scan 2 file 1",
    "scans/2-T2_weighted/resources/DICOM/files/2.dcm": b"scan 2 file 2",
    "resources/NOTES/files/sub/note.txt": b"a note",
    "assessors/QC1/resources/QC/files/qc.txt": b"fine",
}


def test_project_brings_everything_below_it(world: Any, tmp_path: Path) -> None:
    report = world.download_dir(tmp_path, verbose=False)
    assert contents(tmp_path) == {
        "P/resources/PROTOCOL/files/protocol.txt": b"steps",
        "P/S1/resources/CONSENT/files/form.txt": b"signed",
        **{f"P/S1/E1/{name}": data for name, data in SESSION.items()},
    }
    assert len(report.verified) == 8


def test_subject_in_a_folder_that_does_not_exist_yet(world: Any, tmp_path: Path) -> None:
    world.subjects["S1"].download_dir(tmp_path / "Downloads" / "test001", verbose=False)
    found = contents(tmp_path / "Downloads" / "test001")
    assert found == {
        "S1/resources/CONSENT/files/form.txt": b"signed",
        **{f"S1/E1/{name}": data for name, data in SESSION.items()},
    }


def test_experiment_and_scan_and_resource_and_assessor(world: Any, tmp_path: Path) -> None:
    experiment = world.experiments["E1"]
    experiment.download_dir(tmp_path / "e", verbose=False)
    assert contents(tmp_path / "e") == {f"E1/{name}": data for name, data in SESSION.items()}
    experiment.scans["1"].download_dir(tmp_path / "s", verbose=False)
    assert set(contents(tmp_path / "s")) == {f"E1/{name}" for name in SESSION if name.startswith("scans/1-")}
    experiment.resources["NOTES"].download_dir(tmp_path / "r", verbose=False)
    assert set(contents(tmp_path / "r")) == {"E1/resources/NOTES/files/sub/note.txt"}
    experiment.assessors["QC1"].download_dir(tmp_path / "a", verbose=False)
    assert set(contents(tmp_path / "a")) == {"E1/assessors/QC1/resources/QC/files/qc.txt"}
    world.resources["PROTOCOL"].download_dir(tmp_path / "p", verbose=False)
    assert set(contents(tmp_path / "p")) == {"P/resources/PROTOCOL/files/protocol.txt"}


@pytest.mark.parametrize("method", ["download", "download_zip"])
def test_zip_of_session_scan_and_resource(world: Any, tmp_path: Path, method: str) -> None:
    experiment = world.experiments["E1"]
    wanted = {
        experiment: {f"E1/{name}" for name in SESSION if name.startswith("scans/")},
        experiment.scans["1"]: {f"E1/{name}" for name in SESSION if name.startswith("scans/1-")},
        experiment.resources["NOTES"]: {"E1/resources/NOTES/files/sub/note.txt"},
        experiment.assessors["QC1"].resources["QC"]: None,
    }
    for index, (obj, names) in enumerate(wanted.items()):
        path = getattr(obj, method)(tmp_path / f"{index}.zip", verbose=False)
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert names is None or set(archive.namelist()) == names


def test_words_on_stdout_as_documented(world: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = world.experiments["E1"]
    url = f"{world.xnat_session.server}/data/experiments/{experiment.id}"
    experiment.scans["1"].download(str(tmp_path / "T1.zip"))
    assert capsys.readouterr().out == f"Downloading {url}/scans/1/files?format=zip:\nSaved as {tmp_path}/T1.zip...\n"
    world.subjects["S1"].download_dir(str(tmp_path))
    out = capsys.readouterr().out
    assert f"Downloading {url}/scans/ALL/files?format=zip:\n" in out
    assert out.endswith(f"Downloaded image session to {tmp_path}/S1\nDownloaded subject to {tmp_path}/S1\n")


def test_file_to_path_and_stream(world: Any, tmp_path: Path) -> None:
    file = world.experiments["E1"].scans["1"].files["1.dcm"]
    assert (file.name, file.path, file.size) == ("1.dcm", "1.dcm", 13)
    assert file.download(tmp_path / "x.dcm", verbose=False) == tmp_path / "x.dcm"
    assert (tmp_path / "x.dcm").read_bytes() == b"scan 1 file 1"
    with open(tmp_path / "y.dcm", "wb") as stream:
        assert file.download_stream(stream) == 13
    with file.open() as content:
        assert content.read() == b"scan 1 file 1"


def test_progress_function_is_called_per_chunk_and_at_the_end(world: Any, tmp_path: Path) -> None:
    calls: list[tuple[int, int | None, bool]] = []
    session = world.xnat_session
    uri = world.experiments["E1"].resources["NOTES"].files["sub/note.txt"].uri
    with open(tmp_path / "x", "wb") as stream:
        session.download_stream(uri, stream, chunk_size=4, update_func=lambda *call: calls.append(call))
    assert calls[-1] == (6, 6, True)
    assert (4, 6, False) in calls


def test_cut_download_leaves_nothing_and_keeps_what_was_there(world: Any, server: Any, tmp_path: Path) -> None:
    file = world.experiments["E1"].scans["1"].files["1.dcm"]
    target = tmp_path / "x.dcm"
    target.write_bytes(b"old")
    server.faults.add(path=r".*/files/1\.dcm", times=1000, action=faults.cut(5))
    with pytest.raises((XNATDownloadError, XNATConnectionError), match=r"1\.dcm"):
        file.download(target, verbose=False)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.dcm"]


def test_unwritable_target_is_said_before_anything_is_asked(world: Any, server: Any, tmp_path: Path) -> None:
    file = world.experiments["E1"].scans["1"].files["1.dcm"]
    (tmp_path / "file").write_bytes(b"")
    with server.record() as requests, pytest.raises(XNATDownloadError, match="file"):
        file.download(tmp_path / "file" / "x.dcm", verbose=False)
    assert [entry for entry in requests if entry.path.endswith("1.dcm")] == []


def test_names_from_the_server_stay_inside_the_target(world: Any, session: Any, tmp_path: Path) -> None:
    subject = session.classes.SubjectData(parent=world, label="S2")
    experiment = session.classes.MrSessionData(parent=subject, label="..")
    scan = session.classes.MrScanData(parent=experiment, id_="3", type="../../x")
    scan.create_resource("DICOM").upload_data(b"inside", "a b#c?d%.dcm")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    world.download_dir(tmp_path / "deep" / "er", verbose=False)
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(
        (tmp_path / "deep" / "er" / "P") in path.parents or path.name.startswith(".xnat-") for path in everything
    )
    assert b"inside" in [path.read_bytes() for path in everything]


def test_sync_fetches_changes_only_and_deletes_what_vanished(world: Any, server: Any, tmp_path: Path) -> None:
    world.sync(tmp_path)
    notes = world.experiments["E1"].resources["NOTES"]
    notes.upload_data(b"another note", "sub/note.txt", overwrite=True)
    world.resources["PROTOCOL"].files["protocol.txt"].delete()
    plan = world.sync(tmp_path, delete=True, dry_run=True)
    assert [item.path.as_posix() for item in plan.overwrite] == ["P/S1/E1/resources/NOTES/files/sub/note.txt"]
    assert [item.path.as_posix() for item in plan.delete] == ["P/resources/PROTOCOL/files/protocol.txt"]
    world.sync(tmp_path, delete=True)
    found = contents(tmp_path)
    assert found["P/S1/E1/resources/NOTES/files/sub/note.txt"] == b"another note"
    assert "P/resources/PROTOCOL/files/protocol.txt" not in found


def test_deleting_a_file_never_takes_others_along(world: Any, second: Any) -> None:
    resource = world.resources["PROTOCOL"]
    for name in ("a", "ab.txt", "b.txt"):
        resource.upload_data(b"x", name)
    with pytest.raises(XNATValueError, match=r"ab\.txt"):
        resource.files["a"].delete()
    resource.files["b.txt"].delete()
    left = second.projects["P"].resources["PROTOCOL"].files
    assert sorted(left) == ["a", "ab.txt", "protocol.txt"]
    resource.files["ab.txt"].delete()
    resource.files["a"].delete()
    assert sorted(left) == ["protocol.txt"]


def test_reconstructions_come_with_their_session(session: Any, world: Any, tmp_path: Path) -> None:
    experiment = world.experiments["E1"]
    made = session.classes.ReconstructedImageData(parent=experiment, id_="R1", type="mean")
    made.create_resource("NIFTI").upload_data(b"mean of both", "sub/mean.nii")
    session.clearcache()
    report = session.projects["P"].experiments["E1"].download_dir(tmp_path, verbose=False)
    assert report.ok
    (found,) = tmp_path.rglob("mean.nii")
    assert found.read_bytes() == b"mean of both"
    assert found.relative_to(tmp_path).as_posix().startswith("E1/reconstructions/R1/")


def test_scans_that_are_gone_when_their_files_are_asked_for(
    session: Any, world: Any, server: Sandbox, tmp_path: Path
) -> None:
    nothing = json.dumps({"ResultSet": {"Result": []}}).encode()
    server.faults.add(faults.body(lambda data: nothing), path="/scans$", times=None)
    session.clearcache()
    report = session.projects["P"].experiments["E1"].download_dir(tmp_path, verbose=False)
    assert report.ok
    assert list(tmp_path.rglob("*.dcm")) == []
    assert (tmp_path / "E1" / "resources" / "NOTES" / "files" / "sub" / "note.txt").read_bytes() == b"a note"


def test_a_file_into_a_stream_with_a_bar_where_nobody_looks(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    buffer = io.BytesIO()
    world.resources["PROTOCOL"].files["protocol.txt"].download_stream(buffer, verbose=True)
    assert buffer.getvalue() == b"steps"
    assert capsys.readouterr().out == ""
