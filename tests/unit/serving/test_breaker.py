"""Whether somebody who failed is asked again."""

from __future__ import annotations

from mlsandbox_serving.service.breaker import FAILURES, PAUSE_SECONDS, Breaker


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_in_a_row() -> None:
    """Only so many failures in a row must open it: one that goes well between them counts as none."""
    breaker = Breaker(clock=Clock())
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        assert breaker.passes()
        breaker.worked()
    for _ in range(FAILURES):
        breaker.failed()

    assert breaker.is_open
    assert not breaker.passes()


def test_one_tries_after_each_pause() -> None:
    """After a pause one must try, and no other before the next pause; once one goes well all pass."""
    clock = Clock()
    breaker = Breaker(clock=clock)
    for _ in range(FAILURES):
        breaker.failed()

    for _ in range(3):
        clock.now += PAUSE_SECONDS
        assert [breaker.passes() for _ in range(3)] == [True, False, False]
    clock.now += PAUSE_SECONDS
    assert breaker.passes()
    breaker.failed()
    assert not breaker.passes()
    clock.now += PAUSE_SECONDS
    assert breaker.passes()
    breaker.worked()
    assert [breaker.passes() for _ in range(3)] == [True] * 3
