"""Text of what a stack is made from."""

from __future__ import annotations

from mlsandbox.actions.pull import PullResult
from mlsandbox.output import Paint
from mlsandbox.views.tables import span, table


def pull_text(result: PullResult, paint: Paint) -> str:
    """What is here now, or the plan of a dry run."""
    if result.dry_run:
        rows = [f"  {step.action:<9} {step.subject}: {step.why}" for step in result.plan]
        return "\n".join([f"Dry run of {result.project}: nothing was changed. sandbox pull would", *(rows or ["  do nothing"])])
    head = f"All that {result.project} is made from is here"
    listed = table(("FOR", "MADE FROM"), [(", ".join(each.services), each.name) for each in result.supplies])
    indented = "\n".join(f"  {line}" for line in listed.splitlines())
    return f"  {paint.strong(head)} · {result.engine} · {span(result.elapsed)}\n\n{indented}\n\n  Next  sandbox up"
