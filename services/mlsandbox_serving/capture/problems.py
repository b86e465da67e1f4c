"""What can keep a model from being captured, each with its way out."""

from __future__ import annotations

from typing import Any


class CaptureError(ValueError):
    """The model or its reference data cannot be captured as they are.

    Args:
        code: stable name of the problem.
        message: what is wrong, naming the column where there is one.
        why: the cause, when the message does not say it all.
        fix: what to do, as code or a command.
    """

    def __init__(self, code: str, message: str, *, why: str = "", fix: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.why = why
        self.fix = fix

    def to_json(self) -> dict[str, Any]:
        """As it is printed by `python -m mlsandbox_serving.capture`."""
        return {"error": {"code": self.code, "message": self.message, "why": self.why, "fix": self.fix}}


def column_problem(name: object, why: str, fix: str) -> CaptureError:
    """A column whose values cannot be sent as JSON and rebuilt exactly."""
    return CaptureError("COLUMN_UNSUPPORTED", f"column {name!r} cannot be served", why=why, fix=fix)
