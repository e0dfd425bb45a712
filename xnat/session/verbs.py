"""The verbs of a session: one request each, checked, with XNAT's conventions for paths, formats and writes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import uris
from ..core.answers import result_rows
from ..core.catalogs import is_catalog, is_resource, resource_item, resource_row
from ..core.rows import Rows, parse
from ..exceptions import XNATError, XNATNotConnectedError, XNATResponseError

if TYPE_CHECKING:
    import requests

    from ..protocols import Query, Timeout
    from ..transport.client import HTTPClient

__all__ = ["Verbs"]


class Verbs:
    """GET, HEAD, POST, PUT and DELETE of REST paths.

    :ivar accepted_status_get: statuses of a GET that are no error; the same for the other verbs
    :ivar skip_response_check: True to take any status
    :ivar skip_response_content_check: True to take HTML pages for data
    :ivar form_writes: True to send values in the body of a write instead of in its URL, where access logs keep them
    """

    _client: HTTPClient | None
    logger: logging.Logger

    def __init__(self) -> None:
        self.accepted_status_get: Sequence[int] = [200]
        self.accepted_status_head: Sequence[int] = [200]
        self.accepted_status_post: Sequence[int] = [200, 201]
        self.accepted_status_put: Sequence[int] = [200, 201]
        self.accepted_status_delete: Sequence[int] = [200]
        self._request_timeout: Timeout = None
        self._timeout_at_connect: Timeout = None
        self.skip_response_check = False
        self.skip_response_content_check = False
        self.form_writes = False

    @property
    def client(self) -> HTTPClient:
        """What sends the requests.

        :raises XNATNotConnectedError: the session was closed
        """
        if self._client is None:
            raise XNATNotConnectedError(
                "Not connected to server. Either the connection was not established or was closed!"
            )
        return self._client

    @property
    def request_timeout(self) -> Timeout:
        """Seconds, or (connect, read), for all that the session and its objects ask from now on, unless given there.

        None, as at first, is what :func:`xnat.connect` was given: by default 12 s to connect, 300 s to read.
        """
        return self._request_timeout

    @request_timeout.setter
    def request_timeout(self, value: Timeout) -> None:
        client = self.client
        if self._request_timeout is None:
            self._timeout_at_connect = client.timeout
        # The client has it, since objects, transfers and services ask through that and not through the verbs.
        client.timeout = self._timeout_at_connect if value is None else value
        self._request_timeout = value

    @property
    def interface(self) -> requests.Session:
        """The underlying requests session, logged in and kept alive."""
        return self.client.interface

    def _request(
        self,
        method: str,
        path: str,
        *,
        accepted: Sequence[int],
        format: str | None = None,
        query: Query | None = None,
        timeout: Timeout = None,
        **options: Any,
    ) -> requests.Response:
        asked = dict(query or {})
        if format is not None:
            asked["format"] = format
        return self.client.request(
            method,
            path,
            query=asked or None,
            timeout=timeout,
            accepted=range(600) if self.skip_response_check else accepted,
            allow_html=self.skip_response_content_check or asked.get("format") == "html",
            **options,
        )

    def get(
        self,
        path: str,
        format: str | None = None,
        query: Query | None = None,
        accepted_status: Sequence[int] | None = None,
        timeout: Timeout = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """GET a REST path.

        :param path: the path, as ``/data/archive/projects``; the server's address is put in front
        :param format: the format to ask for (``json``, ``xml``, ``csv``, ``zip``); it wins over one in the query
        :param query: values of the query string; a list repeats its key
        :param accepted_status: statuses that are no error, by default [200]
        :param timeout: seconds, or (seconds to connect, seconds of silence)
        :param headers: HTTP headers to send
        :return: the requests response
        :raises XNATResponseError: another status, or an HTML page where data was asked for
        :raises XNATConnectionError: no answer
        """
        return self._request(
            "GET",
            path,
            accepted=self.accepted_status_get if accepted_status is None else accepted_status,
            format=format,
            query=query,
            timeout=timeout,
            headers=headers,
        )

    def head(
        self,
        path: str,
        accepted_status: Sequence[int] | None = None,
        allow_redirects: bool = False,
        timeout: Timeout = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The header of what GET would answer; parameters as :meth:`get`."""
        return self._request(
            "HEAD",
            path,
            accepted=self.accepted_status_head if accepted_status is None else accepted_status,
            timeout=timeout,
            headers=headers,
            allow_redirects=allow_redirects,
        )

    def post(
        self,
        path: str,
        data: Any = None,
        json: Any = None,
        format: str | None = None,
        query: Query | None = None,
        accepted_status: Sequence[int] | None = None,
        timeout: Timeout = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """POST to a REST path; other parameters as :meth:`get`. It is not repeated once the server has seen it.

        :param data: body: a mapping (form), bytes, text (UTF-8) or an open file
        :param json: body, as JSON
        :param accepted_status: statuses that are no error, by default [200, 201]
        """
        return self._request(
            "POST",
            path,
            accepted=self.accepted_status_post if accepted_status is None else accepted_status,
            format=format,
            query=query,
            timeout=timeout,
            headers=headers,
            data=data,
            json=json,
        )

    def put(
        self,
        path: str,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        format: str | None = None,
        query: Query | None = None,
        accepted_status: Sequence[int] | None = None,
        timeout: Timeout = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """PUT to a REST path; other parameters as :meth:`post`.

        :param files: name → open file or (file name, file[, content type]), sent as multipart
        """
        return self._request(
            "PUT",
            path,
            accepted=self.accepted_status_put if accepted_status is None else accepted_status,
            format=format,
            query=query,
            timeout=timeout,
            headers=headers,
            data=data,
            files=files,
            json=json,
        )

    def delete(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        accepted_status: Sequence[int] | None = None,
        query: Query | None = None,
        timeout: Timeout = None,
    ) -> requests.Response:
        """DELETE a REST path; parameters as :meth:`get`."""
        return self._request(
            "DELETE",
            path,
            accepted=self.accepted_status_delete if accepted_status is None else accepted_status,
            query=query,
            timeout=timeout,
            headers=headers,
        )

    def get_json(self, uri: str, query: Query | None = None, accepted_status: Sequence[int] | None = None) -> Any:
        """GET with ``format=json``, parsed.

        At the address of one resource XNAT answers with its catalog, in XML. Its row in the listing of its siblings is
        then asked for (one more GET), and given in the shape that other items have:
        ``{'items': [{'data_fields': ..., 'children': [], 'meta': ...}]}``.

        :raises XNATResponseError: what came is not JSON (a ValueError)
        :raises XNATNotFoundError: there is nothing, or a catalog of which no listing tells
        """
        response = self.get(uri, format="json", query=query, accepted_status=accepted_status)
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            place = uris.canonical(uris.local(uri, self.client.server, self.client.original_server))
            if is_resource(place) and is_catalog(response.content):
                siblings = uris.parent(place)
                row = resource_row(result_rows(self.get_json(siblings), siblings), place)
                return {"items": [resource_item(row)]}
            raise _not_json(uri, response.url, response.status_code, response.content) from error

    def get_rows(self, uri: str, query: Query | None = None, *, time: int, drop: Callable[[str], bool]) -> Rows:
        """GET a listing, its rows packed as they are parsed.

        :param time: when they are asked for, by the registry's clock
        :param drop: says which columns to leave out
        :raises XNATResponseError: what came is not a listing
        """
        response = self.get(uri, format="json", query=query)
        url, status, content = response.url, response.status_code, response.content
        # A long listing is held once at a time: as bytes, as text, as rows.
        del response
        try:
            rows = parse(content, time, drop)
            return Rows(result_rows(json.loads(content), uri), time, drop) if rows is None else rows
        except XNATError:
            raise
        except (ValueError, RecursionError) as error:
            raise _not_json(uri, url, status, content) from error

    def write_fields(
        self, uri: str, fields: Query, *, timeout: Timeout = None, idempotent: bool = True
    ) -> requests.Response:
        """PUT fields of an item: path → text. In the URL, or in the body where :attr:`form_writes` is set.

        :param idempotent: whether a second one is answered like the first, so that a lost one can be sent again
        """
        query, body = dict(fields), None
        if self.form_writes:
            # What isn't a path of the item stays in the query: XNAT's SecureResource looks for it there, and it settles
            # the type before it reads the body.
            body = {name: value for name, value in fields.items() if "/" in name} or None
            query = {name: value for name, value in fields.items() if "/" not in name}
            query.update({"req_format": "form"} if body else {})
        return self._request(
            "PUT",
            uri,
            accepted=self.accepted_status_put,
            query=query,
            data=body,
            timeout=timeout,
            idempotent=idempotent,
        )


def _not_json(uri: str, url: str, status: int, content: bytes) -> XNATResponseError:
    excerpt = content[:200].decode("utf-8", "replace")
    excerpt = "".join(character if character.isprintable() else " " for character in excerpt)
    if uri.partition("?")[0].rstrip("/").endswith("/JSESSION"):
        excerpt = "..."  # the session's ID; who has it is logged in
    return XNATResponseError(
        f"Could not decode JSON from [{uri}] {excerpt}",
        method="GET",
        url=uris.redact(url),
        status_code=status,
        text=excerpt,
    )
