"""Text of what is: status, list of stacks."""

from __future__ import annotations

from mlsandbox.actions.challenger_status import ChallengerSeen
from mlsandbox.actions.outcomes import ModelDriftState, StackList, StatusResult, VersionState
from mlsandbox.actions.pages import OF_SERVICES
from mlsandbox.output import Paint
from mlsandbox.stack.components.base import Role
from mlsandbox.views.tables import ago, amount, table

_FAILED = ("failed", "timeout")
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
    told = [line for each in dict.fromkeys(version.model for version in result.versions) if (line := _versions(each, result))]
    if told:
        lines += ["", *told]
    addresses = {**result.endpoints, **{name: url for name, url in result.links.items() if name in OF_SERVICES}}
    if addresses:
        width = max(10, *map(len, addresses))
        lines += ["", *(f"  {name:<{width}} {paint.hint(url)}" for name, url in addresses.items())]
    if result.drift is not None and result.drift.models:
        lines += ["", *(f"  {each.model} {each.version}: {_drift(each, paint)}" for each in result.drift.models)]
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


def _versions(model: str, result: StatusResult) -> str:
    """Who answers, and what runs beside it; nothing of a single version of a single model, which the first line names."""
    of_model = [each for each in result.versions if each.model == model]
    if len(of_model) == len(result.versions) == 1 and of_model[0].version == result.version:
        return ""
    return f"  {model}: {', '.join(_role(each) for each in of_model)}"


def _role(version: VersionState) -> str:
    if version.role == Role.CHAMPION:
        return f"{version.version} answers"
    if version.role == Role.STANDBY:
        return f"{version.version} stands by"
    if version.shadow:
        return f"{version.version} is tried on copies of all requests{_compared(version.tried)}"
    return f"{version.version} is tried on {version.percent or 0:g} % of the requests{_answered(version.tried)}"


def _compared(tried: ChallengerSeen | None) -> str:
    if tried is None:
        return ""
    rows, failed = tried.same + tried.different, sum(tried.shadow.get(result, 0) for result in _FAILED)
    different = f", {100 * tried.different / rows:.3g} % different" if rows else ""
    return f": {rows:,} rows compared{different}{f', {failed:,} copies failed' if failed else ''}"


def _answered(tried: ChallengerSeen | None) -> str:
    if tried is None:
        return ""
    failed = sum(tried.split.get(result, 0) for result in _FAILED)
    return f": answered {tried.split.get('answered', 0):,} of {sum(tried.split.values()):,}, {failed:,} failed"


def _drift(model: ModelDriftState, paint: Paint) -> str:
    """The sentence, in the colour of what it says."""
    if model.state == "drift":
        return paint.bad(model.sentence)
    return paint.good(model.sentence) if model.state == "steady" else paint.warn(model.sentence)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
