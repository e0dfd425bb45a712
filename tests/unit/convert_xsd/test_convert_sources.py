"""Which schemas a server has, when it answers and when it doesn't."""

from __future__ import annotations

import threading

import pytest

from tests.waiting import PATIENCE
from xnat.convert_xsd.sources import MAX_SCHEMAS, from_1_6, from_xapi, list_1_6, list_1_7
from xnat.exceptions import XNATResponseError


class Server:
    """Answers from a table; an exception in the table is raised."""

    def __init__(self, **answers):
        self.answers = {path.replace("__", "/"): answer for path, answer in answers.items()}
        self.asked = []

    def _answer(self, path):
        self.asked.append(path)
        answer = self.answers.get(path, XNATResponseError(f"404 for {path}\nmore", status_code=404))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def add(self, path, answer):
        self.answers[path] = answer
        return self

    fetch = fetch_json = _answer


def xapi(names, **schemas):
    server = Server().add("/xapi/schemas", names)
    for name, content in schemas.items():
        server.add(f"/xapi/schemas/{name}", content)
    return server


def test_every_listed_schema_is_fetched():
    server = xapi(["xdat", "xnat", "a/b"], xnat=b"1", xdat=b"2").add("/xapi/schemas/a/b", b"3")
    found = from_xapi(server.fetch, server.fetch_json)
    assert {(document.name, document.content) for document in found.documents} == {
        ("xnat", b"1"),
        ("xdat", b"2"),
        ("a/b", b"3"),
    }
    assert found.problems == []


def test_without_extension_types_there_is_no_list():
    server = xapi(OSError("not asked"), xnat=b"1", xdat=b"2")
    found = from_xapi(server.fetch, server.fetch_json, extension_types=False)
    assert [document.name for document in found.documents] == ["xnat", "xdat"]
    assert sorted(server.asked) == ["/xapi/schemas/xdat", "/xapi/schemas/xnat"]


@pytest.mark.parametrize(
    "failure", [XNATResponseError("500 oh no\n<html>"), TimeoutError("slow"), ConnectionResetError()]
)
def test_a_schema_that_cannot_be_had_is_a_problem(failure):
    server = xapi(["xnat", "xdat", "bad"], xnat=b"1", xdat=b"2", bad=failure)
    found = from_xapi(server.fetch, server.fetch_json)
    assert [document.name for document in found.documents] == ["xnat", "xdat"]
    (problem,) = found.problems
    assert problem.file == "bad"
    assert "<html>" not in problem.text


def test_without_a_list_xnats_own_schemas_are_tried():
    server = xapi(XNATResponseError("403"), xnat=b"1", xdat=b"2")
    found = from_xapi(server.fetch, server.fetch_json)
    assert len(found.documents) == 2
    assert "403" in found.problems[0].text


@pytest.mark.parametrize("answer", [{"a": 1}, "xnat", None, 7])
def test_a_list_that_is_none(answer):
    problems = []
    assert list_1_7(lambda path: answer, problems) == ["xnat", "xdat"]
    assert len(problems) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../b", "a//b", "", 7, None, "a\nb", "x" * 300, "a\\b", "."])
def test_names_that_are_none(name):
    problems = []
    assert list_1_7(lambda path: [name], problems) == ["xnat", "xdat"]
    assert len(problems) == 1


def test_names_are_quoted():
    server = xapi(["we?ird #1"], xnat=b"", xdat=b"")
    from_xapi(server.fetch, server.fetch_json)
    assert "/xapi/schemas/we%3Fird%20%231" in server.asked


def test_very_long_lists_are_cut():
    problems = []
    assert len(list_1_7(lambda path: [f"s{n}" for n in range(5000)], problems)) == MAX_SCHEMAS + 2
    assert len(problems) == 1


def test_schemas_are_fetched_in_parallel():
    together = threading.Barrier(4, timeout=PATIENCE)

    def fetch(path):
        together.wait()
        return b""

    found = from_xapi(fetch, lambda path: ["xnat", "xdat", "a", "b"], threads=4)
    assert len(found.documents) == 4


