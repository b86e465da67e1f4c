"""Requests that do not get a prediction, and what client and log are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.record import Failure


class RequestRefused(Exception):
    """The request is answered with an error.

    Args:
        status: HTTP status.
        code: of contract.ErrorCode.
        message: for the client.
        details: for the client, JSON values.
        logged: the message for the event, when the client's may repeat values that must not be written.
        stack: traceback for the event.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        logged: str | None = None,
        stack: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.details = dict(details or {})
        self.message = message
        self.headers = dict(headers or {})
        self.failure = Failure(status, code, message if logged is None else logged, stack)

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer's JSON."""
        return {
            "error": {"code": self.failure.code, "message": self.message, "details": self.details, "request_id": request_id},
        }


def unreadable(message: str) -> RequestRefused:
    """The 400 of a body that is not what its content type says."""
    return RequestRefused(400, ErrorCode.UNREADABLE_BODY, message)


def refuse_many(rows: int, limit: int, *, what: str = "rows", at_least: bool = False) -> None:
    """Refuse more rows than a request may have.

    Args:
        rows: that it has.
        limit: that it may have.
        what: rows are called.
        at_least: whether nobody looked how many more there are.

    Raises:
        RequestRefused: 413.
    """
    if rows > limit:
        raise RequestRefused(
            413,
            ErrorCode.TOO_MANY_ROWS,
            f"{'at least ' if at_least else ''}{rows} {what} in one request, the limit is {limit}: send several",
            details={"rows": rows, "limit": limit},
        )
