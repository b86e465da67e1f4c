"""What is shown of a change of versions before it is made: what the engine would do, in words."""

from __future__ import annotations

from mlsandbox.actions.change_plan import change_steps, due_notes
from mlsandbox.actions.outcomes import PlannedStep
from mlsandbox.engines.base import Action, Move, Plan, Step

DUE = (Step(Action.RESTART, "log-store", "changed: RETENTION 7d -> 1d"), Step(Action.START, "drift", "not running"))
PLAN = Plan(
    (*DUE, Step(Action.START, "api-v2", "not running"), Step(Action.KEEP, "api-v1", "unchanged, ready")),
    moves=(Move("api", "api-v2", "api-v1"),),
)
LINEUP = (PlannedStep("start", "v2", "it does not run yet"), PlannedStep("switch", "v2", "…"), PlannedStep("keep", "v1", "it stands by"))
SERVICES = {"v1": "api-v1", "v2": "api-v2"}


def test_steps_are_those_of_the_engine() -> None:
    """Moves and steps must be the engine's, in the words of versions where it does the same, and what is due anyway be told apart."""
    steps = change_steps(PLAN, DUE, LINEUP, SERVICES)

    assert [(step.action, step.subject) for step in steps] == [
        ("switch", "api"),
        ("restart", "log-store"),
        ("start", "drift"),
        ("start", "api-v2"),
        ("keep", "api-v1"),
    ]
    assert steps[0].why == "from api-v1, which answers until then, to api-v2"
    assert steps[1].why == "changed: RETENTION 7d -> 1d (not about versions: due since the last sandbox up)"
    assert [step.why for step in steps[3:]] == ["it does not run yet", "it stands by"]


def test_a_version_that_would_be_restarted_is_not_said_to_be_kept() -> None:
    """Where the engine does otherwise than the versions alone would need, its own reason must be told."""
    restart = Step(Action.RESTART, "api-v1", "changed: TZ UTC -> CET")

    assert change_steps(Plan((restart,)), (), LINEUP, SERVICES) == (PlannedStep("restart", "api-v1", "changed: TZ UTC -> CET"),)


def test_missing_images_are_fetched_first() -> None:
    """Without its images the engine has no plan: what is fetched, and what becomes of versions, must be told."""
    steps = change_steps(("haproxy:3",), (), LINEUP, SERVICES)

    assert steps == (PlannedStep("fetch", "haproxy:3", "not on this machine"), *LINEUP)


def test_what_is_done_besides_is_said_once() -> None:
    """Services that are restarted or started whatever becomes of versions must be named with the reason; those that go need no note."""
    assert due_notes(DUE, ()) == (
        "also started, which is not about versions: drift (not running)",
        "also restarted, which is not about versions: log-store (changed: RETENTION 7d -> 1d)",
    )
    assert due_notes(DUE[:1], {"log-store"}) == ()
    assert due_notes((), ()) == ()
