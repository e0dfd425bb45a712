"""The session: where everything starts after :func:`xnat.connect`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import uris
from ..constants import ARCHIVE_URI, HEARTBEAT_TIMEOUT
from ..core.answers import result_rows
from ..core.caching import caching as cached
from ..core.catalogs import RESOURCE_TYPE, is_resource, resource_row
from ..core.display import printable
from ..core.items import current_item
from ..core.kinds import rest_listing
from ..core.listings import XNATListing
from ..core.looking import refuse_while_completing, starting_point
from ..core.nested import class_inside
from ..core.registry import Registry
from ..exceptions import XNATKeyError, XNATResponseError, XNATValueError
from ..mapping import Maps
from ..transfer.progress import default_update_func
from .about import AboutServer
from .moves import Moves
from .verbs import Verbs

if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import TracebackType

    from ..inspect import Inspect
    from ..pickling import Recipe
    from ..prearchive import Prearchive
    from ..protocols import Query
    from ..services import Services
    from ..transport.client import HTTPClient
    from ..transport.keepalive import KeepAlive
    from ..users import Users

__all__ = ["BaseXNATSession", "XNATSession", "default_update_func"]


#: Unknown types that are warned of; a server could name another in every row.
MOST_WARNED_TYPES = 100


class XNATSession(Verbs, Moves, AboutServer, Maps):
    """A connection to an XNAT server, made by :func:`xnat.connect` and ended by :meth:`disconnect`.

    The starting points are :attr:`projects`, :attr:`subjects`, :attr:`experiments`, :attr:`prearchive`,
    :attr:`services` and :attr:`users`. Anything that isn't wrapped is reachable with :meth:`get`, :meth:`put`,
    :meth:`post`, :meth:`delete` and :meth:`head`, which take REST paths.

    What the server said is cached. :meth:`clearcache` forgets it, ``session.caching = False`` keeps nothing at all.

    A session can be used from several threads.

    Don't make one yourself: the constructor has the documented parameters, but ``interface``, ``user``, ``password``
    and ``keepalive`` do nothing here. Logging in, and keeping the session alive, is :func:`xnat.connect`'s work.
    """

    def __init__(
        self,
        server: str,
        logger: logging.Logger,
        interface: Any = None,
        user: str | None = None,
        password: str | None = None,
        keepalive: bool | float | None = None,
        debug: bool = False,
        original_uri: str | None = None,
        logged_in_user: str | None = None,
        *,
        client: HTTPClient | None = None,
    ) -> None:
        super().__init__()
        if client is None:
            from ..transport.client import HTTPClient as Client

            client = Client(server, logger=logger)
        self._client: HTTPClient | None = client
        self._server = client.server
        self._original_uri = original_uri or client.original_server
        self.logger = logger
        self.debug = debug
        self.logged_in_user = logged_in_user
        self._own_login = True
        self.caching = True
        self.registry = Registry()
        self.classes: Any = None
        self._keepalive: KeepAlive | None = None
        self._cache: dict[str, tuple[Hashable, Any]] = {}
        self._listings: dict[str, XNATListing] = {}
        self._warned_types: set[str] = set()
        # How another process connects to the same server, and what does so; connect() knows both.
        self._recipe: Recipe | None = None
        self._reopen: Callable[[Recipe], XNATSession] | None = None

    # -- the connection ----------------------------------------------------------------------------------------------

    @property
    def server(self) -> str:
        """The server's address, with scheme and context path."""
        return self._server

    @property
    def uri(self) -> str:
        """REST path of the archive."""
        return ARCHIVE_URI

    @property
    def fulluri(self) -> str:
        """REST path of the archive."""
        return ARCHIVE_URI

    @property
    def xnat_session(self) -> XNATSession:
        """The session itself: it is the parent of projects."""
        return self

    @property
    def jsession(self) -> str | None:
        """The ID of the server's session."""
        return self.client.jsession

    @property
    def keepalive(self) -> bool:
        """Whether heartbeats are sent.

        Set it to an interval in seconds, to 0 or False for none, to True for the default: 14 minutes, or less where the
        server ends sessions sooner. Setting an interval sends a heartbeat, from a thread, so that the session lasts
        until the next one.

        :raises TypeError: it is set to something else
        """
        return self._keepalive is not None and self._keepalive.alive

    @keepalive.setter
    def keepalive(self, value: bool | float) -> None:
        from ..transport.keepalive import KeepAlive, interval_for

        if not isinstance(value, (bool, int, float)) or value < 0:
            raise TypeError(f"keepalive must be True, False or a number of seconds, not {value!r}")
        if self._keepalive is not None:
            self._keepalive.close()
            self._keepalive = None
        if not value:
            return
        told = self.session_expiration_time
        if told is not None and told[1] < 30:
            self.logger.warning("The server ends sessions after %d s without a request", told[1])
        interval = interval_for(told[1] if told else None) if value is True else float(value)
        client = self.client
        self._keepalive = KeepAlive(self.heartbeat, interval, self.logger, last_traffic=lambda: client.last_traffic)
        # Not while connecting: the server was asked just now.
        self._keepalive.start(at_once=self._recipe is not None)

    def heartbeat(self) -> None:
        """Ask the server for its session, so that it doesn't end."""
        self.get("/data/JSESSION", timeout=HEARTBEAT_TIMEOUT)

    def connect(self) -> XNATSession:
        """The session itself; :func:`xnat.connect` has connected it."""
        self.client  # noqa: B018 - raises when the session was closed
        return self

    def disconnect(self, *, logout: bool | None = None) -> None:
        """End the session here and on the server, and remove the generated module. Errors at this are only logged.

        :param logout: whether to end it on the server too; by default only a session that :func:`xnat.connect` opened
            itself, not one it was given by ``jsession=``
        """
        client, self._client = self._client, None
        keepalive, self._keepalive = self._keepalive, None
        if keepalive is not None:
            keepalive.close()
        if self.classes is not None:
            self.classes.close()
            self.classes = None
        if client is not None:
            if self._own_login if logout is None else logout:
                from ..transport.auth import logout as end

                end(client)
            client.close()
        self._listings.clear()
        self._cache.clear()

    def __enter__(self) -> XNATSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        state = "" if self._client is not None else ", closed"
        return f"<XNATSession {self._server} as {self.logged_in_user or 'guest'}{state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # No password, no session ID: the other side connects with what it has (see xnat.pickling).
        if self._recipe is None or self._reopen is None:
            raise TypeError("Only sessions that xnat.connect() made can be pickled: others don't tell how to connect")
        return self._reopen, (self._recipe,)

    def _after_fork(self) -> None:
        """In a forked child: the same login, but locks and sockets of its own."""
        self.registry.after_fork()
        if self.classes is not None:
            self.classes.after_fork()
        if self._client is not None and not self._client.closed:
            self._client.after_fork()

    def url_for(self, obj: Any, query: Query | None = None, scheme: str | None = None) -> str:
        """The full URL of an object, listing or REST path."""
        path = obj if isinstance(obj, str) else getattr(obj, "fulluri", None) or obj.uri
        url = self.client.url(path, query)
        return url if scheme is None else scheme + url[url.index("://") :]

    # -- caching -----------------------------------------------------------------------------------------------------

    def clearcache(self, *, wipe_general_object_cache: bool = True, wipe_listings: bool = True) -> None:
        """Forget everything the server said: listings, objects, versions. The next look asks again.

        :param wipe_general_object_cache: False keeps what objects know of themselves
        :param wipe_listings: False keeps the listings of projects, subjects and so on, if objects are kept as well:
            these know much of themselves from listings, so that the one isn't forgotten without the other
        """
        if wipe_general_object_cache:
            self.registry.clear()
        elif wipe_listings:
            # As after an import, which can bring anything into being and changes nothing that was there.
            self.registry.wrote("import", "any")
        self._cache.clear()

    def _stamp(self) -> Hashable:
        return self.registry.stamp()

    def forget(self, name: str) -> None:
        """Forget one thing that the session keeps, as its ``access_levels``; the next look asks again."""
        self._cache.pop(name, None)

    def _keep(self, name: str, value: Any) -> None:
        """Take what is known already for what the cached property of this name would find out."""
        self._cache[name] = (self._stamp(), value)

    # -- listings ----------------------------------------------------------------------------------------------------

    def _top(self, name: str, xsi_type: str, key: str) -> XNATListing:
        self._need_classes()
        found = self._listings.get(name)
        if found is None:
            found = self._listings.setdefault(name, rest_listing(self, name, xsi_type=xsi_type, key=key))
        return found

    @starting_point
    def projects(self) -> XNATListing:
        """All projects this account may see, by ID and name. No request until it is looked at, then one."""
        return self._top("projects", "xnat:projectData", "name")

    @starting_point
    def subjects(self) -> XNATListing:
        """All subjects on the server, by ID and label. On a large server ``project.subjects`` is quicker."""
        return self._top("subjects", "xnat:subjectData", "label")

    @starting_point
    def experiments(self) -> XNATListing:
        """All experiments on the server, by ID and label. On a large server ``project.experiments`` is quicker."""
        return self._top("experiments", "xnat:experimentData", "label")

    # -- objects -----------------------------------------------------------------------------------------------------

    @property
    def XNAT_CLASS_LOOKUP(self) -> Mapping[str, type[Any]]:  # noqa: N802 - the name scripts know
        """xsi type → class."""
        lookup: Mapping[str, type[Any]] = self._need_classes().XNAT_CLASS_LOOKUP
        return lookup

    def _need_classes(self) -> Any:
        if self.classes is None:
            self.client  # noqa: B018 - a closed session says so
            raise XNATValueError(
                "This session has no data model (it was connected with no_parse_model=True): only get, head, put, post "
                "and delete work. Connect without it for projects, subjects and the like"
            )
        return self.classes

    def class_for(self, xsi_type: str, fallback: str | None = None, *, nested: bool = False) -> type[Any]:
        """The class of an xsi type.

        :param fallback: the type to take, with a warning, where the server uses one that its schemas don't define
        :param nested: the class for objects of that type inside another object's item
        :raises XNATKeyError: neither is known
        """
        lookup = self.XNAT_CLASS_LOOKUP
        for name in (xsi_type, fallback):
            if name and name in lookup:
                # Types without a name of their own are named by XNAT in its way (xnat:fieldDefinitionGroup_field).
                nameless = nested and name.startswith("xnatpy:")
                known = xsi_type in self._warned_types or len(self._warned_types) >= MOST_WARNED_TYPES
                if name != xsi_type and not nameless and not known:
                    self._warned_types.add(xsi_type)
                    self.logger.warning(
                        "The server uses type %s, which its schemas don't define; taken as %s",
                        printable(xsi_type),
                        name,
                    )
                return class_inside(lookup[name]) if nested else lookup[name]
        raise XNATKeyError(
            f"Type {xsi_type} unknow to this XNATSession REST client (see XNAT_CLASS_LOOKUP class variable)"
        )

    def create_object(
        self,
        uri: str,
        type_: str | None = None,
        fieldname: str | None = None,
        datafields: Mapping[str, Any] | None = None,
        parent: Any = None,
        *,
        id_: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """The object at a REST path. Nothing is made on the server.

        :param uri: REST path (``/data``, ``/data/archive`` and ``/REST`` are the same), or a full URL of this server
        :param type_: its xsi type; without it the server is asked for the item
        :param fieldname: the field of the parent it was found in
        :param datafields: what a listing told about it
        :param parent: what it lies in
        :param id_: its primary key, where known
        :raises XNATKeyError: the type isn't in the data model. One that the server names is taken for what lies at such
            a path, with a warning.
        :raises XNATNotFoundError: there is nothing (only where the server had to be asked)
        """
        uri = uris.canonical(uri, self._server if "://" in uri else None)
        if uris.split(uri)[1:2] == ["prearchive"]:
            from ..prearchive import prearchive_object

            return prearchive_object(self, uri, datafields=datafields, parent=parent)
        item: dict[str, Any] | None = None
        fallback: str | None = None
        if type_ is None:
            fallback = _root_type(uri)
            type_, item, datafields = self._look_at(uri, datafields)
            fields = item["data_fields"] if item else {}
            id_ = id_ or (str(fields["ID"]) if "ID" in fields else None)
            uri = _by_ids(uri, fields)
        cls = self.class_for(type_, fallback)
        row = datafields or (item["data_fields"] if item else {})
        identity = cls._identify(uri, id_, row)

        def make() -> Any:
            return cls(
                uri=uri,
                xnat_session=self,
                id_=id_,
                datafields=datafields,
                parent=parent,
                fieldname=fieldname,
                **kwargs,
            )

        return self.registry.live(identity, cls, make, row=datafields, item=item, parent=parent)

    def _look_at(
        self, uri: str, row: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any] | None, Mapping[str, Any] | None]:
        """(xsi type, item, row) of what is at a path, as far as the server gives them."""
        if uris.split_at_files(uri):
            return "xnat:fileData", None, row
        if is_resource(uri):
            # Its own address would answer with its catalog.
            container = uris.parent(uri)
            found = resource_row(result_rows(self.get_json(container), container), uri)
            return str(found.get("element_name") or RESOURCE_TYPE), None, found
        refuse_while_completing(uri)
        item = current_item(self.get_json(uri), uri)
        xsi_type = item.get("meta", {}).get("xsi:type")
        if not xsi_type:
            raise XNATResponseError(f"{uri}: the server's answer tells no xsi:type", url=uri)
        return str(xsi_type), item, row

    def remove_object(self, obj: Any) -> None:
        """Forget an object, as if it had never been looked at."""
        self.registry.drop(obj._identity())

    # -- what hangs off a session ------------------------------------------------------------------------------------

    @property
    @cached
    def prearchive(self) -> Prearchive:
        """The prearchive; see :class:`xnat.prearchive.Prearchive`."""
        from ..prearchive import Prearchive

        return Prearchive(self)

    @property
    def services(self) -> Services:
        """Import, DICOM dump, tokens and other services; see :class:`xnat.services.Services`."""
        from ..services import Services

        return Services(self)

    @property
    def inspect(self) -> Inspect:
        """What types and fields searches know; see :class:`xnat.inspect.Inspect`."""
        from ..inspect import Inspect

        return Inspect(self)

    @starting_point
    @cached
    def users(self) -> Users:
        """The users of the server, by login; see :class:`xnat.users.Users`."""
        from ..users import Users

        return Users(self)

    @property
    def source_code(self) -> str:
        """The Python source of the classes of the server's data model."""
        source: str = self._need_classes().source
        return source

    def write_source_code(self, path: str | os.PathLike[str]) -> None:
        """Write :attr:`source_code` to a file."""
        Path(path).write_text(self.source_code, encoding="utf-8")

    def write_stubs(self, path: str | os.PathLike[str]) -> None:
        """Write a ``.pyi`` file that tells editors and mypy the classes of this server.

        :param path: the file, or a directory in which ``xnat_classes.pyi`` is made
        """
        from ..convert_xsd.stubs import write

        write(self._need_classes(), path)


