"""The works: what every client is given to do, and against which sandbox."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import content, environments
from .environments import ROOT
from .processes import Served, probe, program

__all__ = ["WORKS", "Bench"]

Result = dict[str, Any]
OLD, PYX, CTL = "xnatpy 0.8.1", "pyxnat 1.6.4", "xnatctl 0.6.0"
OURS = "this client"
PLAIN = f"{OURS}, without zlib-ng"
LOADED = f"{OURS}, requests imported before"
CLIENTS = {OURS: "ours", PLAIN: "ours", LOADED: "ours", OLD: "xnatpy", PYX: "pyxnat", CTL: "xnatctl"}


@dataclass
class Bench:
    """A run: its size, where it keeps files, and what was measured so far: work → client → results."""

    quick: bool
    folder: Path
    results: dict[str, dict[str, list[Result]]] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)

    def size(self, full: int, quick: int) -> int:
        """A number of the full run, or of the quick one."""
        return quick if self.quick else full

    def alternate(self, work: str, runs: int, clients: dict[str, Callable[[], Result]]) -> None:
        """Run the clients in turn, ``runs`` times."""
        found = self.results.setdefault(work, {})
        for number in range(runs):
            for name, run in clients.items():
                result = run()
                found.setdefault(name, []).append(result)
                self._say(work, name, number, result)

    @staticmethod
    def _say(work: str, name: str, number: int, result: Result) -> None:
        if "time" in result:
            asked = f", {result['requests']} requests" if "requests" in result else ""
            text = f"{result['time']:.3f} s, {result['cpu']:.3f} s CPU{asked}"
        else:
            text = result.get("failed") or result.get("missing") or ""
        print(f"{work}: {name} {number + 1}: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            yield Path(folder)


def _call(
    server: Served,
    client: str,
    work: str,
    *,
    delay: float = 0.0,
    script: str = "objects",
    ready: Callable[[], None] = lambda: None,
    **arguments: Any,
) -> Result:
    """One run of a probe; the delay counts for the work only, not for what has to be ready before.

    ``ready`` is called when all that is, right before the work.
    """

    def begin() -> Result:
        ready()
        return server.order(restart=True, delay=delay)

    def end() -> Result:
        return server.order(summary=True, delay=0.0)

    environ = {"XNAT_CACHE_DIR": arguments.pop("cache")} if "cache" in arguments else {}
    return probe(CLIENTS[client], script, work, {**server.login, **arguments}, begin=begin, end=end, **environ)


def _command(server: Served, command: list[Any], home: Path, *, delay: float = 0.0, **environ: str) -> Result:
    server.order(restart=True, delay=delay)
    result = program(command, home, **environ)
    return {**result, **server.order(summary=True, delay=0.0)}


# -- starting ---------------------------------------------------------------------------------------------------------


def importing(bench: Bench) -> None:
    """Import the package in a fresh interpreter."""
    modules = {OURS: "xnat", OLD: "xnat", PYX: "pyxnat", CTL: "xnatctl"}
    clients = {
        client: lambda client=client, module=module: probe(CLIENTS[client], "objects", "importing", {"module": module})
        for client, module in modules.items()
    }
    for run in clients.values():  # byte code and disk caches
        run()
    bench.alternate("import", bench.size(11, 5), clients)


def command_line(bench: Bench) -> None:
    """Start the command line."""
    ours: list[Any] | None = None
    if (Path(sys.executable).parent / "xnat").exists():
        ours = [Path(sys.executable).parent / "xnat"]
    elif (ROOT / "xnat" / "cli").is_dir():
        ours = [sys.executable, "-m", "xnat"]
    programs = {
        OURS: ours,
        OLD: [environments.executable("xnatpy", "xnat")],
        CTL: [environments.executable("xnatctl", "xnatctl")],
    }
    with bench.scratch() as home:
        for option in ("--version", "--help"):
            clients = {
                client: lambda command=command, option=option: (
                    program([*command, option], home, PYTHONPATH=str(ROOT))
                    if command[0] == sys.executable
                    else program([*command, option], home)
                )
                for client, command in programs.items()
                if command
            }
            for run in clients.values():
                run()
            bench.alternate(f"command line {option}", bench.size(9, 3), clients)


# -- connecting -------------------------------------------------------------------------------------------------------


def connecting(bench: Bench) -> None:
    """Connect: without and with what an earlier connection has left on the disk."""
    with Served(schemas=str(content.core_schemas())) as server:
        bench.notes["core schemas"] = len(content.index(content.core_schemas()))
        for delay in (0.1,) if bench.quick else (0.0, 0.02, 0.1):
            _connect(bench, server, delay, 1 if bench.quick else 3)


def _connect(bench: Bench, server: Served, delay: float, runs: int) -> None:
    label = f"{delay * 1000:.0f} ms"
    for _ in range(runs):
        with bench.scratch() as cache:
            cold = {OURS: lambda cache=cache: _call(server, OURS, "connect", delay=delay, cache=str(cache))}
            bench.alternate(f"cold connect, {label}", 1, cold)
            loaded = {
                LOADED: lambda cache=cache: _call(
                    server, LOADED, "connect", delay=delay, cache=str(cache), before=["requests"]
                )
            }
            bench.alternate(f"warm connect, {label}", 1 if bench.quick else 4, {**cold, **loaded})
        other = {OLD: lambda: _call(server, OLD, "connect", delay=delay)}
        bench.alternate(f"cold connect, {label}", 1, other)
    # It keeps nothing between programs: its second connection is its first.
    bench.results[f"warm connect, {label}"][OLD] = bench.results[f"cold connect, {label}"][OLD]


def plugins(bench: Bench) -> None:
    """Connect to a server with many plug-ins."""
    with bench.scratch() as folder:
        schemas = content.schemas_with_plugins(folder)
        if schemas is None:
            return
        bench.notes["plug-in schemas"] = len(content.index(schemas))
        with Served(schemas=str(schemas)) as server:
            clients = {
                client: lambda client=client: _call(server, client, "connect", delay=0.1) for client in (OURS, OLD)
            }
            bench.alternate("cold connect with plug-ins, 100 ms", 1, clients)


def conversion(bench: Bench) -> None:
    """Connect to servers with more and more generated types."""
    counts = [bench.size(250, 50), bench.size(500, 100), bench.size(1000, 200)]
    with ExitStack() as stack:
        servers = {
            count: stack.enter_context(
                Served(schemas=str(content.schemas_with_types(stack.enter_context(bench.scratch()), count)))
            )
            for count in counts
        }
        # In turn: a machine's pace changes within minutes, and what is looked at is how one time grows to the next.
        for _ in range(bench.size(7, 1)):
            for count, server in servers.items():
                bench.alternate(
                    f"{count} generated types", 1, {OURS: lambda server=server: _call(server, OURS, "connect")}
                )
        if 1000 in servers:
            bench.alternate("1000 generated types", 1, {OLD: lambda: _call(servers[1000], OLD, "connect")})


# -- reading ----------------------------------------------------------------------------------------------------------


def listing(bench: Bench) -> None:
    """List the subjects of a large project, and read every label."""
    count = bench.size(100_000, 10_000)
    with Served(fill={"subjects": {"count": count}}) as server, bench.scratch() as home:
        bench.notes["subjects"] = count
        clients = {
            OURS: lambda: _call(server, OURS, "subjects", project="many"),
            OLD: lambda: _call(server, OLD, "subjects", project="many"),
        }
        others = {
            PYX: lambda: _call(server, PYX, "subjects", script="pyxnat_calls", project="many"),
            CTL: lambda: _ctl(server, home, ["subject", "list", "-P", "many", "-q"]),
        }
        for run in clients.values():  # the first time each asks, the sandbox is at work for seconds
            run()
        bench.alternate("list subjects", bench.size(9, 1), clients)
        if not bench.quick:
            bench.alternate("list subjects", 1, others)


def project_scans(bench: Bench) -> None:
    """Four attributes of every scan of a project."""
    shape = {"count": bench.size(500, 50), "scans": 20}
    with Served(fill={"sessions": shape}) as server:
        clients = {
            OURS: lambda: _call(server, OURS, "scans", project="tree"),
            f"{OURS}, tabulate": lambda: _call(server, OURS, "scans_table", project="tree"),
            PYX: lambda: _call(server, PYX, "scans_table", script="pyxnat_calls", project="tree"),
        }
        bench.alternate("scans of a project", bench.size(3, 1), clients)


def nested_loop(bench: Bench) -> None:
    """The loop over sessions and scans that users write."""
    shape = {"count": 20, "scans": 5}
    with Served(fill={"sessions": shape}) as server:
        for delay in (0.1,) if bench.quick else (0.0, 0.02, 0.1):
            work = f"nested loop, {delay * 1000:.0f} ms"
            runs = 1 if bench.quick else 2
            ours = {
                OURS: lambda delay=delay: _call(server, OURS, "nested", delay=delay, project="tree"),
                f"{OURS}, prefetch": lambda delay=delay: _call(server, OURS, "prefetched", delay=delay, project="tree"),
            }
            other = {OLD: lambda delay=delay: _call(server, OLD, "nested", delay=delay, project="tree")}
            bench.alternate(work, runs, {**ours, **other})


# -- bytes ------------------------------------------------------------------------------------------------------------


def zip_to_disk(bench: Bench) -> None:
    """One large zip to the disk."""
    shape = {"files": 4, "size": bench.size(256, 25) << 20}
    curl = shutil.which("curl")
    with Served(fill={"big": shape}) as server, bench.scratch() as folder:
        bench.notes["zip bytes"] = server.told["big"]
        target = folder / "out.zip"
        path = (
            "/data/projects/big/subjects/subject_0000/experiments/session_0000/scans/1/resources/RAW/files?format=zip"
        )
        address = server.login["url"] + path

        def ready() -> None:
            _fill_cache(target, shape["files"] * shape["size"])

        def get(client: str) -> Result:
            without = {"without": ["zlib_ng"]} if client == PLAIN else {}
            result = _call(server, client, "download_zip", ready=ready, project="big", target=str(target), **without)
            return _sized(result, target)

        def with_curl() -> Result:
            ready()
            command = [curl, "-s", "-f", "-u", "{user}:{password}".format(**server.login), "-o", target, address]
            return _sized(_command(server, command, folder), target)

        clients: dict[str, Callable[[], Result]] = {OURS: lambda: get(OURS), PLAIN: lambda: get(PLAIN)}
        if curl:
            clients["curl"] = with_curl
        bench.alternate("zip to disk", bench.size(15, 2), clients)
        others = {OLD: lambda: get(OLD)}
        bench.alternate("zip to disk", 1, others)
        _hashing(bench)


def _fill_cache(target: Path, size: int) -> None:
    """Write and remove as much as will come: on virtual machines memory that was never used costs seconds per GB, and
    whoever comes first would pay."""
    block = bytes(1 << 20)
    with open(target, "wb", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(block)
    target.unlink()


def _sized(result: Result, target: Path) -> Result:
    """Note how many bytes came, and make room."""
    if target.exists():
        result["bytes"] = target.stat().st_size
        target.unlink()
    return result


def _hashing(bench: Bench) -> None:
    """What it costs to look at every byte once: the CRC of a zip's members, and MD5."""
    block, count = os.urandom(1 << 20), int(bench.notes["zip bytes"]) >> 20
    for name, function in (("crc32", zlib.crc32), ("md5", lambda data: hashlib.md5(data, usedforsecurity=False))):
        start = time.process_time()
        for _ in range(count):
            function(block)
        bench.notes[f"{name} CPU"] = time.process_time() - start


