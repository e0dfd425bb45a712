"""``xnat://``: fsspec's own tests of file systems, and what is particular to an archive."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

fsspec = pytest.importorskip("fsspec")

from fsspec.tests.abstract import (  # noqa: E402
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from xnat import pickling  # noqa: E402
from xnat.exceptions import XNATConnectionError  # noqa: E402
from xnat.filesystem import XNATFileSystem  # noqa: E402
from xnat.remotefile import Content, RemoteFile  # noqa: E402
from xnat.sandbox import Sandbox, faults  # noqa: E402

from .conftest import connect  # noqa: E402

SCAN = "projects/P/subjects/S1/experiments/E1/scans/1"


@pytest.fixture
def fs(session: Any) -> XNATFileSystem:
    return XNATFileSystem.of(session)


@pytest.fixture
def login(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The environment logs in; the address of the server as a URL of fsspec."""
    monkeypatch.setenv("XNAT_HOST", server.url)
    monkeypatch.setenv("XNAT_USER", "admin")
    monkeypatch.setenv("XNAT_PASS", "admin")
    yield server.url.replace("http://", "xnat+http://")
    pickling.close_all()


class Fixtures(AbstractFixtures):
    @pytest.fixture(scope="class")
    @classmethod
    def fs(cls) -> Iterator[XNATFileSystem]:
        with Sandbox() as server, connect(server) as session:
            session.classes.ProjectData(parent=session, name="P").create_resource("FILES")
            yield XNATFileSystem.of(session)

    @pytest.fixture
    def fs_path(self) -> str:
        return "projects/P/resources/FILES/files"

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(Fixtures, AbstractCopyTests):
    pass


class TestGet(Fixtures, AbstractGetTests):
    pass


class TestOpen(Fixtures, AbstractOpenTests):
    pass


class TestPipe(Fixtures, AbstractPipeTests):
    pass


class TestPut(Fixtures, AbstractPutTests):
    pass


# -- looking ---------------------------------------------------------------------------------------------------------


def test_the_tree(world: Any, fs: XNATFileSystem) -> None:
    assert fs.ls("", detail=False) == ["projects"]
    assert fs.ls("projects", detail=False) == ["projects/P"]
    assert fs.ls("projects/P", detail=False) == ["projects/P/resources", "projects/P/subjects"]
    assert fs.ls("projects/P/subjects/S1/experiments", detail=False) == ["projects/P/subjects/S1/experiments/E1"]
    assert fs.ls(f"{SCAN}/resources", detail=False) == [f"{SCAN}/resources/DICOM"]
    assert [entry["size"] for entry in fs.ls(f"{SCAN}/resources/DICOM/files")] == [13, 13]
    note = "projects/P/subjects/S1/experiments/E1/resources/NOTES/files"
    assert fs.ls(note) == [{"name": f"{note}/sub", "type": "directory", "size": 0}]
    assert fs.cat(f"{note}/sub/note.txt") == b"a note"


def test_find_tells_every_file_once(world: Any, fs: XNATFileSystem) -> None:
    found = fs.find("")
    assert len(found) == 8
    assert "projects/P/subjects/S1/experiments/E1/assessors/QC1/resources/QC/files/qc.txt" in found
    assert "projects/P/resources/PROTOCOL/files/protocol.txt" in found
    assert fs.find("projects/P/subjects/S1/experiments/E1/scans") == [name for name in found if "/scans/" in name]
    by_walking = sorted(f"{root}/{name}" for root, _, names in fs.walk("") for name in names)
    assert by_walking == found


def test_names_that_are_not_there(world: Any, fs: XNATFileSystem) -> None:
    for path in (
        "projects/NONE", "projects/P/subjects/none", "projects/P/nonsense", "nonsense", f"{SCAN}/resources/NONE",
        f"{SCAN}/resources/NONE/files/x", f"{SCAN}/resources/DICOM/files/none.dcm", "projects/P/subjects/x/experiments",
    ):  # fmt: skip
        assert not fs.exists(path), path
        with pytest.raises(FileNotFoundError):
            fs.info(path)
        with pytest.raises(FileNotFoundError):
            fs.ls(path)


