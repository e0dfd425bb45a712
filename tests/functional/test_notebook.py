"""IPython and notebooks: what is shown, what Tab completes, and what that costs the server."""

from __future__ import annotations

import importlib.util
import re
import rlcompleter
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from xnat.sandbox import Sandbox
from xnat.transfer.progress import default_update_func, ignore

from .conftest import connect

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>document.title = 'taken over'</script><b>bold</b> & \"quoted\""

Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def shell() -> Any:
    """IPython, without a terminal."""
    return pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()


@pytest.fixture(params=["jedi", "no jedi"])
def complete(shell: Any, request: pytest.FixtureRequest, session: Any, server: Sandbox) -> Iterator[Ask]:
    """Completes a text as Tab does, with nothing cached; asserts how many requests that costs."""
    shell.Completer.use_jedi = request.param == "jedi"
    provisional = sys.modules["IPython.core.completer"].provisionalcompleter

    def complete(text: str, requests: int = 0, cached: bool = False, **names: Any) -> list[str]:
        if not cached:
            session.clearcache()
        shell.user_ns.update(session=session, **names)
        with server.record() as asked, provisional():
            found = [completion.text.lstrip(".") for completion in shell.Completer.completions(text, len(text))]
        assert [entry.path for entry in asked][requests:] == []
        return found

    yield complete
    shell.user_ns.clear()


def test_keys_of_listings(complete: Ask, world: Any) -> None:
    assert complete("session.projects['", 1) == ["P"]
    assert {"S1", "XNAT_S00001"} <= set(complete("project.subjects['", 1, project=world))
    assert "E1" in complete("listing['", 1, listing=world.experiments)
    assert "XNAT_E00001/1" in complete("project.scans['", 1, project=world)
    assert complete("session.users['", 1) == ["admin"]


def test_keys_of_what_lies_in_an_item(complete: Ask, world: Any) -> None:
    experiment = world.experiments["E1"]
    experiment.fields["volume"] = 3
    assert complete("experiment.fields['", 1, experiment=experiment) == ["volume"]


def test_keys_behind_other_keys_with_the_extension(complete: Ask, shell: Any, world: Any) -> None:
    text = "session.projects['P'].subjects['S1'].experiments['"
    assert "E1" not in complete(text)
    shell.run_line_magic("load_ext", "xnat")
    try:
        assert "E1" in complete(text, 3)
    finally:
        shell.run_line_magic("unload_ext", "xnat")
    assert "E1" not in complete(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("session.", "projects"),
        ("session.projects.", "tabulate_pandas"),
        ("experiment.", "scans"),
        ("experiment.sc", "scans"),
        ("experiment.scans.", "filter"),
        ("subject.", "demographics"),
        ("subject.demographics.", "gender"),
        ("scan.parameters.", "tr"),
        ("scan.image_session.", "scans"),
        ("project.pi.", "firstname"),
    ],
)
def test_attributes_cost_nothing(complete: Ask, world: Any, text: str, expected: str) -> None:
    experiment = world.experiments["E1"]
    names = {"project": world, "subject": world.subjects["S1"], "experiment": experiment, "scan": experiment.scans["1"]}
    assert expected in complete(text, **names)


def test_attributes_of_neighbours(complete: Ask, world: Any) -> None:
    experiment = world.experiments["E1"]
    assert "demographics" in complete("experiment.subject.", cached=True, experiment=experiment)
    # Which subject it is, only the server knows by now.
    assert complete("experiment.subject.", experiment=experiment) == []


@pytest.mark.parametrize("text", ["experiment.note.", "experiment.age.", "experiment.data.", "scan.parameters.tr."])
def test_values_that_only_the_server_knows_are_not_asked_for(complete: Ask, world: Any, text: str) -> None:
    experiment = world.experiments["E1"]
    complete(text, experiment=experiment, scan=experiment.scans["1"])


