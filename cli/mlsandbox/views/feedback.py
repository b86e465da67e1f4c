"""Text of what became of a file of labels."""

from __future__ import annotations

from mlsandbox.actions.feedback import FeedbackImport
from mlsandbox.output import Paint


def import_text(result: FeedbackImport, paint: Paint) -> str:
    """How many labels were taken, and what is wrong with the other lines."""
    what = "would be handed in: nothing was sent" if result.dry_run else "taken"
    lines = [
        f"{paint.good('✓') if result.accepted else paint.warn('·')} {result.model}: {result.accepted:,} labels of {result.file} {what}"
    ]
    if result.without_label:
        lines.append(f"  {result.without_label:,} lines have no label yet")
    if result.unknown:
        lines.append(f"  {paint.warn(f'{result.unknown:,} labels')} are none of the model's classes")
    if result.refused:
        lines.append(f"  {paint.bad(f'{result.refused:,} lines')} hold no label:")
        lines += [f"    line {each.line}: {each.message}" for each in result.errors]
        if result.refused > len(result.errors):
            lines.append(f"    and {result.refused - len(result.errors):,} more")
    return "\n".join(lines)
