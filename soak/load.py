"""What scripts do, all the time and from several threads, on a server that misbehaves."""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import xnat
from xnat.exceptions import XNATError
from xnat.search import Query

from .server import Server

WORKERS = 8


class Load:
    """Workers that go round while :meth:`run` runs, and rest with everything closed in between.

    :ivar done: rounds so far
    :ivar errors: rounds that ended in an error of the library, as they must under faults
    :ivar wrong: rounds that ended in another error, as none may
    :ivar surprises: what the first of those were
    """

    def __init__(self, server: Server, folder: str) -> None:
        self._server, self._folder = server, Path(folder)
        self.done = self.errors = self.wrong = 0
        self.surprises: list[str] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._shared: Any = None
        logging.getLogger("xnat").setLevel(logging.CRITICAL)

    def __enter__(self) -> Load:
        self._shared = self._connect()
        project = self._shared.classes.ProjectData(parent=self._shared, name="P")
        for name in ("S1", "S2"):
            subject = self._shared.classes.SubjectData(parent=project, label=name)
            experiment = self._shared.classes.MrSessionData(parent=subject, label=f"E{name}")
            for id_ in ("1", "2"):
                scan = self._shared.classes.MrScanData(parent=experiment, id_=id_, type="T1")
                resource = scan.create_resource("DICOM")
                for number in range(6):
                    resource.upload_data(bytes([number]) * 5000, f"{number}.dcm")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the session that all workers share."""
        shared, self._shared = self._shared, None
        if shared is not None:
            self._server.tell("calm")
            shared.disconnect()

    def run(self, seconds: float) -> None:
        """Let the workers go round for a while."""
        self._server.tell("faults")
        ends = time.monotonic() + seconds
        workers = [threading.Thread(target=self._work, args=(ends,), name=f"soak-{n}") for n in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self._server.tell("calm")
        # The last session that was ended is replaced now, so that each line sees the same.
        self._shared.clearcache()
        self._shared.get("/data/projects")

    def _work(self, ends: float) -> None:
        while time.monotonic() < ends:
            number = next(self._numbers)
            try:
                ROUNDS[number % len(ROUNDS)](self, number)
            except XNATError:
                self._count(errors=1)
            except Exception:
                self._count(wrong=1, text=traceback.format_exc())
            else:
                self._count()

    def _count(self, errors: int = 0, wrong: int = 0, text: str = "") -> None:
        with self._lock:
            self.done += 1
            self.errors += errors
            self.wrong += wrong
            if text and len(self.surprises) < 5:
                self.surprises.append(text)

    def _connect(self, **options: Any) -> Any:
        return xnat.connect(self._server.url, **{"user": "admin", "password": "admin", **options})

    # -- rounds -------------------------------------------------------------------------------------------------------

    def open_and_close(self, number: int) -> None:
        """A script: connect, look around, disconnect."""
        with self._connect(cache=number % 3 == 0) as session:
            for subject in session.projects["P"].subjects.values():
                repr(subject.experiments)
                repr(subject.demographics.gender)

    def open_and_drop(self, number: int) -> None:
        """A notebook: connect, and forget the session. It goes on with the shared login, as the server keeps others."""
        shared = self._shared.jsession
        session = self._connect(jsession=shared, user=None, password=None, keepalive=True)
        len(session.projects)

    def fail_to_open(self, number: int) -> None:
        """A wrong password, a server that isn't there, one that is too slow."""
        for wrong in (
            lambda: self._connect(password=str(number)),
            lambda: xnat.connect("http://127.0.0.1:9", "admin", "admin"),
            lambda: self._shared.get("/data/projects", timeout=0.001),
        ):
            try:
                wrong()
            except XNATError:
                pass

    def download(self, number: int) -> None:
        """Files of a session, into a folder that goes away."""
        folder = self._folder / f"download-{number}"
        try:
            for experiment in self._shared.projects["P"].experiments.values():
                experiment.download_dir(folder, verbose=False)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def upload(self, number: int) -> None:
        """A file into a resource, and away again."""
        project = self._shared.projects["P"]
        resource = project.resources["R"] if "R" in project.resources else project.create_resource("R")
        resource.upload_data(b"x" * 50_000, f"{number}.txt")
        resource.files[f"{number}.txt"].delete()

    def write(self, number: int) -> None:
        """A subject that comes and goes, with custom variables."""
        subject = self._shared.classes.SubjectData(parent=self._shared.projects["P"], label=f"N{number}")
        try:
            subject.fields["n"] = number
            subject.demographics.gender = "female"
        finally:
            subject.delete()

    def read(self, number: int) -> None:
        """Listings, tables, searches; caches dropped now and then."""
        project = self._shared.projects["P"]
        project.subjects.tabulate_csv()
        list(project.experiments)
        subject = self._shared.classes.SubjectData
        Query(subject, self._shared).filter(subject.label == "S1").tabulate_dict()
        if number % 5 == 0:
            self._shared.clearcache()


ROUNDS: tuple[Callable[[Load, int], None], ...] = (
    Load.open_and_close,
    Load.download,
    Load.read,
    Load.upload,
    Load.open_and_drop,
    Load.write,
    Load.read,
    Load.fail_to_open,
)
