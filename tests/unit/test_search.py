"""Search terms and documents: what is sent, and how answers are read; without a server."""

from __future__ import annotations

import datetime
import logging
from typing import Any
from xml.etree import ElementTree

import pytest

from xnat.exceptions import XNATResponseError, XNATValueError
from xnat.search import CompoundConstraint, Constraint, Query, SearchField, and_, or_
from xnat.searchterms import display_field

XDAT = "{http://nrg.wustl.edu/security}"
day = SearchField("xnat:mrSessionData/date")
label = SearchField("xnat:mrSessionData/label")
age = SearchField("xnat:mrSessionData.AGE")


class Session:
    """Answers every search with one text, and keeps what was asked."""

    logger = logging.getLogger("test")
    known: tuple[str, ...] = ("RATER", "SESSION_ID", "EXPT_ID", "PROJECT")
    refuses = False

    def __init__(self, answer: bytes = b"", content_type: str = "text/csv") -> None:
        self.answer = answer
        self.content_type = content_type
        self.asked: list[dict[str, Any]] = []
        self.looked_up: list[str] = []
        self.client = self

    def request(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append({"method": method, "path": path, **options})
        return self

    def display_fields(self, xsi_type: str) -> frozenset[str]:
        self.looked_up.append(xsi_type)
        if self.refuses:
            raise XNATResponseError("no display document", status_code=500)
        return frozenset(self.known)

    def create_object(self, uri: str, type_: str, **facts: Any) -> tuple[str, str, dict[str, Any]]:
        return uri, type_, facts

    # the answer
    encoding = "ISO-8859-1"

    @property
    def content(self) -> bytes:
        return self.answer

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type}


class ImageSessionData:
    XSI_TYPE = "xnat:imageSessionData"
    KIND = "experiment"


class MrSessionData(ImageSessionData):
    XSI_TYPE = "xnat:mrSessionData"


class SubjectData:
    XSI_TYPE = "xnat:subjectData"
    KIND = "subject"


class QcData:
    XSI_TYPE = "xnat:qcManualAssessorData"
    KIND = "experiment"


class ScanData:
    XSI_TYPE = "xnat:mrScanData"
    KIND = "scan"


def query(session: Any = None, cls: type = MrSessionData) -> Query:
    return Query(cls, session or Session())


def criteria(constraint: Any) -> list[tuple[str | None, ...]]:
    """(field, comparison, value, override) of each criteria element, in order."""
    return [
        (
            element.findtext(f"{XDAT}schema_field"),
            element.findtext(f"{XDAT}comparison_type"),
            element.findtext(f"{XDAT}value"),
            element.get("override_value_formatting"),
        )
        for element in constraint.to_xml().iter(f"{XDAT}criteria")
    ]


# -- terms -----------------------------------------------------------------------------------------------------------


def test_field_repr_names_its_path() -> None:
    assert repr(day) == "<SearchField xnat:mrSessionData/date>"


def test_field_splits_type_and_name() -> None:
    assert (day.element, day.name, day.is_display_field) == ("xnat:mrSessionData", "date", False)
    assert (age.element, age.name, age.is_display_field) == ("xnat:mrSessionData", "AGE", True)


@pytest.mark.parametrize(
    ("constraint", "comparison"),
    [
        (label == "x", "="),
        (label != "x", "!="),
        (label > "x", ">"),
        (label >= "x", ">="),
        (label < "x", "<"),
        (label <= "x", "<="),
    ],
)
def test_comparisons(constraint: Constraint, comparison: str) -> None:
    assert isinstance(constraint, Constraint)
    assert criteria(constraint) == [("xnat:mrSessionData/label", comparison, "x", "0")]


def test_like_takes_shell_stars_and_sql_percents() -> None:
    assert criteria(label.like("a*b%")) == [("xnat:mrSessionData/label", " LIKE ", "a%b%", "0")]


def test_in_is_a_choice_of_equals() -> None:
    found = label.in_(["a", 1])
    assert found.to_xml().get("method") == "OR"
    assert criteria(found) == [("xnat:mrSessionData/label", "=", "a", "0"), ("xnat:mrSessionData/label", "=", "1", "0")]


def test_in_of_one_value_is_one_equals() -> None:
    assert isinstance(label.in_(["a"]), Constraint)


