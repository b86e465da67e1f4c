"""Text of a stack that is up."""

from __future__ import annotations

import json
from collections import Counter
from urllib.parse import urlsplit

from mlsandbox.actions.outcomes import GoldenSummary, SmokePrediction, UpResult
from mlsandbox.actions.pages import OF_SERVICES
from mlsandbox.engines.base import Action
from mlsandbox.output import Paint
from mlsandbox.views.tables import ago, span
from mlsandbox_serving.contract import Port, Route

_FEW = 4
"""Services that are named one by one."""
_LONGEST_CURL = 1000
"""Characters; rows of hundreds of columns would fill the screen."""


def up_text(result: UpResult, paint: Paint) -> str:
    """The plan of a dry run, one line for a stack that ran already, or all there is to know of a new one."""
    if result.dry_run:
        return _plan(result)
    if result.unchanged:
        return _unchanged(result, paint)
    version = f"{result.model} {result.version}" if result.version else result.model
    head = f"{version} is up" if result.smoke else f"{version} is starting, and has not answered yet"
    lines = [f"  {paint.strong(head)} · {span(result.elapsed)}", ""]
    for name, url in result.endpoints.items():
        label = "API" if name == Port.API else f"API {name.removeprefix(f'{Port.API}-')}"
        lines.append(f"  {label:<11} {paint.hint(url):<40} OpenAPI at {Route.OPENAPI}, metrics at {Route.METRICS}")
    lines += _pages(result, paint)
    lines.append(f"  {'Logs':<11} sandbox logs -f, sandbox logs --requests")
    if result.services:
        lines.append(f"  {'Services':<11} {_services(result)}")
    lines += [
        f"  {label:<11} {text}"
        for label, text in (("Golden rows", _golden(result.golden)), ("Prediction", smoke_text(result.smoke)))
        if text
    ]
    if result.curl:
        lines += ["", f"  Try   {result.curl if len(result.curl) <= _LONGEST_CURL else 'sandbox predict --example --curl'}"]
    following = "sandbox predict --example" if result.smoke else "sandbox status --wait healthy"
    kept = "in .sandbox/ and in volumes of Docker" if result.engine == "docker" else "in .sandbox/"
    lines += ["", f"  Next  {following}", f"        sandbox down    stop; data is kept {kept}"]
    return "\n".join(lines)


def _services(result: UpResult) -> str:
    """Each with what was done to it; of many only those to which something else was done than to most."""
    done = {each.name: each.change or each.state for each in result.services}
    done |= {step.subject: "removed" for step in result.plan if step.action == Action.STOP and step.subject not in done}
    if len(done) <= _FEW:
        return ", ".join(f"{name} {what}" for name, what in done.items())
    usual, count = Counter(done.values()).most_common(1)[0]
    others = [f"{name} {what}" for name, what in done.items() if what != usual]
    return ", ".join([*others, f"{count} {usual}"])


def _pages(result: UpResult, paint: Paint) -> list[str]:
    """One line for each program that shows pages; the further dashboards on the line of the first."""
    programs = [name for name in result.links if name in OF_SERVICES]
    dashboards = [urlsplit(url).path for name, url in result.links.items() if name not in OF_SERVICES]
    more = {Port.GRAFANA.value: f"also {', '.join(dashboards)}" if dashboards else ""}
    labels = {Port.ALERTMANAGER.value: "Alerts"}
    return [
        f"  {labels.get(name, name.capitalize()):<11} {paint.hint(result.links[name]):<40} {more.get(name, '')}".rstrip()
        for name in programs
    ]


def _plan(result: UpResult) -> str:
    rows = [f"  {step.action:<9} {step.subject}: {step.why}" for step in result.plan]
    return "\n".join([f"Dry run of {result.project}: nothing was changed. sandbox up would", *(rows or ["  do nothing"])])


def _unchanged(result: UpResult, paint: Paint) -> str:
    lasted = f"healthy for {ago(result.since)} · " if result.since else ""
    pages = {name: url for name, url in result.links.items() if name in OF_SERVICES}
    shown = {**result.endpoints, **pages}.items()
    addresses = "   ".join(f"{name.upper() if name == Port.API else name} {paint.hint(url)}" for name, url in shown)
    states = _services(result)
    head = f"{result.model} {result.version or ''}".rstrip()
    first = f"{head} is already running · {result.engine} · {lasted}nothing to do   ({result.elapsed:.1f}s)"
    return "\n".join(line for line in (first, f"  {addresses}", f"  {states}" if states else "") if line.strip())


def _golden(golden: GoldenSummary | None) -> str:
    return "" if golden is None else f"{golden.rows} of {golden.rows} reproduced, {golden.bit_equal} bit for bit"


def smoke_text(smoke: SmokePrediction | None) -> str:
    """What was answered to the example row; empty when nothing was asked."""
    if smoke is None:
        return ""
    shown = json.dumps(smoke.prediction, ensure_ascii=False)
    probability = "" if smoke.probability is None else f", p={smoke.probability:.4g}"
    return f"{shown}{probability} in {smoke.seconds * 1000:.1f} ms, for the example row"
