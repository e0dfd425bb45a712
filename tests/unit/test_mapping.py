"""How ``map`` runs, with objects that need no server."""

from __future__ import annotations

import _thread
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import PATIENCE
from xnat.exceptions import XNATValueError
from xnat.mapping import FilterFunctions, MappedFunctionFailed, MappingLevel
from xnat.mapping.journal import Journal
from xnat.mapping.running import Threads, run

SERVER = "http://localhost"


@dataclass(frozen=True)
class Thing:
    number: int

    @property
    def fulluri(self) -> str:
        return f"/data/things/{self.number}"


def things(count: int) -> list[Thing]:
    return [Thing(number) for number in range(count)]


def mapped(objects: Any, function: Any, *args: Any, **options: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "server": SERVER, "executor": None, "workers": 4, "progress": None, "journal": None,
    }  # fmt: skip
    kwargs = options.pop("kwargs", {})
    return run(objects, function, args, kwargs, **{**defaults, **options})


def half(thing: Thing, by: float = 2.0) -> float:
    return thing.number / by


def fail_on_three(thing: Thing) -> int:
    if thing.number == 3:
        raise ValueError("not three")
    return thing.number


def die(thing: Thing) -> int:
    if thing.number == 5:
        os._exit(1)
    return thing.number


def lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()][1:]


def test_results_by_address_in_order() -> None:
    assert list(mapped(things(9), half).items()) == [(f"/data/things/{n}", n / 2) for n in range(9)]
    assert mapped(things(2), half, 4.0)["/data/things/1"] == 0.25
    assert mapped(things(2), half, kwargs={"by": 5.0})["/data/things/1"] == 0.2
    assert mapped([], half) == {}


def test_failures_are_values() -> None:
    found = mapped(things(5), fail_on_three)
    failed = found["/data/things/3"]
    assert isinstance(failed, MappedFunctionFailed)
    assert failed.reason == "ValueError: not three"
    assert "fail_on_three" in failed.traceback
    assert found["/data/things/4"] == 4


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_in_processes(method: str) -> None:
    import multiprocessing

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        found = mapped(things(20), fail_on_three, executor=pool)
        assert found["/data/things/19"] == 19
        assert found["/data/things/3"].reason == "ValueError: not three"
        assert mapped(things(3), lambda thing: thing, executor=pool)["/data/things/0"].reason  # a lambda can't travel


def test_a_process_that_dies_ends_the_run_and_the_next_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with ProcessPoolExecutor(1) as pool, pytest.raises(BrokenExecutor):
        mapped(things(50), die, executor=pool, journal=journal)
    found = mapped(things(50), half, journal=journal)
    done = [line["uri"] for line in lines(journal)]
    assert len(done) == len(set(done)) == len(found) == 50


def test_an_executor_is_left_open() -> None:
    with ThreadPoolExecutor(2) as pool:
        mapped(things(3), half, executor=pool)
        assert pool.submit(int, "1").result() == 1


def test_a_second_run_skips_what_succeeded(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    calls: list[int] = []

    def work(thing: Thing) -> Any:
        calls.append(thing.number)
        return fail_on_three(thing) * 0.1

    first = mapped(things(5), work, journal=journal)
    assert sorted(calls) == [0, 1, 2, 3, 4]
    calls.clear()
    second = mapped(things(7), work, journal=journal)
    assert sorted(calls) == [3, 5, 6]
    assert {uri: first[uri] for uri in list(first)[:3]} == {uri: second[uri] for uri in list(first)[:3]}
    assert list(second) == [f"/data/things/{n}" for n in range(7)]
    dates = {line["date"] for line in lines(journal)}
    assert all(date.startswith(time.strftime("%Y-", time.gmtime())) and date.endswith("+00:00") for date in dates)


@pytest.mark.parametrize(
    "result", [None, True, 1, 1.5, math.inf, "ü\n\ud83d", [1, [2.5, None]], {"a": {"b": [1]}}, ""], ids=repr
)
def test_results_come_back_from_the_journal(tmp_path: Path, result: Any) -> None:
    journal = tmp_path / "journal"
    mapped(things(1), lambda thing: result, journal=journal)
    assert mapped(things(1), fail_on_three, journal=journal) == {"/data/things/0": result}


def test_what_is_no_json_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="/data/things/.*journal"):
        mapped(things(100), lambda thing: object(), journal=tmp_path / "journal")


@pytest.mark.parametrize("torn", [b'{"uri": "/data/thi', b"\x00\x00", b'{"uri": "x"}'])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    journal = tmp_path / "journal"
    mapped(things(2), half, journal=journal)
    whole = journal.read_bytes()
    journal.write_bytes(whole + torn)
    assert len(mapped(things(3), half, journal=journal)) == 3
    assert journal.read_bytes().startswith(whole + b'{"uri": "/data/things/2"')


