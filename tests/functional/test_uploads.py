"""Uploads: what the report says is what the server has, whatever happens on the way."""

from __future__ import annotations

import hashlib
import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Response

from xnat.exceptions import XNATTransferError, XNATUploadError, XNATValueError
from xnat.sandbox import Sandbox, faults
from xnat.transfer import METHODS, fetch, sending
from xnat.transfer.archive import pack_zip

from .conftest import connect
from .test_download import contents


@pytest.fixture
def resource(session: Any) -> Any:
    session.client.retry.sleep = lambda seconds: None
    return session.classes.ProjectData(parent=session, name="P").create_resource("R")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fetch, sending):
        monkeypatch.setattr(module, "_BACKOFF", 0.0)


def make_tree(folder: Path, count: int, size: int = 200) -> dict[str, bytes]:
    content = {f"d{number % 7}/{number:04}.bin": number.to_bytes(4, "big") * (size // 4) for number in range(count)}
    content["d0/an empty one"] = b""
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return content


def inventory(session: Any) -> dict[str, tuple[int, str]]:
    """What the server has: name → size and MD5."""
    session.clearcache()
    return {file.path: (file.size, file.digest) for file in session.projects["P"].resources["R"].files.values()}


def described(content: dict[str, bytes]) -> dict[str, tuple[int, str]]:
    return {name: (len(data), hashlib.md5(data).hexdigest()) for name, data in content.items()}


# -- many files, some of which go wrong -------------------------------------------------------------------------------


def upload_with_failures(server: Sandbox, resource: Any, second: Any, folder: Path, count: int) -> None:
    """One file in twenty goes wrong as long as it is tried; the report has to name exactly these."""
    content = make_tree(folder, count - 1)
    chosen = random.Random(4).sample(sorted(content.keys() - {"d0/an empty one"}), count // 20)
    actions: list[Callable[[], faults.Action]] = [
        lambda: faults.status(500, "disk trouble"),
        faults.close,
        lambda: faults.corrupt_upload(1),
        lambda: faults.Action(before=accept_and_forget),
        lambda: faults.status(503),
    ]
    for number, name in enumerate(chosen):
        server.faults.add(actions[number % len(actions)](), path=f"/files/{name}$", method="PUT", times=None)
    # Others go wrong once, or only their answers get lost: these have to arrive all the same.
    passing = random.Random(5).sample(sorted(content.keys() - set(chosen) - {"d0/an empty one"}), count // 20)
    rules = []
    for number, name in enumerate(passing):
        action = [faults.close, lambda: faults.corrupt_upload(1), faults.lose_answer][number % 3]()
        rules.append(server.faults.add(action, path=f"/files/{name}$", method="PUT"))
    with pytest.raises(XNATTransferError) as caught:
        resource.upload_dir(folder, method="per_file")
    report = caught.value.report
    assert {result.path.relative_to(folder).as_posix() for result in report.failed} == set(chosen)
    assert all(result.error is not None for result in report.failed)
    assert len(report.verified) == count - len(chosen)
    assert all(rule.hits == 1 for rule in rules)
    here = inventory(second)
    good = described(content)
    assert {name: here.get(name) for name in content if name not in chosen} == {
        name: good[name] for name in content if name not in chosen
    }

    server.faults.clear()
    with server.record() as requests:
        report = resource.upload_dir(folder, method="per_file", overwrite=True)
    sent = [entry for entry in requests if entry.method == "PUT"]
    assert len(sent) == len(chosen) == len(report.verified)
    assert len(report.skipped) == count - len(chosen)
    assert inventory(second) == good


def accept_and_forget(request: Any, application: Any) -> Response:
    request.get_data()
    return Response("", 200)


def test_report_names_what_went_wrong(server: Sandbox, resource: Any, second: Any, tmp_path: Path) -> None:
    upload_with_failures(server, resource, second, tmp_path, 200)


@pytest.mark.slow
def test_report_of_a_thousand_files(server: Sandbox, resource: Any, second: Any, tmp_path: Path) -> None:
    upload_with_failures(server, resource, second, tmp_path, 1000)


@pytest.mark.parametrize(
    "action",
    [
        faults.close,
        faults.lose_answer,
        lambda: faults.status(503),
        lambda: faults.corrupt_upload(700),
        faults.expire,
        faults.login_page,
    ],
    ids=["closed", "lost", "503", "damaged", "session", "login"],
)
@pytest.mark.parametrize("method", ["tar_file", "tgz_memory", "zip_file"])
def test_archive_that_goes_wrong_once(
    server: Sandbox, resource: Any, second: Any, tmp_path: Path, method: str, action: Callable[[], faults.Action]
) -> None:
    content = make_tree(tmp_path, 12)
    rule = server.faults.add(action(), path="/files/upload", method="PUT")
    report = resource.upload_dir(tmp_path, method=method)
    assert rule.hits == 1
    assert len(report.verified) == len(content)
    assert inventory(second) == described(content)


def test_killed_upload_goes_on(server: Sandbox, resource: Any, second: Any, tmp_path: Path) -> None:
    content = make_tree(tmp_path, 60)

    class Enough(Exception):
        pass

    def stop(done: int, total: int | None, finished: bool) -> None:
        if done > 5000:
            raise Enough

    with pytest.raises(Enough):
        resource.upload_dir(tmp_path, method="per_file", update_func=stop)
    assert 0 < len(inventory(second)) < len(content)
    report = resource.upload_dir(tmp_path, method="per_file")
    assert len(report.skipped) > 0
    assert inventory(second) == described(content)


# -- methods and sources ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_brings_every_file(resource: Any, second: Any, tmp_path: Path, method: str) -> None:
    content = make_tree(tmp_path, 20)
    calls: list[tuple[int, int | None, bool]] = []
    report = resource.upload_dir(tmp_path, method=method, update_func=lambda *call: calls.append(call))
    assert len(report.verified) == len(content)
    assert report.bytes == sum(map(len, content.values()))
    assert inventory(second) == described(content)
    assert calls[-1] == (report.bytes, report.bytes, True)
    assert [call[2] for call in calls].count(True) == 1
    assert [result.state for result in resource.upload_dir(tmp_path, method=method)] == ["skipped"] * len(content)


def test_unknown_method_sends_nothing(server: Sandbox, resource: Any, tmp_path: Path) -> None:
    make_tree(tmp_path, 2)
    with server.record() as requests, pytest.raises(XNATValueError, match="per_file"):
        resource.upload_dir(tmp_path, method="carrier pigeon")
    assert [entry for entry in requests if entry.method == "PUT"] == []


def test_pairs_of_path_and_name(resource: Any, second: Any, tmp_path: Path) -> None:
    make_tree(tmp_path, 3)
    pairs = ((tmp_path / "d0/0000.bin", "first/a.bin"), (str(tmp_path / "d1/0001.bin"), "b.bin"))
    assert len(resource.upload_dir(iter(pairs)).verified) == 2
    assert set(inventory(second)) == {"first/a.bin", "b.bin"}


def test_empty_folder_and_what_is_no_folder(resource: Any, tmp_path: Path) -> None:
    assert len(resource.upload_dir(tmp_path)) == 0
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(XNATValueError, match=r"upload\(\)"):
        resource.upload_dir(tmp_path / "file")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_and_dead_ones_are_told(resource: Any, second: Any, tmp_path: Path) -> None:
    make_tree(tmp_path / "elsewhere", 3)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    resource.upload_dir(tmp_path / "folder")
    assert set(inventory(second)) == {f"linked/{name}" for name in contents(tmp_path / "elsewhere")}
    (tmp_path / "folder" / "dead").symlink_to(tmp_path / "nowhere")
    with pytest.raises(XNATUploadError, match="dead"):
        resource.upload_dir(tmp_path / "folder")


def test_what_a_download_left_for_itself_is_not_uploaded(session: Any, resource: Any, tmp_path: Path) -> None:
    resource.upload_data(b"x", "x.txt")
    resource.download_dir(tmp_path, verbose=False)
    assert (tmp_path / ".xnat-manifest.jsonl").exists()
    copy = session.projects["P"].create_resource("COPY")
    assert len(copy.upload_dir(tmp_path)) == 1


# -- one file ---------------------------------------------------------------------------------------------------------


def test_existing_file_stays_and_the_caller_is_told(resource: Any, second: Any) -> None:
    resource.upload_data(b"old", "x")
    with pytest.raises(XNATUploadError, match="overwrite"):
        resource.upload_data(b"new", "x")
    assert inventory(second) == described({"x": b"old"})
    resource.upload_data(b"new", "x", overwrite=True)
    assert inventory(second) == described({"x": b"new"})


def test_damaged_upload_is_replaced(server: Sandbox, resource: Any, second: Any) -> None:
    rule = server.faults.add(faults.corrupt_upload(2), method="PUT")
    resource.upload_data(io.BytesIO(b"..some data").read(), "x")
    assert rule.hits == 1
    assert inventory(second) == described({"x": b"..some data"})


def test_open_file_is_sent_again_from_where_it_stood(server: Sandbox, resource: Any, second: Any) -> None:
    stream = io.BytesIO(b"..some data")
    stream.seek(2)
    server.faults.add(faults.corrupt_upload(2), method="PUT")
    resource.upload(stream, "x")
    assert inventory(second) == described({"x": b"some data"})
    assert not stream.closed


@pytest.mark.parametrize("size", [9, 0], ids=["bytes", "empty"])
def test_upload_that_is_not_stored_is_an_error(server: Sandbox, resource: Any, size: int) -> None:
    server.faults.add(faults.Action(before=accept_and_forget), method="PUT", times=None)
    with pytest.raises(XNATUploadError, match="right to edit"):
        resource.upload_data(b"x" * size, "x")


def test_upload_into_a_resource_that_is_not_made_is_an_error(server: Sandbox, session: Any) -> None:
    project = session.classes.ProjectData(parent=session, name="P")
    resource = project.create_resource("R")
    resource_uri = resource.uri
    second_handle = session.create_object(resource_uri)
    session.delete(resource_uri)
    server.faults.add(faults.Action(before=accept_and_forget), method="PUT", times=None)
    with pytest.raises(XNATUploadError, match="right to edit"):
        second_handle.upload_data(b"x", "x")


def test_reader_who_uploads_is_told(server: Sandbox, resource: Any, session: Any) -> None:
    server.add_user("reader", "secret")
    session.put("/data/projects/P/users/Collaborators/reader")
    with connect(server, user="reader", password="secret") as weak, pytest.raises(XNATUploadError):
        weak.projects["P"].resources["R"].upload_data(b"x", "x")
    assert len(resource.files) == 0


def test_uploads_into_a_long_list_ask_for_the_one_file(
    server: Sandbox, resource: Any, second: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xnat.xnatbases import resource as module

    monkeypatch.setattr(module, "_LONG_LIST", 10)
    make_tree(tmp_path, 15)
    resource.upload_dir(tmp_path)
    with server.record() as requests:
        resource.upload_data(b"one", "one")
        resource.upload_data(b"two", "two")
    assert [entry.method for entry in requests] == ["PUT", "GET", "PUT", "HEAD"]
    server.faults.add(faults.Action(before=accept_and_forget), method="PUT", times=None)
    with pytest.raises(XNATUploadError, match="right to edit"):
        resource.upload_data(b"three", "three")


def test_verification_can_be_left_out(server: Sandbox, resource: Any) -> None:
    with server.record() as requests:
        resource.upload_data(b"one", "one", verify=False)
    assert [entry.method for entry in requests] == ["PUT"]


def test_extracted_archive_is_not_looked_for_by_its_name(resource: Any, second: Any, tmp_path: Path) -> None:
    content = make_tree(tmp_path, 3)
    packed = io.BytesIO()
    pack_zip(tmp_path, packed)
    resource.upload_data(packed.getvalue(), "all.zip", extract=True)
    assert inventory(second) == described(content)


@pytest.mark.parametrize("name", ["a b#c?d%.txt", "ü/[x]&y=z+.txt", "folder/%41.txt"])
def test_strange_names_are_found_again(resource: Any, second: Any, name: str) -> None:
    resource.upload_data(b"data", name)
    assert inventory(second) == described({name: b"data"})


# -- what is there already, when downloading --------------------------------------------------------------------------


def test_existing_policies_of_download_dir(resource: Any, tmp_path: Path) -> None:
    resource.upload_data(b"server a", "a")
    resource.upload_data(b"server b", "b")

    def here(folder: str) -> dict[str, bytes]:
        return contents(tmp_path / folder)

    def place(folder: str, name: str) -> Path:
        path = tmp_path / folder / "P" / "resources" / "R" / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    right = {f"P/resources/R/files/{name}": f"server {name}".encode() for name in "ab"}
    for policy in ("skip", "refresh", "overwrite", "error"):
        place(policy, "a").write_bytes(b"mine")
    report = resource.download_dir(tmp_path / "skip", verbose=False, existing="skip")
    assert here("skip") == {**right, "P/resources/R/files/a": b"mine"}
    assert (len(report.skipped), len(report.verified)) == (1, 1)
    for policy in ("refresh", "overwrite"):
        assert len(resource.download_dir(tmp_path / policy, verbose=False, existing=policy).verified) == 2
        assert here(policy) == right
        again = resource.download_dir(tmp_path / policy, verbose=False, existing=policy)
        assert len(again.skipped) == (2 if policy == "refresh" else 0)
    with pytest.raises(OSError, match="existing="):
        resource.download_dir(tmp_path / "error", verbose=False, existing="error")
    assert here("error") == {"P/resources/R/files/a": b"mine"}
    with pytest.raises(XNATValueError, match="refresh"):
        resource.download_dir(tmp_path / "x", verbose=False, existing="maybe")


def test_sync_plans_and_deletes(session: Any, resource: Any, second: Any, tmp_path: Path) -> None:
    for name in "abc":
        resource.upload_data(name.encode(), name)
    project = session.projects["P"]
    assert len(project.sync(tmp_path, dry_run=True).fetch) == 3
    assert list(tmp_path.iterdir()) == []
    project.sync(tmp_path)
    mine = tmp_path / "P" / "mine.txt"
    mine.write_bytes(b"mine")
    there = second.projects["P"].resources["R"]
    there.files["a"].delete()
    there.upload_data(b"changed", "b", overwrite=True)
    there.upload_data(b"d", "d")
    session.clearcache()
    plan = project.sync(tmp_path, delete=True, dry_run=True)
    assert [[item.path.name for item in items] for items in (plan.fetch, plan.overwrite, plan.skip, plan.delete)] == [
        ["d"], ["b"], ["c"], ["a"],
    ]  # fmt: skip
    kept = project.sync(tmp_path)
    assert (len(kept.verified), len(kept.deleted)) == (2, 0)
    done = project.sync(tmp_path, delete=True)
    assert [result.path.name for result in done.deleted] == ["a"]
    assert contents(tmp_path / "P") == {
        "resources/R/files/b": b"changed",
        "resources/R/files/c": b"c",
        "resources/R/files/d": b"d",
        "mine.txt": b"mine",
    }


def test_progress_of_a_download_ends_with_the_sum(resource: Any, tmp_path: Path) -> None:
    make_tree(tmp_path / "up", 20, 4000)
    resource.upload_dir(tmp_path / "up")
    calls: list[tuple[int, int | None, bool]] = []
    report = resource.download_dir(tmp_path / "down", verbose=False, progress_callback=lambda *call: calls.append(call))
    assert calls[-1] == (report.bytes, report.bytes, True)
    assert [call[2] for call in calls].count(True) == 1


def test_nothing_is_printed_unless_asked_for(resource: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(tmp_path, 3)
    resource.upload_dir(tmp_path)
    resource.upload_data(b"x", "x")
    assert capsys.readouterr() == ("", "")


def test_a_file_that_shrinks_while_it_is_sent_is_not_waited_for(
    session: Any, resource: Any, second: Any, tmp_path: Path
) -> None:
    path = tmp_path / "rotated.log"
    path.write_bytes(random.Random(0).randbytes(600_000))

    def shrink(done: int, total: int | None, finished: bool) -> None:
        os.truncate(path, 1000)

    with pytest.raises(XNATUploadError, match="shrank meanwhile: 600000 bytes then"):
        resource.upload(path, "rotated.log", update_func=shrink)
    assert inventory(second) == {}
    # What there is now goes through.
    resource.upload(path, "rotated.log")
    assert inventory(second)["rotated.log"][0] == 1000


def test_report_of_an_upload_during_which_the_login_was_lost(
    server: Sandbox, resource: Any, second: Any, tmp_path: Path
) -> None:
    """The list of files can't be asked for either; what was sent until then is told all the same."""
    content = make_tree(tmp_path, 12)
    accepted: list[str] = []

    def withdrawn(request: Any, application: Any) -> Response | None:
        if len(accepted) >= 3:
            return Response("No such user", 401)
        if request.method == "PUT" and "/files/" in request.path:
            accepted.append(request.path)
        return None

    server.faults.add(faults.Action(before=withdrawn), path=".*", times=None)
    with pytest.raises(XNATTransferError) as caught:
        resource.upload_dir(tmp_path, method="per_file")
    server.faults.clear()
    files = list(caught.value.report)
    assert len(files) == len(content)
    sent = [file for file in files if file.state == "unverifiable"]
    assert len(sent) == len(inventory(second)) == len(accepted)
    failed = [str(file.error) for file in files if file.state == "failed"]
    assert len(failed) == len(content) - len(accepted)
    assert all("No such user" in error for error in failed)
