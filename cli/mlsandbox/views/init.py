"""Text of a new project."""

from __future__ import annotations

from mlsandbox.actions.outcomes import InitResult


def init_text(result: InitResult) -> str:
    """The files, what was found, and the next command."""
    made = "would create" if result.dry_run else "Created"
    files = "\n".join(f"  {result.root / name}" for name in result.created)
    return f"{made}\n{files}\n\nmodel  {result.model} ({result.kind})\nNext   sandbox up"