@pytest.mark.parametrize("values", [[], "text"])
def test_in_refuses_nothing_and_a_text(values: Any) -> None:
    with pytest.raises(XNATValueError):
        label.in_(values)


def test_between_includes_both_ends() -> None:
    found = age.between(20, 30.5)
    assert found.to_xml().get("method") == "AND"
    assert criteria(found) == [
        ("xnat:mrSessionData.AGE", ">=", "20", "0"),
        ("xnat:mrSessionData.AGE", "<=", "30.5", "0"),
    ]


@pytest.mark.parametrize("constraint", [day.is_null(), day == None])  # noqa: E711 - what users write
def test_null(constraint: Any) -> None:
    assert criteria(constraint) == [("xnat:mrSessionData/date", "IS", "NULL", "1")]


@pytest.mark.parametrize("constraint", [day.is_not_null(), day != None])  # noqa: E711
def test_not_null(constraint: Any) -> None:
    assert criteria(constraint) == [("xnat:mrSessionData/date", "IS NOT", "NULL", "1")]


def test_none_has_no_order() -> None:
    with pytest.raises(XNATValueError, match="is_null"):
        day > None  # noqa: B015


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime.date(2016, 1, 9), "01/09/2016"),
        (datetime.datetime(2016, 1, 9), "01/09/2016"),
        (datetime.datetime(2016, 1, 9, 3, 0, 1), "2016-01-09 03:00:01.0"),
        (datetime.datetime(2016, 1, 9, 3, 0, 1, 250000), "2016-01-09 03:00:01.25"),
        (datetime.time(3, 0, 1), "03:00:01"),
        (True, "true"),
        (1.5, "1.5"),
    ],
)
def test_values_as_xnat_reads_them(value: Any, text: str) -> None:
    assert criteria(day == value)[0][2] == text


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", object(), ["a"]])
def test_values_that_cannot_be_sent(value: Any) -> None:
    with pytest.raises(XNATValueError, match="can't be searched for"):
        label == value  # noqa: B015


def test_fields_are_hashable_and_compare_by_path() -> None:
    again = SearchField("xnat:mrSessionData/date")
    assert day == again
    assert label != day
    assert {day: 1}[again] == 1
    assert again in {day, label}
    assert again in [label, day]


@pytest.mark.parametrize("constraint", [label == "x", (label == "x") & (age > 1)])
def test_constraint_has_no_truth_value(constraint: Any) -> None:
    with pytest.raises(XNATValueError, match="neither true nor false"):
        bool(constraint)


def test_forgotten_brackets_are_told() -> None:
    with pytest.raises((XNATValueError, TypeError)):
        label == "x" and age > 1  # noqa: B015, B018


def test_compounds_are_flat_where_they_say_the_same() -> None:
    found = (label == "a") & (label == "b") & ((label == "c") | (label == "d"))
    assert isinstance(found, CompoundConstraint)
    assert [len(part.constraints) if isinstance(part, CompoundConstraint) else 1 for part in found.constraints] == [
        1,
        1,
        2,
    ]
    assert repr(or_(label == "c", label == "d")) == (
        "<CompoundConstraint OR <Constraint xnat:mrSessionData/label = c>, <Constraint xnat:mrSessionData/label = d>>"
    )


@pytest.mark.parametrize("join", [and_, or_])
def test_joining_nothing_is_refused(join: Any) -> None:
    with pytest.raises(XNATValueError, match="at least one"):
        join()


@pytest.mark.parametrize("join", [and_, or_])
def test_joining_something_else_is_refused(join: Any) -> None:
    with pytest.raises(XNATValueError, match="no constraint"):
        join(True, label == "x")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("date", "DATE"),
        ("AGE", "AGE"),
        ("scanner/model", "SCANNERMODEL"),
        ("sharing/share/project", "SHARINGSHAREPROJECT"),
        ("demographics[@xsi:type=xnat:demographicData]/gender", "DEMOGRAPHICSGENDER"),
        ("fields/field[name=Dose]/field", "XNAT_MRSESSIONDATA_FIELD_MAP=dose"),
        ("fields/field[name='brain volume']/field", "XNAT_MRSESSIONDATA_FIELD_MAP=brain volume"),
        ("scans/scan[type=T1]/quality", None),
        ("", None),
    ],
)
def test_display_field_of_a_path(path: str, name: str | None) -> None:
    found = display_field(SearchField(f"xnat:mrSessionData/{path}"))
    assert (found and found.identifier) == (name and f"xnat:mrSessionData.{name}")


