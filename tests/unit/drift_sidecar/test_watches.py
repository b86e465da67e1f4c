"""Everything that is watched: in which order, after which restarts, with which profiles."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsandbox_serving.drift import Kind, Monitor
from mlsandbox_serving.drift_sidecar import watches as module
from mlsandbox_serving.drift_sidecar.event import Result
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.drift_sidecar.watches import Watches
from mlsandbox_serving.performance import PerformanceStore
from support.drift_service import events, feedback, record
from support.watched import CHURN, NOW, Place, asked, said_of, take

WAITING = 87
"""Of the rows of a hundred events those behind the last whole block."""


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_ends_without_a_goodbye_change_nothing(place: Place, data: st.DataObject) -> None:
    """However events are delivered, with whichever restarts in between, the verdict must be that of one delivery."""
    records = asked(100, shift=0.4)
    shutil.rmtree(place.folder / "state", ignore_errors=True)
    undisturbed = place.open()
    take(undisturbed, records)
    expected = said_of(undisturbed)
    undisturbed.close()
    shutil.rmtree(place.folder / "state")

    watches = place.open()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        take(watches, records[max(start - data.draw(st.integers(0, 20)), 0) : end])
        after = data.draw(st.sampled_from(["on", "saved", "killed", "stopped"]))
        if after == "saved":
            watches.save()
        if after == "stopped":
            watches.close()
        if after in {"killed", "stopped"}:
            watches = place.open()

    assert repr(said_of(watches)) == repr(expected)
    watches.close()


def test_rows_that_wait_are_told_of(place: Place) -> None:
    """A verdict must hold the last rows, too, and looking must change nothing."""
    watches = place.open()
    take(watches, [record(np.random.default_rng(1), "a", 30)])

    assert [said_of(watches).verdict.rows for _ in range(3)] == [30, 30, 30]
    take(watches, [record(np.random.default_rng(2), "b", 30)])
    assert said_of(watches).verdict.rows == 60
    assert said_of(watches).window_rows == 60
    watches.close()


def test_duplicates_and_others_are_counted(place: Place) -> None:
    """What became of each event must be told."""
    watches = place.open()
    records = asked(3)
    found = take(watches, [*records, records[0], {"event.dataset": "sandbox.error"}, {**records[1], "sandbox.predictions": 1}])

    assert found == Counter({Result.USED: 3, Result.DUPLICATE: 1, Result.ERROR: 1, Result.MALFORMED: 1})
    watches.close()


def test_a_new_profile_begins_anew(place: Place) -> None:
    """What was found against one reference must not be told of another one; rows that still wait are compared with the new one."""
    watches = place.open()
    take(watches, asked(100))
    watches.close()
    place.reference(CHURN, seed=5)

    again = place.open()
    assert said_of(again).verdict.rows == WAITING
    again.close()


def test_other_settings_hold_from_the_next_start_on(place: Place) -> None:
    """The number of rows between false alarms that is set must be the one that holds, and nothing be forgotten for it."""
    watches = place.open()
    take(watches, asked(100))
    rows = said_of(watches).verdict.rows
    watches.close()

    again = place.open(rows_between_false_alarms=5_000)
    assert (said_of(again).verdict.rows, said_of(again).verdict.budget) == (rows, 5_000)
    again.close()


def test_no_more_versions_than_there_is_room_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the one that was silent for longest goes; what is served now never does, and without room events are refused."""
    monkeypatch.setattr(module, "MOST_SOURCES", 3)
    watches = place.open()
    for number in (2, 3):
        take(watches, asked(3, seed=number, version=f"v{number}"), at=NOW + number)
    assert take(watches, asked(3, seed=4, version="v4")) == Counter({Result.REFUSED: 3})

    place.clock.now += module.CURRENT_SECONDS + 10
    assert take(watches, asked(3, seed=5, version="v5"), at=place.clock.now) == Counter({Result.USED: 3})
    assert {source.version for source in watches.sources()} == {"v1", "v3", "v5"}
    assert not watches.is_current(Source("churn", "v2"))
    watches.close()
    again = place.open()
    assert {source.version for source in again.sources()} == {"v1", "v3", "v5"}
    again.close()


