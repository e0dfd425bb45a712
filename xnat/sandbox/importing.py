"""The import service's work: a file on the server's disk becomes sessions in the prearchive or the archive.

Which of several studies goes where is decided by the request first (``dest`` and the parameters ``project``,
``subject`` and ``session``), by the files' headers otherwise.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .archiving import Conflict, Merge, archive, archive_uri
from .dicom import Study, read_all, sort
from .errors import Refused
from .prearchive import Intake
from .store import PrearchiveRow, Store, User
from .unpack import BadArchive, Member, unpack

__all__ = ["HANDLERS", "Importer", "Options", "merge_options", "truth", "upload_name"]

HANDLERS = ("SI", "DICOM-zip", "gradual-DICOM", "inbox", "XAR")
# A body without a file name is named after its type; octet-stream gives no extension, and so no known format.
SUFFIXES = {
    "application/zip": ".zip", "application/x-zip-compressed": ".zip", "application/x-tar": ".tar",
    "application/x-gtar": ".tar.gz", "application/gzip": ".gzip", "application/x-gzip": ".gzip",
    "application/dicom": ".dcm",
}  # fmt: skip
EXTRA = ("prevent_anon", "prevent_auto_commit", "SOURCE", "VISIT")
OVERWRITES = ("", "none", "append", "delete", "override")


def truth(value: str | None) -> bool:
    """Whether a parameter says yes."""
    return (value or "").strip().lower() in ("true", "1", "yes")


def merge_options(params: Mapping[str, str]) -> Merge:
    """What the request says about sessions that exist already."""
    overwrite = params.get("overwrite", "").lower()
    if overwrite not in OVERWRITES:
        raise Refused(400, f"Unknown value for overwrite: {overwrite}")
    quarantine = params.get("quarantine")
    return Merge(
        overwrite or "none", truth(params.get("overwrite_files")), None if quarantine is None else truth(quarantine)
    )


@dataclass
class Options:
    """An import's parameters, understood."""

    handler: str = "SI"
    area: str = ""
    """``archive``, ``prearchive`` or '' when ``dest`` does not say."""
    project: str = ""
    subject: str = ""
    session: str = ""
    stamp: str = ""
    merge: Merge = field(default_factory=Merge)
    commit: bool = False
    auto_archive: bool = False
    ignore_unparsable: bool = False
    rename: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, handler: str, params: Mapping[str, str]) -> Options:
        """The options of a request; 400 for what makes no sense."""
        if params.get("prearchive_code") == "1" and params.get("overwrite"):
            raise Refused(400, "Conflicting parameters: prearchive_code and overwrite")
        options = cls(
            handler=handler,
            project=_first(params, "project", "PROJECT_ID", "xnat:subjectAssessorData/project"),
            subject=_first(params, "subject", "SUBJECT_ID", "subject_ID", "xnat:subjectAssessorData/subject_id"),
            session=_first(params, "session", "EXPT_LABEL", "expt_label", "xnat:experimentData/label"),
            merge=merge_options(params),
            commit=params.get("action") == "commit",
            auto_archive=truth(params.get("AA")) or truth(params.get("auto-archive")),
            ignore_unparsable=truth(params.get("Ignore-Unparsable")) or params.get("action") == "commit",
            rename=truth(params.get("rename")),
            extra={name: params[name] for name in EXTRA if name in params},
        )
        options._read_destination(params.get("dest", ""))
        return options

    def _read_destination(self, dest: str) -> None:
        parts = [part for part in dest.split("/") if part]
        if parts[:1] in (["data"], ["REST"]):
            parts = parts[1:]
        if not parts:
            return
        self.area, rest = parts[0], parts[1:]
        if self.area == "archive":
            names = {"projects": "project", "subjects": "subject", "experiments": "session"}
            pairs = list(zip(rest[::2], rest[1::2], strict=False))
            if len(rest) % 2 or [word for word, _ in pairs] != list(names)[: len(pairs)]:
                raise Refused(400, "Parameter dest format error")
            for word, value in pairs:
                setattr(self, names[word], value)
        elif self.area == "prearchive":
            if rest and (rest[0] != "projects" or not 2 <= len(rest) <= 4):
                raise Refused(400, "Parameter dest format error")
            for name, value in zip(("project", "stamp", "session"), rest[1:], strict=False):
                setattr(self, name, value)
        else:
            raise Refused(400, "Parameter dest format error")


def _first(params: Mapping[str, str], *names: str) -> str:
    return next((params[name].strip() for name in names if params.get(name, "").strip()), "")


