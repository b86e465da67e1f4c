"""Output of services on disk: one line, one time stamp; bounded in size; read back from the end."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

LONGEST_LINE: Final = 16 * 1024
"""Bytes of one line that are kept; the rest is cut and counted."""


def timestamp() -> str:
    """Now, as every log line and status begins: `2026-11-24T13:00:00.123Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class LineSplitter:
    """Turns chunks of bytes into lines; a line past the bound is cut, not split (pure)."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._partial = bytearray()
        self._cut = 0

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that `chunk` completes."""
        lines: list[str] = []
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._extend(piece)
            lines.append(self._take())
        self._extend(rest)
        return lines

    def flush(self) -> list[str]:
        """The last line when it has no newline."""
        return [self._take()] if self._partial else []

    def _extend(self, piece: bytes) -> None:
        room = self._longest - len(self._partial)
        self._partial += piece[:room]
        self._cut += max(0, len(piece) - room)

    def _take(self) -> str:
        line = self._partial.decode("utf-8", "replace").rstrip("\r")
        if self._cut:
            line += f" [{self._cut} bytes cut]"
        self._partial.clear()
        self._cut = 0
        return line


class LogFile:
    """An append-only file that rotates: `api.log`, `api.log.1` (older), `api.log.2`, …

    A full or vanished disk never raises: lines are lost then, and the service goes on.
    """

    def __init__(self, path: Path, *, largest: int = 8 * 1024 * 1024, keep: int = 4) -> None:
        self._path = path
        self._largest = largest
        self._keep = keep
        self._file: BinaryIO | None = None
        self._size = 0

    def write(self, lines: list[str]) -> None:
        """Append each line behind a time stamp."""
        now = timestamp() if lines else ""
        self.append([f"{now} {line}" for line in lines])

    def append(self, lines: list[str]) -> None:
        """Append lines that have a time stamp."""
        if not lines:
            return
        content = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            if self._file is None:
                self._open()
            elif self._size + len(content) > self._largest:
                self._rotate()
            if self._file is not None:
                self._file.write(content)
                self._size += len(content)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep - 1, 0, -1):
            older = _numbered(self._path, number)
            if older.exists():
                older.replace(_numbered(self._path, number + 1))
        self._path.replace(_numbered(self._path, 1))
        self._open()


class LogReader:
    """Reads what is appended to a log file from now on, through its rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._partial = b""
        if self._open() is not None:
            self._seek_end()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def more(self) -> list[str]:
        """The whole lines that have come since the last call."""
        content = self._rest()
        if self._was_rotated():
            self._open()
            content += self._rest()
        *lines, self._partial = (self._partial + content).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]

    def _open(self) -> BinaryIO | None:
        self.close()
        try:
            self._file = self._path.open("rb")
        except OSError:
            self._file = None
        return self._file

    def _seek_end(self) -> None:
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def _rest(self) -> bytes:
        return b"" if self._file is None else self._file.read()

    def _was_rotated(self) -> bool:
        try:
            return self._file is None or not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False


def files(path: Path) -> list[Path]:
    """The log file and its rotated predecessors, oldest first."""
    older: list[Path] = []
    number = 1
    while (candidate := _numbered(path, number)).exists():
        older.append(candidate)
        number += 1
    return [*reversed(older), *([path] if path.exists() else [])]


def tail(path: Path, count: int) -> list[str]:
    """The last `count` lines, with their time stamps, rotated files included; [] when there are none."""
    lines: list[str] = []
    for file in reversed(files(path)):
        if len(lines) >= count:
            break
        lines = [*_last_lines(file, count - len(lines)), *lines]
    return lines


def _last_lines(path: Path, count: int, block: int = 64 * 1024) -> list[str]:
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        content = b""
        while position > 0 and content.count(b"\n") <= count:
            step = min(block, position)
            position -= step
            file.seek(position)
            content = file.read(step) + content
    lines = content.decode("utf-8", "replace").removesuffix("\n").split("\n")  # nothing else ends a line
    return lines[-count:] if count and content else []


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
