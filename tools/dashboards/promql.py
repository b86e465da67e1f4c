"""PromQL out of metrics: every selector follows the dashboard's variables, every counter is asked for its rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlsandbox_serving.contract import Metric

FOLLOWED: Final = ("model", "version", "route", "engine")
"""Labels that are variables too, where a dashboard has them."""
PREDICTING: Final = "~/predict|/v2/.+/infer"
"""Routes that predict, as a matcher."""
_INTERVAL: Final = "$__rate_interval"


class Selectors:
    """Selectors of one dashboard.

    Args:
        variables: names of the dashboard's variables.
    """

    def __init__(self, variables: Sequence[str]) -> None:
        self._followed = [name for name in FOLLOWED if name in variables]

    def __call__(self, metric: Metric, suffix: str = "", /, **matchers: str) -> str:
        """The series of a metric that the reader has chosen.

        Args:
            metric: which one.
            suffix: of a histogram, "_bucket", "_sum" or "_count".
            matchers: further labels with what they are, or, behind "~", the regular expression that they match; they win over a variable.
        """
        chosen = {"job": "~$job", "instance": "~$instance"}
        chosen |= {name: f"~${name}" for name in self._followed if name in metric.labels}
        chosen |= matchers
        return metric.name + suffix + "{" + ", ".join(_matcher(label, value) for label, value in chosen.items()) + "}"


def _matcher(label: str, value: str) -> str:
    return f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"'


def rate(series: str) -> str:
    """Growth of a counter per second."""
    return f"rate({series}[{_INTERVAL}])"


def total(series: str, by: str = "") -> str:
    """The sum of series, by some labels or of all."""
    return f"sum by ({by}) ({series})" if by else f"sum({series})"


def largest(series: str, by: str = "") -> str:
    """The largest of series, by some labels or of all."""
    return f"max by ({by}) ({series})" if by else f"max({series})"


def grown(series: str, by: str = "") -> str:
    """How much a counter has grown over the time that is shown, pieced together out of windows that lie side by side."""
    return f"sum_over_time({total(f'increase({series}[{_INTERVAL}])', by)}[$__range:{_INTERVAL}])"


def share(part: str, whole: str) -> str:
    """One sum in relation to another. No series of the part counts as 0; where the whole is 0 there is no answer (NaN)."""
    return f"({part} or 0 * {whole}) / {whole}"


def quantile(q: float, buckets: str, by: str = "") -> str:
    """A quantile of a histogram's buckets, by some labels or of all."""
    return f"histogram_quantile({q}, {total(rate(buckets), f'le, {by}' if by else 'le')})"


def mean(sums: str, counts: str, by: str = "") -> str:
    """The mean of a histogram's observations."""
    return f"{total(rate(sums), by)} / {total(rate(counts), by)}"
