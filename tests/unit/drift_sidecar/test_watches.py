"""Everything that is watched: in which order, after which restarts, with which profiles."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsandbox_serving.drift import Kind, Monitor, save_profile
from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift_sidecar import watches as module
from mlsandbox_serving.drift_sidecar.baseline import Baseline
from mlsandbox_serving.drift_sidecar.event import Result
from mlsandbox_serving.drift_sidecar.settings import Settings, Source
from mlsandbox_serving.drift_sidecar.watches import Watches
from mlsandbox_serving.forwarded import Listening
from mlsandbox_serving.performance import PerformanceStore
from support.drift_service import events, feedback, profile, record

NOW = 1_800_000_000.0
WAITING = 87
"""Of the rows of a hundred events those behind the last whole block."""
CHURN, NEXT = Source("churn", "v1"), Source("churn", "v2")


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Place:
    """A folder in which watches are opened again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.failed: Counter[Source] = Counter()
        self.profiles: dict[Source, Path] = {}

    def reference(self, source: Source, seed: int = 0) -> None:
        path = self.folder / "given" / source.version
        save_profile(profile(seed), path)
        self.profiles[source] = path

    def open(self, **monitor: Any) -> Watches:
        known = Settings(
            self.folder / "state", Listening("", 0, 0, ""), self.profiles, ("native",), MonitorSettings(**monitor), 10.0, 10_000, 1e6
        )
        return Watches(known, failed=self._on_failed, clock=self.clock)

    def _on_failed(self, source: Source, rows: int) -> None:
        self.failed[source] += rows


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """One with a profile of churn/v1."""
    made = Place(tmp_path)
    made.reference(CHURN)
    return made


def _records(count: int, seed: int = 1, **settings: Any) -> list[dict[str, Any]]:
    dice = np.random.default_rng(seed)
    return [record(dice, f"{seed}-{number}", 1 + number % 7, **settings) for number in range(count)]


def _take(watches: Watches, records: list[dict[str, Any]], at: float = NOW) -> Counter[Result]:
    return watches.take(events(records, at=int(at * 1e9)))


def _said(watches: Watches, source: Source = CHURN) -> Any:
    return watches.look_at(source)._replace(current=True)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_ends_without_a_goodbye_change_nothing(place: Place, data: st.DataObject) -> None:
    """However events are delivered, with whichever restarts in between, the verdict must be that of one delivery."""
    records = _records(100, shift=0.4)
    shutil.rmtree(place.folder / "state", ignore_errors=True)
    undisturbed = place.open()
    _take(undisturbed, records)
    expected = _said(undisturbed)
    undisturbed.close()
    shutil.rmtree(place.folder / "state")

    watches = place.open()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        _take(watches, records[max(start - data.draw(st.integers(0, 20)), 0) : end])
        after = data.draw(st.sampled_from(["on", "saved", "killed", "stopped"]))
        if after == "saved":
            watches.save()
        if after == "stopped":
            watches.close()
        if after in {"killed", "stopped"}:
            watches = place.open()

    assert repr(_said(watches)) == repr(expected)
    watches.close()


def test_rows_that_wait_are_told_of(place: Place) -> None:
    """A verdict must hold the last rows, too, and looking must change nothing."""
    watches = place.open()
    _take(watches, [record(np.random.default_rng(1), "a", 30)])

    assert [_said(watches).verdict.rows for _ in range(3)] == [30, 30, 30]
    _take(watches, [record(np.random.default_rng(2), "b", 30)])
    assert _said(watches).verdict.rows == 60
    assert _said(watches).window_rows == 60
    watches.close()


def test_duplicates_and_others_are_counted(place: Place) -> None:
    """What became of each event must be told."""
    watches = place.open()
    records = _records(3)
    found = _take(watches, [*records, records[0], {"event.dataset": "sandbox.error"}, {**records[1], "sandbox.predictions": 1}])

    assert found == Counter({Result.USED: 3, Result.DUPLICATE: 1, Result.ERROR: 1, Result.MALFORMED: 1})
    watches.close()


def test_a_new_profile_begins_anew(place: Place) -> None:
    """What was found against one reference must not be told of another one; rows that still wait are compared with the new one."""
    watches = place.open()
    _take(watches, _records(100))
    watches.close()
    place.reference(CHURN, seed=5)

    again = place.open()
    assert _said(again).verdict.rows == WAITING
    again.close()


def test_other_settings_hold_from_the_next_start_on(place: Place) -> None:
    """The number of rows between false alarms that is set must be the one that holds, and nothing be forgotten for it."""
    watches = place.open()
    _take(watches, _records(100))
    rows = _said(watches).verdict.rows
    watches.close()

    again = place.open(rows_between_false_alarms=5_000)
    assert (_said(again).verdict.rows, _said(again).verdict.budget) == (rows, 5_000)
    again.close()


