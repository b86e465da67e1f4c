"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mlsandbox_serving.contract import Metrics, all_metrics
from mlsandbox_serving.drift import Kind
from mlsandbox_serving.drift_sidecar.exported import MOST_COLUMNS, Check, Exported
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.drift_sidecar.watches import Seen
from mlsandbox_serving.performance import Performance, Window

Look = Callable[..., Seen]
Samples = dict[tuple[str, str, str], float]


def _exported(*seen: Seen, performance: tuple[Performance, ...] = ()) -> tuple[Exported, CollectorRegistry]:
    exported, registry = Exported(10.0), CollectorRegistry()
    registry.register(exported)
    exported.show({each.source: Check(each, 5.0, 0.25) for each in seen}, performance)
    return exported, registry


def _columns(registry: CollectorRegistry, metric: str) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["kind"], sample.labels["column"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == metric
    }


def test_each_family_is_one_of_the_contract(look: Look) -> None:
    """Names, types, help texts and labels must be the contract's, and the whole must be what Prometheus reads."""
    performance = Performance("churn", "v1", Window.DAY, 10, 4, 0, {"accuracy": 0.75})
    _, registry = _exported(look(shift=2.0), performance=(performance,))
    known = {metric.name: metric for metric in all_metrics()}

    families = {sample.name: (family, sample) for family in registry.collect() for sample in family.samples}
    assert len(families) > 15
    for name, (family, sample) in families.items():
        assert (family.type, family.documentation, tuple(sample.labels)) == (known[name].type, known[name].help, known[name].labels)
    assert b'sandbox_performance{metric="accuracy",model="churn",version="v1",window="day"} 0.75' in generate_latest(registry)


def test_a_drifted_column_is_detected(look: Look) -> None:
    """The alert must be about the column that moved, and about no other."""
    _, registry = _exported(look(shift=2.0))

    detected = _columns(registry, "sandbox_drift_detected")
    assert detected["features", "age"] == 1
    assert {column for (_, column), value in detected.items() if value} == {"age"}
    assert _columns(registry, "sandbox_drift_severity")["features", "age"] == 3


def test_without_drift_nothing_is_detected(look: Look) -> None:
    """All columns must be shown, and none be detected or certain; those without rows, as labels that did not come, must have no size."""
    _, registry = _exported(look())

    detected = _columns(registry, "sandbox_drift_detected")
    assert set(detected.values()) == set(_columns(registry, "sandbox_drift_certain").values()) == {0}
    assert {column for _, column in detected} == {"age", "income", "city", "prediction", "label", "error"}
    assert {column for _, column in _columns(registry, "sandbox_drift_score")} == {"age", "income", "city", "prediction"}


@pytest.mark.parametrize(("rows", "columns"), [(100, set()), (200, {"age", "income", "city", "prediction"})])
def test_few_rows_have_no_size(look: Look, rows: int, columns: set[str]) -> None:
    """Below 200 rows there must be evidence and no size, from then on both, so that no rule or panel takes the noise for a change."""
    _, registry = _exported(look(rows))

    for metric in ("sandbox_drift_score", "sandbox_drift_severity"):
        assert {column for _, column in _columns(registry, metric)} == columns
    assert _columns(registry, "sandbox_drift_detected")


def test_at_most_fifty_columns_the_worst_first(look: Look) -> None:
    """However many columns a model has, the series are bounded, and the drifted column is among them."""
    _, registry = _exported(look(rows=600, wide=70, shift=3.0))

    shown = {column for _, column in _columns(registry, "sandbox_drift_score")}
    assert len(shown) == MOST_COLUMNS
    assert "age" in shown


def test_series_are_bounded(look: Look) -> None:
    """A model with hundreds of columns must have no more series than the fifty worst columns make, and no label of unbounded values."""
    metrics = dict.fromkeys(("accuracy", "f1", "roc_auc", "brier_score"), 0.5)
    performance = tuple(Performance("churn", "v1", window, 10, 4, 0, metrics) for window in Window)
    _, registry = _exported(look(rows=600, wide=400, shift=3.0), performance=performance)

    samples = [sample for family in registry.collect() for sample in family.samples]
    of_columns = [sample for sample in samples if "column" in sample.labels]
    labels = {label for sample in samples for label in sample.labels}
    assert labels == {"model", "version", "engine", "kind", "column", "source", "reason", "window", "metric"}
    assert len({sample.labels["column"] for sample in of_columns}) == MOST_COLUMNS
    assert len(of_columns) <= MOST_COLUMNS * len(Kind) * 4
    assert len(samples) - len(of_columns) < 60


def test_what_is_not_shown_any_more_leaves_nothing(look: Look) -> None:
    """A version that went must take its series with it, performance included."""
    performance = Performance("churn", "v1", Window.DAY, 10, 4, 0, {"accuracy": 0.75})
    exported, registry = _exported(look(rows=100), performance=(performance,))
    assert list(registry.collect())

    exported.show({}, (performance,))
    assert list(registry.collect()) == []


def test_several_models_share_families(look: Look) -> None:
    """Each family must be told once, with the samples of all."""
    _, registry = _exported(look(rows=100), look(rows=100, name="wine"))

    families = [family.name for family in registry.collect()]
    assert len(families) == len(set(families))
    models = {sample.labels["model"] for family in registry.collect() for sample in family.samples}
    assert models == {"churn", "wine"}
    assert Source("wine", "v1").model in models


def test_a_young_alarm_is_being_measured(look: Look) -> None:
    """After an alarm it must be told that its size is not known, so that no rule calls it small; from 200 rows on no longer."""

    def measuring(seen: Seen) -> dict[str, float]:
        _, registry = _exported(seen)
        found = [sample for family in registry.collect() for sample in family.samples if sample.name == "sandbox_drift_measuring"]
        return {sample.labels["kind"]: sample.value for sample in found}

    assert measuring(look(100, shift=2.0))["features"] == 1
    assert measuring(look(100))["features"] == 0
    assert measuring(look(400, shift=2.0))["features"] == 0


def test_a_name_that_no_text_may_hold_ends_nothing(look: Look) -> None:
    """A column's name of half a character must be shown as far as it can be, by each engine."""
    seen = look()
    kind = seen.verdict.kinds[0]
    renamed = replace(kind, worst=(replace(kind.worst[0], column="h\ud800"),))
    exported, registry = Exported(10.0), CollectorRegistry()
    registry.register(exported)
    beside = (Metrics.DRIFT_P_VALUE, ["churn", "v1", "alibi", "features", "s\udcff"], 0.5)
    exported.show({seen.source: Check(seen._replace(verdict=replace(seen.verdict, kinds=(renamed,))), 5.0, 0.25)}, (), [beside])

    told = generate_latest(registry)
    assert b'column="h?"' in told
    assert b'column="s?"' in told
