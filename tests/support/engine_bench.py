"""One engine at work on toys, for the tests that every engine must pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Action, Change, Desired, Engine, ObservedService, Outcome, Plan, Prove, unproven
from mlsandbox.stack.parts import GATEWAY
from mlsandbox.stack.spec import Environment, ProgramEnvironment, ServiceSpec
from mlsandbox.supervise.transition import State
from support.fake_engine import FakeEngine
from support.leaks import assert_nothing_left
from support.toys import FRONT, desired, free_ports, front, gateway
from support.waiting import HANG_SECONDS

ALL: dict[str, Callable[[Path], Engine]] = {**ENGINES, FakeEngine.name: FakeEngine}
GATEWAY_ENVIRONMENT = ProgramEnvironment("haproxy")


class Bench:
    """One engine on one project, in a folder whose name is as awkward as a user's may be."""

    def __init__(self, name: str, root: Path, image: ImageRef | None = None, gateway_image: ImageRef | None = None) -> None:
        self.root = root
        self.engine = ALL[name](root)
        self.ports = free_ports(4)
        self.changes: list[Change] = []
        self.image = image
        self.images: dict[Environment, ImageRef] = {} if gateway_image is None else {GATEWAY_ENVIRONMENT: gateway_image}
        self.front_port = self.ports[3]
        self.project = f"toys-{sha256(str(root).encode()).hexdigest()[:8]}"
        self.packages: dict[str, Path] = {}
        self.soon = 1.0 if image is None else 3.0
        """Seconds in which a toy is started."""

    def desired(self, *services: ServiceSpec, answers: str = "") -> Desired:
        """With `answers` these toys have a front, which is that service's."""
        fronts = [front(self.front_port, answers)] if answers else []
        gateways = [gateway(fronts, self.project)] if answers and self.image is not None else []
        wanted = desired(*services, *gateways, project=self.project, image=self.image, fronts=fronts)
        return replace(wanted, packages=self.packages, images={**wanted.images, **self.images})

    def plan(self, *services: ServiceSpec, answers: str = "") -> Plan:
        return self.engine.plan(self.desired(*services, answers=answers), self.engine.observe())

    def up(self, *services: ServiceSpec, answers: str = "", timeout: float = HANG_SECONDS, prove: Prove = unproven) -> Outcome:
        return self.engine.apply(self.plan(*services, answers=answers), self.changes.append, timeout=timeout, prove=prove)

    def down(self, *services: str) -> Outcome:
        plan = self.engine.plan_stop(services or None, self.engine.observe())
        return self.engine.apply(plan, self.changes.append, timeout=HANG_SECONDS)

    def service(self, name: str) -> ObservedService:
        found = self.engine.observe().service(name)
        assert found is not None
        return found

    def states(self) -> dict[str, State]:
        """Of the toys."""
        return {service.name: service.state for service in self.engine.observe().services if service.name != GATEWAY}

    def pids(self) -> dict[str, int | None]:
        """Of all that runs."""
        return {service.name: service.pid for service in self.engine.observe().services}

    def actions(self, *services: ServiceSpec, answers: str = "") -> dict[str, Action]:
        """What a plan does to the toys."""
        return {step.service: step.action for step in self.plan(*services, answers=answers).steps if step.service != GATEWAY}

    def texts(self, *services: str) -> list[str]:
        """What they ever wrote."""
        return [line.text for line in self.engine.logs(services, lines=1_000, follow=False)]

    def answering(self) -> str:
        """The service that answers at the front; empty when nobody does."""
        observed = self.engine.observe()
        seen = observed.front(FRONT)
        told = seen.service if seen is not None and observed.service(seen.service) is not None else ""
        if self.engine.name != FakeEngine.name:
            assert self._answer() == told, "what is told of a front must be what is so"
        return told

    def _answer(self) -> str:
        with closing(HTTPConnection("127.0.0.1", self.front_port, timeout=HANG_SECONDS)) as connection:
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                return str(json.loads(answer.read())["service"]) if answer.status == HTTPStatus.OK else ""
            except ConnectionError:
                return ""

    def assert_nothing_left(self) -> None:
        assert_nothing_left(self.root, self.ports, docker=self.image is not None)


def params(names: Collection[str]) -> list[ParameterSet]:
    """Parameters of `bench`."""
    return [pytest.param(name, marks=[pytest.mark.docker] if name == "docker" else []) for name in names]


real = pytest.mark.parametrize("bench", params(ENGINES), indirect=True)
"""Of what happens to running services: not for the engine in memory."""
