"""Finding the server, logging in, again and out, against scripted servers of several ages."""

from __future__ import annotations

import base64
import logging
import pickle
import threading
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.waiting import PATIENCE
from xnat.exceptions import (
    XNATAuthError,
    XNATConnectionError,
    XNATExpiredCredentialsError,
    XNATLoginFailedError,
    XNATRedirectError,
    XNATResponseError,
)
from xnat.transport import auth
from xnat.transport.auth import Credentials, Login, Probe, enter, login, logout, probe, relogin, root_of, whoami
from xnat.transport.client import HTTPClient

from .scripted_server import CERTIFICATE, LOGIN_PAGE, STATUS_PAGE, Answer, Arrived, Server

Make = Callable[..., Any]
ME = Credentials("admin", "SECRET é", "argument")
ALIAS = Credentials("451a00c9-441d-4674-84b3-baafb5ab1122", "SECRET", "argument")
ID = "0123456789ABCDEF0123456789ABCDEF"
FRONT_PAGE = (
    b'<html><body><span id="user_info">Logged in as: &nbsp;<a id="x" href="/app">admin</a></span></body></html>'
)
GUEST_PAGE = (
    b'<html><body><span id="user_info">Logged in as: <span style="color:red;">Guest</span></span></body></html>'
)


class Xnat:
    """A scripted XNAT; ``missing`` are services this age doesn't have."""

    def __init__(
        self, server: Server, *, missing: tuple[str, ...] = (), front: bytes = b"", closed: bool = True
    ) -> None:
        self.server = server
        self.missing = missing
        self.front = front
        self.closed = closed
        self.user: str | None = None
        self.users = {"admin": "SECRET é", ALIAS.user: "SECRET"}
        server.default = self.answer

    def answer(self, arrived: Arrived) -> Answer:
        path = arrived.path.partition("?")[0]
        if path in self.missing:
            return Answer(404, STATUS_PAGE % b"The server has not found anything matching the request URI")
        handler = getattr(self, "on_" + path.strip("/").replace("/", "_").lower(), None)
        return handler(arrived) if handler else Answer(200, b"ok")

    def on_(self, arrived: Arrived) -> Answer:
        if self.front:
            return Answer(200, self.front)
        return Answer(302, b"", {"Location": "/app/template/Login.vm", "Set-Cookie": "JSESSIONID=VISITOR; Path=/"})

    def on_data_services_auth(self, arrived: Arrived) -> Answer:
        form = {key: values[0] for key, values in parse_qs(arrived.body.decode()).items()}
        if form.get("provider", "ldap") != "ldap":
            return Answer(400, STATUS_PAGE % b"Unknown provider")
        if self.users.get(form["username"]) != form["password"]:
            return Answer(401, STATUS_PAGE % b"Authentication failed.")
        self.user = form["username"]
        return Answer(200, ID.encode(), {"Set-Cookie": f"JSESSIONID={ID}; Path=/; HttpOnly"})

    def basic(self, arrived: Arrived) -> bool | None:
        header = arrived.headers.get("Authorization")
        if not header:
            return None
        name, _, password = base64.b64decode(header.split()[1]).decode().partition(":")
        if self.users.get(name.split("/")[-1]) != password:
            return False
        self.user = "admin"
        return True

    def on_data_jsession(self, arrived: Arrived) -> Answer:
        if self.basic(arrived) is False:
            return Answer(401, STATUS_PAGE % b"Bad credentials")
        return Answer(200, ID.encode(), {"Set-Cookie": f"JSESSIONID={ID}; Path=/"})

    def on_data_auth(self, arrived: Arrived) -> Answer:
        basic = self.basic(arrived)
        if basic is False or (basic is None and arrived.cookies.get("JSESSIONID") != ID) or self.user is None:
            return Answer(401, STATUS_PAGE % b"The request requires user authentication")
        headers = {"Set-Cookie": f"JSESSIONID={ID}; Path=/"} if basic else {}
        return Answer(200, f"User '{self.user}' is logged in".encode(), headers)

    def on_data_projects(self, arrived: Arrived) -> Answer:
        return Answer(401 if self.closed else 200, b"")


# -- where the server is


