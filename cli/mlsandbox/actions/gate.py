"""Whether a version may be promoted: what a gate's file demands, beside what the champion and the version are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlsandbox.actions.diff import MOST_ROWS, DiffOptions, compared, rows_for, schema_of
from mlsandbox.actions.diff_rows import RowsToAsk
from mlsandbox.actions.drift_rows import known_rows
from mlsandbox.actions.gate_file import AgreementLimit, Gate, LatencyLimit, MetricLimit
from mlsandbox.actions.outcomes import Report
from mlsandbox.comparing.answers import Verdict
from mlsandbox.comparing.comparison import Comparison, quantile_of
from mlsandbox.errors import EventLogUnreadable, GateRefused, InputUnfit, InputUnreadable, NothingLogged, NotRunning
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project

_NO_ROWS = (NothingLogged, EventLogUnreadable, NotRunning, InputUnfit, InputUnreadable)


@dataclass(frozen=True, slots=True)
class GateRow:
    """One bound.

    Args:
        what: is looked at.
        old: what it is for the champion, in words; "" when that does not matter.
        new: what it is for the version.
        limit: what it may be.
        passed: whether it is that.
        reason: why it could not be looked at; then it is not passed.
    """

    what: str
    old: str
    new: str
    limit: str
    passed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate says of a version."""

    model: str
    old: str
    """The champion's version."""
    new: str
    """The version that is to be promoted."""
    rows: tuple[GateRow, ...]

    @property
    def passed(self) -> bool:
        return all(each.passed for each in self.rows)

    @property
    def failed(self) -> tuple[GateRow, ...]:
        return tuple(each for each in self.rows if not each.passed)

    def refuse_unless_passed(self) -> None:
        """Refuse a version that is not as good as the gate demands.

        Raises:
            GateRefused: names every bound that it fails.
        """
        if self.failed:
            of = f"{len(self.failed)} of {len(self.rows)} gate{'' if len(self.rows) == 1 else 's'}"
            raise GateRefused(
                f"{self.new} was not promoted ({of} failed)",
                why="\n".join(f"{each.what}: {each.reason or f'{each.new}, {each.limit}'}" for each in self.failed),
                fix=f'look closer: sandbox diff {self.old} {self.new} --data FILE   or: sandbox promote {self.new} --force --reason "…"',
                details={"rows": [{"what": each.what, "passed": each.passed, "reason": each.reason or None} for each in self.rows]},
            )


def judge(
    project: Project,
    gate: Gate,
    champion: Package,
    candidate: Package,
    *,
    report: Report,
    trust: bool = False,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
) -> GateResult:
    """Hold a version to a gate; both are asked about the same rows, in their own environments, and nothing that runs is touched.

    What cannot be looked at is not passed. Latency and errors are those of the rows of the agreement; without these, of the reference.

    Args:
        project: whose versions they are.
        gate: what is demanded.
        champion: the version that answers.
        candidate: the one that is to be promoted.
        report: told what is done.
        trust: load the models even if they use code outside the allow-list.
        examples: rows that were given for models without a reference, by model.

    Raises:
        PackageTampered, UntrustedModel, PackagingFailed, ReplayUnable, …: one of the versions cannot be asked.
    """
    found: list[GateRow] = [row for name, limit in gate.metrics.items() for row in _metric(name, limit, champion, candidate)]
    comparison = None
    if gate.agreement is not None:
        rows, reason = _agreement_rows(project, gate.agreement, champion, candidate)
        if rows is not None:
            comparison = compared(project, champion, candidate, rows, trust=trust, rtol=None, report=report)
        found.append(_agreement(gate.agreement, comparison, reason))
    if gate.latency is not None or gate.max_new_errors is not None:
        if comparison is None or not comparison.rows:
            rows = _reference_rows(project, champion, candidate, examples or {})
            comparison = compared(project, champion, candidate, rows, trust=trust, rtol=None, report=report)
        found += _latency(gate.latency, comparison) if gate.latency is not None else []
        found += [_errors(gate.max_new_errors, comparison)] if gate.max_new_errors is not None else []
    return GateResult(champion.model, champion.version, candidate.version, tuple(found))


