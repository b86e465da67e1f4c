"""What a dry run of `diff` or `replay` says."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.actions.outcomes import PlannedStep


def dry_run_text(command: str, plan: Sequence[PlannedStep]) -> str:
    """One line for each step."""
    lines = [f"  {step.action:<9} {step.subject}: {step.why}" for step in plan]
    return "\n".join([f"Dry run: nothing was changed. sandbox {command} would", *lines])
