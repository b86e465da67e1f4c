"""Text of what the drift service says, and of what was injected."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC
from typing import Final

from mlsandbox.actions.drift import DriftPage, DriftResult
from mlsandbox.actions.drift_send import Injection
from mlsandbox.drift_status import Column, KindVerdict, ModelDrift, Opinion, Performance
from mlsandbox.output import Paint
from mlsandbox.views.tables import ago, span, table

_BAR: Final = 10
_FULL_PSI, _FULL_EXCESS = 0.25, 0.05
"""Where severity becomes high; there the bar is full."""
_STATES: Final = {"drift": "drift", "change": "a change", "steady": "no drift", "learning": "learning", "waiting": "waiting for rows"}
_METRICS: Final = 4
_WIDTH: Final = 100
_LONGEST_NAME: Final = 40
_NOT_KNOWN: Final = "not known"


def drift_text(result: DriftResult, paint: Paint) -> str:
    """Every model with its kinds, the columns of those that changed, and the verdict last."""
    attention = [f"{paint.warn('attention:')} {each}" for each in result.problems]
    if not result.models:
        nothing = f"{result.project}: no rows yet, so there is nothing to compare"
        return "\n\n".join([nothing, *attention, "  Next  sandbox predict --example"])
    blocks = ["\n".join(_model(each, paint)) for each in result.models]
    if result.former:
        blocks.append(f"not served any more, and not shown: {_counted(result.former, 'version')}; see all: sandbox drift --all")
    blocks += attention
    if left_out := list(dict.fromkeys(_left_out(each) for each in result.models if each.left_out)):
        blocks.append("\n".join(line for each in left_out for line in _wrapped(each, "")))
    if result.silent:
        blocks.append("\n".join(f"{paint.warn('attention:')} the engine {name} is off: {why}" for name, why in result.silent.items()))
    checked = f"{result.checked.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    blocks.append(f"{paint.dim(f'checked {checked}')}\n{_conclusion(result, paint)}")
    return "\n\n".join(blocks)


def page_text(page: DriftPage) -> str:
    """Where the page is."""
    if page.file is None:
        return page.url
    return f"{'would write' if page.dry_run else 'Wrote'} {page.file}"


def injection_text(result: Injection, paint: Paint) -> str:
    """What was sent, what became of it, and where to look."""
    named = f"{result.model} {result.version}".strip()
    of = f"{result.known:,} of its {result.total:,} rows" if result.known < result.total else _counted(result.total, "row")
    drawn = f"drawn from {result.source} ({of}), column {result.column} changed by {result.shift}"
    if result.dry_run:
        return f"would send {result.planned:,} rows to {named}, {drawn}; nothing was sent"
    lines = [f"{paint.good('✓')} {result.sent:,} rows were sent to {named} in {span(result.elapsed)}, {drawn}"]
    lines.append(f"  in {result.changed:,} of them the value is another one than in the reference")
    if result.refused:
        lines.append(f"  {paint.warn(f'{result.refused:,} rows')} were refused by the endpoint, and are not compared:")
        lines += [f"    {count:,}: {why}" for why, count in result.refusals.items()]
    if result.sent + result.refused < result.planned:
        lines.append(f"  {result.planned:,} were meant to be sent: the endpoint did not answer fast enough")
    lines += ["", f"  Look  sandbox drift {result.model}     the rows are there some seconds after they were sent"]
    return "\n".join([*lines, *([f"        {result.link}"] if result.link else [])])


def gate_texts(result: DriftResult) -> tuple[str, ...]:
    """What --fail-on-drift says when there is drift; one line each."""
    if result.drifted:
        named = "; ".join(f"{each.model} {each.version} ({', '.join(each.pages)})" for each in result.drifted)
        return (f"drift in {named}: this ends with 3, as --fail-on-drift asks",)
    return ()


def bar(column: Column) -> str:
    """The size of a change; full where it becomes high; "" when it is not known."""
    if column.severity is None:
        return ""
    filled = round(_BAR * min(max((column.psi or 0.0) / _FULL_PSI, (column.excess or 0.0) / _FULL_EXCESS, 0.0), 1.0))
    return "#" * filled + "." * (_BAR - filled)


def evidence_text(kind: KindVerdict) -> str:
    """Evidence as a part of what raises an alarm; once it has, it is gathered anew and says little."""
    if kind.certain or kind.evidence is None:
        return "alarm raised"
    return "< 0.1% of an alarm" if kind.evidence < 0.001 else f"{kind.evidence:.1%} of an alarm"


def _conclusion(result: DriftResult, paint: Paint) -> str:
    if result.drifted:
        named = ", ".join(f"{each.model} {each.version}" for each in result.drifted)
        return f"{paint.bad('✗')} {paint.bad('drift')} in {named}; look closer: sandbox drift report --open"
    if result.is_open:
        return f"{paint.warn('·')} nothing was compared yet"
    if result.waiting:
        named = ", ".join(f"{each.model} {each.version}" for each in result.waiting)
        return f"{paint.warn('·')} no drift that matters so far; nothing was compared yet of {named}"
    young = [f"{each.model} {each.version}" for each in result.models if each.current and any(kind.young for kind in each.kinds)]
    if young:
        return f"{paint.warn('·')} {paint.warn('a change')} in {', '.join(young)}; whether it matters is not known yet"
    kinds = [kind for model in result.models if model.current for kind in model.kinds]
    if kinds and all(kind.severity is None for kind in kinds):
        return f"{paint.warn('·')} no drift so far, of too few rows to mean much"
    return f"{paint.good('✓')} {paint.good('no drift')} that matters"


def _model(model: ModelDrift, paint: Paint) -> Iterator[str]:
    former = "" if model.current else " · not served any more"
    state = _coloured(model.state, _STATES.get(model.state, model.state), paint)
    yield f"{paint.strong(f'{model.model} {model.version}')} · {state}{former}"
    yield from _wrapped(model.sentence)
    yield from _wrapped(_rows(model))
    for each in _attention(model):
        first, *others = _wrapped(f"attention: {each}")
        yield first.replace("attention:", paint.warn("attention:"), 1)
        yield from others
    if model.kinds and model.rows:
        yield ""
        yield from (f"  {line}" for line in _kinds(model).splitlines())
        yield from (line for each in model.kinds for line in _worst(each, paint))
    if model.opinion is not None:
        yield ""
        yield f"  second opinion: {model.opinion.engine}, {_windows(model.opinion)}"
        yield from _second(model.opinion, paint)
    yield from (f"  {each}".rstrip() for each in _performance(model.performance))


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False
    ) or [""]


def _kinds(model: ModelDrift) -> str:
    rows = [(each.kind, _told(each), _severity(each), _since(each, model), evidence_text(each)) for each in model.kinds]
    header = ("about", "verdict", "severity", "alarm at row", "evidence")
    if not any(each.certain for each in model.kinds):
        return table((*header[:3], header[4]), [(*row[:3], row[4]) for row in rows])
    return table(header, rows)


def _severity(kind: KindVerdict) -> str:
    if kind.severity is not None:
        return kind.severity
    return f"{_NOT_KNOWN} ({kind.rows} of {kind.rows_needed} rows)" if kind.rows < kind.rows_needed else f"{_NOT_KNOWN} yet"


def _second(opinion: Opinion, paint: Paint) -> Iterator[str]:
    """Its sentence, in the colour of what it says; alerts are the native engine's alone."""
    colour = paint.bad if opinion.state in {"drift", "failed"} else paint.good if opinion.state == "steady" else paint.warn
    yield from map(colour, _wrapped(opinion.sentence, "    "))
    for name, why in opinion.problems.items():
        yield from map(paint.warn, _wrapped(f"{name}: {why}", "    "))


