"""Two versions compared, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mlsandbox.comparing.answers import Verdict
from mlsandbox.comparing.comparison import Comparison, Reason, quantile_of
from mlsandbox.output import Paint
from mlsandbox.views.tables import table

_SHOWN_CLASSES: Final = 12
_LONGEST_VALUES: Final = 110


def diff_text(result: Comparison, paint: Paint) -> str:
    """Everything, the answer to "do they differ, and where" first."""
    blocks = [_head(result, paint), _segments(result, paint), _shift(result), _latency(result), *_errors(result, paint), _examples(result)]
    return "\n\n".join(each for each in [*blocks, conclusion(result, paint)] if each)


def conclusion(result: Comparison, paint: Paint) -> str:
    """The last line."""
    if result.limit is None:
        return ""
    if result.over:
        return f"{paint.bad('✗')} {paint.bad('over the limit')}: {share(result.rate)} of rows differ, {share(result.limit)} may"
    return f"{paint.good('✓')} {paint.good('within the limit')}: {share(result.rate)} of rows differ, {share(result.limit)} may"


def share(value: float | None) -> str:
    """As in "5.0%"; small ones with the digits that they need."""
    if value is None:
        return ""
    percent = value * 100
    return f"{percent:.1f}%" if percent == 0 or percent >= 0.05 else f"{percent:.2g}%"


def many(rows: int) -> str:
    """As in "1 row", "2,000 rows"."""
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def distinct_text(result: Comparison) -> str:
    """How many of the rows are distinct, when some are alike."""
    return f" ({result.distinct:,} distinct)" if result.distinct < result.rows else ""


def seconds_text(value: float | None) -> str:
    """As in "1.24 ms"."""
    if value is None:
        return ""
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def told(value: Any) -> str:
    """A JSON value, in few letters."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def answer_text(answer: Mapping[str, Any]) -> str:
    """What one version said to a row."""
    if "error" in answer:
        return f"refused ({answer['error']})"
    probability = f" ({answer['probability']:.3f})" if "probability" in answer else ""
    return f"{told(answer['prediction'])}{probability}"


def _head(result: Comparison, paint: Paint) -> str:
    asked, low, high = result.rows + result.neither, *result.interval
    rows = many(result.rows) if result.total <= asked else f"{result.rows:,} of {many(result.total)}"
    amount = f"{result.differing:,} of {many(result.rows)}: {share(result.rate)} (95% certain: {share(low)} to {share(high)})"
    lines = [
        f"{paint.strong(f'{result.model} {result.old.version} → {result.new.version}')} · {rows}{distinct_text(result)} of {result.source}",
        "",
        f"They differ in {amount}" if result.rows else f"Nothing is compared: both refuse each of {many(asked)}",
    ]
    parts = [
        (Verdict.OTHER, "another answer"),
        (Verdict.ONLY_OLD, f"only {result.old.version} answers"),
        (Verdict.ONLY_NEW, f"only {result.new.version} answers"),
    ]
    if result.verdicts[Verdict.ONLY_OLD] or result.verdicts[Verdict.ONLY_NEW]:
        lines.append("  " + ", ".join(f"{name} {result.verdicts[kind]:,}" for kind, name in parts))
    if result.neither and result.rows:
        lines.append(f"  {result.neither:,} more {'is' if result.neither == 1 else 'are'} refused by both, and not counted")
    lines += [f"  {paint.warn('the schema changed:')} {each}" for each in result.schema_changes]
    return "\n".join(lines)


def _segments(result: Comparison, paint: Paint) -> str:
    left = f"; not searched, as their values may not be told: {', '.join(result.left_out)}" if result.left_out else ""
    if not result.differing:
        return ""
    if not result.segments:
        return f"Where: nowhere in particular, as far as {result.columns} columns tell{left}"
    rows = [(each.text, f"{each.rows:,}", share(each.rate), share(each.elsewhere_rate), share(each.share)) for each in result.segments]
    lines = [f"Where ({result.columns} columns searched{left})"]
    head, *others = table(("rows with", "rows", "differ", "elsewhere", "of all that differ"), rows).splitlines()
    lines.append(f"  {paint.dim(head)}")
    for line, segment in zip(others, result.segments, strict=True):
        lines.append(f"  {line}")
        lines += [f"    nearly the same rows: {', '.join(each.text for each in segment.alike)}"] if segment.alike else []
    return "\n".join(lines)


