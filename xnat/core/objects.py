"""The objects that stand for things on the server.

Three kinds, by where their data lives:

* :class:`XNATObject` has a REST path of its own: its data is fetched there, its fields are written there.
* :class:`~xnat.core.nested.XNATNestedObject` is an item inside another object's item (the demographics of a subject).
* :class:`~xnat.core.nested.XNATSubObject` is a group of fields of another object (the parameters of a scan).

All of them read through :meth:`XNATBaseObject._raw` and write through :meth:`XNATBaseObject._write`, and know nothing
about particular data types: what XNAT does with a project or a scan stands in :mod:`xnat.xnatbases`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import uris
from ..datatypes import convert_to
from ..exceptions import XNATAttributeError, XNATObjectDestroyedError, XNATValueError
from ..hints import CONCRETE_TYPES
from ..search import Query
from .caching import Caches
from .caching import caching as cached
from .creation import create
from .display import object_html, object_repr
from .items import children_of, current_item, insert_date
from .looking import StillTyping, refuse_while_completing
from .terms import DisplayFields, field_property, parent_property
from .writing import Writes, getattr_static, is_read_only, unknown_field

if TYPE_CHECKING:
    import datetime

    from ..protocols import Connection
    from ..search import BaseConstraint
    from .rows import Row

__all__ = ["XNATBaseObject", "XNATObject", "restore_object"]


class XNATBaseObject(Caches, Writes, metaclass=DisplayFields):
    """Anything on the server, or inside something on the server.

    Objects are not made by hand: listings and attributes give them. Only to *create* something on the server is a class
    called: ``session.classes.SubjectData(parent=project, label='s1')``.

    :param uri: REST path; left out when the object is to be created on the server
    :param xnat_session: the session; by default that of the parent, or that of the class
    :param id_: primary key (ID, accession number)
    :param datafields: what a listing already told about it (column → text)
    :param parent: what it lies in; on creation, what to create it in
    :param fieldname: the field of the parent it was found in
    :param overwrites: on creation, XNAT fields to write besides the keywords, by path; or True. With either, an
        experiment of that label that exists already is updated instead of being an error
    """

    # Slots, down to the generated classes: a listing of 100,000 subjects is held as objects by many scripts.
    __slots__ = (
        "__weakref__",
        "_cache",
        "_caching",
        "_destroyed",
        "_fieldname",
        "_generation",
        "_id",
        "_listings",
        "_parent",
        "_place",
        "_row",
        "_row_time",
        "_session",
    )

    #: xsi type, as ``xnat:subjectData``; set by generated classes.
    XSI_TYPE: ClassVar[str] = ""
    #: Kind of listing it is found in (see :data:`xnat.core.registry.STALE`).
    KIND: ClassVar[str] = ""
    #: The column that is the second key of listings of this type.
    SECONDARY_LOOKUP_FIELD: ClassVar[str | None] = None
    #: The keyword that names a new object.
    _DISPLAY_IDENTIFIER: ClassVar[str | None] = None
    #: The REST collection it is found in.
    _CONTAINED_IN: ClassVar[str | None] = None
    _FIELD_NAME: ClassVar[str | None] = None
    _HAS_FIELDS: ClassVar[bool] = False
    #: Columns of listings that have a short name: name → XNAT path.
    rest_shortcuts: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._XSI_TYPE = cls.__xsi_type__ = cls.XSI_TYPE

    _XSI_TYPE: ClassVar[str] = ""
    __xsi_type__: ClassVar[str] = ""

    def __init__(
        self,
        uri: str | None = None,
        xnat_session: Connection | None = None,
        id_: str | None = None,
        datafields: Mapping[str, Any] | None = None,
        parent: Any = None,
        fieldname: str | None = None,
        overwrites: Mapping[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> None:
        if uri is not None and not isinstance(uri, str):
            raise XNATValueError(
                f"The first argument of {type(self).__name__} is a REST path, not {uri!r}; "
                "what to create it in is given as parent="
            )
        # The parent of a new object may be named by its listing (subject.experiments) as well.
        if parent is not None and hasattr(parent, "listing"):
            parent = parent.parent
        self._begin(xnat_session or _session_of(type(self), parent), parent, fieldname, id_)
        self._take_row(datafields)
        if uri is not None:
            self._uri = uris.canonical(uri)
            if kwargs or overwrites:
                names = ", ".join(sorted({*kwargs, *(overwrites if isinstance(overwrites, Mapping) else ())}))
                raise XNATValueError(f"{names}: fields are only given on creation, with parent= and without a uri")
        else:
            self._create({**kwargs, **({} if id_ is None else {"id_": id_})}, overwrites)

    if TYPE_CHECKING:
        _session: Connection
        _parent: Any
        _fieldname: str | None
        _id: str | None
        _cache: dict[str, tuple[Hashable, Any]]
        _listings: dict[str, Any]
        _generation: int
        _caching: bool | None
        _destroyed: bool
        _row: Mapping[str, Any]
        _row_time: int
        _place: str | tuple[str, str]

    def _begin(self, session: Connection, parent: Any, fieldname: str | None, id_: str | None) -> None:
        # Not by assignment: __setattr__ looks every name up, and listings make objects by the hundred thousand.
        put = object.__setattr__
        put(self, "_session", session)
        put(self, "_parent", parent)
        put(self, "_fieldname", fieldname)
        put(self, "_id", id_)
        put(self, "_cache", {})
        put(self, "_listings", {})
        put(self, "_generation", 0)
        put(self, "_caching", None)
        put(self, "_destroyed", False)

    @classmethod
    def _of_row(
        cls, session: Connection, base: str, id_: str, row: Row, parent: Any, fieldname: str | None
    ) -> XNATBaseObject:
        """The object of a row of the listing at ``base``. No request, and as little else as possible."""
        made = object.__new__(cls)
        made._begin(session, parent, fieldname, id_)
        put = object.__setattr__
        put(made, "_place", (base, id_))
        put(made, "_row", row)
        put(made, "_row_time", row.time)
        return made

    @property
    def _uri(self) -> str:
        place = self._place
        if isinstance(place, tuple):
            place = self._place = uris.join(*place)
        return place

    @_uri.setter
    def _uri(self, value: str) -> None:
        self._place = value

    def _create(self, fields: dict[str, Any], overwrites: Mapping[str, Any] | bool | None) -> None:
        created = create(self, self._parent, fields, overwrites)
        self._uri, self._id = created.uri, created.id
        # It may have been there already: handles of it don't know what was written now.
        self._session.registry.touch(self._thing())
        self._take_row(created.row)
        self._session.registry.adopt(self._identity(), self)

    # -- identity ----------------------------------------------------------------------------------------------------

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self._session

    @property
    def uri(self) -> str:
        """REST path it was found at, from ``/data`` on."""
        return self._uri

    @property
    def _path(self) -> str:
        """REST path through project and subject, where XNAT has one; writes go there."""
        return self._uri

    @property
    def fulluri(self) -> str:
        """REST path through project and subject, where XNAT has one. Those of projects, of subjects, and of experiments
        of subjects begin with ``/data/archive``, which is the same to the server as ``/data``."""
        return self._path

    def external_uri(self, query: Mapping[str, str] | None = None, scheme: str | None = None) -> str:
        """Its full URL.

        :param scheme: another scheme than the session's, as ``'https'``
        """
        url = self._session.url_for(self, query)
        return url if scheme is None else scheme + url[url.index("://") :]

    @field_property("ID")
    def id(self) -> str:
        """Primary key: the ID or accession number."""
        if self._id is None:
            self._id = str(self._raw("ID") or uris.split(self._uri)[-1])
        return self._id

    @parent_property()
    def parent(self) -> Any:
        """What it lies in; on a class, the class of that."""
        return self._parent

    @property
    def fieldname(self) -> str | None:
        """The field of its parent it was found in."""
        return self._fieldname

    @property
    def logger(self) -> logging.Logger:
        """The session's logger."""
        return self._session.logger

    @property
    def xpath(self) -> str:
        """The path that names it in XNAT's queries and writes."""
        return self.XSI_TYPE

    @classmethod
    def _identify(cls, uri: str, id_: str | None, row: Mapping[str, Any]) -> Hashable:
        """What makes two handles the same object, as far as this is known without a request."""
        return (cls.KIND, uri)

    @classmethod
    def _identifier(cls, base: str) -> Callable[[str, Mapping[str, Any]], Hashable]:
        """What gives the same for the rows of the listing at ``base``, by ID and row."""
        return lambda id_, row: cls._identify(uris.join(base, id_), id_, row)

    def _identity(self) -> Hashable:
        return type(self)._identify(self._uri, self._id, self._row)

    def _thing(self) -> Hashable:
        """What it is on the server, through whichever project it is looked at."""
        return self._identity()

    @property
    def cache_id(self) -> Hashable:
        """What the session knows it by: two handles with equal ones are the same object."""
        return self._identity()

    @classmethod
    def create_cache_id(cls, uri: str, fieldname: str | None = None, data: Mapping[str, Any] | None = None) -> Hashable:
        """The :attr:`cache_id` of the object at a REST path, as far as it is known without a request.

        :param data: what a listing told about it
        """
        row = data or {}
        return cls._identify(uris.canonical(uri), str(row["ID"]) if row.get("ID") else None, row)

    # -- data --------------------------------------------------------------------------------------------------------

    @property
    def fulldata(self) -> dict[str, Any]:
        """The item as the server gives it: ``data_fields``, ``children`` and ``meta``. One GET, then cached."""
        return self._item()

    @property
    def data(self) -> dict[str, Any]:
        """Its fields, by path (``'parameters/voxelRes/x'``) with the values as JSON has them."""
        fields: dict[str, Any] = self.fulldata.get("data_fields", {})
        return fields

    @property
    def is_history(self) -> bool:
        """Whether what is known of it is an earlier state. The server's current item is always preferred."""
        return bool(self.fulldata.get("meta", {}).get("isHistory"))

    @property
    def insert_date(self) -> datetime.datetime | None:
        """When it was put into the archive, in UTC; None where the server doesn't say, or in an unknown time zone."""
        return insert_date(self.fulldata)

    @cached
    def _item(self) -> dict[str, Any]:
        self._check_alive()
        refuse_while_completing(self.uri)
        return current_item(self._session.get_json(self.uri), self.uri)

    def _loaded(self) -> dict[str, Any] | None:
        """Its item, if that is known and fresh: what a repr may look at."""
        kept = self._cache.get("_item")
        return kept[1] if kept is not None and kept[0] == self._stamp() else None

    def _raw(self, path: str) -> Any:
        """The value of a field as the server gave it, None if unset: from the listing's row or from its item."""
        self._check_alive()
        # Taken once: another thread may learn a newer row meanwhile, with other columns.
        row = self._row
        if path in row and self._row_is_fresh():
            value = row[path]
            return None if value == "" else value
        return self.data.get(path)

    def _take_row(self, row: Mapping[str, Any] | None) -> None:
        """Believe what a listing told about it, from the time the listing was asked for."""
        self._row = row or {}
        self._row_time = getattr(row, "time", None) or self._session.registry.now()

    def _learn(self, row: Mapping[str, Any] | None, item: dict[str, Any] | None, parent: Any) -> None:
        """Take in what was found out about it since this handle was made."""
        if row is not None and getattr(row, "time", 0) > self._row_time:
            self._take_row(row)
        if item is not None:
            self._cache["_item"] = (self._stamp(), item)
        if self._parent is None:
            self._parent = parent

    def _row_is_fresh(self) -> bool:
        # Listings are read by the hundred thousand: the cheap questions first.
        time, session = self._row_time, self._session
        return (
            time > self._generation
            and (session.caching if self._caching is None else self._caching)
            and (session.registry.latest <= time or self._touched <= time)
            # Once the whole item was fetched it is the better answer.
            and not (self._cache and self._loaded())
        )

    @property
    def _touched(self) -> int:
        return int(self._session.registry.touched(self._thing()))

    def _children(self, path: str) -> list[dict[str, Any]]:
        """The items that lie in one of its fields."""
        return children_of(self.fulldata, path)

    def get(self, name: str, type_: str | Callable[[Any], Any] | None = None) -> Any:
        """The raw value of a field by its XNAT path, or None.

        :param type_: convert it: an xs type (``'xs:float'``) or a callable
        """
        value = self._raw(name)
        if type_ is None or value is None:
            return value
        return type_(value) if callable(type_) else convert_to(value, type_)

    def get_object(self, fieldname: str, type_: str | None = None) -> Any:
        """The object in one of its fields, of the type the server says (``type_`` where it says none)."""
        try:
            items = self._children(fieldname)
        except StillTyping:
            items = []
        actual = items[0].get("meta", {}).get("xsi:type") if items else None
        # What isn't there yet will be of the type that XNAT makes where its schema names an abstract one.
        cls = self._session.class_for(actual or CONCRETE_TYPES.get(type_ or "", type_) or "", type_, nested=True)
        return cls(uri=self.uri, xnat_session=self._session, parent=self, fieldname=fieldname)

    # -- life --------------------------------------------------------------------------------------------------------

    def clearcache(self) -> None:
        """Forget what the server said about this object; the next look asks again."""
        # Not += 1: of two threads that clear at once, each must leave a number that nobody has seen yet.
        self._generation = self._session.registry.now()
        self._cache.clear()

    def _life(self) -> Hashable:
        return (self._session.registry.epoch, self._generation)

    def _stamp(self) -> Hashable:
        # A write through any handle of the same thing makes every handle's data stale.
        return (self._life(), self._touched)

    def _check_alive(self) -> None:
        if self._destroyed:
            raise XNATObjectDestroyedError(f"{self!r} was deleted on the server; look it up again if it was made anew")

    def __reduce__(self) -> tuple[Any, ...]:
        parent = self._parent if isinstance(self._parent, XNATBaseObject) else None
        return restore_object, (self._session, self.XSI_TYPE, self._uri, self._id, self._lasting_row(), parent)

    def _lasting_row(self) -> dict[str, Any]:
        """What of its row is still true wherever and whenever a pickle of it is read: where it lies."""
        return {name: self._row[name] for name in ("project", "subject_ID") if self._row.get(name)}

    def __repr__(self) -> str:
        return object_repr(self)

    def _repr_html_(self) -> str:
        return object_html(self)

    if not TYPE_CHECKING:  # a checker would take it for leave to set anything

        def __setattr__(self, name: str, value: Any) -> None:
            # A typo must not silently become a Python attribute that never reaches the server.
            if not name.startswith("_"):
                if not any(name in vars(base) for base in type(self).__mro__):
                    raise unknown_field(type(self), name)
                if is_read_only(getattr_static(type(self), name), "fset"):
                    raise XNATAttributeError(f"{name} of a {type(self).__name__} can't be set: the server gives it")
            super().__setattr__(name, value)

        def __delattr__(self, name: str) -> None:
            if is_read_only(getattr_static(type(self), name), "fdel"):
                raise XNATAttributeError(f"{name} of a {type(self).__name__} can't be deleted")
            super().__delattr__(name)

    def _mark_deleted(self) -> None:
        self._destroyed = True