@pytest.mark.parametrize("at", [NOW, NOW - 10**6, NOW + 10**8])
def test_one_message_makes_no_more_versions_than_there_is_room_for(place: Place, monkeypatch: pytest.MonkeyPatch, at: float) -> None:
    """Versions that come together must not take each other's place, nor stay behind, whatever time they claim to be of."""
    monkeypatch.setattr(module, "MOST_SOURCES", 3)
    watches = place.open()
    records = [record(np.random.default_rng(1), f"{number}", version=f"w{number % 30}") for number in range(60)]

    assert take(watches, records, at=at) == Counter({Result.USED: 4, Result.REFUSED: 56})
    assert {source.version for source in watches.sources()} == {"v1", "w0", "w1"}
    place.clock.now += module.CURRENT_SECONDS + 10
    assert take(watches, asked(3, seed=5, version="v5"), at=place.clock.now) == Counter({Result.USED: 3})
    watches.close()


def test_more_versions_than_there_is_room_for_are_not_taken_up_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that an earlier state has, the newest must be kept, and those that are served now."""
    watches = place.open()
    for number in range(5):
        take(watches, [record(np.random.default_rng(1), f"{number}", 100, version=f"w{number}")], at=NOW - number)
    watches.close()
    monkeypatch.setattr(module, "MOST_SOURCES", 3)

    for _ in range(2):
        again = place.open()
        assert {source.version for source in again.sources()} == {"v1", "w0", "w1"}
        again.close()


def test_what_an_engine_fails_on_is_counted_and_passed_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of an engine must cost the block that it failed on, and nothing else."""
    update = Monitor.update

    def failing(self: Monitor, columns: Any, *answers: Any) -> None:
        if "poison" in columns:
            raise ZeroDivisionError
        update(self, columns, *answers)

    monkeypatch.setattr(Monitor, "update", failing)
    watches = place.open()
    bad = record(np.random.default_rng(1), "bad", 100)
    take(watches, [{**bad, "sandbox.inputs": {**bad["sandbox.inputs"], "poison": [1] * 100}}])
    take(watches, [record(np.random.default_rng(2), "good", 100)])

    assert place.failed == {CHURN: 100}
    assert said_of(watches).verdict.rows == 100
    watches.close()


def test_a_file_that_is_lost_while_it_runs_costs_nothing_that_is_known(place: Place) -> None:
    """Monitors in memory must go on, and be saved into the new file."""
    watches = place.open()
    take(watches, [record(np.random.default_rng(1), "a", 150)])
    for path in (place.folder / "state").glob("drift.sqlite3*"):
        path.unlink()
    take(watches, [record(np.random.default_rng(2), "b", 30)])
    watches.close()

    again = place.open()
    assert said_of(again).verdict.rows == 180
    again.close()


def test_drift_is_found(place: Place) -> None:
    """A shift must end in a page of its kind, and stay so over a restart."""
    watches = place.open()
    take(watches, asked(200, shift=2.0))
    assert said_of(watches).verdict.of(Kind.FEATURES).page
    watches.close()

    again = place.open()
    assert said_of(again).verdict.of(Kind.FEATURES).page
    again.close()


