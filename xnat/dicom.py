"""DICOM at a distance: headers of files on the server, read only as far as the headers go; needs the extra ``dicom``.

::

    rows = xnat.dicom.header_table(project, ['SeriesDescription', 'EchoTime', 'PixelSpacing'])
    pandas.DataFrame(rows)
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import uris
from .core.answers import result_rows
from .core.kinds import file_path, file_uri
from .exceptions import XNATNotFoundError, XNATValueError
from .remotefile import RemoteFile

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

__all__ = ["HeaderFile", "dicom_files", "header_table", "is_dicom", "read_headers", "read_scan"]

#: Bytes to read at a time: headers take a few KB.
_PIECE = 1 << 13
#: Headers asked for ahead of the one that is looked at, per worker.
_AHEAD = 4
#: Values that don't fit into a cell of a table.
_NOT_IN_TABLES = frozenset({"SQ", "OB", "OW", "OD", "OF", "OL", "OV", "UN"})


@dataclass(frozen=True)
class HeaderFile:
    """A DICOM file on the server.

    :ivar uri: its REST path
    :ivar experiment: label of its session
    :ivar scan: ID of its scan
    :ivar path: its path below its resource
    :ivar size: bytes, where known
    """

    uri: str
    experiment: str
    scan: str
    path: str
    size: int | None


def is_dicom(row: Mapping[str, Any]) -> bool:
    """Whether a row of a listing of files says that the file is DICOM: by its format, resource or name."""
    if str(row.get("file_format", "")).upper() == "DICOM" or str(row.get("collection", "")).upper() == "DICOM":
        return not str(row.get("Name", "")).lower().endswith((".xml", ".gif", ".json"))
    return str(row.get("Name", "")).lower().endswith((".dcm", ".ima"))


def read_scan(scan: Any, file: Any = None, read_pixel_data: bool = False, force: bool = False) -> FileDataset:
    """The DICOM data of one file of a scan; see ``scan.read_dicom()``."""
    uri, size = _chosen(scan, file)
    return _read(scan.xnat_session.client, uri, size, read_pixel_data=read_pixel_data, force=force)


def _chosen(scan: Any, file: Any) -> tuple[str, int | None]:
    """Address and size of the file that is meant."""
    if file is not None and not isinstance(file, str):
        if not hasattr(file, "size"):
            raise XNATValueError(f"{file!r} is no file of {scan!r}; give one of its files, or its path or name")
        return file.uri, file.size
    uri = f"{scan._short_uri}/files"
    rows = result_rows(scan.xnat_session.get_json(uri), uri)
    wanted = [row for row in rows if (is_dicom(row) if file is None else file in (row.get("Name"), file_path(row)))]
    if not wanted:
        what = "no DICOM file" if file is None else f"no file {file!r}"
        resources = sorted({str(row.get("collection")) for row in rows})
        raise XNATValueError(
            f"{scan!r} has {what}; it has {len(rows)} files in {', '.join(resources) or 'no resource'}"
        )
    row = min(wanted, key=file_path)
    return file_uri(row), _size(row)


def _size(row: Mapping[str, Any]) -> int | None:
    size = str(row.get("Size", ""))
    return int(size) if size.isdigit() else None


def _read(client: Any, uri: str, size: int | None, *, read_pixel_data: bool, force: bool) -> FileDataset:
    from pydicom import dcmread

    with RemoteFile(client, uri, size) as raw:
        # Large buffers save calls where all is read anyway.
        buffered = io.BufferedReader(raw, (1 << 18) if read_pixel_data else _PIECE)
        data = dcmread(buffered, stop_before_pixels=not read_pixel_data, force=force)
        # The data set must not hold on to the connection.
        buffered.detach()
    data.filename = uris.unquote(uris.split(uri)[-1])
    data.fileobj_type = data.buffer = None
    return data


# -- many files --------------------------------------------------------------------------------------------------------


def dicom_files(where: Any, *, every_file: bool = False) -> Iterator[HeaderFile]:
    """The DICOM files of the scans of a project, subject, image session or scan. One request per session.

    :param every_file: all of them; by default the first of each scan
    """
    kind = getattr(where, "KIND", "")
    if kind in ("project", "subject"):
        for experiment in where.experiments.values():
            if getattr(type(experiment), "scans", None) is not None:
                yield from dicom_files(experiment, every_file=every_file)
        return
    if kind not in ("experiment", "scan"):
        raise XNATValueError(f"Scans are looked for in projects, subjects, sessions and scans, not in {where!r}")
    session = where if kind == "experiment" else where.image_session
    uri = f"{where._short_uri}/{'files' if kind == 'scan' else 'scans/ALL/files'}"
    try:
        rows = result_rows(where.xnat_session.get_json(uri), uri)
    except XNATNotFoundError:
        return  # a session without scans
    found = sorted(
        (HeaderFile(file_uri(row), session.label, _scan_of(row), file_path(row), _size(row))
         for row in rows if is_dicom(row)),
        key=lambda file: (file.scan, file.path),
    )  # fmt: skip
    last = None
    for file in found:
        if every_file or file.scan != last:
            yield file
        last = file.scan


def _scan_of(row: Mapping[str, Any]) -> str:
    segments = uris.split(file_uri(row))
    return segments[segments.index("scans") + 1]


def read_headers(
    where: Any, *, every_file: bool = False, workers: int = 16, force: bool = False
) -> Iterator[tuple[HeaderFile, FileDataset | Exception]]:
    """The headers of many files, several at a time, in their order; an error stands in place of its header.

    :param where: a project, subject, image session or scan
    :param every_file: of all files; by default of the first of each scan
    :param workers: so many at once
    :param force: take for DICOM what has no mark of it
    """
    client = where.xnat_session.client

    def read(file: HeaderFile) -> FileDataset | Exception:
        try:
            return _read(client, file.uri, file.size, read_pixel_data=False, force=force)
        except Exception as error:  # it is the caller's to see, beside the headers that could be read
            return error

    yield from _in_order(read, dicom_files(where, every_file=every_file), workers)


def _in_order(
    read: Callable[[HeaderFile], Any], files: Iterator[HeaderFile], workers: int
) -> Iterator[tuple[HeaderFile, Any]]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="xnat-headers")
    waiting: deque[tuple[HeaderFile, Future[Any]]] = deque()
    try:
        for file in files:
            waiting.append((file, pool.submit(read, file)))
            if len(waiting) >= workers * _AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def header_table(
    where: Any,
    tags: Sequence[str | int] | None = None,
    *,
    every_file: bool = False,
    workers: int = 16,
    force: bool = False,
) -> list[dict[str, Any]]:
    """The headers of the scans of a project, subject or image session as a table: a dict per scan.

    Besides the tags, rows have ``experiment``, ``scan``, ``file``, ``uri``, and ``error`` (None, or why there is no
    header). Values are text, numbers, or lists of these; dates and times are text as DICOM has them.

    :param tags: keywords (``'EchoTime'``) or numbers (``0x00180081``); by default all that fit into a table: no
        sequences and no binary data
    :param every_file: a row per file
    :raises XNATValueError: a keyword that DICOM doesn't know
    """
    wanted = None if tags is None else _checked(tags)
    table = []
    for file, header in read_headers(where, every_file=every_file, workers=workers, force=force):
        row = {"experiment": file.experiment, "scan": file.scan, "file": file.path, "uri": file.uri, "error": None}
        if isinstance(header, Exception):
            table.append({**row, "error": f"{type(header).__name__}: {header}"})
        else:
            table.append({**row, **_cells(header, wanted)})
    return table


def _checked(tags: Sequence[str | int]) -> dict[str, int]:
    """Column → tag."""
    from pydicom.datadict import keyword_for_tag, tag_for_keyword

    found: dict[str, int] = {}
    for given in tags:
        number = tag_for_keyword(given) if isinstance(given, str) else int(given)
        if number is None:
            raise XNATValueError(f"DICOM has no keyword {given!r}; it is written as in 'PatientID'")
        found[given if isinstance(given, str) else keyword_for_tag(number) or f"{number:08X}"] = number
    return found


def _cells(header: Any, wanted: Mapping[str, int] | None) -> dict[str, Any]:
    if wanted is not None:
        return {column: _value(header[tag]) if tag in header else None for column, tag in wanted.items()}
    elements = [*header.file_meta, *header] if getattr(header, "file_meta", None) else [*header]
    return {element.keyword: _value(element) for element in elements if element.keyword and _fits(element)}


def _fits(element: Any) -> bool:
    return element.VR not in _NOT_IN_TABLES


def _value(element: Any) -> Any:
    from pydicom.multival import MultiValue

    value = element.value
    if isinstance(value, (MultiValue, list, tuple)):
        return [_plain(item) for item in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Numbers as numbers, everything else as text: pydicom's own types would need pydicom to be read back."""
    if value is None or isinstance(value, (bool, bytes)) or type(value) in (int, float, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) or type(value).__name__ == "DSdecimal":
        return float(value)
    return str(value)
