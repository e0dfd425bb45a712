"""Reads a zip from front to back while it arrives: no seeking, no second copy on disk, every CRC checked.

XNAT makes zips on the fly: no length, sizes and CRC behind each member ("data descriptor"). The end of a member is
where its deflate stream ends, or, for stored members, where a descriptor stands that agrees with the bytes before it.
Looking for that costs more than all the rest, so who has the whole archive can say how long such members are
(:func:`stored_sizes`).
The directory at the end is read too: it must tell of the same members, and only it tells of symbolic links.
"""

from __future__ import annotations

import stat
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from xnat.exceptions import XNATDownloadError

from .deflate import MAX_WBITS, DeflateError, crc32, decompressobj

__all__ = ["BadZipError", "CutZipError", "Directory", "Member", "UnknownEndError", "ZipStream", "stored_sizes"]

_LOCAL, _DESCRIPTOR, _CENTRAL, _END = b"PK\x03\x04", b"PK\x07\x08", b"PK\x01\x02", b"PK\x05\x06"
_END64, _LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _HAS_DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_PIECE = 1 << 20  # bytes unpacked at once
_BITE = 1 << 16  # packed bytes looked at first: members are often small, and what is too much is read again
_SERVING = 1 << 18  # bytes given out at once, where there are as many: each piece is a call of the system
_WINDOW = 1 << 15  # bytes a deflate stream may refer back to
_PLAIN = 1 << 12  # bytes of a block that are worth being taken past the inflater
_UNIX = 3
_BLOCK = struct.Struct("<BHH")
_SIGNED = ("<4sLLL", "<4sLQQ")
_DESCRIPTOR_MAX = struct.calcsize("<4sLQQ")


class BadZipError(XNATDownloadError):
    """The bytes are not a sound zip."""


class CutZipError(BadZipError):
    """The bytes end before the zip does: the transfer broke off."""


class UnknownEndError(BadZipError):
    """A stored member doesn't say how long it is, and its end was not to be searched for."""


@dataclass
class Member:
    """One member, complete only after its bytes were read.

    :ivar size: bytes as announced, None if they are only known afterwards
    :ivar packed: bytes it takes in the archive
    """

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int = 0
    size: int | None = None
    packed: int | None = None
    zip64: bool = False

    @property
    def is_dir(self) -> bool:
        """Whether it stands for a folder."""
        return self.name.endswith("/")


@dataclass(frozen=True)
class Directory:
    """One line of the directory at the end of the archive."""

    raw_name: bytes
    crc: int
    size: int
    mode: int

    @property
    def is_special(self) -> bool:
        """Whether it is a symbolic link, a device, ...: anything that is neither file nor folder."""
        kind = stat.S_IFMT(self.mode)
        return kind not in (0, stat.S_IFREG, stat.S_IFDIR)


def stored_sizes(file: BinaryIO) -> dict[int, int]:
    """How long the stored members of a whole archive are, by where they begin; empty if its directory can't be read."""
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            return {
                line.header_offset: line.file_size
                for line in archive.infolist()
                if line.compress_type == _STORED and line.file_size == line.compress_size
            }
    except Exception:  # zipfile has no one error for what it can't read
        # It was only a hint: what is wrong with the archive, reading it from the front will tell.
        return {}