def _windows(opinion: Opinion) -> str:
    failed = f"; of {opinion.failed_rows:,} rows something could not be compared" if opinion.failed_rows else ""
    return f"{opinion.windows:,} windows of {opinion.window_rows:,} rows{failed}"


def _rows(model: ModelDrift) -> str:
    if model.rows_to_learn:
        return f"no reference yet: {model.rows_to_learn:,} more rows become it"
    last = f"; the last one {ago(model.last_event)} ago" if model.last_event else ""
    rows = "1 row" if model.rows == 1 else f"{model.rows:,} rows"
    return f"{rows} compared with {model.reference_rows:,} of the reference, {model.reference_words}{last}"


def _attention(model: ModelDrift) -> Iterator[str]:
    if model.problem:
        yield f"the reference that was given cannot be used: {model.problem}"
    for kind in model.kinds:
        if kind.informational:
            yield f"{kind.kind} can raise no alert: {kind.informational}"
    if model.rows_without_inputs:
        yield f"{model.rows_without_inputs:,} rows were logged without inputs: only what the model answered is compared"


def _left_out(model: ModelDrift) -> str:
    """The same for all versions of a model as long as their references leave out the same columns, and then told once."""
    named = "; ".join(f"{name}: {why}" for name, why in list(model.left_out.items())[:3])
    more = f"; and {len(model.left_out) - 3} more" if len(model.left_out) > 3 else ""
    return f"not compared of {model.model}: {named}{more}"


