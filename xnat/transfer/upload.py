"""Uploads: data, a file, or many files into a resource."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from xnat.exceptions import XNATUploadError, XNATValueError
from xnat.protocols import Query, Requester, Timeout, UpdateFunc

from .plan import RemoteFile
from .progress import default_update_func, ignore
from .sending import NOT_STORED, UploadBody, mismatch, opened, send
from .upload_many import METHODS, upload_tree

if TYPE_CHECKING:
    import requests

__all__ = ["METHODS", "upload_data", "upload_file", "upload_tree"]


def upload_file(
    requester: Requester,
    uri: str,
    path: str | os.PathLike[str],
    *,
    method: str = "put",
    query: Query | None = None,
    content_type: str | None = None,
    overwrite: bool = False,
    retries: int = 1,
    update_func: UpdateFunc | None = None,
    verbose: bool = False,
    timeout: Timeout = None,
    stored: Callable[[], RemoteFile | None] | None = None,
) -> requests.Response:
    """Send the file at *path* to *uri*; see :py:func:`upload_data`.

    :raises FileNotFoundError: there is no such file
    """
    file_path = Path(path)
    if not file_path.is_file():
        raise FileNotFoundError(f"The file to upload does not exist or is not a file: {file_path}")
    with open(file_path, "rb") as file:
        return upload_data(
            requester,
            uri,
            file,
            method=method,
            query=query,
            content_type=content_type,
            overwrite=overwrite,
            retries=retries,
            update_func=update_func,
            verbose=verbose,
            timeout=timeout,
            stored=stored,
        )


def upload_data(
    requester: Requester,
    uri: str,
    data: bytes | str | IO[Any] | Iterable[bytes],
    *,
    method: str = "put",
    query: Query | None = None,
    content_type: str | None = None,
    overwrite: bool = False,
    retries: int = 1,
    update_func: UpdateFunc | None = None,
    verbose: bool = False,
    timeout: Timeout = None,
    stored: Callable[[], RemoteFile | None] | None = None,
) -> requests.Response:
    """Send *data* to *uri* and give the server's answer.

    :param data: bytes; text, which is sent as UTF-8; an open file, sent from where it stands, wound back for every
        attempt and never closed; a stream that can't be wound back, or an iterable of bytes, which is spooled first,
        since XNAT needs the length
    :param overwrite: replace a file that exists; without it, that is an error
    :param retries: how often to try if the server fails (5xx)
    :param update_func: called with (bytes so far, total, finished); once with finished=True, also after a failure
    :param stored: asks the server what it has now: a server may answer 200 and store nothing, or other bytes. What
        differs is sent once more. None: the server's word is taken for it.
    :raises xnat.exceptions.XNATUploadError: refused, failed after all attempts, or not stored
    """
    if method not in ("put", "post"):
        raise XNATValueError(f"method must be 'put' or 'post', not {method!r}")
    settings: dict[str, Any] = {"query": dict(query or {}), "timeout": timeout}
    if overwrite:
        settings["query"]["overwrite"] = "true"
    update = update_func or (default_update_func(None) if verbose else ignore)
    stream, length, mine = opened(data)
    body = UploadBody(stream, length, update, hash=stored is not None)
    try:
        response = send(requester, uri, body, method, content_type, overwrite, retries, settings)
        problem = _difference(body, stored)
        if problem is None:
            return response
        # It was not there before, or was to be replaced: so what is there now, damaged, is ours to replace.
        settings["query"]["overwrite"] = "true"
        response = send(requester, uri, body, method, content_type, True, retries, settings)
        problem = _difference(body, stored)
        if problem is None:
            return response
        raise XNATUploadError(f"{uri}: {problem}")
    finally:
        update(body.tell(), length, True)
        if mine:
            stream.close()


def _difference(body: UploadBody, stored: Callable[[], RemoteFile | None] | None) -> str | None:
    """How the server's file differs from what was sent.

    :raises XNATUploadError: there is none
    """
    if stored is None:
        return None
    there = stored()
    if there is None:
        raise XNATUploadError(NOT_STORED)
    return mismatch(there, len(body), body.md5)
