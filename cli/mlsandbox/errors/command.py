"""What was said on the command line or in files that are given to it, and programs that are run."""

from __future__ import annotations

from mlsandbox.errors.base import Exit, SandboxError


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


class ProjectExists(SandboxError):
    """`init` would overwrite a project."""

    code = "PROJECT_EXISTS"
    exit = Exit.USAGE


class ConfirmationNeeded(SandboxError):
    """Something that cannot be undone needs a yes, and nobody can be asked."""

    code = "CONFIRMATION_NEEDED"
    exit = Exit.USAGE


class CommandFailed(SandboxError):
    """A program that we ran failed; `details` holds argv, returncode and the end of its output."""

    code = "COMMAND_FAILED"


class ProgramMissing(SandboxError):
    """A program that is needed is not on PATH."""

    code = "PROGRAM_MISSING"
    exit = Exit.PREREQUISITE


class UnexpectedError(SandboxError):
    """A mistake in this program: please report it, with the file that the message names."""

    code = "UNEXPECTED"


class InputUnreadable(SandboxError):
    """Data given to a command cannot be read."""

    code = "INPUT_UNREADABLE"
    exit = Exit.USAGE


class InputUnfit(SandboxError):
    """Data given to a command can be read, and has no rows or not the columns that the model takes."""

    code = "INPUT_UNFIT"
