"""A disk without room for a new file: what runs must not depend on one."""

from __future__ import annotations

import errno
import os

import pytest

from mlsandbox.engines import process_switch
from mlsandbox.engines.base import Move
from mlsandbox.supervise.transition import State
from support.engine_bench import Bench
from support.toys import FRONT, toy
from support.waiting import wait_for


class NotGood(Exception):
    """What a proof finds."""


def test_a_version_that_is_not_proven_goes_also_without_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the list of before finds no room as a new file the new version must go all the same, and the former go on."""
    first, second = (toy(f"{FRONT}-v{number}", bench.ports[number], front=FRONT) for number in (1, 2))
    bench.up(first, answers="api-v1")
    before = bench.service("api-v1").pid

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def prove(_move: Move) -> None:
        monkeypatch.setattr(process_switch, "write_tree", full)
        raise NotGood

    with pytest.raises(NotGood):
        bench.up(second, answers="api-v2", prove=prove)

    wait_for(lambda: bench.states() == {"api-v1": State.READY}, what="v2 is gone")
    assert bench.service("api-v1").pid == before
    assert bench.answering() == "api-v1"
    assert not bench.plan(first, answers="api-v1").changes
