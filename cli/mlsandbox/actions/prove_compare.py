"""What a model in a cluster answers, held to what it answers here (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mlsandbox_serving.contract import Field, Metric, Metrics

MODEL_METRICS: Final = (
    *(Metrics.REQUESTS, Metrics.REQUEST_SECONDS, Metrics.IN_FLIGHT, Metrics.QUEUED, Metrics.LIMIT),
    *(Metrics.REQUEST_BYTES, Metrics.RESPONSE_BYTES, Metrics.BATCH_ROWS, Metrics.BATCH_REQUESTS, Metrics.MODEL_SECONDS),
    *(Metrics.MODEL_COST, Metrics.REQUEST_ROWS, Metrics.PREDICTIONS, Metrics.PREDICTION_SCORE, Metrics.EVENTS_WRITTEN),
    *(Metrics.EVENTS_DROPPED, Metrics.MODEL_INFO, Metrics.MODEL_READY, Metrics.GOLDEN_ROWS),
)
"""Those of the contract that a model service has."""
UNUSED: Final = (Metrics.PREDICTIONS, Metrics.EVENTS_DROPPED, Metrics.GOLDEN_ROWS, Metrics.MODEL_COST)
"""Those of them that are only shown once there is something to count: classes, losses, golden rows, an example."""
EVENT_FIELDS: Final = frozenset(
    {
        *(Field.TIMESTAMP, Field.ECS_VERSION, Field.EVENT_ID, Field.EVENT_KIND, Field.EVENT_DATASET, Field.EVENT_OUTCOME),
        *(Field.EVENT_DURATION, Field.SERVICE_NAME, Field.SERVICE_VERSION, Field.REQUEST_ID, Field.METHOD, Field.STATUS, Field.PATH),
        *(Field.MODEL, Field.VERSION, Field.DIGEST, Field.ROWS, Field.PREDICTIONS, Field.TRUNCATED, Field.ORIGIN),
    }
)
"""Of the event of a prediction that `sandbox` asked for."""
OPTIONAL_FIELDS: Final = frozenset({Field.EVENT_HASH, Field.INPUTS, Field.PROBABILITIES, Field.CLASSES, Field.TRACE_ID})
"""What depends on the model, its settings and the request."""
_DECLARED: Final = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
_INFO: Final = re.compile(rf'^{Metrics.MODEL_INFO.name}\{{[^}}]*digest="([^"]*)"', re.MULTILINE)
_OURS: Final = "sandbox_"
_BEGINNING: Final = "_created"
_SHOWN: Final = 3


def differing_rows(golden: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[set[int], list[str]]:
    """Golden rows that are not answered as they were where the model was saved, and the first of them in words.

    Args:
        golden: golden.json of the package, with its tolerance: JSON does not tell in which precision a model computes.
        answer: of the model in the cluster.
    """
    tolerance = golden["tolerance"]
    rows: set[int] = set()
    told: list[str] = []
    for name in ("predictions", "probabilities"):
        wanted = golden.get(name)
        if wanted is None:
            continue
        got = answer.get(name)
        if not isinstance(got, list) or len(got) != len(wanted):
            count = len(got) if isinstance(got, list) else "no"
            return set(range(len(wanted))), [f"{count} {name}, expected {len(wanted)}"]
        for row, (expected, seen) in enumerate(zip(wanted, got, strict=True)):
            if not _same(expected, seen, tolerance):
                rows.add(row)
                told.append(f"row {row}: {name} {seen!r}, expected {expected!r}")
    return rows, told[:_SHOWN]


def metric_faults(text: str, wanted: Sequence[Metric]) -> list[str]:
    """What is wrong with the metrics that a service shows, in words.

    Args:
        text: of /metrics.
        wanted: what it has, by the contract.
    """
    seen = shown_metrics(text)
    missing = [each.name for each in wanted if each.name not in seen and each not in UNUSED]
    extra = sorted(seen.keys() - {each.name for each in wanted})
    types = [f"{each.name} is a {seen[each.name]}, not a {each.type}" for each in wanted if seen.get(each.name, each.type) != each.type]
    faults = [f"missing: {', '.join(missing)}"] if missing else []
    return faults + ([f"not of the contract: {', '.join(extra)}"] if extra else []) + types


def shown_metrics(text: str) -> dict[str, str]:
    """Our metrics, with their types, as /metrics declares them; without the times of their beginning, which a library adds."""
    return {name: kind for name, kind in _DECLARED.findall(text) if name.startswith(_OURS) and not name.endswith(_BEGINNING)}


def served_digest(text: str) -> str | None:
    """The digest of the package that is served, as /metrics tells it."""
    found = _INFO.search(text)
    return found[1] if found else None


def field_faults(fields: Iterable[str]) -> list[str]:
    """What is wrong with the fields of a prediction's event, in words."""
    seen = set(fields)
    missing, extra = sorted(EVENT_FIELDS - seen), sorted(seen - EVENT_FIELDS - OPTIONAL_FIELDS)
    return ([f"missing: {', '.join(missing)}"] if missing else []) + ([f"not of the contract: {', '.join(extra)}"] if extra else [])


def _same(expected: Any, seen: Any, tolerance: Mapping[str, float]) -> bool:
    """Equal; floats as near as the tolerance allows, and what is missing here is missing there."""
    if isinstance(expected, list):
        return isinstance(seen, list) and len(seen) == len(expected) and all(map(lambda a, b: _same(a, b, tolerance), expected, seen))
    if isinstance(expected, bool) or isinstance(seen, bool) or not _are_numbers(expected, seen):
        return (type(expected) is type(seen) and bool(expected == seen)) or (_is_gap(expected) and _is_gap(seen))
    if isinstance(expected, int) and isinstance(seen, int):
        return expected == seen
    wanted, got = float(expected), float(seen)
    near = wanted == got or abs(got - wanted) <= float(tolerance["atol"]) + float(tolerance["rtol"]) * abs(wanted)
    return near or (math.isnan(wanted) and math.isnan(got))


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(each, int | float) for each in values)


def _is_gap(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
