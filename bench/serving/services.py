"""What the bench needs to know of anything that serves a model, ours or a peer."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol

from processes import GIVE_UP, Launch, Placement, free_port, process
from workloads import Batch, Workload
from wrk import Request

JSON = "application/json"
BINARY = "binary"


class ServiceFailed(Exception):
    """It does not start, or does not answer what the model says."""


@dataclass(frozen=True)
class Running:
    """A service that answers.

    Args:
        port: of 127.0.0.1.
        pids: processes whose trees are the service.
        start: seconds from the command to the first answer.
        settle: waits until nothing of earlier requests is left to do; says what is left when that takes too long.
    """

    port: int
    pids: Sequence[int]
    start: float
    settle: Callable[[], str | None]


class Service(Protocol):
    """Something that serves models."""

    @property
    def name(self) -> str:
        """For arguments."""

    @property
    def title(self) -> str:
        """For tables."""

    @property
    def encodings(self) -> Sequence[str]:
        """What it takes: "json", and "binary" where it has that."""

    def prepare(self, workload: Workload) -> None:
        """Build what is missing; not timed."""

    def running(self, workload: Workload, placement: Placement) -> AbstractContextManager[Running]:
        """The service with this model, until the block ends."""

    def request(self, workload: Workload, batches: Sequence[Batch], encoding: str) -> Request:
        """What it is asked with for these rows."""

    def labels(self, answer: Any) -> list[Any]:
        """Labels in a decoded JSON answer."""


@contextlib.contextmanager
def started(launch: Callable[[int], Launch], request: Request, placement: Placement) -> Iterator[Running]:
    """Start a service at a free port; it runs until the block ends.

    Args:
        launch: how it is started at a port.
        request: asked every few milliseconds until it is answered.
        placement: of its processes.

    Raises:
        ServiceFailed: it ended or did not answer in time; with its output.
    """
    port = free_port()
    began = time.monotonic()
    how = launch(port)
    with process(how, placement) as (command, output):
        try:
            seconds = until_answered(began, port, request, lambda: command.poll() is None)
        except TimeoutError as error:
            raise ServiceFailed(f"{' '.join(how.argv)}: {error}\n{_written(output)}") from error
        yield Running(port, [command.pid], seconds, lambda: None)


def until_answered(began: float, port: int, request: Request, alive: Callable[[], bool]) -> float:
    """Ask every five milliseconds until there is an answer; seconds since `began`."""
    last = "nothing listened"
    while time.monotonic() - began < GIVE_UP:
        if not alive():
            raise TimeoutError("it ended before its first answer")
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, body = ask(port, request, request.bodies[0])
            if status == http.HTTPStatus.OK:
                return time.monotonic() - began
            last = f"the last answer was {status}: {body[:500]!r}"
        time.sleep(0.005)
    raise TimeoutError(f"no answer within {GIVE_UP:.0f} s: {last}")


def check(service: Service, port: int, workload: Workload, rows: int, encoding: str) -> None:
    """Raises ServiceFailed unless every different request is answered with the model's own labels."""
    batches = workload.batches(rows)
    request = service.request(workload, batches, encoding)
    for batch, body in zip(batches, request.bodies, strict=True):
        status, answer = ask(port, request, body)
        if status != http.HTTPStatus.OK:
            raise ServiceFailed(f"{service.title} answers {status} to {rows} rows of {workload.title}, {encoding}: {answer[:1000]!r}")
        labels = service.labels(json.loads(answer))
        if labels != batch.labels:
            wrong = sum(one != other for one, other in zip(labels, batch.labels, strict=False))
            raise ServiceFailed(
                f"{service.title} answers {len(labels)} labels to {rows} rows of {workload.title}, {encoding}; {wrong} differ"
            )


def ask(port: int, request: Request, body: bytes) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body; the answer is asked for as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP)
    try:
        connection.request("POST", request.path, body, {"content-type": request.content_type, "accept": JSON})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _written(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")[-4000:]