def test_by_id(world: Any, fs: XNATFileSystem, session: Any) -> None:
    subject = session.projects["P"].subjects["S1"]
    path = f"projects/P/subjects/{subject.id}/experiments/{subject.experiments['E1'].id}/scans/1/resources/DICOM/files"
    assert fs.isfile(f"{path}/1.dcm")
    assert fs.cat(f"{path}/1.dcm") == b"scan 1 file 1"


@pytest.mark.parametrize("name", ["a b.txt", "100%.txt", "a#b.txt", "é/ü.txt", "a&b=c;d.txt", "%41.txt", "+.txt"])
def test_odd_names(world: Any, fs: XNATFileSystem, session: Any, name: str) -> None:
    path = f"projects/P/resources/ODD/files/{name}"
    fs.pipe(path, b"odd")
    assert fs.find("projects/P/resources/ODD") == [path]
    assert fs.cat(path) == b"odd"
    assert fs.info(path)["digest"] == hashlib.md5(b"odd").hexdigest()
    assert [file.path for file in session.projects["P"].resources["ODD"].files.values()] == [name]
    fs.rm(path)
    assert not fs.exists(path)


def test_globs(world: Any, fs: XNATFileSystem) -> None:
    files = [f"projects/P/subjects/S1/experiments/E1/scans/{scan}/resources/DICOM/files/{n}.dcm"
             for scan in (1, 2) for n in (1, 2)]  # fmt: skip
    assert fs.glob("projects/*/subjects/S?/experiments/*/scans/*/resources/DICOM/files/*.dcm") == files
    assert fs.glob("projects/P/subjects/S1/experiments/E1/scans/[2]/resources/*/files/*") == files[2:]
    assert fs.glob("projects/P/**/*.dcm") == files
    assert fs.glob(f"{SCAN}/resources/DICOM/files/1.dcm") == files[:1]
    assert fs.glob("projects/P/subjects/*") == ["projects/P/subjects/S1"]
    assert fs.glob("projects/X*/subjects/*") == []
    assert fs.glob("projects/P/subjects/*/resources/NONE/files/*") == []


def fill(server: Sandbox, session: Any, sessions: int, scans: int, files: int) -> None:
    """Sessions with many small files, put straight into the sandbox's store by zip uploads."""
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(files):
            archive.writestr(f"{number:04}.dcm", b"%d" % number)
    project = session.classes.ProjectData(parent=session, name="MANY")
    subject = session.classes.SubjectData(parent=project, label="S")
    for number in range(sessions):
        experiment = session.classes.MrSessionData(parent=subject, label=f"E{number:02}")
        for scan in range(scans):
            made = session.classes.MrScanData(parent=experiment, id_=str(scan), type="T1")
            made.create_resource("DICOM").upload_data(packed.getvalue(), "all.zip", extract=True)


