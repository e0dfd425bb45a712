"""``xnat doctor`` on servers that are well, and on some that aren't."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.waiting import PATIENCE
from xnat.sandbox import Sandbox, faults

from .conftest import Cli


def test_all_is_well(cli: Cli) -> None:
    rows = {row["check"]: row for row in cli.ok("doctor", "--json").json}
    assert {row["state"] for row in rows.values()} == {"ok"}
    assert {"dns", "tls", "proxy", "clock", "login", "rights", "version", "digests", "ranges", "cache"} <= set(rows)
    assert "environment" in rows["login"]["finding"]
    assert rows["digests"]["finding"].startswith("on")
    assert rows["ranges"]["finding"].startswith("ignored")
    human = cli.ok("doctor").out
    assert len(human.splitlines()) == len(rows)


def test_nobody_is_logged_in_after_it(own: Sandbox, own_cli: Cli) -> None:
    own_cli.ok("doctor")
    assert not own.application.sessions._sessions


def test_digests_off_is_a_warning(tmp_path: Path) -> None:
    with Sandbox(checksums=False, ranges=True) as server:
        cli = Cli(tmp_path, server)
        cli.ok("create", "P")
        (tmp_path / "file").write_text("some text")
        cli.ok("upload", "file", "P/resources/R")
        rows = {row["check"]: row for row in cli.ok("doctor", "--csv").csv}
    assert rows["digests"]["state"] == "warning"
    assert rows["ranges"]["finding"].startswith("honoured")


def test_what_is_wrong_comes_with_advice(site: Sandbox, nobody: str, tmp_path: Path) -> None:
    cli = Cli(tmp_path, site)

    def failed(*words: str, **environ: str) -> dict[str, str]:
        done = cli.run("doctor", "--json", *words, **environ)
        assert done.code == 1, done
        first: dict[str, str] = next(row for row in done.json if row["state"] == "failed")
        assert first["advice"]
        return first

    assert failed("--server", nobody)["check"] == "connection"
    assert failed("--server", "http://no-such-host.invalid")["check"] == "dns"
    assert failed("--server", site.url.replace("http", "https"))["check"] == "tls"
    assert failed(XNAT_PASS="wrong")["check"] == "login"


@pytest.mark.slow
def test_a_server_in_trouble_costs_no_more_than_ten_seconds(own: Sandbox, own_cli: Cli) -> None:
    # run() is patient, with what a busy machine takes, but not as patient as one check that waits would have to be.
    own.faults.add(times=None, action=faults.delay(10 * PATIENCE))
    assert "failed" in own_cli.run("doctor").out
