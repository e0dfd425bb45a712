"""HTTPClient over real sockets: URLs, bodies, statuses, pages, redirects, lost sessions."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from xnat.exceptions import (
    XNATConflictError,
    XNATConnectionError,
    XNATForbiddenError,
    XNATLoginFailedError,
    XNATNotConnectedError,
    XNATNotFoundError,
    XNATRedirectError,
    XNATResponseError,
    XNATSSLError,
    XNATTimeoutError,
    XNATUnauthorizedError,
    XNATUnexpectedPageError,
    XNATValueError,
)
from xnat.transport import errors, wire
from xnat.transport.client import HTTPClient

from .scripted_server import CERTIFICATE, LOGIN_PAGE, STATUS_PAGE, Answer, Arrived, Server, Waits

Make = Callable[..., Any]


# -- URLs and queries


def test_url_quotes_what_is_not_quoted(make_client: Make) -> None:
    client = make_client("http://host/xnat/")
    assert client.url("/data/projects/a b/..") == "http://host/xnat/data/projects/a%20b/%2E%2E"
    assert client.url("/data/projects/a%20b", {"format": "json"}) == "http://host/xnat/data/projects/a%20b?format=json"
    assert client.url("http://host/xnat/data/x") == "http://host/xnat/data/x"


def test_url_of_another_server_is_refused(client: HTTPClient) -> None:
    with pytest.raises(XNATValueError, match="should start with a /"):
        client.request("GET", "http://evil.example/data/projects")


def test_dots_and_escapes_reach_the_server_as_they_are(server: Server, client: HTTPClient) -> None:
    client.request("GET", "/data/projects/%2E%2E/a%2Fb/x y#z", query={"label": ["a", "b"], "x": "1&2"})
    assert server.paths == ["GET /data/projects/%2E%2E/a%2Fb/x%20y%23z?label=a&label=b&x=1%262"]


def test_query_dict_is_not_changed(client: HTTPClient) -> None:
    query = {"columns": ["ID", "label"]}
    client.request("GET", "/data/projects", query=query)
    assert query == {"columns": ["ID", "label"]}


def test_importing_the_client_does_not_import_requests() -> None:
    import subprocess
    import sys

    modules = "xnat.transport.client, xnat.transport.auth, xnat.transport.keepalive, xnat.exceptions, xnat.uris"
    code = f"import sys, {modules}; assert 'requests' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- bodies


def test_text_is_sent_as_utf8_with_its_length(server: Server, client: HTTPClient) -> None:
    client.request("PUT", "/data/x", data="café")
    client.request("GET", "/data/next")
    assert server.requests[0].body == "café".encode()
    assert server.requests[0].headers["Content-Length"] == "5"
    assert server.paths[1] == "GET /data/next"


def test_text_streams_are_counted_in_bytes(server: Server, client: HTTPClient) -> None:
    stream = io.StringIO("xxcafé")
    stream.seek(2)
    client.request("PUT", "/data/x", data=stream)
    assert server.requests[0].body == "café".encode()
    assert not stream.closed


@pytest.mark.parametrize(
    ("data", "body", "content_type"),
    [
        ({"name": "Zoë", "n": ["1", "2"]}, b"name=Zo%C3%AB&n=1&n=2", "application/x-www-form-urlencoded"),
        ([("a", "1"), ("a", "2")], b"a=1&a=2", "application/x-www-form-urlencoded"),
        (b"\x00\xff", b"\x00\xff", None),
        (bytearray(b"abc"), b"abc", None),
        (iter([b"ab", "é"]), "abé".encode(), None),
        (io.BytesIO(b""), b"", None),
    ],
)
def test_kinds_of_bodies(server: Server, client: HTTPClient, data: Any, body: bytes, content_type: str | None) -> None:
    client.request("POST", "/data/x", data=data)
    assert server.requests[0].body == body
    assert server.requests[0].headers.get("Content-Type") == content_type


def test_json_body(server: Server, client: HTTPClient) -> None:
    client.request("PUT", "/data/x", json={"a": "é"})
    assert json.loads(server.requests[0].body) == {"a": "é"}
    assert server.requests[0].headers["Content-Type"] == "application/json"
    with pytest.raises(XNATValueError, match="JSON"):
        client.request("PUT", "/data/x", json=float("nan"))


def test_files_are_sent_as_multipart_and_again_after_a_failure(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(503), Answer(200)]
    client.request("PUT", "/data/x", files={"file": ("a.txt", io.BytesIO(b"content"))})
    assert [b"content" in request.body for request in server.requests] == [True, True]
    assert all(request.headers["Content-Type"].startswith("multipart/form-data") for request in server.requests)


def test_a_callers_content_type_stays(server: Server, client: HTTPClient) -> None:
    client.request("POST", "/data/x", data={"a": "1"}, headers={"content-type": "text/x"})
    assert server.requests[0].headers.get_all("Content-Type") == ["text/x"]


def test_open_files_are_wound_back_to_where_they_stood(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(503), Answer(cut=0), Answer(200)]
    stream = io.BytesIO(b"headcontent")
    stream.seek(4)
    client.request("PUT", "/data/x", data=stream)
    assert [request.body for request in server.requests] == [b"content"] * 3
    assert not stream.closed


class Pipe(io.RawIOBase):
    """A stream that can't be wound back."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._inner.readinto(buffer)


