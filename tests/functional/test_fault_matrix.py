"""What can go wrong × what can be called: the right result, or the right error; nothing passes silently.

:data:`MATRIX` is the table, and ``docs/howto/faults.rst`` shows it; ``python -m tests.functional.test_fault_matrix``
prints the page's part anew. A case runs a public call against a sandbox on a socket while a fault is in force. If it
ends in a result, that is looked at through another session; if in an error, nothing half-done may be left.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom.data
import pytest
from werkzeug.wrappers import Response

import xnat
from xnat import _effects, exceptions
from xnat.sandbox import Sandbox, faults
from xnat.transfer import fetch, sending
from xnat.users import User

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "faults.rst"
DICOM = Path(pydicom.data.__file__).parent / "test_files" / "MR_small.dcm"
CONTENT = {f"d{number % 2}/{number}.bin": bytes([65 + number]) * 3000 for number in range(6)} | {"empty": b""}
NUMBERS = itertools.count(1)


# -- the world --------------------------------------------------------------------------------------------------------


class World:
    """A server with something on it, a session under test, and another one that prepares and looks."""

    def __init__(self, server: Sandbox, other: Any, session: Any, folder: Path) -> None:
        self.server, self.other, self.session, self.folder = server, other, session, folder
        self.name = f"N{next(NUMBERS)}"

    def of(self, session: Any) -> Any:
        return session.projects["P"].experiments["E"]

    @property
    def experiment(self) -> Any:
        return self.of(self.session)

    @property
    def resource(self) -> Any:
        return self.experiment.resources["R"]

    def subject(self) -> Any:
        """A new subject, as the session under test sees it."""
        made = self.other.classes.SubjectData(parent=self.other.projects["P"], label=self.name)
        return self.session.create_object(made.uri)

    def empty_resource(self) -> Any:
        made = self.of(self.other).create_resource(self.name)
        return self.session.create_object(made.uri)

    def waiting(self) -> Any:
        """A session in the prearchive."""
        made = self.other.services.import_(
            data=dicom_zip(), project="P", subject="S", experiment=self.name, destination="/prearchive"
        )
        return self.session.prearchive.find(session=made.name)[0]

    def files(self) -> dict[str, bytes]:
        """What the server has in the resource of the case."""
        found = {}
        for name, file in self.of(self.other).resources[self.name].files.items():
            with file.open() as stream:
                found[name] = stream.read()
        return found


def dicom_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.write(DICOM, "MR_small.dcm")
    return out.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name.partition("/files/")[2]: data for name, data in found.items() if not name.startswith(".xnat-")}


# -- the calls --------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """A public call.

    :ivar prepare: makes what the call needs, before anything goes wrong
    :ivar run: the call
    :ivar right: whether world, preparation and result are as they should be
    :ivar untouched: whether nothing half-done is left after an error
    """

    run: Callable[[World, Any], Any]
    right: Callable[[World, Any, Any], bool]
    path: str
    method: str = "GET"
    query: str | None = None
    prepare: Callable[[World], Any] = lambda world: None
    untouched: Callable[[World, Any], bool] = lambda world, made: True


def same_zip(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/files/")[2]: archive.read(name) for name in archive.namelist()} == CONTENT


def no_files(world: World, made: Any) -> bool:
    return list(world.folder.iterdir()) == []


def no_wrong_files(world: World, made: Any) -> bool:
    return contents(world.folder).items() <= CONTENT.items()


def to_stream(world: World, file: Any) -> bytes:
    out = io.BytesIO()
    file.download_stream(out)
    return out.getvalue()


def labels(world: World) -> list[str]:
    return [row.label for row in world.other.projects["P"].subjects.values()].count(world.name) * [world.name]


def local_files(world: World) -> tuple[Any, Path]:
    folder = world.folder.parent / f"{world.folder.name}-local"
    for name, data in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return world.empty_resource(), folder


def import_(world: World, made: Any) -> Any:
    return world.session.services.import_(data=dicom_zip(), project="P", subject="S", experiment=world.name)


def imported(world: World, made: Any, result: Any) -> bool:
    found = [one for one in world.other.projects["P"].experiments.values() if one.label == world.name]
    waiting = world.other.prearchive.find(session=world.name)
    return [one.id for one in found] == [result.id] and len(found[0].scans["1"].files) == 1 and not waiting


CALLS: dict[str, Call] = {
    "listing": Call(
        lambda world, made: world.session.projects["P"].experiments.keys(),
        lambda world, made, result: world.experiment.id in result,
        r"/projects/P/experiments$",
    ),
    "listing of files": Call(
        lambda world, made: sorted(made.files.keys()),
        lambda world, made, result: result == sorted(CONTENT),
        r"/files$",
        prepare=lambda world: world.resource,
    ),
    "attribute": Call(
        lambda world, made: made.acquisition_site,
        lambda world, made, result: result == "Rotterdam",
        r"/experiments/XNAT_E\d+$",
        prepare=lambda world: world.experiment,
    ),
    "tabulate": Call(
        lambda world, made: world.session.projects["P"].subjects.tabulate(columns=["label"]),
        lambda world, made, result: "S" in [row.label for row in result],
        r"/projects/P/subjects$",
    ),
    "search": Call(
        lambda world, made: [found.label for found in world.session.classes.MrSessionData.query().all()],
        lambda world, made, result: "E" in result,
        r"/data/search",
        method="POST",
    ),
    "users": Call(
        lambda world, made: list(world.session.users.values()),
        lambda world, made, result: [type(one) for one in result] == [User] and result[0].login == "admin",
        r"/users$",
    ),
    "dicom_dump": Call(
        lambda world, made: made.dicom_dump("PatientID"),
        lambda world, made, result: result[0]["value"] == "4MR1",
        r"/services/dicomdump$",
        prepare=lambda world: world.session.projects["P"].experiments["DICOM"].scans["1"],
    ),
    "heartbeat": Call(
        lambda world, made: world.session.heartbeat(),
        lambda world, made, result: world.session.projects["P"].name == "P",
        r"/data/JSESSION$",
    ),
    "session.get": Call(
        lambda world, made: world.session.get("/data/projects", format="csv").text,
        lambda world, made, result: "ID" in result.splitlines()[0] and "P," in result,
        r"/data/projects$",
    ),
    "set": Call(
        lambda world, made: made.set("group", "control"),
        lambda world, made, result: world.other.create_object(made.uri).data["group"] == "control",
        r"/subjects/",
        method="PUT",
        prepare=World.subject,
        untouched=lambda world, made: world.other.create_object(made.uri).data.get("group") in (None, "control"),
    ),
    "mset": Call(
        lambda world, made: made.mset(group="control", src="x"),
        lambda world, made, result: world.other.create_object(made.uri).data.items() >= {"src": "x"}.items(),
        r"/subjects/",
        method="PUT",
        prepare=World.subject,
    ),
    "create": Call(
        lambda world, made: world.session.classes.SubjectData(parent=made, label=world.name),
        lambda world, made, result: labels(world) == [world.name] and result.label == world.name,
        r"/subjects/",
        method="PUT",
        prepare=lambda world: world.session.projects["P"],
    ),
    "delete": Call(
        lambda world, made: made.delete(),
        lambda world, made, result: labels(world) == [],
        r"/subjects/",
        method="DELETE",
        prepare=World.subject,
        untouched=lambda world, made: labels(world) == [world.name],
    ),
    "share": Call(
        lambda world, made: made.share("Q"),
        lambda world, made, result: world.name in [one.label for one in world.other.projects["Q"].subjects.values()],
        r"/projects/Q$",
        method="PUT",
        prepare=World.subject,
    ),
    "file.download": Call(
        lambda world, made: made.download(world.folder / "x", verbose=False),
        lambda world, made, result: result.read_bytes() == CONTENT["d1/3.bin"],
        r"/files/d1/3\.bin$",
        prepare=lambda world: world.resource.files["d1/3.bin"],
        untouched=no_files,
    ),
    "file.download_stream": Call(
        to_stream,
        lambda world, made, result: result == CONTENT["d1/3.bin"],
        r"/files/d1/3\.bin$",
        prepare=lambda world: world.resource.files["d1/3.bin"],
    ),
    "download (zip)": Call(
        lambda world, made: made.download(world.folder / "x.zip", verbose=False),
        lambda world, made, result: same_zip(result),
        r"/files$",
        query="format=zip",
        prepare=lambda world: world.resource,
        untouched=no_files,
    ),
    "download_dir": Call(
        lambda world, made: made.download_dir(world.folder, verbose=False),
        lambda world, made, result: contents(world.folder) == CONTENT and len(result.verified) == len(CONTENT),
        r"/files$",
        query="format=zip",
        prepare=lambda world: world.resource,
        untouched=no_wrong_files,
    ),
    "download_dir, its listing": Call(
        lambda world, made: made.download_dir(world.folder, verbose=False),
        lambda world, made, result: contents(world.folder) == CONTENT and len(result.verified) == len(CONTENT),
        r"/files$",
        query="format=json",
        prepare=lambda world: world.resource,
        untouched=no_wrong_files,
    ),
    "upload (file)": Call(
        lambda world, made: made[0].upload(made[1] / "d1/3.bin", "3.bin"),
        lambda world, made, result: world.files() == {"3.bin": CONTENT["d1/3.bin"]},
        r"/files/",
        method="PUT",
        prepare=local_files,
    ),
    "upload_data": Call(
        lambda world, made: made.upload_data(b"some data", "data.txt"),
        lambda world, made, result: world.files() == {"data.txt": b"some data"},
        r"/files/",
        method="PUT",
        prepare=World.empty_resource,
    ),
    "upload_dir": Call(
        lambda world, made: made[0].upload_dir(made[1]),
        lambda world, made, result: world.files() == CONTENT and len(result.verified) == len(CONTENT),
        r"/files/",
        method="PUT",
        prepare=local_files,
    ),
    "import_": Call(import_, imported, r"/services/import$", method="POST"),
    "archive": Call(
        lambda world, made: made.archive(),
        imported,
        r"/services/archive$",
        method="POST",
        prepare=World.waiting,
    ),
    "move": Call(
        lambda world, made: made.move("Q"),
        lambda world, made, result: [one.project for one in world.other.prearchive.find(session=world.name)] == ["Q"],
        r"/services/prearchive/move$",
        method="POST",
        prepare=World.waiting,
    ),
}
CALLS["upload_dir, packed"] = Call(
    lambda world, made: made[0].upload_dir(made[1], method="zip_file"),
    CALLS["upload_dir"].right,
    r"/files/",
    method="PUT",
    prepare=local_files,
)

CALLS["download_dir, file by file"] = Call(
    lambda world, made: made.download_dir(world.folder, verbose=False),
    lambda world, made, result: set(contents(world.folder)) == {"a", "b"},
    r"/files",
    prepare=lambda world: world.experiment.resources["PLAIN"],
)
CALLS["upload_dir, no checksums"] = Call(
    lambda world, made: made[0].upload_dir(made[1], method="per_file"),
    lambda world, made, result: world.files().keys() == CONTENT.keys(),
    r"/files/",
    method="PUT",
    prepare=local_files,
)

DATA = ("listing", "attribute", "tabulate", "search", "users", "dicom_dump", "heartbeat", "session.get")
DATA_BUT_USERS = tuple(name for name in DATA if name != "users")
JSON = ("listing", "listing of files", "attribute", "tabulate", "dicom_dump", "users", "download_dir, its listing")
ITEMS = ("set", "mset", "create", "delete")
FILES = ("file.download", "file.download_stream", "download (zip)", "download_dir")
UPLOADS = ("upload (file)", "upload_data", "upload_dir", "upload_dir, packed")
SERVICES = ("import_", "archive", "move")
EVERYTHING = (*DATA, *ITEMS, "share", *FILES, *UPLOADS, *SERVICES)


# -- the faults -------------------------------------------------------------------------------------------------------


@dataclass
class Fault:
    """What goes wrong.

    :ivar make: the sandbox's action
    :ivar times: how often it goes wrong; None for as long as anybody asks
    :ivar guests: the site admits guests, who see nothing
    """

    make: Callable[[], faults.Action]
    times: int | None = 1
    after: int = 0
    guests: bool = False
    timeout: float | None = None


def accept_and_forget() -> faults.Action:
    return faults.Action(before=lambda request, application: request.get_data() and None or Response("", 200))


def page_instead() -> faults.Action:
    return faults.Action(before=lambda request, application: Response(ERROR_PAGE, 200, content_type="text/html"))


def tell_nothing() -> faults.Action:
    """Listings without sizes and digests, files without a length."""

    def after(request: Any, response: Response) -> Response:
        if b"format=json" in request.query_string:
            response.set_data(re.sub(rb'"(Size|digest)": ?"[^"]*"', rb'"\1": ""', response.get_data()))
            return response
        response.direct_passthrough = False
        data = response.get_data()
        return Response(iter([data]), 200, content_type="application/octet-stream")

    return faults.Action(after=after)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def evil_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("E/resources/R/files/d1/3.bin", CONTENT["d1/3.bin"])
        archive.writestr("../../E/resources/R/files/d0/0.bin", b"evil")
    return out.getvalue()


def damaged(data: bytes) -> bytes:
    """A zip in which a byte of a member is another one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        member = next(info for info in archive.infolist() if info.filename.endswith("3.bin"))
    at = data.index(b"3.bin", member.header_offset) + len("3.bin") + member.compress_size // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


