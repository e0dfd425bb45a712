"""Numbered items of what releases of other clients really do (A80-A148: 0.3.16, B1-B45: 0.8.1), beside those that the
tests of each part cover.
"""

from __future__ import annotations

import copy
import datetime
import hashlib
import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

import xnat
from tests.waiting import wait_until
from xnat import constants, exceptions
from xnat.sandbox import Sandbox, faults
from xnat.utils import mixedproperty

from .conftest import connect
from .dicom import packed


@pytest.fixture
def resource(world: Any) -> Any:
    """A resource with one file of five bytes."""
    return world.resources["PROTOCOL"]


# -- 0.3.16: the session -----------------------------------------------------------------------------------------------


def test_a80_setting_keepalive_sends_a_heartbeat(session: Any, server: Sandbox) -> None:
    for interval in (100, True, 99.5):
        with server.record() as asked:
            session.keepalive = interval
            assert session.keepalive is True
            wait_until(lambda asked=asked: list(asked))
        assert [f"{entry.method} {entry.path}" for entry in asked] == ["GET /data/JSESSION"]
    with server.record() as asked:
        for nothing in (0, False):
            session.keepalive = nothing
            assert session.keepalive is False
    assert list(asked) == []
    for wrong in ("yes", None, -1, [5]):
        with pytest.raises(TypeError, match="True, False or a number of seconds"):
            session.keepalive = wrong


