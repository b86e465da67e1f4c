"""What the ledger says about who answered when."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox.ledger import (
    Action,
    Entry,
    Interval,
    answered_since,
    challengers,
    champion_at,
    intervals,
    previous_champion,
    stamp,
    where,
)

START = datetime(2026, 11, 3, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def at(second: float) -> datetime:
    """So many seconds after the first entry's hour."""
    return START + timedelta(seconds=second)


def entry(
    action: Action | str,
    version: str,
    second: float,
    *,
    began: float | None = None,
    model: str = "churn",
    sequence: int = 0,
    digest: str = "",
) -> Entry:
    """An entry; the package's digest is its version's unless said otherwise."""
    time, start = stamp(at(second).timestamp()), "" if began is None else stamp(at(began).timestamp())
    return Entry(sequence, time, Action(action), model, version, digest or f"sha256:{version}", "ada@mill", began=start)


def story(*told: tuple[str, str]) -> list[Entry]:
    """Entries ten seconds apart."""
    return [entry(action, version, 10 * number, sequence=number + 1) for number, (action, version) in enumerate(told)]


def versions(found: Sequence[Interval]) -> list[str]:
    return [each.version for each in found]


def test_a_champion_answers_until_the_next() -> None:
    """Each version must answer from its entry on, and no longer than until the next one's; the stack that stops ends the last."""
    entries = story(("deployed", "v1"), ("packaged", "v2"), ("promoted", "v2"), ("rolled-back", "v1"), ("stopped", "v1"))

    found = intervals(entries, "churn")

    assert [(each.version, each.since, each.until) for each in found] == [
        ("v1", at(0), at(20)),
        ("v2", at(20), at(30)),
        ("v1", at(30), at(40)),
    ]
    assert [each.ended.action for each in found if each.ended] == ["promoted", "rolled-back", "stopped"]
    assert champion_at(entries, "churn", at(-1)) == champion_at(entries, "churn", at(40)) == ()


def test_within_a_switch_both_may_have_answered() -> None:
    """From the beginning of a switch until its end both versions must be told, the newer one last; at its end only that one."""
    entries = [entry("deployed", "v1", 0), entry("promoted", "v2", 10.25, began=10.0)]

    told = {second: versions(champion_at(entries, "churn", at(second))) for second in (9.999, 10.0, 10.249, 10.25)}

    assert told == {9.999: ["v1"], 10.0: ["v1", "v2"], 10.249: ["v1", "v2"], 10.25: ["v2"]}
    assert versions(champion_at(entries, "churn", at(9.5), SECOND)) == ["v1", "v2"]
    assert versions(champion_at(entries, "churn", at(9), SECOND)) == ["v1"]


def test_a_second_in_which_it_was_changed_has_both() -> None:
    """Whoever asks for a whole second must be told of all who answered within it."""
    entries = [entry("deployed", "v1", 0), entry("promoted", "v2", 10.4)]

    assert versions(champion_at(entries, "churn", at(10), SECOND)) == ["v1", "v2"]
    assert versions(champion_at(entries, "churn", at(10))) == ["v1"]
    assert versions(champion_at(entries, "churn", at(11), SECOND)) == ["v2"]


def test_the_same_version_goes_on() -> None:
    """A champion that is made the champion again must be one interval; a restart of the stack is a new one."""
    again = story(("deployed", "v1"), ("promoted", "v1"), ("stopped", "v1"), ("started", "v1"))

    assert [(each.since, each.until) for each in intervals(again, "churn")] == [(at(0), at(20)), (at(30), None)]


def test_a_version_of_the_same_name_is_another_one() -> None:
    """After all packages were removed there is a v1 again, which must not be taken for the one before."""
    entries = [entry("deployed", "v1", 0), entry("deployed", "v1", 10, digest="sha256:new")]

    assert [(each.digest, each.until) for each in intervals(entries, "churn")] == [("sha256:v1", at(10)), ("sha256:new", None)]


def test_models_are_told_apart() -> None:
    """What happens to one model must say nothing of another."""
    entries = [entry("deployed", "v1", 0), entry("deployed", "v7", 5, model="price"), entry("stopped", "v1", 10)]

    assert {model: interval.version for model, interval in where(entries).items()} == {"price": "v7"}
    assert versions(intervals(entries, "churn")) == ["v1"]


class Watched:
    """An independent model of what answers: it goes from second to second and notes it, and knows no intervals."""

    def __init__(self, entries: Sequence[Entry], seconds: int) -> None:
        self.answered: list[list[str]] = []
        answering: str | None = None
        for second in range(seconds):
            now = stamp(at(second).timestamp())
            for each in entries:
                if each.time == now:
                    answering = None if each.action is Action.STOPPED else each.version
            coming = [each.version for each in entries if each.began and each.began <= now < each.time and each.version != answering]
            self.answered.append([*([answering] if answering else []), *coming])


