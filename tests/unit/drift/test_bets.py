"""Bets: fair, capped, discounted; and the mistakes that were made with them once."""

from __future__ import annotations

import numpy as np
import pytest

from mlsandbox_serving.drift import Kind, Monitor, Profile, Settings, build_profile
from mlsandbox_serving.drift.bets import CAP, Bet, discount, pair_bets, standard_errors, stream_bets
from mlsandbox_serving.drift.values import Floats
from support.drift_rows import rows


def _all_bets(profile: Profile) -> list[tuple[Bet, Floats]]:
    found = [(bet, stream.shares) for stream in profile.streams for bet in stream_bets(stream)]
    return found + [(bet, pair.shares) for pair in profile.pairs for bet in pair_bets(pair)]


@pytest.mark.parametrize("errors", [1, 2])
def test_each_bet_is_fair_but_for_its_discount(profile: Profile, errors: int) -> None:
    """Under the reference each table times its discount must average to exactly 1."""
    for bet, shares in _all_bets(profile):
        divisor = discount(bet, shares, profile.rows, errors)
        assert abs(float((shares * (bet.table / divisor)).sum()) * divisor - 1.0) < 1e-9
        sd = float(np.sqrt((shares * (bet.table - 1) ** 2).sum()))
        assert divisor == pytest.approx(1 + errors * sd / 100 + bet.fitted / profile.rows, abs=1e-12)


def test_no_row_can_multiply_a_stake_by_more_than_the_cap(profile: Profile) -> None:
    """Factors must lie between 1/20 and 20."""
    for bet, _ in _all_bets(profile):
        assert bet.table.max() <= CAP * (1 + 1e-9)
        assert bet.table.min() >= 1 / CAP * (1 - 1e-9)


def test_two_infinite_values_are_no_alarm(profile: Profile) -> None:
    """Two odd rows must not raise an alarm; many must."""
    monitor = Monitor(profile, Settings(pairs=0))
    table = rows(np.random.default_rng(2), 100)
    table["x0"][[10, 50]] = [np.inf, -np.inf]
    monitor.update(table)
    assert monitor.alarms == 0

    table["x0"][20:40] = np.inf
    monitor.update(table)
    assert monitor.alarms == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_a_jump_beyond_the_range_is_an_alarm(profile: Profile, sign: int) -> None:
    """Values above the maximum or below the minimum must not pass for the outermost quantile."""
    monitor = Monitor(profile, Settings(pairs=0))
    random = np.random.default_rng(3)
    for _ in range(10):
        table = rows(random, 100)
        table["x0"][:3] = sign * 1e6
        monitor.update(table)

    found = monitor.verdict().of(Kind.OUTLIERS)
    assert found.page
    assert found.worst[0].column == "x0"
    assert (
        f"{sign * 1000000} is {'above the reference maximum' if sign > 0 else 'below the reference minimum'}" in found.worst[0].explanation
    )


def test_a_column_of_many_rare_categories_is_no_alarm() -> None:
    """How often something unseen comes must be estimated by what was seen once, not by a fixed small share."""
    random = np.random.default_rng(4)

    def draw(count: int) -> dict[str, list[str]]:
        return {"product": [f"p{number}" for number in random.zipf(1.4, size=count).tolist()]}

    profile = build_profile(draw(10_000))
    assert profile.streams[0].singletons > 500
    monitor = Monitor(profile, Settings())
    for _ in range(20):
        monitor.update(draw(1_000))

    assert monitor.alarms == 0


def test_without_the_discount_a_small_reference_breaks_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 1,000 reference rows false alarms must stay within the budget, which they do not for undiscounted bets."""

    def alarms() -> int:
        found = 0
        for seed in range(8):
            random = np.random.default_rng(seed)
            monitor = Monitor(build_profile(rows(random, 1_000)), Settings(100_000, pairs=0))
            monitor.update(rows(random, 10_000))
            found += monitor.alarms
        return found

    assert alarms() <= 2
    monkeypatch.setattr("mlsandbox_serving.drift.sequential.discount", lambda *_: 1.0)
    assert alarms() >= 8


def test_few_reference_rows_are_discounted_twice() -> None:
    """Below 5,000 reference rows two standard errors must be taken off, from there on one."""
    assert [standard_errors(count) for count in (500, 4_999, 5_000, 10**6)] == [2, 2, 1, 1]


def test_below_five_hundred_rows_only_rates_are_bet_on() -> None:
    """A tiny reference cannot tell a shift, but it can tell missing, unseen and out-of-range values."""
    random = np.random.default_rng(6)
    profile = build_profile(rows(random, 499))
    kinds = {bet.kind for stream in profile.streams for bet in stream_bets(stream)}
    assert kinds == {Kind.OUTLIERS}
    assert profile.pairs == ()

    monitor = Monitor(profile)
    monitor.update(rows(random, 5_000))
    assert monitor.alarms == 0
    table = rows(random, 1_000)
    table["x0"][:] = np.nan
    monitor.update(table)
    assert monitor.verdict().of(Kind.OUTLIERS).page


@pytest.mark.parametrize("count", [60, 600])
def test_few_reference_rows_keep_the_promise(count: int) -> None:
    """What a small reference shows by chance, in rates or in pairs of columns, must not be taken for what it is like."""
    alarms = 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        monitor = Monitor(build_profile(rows(random, count)))
        monitor.update(rows(random, 10_000))
        alarms += monitor.alarms

    assert alarms <= 1
