"""Text of what `down` stopped, and what is left."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.actions.outcomes import DownAllResult, DownResult
from mlsandbox.engines.base import Keeping, Kept
from mlsandbox.views.tables import amount, span

_OF_ONE = "sandbox down --volumes"
_OF_ALL = "sandbox down --all --volumes"
_MOST = 3
"""Of what stacks share, that are named in the text about one stack."""


def down_text(result: DownResult) -> str:
    """Of one stack."""
    return "\n".join([*_done(result), *_kept(result, shared=True)])


def down_all_text(result: DownAllResult) -> str:
    """Of all stacks, those that did not run counted, and what they share."""
    told = [each for each in result.stacks if each.stopped or each.removed or each.removed_outside]
    lines = [line for each in told for line in (*_done(each, f"{each.project}: "), *_kept(each, shared=False))]
    idle = len(result.stacks) - len(told)
    if idle:
        lines.append(f"{idle} more {'was' if idle == 1 else 'were'} not running")
    if not result.stacks:
        lines.append("nothing to stop: no stacks on this machine")
    gone = "would remove" if result.dry_run else "Removed"
    lines += [f"{gone} {listed}" for listed in _by_kind(result.removed_shared)]
    lines += [f"{'would keep' if result.dry_run else 'Kept'}: {listed}" for listed in _by_kind(result.kept_shared)]
    if any((each.kept or each.kept_outside) and not each.removed for each in told):
        lines.append(f"Delete what is kept of all of them with: {_OF_ALL}")
    return "\n".join(lines)


def _done(result: DownResult, where: str = "") -> list[str]:
    would = "would stop" if result.dry_run else "Stopped"
    lines = [f"{where}nothing to stop"]
    if result.stopped:
        count = f"{len(result.stopped)} service{'s' if len(result.stopped) > 1 else ''}"
        took = "" if result.dry_run else f" in {span(result.elapsed)}"
        lines = [f"{where}{would} {count}{took}: {', '.join(result.stopped)}"]
    if result.removed or result.removed_outside:
        gone = "would remove" if result.dry_run else "Removed"
        lines.append(f"{gone} everything in .sandbox: {', '.join(result.removed)}")
        lines += [f"{gone} {listed}" for listed in _by_kind(result.removed_outside)]
    return lines


def _kept(result: DownResult, *, shared: bool) -> list[str]:
    """What is left; with `shared` also what is of no project alone, and how to delete it."""
    kept = [", ".join(f"{what} {amount(size)}" for what, size in result.kept.items())] if result.kept else []
    kept += _by_kind([each for each in result.kept_outside if each.kind is not Keeping.SHARED])
    if kept and shared and not result.removed:
        kept[-1] += f" (delete with: {_OF_ONE})"
    if shared:
        kept += [f"{listed} (delete with: {_OF_ALL})" for listed in _by_kind(_shared(result), most=_MOST)]
    first = "would keep: " if result.dry_run else "Kept: "
    return [f"{first if index == 0 else ' ' * len(first)}{each}" for index, each in enumerate(kept)]


def _shared(result: DownResult) -> list[Kept]:
    return [each for each in result.kept_outside if each.kind is Keeping.SHARED]


def _by_kind(kept: Sequence[Kept], *, most: int | None = None) -> list[str]:
    """One line for all of a kind; at most `most` of them by name."""
    lines = []
    for kind in dict.fromkeys(each.kind for each in kept):
        some = [f"{each.name} {amount(each.size_bytes)}".rstrip() for each in kept if each.kind == kind]
        more = [f"and {len(some) - most} more"] if most is not None and len(some) > most else []
        lines.append(f"{kind}s {', '.join([*some[:most], *more])}")
    return lines
