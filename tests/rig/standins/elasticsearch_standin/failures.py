"""What Elasticsearch answers when it refuses."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An error answer: HTTP status, Elasticsearch's name of it, and its words."""

    def __init__(self, status: int, kind: str, reason: str, *, cause: tuple[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.kind = kind
        self.reason = reason
        self.cause = cause

    def body(self) -> dict[str, Any]:
        """The `error` object, as single answers and bulk items carry it."""
        error: dict[str, Any] = {"type": self.kind, "reason": self.reason}
        if self.cause:
            error["caused_by"] = {"type": self.cause[0], "reason": self.cause[1]}
        return error


def bad_argument(reason: str) -> Refusal:
    return Refusal(400, "illegal_argument_exception", reason)


def parsing(reason: str) -> Refusal:
    return Refusal(400, "parsing_exception", reason)


def no_index(name: str) -> Refusal:
    return Refusal(404, "index_not_found_exception", f"no such index [{name}]")
