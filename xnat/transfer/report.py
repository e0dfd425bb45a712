"""What happened to each file of a transfer.

A transfer never stops telling at the first failure: every file has a :py:class:`FileResult`, all of them make a
:py:class:`TransferReport`, and failures end in one :py:class:`~xnat.exceptions.XNATTransferError` that carries it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, get_args, overload

from xnat.exceptions import XNATTransferError, XNATUnsafeArchiveError

from .progress import human_bytes

__all__ = ["FILE_STATES", "FileResult", "FileState", "TransferReport", "UnsafeTransferError"]

#: ``verified``: size and a checksum of the server (MD5 of its listing, or the CRC in its zip) agreed.
#: ``size-only``: the size agreed, the server gave no checksum. ``unverifiable``: the server gave neither.
#: ``skipped``: complete already, or kept on request. ``deleted``: vanished on the server, removed here.
FileState = Literal["verified", "size-only", "unverifiable", "skipped", "deleted", "failed"]
FILE_STATES: tuple[str, ...] = get_args(FileState)

_SHOWN = 10


@dataclass(frozen=True)
class FileResult:
    """What happened to one file.

    :ivar path: the local file
    :ivar uri: the file on the server
    :ivar state: see :py:data:`FileState`
    :ivar size: bytes of the file, if known
    :ivar digest: MD5 of the bytes, if it was computed or known
    :ivar error: why it failed, else None
    :ivar note: a remark for people
    """

    path: PurePath
    uri: str
    state: FileState
    size: int | None = None
    digest: str | None = None
    error: BaseException | None = None
    note: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the file is as it should be."""
        return self.state != "failed"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "path": self.path.as_posix(),
            "uri": self.uri,
            "state": self.state,
            "size": self.size,
            "digest": self.digest,
            "error": None if self.error is None else f"{type(self.error).__name__}: {self.error}",
            "note": self.note,
        }


class UnsafeTransferError(XNATUnsafeArchiveError, XNATTransferError):
    """Several files were asked for and an archive with them was refused; carries the report like any transfer error."""


class TransferReport(Sequence[FileResult]):
    """The results of a transfer, in the order they came; read it like a list.

    :ivar bytes: bytes that went over the wire for files that arrived
    :ivar seconds: how long it took
    """

    def __init__(self, results: Iterable[FileResult] = (), *, seconds: float = 0.0, what: str = "transfer") -> None:
        self._results = list(results)
        self.seconds = seconds
        self.what = what

    @overload
    def __getitem__(self, index: int) -> FileResult: ...

    @overload
    def __getitem__(self, index: slice) -> list[FileResult]: ...

    def __getitem__(self, index: int | slice) -> FileResult | list[FileResult]:
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[FileResult]:
        return iter(self._results)

    def __bool__(self) -> bool:
        return True  # an empty report is still a report

    def add(self, result: FileResult) -> None:
        """Note one more result."""
        self._results.append(result)

    def extend(self, results: Iterable[FileResult]) -> None:
        """Note the results of another transfer."""
        self._results.extend(results)

    def having(self, *states: FileState) -> list[FileResult]:
        """The results in one of these states."""
        return [result for result in self._results if result.state in states]

    @property
    def verified(self) -> list[FileResult]:
        """Files whose checksum agreed."""
        return self.having("verified")

    @property
    def size_only(self) -> list[FileResult]:
        """Files whose size agreed; the server gave no checksum."""
        return self.having("size-only")

    @property
    def unverifiable(self) -> list[FileResult]:
        """Files the server told neither size nor checksum of."""
        return self.having("unverifiable")

    @property
    def transferred(self) -> list[FileResult]:
        """Files that went over the wire and are in place."""
        return self.having("verified", "size-only", "unverifiable")

    @property
    def skipped(self) -> list[FileResult]:
        """Files that were complete already or kept on request."""
        return self.having("skipped")

    @property
    def deleted(self) -> list[FileResult]:
        """Files that vanished on the server and were removed here."""
        return self.having("deleted")

    @property
    def failed(self) -> list[FileResult]:
        """Files that did not make it."""
        return self.having("failed")

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    @property
    def bytes(self) -> int:
        """Bytes of the files that were transferred."""
        return sum(result.size or 0 for result in self.transferred)

    def raise_for_failures(self) -> None:
        """Raise one error for all failed files, carrying this report; do nothing if there are none.

        :raises xnat.exceptions.XNATTransferError: something failed (an unsafe archive is also an
            :py:class:`~xnat.exceptions.XNATUnsafeArchiveError`)
        """
        failed = self.failed
        if not failed:
            return
        message = self._failure_text(failed)
        unsafe = next((r.error for r in failed if isinstance(r.error, XNATUnsafeArchiveError)), None)
        if unsafe is not None:
            error = UnsafeTransferError(message, self)
            error.member = unsafe.member
            raise error from unsafe
        raise XNATTransferError(message, self) from failed[0].error

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "ok": self.ok,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "counts": dict(Counter(result.state for result in self._results)),
            "files": [result.to_dict() for result in self._results],
        }

    def to_json(self, indent: int | None = None) -> str:
        """The report as JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def __repr__(self) -> str:
        counts: Counter[str] = Counter(result.state for result in self._results)
        parts = [f"{counts[state]} {state}" for state in FILE_STATES if counts[state]]
        rate = f", {human_bytes(self.bytes / self.seconds)}/s" if self.seconds > 0 and self.bytes else ""
        words = ", ".join(parts) or "nothing to do"
        return f"<TransferReport {self.what}: {words}; {human_bytes(self.bytes)} in {self.seconds:.1f} s{rate}>"

    def _repr_html_(self) -> str:
        # What failed is what somebody has to look at.
        rows = self.failed + [result for result in self._results if result.ok]
        cells = [[str(row.path), row.state, str(row.size or 0), str(row.error or row.note or "")] for row in rows]
        return files_html(repr(self)[1:-1], ("file", "state", "bytes", "remark"), cells)

    def _failure_text(self, failed: list[FileResult]) -> str:
        if len(failed) == 1:
            return f"{self.what}: {failed[0].path} failed: {failed[0].error}"
        lines = [f"{self.what}: {len(failed)} of {len(self)} files failed"]
        lines += [f"  {result.path}: {result.error}" for result in failed[:_SHOWN]]
        if len(failed) > _SHOWN:
            lines.append(f"  … and {len(failed) - _SHOWN} more")
        return "\n".join(lines)


def files_html(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of files for notebooks: the first of them, and how many more there are. Names are escaped."""
    import html

    left = ' style="text-align: left"'
    lines = ["".join(f"<td{left}>{html.escape(cell)}</td>" for cell in row) for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        lines.append(f'<td colspan="{len(columns)}"{left}>... {len(rows) - _SHOWN} more</td>')
    head = "".join(f"<th{left}>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<p>{html.escape(caption)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
