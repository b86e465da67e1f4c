"""Whatever an event holds, the monitor neither fails nor goes blind."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.drift import Kind, Monitor, Profile, Settings, build_profile
from support.drift_rows import Change, rows

Batch = dict[str, Any]


@pytest.fixture(scope="module")
def with_constant() -> Profile:
    """The usual columns and one that is always 7."""
    return build_profile(_with_constant(rows(np.random.default_rng(0), 10_000)), predictions=_answers(10_000))


def _answers(count: int) -> list[str]:
    return np.random.default_rng(count).choice(["yes", "no"], size=count).tolist()  # type: ignore[no-any-return]  # of texts


def _with_constant(table: dict[str, Any]) -> Batch:
    count = len(table["x0"])
    return {name: values.tolist() for name, values in table.items()} | {"constant": [7] * count}


def _at(column: str, value: Any) -> Callable[[Batch], Batch]:
    return lambda batch: batch | {column: [value, *batch[column][1:]]}


def _whole(column: str, value: Any) -> Callable[[Batch], Batch]:
    return lambda batch: batch | {column: value}


SPOILT: dict[str, Callable[[Batch], Batch]] = {
    "one NaN": _at("x0", math.nan),
    "one infinity": _at("x0", math.inf),
    "one None": _at("x0", None),
    "a text among numbers": _at("x0", "12 apples"),
    "a bool among numbers": _at("x0", value=True),
    "a list among numbers": _at("x0", [1, [2]]),
    "an object among numbers": _at("x0", {"a": 1}),
    "an integer of 400 digits": _at("x0", 10**400),
    "an unseen category": _at("colour", "purple"),
    "None among categories": _at("colour", None),
    "NaN among categories": _at("colour", math.nan),
    "a number among categories": _at("colour", 10**5_000),
    "a list among categories": _at("colour", ["red"]),
    "an object among categories": _at("colour", {"red": {"deep": [None]}}),
    "half a surrogate pair": _at("colour", "\ud800"),
    "a text of a million characters": _at("colour", "x" * 1_000_000),
    "another constant": _at("constant", "eight"),
    "an empty batch": lambda batch: {name: [] for name in batch},
    "no columns": lambda _: {},
    "an extra column": lambda batch: batch | {"extra": [1] * len(batch["x0"])},
    "an absent column": lambda batch: {name: values for name, values in batch.items() if name != "x1"},
    "a column too short": lambda batch: batch | {"x1": batch["x1"][:50]},
    "a column that is a text": _whole("x1", "none"),
    "a column that is a number": _whole("x1", 5),
    "a column that is an object": _whole("x1", {"0": 1.0}),
    "a column that is null": _whole("x1", None),
    "an array of two dimensions": _whole("x1", np.zeros((100, 2))),
    "an array of no dimension": _whole("x1", np.array(1.0)),
    "a table instead of numbers": _whole("x1", [[1, 2], [3]] * 50),
    "complex numbers": _whole("x1", np.zeros(100, dtype=complex)),
    "dates instead of numbers": _whole("x1", np.zeros(100, dtype="datetime64[ns]")),
}


ODD: list[Any] = [
    None,
    1,
    2.5,
    True,
    "a",
    "red",
    "",
    b"x",
    math.nan,
    math.inf,
    -1e308,
    1e308,
    10**400,
    -(10**400),
    [],
    {},
    [[1]],
    {"a": [1]},
]
ODD += [
    "2024-01-01",
    "9999-12-31T23:59:59",
    "0001-01-01",
    "x" * 5_000,
    "\ud800",
    np.float32(3),
    np.datetime64("NaT"),
    (1, 2),
    {1, 2},
    "²",
    -0.0,
]


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_odd_input_neither_stops_nor_blinds(with_constant: Profile, spoil: Callable[[Batch], Batch]) -> None:
    """After a batch with odd input, a column at plus three standard deviations must be found within 50 rows."""
    random = np.random.default_rng(1)
    monitor = Monitor(with_constant)
    monitor.update(_with_constant(rows(random, 100)), _answers(100))
    monitor.update(spoil(_with_constant(rows(random, 100))), _answers(100))
    monitor.verdict()
    before = monitor.alarms
    for _ in range(5):
        monitor.update(_with_constant(rows(random, 10, Change(shift=3.0))), _answers(10))

    assert monitor.alarms > before
    found = monitor.verdict().of(Kind.FEATURES)
    assert found.certain
    assert "x0" in [column.column for column in found.worst]
    assert monitor.histograms()


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param((None, None), id="none"),
        pytest.param(("yes", 5), id="no sequences"),
        pytest.param(([], []), id="empty"),
        pytest.param((["yes"], [[0.5, 0.5]]), id="too few"),
        pytest.param((["yes"] * 1_000, [[0.5, 0.5]] * 1_000), id="too many"),
        pytest.param(([[1, 2]] * 100, [[], [0.1], None, "x", [math.nan, 1], {}, [10**400, 0]]), id="odd"),
        pytest.param((np.zeros((100, 3)), np.zeros((100, 2, 2))), id="arrays of more dimensions"),
    ],
)
def test_odd_answers_do_not_stop(answers: tuple[Any, Any]) -> None:
    """Predictions and scores of any form must be taken."""
    random = np.random.default_rng(2)
    scores = random.random(1_000)
    profile = build_profile(rows(random, 1_000), predictions=random.random(1_000) > 0.5, scores=np.stack([1 - scores, scores], axis=1))
    monitor = Monitor(profile)
    monitor.update(rows(random, 100), *answers)
    monitor.feedback(*answers)

    assert monitor.rows >= 100
    assert {found.kind for found in monitor.verdict().kinds} == {Kind.FEATURES, Kind.OUTLIERS, Kind.PREDICTION}


def test_odd_values_are_counted_as_what_they_are(with_constant: Profile) -> None:
    """Missing, unseen and out-of-range values must show in the rates of rows, extra columns by their names."""
    monitor = Monitor(with_constant)
    batch = _with_constant(rows(np.random.default_rng(3), 100)) | {"extra": [1] * 100}
    batch["x0"][:10] = [None, math.nan, math.inf, "text", [], {}, None, None, None, None]
    batch["colour"][5:10] = ["purple"] * 5
    batch["x1"][20:24] = [99.0, -99.0, 10**400, 99.0]
    batch["constant"][30] = 8
    monitor.update(batch)

    verdict = monitor.verdict()
    assert verdict.outliers.missing == 0.1
    assert verdict.outliers.unseen == 0.05
    assert verdict.outliers.out_of_range == 0.05
    assert verdict.outliers.any == 0.15
    assert verdict.extra_columns == {"extra": 100}


def test_an_absent_column_is_missing_and_absent_inputs_are_not(with_constant: Profile) -> None:
    """A column that does not come must page; events without any inputs, as when these are not logged, must not."""
    monitor = Monitor(with_constant)
    for _ in range(10):
        monitor.update({}, _answers(100))
    verdict = monitor.verdict()
    assert monitor.alarms == 0
    assert verdict.rows_without_inputs == 1_000

    random = np.random.default_rng(4)
    for _ in range(5):
        batch = _with_constant(rows(random, 100))
        del batch["x1"]
        monitor.update(batch, _answers(100))
    found = monitor.verdict().of(Kind.OUTLIERS)
    assert found.page
    assert found.worst[0].column == "x1"
    assert found.worst[0].explanation == "missing or not a number: 100.0% of rows, reference 0.0%"


def test_extra_columns_are_counted_within_bounds(with_constant: Profile) -> None:
    """Ten thousand different extra columns must not take ten thousand counters."""
    monitor = Monitor(with_constant, Settings(pairs=0))
    batch = _with_constant(rows(np.random.default_rng(5), 10))
    for number in range(200):
        monitor.update(batch | {f"extra{number}": [0] * 10})

    extra = monitor.verdict().extra_columns
    assert len(extra) <= 101
    assert sum(extra.values()) == 2_000


def test_nothing_but_odd_values_is_taken_too() -> None:
    """Columns of any values and lengths, learned from and judged, must neither fail nor warn, nor be lost when the monitor is stopped."""
    choose = random.Random(1)
    table: dict[str, Any] = rows(np.random.default_rng(6), 1_000)
    table["when"] = np.datetime64("2020-01-01", "s") + np.random.default_rng(6).integers(0, 10**8, size=1_000)
    profile = build_profile(table, predictions=table["x3"], scores=table["x4"], labels=table["x5"])
    given, learning = Monitor(profile), Monitor(None, Settings(learn_rows=300))

    def odd() -> list[Any]:
        return [choose.choice(ODD) for _ in range(choose.randrange(30))]

    for _ in range(60):
        batch, answers = {name: odd() for name in [*table, "extra"] if choose.random() < 0.9}, (odd(), odd())
        for monitor in (given, learning):
            monitor.update(batch, *answers)
            monitor.feedback(*answers)
    for monitor, known in ((given, profile), (learning, None)):
        assert monitor.verdict(everything=True).kinds
        assert monitor.histograms()
        assert Monitor.restore(known, monitor.state()).state() == monitor.state()