def test_one_thread_is_enough():
    threads = set()

    def fetch(path):
        threads.add(threading.get_ident())
        return b""

    from_xapi(fetch, lambda path: ["a"], threads=1)
    assert threads == {threading.get_ident()}


# --- 1.6 ---

PROJECT = b"""<?xml version="1.0"?>
<xnat:Project ID="p" xsi:schemaLocation="http://nrg.wustl.edu/fs http://HOST/xnat/schemas/fs/fs.xsd
 http://nrg.wustl.edu/xnat http://HOST/xnat/schemas/xnat/xnat.xsd http://w3.org/x http://www.w3.org/x.xsd
 http://e.org/e http://evil.example/schemas/e/e.xsd http://t.org/t http://HOST/xnat/schemas/../../etc/passwd.xsd
 http://b.org/b http://HOST/xnat/schemas/pipeline/build.xsd" />"""


def old_server(project=PROJECT, projects=({"ID": "a b"},)):
    server = Server().add("/data/projects", {"ResultSet": {"Result": list(projects)}})
    server.add("/data/projects/a%20b?format=xml", project.replace(b"HOST", b"central.org"))
    for name in ("xnat/xnat", "xdat/xdat", "fs/fs", "pipeline/build"):
        server.add(f"/schemas/{name}.xsd", name.encode())
    return server


def test_an_old_servers_schemas_are_those_its_project_names():
    server = old_server()
    assert list_1_6(server.fetch, server.fetch_json, "https://central.org/xnat") == {
        "fs": "/schemas/fs/fs.xsd",
        "xnat": "/schemas/xnat/xnat.xsd",
        "pipeline/build": "/schemas/pipeline/build.xsd",
    }


def test_all_of_an_old_server():
    server = old_server()
    found = from_1_6(server.fetch, server.fetch_json, server="https://central.org/xnat")
    assert {document.name for document in found.documents} == {"xnat", "xdat", "fs", "pipeline/build"}
    assert found.problems == []
    assert not [path for path in server.asked if "evil" in path or ".." in path]


def test_an_old_server_without_projects():
    server = old_server(projects=())
    assert {document.name for document in from_1_6(server.fetch, server.fetch_json).documents} == {"xnat", "xdat"}


@pytest.mark.parametrize("answer", [OSError("x"), {"ResultSet": {}}, [], None, {"ResultSet": {"Result": [{}]}}])
def test_an_old_server_that_lists_no_projects(answer):
    server = old_server().add("/data/projects", answer)
    found = from_1_6(server.fetch, server.fetch_json)
    assert {document.name for document in found.documents} == {"xnat", "xdat"}
    assert len(found.problems) == 1


def test_core_of_an_old_server():
    server = old_server()
    from_1_6(server.fetch, server.fetch_json, extension_types=False)
    assert sorted(server.asked) == ["/schemas/xdat/xdat.xsd", "/schemas/xnat/xnat.xsd"]


@pytest.mark.parametrize(
    "entry",
    ["{}", "/{}", "{}.xsd", "/schemas/{}.xsd", "http://example.org/xnat/schemas/{}.xsd"],
)
def test_names_of_schemas_in_other_forms(entry):
    problems = []
    listed = [entry.format(name) for name in ("xnat/xnat", "xdat/xdat", "plugin/data", "birn/birn")]
    assert list_1_7(lambda path: listed, problems) == ["xnat/xnat", "xdat/xdat", "plugin/data", "birn/birn"]
    assert problems == []


def test_a_schema_is_asked_for_as_it_is_listed_and_once():
    server = Server().add("/xapi/schemas", ["xnat/xnat", "xnat", "xdat/xdat"])
    server.add("/xapi/schemas/xnat", b"1").add("/xapi/schemas/xdat/xdat", b"2")
    found = from_xapi(server.fetch, server.fetch_json)
    assert [document.content for document in found.documents] == [b"1", b"2"]
    assert found.problems == []