def _metric(name: str, limit: MetricLimit, champion: Package, candidate: Package) -> Iterator[GateRow]:
    before, after = (_known_metric(package, name) for package in (champion, candidate))
    old, new = (f"{value:.6g}" if value is not None else "" for value in (before, after))
    for value, sign, words in ((limit.min, 1, "at least"), (limit.max, -1, "at most")):
        if value is not None:
            reason = "" if after is not None else _unknown(name, candidate)
            yield GateRow(name, old, new, f"{words} {value:.6g}", after is not None and sign * (after - value) >= 0, reason)
    for value, sign, words in ((limit.max_drop, 1, "lower"), (limit.max_rise, -1, "higher")):
        if value is None:
            continue
        bound = f"at most {value:.6g} {words}"
        if before is None or after is None:
            yield GateRow(name, old, new, bound, passed=False, reason=_unknown(name, candidate if after is None else champion))
        else:
            worse = sign * (before - after)
            yield GateRow(name, old, f"{new} ({after - before:+.4g})", bound, worse <= value + 1e-12)


def _known_metric(package: Package, name: str) -> float | None:
    value = (package.manifest.get("metrics") or {}).get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _unknown(name: str, package: Package) -> str:
    return f"{package.version} was saved without {name}: save(metrics={{{name!r}: …}})"


def _agreement_rows(project: Project, limit: AgreementLimit, champion: Package, candidate: Package) -> tuple[RowsToAsk | None, str]:
    """Rows to ask both about; else why there are none."""
    options = DiffOptions(champion.version, candidate.version, champion.model, limit.data, limit.from_logs, MOST_ROWS)
    try:
        return rows_for(project, champion, candidate, options), ""
    except _NO_ROWS as error:
        return None, f"{error.what}: {error.why}" if error.why else error.what


def _agreement(limit: AgreementLimit, comparison: Comparison | None, reason: str) -> GateRow:
    bound = f"at least {limit.min:.6g}"
    if comparison is None:
        return GateRow("agreement", "", "", bound, passed=False, reason=reason)
    share = 1 - comparison.rate
    told = f"{share:.4f} of {comparison.rows:,} rows"
    what = f"agreement ({comparison.source})"
    if comparison.rows < limit.min_rows:
        return GateRow(what, "", told, bound, passed=False, reason=f"{comparison.rows:,} rows are too few, {limit.min_rows:,} are demanded")
    return GateRow(what, "", told, bound, share >= limit.min)


def _latency(limit: LatencyLimit, comparison: Comparison) -> Iterator[GateRow]:
    old, new = (quantile_of(timing.singles, 0.95) for timing in (comparison.old_timing, comparison.new_timing))
    if old is None or new is None:
        reason = "there is no row that both versions answer"
        yield GateRow("p95 latency", "", "", _latency_bound(limit), passed=False, reason=reason)
        return
    before, after = f"{old * 1e3:.3g} ms", f"{new * 1e3:.3g} ms"
    if limit.p95 is not None:
        yield GateRow("p95 latency", before, after, f"at most {limit.p95 * 1e3:.6g} ms", new <= limit.p95)
    if limit.max_ratio is not None:
        ratio = comparison.slower or 0.0
        yield GateRow("p95 latency", before, f"{after} ({ratio:.2f}x)", f"at most {limit.max_ratio:.6g}x", ratio <= limit.max_ratio)


def _latency_bound(limit: LatencyLimit) -> str:
    bounds = [f"{limit.p95 * 1e3:.6g} ms"] if limit.p95 is not None else []
    return "at most " + " and ".join(bounds + ([f"{limit.max_ratio:.6g}x"] if limit.max_ratio is not None else []))


def _errors(most: int, comparison: Comparison) -> GateRow:
    count = comparison.verdicts[Verdict.ONLY_OLD]
    reason = "" if comparison.rows else "no row is answered by either version"
    return GateRow(
        f"new errors ({comparison.source})", "", f"{count:,}", f"at most {most:,}", count <= most and bool(comparison.rows), reason
    )


def _reference_rows(project: Project, champion: Package, candidate: Package, examples: Mapping[str, Mapping[str, Any]]) -> RowsToAsk:
    known = known_rows(project.models[champion.model], champion, schema_of(champion), examples)
    names = [column["name"] for column in schema_of(candidate)["columns"]]
    return RowsToAsk(known.source, known.total, known.rows, tuple({name: row.get(name) for name in names} for row in known.rows))