def _shift(result: Comparison) -> str:
    old, new = result.old.version, result.new.version
    if result.shift.classes:
        rows = [
            (
                told(each.name),
                share(each.old_share),
                share(each.new_share),
                _number(each.old_mean),
                _number(each.new_mean),
                _number(each.ks),
            )
            for each in result.shift.classes[:_SHOWN_CLASSES]
        ]
        header = ("class", f"predicted {old}", new, f"mean probability {old}", new, "KS")
        more = len(result.shift.classes) - _SHOWN_CLASSES
        return _block("Answers", header, rows) + (f"\n  and {more} more classes: -o json" if more > 0 else "")
    blocks = []
    for place, each in enumerate(result.shift.numbers):
        name = "Answers" if len(result.shift.numbers) == 1 else f"Answers, output {place}"
        quantiles = [
            (version, f"{mean:.6g}", *(f"{value:.6g}" for value in side.values()))
            for version, mean, side in ((old, each.old_mean, each.old), (new, each.new_mean, each.new))
        ]
        spread = f", {each.mean / each.spread:.3g} of the spread" if each.spread else ""
        heading = ("", "mean", *(f"{float(key):.0%}" for key in each.old))
        moved = (
            f"  a row moves by {each.mean:.4g} on average{spread}; median {each.median:.4g}, p95 {each.p95:.4g}, most {each.largest:.4g}"
        )
        blocks.append(f"{_block(name, heading, quantiles)}\n{moved}; KS {each.ks:.3f}")
    return "\n\n".join(blocks)


def _latency(result: Comparison) -> str:
    rows = [
        (
            side.version,
            seconds_text(quantile_of(timing.singles, 0.5)),
            seconds_text(quantile_of(timing.singles, 0.95)),
            seconds_text(quantile_of(timing.batches, 0.5)),
            seconds_text(quantile_of(timing.batches, 0.95)),
        )
        for side, timing in ((result.old, result.old_timing), (result.new, result.new_timing))
    ]
    if not result.old_timing.singles or not result.new_timing.singles:
        return ""
    ratio = (
        f"\n  {result.new.version} takes {result.slower:.2f} times as long for a row (p95), by turns on this machine"
        if result.slower
        else ""
    )
    return _block("The model's time", ("", "one row p50", "p95", "row in a batch p50", "p95"), rows) + ratio


def _errors(result: Comparison, paint: Paint) -> Iterator[str]:
    titles = (
        (result.new_errors, f"New errors: {result.new.version} refuses what {result.old.version} answers"),
        (result.gone_errors, f"Errors gone: {result.new.version} answers what {result.old.version} refuses"),
        (result.both_errors, f"Both refuse; {result.old.version} says"),
    )
    for reasons, title in titles:
        if reasons:
            yield "\n".join([f"{paint.warn(title)} (rows are counted {result.counted})", *map(reason_text, reasons)])


def reason_text(reason: Reason) -> str:
    """One line."""
    rows = f"row {reason.first:,}" if reason.rows == 1 else f"{reason.rows:,} rows, the first is {reason.first:,}"
    return f"  {reason.code} ({rows}): {reason.message}"


def _examples(result: Comparison) -> str:
    lines = []
    for each in result.examples:
        values = ", ".join(f"{name} {told(value)}" for name, value in each.values.items())
        cut = f"{values[:_LONGEST_VALUES]}…" if len(values) > _LONGEST_VALUES else values
        lines += [f"  row {each.row:,}: {answer_text(each.old)} → {answer_text(each.new)}", *([f"    {cut}"] if cut else [])]
    return "\n".join([f"Some that differ (rows are counted {result.counted})", *lines]) if lines else ""


def _block(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = table(header, rows).splitlines()
    return "\n".join([title, *(f"  {line}".rstrip() for line in lines)])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
