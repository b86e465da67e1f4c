"""When a running stack is given another reference, and when it is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlsandbox.actions.reference_change import other_changes, same_stack
from mlsandbox.actions.sight import Sight
from mlsandbox.engines.base import Action, Observed, ObservedService, Plan, Step
from mlsandbox.engines.embedded import EmbeddedEngine
from mlsandbox.state import State as ProjectState
from mlsandbox.supervise.transition import State

API = ObservedService("api", State.READY, "sha256:1")
DRIFT = ObservedService("drift", State.READY, "sha256:2")
OBSERVED = Observed(running=True, stack_id="0123", services=(API, DRIFT))
KEPT = Step(Action.KEEP, "api", "unchanged, ready")
GIVEN = Step(Action.RESTART, "drift", "changed")


def test_the_drift_service_alone_may_change() -> None:
    """Nothing must stand in the way when everything else stays as it runs."""
    assert other_changes(Plan((KEPT, GIVEN)), OBSERVED) == ""


def test_other_settings_are_not_put_into_effect_by_the_way() -> None:
    """A service that would start anew with other settings must be named."""
    plan = Plan((Step(Action.RESTART, "api", "changed: workers 1 -> 2"), Step(Action.STOP, "shipper", "not part of the stack"), GIVEN))

    assert other_changes(plan, OBSERVED) == "other settings have changed too (api, shipper)"


def test_what_crashed_or_was_stopped_is_no_other_setting() -> None:
    """A service that is not running, or not as it should, must be told as that."""
    plan = Plan((Step(Action.START, "api", "not running"), GIVEN))
    failed = replace(OBSERVED, services=(replace(API, state=State.FAILED), DRIFT))
    both = Plan((Step(Action.RESTART, "api", "failed: exit code 1"), Step(Action.START, "shipper", "not running"), GIVEN))

    assert other_changes(plan, replace(OBSERVED, services=(DRIFT,))) == "api is not running"
    assert other_changes(plan, replace(OBSERVED, services=(replace(API, state=State.STOPPED), DRIFT))) == "api is not running"
    assert other_changes(both, failed) == "shipper is not running; api is in trouble, see `sandbox status`"


def test_a_stack_that_was_started_anew_is_another_one(tmp_path: Path) -> None:
    """Another version, another stack and one that stopped must not be taken for what was looked at before."""
    looked = Sight(tmp_path, EmbeddedEngine(tmp_path), OBSERVED, ProjectState(served={"churn": "v1"}))

    assert same_stack(looked, replace(looked, engine=EmbeddedEngine(tmp_path)))
    assert not same_stack(looked, replace(looked, remembered=ProjectState(served={"churn": "v2"})))
    assert not same_stack(looked, replace(looked, observed=replace(OBSERVED, stack_id="4567")))
    assert not same_stack(looked, replace(looked, observed=Observed()))
