"""Every error that a user can meet: what failed, why, how to fix it, a stable code, and the exit code.

Raise these anywhere; only `mlsandbox.cli.main` catches them. `fix` is one line and names a command or a path.
Exit codes: 1 failed, 2 usage or configuration, 3 worked but the answer is bad, 4 prerequisite missing, 5 not ready in time.
"""

from __future__ import annotations

import errno
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


class UnexpectedError(SandboxError):
    """A mistake in this program: please report it, with the file that the message names."""

    code = "UNEXPECTED"


class ConfirmationNeeded(SandboxError):
    """Something that cannot be undone needs a yes, and nobody can be asked."""

    code = "CONFIRMATION_NEEDED"
    exit = Exit.USAGE


class EngineUnavailable(SandboxError):
    """The engine that was asked for cannot run services here."""

    code = "ENGINE_UNAVAILABLE"
    exit = Exit.PREREQUISITE


class ProjectExists(SandboxError):
    """`init` would overwrite a project."""

    code = "PROJECT_EXISTS"
    exit = Exit.USAGE


class NotRunning(SandboxError):
    """The stack, or the service that is needed, is not running."""

    code = "NOT_RUNNING"


class NothingCompared(SandboxError):
    """Whether there is drift was asked, and nothing was compared with a reference yet."""

    code = "NOTHING_COMPARED"


class PredictionFailed(SandboxError):
    """The endpoint refused a request, or did not answer it; `details` holds its answer."""

    code = "PREDICTION_FAILED"


class FeedbackRefused(SandboxError):
    """The endpoint did not take labels; `details` holds its answer, and the line up to which labels were taken."""

    code = "FEEDBACK_REFUSED"


class InputUnreadable(SandboxError):
    """Data given to a command cannot be read."""

    code = "INPUT_UNREADABLE"
    exit = Exit.USAGE


class InputUnfit(SandboxError):
    """Data given to a command can be read, and has no rows or not the columns that the model takes."""

    code = "INPUT_UNFIT"


class RequirementsUnreadable(SandboxError):
    """`requirements` of a model names a file that cannot be read as requirements."""

    code = "REQUIREMENTS_UNREADABLE"
    exit = Exit.USAGE


class OriginUnknown(SandboxError):
    """Nothing tells which versions a model was trained with."""

    code = "ORIGIN_UNKNOWN"
    exit = Exit.USAGE


class PythonMissing(SandboxError):
    """No interpreter of the Python version that a model needs is on this machine, or that version is not supported."""

    code = "PYTHON_MISSING"
    exit = Exit.PREREQUISITE


class CaptureStale(SandboxError):
    """A model file is not the one that capture.json beside it describes; `details` holds the files."""

    code = "CAPTURE_STALE"


class NotLockable(SandboxError):
    """A package that a model needs comes from a path or a repository, so that nobody else can install it."""

    code = "NOT_LOCKABLE"


class LockConflict(SandboxError):
    """The model's own versions and what serving needs exclude each other."""

    code = "LOCK_CONFLICT"


class PackagesUnreachable(SandboxError):
    """The package index cannot be reached, and uv's cache does not hold what is needed."""

    code = "PACKAGES_UNREACHABLE"


class PackagingFailed(SandboxError):
    """Making a package failed."""

    code = "PACKAGING_FAILED"


class ImagePullFailed(SandboxError):
    """A container image is not on this machine, and its registry does not give it; `details` holds the image."""

    code = "IMAGE_PULL_FAILED"


class ImageBuildFailed(SandboxError):
    """Building a container image failed; `details` holds the image and the file with the whole output."""

    code = "IMAGE_BUILD_FAILED"


class PackageTampered(SandboxError):
    """Files of a package are not those that were packaged."""

    code = "PACKAGE_TAMPERED"


class PortInUse(SandboxError):
    """A port that was pinned is taken; `details` holds port, owner (pid and name, null when it is another user's)."""

    code = "PORT_IN_USE"
    exit = Exit.PREREQUISITE


class PortForbidden(SandboxError):
    """A port that was pinned may not be bound by this user."""

    code = "PORT_FORBIDDEN"
    exit = Exit.PREREQUISITE


class StateTooNew(SandboxError):
    """The project's state was written by a later version."""

    code = "STATE_TOO_NEW"
    exit = Exit.PREREQUISITE


