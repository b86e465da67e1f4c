"""Text of packages that go, and of those that stay."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.actions.prune import GoingVersion, PruneResult
from mlsandbox.engines.base import Kept
from mlsandbox.views.tables import amount, table


def prune_text(result: PruneResult) -> str:
    """What went, or would go, with its size; and why each other version stays."""
    lines = []
    if result.removed:
        lines.append("would remove:" if result.dry_run else "Removed:")
        lines += _indented(table(("", "", ""), [_row(each) for each in result.removed]).splitlines()[1:])
        total = sum(each.size_bytes + sum(kept.size_bytes or 0 for kept in each.outside) for each in result.removed)
        lines.append(f"{'would free' if result.dry_run else 'Freed'} up to {amount(total)}")
    else:
        lines.append("nothing to remove: each version is needed" if result.kept else "nothing to remove: nothing was packaged yet")
    if result.kept:
        lines.append("would keep:" if result.dry_run else "Kept:")
        rows = [(f"{each.model} {each.version}", amount(each.size_bytes), "; ".join(each.why)) for each in result.kept]
        lines += _indented(table(("", "", ""), rows).splitlines()[1:])
    return "\n".join(lines)


def _row(each: GoingVersion) -> tuple[str, str, str]:
    return (f"{each.model} {each.version}", amount(each.size_bytes), ", ".join(_named(kept) for kept in each.outside))


def _named(kept: Kept) -> str:
    return f"{kept.kind} {kept.name} {amount(kept.size_bytes)}".rstrip()


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