# -- the document ----------------------------------------------------------------------------------------------------


def test_document_of_a_bare_query_asks_for_what_names_the_objects() -> None:
    root = ElementTree.fromstring(query().to_string())
    assert root.tag == f"{XDAT}bundle"
    assert root.findtext(f"{XDAT}root_element_name") == "xnat:mrSessionData"
    fields = root.findall(f"{XDAT}search_field")
    assert [field.findtext(f"{XDAT}field_ID") for field in fields] == ["SESSION_ID", "PROJECT", "SUBJECT_ID", "LABEL"]
    assert [field.findtext(f"{XDAT}sequence") for field in fields] == ["0", "1", "2", "3"]
    assert root.find(f"{XDAT}search_where") is None


def test_document_nests_alternatives() -> None:
    root = query().filter((label == "a") | (label == "b"), age > 1).to_xml()
    where = root.find(f"{XDAT}search_where")
    assert where is not None
    assert where.get("method") == "AND"
    assert [part.tag.removeprefix(XDAT) for part in where] == ["child_set", "criteria"]
    assert where[0].get("method") == "OR"


def test_document_of_alternatives_only_keeps_them_apart() -> None:
    where = query().filter((label == "a") | (label == "b")).to_xml().find(f"{XDAT}search_where")
    assert where is not None
    assert (where.get("method"), [part.get("method") for part in where]) == ("AND", ["OR"])


def test_document_escapes_values() -> None:
    text = query().filter(label == "<a & b>'\"").to_string()
    assert b"<a & b>" not in text
    root = ElementTree.fromstring(text)
    assert root.findtext(f".//{XDAT}value") == "<a & b>'\""


def test_view_takes_fields_paths_and_display_names() -> None:
    viewed = query().view(day, "scanner/model", "AGE", "XNAT_MRSESSIONDATA_FIELD_MAP=dose", "xnat:subjectData/group")
    assert [field.identifier for field in viewed.fields] == [
        "xnat:mrSessionData/date",
        "xnat:mrSessionData/scanner/model",
        "xnat:mrSessionData.AGE",
        "xnat:mrSessionData.XNAT_MRSESSIONDATA_FIELD_MAP=dose",
        "xnat:subjectData/group",
    ]
    columns = viewed.to_xml().findall(f"{XDAT}search_field")
    assert [column.findtext(f"{XDAT}field_ID") for column in columns][:3] == [
        "xnat:mrSessionData/date",
        "xnat:mrSessionData/scanner/model",
        "AGE",
    ]
    assert columns[-1].findtext(f"{XDAT}element_name") == "xnat:subjectData"


def columns(asked: Query) -> list[tuple[str | None, str | None]]:
    """(element, field ID) of each column of the document."""
    found = asked.to_xml().findall(f"{XDAT}search_field")
    return [(column.findtext(f"{XDAT}element_name"), column.findtext(f"{XDAT}field_ID")) for column in found]


def test_paths_are_shown_as_the_display_fields_that_the_server_lists() -> None:
    session = Session()
    session.known = ("DATE", "SCANNERMODEL", "GROUP")
    viewed = query(session).view(day, "scanner/model", label, "xnat:subjectData/group", "sharing/share/project")
    assert columns(viewed) == [
        ("xnat:mrSessionData", "DATE"),
        ("xnat:mrSessionData", "SCANNERMODEL"),
        ("xnat:mrSessionData", "xnat:mrSessionData/label"),
        ("xnat:subjectData", "GROUP"),
        ("xnat:mrSessionData", "SHARINGSHAREPROJECT"),
    ]
    assert session.looked_up == ["xnat:mrSessionData", "xnat:subjectData"]


def test_display_fields_and_custom_variables_are_not_looked_up() -> None:
    session = Session(ROWS)
    query(session).view("AGE", age, "fields/field[name=dose]/field", "X_FIELD_MAP=dose").order_by("LABEL").tabulate()
    query(session).all()
    assert session.looked_up == []


def test_paths_of_a_type_whose_fields_the_server_does_not_tell_are_sent_as_they_are() -> None:
    session = Session()
    session.refuses = True
    assert [id_ for _, id_ in columns(query(session).view(day, label))] == [day.identifier, label.identifier]
    assert session.looked_up == ["xnat:mrSessionData"]


