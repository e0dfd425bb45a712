"""Searches on a server: what they find, as objects and tables."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

import xnat
from xnat.exceptions import XNATResponseError, XNATValueError
from xnat.sandbox import Sandbox
from xnat.search import Query, and_, or_


@pytest.fixture(scope="module")
def filled() -> Iterator[Sandbox]:
    """Two projects; MR sessions of three years in the first, a CT session in the second."""
    with Sandbox() as running:
        with xnat.connect(running.url, user="admin", password="admin") as session:
            classes = session.classes
            project = classes.ProjectData(parent=session, name="P")
            for label, gender in (("one", "male"), ("two", "female"), ("drei & <vier>", None)):
                subject = classes.SubjectData(parent=project, label=label.replace(" & <", "_").replace(">", ""))
                if gender:
                    subject.demographics.gender = gender
            for number, subject in enumerate(project.subjects.values(), 1):
                date = None if number == 3 else datetime.date(2015 + number, 3, number)
                made = classes.MrSessionData(parent=subject, label=f"MR{number}")
                made.mset(
                    age=20 + number, **({"date": date} if date else {}), note=f"note {number} & <more>, 'quoted' ü"
                )
            other = classes.ProjectData(parent=session, name="Q")
            classes.CtSessionData(parent=classes.SubjectData(parent=other, label="four"), label="CT1")
        yield running


@pytest.fixture
def session(filled: Sandbox) -> Iterator[Any]:
    with xnat.connect(filled.url, user="admin", password="admin") as connected:
        yield connected


@pytest.fixture
def mr(session: Any) -> Any:
    return session.classes.MrSessionData


@pytest.fixture
def query(session: Any, mr: Any) -> Query:
    return Query(mr, session)


def labels(found: Any) -> list[str]:
    return sorted(each.label for each in found)


def test_all_gives_the_objects_that_listings_give(session: Any, query: Query) -> None:
    found = query.all()
    assert labels(found) == ["MR1", "MR2", "MR3"]
    assert {type(each).__name__ for each in found} == {"MrSessionData"}
    assert {each.id for each in found} == set(session.projects["P"].experiments.keys())


def test_found_objects_know_label_and_project_without_a_request(filled: Sandbox, query: Query) -> None:
    found = query.all()
    with filled.record() as requests:
        assert labels(found) == ["MR1", "MR2", "MR3"]
        assert {each.project for each in found} == {"P"}
    assert not requests


def test_found_objects_can_be_changed(filled: Sandbox, query: Query, mr: Any) -> None:
    query.filter(mr.label == "MR3").one().note = "changed"
    with xnat.connect(filled.url, user="admin", password="admin") as second:
        assert second.projects["P"].experiments["MR3"].note == "changed"
    query.filter(mr.label == "MR3").one().note = "note 3 & <more>, 'quoted' ü"


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda mr: mr.label == "MR2", ["MR2"]),
        (lambda mr: mr.label != "MR2", ["MR1", "MR3"]),
        (lambda mr: mr.label.like("mr*"), ["MR1", "MR2", "MR3"]),
        (lambda mr: mr.label.like("%1"), ["MR1"]),
        (lambda mr: mr.label.in_(["MR1", "MR3", "no"]), ["MR1", "MR3"]),
        (lambda mr: mr.age > 21, ["MR2", "MR3"]),
        (lambda mr: mr.age >= 21.5, ["MR2", "MR3"]),
        (lambda mr: mr.age < 22, ["MR1"]),
        (lambda mr: mr.age.between(22, 23), ["MR2", "MR3"]),
        (lambda mr: mr.date == datetime.date(2016, 3, 1), ["MR1"]),
        (lambda mr: mr.date >= datetime.datetime(2016, 3, 2), ["MR2"]),
        (lambda mr: mr.date == None, ["MR3"]),  # noqa: E711
        (lambda mr: mr.date != None, ["MR1", "MR2"]),  # noqa: E711
        (lambda mr: mr.note == "note 1 & <more>, 'quoted' ü", ["MR1"]),
        (lambda mr: (mr.label == "MR1") | (mr.age > 22), ["MR1", "MR3"]),
        (lambda mr: and_(or_(mr.label == "MR1", mr.label == "MR2"), mr.age > 21), ["MR2"]),
        (lambda mr: mr.project == "Q", []),
    ],
)
def test_filters(query: Query, mr: Any, choose: Any, expected: list[str]) -> None:
    assert labels(query.filter(choose(mr))) == expected


def test_filter_by_a_field_of_the_subject(session: Any, query: Query) -> None:
    gender = xnat.search.SearchField("xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender")
    assert query.filter(gender == "female").count() == 1


def test_search_for_subjects_and_projects(session: Any) -> None:
    subject, project = session.classes.SubjectData, session.classes.ProjectData
    assert labels(Query(subject, session).filter(subject.label == "two")) == ["two"]
    assert [each.id for each in Query(project, session).filter(project.name == "Q")] == ["Q"]


def test_search_for_assessors_finds_them_and_not_their_sessions(filled: Sandbox, session: Any) -> None:
    experiment = session.projects["P"].experiments["MR1"]
    made = experiment.create_assessor("QC1", "xnat:qcManualAssessorData")
    cls = session.classes.QcManualAssessorData
    (found,) = Query(cls, session).filter(cls.label == "QC1")
    assert (found.id, found.label) == (made.id, "QC1")
    made.delete()


def test_one_search_is_one_request(filled: Sandbox, query: Query) -> None:
    with filled.record() as requests:
        query.all()
    assert [(entry.method, entry.path) for entry in requests] == [("POST", "/data/search")]


def test_first_last_one_limit_and_order(query: Query, mr: Any) -> None:
    ordered = query.order_by(mr.label, descending=True)
    assert [each.label for each in ordered] == ["MR3", "MR2", "MR1"]
    assert ordered.first().label == "MR3"
    assert ordered.last().label == "MR1"
    assert [each.label for each in ordered.limit(2)] == ["MR3", "MR2"]
    assert query.filter(mr.label == "MR1").one().label == "MR1"
    assert query.filter(mr.label == "no").one_or_none() is None
    with pytest.raises(XNATValueError):
        query.one()


def test_tables(query: Query, mr: Any) -> None:
    table = query.filter(mr.label == "MR1").view("LABEL", "DATE", "AGE").tabulate()
    assert [row[:3] for row in table] == [("MR1", "2016-03-01", "21.0")]
    assert table[0].label == "MR1"
    assert query.filter(mr.label == "MR1").view("LABEL").tabulate_dict()[0]["label"] == "MR1"
    assert query.view("LABEL").tabulate_csv().splitlines()[0].startswith("label")
    answer = query.limit(1).tabulate_json()
    assert len(json.loads(answer)["ResultSet"]["Result"]) == 1


def test_table_of_paths_of_the_schema(query: Query, mr: Any) -> None:
    table = query.filter(mr.label == "MR1").view(mr.label, mr.age).tabulate_dict()
    assert sorted(table[0].values()) == ["21.0", "MR1", "active"]


def looked_up(requests: Any) -> list[str]:
    """What was asked, as words; the searches themselves as one."""
    return [entry.path.removeprefix("/data/search").lstrip("/") or "search" for entry in requests]


def test_display_fields_as_columns_cost_no_further_request(filled: Sandbox, query: Query) -> None:
    with filled.record() as requests:
        query.view("LABEL", "xnat:subjectData.GENDER", "AGE").order_by("AGE").tabulate()
    assert looked_up(requests) == ["search"]


def test_paths_as_columns_cost_one_request_per_type(filled: Sandbox, query: Query, mr: Any) -> None:
    shown = query.view(mr.label, mr.age, "scanner/model", "xnat:subjectData/group").order_by(mr.date)
    with filled.record() as requests:
        shown.tabulate()
        shown.filter(mr.label == "MR1").tabulate_dict()
        assert mr.AGE.is_display_field  # from the same list
    lists = ["elements/xnat:mrSessionData", "elements/xnat:subjectData"]
    assert looked_up(requests) == [*lists, "search", "search"]


def test_paths_as_columns_of_a_session_that_keeps_nothing(filled: Sandbox, session: Any, query: Query, mr: Any) -> None:
    session.caching = False
    with filled.record() as requests:
        query.view(mr.label, mr.age).order_by(mr.date).tabulate()
    assert looked_up(requests) == ["elements/xnat:mrSessionData", "search"]


def test_columns_of_what_a_session_belongs_to(query: Query, mr: Any) -> None:
    for path in ("demographics/gender", "demographics[@xsi:type=xnat:demographicData]/gender"):
        (row,) = query.filter(mr.label == "MR2").view("LABEL", f"xnat:subjectData/{path}").tabulate()
        assert (row.label, row.xnat_subjectdata_demographicsgender) == ("MR2", "female")


def test_custom_variables_as_columns(session: Any, query: Query, mr: Any) -> None:
    for label, dose in (("MR1", "2"), ("MR2", "10")):
        session.projects["P"].experiments[label].fields["dose"] = dose
    by_term, by_path = mr.custom_variables["dose"], "fields/field[name=dose]/field"
    for column in (by_term, by_path):
        found = query.filter(mr.custom_variables["dose"].is_not_null()).view(mr.label, column).order_by(column)
        assert [(row["label"], row["xnat_mrsessiondata_field_map_dose"]) for row in found.tabulate_dict()] == [
            ("MR1", "2"), ("MR2", "10"),
        ]  # fmt: skip
    for label in ("MR1", "MR2"):
        del session.projects["P"].experiments[label].fields["dose"]


def test_sharing_as_a_column(session: Any, query: Query, mr: Any) -> None:
    experiment = session.projects["P"].experiments["MR1"]
    experiment.share("Q", label="elsewhere")
    (row,) = query.filter(mr.label == "MR1").view("sharing/share/project").tabulate()
    experiment.unshare("Q")
    assert row.sharingshareproject == "Q"


@pytest.mark.parametrize("path", ["label", "age", "date", "xnat:subjectData/label", "xnat:mrSessionData/AGE"])
def test_order_by_a_path(query: Query, path: str) -> None:
    rows = [row["label"] for row in query.view("LABEL").order_by(path, descending=True).tabulate_dict()]
    expected = {
        # one has no date, and empty text sorts behind numbers; the third subject is called drei
        "date": ["MR2", "MR1", "MR3"],
        "xnat:subjectData/label": ["MR2", "MR1", "MR3"],
    }
    assert rows == expected.get(path, ["MR3", "MR2", "MR1"])


def test_order_by_several(query: Query, mr: Any) -> None:
    found = query.order_by("xnat:subjectData/demographics/gender", mr.label)
    assert [each.label for each in found] == ["MR3", "MR2", "MR1"]


def test_the_answers_of_paths_have_the_types_of_the_schema(query: Query, mr: Any) -> None:
    pytest.importorskip("pandas")
    frame = query.view(mr.label, mr.date, "xnat:subjectData/demographics/gender").order_by(mr.age).tabulate_pandas()
    kinds = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert kinds["date"].startswith("datetime64")
    assert kinds["age"] == "float64"
    assert kinds["xnat_subjectdata_demographicsgender"] == "category"


def test_unknown_paths_are_warned_of(filled: Sandbox, query: Query, caplog: pytest.LogCaptureFixture) -> None:
    assert query.view("LABEL", "no/such/path").tabulate_dict()[0]["label"]
    assert "of a search: xnat:mrSessionData/no/such/path; it answers with 'label'" in caplog.text


def test_types_without_a_list_are_asked_for_by_path(filled: Sandbox, query: Query, mr: Any) -> None:
    from xnat.sandbox import faults

    rule = filled.faults.add(faults.status(500), path="/data/search/elements/xnat:mrSessionData")
    try:
        assert len(query.view(mr.label, mr.age).tabulate()) == 3
        assert rule.hits == 1
    finally:
        filled.faults.clear()


def test_table_of_nothing_is_empty(query: Query, mr: Any) -> None:
    assert query.filter(mr.label == "no").tabulate() == ()
    assert query.filter(mr.label == "no").all() == []


def test_unknown_field_is_the_servers_error(session: Any, query: Query) -> None:
    with pytest.raises(XNATResponseError) as caught:
        query.filter(xnat.search.SearchField("xnat:mrSessionData/no_such_field") == "x").all()
    assert caught.value.status_code is not None


def test_lost_answer_is_asked_for_again(filled: Sandbox, query: Query) -> None:
    from xnat.sandbox import faults

    rule = filled.faults.add(faults.close(), path="/data/search", method="POST")
    try:
        assert query.count() == 3
        assert rule.hits == 1
    finally:
        filled.faults.clear()


def test_one_query_can_be_asked_twice(world: Any, session: Any) -> None:
    query = session.classes.MrSessionData.query()
    assert [found.label for found in query.all()] == [found.label for found in query.all()] != []