def test_python_s_own_console(world: Any, session: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    session.clearcache()
    completer = rlcompleter.Completer({"experiment": experiment})
    with server.record() as requests:
        found = completer.attr_matches("experiment.")
    assert list(requests) == []
    assert "experiment.note" in found


def test_what_was_not_asked_for_while_typing_is_asked_for_after(complete: Ask, world: Any) -> None:
    experiment = world.experiments["E1"]
    experiment.note = "seen"
    complete("experiment.note.", experiment=experiment)
    assert experiment.note == "seen"


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_showing_objects_asks_nothing(world: Any, session: Any, server: Sandbox) -> None:
    experiment = world.experiments["E1"]
    shown = [world, experiment, world.subjects["S1"], experiment.scans["1"], experiment.scans["1"].parameters]
    shown += [world.subjects["S1"].demographics, experiment.resources["NOTES"], next(iter(world.files.values()))]
    session.clearcache()
    with server.record() as requests:
        for obj in shown:
            assert repr(obj).startswith("<")
            assert "<table>" in obj._repr_html_()
    assert list(requests) == []


def test_showing_listings_costs_the_listing(world: Any, session: Any, server: Sandbox) -> None:
    for find in (
        lambda: session.projects, lambda: world.subjects, lambda: world.experiments, lambda: world.scans,
        lambda: world.experiments["E1"].scans, lambda: world.experiments["E1"].files,
    ):  # fmt: skip
        session.clearcache()
        listing = find()
        with server.record() as requests:
            assert "<table>" in listing._repr_html_()
            assert len(listing._repr_html_().split("<tr>")) == len(listing) + 2
            repr(listing)
        assert len(list(requests)) == 1


def test_variables_and_sublistings(world: Any) -> None:
    experiment = world.experiments["E1"]
    experiment.fields["volume"] = HOSTILE.replace('"', "")
    html = experiment.fields._repr_html_()
    assert '<td style="text-align: left">volume</td>' in html
    assert "<script" not in html
    assert "0 investigators" in world.investigators._repr_html_()


def test_ipython_prints_the_repr(shell: Any, world: Any) -> None:
    for obj in (world, world.subjects, world.experiments["E1"].fields, world.subjects["S1"].demographics):
        formats, _ = shell.display_formatter.format(obj)
        assert formats["text/plain"] == repr(obj)
        assert formats["text/html"] == obj._repr_html_()


# -- the bar ----------------------------------------------------------------------------------------------------------


class Displayed:
    """Stands for IPython: keeps what it was told to show, and to show instead."""

    def __init__(self, kernel: Any) -> None:
        self.shown: list[dict[str, str]] = []
        self.get_ipython = lambda: SimpleNamespace(kernel=kernel)

    def display(self, views: dict[str, str], raw: bool, display_id: bool) -> Displayed:
        assert raw
        assert display_id
        return self.update(views, raw)

    def update(self, views: dict[str, str], raw: bool) -> Displayed:
        self.shown.append(views)
        return self


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> Displayed:
    found = Displayed(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", found)
    monkeypatch.setitem(sys.modules, "IPython.display", found)
    return found


def test_bar_in_a_notebook(displayed: Displayed) -> None:
    update: Any = default_update_func(None)
    now = [0.0]
    update._clock = lambda: now[0]
    update._start = 0.0
    update(0, 4_000_000, False)
    update(100, 4_000_000, False)  # too soon to be shown
    now[0] = 2.0
    update(2_000_000, 4_000_000, False)
    update(4_000_000, 4_000_000, True)
    assert [views["text/plain"] for views in displayed.shown] == [
        "0 B of 4.0 MB", "2.0 MB of 4.0 MB, 1.0 MB/s", "4.0 MB of 4.0 MB, 2.0 MB/s",
    ]  # fmt: skip
    assert '<progress value="2000000" max="4000000"' in displayed.shown[1]["text/html"]


def test_bar_without_an_end_in_sight(displayed: Displayed) -> None:
    update: Any = default_update_func(None)
    update(0, None, False)
    update(10, None, True)
    assert "<progress style" in displayed.shown[0]["text/html"]
    assert '<progress value="10" max="10"' in displayed.shown[1]["text/html"]


def test_bar_of_a_transfer_that_broke_off(displayed: Displayed) -> None:
    default_update_func(10)(4, None, True)
    assert displayed.shown[0]["text/plain"] == "4 B of 10 B, incomplete"


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", Displayed(kernel=None))  # type: ignore[arg-type]
    assert default_update_func(None) is ignore


# -- a real notebook, in a real browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    """The script that makes the pictures of the documentation; it knows how to run notebooks and show pages."""
    for name in ("nbformat", "nbclient", "nbconvert", "ipykernel"):
        pytest.importorskip(name)
    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "docs" / "pictures" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(HTMLParser):
    """The rows of the tables of a page, as text; and the names of all elements in cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside: set[str] = set()
        self.title = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag == "td" and self.rows:
            self.rows[-1].append("")
        elif "td" in self._open:
            self.inside.add(tag)
        if tag in ("td", "title"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        if "td" in self._open:
            self.rows[-1][-1] += data
        elif "title" in self._open:
            self.title += data


def run_cells(pictures: ModuleType, folder: Path, *sources: str) -> Any:
    """A notebook of these cells, run."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, folder / "cells.ipynb")
    return pictures.execute(folder / "cells.ipynb", folder)


@pytest.mark.slow
def test_a_page_in_a_browser(pictures: ModuleType, world: Any, server: Sandbox, tmp_path: Path) -> None:
    if pictures.chromium() is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    world.experiments["E1"].scans["1"].mset({"note": HOSTILE, "series_description": "first"})
    connecting = f"import xnat\nsession = xnat.connect({server.url!r}, user='admin', password='admin')"
    looking = "experiment = session.projects['P'].experiments['E1']\nexperiment.scans"
    notebook = run_cells(
        pictures, tmp_path, connecting, looking, "session.projects['P'].subjects", "experiment.scans['1']",
        "session.disconnect()",
    )  # fmt: skip
    html = tmp_path / "page.html"
    html.write_text(pictures.page(notebook), encoding="utf-8")
    page = Page(pictures.browse(html, "--dump-dom"))
    assert ["1", "T1", "xnat:mrScanData", "usable", HOSTILE, "first"] in page.rows
    assert any(row[:2] == ["XNAT_S00001", "S1"] for row in page.rows)
    assert any(row[:2] == ["note", HOSTILE] for row in page.rows)
    assert page.inside == set()
    assert page.title != "taken over"
    picture = tmp_path / "page.png"
    pictures.browse(html, f"--screenshot={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_transfer_in_a_notebook_shows_a_bar(
    pictures: ModuleType, world: Any, server: Sandbox, tmp_path: Path
) -> None:
    connecting = f"import xnat\nsession = xnat.connect({server.url!r}, user='admin', password='admin')"
    notebook = run_cells(
        pictures, tmp_path, connecting, "session.projects['P'].experiments['E1'].download_dir('data')",
        "session.projects['P'].experiments['E1'].download_dir('quiet', verbose=False)", "session.disconnect()",
    )  # fmt: skip
    loud, quiet = (list(notebook.cells[index].outputs) for index in (1, 2))
    (bar,) = (output for output in loud if output.output_type == "display_data")
    assert re.match(r"\d+ B of \d+ B(, .*/s)?$", bar.data["text/plain"])
    assert "<progress value=" in bar.data["text/html"]
    assert [output.output_type for output in quiet] == ["execute_result"]
    assert "verified" in quiet[0].data["text/html"]


@pytest.mark.slow
def test_the_tour_runs(pictures: ModuleType, tmp_path: Path) -> None:
    notebook = pictures.execute(ROOT / "examples" / "notebook_tour.ipynb", tmp_path)
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in shown if output.get("name") == "stderr"] == []
    tables = [output.data["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert any("ANONYMIZ" in table for table in tables)
    assert (tmp_path / "data").is_dir()


def test_the_tour_was_saved_without_outputs() -> None:
    text = (ROOT / "examples" / "notebook_tour.ipynb").read_text()
    assert '"output_type"' not in text
    assert '"execution_count": null' in text


@pytest.mark.slow
def test_the_picture_of_the_terminal(pictures: ModuleType, tmp_path: Path) -> None:
    for name in ("rich", "pexpect"):
        pytest.importorskip(name)
    pictures.cast(tmp_path / "terminal.svg")
    text = (tmp_path / "terminal.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "xnat download" in text
    assert "verified" in text
    for hint in ("127.0.0.1", str(tmp_path), "https://cdnjs"):
        assert hint not in text


@pytest.mark.parametrize("name", ["terminal.svg", "notebook.png"])
def test_pictures_are_small(name: str) -> None:
    assert 1000 < (ROOT / "docs" / "pictures" / name).stat().st_size < 300_000


def test_the_session_in_a_test_is_another(demo: Sandbox) -> None:
    with connect(demo) as session:
        assert "2 projects" in session.projects._repr_html_()
