"""Text of versions that are promoted, rolled back to, tried, retired and removed, as people read it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlsandbox.actions.deploy import DeployResult
from mlsandbox.actions.outcomes import PlannedStep, SmokePrediction
from mlsandbox.actions.prune import GoingVersion, PruneResult, StayingVersion
from mlsandbox.actions.retire import RetireResult
from mlsandbox.actions.switching import SwitchResult
from mlsandbox.cli.version_options import percent_of
from mlsandbox.engines.base import Keeping, Kept
from mlsandbox.errors import UsageError
from mlsandbox.output import Paint
from mlsandbox.views.prune import prune_text
from mlsandbox.views.versions_moved import deploy_text, retire_text, switch_text

PLAIN = Paint(on=False)
URL = "http://127.0.0.1:7310"
STEPS = (PlannedStep("switch", "v2", "v1 answers until then"), PlannedStep("keep", "v1", "it becomes standby"))
PROMOTED = SwitchResult(
    "shop",
    "churn",
    "promoted",
    "v2",
    "sha256:2",
    former="v1",
    url=URL,
    warm=True,
    started=True,
    milliseconds=12.4,
    elapsed=3.21,
    plan=STEPS,
)
TRIED = DeployResult(
    "shop",
    "churn",
    "v3",
    "sha256:3",
    "v2",
    URL,
    0.0,
    shadow=True,
    smoke=SmokePrediction("leaves", 0.83, 0.0041, {}),
    elapsed=4.0,
    plan=STEPS,
)


def test_a_promotion() -> None:
    """It must be said what answers, how long the switch took, that the former version is warm, and how to undo it."""
    assert switch_text(PROMOTED, "promote", PLAIN, several=False) == (
        "  churn v2 answers · 3.2s\n"
        "\n"
        "  Answers     v2, it was started for it · switched in 12 ms\n"
        "  Before      v1, which stays warm: going back takes no start\n"
        f"  API         {URL}\n"
        "\n"
        "  Undo  sandbox rollback"
    )


def test_a_rollback() -> None:
    """It must name the version that was left, and how to come back to it; with several models, which one it is about."""
    back = replace(PROMOTED, action="rolled-back", version="v1", former="v2", started=False, warm=False)

    text = switch_text(back, "rollback", PLAIN, several=True)

    assert "churn v1 answers" in text
    assert "v1, it ran already · switched in 12 ms" in text
    assert "v2, which was stopped" in text
    assert text.endswith("Undo  sandbox promote v2 --model churn")


def test_nothing_to_switch() -> None:
    """A version that answers already must be said to, in one line."""
    assert switch_text(replace(PROMOTED, unchanged=True, elapsed=0.1), "promote", PLAIN, several=False) == (
        "churn v2 answers already: nothing to do   (0.1s)"
    )


def test_dry_runs() -> None:
    """A dry run must say of each version what would be done to it, and why."""
    expected = "  switch    v2: v1 answers until then\n  keep      v1: it becomes standby"

    assert switch_text(replace(PROMOTED, dry_run=True), "promote", PLAIN, several=False) == (
        f"Dry run of shop: nothing was changed. sandbox promote would\n{expected}"
    )
    assert deploy_text(replace(TRIED, dry_run=True), PLAIN, several=False).endswith(f"sandbox deploy would\n{expected}")
    retired = RetireResult("shop", "churn", "v3", "challenger", "v2", STEPS, dry_run=True)
    assert retire_text(retired).endswith(f"sandbox retire would\n{expected}")


def test_a_challenger() -> None:
    """It must be said what it gets, what it answered, how to look at it, and how that ends."""
    assert deploy_text(TRIED, PLAIN, several=False) == (
        "  churn v3 is tried beside v2 · 4.0s\n"
        "\n"
        "  Gets        a copy of every request; its answers go nowhere, and v2 answers\n"
        '  Prediction  "leaves", p=0.83 in 4.1 ms, for the example row\n'
        f"  API         {URL}\n"
        "\n"
        "  Look  sandbox status\n"
        "        sandbox diff v2 v3 --from-logs 1h\n"
        "  Next  sandbox promote v3    it answers from then on\n"
        "        sandbox retire v3     it stops"
    )
    split = deploy_text(replace(TRIED, percent=12.5, shadow=False, smoke=None), PLAIN, several=True)
    assert "12.5% of the requests, which it answers; v2 answers the others" in split
    assert "Prediction" not in split
    assert "sandbox retire v3 --model churn" in split


def test_a_retired_version() -> None:
    """It must be said what it was, and that the champion goes on."""
    assert retire_text(RetireResult("shop", "churn", "v3", "challenger", "v2", elapsed=1.0)) == (
        "churn v3 (challenger) was stopped; v2 answers as before   (1.0s)"
    )


def test_what_is_pruned() -> None:
    """Each version that goes must be shown with what goes with it, each that stays with its reasons."""
    image = Kept(Keeping.IMAGE, "mlsandbox/shop/churn:v1", 120_000_000)
    result = PruneResult(
        "shop",
        (GoingVersion("churn", "v1", "sha256:1", 3_000_000, (image,)),),
        (StayingVersion("churn", "v10", ("it is the champion", "it is one of the newest 3"), 2_000_000),),
    )

    assert prune_text(replace(result, dry_run=True)) == (
        "would remove:\n"
        "  churn v1  3 MB  image mlsandbox/shop/churn:v1 120 MB\n"
        "would free up to 123 MB\n"
        "would keep:\n"
        "  churn v10  2 MB  it is the champion; it is one of the newest 3"
    )
    assert prune_text(result).startswith("Removed:\n")
    assert prune_text(replace(result, removed=())).startswith("nothing to remove: each version is needed\nKept:\n")
    assert prune_text(PruneResult("shop", (), ())) == "nothing to remove: nothing was packaged yet"


@pytest.mark.parametrize(("text", "percent"), [("10%", 10.0), (" 0.5% ", 0.5), ("100%", 100.0)])
def test_a_share(text: str, percent: float) -> None:
    """A share must be a percentage, with its sign."""
    assert percent_of(text) == percent


@pytest.mark.parametrize("text", ["0", "10", "0.5", "0%", "-1%", "100.1%", "a tenth", "", "nan", "inf", "10%%"])
def test_no_share(text: str) -> None:
    """Anything else must be refused, and shown how it is written."""
    with pytest.raises(UsageError, match="above 0% and up to 100%") as error:
        percent_of(text)
    assert "--split 10%" in error.value.fix
