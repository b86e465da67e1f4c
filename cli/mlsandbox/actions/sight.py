"""How a project's stack stands, read from what its engine observes and what the project remembers; needs no valid sandbox.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from mlsandbox.actions.outcomes import ServiceState
from mlsandbox.actions.pages import OF_SERVICES, links
from mlsandbox.engines.base import Engine, Observed, ObservedService
from mlsandbox.engines.remembered import remembered_engine, remembered_state
from mlsandbox.errors import NotRunning
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
        """Model services that were stopped alone, while the rest of the stack runs."""
        there = {service.name for service in self.observed.services}
        return tuple(name for name in self._model_ports if name not in there) if self.observed.running else ()

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
        """Addresses of the model services that are running, "api" first."""
        if not self.observed.running:
            return {}
        shown = bracketed(reached_at(self.remembered.host or LOOPBACK))
        return {name: f"http://{shown}:{port}" for name, port in self._model_ports.items() if name not in self.stopped}

    @property
    def asks_for_keys(self) -> bool | None:
        """Whether the model services that are there ask for an API key; None: there is none, or nobody knows what it was started from."""
        recipes = [each.recipe for each in self.observed.services if each.name in self._model_ports and each.recipe]
        return any(Env.API_KEYS_FILE in each for each in recipes) if self.observed.running and recipes else None

    @property
    def links(self) -> Mapping[str, str]:
        """Addresses of the pages that come with the stack: dashboards, Prometheus, Alertmanager."""
        ports = {**self.remembered.ports, **self.observed.ports}
        there = {service.name for service in self.observed.services if service.state is not State.STOPPED}
        return links({page: ports[page] for page in OF_SERVICES if page in there and page in ports}, LOOPBACK)

    @property
    def _model_ports(self) -> Mapping[str, int]:
        """By name, which is the service's too."""
        ports = {**self.remembered.ports, **self.observed.ports}
        return {name: ports[name] for name in sorted(ports) if name == Port.API or name.startswith(f"{Port.API}-")}

    @property
    def version(self) -> str | None:
        """The version that the first model serves; None when it never did."""
        return next(iter(self.remembered.served.values()), None)

    @property
    def services(self) -> tuple[ServiceState, ...]:
        return tuple(_service(each) for each in self.observed.services)


def look(root: Path) -> Sight:
    """Look at the stack of the project in a folder; changes nothing."""
    remembered = remembered_state(root)
    engine = remembered_engine(root, remembered)
    return Sight(root, engine, engine.observe(), remembered)


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
