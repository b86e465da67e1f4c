"""What Prometheus is told: made of the last check alone, so that a column that is no longer among the worst leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mlsandbox_serving.contract import Metric, Metrics
from mlsandbox_serving.drift import ColumnFinding, Kind, KindVerdict, Severity, Verdict
from mlsandbox_serving.drift.severity import smallest_excess, smallest_psi
from mlsandbox_serving.drift_sidecar.settings import NATIVE, Source
from mlsandbox_serving.drift_sidecar.watches import Seen
from mlsandbox_serving.performance import Performance

MOST_COLUMNS: Final = 50
"""Columns, and pairs of them, that are told of each source."""
_LONGEST_LABEL: Final = 120
_BLAME: Final = 0.01
"""Part of the budget from which the evidence points at a column."""


@dataclass(frozen=True, slots=True)
class Check:
    """One look at one source.

    Args:
        seen: what it showed.
        ended: epoch seconds.
        seconds: how long it took.
    """

    seen: Seen
    ended: float
    seconds: float


class Exported(Collector):
    """The metrics of the last checks.

    Args:
        interval: seconds from one check to the next.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._checks: Mapping[Source, Check] = {}
        self._performance: tuple[Performance, ...] = ()
        self._beside: tuple[Sample, ...] = ()

    def show(self, checks: Mapping[Source, Check], performance: tuple[Performance, ...], beside: Iterable[Sample] = ()) -> None:
        """Show these from now on, and nothing else; `beside` is what another engine tells."""
        self._checks, self._performance, self._beside = dict(checks), performance, tuple(beside)

    def collect(self) -> Iterator[Family]:
        """One family per metric."""
        checks, performance, beside = self._checks, self._performance, self._beside
        samples: dict[str, _Family] = {}
        for check in checks.values():
            for metric, labels, value in [*_of_check(check, self._interval), *_of_columns(check.seen)]:
                _family(samples, metric).add_metric(labels, value)
        for metric, labels, value in beside:
            _family(samples, metric).add_metric(list(map(_encodable, labels)), value)
        for each in performance:
            if Source(each.model, each.version) in checks:
                for metric, labels, value in _of_performance(each):
                    _family(samples, metric).add_metric(labels, value)
        yield from samples.values()

    def describe(self) -> Iterable[Family]:
        """Nothing: what there is depends on the checks."""
        return ()


_Family = GaugeMetricFamily | CounterMetricFamily
Sample = tuple[Metric, list[str], float]


def worst_columns(verdict: Verdict, most: int = MOST_COLUMNS) -> list[tuple[KindVerdict, ColumnFinding]]:
    """Each kind's findings of the worst columns, the worst first.

    Args:
        verdict: about all columns.
        most: different columns.
    """
    found = [(kind, finding) for kind in verdict.kinds for finding in kind.worst]
    found.sort(key=lambda one: (-is_certain(verdict, *one), -(one[1].severity or 0), -_size(one[1]), -one[1].statistic))
    chosen = dict.fromkeys(finding.column for _, finding in found)
    kept = set(list(chosen)[:most])
    return [one for one in found if one[1].column in kept]


def told_columns(verdict: Verdict, kind: KindVerdict) -> list[ColumnFinding]:
    """Those of a kind that there is something to say about, the worst first; of a kind that is calm none."""
    found = [one for one in kind.worst if one.matters or is_certain(verdict, kind, one)]
    return found or list(kind.worst[:1] if kind.certain else ())


def is_certain(verdict: Verdict, kind: KindVerdict, finding: ColumnFinding) -> bool:
    """Whether the evidence of an alert points at a column."""
    return kind.certain and finding.statistic >= _BLAME * verdict.budget


def detected(verdict: Verdict, kind: KindVerdict) -> set[str]:
    """The columns for which a kind pages: those that are certain and matter, or the worst one while the change is not over."""
    if not kind.page:
        return set()
    certain = [finding for finding in kind.worst if is_certain(verdict, kind, finding)]
    large = [finding for finding in certain if (finding.severity or Severity.NONE) >= Severity.MEDIUM]
    return {finding.column for finding in (large or certain[:1] or kind.worst[:1])}


def _of_check(check: Check, interval: float) -> Iterator[Sample]:
    seen = check.seen
    verdict = seen.verdict
    model = list(seen.source)
    engine = [*model, NATIVE]
    yield Metrics.DRIFT_LAST_CHECK, engine, check.ended
    yield Metrics.DRIFT_CHECK_INTERVAL, engine, interval
    yield Metrics.DRIFT_CHECK_SECONDS, engine, check.seconds
    yield Metrics.DRIFT_WINDOW_ROWS, engine, seen.window_rows
    yield Metrics.DRIFT_ALARMS, engine, verdict.alarms
    yield Metrics.DRIFT_ROWS, model, verdict.rows
    yield Metrics.DRIFT_REFERENCE_ROWS, [*model, verdict.reference_source], verdict.reference_rows
    rates = verdict.outliers
    for reason, rate in (("out_of_range", rates.out_of_range), ("unseen", rates.unseen), ("missing", rates.missing), ("any", rates.any)):
        yield Metrics.DRIFT_ROW_SHARE, [*model, reason], rate
    for kind in verdict.kinds:
        yield Metrics.DRIFT_EVIDENCE, [*engine, kind.kind.value], kind.statistic / verdict.budget
        yield Metrics.DRIFT_LATCHED, [*engine, kind.kind.value], kind.certain
        yield Metrics.DRIFT_MEASURING, [*engine, kind.kind.value], kind.young or kind.over
        smallest = smallest_excess if kind.kind is Kind.OUTLIERS else smallest_psi
        yield Metrics.DRIFT_THRESHOLD, [*engine, kind.kind.value], smallest(Severity.MEDIUM)


def _of_columns(seen: Seen) -> Iterator[Sample]:
    verdict = seen.verdict
    columns = {kind.kind: detected(verdict, kind) for kind in verdict.kinds}
    told: set[tuple[str, str]] = set()
    for kind, finding in worst_columns(verdict):
        name = _encodable(finding.column[:_LONGEST_LABEL])
        if (kind.kind.value, name) in told:
            continue  # two long names that begin alike
        told.add((kind.kind.value, name))
        labels = [*seen.source, NATIVE, kind.kind.value, name]
        score = finding.excess if kind.kind is Kind.OUTLIERS else finding.psi
        if score is not None and finding.severity is not None:  # else too few rows: no size is better than a wrong one
            yield Metrics.DRIFT_SCORE, labels, score
            yield Metrics.DRIFT_SEVERITY, labels, finding.severity
        yield Metrics.DRIFT_CERTAIN, labels, is_certain(verdict, kind, finding)
        yield Metrics.DRIFT_DETECTED, labels, finding.column in columns[kind.kind]


def _of_performance(each: Performance) -> Iterator[Sample]:
    labels = [each.model, each.version, each.window.value]
    yield Metrics.PERFORMANCE_PREDICTIONS, labels, each.predictions
    yield Metrics.PERFORMANCE_LABELS, labels, each.labels
    for name, value in each.metrics.items():
        yield Metrics.PERFORMANCE, [*labels, name], value


def _encodable(name: str) -> str:
    """A name that UTF-8 can tell: one that it cannot would end all of /metrics."""
    return name.encode(errors="replace").decode()


def _size(finding: ColumnFinding) -> float:
    return max(finding.psi or 0.0, finding.excess or 0.0)


def _family(families: dict[str, _Family], metric: Metric) -> _Family:
    if metric.name not in families:
        make = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
        families[metric.name] = make(metric.name, metric.help, labels=metric.labels)
    return families[metric.name]
