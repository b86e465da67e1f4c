"""Stacks: starting them, and asking what runs."""

from __future__ import annotations

from mlsandbox.errors.base import Exit, SandboxError


class EngineUnavailable(SandboxError):
    """The engine that was asked for cannot run services here."""

    code = "ENGINE_UNAVAILABLE"
    exit = Exit.PREREQUISITE


class NotRunning(SandboxError):
    """The stack, or the service that is needed, is not running."""

    code = "NOT_RUNNING"


class NothingCompared(SandboxError):
    """Whether there is drift, or how often two versions differ, was asked, and nothing could be compared."""

    code = "NOTHING_COMPARED"


class PredictionFailed(SandboxError):
    """The endpoint refused a request, or did not answer it; `details` holds its answer."""

    code = "PREDICTION_FAILED"


class FeedbackRefused(SandboxError):
    """The endpoint did not take labels; `details` holds its answer, and the line up to which labels were taken."""

    code = "FEEDBACK_REFUSED"


class ImagePullFailed(SandboxError):
    """A container image is not on this machine, and its registry does not give it; `details` holds the image."""

    code = "IMAGE_PULL_FAILED"


class ImageBuildFailed(SandboxError):
    """Building a container image failed; `details` holds the image and the file with the whole output."""

    code = "IMAGE_BUILD_FAILED"


class PortInUse(SandboxError):
    """A port that was pinned is taken; `details` holds port, owner (pid and name, null when it is another user's)."""

    code = "PORT_IN_USE"
    exit = Exit.PREREQUISITE


class PortForbidden(SandboxError):
    """A port that was pinned may not be bound by this user."""

    code = "PORT_FORBIDDEN"
    exit = Exit.PREREQUISITE


class EventLogUnreadable(SandboxError):
    """Logged events cannot be read: nothing was logged yet, the log is damaged, or it does not answer."""

    code = "EVENT_LOG_UNREADABLE"


class NotHealthyInTime(SandboxError):
    """A stack was not healthy in the time given; it was left as it is, to be looked at."""

    code = "NOT_HEALTHY_IN_TIME"
    exit = Exit.NOT_READY


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


class SmokeFailed(SandboxError):
    """A stack that is ready did not answer the example row."""

    code = "SMOKE_PREDICTION_FAILED"


class CheckFailed(SandboxError):
    """Something that a stack needs is not as it must be; `sandbox doctor` shows all checks."""

    code = "CHECK_FAILED"
    exit = Exit.PREREQUISITE