class XNATObject(XNATBaseObject):
    """Something with a REST path of its own."""

    __slots__ = ()

    @classmethod
    def query(cls, *constraints: BaseConstraint) -> Query:
        """A search for things of this type: ``MrSessionData.query(MrSessionData.label.like('a*')).all()``.

        :param constraints: what has to be fulfilled; see :class:`xnat.search.Query`
        """
        return Query(cls, _session_of(cls, None)).filter(*constraints)

    def delete(self, remove_files: bool = True) -> None:
        """Delete it on the server, with everything below it. This handle is of no use afterwards.

        :param remove_files: also delete the files from the server's disk
        :raises XNATForbiddenError: the account may not
        """
        self._check_alive()
        self._session.delete(self._path, query={"removeFiles": "true"} if remove_files else None)
        self._mark_deleted()

    def _mark_deleted(self) -> None:
        registry = self._session.registry
        identity = self._identity()
        self.clearcache()
        if self.KIND:
            registry.wrote("delete", self.KIND)
        registry.drop(identity)
        if isinstance(self._parent, XNATBaseObject):
            self._parent.clearcache()
        self._destroyed = True


def restore_object(
    session: Connection, xsi_type: str, uri: str, id_: str | None, row: Mapping[str, Any], parent: Any
) -> Any:
    """The object of a pickle: that of the session, if it is alive there. No request."""
    return session.create_object(uri, xsi_type, id_=id_, datafields=row or None, parent=parent)


def _session_of(cls: type, parent: Any) -> Connection:
    session = None if isinstance(parent, type) else getattr(parent, "xnat_session", None)
    if session is None:
        module = sys.modules.get(cls.__module__)
        if module is None or not hasattr(module, "current_session"):
            raise XNATValueError(f"A new {cls.__name__} needs a parent=, the object to create it in")
        session = module.current_session()
    found: Connection = session
    return found
