"""What a champion has seen of its challenger, as its /metrics tell it (pure)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mlsandbox_serving.contract import Metric, Metrics

_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ChallengerSeen:
    """What became of requests for one challenger since the champion's start."""

    model: str
    champion: str
    challenger: str
    split: Mapping[str, int]
    """Requests that it was to answer, by the result: answered, failed, timeout, refused or dropped; those that are none are left out."""
    shadow: Mapping[str, int]
    """Copies, likewise."""
    same: int
    """Rows of copies for which both predict the same."""
    different: int

    @property
    def agreement(self) -> float | None:
        """Share of the compared rows for which both predict the same; None when none was compared."""
        rows = self.same + self.different
        return self.same / rows if rows else None

    @property
    def failed(self) -> int:
        """Requests and copies that it failed on, or did not answer in time."""
        return sum(counts.get(result, 0) for counts in (self.split, self.shadow) for result in ("failed", "timeout"))


def challenger_seen(text: str) -> tuple[ChallengerSeen, ...]:
    """Every challenger that a model service has had since its start, in the order of their versions' names.

    Args:
        text: of /metrics; may be of any program.
    """
    requests: dict[tuple[str, str, str], dict[str, Counter[str]]] = {}
    rows: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for labels, count in _samples(text, Metrics.CHALLENGER_REQUESTS):
        modes = requests.setdefault(_who(labels), {"split": Counter(), "shadow": Counter()})
        if labels.get("mode") in modes:
            modes[labels["mode"]][labels.get("result", "")] += count
    for labels, count in _samples(text, Metrics.SHADOW_ROWS):
        rows[_who(labels)][labels.get("result", "")] += count
    return tuple(
        ChallengerSeen(*who, dict(+modes["split"]), dict(+modes["shadow"]), rows[who]["same"], rows[who]["different"])
        for who, modes in sorted(requests.items())
    )


def _who(labels: Mapping[str, str]) -> tuple[str, str, str]:
    return labels.get("model", ""), labels.get("version", ""), labels.get("challenger", "")


def _samples(text: str, metric: Metric) -> Iterator[tuple[dict[str, str], int]]:
    """Labels and values of a counter's samples."""
    for line in text.splitlines():
        if not line.startswith(f"{metric.name}{{"):
            continue
        labels, _, value = line[len(metric.name) + 1 :].rpartition("} ")
        try:
            yield {name: re.sub(r"\\(.)", r"\1", quoted) for name, quoted in _LABEL.findall(labels)}, int(float(value.split()[0]))
        except (ValueError, IndexError, OverflowError):
            continue
