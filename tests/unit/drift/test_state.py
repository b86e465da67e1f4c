"""State: a monitor that is stopped and goes on elsewhere is the same monitor."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mlsandbox_serving.drift import Kind, Monitor, Profile, Settings, StateUnreadable, build_profile
from support.drift_rows import Change, Rows, rows


def _part(table: Rows, start: int, end: int) -> Rows:
    return {name: values[start:end] for name, values in table.items()}


@pytest.mark.parametrize("cut", [50, 730, 1_010, 1_200, 1_999])
def test_a_restored_monitor_goes_on_to_the_bit(profile: Profile, cut: int) -> None:
    """Stopped anywhere, before, in and after an alarm, the final state must be the same."""
    random = np.random.default_rng(1)
    table = {
        name: np.concatenate([values, rows(random, 1_000, Change(0.7, new=0.05))[name]]) for name, values in rows(random, 1_000).items()
    }
    steps = [0, 17, 50, 290, 730, 900, 1_010, 1_200, 1_700, 1_999, 2_000]
    whole, stopped = Monitor(profile), Monitor(profile)
    for start, end in pairwise(steps):
        whole.update(_part(table, start, end) | {"extra": [1] * (end - start)})
        stopped.update(_part(table, start, end) | {"extra": [1] * (end - start)})
        if end == cut:
            stopped = Monitor.restore(profile, stopped.state())

    assert whole.alarms > 0
    assert stopped.state() == whole.state()
    assert stopped.verdict() == whole.verdict()
    assert stopped.histograms() == whole.histograms()


@pytest.mark.parametrize("cut", [300, 1_000, 1_500])
def test_a_monitor_without_a_reference_is_restored_too(cut: int) -> None:
    """Stopped while it learns or after, the profile that it makes must be the same."""
    table = rows(np.random.default_rng(2), 2_000)
    settings = Settings(learn_rows=1_000)
    whole, stopped = Monitor(None, settings), Monitor(None, settings)
    for start, end in ((0, 300), (300, 1_000), (1_000, 1_500), (1_500, 2_000)):
        whole.update(_part(table, start, end), table["letter"][start:end])
        stopped.update(_part(table, start, end), table["letter"][start:end])
        if end == cut:
            stopped = Monitor.restore(None, stopped.state())

    assert whole.verdict().of(Kind.PREDICTION) is not None
    assert stopped.state() == whole.state()
    assert stopped.verdict() == whole.verdict()


def test_a_state_of_another_profile_is_refused(profile: Profile) -> None:
    """Counts of one reference's cells must not be read as another's."""
    other = build_profile(rows(np.random.default_rng(9), 1_000))

    with pytest.raises(StateUnreadable, match="another reference profile"):
        Monitor.restore(other, Monitor(profile).state())
    with pytest.raises(StateUnreadable, match="another reference profile"):
        Monitor.restore(None, Monitor(profile).state())


def test_settings_may_change_in_between(profile: Profile) -> None:
    """A restored monitor must take a new budget; other pairs need other statistics, so that the state is refused."""
    monitor = Monitor(profile)
    monitor.update(rows(np.random.default_rng(4), 500))

    assert Monitor.restore(profile, monitor.state()).verdict().budget == 1e6
    assert Monitor.restore(profile, monitor.state(), Settings(5e4)).verdict().budget == 5e4
    with pytest.raises(StateUnreadable):
        Monitor.restore(profile, monitor.state(), Settings(pairs=0))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not a state"])
def test_a_damaged_state_is_refused(profile: Profile, damage: bytes) -> None:
    """Bytes that are no state must be told as such."""
    with pytest.raises(StateUnreadable, match="damaged"):
        Monitor.restore(profile, damage)
    with pytest.raises(StateUnreadable):
        Monitor.restore(profile, Monitor(profile).state()[:-2_000])


def test_memory_does_not_grow_with_rows(profile: Profile) -> None:
    """The state must be as large after many rows of many kinds as after a few."""
    random = np.random.default_rng(3)
    monitor = Monitor(profile)
    monitor.update(rows(random, 3_000, Change(shift=0.5, new=0.1, missing=0.1)))
    early = len(monitor.state())
    for number in range(30):
        table = rows(random, 1_000, Change(shift=1.0, new=0.1, missing=0.1))
        table["colour"][:500] = [f"{number} {row}" for row in range(500)]
        monitor.update(table)

    assert len(monitor.state()) < early * 1.05