def test_a_version_that_is_not_served_any_more_keeps_its_reference(place: Place) -> None:
    """After a new version its predecessor's last events must be compared with what it was trained on, and soon nothing be told of it."""
    watches = place.open()
    _take(watches, _records(100))
    watches.close()
    shutil.rmtree(place.folder / "given")
    del place.profiles[CHURN]
    place.reference(NEXT)

    again = place.open()
    _take(again, _records(50, seed=2))
    assert _said(again).verdict.reference_rows == 6_000
    assert _said(again).verdict.rows == sum(1 + number % 7 for number in [*range(100), *range(50)])
    assert (again.is_current(CHURN), again.is_current(NEXT)) == (True, True)
    place.clock.now += module.CURRENT_SECONDS + 1
    assert again.sources() == [NEXT, CHURN]
    assert (again.is_current(CHURN), again.is_current(NEXT)) == (False, True)
    again.close()


def test_no_more_versions_than_there_is_room_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the one that was silent for longest goes; what is served now never does, and without room events are refused."""
    monkeypatch.setattr(module, "MOST_SOURCES", 3)
    watches = place.open()
    for number in (2, 3):
        _take(watches, _records(3, seed=number, version=f"v{number}"), at=NOW + number)
    assert _take(watches, _records(3, seed=4, version="v4")) == Counter({Result.REFUSED: 3})

    place.clock.now += module.CURRENT_SECONDS + 10
    assert _take(watches, _records(3, seed=5, version="v5"), at=place.clock.now) == Counter({Result.USED: 3})
    assert {source.version for source in watches.sources()} == {"v1", "v3", "v5"}
    assert not watches.is_current(Source("churn", "v2"))
    watches.close()
    again = place.open()
    assert {source.version for source in again.sources()} == {"v1", "v3", "v5"}
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
    _take(watches, [{**bad, "sandbox.inputs": {**bad["sandbox.inputs"], "poison": [1] * 100}}])
    _take(watches, [record(np.random.default_rng(2), "good", 100)])

    assert place.failed == {CHURN: 100}
    assert _said(watches).verdict.rows == 100
    watches.close()


def test_a_file_that_is_lost_while_it_runs_costs_nothing_that_is_known(place: Place) -> None:
    """Monitors in memory must go on, and be saved into the new file."""
    watches = place.open()
    _take(watches, [record(np.random.default_rng(1), "a", 150)])
    for path in (place.folder / "state").glob("drift.sqlite3*"):
        path.unlink()
    _take(watches, [record(np.random.default_rng(2), "b", 30)])
    watches.close()

    again = place.open()
    assert _said(again).verdict.rows == 180
    again.close()


def test_drift_is_found(place: Place) -> None:
    """A shift must end in a page of its kind, and stay so over a restart."""
    watches = place.open()
    _take(watches, _records(200, shift=2.0))
    assert _said(watches).verdict.of(Kind.FEATURES).page
    watches.close()

    again = place.open()
    assert _said(again).verdict.of(Kind.FEATURES).page
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
    found = _take(watches, [record(dice, "good"), record(dice, "bad"), record(dice, "fine")])

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
    _take(watches, [{**record(dice, "deep"), "sandbox.inputs": {"city": [deep]}}, record(dice, "fine", 100)])
    watches.close()

    again = place.open()
    assert _said(again).verdict.rows in {100, 101}
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
            _take(watches, predicted)
            watches = place.open()
            _take(watches, [*labels, *labels])
        else:
            _take(watches, [*predicted, *labels])

    verdict = _said(watches).verdict.of(Kind.PERFORMANCE)
    assert (verdict.page, verdict.worst[0].column) == (True, "error")
    (rows,) = {histogram.rows for histogram in _said(watches).histograms if histogram.kind is Kind.PERFORMANCE}
    assert 300 < rows <= 400  # those since the alarm
    watches.close()


def _labelled_rows(watches: Watches) -> int:
    return sum(histogram.rows for histogram in _said(watches).histograms if histogram.column == "error")


def test_a_row_has_one_label(place: Place) -> None:
    """Repeated, corrected and redelivered labels, and those of requests that never were, must not become rows of the comparison."""
    watches = place.open()
    predicted = [record(np.random.default_rng(number), f"p{number}") for number in range(3)]
    _take(watches, predicted)
    for turn in range(2):
        _take(watches, [feedback(f"{turn}-{number}", "request-p0", "yes") for number in range(150)])
        _take(watches, [feedback(f"other-{turn}-{number}", "request-p0", "no") for number in range(150)])
        _take(watches, [feedback(f"never-{turn}-{number}", f"never-{number}", "yes") for number in range(300)])
        watches.close()
        watches = place.open()

    assert (_labelled_rows(watches), _said(watches).verdict.of(Kind.PERFORMANCE).page) == (1, False)
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
    _take(watches, stream[:cut])
    state = watches._state
    written = [(each.key, each.body) for _, each in state.journal(CHURN)]
    state._database.opened().executescript("DELETE FROM journal; DELETE FROM ids;")  # the other file was written, this one not yet
    watches._performance.add(events(stream, at=int(NOW * 1e9)))
    _take(watches, stream)
    bodies = [(type(each).__name__, each.body) for _, each in state.journal(CHURN)]
    assert [name for name, _ in bodies] == ["Rows", "Labelled", "Rows", "Labelled"]
    assert written == [(each.key, each.body) for _, each in state.journal(CHURN)][: len(written)]
    watches.close()


def test_labels_without_use_are_left_out(place: Place) -> None:
    """Labels of models that nobody watches, or whose reference has none, are kept for the performance alone."""
    watches = place.open()
    found = _take(watches, [feedback("a", "r", "yes", model="other"), feedback("b", "r", None), {"event.dataset": "sandbox.feedback"}])

    assert found == Counter({Result.FEEDBACK: 3})
    assert [source.model for source in watches.sources()] == ["churn"]
    watches.close()


def test_copies_of_profiles_go_with_their_versions(place: Place) -> None:
    """Of a version that is not served any more and never sent an event nothing must be left."""
    place.open().close()
    copies = place.folder / "state" / "profiles"
    assert len(list(copies.iterdir())) == 1
    place.profiles.clear()

    again = place.open()
    assert again.sources() == []
    assert list(copies.iterdir()) == []
    again.close()


def _replaced(place: Place) -> Any:
    """What is said of the version once the next one is served in its place, and one more of its events came."""
    shutil.rmtree(place.folder / "given", ignore_errors=True)
    place.profiles.clear()
    place.reference(NEXT)
    watches = place.open()
    _take(watches, _records(1, seed=9))
    said = _said(watches)
    watches.close()
    return said


def test_a_version_that_is_not_served_any_more_keeps_its_baseline(place: Place) -> None:
    """What its rows are compared with must be called a baseline also when the version was replaced."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()
    _take(watches, _records(100))
    watches.close()

    assert _replaced(place).baseline == Baseline("2026-11-26T12:00:00Z", "logs")


