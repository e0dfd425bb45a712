"""Makes the pictures of the documentation, from a sandbox: ``python docs/pictures/make.py``.

``terminal.svg`` shows the command line, ``notebook.png`` the notebook ``examples/notebook_tour.ipynb``. Both are what
really came out: run this again when the output changes. It needs ``pip install -e '.[dev]'``, and Chromium for the
notebook (``apt-get install chromium``).
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOUR = ROOT / "examples" / "notebook_tour.ipynb"

#: What the cast shows, one command after the other.
COMMANDS = (
    "xnat ls",
    "xnat ls brainimages/Doe_Peter --columns label,xsiType,date",
    "xnat ls brainimages/Doe_Peter/Peter_Brain --columns ID,type,frames",
    "xnat download brainimages/Doe_Peter/Peter_Brain -o data",
)
WIDTH = 100
#: What the server is called in pictures; its real address is another one each time.
SERVER = "https://xnat.example.com"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


# -- the terminal -----------------------------------------------------------------------------------------------------


def cast(target: Path) -> None:
    """Run the commands in a terminal, and draw what it showed."""
    from rich.console import Console
    from rich.terminal_theme import MONOKAI
    from rich.text import Text

    from xnat.sandbox import Sandbox

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with Sandbox(demo=True) as server, tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            console.print(Text.from_ansi(run(command, server, Path(folder))), overflow="crop", no_wrap=True)
            console.print()
    svg = console.export_svg(title="xnat", theme=MONOKAI, unique_id="xnat")
    # The fonts would be fetched from elsewhere by whoever looks at the picture.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


def run(command: str, server: Any, folder: Path) -> str:
    """What a command showed at its end on a terminal of its own."""
    import pexpect

    host = urlsplit(server.url)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT),
        "XNAT_HOST": server.url, "XNAT_USER": server.user, "XNAT_PASS": server.password, "COLUMNS": str(WIDTH),
    }  # fmt: skip
    arguments = ["-m", *command.split()]
    child = pexpect.spawn(
        sys.executable, arguments, cwd=folder, env=environment, dimensions=(50, WIDTH), timeout=120, encoding="utf-8"
    )
    child.expect(pexpect.EOF)
    child.close()
    if child.exitstatus != 0:
        raise SystemExit(f"{command} ended with status {child.exitstatus}:\n{child.before}")
    shown = [line.rsplit("\r", 1)[-1] for line in child.before.replace("\r\n", "\n").rstrip("\n").split("\n")]
    return "\n".join(shown).replace(f"{host.scheme}://{host.netloc}", SERVER).replace(str(folder), "/home/jane")


# -- the notebook -----------------------------------------------------------------------------------------------------


def execute(notebook: Path, folder: Path) -> Any:
    """The notebook with the outputs it has when it is run in a folder."""
    import nbformat
    from nbclient import NotebookClient

    found = nbformat.read(notebook, as_version=4)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    client = NotebookClient(found, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute(env={**os.environ, "PYTHONPATH": paths})


def page(notebook: Any) -> str:
    """A notebook with outputs as a web page that fetches nothing from elsewhere."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="lab", embed_images=True)
    for name in ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url", "jupyter_widgets_base_url"):
        if hasattr(exporter, name):
            setattr(exporter, name, "")
    text, _ = exporter.from_notebook_node(notebook)
    return re.sub(r"<script[^>]*\bsrc=.*?</script>|<link[^>]*>", "", text, flags=re.DOTALL)


def chromium() -> str | None:
    """The browser, if there is one."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def browse(html: Path, *arguments: str) -> str:
    """Open a page in the browser, without a window; the browser's output."""
    program = chromium()
    if program is None:
        raise SystemExit("The picture of the notebook needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", *arguments, html.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)  # noqa: S603
    return done.stdout


def screenshot(target: Path) -> None:
    """Run the tour, and take a picture of its page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notebook = execute(TOUR, folder)
        html = folder / "tour.html"
        text = re.sub(r"http://127\.0\.0\.1:\d+", SERVER, page(notebook))
        html.write_text(text, encoding="utf-8")
        browse(html, "--window-size=1000,1245", f"--screenshot={target}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", nargs="?", choices=("terminal", "notebook"), help="only this one")
    wanted = parser.parse_args().picture
    if wanted != "notebook":
        cast(HERE / "terminal.svg")
    if wanted != "terminal":
        screenshot(HERE / "notebook.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
