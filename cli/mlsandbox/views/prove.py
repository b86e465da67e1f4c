"""Text of what a cluster said of an export."""

from __future__ import annotations

from collections.abc import Iterator

from mlsandbox.actions.prove_result import Finding, ProvedModel, ProveResult
from mlsandbox.output import Paint

_INDENT = "      "


def prove_text(result: ProveResult, paint: Paint) -> str:
    """What was proven, then what was found, and the verdict last."""
    lines = [f"Kubernetes {result.server}", f"  dry run       {result.checked} objects and {result.pods} pods"]
    if result.applied:
        lines.append(f"  applied       {result.applied} objects in {result.namespace}")
    for model in result.models:
        lines += _model(model)
    lines += [f"  {paint.dim('not proven:')} {each}" for each in result.left_out]
    for finding in result.findings:
        lines += _finding(finding, paint)
    lines.append(_verdict(result, paint))
    return "\n".join(lines)


def _model(model: ProvedModel) -> Iterator[str]:
    facts = []
    if model.golden_rows is not None:
        facts.append(f"{model.golden_rows - model.differing} of {model.golden_rows} golden rows answered as here")
    if model.metrics is not None:
        facts.append(f"{model.metrics} metrics")
    if model.event_fields is not None:
        facts.append(f"an event of {model.event_fields} fields")
    yield f"  {model.model:<13} {', '.join(facts) or 'nothing was seen'}"


def _finding(finding: Finding, paint: Paint) -> Iterator[str]:
    first, *rest = finding.message.splitlines() or [""]
    yield f"  {paint.bad('✗')} {finding.step.value}: {finding.subject}: {first}"
    yield from (f"{_INDENT}{line}" for line in rest)
    yield from (f"{_INDENT}{paint.dim('|')} {line}" for line in finding.lines)
    if finding.fix:
        yield f"{_INDENT}{paint.hint('hint:')} {finding.fix}"


def _verdict(result: ProveResult, paint: Paint) -> str:
    return paint.good(f"✓ {result.verdict}") if result.proven else paint.bad(f"✗ {result.verdict}")
