"""Shares with their intervals, and groups against the rest, held to what statistics libraries say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlsandbox.comparing.certainty import exceeds_by_chance, likelihood_ratio, wilson


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Hits and rows of a group, then of all."""
    rows, others = draw(st.integers(1, 400)), draw(st.integers(1, 400))
    hits, other_hits = draw(st.integers(0, rows)), draw(st.integers(0, others))
    return hits, rows, hits + other_hits, rows + others


@given(tables())
def test_the_exact_test_is_fishers(table: tuple[int, int, int, int]) -> None:
    """The chance must be that of Fisher's exact test, one-sided."""
    hits, rows, all_hits, all_rows = table
    other = np.array([[hits, rows - hits], [all_hits - hits, all_rows - rows - all_hits + hits]])

    assert exceeds_by_chance(*table) == pytest.approx(stats.fisher_exact(other, alternative="greater").pvalue, rel=1e-6, abs=1e-12)


@given(tables())
def test_the_ratio_is_the_g_statistic(table: tuple[int, int, int, int]) -> None:
    """The ratio must be the G statistic where the group's share is the higher one, and nothing elsewhere."""
    hits, rows, all_hits, all_rows = table
    other_hits, other_rows = all_hits - hits, all_rows - rows
    if hits / rows <= other_hits / other_rows:
        assert likelihood_ratio(*table) == pytest.approx(0.0, abs=1e-9)
    else:
        observed = [[hits, rows - hits], [other_hits, other_rows - other_hits]]
        whole = all_hits < all_rows
        expected = stats.chi2_contingency(observed, correction=False, lambda_="log-likelihood").statistic if whole else 0.0
        assert likelihood_ratio(*table) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.integers(1, 2_000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_the_interval_is_wilsons(counted: tuple[int, int]) -> None:
    """The interval must be Wilson's, and hold the share itself."""
    hits, rows = counted
    expected = stats.binomtest(hits, rows).proportion_ci(method="wilson")

    assert wilson(hits, rows) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(hits, rows).low <= hits / rows <= wilson(hits, rows).high


def test_nothing_is_known_of_no_rows() -> None:
    """The share of no rows must be anything from 0 to 1."""
    assert wilson(0, 0) == (0.0, 1.0)
