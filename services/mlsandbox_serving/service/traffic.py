"""Which version is the champion, and what a challenger gets of its requests: `contract.Traffic`, read again whenever it changes."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

_log = logging.getLogger(__name__)
WHOLE: Final = 10_000
"""Parts of all requests that shares are counted in."""
_LARGEST_FILE: Final = 65_536

_Stamp = tuple[int, int, int]


class TrafficInvalid(ValueError):
    """What is in the file cannot be meant; the text says what."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """A version that is tried beside the champion.

    Args:
        version: of its package.
        host: where it answers.
        port: likewise.
        share: of the requests that it answers, in 10,000ths.
        shadow: it answers none, and gets a copy of each.
    """

    version: str
    host: str
    port: int
    share: int
    shadow: bool


class _Beside(msgspec.Struct):
    version: str
    address: str
    percent: Annotated[float, msgspec.Meta(ge=0, le=100)]
    shadow: bool


class _Document(msgspec.Struct):
    """Its fields are named as in `contract.Traffic`."""

    champion: str
    challenger: _Beside | None


_decode: Final = msgspec.json.Decoder(_Document).decode


class TrafficFile:
    """What the file says to one version.

    Args:
        file: may not be there: then there is no challenger.
        version: that asks.
    """

    def __init__(self, file: Path, version: str) -> None:
        self.challenger: Challenger | None = None
        """Of this version, if it is the champion."""
        self.is_champion: bool | None = None
        """Whether this version is the champion; None while no document could be read."""
        self._file = file
        self._version = version
        self._seen: _Stamp | None = None
        self._wrong: tuple[_Stamp | None, str] | None = None

    def look(self) -> bool:
        """Read it if it was changed; whether there is another challenger now.

        A file that cannot be used changes nothing, and that is said once for each that is written.
        """
        before = self.challenger
        seen = None
        try:
            seen = _stamp(self._file)
            if seen == self._seen:
                self._wrong = None
                return False
            content = None if seen is None else _content(self._file)
            challenger = None if content is None else read_challenger(content, self._version)
            is_champion = None if content is None else _decode(content).champion == self._version
        except (OSError, TrafficInvalid) as error:
            why = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
            if self._wrong != (seen, why):
                _log.error("traffic stays as it was: %s cannot be used: %s", self._file, why)
            self._wrong = seen, why
            return False
        self._seen, self.challenger, self._wrong = seen, challenger, None
        self.is_champion = is_champion
        return challenger != before


def read_challenger(content: bytes, champion: str) -> Challenger | None:
    """The challenger of a version in a traffic document; None when it is not the champion, or has none that gets anything.

    Raises:
        TrafficInvalid: this is no such document.
    """
    try:
        document = _decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise TrafficInvalid(str(error)) from None
    beside = document.challenger
    if document.champion != champion or beside is None:
        return None
    if beside.version == champion:
        raise TrafficInvalid(f"the challenger is {champion}, as the champion is")
    host, _, port = beside.address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise TrafficInvalid(f"the challenger's address {beside.address!r} is not host:port")
    share = round(beside.percent * WHOLE / 100)
    return Challenger(beside.version, host, int(port), share, beside.shadow) if share or beside.shadow else None


def place_of(model: str, name: str) -> int:
    """Where something stands among all requests of a model, 0 to 9,999, whoever asks: below a challenger's share the answer is its.

    Args:
        model: that is asked.
        name: of the entity, else of the request.
    """
    digest = hashlib.blake2b(f"{model}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") * WHOLE >> 64


def _stamp(file: Path) -> _Stamp | None:
    """Another one when the file was written or replaced; None where there is none.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _content(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise TrafficInvalid(f"it is larger than {_LARGEST_FILE} bytes")
    return content
