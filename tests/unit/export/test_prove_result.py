"""What a proof comes to, in words."""

from __future__ import annotations

import pytest

from mlsandbox.actions.prove_dry_run import check_release
from mlsandbox.actions.prove_result import Finding, ProvedModel, ProveResult, Step
from mlsandbox.output import Paint, to_plain
from mlsandbox.views.prove import prove_text

WHOLE = ProvedModel("toy", "v1", golden_rows=5, metrics=18, event_fields=20)


def concluded(*models: ProvedModel, applied: int = 9, findings: int = 0) -> ProveResult:
    """The end of a proof."""
    found = [Finding(Step.DRY_RUN, f"Service {number}", "no") for number in range(findings)]
    result = ProveResult("here", "v1.36.0", "sandbox-prove-0", applied=applied, models=list(models), findings=found)
    result.conclude()
    return result


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (concluded(WHOLE), "proven"),
        (concluded(WHOLE, ProvedModel("other", None, metrics=18)), "proven, but for: golden rows of other, events of other"),
        (concluded(applied=0), "proven by a dry run alone"),
        (concluded(ProvedModel("toy", None), findings=1), "not proven: 1 finding"),
        (concluded(WHOLE, findings=2), "not proven: 2 findings"),
    ],
    ids=["whole", "in-part", "dry-run", "one", "two"],
)
def test_what_was_not_looked_at_is_in_the_verdict(result: ProveResult, verdict: str) -> None:
    """The verdict must name what of which model nobody looked at, in the text as in the document."""
    assert prove_text(result, Paint(on=False)).splitlines()[-1][2:] == verdict
    document = to_plain(result)
    assert isinstance(document, dict)
    assert document["verdict"] == verdict


def test_a_cluster_whose_version_nobody_can_read_is_neither_old_nor_new() -> None:
    """A version that is none must be told as not proven, and be no finding."""
    result = ProveResult("here", "unknown", "sandbox-prove-0")
    check_release(result, (1, 33))

    assert result.findings == []
    assert "'unknown'" in result.left_out[0]