def test_a_baseline_that_was_reset_is_not_come_back_to(place: Place) -> None:
    """Later the version must be compared with the package's own reference, and that be told."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()
    _take(watches, _records(100))
    watches.close()
    (place.profiles[CHURN] / "baseline.json").unlink()
    place.open().close()

    assert _replaced(place).baseline is None


@pytest.mark.parametrize("damaged", [False, True])
def test_a_reference_that_is_gone_is_not_come_back_to(place: Place, damaged: bool) -> None:  # noqa: FBT001 - a case
    """When a version goes on without a profile, what it was compared with before must not return once it is replaced."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()
    _take(watches, _records(100))
    watches.close()
    if damaged:
        (place.profiles[CHURN] / "profile.npz").write_bytes(b"damaged")
    else:
        shutil.rmtree(place.profiles[CHURN])
    watches = place.open()
    _take(watches, _records(100, seed=2))
    watches.close()

    said = _replaced(place)
    assert (said.baseline, said.verdict.learning > 0, said.verdict.rows) == (None, True, 0)


def _digest(place: Place) -> str:
    return hashlib.sha256((place.profiles[CHURN] / "profile.json").read_bytes()).hexdigest()


def _describe(place: Place, **facts: Any) -> None:
    """Put what is known of a baseline beside the profile."""
    document = {"created": "2026-11-26T12:00:00Z", "source": "logs", **facts}
    (place.profiles[CHURN] / "baseline.json").write_text(json.dumps(document), encoding="utf-8")


def test_a_baseline_is_told_from_a_packaged_reference(place: Place) -> None:
    """What stands beside the profile of a baseline must be told."""
    _describe(place, files={"profile.json": _digest(place)})
    watches = place.open()

    assert _said(watches).baseline == Baseline("2026-11-26T12:00:00Z", "logs")
    assert _said(watches).verdict.reference_source == "given"
    watches.close()


@pytest.mark.parametrize("facts", [{}, {"files": {"profile.json": "0" * 64}}, {"files": []}])
def test_what_a_former_baseline_left_is_none(place: Place, facts: dict[str, Any]) -> None:
    """What is of another profile, or cannot be read, must not be told, and keep nothing from being compared."""
    _describe(place, **facts)
    watches = place.open()

    assert (_said(watches).baseline, _said(watches).verdict.reference_source) == (None, "given")
    watches.close()


def test_a_baseline_that_cannot_be_used_is_none(place: Place) -> None:
    """When the first live rows become the reference they must not be called a baseline."""
    _describe(place, files={"profile.json": _digest(place)})
    (place.profiles[CHURN] / "profile.npz").write_bytes(b"damaged")
    watches = place.open()

    assert (_said(watches).baseline, _said(watches).problem is None) == (None, False)
    watches.close()