@pytest.mark.parametrize(("sessions", "scans", "files"), [(2, 8, 3), pytest.param(5, 20, 100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("pattern", ["subjects/*/experiments/*/scans/*/resources/DICOM/files/*.dcm", "**/*.dcm"])
def test_a_glob_costs_at_most_a_request_per_resource(
    server: Sandbox, session: Any, fs: XNATFileSystem, sessions: int, scans: int, files: int, pattern: str
) -> None:
    fill(server, session, sessions, scans, files)
    with server.record() as requests:
        found = fs.glob(f"projects/MANY/{pattern}")
    assert len(found) == sessions * scans * files
    assert len(requests) <= sessions * scans


def test_a_listing_is_asked_for_once(world: Any, fs: XNATFileSystem, server: Sandbox) -> None:
    path = f"{SCAN}/resources/DICOM/files/1.dcm"
    fs.info(path)
    with server.record() as requests:
        fs.info(path)
        fs.ls(f"{SCAN}/resources/DICOM/files")
        assert fs.size(path) == 13
    assert requests == []
    fs.invalidate_cache()
    with server.record() as requests:
        fs.info(path)
    assert len(requests) == 1


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def big(world: Any, fs: XNATFileSystem) -> tuple[str, bytes]:
    data = os.urandom(3_000_000)
    fs.pipe("projects/P/resources/BIG/files/big.bin", data)
    return "projects/P/resources/BIG/files/big.bin", data


def test_reading_here_and_there_fetches_nothing_twice(fs: XNATFileSystem, server: Sandbox, big: Any) -> None:
    path, data = big
    fs.info(path)
    with server.record() as requests, fs.open(path, block_size=100_000) as file:
        file.seek(1_000_000)
        assert file.read(10) == data[1_000_000:1_000_010]
        file.seek(5)
        assert file.read(100) == data[5:105]
        file.seek(-20, 2)
        assert file.read() == data[-20:]
        file.seek(0)
        assert file.read() == data
    assert len(requests) == 1


def test_a_stream_that_breaks_goes_on(fs: XNATFileSystem, server: Sandbox, big: Any) -> None:
    path, data = big
    server.faults.add(faults.cut(700_000), path="big.bin", method="GET", times=2)
    with fs.open(path, block_size=200_000) as file:
        assert file.read() == data


def test_ranges_are_used_where_there_are_any(world: Any) -> None:
    data = os.urandom(4_000_000)
    with Sandbox(ranges=True) as server, connect(server) as session:
        session.classes.ProjectData(parent=session, name="P").create_resource("R").upload_data(data, "x.bin")
        content = Content(session.client, "/data/projects/P/resources/R/files/x.bin")
        assert content.read(3_500_000, 100) == data[3_500_000:3_500_100]
        assert content.read(0, 10) == data[:10]
        assert content.size == len(data)
        assert content.fetched < 1_000_000
        content.close()


def test_an_empty_file_and_a_missing_one(world: Any, fs: XNATFileSystem, session: Any) -> None:
    fs.touch("projects/P/resources/R/files/empty")
    assert fs.cat("projects/P/resources/R/files/empty") == b""
    with fs.open("projects/P/resources/R/files/empty") as file:
        assert file.read() == b""
    with RemoteFile(session.client, "/data/projects/P/resources/R/files/empty") as raw:
        assert raw.read() == b""
    with pytest.raises(FileNotFoundError):
        fs.open("projects/P/resources/R/files/none")


def test_a_damaged_file_is_an_error(world: Any, fs: XNATFileSystem, server: Sandbox, tmp_path: Path) -> None:
    server.faults.add(faults.corrupt(3), path="1.dcm$", method="GET", times=None)
    with pytest.raises(OSError, match="1.dcm"):
        fs.cat(f"{SCAN}/resources/DICOM/files/1.dcm")
    with pytest.raises(OSError, match="1.dcm"):
        fs.get(f"{SCAN}/resources/DICOM/files/1.dcm", str(tmp_path / "1.dcm"))
    assert not (tmp_path / "1.dcm").exists()


# -- writing ---------------------------------------------------------------------------------------------------------


def test_resources_are_made_and_removed(world: Any, fs: XNATFileSystem, session: Any) -> None:
    fs.mkdir(f"{SCAN}/resources/NEW")
    with pytest.raises(FileExistsError):
        fs.mkdir(f"{SCAN}/resources/NEW")
    assert "NEW" in session.projects["P"].experiments["E1"].scans["1"].resources
    fs.put(__file__, f"{SCAN}/resources/NEW/files/deep/down/test.py")
    assert fs.find(f"{SCAN}/resources/NEW") == [f"{SCAN}/resources/NEW/files/deep/down/test.py"]
    assert fs.isdir(f"{SCAN}/resources/NEW/files/deep")
    with pytest.raises(IsADirectoryError):
        fs.rm(f"{SCAN}/resources/NEW")
    fs.rm(f"{SCAN}/resources/NEW", recursive=True)
    assert not fs.exists(f"{SCAN}/resources/NEW")


def test_nothing_larger_is_touched(world: Any, fs: XNATFileSystem) -> None:
    for path in ("projects/P", "projects/P/subjects/S1", "projects/P/subjects/S1/experiments/E1", SCAN,
                 f"{SCAN}/resources"):  # fmt: skip
        with pytest.raises(PermissionError):
            fs.rm(path, recursive=True)
    with pytest.raises(PermissionError):
        fs.mkdir("projects/Q")
    with pytest.raises(PermissionError):
        fs.pipe(f"{SCAN}/resources/DICOM", b"")
    assert len(fs.find("")) == 8


def test_a_file_goes_alone_or_not_at_all(world: Any, fs: XNATFileSystem) -> None:
    """The server takes the path of a DELETE for the beginning of paths."""
    files = "projects/P/resources/R/files"
    fs.pipe({f"{files}/a": b"1", f"{files}/ab.txt": b"2", f"{files}/d/x": b"3", f"{files}/d/xy": b"4"})
    with pytest.raises(OSError, match="ab.txt"):
        fs.rm(f"{files}/a")
    assert len(fs.find(files)) == 4
    fs.rm(f"{files}/d", recursive=True)
    assert fs.find(files) == [f"{files}/a", f"{files}/ab.txt"]
    fs.rm([f"{files}/ab.txt", f"{files}/a"])
    assert fs.find(files) == []


def test_append_is_refused(world: Any, fs: XNATFileSystem) -> None:
    with pytest.raises(ValueError, match="whole"):
        fs.open(f"{SCAN}/resources/DICOM/files/1.dcm", "ab")


def test_a_transaction_writes_at_its_end(world: Any, fs: XNATFileSystem) -> None:
    path = "projects/P/resources/R/files/t.txt"

    def fail() -> None:
        with fs.transaction, fs.open(path, "wb") as file:
            file.write(b"never")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not fs.exists(path)
    with fs.transaction:
        with fs.open(path, "wb") as file:
            file.write(b"now")
        assert not fs.exists(path)
    assert fs.cat(path) == b"now"


# -- by URL ----------------------------------------------------------------------------------------------------------


def test_fsspec_open(world: Any, login: str) -> None:
    with fsspec.open(f"{login}/projects/P/resources/PROTOCOL/files/protocol.txt", "rt") as file:
        assert file.read() == "steps"
    with fsspec.open(f"{login}/projects/P/resources/PROTOCOL/files/new.txt", "wt") as file:
        file.write("more")
    (opened,) = fsspec.open_files(f"{login}/projects/P/resources/PROTOCOL/files/n*.txt")
    with opened as file:
        assert file.read() == b"more"


def test_pandas_read_csv(world: Any, login: str) -> None:
    pandas = pytest.importorskip("pandas")
    url = f"{login}/projects/P/resources/TABLES/files/volumes.csv"
    frame = pandas.DataFrame({"label": ["a", "b"], "volume": [1.5, 2.5]})
    frame.to_csv(url, index=False)
    assert pandas.read_csv(url).equals(frame)


def test_dask_bag_read_text(world: Any, login: str) -> None:
    bag = pytest.importorskip("dask.bag")
    read = bag.read_text(f"{login}/projects/P/subjects/S1/experiments/E1/scans/*/resources/DICOM/files/*.dcm")
    assert read.compute(scheduler="threads") == [f"scan {scan} file {n}" for scan in (1, 2) for n in (1, 2)]
    assert read.count().compute(scheduler="processes", num_workers=2) == 4


def test_block_cache_of_fsspec(world: Any, login: str, tmp_path: Path) -> None:
    url = f"filecache::{login}/projects/P/resources/PROTOCOL/files/protocol.txt"
    with fsspec.open(url, "rb", filecache={"cache_storage": str(tmp_path)}) as file:
        assert file.read() == b"steps"


def test_urls_and_servers() -> None:
    told = XNATFileSystem._get_kwargs_from_urls
    assert told("xnat://h.org:8443/ctx/projects/P") == {"server": "https://h.org:8443/ctx"}
    assert told("xnat+http://h.org/projects/P") == {"server": "http://h.org"}
    assert told("projects/P") == {}
    assert XNATFileSystem._strip_protocol("xnat://h.org/ctx/projects/P/") == "projects/P"
    assert XNATFileSystem._strip_protocol("xnat://h.org") == ""
    with pytest.raises(ValueError, match="storage options"):
        told("xnat://me:word@h.org/projects/P")
    assert fsspec.get_filesystem_class("xnat+https") is XNATFileSystem


def test_a_pickled_file_system_holds_no_secret(world: Any, server: Sandbox, login: str) -> None:
    server.add_user("rita", "s3cret-fs", admin=True)
    fs = fsspec.filesystem("xnat", server=server.url, user="rita", password="s3cret-fs")
    assert fs.session.logged_in_user == "rita"
    data = pickle.dumps(fs)
    assert b"s3cret-fs" not in data
    assert b"s3cret-fs" not in fs.to_json().encode()
    assert fs.session.jsession.encode() not in data
    assert pickle.loads(data).ls("projects", detail=False) == ["projects/P"]
    assert fs.unstrip_protocol("projects/P") == f"{login}/projects/P"


# -- what is asked for less often -------------------------------------------------------------------------------------

NOTES = "projects/P/subjects/S1/experiments/E1/resources/NOTES"


@pytest.mark.parametrize("path", [f"{NOTES}/files", f"{NOTES}/files/sub", NOTES, "projects/P", ""])
def test_directories_are_not_opened(world: Any, fs: XNATFileSystem, path: str) -> None:
    with pytest.raises(IsADirectoryError):
        fs.open(path)


def test_the_content_of_a_directory_is_an_error(world: Any, fs: XNATFileSystem) -> None:
    with pytest.raises(IsADirectoryError, match="is a directory"):
        fs.cat_file(f"{NOTES}/files/sub")


def test_a_part_of_a_file(world: Any, fs: XNATFileSystem) -> None:
    assert fs.cat_file(f"{NOTES}/files/sub/note.txt", start=2, end=4) == b"no"
    assert fs.cat_file(f"{NOTES}/files/sub/note.txt", start=-4) == b"note"


def test_files_are_made_once_on_demand(world: Any, fs: XNATFileSystem, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("other")
    path = f"{NOTES}/files/sub/note.txt"
    with pytest.raises(FileExistsError):
        fs.open(path, "xb")
    with pytest.raises(FileExistsError):
        fs.put_file(str(tmp_path / "other.txt"), path, mode="create")
    with pytest.raises(FileExistsError):
        fs.pipe_file(path, b"other", mode="create")
    assert fs.cat(path) == b"a note"
    with fs.open(f"{NOTES}/files/new.txt", "xb") as file:
        file.write(b"new")
    fs.put_file(str(tmp_path / "other.txt"), f"{NOTES}/files/other.txt", mode="create")
    assert fs.cat([f"{NOTES}/files/new.txt", f"{NOTES}/files/other.txt"]) == {
        f"{NOTES}/files/new.txt": b"new",
        f"{NOTES}/files/other.txt": b"other",
    }


def test_empty_resources_can_be_removed_and_others_not(world: Any, fs: XNATFileSystem) -> None:
    fs.makedirs("projects/P/resources/NEW")
    fs.makedirs("projects/P/resources/NEW", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs("projects/P/resources/NEW")
    with pytest.raises(OSError, match="isn't empty"):
        fs.rmdir(NOTES)
    fs.rmdir("projects/P/resources/NEW/files/a folder that only files make")
    assert fs.exists("projects/P/resources/NEW")
    fs.rmdir("projects/P/resources/NEW")
    assert not fs.exists("projects/P/resources/NEW")
    assert fs.exists(NOTES)


def test_into_an_open_file(world: Any, fs: XNATFileSystem, tmp_path: Path) -> None:
    with open(tmp_path / "note.txt", "wb") as file:
        fs.get_file(f"{NOTES}/files/sub/note.txt", file)
    with open(tmp_path / "again.txt", "wb") as file:
        fs.get_file(f"{NOTES}/files/sub/note.txt", "not used", outfile=file)
    assert (tmp_path / "note.txt").read_bytes() == (tmp_path / "again.txt").read_bytes() == b"a note"


def test_a_write_leaves_other_listings_as_they_are(
    session: Any, world: Any, fs: XNATFileSystem, server: Sandbox
) -> None:
    session.classes.ProjectData(parent=session, name="Q").create_resource("R")
    assert fs.ls("projects/Q/resources", detail=False) == ["projects/Q/resources/R"]
    fs.pipe_file("projects/P/resources/R/files/x", b"x")
    with server.record() as requests:
        assert fs.ls("projects/Q/resources", detail=False) == ["projects/Q/resources/R"]
    assert len(requests) == 0
    fs.invalidate_cache()
    with server.record() as requests:
        fs.ls("projects/Q/resources")
    assert len(requests) == 1


def test_the_top_is_a_directory(world: Any, fs: XNATFileSystem) -> None:
    assert fs.info("")["type"] == "directory"
    assert fs.isdir("/")


@pytest.mark.parametrize("path", ["projects//subjects", "nothing", "projects/P/scans", "projects/P/subjects/S1/files"])
def test_paths_that_the_archive_does_not_have(world: Any, fs: XNATFileSystem, path: str) -> None:
    with pytest.raises(FileNotFoundError, match="there is no"):
        fs.ls(path)
    assert not fs.exists(path)


def test_globs_for_directories(world: Any, fs: XNATFileSystem) -> None:
    assert fs.glob("projects/P/resources/*/files/*/") == []
    assert fs.glob(f"{NOTES}/files/*/") == [f"{NOTES}/files/sub"]
    assert fs.glob(f"{NOTES}/files/*", maxdepth=1) == [f"{NOTES}/files/sub"]


def test_all_files_of_a_thing_s_resources(world: Any, fs: XNATFileSystem) -> None:
    expected = ["projects/P/resources/PROTOCOL/files/protocol.txt"]
    assert fs.find("projects/P/resources") == fs.find("projects/P/resources/PROTOCOL") == expected


def test_names_that_cannot_stand_in_a_path_are_left_out(world: Any, fs: XNATFileSystem, server: Sandbox) -> None:
    def renamed(data: bytes) -> bytes:
        return data.replace(b'"S1"', b'"S/1"')

    server.faults.add(faults.body(renamed), path="/subjects$", method="GET")
    assert fs.ls("projects/P/subjects") == []
    fs.invalidate_cache()
    assert fs.ls("projects/P/subjects", detail=False) == ["projects/P/subjects/S1"]


def test_lists_of_urls_are_lists_of_paths() -> None:
    urls = ["xnat://example.org/projects/A", "xnat+http://example.org/projects/B/"]
    assert XNATFileSystem._strip_protocol(urls) == ["projects/A", "projects/B"]


# -- streams ----------------------------------------------------------------------------------------------------------

NOTE = "/data/projects/P/experiments/E1/resources/NOTES/files/sub/note.txt"


def without_length(server: Sandbox, change: Callable[[bytes], bytes] = bytes) -> None:
    def chunked(request: Any, response: Any) -> Any:
        data = change(b"".join(response.iter_encoded()))
        response.response = iter([data])
        response.headers.pop("Content-Length", None)
        return response

    server.faults.add(faults.Action(after=chunked), path="note.txt$", method="GET", times=None)


def test_the_size_where_nobody_tells_it(world: Any, session: Any, server: Sandbox) -> None:
    without_length(server)
    with RemoteFile(session.client, NOTE) as file:
        assert file.seek(-2, os.SEEK_END) == 4
        assert file.read() == b"te"
    with RemoteFile(session.client, NOTE) as file:
        assert file.read(100) == b"a note"
        assert file.read(100) == b""


def test_positions_before_the_beginning(world: Any, session: Any) -> None:
    with RemoteFile(session.client, NOTE, 6) as file:
        with pytest.raises(ValueError, match="no position -1"):
            file.seek(-7, os.SEEK_END)
        assert file.tell() == 0
    file.close()  # again: nothing to do
    assert file.closed


def test_a_file_of_another_size_than_listed(world: Any, session: Any, server: Sandbox) -> None:
    with (
        RemoteFile(session.client, NOTE, 7) as file,
        pytest.raises(OSError, match="has 6 bytes, but was listed with 7"),
    ):
        file.read(7)
    without_length(server, lambda data: data[:4])
    with RemoteFile(session.client, NOTE, 6) as file, pytest.raises(OSError, match="ends after 4 bytes"):
        file.read(6)


def test_a_stream_that_breaks_each_time_is_given_up(world: Any, session: Any, server: Sandbox) -> None:
    session.client.retry.sleep = lambda seconds: None
    rule = server.faults.add(faults.cut(2), path="note.txt$", method="GET", times=None)
    with RemoteFile(session.client, NOTE, 6) as file, pytest.raises(XNATConnectionError):
        file.read(6)
    assert 1 < rule.hits < 50


@pytest.mark.parametrize("written", [b"half", b"more than a block " * 1000])
def test_a_file_that_a_broken_transaction_left_open_is_not_written(
    world: Any, fs: XNATFileSystem, written: bytes
) -> None:
    path = f"{NOTES}/files/unfinished.txt"
    left: list[Any] = []

    def fail() -> None:
        with fs.transaction:
            left.append(fs.open(path, "wb", block_size=1000))
            left[0].write(written)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    left[0].close()
    assert not fs.exists(path)
