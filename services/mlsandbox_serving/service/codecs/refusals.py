"""What every decoder refuses in the same words."""

from __future__ import annotations

from typing import Any, NoReturn

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.schema import Fault, SchemaMismatch
from mlsandbox_serving.schema.faults import shortened
from mlsandbox_serving.service.refusal import RequestRefused


def refuse_many(rows: int, limit: int) -> None:
    """Refuse more rows than a request may have.

    Raises:
        RequestRefused: 413.
    """
    if rows > limit:
        raise RequestRefused(
            413,
            ErrorCode.TOO_MANY_ROWS,
            f"{rows} rows in one request, the limit is {limit}: send several",
            details={"rows": rows, "limit": limit},
        )


def unreadable(message: str) -> RequestRefused:
    """The 400 of a body that is not what its content type says."""
    return RequestRefused(400, ErrorCode.UNREADABLE_BODY, message)


def refuse_form(value: Any, expected: str) -> NoReturn:
    """Refuse a body that can be read, and is not rows.

    Raises:
        SchemaMismatch: with the one fault.
    """
    raise SchemaMismatch((Fault(None, None, shortened(value), expected, "wrong form"),), 1)
