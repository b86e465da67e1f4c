"""Two versions compared, as a page: one file without scripts or anything to fetch, in the reader's light or dark colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from mlsandbox.comparing.comparison import Comparison, Example, Reason, Timing, quantile_of
from mlsandbox.comparing.segments import Segment
from mlsandbox.comparing.shift import ClassShift, NumberShift
from mlsandbox.terminal_text import visible
from mlsandbox.views.diff import answer_text, distinct_text, seconds_text, share, told

_STYLE: Final = """
:root{color-scheme:light dark;--text:#1b1f24;--soft:#57606a;--page:#fff;--card:#f6f8fa;--line:#d0d7de;--fill:#0969da;
--bad:#b3261e;--good:#1a7f37}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9da7b1;--page:#0d1117;--card:#161b22;--line:#30363d;
--fill:#58a6ff;--bad:#ff8a80;--good:#56d364}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem;font:1rem/1.5 system-ui,sans-serif;color:var(--text);background:var(--page)}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{margin-top:2.5rem;font-size:1.25rem}p{margin:.5rem 0}.soft{color:var(--soft)}
.verdict{border-left:.4rem solid var(--line);background:var(--card);padding:.75rem 1rem;font-weight:600}
.over{border-color:var(--bad)}.within{border-color:var(--good)}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}.scroll{overflow-x:auto}caption{text-align:left;padding:.25rem .5rem}
.bar{display:block;height:.5rem;background:var(--fill);border-radius:.25rem;min-width:1px}
"""


def diff_page(result: Comparison) -> str:
    """The whole page."""
    title = f"{result.model} {result.old.version} → {result.new.version}"
    parts = (_segments(result), _classes(result), _numbers(result), _latency(result), _errors(result), _examples(result))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main><h1>{_own(title)}</h1>{_head(result)}"
        f"{''.join(parts)}<h2>Packages</h2>{_packages(result)}</main></body></html>\n"
    )


def _head(result: Comparison) -> str:
    low, high = result.interval
    limit = "" if result.limit is None else f" {'More than' if result.over else 'Within'} the {share(result.limit)} that may."
    state = "" if result.limit is None else " over" if result.over else " within"
    sample = f", a sample of {result.total:,}" if result.total > result.rows + result.neither else ""
    neither = (
        f" {result.neither:,} more {'is' if result.neither == 1 else 'are'} refused by both, and not counted." if result.neither else ""
    )
    changes = "".join(f"<li>{_own(each)}</li>" for each in result.schema_changes)
    return (
        f'<p class="verdict{state}">They differ in {share(result.rate)} of the rows: {result.differing:,} of {result.rows:,}.{limit}</p>'
        f'<p class="soft">Rows of {_own(result.source)}{sample}{distinct_text(result)}, counted {_own(result.counted)}. '
        f"With 95% certainty the share is from {share(low)} to {share(high)}.{neither}</p>"
        + (f"<h2>The schema changed</h2><ul>{changes}</ul>" if changes else "")
    )


def _segments(result: Comparison) -> str:
    if not result.differing:
        return ""
    left = (
        f'<p class="soft">Not searched, as their values may not be told: {_own(", ".join(result.left_out))}.</p>' if result.left_out else ""
    )
    if not result.segments:
        return f"<h2>Where they differ</h2><p>Nowhere in particular, as far as {result.columns} columns tell.</p>{left}"
    head = ("Rows with", "!Rows", "!Differ", "", "!Elsewhere", "!Of all that differ")
    return f"<h2>Where they differ</h2>{_table(head, map(_segment, result.segments), 'Chance is ruled out for each of these.')}{left}"


def _segment(each: Segment) -> Sequence[str]:
    alike = f'<br><span class="soft">nearly the same rows: {_own(", ".join(one.text for one in each.alike))}</span>' if each.alike else ""
    low, high = each.interval
    differ = f"{share(each.rate)}<br><span class=soft>{share(low)} to {share(high)}</span>"
    bar = f'<span class="bar" style="width:{max(each.rate, 0.01) * 8:.2f}rem"></span>'
    return (f"{_own(each.text)}{alike}", f"{each.rows:,}", differ, bar, share(each.elsewhere_rate), share(each.share))


def _classes(result: Comparison) -> str:
    def row(each: ClassShift) -> Sequence[str]:
        means = ("" if value is None else f"{value:.4f}" for value in (each.old_mean, each.new_mean, each.ks))
        return (_own(told(each.name)), share(each.old_share), share(each.new_share), *means)

    if not result.shift.classes:
        return ""
    old, new = result.old.version, result.new.version
    head = ("Class", f"!Predicted {old}", f"!Predicted {new}", f"!Mean probability {old}", f"!Mean probability {new}", "!KS")
    return f"<h2>Answers</h2>{_table(head, map(row, result.shift.classes))}"


def _numbers(result: Comparison) -> str:
    def section(place: int, each: NumberShift) -> str:
        name = "Answers" if len(result.shift.numbers) == 1 else f"Answers, output {place}"
        rows = [
            (_own(each_version), f"{mean:.6g}", *(f"{value:.6g}" for value in side.values())) for each_version, mean, side in sides(each)
        ]
        head = ("Version", "!Mean", *(f"!{float(key):.0%}" for key in each.old))
        moved = (
            f"A row moves by {each.mean:.4g} on average (median {each.median:.4g}, p95 {each.p95:.4g}, most {each.largest:.4g}); "
            f"the spread of {_own(result.old.version)} is {each.spread:.4g}. KS {each.ks:.3f}."
        )
        return f"<h2>{name}</h2>{_table(head, rows)}<p>{moved}</p>"

    def sides(each: NumberShift) -> Iterable[tuple[str, float, dict[str, float]]]:
        return ((result.old.version, each.old_mean, dict(each.old)), (result.new.version, each.new_mean, dict(each.new)))

    return "".join(section(place, each) for place, each in enumerate(result.shift.numbers))


def _latency(result: Comparison) -> str:
    def row(version: str, timing: Timing) -> Sequence[str]:
        known = ((timing.singles, 0.5), (timing.singles, 0.95), (timing.batches, 0.5), (timing.batches, 0.95))
        return (_own(version), *(seconds_text(quantile_of(values, part)) or "not known" for values, part in known))

    rows = [row(result.old.version, result.old_timing), row(result.new.version, result.new_timing)]
    ratio = f"<p>{_own(result.new.version)} takes {result.slower:.2f} times as long for a row (p95).</p>" if result.slower else ""
    head = ("Version", "!One row, p50", "!p95", "!Row in a batch, p50", "!p95")
    return f"<h2>The model's time</h2>{_table(head, rows, 'Asked by turns, on one machine.')}{ratio}"


def _errors(result: Comparison) -> str:
    def section(title: str, reasons: Sequence[Reason]) -> str:
        rows = ((_own(each.code), f"{each.rows:,}", f"{each.first:,}", _own(each.message)) for each in reasons)
        return f"<h2>{title}</h2>{_table(('Code', '!Rows', '!First row', 'Why'), rows)}" if reasons else ""

    old, new = _own(result.old.version), _own(result.new.version)
    return (
        section(f"New errors: {new} refuses what {old} answers", result.new_errors)
        + section(f"Errors gone: {new} answers what {old} refuses", result.gone_errors)
        + section(f"Both refuse; {old} says", result.both_errors)
    )


def _examples(result: Comparison) -> str:
    def row(each: Example) -> Sequence[str]:
        values = ", ".join(f"{name} {told(value)}" for name, value in each.values.items())
        return (f"{each.row:,}", _own(answer_text(each.old)), _own(answer_text(each.new)), _own(values))

    if not result.examples:
        return ""
    head = ("!Row", result.old.version, result.new.version, "Values")
    return f"<h2>Some that differ</h2>{_table(head, map(row, result.examples))}"


def _packages(result: Comparison) -> str:
    return _table(("Version", "Digest"), ((_own(each.version), _own(each.digest)) for each in (result.old, result.new)))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table; a heading that begins with "!" is of numbers. Cells are HTML, headings are text."""
    numbers = [each.startswith("!") for each in head]
    marks = [' class="n"' if each else "" for each in numbers]
    top = "".join(f'<th scope="col"{mark}>{_own(each.lstrip("!"))}</th>' for each, mark in zip(head, marks, strict=True))
    body = "".join(f"<tr>{_cells(row, marks)}</tr>" for row in rows)
    note = f'<caption class="soft">{caption}</caption>' if caption else ""
    return f'<div class="scroll"><table>{note}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(row: Sequence[str], marks: Sequence[str]) -> str:
    first, *others = zip(row, marks, strict=True)
    return f'<th scope="row"{first[1]}>{first[0]}</th>' + "".join(f"<td{mark}>{cell}</td>" for cell, mark in others)


def _text(text: str) -> str:
    return escape(visible(text, coloured=False))


def _own(text: str) -> str:
    """As an element whose direction of writing is its own."""
    return f"<bdi>{_text(text)}</bdi>" if text else ""
