"""Password, session ID and tokens: looked for in everything a session leaves behind or shows.

One session does what scripts do, with all logging at DEBUG; then every place where text could have gone is read.
"""

from __future__ import annotations

import copy
import io
import logging
import os
import pickle
import tempfile
import traceback
import urllib.parse
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xnat
from xnat.exceptions import XNATError
from xnat.sandbox import Sandbox, faults
from xnat.transport import errors
from xnat.transport.auth import Credentials
from xnat.transport.netrc import Entry

PASSWORD = "S3cret&pass wörd%41"


def spellings(secret: str) -> list[bytes]:
    """A secret as it is, as a URL or form has it, and in Base64."""
    forms = {secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret), secret.encode("unicode_escape").decode(),
             repr(secret)[1:-1], b64encode(secret.encode()).decode(), b64encode(f"user:{secret}".encode()).decode()}  # fmt: skip
    return [form.encode() for form in forms]


class Secrets:
    """What must not be found."""

    def __init__(self, *known: str) -> None:
        self.known = list(known)

    def check(self, where: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        for secret in self.known:
            for form in spellings(secret):
                assert form not in data, f"{where} holds {form!r}"


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox() as running:
        running.add_user("user", PASSWORD, admin=True)
        yield running


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All loggers of the process, at DEBUG, into a text."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    old = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(old)
    root.removeHandler(handler)


def everything_shown(session: Any) -> Iterator[tuple[str, str]]:
    """(what it is, its text) of all that a console or debugger would show of a session and what it holds."""
    things = {
        "session": session, "client": session.client, "classes": session.classes, "projects": session.projects,
        "services": session.services, "users": session.users, "recovery": session.client.recovery, "trust": session.client.trust,
        "retry": session.client.retry, "keepalive": session._keepalive, "registry": session.registry,
    }  # fmt: skip
    for name, thing in things.items():
        yield f"repr of {name}", repr(thing)
        yield f"str of {name}", str(thing)
        yield f"html of {name}", str(getattr(thing, "_repr_html_", lambda: "")())
        for attribute, value in list(getattr(thing, "__dict__", {}).items()):
            # The jar has to hold the cookie; that a debugger opens it is its user's doing.
            yield f"repr of {name}.{attribute}", repr(value) if attribute != "_interface" else ""


def do_things(session: Any, folder: Path) -> list[BaseException]:
    """What scripts do; gives the errors there were."""
    errors: list[BaseException] = []
    project = session.classes.ProjectData(parent=session, name="P")
    subject = session.classes.SubjectData(parent=project, label="S")
    subject.fields["a"] = "b"
    resource = project.create_resource("R")
    resource.upload_data(b"data", "a.txt")
    project.download_dir(folder, verbose=False)
    for wrong in (
        lambda: session.get("/data/nothing"),
        lambda: session.projects["nothing"],
        lambda: session.get("http://evil.example/x"),
        lambda: session.put("/data/projects/P", data="\ud800"),
        lambda: session.get_json("/data/JSESSION"),
        lambda: session.classes.SubjectData(parent=project, label="S/.."),
        lambda: session.services.validate_token("a", "b"),
    ):
        try:
            wrong()
        except XNATError as error:
            errors.append(error)
    return errors


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("way", ["password", "alias"])
def test_a_session_shows_its_secrets_nowhere(
    server: Sandbox, everything_logged: io.StringIO, capfd: Any, tmp_path: Path, monkeypatch: Any, debug: bool, way: str
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("XNAT_CACHE_DIR", str(tmp_path / "cache"))
    user, password = "user", PASSWORD
    secrets = Secrets(PASSWORD)
    if way == "alias":
        with xnat.connect(server.url, user, password, no_parse_model=True) as first:
            user, password = first.services.issue_token()
        secrets.known.append(password)
    with xnat.connect(server.url, user, password, debug=debug) as session:
        assert session.jsession
        secrets.known.append(session.jsession)
        token = session.services.issue_token()
        secrets.known.append(token.secret)
        secrets.check("repr of a token", repr(token))
        secrets.check("str of a token", f"{token}")
        assert session.services.validate_token(token) == "user"
        errors = do_things(session, tmp_path / "out")
        assert len(errors) >= 4
        for where, text in everything_shown(session):
            secrets.check(where, text)
        for path in [*temporary.rglob("*"), *(tmp_path / "cache").rglob("*"), *(tmp_path / "out").rglob("*")]:
            secrets.check(str(path), str(path))
            if path.is_file():
                secrets.check(str(path), path.read_bytes())
        server.expire_sessions()
        server.faults.add(faults.status(500), path="/data/services/auth", times=None)
        server.faults.add(faults.status(500), path="/data/auth", times=None)
        with pytest.raises(XNATError) as caught:
            session.get("/data/projects")
        errors.append(caught.value)
    for error in errors:
        secrets.check("an error", "".join(traceback.format_exception(error)))
        secrets.check("an error's repr", repr(error))
        secrets.check(
            "an error's facts", repr({name: value for name, value in vars(error).items() if name != "response"})
        )
        secrets.check("a pickled error", pickle.dumps(error))
    # urllib3 logs the paths of requests itself, and XNAT wants a token's secret in one: docs/security.rst says so.
    lines = [
        line
        for line in everything_logged.getvalue().splitlines()
        if not line.startswith("urllib3") or "/validate/" not in line
    ]
    secrets.check("a log", "\n".join(lines))
    shown = capfd.readouterr()
    secrets.check("the console", shown.out + shown.err)
    assert [path for path in temporary.rglob("*") if "xnat" in path.name] == []


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(401, f"Bad credentials {PASSWORD}"[:15]),
        faults.status(500),
        faults.status(302, headers={"Location": "http://evil.example/"}),
        faults.close(),
        faults.login_page(),
        faults.status(200, "no session"),
        faults.status(
            500, f"Bad request syntax ('username=user&password={urllib.parse.quote_plus(PASSWORD)}'); {PASSWORD}"
        ),
    ],
    ids=["401", "500", "redirect", "closed", "login page", "no session", "quoted back"],
)
def test_failed_logins_do_not_tell(server: Sandbox, everything_logged: io.StringIO, fault: Any) -> None:
    server.faults.add(fault, path="/data/(services/auth|auth|JSESSION)", times=None)
    with pytest.raises(XNATError) as caught:
        xnat.connect(server.url, "user", PASSWORD, cache=False)
    secrets = Secrets(PASSWORD)
    secrets.check("the error", "".join(traceback.format_exception(caught.value)))
    secrets.check("the error pickled", pickle.dumps(caught.value))
    # Some tools, as those that Dask brings along, pickle the causes of an error with it.
    for link in errors.chain(caught.value):
        assert getattr(link, "request", None) is None
        assert getattr(link, "response", None) is None
    secrets.check("the log", everything_logged.getvalue())


