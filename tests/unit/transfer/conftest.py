from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from xnat.transfer.plan import RemoteFile, RemoteGroup

from .server import FakeServer, SimpleRequester


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


@pytest.fixture
def requester(server: FakeServer) -> Iterator[SimpleRequester]:
    simple = SimpleRequester(server.url)
    yield simple
    simple.session.close()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


class _Pipe(io.RawIOBase):
    """A file that can't be wound back: what a server writes its zips to."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def make_zip(
    members: Iterable[tuple[str | zipfile.ZipInfo, bytes]],
    *,
    streamed: bool = True,
    method: int = zipfile.ZIP_DEFLATED,
    level: int | None = None,
) -> bytes:
    pipe = _Pipe() if streamed else io.BytesIO()
    with zipfile.ZipFile(pipe, "w", method) as archive:  # type: ignore[arg-type]
        for name, data in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, data, compresslevel=level)
    return bytes(pipe.data if isinstance(pipe, _Pipe) else pipe.getvalue())


Publish = Callable[..., RemoteGroup]


@pytest.fixture
def publish(server: FakeServer) -> Publish:
    """Puts files on the server, singly and as a zip, and gives the group a caller would build of their listing."""

    def publish(
        content: dict[str, bytes],
        uri: str = "/data/E/R",
        *,
        sizes: bool = True,
        digests: bool = True,
        archive: bool = True,
        folder: str = "",
        extra: Iterable[tuple[str | zipfile.ZipInfo, bytes]] = (),
    ) -> RemoteGroup:
        files = []
        for name, data in content.items():
            server.files[f"{uri}/files/{name}"] = data
            path = PurePosixPath(folder, name)
            digest = md5(data) if digests else None
            files.append(RemoteFile(f"{uri}/files/{name}", path, len(data) if sizes else None, digest))
        members = [(f"LABEL/files/{name}", data) for name, data in content.items()]
        server.zips[f"{uri}/files"] = make_zip([*members, *extra])

        def member_path(member: str) -> PurePosixPath | None:
            prefix = "LABEL/files/"
            return PurePosixPath(folder, member[len(prefix) :]) if member.startswith(prefix) else None

        return RemoteGroup(files, f"{uri}/files" if archive else None, member_path)

    return publish


def tree_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder but the package's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".xnat-manifest.jsonl"
    }
