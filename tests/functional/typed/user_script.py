"""What a user writes, type-checked with ``mypy --strict`` by test_editors.py; and run there, too.

It walks, reads, writes, searches, tabulates and transfers, down to the fields of a plug-in.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xnat.exceptions import XNATError
from xnat.search import Query

if TYPE_CHECKING:
    from xnat_classes import ClinicVisitData, MrScanData, MrSessionData, ProjectData, Session, SubjectData, connect
else:
    from xnat import connect


@dataclass(frozen=True)
class Person:
    """A row of the report."""

    label: str
    gender: str | None
    born: datetime.date | None
    sessions: int
    volume: float | None

    def age_on(self, day: datetime.date) -> float | None:
        if self.born is None:
            return None
        return (day - self.born).days / 365.25


@dataclass
class Total:
    """What was added up."""

    people: int = 0
    frames: int = 0
    repetition: float = 0.0

    def add(self, scan: MrScanData) -> None:
        self.frames += scan.frames or 0
        self.repetition += scan.parameters.tr or 0.0


def volume_of(session: MrSessionData) -> float | None:
    """A custom variable is text."""
    text = session.fields.get("brain_volume")
    return None if text is None else float(text)


def sessions_of(session: Session, subject: SubjectData) -> Iterator[MrSessionData]:
    """The MR sessions of a subject: a listing of experiments holds all kinds."""
    for experiment in subject.experiments.values():
        if isinstance(experiment, session.classes.MrSessionData):
            yield experiment


def visits_of(session: Session, subject: SubjectData) -> Iterator[ClinicVisitData]:
    """Experiments of a type that a plug-in adds."""
    for experiment in subject.experiments.values():
        if isinstance(experiment, session.classes.ClinicVisitData):
            yield experiment


def person(session: Session, subject: SubjectData) -> Person:
    found = list(sessions_of(session, subject))
    volumes = [volume for volume in map(volume_of, found) if volume is not None]
    demographics = subject.demographics
    return Person(subject.label, demographics.gender, demographics.dob, len(found), max(volumes, default=None))


def add_up(session: Session, project: ProjectData) -> Total:
    total = Total()
    for subject in project.subjects.values():
        total.people += 1
        for experiment in sessions_of(session, subject):
            for scan in experiment.scans.values():
                if isinstance(scan, session.classes.MrScanData):
                    total.add(scan)
    return total


def plan_visit(session: Session, subject: SubjectData, day: datetime.date) -> ClinicVisitData:
    """Create something of the plug-in's type, and write its fields."""
    visit = session.classes.ClinicVisitData(parent=subject, label=f"{subject.label}_visit")
    visit.date = day
    visit.room = "B12"
    visit.coffees = 2
    visit.blood.pressure = 120.5
    visit.note = "planned"
    del visit.note
    return visit


def describe(visit: ClinicVisitData) -> str:
    """Attributes of the plug-in's type, and of those it derives from."""
    room: str | None = visit.room
    coffees: int = visit.coffees or 0
    pressure: float | None = visit.blood.pressure
    owner: SubjectData = visit.subject
    return f"{owner.label}: {visit.label} on {visit.date} in {room}, {coffees} coffees, {pressure}"


def find_recent(session: Session, since: datetime.date) -> list[str]:
    """Fields of a class are the terms of a search."""
    mr_session = session.classes.MrSessionData
    query = Query(mr_session, session).filter(mr_session.date >= since, mr_session.label.like("%"))
    return sorted(str(found.label) for found in query.all())


def table(project: ProjectData, target: Path) -> int:
    """A table as CSV text."""
    text: str = project.experiments.tabulate_csv(columns=["label", "date", "xsiType"])
    target.write_text(text, encoding="utf-8")
    return len(project.experiments)


def fetch(project: ProjectData, folder: Path) -> int:
    """Download the files of the first scan there is."""
    count = 0
    for scan in project.scans.filter(type="T1").values():
        for name, file in scan.image_session.scans[scan.id].files.items():
            count += file.size
            file.download(folder / Path(name).name, verbose=False)
    return count


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("project")
    parser.add_argument("--folder", type=Path, default=Path("."))
    args = parser.parse_args(arguments)
    name: str = args.project
    try:
        with connect(args.server, user="admin", password="admin") as session:
            project = session.projects[name]
            subject = session.projects[name].subjects["S1"]
            visit = plan_visit(session, subject, datetime.date(2024, 5, 6))
            print(describe(next(visits_of(session, visit.subject))))
            print(person(session, subject))
            print(add_up(session, project))
            print(find_recent(session, datetime.date(2019, 1, 1)))
            print(table(project, args.folder / "table.csv"), fetch(project, args.folder))
            experiment = session.projects[name].subjects["S1"].experiments["E1"]
            day: datetime.date | None = experiment.date
            print(day)
    except XNATError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