def test_a80_keepalive_can_be_set_while_the_server_is_away(
    session: Any, server: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.add(faults.status(404), path="^/data/JSESSION$", times=None)
    session.keepalive = 100
    wait_until(lambda: "Heartbeat failed" in caplog.text)
    assert session.keepalive is True
    server.faults.clear()


def test_a80_connecting_sends_no_heartbeat_of_its_own(server: Sandbox) -> None:
    with server.record() as asked, connect(server, no_parse_model=True) as session:
        assert session.keepalive is True
    assert [entry.method for entry in asked if entry.path == "/data/JSESSION"] == ["DELETE"]


def test_a80_request_timeout_is_that_of_everything_the_session_asks(
    world: Any, session: Any, server: Sandbox, tmp_path: Path
) -> None:
    assert session.request_timeout is None
    file = world.resources["PROTOCOL"].files["protocol.txt"]
    before = session.client.timeout
    session.request_timeout = (5, 0.1)
    session.request_timeout = 0.2
    assert session.request_timeout == 0.2
    server.faults.add(faults.delay(60), path="protocol.txt|/services/refresh", times=None)
    with pytest.raises(exceptions.XNATTimeoutError):
        session.download_stream(file.uri, io.BytesIO())
    with pytest.raises(exceptions.XNATTimeoutError):
        session.services.refresh_catalog(world.resources["PROTOCOL"])
    assert session.get("/data/projects", timeout=30).status_code == 200
    server.faults.clear()
    session.request_timeout = None
    assert session.client.timeout == before


def test_a87_a_type_that_the_caller_misspelled_is_an_error(world: Any, session: Any) -> None:
    with pytest.raises(KeyError, match="Type xnat:projektData unknow to this XNATSession REST client"):
        session.create_object("/data/projects/P", "xnat:projektData")


def test_a87_a_type_of_the_servers_that_no_schema_defines_is_taken_by_its_place(
    world: Any, session: Any, server: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    uri = world.experiments["E1"].uri
    session.clearcache()
    renamed = faults.body(lambda data: data.replace(b"xnat:mrSessionData", b"plugin:newSessionData"))
    server.faults.add(renamed, path="/experiments", times=None)
    found = session.create_object(uri)
    assert isinstance(found, session.classes.ExperimentData)
    assert "plugin:newSessionData" in caplog.text
    # The listing of a whole project tells the type of each scan's session.
    session.clearcache()
    assert isinstance(world.scans[0].image_session, session.classes.ImageSessionData)


def test_a101_repr_of_something_of_which_only_the_address_is_known(world: Any, session: Any) -> None:
    session.clearcache()
    uri = "/data/projects/P/subjects/S2"
    assert repr(session.create_object(uri, "xnat:subjectData", "subjects")) == "<SubjectData S2>"


# -- 0.3.16: classes and modules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key", "identifier", "place", "has_fields"),
    [
        ("ProjectData", "name", "name", "projects", True),
        ("SubjectData", "label", "label", "subjects", True),
        ("MrSessionData", "label", "label", "experiments", True),
        ("QcManualAssessorData", "label", "label", "assessors", True),
        ("MrScanData", "type", "id", "scans", False),
        ("ReconstructedImageData", None, "id", "reconstructions", False),
        ("ResourceCatalog", "label", "label", "resources", False),
    ],
)
def test_a134_constants_of_classes(
    session: Any, name: str, key: str | None, identifier: str, place: str, has_fields: bool
) -> None:
    cls = getattr(session.classes, name)
    assert key == cls.SECONDARY_LOOKUP_FIELD
    assert identifier == cls._DISPLAY_IDENTIFIER
    assert place == cls._CONTAINED_IN
    assert cls._HAS_FIELDS is has_fields
    assert cls._XSI_TYPE == cls.__xsi_type__ == cls.XSI_TYPE
    assert session.XNAT_CLASS_LOOKUP[cls._XSI_TYPE] is cls


def test_a147_constants_are_those_that_the_package_uses(session: Any, server: Sandbox) -> None:
    assert xnat.constants is constants
    assert "constants" in dir(xnat)
    assert session.interface.cookies[constants.SESSION_COOKIE] == session.jsession
    assert constants.EXPIRATION_COOKIE in session.interface.cookies
    assert session.uri == session.fulluri == constants.ARCHIVE_URI
    assert session.client.timeout == (constants.CONNECT_TIMEOUT, constants.READ_TIMEOUT)
    assert constants.HEARTBEAT_INTERVAL == 840
    assert constants.HEARTBEAT_TIMEOUT < constants.READ_TIMEOUT
    assert constants.CHUNK_SIZE == 524288
    for name in constants.__all__:
        assert name.isupper()
        assert isinstance(getattr(constants, name), (str, int, float))


def test_a147_mixedproperty_answers_on_class_and_object() -> None:
    class Scan:
        def __init__(self) -> None:
            self.number = 1

        @mixedproperty
        def place(cls: Any, self: Any) -> str:
            """Where it is."""
            return cls.__name__ if self is None else f"{cls.__name__} {self.number}"

        @mixedproperty
        def size(cls: Any, self: Any) -> Any:
            return None if self is None else self.number

        @size.setter
        def size(self: Any, value: int) -> None:
            self.number = value

        @size.deleter
        def size(self: Any) -> None:
            self.number = 0

    class MrScan(Scan):
        pass

    scan: Any = MrScan()
    assert (Scan.place, MrScan.place, scan.place) == ("Scan", "MrScan", "MrScan 1")
    assert vars(Scan)["place"].__doc__ == "Where it is."
    with pytest.raises(AttributeError, match="'place' of MrScan can't be set"):
        scan.place = "x"
    with pytest.raises(AttributeError, match="'place' of MrScan can't be deleted"):
        del scan.place
    scan.size = 5
    assert (scan.size, Scan.size) == (5, None)
    del scan.size
    assert scan.size == 0


# -- 0.8.1: the session ------------------------------------------------------------------------------------------------


def test_b12_clearcache_forgets_what_it_is_told_to(world: Any, session: Any, second: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]

    def asked(**wipe: bool) -> list[str]:
        _ = len(world.subjects), len(world.experiments), experiment.data, session.scan_types
        session.clearcache(**wipe)
        with server.record() as entries:
            _ = len(world.subjects), len(world.experiments), experiment.data, session.scan_types
        return [entry.path.rpartition("/")[2] for entry in entries]

    assert asked() == ["subjects", "experiments", experiment.id, "scan_types"]
    assert asked(wipe_general_object_cache=True, wipe_listings=True) == asked()
    assert asked(wipe_general_object_cache=False) == ["subjects", "experiments", "scan_types"]
    assert asked(wipe_general_object_cache=False, wipe_listings=False) == ["scan_types"]
    assert asked(wipe_listings=False) == asked()
    second.classes.SubjectData(parent=second.projects["P"], label="S2")
    assert "S2" not in world.subjects
    session.clearcache(wipe_general_object_cache=False)
    assert "S2" in world.subjects


def test_b12_mapping_iter_gives_what_map_goes_over(world: Any, session: Any, server: Sandbox) -> None:
    assert [scan.id for scan in session.mapping_iter("scan")] == ["1", "2"]
    assert [found.label for found in session.mapping_iter()] == ["E1"]
    assert [scan.id for scan in world.mapping_iter("scan", lambda scan: scan.type == "T1")] == ["1"]
    only = xnat.FilterFunctions(subject=lambda subject: subject.label == "none")
    assert list(world.mapping_iter(xnat.MappingLevel.EXPERIMENT, only)) == []
    with server.record() as asked:
        walk = session.mapping_iter("subject")
    assert list(asked) == []
    assert next(walk).label == "S1"
    with pytest.raises(exceptions.XNATValueError, match='Level "x" is not a valid MappingLevel, available: '):
        session.mapping_iter("x")
    assert list(session.map(len, "project", filter_function=lambda project: False)) == []


def test_b12_download_generator_checks_and_tells_of_progress(resource: Any, session: Any, server: Sandbox) -> None:
    uri = resource.files["protocol.txt"].uri
    calls: list[Any] = []
    parts = session.download_generator(uri, chunk_size=2, timeout=30, update_func=lambda *call: calls.append(call))
    with server.record() as asked:
        assert next(parts) == b"st"
    assert len(list(asked)) == 1
    assert list(parts) == [b"ep", b"s"]
    assert calls == [(2, 5, False), (4, 5, False), (5, 5, False), (5, 5, True)]
    right = hashlib.md5(b"steps", usedforsecurity=False).hexdigest()
    assert b"".join(session.download_generator(uri, expected_md5_digest=right.upper())) == b"steps"
    with pytest.raises(exceptions.XNATDownloadError, match="not 0000"):
        list(session.download_generator(uri, expected_md5_digest="0" * 32))
    calls.clear()
    left = session.download_generator(uri, chunk_size=2, update_func=lambda *call: calls.append(call))
    next(left)
    left.close()
    assert calls[-1] == (2, 5, True)
    with pytest.raises(exceptions.XNATNotFoundError):
        next(session.download_generator(f"{uri}x"))


def test_b14_what_is_known_of_an_object_can_be_given_by_position(world: Any, session: Any, server: Sandbox) -> None:
    row = {"ID": world.subjects["S1"].id, "label": "S1", "project": "P"}
    session.clearcache()
    with server.record() as asked:
        found = session.create_object("/data/projects/P/subjects/S1", "xnat:subjectData", "subjects", row, world)
        assert (found.label, found.parent) == ("S1", world)
    assert list(asked) == []


def test_b15_downloads_hold_content_against_a_digest(resource: Any, session: Any, tmp_path: Path) -> None:
    uri, target = resource.files["protocol.txt"].uri, tmp_path / "x"
    wrong = "0" * 32
    for download in (
        lambda digest: session.download(uri, target, verbose=False, expected_md5_digest=digest),
        lambda digest: session.download_stream(uri, io.BytesIO(), expected_md5_digest=digest),
        lambda digest: list(session.download_generator(uri, expected_md5_digest=digest)),
        lambda digest: session.download_zip(f"{resource.uri}/files", target, False, expected_md5_digest=digest),
    ):
        with pytest.raises(exceptions.XNATDownloadError, match=f"not {wrong} as expected") as caught:
            download(wrong)
        # Scripts for other clients catch it as this.
        assert isinstance(caught.value, exceptions.XNATValueError)
        with pytest.raises(exceptions.XNATValueError, match="has 32 digits"):
            download(hashlib.sha256(b"steps").hexdigest())
    assert not target.exists()
    right = hashlib.md5(b"steps", usedforsecurity=False).hexdigest()
    assert session.download(uri, target, verbose=False, expected_md5_digest=right) == target


def test_b16_uploads_of_the_session_take_the_same_options(resource: Any, session: Any, tmp_path: Path) -> None:
    path = tmp_path / "local.txt"
    path.write_bytes(b"local")
    calls: list[Any] = []
    options: dict[str, Any] = {
        "retries": 2, "query": {"content": "C"}, "content_type": "text/plain", "method": "post", "overwrite": True,
        "timeout": 30, "verbose": False, "upload_size": 5, "update_func": lambda *call: calls.append(call),
    }  # fmt: skip
    uri = f"{resource.uri}/files"
    session.upload_file(f"{uri}/file", path, **options)
    session.upload_string(f"{uri}/string", "local", **options)
    session.upload_stream(f"{uri}/stream", io.BytesIO(b"local"), **options)
    session.upload(f"{uri}/any", b"local", **options)
    session.clearcache()
    assert [session.get(f"{uri}/{name}").content for name in ("file", "string", "stream", "any")] == [b"local"] * 4
    assert {resource.files[name].file_content for name in ("file", "string", "stream", "any")} == {"C"}
    assert calls.count((5, 5, True)) == 4


@pytest.mark.parametrize("name", ["label", "number"])
@pytest.mark.parametrize("place", ["project", "subject", "experiment", "scan", "assessor"])
def test_b17_get_json_of_a_resource(world: Any, session: Any, server: Sandbox, place: str, name: str) -> None:
    experiment = world.experiments["E1"]
    holder = {
        "project": world, "subject": world.subjects["S1"], "experiment": experiment, "scan": experiment.scans["1"],
        "assessor": experiment.assessors["QC1"],
    }[place]  # fmt: skip
    listed = holder.resources[0]
    uri = f"{holder.uri}/resources/{listed.label if name == 'label' else listed.id}"
    with server.record() as asked:
        answer = session.get_json(uri)
    assert [entry.path for entry in asked] == [uri, f"{holder.uri}/resources"]
    (item,) = answer["items"]
    assert item["data_fields"] == listed.data
    assert item["children"] == []
    assert item["meta"] == {"xsi:type": "xnat:resourceCatalog", "isHistory": False}
    assert session.get_json(f"{server.url}{uri.replace('/data/', '/data/archive/')}?format=json") == answer


def test_b17_get_json_of_a_dicom_catalog(resource: Any, session: Any, server: Sandbox) -> None:
    catalog = (
        b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made -->\n<cat:DCMCatalog xmlns:cat="http://nrg.wustl.edu/catalog"/>'
    )
    server.faults.add(faults.body(catalog), path=rf"{re.escape(resource.uri)}$", times=1)
    assert session.get_json(resource.uri)["items"][0]["data_fields"]["label"] == "PROTOCOL"


def test_b17_get_json_of_a_resource_that_no_listing_has(resource: Any, session: Any, server: Sandbox) -> None:
    with pytest.raises(exceptions.XNATNotFoundError):
        session.get_json("/data/projects/P/resources/NOPE")
    emptied = faults.body(b'{"ResultSet": {"Result": []}}')
    server.faults.add(emptied, path="/resources$", times=1)
    with pytest.raises(exceptions.XNATNotFoundError, match="no resource 'PROTOCOL' at .*; there is none"):
        session.get_json("/data/projects/P/resources/PROTOCOL")


def test_b17_other_xml_is_no_catalog(resource: Any, session: Any, server: Sandbox) -> None:
    for body, path in (
        (b"<?xml version='1.0'?><xnat:Project/>", resource.uri),
        (b"<cat:Catalog/>", "/data/projects/P"),
        (b"<Catalogue/>", resource.uri),
    ):
        server.faults.add(faults.body(body), path=f"{path}$", times=1)
        with pytest.raises(exceptions.XNATResponseError, match="Could not decode JSON from"):
            session.get_json(path)


def test_b17_a_label_that_looks_like_a_number_hides_no_resource(resource: Any, session: Any, server: Sandbox) -> None:
    other = {"xnat_abstractresource_id": "999", "label": resource.id}
    session.clearcache()
    listing = session.get_json("/data/projects/P/resources")
    listing["ResultSet"]["Result"].insert(0, other)
    server.faults.add(faults.body(json.dumps(listing).encode()), path="/projects/P/resources$", times=None)
    assert session.get_json(resource.uri)["items"][0]["data_fields"]["label"] == "PROTOCOL"
    assert resource.label == "PROTOCOL"


# -- 0.8.1: objects ----------------------------------------------------------------------------------------------------


def test_b24_every_items_data_tells_when_it_was_made_as_far_as_known(world: Any, resource: Any) -> None:
    for thing in (world, world.subjects["S1"], resource, resource.files["protocol.txt"]):
        assert thing.fulldata["xnatpy"] == {"insert_date": thing.insert_date}
        assert thing.fulldata["meta"]["isHistory"] is thing.is_history is False


def test_b31_upload_takes_a_path_by_its_name(resource: Any, session: Any, tmp_path: Path) -> None:
    path = tmp_path / "local.txt"
    path.write_bytes(b"local")
    resource.upload(path=str(path), remotepath="by/name.txt", file_content="C", file_format="F", file_tags="T")
    resource.upload(path=path)
    assert {"by/name.txt", "local.txt"} <= set(resource.files)
    with pytest.raises(FileNotFoundError):
        resource.upload(path=str(tmp_path / "none"), remotepath="x")
    for wrong in ({}, {"data": b"x", "path": path}):
        with pytest.raises(exceptions.XNATValueError, match="either data or the path="):
            resource.upload(remotepath="x", **wrong)


# -- 0.8.1: errors -----------------------------------------------------------------------------------------------------


def test_b41_an_error_made_of_a_response_tells_its_facts(session: Any, server: Sandbox) -> None:
    response = session.get("/data/projects", query={"label": "Jane"}, format="csv")
    error = exceptions.XNATResponseError("not this", response)
    assert (error.url, error.status_code, error.text) == (f"{server.url}/data/projects", 200, response.text)
    assert exceptions.XNATResponseError("nothing known").status_code is None


def test_b41_names_of_errors_that_scripts_catch() -> None:
    assert issubclass(exceptions.XNATMappingException, BaseException)
    assert not issubclass(exceptions.XNATMappingException, Exception)
    for name in ("NotConnected", "ObjectDestroyed", "ObjectAlreadyExists"):
        assert issubclass(getattr(exceptions, f"XNAT{name}Error"), exceptions.XNATError)
    assert issubclass(exceptions.XNATKeyError, KeyError)
    assert issubclass(exceptions.XNATConnectionError, exceptions.XNATValueError)


# -- classes -----------------------------------------------------------------------------------------------------------


def test_b22_parent_of_a_class_is_the_class_of_what_its_objects_lie_in(world: Any, session: Any) -> None:
    classes = session.classes
    for name, container in {
        "SubjectData": "ProjectData", "MrSessionData": "SubjectData", "MrScanData": "ImageSessionData",
        "QcManualAssessorData": "ImageSessionData", "ReconstructedImageData": "ImageSessionData",
        "FileData": "AbstractResource", "MrScanDataParametersVoxelRes": "MrScanDataParameters",
        "MrScanDataParameters": "MrScanData",
    }.items():  # fmt: skip
        assert getattr(classes, name).parent is getattr(classes, container), name
    for name in ("ProjectData", "ResourceCatalog"):
        assert getattr(classes, name).parent is None, name
    scan = world.experiments["E1"].scans["1"]
    assert scan.parent is world.experiments["E1"]
    assert scan.parameters.parent is scan
    assert isinstance(scan.parent, type(scan).parent)


# -- names that are words of REST paths --------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["files", "resources", "scans", "experiments", "subjects", "in", "out", "archive"])
def test_everything_may_be_named_as_words_of_paths_are(
    session: Any, server: Sandbox, tmp_path: Path, word: str
) -> None:
    classes = session.classes
    project = classes.ProjectData(parent=session, name=word)
    subject = classes.SubjectData(parent=project, label=word)
    experiment = classes.MrSessionData(parent=subject, label=word)
    scan = classes.MrScanData(parent=experiment, id_=word, type=word)
    contents = {f"{word}.txt": b"1", f"{word}/{word}": b"22"}
    for owner in (project, subject, experiment, scan):
        resource = owner.create_resource(word)
        for path, data in contents.items():
            resource.upload_data(data, path)
    with connect(server) as other:
        project = other.projects[word]
        scan = project.experiments[word].scans[word]
        for owner in (project, project.subjects[word], project.experiments[word], scan):
            resource = owner.resources[word]
            assert resource.parent is owner
            files = {}
            for path, file in resource.files.data.items():
                with file.open() as stream:
                    files[path] = stream.read()
            assert files == contents
            file = resource.files[f"{word}/{word}"]
            assert (file.path, file.resource) == (f"{word}/{word}", resource)
            again = other.create_object(file.uri)
            assert (type(again).__name__, again.path) == ("FileData", file.path)
            assert other.create_object(resource.uri).label == word
            assert type(other.create_object(owner.uri)) is type(owner)
        report = project.download_dir(tmp_path, verbose=False)
        found = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name[0] != "."]
        assert sorted(found) == [b"1"] * 4 + [b"22"] * 4
        assert len(report.verified) == 8
        scan.resources[word].files[f"{word}/{word}"].delete()
        assert list(scan.resources[word].files) == [f"{word}.txt"]