def test_a_column_that_is_named_twice_is_sent_once(caplog: pytest.LogCaptureFixture) -> None:
    session = Session(b"label,quarantine_status\nx,active\n")
    session.known = ("LABEL",)
    assert query(session).view(label, "LABEL").order_by(label).tabulate_dict()[0]["label"] == "x"
    sent = ElementTree.fromstring(session.asked[0]["data"])
    assert [element.text for element in sent.iter(f"{XDAT}field_ID")] == ["LABEL"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("scanner/model", "scannermodel"),
        ("LABEL", "label"),
        ("xnat:subjectData/demographics/gender", "xnat_subjectdata_demographicsgender"),
        ("xnat:subjectData.SUB_PROJECT_IDENTIFIER=P", "xnat_subjectdata_sub_project_identifier_p"),
        ("fields/field[name=brain-volume]/field", "xnat_mrsessiondata_field_map_brain-volume"),
        ("xnat:subjectData/fields/field[name=x]/field", "xnat_subjectdata_field_map_x"),
        ("acquisition_site", "acquisition_site"),
    ],
)
def test_order_names_the_column(field: str, column: str) -> None:
    session = Session(f"{column},quarantine_status\nx,active\n".encode())
    session.known = ("SCANNERMODEL", "DEMOGRAPHICSGENDER")
    query(session).view(field).order_by(field).tabulate()
    assert session.asked[0]["query"]["sortBy"] == column


def test_queries_are_immutable() -> None:
    first = query()
    second = first.filter(label == "a").view(day).order_by(day).limit(3)
    assert first.constraints is None
    assert second.filter(age > 1).constraints is not second.constraints
    assert first.filter() is first


@pytest.mark.parametrize(
    "bad",
    [lambda: query().limit(-1), lambda: query().filter(True), lambda: query().view(3)],  # type: ignore[arg-type]
)
def test_bad_arguments_are_refused_before_anything_is_sent(bad: Any) -> None:
    with pytest.raises(XNATValueError):
        bad()


# -- answers ---------------------------------------------------------------------------------------------------------

ROWS = 'session_id,project,subject_id,label,quarantine_status\nE1,P,S1,"é,""x""\ny",active\nE2,P,S2,b,active\n'.encode()


def test_search_is_one_repeatable_post() -> None:
    session = Session(ROWS)
    query(session).order_by(label, descending=True).all()
    assert len(session.asked) == 1
    asked = session.asked[0]
    assert (asked["method"], asked["path"], asked["idempotent"]) == ("POST", "/data/search", True)
    assert asked["query"] == {"format": "csv", "sortBy": "label", "sortOrder": "DESC"}
    assert asked["data"].startswith(b"<?xml")


def test_objects_are_made_of_rows() -> None:
    first, second = query(Session(ROWS)).all()
    assert first == (
        "/data/experiments/E1",
        "xnat:mrSessionData",
        {"id_": "E1", "datafields": {"ID": "E1", "project": "P", "subject_ID": "S1", "label": 'é,"x"\ny'}},
    )
    assert second[0] == "/data/experiments/E2"


def test_subjects_and_assessors_are_found_by_their_own_id() -> None:
    session = Session(b"subject_id,project,subject_label,quarantine_status\nS1,P,one,active\n")
    assert query(session, SubjectData).all()[0][0] == "/data/subjects/S1"
    # session_id of an assessor is that of its session
    session = Session(b"session_id,expt_id,project,quarantine_status\nE1,Q1,P,active\n")
    assert query(session, QcData).all()[0] == (
        "/data/experiments/Q1", "xnat:qcManualAssessorData", {"id_": "Q1", "datafields": {"ID": "Q1", "project": "P"}},
    )  # fmt: skip
    assert [field.name for field in query(session, QcData).fields] == ["EXPT_ID", "PROJECT"]


def test_experiments_whose_type_names_no_id_are_asked_for_by_path() -> None:
    session = Session(b"xnat_col_qcmanualassessordataid,quarantine_status\nQ1,active\n")
    session.known = ()
    assert query(session, QcData).all()[0][0] == "/data/experiments/Q1"


