"""The report as a page: one file without scripts, links to elsewhere or anything to fetch, in the reader's light or dark colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlsandbox_serving.drift_sidecar.opinion_page import opinion_section
from mlsandbox_serving.drift_sidecar.plot import plot
from mlsandbox_serving.shown import isolated, shown

Json = Mapping[str, Any]

_SHOWN: Final = 60
"""Columns that are drawn, the worst first."""
_STATES: Final = {"drift": "Drift", "change": "Change", "steady": "No drift", "learning": "Learning", "waiting": "Waiting"}
_REASONS: Final = (("out_of_range", "out of range"), ("unseen", "unseen"), ("missing", "missing"), ("any", "any of these"))
_STYLE: Final = """
:root{color-scheme:light dark;--text:#1b1f24;--soft:#57606a;--page:#fff;--card:#f6f8fa;--line:#d0d7de;
--reference:#8c959f; --recent:#0969da;--bad:#b3261e;--warn:#8a5300;--good:#1a7f37}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9da7b1;--page:#0d1117;--card:#161b22;--line:#30363d;
--reference:#7d8590; --recent:#58a6ff;--bad:#ff8a80;--warn:#e3b341;--good:#56d364}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem;font:1rem/1.5 system-ui,sans-serif;color:var(--text);
 background:var(--page)}
