"""What is said while a plan is carried out."""

from __future__ import annotations

import pytest

from mlsandbox.actions.starting import told
from mlsandbox.engines.base import Action, Move, Plan, Step
from mlsandbox.render.tree import RenderedFile

START, STOP, KEEP = Step(Action.START, "api-v2", ""), Step(Action.STOP, "api-v1", ""), Step(Action.KEEP, "shipper", "")
MOVE = Move("api", "api-v2", "api-v1")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan((START, KEEP)), "Starting api-v2"),
        (Plan((KEEP,), moves=(MOVE,)), "Moving api to api-v2"),
        (Plan((START, STOP, KEEP), moves=(MOVE,)), "Starting api-v2; moving api to api-v2; removing api-v1"),
        (Plan((KEEP, STOP)), "Removing api-v1"),
        (Plan((KEEP,), refreshes=(RenderedFile("traffic.json", "{}"),)), "Rewriting what services read"),
        (Plan((KEEP,)), "Starting the stack"),
    ],
    ids=["start", "move", "all", "stop", "share", "nothing"],
)
def test_all_that_is_done_is_said(plan: Plan, said: str) -> None:
    """Starts, moves and stops must be named each, and nothing that is not done."""
    assert told(plan, "Starting", "Removing", "Moving", "Rewriting") == said
