"""Read a model file forward, decompressing on the way, with little memory and a bound on what comes out.

Compression is recognised by the same first bytes, in the same order, as `joblib.load` does, so that both read the same stream.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

CHUNK: Final = 1 << 20
LINE_LIMIT: Final = 1 << 20
EXPANDED_LIMIT: Final = 8 << 30
"""Bytes that a compressed file may expand to; files that are large themselves may expand further, by EXPANSION."""
EXPANSION: Final = 100


class StreamError(ValueError):
    """The bytes are not what they should be: not a pickle, damaged, or built to mislead a reader."""


class Truncated(StreamError):
    """The file ends in the middle of something."""


class Unsupported(StreamError):
    """A form of file that exists but is not accepted; the text says what to use instead."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class ByteStream:
    """Forward reader over chunks of bytes. `position` counts the bytes that were read or skipped."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._offset = 0
        self.position = 0

    @classmethod
    def of_bytes(cls, data: bytes) -> ByteStream:
        """A stream over bytes at hand."""
        return cls(iter((data,)))

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._buffer = self._buffer[self._offset :] + chunk
                self._offset = 0
                return True
        return False

    def byte(self) -> int:
        """The next byte; raises Truncated at the end."""
        if self._offset >= len(self._buffer) and not self._more():
            raise Truncated(f"the file ends at byte {self.position}, before the end of the pickle")
        value = self._buffer[self._offset]
        self._offset += 1
        self.position += 1
        return value

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, which must be few: long payloads are skipped."""
        while len(self._buffer) - self._offset < size:
            if not self._more():
                raise Truncated(f"the file ends at byte {self.position}, {size} bytes were to follow")
        start = self._offset
        self._offset += size
        self.position += size
        return self._buffer[start : self._offset]

    def line(self) -> bytes:
        """The bytes up to the next newline, without it."""
        searched = 0
        while (end := self._buffer.find(b"\n", self._offset + searched)) < 0:
            searched = len(self._buffer) - self._offset
            if searched > LINE_LIMIT:
                raise StreamError(f"a text line at byte {self.position} has no end")
            if not self._more():
                raise Truncated(f"the file ends at byte {self.position}, in the middle of a line")
        line = self._buffer[self._offset : end]
        self.position += end + 1 - self._offset
        self._offset = end + 1
        return line

    def skip(self, size: int) -> None:
        """Pass over `size` bytes without keeping them."""
        left = size
        while True:
            step = min(left, len(self._buffer) - self._offset)
            self._offset += step
            left -= step
            if not left:
                break
            self._buffer, self._offset = b"", 0
            if not self._more():
                raise Truncated(f"the file ends {left} bytes before the end of an array at byte {self.position}")
        self.position += size


def open_stream(file: BinaryIO, *, size: int, limit: int = EXPANDED_LIMIT) -> ByteStream:
    """The decompressed content of an open file of `size` bytes.

    Raises:
        Unsupported: a compression that only other libraries can read.
        StreamError: while reading, when the data is damaged or expands beyond the bound.
    """
    head = file.read(8)
    file.seek(0)
    if head.startswith(b"ZF"):
        raise Unsupported("the file was written by joblib before 0.10: load it there and dump it again")
    if head.startswith(b"\x04\x22\x4d\x18"):
        raise Unsupported("the file is compressed with lz4, which needs another library: dump it again with compress=('zlib', 3)")
    for prefix, make in _DECOMPRESSORS:
        if head.startswith(prefix):
            return ByteStream(_decompressed(file, make, max(limit, EXPANSION * size if limit == EXPANDED_LIMIT else 0)))
    return plain_stream(file)


def plain_stream(file: BinaryIO) -> ByteStream:
    """The content of an open file as it is."""
    return ByteStream(iter(lambda: file.read(CHUNK), b""))


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins with `head` is decompressed by joblib before it is unpickled."""
    return any(head.startswith(prefix) for prefix, _ in _DECOMPRESSORS) or head.startswith((b"\x04\x22\x4d\x18", b"ZF"))


def sha256_of(path: Path) -> tuple[str, int]:
    """Hex digest and size in bytes of a file."""
    import hashlib  # noqa: PLC0415  # not needed by those who only read streams

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _decompressed(file: BinaryIO, make: Callable[[], _Decompressor], limit: int) -> Iterator[bytes]:
    total = 0
    pending = b""
    decompressor = make()
    while True:
        if decompressor.eof:
            pending = decompressor.unused_data or file.read(CHUNK)
            if not pending:
                return
            decompressor = make()  # concatenated streams are one stream
        try:
            data = decompressor.decompress(pending, CHUNK)
        except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
            raise StreamError(f"the compressed data is damaged: {error}") from error
        pending = b""
        total += len(data)
        if total > limit:
            raise StreamError(f"the file expands to more than {limit} bytes")
        yield data
        if not data and not decompressor.eof:
            pending = file.read(CHUNK)
            if not pending:
                raise Truncated("the compressed data ends too early")


class _Zlib:
    """zlib with the interface of bz2 and lzma: input that did not fit is kept."""

    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_DECOMPRESSORS: Final[tuple[tuple[bytes, Callable[[], _Decompressor]], ...]] = (
    (b"\x78", lambda: _Zlib(zlib.MAX_WBITS)),
    (b"\x1f\x8b", lambda: _Zlib(31)),
    (b"BZ", bz2.BZ2Decompressor),
    (b"\x5d\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    (b"\xfd\x37\x7a\x58\x5a", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
)
