"""The objects that stand for things on the server.

Three kinds, by where their data lives:

* :class:`XNATObject` has a REST path of its own: its data is fetched there, its fields are written there.
* :class:`~xnat.core.nested.XNATNestedObject` is an item inside another object's item (the demographics of a subject).
* :class:`~xnat.core.nested.XNATSubObject` is a group of fields of another object (the parameters of a scan).

All of them read through :meth:`XNATBaseObject._raw` and write through :meth:`XNATBaseObject._write`, and know nothing
about particular data types: what XNAT does with a project or a scan stands in :mod:`xnat.xnatbases`.
"""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import uris, xpath
from ..datatypes import convert_to
from ..exceptions import XNATAttributeError, XNATObjectDestroyedError, XNATValueError
from ..hints import CONCRETE_TYPES
from .caching import caching as cached
from .creation import create
from .display import object_html, object_repr
from .items import children_of, current_item, to_text
from .terms import field_property

if TYPE_CHECKING:
    from ..protocols import Connection, Timeout

__all__ = ["XNATBaseObject", "XNATObject"]


class XNATBaseObject:
    """Anything on the server, or inside something on the server.

    Objects are not made by hand: listings and attributes give them. Only to *create* something on the server is a class
    called: ``session.classes.SubjectData(parent=project, label='s1')``.

    :param uri: REST path; left out when the object is to be created on the server
    :param xnat_session: the session; by default that of the parent, or that of the class
    :param id_: primary key (ID, accession number)
    :param datafields: what a listing already told about it (column → text)
    :param parent: what it lies in; on creation, what to create it in
    :param fieldname: the field of the parent it was found in
    :param overwrites: on creation, XNAT fields to write besides the keywords, by path
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
        "_row",
        "_row_stamp",
        "_row_time",
        "_session",
        "_uri",
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
        overwrites: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # The parent of a new object may be named by its listing (subject.experiments) as well.
        if parent is not None and hasattr(parent, "listing"):
            parent = parent.parent
        self._session: Connection = xnat_session or _session_of(type(self), parent)
        self._parent: Any = parent
        self._fieldname = fieldname
        self._cache: dict[str, tuple[Hashable, Any]] = {}
        self._listings: dict[str, Any] = {}
        self._generation = 0
        self._caching: bool | None = None
        self._destroyed = False
        self._row: Mapping[str, Any] = {}
        self._row_time = 0
        self._row_stamp: Hashable = None
        self._take_row(datafields)
        self._id = id_
        if uri is not None:
            self._uri = uris.canonical(uri)
            if kwargs or overwrites:
                names = ", ".join(sorted({*kwargs, *(overwrites or {})}))
                raise XNATValueError(f"{names}: fields are only given on creation, with parent= and without a uri")
        else:
            self._create({**kwargs, **({} if id_ is None else {"id_": id_})}, overwrites or {})

    def _create(self, fields: dict[str, Any], overwrites: Mapping[str, Any]) -> None:
        created = create(self, self._parent, fields, overwrites)
        self._uri, self._id = created.uri, created.id
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
    def fulluri(self) -> str:
        """REST path through project and subject, where XNAT has one; writes go there."""
        return self._uri

    @field_property("ID")
    def id(self) -> str:
        """Primary key: the ID or accession number."""
        if self._id is None:
            self._id = str(self._raw("ID") or uris.split(self._uri)[-1])
        return self._id

    @property
    def parent(self) -> Any:
        """What it lies in."""
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

    def _identity(self) -> Hashable:
        return type(self)._identify(self._uri, self._id, self._row)

    def _thing(self) -> Hashable:
        """What it is on the server, through whichever project it is looked at."""
        return self._identity()

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

    @cached
    def _item(self) -> dict[str, Any]:
        self._check_alive()
        return current_item(self._session.get_json(self.uri), self.uri)

    def _loaded(self) -> dict[str, Any] | None:
        """Its item, if that is known and fresh: what a repr may look at."""
        kept = self._cache.get("_item")
        return kept[1] if kept is not None and kept[0] == self._stamp() else None

    def _raw(self, path: str) -> Any:
        """The value of a field as the server gave it, None if unset: from the listing's row or from its item."""
        self._check_alive()
        if path in self._row and self._row_is_fresh():
            value = self._row[path]
            return None if value == "" else value
        return self.data.get(path)

    def _take_row(self, row: Mapping[str, Any] | None) -> None:
        """Believe what a listing told about it, from the time the listing was asked for."""
        self._row = row or {}
        self._row_time = getattr(row, "time", None) or self._session.registry.now()
        self._row_stamp = self._life()

    def _learn(self, row: Mapping[str, Any] | None, item: dict[str, Any] | None, parent: Any) -> None:
        """Take in what was found out about it since this handle was made."""
        if row is not None and getattr(row, "time", 0) > self._row_time:
            self._take_row(row)
        if item is not None:
            self._cache["_item"] = (self._stamp(), item)
        if self._parent is None:
            self._parent = parent

    def _row_is_fresh(self) -> bool:
        # Once the whole item was fetched it is the better answer.
        return (
            self.caching and self._row_stamp == self._life() and self._touched <= self._row_time and not self._loaded()
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
        items = self._children(fieldname)
        actual = items[0].get("meta", {}).get("xsi:type") if items else None
        # What isn't there yet will be of the type that XNAT makes where its schema names an abstract one.
        cls = self._session.class_for(actual or CONCRETE_TYPES.get(type_ or "", type_) or "", type_)
        return cls(uri=self.uri, xnat_session=self._session, parent=self, fieldname=fieldname)

    # -- writing -----------------------------------------------------------------------------------------------------

    def set(
        self, name: str, value: Any, type_: str | Callable[[Any], Any] | None = None, timeout: Timeout = None
    ) -> None:
        """Write one field, by its XNAT path, in one PUT.

        :param type_: how to write the value: an xs type (``'xs:date'``) or a callable; by default the value's own type
        """
        self._write({name: to_text(value, type_)}, timeout=timeout)

    def mset(self, values: Mapping[str, Any] | None = None, timeout: Timeout = None, **kwargs: Any) -> None:
        """Write several fields in one PUT: all of them, or none when one value isn't valid.

        :param values: field → value; a field by its attribute name or its XNAT path
        """
        texts: dict[str, str] = {}
        for name, value in {**(values or {}), **kwargs}.items():
            field = getattr_static(type(self), name)
            if hasattr(field, "to_text"):
                texts[field.path] = field.to_text(value)
            else:
                texts[name] = to_text(value, None)
        self._write(texts, timeout=timeout)

    def del_(self, name: str) -> None:
        """Clear one field, by its XNAT path."""
        self._write({name: xpath.CLEAR})

    def _write(self, fields: Mapping[str, str], *, timeout: Timeout = None) -> None:
        """Write fields of this object: path below it → text."""
        self._check_alive()
        query = {"xsiType": self.XSI_TYPE, **{xpath.join(self.xpath, path): text for path, text in fields.items()}}
        self._session.write_fields(self.fulluri, query, timeout=timeout)
        self._wrote(fields)

    def _wrote(self, fields: Mapping[str, str]) -> None:
        registry = self._session.registry
        registry.touch(self._thing())
        if self.SECONDARY_LOOKUP_FIELD in fields and self.KIND:
            registry.wrote("rename", self.KIND)
        self.clearcache()

    # -- life --------------------------------------------------------------------------------------------------------

    @property
    def caching(self) -> bool:
        """Whether what the server said is kept; the session's setting unless set here (``del`` goes back to it)."""
        return self._session.caching if self._caching is None else self._caching

    @caching.setter
    def caching(self, value: bool) -> None:
        self._caching = bool(value)

    @caching.deleter
    def caching(self) -> None:
        self._caching = None

    def clearcache(self) -> None:
        """Forget what the server said about this object; the next look asks again."""
        self._generation += 1
        self._cache.clear()

    def _life(self) -> Hashable:
        return (self._session.registry.stamp()[0], self._generation)

    def _stamp(self) -> Hashable:
        # A write through any handle of the same thing makes every handle's data stale.
        return (self._life(), self._touched)

    def _check_alive(self) -> None:
        if self._destroyed:
            raise XNATObjectDestroyedError(f"{self!r} was deleted on the server; look it up again if it was made anew")

    def __repr__(self) -> str:
        return object_repr(self)

    def _repr_html_(self) -> str:
        return object_html(self)

    def __setattr__(self, name: str, value: Any) -> None:
        # A typo must not silently become a Python attribute that never reaches the server.
        if name.startswith("_") or hasattr(type(self), name):
            super().__setattr__(name, value)
            return
        names = [known for known in dir(type(self)) if not known.startswith("_")]
        close = difflib.get_close_matches(name, names, 3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; dir() of it lists the fields there are"
        raise XNATAttributeError(f"{type(self).__name__} has no field {name!r}{hint}")


class XNATObject(XNATBaseObject):
    """Something with a REST path of its own."""

    __slots__ = ()

    def delete(self, remove_files: bool = True) -> None:
        """Delete it on the server, with everything below it. This handle is of no use afterwards.

        :param remove_files: also delete the files from the server's disk
        :raises XNATForbiddenError: the account may not
        """
        self._check_alive()
        self._session.delete(self.fulluri, query={"removeFiles": "true"} if remove_files else None)
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

    def external_uri(self, query: Mapping[str, str] | None = None, scheme: str | None = None) -> str:
        """Its full URL.

        :param scheme: another scheme than the session's, as ``'https'``
        """
        url = self._session.url_for(self, query)
        return url if scheme is None else scheme + url[url.index("://") :]


def getattr_static(cls: type, name: str) -> Any:
    """What the class defines under this name, without asking descriptors; None if nothing."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def _session_of(cls: type, parent: Any) -> Connection:
    session = getattr(parent, "xnat_session", None)
    if session is None:
        module = sys.modules.get(cls.__module__)
        if module is None or not hasattr(module, "current_session"):
            raise XNATValueError(f"A new {cls.__name__} needs a parent=, the object to create it in")
        session = module.current_session()
    found: Connection = session
    return found
