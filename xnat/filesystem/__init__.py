"""An archive as a file system: ``xnat://`` addresses for pandas, dask, nibabel and whatever else opens files by URL.

::

    pandas.read_csv('xnat://xnat.example.com/projects/P/resources/TABLES/files/volumes.csv')

Paths are those of the REST API below ``/data``, with labels as they are (not percent-encoded)::

    xnat://host[:port][/context]/projects/P/resources/R/files/path/to/file
                                /projects/P/subjects/S/resources/...
                                /projects/P/subjects/S/experiments/E/resources/...
                                /projects/P/subjects/S/experiments/E/scans/N/resources/...
                                /projects/P/subjects/S/experiments/E/assessors/A/resources/...

``xnat`` and ``xnat+https`` speak https, ``xnat+http`` speaks http. IDs work in place of labels.

Credentials come from the storage options ``user`` and ``password``, the environment or the netrc file; a pickled file
system carries none.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any
from urllib.parse import urlsplit

from fsspec.spec import AbstractFileSystem
from fsspec.utils import glob_translate, stringify_path

from .. import uris
from ..connection import reopen
from ..pickling import Recipe
from ..transport.auth import Credentials, settle_server
from . import paths
from .openfile import XNATFile, as_os_errors
from .paths import MAGIC, Place
from .writes import Writes

__all__ = ["XNATFile", "XNATFileSystem"]

_SCHEMES = {"xnat": "https", "xnat+https": "https", "xnat+http": "http"}


class XNATFileSystem(Writes, AbstractFileSystem):  # type: ignore[misc]
    """The files of an XNAT server, through :mod:`fsspec`.

    Reads anything the account may see; writes, makes and removes resources and their files, and nothing else:
    projects, subjects and experiments are made and deleted as objects.

    :param server: address of the server; URLs bring it along
    :param user: user name or alias; by default as :func:`xnat.connect` finds it
    :param password: password or alias secret
    :param session: use this session; see :meth:`of`
    :param verify: as for :func:`xnat.connect`
    """

    protocol = tuple(_SCHEMES)
    root_marker = ""

    def __init__(
        self,
        server: str | None = None,
        user: str | None = None,
        password: str | None = None,
        *,
        session: Any = None,
        verify: bool | str = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.server = session.server if session is not None else settle_server(server)[0]
        self._given = session
        self._login = Credentials(user, password, "argument") if user and password else None
        self._recipe = Recipe(self.server, user, verify, no_parse_model=True)
        self._writing = threading.Lock()

    @classmethod
    def of(cls, session: Any) -> XNATFileSystem:
        """The file system of a session, for as long as that is connected."""
        return cls(session=session, skip_instance_cache=True)

    @property
    def session(self) -> Any:
        """The session it works through: one per process, server and user."""
        return self._given if self._given is not None else reopen(self._recipe, self._login)

    def __reduce__(self) -> Any:
        kept = {name: value for name, value in self.storage_options.items() if name not in ("password", "session")}
        return _rebuild, (type(self), {**kept, "server": self.server})

    def to_dict(self, *, include_password: bool = False) -> dict[str, Any]:
        """A description as JSON, without password."""
        told: dict[str, Any] = super().to_dict(include_password=False)
        return {name: value for name, value in {**told, "server": self.server}.items() if name != "session"}

    # -- paths ---------------------------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = stringify_path(path)
        if text.partition("://")[0] in _SCHEMES:
            text = _split_url(text)[1]
        return text.strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        if str(path).partition("://")[0] in _SCHEMES:
            return {"server": _split_url(str(path))[0]}
        return {}

    def unstrip_protocol(self, name: str) -> str:
        """The full URL of a path."""
        scheme, _, rest = self.server.partition("://")
        path = self._strip_protocol(name)
        return f"{'xnat' if scheme == 'https' else 'xnat+http'}://{rest}/{path}"

    @classmethod
    def _parent(cls, path: str) -> str:
        return str(cls._strip_protocol(path)).rpartition("/")[0]

    def _place(self, path: str) -> Place:
        return paths.place_of(self._strip_protocol(path))

    # -- looking -------------------------------------------------------------------------------------------------------

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **kwargs: Any) -> list[Any]:
        """What is at a path. One request, unless it is cached."""
        path = self._strip_protocol(path)
        found = None if refresh else self._kept(path)
        if found is None:
            found = self._list(path)
        return list(found) if detail else sorted(entry["name"] for entry in found)

    def _kept(self, path: str) -> list[dict[str, Any]] | None:
        try:
            found: list[dict[str, Any]] = self.dircache[path]
        except KeyError:
            return None
        return found

    def _list(self, path: str) -> list[dict[str, Any]]:
        place = self._place(path)
        if place.kind == "files":
            return self._list_files(path, place)
        if place.kind == "collection":
            with as_os_errors(path):
                found = paths.entries(self.session, path, place)
            if not found and place.owner:
                self.info(place.owner)
        else:
            if path:
                self.info(path)
            found = [paths.directory(f"{path}/{name}".lstrip("/")) for name in place.below]
        self.dircache[path] = found
        return found

    def _list_files(self, path: str, place: Place) -> list[dict[str, Any]]:
        """The directory of a resource, after all of its directories were taken from one request."""
        with as_os_errors(path):
            files = paths.files_of_resource(self.session, place)
        tree = paths.tree(files, place.root)
        for name, entries in tree.items():
            self.dircache[name] = entries
        if not files:
            self.info(place.owner)
        if path in tree:
            return tree[path]
        return self._one_file(path, tree)

    def _one_file(self, path: str, tree: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        found = [entry for entry in tree.get(self._parent(path), ()) if entry["name"] == path]
        if not found:
            raise FileNotFoundError(f"There is no {path} on {self.server}")
        return found

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """What something is: name, type, size; of files also digest (MD5), format and content.

        :raises FileNotFoundError: there is nothing
        """
        path = self._strip_protocol(path)
        place = self._place(path)
        if not path:
            return paths.directory("")
        if place.kind == "collection" or (place.kind == "files" and path == place.root):
            self.info(place.owner)
            return paths.directory(path)
        for entry in self.ls(self._parent(path)):
            # Things go by their ID as well as by their label.
            if entry["name"] == path or entry.get("id") == path.rpartition("/")[2]:
                return {**entry, "name": path}
        raise FileNotFoundError(f"There is no {path} on {self.server}")

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        """All files below a path: one request per project, subject, session and assessor, not one per resource.

        :param withdirs: also the directories that hold any
        """
        path = self._strip_protocol(path)
        if maxdepth is not None:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)
        try:
            found = {entry["name"]: entry for entry in self._below(path)}
        except FileNotFoundError:
            found = {}
        if withdirs:
            found |= paths.parents(found, path)
            if path and self.isdir(path):
                found[path] = paths.directory(path)
        found = dict(sorted(found.items()))
        return found if detail else list(found)

    def _below(self, path: str) -> Iterator[dict[str, Any]]:
        """The files below a path, as few requests as there can be."""
        place = self._place(path)
        if place.kind == "files":
            entries = self.ls(path)
            for entry in entries:
                if entry["type"] == "file":
                    yield entry
                else:
                    yield from self._below(entry["name"])
            return
        with as_os_errors(path):
            rows = paths.bulk_files(self.session, path, place)
        if rows is not None:
            yield from rows
        if rows is None or place.kind == "thing":
            for child in self.ls(path):
                # The files of its own resources have come already.
                if rows is None or not child["name"].endswith("/resources"):
                    yield from self._below(child["name"])

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """The paths that match a pattern; only what a part with ``*``, ``?`` or ``[`` stands for is listed.

        ``**`` finds files, and directories that hold any.
        """
        detail = kwargs.pop("detail", False)
        if maxdepth is not None:
            return super().glob(path, maxdepth=maxdepth, detail=detail, **kwargs)
        pattern = self._strip_protocol(path)
        wants_directory = stringify_path(path).endswith("/")
        found = {entry["name"]: entry for entry in self._expand("", pattern.split("/"), pattern)}
        if wants_directory:
            found = {name: entry for name, entry in found.items() if entry["type"] == "directory"}
        found = dict(sorted(found.items()))
        return found if detail else list(found)

    def _expand(self, base: str, parts: list[str], pattern: str) -> Iterator[dict[str, Any]]:
        """What matches the parts of a pattern, below a path that has none."""
        for number, part in enumerate(parts):
            if "**" in part or (MAGIC & set(part) and _reaches_files(base, parts[number:])):
                found = self.find(base, withdirs=True, detail=True)
                fits = _matcher(pattern)
                yield from (entry for name, entry in found.items() if fits(name))
                return
            if MAGIC & set(part):
                try:
                    entries = self.ls(base)
                except (FileNotFoundError, NotADirectoryError):
                    return
                fits = _matcher(f"{base}/{part}".lstrip("/"))
                for entry in entries:
                    if fits(entry["name"]):
                        yield from self._expand(entry["name"], parts[number + 1 :], pattern)
                return
            base = f"{base}/{part}".lstrip("/")
        try:
            yield self.info(base)
        except FileNotFoundError:
            return

    def ukey(self, path: str) -> str:
        """Changes when the file's content does, as far as the server tells."""
        entry = self.info(path)
        return f"{entry['name']} {entry.get('size')} {entry.get('digest')}"

    def checksum(self, path: str) -> str:
        """MD5 of a file in hex; empty where the server keeps none."""
        return str(self.info(path).get("digest") or "")

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget listings: all, or those of what a path lies in."""
        if path is None:
            self.dircache.clear()
            return
        path = self._strip_protocol(path)
        place = self._place(path)
        stale = place.owner if place.kind == "files" else path
        for name in list(self.dircache):
            if f"{name}/".startswith(f"{stale}/") or name == self._parent(stale):
                self.dircache.pop(name, None)

    # -- reading -------------------------------------------------------------------------------------------------------

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> XNATFile:
        place = self._place(path)
        if mode not in ("rb", "wb", "xb"):
            raise ValueError(f"Files on XNAT are read or written whole; mode {mode!r} isn't possible")
        if place.kind != "files" or path == place.root:
            raise IsADirectoryError(f"{path} is no file")
        if mode == "xb" and self.exists(path):
            raise FileExistsError(path)
        if mode == "rb" and self.info(path)["type"] != "file":
            raise IsADirectoryError(f"{path} is a directory")
        return XNATFile(
            self, path, "rb" if mode == "rb" else "wb", block_size or "default", autocommit,
            cache_options=cache_options, **kwargs,
        )  # fmt: skip

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> Any:
        """The content of a file, or a part of it; the whole is checked against size and digest."""
        if start is not None or end is not None:
            return super().cat_file(path, start=start, end=end, **kwargs)
        buffer = io.BytesIO()
        self._copy_to(path, buffer)
        return buffer.getvalue()

    def get_file(self, rpath: str, lpath: Any, callback: Any = None, outfile: Any = None, **kwargs: Any) -> None:
        """Download a file; it stands under its name only when it is complete."""
        from ..transfer.download import download_file

        if outfile is not None or not isinstance(lpath, (str, os.PathLike)):
            self._copy_to(rpath, outfile if outfile is not None else lpath)
            return
        entry = self.info(rpath)
        if entry["type"] == "directory":
            os.makedirs(lpath, exist_ok=True)
            return
        os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)
        with as_os_errors(rpath):
            download_file(
                self.session.client, self._place(rpath).uri, os.fspath(lpath), size=entry["size"],
                digest=entry.get("digest"), verbose=False,
            )  # fmt: skip

    def _copy_to(self, path: str, target: IO[bytes]) -> None:
        from ..transfer.download import download_stream

        entry = self.info(path)
        if entry["type"] != "file":
            raise IsADirectoryError(f"{path} is a directory")
        with as_os_errors(path):
            download_stream(
                self.session.client, self._place(path).uri, target, size=entry["size"], digest=entry.get("digest")
            )


def _rebuild(cls: type[XNATFileSystem], options: dict[str, Any]) -> XNATFileSystem:
    return cls(**options)


def _split_url(url: str) -> tuple[str, str]:
    """(address of the server, path) of a URL: the path begins at ``/projects``, what is before is the context path."""
    scheme, _, rest = url.partition("://")
    host, *segments = rest.split("/")
    at = segments.index("projects") if "projects" in segments else len(segments)
    context = "".join(f"/{segment}" for segment in segments[:at] if segment)
    server = f"{_SCHEMES[scheme]}://{host}{context}"
    if urlsplit(server).username is not None:
        raise ValueError(f"User and password are storage options, not part of the URL {uris.redact(url)}")
    return server, "/".join(segments[at:])


def _reaches_files(base: str, parts: list[str]) -> bool:
    """Whether the rest of a pattern is about files, and lies where all of them come in one request."""
    return base.rpartition("/")[2] in ("scans", "resources") and "files" in parts[:5]


def _matcher(pattern: str) -> Callable[[str], bool]:
    import re

    expression = re.compile(glob_translate(pattern))
    return lambda name: expression.match(name) is not None
