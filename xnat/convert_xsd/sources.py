"""Which schemas a server has, and their bytes.

Nothing here opens a connection: the caller passes ``fetch(path) -> bytes`` and ``fetch_json(path) -> object``, which
ask the server the session belongs to. So no schema, whatever it says, makes us ask another one.

What can't be had becomes a :class:`Problem`, and the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from ..exceptions import XNATError
from .model import Problem, SchemaDocument

__all__ = ["Collection", "from_1_6", "from_xapi", "list_1_6", "list_1_7"]

#: Schemas beyond which a server's list is cut; real ones have up to 100.
MAX_SCHEMAS = 1000

#: What every server has, and all there is with ``extension_types=False``.
CORE_SCHEMAS = ("xnat", "xdat")

_LIST_PATH = "/xapi/schemas"
_SCHEMA_LOCATION = re.compile(rb"""\bschemaLocation\s*=\s*(?:"([^"]{0,65536})"|'([^']{0,65536})')""")

Fetch = Callable[[str], bytes]
FetchJSON = Callable[[str], Any]


class Collection(NamedTuple):
    """The schemas of a server that could be had, and what happened to the others.

    With problems the collection may be incomplete; better not keep what is made of it.
    """

    documents: list[SchemaDocument]
    problems: list[Problem]


def from_xapi(fetch: Fetch, fetch_json: FetchJSON, *, extension_types: bool = True, threads: int = 16) -> Collection:
    """Return the schemas of a 1.7 or newer server: one request for the list, one per schema.

    :param extension_types: False for XNAT's own types only; saves the list and most of the requests
    :param threads: requests at a time
    """
    problems: list[Problem] = []
    names: Sequence[str] = CORE_SCHEMAS
    if extension_types:
        try:
            names = list_1_7(fetch_json, problems)
        except (XNATError, OSError) as error:
            problems.append(Problem(_LIST_PATH, 0, f"the list of schemas can't be had: {_first_line(error)}"))
    paths = {name: f"{_LIST_PATH}/{quote(name)}" for name in names}
    return _fetch_all(fetch, paths, problems, threads)


def from_1_6(
    fetch: Fetch, fetch_json: FetchJSON, *, server: str = "", extension_types: bool = True, threads: int = 16
) -> Collection:
    """Return the schemas of a 1.6 server, which has no list: an example project's XML names those in use.

    :param server: the server's address; schemas of other hosts are not taken
    """
    problems: list[Problem] = []
    paths = {name: f"/schemas/{name}/{name}.xsd" for name in CORE_SCHEMAS}
    if extension_types:
        try:
            paths.update(list_1_6(fetch, fetch_json, server))
        except (XNATError, OSError, LookupError, TypeError) as error:
            text = f"no project to learn the other schemas from: {_first_line(error)}"
            problems.append(Problem("/data/projects", 0, text))
    return _fetch_all(fetch, paths, problems, threads)


def list_1_7(fetch_json: FetchJSON, problems: list[Problem] | None = None) -> list[str]:
    """Return the names a server lists its schemas under, XNAT's own always among them."""
    listed = fetch_json(_LIST_PATH)
    problems = problems if problems is not None else []
    if not isinstance(listed, list):
        problems.append(Problem(_LIST_PATH, 0, "the server's list of schemas is not a list"))
        listed = []
    names = {name: name for name in CORE_SCHEMAS}
    for entry in listed[:MAX_SCHEMAS]:
        name = _listed_name(entry) if isinstance(entry, str) else entry
        if _is_name(name):
            # Asked for as it is listed; but one schema under two names ("xnat", "xnat/xnat") is read once.
            names[_folded(name)] = name
        else:
            problems.append(Problem(_LIST_PATH, 0, f"{str(entry)[:100]!r} is not the name of a schema"))
    if len(listed) > MAX_SCHEMAS:
        problems.append(Problem(_LIST_PATH, 0, f"of {len(listed)} schemas the first {MAX_SCHEMAS} are read"))
    return list(names.values())


def list_1_6(fetch: Fetch, fetch_json: FetchJSON, server: str = "") -> dict[str, str]:
    """Return name → path of the schemas the first project's XML names."""
    import html

    projects = fetch_json("/data/projects")["ResultSet"]["Result"]
    if not projects:
        return {}
    content = fetch(f"/data/projects/{quote(str(projects[0]['ID']), safe='')}?format=xml")
    found = _SCHEMA_LOCATION.search(content[: 4 * 65536])
    words = (found[1] or found[2] or b"").decode("utf-8", "replace") if found else ""
    host = urlsplit(server).hostname
    paths: dict[str, str] = {}
    for word in html.unescape(words).split():
        if word.endswith(".xsd") and (path := _own_path(word, host)) and len(paths) < MAX_SCHEMAS:
            paths[_name_1_6(path)] = path
    return paths


def _own_path(url: str, host: str | None) -> str | None:
    """Return the part of an address our server understands; None if it is another's."""
    try:
        parts = urlsplit(url)
        theirs = parts.hostname
    except ValueError:
        return None
    start = parts.path.find("/schemas/")
    if start < 0 or (theirs and host and theirs != host):
        return None
    path = unquote(parts.path[start:])
    return quote(path) if _is_name(path[1:]) else None


def _name_1_6(path: str) -> str:
    return _folded(_listed_name(unquote(path)))


def _listed_name(entry: str) -> str:
    """The name of a schema that is listed by name, path or address: ``xnat/xnat`` of ``/schemas/xnat/xnat.xsd``."""
    name = entry[entry.find("/schemas/") :] if "/schemas/" in entry else entry
    return name.removeprefix("/schemas").removeprefix("/").removesuffix(".xsd")


def _folded(name: str) -> str:
    """The name as newer servers list it: one that is folder and file is said once."""
    folder, _, file = name.rpartition("/")
    return file if folder == file else name


def _is_name(name: object) -> bool:
    if not isinstance(name, str) or len(name) > 200 or not name.isprintable() or "\\" in name:
        return False
    return all(part.strip(". ") for part in name.split("/"))


def _fetch_all(fetch: Fetch, paths: dict[str, str], problems: list[Problem], threads: int) -> Collection:
    def one(name: str) -> SchemaDocument | Problem:
        try:
            return SchemaDocument.of(name, fetch(paths[name]), paths[name])
        except (XNATError, OSError) as error:
            return Problem(name, 0, f"can't be had from {paths[name]}: {_first_line(error)}")

    documents = []
    for answer in _map(one, paths, threads):
        if isinstance(answer, Problem):
            problems.append(answer)
        else:
            documents.append(answer)
    return Collection(documents, problems)


def _map(
    function: Callable[[str], SchemaDocument | Problem], names: Iterable[str], threads: int
) -> list[SchemaDocument | Problem]:
    names = list(names)
    if threads <= 1 or len(names) <= 1:
        return [function(name) for name in names]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(threads, len(names)), thread_name_prefix="xnat-schemas") as pool:
        return list(pool.map(function, names))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