ERROR_PAGE = b"<!DOCTYPE html><html><head><title>Gateway trouble</title></head><body>sorry</body></html>"

FAULTS: dict[str, Fault] = {
    "The session ends (401)": Fault(faults.expire),
    "The login page comes, with status 200": Fault(faults.login_page),
    "The login page comes, again and again": Fault(faults.login_page, None),
    "A redirect to the login page comes": Fault(lambda: faults.redirect("/app/template/Login.vm")),
    "The session ends where guests are admitted, who see nothing": Fault(faults.expire, guests=True),
    "401, again and again": Fault(lambda: faults.status(401), None),
    "403": Fault(lambda: faults.status(403), None),
    "404": Fault(lambda: faults.status(404), None),
    "409": Fault(lambda: faults.status(409), None),
    "500": Fault(lambda: faults.status(500, "NullPointerException"), None),
    "503 with Retry-After, twice": Fault(lambda: faults.status(503, headers={"Retry-After": "7"}), 2),
    "503, again and again": Fault(lambda: faults.status(503), None),
    "502 from a proxy": Fault(lambda: faults.status(502, ERROR_PAGE)),
    "504 from a proxy, while the server does the work": Fault(
        lambda: faults.Action(after=lambda request, response: response.close() or Response(ERROR_PAGE, 504))  # type: ignore[func-returns-value]
    ),
    "The connection closes before the answer": Fault(faults.close),
    "The connection closes before the answer, every time": Fault(faults.close, None),
    "The work is done, but its answer is lost": Fault(faults.lose_answer),
    "The body is cut": Fault(lambda: faults.cut(50)),
    "The body is cut, every time": Fault(lambda: faults.cut(50), None),
    "The body is cut far behind its beginning, every time": Fault(lambda: faults.cut(2000), None),
    "The body is cut, chunked": Fault(lambda: faults.cut(50, chunked=True)),
    "The body ends early, and nothing tells": Fault(lambda: faults.body(half)),
    "The body ends early every time, and nothing tells": Fault(lambda: faults.body(half), None),
    "The body stalls": Fault(lambda: faults.stall(50, 60), timeout=2.0),
    "No answer in time": Fault(lambda: faults.delay(60), timeout=2.0),
    "No answer in time, ever": Fault(lambda: faults.delay(60), None, timeout=0.3),
    "A byte changes on the way": Fault(lambda: faults.corrupt(40)),
    "A byte changes on the way, and the server keeps no checksums": Fault(lambda: faults.corrupt(2), after=1),
    "An upload is damaged, and the server keeps no checksums": Fault(lambda: faults.corrupt_upload(3)),
    "The server tells neither sizes nor checksums": Fault(tell_nothing, None),
    "A byte changes on the way, every time": Fault(lambda: faults.corrupt(40), None),
    "The listing has wrong digests": Fault(faults.wrong_digest, None),
    "A member of the zip has another byte than its CRC says": Fault(lambda: faults.body(damaged), None),
    "The zip has a member that leads out of the folder": Fault(lambda: faults.body(evil_zip()), None),
    "An HTML page comes, with status 200": Fault(page_instead, None),
    "Broken JSON": Fault(lambda: faults.body(half), None),
    "JSON of another kind": Fault(lambda: faults.body(b'{"message": "it is late"}'), None),
    "A listing without rows in it": Fault(lambda: faults.body(b'{"ResultSet": {"Result": null}}'), None),
    "The file exists (200, with duplicates)": Fault(
        lambda: faults.status(200, json.dumps({"duplicates": ["data.txt"]})), None
    ),
    "The upload is damaged on the way": Fault(lambda: faults.corrupt_upload(3)),
    "The upload is damaged on the way, every time": Fault(lambda: faults.corrupt_upload(3), None),
    "200, and nothing is stored": Fault(accept_and_forget),
    "200, and nothing is ever stored": Fault(accept_and_forget, None),
}


