"""What one part may ask of another without importing it.

Objects and listings see their session only as a :class:`Connection`; tests can give them anything that has these
names. :class:`Requester` is what the transfer functions need to move bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import requests

__all__ = ["Connection", "Query", "Requester", "Timeout", "UpdateFunc"]

#: Values of a query string; a list repeats its key.
Query: TypeAlias = Mapping[str, "str | Sequence[str]"]

#: Seconds: one for connect and read alike, or (connect, read).
Timeout: TypeAlias = "float | tuple[float | None, float | None] | None"

#: Called with (bytes so far, bytes in all or None, whether it is the last call).
UpdateFunc: TypeAlias = Callable[[int, "int | None", bool], None]


class Requester(Protocol):
    """One checked request to the server; :class:`xnat.transport.client.HTTPClient` is the real one."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout = None,
        accepted: Sequence[int] | None = None,
        stream: bool = False,
        allow_redirects: bool = True,
        idempotent: bool | None = None,
        allow_html: bool = False,
    ) -> requests.Response: ...


class Connection(Protocol):
    """What an object or listing may ask of its session."""

    caching: bool
    #: a :class:`xnat.core.registry.Registry`
    registry: Any

    @property
    def logger(self) -> logging.Logger: ...

    @property
    def client(self) -> Requester: ...

    @property
    def classes(self) -> Any: ...

    @property
    def services(self) -> Any: ...

    @property
    def xnat_session(self) -> Connection: ...

    @property
    def access_levels(self) -> Mapping[str, str]: ...

    @property
    def logged_in_user(self) -> str | None: ...

    @property
    def mount_data_dir(self) -> Path | None: ...

    def forget(self, name: str) -> None: ...

    def display_fields(self, xsi_type: str) -> frozenset[str]: ...

    @property
    def fulluri(self) -> str: ...

    def get(self, path: str, format: str | None = None, query: Query | None = None) -> requests.Response: ...

    def get_json(self, uri: str, query: Query | None = None) -> Any: ...

    #: the rows of a listing, as :class:`xnat.core.rows.Rows`
    def get_rows(self, uri: str, query: Query | None = None, *, time: int, drop: Callable[[str], bool]) -> Any: ...

    def put(
        self, path: str, *, query: Query | None = None, accepted_status: Sequence[int] | None = None
    ) -> requests.Response: ...

    def delete(self, path: str, *, query: Query | None = None) -> requests.Response: ...

    def write_fields(
        self, uri: str, fields: Query, *, timeout: Timeout = None, idempotent: bool = True
    ) -> requests.Response: ...

    def create_object(
        self,
        uri: str,
        type_: str | None = None,
        fieldname: str | None = None,
        *,
        id_: str | None = None,
        datafields: Mapping[str, Any] | None = None,
        parent: Any = None,
    ) -> Any: ...

    def class_for(self, xsi_type: str, fallback: str | None = None, *, nested: bool = False) -> type[Any]: ...

    def download_zip(self, uri: str, target: Any, verbose: bool = True) -> Any: ...

    def url_for(self, obj: Any, query: Query | None = None) -> str: ...
