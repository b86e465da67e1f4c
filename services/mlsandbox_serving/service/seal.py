"""Proof, between the versions of one stack, of who sent a request on and who answered it.

API keys stay with the version that a client asked: another program may have the port of a challenger that is gone, and anybody can write
headers. So the stack has a key that its versions alone can read. A request that is sent on carries a code over its mode, a number that is
used once, its id and the version that is meant; an answer carries one over that. None of them is worth anything elsewhere.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from mlsandbox_serving.service.challenger_measures import Mode
from mlsandbox_serving.service.settings import SettingInvalid

_SHORTEST = 16
_LARGEST_FILE = 65_536


class Seal:
    """Makes the proofs and looks at them.

    Args:
        key: of the stack.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def read(cls, file: Path | None) -> Seal | None:
        """With the key in a file; None without one.

        Raises:
            SettingInvalid: the file cannot be read, or holds no key.
        """
        if file is None:
            return None
        try:
            with file.open("rb") as opened:
                key = opened.read(_LARGEST_FILE).strip()
        except OSError as error:
            raise SettingInvalid(f"the key of what versions send on, in {file}, cannot be read: {error.strerror or error}") from None
        if len(key) < _SHORTEST:
            raise SettingInvalid(f"the key of what versions send on, in {file}, is shorter than {_SHORTEST} bytes")
        return cls(key)

    def sent(self, version: str, mode: Mode, request_id: str) -> str:
        """What a request carries that is sent on to this version: "mode;nonce;code"."""
        nonce = secrets.token_hex(8)
        return f"{mode.value};{nonce};{self._code('request', version, mode.value, nonce, request_id)}"

    def opened(self, version: str, carried: str, request_id: str) -> Mode | None:
        """How a request was sent on to this version; None when nobody who has the key did.

        Args:
            version: that got it.
            carried: see `sent`.
            request_id: of the request.
        """
        mode, _, rest = carried.partition(";")
        nonce, _, code = rest.partition(";")
        if not _is_same(code, self._code("request", version, mode, nonce, request_id)):
            return None
        return Mode(mode) if mode in set(Mode) else None

    def answered(self, version: str, carried: str, request_id: str) -> str:
        """What the answer of this version carries to a request that carried this."""
        return self._code("answer", version, carried, request_id)

    def is_answer(self, version: str, carried: str, request_id: str, given: str) -> bool:
        """Whether an answer that carries `given` is this version's to that request."""
        return _is_same(given, self.answered(version, carried, request_id))

    def _code(self, *parts: str) -> str:
        return hmac.digest(self._key, "\0".join(parts).encode("utf-8", "surrogatepass"), "sha256").hex()


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
