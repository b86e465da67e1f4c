"""Text of what live rows are compared with."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.actions.drift_baseline import ReferenceInUse
from mlsandbox.output import Paint

_SET = "sandbox drift baseline set --from FILE"


def references_text(shown: Sequence[ReferenceInUse], paint: Paint) -> str:
    """The reference of each model, and how to have another one."""
    return "\n\n".join("\n".join(_lines(each, paint)) for each in shown)


def change_text(done: ReferenceInUse, paint: Paint) -> str:
    """What was changed, and what the running stack knows of it."""
    if done.dry_run:
        what = "would become the baseline" if done.change == "set" else "would be compared with again"
        return f"{_subject(done)} {what}; nothing was changed"
    if done.change == "set":
        attention = f"\n  {paint.warn('attention:')} {done.attention}" if done.attention else ""
        return f"{paint.good('✓')} {_subject(done)} are compared with from now on, kept in {done.folder}\n  {done.running}{attention}"
    return f"{paint.good('✓')} the baseline of {done.model} is gone; compared with again: {_subject(done)}\n  {done.running}"


def _lines(each: ReferenceInUse, paint: Paint) -> list[str]:
    lines = [f"{each.model} {each.version} · {_subject(each)}"]
    if each.profile:
        left_out = ", ".join(f"{name} ({why})" for name, why in each.profile["left_out"].items())
        lines.append(f"  {each.profile['columns']} columns{', labels' if each.profile['labels'] else ''}")
        lines += [f"  left out: {left_out}"] if left_out else []
        lines += [
            f"  {paint.warn('not stationary')}, so {kind} raises no alert: {', '.join(names)}"
            for kind, names in each.profile["unsteady"].items()
        ]
    if each.unused:
        lines.append(f"  {paint.warn('attention:')} {each.unused}")
    if each.kind == "baseline":
        lines.append(f"  kept in {each.folder} since {each.created}; back to the package's own: sandbox drift baseline reset {each.model}")
    elif each.kind == "live":
        lines.append(f"  give it one: {_SET}")
    return lines


def _subject(each: ReferenceInUse) -> str:
    if each.kind == "live":
        return f"the first live rows, since {each.source}"
    return f"{each.profile['rows']:,} rows {'from' if each.kind == 'baseline' else 'of'} {each.source}"