def test_a_stream_without_seek_is_sent_once(server: Server, client: HTTPClient, waits: Waits) -> None:
    server.script = [Answer(503)]
    with pytest.raises(XNATResponseError) as caught:
        client.request("PUT", "/data/x", data=Pipe(b"content"))
    assert caught.value.status_code == 503
    assert [request.body for request in server.requests] == [b"content"]
    assert waits == []


def test_a_stream_without_seek_is_sent_if_only_connecting_failed(
    server: Server, client: HTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_first_connections(monkeypatch, 1)
    client.request("POST", "/data/x", data=Pipe(b"content"))
    assert [request.body for request in server.requests] == [b"content"]


def test_a_stream_of_announced_length(server: Server, client: HTTPClient) -> None:
    client.request("PUT", "/data/x", data=Pipe(b"content"), headers={"Content-Length": "7"})
    assert server.requests[0].headers["Content-Length"] == "7"
    assert server.requests[0].headers.get("Transfer-Encoding") is None


@pytest.mark.parametrize("announced", [5, 9])
def test_a_stream_of_wrong_length_does_not_spoil_the_connection(
    server: Server, client: HTTPClient, announced: int
) -> None:
    with pytest.raises(XNATValueError, match=f"announced with {announced} bytes"):
        client.request("PUT", "/data/x", data=Pipe(b"content"), headers={"Content-Length": str(announced)})
    client.request("GET", "/data/next")
    # Not the last, perhaps: the server may still wait for bytes of the first, on the connection that was closed.
    assert "GET /data/next" in server.paths


# -- statuses


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, XNATUnauthorizedError),
        (403, XNATForbiddenError),
        (404, XNATNotFoundError),
        (409, XNATConflictError),
        (417, XNATResponseError),
        (500, XNATResponseError),
    ],
)
def test_a_status_becomes_an_error_with_the_servers_words(
    server: Server, client: HTTPClient, status: int, error: type[XNATResponseError]
) -> None:
    server.script = [Answer(status, STATUS_PAGE % b"Already assigned &amp; done", {"Content-Type": "text/html"})]
    with pytest.raises(error) as caught:
        client.request("PUT", "/data/projects/P", query={"label": "JaneDoe"})
    problem = caught.value
    assert type(problem) is error
    assert f"{server.url}/data/projects/P?label" in str(problem)
    assert f"PUT {problem.url}" in str(problem)
    assert "Already assigned & done" in str(problem)
    assert "<" not in str(problem)
    assert "JaneDoe" not in f"{problem} {problem!r} {problem.url}"
    assert (problem.status_code, problem.method, problem.text) == (status, "PUT", "Already assigned & done")
    assert problem.response is not None


def test_plain_text_is_cut_to_200_characters_and_made_printable(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(400, b"bad \x1b[31m\nthing " + b"x" * 500)]
    with pytest.raises(XNATResponseError) as caught:
        client.request("GET", "/data/x")
    assert "bad [31m thing xxx" in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.text is not None
    assert len(caught.value.text) > 500


def test_accepted_statuses_are_no_errors(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(404), Answer(503), Answer(204), Answer(201)]
    assert client.request("GET", "/data/x", accepted=[200, 404]).status_code == 404
    assert client.request("GET", "/data/x", accepted=[503]).status_code == 503
    assert client.request("GET", "/data/x").status_code == 204
    with pytest.raises(XNATResponseError):
        client.request("GET", "/data/x", accepted=[200])


def test_errors_can_be_pickled_without_the_answer(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(404, b"nothing here")]
    with pytest.raises(XNATNotFoundError) as caught:
        client.request("GET", "/data/x")
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (copied.status_code, copied.text, copied.response) == (404, "nothing here", None)


# -- pages where data should be