class ProjectBusy(SandboxError):
    """Another command is at work on the project; `details` holds its pid and command."""

    code = "PROJECT_BUSY"


class EventLogUnreadable(SandboxError):
    """Logged events cannot be read: nothing was logged yet, the log is damaged, or it does not answer."""

    code = "EVENT_LOG_UNREADABLE"


class ModelFileUnreadable(SandboxError):
    """A model file is missing, empty, cut short or damaged; `details` holds its path."""

    code = "MODEL_FILE_UNREADABLE"


class ModelKindUnknown(SandboxError):
    """A file or object is none of the kinds of model that are served; `details` holds its path or class."""

    code = "MODEL_KIND_UNKNOWN"


class UntrustedModel(SandboxError):
    """Loading a model would import what no allow-list holds; `details` holds the names."""

    code = "MODEL_UNTRUSTED"


class SaveRefused(SandboxError):
    """`mlsandbox.save` cannot write a model that could be served as it is."""

    code = "SAVE_REFUSED"


class AssetsMissing(SandboxError):
    """A file that belongs to this program is not where it was installed."""

    code = "ASSETS_MISSING"


class NotHealthyInTime(SandboxError):
    """A stack was not healthy in the time given; it was left as it is, to be looked at."""

    code = "NOT_HEALTHY_IN_TIME"
    exit = Exit.NOT_READY


class CaptureFailed(SandboxError):
    """A model that came as a file does not load, or does not predict its reference data."""

    code = "CAPTURE_FAILED"


class ReferenceUnusable(SandboxError):
    """Rows cannot become what live rows are compared with: they cannot be read, or the model does not predict them."""

    code = "REFERENCE_UNUSABLE"


class GoldenMismatch(SandboxError):
    """The endpoint does not reproduce the model's own predictions; `details` holds rows, values and versions that differ."""

    code = "GOLDEN_MISMATCH"


class ModelLoadFailed(SandboxError):
    """The packaged model does not load in its environment."""

    code = "MODEL_LOAD_FAILED"


class ServiceRefused(SandboxError):
    """A service runs and says that it will never be ready."""

    code = "SERVICE_REFUSED"


class ServiceCrashed(SandboxError):
    """A service ended while it was starting."""

    code = "SERVICE_CRASHED"


class StackNameTaken(SandboxError):
    """Another project's containers have the stack's name; `details` holds name and folder."""

    code = "STACK_NAME_TAKEN"
    exit = Exit.PREREQUISITE


class StackNotReady(SandboxError):
    """The stack was not ready in time; it was left running, to be looked at."""

    code = "NOT_READY_IN_TIME"
    exit = Exit.NOT_READY


class ExampleMissing(SandboxError):
    """A model without reference data needs one row to prove that it answers."""

    code = "EXAMPLE_MISSING"
    exit = Exit.USAGE


class SmokeFailed(SandboxError):
    """A stack that is ready did not answer the example row."""

    code = "SMOKE_PREDICTION_FAILED"


class CheckFailed(SandboxError):
    """Something that a stack needs is not as it must be; `sandbox doctor` shows all checks."""

    code = "CHECK_FAILED"
    exit = Exit.PREREQUISITE


class DiskFull(SandboxError):
    """A disk, or a quota on it, has no room left."""

    code = "DISK_FULL"
    exit = Exit.PREREQUISITE


class AccessDenied(SandboxError):
    """A file or folder may not be read or written."""

    code = "ACCESS_DENIED"
    exit = Exit.PREREQUISITE


class FolderLinked(SandboxError):
    """`.sandbox` is or holds a symbolic link, which leads out of the project."""

    code = "FOLDER_LINKED"
    exit = Exit.USAGE


def of_system(error: OSError) -> SandboxError | None:
    """What the system refused, as far as its user can do something about it; None: more likely a mistake of ours."""
    path = error.filename2 or error.filename
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(
            "the disk is full" if path is None else f"the disk of {path} is full",
            why=str(error),
            fix="make room; sandbox doctor shows how much there is, sandbox down --volumes removes a stack's data",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} and path is not None:
        return AccessDenied(f"{path} may not be used", why=error.strerror or str(error), fix=f"look at who may: ls -ld '{path}'")
    return None
