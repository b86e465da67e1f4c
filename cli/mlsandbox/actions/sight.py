"""How a project's stack stands, read from what its engine observes and what the project remembers; needs no valid sandbox.toml."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.outcomes import ServiceState, VersionState
from mlsandbox.actions.pages import OF_SERVICES, links
from mlsandbox.engines.base import Engine, Observed, ObservedService
from mlsandbox.engines.remembered import remembered_engine, remembered_state
from mlsandbox.errors import NotRunning
from mlsandbox.stack.components.base import Role, suffixed, unversioned, versioned
from mlsandbox.stack.hosts import LOOPBACK, bracketed, reached_at
from mlsandbox.state import State as ProjectState
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Env, Port

_WORDS: Final = {State.READY: "healthy", State.UNREADY: "unhealthy", State.BACKOFF: "restarting", State.PENDING: "waiting"}
_DONE: Final = "done"
_BAD: Final = frozenset({State.UNREADY, State.BACKOFF, State.REFUSED, State.FAILED})


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a stack."""

    root: Path
    engine: Engine
    observed: Observed
    remembered: ProjectState

    @property
    def state(self) -> str:
        """One of healthy, starting, degraded, stopped."""
        states = {service.state for service in self.observed.services}
        if not self.observed.running or not states or states == {State.STOPPED}:
            return "stopped"
        if self.observed.is_ready:
            return "degraded" if self.stopped else "healthy"
        return "degraded" if states & _BAD else "starting"

    @property
    def stopped(self) -> tuple[str, ...]:
        """Fronts that nobody answers for, while the rest of the stack runs: their versions were stopped alone."""
        return tuple(name for name in self._fronts if self.answering(name) is None) if self.observed.running else ()

    @property
    def since(self) -> datetime | None:
        """When the last service came into the state it is in."""
        return max((moment(service.since) for service in self.observed.services if service.since), default=None)

    @property
    def served(self) -> Mapping[str, str]:
        """Versions by model that what runs was proven to serve; none when that is not known of it."""
        known = self.observed.running and self.remembered.proven == self.observed.stack_id
        return self.remembered.served if known else {}

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Addresses of the fronts that a version answers for, "api" first."""
        if not self.observed.running:
            return {}
        shown = bracketed(reached_at(self.remembered.host or LOOPBACK))
        return {name: f"http://{shown}:{port}" for name, port in self._fronts.items() if name not in self.stopped}

    @property
    def asks_for_keys(self) -> bool | None:
        """Whether the model services that are there ask for an API key; None: there is none, or nobody knows what it was started from."""
        recipes = [each.recipe for each in self.observed.services if unversioned(each.name) and each.recipe]
        return any(Env.API_KEYS_FILE in each for each in recipes) if self.observed.running and recipes else None

    @property
    def links(self) -> Mapping[str, str]:
        """Addresses of the pages that come with the stack: dashboards, Prometheus, Alertmanager."""
        ports = {**self.remembered.ports, **self.observed.ports}
        there = {service.name for service in self.observed.services if service.state is not State.STOPPED}
        return links({page: ports[page] for page in OF_SERVICES if page in there and page in ports}, LOOPBACK)

    @property
    def _fronts(self) -> Mapping[str, int]:
        """Where each model is asked, by the name of its front."""
        ports = {**self.remembered.ports, **self.observed.ports}
        return {name: ports[name] for name in sorted(ports) if name == Port.API or name.startswith(f"{Port.API}-")}

    @property
    def version(self) -> str | None:
        """The version that answers for the first model, or did last; None when none ever did."""
        champion = self.champions.get(Port.API)
        return champion if champion is not None else next(iter(self.remembered.served.values()), None)

    @property
    def champions(self) -> Mapping[str, str]:
        """For each front that is answered for the version that does it."""
        behind = {name: self.answering(name) for name in self._fronts}
        named = {name: unversioned(service.name) for name, service in behind.items() if service is not None}
        return {name: found[1] for name, found in named.items() if found is not None}

    @property
    def versions(self) -> tuple[VersionState, ...]:
        """Those that run, model by model, who answers first; of what was chosen to run beside them only what is there."""
        champions, models = self.champions, tuple(self.remembered.served)
        found: list[VersionState] = []
        for model in models:
            front = suffixed(Port.API, models, model)
            if front in champions:
                found.append(self._version(model, versioned(front, champions[front]), Role.CHAMPION, {}))
            found += (
                self._version(model, service, Role(facts["role"]), facts)
                for version, facts in self.remembered.beside.get(model, {}).items()
                if version != champions.get(front) and self.observed.service(service := versioned(front, version)) is not None
            )
        return tuple(found)

    def answering(self, front: str) -> ObservedService | None:
        """The service that answers for a front; None when that is not there."""
        seen = self.observed.front(front)
        return None if seen is None else self.observed.service(seen.service)

    def behind(self, name: str) -> tuple[str, ...]:
        """The services that a name stands for: its own, or, of a front, all versions of its model that are there; none when unknown."""
        return services_behind(name, [each.name for each in self.observed.services])

    def _version(self, model: str, service: str, role: Role, facts: Mapping[str, Any]) -> VersionState:
        seen, named = self.observed.service(service), unversioned(service)
        return VersionState(
            model=model,
            version=named[1] if named else "",
            role=role.value,
            service=service,
            state=_service(seen).state if seen else State.STOPPED.value,
            percent=facts.get("percent"),
            shadow=bool(facts.get("shadow", False)),
        )

    @property
    def services(self) -> tuple[ServiceState, ...]:
        return tuple(_service(each) for each in self.observed.services)


def look(root: Path, *, memory: bool = False) -> Sight:
    """Look at the stack of the project in a folder, by demand also at the memory that its services use; changes nothing."""
    remembered = remembered_state(root)
    engine = remembered_engine(root, remembered)
    return Sight(root, engine, engine.observe(memory=memory), remembered)


def services_behind(name: str, services: Collection[str]) -> tuple[str, ...]:
    """The services that a name stands for (pure): the one that is called so, or, of a front, all versions behind it; none when unknown."""
    if name in services and unversioned(name):
        return (name,)
    return tuple(each for each in services if each == name or ((found := unversioned(each)) is not None and found[0] == name))


def with_fronts(services: Sequence[str]) -> list[str]:
    """All names that stand for some of these services (pure), the fronts of versions first."""
    fronts = dict.fromkeys(found[0] for each in services if (found := unversioned(each)) is not None)
    return list(dict.fromkeys((*fronts, *services)))


def endpoint_of(sight: Sight, model: str | None = None) -> str:
    """The address of a model's service.

    Args:
        sight: of the stack.
        model: its name; None: the first model.

    Raises:
        NotRunning: it is not there.
    """
    endpoints = sight.endpoints
    first = next(iter(sight.remembered.served), None)
    name = Port.API.value if model in (None, first) else f"{Port.API}-{model}"
    if name not in endpoints:
        what = "the stack is not running" if not endpoints and not sight.stopped else f"no model {model or first!r} is running"
        why = f"Models that answer: {', '.join(sight.remembered.served)}." if endpoints else ""
        other = "   or ask one of those: sandbox predict --model NAME" if endpoints else ""
        raise NotRunning(what, why=why, fix=f"start it: sandbox up{other}")
    return endpoints[name]


def moment(text: str) -> datetime:
    """The time of an ISO 8601 text."""
    return datetime.fromisoformat(text)


def _service(each: ObservedService) -> ServiceState:
    return ServiceState(
        name=each.name,
        state=_DONE if each.has_ended_well else _WORDS.get(each.state, each.state.value),
        since=moment(each.since) if each.since else None,
        pid=each.pid,
        port=next(iter(each.ports.values()), None),
        restarts=each.restarts,
        memory_bytes=each.memory_bytes,
        reason=each.reason or None,
    )
