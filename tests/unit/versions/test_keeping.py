"""Which packages stay when old ones are removed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox.actions.keeping import Needs, reasons_to_stay
from mlsandbox.stack.components.base import Role

NOTHING = Needs({})
FIVE = ("v5", "v4", "v3", "v2", "v1")


@pytest.mark.parametrize(
    ("needs", "keep", "going"),
    [
        (NOTHING, 3, {"v2", "v1"}),
        (NOTHING, 0, set(FIVE)),
        (NOTHING, 9, set()),
        (Needs({"v1": Role.CHAMPION}), 1, {"v4", "v3", "v2"}),
        (Needs({"v5": Role.CHAMPION, "v2": Role.CHALLENGER, "v1": Role.STANDBY}), 0, {"v4", "v3"}),
        (Needs({"v5": Role.CHAMPION}, back_to="v2"), 0, {"v4", "v3", "v1"}),
        (Needs({"v1": Role.CHAMPION}, made_now="v4"), 0, {"v5", "v3", "v2"}),
        (Needs({"v5": Role.CHAMPION}, answered=("v5", "v3", "v2")), 0, {"v4", "v1"}),
        (Needs({"v9": Role.CHAMPION}, back_to="v8", made_now="v7", answered=("v6",)), 2, {"v3", "v2", "v1"}),
    ],
)
def test_what_goes(needs: Needs, keep: int, going: set[str]) -> None:
    """A version must go exactly when it does not run, is not gone back to, not made by the files, not new, and long silent."""
    assert {version for version, why in reasons_to_stay(FIVE, needs, keep=keep).items() if not why} == going


def test_every_reason_is_said_in_words() -> None:
    """Each reason for which a version stays must be named, the one that weighs most first."""
    needs = Needs({"v5": Role.CHAMPION, "v4": Role.STANDBY}, back_to="v4", made_now="v3", answered=("v4", "v1"), retention="the last 7d")

    reasons = reasons_to_stay(FIVE, needs, keep=2)

    assert reasons["v5"] == ("it is the champion", "it is one of the newest 2")
    assert reasons["v4"] == ("it runs as standby", "sandbox rollback goes back to it", "it is one of the newest 2")
    assert reasons["v3"] == ("the project's files make it",)
    assert reasons["v2"] == ()
    assert reasons["v1"] == ("it answered within the last 7d, and its logged requests can be replayed",)
    assert reasons_to_stay(FIVE, NOTHING, keep=1)["v5"] == ("it is the newest",)


_NAMES = st.lists(st.integers(1, 40), unique=True, max_size=12).map(
    lambda numbers: [f"v{number}" for number in sorted(numbers, reverse=True)]
)
_NAME = st.none() | st.integers(1, 40).map(lambda number: f"v{number}")


@given(
    versions=_NAMES,
    roles=st.dictionaries(st.integers(1, 40).map(lambda number: f"v{number}"), st.sampled_from(Role), max_size=4),
    back_to=_NAME,
    made_now=_NAME,
    answered=st.sets(st.integers(1, 40).map(lambda number: f"v{number}"), max_size=6),
    keep=st.integers(0, 15),
)
def test_nothing_that_is_needed_goes(
    *, versions: list[str], roles: dict[str, Role], back_to: str | None, made_now: str | None, answered: set[str], keep: int
) -> None:
    """Whatever runs, is gone back to, is made now, is new or answered lately must stay; with more kept, never less stays."""
    needs = Needs(roles, back_to, made_now, answered, "the last 7d")

    stay = {version for version, why in reasons_to_stay(versions, needs, keep=keep).items() if why}

    assert stay == set(versions) & ({*roles, *answered, *versions[:keep]} | {each for each in (back_to, made_now) if each})
    assert stay <= {version for version, why in reasons_to_stay(versions, needs, keep=keep + 1).items() if why}
