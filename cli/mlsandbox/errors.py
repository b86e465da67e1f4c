"""Every error that a user can meet: what failed, why, how to fix it, a stable code, and the exit code.

Raise these anywhere; only `mlsandbox.cli.main` catches them. `fix` is one line and names a command or a path.
Exit codes: 1 failed, 2 usage or configuration, 3 worked but the answer is bad, 4 prerequisite missing, 5 not ready in time.
"""

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


class UsageError(SandboxError):
    """The command line does not say what is needed."""

    code = "USAGE"
    exit = Exit.USAGE


class ConfigInvalid(SandboxError):
    """sandbox.toml or a SANDBOX_* variable is wrong."""

    code = "CONFIG_INVALID"
    exit = Exit.USAGE


class ProjectNotFound(SandboxError):
    """No sandbox.toml here."""

    code = "PROJECT_NOT_FOUND"
    exit = Exit.USAGE


class CommandFailed(SandboxError):
    """A program that we ran failed; `details` holds argv, returncode and the end of its output."""

    code = "COMMAND_FAILED"


class ProgramMissing(SandboxError):
    """A program that is needed is not on PATH."""

    code = "PROGRAM_MISSING"
    exit = Exit.PREREQUISITE