PAGES = [
    b"<!DOCTYPE html><html><head><title>Front page</title></head></html>",
    b"<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01'><title>Front page</title>",
    b"\r\n\t  <HTML lang='en'><title>Front page</title>",
    b"\xef\xbb\xbf\n<html><title>Front page</title>",
    b"<?xml version='1.0'?>\n<!DOCTYPE html><html><title>Front page</title>",
    b"<!-- made by velocity --><html><title>Front page</title>",
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_page_is_not_taken_for_data(
    server: Server, client: HTTPClient, page: bytes, stream: bool, chunked: bool
) -> None:
    server.script = [Answer(200, page, {"Content-Type": "application/json"}, chunked=chunked)]
    with pytest.raises(XNATUnexpectedPageError, match="'Front page'"):
        client.request("GET", "/data/projects", stream=stream)


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><!DOCTYPE plist PUBLIC "x"><plist/>',
        b"<!DOCTYPE svg><svg/>",
        b"<htmlish/>",
        b"",
        b"{}",
        b"\x1f\x8b\x00",
        b'<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog/>',
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_other_markup_is_data(server: Server, client: HTTPClient, body: bytes, stream: bool) -> None:
    server.script = [Answer(200, body, {"Content-Type": "text/html"})]
    assert client.request("GET", "/data/x", stream=stream).content == body


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 300_000])
def test_looking_at_a_stream_loses_nothing(server: Server, client: HTTPClient, size: int, chunked: bool) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    server.default = Answer(200, body[:size], chunked=chunked)
    pieces = list(client.request("GET", "/data/x", stream=True).iter_content(4096))
    assert b"".join(pieces) == body[:size]
    assert max(map(len, pieces), default=0) <= 4096
    assert client.request("GET", "/data/x", stream=True).content == body[:size]
    assert client.request("GET", "/data/x", stream=True).raw.read() == body[:size]


def test_streams_are_asked_for_uncompressed(server: Server, client: HTTPClient) -> None:
    client.request("GET", "/data/x", stream=True).close()
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_finished_stream_gives_its_connection_back(server: Server, client: HTTPClient, chunked: bool) -> None:
    server.default = Answer(200, b"x" * 5000, chunked=chunked)
    for _ in range(3):
        assert len(client.request("GET", "/data/x", stream=True).content) == 5000
    assert len({request.peer for request in server.requests}) == 1


def test_an_html_file_can_be_downloaded_if_the_caller_says_so(server: Server, client: HTTPClient) -> None:
    server.default = Answer(200, PAGES[0], {"Content-Type": "text/html"})
    assert client.request("GET", "/data/x/files/a.html", stream=True, allow_html=True).content == PAGES[0]
    assert client.request("GET", "/data/x/files/a.html", allow_html=True).content == PAGES[0]


def test_the_login_page_is_no_html_file(server: Server, client: HTTPClient) -> None:
    server.default = Answer(200, LOGIN_PAGE, {"Content-Type": "text/html"})
    with pytest.raises(XNATUnexpectedPageError, match=r"login page .*nobody is logged in"):
        client.request("GET", "/data/x/files/a.html", stream=True, allow_html=True)


def test_a_stored_login_page_sent_as_attachment_is_a_file(server: Server, client: HTTPClient) -> None:
    server.default = Answer(200, LOGIN_PAGE, {"Content-Disposition": 'attachment; filename="a.html"'})
    assert client.request("GET", "/data/x/files/a.html", stream=True, allow_html=True).content == LOGIN_PAGE


def test_a_large_body_is_not_decoded(server: Server, client: HTTPClient, monkeypatch: pytest.MonkeyPatch) -> None:
    server.default = Answer(200, b"\x00\xff" * 500_000)
    monkeypatch.setattr(requests.Response, "text", property(lambda self: pytest.fail("decoded")))
    assert len(client.request("GET", "/data/x").content) == 1_000_000


def test_a_head_answer_has_no_body_to_look_at(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(200, b"", {"Content-Length": "12345", "Content-Type": "text/html"})]
    assert client.request("HEAD", "/data/x", allow_redirects=False).headers["Content-Length"] == "12345"


# -- failing connections