def test_answer_without_ids_is_an_error() -> None:
    with pytest.raises(XNATResponseError, match="which objects"):
        query(Session(b"date,quarantine_status\n2020-01-01,active\n")).all()


def test_scans_cannot_be_made_of_a_search() -> None:
    with pytest.raises(XNATValueError, match="tabulate"):
        query(cls=ScanData).all()


def test_header_only_is_nothing_found() -> None:
    empty = query(Session(b"session_id,project,subject_id,label,quarantine_status\n"))
    assert (empty.all(), empty.first(), empty.last(), empty.one_or_none(), empty.tabulate(), empty.count()) == (
        [], None, None, None, (), 0,
    )  # fmt: skip
    assert query(Session(b"")).all() == []


def test_one_column_needs_no_delimiter() -> None:
    assert query(Session(b"label\nx\n")).view(label).tabulate_dict() == [{"label": "x"}]


def test_one_wants_exactly_one() -> None:
    with pytest.raises(XNATValueError, match="found 2"):
        query(Session(ROWS)).one()
    with pytest.raises(XNATValueError, match="nothing"):
        query(Session(b"session_id,label\n")).one()
    assert query(Session(ROWS)).limit(1).one()[0] == "/data/experiments/E1"


def test_first_last_iteration_and_limit() -> None:
    assert query(Session(ROWS)).first()[0] == "/data/experiments/E1"
    assert query(Session(ROWS)).last()[0] == "/data/experiments/E2"
    assert [found[0] for found in query(Session(ROWS))] == ["/data/experiments/E1", "/data/experiments/E2"]
    assert query(Session(ROWS)).limit(1).count() == 1
    assert query(Session(ROWS)).limit(0).first() is None


def test_tables() -> None:
    row = query(Session(ROWS)).tabulate()[1]
    assert row.session_id == "E2"
    assert type(row).__name__ == "TableRow"
    assert query(Session(ROWS)).tabulate_csv().encode() == ROWS
    assert query(Session(ROWS)).limit(1).tabulate_csv().count("E") == 1


def test_table_columns_that_are_no_python_names() -> None:
    assert query(Session(b"class,a b,_x\n1,2,3\n")).view("A", "B", "C").tabulate()[0] == ("1", "2", "3")


def test_text_with_a_charset_is_read_by_it() -> None:
    session = Session("label\né\n".encode("latin-1"), "text/csv;charset=ISO-8859-1")
    assert query(session).view(label).tabulate_dict() == [{"label": "é"}]


def test_missing_columns_are_told(caplog: pytest.LogCaptureFixture) -> None:
    asked = query(Session(b"label,quarantine_status\nx,active\n")).view(label, "scanner/model")
    asked.tabulate()
    assert "of a search: xnat:mrSessionData/scanner/model; it answers with 'label'" in caplog.text
    caplog.clear()
    asked.tabulate_csv()
    assert "scanner/model" in caplog.text


def test_columns_that_are_there_instead_of_missing_ones_are_no_excuse(caplog: pytest.LogCaptureFixture) -> None:
    query(Session(b"session_id,label,date,quarantine_status\nE1,x,,active\n")).view("scanner/model").tabulate()
    assert "scanner/model" in caplog.text


@pytest.mark.parametrize("column", ["scanner_model", "xnat_col_mrsessiondatascannermodel", "scannermodel"])
def test_pandas_knows_the_type_of_a_path_by_any_of_its_names(column: str) -> None:
    pytest.importorskip("pandas")
    session: Any = Session(f"{column}\n007\n".encode())
    session.known = ("SCANNERMODEL",)
    field = type("Field", (), {"path": "scanner/model", "type": "xs:string", "facets": ()})
    cls = type("MrSessionData", (), {"scanner_model": field})
    session.classes = type("Classes", (), {"XNAT_CLASS_LOOKUP": {"xnat:mrSessionData": cls}})
    assert query(session).view("scanner/model").tabulate_pandas()[column].tolist() == ["007"]


def test_pandas_keeps_labels_as_text() -> None:
    pytest.importorskip("pandas")
    frame = query(Session(b"session_id,label,age\nE1,007,31.5\nE2,8,\n")).tabulate_pandas()
    assert list(frame["label"]) == ["007", "8"]
    assert frame["age"].sum() == 31.5
    assert query(Session(b"")).tabulate_pandas().empty