def test_the_login_page_is_no_new_root(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    assert probe(client) == Probe(server.url, True)
    assert client.server == server.url
    assert server.paths == ["GET /"]
    assert client.jsession is None


def test_a_front_page_is_no_redirect(server: Server, client: HTTPClient) -> None:
    Xnat(server, front=GUEST_PAGE)
    assert probe(client) == Probe(server.url, False)
    server.default = Answer(200, LOGIN_PAGE)
    assert probe(client) == Probe(server.url, True)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_any_other_answer_is_a_server_too(server: Server, client: HTTPClient, status: int) -> None:
    server.default = Answer(status)
    assert probe(client) == Probe(server.url)


@pytest.mark.parametrize(
    "location", ["/xnat/", "/xnat", "/xnat/app/template/Login.vm", "{url}/xnat/app/template/Index.vm"]
)
def test_a_context_path_becomes_the_root(
    server: Server, client: HTTPClient, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = [Answer(302, b"", {"Location": location.format(url=server.url)})]
    probe(client)
    assert client.server == server.url + "/xnat"
    assert client.original_server == server.url
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        f"Detected a redirect from {server.url} to {server.url}/xnat, using {server.url}/xnat from now on"
    ]
    assert client.url(server.url + "/data/x") == server.url + "/xnat/data/x"
    client.request("GET", "/data/x")
    assert server.paths[-1] == "GET /xnat/data/x"


def test_a_context_path_given_stays(server: Server, make_client: Make) -> None:
    server.default = Answer(302, b"", {"Location": "/xnat/app/template/Login.vm"})
    client = make_client(server.url + "/xnat")
    assert probe(client) == Probe(server.url + "/xnat", True)
    assert server.paths == ["GET /xnat/"]


def test_no_detection_asks_nothing(server: Server, client: HTTPClient) -> None:
    assert probe(client, detect_redirect=False) == Probe(server.url)
    assert server.requests == []


def test_another_server_is_not_asked(make_server: Make, make_client: Make) -> None:
    server, evil = make_server(), make_server()
    server.default = Answer(302, b"", {"Location": evil.url + "/"})
    client = make_client(server.url)
    with pytest.raises(XNATRedirectError, match="connect to .* directly") as caught:
        probe(client)
    assert server.url in str(caught.value)
    assert evil.url in str(caught.value)
    assert evil.requests == []
    assert client.server == server.url


def test_a_guest_follows_to_another_server(make_server: Make, make_client: Make) -> None:
    server, other = make_server(), make_server()
    server.default = Answer(302, b"", {"Location": other.url + "/"})
    client = make_client(server.url)
    assert probe(client, anonymous=True).server == other.url


def test_http_may_become_https_on_the_same_host(make_server: Make, make_client: Make) -> None:
    plain, secure = make_server(), make_server(tls=True)
    plain.default = Answer(301, b"", {"Location": secure.url + "/"})
    client = make_client(plain.url, verify=str(CERTIFICATE))
    assert probe(client).server == secure.url
    assert secure.paths == ["GET /"]


def test_https_does_not_become_http(make_server: Make, make_client: Make) -> None:
    plain, secure = make_server(), make_server(tls=True)
    secure.default = Answer(301, b"", {"Location": plain.url + "/"})
    client = make_client(secure.url, verify=str(CERTIFICATE))
    for anonymous in (False, True):
        with pytest.raises(XNATRedirectError, match="leave TLS"):
            probe(client, anonymous=anonymous)
    assert plain.requests == []


def test_a_circle_ends(server: Server, client: HTTPClient) -> None:
    server.default = lambda arrived: Answer(302, b"", {"Location": "/b/" if arrived.path == "/a/" else "/a/"})
    with pytest.raises(XNATRedirectError, match="circles"):
        probe(client)


def test_nobody_there(make_client: Make, nobody: str) -> None:
    with pytest.raises(XNATConnectionError, match=f"Could not connect to {nobody} "):
        probe(make_client(nobody))


# -- both at once


def test_the_front_page_and_the_login_need_not_wait_for_each_other(server: Server, client: HTTPClient) -> None:
    xnat = Xnat(server)
    both = threading.Barrier(2, timeout=PATIENCE)

    def answer(arrived: Arrived) -> Answer:
        both.wait()
        return xnat.answer(arrived)

    server.default = answer
    assert enter(client, ME) == Login("admin", ID)
    assert sorted(server.paths) == ["GET /", "PUT /data/services/auth"]
    assert client.jsession == ID


@pytest.mark.parametrize(
    ("server", "private"),
    [
        ("https://xnat.example.com", True),
        ("http://localhost:8080/xnat", True),
        ("http://127.0.0.1:80", True),
        ("http://127.9.8.7", True),
        ("http://[::1]:8080", True),
        ("http://xnat.example.com", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
    ],
)
def test_what_can_be_overheard_on_the_way(server: str, private: bool) -> None:
    assert auth._is_private(server) is private


def test_where_a_login_can_be_overheard_the_front_page_comes_first(
    make_server: Make, make_client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_is_private", lambda server: server.startswith("https:"))
    plain, secure = make_server(), make_server(tls=True)
    Xnat(secure)
    plain.default = Answer(301, b"", {"Location": secure.url + "/"})
    client = make_client(plain.url, verify=str(CERTIFICATE))
    assert enter(client, ME) == Login("admin", ID)
    assert plain.paths == ["GET /"]
    assert secure.paths == ["GET /", "PUT /data/services/auth"]


@pytest.mark.parametrize("admitted", [True, False])
def test_where_the_server_has_moved_the_login_is_made_again_there(
    server: Server, client: HTTPClient, admitted: bool
) -> None:
    xnat = Xnat(server, front=GUEST_PAGE)

    def answer(arrived: Arrived) -> Answer:
        if arrived.path == "/":
            return Answer(302, b"", {"Location": "/xnat/"})
        if not arrived.path.startswith("/xnat/") and not admitted:
            return Answer(404, b"nothing here")
        arrived.path = arrived.path.removeprefix("/xnat")
        return xnat.answer(arrived)

    server.default = answer
    assert enter(client, ME) == Login("admin", ID)
    assert client.server == server.url + "/xnat"
    assert ("DELETE /data/JSESSION" in server.paths) is admitted
    assert server.paths[-1] == "PUT /data/services/auth"
    client.recover()  # type: ignore[misc]


def test_a_login_that_was_made_before_the_server_sent_us_elsewhere_is_ended(
    make_server: Make, make_client: Make
) -> None:
    server, evil = make_server(), make_server()
    xnat = Xnat(server)
    server.default = lambda arrived: (
        Answer(302, b"", {"Location": evil.url + "/"}) if arrived.path == "/" else xnat.answer(arrived)
    )
    with pytest.raises(XNATRedirectError, match="connect to .* directly"):
        enter(make_client(server.url), ME)
    assert sorted(server.paths) == ["DELETE /data/JSESSION", "GET /", "PUT /data/services/auth"]
    assert evil.requests == []


def test_a_refusal_is_raised_although_the_front_page_was_had(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    with pytest.raises(XNATLoginFailedError, match="Authentication failed"):
        enter(client, Credentials("admin", "wrong", "argument"))


@pytest.mark.parametrize("front", [b"", GUEST_PAGE])
def test_a_guest_hears_from_the_front_page_whether_to_find_out(
    server: Server, client: HTTPClient, front: bytes
) -> None:
    Xnat(server, front=front, closed=not front)
    if front:
        assert enter(client, Credentials()).user == "guest"
        assert sorted(server.paths) == ["GET /", "GET /data/JSESSION"]
    else:
        with pytest.raises(XNATLoginFailedError, match="admits no guests"):
            enter(client, Credentials())
        assert client.jsession is None


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://h/app/template/Login.vm", "https://h"),
        ("https://h/setup", "https://h"),
        ("https://h/xnat/setup/", "https://h/xnat"),
        ("https://h/xnat/;jsessionid=ABC", "https://h/xnat"),
        ("https://h/xnat/index.jsp", "https://h/xnat"),
        ("https://h/data/projects", "https://h"),
        ("https://h/application", "https://h/application"),
        ("https://me:pw@h/", "https://h"),
    ],
)
def test_root_of(url: str, root: str) -> None:
    assert root_of(url) == root


# -- logging in


def test_password_login_is_two_requests_and_then_the_cookie(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    assert login(client, ME) == Login("admin", ID)
    assert server.paths == ["PUT /data/services/auth", "GET /data/auth"]
    client.request("GET", "/data/projects", accepted=[401])
    assert [request.headers.get("Authorization") for request in server.requests] == [None] * 3
    assert server.requests[2].cookies["JSESSIONID"] == ID


def test_verification_can_wait(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    assert login(client, ME, verify=False) == Login("admin", ID)
    assert server.paths == ["PUT /data/services/auth"]
    assert whoami(client, ME) == "admin"


def test_a_provider_is_passed_on(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    login(client, ME, "ldap")
    assert parse_qs(server.requests[0].body.decode())["provider"] == ["ldap"]
    with pytest.raises(XNATLoginFailedError, match="Unknown provider"):
        login(client, ME, "nowhere")


def test_a_wrong_password(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    with pytest.raises(XNATLoginFailedError, match="Encountered a problem logging in: Authentication failed."):
        login(client, Credentials("admin", "SECRETWRONG"))
    assert client.recover is None
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(403, b"Your password has expired. Please try again after changing your password."),
        Answer(200, b"<html><h3>Your password has expired</h3></html>"),
        Answer(401, STATUS_PAGE % b"Your password has expired"),
    ],
)
def test_an_expired_password(server: Server, client: HTTPClient, answer: Answer) -> None:
    server.default = answer
    with pytest.raises(XNATExpiredCredentialsError, match="Your password has expired"):
        login(client, ME)


def test_a_page_that_refuses(server: Server, client: HTTPClient) -> None:
    server.default = Answer(200, b"<html><h3>Login attempt failed. Please try again.</h3></html>")
    with pytest.raises(XNATLoginFailedError, match="Login attempt failed"):
        login(client, ME)


@pytest.mark.parametrize("name", ["guest", "Guest"])
def test_being_taken_for_a_guest(server: Server, client: HTTPClient, name: str) -> None:
    server.script = [Answer(200, ID.encode()), Answer(200, f"User '{name}' is logged in.".encode())]
    with pytest.raises(XNATLoginFailedError, match="guest"):
        login(client, ME)


def test_being_nobody_after_a_login(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(200, ID.encode()), Answer(401)]
    with pytest.raises(XNATLoginFailedError, match="guest"):
        login(client, ME)


def test_alias_tokens_are_sent_once(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    assert login(client, ALIAS).user == "admin"
    client.request("GET", "/data/projects", accepted=[401])
    assert [bool(request.headers.get("Authorization")) for request in server.requests] == [True, False, False]
    assert server.requests[-1].cookies["JSESSIONID"] == ID


def test_a_wrong_alias_token(server: Server, client: HTTPClient) -> None:
    Xnat(server).users = {}
    with pytest.raises(XNATLoginFailedError, match="requires user authentication"):
        login(client, ALIAS)


@pytest.mark.parametrize("status", [404, 405, 400, 501])
def test_servers_without_the_login_service(server: Server, client: HTTPClient, status: int) -> None:
    old = Xnat(server, missing=("/data/auth",), front=FRONT_PAGE)
    old.on_data_services_auth = lambda arrived: Answer(status)  # type: ignore[method-assign]
    assert login(client, ME) == Login("admin", ID)
    assert server.paths == [
        "PUT /data/services/auth",
        "GET /data/auth",
        "GET /data/JSESSION",
        "GET /data/auth",
        "GET /",
    ]
    assert [bool(request.headers.get("Authorization")) for request in server.requests] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_servers_without_anything_that_tells_names(server: Server, client: HTTPClient) -> None:
    Xnat(server, missing=("/data/auth", "/data/services/auth", "/"))
    assert login(client, ME).user == "admin"


def test_servers_whose_front_page_says_guest(server: Server, client: HTTPClient) -> None:
    Xnat(server, missing=("/data/auth", "/data/services/auth"), front=GUEST_PAGE)
    with pytest.raises(XNATLoginFailedError, match="guest"):
        login(client, ME)


def test_an_old_server_refuses(server: Server, client: HTTPClient) -> None:
    Xnat(server, missing=("/data/auth", "/data/services/auth"))
    with pytest.raises(XNATLoginFailedError, match="Bad credentials"):
        login(client, Credentials("admin", "wrong"))


def test_a_server_in_trouble_has_not_refused(server: Server, client: HTTPClient) -> None:
    server.default = Answer(503)
    with pytest.raises(XNATResponseError, match="after 4 attempts"):
        login(client, ME)


def test_a_login_does_not_follow_redirects(make_server: Make, make_client: Make) -> None:
    server, evil = make_server(), make_server()
    server.default = Answer(307, b"", {"Location": evil.url + "/data/services/auth"})
    with pytest.raises(XNATRedirectError, match="connect to that address directly"):
        login(make_client(server.url), ME)
    assert evil.requests == []


def test_no_session_after_all(server: Server, client: HTTPClient) -> None:
    server.default = Answer(200, b"")
    with pytest.raises(XNATAuthError, match="opened no session"):
        login(client, ME)


# -- guests, sessions that exist


def test_a_guest(server: Server, client: HTTPClient, caplog: pytest.LogCaptureFixture) -> None:
    Xnat(server, closed=False)
    with caplog.at_level(logging.INFO):
        assert login(client, Credentials()) == Login("guest", ID)
    assert server.paths == ["GET /data/JSESSION"]
    assert "Logged in as guest successfully" in caplog.messages
    assert client.recover is None


def test_a_guest_where_none_are_admitted(server: Server, client: HTTPClient) -> None:
    xnat = Xnat(server)
    with pytest.raises(XNATLoginFailedError, match="admits no guests"):
        login(client, Credentials(), probed=Probe(server.url, True))
    xnat.closed = False
    assert login(client, Credentials(), probed=Probe(server.url, True)).user == "guest"
    server.default = Answer(401)
    with pytest.raises(XNATLoginFailedError, match="admits no guests"):
        login(client, Credentials())


def test_a_guest_without_sessions(server: Server, client: HTTPClient) -> None:
    Xnat(server, missing=("/data/JSESSION",))
    assert login(client, Credentials()) == Login("guest", None)


def test_going_on_with_a_session(server: Server, client: HTTPClient) -> None:
    Xnat(server).user = "somebody"
    assert login(client, Credentials(), jsession=ID) == Login("somebody", ID)
    assert server.paths == ["GET /data/auth"]


@pytest.mark.parametrize("missing", [(), ("/data/auth",)])
def test_going_on_with_a_session_that_ended(server: Server, client: HTTPClient, missing: tuple[str, ...]) -> None:
    Xnat(server, missing=missing).user = "somebody"
    with pytest.raises(XNATLoginFailedError, match="jsession="):
        login(client, Credentials(), jsession="OTHER")
    assert client.jsession is None


def test_going_on_where_the_server_gives_another_session(server: Server, client: HTTPClient) -> None:
    server.default = Answer(200, b"User 'x' is logged in", {"Set-Cookie": "JSESSIONID=NEW; Path=/"})
    with pytest.raises(XNATLoginFailedError, match="jsession="):
        login(client, Credentials(), jsession=ID)


# -- again, and out


def test_a_session_that_ran_out_is_renewed(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    login(client, ME)
    server.requests.clear()
    server.script = [Answer(200, LOGIN_PAGE)]
    assert client.request("GET", "/data/x").content == b"ok"
    assert server.paths == ["GET /data/x", "PUT /data/services/auth", "GET /data/x"]


def test_while_logging_in_again_other_requests_never_go_out_as_a_guests(server: Server, client: HTTPClient) -> None:
    """An open server would answer them, with less."""
    xnat = Xnat(server)
    client.jsession = "OLD"
    client.interface.cookies.set("balancer", "node1", domain="127.0.0.1", path="/")
    seen = []

    def during_login(arrived: Arrived) -> Answer:
        seen.append(arrived.cookies)
        client.request("GET", "/data/x")
        return xnat.on_data_services_auth(arrived)

    server.script = [during_login]
    relogin(client, ME)()
    client.request("GET", "/data/x")
    assert seen == [{"balancer": "node1"}]
    cookies = [request.cookies["JSESSIONID"] for request in server.requests if request.path == "/data/x"]
    assert cookies == ["OLD", ID]


def test_renewing_with_a_password_that_changed(server: Server, client: HTTPClient) -> None:
    xnat = Xnat(server)
    login(client, ME)
    xnat.users = {}
    server.script = [Answer(401)]
    with pytest.raises(XNATLoginFailedError):
        client.request("GET", "/data/x")


def test_relogin_makes_a_new_session(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    relogin(client, ALIAS)()
    assert client.jsession == ID


def test_logout(server: Server, client: HTTPClient) -> None:
    Xnat(server)
    login(client, ME)
    logout(client)
    assert server.paths[-1] == "DELETE /data/JSESSION"
    assert server.requests[-1].headers["Connection"] == "close"
    assert client.jsession is None
    assert client.recover is None
    logout(client)
    assert server.paths.count("DELETE /data/JSESSION") == 1


@pytest.mark.parametrize("answer", [Answer(cut=0), Answer(500), Answer(401), Answer(200, LOGIN_PAGE), Answer(503)])
def test_logout_never_fails(
    server: Server, client: HTTPClient, answer: Answer, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    client.jsession = ID
    server.default = answer
    with caplog.at_level(logging.DEBUG):
        logout(client)
    assert len(server.requests) == 1
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
    client.close()
    logout(client)


# -- secrets


def test_the_password_is_nowhere(server: Server, client: HTTPClient, caplog: pytest.LogCaptureFixture) -> None:
    Xnat(server)
    failed = Credentials("admin", "SECRETWRONG")
    with caplog.at_level(logging.DEBUG):
        login(client, ME)
        with pytest.raises(XNATLoginFailedError) as refused:
            login(client, failed)
        server.default = Answer(cut=0)
        with pytest.raises(XNATConnectionError) as broken:
            login(client, ALIAS)
    ours = [record.getMessage() for record in caplog.records]
    errors = [*traceback.format_exception(refused.value), *traceback.format_exception(broken.value)]
    everything = [*ours, *errors, repr(client), repr(failed), repr(Login("admin", "SECRETID")), repr(client.recover)]
    everything += [str(pickle.dumps(refused.value)), str(pickle.dumps(broken.value))]
    assert not [text for text in everything if "SECRET" in text]


# -- closed sites without the login service


@pytest.mark.parametrize(
    "closed",
    [
        Answer(401, STATUS_PAGE % b"The request requires user authentication", {"WWW-Authenticate": 'Basic realm="X"'}),
        Answer(302, b"", {"Location": "/app/template/Login.vm"}),
        Answer(200, LOGIN_PAGE),
    ],
    ids=["401", "302", "login page"],
)
def test_a_closed_site_without_the_login_service(server: Server, client: HTTPClient, closed: Answer) -> None:
    xnat = Xnat(server)
    server.default = lambda arrived: closed if arrived.path == "/data/services/auth" else xnat.answer(arrived)
    assert login(client, ME) == Login("admin", ID)
    assert client.jsession == ID


def test_a_wrong_password_is_tried_once(server: Server, client: HTTPClient) -> None:
    refusal = Answer(401, STATUS_PAGE % b"Authentication failed.", {"WWW-Authenticate": 'Basic realm="X"'})
    server.default = refusal
    with pytest.raises(XNATLoginFailedError, match="Authentication failed"):
        login(client, ME)
    assert server.paths == ["PUT /data/services/auth"]


def test_a_login_that_leads_back_to_the_login_page_is_refused(server: Server, client: HTTPClient) -> None:
    server.default = Answer(302, b"", {"Location": f"{server.url}/app/template/Login.vm"})
    with pytest.raises(XNATLoginFailedError):
        login(client, Credentials("admin", "wrong", "argument"))
    assert client.jsession is None


def test_a_session_of_which_nobody_tells_whose_it_is(server: Server, client: HTTPClient) -> None:
    Xnat(server, missing=("/data/auth",), front=b"<html>welcome</html>")
    with pytest.raises(XNATAuthError, match="doesn't tell who is logged in"):
        whoami(client)
