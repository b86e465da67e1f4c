"""What `docker inspect` says of a container, as the state of a service (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from mlsandbox.engines.base import Observed, ObservedFront, ObservedService
from mlsandbox.render.compose import Label
from mlsandbox.stack.components import gateway
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Env

PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
FOLDER: Final = "com.docker.compose.project.working_dir"
ONE_OFF: Final = "com.docker.compose.oneoff"

_CUT_BYTES: Final = 3_900
"""An answer that is this long and no JSON was cut: the engine keeps 4096 bytes of what a health check writes."""
_ASKING: Final = "mlsandbox_serving.healthcheck"
_SIGNALS: Final = range(129, 193)
"""Exit codes by which a container tells that a signal ended it."""
_ASKED: Final = frozenset({0, 143})
"""Exit codes of a container that would have been started again, had nobody stopped it."""
_SHOWN: Final = 200
_PORT_TAKEN: Final = re.compile(r":(\d+)(?: failed: port is already allocated|: bind: address already in use)")
_UP: Final = frozenset({State.BACKOFF, State.PENDING, State.FAILED})
"""States without a process in which a stack is not simply stopped."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written down about a container when it was made."""

    digest: str
    recipe: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a stack, with the service that it is."""

    id: str
    name: str
    """The engine's name of it, for commands that a user types."""
    project: str
    """Compose's name of the stack."""
    created: str
    started: str
    """UTC time of its last start."""
    stop_seconds: float
    """How long it may take to end by itself."""
    stack_id: str | None
    once: bool
    """It runs to its end and stays down."""
    memory_exceeded: bool
    cut_answer: tuple[str, ...]
    """Port and path to ask again, as the engine keeps no more than the beginning of an answer; empty when it is all there."""
    service: ObservedService

    @property
    def running(self) -> bool:
        """There is a process."""
        return self.service.pid is not None


def container_of(details: Mapping[str, Any], recorded: Mapping[str, Recorded]) -> Container:
    """The container that `docker inspect` describes.

    Args:
        details: its answer.
        recorded: what was written down when the stack was made, by service.
    """
    state, config = details["State"], details["Config"]
    labels: Mapping[str, str] = config.get("Labels") or {}
    environment = dict(each.partition("=")[::2] for each in config.get("Env") or ())
    once = (details["HostConfig"].get("RestartPolicy") or {}).get("Name") in {"no", ""}
    output = _last_answer(state)
    service = _service(details, recorded.get(labels.get(SERVICE, "")), output, once=once)
    return Container(
        id=details["Id"],
        name=details["Name"].lstrip("/"),
        project=labels.get(PROJECT, ""),
        created=details["Created"],
        started=state.get("StartedAt", ""),
        stop_seconds=float(config.get("StopTimeout") or 10),
        stack_id=environment.get(Env.STACK_ID),
        once=once,
        memory_exceeded=bool(state.get("OOMKilled")),
        cut_answer=_asked(config) if service.probe is None and len(output.encode()) >= _CUT_BYTES else (),
        service=service,
    )


def current(containers: Iterable[Container]) -> tuple[Container, ...]:
    """One for each service: while a container is being replaced there are two, and the newer one counts."""
    newest: dict[str, Container] = {}
    for each in sorted(containers, key=lambda container: moment(container.created)):
        newest[each.service.name] = each
    return tuple(newest[name] for name in sorted(newest))


def observed_of(containers: Sequence[Container], order: Sequence[str] = (), fronts: Sequence[ObservedFront] = ()) -> Observed:
    """The stack.

    Args:
        containers: of one stack, one for each service.
        order: names of services, in which they are told; others come behind, by name.
        fronts: who answers, as it was written down; true as long as the gateway runs.
    """
    place = {name: number for number, name in enumerate(order)}
    ranked = sorted(containers, key=lambda each: (place.get(each.service.name, len(place)), each.service.name))
    return Observed(
        running=any(each.running or each.service.state in _UP for each in ranked),
        stack_id=next((each.stack_id for each in ranked if each.stack_id), None),
        started=min((utc(each.started) for each in ranked if each.running), default=""),
        services=tuple(each.service for each in ranked),
        fronts=tuple(fronts) if any(each.running for each in ranked if each.service.name == gateway.NAME) else (),
    )


def with_body(container: Container, answer: str) -> Container:
    """The container, once its health check was asked again because its answer had been cut."""
    body = _json(answer)
    if body is None:
        return container
    final = body.get("final") is True and container.service.state is not State.READY
    state = State.REFUSED if final else container.service.state
    return replace(container, service=replace(container.service, state=state, probe=body, reason=_reason(body)), cut_answer=())


def exit_code(code: int) -> int:
    """As everywhere here: negative for a signal."""
    return 128 - code if code in _SIGNALS else code