def test_an_event_that_cannot_be_joined_stops_no_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in joining labels must neither lose the rows of the other events nor have all of them sent again and again."""
    watches = place.open()
    join = PerformanceStore.join

    def failing(self: PerformanceStore, given: Any) -> Any:
        if any(each[1]["event.id"] == "bad" for each in given):
            raise ZeroDivisionError
        return join(self, given)

    monkeypatch.setattr(PerformanceStore, "join", failing)
    dice = np.random.default_rng(1)
    found = take(watches, [record(dice, "good"), record(dice, "bad"), record(dice, "fine")])

    assert found == Counter({Result.USED: 3})
    assert {each.predictions for each in watches.performance()} == {2}
    watches.close()


def test_what_is_nested_deeply_stops_no_other(place: Place) -> None:
    """An event as deep as the decoder allows must not be sent again without end."""
    deep: list[Any] = []
    for _ in range(1_000):
        deep = [deep]
    watches = place.open()
    dice = np.random.default_rng(1)
    take(watches, [{**record(dice, "deep"), "sandbox.inputs": {"city": [deep]}}, record(dice, "fine", 100)])
    watches.close()

    again = place.open()
    assert said_of(again).verdict.rows in {100, 101}
    again.close()


@pytest.mark.parametrize("late", [False, True])
def test_labels_show_that_predictions_became_worse(place: Place, late: bool) -> None:  # noqa: FBT001 - a case
    """Labels must be compared with those of the reference beside the predictions that they belong to, each once, over restarts."""
    watches = place.open()
    dice = np.random.default_rng(1)
    for number in range(40):
        predicted = [record(dice, f"{number}-{row}") for row in range(20)]
        labels = [
            feedback(f"label-{number}-{row}", f"request-{number}-{row}", {"no": "yes", "yes": "no"}[each["sandbox.predictions"][0]])
            for row, each in enumerate(predicted)
            if row % 2
        ]
        if late:
            take(watches, predicted)
            watches = place.open()
            take(watches, [*labels, *labels])
        else:
            take(watches, [*predicted, *labels])

    verdict = said_of(watches).verdict.of(Kind.PERFORMANCE)
    assert (verdict.page, verdict.worst[0].column) == (True, "error")
    (rows,) = {histogram.rows for histogram in said_of(watches).histograms if histogram.kind is Kind.PERFORMANCE}
    assert 300 < rows <= 400  # those since the alarm
    watches.close()


def _labelled_rows(watches: Watches) -> int:
    return sum(histogram.rows for histogram in said_of(watches).histograms if histogram.column == "error")


def test_a_row_has_one_label(place: Place) -> None:
    """Repeated, corrected and redelivered labels, and those of requests that never were, must not become rows of the comparison."""
    watches = place.open()
    predicted = [record(np.random.default_rng(number), f"p{number}") for number in range(3)]
    take(watches, predicted)
    for turn in range(2):
        take(watches, [feedback(f"{turn}-{number}", "request-p0", "yes") for number in range(150)])
        take(watches, [feedback(f"other-{turn}-{number}", "request-p0", "no") for number in range(150)])
        take(watches, [feedback(f"never-{turn}-{number}", f"never-{number}", "yes") for number in range(300)])
        watches.close()
        watches = place.open()

    assert (_labelled_rows(watches), said_of(watches).verdict.of(Kind.PERFORMANCE).page) == (1, False)
    watches.close()


@pytest.mark.parametrize("cut", range(5))
def test_labels_before_their_prediction_count_when_it_comes(place: Place, cut: int) -> None:
    """In whichever deliveries, and killed before any of them was answered, the journal must hold the same in the same order."""
    dice = np.random.default_rng(1)
    stream = [
        feedback("early", "request-a", "yes"),
        record(dice, "b"),
        feedback("late", "request-b", "no"),
        record(dice, "a"),
        feedback("again", "request-b", "yes"),
    ]
    watches = place.open()
    take(watches, stream[:cut])
    state = watches._state
    written = [each for _, each in state.journal(CHURN)]
    state._database.opened().executescript("DELETE FROM journal; DELETE FROM ids;")  # the other file was written, this one not yet
    watches._performance.add(events(stream, at=int(NOW * 1e9)))
    take(watches, stream)
    again = [each for _, each in state.journal(CHURN)]
    assert [type(each).__name__ for each in again] == ["Rows", "Labelled", "Rows", "Labelled"]
    assert again[: len(written)] == written
    watches.close()


def test_labels_without_use_are_left_out(place: Place) -> None:
    """Labels of models that nobody watches, or whose reference has none, are kept for the performance alone."""
    watches = place.open()
    found = take(watches, [feedback("a", "r", "yes", model="other"), feedback("b", "r", None), {"event.dataset": "sandbox.feedback"}])

    assert found == Counter({Result.FEEDBACK: 3})
    assert [source.model for source in watches.sources()] == ["churn"]
    watches.close()


def test_rows_that_are_no_whole_block_raise_no_alert(place: Place) -> None:
    """The page may look ahead; an alert is told when the block is whole."""
    watches = place.open()
    _drifting(watches, 90)
    assert said_of(watches).verdict.of(Kind.FEATURES).certain
    assert not watches.check(CHURN).verdict.of(Kind.FEATURES).certain
    _drifting(watches, 10)
    assert watches.check(CHURN).verdict.of(Kind.FEATURES).certain
    watches.close()


@pytest.mark.parametrize("killed", [False, True])
def test_an_alert_does_not_wait_for_rows_that_do_not_come(place: Place, killed: bool) -> None:  # noqa: FBT001 - a case
    """After some seconds the rows must be a whole block, and stay one over a death."""
    watches = place.open()
    _drifting(watches, 90)
    watches.check(CHURN)
    place.clock.now += module.UNDECIDED_SECONDS
    told = watches.check(CHURN).verdict
    assert told.of(Kind.FEATURES).certain
    if killed:
        watches = place.open()
    _drifting(watches, 10)
    again = watches.check(CHURN).verdict
    assert again.of(Kind.FEATURES).since == told.of(Kind.FEATURES).since
    assert again.rows == 100
    watches.close()


def _drifting(watches: Watches, rows: int) -> None:
    take(watches, [record(np.random.default_rng(rows), f"drifting-{rows}", rows, shift=3.0)])
