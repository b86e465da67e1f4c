"""What every engine must do when another version is to answer at a front, asked of each in turn."""

from __future__ import annotations

import pytest

from mlsandbox.engines.base import Action, Move, Result, Undone
from mlsandbox.stack.spec import ServiceSpec
from mlsandbox.supervise.transition import State
from support.engine_bench import Bench, real
from support.toys import FRONT, toy
from support.waiting import HANG_SECONDS, wait_for


class NotGood(Exception):
    """What a proof says of a version."""


def _version(bench: Bench, number: int, mode: str = "ready") -> ServiceSpec:
    return toy(f"{FRONT}-v{number}", bench.ports[number], front=FRONT, TOY=mode)


def test_a_front_is_answered(bench: Bench) -> None:
    """Behind a front the service that it is with must answer, as it is told of it."""
    assert bench.up(_version(bench, 1), _version(bench, 2), answers="api-v2").result is Result.READY

    assert bench.answering() == "api-v2"
    assert FRONT in bench.engine.observe().ports
    assert not bench.plan(_version(bench, 1), _version(bench, 2), answers="api-v2").moves


def test_a_move_is_made_only_once_it_is_proven(bench: Bench) -> None:
    """Until the proof has ended the former must answer and nothing else be touched; then the new one must, and the former go."""
    bench.up(_version(bench, 1), toy("beside", bench.ports[0]), answers="api-v1")
    untouched = bench.service("beside").pid
    changed = toy("beside", bench.ports[0], TOY_COLOUR="blue")
    seen: list[tuple[Move, str, State, str | int | None]] = []

    def prove(move: Move) -> None:
        seen.append((move, bench.answering(), bench.service("api-v2").state, bench.service("beside").pid))

    outcome = bench.up(_version(bench, 2), changed, answers="api-v2", prove=prove)

    assert outcome.result is Result.READY
    assert seen == [(Move(FRONT, "api-v2", "api-v1"), "api-v1", State.READY, untouched)]
    (switched,) = outcome.switched
    assert (switched.front, switched.service, switched.former) == (FRONT, "api-v2", "api-v1")
    assert switched.began <= switched.ended
    assert bench.answering() == "api-v2"
    assert bench.states() == {"api-v2": State.READY, "beside": State.READY}
    assert bench.actions(_version(bench, 2), changed, answers="api-v2") == {"api-v2": Action.KEEP, "beside": Action.KEEP}


def test_a_move_may_change_nothing_else(bench: Bench) -> None:
    """Between services that both run the front must move, and move back, while neither of them is touched."""
    both = (_version(bench, 1), _version(bench, 2))
    bench.up(*both, answers="api-v1")
    before = bench.pids()

    for answers in ("api-v2", "api-v1"):
        plan = bench.plan(*both, answers=answers)
        assert (len(plan.moves), plan.changes) == (1, ())
        outcome = bench.up(*both, answers=answers)

        assert (outcome.result, [each.service for each in outcome.switched]) == (Result.READY, [answers])
        assert bench.answering() == answers
    assert bench.pids() == before


@pytest.mark.parametrize(("fault", "result"), [("crash", Result.CRASHED), ("refuse", Result.REFUSED), ("never", Result.TIMEOUT)])
def test_a_version_that_does_not_become_ready_leaves_the_former_untouched(bench: Bench, fault: str, result: Result) -> None:
    """What is not ready must be told and be gone again, unasked; the former must go on as if nothing had been, also when time is up."""
    former = _version(bench, 1)
    bench.up(former, answers="api-v1")
    before, told = bench.service("api-v1"), list[Move]()

    seconds = 5 * bench.soon if fault == "never" else HANG_SECONDS
    outcome = bench.up(_version(bench, 2, fault), answers="api-v2", timeout=seconds, prove=told.append)

    assert (outcome.result, outcome.service, outcome.undone, outcome.switched, told) == (result, "api-v2", Undone.KEPT, (), [])
    assert bench.states() == {"api-v1": State.READY}
    assert (bench.service("api-v1").pid, bench.service("api-v1").restarts) == (before.pid, before.restarts)
    assert bench.answering() == "api-v1"
    assert f"hello from api-v2, mode {fault}" in bench.texts("api-v2")
    assert not bench.plan(former, answers="api-v1").changes


@pytest.mark.parametrize("error", [NotGood, KeyboardInterrupt])
def test_a_version_that_is_not_proven_leaves_the_former_untouched(bench: Bench, error: type[BaseException]) -> None:
    """What a proof raises must come through, the new version be gone, and the former go on untouched."""
    former = _version(bench, 1)
    bench.up(former, answers="api-v1")
    before = bench.service("api-v1").pid

    def prove(_move: Move) -> None:
        raise error

    with pytest.raises(error):
        bench.up(_version(bench, 2), answers="api-v2", prove=prove)

    wait_for(lambda: bench.states() == {"api-v1": State.READY}, what="v2 is gone")
    assert bench.service("api-v1").pid == before
    assert bench.answering() == "api-v1"
    assert not bench.plan(former, answers="api-v1").changes


def test_a_standby_outlives_a_proof_that_fails(bench: Bench) -> None:
    """A version that ran already must run on when it is not proven: only what was started for the move may be stopped."""
    both = (_version(bench, 1), _version(bench, 2))
    bench.up(*both, answers="api-v1")
    before = bench.pids()

    def prove(_move: Move) -> None:
        raise NotGood

    with pytest.raises(NotGood):
        bench.up(*both, answers="api-v2", prove=prove)

    assert bench.pids() == before
    assert bench.answering() == "api-v1"


def test_nobody_answers_for_a_stopped_version(bench: Bench) -> None:
    """`down` of what answers must leave no front that a client would hang at; `up` must bring it back, with no move to prove."""
    first, beside = _version(bench, 1), toy("beside", bench.ports[0])
    bench.up(first, beside, answers="api-v1")

    bench.down("api-v1")

    assert bench.answering() == ""
    assert not bench.plan(first, beside, answers="api-v1").moves
    assert bench.up(first, beside, answers="api-v1").result is Result.READY
    assert bench.answering() == "api-v1"


def test_another_version_takes_over_from_a_stopped_one(bench: Bench) -> None:
    """A front that nobody answers for must go to the version that is wanted, which is no move: nobody has to go on until it is proven."""
    bench.up(_version(bench, 1), toy("beside", bench.ports[0]), answers="api-v1")
    bench.down("api-v1")

    outcome = bench.up(_version(bench, 2), toy("beside", bench.ports[0]), answers="api-v2")

    assert (outcome.result, outcome.switched) == (Result.READY, ())
    assert bench.answering() == "api-v2"


@real
@pytest.mark.parametrize(("fault", "result"), [("crash", Result.CRASHED), ("refuse", Result.REFUSED)])
def test_a_rest_that_fails_is_undone_and_the_move_is_not(bench: Bench, fault: str, result: Result) -> None:
    """What fails behind a move must go back to what ran, and the new version go on answering, beside the former, as is told."""
    beside = toy("beside", bench.ports[0])
    bench.up(_version(bench, 1), beside, answers="api-v1")

    outcome = bench.up(_version(bench, 2), toy("beside", bench.ports[0], TOY=fault), answers="api-v2")

    assert (outcome.result, outcome.service, outcome.undone) == (result, "beside", Undone.RESTORED)
    assert [each.service for each in outcome.switched] == ["api-v2"]
    assert bench.states() == {"api-v1": State.READY, "api-v2": State.READY, "beside": State.READY}
    assert bench.answering() == "api-v2"
    assert not bench.plan(_version(bench, 1), _version(bench, 2), beside, answers="api-v2").changes
