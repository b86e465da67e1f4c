"""Rows that depend on each other: the largest threat to a promise about false alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlsandbox_serving.drift import Monitor, Settings, build_profile
from mlsandbox_serving.drift.values import Floats
from support.drift_rows import rows


def _sticky(random: np.random.Generator, count: int, correlation: float) -> Floats:
    """A series of standard normal numbers with this correlation from each to the next."""
    fresh = random.standard_normal(count)
    series = np.empty(count)
    series[0] = fresh[0]
    for row in range(1, count):
        series[row] = correlation * series[row - 1] + np.sqrt(1 - correlation**2) * fresh[row]
    return series


def test_independent_rows_all_count() -> None:
    """Without dependence every row must be evidence."""
    assert build_profile(rows(np.random.default_rng(1), 10_000)).stride == 1


def test_dependent_rows_are_thinned_until_they_are_not() -> None:
    """The stride must be the lag at which rows have nothing to do with each other, column by column, and keep false alarms away."""
    random = np.random.default_rng(2)
    reference = {"sticky": _sticky(random, 20_000, 0.6), "free": random.standard_normal(20_000)}
    profile = build_profile(reference)
    assert {stream.name: 5 <= stream.stride <= 8 for stream in profile.streams} == {"sticky": True, "free": False}
    assert profile.self_check.stationary
    blind = replace(profile, streams=tuple(replace(stream, stride=1) for stream in profile.streams))
    later = {"sticky": _sticky(random, 40_000, 0.6), "free": random.standard_normal(40_000)}
    alarms = []
    for one in (profile, blind):
        monitor = Monitor(one, Settings(100_000))
        monitor.update(later)
        alarms.append(monitor.alarms)

    assert alarms[0] <= 1
    assert alarms[1] > 5


def test_sticky_categories_are_noticed() -> None:
    """Categories that come in runs must be thinned like numbers."""
    random = np.random.default_rng(3)
    runs = np.repeat(random.choice(["a", "b", "c"], size=3_000), 4)

    assert build_profile({"runs": runs.tolist()}).stride == 4


def test_a_trend_has_the_longest_stride() -> None:
    """A column that only grows is never independent: the stride must stop at 50."""
    assert build_profile({"trend": np.linspace(0, 1, 2_000)}).stride == 50


def test_the_strongest_pairs_come_first() -> None:
    """Pairs must be ordered by how much their columns have to do with each other, whatever they hold."""
    table = rows(np.random.default_rng(4), 10_000)
    table["copy"] = np.where(table["letter"] == "a", "x", np.where(table["letter"] == "b", "y", "z"))
    profile = build_profile(table)
    names = [(profile.streams[pair.first].name, profile.streams[pair.second].name) for pair in profile.pairs]

    assert names[:2] == [("letter", "copy"), ("x1", "x2")]
    assert len(names) < 5
