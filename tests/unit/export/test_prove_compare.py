"""What a model in a cluster answers is held to what it answers here."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mlsandbox.actions.prove_compare import (
    EVENT_FIELDS,
    MODEL_METRICS,
    OPTIONAL_FIELDS,
    differing_rows,
    field_faults,
    metric_faults,
    served_digest,
    shown_metrics,
)
from mlsandbox_serving.contract import Field, Metrics
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.measures import Measures

GOLDEN = {"predictions": ["yes", "no"], "probabilities": [[0.25, 0.75], [0.5, 0.5]], "tolerance": {"rtol": 1e-9, "atol": 1e-12}}


def answer(**changes: Any) -> dict[str, Any]:
    return {"predictions": ["yes", "no"], "probabilities": [[0.25, 0.75], [0.5, 0.5]], **changes}


def metrics() -> str:
    registry = CollectorRegistry()
    Measures(Identity("toy", "v1", "sha256:abc"), "sklearn", registry, limit=4)
    return generate_latest(registry).decode()


def test_equal_answers_differ_in_no_row() -> None:
    """Answers within the package's tolerance must count as equal."""
    assert differing_rows(GOLDEN, answer(probabilities=[[0.25, 0.75 + 1e-13], [0.5, 0.5]])) == (set(), [])


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ({"predictions": ["yes", "yes"]}, {1}),
        ({"probabilities": [[0.25, 0.7500001], [0.5, 0.5]]}, {0}),
        ({"predictions": ["yes"]}, {0, 1}),
        ({"probabilities": None}, {0, 1}),
        ({"predictions": [True, "no"]}, {0}),
        ({"probabilities": [[0.25], [0.5, 0.5]]}, {0}),
    ],
    ids=["label", "probability", "fewer", "none", "other-type", "fewer-classes"],
)
def test_other_answers_are_told_by_row(change: dict[str, Any], rows: set[int]) -> None:
    """Each row with an answer past the tolerance must be counted, and the first ones told."""
    differing, told = differing_rows(GOLDEN, answer(**change))

    assert differing == rows
    assert told


@pytest.mark.parametrize(("expected", "seen"), [(1, 1.0), (float("nan"), None), (None, None), ([1.5, 2.5], [1.5, 2.5])])
def test_numbers_and_gaps_are_equal_however_json_has_them(expected: Any, seen: Any) -> None:
    """A whole number may come as a float, and what is missing as null."""
    assert differing_rows({**GOLDEN, "predictions": [expected], "probabilities": None}, {"predictions": [seen]})[0] == set()


def test_a_flag_is_no_number() -> None:
    """True is not 1."""
    assert differing_rows({**GOLDEN, "predictions": [1], "probabilities": None}, {"predictions": [True]})[0] == {0}


def test_the_metrics_of_a_model_are_those_that_its_service_registers() -> None:
    """The list must be that of the real service, with nothing missing and nothing more."""
    assert shown_metrics(metrics()) == {each.name: each.type for each in MODEL_METRICS}
    assert metric_faults(metrics(), MODEL_METRICS) == []


def test_missing_new_and_changed_metrics_are_told() -> None:
    """What is not as in the contract must be named."""
    text = metrics().replace(f"# TYPE {Metrics.LIMIT.name} gauge", f"# TYPE {Metrics.LIMIT.name} counter")
    text = text.replace(f"# TYPE {Metrics.REQUESTS.name} ", "# TYPE sandbox_asked_total ")

    assert metric_faults(text, MODEL_METRICS) == [
        f"missing: {Metrics.REQUESTS.name}",
        "not of the contract: sandbox_asked_total",
        f"{Metrics.LIMIT.name} is a counter, not a gauge",
    ]


def test_the_served_package_is_known_by_its_digest() -> None:
    """The metrics must tell which package is served."""
    assert served_digest(metrics()) == "sha256:abc"
    assert served_digest("") is None


def test_fields_are_those_of_the_contract() -> None:
    """Fields that every prediction's event has must be there, some may be, others may not."""
    assert field_faults(EVENT_FIELDS) == []
    assert field_faults(EVENT_FIELDS | OPTIONAL_FIELDS) == []
    assert field_faults((EVENT_FIELDS - {Field.DIGEST}) | {"user.name"}) == [
        f"missing: {Field.DIGEST}",
        "not of the contract: user.name",
    ]
