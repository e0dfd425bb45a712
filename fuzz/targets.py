"""What is fuzzed: functions that take bytes and raise only if something is wrong with this package."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from xnat.convert_xsd import SchemaDocument, checking, convert, emit
from xnat.exceptions import XNATError
from xnat.transfer.archive import ArchiveLimits, unpack

__all__ = ["TARGETS", "archive", "schema", "seeds"]

_XSD = b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="u" xmlns:t="u">'
_LIMITS = ArchiveLimits(max_bytes=4 << 20, max_members=1000)


def schema(data: bytes) -> None:
    """A schema becomes source that holds declarations only, or is refused.

    Its first byte says whether it is a whole file or the inside of a schema: random bytes seldom get past the root.
    """
    content = _XSD + data[1:] + b"</xs:schema>" if data[:1] < b"\x80" else data[1:]
    try:
        model = convert([SchemaDocument.of("fuzz", content)], require_core=False)
        source = emit.emit(model).source
    except XNATError:
        return
    checking.check(source)
    for problem in model.problems:
        if not str(problem).isprintable():
            raise AssertionError(f"a problem that moves the cursor: {problem!r}")


def archive(data: bytes) -> None:
    """An archive is unpacked below the target, as zipfile would, or refused and nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        target = folder / "target"
        try:
            files = unpack(io.BytesIO(data), target, limits=_LIMITS)
        except XNATError:
            if target.exists():
                raise AssertionError("a refused archive left something") from None
        else:
            _compare(data, target, files)
        if {path.name for path in folder.iterdir()} - {"target"}:
            raise AssertionError("something stands beside the target")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compare(data: bytes, target: Path, files: list[Path]) -> None:
    for path in target.rglob("*"):
        if path.is_symlink() or not path.resolve().is_relative_to(target.resolve()):
            raise AssertionError(f"{path} leads elsewhere")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as other:
            contents = sorted(other.read(info) for info in other.infolist() if not info.is_dir())
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, UnicodeError):
        return  # zipfile has other opinions on what is sound
    if sorted(path.read_bytes() for path in files) != contents:
        raise AssertionError("zipfile reads other contents")


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with."""
    if name == "schema":
        here = Path(__file__).resolve().parents[1] / "xnat" / "sandbox" / "schemas"
        inside = [
            b'<xs:complexType name="a"><xs:sequence><xs:element name="b" type="t:a" maxOccurs="9"/></xs:sequence>'
            b'<xs:attribute name="c"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="d"/>'
            b"</xs:restriction></xs:simpleType></xs:attribute></xs:complexType>",
            b'<xs:group name="g"><xs:group ref="t:g"/></xs:group><xs:element name="e" type="xs:int"/>',
            b'<xs:simpleType name="s"><xs:union memberTypes="t:s xs:int"/></xs:simpleType>',
        ]
        return [b"\0" + text for text in inside] + [
            b"\xff" + path.read_bytes() for path in here.rglob("*.xsd") if path.stat().st_size < 20_000
        ]
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as writer:
            writer.writestr("a/b.txt", b"text" * 50)
            writer.writestr("c", b"")
            writer.writestr("d/", b"")
        made.append(out.getvalue())
        pipe = _Pipe()
        with zipfile.ZipFile(pipe, "w", method) as writer:  # type: ignore[arg-type]
            writer.writestr("a/b.txt", b"text" * 50)
        made.append(bytes(pipe.data))
    return made


class _Pipe(io.RawIOBase):
    """Can't be wound back, so zipfile writes sizes behind the members, as XNAT does."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


TARGETS: dict[str, Callable[[bytes], None]] = {"schema": schema, "archive": archive}
