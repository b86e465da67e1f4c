"""Text of what came of replaying logged predictions."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from mlsandbox.actions.replay import ReplayResult
from mlsandbox.actions.replay_compare import Replayed, ValueDifference, Verdict
from mlsandbox.output import Paint

_SHOWN: Final = 20
"""Requests of one kind that are shown."""
_WORDS: Final = {
    Verdict.EQUAL: "equal to the bit",
    Verdict.WITHIN: "within the tolerance of their package",
    Verdict.DIFFERENT: "different",
    Verdict.TAMPERED: "changed since they were written",
    Verdict.CANNOT: "cannot be replayed",
}


def replay_text(result: ReplayResult, paint: Paint) -> str:
    """The counts, then what is not as it was, then what it comes to."""
    lines = [f"{_many(result.events, 'logged request')} ({_many(result.rows, 'row')} compared), {result.elapsed:.1f} s{_sampled(result)}"]
    lines += [f"  {result.counts[verdict]:>7,} {words}" for verdict, words in _WORDS.items() if result.counts[verdict]]
    if result.limit is not None:
        lines.append(f"  the newest {result.limit:,} of more; more: --limit N, or some of all: --sample N")
    if result.unsealed:
        lines.append(f"  {result.unsealed:>7,} of them have no digest: whether they were changed nobody can say")
    if len(result.packages) > 1:
        lines += [_package(each.model, each.version, each.counts) for each in result.packages]
    for verdict, kept in groupby(result.others, key=lambda each: each.verdict):
        if verdict is Verdict.CANNOT:
            lines += _reasons(list(kept), paint)
        elif verdict is not Verdict.WITHIN:
            lines += _requests(list(kept), paint)
    return "\n".join([*lines, _end(result, paint)])


def _sampled(result: ReplayResult) -> str:
    return "" if result.sample is None else f", a sample (the same again: --sample {result.sample} --seed {result.seed})"


def _package(model: str, version: str, counts: object) -> str:
    assert isinstance(counts, dict)  # noqa: S101 - of ReplayResult
    return f"  {model} {version}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _requests(found: list[Replayed], paint: Paint) -> list[str]:
    lines = []
    for each in found[:_SHOWN]:
        lines.append(f"{paint.bad(each.verdict.value)} {each.request_id}  {each.model} {each.version}  {each.time}")
        if each.why:
            lines.append(f"    {each.why}")
        lines += [f"    {_value(difference)}" for difference in each.differences]
        if each.differing > len(each.differences):
            lines.append(f"    and {_many(each.differing - len(each.differences), 'more value')}")
    return [*lines, *_more(found)]


def _reasons(found: list[Replayed], paint: Paint) -> list[str]:
    by_reason: dict[str, list[Replayed]] = {}
    for each in found:
        by_reason.setdefault(each.why, []).append(each)
    return [
        f"{paint.warn('cannot')}, because {why} ({_many(len(group), 'request')}, such as {group[0].request_id})"
        for why, group in by_reason.items()
    ]


def _value(one: ValueDifference) -> str:
    delta = "" if one.delta is None else f", {one.delta:+.6g}"
    inputs = f"  ({', '.join(f'{name}={value!r}' for name, value in one.inputs.items())})" if one.inputs else ""
    return f"row {one.row}: {one.output} {one.logged!r} logged, {one.replayed!r} now{delta}{inputs}"


def _more(found: list[Replayed]) -> list[str]:
    return [f"    and {_many(len(found) - _SHOWN, 'more request')}: all of them with -o json"] if len(found) > _SHOWN else []


def _end(result: ReplayResult, paint: Paint) -> str:
    counts, total = result.counts, result.events
    good = counts[Verdict.EQUAL] + counts[Verdict.WITHIN]
    if result.is_bad:
        bad = [f"{counts[verdict]:,} {verdict.value}" for verdict in (Verdict.DIFFERENT, Verdict.TAMPERED) if counts[verdict]]
        return f"{paint.bad('✗')} {good:,} of {total:,} answered as logged; {', '.join(bad)}"
    if counts[Verdict.CANNOT]:
        return f"{paint.warn('·')} {good:,} of {total:,} answered as logged; {counts[Verdict.CANNOT]:,} could not be replayed"
    return f"{paint.good('✓')} all {total:,} answered as logged"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
