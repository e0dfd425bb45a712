"""The services of a server: import, DICOM dump, tokens, catalogs; as ``session.services``."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from . import uris
from ._answers import (
    DicomBoxImportRequest,
    answer_uris,
    archive_path,
    flag_text,
    label_of,
    post,
    project_id,
    without_none,
)
from ._effects import ImportWatch, is_lost
from .core.answers import result_rows
from .exceptions import (
    XNATConnectionError,
    XNATNotFoundError,
    XNATResponseError,
    XNATUploadError,
    XNATValueError,
)

if TYPE_CHECKING:
    from .protocols import Connection, Timeout, UpdateFunc

__all__ = ["DicomBoxImportRequest", "Services", "TokenResult"]

# Users know it under this module.
DicomBoxImportRequest.__module__ = __name__

OVERWRITES = ("none", "append", "delete", "override")

#: Content types by suffix. XNAT makes the name of an import from its type again (RequestUtil.deriveFileName), so these
#: are its types and not IANA's: what it doesn't know has no suffix there, and "Unsupported format" is its answer.
CONTENT_TYPES = {
    ".zip": "application/zip",
    ".xar": "application/zip",
    ".tar": "application/x-tar",
    ".tgz": "application/x-gtar",
    ".tar.gz": "application/x-gtar",
    ".gz": "application/x-gzip",
    ".gzip": "application/x-gzip",
    ".dcm": "application/dicom",
    ".dicom": "application/dicom",
    ".ima": "application/dicom",
}
#: (where, how it begins, content type) for files whose name says nothing.
_MAGIC = (
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/x-gtar"),
    (257, b"ustar", "application/x-tar"),
    (128, b"DICM", "application/dicom"),
)
_UNKNOWN = "application/octet-stream"


class TokenResult(NamedTuple):
    """A login token: ``alias`` works as user name, ``secret`` as password, for two days by default."""

    alias: str
    secret: str

    def __repr__(self) -> str:
        # Who has the secret is the user; reprs end up in logs and notebooks.
        return f"TokenResult(alias={self.alias!r}, secret='...')"


class Services:
    """The class representing all service functions in XNAT found in the /data/services REST directory."""

    def __init__(self, xnat_session: Connection) -> None:
        self._session = xnat_session

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self._session

    # -- DICOM -------------------------------------------------------------------------------------------------------

    def dicom_dump(self, src: Any, fields: str | Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Retrieve the DICOM header of a scan's first file, as XNAT reads it. One GET.

        :param src: a scan, session or file (object), or its REST path; of the archive or the prearchive
        :param fields: fields to filter for: a name (``'PatientID'``), a number in the form GGGGEEEE
            (``'00100020'``), or a list of them
        :return: a list of dicts with ``tag1``, ``tag2``, ``vr``, ``value`` and ``desc``; empty without such fields
        :raises XNATResponseError: the server doesn't know a name (400)
        :raises XNATNotFoundError: no such session
        """
        query: dict[str, Any] = {"src": self._dump_path(src)}
        if fields is not None:
            query["field"] = [_tag(field) for field in ([fields] if isinstance(fields, str) else fields)]
        uri = "/data/services/dicomdump"
        rows = result_rows(self._session.get_json(uri, query=query), uri)
        # The values are made for a web page.
        return [
            {name: html.unescape(value) if isinstance(value, str) else value for name, value in row.items()}
            for row in rows
        ]

    def _dump_path(self, src: Any) -> str:
        if not isinstance(src, str) and not hasattr(src, "fulluri"):
            raise XNATValueError(f"src must be a scan, session or file, or the REST path of one, not {src!r}")
        path = archive_path(src if isinstance(src, str) else src.fulluri)
        segments = uris.split(path)
        if segments[:2] == ["archive", "experiments"] and len(segments) > 2:
            # The service answers such a path with an empty list (DicomDump.java knows /archive/projects/ only).
            found = self._session.create_object(uris.join("/data/experiments", segments[2]))
            rest = segments[3:]
            path = uris.join("/archive/projects", found.project, "experiments", found.id, *rest)
        return path

    # -- import ------------------------------------------------------------------------------------------------------

    def import_(
        self,
        path: str | os.PathLike[str] | None = None,
        overwrite: str | None = None,
        quarantine: bool = False,
        destination: str | None = None,
        trigger_pipelines: bool | None = None,
        project: Any = None,
        subject: Any = None,
        experiment: Any = None,
        content_type: str | None = None,
        *,
        data: bytes | IO[bytes] | None = None,
        import_handler: str | None = None,
        timeout: Timeout = None,
        ignore_unparsable: bool = False,
        direct_archive: bool = False,
        verbose: bool = False,
        update_func: UpdateFunc | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Import a file into XNAT using the import service. One POST, and a GET before it if project and experiment are
        given.

        The POST is never repeated. If its answer is lost on the way (a connection that breaks, a proxy that gives up)
        the server is asked for the session, as long as it works on it; the error says if that can't be told.

        Sessions that come into the archive cost a GET each, for their type.

        :param path: local path of the file to upload and import: zip, tar, tar.gz (XNAT 1.8.3+) or a DICOM file
        :param overwrite: how to handle existing data (``none``, ``append``, ``delete``)
        :param quarantine: flag to indicate session should be quarantined
        :param destination: the destination to upload the scan to: ``/archive`` (the default), ``/prearchive``, or a
            path below one of the two
        :param trigger_pipelines: indicate that archiving should trigger pipelines; by default XNAT does
        :param project: the project in the archive to assign the session to (ID or object)
        :param subject: the subject in the archive to assign the session to (label or object)
        :param experiment: the experiment in the archive to assign the session content to (label or object)
        :param content_type: overwrite the content type (by default it is guessed by name, else by content)
        :param data: the content itself, bytes or an open binary file, in place of ``path``
        :param import_handler: the server's importer, as ``'DICOM-zip'``, ``'SI'`` or ``'gradual-DICOM'``
        :param timeout: seconds of silence to bear; the server is silent while it unpacks, for minutes if need be
        :param ignore_unparsable: pass over files that aren't DICOM instead of failing (XNAT 1.8.3+)
        :param direct_archive: go round the prearchive (XNAT 1.8.3+)
        :param verbose: show a progress bar, if stdout is a terminal
        :param update_func: called with (bytes so far, bytes in all, finished)
        :param query: further parameters of the service: ``rename``, ``prevent_anon``, ``SOURCE``, ...
        :return: the experiment, or the session in the prearchive; a list of them if the archive held several
        :raises XNATResponseError: the server can't read it (400), or found a conflict with existing data (409, 400)
        :raises XNATUploadError: the file shrank while it was sent
        """
        parameters = {
            **self._parameters(
                overwrite, quarantine, destination, trigger_pipelines, project, subject, experiment, import_handler
            ),
            **({"Ignore-Unparsable": "true"} if ignore_unparsable else {}),
            **({"Direct-Archive": "true"} if direct_archive else {}),
            **(query or {}),
        }
        if (path is None) == (data is None):
            raise XNATValueError("import_() takes either the path of a file or data, and one of them")
        if path is None:
            return self._import(
                data, parameters, content_type or _sniffed(data) or "application/zip", timeout, verbose, update_func
            )
        place = Path(path).expanduser()
        if not place.is_file():
            hint = "; for a directory there is import_dir()" if place.is_dir() else ""
            raise FileNotFoundError(f"The file to import does not exist or is not a file: {place}{hint}")
        with place.open("rb") as file:
            return self._import(
                file, parameters, content_type or self.guess_content_type(place), timeout, verbose, update_func
            )

    def _parameters(
        self,
        overwrite: str | None,
        quarantine: bool,
        destination: str | None,
        trigger_pipelines: bool | None,
        project: Any,
        subject: Any,
        experiment: Any,
        import_handler: str | None,
    ) -> dict[str, str]:
        if overwrite is not None and overwrite not in OVERWRITES:
            raise XNATValueError(f"overwrite should be one of {', '.join(OVERWRITES)}, not {overwrite!r}")
        query = {
            # Without dest some handlers leave the data in the prearchive as if more were to come (DICOM-zip).
            "dest": _destination(destination or "/archive"),
            "overwrite": overwrite,
            "quarantine": flag_text("quarantine", quarantine) if quarantine else None,
            "triggerPipelines": flag_text("trigger_pipelines", trigger_pipelines),
            "project": project_id(project),
            "subject": label_of(subject),
            "session": label_of(experiment),
            "import-handler": import_handler,
        }
        return without_none(query)

    def _import(
        self,
        data: Any,
        query: Mapping[str, str],
        content_type: str,
        timeout: Timeout,
        verbose: bool,
        update_func: UpdateFunc | None,
    ) -> Any:
        from .transfer.progress import default_update_func, ignore
        from .transfer.sending import ShrunkError, UploadBody, opened

        update = update_func or (default_update_func(None) if verbose else ignore)
        # XNAT takes no body without a length, so a stream that doesn't know its own is put aside first.
        stream, length, mine = opened(data)
        try:
            if not length:
                raise XNATValueError("There is nothing to import: the file is empty")
            watch = ImportWatch(self._session, query["dest"], query.get("project"), query.get("session"))
            response = post(
                self._session,
                "/data/services/import",
                query,
                data=UploadBody(stream, length, update),
                headers={"Content-Type": content_type},
                accepted=(200, 201, 301),
                timeout=timeout,
            )
            update(length, length, True)
            found = answer_uris(response)
        except (XNATConnectionError, XNATResponseError) as error:
            if not is_lost(error):
                raise
            found = [watch.find(error)]
        except ShrunkError as error:
            raise XNATUploadError(f"The import was given up: {error}") from error
        finally:
            if mine:
                stream.close()
            # Whatever became of it: some of it may be there.
            self._session.registry.wrote("import", "any")
        return self._objects(found)

    def _objects(self, found: Sequence[str]) -> Any:
        objects = [uri if uri.startswith("/xapi/") else self._session.create_object(uri) for uri in found]
        if len(objects) == 1:
            return objects[0]
        self._session.logger.info("The import made %d sessions: %s", len(found), ", ".join(found))
        return objects

    def import_dir(
        self,
        directory: str | os.PathLike[str],
        overwrite: str | None = None,
        quarantine: bool = False,
        destination: str | None = None,
        trigger_pipelines: bool | None = None,
        project: Any = None,
        subject: Any = None,
        experiment: Any = None,
        import_handler: str | None = None,
        **options: Any,
    ) -> Any:
        """Import all files below a directory: they are put into a temporary zip file, which :meth:`import_` sends.

        Parameters are those of :meth:`import_`.

        :raises XNATValueError: there is no such directory, or no files in it
        """
        import tempfile

        from .transfer.archive import files_below, pack_zip

        folder = Path(directory).expanduser()
        if not folder.is_dir():
            raise XNATValueError(f"The directory to import does not exist or is not a directory: {folder}")
        files = files_below(folder)
        if not files:
            raise XNATValueError(f"There is nothing to import: {folder} holds no files")
        with tempfile.TemporaryFile(prefix="xnat-import-") as packed:
            pack_zip(files, packed)
            packed.seek(0)
            return self.import_(
                data=packed,
                overwrite=overwrite,
                quarantine=quarantine,
                destination=destination,
                trigger_pipelines=trigger_pipelines,
                project=project,
                subject=subject,
                experiment=experiment,
                content_type="application/zip",
                import_handler=import_handler,
                **options,
            )

    def import_dicom_inbox(
        self,
        path: str,
        cleanup: bool = False,
        project: Any = None,
        subject: Any = None,
        experiment: Any = None,
    ) -> Any:
        """Import what lies in the server's own inbox folder. One POST; the server works on it by itself (XNAT 1.8+).

        :param path: path of a folder or file as the server sees it
        :param cleanup: whether the server deletes it once it is imported
        :return: a :class:`DicomBoxImportRequest` to ask for progress, or the session if the server is done at once
        """
        query = {
            "import-handler": "inbox",
            "path": path,
            "cleanupAfterImport": flag_text("cleanup", cleanup),
            "PROJECT_ID": project_id(project),
            "SUBJECT_ID": label_of(subject),
            "EXPT_LABEL": label_of(experiment),
        }
        response = post(self._session, "/data/services/import", without_none(query))
        self._session.registry.wrote("import", "any")
        found = answer_uris(response)
        if len(found) == 1 and "/inbox/" in found[0]:
            return DicomBoxImportRequest(found[0], self._session)
        return self._objects(found)

    @staticmethod
    def guess_content_type(path: str | os.PathLike[str]) -> str:
        """The content type of a file to import, by its name, else by how it begins, else application/octet-stream."""
        name = os.fspath(path).lower()
        for suffix in sorted(CONTENT_TYPES, key=len, reverse=True):
            if name.endswith(suffix):
                return CONTENT_TYPES[suffix]
        try:
            with Path(path).open("rb") as file:
                return _sniffed(file) or _UNKNOWN
        except OSError:
            return _UNKNOWN

    # -- tokens ------------------------------------------------------------------------------------------------------

    def issue_token(self, user: str | None = None) -> TokenResult:
        """Issue a login token, by default for the current logged in user. One GET.

        To issue tokens for other users you must be an admin.

        :param user: user to issue token for, default is current user
        :return: token in a named tuple (alias, secret)
        :raises XNATForbiddenError: it isn't for this account to issue it
        """
        uri = "/data/services/tokens/issue"
        answer = self._session.get_json(uri if user is None else uris.join(uri, "user", user))
        try:
            # XNAT 1.6 has a number for the secret.
            return TokenResult(str(answer["alias"]), str(answer["secret"]))
        except (KeyError, TypeError):
            raise XNATResponseError("The server's answer holds no token", url=uri) from None

    def validate_token(self, alias: str | TokenResult, secret: str | None = None) -> str | None:
        """The login name a token stands for, None if it isn't valid (any more). One GET.

        :param alias: a token, or its alias
        """
        name, word = alias if isinstance(alias, TokenResult) else (alias, secret)
        if word is None:
            raise XNATValueError("A token is validated by its alias and its secret")
        answer = self._session.get_json(uris.join("/data/services/tokens/validate", name, word))
        valid = answer.get("valid") if isinstance(answer, Mapping) else None
        return str(valid) if valid else None

    def invalidate_token(self, alias: str | TokenResult) -> bool:
        """Make a token invalid. One GET.

        :param alias: a token, or its alias
        :return: whether there was such a token
        """
        name = alias.alias if isinstance(alias, TokenResult) else alias
        try:
            self._session.get_json(uris.join("/data/services/tokens/invalidate", name))
        except XNATNotFoundError:
            return False
        return True

    # -- catalogs ----------------------------------------------------------------------------------------------------

    def refresh_catalog(
        self,
        resource: Any,
        checksum: bool = False,
        delete: bool = False,
        append: bool = False,
        populate_stats: bool = False,
    ) -> None:
        """Let the server compare a catalog with its disk. One POST.

        :param resource: a resource, or an object with resources: the object or its REST path
        :param checksum: compute missing checksums
        :param delete: take out entries without a file
        :param append: add files that have no entry
        :param populate_stats: count files and bytes again
        """
        chosen = {"checksum": checksum, "delete": delete, "append": append, "populateStats": populate_stats}
        query: dict[str, Any] = {
            "resource": archive_path(resource if isinstance(resource, str) else resource.fulluri),
            "options": [name for name, wanted in chosen.items() if wanted],
        }
        post(self._session, "/data/services/refresh/catalog", query)
        self._session.registry.wrote("create", "file")

    def __repr__(self) -> str:
        return "<Services>"


def _destination(text: str) -> str:
    path = "/" + text.strip("/")
    path = path.removeprefix("/data") or "/"
    if not re.match(r"/(archive|prearchive)(/|\Z)", path):
        raise XNATValueError(f"The destination must begin with /archive or /prearchive, found {text!r}")
    return path


def _tag(field: str | int) -> str:
    """The name of a field, or its number as GGGGEEEE: ``(0010,0020)`` and pydicom's tags mean the same."""
    if isinstance(field, int):
        return f"{field:08x}"
    number = re.fullmatch(r"\(?([0-9A-Fa-f]{4}),\s?([0-9A-Fa-f]{4})\)?", field.strip())
    return "".join(number.groups()) if number else field.strip()


def _sniffed(data: Any) -> str | None:
    """The content type by how the content begins; None if it is none of ours, or can't be looked at."""
    if isinstance(data, (bytes, bytearray)):
        head = bytes(data[:512])
    elif hasattr(data, "seekable") and data.seekable():
        start = data.tell()
        head = data.read(512)
        data.seek(start)
    else:
        return None
    return next((kind for at, magic, kind in _MAGIC if head[at : at + len(magic)] == magic), None)