class _Source:
    """Bytes from chunks, with a look ahead and a way back."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""
        self._position = 0
        self._passed = 0  # bytes before the buffer

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return self._passed + self._position

    def more(self, limit: int = _PIECE) -> bytes:
        """What comes next, at most *limit* bytes; empty at the end."""
        part = self._next(limit)
        return self._buffer[part]

    def view(self, limit: int) -> memoryview:
        """The same, not copied."""
        part = self._next(limit)
        return memoryview(self._buffer)[part]

    def _next(self, limit: int) -> slice:
        if self._position >= len(self._buffer):
            self._passed += len(self._buffer)
            self._buffer, self._position = next(filter(None, self._chunks), b""), 0
        begin, self._position = self._position, min(self._position + limit, len(self._buffer))
        return slice(begin, self._position)

    def skip(self, count: int) -> None:
        """Leave out bytes that were peeked at."""
        self._position += count

    def unread(self, count: int) -> None:
        """Give back the last *count* bytes of what :py:meth:`more` returned last."""
        self._position -= count

    def peek(self, count: int) -> bytes:
        """Up to *count* bytes, which stay."""
        while len(self._buffer) - self._position < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._passed += self._position
            self._buffer = self._buffer[self._position :] + chunk
            self._position = 0
        return self._buffer[self._position : self._position + count]

    def take(self, count: int) -> bytes:
        """Exactly *count* bytes."""
        data = self.peek(count)
        if len(data) < count:
            raise CutZipError("the zip ends in the middle")
        self._position += count
        return data


class ZipStream:
    """Iterates over the members of a zip that arrives in chunks; read each one with :py:meth:`read` before the next.

    :param sizes: bytes of stored members that don't say it themselves, by where they begin in the archive
    :param search: whether to search for the end of those that *sizes* doesn't tell of either; else they are an error
    :ivar directory: the directory at the end, there when the iteration ended
    :ivar packed: bytes of the archive that were unpacked so far
    """

    def __init__(self, chunks: Iterable[bytes], *, sizes: Mapping[int, int] | None = None, search: bool = True) -> None:
        self._source = _Source(chunks)
        self._sizes = sizes or {}
        self._search = search
        self._current: Member | None = None
        self._seen: list[Member] = []
        self.directory: list[Directory] = []
        self.packed = 0

    def __iter__(self) -> Iterator[Member]:
        while True:
            for _ in self._pieces():
                pass
            signature = self._source.peek(4)
            if signature != _LOCAL:
                break
            self._current = self._local_header()
            self._seen.append(self._current)
            yield self._current
        if len(signature) < 4:
            raise CutZipError("the zip ends in the middle" if self._seen or signature else "the zip is empty")
        self._central_directory()

    def read(self) -> Iterator[bytes]:
        """The bytes of the current member; checks size and CRC at the end."""
        gathered, size = [], 0
        for piece in self._pieces():
            gathered.append(piece)
            size += len(piece)
            if size >= _SERVING:
                yield b"".join(gathered)
                gathered, size = [], 0
        if size:
            yield b"".join(gathered)

    def _pieces(self) -> Iterator[bytes | memoryview]:
        """The same in pieces as they come, views of larger ones among them: nothing is copied to be only checked."""
        member, self._current = self._current, None
        if member is None:
            return
        if member.flags & _ENCRYPTED:
            raise BadZipError(f"member {member.name!r} is encrypted")
        if member.method == _DEFLATED:
            yield from self._checked(member, self._inflate(member))
        elif member.method == _STORED:
            if member.size is None and not self._search:
                raise UnknownEndError(f"member {member.name!r} doesn't say how long it is")
            if member.size is not None:
                yield from self._checked(member, self._exactly(member.size, member))
            else:
                yield from self._stored_until_descriptor(member)
        else:
            raise BadZipError(f"member {member.name!r} has compression method {member.method}, which is not supported")

    def _local_header(self) -> Member:
        begin = self._source.offset
        fields = struct.unpack("<4s5H3L2H", self._source.take(30))
        _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields
        raw = self._source.take(name_length)
        extra = self._source.take(extra_length)
        member = Member(_decode(raw, flags), raw, flags, method, crc)
        member.zip64 = _extra64(extra) is not None
        if not flags & _HAS_DESCRIPTOR:
            member.size, member.packed = _real_sizes(size, packed, extra)
        elif method == _STORED and packed == size != 0 and size != 0xFFFFFFFF:
            member.size, member.packed = size, packed  # announced twice; both are checked
        elif method == _STORED and begin in self._sizes:
            member.size = member.packed = self._sizes[begin]  # told by the directory; what follows must agree
        return member

    def _checked(self, member: Member, pieces: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        """The same pieces; at their end, size and CRC have to be those of the member."""
        begin, crc, size = self._source.offset, 0, 0
        for piece in pieces:
            size, crc = size + len(piece), crc32(piece, crc)
            yield piece
        self._finish(member, crc, size, self._source.offset - begin)

    def _inflate(self, member: Member) -> Iterator[bytes | memoryview]:
        """Unpack up to the end of the deflate stream.

        What doesn't get smaller (images are packed already, as often as not) deflate leaves as it is, in blocks with
        their length in front. As long as the stream consists of those they are taken past the inflater, which would
        copy all of it twice.
        """
        recent: deque[bytes | memoryview] = deque()
        known = 0
        while block := _plain_block(self._source.peek(_BLOCK.size)):
            last, length = block
            self._source.skip(_BLOCK.size)
            self.packed += _BLOCK.size
            for piece in self._exactly(length, member):
                recent.append(piece)
                known += len(piece)
                while known - len(recent[0]) >= _WINDOW:
                    known -= len(recent.popleft())
                yield piece
            if last:
                return
        yield from self._inflate_rest(member, b"".join(recent)[-_WINDOW:])

    def _inflate_rest(self, member: Member, window: bytes) -> Iterator[bytes]:
        engine = decompressobj(-MAX_WBITS, window) if window else decompressobj(-MAX_WBITS)
        bite = _BITE
        data: bytes | memoryview = b""
        waiting = False
        while not engine.eof:
            # With the input used up there may still be output inside: a full piece says so.
            if not data and not waiting:
                if not (data := self._source.view(bite)):
                    raise CutZipError(f"the zip ends in the middle of {member.name!r}")
                # Of a member that turns out large: each bite hands the interpreter to other threads and back.
                bite = min(2 * bite, _PIECE)
                self.packed += len(data)
            try:
                piece = engine.decompress(data, _PIECE)
            except DeflateError as error:
                raise BadZipError(f"member {member.name!r} is damaged: {error}") from None
            data, waiting = engine.unconsumed_tail, len(piece) == _PIECE
            if piece:
                yield piece
        surplus = len(engine.unused_data)
        self._source.unread(surplus)
        self.packed -= surplus

    def _exactly(self, count: int, member: Member) -> Iterator[bytes | memoryview]:
        while count:
            piece = self._source.view(min(count, _PIECE))
            if not piece:
                raise CutZipError(f"the zip ends in the middle of {member.name!r}")
            count -= len(piece)
            self.packed += len(piece)
            yield piece

    def _stored_until_descriptor(self, member: Member) -> Iterator[bytes]:
        """Bytes up to a descriptor that agrees with them (a signature inside the data does not)."""
        crc = size = 0
        while data := self._source.more(_PIECE):
            done, found = 0, data.find(_DESCRIPTOR)
            while 0 <= found <= len(data) - _DESCRIPTOR_MAX:
                crc, size, done = crc32(data[done:found], crc), size + found - done, found
                if _agrees(data, found, crc, size):
                    break
                found = data.find(_DESCRIPTOR, found + 1)
            else:
                if found < 0:  # but a signature may be torn between two chunks
                    found = next((len(data) - n for n in (3, 2, 1) if data.endswith(_DESCRIPTOR[:n])), len(data))
                crc, size, done = crc32(data[done:found], crc), size + found - done, found
            self.packed += found
            if found:
                yield data[:found]
            self._source.unread(len(data) - found)
            head = self._source.peek(_DESCRIPTOR_MAX)
            if _agrees(head, 0, crc, size):
                self._finish(member, crc, size, size)
                return
            if len(head) < _DESCRIPTOR_MAX:
                break
            if head.startswith(_DESCRIPTOR):  # a false one: step over it, or it would be found for ever
                yield self._source.take(1)
                crc, size = crc32(head[:1], crc), size + 1
                self.packed += 1
        raise CutZipError(f"the zip ends in the middle of {member.name!r}")

    def _descriptor_here(self, member: Member, crc: int, size: int, packed: int) -> int:
        """The length of the descriptor that stands here and agrees, 0 if there is none."""
        for form in _SIGNED:
            head = self._source.peek(struct.calcsize(form))
            if len(head) == struct.calcsize(form) and struct.unpack(form, head) == (
                _DESCRIPTOR,
                crc,
                *_fit(form, packed, size),
            ):
                return len(head)
        for form in ("<LLL", "<LQQ"):
            head = self._source.peek(struct.calcsize(form))
            if len(head) == struct.calcsize(form) and struct.unpack(form, head) == (crc, *_fit(form, packed, size)):
                return len(head)
        return 0

    def _finish(self, member: Member, crc: int, size: int, packed: int) -> None:
        if member.flags & _HAS_DESCRIPTOR:
            length = self._descriptor_here(member, crc, size, packed)
            if not length:
                cut = len(self._source.peek(24)) < 24
                raise (CutZipError if cut else BadZipError)(f"member {member.name!r} is damaged: size or CRC differs")
            self._source.take(length)
        elif (crc, size, packed) != (member.crc, member.size, member.packed):
            raise BadZipError(f"member {member.name!r} is damaged: size or CRC differs")
        member.crc, member.size, member.packed = crc, size, packed

    def _central_directory(self) -> None:
        begin = self._source.offset
        while (signature := self._source.peek(4)) == _CENTRAL:
            self.directory.append(self._directory_line())
        length = self._source.offset - begin
        if signature == _END64:
            signature = self._end64()
        if signature != _END:
            raise (BadZipError if len(signature) == 4 else CutZipError)(
                "the zip has no end, or bytes between its members"
            )
        _, disk, first, here, count, told_length, told_begin, comment = struct.unpack("<4s4H2LH", self._source.take(22))
        self._source.take(comment)
        if self._source.more():
            raise BadZipError("bytes after the end of the zip")
        lines = len(self.directory)
        told = [(disk, 0), (first, 0), (here, lines), (count, lines), (told_length, length), (told_begin, begin)]
        if any(number not in (real, 0xFFFF, 0xFFFFFFFF) for number, real in told):
            raise BadZipError("the end of the zip is damaged")
        listed = sorted((line.raw_name, line.crc, line.size) for line in self.directory)
        if listed != sorted((member.raw_name, member.crc, member.size or 0) for member in self._seen):
            raise BadZipError("the zip's directory tells of other members than there are")

    def _end64(self) -> bytes:
        """Step over the end of a large zip; gives the signature behind it."""
        (length,) = struct.unpack("<4xQ", self._source.take(12))
        if length > _PIECE:
            raise BadZipError("the end of the zip is damaged")
        self._source.take(length)
        if self._source.take(20)[:4] != _LOCATOR64:
            raise BadZipError("the end of the zip is damaged")
        return self._source.peek(4)

    def _directory_line(self) -> Directory:
        fields = struct.unpack("<4s2B5H3L5H2L", self._source.take(46))
        system, crc, packed, size = fields[2], fields[8], fields[9], fields[10]
        name_length, extra_length, comment_length, attributes = fields[11], fields[12], fields[13], fields[16]
        raw = self._source.take(name_length)
        extra = self._source.take(extra_length)
        self._source.take(comment_length)
        size, _ = _real_sizes(size, packed, extra)
        # Some writers put Unix modes there without saying so; a link must not slip through by that.
        mode = attributes >> 16 if system == _UNIX or stat.S_IFMT(attributes >> 16) == stat.S_IFLNK else 0
        return Directory(raw, crc, size, mode)


def _plain_block(head: bytes) -> tuple[int, int] | None:
    """Whether the deflate block that begins so is the last, and how many bytes it holds, if it holds them as they are.

    None for others, for small ones (a million of them would be a million steps here, and none for the inflater), and
    for one whose length is damaged, of which the inflater will tell.
    """
    if len(head) < _BLOCK.size:
        return None
    kind, length, inverted = _BLOCK.unpack(head)
    last = kind & 1
    plain = not kind & 0b110 and length ^ inverted == 0xFFFF
    return (last, length) if plain and (last or length >= _PLAIN) else None


def _agrees(data: bytes, position: int, crc: int, size: int) -> bool:
    """Whether a descriptor of a stored member stands at this place and tells of these bytes."""
    for form in _SIGNED:
        if len(data) - position >= struct.calcsize(form) and struct.unpack_from(form, data, position) == (
            _DESCRIPTOR,
            crc,
            *_fit(form, size, size),
        ):
            return True
    return False


def _fit(form: str, *numbers: int) -> tuple[int, ...]:
    # 32-bit fields of huge members hold the low bits, in what some writers produce.
    return numbers if "Q" in form else tuple(number & 0xFFFFFFFF for number in numbers)


def _extra64(extra: bytes) -> bytes | None:
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            return extra[position + 4 : position + 4 + length]
        position += 4 + length
    return None


def _real_sizes(size: int, packed: int, extra: bytes) -> tuple[int, int]:
    """Size and packed size, from the zip64 field where the short ones say so."""
    long = _extra64(extra)
    values = [value for (value,) in struct.iter_unpack("<Q", long[: len(long) // 8 * 8])] if long else []
    if size == 0xFFFFFFFF and values:
        size = values.pop(0)
    if packed == 0xFFFFFFFF and values:
        packed = values.pop(0)
    return size, packed


def _decode(raw: bytes, flags: int) -> str:
    # Without the flag it should be code page 437, but in practice it is UTF-8 more often than that.
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape") if flags & _UTF8 else raw.decode("cp437")
