"""The docker engine on a project of toys."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.base import Change, Desired, Outcome
from mlsandbox.engines.docker import DockerEngine
from mlsandbox.stack.spec import ServiceSpec
from support.toys import desired, free_ports
from support.waiting import HANG_SECONDS


class ToyStack:
    """See the module."""

    def __init__(self, root: Path, image: ImageRef, project: str = "") -> None:
        self.root = root
        self.image = image
        self.project = project or f"toys-{sha256(str(root).encode()).hexdigest()[:8]}"
        self.engine = DockerEngine(root)
        self.ports = free_ports(3)
        self.changes: list[Change] = []

    def desired(self, *services: ServiceSpec) -> Desired:
        return desired(*services, project=self.project, image=self.image)

    def up(self, *services: ServiceSpec, timeout: float = HANG_SECONDS) -> Outcome:
        plan = self.engine.plan(self.desired(*services), self.engine.observe())
        return self.engine.apply(plan, self.changes.append, timeout=timeout)

    def down(self) -> Outcome:
        return self.engine.apply(self.engine.plan_stop(None, self.engine.observe()), self.changes.append, timeout=HANG_SECONDS)

    def container(self, service: str) -> str:
        """Its name."""
        return f"{self.project}-{service}-1"
