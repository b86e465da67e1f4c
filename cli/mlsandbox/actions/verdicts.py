"""From how an engine's `apply` ended to the error that the user reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlsandbox.engines.base import Outcome, Result, Undone
from mlsandbox.errors import (
    GoldenMismatch,
    ModelLoadFailed,
    PackageTampered,
    SandboxError,
    ServiceCrashed,
    ServiceRefused,
    StackNotReady,
)
from mlsandbox_serving.contract import NotReady

_UNDONE: Final = {
    Undone.NOTHING: "",
    Undone.STOPPED: "Nothing was left running.",
    Undone.RESTORED: "What ran before runs again.",
    Undone.NOT_RESTORED: "What ran before was started again; see: sandbox status",
    Undone.KEPT: "What answered before goes on, untouched.",
}
LEFT_RUNNING: Final = "It was left running, to be looked at."
MORE_TIME: Final = "sandbox up --timeout"
"""What is told to be done about a service that was not ready in time, when `up` waited for it."""


def verdict(outcome: Outcome, *, seconds: float) -> SandboxError:
    """The error of an outcome that is not what was wanted.

    Args:
        outcome: REFUSED, CRASHED or TIMEOUT.
        seconds: that were given to become ready.
    """
    if outcome.result is Result.REFUSED:
        return _refused(outcome)
    if outcome.result is Result.CRASHED:
        return _crashed(outcome)
    return StackNotReady(
        f"{outcome.service} was not ready within {seconds:g} s",
        why=_text(outcome.reason, *outcome.lines, _left(outcome) or LEFT_RUNNING),
        fix=f"look at it: sandbox logs {outcome.service}   or give it more time: {MORE_TIME} {seconds * 2:g}",
        details=_details(outcome),
    )


def _refused(outcome: Outcome) -> SandboxError:
    body: Mapping[str, object] = outcome.body or {}
    code, reason = body.get("code"), str(body.get("reason") or outcome.reason)
    why, details = _text(reason, _left(outcome)), _details(outcome)
    if code == NotReady.GOLDEN_MISMATCH:
        return GoldenMismatch(
            "the endpoint does not answer as the model did where it was saved, so it was not made ready",
            why=why,
            fix="put the versions back that it was saved with (requirements.txt beside the model), or save it again; then: sandbox up",
            details=details,
        )
    if code == NotReady.MODEL_DIGEST_MISMATCH:
        return PackageTampered(
            "the packaged model is not what was packaged: its digest differs",
            why=why,
            fix="remove the package's folder below .sandbox/bentoml and build it again: sandbox up",
            details=details,
        )
    if code == NotReady.LOAD_FAILED:
        return ModelLoadFailed(
            "the model could not be loaded in its environment",
            why=_text(reason, *outcome.lines, _left(outcome)),
            fix=f"see the whole trace: sandbox logs {outcome.service}",
            details=details,
        )
    return ServiceRefused(
        f"{outcome.service} says that it will never be ready",
        why=_text(reason, *outcome.lines, _left(outcome)),
        fix=f"sandbox logs {outcome.service}",
        details=details,
    )


def _crashed(outcome: Outcome) -> SandboxError:
    ended = "" if outcome.exit_code is None else f" (exit {outcome.exit_code})"
    return ServiceCrashed(
        f"{outcome.service} stopped while starting{ended}",
        why=_text(outcome.reason, *outcome.lines, _left(outcome)),
        fix=f"see all that it wrote: sandbox logs {outcome.service}",
        details=_details(outcome),
    )


def _left(outcome: Outcome) -> str:
    """How the stack stands now."""
    moved = [f"{each.service} answers at {each.front}, instead of {each.former}, and goes on." for each in outcome.switched]
    return _text(*moved, _UNDONE[outcome.undone])


def _text(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _details(outcome: Outcome) -> dict[str, object]:
    return {
        "service": outcome.service,
        "reason": outcome.reason,
        "exit_code": outcome.exit_code,
        "readiness": None if outcome.body is None else dict(outcome.body),
        "undone": outcome.undone.value,
    }
