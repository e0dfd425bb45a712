"""Demo content: two projects filled over REST with the real DICOM files that the pydicom package brings along.

Nothing is downloaded and no file is changed: what was imported can be compared byte for byte with ``pydicom_files()``.
"""

from __future__ import annotations

import base64
import functools
import http.client
import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode, urlsplit

import pydicom.data

from .dicom import FALLBACK_LABEL, Study, read, session_type, sort

__all__ = ["PROJECTS", "fill", "pydicom_files"]

PROJECTS = {
    "sandbox": {"name": "sandbox project", "description": "A place to try things out"},
    "brainimages": {
        "name": "Brain Image Analysis", "description": "Heads and necks, of several scanners",
        "xnat:projectData/PI/firstname": "Jane", "xnat:projectData/PI/lastname": "Doe",
    },
}  # fmt: skip
# Where studies go that are not placed by their headers: by one file of the study.
PLACES = {
    "test_files/dicomdirtests/98892003/MR700/4467": ("brainimages", "ANONYMIZ", "ANONYMIZ"),
    "test_files/dicomdirtests/98892003/MR1/4919": ("brainimages", "Doe_Peter", "Peter_Brain"),
    "test_files/dicomdirtests/98892003/MR1/15820": ("brainimages", "Doe_Peter", "Peter_Carotids"),
    "test_files/dicomdirtests/98892001/CT5N/2062": ("brainimages", "Doe_Peter", "Peter_CT"),
    "test_files/dicomdirtests/77654033/CR1/6154": ("brainimages", "Doe_Archibald", "Archibald_CR"),
    "test_files/dicomdirtests/77654033/CT2/17106": ("brainimages", "Doe_Archibald", "Archibald_CT"),
    "test_files/MR_small.dcm": ("sandbox", "test001", "test001_MR"),
    "test_files/CT_small.dcm": ("sandbox", "test001", "test001_CT"),
    "test_files/examples_overlay.dcm": ("sandbox", "test002", "test002_MR"),
}
DEMOGRAPHICS = {
    ("brainimages", "ANONYMIZ"): {"gender": "female", "yob": "1976", "handedness": "right"},
    ("brainimages", "Doe_Peter"): {"gender": "male", "dob": "1957-03-05", "handedness": "left"},
    ("sandbox", "test001"): {"gender": "unknown", "yob": "1980"},
}
TEXTS = {
    "readme.txt": b"Demo content of the sandbox server.\n",
    "protocols/scan order.txt": b"1. localizer\n2. T1\n3. angiography\n",
    "measurements.csv": b"label,volume_ml\nANONYMIZ,0\n",
}


class Server(Protocol):
    """What a running sandbox tells about itself."""

    url: str
    user: str
    password: str


def _folder() -> Path:
    return Path(pydicom.data.__file__).parent


@functools.lru_cache(maxsize=1)
def _studies() -> tuple[Study, ...]:
    """The studies of all DICOM files of the installed package; the names are relative to its data folder."""
    found = []
    for path in sorted(_folder().rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc", ".txt", ".json", ".md", ".gz", ".icc", ".dump"):
            instance = read(path, path.relative_to(_folder()).as_posix())
            if instance is not None:
                found.append(instance)
    return tuple(sort(found))


def pydicom_files() -> dict[str, bytes]:
    """Every file ``fill`` imports, by its path in pydicom's data folder; the archive keeps its last part."""
    return {entry.name: entry.path.read_bytes() for study in _studies() for entry in study.instances}


def fill(server: str | Server, user: str = "admin", password: str = "admin") -> None:  # noqa: S107 - the sandbox's own
    """Fill a running, empty sandbox, given by its URL and a login, or as a ``Sandbox``."""
    url, user, password = (
        (server, user, password) if isinstance(server, str) else (server.url, server.user, server.password)
    )
    rest = _Rest(url, user, password)
    try:
        for project, fields in PROJECTS.items():
            rest.put(f"/data/projects/{project}", **fields)
        labels: Counter[str] = Counter()
        for study in _studies():
            _import(rest, study, *_place(study, labels))
        _decorate(rest)
    finally:
        rest.close()


def _place(study: Study, labels: Counter[str]) -> tuple[str, str, str]:
    """Project, subject and session of a study: from the table, or from its headers with a label made unique."""
    for instance in study.instances:
        if instance.name in PLACES:
            return PLACES[instance.name]
    subject = "unknown" if study.subject == FALLBACK_LABEL else study.subject
    stem = session_type(instance.modality for instance in study.instances)
    kind = stem.removeprefix("xnat:").removesuffix("SessionData")
    label = f"{subject if study.session == FALLBACK_LABEL else study.session}_{kind.upper()}"
    labels[label] += 1
    return "sandbox", subject, label if labels[label] == 1 else f"{label}_{labels[label]}"


def _import(rest: _Rest, study: Study, project: str, subject: str, session: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for instance in study.instances:
            archive.write(instance.path, instance.name)
    dest = f"/archive/projects/{project}/subjects/{subject}/experiments/{session}"
    rest.send("POST", "/data/services/import?" + urlencode({"dest": dest}), out.getvalue(), "application/zip")


def _decorate(rest: _Rest) -> None:
    """Give some of the objects what no DICOM file brings: demographics, files, an assessor, custom variables."""
    for (project, subject), fields in DEMOGRAPHICS.items():
        rest.put(f"/data/projects/{project}/subjects/{subject}", **fields)
    session = "/data/projects/brainimages/subjects/ANONYMIZ/experiments/ANONYMIZ"
    rest.put(session, **{"xnat:mrSessionData/fields/field[name=brain_volume]/field": "0"})
    rest.put(f"{session}/assessors/ANONYMIZ_QC", **{
        "xsiType": "xnat:qcManualAssessorData", "xnat:qcManualAssessorData/rater": "Jane Doe",
        "xnat:qcManualAssessorData/pass": "1",
    })  # fmt: skip
    for where in ("/data/projects/sandbox", session):
        rest.put(f"{where}/resources/NOTES", format="TEXT", content="notes")
        for name, data in TEXTS.items():
            path = f"{where}/resources/NOTES/files/{quote(name)}"
            rest.send("PUT", f"{path}?inbody=true", data, "application/octet-stream")


class _Rest:
    """Requests to the server, with nothing but the standard library."""

    def __init__(self, url: str, user: str, password: str) -> None:
        parts = urlsplit(url)
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = make(parts.hostname or "127.0.0.1", parts.port, timeout=120)
        self._context = parts.path.rstrip("/")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "User-Agent": "xnat-sandbox-demo"}

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def put(self, path: str, **fields: str) -> bytes:
        """PUT fields as a query."""
        return self.send("PUT", f"{path}?{urlencode({'req_format': 'qs', **fields})}")

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> bytes:
        """One request; the body of the answer."""
        headers = {**self._headers, **({"Content-Type": content_type} if content_type else {})}
        self._connection.request(method, self._context + path, body, headers)
        response = self._connection.getresponse()
        data = response.read()
        cookie = response.headers.get("Set-Cookie", "")
        if cookie.startswith("JSESSIONID"):  # one login for all requests
            self._headers["Cookie"] = cookie.partition(";")[0]
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:500].decode('utf-8', 'replace')}")
        return data