# -- the table --------------------------------------------------------------------------------------------------------

RIGHT = "the right result"
WARNED = "a warning, and nobody"
SIZE_ONLY, UNVERIFIABLE = "the report says ``size-only``", "the report says ``unverifiable``"
#: Fault → outcome → calls. An outcome is the right result, the error that is raised, or that it can't be told.
MATRIX: dict[str, dict[str, tuple[str, ...]]] = {
    "The session ends (401)": {RIGHT: EVERYTHING},
    "The login page comes, with status 200": {RIGHT: EVERYTHING},
    "The login page comes, again and again": {
        "XNATUnexpectedPageError": (*DATA, "set", "create", "share", "file.download", "download (zip)", *SERVICES),
        "XNATTransferError": ("upload_dir",),
        "XNATUploadError": ("upload (file)", "upload_data"),
        RIGHT: ("download_dir",),
    },
    "A redirect to the login page comes": {RIGHT: EVERYTHING},
    "The session ends where guests are admitted, who see nothing": {
        RIGHT: ("listing", "attribute", "tabulate", "search", "download_dir", "set", "upload_data"),
    },
    "401, again and again": {
        "XNATUnauthorizedError": (*DATA, *ITEMS, "file.download", "upload_data", *SERVICES),
        "XNATTransferError": ("download_dir", "upload_dir"),
    },
    "403": {
        "XNATForbiddenError": (
            *(name for name in DATA if name != "users"),
            *ITEMS,
            "share",
            "file.download",
            *SERVICES,
        ),
        WARNED: ("users",),
        "XNATUploadError": ("upload (file)", "upload_data"),
        "XNATTransferError": ("upload_dir",),
    },
    "404": {
        "XNATNotFoundError": ("listing", "attribute", "users", *ITEMS, "share", "file.download", *SERVICES),
        "XNATUploadError": ("upload_data",),
        "XNATTransferError": ("upload_dir",),
    },
    "409": {"XNATConflictError": ("create", "share", "import_", "archive")},
    "500": {
        "XNATResponseError": (*DATA, *ITEMS, "share", "file.download", *SERVICES),
        "XNATUploadError": ("upload (file)", "upload_data"),
        "XNATTransferError": ("upload_dir",),
    },
    "503 with Retry-After, twice": {
        RIGHT: (*DATA, *ITEMS, *FILES),
        "XNATResponseError": SERVICES,
        "XNATUploadError": ("upload (file)", "upload_data"),
    },
    "503, again and again": {
        "XNATResponseError": (*DATA, *ITEMS, "file.download", *SERVICES),
        "XNATTransferError": ("upload_dir",),
    },
    "502 from a proxy": {
        RIGHT: (*DATA, *ITEMS, *FILES, "upload_dir, packed", "archive"),
        "XNATResponseError": ("share", "import_", "move"),
    },
    "504 from a proxy, while the server does the work": {RIGHT: (*DATA, *ITEMS, *FILES, *SERVICES)},
    "The connection closes before the answer": {
        RIGHT: (*DATA, *ITEMS, *FILES, *UPLOADS, "archive"),
        "XNATConnectionError": ("share", "import_", "move"),
    },
    "The connection closes before the answer, every time": {
        "XNATConnectionError": (*DATA, *ITEMS, "share", "file.download", "download (zip)", *SERVICES),
        "XNATUploadError": ("upload (file)", "upload_data"),
        "XNATTransferError": ("upload_dir",),
    },
    "The work is done, but its answer is lost": {
        RIGHT: (*DATA, *ITEMS, *FILES, *UPLOADS, *SERVICES),
        "XNATConnectionError": ("share",),
    },
    "The body is cut": {RIGHT: (*JSON, "session.get", *FILES)},
    "The body is cut, every time": {
        "XNATConnectionError": (*JSON, "session.get", "file.download", "file.download_stream", "download (zip)"),
    },
    "The body is cut far behind its beginning, every time": {
        "XNATDownloadError": ("file.download", "file.download_stream"),
    },
    "The body is cut, chunked": {RIGHT: (*JSON, "session.get", *FILES)},
    "The body ends early, and nothing tells": {RIGHT: FILES},
    "The body ends early every time, and nothing tells": {
        "XNATDownloadError": ("file.download", "file.download_stream", "download (zip)"),
        RIGHT: ("download_dir",),
    },
    "The body stalls": {RIGHT: ("listing", "listing of files", "attribute", *FILES)},
    "No answer in time": {RIGHT: ("listing", "set", "file.download")},
    "No answer in time, ever": {"XNATTimeoutError": ("listing", "set", "file.download")},
    "A byte changes on the way": {RIGHT: FILES},
    "A byte changes on the way, and the server keeps no checksums": {SIZE_ONLY: ("download_dir, file by file",)},
    "An upload is damaged, and the server keeps no checksums": {SIZE_ONLY: ("upload_dir, no checksums",)},
    "The server tells neither sizes nor checksums": {UNVERIFIABLE: ("download_dir, file by file",)},
    "A byte changes on the way, every time": {
        "XNATDownloadError": ("file.download", "file.download_stream", "download (zip)"),
        RIGHT: ("download_dir",),
    },
    "The listing has wrong digests": {"XNATTransferError": ("download_dir, its listing",)},
    "A member of the zip has another byte than its CRC says": {
        "XNATDownloadError": ("download (zip)",),
        RIGHT: ("download_dir",),
    },
    "The zip has a member that leads out of the folder": {"XNATUnsafeArchiveError": ("download_dir",)},
    "An HTML page comes, with status 200": {
        "XNATUnexpectedPageError": (*DATA, *ITEMS, "share", "download (zip)", *SERVICES),
        "XNATDownloadError": ("file.download", "file.download_stream"),
        "XNATUploadError": ("upload (file)", "upload_data"),
        "XNATTransferError": ("upload_dir",),
        RIGHT: ("download_dir",),
    },
    "Broken JSON": {"XNATResponseError": JSON},
    "JSON of another kind": {"XNATResponseError": JSON},
    "A listing without rows in it": {"XNATResponseError": tuple(name for name in JSON if name != "attribute")},
    "The file exists (200, with duplicates)": {
        "XNATUploadError": ("upload (file)", "upload_data"),
        "XNATTransferError": ("upload_dir",),
    },
    "The upload is damaged on the way": {RIGHT: ("upload (file)", "upload_data", "upload_dir")},
    "The upload is damaged on the way, every time": {
        "XNATUploadError": ("upload (file)", "upload_data"),
        "XNATTransferError": ("upload_dir",),
    },
    "200, and nothing is stored": {
        RIGHT: ("upload_dir", "upload_dir, packed"),
        "XNATUploadError": ("upload (file)", "upload_data"),
    },
    "200, and nothing is ever stored": {
        "XNATUploadError": ("upload (file)", "upload_data"),
        "XNATTransferError": ("upload_dir", "upload_dir, packed"),
        "XNATResponseError": ("import_", "archive"),
    },
}
CASES = [
    pytest.param(fault, call, outcome, id=f"{fault}-{call}")
    for fault, outcomes in MATRIX.items()
    for outcome, calls in outcomes.items()
    for call in calls
]


