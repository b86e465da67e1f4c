"""How much is taken in at once: what comes past it is refused at once, instead of making everything slow or the process too large."""

from __future__ import annotations

from typing import Final

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.refusal import RequestRefused

_BODIES: Final = 16
"""Bodies of the largest size that are held at once."""
_RETRY_SECONDS: Final = "1"


class Admission:
    """Requests with a body, from their head to their answer.

    Args:
        requests: most of them at once.
        max_body: bytes of the largest body.
    """

    def __init__(self, requests: int, max_body: int) -> None:
        self.limit = requests
        self._max_body = max_body
        self._bytes_left = _BODIES * max_body
        self._inside = 0

    def enter(self, announced: int | None) -> int:
        """Let a request in.

        Args:
            announced: bytes of its body; None when they are not known.

        Returns:
            What `leave` takes.

        Raises:
            RequestRefused: 503, there are too many.
        """
        held = self._max_body if announced is None else min(announced, self._max_body)
        if self._inside >= self.limit:
            raise _overloaded(f"{self.limit} requests are being answered already", {"limit": self.limit})
        if held > self._bytes_left:
            raise _overloaded(
                "the bodies of the requests that are being answered are too large together", {"bytes": _BODIES * self._max_body}
            )
        self._inside += 1
        self._bytes_left -= held
        return held

    def leave(self, held: int) -> None:
        """The request has its answer, or is given up."""
        self._inside -= 1
        self._bytes_left += held


def _overloaded(reason: str, details: dict[str, int]) -> RequestRefused:
    message = f"{reason}: ask again in {_RETRY_SECONDS} s"
    return RequestRefused(503, ErrorCode.OVERLOADED, message, details=details, headers={"retry-after": _RETRY_SECONDS})
