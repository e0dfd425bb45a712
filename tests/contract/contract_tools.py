"""What the contract tests share: requests to a server as one of its users, archives of pydicom's own files."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pydicom.data
import requests

from tests.waiting import PATIENCE

DICOM = Path(pydicom.data.__file__).parent / "test_files"
MR = "MR_small.dcm"
CT = "CT_small.dcm"
MR_UID = "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457"
SERIES_700 = sorted(path.name for path in (DICOM / "dicomdirtests/98892003/MR700").iterdir())
ZIP = {"Content-Type": "application/zip"}


class Api:
    """Requests below a server's URL with a login; ``api.get(path, **query)``."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.auth = (user, password)
        self._made: list[str] = []

    @classmethod
    def of(cls, sandbox: Any) -> Api:
        return cls(sandbox.url, sandbox.user, sandbox.password)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        """A real server is left as it was found."""
        for name in self._made:
            self.delete(f"/data/projects/{name}", removeFiles="true")
        self.http.close()

    def send(self, method: str, path: str, query: Mapping[str, Any], **options: Any) -> requests.Response:
        options.setdefault("allow_redirects", False)
        return self.http.request(method, self.url + path, params=query, timeout=60, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.send("GET", path, query)

    def put(self, path: str, **query: Any) -> requests.Response:
        return self.send("PUT", path, query)

    def post(self, path: str, **query: Any) -> requests.Response:
        return self.send("POST", path, query)

    def delete(self, path: str, **query: Any) -> requests.Response:
        return self.send("DELETE", path, query)

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        response = self.get(path, format="json", **query)
        assert response.status_code == 200, response.text
        return list(response.json()["ResultSet"]["Result"])

    def new_project(self, *, code: str = "") -> str:
        name = f"P{uuid.uuid4().hex[:10]}"
        assert self.put(f"/data/projects/{name}").status_code == 200
        self._made.append(name)
        if code:
            assert self.put(f"/data/projects/{name}/prearchive_code/{code}").status_code == 200
        return name

    def upload(
        self, data: bytes, *, name: str = "", headers: Mapping[str, str] = ZIP, **query: Any
    ) -> requests.Response:
        """POST to the import service: as the part of a form when ``name`` is given, else as the body."""
        query = {key.replace("_", "-") if key in ("import_handler", "Ignore_Unparsable") else key: value
                 for key, value in query.items()}  # fmt: skip
        if name:
            return self.send("POST", "/data/services/import", query, files={"file": (name, data)})
        return self.send("POST", "/data/services/import", query, data=data, headers=headers)

    def uploaded(self, data: bytes, **query: Any) -> str:
        """The URI of the one session that an upload made."""
        response = self.upload(data, **query)
        assert response.status_code == 200, response.text
        (uri,) = response.text.split()
        return uri


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether a condition comes true: real servers move and delete prearchive sessions in their own time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def packed(*names: str, extra: Mapping[str, bytes] | None = None) -> bytes:
    """A zip of files of pydicom's test data, and of others."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, (DICOM / name).read_bytes())
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return out.getvalue()


def series_700(names: Iterable[str] = SERIES_700) -> bytes:
    """A zip of (part of) a series of seven MR files."""
    return packed(*(f"dicomdirtests/98892003/MR700/{name}" for name in names))


def tarred(*names: str, compress: bool = False) -> bytes:
    """A tar, or tar.gz, of files of pydicom's test data."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            archive.add(DICOM / name, name)
    return gzip.compress(out.getvalue()) if compress else out.getvalue()
