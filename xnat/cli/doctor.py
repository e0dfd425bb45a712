"""``xnat doctor``: one line a check, ok or what to do."""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import xnat.cli.logins as logins
import xnat.cli.network as network

from .config import config_path
from .connect import Settings, open_session, settle
from .failures import FAILED, OK, explain
from .login import login_source
from .network import Finding, Trouble
from .options import standard_options
from .output import Output, plain

if TYPE_CHECKING:
    from xnat.session import XNATSession

__all__ = ["add_doctor"]

COLUMNS = ("state", "check", "finding", "advice")
#: Seconds for all of it.
_PATIENCE = 9.0
#: Seconds by which clocks may differ: signed links, certificates and 'changed since' suffer from more.
_CLOCK = 120


def add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Look at everything between here and a working session, and say what to do about what isn't right. Takes less "
        "than 10 seconds. The exit code is 0 if nothing is wrong; a warning is not."
    )
    standard_options(parser)
    parser.set_defaults(run=run_doctor)


def run_doctor(args: argparse.Namespace, out: Output) -> int:
    """Check, one thing after the other; what builds on something that failed is skipped."""
    settings = settle(args)
    if settings.timeout is None:
        args.timeout = 4.0
        settings = settle(args)
    examination = _Examination(settings, args, out)
    with ExitStack() as undo:
        examination.undo = undo
        for name, check, needed in examination.checks():
            examination.check(name, check, needed)
    _show(examination.rows, out)
    wrong = sum(row["state"] == "failed" for row in examination.rows)
    if wrong:
        out.error(f"{wrong} of {len(examination.rows)} checks failed; the first one is the one to mend first")
    else:
        out.say("nothing is wrong")
    return FAILED if wrong else OK


def _show(rows: list[dict[str, str]], out: Output) -> None:
    if out.form != "human":
        out.table(COLUMNS, rows)
        return
    for row in rows:
        out.line(f"{row['state']:<7}  {row['check']:<10}  {plain(row['finding'])}")
        if row["advice"]:
            out.line(f"{'':<7}  {'':<10}  → {plain(row['advice'])}")


