"""Messages with descriptors over a real socket: each descriptor arrives with its own message, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from mlsandbox_serving.contract import Handover
from mlsandbox_serving.handover import Channel
from support.waiting import HANG_SECONDS

CONNECTION = {Handover.DO: Handover.CONNECTION}
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


class End:
    """One end, and what it hears."""

    def __init__(self, connection: socket.socket) -> None:
        self.heard: list[tuple[Any, int | None]] = []
        self.lost = False
        self.channel = Channel(connection, lambda message, descriptor: self.heard.append((message, descriptor)), self._lose)

    def _lose(self) -> None:
        self.lost = True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():  # noqa: ASYNC110 - the other end is no task of ours
            await asyncio.sleep(0.001)


def run(loop: Callable[[], asyncio.AbstractEventLoop], talk: Callable[[End, End], Awaitable[None]]) -> None:
    async def conversation() -> None:
        ends = [End(connection) for connection in socket.socketpair()]
        try:
            await talk(*ends)
        finally:
            for end in ends:
                end.channel.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(conversation())


@LOOPS
def test_each_descriptor_comes_with_its_message(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """However messages with and without descriptors are mixed, each must come with its own, and none be inherited by children."""
    pipes = [os.pipe() for _ in range(100)]

    async def talk(here: End, there: End) -> None:
        for number, (read, _) in enumerate(pipes):
            here.channel.send({Handover.DO: Handover.SERVING, "number": number})
            await until(lambda read=read, number=number: here.channel.send({**CONNECTION, "number": number}, read))  # type: ignore[misc] # mypy infers no lambda with defaults
        await until(lambda: len(there.heard) == 2 * len(pipes))

        assert [message["number"] for message, _ in there.heard] == [number for number in range(len(pipes)) for _ in range(2)]
        for message, descriptor in there.heard:
            assert (descriptor is not None) == (message[Handover.DO] == Handover.CONNECTION)
            if descriptor is not None:
                assert os.fstat(descriptor) == os.fstat(pipes[message["number"]][0])
                assert not os.get_inheritable(descriptor)
                os.close(descriptor)

    run(loop, talk)
    for descriptor in (each for pipe in pipes for each in pipe):
        os.close(descriptor)


@LOOPS
def test_what_finds_no_room_is_told(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """When nobody reads, descriptors must not be taken, so that they can be sent again; all that were taken must arrive."""
    with socket.socket() as some:

        async def talk(here: End, there: End) -> None:
            taken = 0
            while here.channel.send(CONNECTION, some.fileno()):
                taken += 1
            assert taken
            await until(lambda: len(there.heard) == taken)
            assert here.channel.send(CONNECTION, some.fileno())
            await until(lambda: len(there.heard) == taken + 1)
            for _, descriptor in there.heard:
                assert descriptor is not None
                os.close(descriptor)

        run(loop, talk)


@pytest.mark.parametrize(
    "nonsense", [b"{}\n", b"\xff\n", b"[]\n", b"x" * (Handover.LONGEST + 1)], ids=["empty", "no text", "a list", "long"]
)
def test_other_words_end_it(nonsense: bytes) -> None:
    """Who speaks otherwise must not be heard any more."""

    async def talk(here: End, there: End) -> None:
        del here
        there.channel.close()
        ours, theirs = socket.socketpair()
        with ours:
            end = End(theirs)
            ours.sendall(nonsense)
            await until(lambda: end.lost)
            assert not end.heard
            assert not end.channel.send(CONNECTION, 0)

    run(asyncio.new_event_loop, talk)


def test_descriptors_that_nobody_takes_are_closed() -> None:
    """What came with a message that has none must be closed with the channel, or it stays open for good."""

    async def talk(here: End, there: End) -> None:
        here.channel.close()
        there.channel.close()
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        with ours:
            end = End(theirs)
            socket.send_fds(ours, [b'{"do":"yield"}\n'], [write])
            os.close(write)
            await until(lambda: bool(end.heard))
            assert end.heard == [({Handover.DO: Handover.YIELD}, None)]
            end.channel.close()
        assert os.read(read, 1) == b""
        os.close(read)

    run(asyncio.new_event_loop, talk)
