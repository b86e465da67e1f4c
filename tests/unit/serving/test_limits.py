"""How much is taken in at once, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from mlsandbox_serving.service.admission import Admission
from mlsandbox_serving.service.deadlines import Deadlines
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.throttle import Throttle


def test_requests_past_the_limit_are_refused_until_one_leaves() -> None:
    """One request more than the limit must be refused with Retry-After, and let in when another has left."""
    admission = Admission(2, 100)
    admission.enter()
    admission.enter()
    with pytest.raises(RequestRefused) as refused:
        admission.enter()
    assert (refused.value.failure.status, refused.value.failure.code) == (503, "OVERLOADED")
    assert refused.value.headers == {"retry-after": "1"}
    admission.leave()
    admission.enter()


def test_bytes_of_bodies_are_bounded_together() -> None:
    """Bytes that have come must be bounded by sixteen of the largest bodies, whatever heads announce, and be free again when dropped."""
    admission = Admission(1000, 100)
    for _ in range(160):
        admission.hold(10)
    with pytest.raises(RequestRefused):
        admission.hold(1)
    admission.drop(10)
    admission.hold(10)


def test_a_throttle_lets_a_burst_and_then_a_rate_through() -> None:
    """After a quiet time a burst must pass, then as many as the rate allows, and none be saved past the burst."""
    now = 0.0
    throttle = Throttle(2, 3, clock=lambda: now)
    assert [throttle.passes() for _ in range(4)] == [True, True, True, False]
    now = 1.0
    assert [throttle.passes() for _ in range(3)] == [True, True, False]
    now = 100.0
    assert [throttle.passes() for _ in range(4)] == [True, True, True, False]


def test_a_deadline_that_is_met_does_nothing() -> None:
    """What is discarded in time must not expire, what is not must, once."""

    async def conversation() -> list[str]:
        loop = asyncio.get_running_loop()
        expired: list[str] = []
        over = asyncio.Event()
        deadlines = Deadlines(0.05)
        deadlines.add("met", loop.time() + 0.02, lambda: expired.append("met"))
        deadlines.add("missed", loop.time() + 0.02, lambda: expired.append("missed"))
        deadlines.add("later", loop.time() + 0.05, over.set)
        deadlines.discard("met")
        deadlines.discard("never there")
        await asyncio.wait_for(over.wait(), 60)
        return expired

    assert asyncio.run(conversation()) == ["missed"]