def ended(code: int, *, memory_exceeded: bool = False) -> str:
    """How something ended, given its exit code (negative for a signal)."""
    if memory_exceeded:
        return "it used more memory than it may, and was ended"
    return f"ended with exit code {code}" if code >= 0 else f"ended by signal {-code}"


def plain(error: str) -> str:
    """What the engine says of a port that is taken, in the words that everything else here uses; other errors as they are."""
    found = _PORT_TAKEN.search(error)
    return f"port {found[1]} on this machine is taken by another process" if found else error


def moment(text: str) -> datetime:
    """The time of a text of the engine's."""
    return datetime.fromisoformat(text)


def utc(text: str) -> str:
    """Such a time as everywhere here: UTC, ISO 8601, milliseconds."""
    return moment(text).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _service(details: Mapping[str, Any], known: Recorded | None, output: str, *, once: bool) -> ObservedService:
    """The service that a container is, given what was written down of it and what its last health check wrote."""
    state, labels = details["State"], details["Config"].get("Labels") or {}
    name, digest = labels.get(SERVICE, ""), labels.get(Label.DIGEST, "")
    body = _json(output)
    what, reason = _judge(state, output, body, once=once)
    same = known if known is not None and known.digest == digest else None
    running = bool(state.get("Pid"))
    return ObservedService(
        name=name,
        state=what,
        digest=digest,
        recipe={} if same is None else same.recipe,
        pid=state["Pid"] if running else None,
        since=_since(state),
        restarts=details.get("RestartCount", 0),
        exit_code=None if running or state["Status"] == "created" else exit_code(state["ExitCode"]),
        reason=reason,
        probe=body,
        ports=_published(details, name) if same is None else same.ports,
    )


def _judge(state: Mapping[str, Any], output: str, body: Mapping[str, Any] | None, *, once: bool) -> tuple[State, str]:
    status, code, error = state["Status"], exit_code(state.get("ExitCode", 0)), plain(state.get("Error") or "")
    how = error or ended(code, memory_exceeded=bool(state.get("OOMKilled")))
    if status == "running":
        return _running(state, output, body, once=once)
    if status == "exited" and once and not error:
        return (State.FAILED, how) if code else (State.READY, "")
    if status == "exited" and state["ExitCode"] in _ASKED and not error:
        return State.STOPPED, "it was stopped"
    if status == "created" and error:
        return State.FAILED, error
    return {
        "paused": (State.UNREADY, "it is paused"),
        "restarting": (State.BACKOFF, f"{how}; it is started again"),
        "created": (State.PENDING, "waits for what it needs"),
        "removing": (State.STOPPING, ""),
    }.get(status, (State.FAILED, how))


def _running(state: Mapping[str, Any], output: str, body: Mapping[str, Any] | None, *, once: bool) -> tuple[State, str]:
    reason = _reason(body) or output.strip()[:_SHOWN]
    match (state.get("Health") or {}).get("Status", "none"):
        case "healthy":
            return State.READY, ""
        case "none" | "":
            return (State.STARTING, "at work") if once else (State.READY, "")
        case _ if body is not None and body.get("final") is True:
            return State.REFUSED, reason
        case "starting":
            return State.STARTING, reason
    return State.UNREADY, reason or "its health check fails"


def _last_answer(state: Mapping[str, Any]) -> str:
    """What the last health check of this start wrote."""
    entries = (state.get("Health") or {}).get("Log") or []
    if not entries or not state.get("Pid") or moment(entries[-1]["Start"]) < moment(state["StartedAt"]):
        return ""
    return str(entries[-1].get("Output") or "")


def _json(output: str) -> Mapping[str, Any] | None:
    try:
        body = json.loads(output)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _reason(body: Mapping[str, Any] | None) -> str:
    return str((body or {}).get("reason") or "")


def _since(state: Mapping[str, Any]) -> str:
    ended_last = state["Status"] in {"exited", "dead", "restarting"}
    text = state.get("FinishedAt" if ended_last else "StartedAt", "")
    return "" if not text or text.startswith("0001-") else utc(text)


def _published(details: Mapping[str, Any], name: str) -> dict[str, int]:
    """Where nothing was written down: the first port that is published, under the service's own name."""
    bindings = (details["HostConfig"].get("PortBindings") or {}).values()
    numbers = [int(each["HostPort"]) for each in (binding for some in bindings for binding in some or ()) if each.get("HostPort")]
    return {name: numbers[0]} if numbers else {}


def _asked(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Port and path that our own health check asks; nothing of somebody else's."""
    test: Sequence[str] = (config.get("Healthcheck") or {}).get("Test") or ()
    return tuple(test[test.index(_ASKING) + 1 :]) if _ASKING in test else ()
