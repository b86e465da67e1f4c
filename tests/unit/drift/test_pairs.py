"""Pairs of columns: told of when they relate otherwise, and not when one of their columns changed."""

from __future__ import annotations

import numpy as np
import pytest

from mlsandbox_serving.drift import Kind, KindVerdict, Monitor, Profile, build_profile
from mlsandbox_serving.drift.pairs import association_changed, rank_correlation
from mlsandbox_serving.drift.streams import GROUPS
from mlsandbox_serving.drift.values import Floats
from support.drift_rows import Change, Rows, rows


def _related(random: np.random.Generator, count: int, shift: float = 0.0) -> Rows:
    """Six columns that all follow the first, which may have moved, and one on its own."""
    age = random.standard_normal(count)
    table: Rows = {f"of_age_{index}": 0.8 * age + 0.6 * random.standard_normal(count) for index in range(5)}
    return {"age": age + shift, **table, "other": random.standard_normal(count)}


def _worst(found: KindVerdict) -> list[str]:
    return [each.column for each in found.worst]


def _normal(random: np.random.Generator, correlation: float, count: int, shift: float = 0.0) -> Floats:
    first = random.standard_normal(count)
    second = correlation * first + np.sqrt(1 - correlation**2) * random.standard_normal(count)
    borders = [-0.84, -0.25, 0.25, 0.84]
    cells = np.searchsorted(borders, first + shift) * GROUPS + np.searchsorted(borders, second)
    return np.bincount(cells, minlength=GROUPS * GROUPS).astype(np.float64)


def test_a_column_that_moved_takes_no_pair_along() -> None:
    """Its pairs look changed because it has: it must be named once, and other columns that changed not be pushed out by its pairs."""
    random = np.random.default_rng(0)
    monitor = Monitor(build_profile(_related(random, 10_000)))
    monitor.update(_related(random, 3_000, shift=1.0))
    found = monitor.verdict().of(Kind.FEATURES)
    assert found.page
    assert _worst(found) == ["age"]

    table = _related(random, 3_000, shift=1.0)
    monitor.update({**table, "other": table["other"] - 0.7})
    assert _worst(monitor.verdict().of(Kind.FEATURES)) == ["age", "other"]
    every = monitor.verdict(everything=True).of(Kind.FEATURES)
    assert set(_worst(every)) == {"age", "other", *(f"of_age_{index}" for index in range(5))}


@pytest.mark.parametrize(("correlation", "said"), [(0.0, (-0.15, 0.3)), (-0.6, (-0.65, -0.3))])
def test_columns_that_relate_otherwise_are_named_together(profile: Profile, correlation: float, said: tuple[float, float]) -> None:
    """A lost or turned correlation must be told as that, with the sign that the strength alone does not have; no column shows it."""
    random = np.random.default_rng(1)
    monitor = Monitor(profile)
    monitor.update(rows(random, 1_000))
    monitor.update(rows(random, 300, Change(correlation=correlation)))
    found = monitor.verdict().of(Kind.FEATURES)

    assert found.certain
    assert _worst(found) == ["x1 and x2"]
    monitor.update(rows(random, 1_000, Change(correlation=correlation)))
    found = monitor.verdict().of(Kind.FEATURES)
    assert found.page
    assert _worst(found) == ["x1 and x2"]
    now, before = found.worst[0].explanation.removeprefix("their rank correlation is ").split(", reference ")
    assert said[0] < float(now) < said[1]
    assert 0.5 < float(before) < 0.65


def test_margins_are_no_association() -> None:
    """Columns that moved on their own must not count as related otherwise; a correlation that went, or turned, must."""
    random = np.random.default_rng(2)
    shares = _normal(random, 0.6, 100_000) / 100_000

    assert not any(association_changed(_normal(random, 0.6, 1_000), shares, 1) for _ in range(50))
    assert not any(association_changed(_normal(random, 0.6, 1_000, shift=0.3), shares, 1) for _ in range(50))
    assert all(association_changed(_normal(random, other, 1_000), shares, 1) for other in (0.0, -0.6))
    assert not association_changed(np.zeros(GROUPS * GROUPS), shares, 1)


def test_rank_correlation_has_a_sign() -> None:
    """It must be about that of the numbers behind it, and 0 of no rows."""
    random = np.random.default_rng(3)

    assert [rank_correlation(_normal(random, real, 50_000)) for real in (0.6, 0.0, -0.6)] == pytest.approx([0.56, 0.0, -0.56], abs=0.03)
    assert rank_correlation(np.zeros(GROUPS * GROUPS)) == 0.0


def test_a_group_that_is_gone_is_no_failure() -> None:
    """Rows of which none falls into a group must be compared in the others."""
    random = np.random.default_rng(4)
    shares = _normal(random, 0.6, 100_000) / 100_000
    live = _normal(random, 0.6, 2_000).reshape(GROUPS, GROUPS)
    live[2] = 0.0
    live[:, 4] = 0.0

    assert not association_changed(live.ravel(), shares, 1)
