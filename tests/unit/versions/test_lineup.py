"""Which version does what after a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox.actions.deployment import Beside, Deployed
from mlsandbox.actions.lineup import (
    check_challenger,
    check_retired,
    chosen_model,
    lineup_steps,
    replaced,
    role_text,
    with_beside,
    with_champion,
    without,
)
from mlsandbox.errors import UsageError, VersionInUse, VersionUnknown
from mlsandbox.packaging.package import Package
from mlsandbox.stack.components.base import Role, Share

SHADOW = Share(shadow=True)


def package(version: str, model: str = "churn") -> Package:
    return Package(model, version, f"sha256:{version}", f"{model}:{version}", Path("/store") / version, Path("/python"), {})


ONE = Deployed(package("v1"))
BUSY = Deployed(package("v2"), (Beside(package("v1"), Role.STANDBY), Beside(package("v3"), Role.CHALLENGER, Share(10.0))))


def roles(lineup: Deployed) -> dict[str, str]:
    """What each version does, by its name."""
    return {lineup.champion.version: "champion", **{each.package.version: each.role.value for each in lineup.beside}}


@pytest.mark.parametrize(
    ("before", "version", "warm", "after"),
    [
        (ONE, "v2", True, {"v2": "champion", "v1": "standby"}),
        (ONE, "v2", False, {"v2": "champion"}),
        (BUSY, "v1", True, {"v1": "champion", "v2": "standby", "v3": "challenger"}),
        (BUSY, "v1", False, {"v1": "champion", "v3": "challenger"}),
        (BUSY, "v3", True, {"v3": "champion", "v2": "standby"}),
        (BUSY, "v3", False, {"v3": "champion"}),
        (BUSY, "v4", True, {"v4": "champion", "v2": "standby", "v3": "challenger"}),
    ],
)
def test_another_champion(before: Deployed, version: str, warm: bool, after: dict[str, str]) -> None:  # noqa: FBT001 - a parameter
    """The former champion must stay as the one standby, or stop; a challenger goes on, unless it is the one that answers now."""
    assert roles(with_champion(before, package(version), warm=warm)) == after


def test_beside_the_champion() -> None:
    """A version must have one role at a time, and the champion must stay who it is."""
    tried = with_beside(ONE, package("v2"), Role.CHALLENGER, SHADOW)
    assert roles(tried) == {"v1": "champion", "v2": "challenger"}
    assert roles(with_beside(BUSY, package("v1"), Role.CHALLENGER, SHADOW))["v1"] == "challenger"
    assert len(with_beside(BUSY, package("v3"), Role.CHALLENGER, Share(20.0)).beside) == 2
    assert roles(without(tried, "v2")) == {"v1": "champion"}
    other = Deployed(package("v7", "price"))
    assert replaced([other, ONE], tried) == (other, tried)


def test_who_can_be_tried() -> None:
    """The champion cannot be tried beside itself, nor a second challenger beside the first; the same one again can."""
    with pytest.raises(VersionInUse, match="v2 is the champion"):
        check_challenger(BUSY, "v2")
    with pytest.raises(VersionInUse, match="v3 is tried already") as other:
        check_challenger(BUSY, "v4")
    assert "sandbox retire v3" in other.value.fix
    check_challenger(BUSY, "v3")
    check_challenger(ONE, "v2")


def test_who_can_be_retired() -> None:
    """Only what runs beside the champion can be retired."""
    assert check_retired(BUSY, "v1").role is Role.STANDBY
    assert check_retired(BUSY, "v3").role is Role.CHALLENGER
    with pytest.raises(VersionInUse, match="v2 is the champion"):
        check_retired(BUSY, "v2")
    with pytest.raises(VersionUnknown, match="v9 does not run") as missing:
        check_retired(BUSY, "v9")
    assert "v1 (standby), v3 (challenger)" in missing.value.why


def test_which_model_is_meant() -> None:
    """One model needs no name; of several one must be named, and it must be there."""
    assert chosen_model(["churn"], None) == "churn"
    assert chosen_model(["churn", "price"], "price") == "price"
    with pytest.raises(UsageError, match="several models"):
        chosen_model(["churn", "price"], None)
    with pytest.raises(UsageError, match="no model prize"):
        chosen_model(["churn", "price"], "prize")


def test_steps_of_a_switch_to_a_version_that_does_not_run() -> None:
    """A version that does not run must be started before it is switched to, and what becomes of the former one must be said."""
    steps = lineup_steps(ONE, with_champion(ONE, package("v2"), warm=True))

    assert [(step.action, step.subject) for step in steps] == [("start", "v2"), ("switch", "v2"), ("keep", "v1")]
    assert steps[-1].why == "it becomes standby: it runs, and answers nobody; it is not started anew"


def test_steps_of_a_switch_to_a_warm_version() -> None:
    """A version that runs must only be switched to; what is not needed any more is stopped."""
    steps = lineup_steps(BUSY, with_champion(BUSY, package("v1"), warm=False))

    assert [(step.action, step.subject) for step in steps] == [("switch", "v1"), ("keep", "v3"), ("stop", "v2")]


def test_steps_of_another_share() -> None:
    """A challenger whose share changes must not be started anew."""
    steps = lineup_steps(BUSY, with_beside(BUSY, package("v3"), Role.CHALLENGER, SHADOW))

    assert [step.action for step in steps] == ["keep", "keep", "keep"]
    assert role_text(Beside(package("v3"), Role.CHALLENGER, Share(12.5))) == "challenger: it answers 12.5% of the requests"


_VERSIONS = st.integers(1, 6).map(lambda number: f"v{number}")


@st.composite
def lineups(draw: st.DrawFn) -> Deployed:
    """A champion with at most one challenger and one standby."""
    champion, *others = draw(st.lists(_VERSIONS, unique=True, min_size=1, max_size=3))
    kinds = draw(
        st.permutations([Beside(package(version), role) for version, role in zip(others, (Role.STANDBY, Role.CHALLENGER), strict=False)])
    )
    return Deployed(package(champion), tuple(kinds))


@given(before=lineups(), version=_VERSIONS, warm=st.booleans())
def test_every_version_is_accounted_for(before: Deployed, version: str, warm: bool) -> None:  # noqa: FBT001 - drawn
    """After any switch each version that runs has one role, at most one stands by, and every one that ran or runs is in the steps."""
    if version == before.champion.version:
        return
    after = with_champion(before, package(version), warm=warm)

    names = [each.version for each in after.packages]
    assert len(names) == len(set(names))
    assert sum(each.role is Role.STANDBY for each in after.beside) == int(warm)
    assert {step.subject for step in lineup_steps(before, after)} == {*names, *(each.version for each in before.packages)}