# -- connect() -----------------------------------------------------------------------------------------------------


def test_b3_pilot_timeout_is_that_of_connecting_only(server: Sandbox) -> None:
    server.faults.add(faults.delay(60), path=r"^/$", times=None)
    with pytest.raises(exceptions.XNATConnectionError):
        xnat.connect(server.url, server.user, server.password, pilot_timeout=0.2)
    server.faults.clear()
    with connect(server, pilot_timeout=30, default_timeout=77) as session:
        assert session.client.timeout == 77
    with connect(server, pilot_timeout=30) as session:
        assert session.client.timeout == (constants.CONNECT_TIMEOUT, constants.READ_TIMEOUT)


def test_b3_command_lines_are_not_prompted_and_leave_the_session_open(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: pytest.fail("prompted"))
    with pytest.raises(exceptions.XNATAuthError, match="XNAT_PASS"):
        xnat.connect(server.url, server.user, cli=True)
    with connect(server, cli=True) as session:
        jsession = session.jsession
    with xnat.connect(server.url, jsession=jsession, no_parse_model=True) as again:
        assert again.logged_in_user == server.user


def test_b4_no_server_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XNATPY_HOST", "XNAT_HOST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="No server specified: no argument nor environment variable found") as caught:
        xnat.connect()
    assert isinstance(caught.value, exceptions.XNATValueError)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_servers_that_tell_nobody_their_plugins_are_remembered_for_a_day(
    server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("XNAT_CACHE_DIR", str(tmp_path))
    server.faults.add(faults.status(status), path="/xapi/plugins", times=None)

    def schemas_fetched() -> int:
        with server.record() as asked, connect(server):
            return sum(entry.path.startswith("/xapi/schemas/") for entry in asked)

    assert schemas_fetched() > 0
    assert schemas_fetched() == 0

    class Tomorrow(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Tomorrow:
            return super().now(tz) + datetime.timedelta(days=1)

    monkeypatch.setattr("xnat.connection.datetime", Tomorrow)
    assert schemas_fetched() > 0


# -- scripts for 0.8.1, as they were written -----------------------------------------------------------------------


def test_b12_check_version_answers(session: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert [session.check_version(version) for version in ("1.7", "1", "1.8.9", (1, 8))] == [True] * 4
    assert [session.check_version(version) for version in ("1.8.10", "1.9", (99, 0))] == [False] * 3
    assert caplog.text == ""
    assert session.check_version("2.0", "Flying") is False
    assert "Flying needs XNAT 2.0 or newer; the server is 1.8.9" in caplog.text


def test_b12_download_generator_as_scripts_call_it(resource: Any, session: Any) -> None:
    uri = resource.files["protocol.txt"].uri
    assert list(session.download_generator(uri, None, False, 2)) == [b"st", b"ep", b"s"]
    assert b"".join(session.download_generator(uri, verbose=True, timeout=30)) == b"steps"


def test_b22_everything_has_a_full_url(world: Any, session: Any, server: Sandbox) -> None:
    session.put("/data/projects/P", query={"xnat:projectData/PI/lastname": "Doe"})
    session.services.import_(data=packed(), project="P", destination="/prearchive")
    waiting = session.prearchive.sessions()[0]
    scan = world.experiments["E1"].scans["1"]
    things = [
        world.pi, world.subjects["S1"].demographics, scan.parameters, scan.parameters.voxel_res, waiting,
        waiting.scans[0], waiting.scans[0].resources[0], waiting.scans[0].files[0],
    ]  # fmt: skip
    for thing in things:
        assert thing.external_uri() == f"{server.url}{thing.fulluri}"
        assert thing.external_uri(query={"format": "json"}, scheme="xnat").startswith("xnat://127.0.0.1:")


def test_b22_shortcuts_of_the_columns_of_listings(world: Any, session: Any) -> None:
    assert session.classes.ProjectData.rest_shortcuts["pi_lastname"] == "xnat:projectData/PI/lastname"
    for owner, listing in ((world, session.projects), (world.subjects["S1"], world.subjects)):
        for name, path in type(owner).rest_shortcuts.items():
            assert path.startswith(f"{owner.XSI_TYPE}/"), name
        plain = [name for name in type(owner).rest_shortcuts if name != "note"]
        row = listing.tabulate(columns=plain)[0]
        assert set(plain) == set(row._fields)


def test_b27_listings_inside_objects_have_what_other_listings_have(world: Any, session: Any, server: Sandbox) -> None:
    world.aliases["a1"] = "a1"
    world.investigators["Doe"].firstname = "Jane"
    for listing in (world.aliases, world.investigators, world.fields, world.study_protocol):
        assert listing.xnat_session is session
        assert listing.parent is world
        assert listing.uri == world.uri
        assert listing.caching is True
        _ = len(listing)
        with server.record() as asked:
            _ = len(listing)
            listing.clearcache()
            _ = len(listing)
        assert [entry.path for entry in asked] == [world.uri]
    assert world.aliases.listing == ["a1"]
    assert {key: found.firstname for key, found in world.investigators.data.items()} == {"Doe": "Jane"}


def test_b29_assessors_are_downloaded_as_other_objects_are(world: Any, tmp_path: Path) -> None:
    assessor = world.experiments["E1"].assessors["QC1"]
    for number, download in enumerate((assessor.download, assessor.download_zip)):
        path = download(tmp_path / f"{number}.zip", verbose=False)
        with zipfile.ZipFile(path) as packed_files:
            (name,) = packed_files.namelist()
            assert packed_files.read(name) == b"fine"
            assert name.endswith("resources/QC/files/qc.txt")


@pytest.mark.parametrize("name", ["download", "download_dir"])
def test_b30_scans_are_chosen_by_position_as_well(world: Any, tmp_path: Path, name: str) -> None:
    experiment = world.experiments["E1"]

    def found(target: str, *args: Any, **kwargs: Any) -> set[str]:
        getattr(experiment, name)(tmp_path / target, *args, **kwargs)
        if name == "download":
            with zipfile.ZipFile(tmp_path / target) as packed_files:
                names = packed_files.namelist()
        else:
            names = [path.relative_to(tmp_path / target).as_posix() for path in (tmp_path / target).rglob("*.dcm")]
        return {path.partition("scans/")[2].partition("/")[0] for path in names} - {""}

    both = {"1-T1", "2-T2_weighted"}
    assert found("a", "1", False) == found("b", "1") == found("c", scan_filter="T1", verbose=False) == {"1-T1"}
    assert found("d", "ALL", False) == found("e", False) == found("f", verbose=False) == both


def test_b30_cli_str_is_a_name_and_can_be_called(world: Any, session: Any) -> None:
    experiment = world.experiments["E1"]
    session.services.import_(data=packed(), project="P", destination="/prearchive")
    for thing in (world, world.subjects["S1"], experiment, experiment.scans["1"], session.prearchive.sessions()[0]):
        assert isinstance(thing.cli_str, str)
        assert thing.cli_str() == thing.cli_str
        assert type(thing.cli_str()) is str


def test_b31_a_missing_file_is_never_taken_for_text(resource: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "volume.nii")
    for wrong in (missing, "volume.nii", "a/volume.nii"):
        with pytest.raises(FileNotFoundError, match="upload_data"):
            resource.upload(wrong)
        with pytest.raises(FileNotFoundError, match="upload_data"):
            resource.upload(wrong, "volume.nii")
    resource.upload_data("volume.nii", "text.txt")
    assert sorted(resource.files) == ["protocol.txt", "text.txt"]


def test_b31_what_files_are_can_be_given_by_position(resource: Any, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"x")
    resource.upload(tmp_path / "x.txt", "1.txt", False, False, "C", "F", "T")
    resource.upload_data(b"y", "2.txt", True, False, "C", "F", "T")
    for name in ("1.txt", "2.txt"):
        file = resource.files[name]
        assert (file.file_content, file.file_format, file.file_tags) == ("C", "F", "T")
    resource.download_dir(tmp_path / "flat", False, True)
    assert {path.name for path in (tmp_path / "flat").iterdir() if path.name[0] != "."} == {
        "1.txt", "2.txt", "protocol.txt",
    }  # fmt: skip


def test_b31_resources_of_projects_come_in_the_folder_of_xnats_zip(world: Any, session: Any, tmp_path: Path) -> None:
    world.name = "The study"
    world.resources["PROTOCOL"].download_dir(tmp_path, verbose=False)
    assert (tmp_path / "P" / "resources" / "PROTOCOL" / "files" / "protocol.txt").read_bytes() == b"steps"


def test_b32_files_are_opened_in_a_mode(resource: Any) -> None:
    file = resource.files["protocol.txt"]
    for opened in (file.open("rb"), file.open(mode="rb")):
        with opened:
            assert opened.read() == b"steps"
    for mode in ("r", "w", "ab"):
        with pytest.raises(exceptions.XNATValueError, match="'rb'"):
            file.open(mode)


def test_b32_open_is_for_reading(world: Any, resource: Any, session: Any) -> None:
    session.services.import_(data=packed(), project="P", destination="/prearchive")
    for file in (resource.files["protocol.txt"], session.prearchive.sessions()[0].scans[0].files[0]):
        with file.open() as opened:
            assert opened.readable()
            assert opened.seekable()
            assert not opened.writable()
            for write in (lambda opened=opened: opened.write(b"x"), lambda opened=opened: opened.truncate(0)):
                with pytest.raises(io.UnsupportedOperation):
                    write()
            assert len(opened.read()) == file.size
        assert opened.closed
    with resource.files["protocol.txt"].open() as opened, io.TextIOWrapper(opened) as text:
        assert text.read() == "steps"


def test_b32_verify_digest_looks_at_what_open_reads(
    resource: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = resource.files["protocol.txt"]
    assert file.verify_digest() is True
    place = tmp_path / "P" / "resources" / "PROTOCOL" / "protocol.txt"
    place.parent.mkdir(parents=True)
    monkeypatch.setenv("XNAT_DATA", str(tmp_path))
    assert file.verify_digest() is True
    for content in (b"steps", b"stePs"):
        place.write_bytes(content)
        with file.open() as opened:
            assert opened.read() == content
        assert file.verify_digest() is (content == b"steps")


def test_b33_where_data_should_lie_in_a_mounted_archive(
    world: Any, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = world.experiments["E1"]
    things = [world, world.subjects["S1"], experiment, experiment.scans["1"], experiment.assessors["QC1"]]
    assert [thing.expected_data_dir for thing in (*things, experiment.resources["NOTES"])] == [None] * 6
    monkeypatch.setenv("XNAT_DATA", str(tmp_path))
    (tmp_path / "P" / "arc001" / "E1").mkdir(parents=True)
    expected = ["P", "P/subjects/S1", "P/arc001/E1", "P/arc001/E1/SCANS/1", "P/arc001/E1/ASSESSORS/QC1"]
    assert [thing.expected_data_dir for thing in things] == [tmp_path / place for place in expected]
    assert [thing.data_dir is None for thing in things] == [False, True, False, True, True]
    notes = experiment.resources["NOTES"]
    assert (notes.expected_data_dir, notes.data_dir) == (tmp_path / "P/arc001/E1/RESOURCES/NOTES", None)


def test_b30_read_dicom_of_what_is_no_file(world: Any) -> None:
    with pytest.raises(exceptions.XNATValueError, match="no file"):
        world.experiments["E1"].scans["1"].read_dicom(file=world)


def test_b34_the_prearchive_forgets_what_it_knows(world: Any, session: Any, server: Sandbox) -> None:
    session.services.import_(data=packed(), project="P", destination="/prearchive")
    waiting = session.prearchive.sessions()[0]
    assert waiting.status == "READY"
    with server.record() as asked:
        _ = waiting.status
        session.prearchive.clearcache()
        _ = waiting.status, waiting.name
    assert [entry.path for entry in asked] == [waiting.uri]


def test_b36_import_dir_of_no_directory(session: Any, tmp_path: Path) -> None:
    with pytest.raises(exceptions.XNATValueError, match="not a directory"):
        session.services.import_dir(tmp_path / "missing", project="P")


def test_b40_tables_as_json_text(world: Any, session: Any) -> None:
    table = session.classes.MrSessionData.query().tabulate_json()
    assert json.loads(table)["ResultSet"]["Result"][0]["label"] == "E1"


def test_b40_constraints_show_what_is_sent(session: Any) -> None:
    classes = session.classes
    one = classes.MrSessionData.date > datetime.date(2020, 1, 2)
    assert one.to_string().startswith(b'<xdat:criteria xmlns:xdat="http://nrg.wustl.edu/security"')
    assert b"<xdat:value>01/02/2020</xdat:value>" in one.to_string()
    both = (one & (classes.MrSessionData.label == "x")).to_string()
    assert both.startswith(b"<xdat:child_set")
    assert both.count(b"<xdat:criteria") == 2
    assert classes.MrSessionData.query().xsi_type == "xnat:mrSessionData"


def test_names_of_classes_in_scripts_for_other_releases(session: Any) -> None:
    classes = session.classes
    for name, xsi_type in {
        "XnatpyMrScanDataParameters": "xnatpy:mrScanDataParameters",
        "XnatpyMrScanDataParametersVoxelres": "xnatpy:mrScanDataParametersVoxelres",
        "AScidResearchData": "xnat_a:scidResearchData",
    }.items():
        assert getattr(classes, name) is session.XNAT_CLASS_LOOKUP[xsi_type], name
        assert name not in dir(classes)


# -- groups of fields, and text that has attributes ----------------------------------------------------------------


def test_a131_text_with_attributes_has_them_as_fields(world: Any, session: Any, second: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    there = second.projects["P"].experiments["E1"]
    assert (experiment.scanner, experiment.scanner.model) == ("", None)
    experiment.scanner.model = "SIGNA"
    experiment.scanner.manufacturer = "GE"
    assert (there.scanner.model, there.scanner.manufacturer, there.scanner_model) == ("SIGNA", "GE", "SIGNA")
    experiment.scanner = "MRC1"
    assert (there.scanner, experiment.scanner.model) == ("MRC1", "SIGNA")
    del experiment.scanner.model
    assert there.scanner.model is None
    assert {"model", "manufacturer"} <= set(dir(experiment.scanner))
    with pytest.raises(exceptions.XNATAttributeError, match="did you mean model"):
        experiment.scanner.modell = "x"
    with pytest.raises(AttributeError):
        _ = experiment.scanner.modell
    scan = experiment.scans["1"]
    scan.scanner.manufacturer = "GE"
    assert there.scans["1"].scanner.manufacturer == "GE"
    # It is plain text to whoever takes it along.
    for copied in (pickle.loads(pickle.dumps(experiment.scanner)), copy.copy(experiment.scanner)):
        assert (type(copied), copied) == (str, "MRC1")
    assert json.dumps(experiment.scanner) == '"MRC1"'


def test_a103_terms_for_searches_reach_into_groups(world: Any, session: Any) -> None:
    classes = session.classes
    world.experiments["E1"].scanner.model = "SIGNA"
    for term, identifier in {
        classes.MrScanData.parameters.tr: "xnat:mrScanData/parameters/tr",
        classes.MrScanData.parameters.voxel_res.x: "xnat:mrScanData/parameters/voxelRes/x",
        classes.MrSessionData.scanner: "xnat:mrSessionData/scanner",
        classes.MrSessionData.scanner.model: "xnat:mrSessionData/scanner/model",
        classes.SubjectData.demographics.gender: "xnat:demographicData/gender",
        classes.ProjectData.pi.lastname: "xnat:investigatorData/lastname",
    }.items():
        assert term.identifier == identifier
    with pytest.raises(AttributeError):
        _ = classes.MrSessionData.scanner.modell
    query = classes.MrSessionData.query(classes.MrSessionData.scanner.model == "SIGNA")
    assert [found.label for found in query.all()] == ["E1"]
    assert classes.MrSessionData.query(classes.MrSessionData.scanner.model == "x").all() == []


def test_module_names_of_the_release_can_be_imported_from(world: Any, session: Any) -> None:
    from xnat import mixin
    from xnat.map import MappingLevel
    from xnat.session import BaseXNATSession

    assert isinstance(world, mixin.ProjectData)
    assert isinstance(next(iter(world.subjects.values())), mixin.SubjectData)
    assert isinstance(world.experiments["E1"], mixin.ImageSessionData)
    assert not isinstance(world, mixin.SubjectData)
    assert isinstance(world.resources["PROTOCOL"], mixin.AbstractResource)
    assert MappingLevel is xnat.MappingLevel
    assert mixin.MappedFunctionFailed is xnat.MappedFunctionFailed
    assert isinstance(session, BaseXNATSession)
    assert xnat.BaseXNATSession is BaseXNATSession
    assert all(getattr(mixin, name).__name__ == name for name in mixin.__all__)
