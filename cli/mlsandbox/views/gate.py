"""What a gate says of a version, as text."""

from __future__ import annotations

from mlsandbox.actions.gate import GateResult, GateRow
from mlsandbox.output import Paint
from mlsandbox.views.tables import table


def gate_text(result: GateResult, paint: Paint) -> str:
    """A table: what is demanded, what the champion and the version are, and the verdict."""
    rows = [(each.what, each.old, each.new, _verdict(each)) for each in result.rows]
    head, *lines = table(("gate", f"{result.old} (champion)", result.new, "verdict"), rows).splitlines()
    painted = [paint.dim(head), *(_painted(line, each, paint) for line, each in zip(lines, result.rows, strict=True))]
    return "\n".join(f"  {line}" for line in painted)


def _verdict(row: GateRow) -> str:
    return f"✓ {row.limit}" if row.passed else f"✗ {row.reason or row.limit}"


def _painted(line: str, row: GateRow, paint: Paint) -> str:
    front, mark, verdict = line.rpartition("✓" if row.passed else "✗")
    return f"{front}{(paint.good if row.passed else paint.bad)(mark)}{verdict}"
