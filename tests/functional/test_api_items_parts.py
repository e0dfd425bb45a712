"""Numbered items of the documented API: inspect, prearchive, services, users (A61-A73)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from xnat import exceptions
from xnat.core import XNATBaseObject
from xnat.inspect import Inspect
from xnat.prearchive import Prearchive, PrearchiveFile, PrearchiveScan, PrearchiveSession
from xnat.sandbox import Sandbox
from xnat.services import Services, TokenResult
from xnat.users import User, Users

from .conftest import connect
from .dicom import packed, zip_file


@pytest.fixture
def waiting(session: Any) -> Iterator[Any]:
    """A session in the prearchive."""
    for name in ("brainimages", "other"):
        session.classes.ProjectData(parent=session, name=name)
    return session.services.import_(data=packed(), project="brainimages", destination="/prearchive")


def test_a61_inspect(session: Any) -> None:
    inspect = Inspect(session)
    assert inspect.xnat_session is session
    assert type(session.inspect) is Inspect
    assert "xnat:mrSessionData" in inspect.datatypes()
    assert {"xnat:mrSessionData", "xnat:mrScanData"} <= set(inspect.datatypes("xnat:mr*"))
    assert all(name.startswith("xnat:mr") for name in inspect.datatypes("xnat:mr*"))
    assert "xnat:mrSessionData/AGE" in inspect.datatypes("xnat:mrSessionData", "A*")
    assert "xnat:mrSessionData/AGE" in inspect.datafields("xnat:mrSessionData")
    assert inspect.datafields("xnat:mrSessionData", "AG*", False) == ["AGE"]


def test_a62_prearchive_sessions_are_listed_anew_each_time(session: Any, waiting: Any, server: Sandbox) -> None:
    prearchive = Prearchive(session)
    assert prearchive.xnat_session is session
    with server.record() as asked:
        assert prearchive.sessions() == [waiting]
        assert prearchive.sessions("other") == []
        assert prearchive.sessions(project="brainimages") == [waiting]
    assert len(list(asked)) == 3


def test_a63_prearchive_file(waiting: Any, session: Any, tmp_path: Path) -> None:
    file = waiting.scans[0].files[0]
    again = PrearchiveFile(file.uri, session, "MR_small.dcm", file.data, file.parent, "files")
    for found in (file, again):
        assert found.name == "MR_small.dcm"
        assert found.size == 9830
        assert found.data["Name"] == "MR_small.dcm"
        assert found.fulldata["data_fields"] == found.data
        assert found.xpath == "xnatpy:prearchiveFile"
        target = str(tmp_path / "x.dcm")
        assert found.download(target) == target
        assert Path(target).stat().st_size == 9830


def test_a64_prearchive_scan(waiting: Any, session: Any, tmp_path: Path) -> None:
    scan = waiting.scans[0]
    again = PrearchiveScan(scan.uri, session, "1", scan.data, waiting, "scans")
    for found in (scan, again):
        assert found.data["ID"] == "1"
        assert found.fulldata["data_fields"] == found.data
        assert found.xpath == "xnatpy:prearchiveScan"
        assert found.series_description == found.data["series_description"]
        assert found.dicom_dump(fields="PatientID")
        assert [file.name for file in found.files] == ["MR_small.dcm"]
        target = str(tmp_path / "scan.zip")
        assert found.download(target) == target


def test_a65_prearchive_session(waiting: Any, session: Any) -> None:
    again = PrearchiveSession(waiting.uri, session)
    assert again.data == waiting.data == waiting.fulldata["data_fields"]
    assert waiting.id == f"brainimages/{waiting.uri.split('/')[-2]}/{waiting.name}"
    assert waiting.label == waiting.name == waiting.folder_name
    assert waiting.project == "brainimages"
    assert waiting.status == "READY"
    assert waiting.subject
    assert waiting.autoarchive in ("Manual", "AutoArchive")
    assert waiting.xpath == "xnatpy:prearchiveSession"
    for name in ("lastmod", "timestamp", "uploaded"):
        assert isinstance(getattr(waiting, name), datetime.datetime)
    assert waiting.scan_date == datetime.date(2004, 8, 26)
    assert isinstance(waiting.scan_time, datetime.time)
    assert waiting.prevent_anon is False
    assert waiting.prevent_auto_commit is False
    assert waiting.tag.startswith("1.3.6")
    assert len(waiting.scans) == 1


def test_a66_archive(waiting: Any, session: Any, second: Any, server: Sandbox) -> None:
    with server.record() as asked:
        experiment = waiting.archive("none", True, False, "other", "S", "E")
    assert isinstance(experiment, session.classes.MrSessionData)
    sent = next(entry.query for entry in asked if entry.path == "/data/services/archive")
    for text in (
        "overwrite=none",
        "quarantine=true",
        "triggerPipelines=false",
        "project=other",
        "subject=S",
        "session=E",
    ):
        assert text in sent
    assert second.projects["other"].experiments["E"].status == "quarantine"
    with pytest.raises(ValueError, match="append"):
        waiting.archive(overwrite="sometimes")


def test_a67_delete_rebuild_move_download(waiting: Any, second: Any, tmp_path: Path) -> None:
    target = str(tmp_path / "session.zip")
    assert waiting.download(target) == target
    assert isinstance(waiting.rebuild(asynchronous=False), requests.Response)
    waiting.wait(timeout=20)
    assert isinstance(waiting.move("other", asynchronous=False), requests.Response)
    waiting.wait(timeout=20)
    assert [found.project for found in second.prearchive.sessions()] == ["other"]
    assert isinstance(waiting.delete(asynchronous=False), requests.Response)
    assert second.prearchive.sessions() == []


def test_a68_they_are_all_objects(waiting: Any) -> None:
    for obj in (waiting, waiting.scans[0], waiting.scans[0].files[0]):
        assert isinstance(obj, XNATBaseObject)


def test_a69_services(session: Any, waiting: Any, tmp_path: Path, server: Sandbox) -> None:
    services = Services(session)
    assert services.xnat_session is session
    with server.record() as asked:
        experiment = services.import_(
            str(zip_file(tmp_path)), "append", True, "/archive", False, "other", "S", "E", "application/zip"
        )
    sent = next(entry.query for entry in asked if entry.method == "POST")
    for text in ("overwrite=append", "quarantine=true", "dest=%2Farchive", "triggerPipelines=false", "project=other"):
        assert text in sent.replace("dest=/archive", "dest=%2Farchive")
    assert experiment.label == "E"
    assert services.dicom_dump(experiment.scans[0], "PatientID")
    assert services.dicom_dump(waiting.scans[0].uri, fields=["PatientID"])
    token = services.issue_token()
    assert isinstance(token, TokenResult)
    assert token == (token.alias, token.secret)
    with connect(server, user=token.alias, password=token.secret) as other:
        assert other.projects.keys() == session.projects.keys()
        server.add_user("jane", "doe")
        assert services.issue_token("jane").alias != token.alias
    with connect(server, user="jane", password="doe") as jane, pytest.raises(exceptions.XNATForbiddenError):
        jane.services.issue_token("admin")


def test_a70_content_type_of_an_import_is_guessed_by_name_unless_given(
    session: Any, tmp_path: Path, server: Sandbox
) -> None:
    session.put("/data/projects/P")
    path = zip_file(tmp_path)
    with server.record() as asked:
        session.services.import_(str(path), project="P", destination="/prearchive")
        session.services.import_(str(path), project="P", destination="/prearchive", content_type="application/x-tar")
    kinds = [entry.headers["Content-Type"] for entry in asked if entry.method == "POST"]
    assert kinds == ["application/zip", "application/x-tar"]


def test_a71_dicom_dump_fields_are_names_or_numbers(session: Any, waiting: Any) -> None:
    scan = waiting.scans[0]
    by_name = session.services.dicom_dump(scan.uri, "PatientID")
    assert by_name == session.services.dicom_dump(scan.uri, "00100020")
    assert set(by_name[0]) == {"tag1", "tag2", "vr", "value", "desc"}


def test_a72_users_are_a_cached_mapping_by_login(session: Any, server: Sandbox) -> None:
    users = Users(session)
    assert users.xnat_session is session
    assert list(users) == list(users.data)
    with server.record() as asked:
        assert isinstance(users["admin"], User)
        assert len(users) == len(users.data)
    assert list(asked) == []


def test_a73_user(server: Sandbox, session: Any) -> None:
    server.add_user("jane", "doe", firstname="Jane", lastname="Doe", email="jane@example.org")
    user = session.users["jane"]
    assert (user.login, user.email, user.first_name, user.last_name) == ("jane", "jane@example.org", "Jane", "Doe")
    assert user.id == str(user.data["xdat_user_id"])
    assert User(user.data) == user
