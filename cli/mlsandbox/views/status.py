"""Text of what is: status, list of stacks, what `down` left."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.actions.outcomes import DownResult, StackList, StatusResult
from mlsandbox.actions.pages import OF_SERVICES
from mlsandbox.engines.base import Kept
from mlsandbox.output import Paint
from mlsandbox.views.tables import ago, amount, span, table

_GOOD, _WAIT = frozenset({"healthy", "done"}), frozenset({"starting", "waiting", "stopping", "restarting"})


def state_word(state: str, paint: Paint) -> str:
    """The state's word, in the colour of its meaning."""
    if state in _GOOD:
        return paint.good(state)
    return paint.warn(state) if state in _WAIT else paint.bad(state)


def status_text(result: StatusResult, paint: Paint) -> str:
    """One line, the services as a table, and what needs attention last."""
    version = f" {result.version}" if result.version else ""
    lasted = f" for {ago(result.since)}" if result.since and result.state == "healthy" else ""
    lines = [f"{paint.strong(result.project)}{version} · {result.engine} · {state_word(result.state, paint)}{lasted}"]
    if result.services:
        rows = [
            (each.name, each.state, ago(each.since), str(each.port or ""), str(each.restarts or ""), amount(each.memory_bytes))
            for each in result.services
        ]
        lines += ["", *_indented(table(("service", "state", "since", "port", "restarts", "memory"), rows))]
    addresses = {**result.endpoints, **{name: url for name, url in result.links.items() if name in OF_SERVICES}}
    if addresses:
        width = max(10, *map(len, addresses))
        lines += ["", *(f"  {name:<{width}} {paint.hint(url)}" for name, url in addresses.items())]
    if result.warnings:
        lines += ["", *(f"  {paint.warn('attention:')} {warning}" for warning in result.warnings)]
    return "\n".join(lines)


def list_text(result: StackList, paint: Paint) -> str:
    """The stacks as a table."""
    if not result.stacks:
        return "no stacks on this machine"
    rows = [(each.name, each.engine, each.state, each.url or "", str(each.directory)) for each in result.stacks]
    head, *body = table(("name", "engine", "state", "url", "directory"), rows).splitlines()
    return "\n".join([paint.strong(head), *body])


def down_text(results: Sequence[DownResult], *, all_of: bool) -> str:
    """What was stopped, and what is left."""
    if all_of and not results:
        return "nothing to stop: no stacks on this machine"
    told = [result for result in results if result.stopped or result.removed or result.removed_outside] if all_of else results
    lines = [line for result in told for line in _down_lines(result, named=all_of)]
    if len(told) < len(results):
        lines.append(f"{len(results) - len(told)} more {'was' if len(results) - len(told) == 1 else 'were'} not running")
    if all_of and any((result.kept or result.kept_outside) and not result.removed for result in told):
        lines.append("Delete what is kept of all of them with: sandbox down --all --volumes")
    return "\n".join(lines)


def _down_lines(result: DownResult, *, named: bool) -> list[str]:
    where = f"{result.project}: " if named else ""
    would = "would stop" if result.dry_run else "Stopped"
    if result.stopped:
        count = f"{len(result.stopped)} service{'s' if len(result.stopped) > 1 else ''}"
        took = "" if result.dry_run else f" in {span(result.elapsed)}"
        lines = [f"{where}{would} {count}{took}: {', '.join(result.stopped)}"]
    else:
        lines = [f"{where}nothing to stop"]
    if result.removed or result.removed_outside:
        gone = "would remove" if result.dry_run else "Removed"
        lines.append(f"{gone} everything in .sandbox: {', '.join(result.removed)}")
        lines += [f"{gone} {listed}" for listed in _by_kind(result.removed_outside)]
    kept = [", ".join(f"{what} {amount(size)}" for what, size in result.kept.items())] if result.kept else []
    kept += _by_kind(result.kept_outside)
    if kept:
        first = "would keep: " if result.dry_run else "Kept: "
        lines += [f"{first if index == 0 else ' ' * len(first)}{each}" for index, each in enumerate(kept)]
        lines[-1] += "" if named or result.removed else " (delete with: sandbox down --volumes)"
    return lines


def _by_kind(kept: Sequence[Kept]) -> list[str]:
    """One line for all volumes, one for all images."""
    kinds = dict.fromkeys(each.kind for each in kept)
    return [
        f"{kind}s " + ", ".join(f"{each.name} {amount(each.size_bytes)}".rstrip() for each in kept if each.kind == kind) for kind in kinds
    ]


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
