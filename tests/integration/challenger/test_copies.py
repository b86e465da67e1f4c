"""Copies for a challenger, over real connections: compared, bounded, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.contract import Field, Header, Origin
from mlsandbox_serving.service import challenger, shadow
from mlsandbox_serving.service.shadow_rows import Written
from support.contest import FAULTS, FLIPPED, ROWS, WAYS, pair, raw
from support.guarded import read_reply
from support.rival import Rival, reply
from support.served import Laid
from support.waiting import wait_for
from support.wired import Wired


def test_copies_are_compared_row_by_row(first: Laid, second: Wired, file: Path) -> None:
    """Every row must be counted as the same or another, the clients' answers be the champion's, and the events of copies say so."""
    second.served.spool.events.clear()
    with pair(first, file, second.port, percent=0, shadow=True) as both:
        answers = [both.ask(row) for row in ROWS[:50]] + [both.ask({"rows": ROWS[50:]}, chunked=True)]
        wait_for(lambda: both.requests.get("answered") == len(answers), what="the comparisons")
        assert both.rows == {"same": len(ROWS) - FLIPPED, "different": FLIPPED}
        assert both.requests == {"answered": len(answers)}
        own = [event[Field.REQUEST_ID] for event in both.champion.served.spool.events]
    copied = second.served.spool.events

    assert {answer.headers[Header.MODEL_VERSION] for answer in answers} == {"v1"}
    assert sorted(own) == sorted(event[Field.REQUEST_ID] for event in copied)
    assert {(event[Field.VERSION], event[Field.ORIGIN]) for event in copied} == {("v2", Origin.SHADOW)}


@pytest.mark.parametrize("way", WAYS)
def test_copies_in_every_format(first: Laid, second: Wired, file: Path, way: str) -> None:
    """Requests in every format must be copied and compared."""
    with pair(first, file, second.port, percent=0, shadow=True) as both:
        assert both.ask(**WAYS[way]).status == 200
        wait_for(lambda: both.requests, what="the comparison")
        assert both.requests == {"answered": 1}
        assert sum(both.rows.values()) == (1_000 if way == "large" else 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_shadow(first: Laid, file: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to a copy, answers must be the champion's, and it be counted without a row."""
    monkeypatch.setattr(challenger.Setting, "__init__", bounded(seconds=0.3))
    behave, result = FAULTS[fault]
    with Rival(behave) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"
        wait_for(lambda: both.requests, what="the end of the copy")
        assert both.requests == {result: 1}
        assert both.rows == {}


def bounded(**bounds: Any) -> Callable[..., None]:
    """The making of settings with these bounds of copies."""
    original: Any = challenger.Setting.__init__

    def made(self: challenger.Setting, *arguments: Any) -> None:
        original(self, *arguments, shadow.Bounds(**bounds))

    return made


def test_a_stalled_shadow_is_bounded(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While copies are not answered no more than may be must wait, the rest be dropped, and every client have its answer."""
    monkeypatch.setattr(challenger.Setting, "__init__", bounded(waiting=5, at_once=2, seconds=60.0, burst=1_000))
    with Rival(lambda _asked: None) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        answers = [both.ask(row) for row in ROWS]
        assert [answer.status for answer in answers] == [200] * len(ROWS)
        assert both.contest.shadow.waiting == 5
        wait_for(lambda: len(rival.asked) == 2, what="the copies that are sent")
        assert both.requests == {"dropped": len(ROWS) - 7}
        both.tell(None)
        assert both.requests["dropped"] == len(ROWS) - 2
        assert tasks(both.champion) == tasks_without(both.champion)


def tasks(server: Wired) -> int:
    """Tasks of the server's loop."""

    async def count() -> int:
        return len(asyncio.all_tasks()) - 1

    return asyncio.run_coroutine_threadsafe(count(), server.loop).result(60)


def tasks_without(server: Wired) -> int:
    """Those that a server has that never had a challenger: itself and its lifespan."""
    wait_for(lambda: tasks(server) <= 2, what="the end of the others")
    return tasks(server)


@pytest.mark.parametrize("bound", [{"waiting_bytes": 1_000}, {"copy_bytes": 100}, {"burst": 0}])
def test_every_bound_drops(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch, bound: dict[str, Any]) -> None:
    """Past each of its bounds a copy must be dropped and counted."""
    monkeypatch.setattr(challenger.Setting, "__init__", bounded(**bound))
    with Rival(lambda _asked: reply()) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        answer = both.ask({"rows": ROWS})
        assert len(answer.json["predictions"]) == len(ROWS)
        assert both.requests == {"dropped": 1}
        assert not rival.asked


def test_bounds_hold_when_many_come_together(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies that each had room when they were made must not be more than may wait once they are offered."""
    monkeypatch.setattr(challenger.Setting, "__init__", bounded(waiting=3, at_once=1, seconds=60.0))
    with Rival(lambda _asked: None) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        copies = both.contest.shadow
        copy = shadow.Copy(b"POST / HTTP/1.1\r\n\r\n", b"", Written("", b"", {}), lambda _reply: True)

        async def offer() -> None:
            for _ in range(10):
                copies.offer(copy)

        asyncio.run_coroutine_threadsafe(offer(), both.champion.loop).result(60)
        assert copies.waiting <= 3
        assert both.requests["dropped"] >= 6


def test_a_comparison_that_fails(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a comparison runs into, the copy must be counted as failed, and the next one be compared."""
    monkeypatch.setattr(shadow, "compared", fail)
    with Rival(lambda _asked: reply()) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        both.ask(ROWS[0])
        wait_for(lambda: both.requests, what="the end of the copy")
        monkeypatch.undo()
        both.ask(ROWS[0])
        wait_for(lambda: len(both.requests) == 2, what="the comparison")
        assert both.requests == {"failed": 1, "answered": 1}


def fail(*_arguments: Any) -> tuple[int, int]:
    raise OverflowError


def test_errors_are_not_copied(first: Laid, file: Path) -> None:
    """What the champion refuses must not be copied."""
    with Rival(lambda _asked: reply()) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        assert both.ask({"age": "old"}).status == 422
        assert both.ask(ROWS[0]).status == 200
        wait_for(lambda: both.requests, what="the copy")
        assert len(rival.asked) == 1


def test_a_copy_is_sent_after_the_answer(first: Laid, file: Path) -> None:
    """A copy must not leave before its client has the answer."""
    with Rival(lambda _asked: reply()) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        both.champion.watched.holding = True
        with both.champion.connect() as connection:
            connection.sendall(raw(ROWS[0]))
            wait_for(lambda: both.champion.watched.held, what="the answer")
            assert len(both.champion.served.spool.events) == 1
            both.champion.let_go()
            assert read_reply(connection).status == 200
        wait_for(lambda: rival.asked, what="the copy")
        assert rival.asked[0].headers[Header.ORIGIN] == Origin.SHADOW
        assert rival.asked[0].headers[Header.FORWARDED].startswith("shadow;")


def test_a_stop_with_copies_in_the_queue(first: Laid, file: Path) -> None:
    """A service must end although copies wait, and although its challenger never answers."""
    with Rival(lambda _asked: None) as rival:
        with pair(first, file, rival.port, percent=0, shadow=True) as both:
            for row in ROWS[:20]:
                both.ask(row)
            wait_for(lambda: rival.asked, what="a copy")
            assert both.contest.shadow.waiting
        assert both.contest is None  # its thread has ended
        assert not rival.release.is_set()
        wait_for(lambda: not both.champion.open, what="its end")
