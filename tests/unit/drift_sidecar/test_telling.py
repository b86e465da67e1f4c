"""The drift service's own events: alerts that change, and rows that stand apart."""

from __future__ import annotations

import gc
import json
import re
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mlsandbox_serving.contract import Action, Dataset, Field, Metrics
from mlsandbox_serving.drift import Kind, OutlierMask
from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift_sidecar.alert_events import changes
from mlsandbox_serving.drift_sidecar.event import Result, read
from mlsandbox_serving.drift_sidecar.row_events import MOST_ROWS, row_events
from mlsandbox_serving.drift_sidecar.settings import Settings, Source
from mlsandbox_serving.drift_sidecar.telling import FOLDER, Telling
from mlsandbox_serving.drift_sidecar.told import FILE, Standing, Told
from mlsandbox_serving.drift_sidecar.watches import Seen
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.forwarded import Listening
from support.drift_service import events, profile, record
from support.spools import records

Look = Callable[..., Seen]
CHURN = Source("churn", "v1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a service in a folder, which flags rows."""
    known = Settings(tmp_path, Listening("", 0, 0, ""), {}, ("native",), MonitorSettings(), 10.0, 10_000, 1e6)
    return known._replace(flag_rows=True)


@pytest.fixture
def tell(settings: Settings) -> Iterator[Callable[[], Telling]]:
    """The service's telling, begun anew at each call."""
    made: list[Telling] = []

    def begin() -> Telling:
        if made:
            made.pop().close()
        made.append(Telling(settings, CollectorRegistry()))
        return made[-1]

    yield begin
    made.pop().close()


def _served(_: Source) -> bool:
    return True


def _told(settings: Settings) -> list[dict[str, Any]]:
    return records(settings.folder / FOLDER)


def test_an_alert_must_be_told_once(look: Look, settings: Settings, tell: Callable[[], Telling]) -> None:
    """Raised and cleared must be one event each, however often the alert is looked at, and over a restart."""
    drifted, calm = look(shift=1.0), look()
    for _ in range(3):
        tell().alerts([drifted], _served)
    telling = tell()
    telling.alerts([calm], _served)
    telling.alerts([calm], _served)

    raised, cleared = (each for each in _told(settings) if each[Field.DRIFT_KIND] == Kind.FEATURES)
    assert (raised[Field.EVENT_ACTION], cleared[Field.EVENT_ACTION]) == (Action.RAISED, Action.CLEARED)
    assert raised[Field.EVENT_KIND] == "alert"
    assert raised[Field.EVENT_DATASET] == Dataset.DRIFT
    assert (raised[Field.MODEL], raised[Field.VERSION]) == CHURN
    assert (raised[Field.LEVEL], cleared[Field.LEVEL]) == ("warning", "info")
    assert raised[Field.DRIFT_COLUMNS][0] == "age"
    assert raised[Field.DRIFT_FINDINGS][0]["wasserstein_sd"] > 0.5
    assert re.fullmatch(r"drift raised: features, high, age \(\+(0\.9|1\.)\d* sd\).*", raised[Field.MESSAGE])
    assert raised[Field.DRIFT_ROWS_SINCE] > 0
    assert raised[Field.EVENT_ID] != cleared[Field.EVENT_ID]


def test_calm_rows_must_tell_nothing(look: Look, settings: Settings, tell: Callable[[], Telling]) -> None:
    """Without an alert there must be no event."""
    tell().alerts([look()], _served)
    assert _told(settings) == []


def test_the_size_of_a_young_alarm_must_not_be_told(look: Look) -> None:
    """In the first 200 rows an alarm must be told with its columns and without a size that says it does not matter."""
    (change,) = (each for each in changes({}, look(100, shift=2.0), 1e9) if each.kind is Kind.FEATURES)

    assert change.record[Field.MESSAGE] == "drift raised: features, how much is not known yet, age"
    assert change.record[Field.DRIFT_SEVERITY] == "unknown"
    assert change.record[Field.DRIFT_FINDINGS][0]["severity"] == "unknown"


def test_what_grows_must_be_told_once_more(look: Look) -> None:
    """An alert that did not matter when it was told, and does now, must be told as escalated, with the row at which it began."""
    (change,) = (each for each in changes({Kind.FEATURES: Standing(7, page=False)}, look(shift=1.0), 1e9) if each.kind is Kind.FEATURES)
    assert change.now == Standing(7, page=True)
    assert change.record[Field.EVENT_ACTION] == Action.ESCALATED
    assert changes({change.kind: change.now for change in changes({}, look(shift=1.0), 1e9) if change.now}, look(shift=1.0), 1e9) == []


@pytest.mark.parametrize("restarted", [False, True])
def test_alerts_of_what_is_no_longer_served_must_end(look: Look, settings: Settings, tell: Callable[[], Telling], restarted: bool) -> None:  # noqa: FBT001 - a case
    """Each must be told as cleared, once and with the reason, also when nothing is known of the version any more."""
    telling = tell()
    telling.alerts([look(shift=1.0), look(shift=1.0, name="beer")], _served)
    telling = tell() if restarted else telling
    for _ in range(2):
        telling.alerts([look(shift=1.0, name="beer")], lambda source: source != CHURN)

    raised, cleared = (each for each in _told(settings) if each[Field.MODEL] == "churn")
    assert (raised[Field.EVENT_ACTION], cleared[Field.EVENT_ACTION]) == (Action.RAISED, Action.CLEARED)
    assert cleared[Field.MESSAGE] == "drift cleared: features, no longer served"
    assert (cleared[Field.LEVEL], cleared[Field.DRIFT_SINCE]) == ("info", raised[Field.DRIFT_SINCE])
    assert [each[Field.EVENT_ACTION] for each in _told(settings) if each[Field.MODEL] == "beer"] == [Action.RAISED]


def test_profiles_of_what_is_no_longer_served_must_be_let_go(tell: Callable[[], Telling]) -> None:
    """What rows are looked at with holds a profile: it must not be kept for ever."""
    telling = tell()
    known = {CHURN: profile()}
    kept = weakref.ref(known[CHURN])
    telling.rows(_predictions(), known.get)
    del known[CHURN]
    assert kept() is not None
    telling.alerts([], lambda _: False)
    gc.collect()
    assert kept() is None


def test_what_was_noted_must_be_told_after_a_death(look: Look, settings: Settings, tell: Callable[[], Telling]) -> None:
    """Killed between a note and the spool, or before the note of the spool, the next one must write the same event, to the id and time."""
    found = changes({}, look(shift=1.0), 1e9)
    told = Told(settings.folder)
    told.note(CHURN, found, 1e9)
    told.close()

    tell().alerts([look(shift=1.0)], _served)

    assert _told(settings) == [json.loads(json.dumps(change.record)) for change in found]
    assert {each[Field.TIMESTAMP] for each in _told(settings)} == {"2001-09-09T01:46:40.000000Z"}


def test_a_spool_that_cannot_be_written_must_not_lose_an_alert(look: Look, settings: Settings) -> None:
    """The event must stay noted, be told once there is a spool again, and count as lost at no try."""
    registry = CollectorRegistry()
    telling = Telling(settings, registry)
    (settings.folder / FOLDER).rmdir()
    (settings.folder / FOLDER).write_text("no folder")
    for _ in range(3):
        telling.alerts([look(shift=1.0)], _served)
    (settings.folder / FOLDER).unlink()
    telling.alerts([look(shift=1.0)], _served)
    telling.close()
    assert [each[Field.EVENT_ACTION] for each in _told(settings) if each[Field.DRIFT_KIND] == Kind.FEATURES] == [Action.RAISED]
    assert _dropped(registry) == {}


def test_an_event_that_fits_into_no_spool_must_hold_up_no_other(look: Look, settings: Settings) -> None:
    """It must be counted as lost, once, and those behind it be told."""
    found = changes({}, look(shift=1.0), 1e9)
    told = Told(settings.folder)
    told.note(Source("beer", "v1"), changes({}, look(shift=1.0, name="beer"), 1e9), -1e12)  # of a clock that was far off
    told.note(CHURN, found, 1e9)
    told.close()
    registry = CollectorRegistry()
    telling = Telling(settings, registry)
    for _ in range(3):
        telling.alerts([look(shift=1.0)], _served)
    telling.close()

    assert [each[Field.EVENT_ID] for each in _told(settings)] == [change.record[Field.EVENT_ID] for change in found]
    assert _dropped(registry) == {"unencodable": 1}


def _dropped(registry: CollectorRegistry) -> dict[str, float]:
    """Events that are told as lost, by their reason."""
    samples = [sample for family in registry.collect() for sample in family.samples if sample.name == Metrics.EVENTS_DROPPED.name]
    return {sample.labels["reason"]: sample.value for sample in samples if sample.value}


def test_a_damaged_memory_must_be_begun_anew(look: Look, settings: Settings, tell: Callable[[], Telling]) -> None:
    """It must be moved aside, and standing alerts be told again."""
    (settings.folder / FILE).write_bytes(b"no database" * 1_000)
    telling = tell()
    telling.alerts([look(shift=1.0)], _served)
    assert telling.moved_aside == 1
    assert _told(settings)


def _predictions(**changed: list[Any]) -> list[Event]:
    dice = np.random.default_rng(3)
    made = record(dice, "p1", 3) | {Field.TRACE_ID: "0af7"}
    made[Field.INPUTS] |= changed
    return events([record(dice, "p0", 2), made])


def test_rows_that_stand_apart_must_be_named(settings: Settings, tell: Callable[[], Telling]) -> None:
    """The event must name request, prediction, rows, columns and reasons, and repeat no value."""
    tell().rows(_predictions(age=[40.0, 987_654.0, 40.0], city=["Bern", "Rome", "Atlantis"]), lambda _: profile())

    (told,) = _told(settings)
    assert (told[Field.EVENT_ACTION], told[Field.EVENT_DATASET]) == (Action.OUTLIERS, Dataset.OUTLIERS)
    assert (told[Field.REQUEST_ID], told[Field.TRACE_ID], told[Field.DRIFT_PREDICTION]) == ("request-p1", "0af7", "p1")
    assert told[Field.DRIFT_FLAGS] == [{"row": 1, "columns": {"age": "out of range"}}, {"row": 2, "columns": {"city": "unseen"}}]
    assert (told[Field.ROWS], told[Field.DRIFT_FLAGGED], told[Field.TRUNCATED]) == (3, 2, False)
    assert told[Field.MESSAGE] == "2 of 3 rows unlike the reference: row 1: age out of range; row 2: city unseen"
    assert "987654" not in json.dumps(told)
    assert "Atlantis" not in json.dumps(told)


def test_a_second_delivery_must_make_the_same_event() -> None:
    """Its id and time must follow from the prediction's, so that it is kept once."""
    taken = _predictions(age=[40.0, 999.0, 40.0])
    mask = OutlierMask(profile().streams)
    assert row_events(taken, lambda _: mask) == row_events(taken, lambda _: mask)


def test_many_rows_must_be_counted() -> None:
    """What is past the bound must be counted, and the event be marked."""
    dice = np.random.default_rng(3)
    large = record(dice, "large", 500)
    large[Field.INPUTS]["age"] = [1e9] * 500
    ((told, _),) = row_events(events([large]), lambda _: OutlierMask(profile().streams))
    assert (len(told[Field.DRIFT_FLAGS]), told[Field.DRIFT_FLAGGED], told[Field.TRUNCATED]) == (MOST_ROWS, 500, True)


@pytest.mark.parametrize("changed", [{Field.INPUTS: None}, {Field.EVENT_ID: None}, {Field.EVENT_DATASET: Dataset.DRIFT}, {Field.INPUTS: 3}])
def test_what_holds_no_rows_must_be_passed_over(changed: dict[str, Any]) -> None:
    """Events without inputs, and those of the service itself, must make none."""
    ((_, made),) = ((None, each) for each in events([record(np.random.default_rng(3), "p") | changed]))
    assert row_events([made], lambda _: OutlierMask(profile().streams)) == []


def test_nothing_must_be_flagged_unless_it_is_wanted(settings: Settings) -> None:
    """By default rows must be left alone."""
    telling = Telling(settings._replace(flag_rows=False), CollectorRegistry())
    telling.rows(_predictions(age=[1e9] * 3), lambda _: profile())
    telling.close()
    assert _told(settings) == []


def test_its_own_events_must_be_none_of_a_model() -> None:
    """What the service told must not count as rows when it is handed back to it."""
    assert read(Event(0, {Field.EVENT_DATASET: Dataset.DRIFT, Field.EVENT_ID: "x", Field.PREDICTIONS: [1]})) is Result.OTHER
