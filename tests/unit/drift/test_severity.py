"""Severity: the measures and their borders."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from mlsandbox_serving.drift import Profile, Severity
from mlsandbox_serving.drift.cells import Ints
from mlsandbox_serving.drift.layout import Layout
from mlsandbox_serving.drift.measures import Measures
from mlsandbox_serving.drift.severity import jensen_shannon, of_excess, of_psi, wasserstein
from support.drift_rows import Change, rows


def _counts(profile: Profile, count: int, change: Change, seed: int) -> Ints:
    table = rows(np.random.default_rng(seed), count, change)
    cells = np.stack([stream.cells.read(table[stream.name]) for stream in profile.streams], axis=1)
    return Layout(profile.streams, (), profile.rows).count(cells, 0).all[:-4]


@pytest.mark.parametrize(
    ("psi", "severity"),
    [
        (0.0, Severity.NONE),
        (0.049, Severity.NONE),
        (0.05, Severity.LOW),
        (0.1, Severity.MEDIUM),
        (0.249, Severity.MEDIUM),
        (0.25, Severity.HIGH),
    ],
)
def test_borders_of_psi(psi: float, severity: Severity) -> None:
    """None < 0.05 <= low < 0.1 <= medium < 0.25 <= high."""
    assert of_psi(psi) is severity


@pytest.mark.parametrize(
    ("excess", "severity"), [(0.004, Severity.NONE), (0.0099, Severity.LOW), (0.01, Severity.MEDIUM), (0.05, Severity.HIGH)]
)
def test_one_point_of_a_rate_is_medium(excess: float, severity: Severity) -> None:
    """One point above the reference is where a rate may page."""
    assert of_excess(excess) is severity


@pytest.mark.parametrize("window", [200, 500, 2_000])
def test_without_a_change_psi_is_about_nothing(profile: Profile, window: int) -> None:
    """Less its noise floor, PSI of clean windows of any size must average near 0 and not reach medium."""
    measures = Measures(Layout(profile.streams, (), profile.rows))
    found = np.stack([measures.psi(_counts(profile, window, Change(), seed)) for seed in range(20)])

    assert found.mean() < 0.015
    assert np.quantile(found, 0.99) < 0.1


@pytest.mark.parametrize(("shift", "low", "high"), [(0.25, 0.03, 0.1), (0.5, 0.2, 0.32), (1.0, 0.8, 1.2)])
def test_psi_of_a_shift_is_its_square(profile: Profile, shift: float, low: float, high: float) -> None:
    """A mean shift of d standard deviations must have a PSI of about d squared."""
    measures = Measures(Layout(profile.streams, (), profile.rows))
    psi = np.mean([measures.psi(_counts(profile, 2_000, Change(shift=shift), seed))[0] for seed in range(5)])

    assert low < psi < high


def test_rows_that_depend_on_each_other_make_more_noise(profile: Profile) -> None:
    """The noise floor must grow with the stride."""
    counts = _counts(profile, 300, Change(), 1)
    plain, sticky = (
        Measures(Layout([replace(stream, stride=stride) for stream in profile.streams], (), profile.rows)).psi(counts) for stride in (1, 5)
    )

    assert plain.sum() > 0
    assert (sticky <= plain).all()
    assert sticky.sum() < plain.sum()


def test_what_little_is_expected_of_may_be_absent(profile: Profile) -> None:
    """A window without a rare category must not look changed for that."""
    measures = Measures(Layout(profile.streams, (), profile.rows))
    counts = np.round(np.concatenate([stream.shares for stream in profile.streams]) * 200).astype(np.int64)

    assert measures.psi(counts).max() < 0.05


def test_jensen_shannon_is_between_nothing_and_all() -> None:
    """The same shares are at distance 0, shares with nothing in common at 1."""
    assert jensen_shannon(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0.0
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1.0)


def test_wasserstein_of_a_shift_is_the_shift(profile: Profile) -> None:
    """Of a mean shift, Wasserstein must be the shift in standard deviations."""
    stream = profile.streams[0]
    draws = [NormalDist(0.5).inv_cdf((rank + 0.5) / 10_000) for rank in range(10_000)]
    live = np.bincount(stream.cells.read(draws), minlength=stream.cells.size) / 10_000

    assert wasserstein(stream.cells, live, stream.shares, stream.sd) == pytest.approx(0.5, abs=0.05)  # type: ignore[arg-type]  # a number
