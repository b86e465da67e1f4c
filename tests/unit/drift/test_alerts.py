"""Alerts: what pages, what only informs, how long one stays, and what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.drift import Kind, Monitor, Profile, Settings, Severity, build_profile
from support.drift_rows import NONE, Change, rows


def _fed(profile: Profile, change: Change, count: int, seed: int = 1) -> Monitor:
    monitor = Monitor(profile, Settings(pairs=0))
    monitor.update(rows(np.random.default_rng(seed), count, change))
    return monitor


def test_a_large_certain_change_pages(profile: Profile) -> None:
    """Half a standard deviation must page, with the column and its measures."""
    found = _fed(profile, Change(shift=0.6), 1_000).verdict().of(Kind.FEATURES)

    assert found.certain
    assert found.page
    assert found.severity in {Severity.MEDIUM, Severity.HIGH}
    assert [column.column for column in found.worst] == ["x0"]
    assert found.worst[0].psi == pytest.approx(0.4, abs=0.2)
    assert found.worst[0].wasserstein == pytest.approx(0.6, abs=0.15)
    assert found.worst[0].js == pytest.approx(0.25, abs=0.15)
    assert "% of rows, reference " in found.worst[0].explanation


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mean_that_moved_has_a_direction(profile: Profile, sign: int) -> None:
    """Whether values became larger or smaller must be told, in numbers and in words."""
    found = _fed(profile, Change(shift=sign * 0.6), 2_000).verdict().of(Kind.FEATURES).worst[0]

    assert found.shift == pytest.approx(sign * 0.6, abs=0.15)
    assert f"; the mean moved by {'+' if sign > 0 else '-'}0." in found.explanation


def test_a_spread_that_grew_has_none(profile: Profile) -> None:
    """Values that move to both sides must not be told as a mean that moved."""
    found = _fed(profile, Change(stretch=2.0), 2_000).verdict().of(Kind.FEATURES).worst[0]

    assert found.column == "x0"
    assert found.wasserstein == pytest.approx(0.33, abs=0.1)
    assert found.shift is None
    assert "mean" not in found.explanation


def test_a_size_needs_two_hundred_rows(profile: Profile) -> None:
    """With fewer there must be evidence and no size, not even one that looks large; an alarm must page as soon as there are enough."""
    random = np.random.default_rng(9)
    one = _fed(profile, Change(shift=3.0), 1).verdict().of(Kind.FEATURES)
    assert (one.severity, one.rows, one.certain) == (None, 1, False)
    assert {(each.severity, each.psi, each.js, each.wasserstein, each.excess) for each in one.worst} == {(None,) * 5}

    monitor = Monitor(profile, Settings(pairs=0))
    for _ in range(19):
        monitor.update(rows(random, 10, Change(shift=1.0)))
    young = monitor.verdict().of(Kind.FEATURES)
    assert (young.severity, young.rows, young.certain, young.settled, young.page) == (None, 190, True, False, False)
    assert [column.column for column in young.worst] == ["x0"]
    assert " of 190 rows, reference " in young.worst[0].explanation

    monitor.update(rows(random, 10, Change(shift=1.0)))
    assert monitor.verdict().of(Kind.FEATURES).page
    monitor.update(rows(random, 100, Change(shift=1.0)))
    known = monitor.verdict().of(Kind.FEATURES)
    assert (known.severity, known.settled, known.page) == (Severity.HIGH, True, True)


def test_a_size_is_settled_on_rows_since_the_alarm_alone(profile: Profile) -> None:
    """Until then the last 2,000 rows are compared, which must neither page too early nor let what has paged go."""
    random = np.random.default_rng(10)
    monitor = Monitor(profile, Settings(pairs=0))
    monitor.update(rows(random, 5_000))
    told = []
    for _ in range(60):
        monitor.update(rows(random, 10, Change(shift=1.0)))
        found = monitor.verdict().of(Kind.FEATURES)
        told.append((found.certain, found.settled, found.page))

    alarm = next(place for place, (certain, _, _) in enumerate(told) if certain)
    settled = next(place for place, (_, known, _) in enumerate(told) if known)
    paging = next(place for place, (_, _, page) in enumerate(told) if page)
    assert (alarm < 10, settled - alarm) == (True, 20)
    assert alarm < paging <= settled
    assert all(page for _, _, page in told[paging:])


def test_rows_without_inputs_say_nothing_of_inputs() -> None:
    """When only answers are logged, the size of changes of the inputs must stay unknown, that of answers be known."""
    random = np.random.default_rng(11)
    answers: list[Any] = random.choice(["yes", "no"], size=10_000).tolist()
    monitor = Monitor(build_profile(rows(random, 10_000), predictions=answers))
    monitor.update(None, answers[:1_000])
    verdict = monitor.verdict()

    assert (verdict.of(Kind.FEATURES).severity, verdict.of(Kind.FEATURES).rows) == (None, 0)
    assert (verdict.of(Kind.PREDICTION).severity, verdict.of(Kind.PREDICTION).rows) == (Severity.NONE, 1_000)


def test_a_small_certain_change_informs(profile: Profile) -> None:
    """A tenth of a standard deviation must become certain and never page."""
    found = _fed(profile, Change(shift=0.12), 10_000).verdict().of(Kind.FEATURES)

    assert found.certain
    assert not found.page
    assert found.severity in {Severity.NONE, Severity.LOW}


def test_severity_alone_is_no_alert(profile: Profile) -> None:
    """A change too young to be certain must not page, however large it looks."""
    monitor = Monitor(profile, Settings(rows_between_false_alarms=1e200, pairs=0))
    monitor.update(rows(np.random.default_rng(2), 300, Change(shift=0.8)))
    found = monitor.verdict().of(Kind.FEATURES)

    assert found.severity in {Severity.MEDIUM, Severity.HIGH}
    assert not found.certain
    assert not found.page


def test_rates_page_from_one_point_above_the_reference(profile: Profile) -> None:
    """A new category in 2% of rows must page although it is no large change; in 0.5% of rows it must only inform."""
    often, rarely = (_fed(profile, Change(new=share), 10_000).verdict().of(Kind.OUTLIERS) for share in (0.02, 0.005))

    assert often.page
    assert often.worst[0].explanation.startswith("'purple' is not among the reference's 4 values: ")
    assert rarely.certain
    assert not rarely.page


def test_an_alert_is_raised_once_and_cleared_when_it_is_over(profile: Profile) -> None:
    """A change that lasts must stay one alert, call nobody once it is not severe any more, and be cleared two clean windows later."""
    random = np.random.default_rng(3)
    monitor = Monitor(profile, Settings(pairs=0))
    monitor.update(rows(random, 1_000))
    monitor.update(rows(random, 5_000, Change(shift=1.0)))
    during = monitor.verdict().of(Kind.FEATURES)
    assert during.since is not None
    assert 1_000 < during.since <= 1_200
    assert during.alarms > 1

    monitor.update(rows(random, 2_000, NONE))
    over = monitor.verdict().of(Kind.FEATURES)
    assert (over.severity, over.certain, over.since) == (Severity.NONE, True, during.since)
    assert (over.page, over.over, over.young) == (False, True, False)
    assert Monitor.restore(profile, monitor.state()).verdict().of(Kind.FEATURES).over
    monitor.update(rows(random, 4_000, NONE))
    after = monitor.verdict().of(Kind.FEATURES)
    assert not after.certain
    assert not after.page
    assert after.since is None
    assert after.severity is Severity.NONE


def test_an_alert_names_at_most_five_columns(profile: Profile) -> None:
    """With all columns changed, the five worst must stand in one alert."""
    table = rows(np.random.default_rng(4), 1_000)
    for index in range(8):
        table[f"x{index}"] = table[f"x{index}"] + 0.5 + index / 4
    monitor = Monitor(profile, Settings(pairs=0))
    monitor.update(table)
    found = monitor.verdict().of(Kind.FEATURES)

    assert len(found.worst) == 5
    assert found.worst[0].psi == max(column.psi or 0.0 for column in found.worst)
    assert len(monitor.verdict(everything=True).of(Kind.FEATURES).worst) == 10


def test_a_lasting_change_does_not_hide_a_slower_one(profile: Profile) -> None:
    """While one column alarms again and again, rare unseen values of another must still become certain."""
    found = _fed(profile, Change(shift=1.0, new=0.01), 5_000).verdict()

    assert found.of(Kind.FEATURES).alarms > 10
    assert found.of(Kind.OUTLIERS).certain
    assert "colour" in [column.column for column in found.of(Kind.OUTLIERS).worst]


def test_predictions_are_an_alert_of_their_own() -> None:
    """A model that answers otherwise to the same inputs must raise the alert on predictions alone."""
    random = np.random.default_rng(5)

    def answers(count: int, share: float) -> tuple[list[str], list[list[float]]]:
        high = random.beta(2, 5, size=count) + (share - 0.3) / 2
        return ["yes" if one else "no" for one in random.random(count) < share], [[1 - one, one] for one in high.tolist()]

    predictions, scores = answers(10_000, 0.3)
    profile = build_profile(rows(random, 10_000), predictions=predictions, scores=scores)
    assert profile.names(Kind.PREDICTION) == ("prediction", "score")
    monitor = Monitor(profile)
    for _ in range(10):
        monitor.update(rows(random, 100), *answers(100, 0.6))
    verdict = monitor.verdict()

    assert verdict.of(Kind.PREDICTION).page
    assert {column.column for column in verdict.of(Kind.PREDICTION).worst} == {"prediction", "score"}
    assert not verdict.of(Kind.FEATURES).certain


def test_labels_that_come_later_show_a_model_that_got_worse() -> None:
    """Feedback with more errors than the reference must page as performance; feedback like it must not."""
    random = np.random.default_rng(6)

    def judged(count: int, accuracy: float) -> tuple[list[str], list[str]]:
        labels = random.choice(["yes", "no"], size=count)
        right = random.random(count) < accuracy
        return np.where(right, labels, np.where(labels == "yes", "no", "yes")).tolist(), labels.tolist()

    predictions, labels = judged(10_000, 0.9)
    profile = build_profile(rows(random, 10_000), predictions=predictions, labels=labels)
    assert profile.names(Kind.PERFORMANCE) == ("label", "error")
    monitor = Monitor(profile)
    for accuracy in (0.9, 0.7):
        assert not monitor.verdict().of(Kind.PERFORMANCE).certain
        for _ in range(20):
            monitor.feedback(*judged(100, accuracy))
    found = monitor.verdict().of(Kind.PERFORMANCE)

    assert found.page
    assert [column.column for column in found.worst] == ["error"]
    assert found.worst[0].explanation.startswith(("true: 3", "false: 7", "true: 2", "false: 6"))


def test_a_reference_that_is_not_stationary_only_informs() -> None:
    """When the end of the reference differs from its beginning, alarms must say so and not page."""
    table = rows(np.random.default_rng(7), 10_000)
    table["x3"] = table["x3"] + np.linspace(0, 2, 10_000)
    profile = build_profile(table)
    assert not profile.self_check.stationary
    monitor = _fed(profile, Change(shift=2.0), 1_000)
    found = monitor.verdict().of(Kind.FEATURES)

    assert found.certain
    assert found.severity is Severity.HIGH
    assert not found.page
    assert found.informational == "the reference is not stationary: its last fifth differs from the rest in x3"


def test_without_a_reference_the_first_rows_become_it() -> None:
    """The first live rows must be learned, said so, and be the measure of what follows."""
    random = np.random.default_rng(8)
    monitor = Monitor(None, Settings(learn_rows=5_000))
    monitor.update(rows(random, 3_000))
    learning = monitor.verdict()
    assert (learning.learning, learning.reference_rows, learning.reference_source, learning.kinds) == (2_000, 0, "live", ())

    monitor.update(rows(random, 3_000))
    learned = monitor.verdict()
    assert (learned.learning, learned.reference_rows, learned.reference_source, learned.rows) == (0, 5_000, "live", 1_000)
    monitor.update(rows(random, 5_000))
    assert monitor.alarms == 0
    monitor.update(rows(random, 1_000, Change(shift=1.0)))
    assert monitor.verdict().of(Kind.FEATURES).page