# -- the run ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled() -> Iterator[SimpleNamespace]:
    with Sandbox() as server, xnat.connect(server.url, user="admin", password="admin") as other:
        other.caching = False
        for name in "PQ":
            other.classes.ProjectData(parent=other, name=name)
        project = other.projects["P"]
        subject = other.classes.SubjectData(parent=project, label="S")
        experiment = other.classes.MrSessionData(parent=subject, label="E", acquisition_site="Rotterdam")
        resource = experiment.create_resource("R")
        for name, data in CONTENT.items():
            resource.upload_data(data, name)
        server.store.files.checksums = False
        plain = experiment.create_resource("PLAIN")
        for name in "ab":
            plain.upload_data(name.encode() * 100, name)
        server.store.files.checksums = True
        other.services.import_(data=dicom_zip(), project="P", subject="S", experiment="DICOM")
        yield SimpleNamespace(server=server, other=other)


@pytest.fixture
def world(filled: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for module, name in ((fetch, "_BACKOFF"), (sending, "_BACKOFF"), (_effects, "INTERVAL"), (_effects, "FIRST_SIGN")):
        monkeypatch.setattr(module, name, 0.01)
    (tmp_path / "target").mkdir()
    with xnat.connect(filled.server.url, user="admin", password="admin", keepalive=False) as session:
        session.client.retry.sleep = lambda seconds: None
        yield World(filled.server, filled.other, session, tmp_path / "target")
        filled.server.faults.clear()
        filled.server.settings.require_login = filled.server.store.files.checksums = True


@pytest.mark.parametrize(("fault", "call", "outcome"), CASES)
def test_matrix(world: World, caplog: pytest.LogCaptureFixture, fault: str, call: str, outcome: str) -> None:
    wrong, called = FAULTS[fault], CALLS[call]
    made = called.prepare(world)
    world.server.settings.require_login = not wrong.guests
    world.server.store.files.checksums = "no checksums" not in call
    if wrong.timeout:
        world.session.client.timeout = wrong.timeout
    rule = world.server.faults.add(
        wrong.make(),
        method=called.method,
        path=called.path,
        query=called.query,
        times=wrong.times,
        after=wrong.after,
    )
    if outcome == WARNED:
        assert called.run(world, made) == []
        assert [record.levelname for record in caplog.records] == ["WARNING"]
    elif outcome in (SIZE_ONLY, UNVERIFIABLE):
        report = called.run(world, made)
        world.server.faults.clear()
        assert called.right(world, made, report)
        assert {result.state for result in report} == {"size-only" if outcome == SIZE_ONLY else "unverifiable"}
    elif outcome == RIGHT:
        result = called.run(world, made)
        world.server.faults.clear()
        assert called.right(world, made, result)
    else:
        with pytest.raises(getattr(exceptions, outcome)) as caught:
            called.run(world, made)
        world.server.faults.clear()
        assert called.untouched(world, made)
        assert type(caught.value).__name__ != "XNATError"
        assert len(str(caught.value)) > 20
    assert rule.hits >= 1


def test_the_matrix_is_large_and_uses_all_faults_and_calls() -> None:
    assert len(CASES) >= 40
    assert set(MATRIX) == set(FAULTS)
    assert {case.values[1] for case in CASES} == set(CALLS)


# -- the page ---------------------------------------------------------------------------------------------------------

BEGIN, END = ".. the table begins; tests/functional/test_fault_matrix.py made it", ".. the table ends"


def table() -> str:
    """The matrix as reStructuredText."""
    lines = [BEGIN, "", ".. list-table::", "    :header-rows: 1", "    :widths: 34 40 26", ""]
    lines += ["    * - What goes wrong", "      - Call", "      - What comes of it"]
    for fault, outcomes in MATRIX.items():
        for number, (outcome, calls) in enumerate(outcomes.items()):
            shown = outcome if not outcome.startswith("XNAT") else f":class:`~xnat.exceptions.{outcome}`"
            words = "every call" if calls == EVERYTHING else "; ".join(calls)
            # Names of functions as code; "import_" would be a link.
            words = re.sub(r"\w+[._]\w*", lambda name: f"``{name[0]}``", words)
            lines += [f"    * - {'' if number else fault}".rstrip(), f"      - {words}", f"      - {shown}"]
    return "\n".join([*lines, "", END])


def test_the_page_shows_the_matrix() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text[text.index(BEGIN) : text.index(END) + len(END)]
    assert shown == table(), "python -m tests.functional.test_fault_matrix prints the table anew"


if __name__ == "__main__":
    print(table())
