"""What a pair of columns shows that its columns alone do not."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from mlsandbox_serving.drift.streams import GROUPS
from mlsandbox_serving.drift.values import Floats

_ROUNDS: Final = 50
_CHANCE: Final = 5.0
"""Standard deviations of chi-square that are taken for chance."""
_TINY: Final = 1e-300
"""In place of the sum of a group that no row is in any more."""
_FREEDOM: Final = (GROUPS - 1) ** 2


def association_changed(counts: Floats, shares: Floats, stride: int) -> bool:
    """Whether more of a pair changed than its columns, each on its own.

    Args:
        counts: of recent rows in the 25 cells.
        shares: of the reference.
        stride: rows from one to the next that are as good as independent.
    """
    live, expected = counts.reshape(GROUPS, GROUPS), shares.reshape(GROUPS, GROUPS) * counts.sum()
    for _ in range(_ROUNDS):  # the reference's association, with the columns as they are now
        expected = expected * (live.sum(axis=1) / np.maximum(expected.sum(axis=1), _TINY))[:, None]
        expected = expected * (live.sum(axis=0) / np.maximum(expected.sum(axis=0), _TINY))
    there = live > 0
    distance = 2 * float((live[there] * np.log(live[there] / expected[there])).sum()) / stride
    return distance > _FREEDOM + _CHANCE * math.sqrt(2 * _FREEDOM)


def rank_correlation(counts: Floats) -> float:
    """Of two columns of numbers, from their coarse groups: -1 to 1; 0 when one of them does not vary."""
    table = counts.reshape(GROUPS, GROUPS) / max(counts.sum(), 1.0)
    groups = np.arange(GROUPS, dtype=np.float64)
    first, second = table.sum(axis=1), table.sum(axis=0)
    one, other = groups - first @ groups, groups - second @ groups
    spread = float(np.sqrt((first @ one**2) * (second @ other**2)))
    return float(one @ table @ other) / spread if spread > 0 else 0.0
