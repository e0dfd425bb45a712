"""Numbered items of what releases of other clients really do (A80-A148: 0.3.16, B1-B45: 0.8.1), beside those that the
tests of each part cover.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat import constants, exceptions
from xnat.sandbox import Sandbox, faults
from xnat.utils import mixedproperty

from .conftest import connect


@pytest.fixture
def resource(world: Any) -> Any:
    """A resource with one file of five bytes."""
    return world.resources["PROTOCOL"]


def wait_for(condition: Callable[[], object]) -> None:
    """Until a thread has done what the condition asks for."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- 0.3.16: the session -----------------------------------------------------------------------------------------------


def test_a80_setting_keepalive_sends_a_heartbeat(session: Any, server: Sandbox) -> None:
    for interval in (100, True, 99.5):
        with server.record() as asked:
            session.keepalive = interval
            assert session.keepalive is True
            wait_for(lambda asked=asked: list(asked))
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
    wait_for(lambda: "Heartbeat failed" in caplog.text)
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
    server.faults.add(faults.delay(3.0), path="protocol.txt|/services/refresh", times=None)
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
    with pytest.raises(exceptions.XNATValueError, match="There is no level 'x'"):
        session.mapping_iter("x")
    assert list(session.map(len, "project", filter_function=lambda project: False)) == []


def test_b12_download_generator_checks_and_tells_of_progress(resource: Any, session: Any, server: Sandbox) -> None:
    uri = resource.files["protocol.txt"].uri
    calls: list[Any] = []
    parts = session.download_generator(uri, None, 2, 30, update_func=lambda *call: calls.append(call))
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
    server.faults.add(faults.delay(3), path=r"^/$", times=None)
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