h1{font-size:1.5rem}h2{margin-top:2.5rem;font-size:1.25rem;overflow-wrap:anywhere}
h3{font-size:1rem;margin:0; overflow-wrap:anywhere}p{margin:.5rem 0}.soft{color:var(--soft)}
.verdict{border-left:.4rem solid var(--line);background:var(--card); padding:.75rem 1rem;font-weight:600}
.drift{border-color:var(--bad)}.change,.learning{border-color:var(--warn)}.steady{border-color: var(--good)}
article{border:1px solid var(--line);border-radius:.4rem;padding:1rem;margin:1rem 0}
.badge{display:inline-block;border:1px solid currentColor;border-radius:1rem;padding:0 .6rem;font-size:.85rem;
font-weight:600;white-space:nowrap}
.high,.medium{color:var(--bad)}.low{color:var(--warn)}.none{color:var(--good)}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
td:last-child{overflow-wrap:anywhere}caption{text-align:left;padding:.25rem .5rem}
td.n,th.n{text-align:right;white-space:nowrap}.scroll{ overflow-x:auto}
svg{display:block;width:100%;height:auto;margin:.75rem 0}svg text{fill:var(--text);font-size:12px}
.reference{fill: var(--reference)}.recent{fill:var(--recent)}
.key{display:inline-block;width:1.5rem;height:.6rem;margin:0 .3rem 0 1rem}.key.reference{ background:var(--reference)}
.key.recent{background:var(--recent)}summary{cursor:pointer}
"""


def page(report: Json) -> str:
    """The whole page."""
    models = "".join(map(_model, report["models"])) or "<p>No model has sent an event yet, and none is known.</p>"
    engines = "".join(f"<li>{shown(each['name'])}: {'on' if each['on'] else shown(str(each['reason']))}</li>" for each in report["engines"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Drift report</title><style>{_STYLE}</style></head><body><main><h1>Drift report</h1>"
        f'<p class="soft">Made at {shown(str(report["time"]))}; load the page again for a newer one. One false alarm is expected in '
        f"{report['rows_between_false_alarms']:,.0f} rows or more.</p>{models}"
        f"<h2>Engines</h2><ul>{engines}</ul></main></body></html>\n"
    )


def _model(model: Json) -> str:
    columns = model["columns"]
    more = len(columns) - _SHOWN + model["columns_not_shown"]
    legend = (
        '<p class="soft"><span class="key reference"></span>reference<span class="key recent"></span>'
        f"the recent {model['window_rows']:,} rows</p>"
    )
    drawn = "".join(_column(each, open_first=place < 5) for place, each in enumerate(columns[:_SHOWN]))
    return (
        f"<section><h2>{isolated(model['model'])} {isolated(model['version'])}"
        f"{'' if model['current'] else ' <span class=soft>(not served any more)</span>'}</h2>"
        f'<p class="verdict {shown(model["state"])}">{_STATES[model["state"]]}. {shown(model["sentence"])}</p>'
        f"{_problem(model)}{_facts(model)}{_kinds(model['kinds'])}{opinion_section(model['alibi'])}{_performance(model['performance'])}"
        f"{legend + drawn if columns else ''}{f'<p>{more} more columns are in the report as JSON.</p>' if more > 0 else ''}"
        f"{_left_out(model['left_out'])}</section>"
    )


def _problem(model: Json) -> str:
    problem = model["reference"]["problem"]
    return f"<p>The reference profile could not be used: {shown(problem)}.</p>" if problem else ""


def _facts(model: Json) -> str:
    reference = model["reference"]
    shares = model["row_shares"]
    last = model["last_event"]
    facts = [
        ("Rows compared", f"{model['rows']:,}"),
        ("Recent rows", f"{model['window_rows']:,}"),
        ("Last event", last or "none yet"),
        ("Reference", f"{reference['rows']:,} rows, {reference['words']}"),
        ("Engine", model["engine"]),
        *(
            (f"Recent rows with a value that is {words}" if key != "any" else "… with any of these", _percent(shares[key]))
            for key, words in _REASONS
        ),
    ]
    if model["rows_without_inputs"]:
        facts.append(("Rows whose inputs were not logged", f"{model['rows_without_inputs']:,}"))
    if model["extra_columns"]:
        facts.append(("Columns that the reference does not have", ", ".join(model["extra_columns"])))
    rows = "".join(f'<tr><th scope="row">{shown(name)}</th><td class="n">{shown(value)}</td></tr>' for name, value in facts)
    return f'<div class="scroll"><table>{rows}</table></div>'


def _kinds(kinds: Sequence[Json]) -> str:
    if not kinds:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{shown(kind["kind"])}</th><td>{_size(kind)}</td>'
        f"<td>{'yes' if kind['certain'] else 'no'}</td><td>{'yes' if kind['page'] else 'no'}</td>"
        f'<td class="n">{_evidence(kind)}</td><td>{", ".join(isolated(one["column"]) for one in kind["worst"]) or "none"}'
        f"{'<br>' + shown(kind['informational']) if kind['informational'] else ''}</td></tr>"
        for kind in kinds
    )
    head = (
        '<tr><th scope="col">Kind</th><th scope="col">Size</th><th scope="col">Certain</th><th scope="col">Alert</th>'
        '<th scope="col" class="n">Evidence</th><th scope="col">Worst columns</th></tr>'
    )
    return (
        '<div class="scroll"><table><caption class="soft">Evidence is a part of what raises an alarm (100%); after one it is '
        f"gathered anew. A size is known from {kinds[0]['rows_needed']} rows on.</caption>"
        f"<thead>{head}</thead><tbody>{rows}</tbody></table></div>"
    )


def _performance(windows: Sequence[Json]) -> str:
    told = [each for each in windows if each["labels"]]
    if not told:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{shown(each["window"])}</th><td class="n">{_labels(each)}</td><td>'
        + shown(", ".join(f"{name} {value:.4g}" for name, value in each["metrics"].items() if value is not None) or "not defined")
        + "</td></tr>"
        for each in told
    )
    head = '<tr><th scope="col">Time</th><th scope="col" class="n">Labels of predictions</th><th scope="col">Performance</th></tr>'
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def _labels(window: Json) -> str:
    apart = f"; {window['unusable']:,} cannot be used" if window["unusable"] else ""
    return f"{window['labels'] - window['unusable']:,} of {window['predictions']:,}{apart}"


def _column(column: Json, *, open_first: bool) -> str:
    findings = column["findings"]
    worst = findings[0] if findings else None
    badge = _badge(worst["severity"]) if worst and worst["severity"] else ""
    said = "".join(f"<p>{shown(_sentence(each))}</p>" for each in findings if _has_something_to_say(each))
    numbers = "".join(
        f'<tr><th scope="row">{isolated(name)}</th><td class="n">{_percent(one)}</td><td class="n">{_percent(other)}</td></tr>'
        for name, one, other in zip(column["cells"], column["reference"], column["recent"], strict=True)
    )
    head = '<tr><th scope="col">Values</th><th scope="col" class="n">Reference</th><th scope="col" class="n">Recent</th></tr>'
    drawing = plot(column["column"], column["cells"], column["reference"], column["recent"])
    return (
        f'<article><h3>{isolated(column["column"])} <span class="soft">{shown(column["kind"])}</span> {badge}</h3>{said}'
        f"<details{' open' if open_first else ''}><summary>Distribution</summary>{drawing}<details><summary>Numbers</summary>"
        f'<div class="scroll"><table><thead>{head}</thead><tbody>{numbers}</tbody></table></div></details></details></article>'
    )


def _has_something_to_say(finding: Json) -> bool:
    return finding["certain"] or (finding["severity"] or "none") != "none"


def _sentence(finding: Json) -> str:
    measures = (("PSI", "psi", ".3f", ""), ("JS", "js", ".3f", ""), ("Wasserstein", "wasserstein", ".2f", " sd"))
    told = [f"{name} {finding[key]:{form}}{unit}" for name, key, form, unit in measures if finding[key] is not None]
    small = ", and it is small" if finding["severity"] == "none" else ""
    certainty = f"chance is ruled out{small}" if finding["certain"] else "may be chance"
    return f"{finding['kind']}: {finding['explanation']} ({', '.join(told) or 'too few rows for a size'}; {certainty})"


def _left_out(columns: Json) -> str:
    if not columns:
        return ""
    items = "".join(f"<li>{isolated(name)}: {shown(reason)}</li>" for name, reason in columns.items())
    return f"<details><summary>Columns that are not watched ({len(columns)})</summary><ul>{items}</ul></details>"


def _size(kind: Json) -> str:
    if kind["severity"] is not None:
        return _badge(kind["severity"])
    return f"not known ({kind['rows']} of {kind['rows_needed']} rows)" if kind["rows"] < kind["rows_needed"] else "not known yet"


def _evidence(kind: Json) -> str:
    now = _percent(kind["evidence"])
    return f"alarm at row {kind['since_row']:,}<br>since the last one {now}" if kind["certain"] else now


def _badge(severity: str) -> str:
    return f'<span class="badge {shown(severity)}">{shown(severity)}</span>'


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