def refuse_first_connections(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Lets the first ``times`` attempts to connect be refused."""
    import urllib3.util.connection

    real = urllib3.util.connection.create_connection
    left = [times]

    def create_connection(*args: Any, **kwargs: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise ConnectionRefusedError(111, "Connection refused")
        return real(*args, **kwargs)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)
    return left


def test_no_server_names_host_attempts_and_cause(make_client: Make, waits: Waits, nobody: str) -> None:
    with pytest.raises(XNATConnectionError) as caught:
        make_client(nobody).request("GET", "/data/projects", query={"label": "JaneDoe"})
    assert nobody in str(caught.value)
    assert "4 attempts" in str(caught.value)
    assert "ConnectionRefusedError" in str(caught.value)
    assert "JaneDoe" not in str(caught.value)
    assert (caught.value.attempts, caught.value.host) == (4, nobody)
    assert waits == [0.5, 1.0, 2.0]


def test_an_unknown_host_is_a_connection_error(make_client: Make) -> None:
    with pytest.raises(XNATConnectionError, match=r"xnat\.invalid"):
        make_client("http://xnat.invalid").request("GET", "/data/projects", attempts=1)


def test_a_dropped_connection_is_tried_again_for_idempotent_verbs(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(cut=0), Answer(cut=0), Answer(200, b"there")]
    assert client.request("GET", "/data/x").content == b"there"
    assert len(server.requests) == 3


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_cut_short_is_asked_for_again(server: Server, client: HTTPClient, chunked: bool) -> None:
    server.script = [Answer(200, b"x" * 5000, cut=3000, chunked=chunked), Answer(200, b"x" * 5000)]
    assert client.request("GET", "/data/x").content == b"x" * 5000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_stream_cut_short_is_an_error_of_ours(server: Server, client: HTTPClient, chunked: bool) -> None:
    server.script = [Answer(200, b"x" * 5000, cut=3000, chunked=chunked)]
    response = client.request("GET", "/data/x", stream=True)
    got: list[bytes] = []
    with pytest.raises(XNATConnectionError, match="/data/x"):
        got.extend(response.iter_content(1000))
    assert len(b"".join(got)) >= 2000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_stream_that_breaks_at_once_is_asked_for_again(server: Server, client: HTTPClient, chunked: bool) -> None:
    server.script = [Answer(200, b"x" * 5000, cut=500, chunked=chunked), Answer(200, b"x" * 5000)]
    assert client.request("GET", "/data/x", stream=True).content == b"x" * 5000
    server.default = Answer(200, b"x" * 5000, cut=500)
    with pytest.raises(XNATConnectionError, match="4 attempts"):
        client.request("GET", "/data/x", stream=True)


def test_post_is_not_repeated_once_it_was_sent(server: Server, client: HTTPClient, waits: Waits) -> None:
    server.script = [Answer(cut=0), Answer(503)]
    with pytest.raises(XNATConnectionError):
        client.request("POST", "/data/services/import", data=b"x")
    with pytest.raises(XNATResponseError):
        client.request("POST", "/data/services/import", data=b"x")
    assert len(server.requests) == 2
    assert waits == []


def test_post_is_repeated_if_it_was_not_sent_or_is_harmless(
    server: Server, client: HTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [Answer(503), Answer(200)]
    client.request("POST", "/data/search", data=b"x", idempotent=True)
    client.close()
    other = HTTPClient(server.url, environ={}, retry=client.retry)
    refuse_first_connections(monkeypatch, 2)
    other.request("POST", "/data/services/import", data=b"x")
    other.close()
    assert len(server.requests) == 3


def test_put_that_is_not_idempotent_is_not_repeated(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(503)]
    with pytest.raises(XNATResponseError):
        client.request("PUT", "/data/x/resources/R", idempotent=False)
    assert len(server.requests) == 1


def test_a_delete_whose_answer_was_lost_has_succeeded(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(cut=0), Answer(404), Answer(404)]
    assert client.request("DELETE", "/data/x", accepted=[200]).status_code == 404
    with pytest.raises(XNATNotFoundError):
        client.request("DELETE", "/data/x", accepted=[200])


def test_retry_after_is_honoured_and_capped(server: Server, client: HTTPClient, waits: Waits) -> None:
    later = {"Retry-After": "7"}
    server.script = [Answer(503, b"", later), Answer(429, b"", {"Retry-After": "86400"}), Answer(200)]
    client.request("GET", "/data/x")
    assert waits == [7.0, 30.0]


def test_an_answer_that_stays_503_names_the_attempts(server: Server, client: HTTPClient) -> None:
    server.default = Answer(503, STATUS_PAGE % b"Down for maintenance")
    with pytest.raises(XNATResponseError, match=r"503 .*Down for maintenance.*after 4 attempts"):
        client.request("GET", "/data/x")


def test_an_outage_is_not_answered_with_a_storm(server: Server, client: HTTPClient) -> None:
    server.default = Answer(503)
    for _ in range(200):
        with pytest.raises(XNATResponseError):
            client.request("GET", "/data/x")
    assert 200 < len(server.requests) <= 220


def test_no_answer_in_time(server: Server, client: HTTPClient) -> None:
    release = threading.Event()
    server.default = Answer(200, b"", wait=release)
    with pytest.raises(XNATTimeoutError, match=r"No answer from http://127\.0\.0\.1"):
        client.request("GET", "/data/x", timeout=0.05, attempts=1)
    with pytest.raises(XNATTimeoutError):
        client.request("GET", "/data/x", timeout=(1, 0.05), attempts=1)
    release.set()


def test_timeouts_by_default(client: HTTPClient) -> None:
    from xnat.transport.call import pair

    assert pair(client.timeout) == (12.0, 300.0)
    assert pair(60) == (12.0, 60)
    assert pair(5) == (5, 5)
    assert pair((30, None)) == (30, None)
    with pytest.raises(XNATValueError):
        pair(0)


def test_close_ends_waiting_and_later_requests(server: Server) -> None:
    client = HTTPClient(server.url, environ={})
    server.default = Answer(503, b"", {"Retry-After": "30"})
    timer = threading.Timer(0.1, client.close)
    timer.start()
    with pytest.raises(XNATNotConnectedError):
        client.request("GET", "/data/x")
    with pytest.raises(XNATNotConnectedError, match="Not connected to server"):
        client.request("GET", "/data/x")
    client.close()
    timer.join()


# -- TLS and the environment


def test_an_unknown_certificate_names_the_bundle(make_server: Make, make_client: Make, waits: Waits) -> None:
    server = make_server(tls=True)
    with pytest.raises(XNATSSLError) as caught:
        make_client(server.url).request("GET", "/data/x")
    assert "cacert.pem" in str(caught.value)
    assert server.url in str(caught.value)
    assert isinstance(caught.value, requests.exceptions.SSLError)
    assert waits == []


def test_verify_takes_the_path_of_a_bundle(make_server: Make, make_client: Make) -> None:
    server = make_server(tls=True)
    assert make_client(server.url, verify=str(CERTIFICATE)).request("GET", "/data/x").content == b"ok"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_names_a_bundle(make_server: Make, make_client: Make, name: str) -> None:
    server = make_server(tls=True)
    client = make_client(server.url, environ={name: str(CERTIFICATE)})
    assert client.request("GET", "/data/x").content == b"ok"
    assert name in str(client.trust)


def test_a_missing_bundle_is_named(make_client: Make) -> None:
    client = make_client("https://localhost:1", environ={"SSL_CERT_FILE": "/no/such.pem"})
    with pytest.raises(XNATSSLError, match=r"/no/such\.pem.*SSL_CERT_FILE"):
        client.request("GET", "/data/x")


def test_verify_false_warns_once_and_silences_only_itself(
    make_server: Make, make_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_server(tls=True)
    client = make_client(server.url, verify=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.request("GET", "/data/x")
        client.request("GET", "/data/x")
        assert [warning.category.__name__ for warning in caught] == []
        requests.get(server.url, verify=False, timeout=5).close()
        assert [warning.category.__name__ for warning in caught] == ["InsecureRequestWarning"]
    assert [record.levelname for record in caplog.records if "not checked" in record.message] == ["WARNING"]


def test_netrc_of_the_environment_is_not_used(
    server: Server, client: HTTPClient, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client.request("GET", "/data/x")
    assert server.requests[0].headers.get("Authorization") is None


def test_proxies_of_the_environment_are_used(
    server: Server, make_client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    make_client("http://xnat.invalid/xnat").request("GET", "/data/projects/%2E%2E")
    assert server.paths == ["GET http://xnat.invalid/xnat/data/projects/%2E%2E"]


# -- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_within_the_server_are_followed(server: Server, client: HTTPClient, status: int) -> None:
    server.script = [Answer(status, b"", {"Location": "/data/there?a=b c"}), Answer(200, b"found")]
    client.jsession = "SESSION"
    assert client.request("GET", "/data/here").content == b"found"
    assert server.paths == ["GET /data/here", "GET /data/there?a=b%20c"]
    assert server.requests[1].cookies["JSESSIONID"] == "SESSION"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_another_server_gets_nothing(make_server: Make, make_client: Make, status: int, method: str) -> None:
    server, evil = make_server(), make_server()
    client = make_client(server.url)
    client.jsession = "SESSION"
    server.default = Answer(status, b"", {"Location": evil.url + "/data/projects"})
    with pytest.raises(XNATRedirectError) as caught:
        client.request(method, "/data/projects", headers={"Authorization": "Basic c2VjcmV0"})
    assert evil.requests == []
    assert server.url in str(caught.value)
    assert evil.url in str(caught.value)


def test_leaving_tls_is_refused(make_server: Make, make_client: Make) -> None:
    secure, plain = make_server(tls=True), make_server()
    secure.default = Answer(302, b"", {"Location": plain.url + "/data"})
    with pytest.raises(XNATRedirectError, match="leave TLS"):
        make_client(secure.url, verify=str(CERTIFICATE)).request("GET", "/data")
    assert plain.requests == []


@pytest.mark.parametrize("location", ["//{evil}/data", "http://{server}@{evil}/data", "http://[bad/"])
def test_disguised_targets_are_refused(make_server: Make, make_client: Make, location: str) -> None:
    server, evil = make_server(), make_server()
    hosts = {"evil": f"127.0.0.1:{evil.port}", "server": f"127.0.0.1:{server.port}"}
    server.default = Answer(302, b"", {"Location": location.format(**hosts)})
    with pytest.raises(XNATRedirectError):
        make_client(server.url).request("GET", "/data")
    assert evil.requests == []


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_write_does_not_become_a_get(server: Server, client: HTTPClient, status: int, method: str) -> None:
    server.default = Answer(status, b"/data/experiments/E", {"Location": "/app/experiment/E"})
    with pytest.raises(XNATResponseError, match="/app/experiment/E") as caught:
        client.request(method, "/data/services/archive", data=b"x")
    assert caught.value.status_code == status
    assert client.request(method, "/data/services/archive", accepted=[200, 301, 302, 303]).status_code == status
    assert {path.split()[0] for path in server.paths} == {method}


def test_307_repeats_a_write_with_its_body(server: Server, client: HTTPClient) -> None:
    server.script = [Answer(307, b"", {"Location": "/data/there"}), Answer(200)]
    client.request("PUT", "/data/here", data=io.BytesIO(b"content"))
    assert [request.body for request in server.requests] == [b"content", b"content"]
    assert server.paths[1] == "PUT /data/there"


def test_redirects_in_circles_end(server: Server, client: HTTPClient) -> None:
    server.default = Answer(302, b"", {"Location": "/data/x"})
    with pytest.raises(XNATRedirectError, match="more than"):
        client.request("GET", "/data/x")
    assert len(server.requests) == 10


def test_redirects_are_not_followed_if_the_caller_says_so(server: Server, client: HTTPClient) -> None:
    server.default = Answer(302, b"", {"Location": "/data/x"})
    with pytest.raises(XNATResponseError):
        client.request("HEAD", "/data/x", allow_redirects=False)
    assert client.request("HEAD", "/data/x", allow_redirects=False, accepted=[302]).status_code == 302


# -- lost sessions


class LoginServer:
    """Behaves like a server whose session ran out, until somebody logs in."""

    def __init__(self, server: Server, client: HTTPClient, lost: Answer) -> None:
        self.valid = "NEW"
        self.logins = 0
        self.lost = lost
        self.gate: threading.Event | None = None
        server.default = self.answer
        client.jsession = "OLD"
        self._client = client
        client.recover = self.recover

    def answer(self, arrived: Arrived) -> Answer:
        return Answer(200, b"data:" + arrived.body) if arrived.cookies.get("JSESSIONID") == self.valid else self.lost

    def recover(self) -> None:
        self.logins += 1
        if self.gate is not None:
            self.gate.wait(10)
        self._client.jsession = self.valid


LOST = [
    Answer(401, STATUS_PAGE % b"The request requires user authentication", {"Set-Cookie": "JSESSIONID=GUEST; Path=/"}),
    Answer(200, LOGIN_PAGE, {"Content-Type": "application/json"}),
    Answer(200, LOGIN_PAGE, {"Content-Type": "application/zip"}, chunked=True),
    Answer(302, b"", {"Location": "/app/template/Login.vm"}),
    Answer(302, b"", {"Location": "/app/template/Login.vm;jsessionid=X?a=b"}),
    Answer(200, b"[]", {"Set-Cookie": "JSESSIONID=GUEST; Path=/"}),
    Answer(404, b"", {"Set-Cookie": "JSESSIONID=GUEST; Path=/"}),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("lost", LOST)
def test_a_lost_session_is_renewed_and_the_request_repeated(
    server: Server, client: HTTPClient, lost: Answer, stream: bool
) -> None:
    login = LoginServer(server, client, lost)
    assert client.request("GET", "/data/x", stream=stream).content == b"data:"
    assert login.logins == 1


def test_an_error_after_a_new_login_is_an_error_of_its_own(server: Server, client: HTTPClient) -> None:
    LoginServer(server, client, LOST[0])
    server.script = [LOST[0], Answer(404)]
    with pytest.raises(XNATNotFoundError) as caught:
        client.request("GET", "/data/x")
    assert "login" not in str(caught.value)


@pytest.mark.parametrize("lost", [LOST[0], LOST[1], LOST[3], LOST[6]])
def test_a_write_is_repeated_with_its_whole_body(server: Server, client: HTTPClient, lost: Answer) -> None:
    LoginServer(server, client, lost)
    assert client.request("POST", "/data/x", data=io.BytesIO(b"content")).content == b"data:content"


@pytest.mark.parametrize("lost", LOST)
def test_sixteen_workers_log_in_once(
    server: Server, client: HTTPClient, lost: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    login = LoginServer(server, client, lost)
    login.gate = threading.Event()
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(client.request, "GET", f"/data/{n}") for n in range(64)]
        # let as many workers as possible find out before the login ends
        deadline = time.monotonic() + 10
        while len(server.requests) < 16 and time.monotonic() < deadline:
            time.sleep(0.001)
        login.gate.set()
        assert {answer.result().content for answer in answers} == {b"data:"}
    assert login.logins == 1
    assert len([line for line in caplog.messages if "logging in again" in line]) == 1


def test_a_guests_cookie_does_not_replace_the_new_one(server: Server, client: HTTPClient) -> None:
    server.default = Answer(200, b"x", {"Set-Cookie": ["JSESSIONID=GUEST; Path=/", "balancer=node1; Path=/"]})
    client.jsession = "NEW"
    client.request("GET", "/data/x")
    client.request("GET", "/data/x")
    assert server.requests[1].cookies == {"JSESSIONID": "NEW", "balancer": "node1"}


def test_a_refused_login_is_not_tried_for_every_worker(server: Server, client: HTTPClient) -> None:
    login = LoginServer(server, client, LOST[0])
    tries = []

    def refuse() -> None:
        tries.append(1)
        raise XNATLoginFailedError("no")

    client.recover = refuse
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(client.request, "GET", f"/data/{n}") for n in range(64)]
        assert all(isinstance(answer.exception(), XNATLoginFailedError) for answer in answers)
    assert len(tries) == 1
    client.recover = login.recover
    client.recovery.renewed()
    assert client.request("GET", "/data/x").content == b"data:"


def test_a_login_that_found_no_server_is_tried_by_the_next_request(server: Server, client: HTTPClient) -> None:
    login = LoginServer(server, client, LOST[0])
    client.recover = lambda: (_ for _ in ()).throw(XNATConnectionError("down"))  # type: ignore[assignment, return-value]
    with pytest.raises(XNATConnectionError, match="down"):
        client.request("GET", "/data/x")
    client.recover = login.recover
    assert client.request("GET", "/data/x").content == b"data:"


@pytest.mark.parametrize(
    ("lost", "error"),
    [(LOST[0], XNATUnauthorizedError), (LOST[1], XNATUnexpectedPageError), (LOST[3], XNATResponseError)],
)
def test_if_a_new_login_does_not_help_it_is_an_error(
    server: Server, client: HTTPClient, lost: Answer, error: type[Exception]
) -> None:
    login = LoginServer(server, client, lost)
    login.valid = "NEVER"
    client.recover = lambda: None
    with pytest.raises(error, match="didn't help"):
        client.request("GET", "/data/x")
    # Two logins, since the session of the first one may have ended before it was used.
    assert len(server.requests) == 3


@pytest.mark.parametrize("lost", LOST)
def test_a_session_that_ends_before_it_is_used_is_renewed_once_more(
    server: Server, client: HTTPClient, lost: Answer
) -> None:
    login = LoginServer(server, client, lost)
    sessions = iter(["ENDED", "NEW"])

    def recover() -> None:
        login.logins += 1
        client.jsession = next(sessions)

    client.recover = recover
    assert client.request("GET", "/data/x").content == b"data:"
    assert login.logins == 2


@pytest.mark.parametrize("lost", LOST[:4])
def test_a_login_of_another_worker_that_was_over_at_once(server: Server, client: HTTPClient, lost: Answer) -> None:
    login = LoginServer(server, client, lost)
    answer = server.default

    def another_logs_in(arrived: Arrived) -> Answer:
        if len(server.requests) <= 3:
            # While this request was on its way, and ended again by the time it is repeated.
            client.recovery.generation += 1
        return answer(arrived)

    server.default = another_logs_in
    assert client.request("GET", "/data/x").content == b"data:"
    assert login.logins == 1


def test_a_server_that_gives_a_new_cookie_each_time_is_believed(server: Server, client: HTTPClient) -> None:
    numbers = iter(range(1000))
    server.default = lambda _: Answer(200, b"x", {"Set-Cookie": f"JSESSIONID={next(numbers)}; Path=/"})
    logins = []
    client.jsession, client.recover = "MINE", lambda: logins.append(1)
    for _ in range(5):
        assert client.request("GET", "/data/x").content == b"x"
    assert len(logins) == 2


def test_without_a_login_401_is_an_error_at_once(server: Server, client: HTTPClient) -> None:
    server.default = LOST[0]
    with pytest.raises(XNATUnauthorizedError):
        client.request("GET", "/data/x")
    assert client.request("GET", "/data/x", accepted=[401]).status_code == 401
    assert len(server.requests) == 2


def test_an_accepted_401_is_an_answer(server: Server, client: HTTPClient) -> None:
    login = LoginServer(server, client, LOST[0])
    assert client.request("GET", "/data/auth", accepted=[200, 401]).status_code == 401
    assert login.logins == 0


def test_a_stream_without_seek_is_not_repeated_after_a_login(server: Server, client: HTTPClient) -> None:
    login = LoginServer(server, client, LOST[0])
    with pytest.raises(XNATUnauthorizedError, match="stream without seek"):
        client.request("PUT", "/data/x", data=Pipe(b"content"))
    assert login.logins == 0


# -- secrets, logs, processes


def test_logs_hold_keys_but_no_values(server: Server, make_client: Make, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("xnat.test")
    client = make_client(server.url, logger=logger)
    client.jsession = "SECRETSESSION"
    server.script = [Answer(503), Answer(200)]
    with caplog.at_level(logging.DEBUG, "xnat.test"):
        client.request(
            "PUT",
            "/data/projects/P",
            query={"label": "JaneDoe"},
            data={"password": "SECRETPASSWORD"},
            headers={"Authorization": "Basic SECRETBASIC"},
        )
    lines = [record.getMessage() for record in caplog.records if record.name == "xnat.test"]
    assert any("PUT /data/projects/P?label -> 200 (" in line for line in lines)
    assert not [line for line in lines if "SECRET" in line or "JaneDoe" in line]


def test_clients_are_not_pickled(client: HTTPClient) -> None:
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(client)


def test_the_session_cookie_goes_to_its_server_only(server: Server, make_client: Make) -> None:
    client = make_client(server.url + "/xnat")
    client.jsession = "MINE"
    client.request("GET", "/data/x")
    assert server.requests[0].cookies["JSESSIONID"] == "MINE"
    for other in ("http://localhost:1/xnat/data", "http://example.org/xnat/data", f"{server.url}/other"):
        prepared = client.interface.prepare_request(requests.Request("GET", other))
        assert prepared.headers.get("Cookie") is None
    client.jsession = None
    assert client.jsession is None


@pytest.mark.parametrize("root", ["http://localhost:8080", "http://[::1]:8080/xnat", "https://xnat.example.org/a"])
def test_the_session_cookie_fits_all_kinds_of_hosts(make_client: Make, root: str) -> None:
    client = make_client(root)
    client.jsession = "MINE"
    prepared = client.interface.prepare_request(requests.Request("GET", root + "/data/x"))
    assert prepared.headers["Cookie"] == "JSESSIONID=MINE"
    assert client.jsession == "MINE"


def test_interface_is_a_pooled_requests_session(client: HTTPClient) -> None:
    assert isinstance(client.interface, requests.Session)
    assert client.interface is client.interface
    assert client.interface.get_adapter("http://x")._pool_maxsize >= 32  # type: ignore[attr-defined]
    assert client.interface.headers["User-Agent"].startswith("xnat/")  # type: ignore[union-attr]


def test_a_forked_child_has_its_own_sockets(
    server: Server, client: HTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.jsession = "MINE"
    client.request("GET", "/data/x")
    mine = client.interface
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert client.interface is not mine
    client.request("GET", "/data/x")
    assert server.requests[-1].cookies["JSESSIONID"] == "MINE"
    mine.close()


def test_many_threads_share_a_client(server: Server, client: HTTPClient) -> None:
    count = iter(range(10_000))
    server.default = lambda arrived: Answer(
        200, arrived.path.encode(), {"Set-Cookie": f"c{next(count) % 50}=x; Path=/"}
    )
    with ThreadPoolExecutor(32) as pool:
        paths = [f"/data/{n}" for n in range(400)]
        answers = list(pool.map(lambda path: client.request("GET", path).content.decode(), paths))
    assert answers == paths


# -- small print ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [5, object(), 1.5])
def test_what_is_no_body_is_refused(server: Server, client: HTTPClient, data: Any) -> None:
    with pytest.raises(XNATValueError, match=f"not {type(data).__name__}"):
        client.request("PUT", "/x", data=data)
    assert server.requests == []


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\0", "a\nb"])
def test_headers_hold_one_line(server: Server, client: HTTPClient, value: str) -> None:
    with pytest.raises(XNATValueError, match="header"):
        client.request("GET", "/x", headers={"X-Mine": value})
    assert server.requests == []


def test_after_a_fork_that_was_none(server: Server, client: HTTPClient) -> None:
    server.script += [Answer(body=b"1"), Answer(body=b"2")]
    assert client.request("GET", "/x").content == b"1"
    before = client.interface
    client.after_fork()
    assert client.interface is before
    assert client.request("GET", "/x").content == b"2"


def test_a_bundle_that_is_not_there(make_server: Make, make_client: Make, tmp_path: Any) -> None:
    with pytest.raises((XNATSSLError, XNATValueError), match="nowhere"):
        make_client(make_server(tls=True).url, verify=str(tmp_path / "nowhere.pem")).request("GET", "/x")


def test_a_bundle_that_vanishes(make_server: Make, make_client: Make, tmp_path: Any) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(CERTIFICATE.read_bytes())
    client = make_client(make_server(tls=True).url, verify=str(bundle))
    bundle.unlink()
    with pytest.raises(XNATSSLError, match=r"bundle\.pem"):
        client.request("GET", "/x")


def test_a_connection_that_is_not_made_in_time_sent_nothing() -> None:
    asked = errors.Asked("GET", "http://host/x")
    error = errors.connection_error(asked, requests.ConnectTimeout("slow"), 1)
    assert isinstance(error, XNATTimeoutError)
    assert error.sent is False
    assert "Could not connect" in str(error)


def test_a_stream_can_be_copied(server: Server, client: HTTPClient) -> None:
    server.script.append(Answer(body=b"x" * 10))
    with client.request("GET", "/x", stream=True) as response:
        assert copy.copy(response.raw).read() == b"x" * 10


def test_trust_in_words() -> None:
    assert "not checked" in str(wire.settle_trust(False, {}))
    assert "shipped with requests" in str(wire.settle_trust(True, {}))