#: What 0.8 calls the class that sessions are of, for scripts that annotate with it.
BaseXNATSession = XNATSession


def _by_ids(uri: str, fields: Mapping[str, Any]) -> str:
    """The address of an item with IDs in place of labels: import and archive answer with labels, which can change."""
    segments = uri.split("/")
    words, names = segments[2::2], segments[3::2]
    if len(words) != len(names) or words[-1] not in ("subjects", "experiments", "assessors"):
        return uri
    known = {"subjects": "subject_ID", "experiments": "imageSession_ID", words[-1]: "ID"}
    for at, word in enumerate(words):
        id_ = fields.get(known.get(word, ""))
        if id_:
            segments[3 + 2 * at] = uris.quote(str(id_))
    return "/".join(segments)


def _root_type(uri: str) -> str | None:
    """The type of what lies at such a path, at least; for items of types that no schema defines."""
    segments = uris.split(uri)
    if len(segments) < 2:
        return None
    return {
        "projects": "xnat:projectData",
        "subjects": "xnat:subjectData",
        "experiments": "xnat:experimentData",
        "assessors": "xnat:imageAssessorData",
        "scans": "xnat:imageScanData",
        "reconstructions": "xnat:reconstructedImageData",
        "resources": "xnat:abstractResource",
    }.get(segments[-2])
