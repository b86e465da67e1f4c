"""The plan of the embedded engine, as `--dry-run` prints it."""

from __future__ import annotations

from dataclasses import replace

from mlsandbox.engines.base import Observed, ObservedService, Plan
from mlsandbox.engines.process_plan import plan_processes, recipe
from mlsandbox.supervise.spec import ProcessSpec
from mlsandbox.supervise.transition import State


def _spec(name: str, version: str = "v1", **env: str) -> ProcessSpec:
    return ProcessSpec(
        name, ("python", f"/packages/{version}/of/a/path/that/is/rather/long"), {"SANDBOX_VERSION": version, **env}, "/", "/log"
    )


def _service(spec: ProcessSpec, state: State = State.READY, reason: str = "") -> ObservedService:
    return ObservedService(spec.name, state, spec.digest(), recipe(spec), reason=reason)


def _text(observed: Observed, *wanted: ProcessSpec) -> str:
    return str(Plan(plan_processes(wanted, observed)))


def test_nothing_runs() -> None:
    """Without a stack everything must be started, in the list's order."""
    assert _text(Observed(), _spec("log-store"), _spec("api")) == "start   log-store: not running\nstart   api: not running"


def test_all_kinds_of_steps() -> None:
    """Each step must say why it is needed."""
    services = (
        _service(_spec("grafana")),
        _service(_spec("log-store")),
        _service(_spec("shipper"), State.FAILED, "ended with exit code 1; gave up after 5 ends in quick succession"),
        _service(_spec("api")),
    )

    text = _text(Observed(running=True, services=services), _spec("log-store"), _spec("shipper"), _spec("api", "v2"), _spec("drift"))

    assert text.splitlines() == [
        "stop    grafana: not part of the stack any more",
        "keep    log-store: unchanged, ready",
        "restart shipper: failed: ended with exit code 1; gave up after 5 ends in quick succession",
        "restart api: changed: command, SANDBOX_VERSION v1 -> v2",
        "start   drift: not running",
    ]


def test_proxies_are_not_shown() -> None:
    """A proxy may hold a password: that it changed is all that may be said."""
    spec = _spec("api")
    observed = Observed(running=True, services=(_service(spec),))

    assert _text(observed, replace(spec, env={**spec.env, "HTTPS_PROXY": "u:p@h"})) == "restart api: changed: HTTPS_PROXY"


def test_empty_plan() -> None:
    """A plan without steps must say so."""
    assert str(Plan(())) == "nothing to do"