def schedule(chance: random.Random, changes: int) -> Iterator[Entry]:
    """Random changes, each some seconds after the one before, some of which take their time."""
    second, answering = 3, ""
    for _ in range(changes):
        second += chance.randint(1, 9)
        if not answering:
            answering = chance.choice(["v1", "v2", "v3"])
            yield entry(chance.choice(["deployed", "started"]), answering, second)
        elif chance.random() < 0.2:
            yield entry("stopped", answering, second)
            answering = ""
        else:
            began, second = second, second + chance.randint(0, 3)
            answering = chance.choice([each for each in ("v1", "v2", "v3", "v4") if each != answering])
            yield entry(chance.choice(["deployed", "promoted", "rolled-back"]), answering, second, began=began)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_second_of_a_random_schedule(seed: int) -> None:
    """At every second of fifty random changes, boundaries and what lies around them included, exactly those who answered must be told."""
    entries = list(schedule(random.Random(seed), 50))
    last = round((datetime.fromisoformat(entries[-1].time) - START).total_seconds()) + 5

    watched = Watched(entries, last).answered

    for second in range(last):
        assert versions(champion_at(entries, "churn", at(second))) == watched[second], second
        assert versions(champion_at(entries, "churn", at(second), SECOND)) == watched[second], second


@pytest.mark.parametrize(
    ("told", "back_to"),
    [
        ((), None),
        ((("deployed", "v1"),), None),
        ((("deployed", "v1"), ("deployed", "v2")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("deployed", "v3")), "v2"),
        ((("deployed", "v1"), ("deployed", "v2"), ("deployed", "v3"), ("rolled-back", "v2")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("deployed", "v3"), ("rolled-back", "v2"), ("rolled-back", "v1")), None),
        ((("deployed", "v1"), ("deployed", "v2"), ("rolled-back", "v1"), ("deployed", "v3")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("rolled-back", "v1"), ("promoted", "v2")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("promoted", "v1")), "v2"),
        ((("deployed", "v1"), ("deployed", "v2"), ("promoted", "v1"), ("rolled-back", "v2")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("deployed", "v3"), ("rolled-back", "v1")), None),
        ((("deployed", "v1"), ("deployed", "v2"), ("stopped", "v2"), ("started", "v2")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("deployed", "v2")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("deployed", "v3"), ("removed", "v2")), "v1"),
        ((("deployed", "v1"), ("deployed", "v2"), ("removed", "v1")), None),
        ((("deployed", "v1"), ("removed", "v1"), ("packaged", "v1"), ("deployed", "v2")), "v1"),
        ((("deployed", "v1"), ("challenged", "v2"), ("retired", "v2")), None),
        ((("deployed", "v1"), ("deployed", "v2"), ("rolled-back", "v5")), "v1"),
    ],
)
def test_where_a_rollback_goes(told: tuple[tuple[str, str], ...], back_to: str | None) -> None:
    """A rollback must go to the champion before, whichever way that became one, and never to a version that was rolled back from."""
    found = previous_champion(story(*told), "churn")

    assert (found.version if found else None) == back_to


def test_challengers() -> None:
    """A challenger must be one from its entry until it is retired, is promoted, or another one takes its place; a stop does not end it."""
    entries = story(
        ("deployed", "v1"),
        ("challenged", "v2"),
        ("stopped", "v1"),
        ("started", "v1"),
        ("challenged", "v3"),
        ("retired", "v3"),
        ("challenged", "v4"),
        ("promoted", "v4"),
    )

    assert [(each.version, each.since, each.until) for each in challengers(entries, "churn")] == [
        ("v2", at(10), at(40)),
        ("v3", at(40), at(50)),
        ("v4", at(60), at(70)),
    ]


def test_who_answered_since() -> None:
    """Whoever was the champion or a challenger since a time must be told, also when that began before, and nobody else."""
    entries = story(("deployed", "v1"), ("deployed", "v2"), ("challenged", "v3"), ("retired", "v3"), ("packaged", "v4"), ("deployed", "v5"))

    assert answered_since(entries, "churn", at(0)) == ("v1", "v2", "v3", "v5")
    assert answered_since(entries, "churn", at(10)) == ("v2", "v3", "v5")
    assert answered_since(entries, "churn", at(30)) == ("v2", "v5")
    assert answered_since(entries, "churn", at(3000)) == ("v5",)


def test_times_are_rounded_so_that_a_switch_holds_all_of_itself() -> None:
    """A switch must not be told as shorter than it was: its beginning is rounded down, its end up."""
    assert stamp(1_800_000_000.1234) == "2027-01-15T08:00:00.123Z"
    assert stamp(1_800_000_000.1234, up=True) == "2027-01-15T08:00:00.124Z"
    assert stamp(1_800_000_000.123) == stamp(1_800_000_000.123, up=True) == "2027-01-15T08:00:00.123Z"
    assert stamp(1_800_000_000.9999, up=True) == "2027-01-15T08:00:01.000Z"
