"""How soon a change is seen, and how rarely one is that is not there. Ten columns, 10,000 reference rows, batches of 100."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest

from mlsandbox_serving.drift import Monitor, Profile, Settings, build_profile
from support.drift_rows import NONE, Change, rows

_BATCH = 100


def _delay(profile: Profile, change: Change, seed: int, *, longest: int, pairs: int = 0) -> int:
    random = np.random.default_rng(seed)
    monitor = Monitor(profile, Settings(pairs=pairs))
    for first in range(0, longest, _BATCH):
        monitor.update(rows(random, _BATCH, change, first))
        if monitor.alarms:
            return first + _BATCH
    return longest


@pytest.mark.parametrize(
    ("change", "within"),
    [
        pytest.param(Change(shift=1.0), 200, id="mean by 1 sd"),
        pytest.param(Change(shift=0.5), 300, id="mean by half an sd"),
        pytest.param(Change(shift=0.25), 900, id="mean by a quarter of an sd"),
        pytest.param(Change(shift=0.1), 4_000, id="mean by a tenth of an sd"),
        pytest.param(Change(stretch=1.5), 800, id="variance by a half"),
        pytest.param(Change(grow=0.2), 800, id="category from 10% to 20%"),
        pytest.param(Change(new=0.02), 500, id="new category"),
        pytest.param(Change(missing=0.1), 200, id="missing values"),
        pytest.param(Change(shift=0.5, gradual=10_000), 4_500, id="gradual"),
    ],
)
def test_a_change_is_seen_soon(profile: Profile, change: Change, within: int) -> None:
    """The median of twenty runs must see a change within its number of rows."""
    assert median(_delay(profile, change, seed, longest=2 * within) for seed in range(20)) <= within


def test_pairs_see_that_columns_no_longer_belong_together(profile: Profile) -> None:
    """With pair streams a lost correlation must be seen within 300 rows; no column alone shows it."""
    change = Change(correlation=0.0)

    assert median(_delay(profile, change, seed, longest=600, pairs=50) for seed in range(20)) <= 300
    assert _delay(profile, change, 0, longest=2_000) == 2_000


def test_false_alarms_are_as_rare_as_was_asked() -> None:
    """A million rows without a change must not raise more than four alarms, of which one is expected at most."""
    alarms = 0
    for seed in range(5):
        random = np.random.default_rng(seed)
        monitor = Monitor(build_profile(rows(random, 10_000)), Settings())
        for _ in range(20):
            monitor.update(rows(random, 10_000, NONE))
        alarms += monitor.alarms

    assert alarms <= 4


def test_the_size_of_requests_makes_no_difference(profile: Profile) -> None:
    """Ten thousand rows at once must be judged as a hundred times a hundred are."""
    table = rows(np.random.default_rng(5), 10_000, Change(shift=0.2))
    at_once, in_parts = Monitor(profile), Monitor(profile)
    at_once.update(table)
    for start in range(0, 10_000, _BATCH):
        in_parts.update({name: values[start : start + _BATCH] for name, values in table.items()})

    assert at_once.verdict() == in_parts.verdict()


def test_single_rows_are_judged_at_once(profile: Profile) -> None:
    """A column at plus three standard deviations must be seen within 50 rows that come one by one."""
    monitor = Monitor(profile)
    random = np.random.default_rng(6)
    for _ in range(50):
        monitor.update(rows(random, 1, Change(shift=3.0)))

    last = monitor.verdict().last_alarm
    assert monitor.alarms
    assert last is not None
    assert last <= 50
