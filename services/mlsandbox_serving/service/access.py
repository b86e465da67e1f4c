"""Who may ask: API keys, one on a line of a file, read again whenever the file changes.

    # comment
    0f6c…e1                 a key
    team-a: 9b2d…77         a key with a name, for the people who keep the file

The last line ends with a newline, as all do: by that half a file is told from a whole one.

A key is 16 to 256 characters of RFC 6750's b64token (section 2.1): letters, digits, `-._~+/` and `=` at its end.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from mlsandbox_serving.contract import ErrorCode, Header, Route
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.settings import SettingInvalid

_log = logging.getLogger(__name__)
_LINE: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,64}:[ \t]*)?(?P<key>[A-Za-z0-9._~+/-]+=*)")
_SHORTEST: Final = 16
_LONGEST: Final = 256
_LARGEST_FILE: Final = 1_000_000
_BEARER: Final = "bearer "
_LOOKS_SECONDS: Final = 1.0
"""A changed file is noticed within this."""
_OPEN: Final = frozenset({Route.LIVE, Route.READY, Route.METRICS, Route.V2_LIVE, Route.V2_READY, Route.PAGE})
"""What says how the service is, and nothing about the model's data: for probes and Prometheus, which have no key, and the page on
which people give theirs."""


class Access:
    """Decides whether a request may be answered.

    Args:
        file: holds the keys; None: everybody may ask.
        clock: seconds, for tests.

    Raises:
        SettingInvalid: the file cannot be used; the text names the line, never what is in it.
    """

    def __init__(self, file: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.required: Final = file is not None
        self._file = file
        self._clock = clock
        self._digests: tuple[bytes, ...] = ()
        self._seen: tuple[int, int, int] | None = None
        self._stale: tuple[tuple[int, int, int] | None, str] | None = None
        self._looked = clock()
        if file is not None:
            self._seen = _stamp(file)  # before it is read: what is written meanwhile is noticed
            self._digests = _digests(file)

    @classmethod
    def read(cls, file: Path | None) -> Self:
        """The keys of a file, or nobody's: see the class."""
        return cls(file)

    def allows(self, authorization: str | None, api_key: str | None) -> bool:
        """Whether one of the two headers holds a known key.

        All keys are compared, as digests: neither which one fits, nor how much of one, nor how long it is shows in the time taken.

        Args:
            authorization: `Bearer KEY`.
            api_key: the value of `X-API-Key`.
        """
        if not self.required:
            return True
        if self._clock() - self._looked >= _LOOKS_SECONDS:
            self._look()
        found = False
        for given in (api_key, _bearer(authorization)):
            digest = _digest((given or "").encode("utf-8", "replace"))
            for known in self._digests:
                found |= hmac.compare_digest(digest, known)
        return found

    def refuse(self) -> RequestRefused:
        """What a request without a known key is answered."""
        return RequestRefused(
            401,
            ErrorCode.UNAUTHORIZED,
            f"this service needs an API key: send it as {Header.API_KEY}: KEY, or as {Header.AUTHORIZATION}: Bearer KEY",
            headers={"www-authenticate": "Bearer"},
        )

    def _look(self) -> None:
        """Take the keys of a file that was changed.

        One that cannot be used changes nothing, since half a file must lock nobody out; that is said once for each that is written.
        """
        assert self._file is not None  # noqa: S101 - only called where keys are required
        self._looked = self._clock()
        seen = None
        try:
            seen = _stamp(self._file)
            if seen == self._seen:
                self._stale = None
                return
            digests = _digests(self._file)
        except SettingInvalid as error:
            if self._stale != (seen, str(error)):
                _log.error("API keys stay as they were: %s", error)
            self._stale = (seen, str(error))
            return
        self._seen, self._digests, self._stale = seen, digests, None
        _log.info("API keys were read again: %d", len(digests))


def is_open(path: str) -> bool:
    """Whether a path is answered without a key, whoever asks."""
    return path in _OPEN


def _bearer(authorization: str | None) -> str | None:
    """The token of `Bearer KEY`; the scheme's name in any case (RFC 9110, section 11.1)."""
    if authorization is None or authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    return authorization[len(_BEARER) :].strip()


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _stamp(file: Path) -> tuple[int, int, int]:
    """Another one when the file was written or replaced."""
    try:
        status = file.stat()
    except OSError as error:
        raise _unusable(file, error.strerror or type(error).__name__) from None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _digests(file: Path) -> tuple[bytes, ...]:
    """Of every key in the file.

    Raises:
        SettingInvalid: it cannot be read, holds a line that is no key, or none that is one.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise _unusable(file, error.strerror or type(error).__name__) from None
    if len(content) > _LARGEST_FILE:
        raise _unusable(file, f"it is larger than {_LARGEST_FILE} bytes")
    if content and not content.endswith((b"\n", b"\r")):
        raise _unusable(file, "its last line does not end with a newline, so that it may be half a file: write it whole, with one")
    digests = []
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise _unusable(file, f"line {number} is neither a key nor `name: key`; a key is letters, digits and -._~+/")
        if not _SHORTEST <= len(match["key"]) <= _LONGEST:
            raise _unusable(file, f"the key in line {number} must have {_SHORTEST} to {_LONGEST} characters")
        digests.append(_digest(match["key"].encode()))
    if not digests:
        raise _unusable(file, "it holds no key")
    return tuple(digests)


def _unusable(file: Path, why: str) -> SettingInvalid:
    return SettingInvalid(f"the API keys in {file} cannot be used: {why}")
