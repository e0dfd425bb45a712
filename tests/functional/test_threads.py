"""One session, many threads: nothing raised, no write lost, memory flat."""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.waiting import PATIENCE
from xnat.core.registry import Registry

from .conftest import connect

EXPERIMENTS = 6


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def study(world: Any, session: Any) -> Any:
    subject = world.subjects["S1"]
    for number in range(2, EXPERIMENTS + 1):
        experiment = session.classes.MrSessionData(parent=subject, label=f"E{number}")
        session.classes.MrScanData(parent=experiment, id_="1", type="T1")
    return world


class Crew:
    """Threads that work on one session until the time is over.

    :ivar written: what must be on the server in the end: (experiment, variable) → value
    """

    def __init__(self, session: Any, server: Any, threads: int, seconds: float) -> None:
        self.session = session
        self.server = server
        self.seconds = seconds
        self.written: dict[tuple[str, str], str] = {}
        self.notes: dict[str, str] = {}
        self.errors: list[BaseException] = []
        self.done = 0
        self.memory: list[int] = []
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]

    def run(self) -> None:
        self.end = time.monotonic() + self.seconds
        for thread in self.threads:
            thread.start()
        while any(thread.is_alive() for thread in self.threads):
            time.sleep(min(1.0, self.seconds / 20))
            gc.collect()
            self.memory.append(len(gc.get_objects()))

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        deeds = [self.read, self.read, self.listing, self.write, self.write, self.file, self.clear, self.note]
        if number == 0:
            deeds = [self.expire, *[self.read] * 3]
        round_ = 0
        try:
            while time.monotonic() < self.end and not self.errors:
                chance.choice(deeds)(number, round_, chance)
                round_ += 1
                self.done += 1
        except BaseException as error:
            self.errors.append(error)

    def experiment(self, chance: random.Random) -> Any:
        project = self.session.projects["P"]
        listing = chance.choice([project.experiments, project.subjects["S1"].experiments])
        return listing[f"E{chance.randint(1, EXPERIMENTS)}"]

    def read(self, number: int, round_: int, chance: random.Random) -> None:
        experiment = self.experiment(chance)
        assert experiment.label.startswith("E")
        assert experiment.subject.label == "S1"
        scan = experiment.scans["1"]
        assert scan.type == "T1"
        assert experiment.fulluri.startswith("/data/archive/projects/P/subjects/")
        if experiment.label == "E1":
            assert sorted(scan.resources["DICOM"].files) == ["1.dcm", "2.dcm"]

    def listing(self, number: int, round_: int, chance: random.Random) -> None:
        experiments = self.session.projects["P"].experiments
        assert sorted(experiment.label for experiment in experiments.values()) == [
            f"E{number}" for number in range(1, EXPERIMENTS + 1)
        ]

    def write(self, number: int, round_: int, chance: random.Random) -> None:
        """A variable of this thread's own, read back at once."""
        experiment = self.experiment(chance)
        key, value = f"v{number}", f"{number}-{round_}"
        experiment.fields[key] = value
        self.written[experiment.label, key] = value
        again = self.session.projects["P"].experiments[experiment.label]
        assert again.fields[key] == value

    def note(self, number: int, round_: int, chance: random.Random) -> None:
        """A column of the scans' listing, which the next look takes from the row or from the item."""
        if not 1 <= number <= EXPERIMENTS:
            return
        scan = self.session.projects["P"].experiments[f"E{number}"].scans["1"]
        scan.note = value = f"note {round_}"
        self.notes[f"E{number}"] = value
        assert self.session.projects["P"].experiments[f"E{number}"].scans["1"].note == value

    def file(self, number: int, round_: int, chance: random.Random) -> None:
        resource = self.session.projects["P"].resources["PROTOCOL"]
        name, data = f"{number:02}.txt", f"{number} {round_}".encode()
        resource.upload_data(data, name, overwrite=True)
        with resource.files[name].open() as stream:
            assert stream.read() == data

    def clear(self, number: int, round_: int, chance: random.Random) -> None:
        chance.choice([
            self.session.clearcache, self.session.projects.clearcache, self.experiment(chance).clearcache,
            self.session.projects["P"].experiments.clearcache,
        ])()  # fmt: skip

    def expire(self, number: int, round_: int, chance: random.Random) -> None:
        self.server.expire_sessions()
        time.sleep(self.seconds / 50)


@pytest.mark.parametrize(
    ("threads", "seconds"), [(12, 4.0), pytest.param(32, 60.0, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_mixed_work(study: Any, session: Any, server: Any, quick_switches: None, threads: int, seconds: float) -> None:
    crew = Crew(session, server, threads, seconds)
    crew.run()
    assert crew.errors == []
    assert crew.done > threads
    with connect(server) as other:
        for (label, key), value in crew.written.items():
            assert other.projects["P"].experiments[label].fields[key] == value
        for label, value in crew.notes.items():
            assert other.projects["P"].experiments[label].scans["1"].note == value
    # The first third warms up; after that objects come and go, but don't gather. A look takes its time between so many
    # threads: with few of them the halves have one in common.
    looks = crew.memory[len(crew.memory) // 3 :]
    assert min(looks[len(looks) // 2 :]) < 1.1 * max(looks[: len(looks) // 2 + 1]) + 5000


# -- what such a run found, one by one -------------------------------------------------------------------------------


def test_a_row_from_before_a_clear_is_not_believed_after_it(study: Any, session: Any) -> None:
    """One thread holds a listing's rows while another writes, and a third clears the cache."""
    listing = session.projects["P"].experiments["E1"].scans
    table = listing._table()
    listing._make(table.rows[0]).note = "new"
    session.clearcache()
    assert listing._make(table.rows[0]).note == "new"


def test_clears_at_the_same_time_leave_different_numbers(study: Any, session: Any) -> None:
    listing = session.projects
    seen = []
    for _ in range(3):
        listing.clearcache()
        seen.append(listing._stamp())
    assert len(set(seen)) == 3


def test_all_threads_get_the_same_object_and_listing(study: Any, session: Any, quick_switches: None) -> None:
    barrier = threading.Barrier(16)
    found: list[Any] = []

    def look() -> None:
        barrier.wait(PATIENCE)
        project = session.projects["P"]
        found.append((project, project.experiments, project.experiments["E1"]))

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert all(one[0] is found[0][0] and one[1] is found[0][1] and one[2] is found[0][2] for one in found)


def test_time_of_a_clear_makes_rows_stale() -> None:
    registry = Registry()
    before = registry.now()
    registry.clear()
    assert registry.touched("anything") > before
    assert registry.touched("anything") < registry.now()


def test_memory_of_many_clears(study: Any, session: Any) -> None:
    def work() -> None:
        for _ in range(300):
            session.clearcache()
            session.projects.clearcache()
            listing = session.projects["P"].subjects.filter(label="S*")
            listing.clearcache()

    work()
    gc.collect()
    before = len(gc.get_objects())
    work()
    gc.collect()
    assert len(gc.get_objects()) < before + 500
