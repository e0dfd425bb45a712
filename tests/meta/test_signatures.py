"""Signatures are those of the documentation: names, order and defaults; what is new can only be given by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import xnat
from xnat.inspect import Inspect
from xnat.prearchive import Prearchive, PrearchiveFile, PrearchiveScan, PrearchiveSession
from xnat.services import Services, TokenResult
from xnat.session import XNATSession, default_update_func
from xnat.users import User, Users

#: Written out from section 1.4 of the documentation of 0.3.16; a name alone has no default.
DOCUMENTED: list[tuple[Callable[..., Any], str]] = [
    (
        xnat.connect,
        "server, user=None, password=None, verify=True, netrc_file=None, debug=False, extension_types=True, "
        "loglevel=None, logger=None, detect_redirect=True, no_parse_model=False",
    ),
    (
        XNATSession,
        "server, logger, interface=None, user=None, password=None, keepalive=None, debug=False, original_uri=None, "
        "logged_in_user=None",
    ),
    (XNATSession.clearcache, ""),
    (XNATSession.delete, "path, headers=None, accepted_status=None, query=None, timeout=None"),
    (XNATSession.download, "uri, target, format=None, verbose=True, timeout=None"),
    (
        XNATSession.download_stream,
        "uri, target_stream, format=None, verbose=False, chunk_size=524288, update_func=None, timeout=None",
    ),
    (XNATSession.download_zip, "uri, target, verbose=True, timeout=None"),
    (XNATSession.get, "path, format=None, query=None, accepted_status=None, timeout=None, headers=None"),
    (XNATSession.get_json, "uri, query=None, accepted_status=None"),
    (XNATSession.head, "path, accepted_status=None, allow_redirects=False, timeout=None, headers=None"),
    (
        XNATSession.post,
        "path, data=None, json=None, format=None, query=None, accepted_status=None, timeout=None, headers=None",
    ),
    (
        XNATSession.put,
        "path, data=None, files=None, json=None, format=None, query=None, accepted_status=None, timeout=None, "
        "headers=None",
    ),
    (
        XNATSession.upload,
        "uri, file_, retries=1, query=None, content_type=None, method='put', overwrite=False, timeout=None",
    ),
    (default_update_func, "total"),
    (Inspect, "xnat_session"),
    (Inspect.datafields, "datatype, pattern='*', prepend_type=True"),
    (Inspect.datatypes, "pattern='*', fields_pattern=None"),
    (Prearchive, "xnat_session"),
    (Prearchive.sessions, "project=None"),
    (PrearchiveFile, "uri, xnat_session, id_=None, datafields=None, parent=None, fieldname=None"),
    (PrearchiveFile.download, "path"),
    (PrearchiveScan, "uri, xnat_session, id_=None, datafields=None, parent=None, fieldname=None"),
    (PrearchiveScan.dicom_dump, "fields=None"),
    (PrearchiveScan.download, "path"),
    (
        PrearchiveSession,
        "uri=None, xnat_session=None, id_=None, datafields=None, parent=None, fieldname=None, overwrites=None, "
        "**kwargs",
    ),
    (
        PrearchiveSession.archive,
        "overwrite=None, quarantine=None, trigger_pipelines=None, project=None, subject=None, experiment=None",
    ),
    (PrearchiveSession.delete, "asynchronous=None"),
    (PrearchiveSession.download, "path"),
    (PrearchiveSession.move, "new_project, asynchronous=None"),
    (PrearchiveSession.rebuild, "asynchronous=None"),
    (Services, "xnat_session"),
    (Services.dicom_dump, "src, fields=None"),
    (
        Services.import_,
        "path, overwrite=None, quarantine=False, destination=None, trigger_pipelines=None, project=None, "
        "subject=None, experiment=None, content_type=None",
    ),
    (Services.issue_token, "user=None"),
    (TokenResult, "alias, secret"),
    (User, "data"),
    (Users, "xnat_session"),
]

#: Documented as required, and optional here: the environment can name the server, and data can be given for a path.
DEPARTURES = {("connect", "server"), ("import_", "path")}

#: What later releases have, as far as scripts give it by position.
OF_THE_CLASSES: list[tuple[str, str, str]] = [
    ("SubjectData", "share", "project, label=None"),
    ("SubjectData", "download_dir", "target_dir, verbose=True"),
    ("SubjectData", "delete", "remove_files=True"),
    ("SubjectData", "get", "name, type_=None"),
    ("SubjectData", "get_object", "fieldname, type_=None"),
    ("SubjectData", "set", "name, value, type_=None, timeout=None"),
    ("SubjectData", "mset", "values=None, timeout=None, **kwargs"),
    ("SubjectData", "del_", "name"),
    ("SubjectData", "external_uri", "query=None, scheme=None"),
    ("ProjectData", "download_dir", "target_dir, verbose=True"),
    ("ProjectData", "set_access", "user, level"),
    ("ProjectData", "remove_access", "user"),
    ("MrSessionData", "share", "project, label=None"),
    ("MrSessionData", "create_assessor", "label, type_"),
    ("MrSessionData", "download", "path, scan_filter='ALL', verbose=True"),
    ("MrSessionData", "download_dir", "target_dir, scan_filter='ALL', verbose=True"),
    ("QcManualAssessorData", "download", "path, verbose=True"),
    ("MrScanData", "create_resource", "label, format=None, data_dir=None, method=None"),
    ("MrScanData", "dicom_dump", "fields=None"),
    ("MrScanData", "download", "path, verbose=True"),
    ("ResourceCatalog", "download", "path, verbose=True"),
    ("ResourceCatalog", "download_dir", "target_dir, verbose=True, flatten_dirs=False"),
    (
        "ResourceCatalog",
        "upload",
        "data=None, remotepath=None, overwrite=False, extract=False, file_content=None, file_format=None, "
        "file_tags=None, **kwargs",
    ),
    (
        "ResourceCatalog",
        "upload_data",
        "data, remotepath, overwrite=False, extract=False, file_content=None, file_format=None, file_tags=None, "
        "**kwargs",
    ),
    ("FileData", "open", "mode='rb'"),
    ("FileData", "download", "path, verbose=True"),
    ("FileData", "download_stream", "target_stream, verbose=False"),
]


def described(function: Callable[..., Any]) -> tuple[list[tuple[str, Any]], list[str]]:
    """(name, default) of what can be given by position, ``**kwargs`` included; names of what can't."""
    positional, named = [], []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            named.append(parameter.name)
        else:
            stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
            positional.append((stars + parameter.name, parameter.default))
    return positional, named


def documented(text: str) -> list[tuple[str, Any]]:
    """(name, default) of a signature as text."""
    scope: dict[str, Any] = {}
    exec(f"def function({text}): pass", scope)
    return described(scope["function"])[0]


@pytest.mark.parametrize(
    ("function", "text"), DOCUMENTED, ids=[getattr(function, "__qualname__", "") for function, _ in DOCUMENTED]
)
def test_signature_is_the_documented_one(function: Callable[..., Any], text: str) -> None:
    expected = [
        (name, None if (function.__name__, name) in DEPARTURES else default) for name, default in documented(text)
    ]
    assert described(function)[0] == expected


@pytest.mark.parametrize(("cls", "method", "text"), OF_THE_CLASSES, ids=[".".join(row[:2]) for row in OF_THE_CLASSES])
def test_signature_of_a_generated_class(classes: Any, cls: str, method: str, text: str) -> None:
    assert described(getattr(getattr(classes, cls), method))[0] == documented(text)


@pytest.fixture(scope="module")
def classes(sandbox: Any) -> Any:
    with xnat.connect(sandbox.url, user=sandbox.user, password=sandbox.password) as session:
        yield session.classes
