"""What alibi says of one source, as a section of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mlsandbox_serving.shown import isolated, shown

Json = Mapping[str, Any]

_LEAST: Final = "1e-300"
"""A p-value that is 0 as a number is one that is too small for numbers."""
_SHOWN: Final = 10
"""Columns, the most improbable first."""
_STATES: Final = {
    "drift": "Drift",
    "steady": "No drift",
    "incomplete": "Not all compared",
    "learning": "Learning",
    "loading": "Starting",
    "waiting": "Waiting",
    "failed": "Failed",
}
_COLOURS: Final = {"drift": "drift", "steady": "steady", "incomplete": "change", "failed": "drift"}


def opinion_section(said: Json | None) -> str:
    """The section; nothing when the engine does not watch this source."""
    if said is None:
        return ""
    lines = "".join(f"<p>{shown(each)}</p>" for each in _lines(said))
    return (
        f'<section><h3>Second opinion: alibi</h3><p class="verdict {_COLOURS.get(said["state"], "learning")}">'
        f"{_STATES[said['state']]}. {shown(said['sentence'])}</p>{lines}{_window(said['window'])}</section>"
    )


def _lines(said: Json) -> Iterator[str]:
    yield (
        f"{said['windows']:,} windows of {said['window_rows']:,} rows compared with {said['reference']['rows']:,} rows of the reference; "
        f"{said['alarms']:,} of them differed. The native engine alone decides about alerts."
    )
    if said["failed_rows"]:
        yield f"Of {said['failed_rows']:,} rows something could not be compared."
    if said["dropped_rows"]:
        yield f"{said['dropped_rows']:,} rows came faster than they could be compared."
    yield from (f"{name} cannot be used: {why}" for name, why in said["unusable_detectors"].items())


def _window(window: Json | None) -> str:
    if window is None:
        return ""
    outliers = window["outliers"]
    apart = (
        "" if outliers is None else f"<p>{outliers['any']:.1%} of its rows are outliers; of the reference, {outliers['expected']:.1%}.</p>"
    )
    problems = "".join(f"<li>{isolated(name)}: {shown(why)}</li>" for name, why in window["problems"].items())
    rows = "".join(
        f'<tr><th scope="row">{isolated(name)}</th><td>{shown(how)}</td><td class="n">{_number(p_value)}</td>'
        f'<td class="n">{_number(threshold)}</td><td>{"yes" if drifted else "no"}</td></tr>'
        for name, how, p_value, threshold, drifted in _results(window)
    )
    head = (
        '<tr><th scope="col">What</th><th scope="col">Test</th><th scope="col" class="n">p-value</th>'
        '<th scope="col" class="n">Threshold</th><th scope="col">Differs</th></tr>'
    )
    caption = f'<caption class="soft">The window that ended with row {window["last_row"]:,}, at {shown(window["ended"])}.</caption>'
    return (
        f'<div class="scroll"><table>{caption}<thead>{head}</thead><tbody>{rows}</tbody></table></div>{apart}'
        f"{f'<p>Not compared:</p><ul>{problems}</ul>' if problems else ''}"
    )


def _results(window: Json) -> Iterator[tuple[str, str, float | None, float | None, bool]]:
    for each in window["detectors"]:
        yield f"all columns: {each['name']}", "detector", each["p_value"], each["threshold"], each["drifted"]
    for each in window["columns"][:_SHOWN]:
        yield each["column"], each["method"], each["p_value"], each["threshold"], each["drifted"]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}" if value else f"&lt; {_LEAST}"
