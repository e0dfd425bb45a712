"""Scripted misbehaviour: each fault does what a test of a client asks it to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from xnat.sandbox import faults

from .contract_tools import Api

FILE = "/data/projects/P/resources/R/files/a"
BYTES = {"Content-Type": "application/octet-stream"}
DATA = b"0123456789" * 1000


@pytest.fixture
def api(own_sandbox: Any) -> Iterator[Api]:
    with Api.of(own_sandbox) as api:
        api.put("/data/projects/P")
        api.send("PUT", FILE, {}, data=DATA, headers=BYTES)
        yield api


def test_status_once_with_headers(own_sandbox: Any, api: Api) -> None:
    rule = own_sandbox.faults.add(faults.status(503, headers={"Retry-After": "1"}), path="^/data/projects$")
    first = api.get("/data/projects")
    assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
    assert api.get("/data/projects").status_code == 200
    assert rule.hits == 1


def test_matching_by_method_query_and_count(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.status(500), method="PUT", times=None)
    own_sandbox.faults.add(faults.status(502), query="format=csv", after=1, times=2)
    assert [api.get("/data/projects", format="csv").status_code for _ in range(4)] == [200, 502, 502, 200]
    assert api.get("/data/projects", format="json").status_code == 200
    assert api.put("/data/projects/X").status_code == 500
    own_sandbox.faults.clear()
    assert api.put("/data/projects/X").status_code == 200


def test_probability_is_repeatable(own_sandbox: Any, api: Api) -> None:
    def statuses() -> list[int]:
        own_sandbox.faults.clear()
        own_sandbox.faults.add(faults.status(503), times=None, probability=0.5, seed=7)
        return [api.get("/data/projects").status_code for _ in range(20)]

    first = statuses()
    assert first == statuses()
    assert set(first) == {200, 503}


def test_close_before_the_answer(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.close(), path="projects")
    with pytest.raises(requests.ConnectionError):
        api.get("/data/projects")
    assert own_sandbox.requests[-1].status == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_cut(own_sandbox: Any, api: Api, chunked: bool) -> None:
    own_sandbox.faults.add(faults.cut(100, chunked=chunked), path="/files/a")
    response = api.send("GET", FILE, {}, stream=True)
    assert ("Content-Length" in response.headers) is not chunked
    received: list[bytes] = []
    try:
        received.extend(response.iter_content(10))  # keeps what came before the error
    except requests.RequestException:
        pass
    else:  # old versions of the HTTP library do not notice that less came than was announced
        assert not chunked
    assert b"".join(received) == DATA[:100]


def test_cut_of_a_listing(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.cut(10), path="^/data/projects$")
    with pytest.raises(requests.RequestException):
        api.get("/data/projects").json()


def test_stall(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.stall(100, 0.4), path="/files/a")
    begin = time.monotonic()
    assert api.get(FILE).content == DATA
    assert time.monotonic() - begin > 0.3


def test_delay_and_timeout(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.delay(60), path="/files/a")
    with pytest.raises(requests.Timeout):
        api.http.get(own_sandbox.url + FILE, timeout=0.2)


@pytest.mark.parametrize("lead", ["", "\n  "])
def test_login_page_with_200(own_sandbox: Any, api: Api, lead: str) -> None:
    own_sandbox.faults.add(faults.login_page(lead))
    response = api.get("/data/projects", format="json")
    assert response.status_code == 200
    assert response.text.startswith(f"{lead}<!DOCTYPE")


def test_redirect(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.redirect("http://127.0.0.1:1{path}", 307))
    response = api.get("/data/projects", format="json")
    assert response.status_code == 307
    assert response.headers["Location"] == "http://127.0.0.1:1/data/projects?format=json"


def test_expire(own_sandbox: Any, api: Api) -> None:
    with requests.Session() as http:
        http.put(f"{own_sandbox.url}/data/services/auth", data={"username": "admin", "password": "admin"})
        assert http.get(f"{own_sandbox.url}/data/auth").status_code == 200
        own_sandbox.faults.add(faults.expire())
        assert http.get(f"{own_sandbox.url}/data/auth").status_code == 401


def test_wrong_digest(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.wrong_digest(), path="/files$")
    (row,) = api.rows("/data/projects/P/resources/R/files")
    assert row["digest"] == "0" * 32


def test_body(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.body(lambda data: data.replace(b'"P"', b'"Z"')), path="/data/projects$")
    assert api.rows("/data/projects")[0]["ID"] == "Z"
    own_sandbox.faults.add(faults.body(b"other"), path="/files/a")
    assert api.get(FILE).content == b"other"


def test_corrupt_download_and_upload(own_sandbox: Any, api: Api) -> None:
    own_sandbox.faults.add(faults.corrupt(5), path="/files/a", method="GET")
    got = api.get(FILE).content
    assert (len(got), got[:5], got[5:6] != DATA[5:6], got[6:]) == (len(DATA), DATA[:5], True, DATA[6:])
    own_sandbox.faults.add(faults.corrupt_upload(5), path="/files/b", method="PUT")
    other = FILE[:-1] + "b"
    api.send("PUT", other, {}, data=DATA, headers=BYTES)
    stored = api.get(other).content
    assert (len(stored), stored != DATA, stored[6:]) == (len(DATA), True, DATA[6:])