def _since(kind: KindVerdict, model: ModelDrift) -> str:
    if kind.since_row is None:
        return ""
    return f"{kind.since_row:,} ({max(model.rows - kind.since_row, 0):,} rows ago)"


def _told(kind: KindVerdict) -> str:
    return "drift" if kind.page else "over" if kind.over else "a change" if kind.certain else "steady"


def _worst(kind: KindVerdict, paint: Paint) -> Iterator[str]:
    if not kind.worst:
        return
    yield ""
    yield f"  {kind.kind}: the worst columns"
    rows = [
        (_short(each.name), each.severity or _NOT_KNOWN, bar(each), _size(each, kind), "yes" if each.certain else "no")
        for each in kind.worst
    ]
    head, *lines = table(("column", "severity", "size", "measure", "certain"), rows).splitlines()
    yield f"  {paint.dim(head)}"
    for line, each in zip(lines, kind.worst, strict=True):
        yield f"  {line}"
        yield from _wrapped(each.explanation if len(each.name) <= _LONGEST_NAME else f"{each.name}: {each.explanation}", "    ")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _size(column: Column, kind: KindVerdict) -> str:
    """The measure that decides about severity, and where the mean went."""
    if column.severity is None:
        return ""
    psi, excess = column.psi or 0.0, column.excess or 0.0
    if kind.kind == "outliers" or excess / _FULL_EXCESS > psi / _FULL_PSI:
        return f"{excess * 100:+.1f} points"
    return f"PSI {psi:.3f}" + ("" if column.shift is None else f", {column.shift:+.2f} sd")


def _performance(windows: tuple[Performance, ...]) -> Iterator[str]:
    """How well it predicted, in the widest window that has labels."""
    for each in reversed([one for one in windows if one.labels]):
        known = [(name, value) for name, value in each.metrics.items() if value is not None]
        told = "  ".join(f"{name} {value:.4g}" for name, value in known[:_METRICS])
        yield ""
        apart = f"; {_counted(each.unusable, 'label')} cannot be used" if each.unusable else ""
        yield f"with labels ({each.window}): {each.labels - each.unusable:,} of {each.predictions:,} predictions{apart}  {told}".rstrip()
        return


def _coloured(state: str, text: str, paint: Paint) -> str:
    if state == "drift":
        return paint.bad(text)
    return paint.good(text) if state == "steady" else paint.warn(text)
