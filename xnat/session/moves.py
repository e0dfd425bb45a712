"""The session's transfers of single files: down to a file or stream, up from a file, stream or data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..constants import CHUNK_SIZE
from ..exceptions import XNATValueError

if TYPE_CHECKING:
    from ..protocols import Query, Timeout, UpdateFunc
    from ..transport.client import HTTPClient

__all__ = ["Moves"]


class Moves:
    """Downloads and uploads."""

    if TYPE_CHECKING:

        @property
        def client(self) -> HTTPClient: ...

        def url_for(self, obj: Any, query: Query | None = None, scheme: str | None = None) -> str: ...

    def download(
        self,
        uri: str,
        target: str | os.PathLike[str],
        format: str | None = None,
        verbose: bool = True,
        timeout: Timeout = None,
        *,
        update_func: UpdateFunc | None = None,
        size: int | None = None,
        expected_md5_digest: str | None = None,
    ) -> Path:
        """Download what is at a REST path to a file, which stands there only when it is complete.

        :param target: the file to make; one that exists is replaced, in the end
        :param format: the format to ask for; ``'zip'`` is checked as an archive
        :param verbose: tell on stdout what is done, with a progress bar if that is a terminal
        :param expected_md5_digest: MD5 the content must have, in hex
        :return: the path of the file
        :raises XNATDownloadError: it came short or damaged, or can't be stored; nothing is left under ``target``
        """
        from ..transfer.download import download_file
        from ..xnatbases.trees import say

        place = Path(target).expanduser()
        query: dict[str, str] = {} if format is None else {"format": format}
        say(verbose, f"Downloading {self.url_for(uri, query)}:")
        download_file(
            self.client,
            uri,
            place,
            query=query,
            size=size,
            digest=_md5(expected_md5_digest),
            update_func=update_func,
            verbose=verbose,
            timeout=timeout,
            check_zip=format == "zip",
        )
        say(verbose, f"Saved as {place}...")
        return place

    def download_stream(
        self,
        uri: str,
        target_stream: IO[bytes],
        format: str | None = None,
        verbose: bool = False,
        chunk_size: int = CHUNK_SIZE,
        update_func: UpdateFunc | None = None,
        timeout: Timeout = None,
        *,
        expected_md5_digest: str | None = None,
    ) -> int:
        """Download what is at a REST path into an open binary file.

        :param chunk_size: bytes per chunk
        :param update_func: called per chunk with (bytes so far, bytes in all or None, False), and once more with True
            when the download is finished or has failed
        :param verbose: a progress bar on stdout, if that is a terminal and no ``update_func`` is given
        :param expected_md5_digest: MD5 the content must have, in hex; what came by then stays in the file
        :return: the number of bytes
        :raises XNATDownloadError: it came short or damaged
        """
        from ..transfer.download import download_stream
        from ..transfer.progress import default_update_func

        if verbose and update_func is None:
            update_func = default_update_func(None)
        return download_stream(
            self.client,
            uri,
            target_stream,
            query=None if format is None else {"format": format},
            digest=_md5(expected_md5_digest),
            chunk_size=chunk_size,
            update_func=update_func,
            timeout=timeout,
        )

    def download_zip(
        self,
        uri: str,
        target: str | os.PathLike[str],
        verbose: bool = True,
        timeout: Timeout = None,
        *,
        update_func: UpdateFunc | None = None,
        expected_md5_digest: str | None = None,
    ) -> Path:
        """Download the files at a REST path (``.../files``) as one zip file; see :meth:`download`."""
        return self.download(
            uri,
            target,
            format="zip",
            verbose=verbose,
            timeout=timeout,
            update_func=update_func,
            expected_md5_digest=expected_md5_digest,
        )

    def download_generator(
        self,
        uri: str,
        format: str | None = None,
        verbose: bool = False,
        chunk_size: int = CHUNK_SIZE,
        update_func: UpdateFunc | None = None,
        timeout: Timeout = None,
        expected_md5_digest: str | None = None,
    ) -> Iterator[bytes]:
        """The content of a REST path, chunk by chunk, while it comes: nothing is asked before the first is taken.

        What was taken can't be taken back, so that a transfer which breaks off is not repeated, as
        :meth:`download_stream` does.

        :param verbose: a progress bar on stdout, if that is a terminal and no ``update_func`` is given
        :param update_func: called per chunk with (bytes so far, bytes in all or None, False), and once more with True
            when all was taken, or the loop was left
        :param expected_md5_digest: MD5 the content must have, in hex; it is known only after the last chunk
        :raises XNATConnectionError: it breaks off
        :raises XNATDownloadError: its MD5 is another one
        """
        from ..transfer.download import download_chunks
        from ..transfer.progress import default_update_func

        if verbose and update_func is None:
            update_func = default_update_func(None)
        yield from download_chunks(
            self.client,
            uri,
            query=None if format is None else {"format": format},
            chunk_size=chunk_size,
            update_func=update_func,
            timeout=timeout,
            digest=_md5(expected_md5_digest),
        )

    def upload_file(
        self,
        uri: str,
        path: str | os.PathLike[str],
        verbose: bool = True,
        *,
        upload_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Upload a file to a REST path; other parameters as :meth:`upload`.

        :param verbose: show a progress bar, if stdout is a terminal
        :param upload_size: not needed: the file tells its size
        :raises FileNotFoundError: there is no such file
        """
        from ..transfer.upload import upload_file

        return upload_file(self.client, uri, Path(path).expanduser(), verbose=verbose, **_with_checked_method(kwargs))

    def upload_string(self, uri: str, data: str | bytes, *, upload_size: int | None = None, **kwargs: Any) -> Any:
        """Upload text (as UTF-8) or bytes to a REST path; other parameters as :meth:`upload`.

        :param upload_size: not needed: the data tells its size
        :raises TypeError: ``data`` is something else
        """
        from ..transfer.upload import upload_data

        if not isinstance(data, (str, bytes, bytearray)):
            raise TypeError(f"upload_string() takes text or bytes, not {type(data).__name__}; see upload_stream()")
        return upload_data(self.client, uri, data, **_with_checked_method(kwargs))

    def upload_stream(
        self,
        uri: str,
        stream: IO[Any],
        retries: int = 1,
        query: Mapping[str, str] | None = None,
        content_type: str | None = None,
        method: str = "put",
        overwrite: bool = False,
        timeout: Timeout = None,
        verbose: bool = False,
        upload_size: int | None = None,
        update_func: UpdateFunc | None = None,
    ) -> Any:
        """Upload an open file, from where it stands, or any stream of bytes; it is not closed.

        A stream that can't tell its length is put aside in a temporary file first, since XNAT has to be told.

        :param upload_size: not needed: the length is found out
        """
        from ..transfer.upload import upload_data

        options = {"retries": retries, "query": dict(query or {}), "content_type": content_type, "method": method}
        return upload_data(
            self.client,
            uri,
            stream,
            overwrite=overwrite,
            timeout=timeout,
            verbose=verbose,
            update_func=update_func,
            **_with_checked_method(options),
        )

    def upload(
        self,
        uri: str,
        file_: Any,
        retries: int = 1,
        query: Mapping[str, str] | None = None,
        content_type: str | None = None,
        method: str = "put",
        overwrite: bool = False,
        timeout: Timeout = None,
        *,
        verbose: bool = False,
        upload_size: int | None = None,
        update_func: UpdateFunc | None = None,
    ) -> Any:
        """Upload a file or data to a REST path.

        :param file_: an open binary file (sent from where it stands), the path of a file, or the data itself: bytes, or
            text that is not the path of a file
        :param retries: how many times to try in all, beyond what is retried anyway
        :param content_type: by default application/octet-stream
        :param method: ``'put'`` or ``'post'``
        :param overwrite: replace a file that is there
        :param verbose: show a progress bar, if stdout is a terminal
        :param upload_size: not needed: the length is found out
        :param update_func: called with (bytes so far, bytes in all, finished)
        :return: what happened
        :raises XNATUploadError: it was refused, or a file is there and ``overwrite`` isn't given
        """
        from ..transfer.upload import upload_data, upload_file
        from ..xnatbases.resource import local_file

        _with_checked_method({"method": method})
        local = local_file(file_)
        send: Any = upload_data if local is None else upload_file
        return send(
            self.client,
            uri,
            file_ if local is None else local,
            method=method,
            query=dict(query or {}),
            content_type=content_type,
            overwrite=overwrite,
            retries=retries,
            verbose=verbose,
            update_func=update_func,
            timeout=timeout,
        )


def _md5(digest: str | None) -> str | None:
    """The digest, which must be one that can be checked: another kind of hash would be passed over."""
    from ..transfer.plan import usable_digest

    if digest is not None and usable_digest(digest) is None:
        raise XNATValueError(f"expected_md5_digest has to be an MD5 in hex, which has 32 digits, not {digest!r}")
    return digest


def _with_checked_method(options: dict[str, Any]) -> dict[str, Any]:
    if options.get("method", "put") not in ("put", "post"):
        raise XNATValueError(f"Invalid upload method {options['method']!r}: 'put' and 'post' work")
    return options
