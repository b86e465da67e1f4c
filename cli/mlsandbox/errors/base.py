"""What every error of the host tool has."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of the `sandbox` command (`sandbox help exit-codes`)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BAD_FINDING = 3
    PREREQUISITE = 4
    NOT_READY = 5
    INTERRUPTED = 130
    TERMINATED = 143


class SandboxError(Exception):
    """Base of all errors a user can meet.

    Args:
        what: what failed, one line without a full stop.
        why: the cause, one or more lines; empty when `what` says it all.
        fix: the next step; names a command (`sandbox …`) or a path.
        details: machine-readable facts for `-o json`.
    """

    code: ClassVar[str] = "FAILED"
    exit: ClassVar[Exit] = Exit.FAILED

    def __init__(self, what: str, *, why: str = "", fix: str, details: dict[str, object] | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.details = details or {}

    def __str__(self) -> str:
        """What, why and fix: all that a notebook shows of an exception is this."""
        return "\n".join(line for line in (self.what, self.why, f"fix: {self.fix}") if line)