def test_a_journal_torn_in_its_first_line_begins_anew(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_bytes(b'{"journal": "xn')
    assert len(mapped(things(3), half, journal=journal)) == 3
    assert len(lines(journal)) == 3


@pytest.mark.parametrize("content", ["some text of mine", "a\nb\nc\n", '{"a": 1}\n', "[]\n", "\n"])
def test_another_file_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(XNATValueError):
        mapped(things(3), half, journal=path)
    assert path.read_text() == content


def test_a_journal_belongs_to_its_server(tmp_path: Path) -> None:
    mapped(things(1), half, journal=tmp_path / "journal")
    with pytest.raises(XNATValueError, match="other"):
        mapped(things(1), half, journal=tmp_path / "journal", server="http://other")


def test_progress() -> None:
    told: list[tuple[int, int | None, bool]] = []
    mapped(things(50), half, progress=lambda *facts: told.append(facts))
    assert [done for done, _, finished in told if not finished] == list(range(1, 51))
    assert told[-1] == (50, 50, True)


def test_off_the_main_thread() -> None:
    found: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: found.append(mapped(things(5), half)))
    thread.start()
    thread.join(PATIENCE)
    assert len(found[0]) == 5


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_in_the_function_is_not_swallowed(kind: type[BaseException], tmp_path: Path) -> None:
    def work(thing: Thing) -> int:
        if thing.number == 30:
            raise kind
        return thing.number

    journal = tmp_path / "journal"
    with pytest.raises(kind):
        mapped(things(1000), work, journal=journal)
    assert 0 < len(lines(journal)) < 1000


def test_ctrl_c_ends_the_run_while_calls_are_under_way(tmp_path: Path) -> None:
    free = threading.Event()
    waited_in_vain: list[int] = []
    journal = tmp_path / "journal"

    def work(thing: Thing) -> int:
        if thing.number == 3:
            _thread.interrupt_main(signal.SIGINT)
        if thing.number >= 3 and not free.wait(PATIENCE):
            waited_in_vain.append(thing.number)
        return thing.number

    try:
        with pytest.raises(KeyboardInterrupt):
            mapped(things(100), work, journal=journal)
        assert waited_in_vain == [], "the run waited for its calls"
    finally:
        free.set()
    assert {line["uri"] for line in lines(journal)} <= {f"/data/things/{n}" for n in range(3)}


def test_ctrl_c_ends_the_program(tmp_path: Path) -> None:
    """Threads that are at work must not keep the interpreter from ending."""
    program = textwrap.dedent(
        """
        import os, sys, time
        sys.path.insert(0, sys.argv[1])
        from tests.unit.test_mapping import things, mapped
        def work(thing):
            os.write(1, b'begun\\n')  # at once: print's line and its end may have another thread's between them
            time.sleep(1000)
        mapped(things(9), work)
        """
    )
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen([sys.executable, "-c", program, root], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode not in (0, None)
    assert b"KeyboardInterrupt" in err


def test_few_objects_are_held_at_a_time() -> None:
    drawn: list[int] = []
    done: list[int] = []
    lead: list[int] = []

    def many() -> Any:
        for number in range(500):
            drawn.append(number)
            lead.append(len(drawn) - len(done))
            yield Thing(number)

    mapped(many(), lambda thing: done.append(thing.number), workers=2)
    assert len(done) == 500
    assert max(lead) <= 2 * 4 + 4


def test_workers_are_checked() -> None:
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(XNATValueError, match="workers"):
            Threads(wrong)  # type: ignore[arg-type]


def test_levels() -> None:
    assert MappingLevel.of("SCAN_RESOURCE") is MappingLevel.SCAN_RESOURCE
    assert MappingLevel.of(MappingLevel.PROJECT) is MappingLevel.PROJECT
    with pytest.raises(ValueError, match="'scan_resource'"):
        MappingLevel.of("scans")


def test_patterns_are_checked() -> None:
    with pytest.raises(XNATValueError, match="regular expression"):
        FilterFunctions.of(True, project="(")


def test_what_comes_twice_is_done_once() -> None:
    done: list[int] = []
    found = mapped([*things(3), *things(5)], lambda thing: done.append(thing.number), workers=1)
    assert list(found) == [f"/data/things/{number}" for number in range(5)]
    assert sorted(done) == list(range(5))


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    mapped(things(50), half, progress=True)
    assert " 50 Elapsed" in capsys.readouterr().err


def test_a_journal_of_another_version_is_left_as_it_is(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    mapped(things(1), half, journal=journal)
    head, *rest = journal.read_text().splitlines()
    later = json.dumps({**json.loads(head), "version": 99})
    journal.write_text("\n".join([later, *rest, ""]))
    with pytest.raises(XNATValueError, match="another version"):
        mapped(things(1), half, journal=journal)
    assert json.loads(journal.read_text().splitlines()[0])["version"] == 99


def test_a_journal_that_was_closed_takes_no_more(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", SERVER) as journal:
        journal.succeeded("/data/things/1", 1)
    with pytest.raises(ValueError, match="closed"):
        journal.succeeded("/data/things/2", 2)
    assert len(lines(tmp_path / "journal")) == 1
