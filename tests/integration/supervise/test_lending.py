"""What the supervisor says to workers and does with sockets and connections, asked of it in this process; the workers only speak."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from mlsandbox.supervise.fronts import Fronts
from mlsandbox.supervise.listening import Meeting
from mlsandbox.supervise.spec import FrontSpec
from mlsandbox_serving.contract import Handover
from mlsandbox_serving.handover import Channel
from support.toys import FRONT, free_ports
from support.waiting import HANG_SECONDS

ANSWERS = {Handover.SERVE: Handover.SERVING, Handover.HOLD: Handover.HELD, Handover.YIELD: Handover.YIELDED}
MANY = 300
"""Connections; more than the supervisor should hold at a time."""


class Holder:
    """The supervisor's part, and what it wrote down."""

    def __init__(self, folder: Path) -> None:
        self.notes: list[str] = []
        self.meeting = Meeting(folder / "fronts.sock")
        self.fronts = Fronts(self.notes.append, lambda: None)
        self.fronts.listen(self.meeting.socket)

    async def follow(self, *fronts: FrontSpec) -> str:
        """All of their services run."""
        return await self.fronts.follow(fronts, (), {front.service for front in fronts})


class Worker:
    """Says what it has to, and keeps what it is given; one that is `silent` only hears."""

    def __init__(self, holder: Holder, service: str, *, front: str = FRONT, silent: bool = False) -> None:
        self.words: list[str] = []
        self.listening: socket.socket | None = None
        self.connections: list[int] = []
        self._silent = silent
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(holder.meeting.path))
        self.channel = Channel(connection, lambda message, descriptor: self._heard(message[Handover.DO], descriptor), lambda: None)
        self.channel.send({Handover.DO: Handover.HELLO, "front": front, "service": service, "pid": 0})

    def _heard(self, word: str, descriptor: int | None) -> None:
        self.words.append(word)
        if word == Handover.CONNECTION and descriptor is not None:
            self.connections.append(descriptor)
            return
        if self.listening is not None:
            self.listening.close()
        self.listening = None if descriptor is None else socket.socket(fileno=descriptor)
        if not self._silent and word in ANSWERS:
            self.channel.send({Handover.DO: ANSWERS[word]})

    def leave(self) -> None:
        self.channel.close()
        if self.listening is not None:
            self.listening.close()
        for descriptor in self.connections:
            os.close(descriptor)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def is_same(one: int, other: int) -> bool:
    return os.path.sameopenfile(one, other)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():  # noqa: ASYNC110 - the other end is no task of ours
            await asyncio.sleep(0.001)


def run(folder: Path, talk: Callable[[Holder, Callable[..., Worker]], Awaitable[None]]) -> list[str]:
    """Have a conversation; what the holder wrote down."""

    async def conversation() -> list[str]:
        holder = Holder(folder)
        workers: list[Worker] = []

        def worker(service: str, *, front: str = FRONT, silent: bool = False) -> Worker:
            workers.append(Worker(holder, service, front=front, silent=silent))
            return workers[-1]

        try:
            await talk(holder, worker)
        finally:
            for each in workers:
                each.leave()
            holder.fronts.close()
            holder.meeting.remove()
        return holder.notes

    return asyncio.run(conversation())


def is_asked_at(worker: Worker, host: str, port: int) -> bool:
    """Whether who connects there comes to this worker's socket."""
    assert worker.listening is not None
    with socket.create_connection((host, port), HANG_SECONDS) as client:
        accepted, address = worker.listening.accept()
        accepted.close()
        return bool(address[1] == client.getsockname()[1])


def test_another_address_at_the_same_port(tmp_path: Path) -> None:
    """A front may come to listen at all addresses, or at loopback again, at the port that it has itself."""
    (port,) = free_ports(1)

    async def talk(holder: Holder, worker: Callable[..., Worker]) -> None:
        assert await holder.follow(FrontSpec(FRONT, "127.0.0.1", port, "v1")) == ""
        serving = worker("v1")
        await until(lambda: serving.words == ["serve"])
        for host in ("0.0.0.0", "127.0.0.1"):  # noqa: S104 - where a front may be
            serving.words.clear()
            assert await holder.follow(FrontSpec(FRONT, host, port, "v1")) == ""
            await until(lambda: serving.words == ["hold", "serve"])
            assert serving.listening is not None
            assert serving.listening.getsockname() == (host, port)
            assert is_asked_at(serving, "127.0.0.1", port)

    run(tmp_path, talk)