class Importer:
    """One import: ``run()`` gives the URIs of the sessions it made or filled."""

    def __init__(self, store: Store, user: User, options: Options) -> None:
        self._store = store
        self._user = user
        self._options = options
        self._intake = Intake(store)

    def run(self, path: Path, name: str) -> list[str]:
        """Import one file, an archive or a single DICOM object."""
        self._resolve_project()
        folder = Path(tempfile.mkdtemp(dir=self._store.scratch()))
        try:
            members = unpack(path, name, folder)
            return self._import(members)
        except BadArchive as error:
            raise Refused(400, str(error)) from error
        except Conflict as conflict:
            raise Refused(409 if self._options.handler == "SI" else 400, str(conflict)) from conflict
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _resolve_project(self) -> None:
        name = self._options.project
        if name in ("", "Unassigned"):
            self._options.project = ""
            return
        record = self._store.archive.project(name)
        if record is None or not self._store.users.can(self._user, "read", record):
            raise Refused(404, f"Unable to identify project: {name}")
        if not self._store.users.can(self._user, "edit", record):
            raise Refused(403, f"Invalid permissions for project: {record.id}")
        self._options.project = record.id

    def _import(self, members: list[Member]) -> list[str]:
        strict = self._options.handler != "SI" and not self._options.ignore_unparsable
        if not strict:
            good, bad = read_all(members)
            if not good:
                first = bad[0] if bad else "the upload"
                raise Refused(400, f"unable to read DICOM object {first}")
            return self._place(sort(good))
        for count, member in enumerate(members):
            _, bad = read_all([member])
            if bad:  # what came before it stays, as on a server that reads entry by entry
                self._receive(sort(read_all(members[:count])[0]))
                raise Refused(400, f"unable to read DICOM object {member.name}")
        studies = sort(read_all(members)[0])
        if not studies:
            raise Refused(400, "unable to read DICOM object: the upload has none")
        return self._place(studies)

    def _receive(self, studies: list[Study]) -> list[PrearchiveRow]:
        return [self._receive_one(study) for study in studies]

    def _receive_one(self, study: Study) -> PrearchiveRow:
        options = self._options
        project = options.project or self._routed_project(study)
        into = None
        if options.stamp and options.session:
            into = self._store.prearchive.get(project, options.stamp, options.session)
            if into and options.handler == "DICOM-zip" and into.tag != study.uid:
                raise Conflict(f"{into.url} holds another study: {into.tag}")
        return self._intake.receive(
            study, project, subject=options.subject, session=options.session, merge=options.handler != "SI", into=into,
            stamp=options.stamp, rename=options.rename, extra=options.extra, user=self._user.login,
        )  # fmt: skip

    def _routed_project(self, study: Study) -> str:
        """The first project the headers name that exists and that the user may fill; '' is Unassigned."""
        for name in study.projects:
            record = self._store.archive.project(name)
            if record and self._store.users.can(self._user, "edit", record):
                return record.id
        return ""

    def _place(self, studies: list[Study]) -> list[str]:
        rows: dict[int, PrearchiveRow] = {}
        for row in self._receive(studies):
            rows[row.key] = row
        return [self._finish(row) for row in rows.values()]

    def _finish(self, row: PrearchiveRow) -> str:
        """Build, archive or leave alone what was received, by handler and destination."""
        options = self._options
        committing = options.handler == "SI" or options.area != "" or options.commit
        if options.handler == "gradual-DICOM":
            committing = options.commit
        if not committing:
            return f"/data{row.url}"
        self._intake.build(row)
        if not row.project or not self._wants_archive(row):
            return f"/data{row.url}"
        return archive_uri(self._store, archive(self._store, row, self._merge(row), user=self._user.login))

    def _wants_archive(self, row: PrearchiveRow) -> bool:
        if self._options.area == "prearchive":
            return self._options.commit and self._options.auto_archive
        return self._options.area == "archive" or self._options.auto_archive or row.autoarchive.startswith("Auto")

    def _merge(self, row: PrearchiveRow) -> Merge:
        if self._options.merge.overwrite == "none" and row.autoarchive == "AutoArchiveOverwrite":
            return Merge("append", True, self._options.merge.quarantine)
        return self._options.merge


def upload_name(content_type: str, filename: str) -> str:
    """The upload's name: its own, or one made from the content type as the server does for bodies without a name."""
    if filename:
        return re.split(r"[/\\]", filename)[-1] or "upload"
    suffix = SUFFIXES.get(content_type.partition(";")[0].strip().lower(), "")
    return f"upload{suffix}"
