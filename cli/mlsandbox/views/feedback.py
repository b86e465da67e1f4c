"""Text of what became of a file of labels."""

from __future__ import annotations

from mlsandbox.actions.feedback import FeedbackImport
from mlsandbox.output import Paint


def import_text(result: FeedbackImport, paint: Paint) -> str:
    """How many labels were taken, and what is wrong with the other lines."""
    what = "would be handed in: nothing was sent" if result.dry_run else "taken"
    mark = paint.good("✓") if result.accepted else paint.warn("·")
    lines = [f"{mark} {result.model}: {_many(result.accepted, 'label')} of {result.file} {what}"]
    if result.without_label:
        lines.append(f"  {_many(result.without_label, 'line')} without a label yet")
    if result.unknown:
        lines.append(f"  {paint.warn(_many(result.unknown, 'label'))} that the model has no class for")
    if result.refused:
        lines.append(f"  {paint.bad(_many(result.refused, 'line'))} that could not be used:")
        lines += [f"    line {each.line}: {each.message}" for each in result.errors]
        if result.refused > len(result.errors):
            lines.append(f"    and {result.refused - len(result.errors):,} more")
    return "\n".join(lines)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
