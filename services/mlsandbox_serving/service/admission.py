"""How much is taken in at once: what comes past it is refused at once, instead of making everything slow or the process too large."""

from __future__ import annotations

from typing import Final

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.refusal import RequestRefused

_BODIES: Final = 16
"""Bodies of the largest size that are held at once."""
_RETRY_SECONDS: Final = "1"


class Admission:
    """Requests that are being answered, and the bytes of bodies that are held for them.

    A request counts once its body is there, and until its answer is read: who sends slowly takes nobody's place.

    Args:
        requests: most of them at once.
        max_body: bytes of the largest body.
    """

    def __init__(self, requests: int, max_body: int) -> None:
        self.limit = requests
        self._bytes = _BODIES * max_body
        self._held = 0
        self._inside = 0

    def enter(self) -> None:
        """Let a request in whose body is there.

        Raises:
            RequestRefused: 503, there are too many.
        """
        if self._inside >= self.limit:
            raise _overloaded(f"{self.limit} requests are being answered already", {"limit": self.limit})
        self._inside += 1

    def leave(self) -> None:
        """Its answer is read, or it is given up."""
        self._inside -= 1

    def hold(self, size: int) -> None:
        """More bytes of a body have come.

        Raises:
            RequestRefused: 503, all bodies together are too large.
        """
        if self._held + size > self._bytes:
            raise _overloaded("the bodies of the requests that are being answered are too large together", {"bytes": self._bytes})
        self._held += size

    def drop(self, size: int) -> None:
        """So many bytes of bodies are needed no more."""
        self._held -= size


def _overloaded(reason: str, details: dict[str, int]) -> RequestRefused:
    message = f"{reason}: ask again in {_RETRY_SECONDS} s"
    return RequestRefused(503, ErrorCode.OVERLOADED, message, details=details, headers={"retry-after": _RETRY_SECONDS})