def download_tree(bench: Bench) -> None:
    """A project of sessions with many files, over connections of limited speed."""
    shape = {"count": bench.size(20, 4), "files": bench.size(100, 25), "size": 200_000}
    with Served(fill={"tree": shape}, bandwidth=25_000_000) as server, bench.scratch() as folder:
        bench.notes["tree bytes"] = server.told["tree"]

        def get(client: str) -> Result:
            target = folder / "tree"
            target.mkdir()
            result = _call(server, client, "download_dir", delay=0.02, project="files", target=str(target))
            return _counted(result, target)

        def with_ctl() -> Result:
            target = folder / "tree"
            target.mkdir()
            total: Result = {"time": 0.0, "cpu": 0.0, "requests": 0, "peak": 0}
            for number in range(shape["count"]):
                where = ["-P", "files", "-E", f"session_{number:04d}", "--out", target, "-w", "4", "--extract", "-q"]
                one = _ctl(server, folder, ["session", "download", *where], delay=0.02)
                if "failed" in one:
                    return one
                for name in ("time", "cpu", "requests"):
                    total[name] += one[name]
                total["peak"] = max(total["peak"], one["peak"])
            return _counted(total, target)

        bench.alternate("download_dir", bench.size(2, 1), {OURS: lambda: get(OURS), OLD: lambda: get(OLD)})
        if not bench.quick:
            bench.alternate("download_dir", 1, {CTL: with_ctl})