def test_two_fronts_that_swap_their_ports(tmp_path: Path) -> None:
    """Fronts may have each other's ports from one list to the next."""
    one, other = free_ports(2)

    async def talk(holder: Holder, worker: Callable[..., Worker]) -> None:
        assert await holder.follow(FrontSpec("a", "127.0.0.1", one, "a-v1"), FrontSpec("b", "127.0.0.1", other, "b-v1")) == ""
        first, second = worker("a-v1", front="a"), worker("b-v1", front="b")
        await until(lambda: first.words == second.words == ["serve"])

        assert await holder.follow(FrontSpec("a", "127.0.0.1", other, "a-v1"), FrontSpec("b", "127.0.0.1", one, "b-v1")) == ""

        await until(lambda: first.words == second.words == ["serve", "hold", "serve"])
        assert is_asked_at(first, "127.0.0.1", other)
        assert is_asked_at(second, "127.0.0.1", one)

    run(tmp_path, talk)


def test_another_address_that_cannot_be_had(tmp_path: Path) -> None:
    """When one of the addresses is somebody else's all fronts must be answered where they were."""
    one, other = free_ports(2)

    async def talk(holder: Holder, worker: Callable[..., Worker]) -> None:
        assert await holder.follow(FrontSpec("a", "127.0.0.1", one, "a-v1"), FrontSpec("b", "127.0.0.1", other, "b-v1")) == ""
        first = worker("a-v1", front="a")
        await until(lambda: first.words == ["serve"])
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            taken = stranger.getsockname()[1]

            why = await holder.follow(FrontSpec("a", "127.0.0.1", other, "a-v1"), FrontSpec("b", "127.0.0.1", taken, "b-v1"))

        assert why == f"port {taken} (b) is taken by another process"
        await until(lambda: first.words == ["serve", "hold", "serve"])
        assert is_asked_at(first, "127.0.0.1", one)
        assert [front.port for front in holder.fronts.statuses] == [one, other]

    run(tmp_path, talk)


def test_a_socket_that_could_not_be_had_at_first(tmp_path: Path) -> None:
    """A worker that came when its front's port was taken must be lent the socket once it can be had."""

    async def talk(holder: Holder, worker: Callable[..., Worker]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            spec = FrontSpec(FRONT, "127.0.0.1", stranger.getsockname()[1], "v1")
            assert "taken" in await holder.follow(spec)
            early = worker("v1")
            await until(lambda: holder.fronts.has_workers("v1"))
            assert early.words == []

        assert await holder.follow(spec) == ""

        await until(lambda: early.words == ["serve"])

    run(tmp_path, talk)


def test_nothing_is_lent_before_all_hear(tmp_path: Path) -> None:
    """When one worker does not hear, none of that version may be lent the socket: who has it may answer."""
    (port,) = free_ports(1)

    async def talk(holder: Holder, worker: Callable[..., Worker]) -> None:
        await holder.follow(FrontSpec(FRONT, "127.0.0.1", port, "v1"))
        hearing, deaf = worker("v2"), worker("v2", silent=True)
        await until(lambda: hearing.words == deaf.words == ["yield"])

        assert not await holder.fronts.move(FRONT, "v2", grace=HANG_SECONDS)

        assert "serve" not in [*hearing.words, *deaf.words]
        assert holder.fronts.answering(FRONT) == "v1"

    run(tmp_path, talk)


def test_connections_that_wait(tmp_path: Path) -> None:
    """However many are handed on, only some may take descriptors here while they wait; none may be lost."""
    (port,) = free_ports(1)
    read, write = os.pipe()

    async def talk(holder: Holder, worker: Callable[..., Worker]) -> None:
        await holder.follow(FrontSpec(FRONT, "127.0.0.1", port, "v2"))
        former = worker("v1")
        await until(lambda: former.words == ["yield"])
        before = open_files()
        sending = asyncio.get_running_loop().create_task(send(former, read))
        await until(lambda: open_files() - before >= 100)
        for _ in range(20):
            await asyncio.sleep(0)
            assert open_files() - before <= 101

        taking = worker("v2")

        await until(lambda: len(taking.connections) == MANY)
        await sending
        assert all(is_same(each, read) for each in taking.connections)

    async def send(former: Worker, descriptor: int) -> None:
        for _ in range(MANY):
            await until(lambda: former.channel.send({Handover.DO: Handover.CONNECTION}, descriptor))

    try:
        run(tmp_path, talk)
    finally:
        os.close(read)
        os.close(write)


def test_a_connection_that_did_not_come(tmp_path: Path) -> None:
    """A connection that was lost on its way, since no more files can be opened, must be written down."""
    (port,) = free_ports(1)

    async def talk(holder: Holder, worker: Callable[..., Worker]) -> None:
        await holder.follow(FrontSpec(FRONT, "127.0.0.1", port, "v2"))
        worker("v1").channel.send({Handover.DO: Handover.CONNECTION})
        await until(lambda: any("was lost" in note for note in holder.notes))

    assert f"front {FRONT}: a connection of v1 was lost: no more files can be opened here" in run(tmp_path, talk)
