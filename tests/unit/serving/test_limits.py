"""How much is taken in at once, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from mlsandbox_serving.service.admission import Admission
from mlsandbox_serving.service.deadlines import Deadlines
from mlsandbox_serving.service.refusal import RequestRefused


def test_requests_past_the_limit_are_refused_until_one_leaves() -> None:
    """One request more than the limit must be refused with Retry-After, and let in when another has left."""
    admission = Admission(2, 100)
    held = admission.enter(10)
    admission.enter(10)
    with pytest.raises(RequestRefused) as refused:
        admission.enter(10)
    assert (refused.value.failure.status, refused.value.failure.code) == (503, "OVERLOADED")
    assert refused.value.headers == {"retry-after": "1"}
    admission.leave(held)
    admission.enter(10)


@pytest.mark.parametrize("announced", [100, 10**17, None])
def test_bodies_are_bounded_together(announced: int | None) -> None:
    """Bodies that are large, or of unknown size, must be refused before they are read once sixteen of the largest size are held."""
    admission = Admission(1000, 100)
    held = [admission.enter(announced) for _ in range(16)]
    with pytest.raises(RequestRefused):
        admission.enter(1)
    admission.leave(held[0])
    admission.enter(1)


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