class _Examination:
    """The checks of one server, and what they found."""

    def __init__(self, settings: Settings, args: argparse.Namespace, out: Output) -> None:
        self.settings, self.args, self.out = settings, args, out
        self.rows: list[dict[str, str]] = []
        self.undo = ExitStack()
        self._end = time.monotonic() + _PATIENCE
        self._bad: set[str] = set()
        self._session: XNATSession | None = None
        self._file: Any = None

    def checks(self) -> list[tuple[str, Callable[[], Finding], str]]:
        """(name, check, name of the check it builds on)."""
        server = self.settings.server
        return [
            ("server", self._server, ""),
            ("proxy", lambda: network.check_proxy(server), ""),
            ("dns", lambda: network.check_name(server), ""),
            ("connection", lambda: network.check_connection(server), "dns"),
            ("tls", lambda: network.check_tls(server, self.settings.verify), "connection"),
            ("login", self._login, "tls"),
            ("clock", self._clock, "login"),
            ("version", self._version, "login"),
            ("data model", self._model, "login"),
            ("rights", self._rights, "data model"),
            ("digests", self._digests, "data model"),
            ("ranges", self._ranges, "data model"),
            ("cache", self._cache, ""),
            ("logins", self._logins, ""),
        ]

    def check(self, name: str, check: Callable[[], Finding], needed: str) -> None:
        """Do one check, in what is left of the time."""
        if needed in self._bad:
            self._bad.add(name)
            self._note("skipped", name, f"needs {needed}")
            return
        try:
            finding = _within(self._end - time.monotonic(), check)
        except Trouble as trouble:
            self._bad.add(name)
            self._note("failed", name, str(trouble), trouble.advice)
        except Exception as error:
            self._bad.add(name)
            text, _, advice = explain(error).partition("; ")
            self._note("failed", name, text, advice)
        else:
            self._note("warning" if finding.advice else "ok", name, finding.text, finding.advice)

    def _note(self, state: str, name: str, finding: str, advice: str = "") -> None:
        self.rows.append({"state": state, "check": name, "finding": finding, "advice": advice})

    # -- the checks, in their order -----------------------------------------------------------------------------------

    def _server(self) -> Finding:
        config = config_path()
        return Finding(f"{self.settings.server} (by {self.settings.source}; config file {config}{_exists(config)})")

    def _login(self) -> Finding:
        self._session = self.undo.enter_context(open_session(self.args, self.out, model=False, settings=self.settings))
        user = str(self._session.logged_in_user)
        source = login_source(self.settings, user)
        if user == "guest":
            return Finding("guest: nobody is logged in", "log in with 'xnat login', or put a line into ~/.netrc")
        return Finding(f"{user}, by {source}")

    def _clock(self) -> Finding:
        from email.utils import parsedate_to_datetime

        told = self._open.head("/data/version", accepted_status=range(100, 600)).headers.get("Date")
        if not told:
            return Finding("the server doesn't tell its time")
        ahead = time.time() - parsedate_to_datetime(told).timestamp()
        if abs(ahead) > _CLOCK:
            way = "ahead of" if ahead > 0 else "behind"
            raise Trouble(
                f"this machine is {abs(ahead):.0f} s {way} the server", "set the clocks by a time server (NTP)"
            )
        return Finding(f"{abs(ahead):.0f} s apart")

    def _version(self) -> Finding:
        from xnat.versions import version_tuple

        version = self._open.xnat_version
        if version_tuple(version)[:2] < (1, 6):
            return Finding(f"XNAT {version}", "this client was made for XNAT 1.6 and newer")
        return Finding(f"XNAT {version} at {self._open.server}")

    def _model(self) -> Finding:
        session = self.undo.enter_context(open_session(self.args, self.out, settings=self.settings))
        self._session = session
        problems = len(session.classes.model.problems)
        text = f"{len(session.XNAT_CLASS_LOOKUP)} data types"
        if problems:
            return Finding(
                f"{text}, {problems} problems in the schemas", "'xnat model --list --loglevel WARNING' names them"
            )
        return Finding(text)

    def _rights(self) -> Finding:
        session = self._open
        seen = len(session.projects)
        editable = session.get_json("/data/projects", query={"restrict": "edit", "columns": "ID"})
        count = len(editable["ResultSet"]["Result"])
        if not seen:
            return Finding("no project can be seen", "ask a project's owner for access, or see 'xnat whoami'")
        return Finding(f"{seen} projects can be seen, {count} changed")

    def _digests(self) -> Finding:
        file = self._file = _some_file(self._open)
        if file is None:
            return Finding("no file was found to look at")
        if not file.digest:
            return Finding("off", "transfers are checked by size only; an administrator can switch checksums on")
        return Finding("on: transfers are verified")

    def _ranges(self) -> Finding:
        if self._file is None:
            return Finding("no file was found to look at")
        client = self._open.client
        with client.request(
            "GET", self._file.uri, headers={"Range": "bytes=0-0"}, stream=True, accepted=[200, 206], allow_html=True
        ) as answer:
            honoured = answer.status_code == 206
        return Finding("honoured: files are resumed where they broke off" if honoured else "ignored: files start again")

    def _cache(self) -> Finding:
        from xnat.convert_xsd import snapshot

        folder = snapshot.cache_directory()
        if not folder.exists():
            return Finding(f"{folder} isn't there yet")
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            return Finding(f"{folder} can't be written", "mend its permissions, or name another with XNAT_CACHE_DIR")
        server = self._session.server if self._session is not None else self.settings.server
        known = snapshot.load_documents(server) is not None
        return Finding(f"{folder} {'has' if known else 'does not have'} this server's data model")

    def _logins(self) -> Finding:
        kept = logins.all_logins()
        return Finding(f"{len(kept)} kept in {logins.state_directory()}")

    @property
    def _open(self) -> XNATSession:
        assert self._session is not None  # these checks need that of the login
        return self._session


def _within(seconds: float, work: Callable[[], Finding]) -> Finding:
    """What the work gives, if it is done in time. Retries take longer than anybody waits here."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(0.1, seconds))
    if not outcome:
        raise Trouble("it took too long", "the server or the network is slow, or fails now and then; try again later")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    found: Finding = outcome[0]
    return found


def _some_file(session: XNATSession) -> Any:
    """The smallest of the files that a few looks find, None without any; a part of one byte would be all of it."""
    for project in session.projects[:5]:
        for holder in [project, *project.experiments[:3]]:
            files = holder.files.values()
            if not files:
                files = [file for scan in getattr(holder, "scans", [])[:1] for file in scan.files.values()]
            files = [file for file in files if int(file.get("Size") or 0) > 1]
            if files:
                return min(files, key=lambda file: int(file.get("Size") or 0))
    return None


def _exists(path: Any) -> str:
    return "" if path.exists() else ", which isn't there"