@pytest.mark.parametrize(
    "make",
    [
        lambda session: session,
        lambda session: session.client,
        lambda session: session.projects,
        lambda session: session.services,
        lambda session: session.classes.ProjectData,
        lambda session: session.classes,
        lambda session: session.create_object("/data/projects/P", "xnat:projectData"),
        lambda session: Credentials("user", PASSWORD),
    ],
    ids=["session", "client", "listing", "services", "class", "module", "object", "credentials"],
)
@pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_pickles_hold_no_secret(server: Sandbox, make: Callable[[Any], Any], way: Callable[[Any], Any]) -> None:
    """They refuse, or hold an address to connect to again."""
    with xnat.connect(server.url, "user", PASSWORD, cache=False) as session:
        thing = make(session)
        try:
            made = way(thing)
        except (TypeError, XNATError, pickle.PicklingError, AttributeError) as error:
            Secrets(PASSWORD, str(session.jsession)).check("the refusal", str(error))
        else:
            Secrets(PASSWORD, str(session.jsession)).check(
                "the pickle", made if isinstance(made, bytes) else repr(made)
            )


@pytest.mark.parametrize("thing", [Credentials("u", PASSWORD), Entry("m", "u", PASSWORD), [Credentials("u", PASSWORD)], {"a": Entry("m", "u", PASSWORD)}])  # fmt: skip
def test_reprs(thing: Any) -> None:
    Secrets(PASSWORD).check(
        "repr",
        repr(thing) + str(thing) + f"{thing}" + "%s %r" % (thing, thing)
        if not isinstance(thing, tuple)
        else repr(thing),
    )


@pytest.mark.parametrize(
    "server_url", [f"http://user:{PASSWORD}@127.0.0.1:1/", f"http://user:{urllib.parse.quote(PASSWORD)}@127.0.0.1/", f"http://:{PASSWORD}@h/", f"user:{PASSWORD}@host", f"ftp://u:{PASSWORD}@h"]
)  # fmt: skip
def test_a_password_in_the_address_is_refused_without_showing_it(server_url: str) -> None:
    with pytest.raises(XNATError) as caught:
        xnat.connect(server_url)
    # In what isn't an address at all nobody can tell what is a password.
    if "://" in server_url:
        Secrets(PASSWORD).check("the error", str(caught.value))


def test_processes_show_no_password(server: Sandbox, tmp_path: Path) -> None:
    """Nothing puts it into the environment or the command line of this process, where others could read it."""
    with xnat.connect(server.url, "user", PASSWORD, cache=False) as session:
        secrets = Secrets(PASSWORD, str(session.jsession))
        secrets.check("the environment", repr(dict(os.environ)))
        if Path("/proc/self/cmdline").exists():
            secrets.check("the command line", Path("/proc/self/cmdline").read_bytes())


def test_unverified_tls_warns_and_silences_nobody_else() -> None:
    """Once per session, through the library's logger; other libraries' warnings stay as they were."""
    from xnat.transport.client import HTTPClient

    lines: list[str] = []
    logger = logging.Logger("x")
    logger.addHandler(logging.Handler())
    logger.handlers[0].emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    before = list(warnings.filters)
    client = HTTPClient("https://127.0.0.1:1", verify=False, logger=logger, environ={})
    try:
        for _ in range(2):
            client.interface  # noqa: B018
        assert sum("not checked" in line for line in lines) == 1
        assert warnings.filters == before
    finally:
        client.close()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_environment_can_not_switch_verification_off(name: str) -> None:
    from xnat.transport.wire import settle_trust

    for value in ("", "0", "false", "False", "no"):
        assert settle_trust(True, {name: value}).verify is not False
