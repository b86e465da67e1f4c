"""Variables of a dashboard: what a reader can choose at its top."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dashboards.panels import SOURCE
from mlsandbox_serving.contract import Metric, Metrics

Json = dict[str, Any]
SOURCE_UID: Final = "sandbox-prometheus"
OBJECTIVES: Final = ("0.99", "0.995", "0.999", "0.9995")
_ON_TIME_CHANGE: Final = 2


def data_source() -> Json:
    """Which Prometheus is asked."""
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {"selected": True, "text": "Prometheus", "value": SOURCE_UID},
        "options": [],
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "skipUrlSync": False,
    }


def targets(metric: Metric) -> list[Json]:
    """`job` and `instance` of a metric: component and service."""
    return [_label("job", "Job", metric, ""), _label("instance", "Instance", metric, '{job=~"$job"}')]


def label(name: str, text: str, metric: Metric) -> Json:
    """Values of a label of a metric, among the chosen jobs and instances."""
    return _label(name, text, metric, '{job=~"$job", instance=~"$instance"}')


def latency_objective(default: float) -> Json:
    """Seconds within which a request is to be answered: bounds of the histogram's buckets alone, as others cannot be measured."""
    return _choice(
        "latency_slo", "Latency objective", {f"{bound * 1000:g} ms": str(bound) for bound in Metrics.REQUEST_SECONDS.buckets}, str(default)
    )


def availability_objective(default: str) -> Json:
    """Share of requests that is to be answered without a fault of ours."""
    return _choice("objective", "Availability objective", {f"{float(each) * 100:g} %": each for each in OBJECTIVES}, default)


def _label(name: str, text: str, metric: Metric, matchers: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": text,
        "datasource": SOURCE,
        "query": f"label_values({metric.name}{matchers}, {name})",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "regex": "",
        "refresh": _ON_TIME_CHANGE,
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "skipUrlSync": False,
    }


def _choice(name: str, label: str, values: dict[str, str], default: str) -> Json:
    def option(text: str) -> Json:
        return {"selected": values[text] == default, "text": text, "value": values[text]}

    options = [option(text) for text in values]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": _joined(f"{text} : {value}" for text, value in values.items()),
        "current": next(each for each in options if each["selected"]),
        "options": options,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "skipUrlSync": False,
    }


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