def _counted(result: Result, target: Path) -> Result:
    found = [path.stat().st_size for path in target.rglob("*.dcm")]
    shutil.rmtree(target)
    return {**result, "files": len(found), "bytes": sum(found)}


def upload(bench: Bench) -> None:
    """A folder of many small files, a request each."""
    count = bench.size(1000, 100)
    with Served(fill={"sessions": {"project": "up", "count": 1, "scans": 1}}) as server, bench.scratch() as folder:
        bench.notes["upload files"] = count
        source = folder / "source"
        source.mkdir()
        for number in range(count):
            (source / f"{number:04d}.bin").write_bytes(os.urandom(20_000))
        made = iter(range(1000))

        def put(client: str, work: str, script: str = "objects") -> Result:
            place = server.order(add_resource={"project": "up", "label": f"R{next(made)}"})
            return _call(server, client, work, script=script, delay=0.02, project="up", place=place, source=str(source))

        clients = {
            OURS: lambda: put(OURS, "upload_dir"),
            f"{OURS}, one at a time": lambda: put(OURS, "upload_each"),
            OLD: lambda: put(OLD, "upload_dir"),
        }
        bench.alternate("upload_dir", 1, clients)
        bench.alternate("upload_dir", bench.size(2, 0), {OURS: clients[OURS]})


def _ctl(server: Served, home: Path, arguments: list[Any], *, delay: float = 0.0) -> Result:
    """Run xnatctl with a profile for the sandbox, logged in before."""
    xnatctl = environments.executable("xnatctl", "xnatctl")
    login = {"XNAT_USER": server.login["user"], "XNAT_PASS": server.login["password"]}
    if not (home / ".config" / "xnatctl").exists():
        program([xnatctl, "config", "init", "--url", server.login["url"], "--no-login"], home)
        program([xnatctl, "auth", "login"], home, **login)
    return _command(server, [xnatctl, *arguments], home, delay=delay, **login)


WORKS: dict[str, Callable[[Bench], None]] = {
    "import": importing,
    "cli": command_line,
    "connect": connecting,
    "plugins": plugins,
    "list": listing,
    "scans": project_scans,
    "nested": nested_loop,
    "zip": zip_to_disk,
    "download": download_tree,
    "upload": upload,
    "types": conversion,
}
