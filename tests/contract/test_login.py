"""Contract A: logging in, sessions, alias tokens."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import requests

from .contract_world import PASSWORD, World

SESSION_ID = re.compile(r"[0-9A-Fa-f]{32}\Z")


@pytest.fixture
def http() -> Any:
    with requests.Session() as http:
        http.trust_env = False
        yield http


def login(world: World, http: requests.Session, who: str = "owner", password: str = PASSWORD) -> requests.Response:
    form = {"username": world.users[who], "password": password}
    return http.put(f"{world.sandbox.url}/data/services/auth", data=form)


def test_a1_services_auth_answers_the_session_id(world: World, http: requests.Session) -> None:
    response = login(world, http)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    assert SESSION_ID.match(response.text)
    assert http.cookies["JSESSIONID"] == response.text


def test_a2_services_auth_with_a_wrong_password(world: World, http: requests.Session) -> None:
    response = login(world, http, password="wrong")
    assert response.status_code == 401
    assert "<h3>Authentication failed.</h3>" in response.text


@pytest.mark.parametrize("body", [None, {}])
def test_a2_services_auth_needs_a_body(world: World, http: requests.Session, body: Any) -> None:
    assert http.get(f"{world.sandbox.url}/data/services/auth").status_code in (404, 405)
    assert http.put(f"{world.sandbox.url}/data/services/auth", data=body).status_code == 404


def test_a3_auth_names_the_user_of_the_cookie(world: World, http: requests.Session) -> None:
    login(world, http)
    response = http.get(f"{world.sandbox.url}/data/auth")
    assert response.status_code == 200
    assert re.match(r"User '(.+)' is logged in", response.text)[1] == world.users["owner"]  # type: ignore[index]


def test_a3_auth_with_basic_sets_a_session_cookie(world: World, http: requests.Session) -> None:
    response = http.get(f"{world.sandbox.url}/data/auth", auth=(world.users["owner"], PASSWORD))
    assert world.users["owner"] in response.text
    assert SESSION_ID.match(http.cookies["JSESSIONID"])


def test_a4_basic_with_a_bad_password(world: World) -> None:
    assert world.wrong().get("/data/projects", format="xml").status_code == 401


def test_a5_basic_with_a_good_password(world: World) -> None:
    response = world.owner.get("/data/projects", format="xml")
    assert response.status_code == 200
    assert response.content


def test_a6_jsession_is_the_cookie(world: World, http: requests.Session) -> None:
    id = login(world, http).text
    response = http.get(f"{world.sandbox.url}/data/JSESSION")
    assert (response.status_code, response.text) == (200, id)


def test_a7_delete_jsession_ends_the_session(world: World, http: requests.Session) -> None:
    id = login(world, http).text
    response = http.delete(f"{world.sandbox.url}/data/JSESSION")
    assert (response.status_code, response.content) == (200, b"")
    http.cookies.clear()
    again = http.get(f"{world.sandbox.url}/data/projects", cookies={"JSESSIONID": id})
    assert again.status_code == 401


def test_a8_expiration_cookie_is_quoted_and_is_now(world: World) -> None:
    response = world.owner.get("/data/projects")
    header = response.raw.headers.getlist("Set-Cookie")
    found = re.search(r'SESSION_EXPIRATION_TIME="(\d+),(\d+)"', " ".join(header))
    assert found
    assert abs(int(found[1]) / 1000 - time.time()) < 120
    assert int(found[2]) == 900000


def test_a9_no_credentials_on_a_closed_site(world: World, http: requests.Session) -> None:
    response = http.get(f"{world.sandbox.url}/data/projects")
    assert response.status_code == 401
    assert re.match(r'Basic realm="[^"]+"', response.headers["WWW-Authenticate"])


def test_a9_a_browser_is_sent_to_the_login_page(world: World, http: requests.Session) -> None:
    headers = {"User-Agent": "Mozilla/5.0"}
    response = http.get(f"{world.sandbox.url}/data/projects", headers=headers, allow_redirects=False)
    assert response.status_code == 302
    assert response.headers["Location"].endswith("/app/template/Login.vm")


def test_a10_ending_all_sessions_of_a_user(world: World) -> None:
    with requests.Session() as one, requests.Session() as two:
        one.trust_env = two.trust_env = False
        ids = {login(world, http, "bob").text for http in (one, two)}
        response = world.admin.delete(f"/xapi/users/active/{world.users['bob']}")
        assert response.status_code == 200
        assert set(response.json()) == ids
        for http in (one, two):
            assert http.get(f"{world.sandbox.url}/data/projects").status_code == 401


def test_a11_issued_token(world: World) -> None:
    response = world.owner.get("/data/services/tokens/issue")
    assert response.status_code == 200
    token = response.json()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", token["alias"])
    assert re.fullmatch(r"\w{64}", token["secret"])
    assert token["xdatUserId"] == world.users["owner"]
    assert all(type(token[name]) is int for name in ("estimatedExpirationTime", "created", "timestamp", "disabled"))
    assert token["enabled"] is True


def test_a12_token_logs_in_as_its_user(world: World) -> None:
    token = world.owner.get("/data/services/tokens/issue").json()
    other = world.name()
    world.admin.put(f"/data/projects/{other}")
    for project, status in ((world.p, 200), (other, 404)):
        url = f"{world.sandbox.url}/data/projects/{project}"
        assert requests.get(url, auth=(token["alias"], token["secret"])).status_code == status


def test_a13_token_at_the_front_page_sets_a_session_cookie(world: World) -> None:
    token = world.owner.get("/data/services/tokens/issue").json()
    response = requests.get(f"{world.sandbox.url}/", auth=(token["alias"], token["secret"]))
    assert response.status_code == 200
    assert "JSESSIONID" in response.cookies


def test_a14_token_validation_and_end(world: World) -> None:
    token = world.owner.get("/data/services/tokens/issue").json()
    base = "/data/services/tokens"
    valid = world.owner.get(f"{base}/validate/{token['alias']}/{token['secret']}")
    assert valid.json() == {"valid": world.users["owner"]}
    bogus = world.owner.get(f"{base}/validate/{token['alias']}/bogus")
    assert bogus.status_code == 200
    assert "valid" not in bogus.json()
    ended = world.owner.get(f"{base}/invalidate/{token['alias']}")
    assert ended.json() == {"result": "OK"}
    response = requests.get(f"{world.sandbox.url}/data/projects", auth=(token["alias"], token["secret"]))
    assert response.status_code == 401


def test_a15_tokens_of_others(world: World) -> None:
    path = f"/data/services/tokens/issue/user/{world.users['owner']}"
    assert world.as_user("stranger").get(path).status_code == 403
    assert requests.get(world.sandbox.url + path).status_code == 401
    assert world.admin.get(path).json()["xdatUserId"] == world.users["owner"]


def test_a16_front_page_shows_the_user(world: World) -> None:
    response = world.owner.get("/")
    assert response.status_code == 200
    pattern = r'<span id="user_info">Logged in as: &nbsp;<a (id="\S+" )?href="[^"]*">([^<]+)</a>'
    found = re.search(pattern, response.text)
    assert found
    assert found[2] == world.users["owner"]


def test_a_browsers_need_a_token_to_write(world: World) -> None:
    browser = {"User-Agent": "Mozilla/5.0"}
    api = world.owner
    token = api.get("/data/JSESSION", CSRF="true").text.partition("XNAT_CSRF=")[2]
    assert token
    path = f"/data/projects/{world.p}/subjects/FORGED"
    assert api.send("PUT", path, {}, headers=browser).status_code == 403
    assert api.get(path).status_code == 404
    assert api.send("PUT", path, {"XNAT_CSRF": token}, headers=browser).status_code == 201
    assert api.send("GET", path, {}, headers=browser).status_code == 200
