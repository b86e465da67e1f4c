"""How a stack stands, told from what was observed and what is remembered."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.actions.sight import Sight
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedService
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Env

REMEMBERED = Remembered(ports={"api": 7310, "log-store": 7319}, served={"churn": "v1"})


def _sight(*names: str) -> Sight:
    services = tuple(ObservedService(name, State.READY, "digest") for name in names)
    return Sight(Path("p"), ENGINES["embedded"](Path("p")), Observed(running=bool(names), services=services), REMEMBERED)


def test_a_stack_whose_model_was_stopped_alone_is_not_healthy() -> None:
    """After `down api` the rest may be ready, but nobody answers: neither healthy, nor an address that is shown."""
    partly = _sight("log-store")

    assert (partly.state, partly.stopped, dict(partly.endpoints)) == ("degraded", ("api",), {})


def test_what_runs_once_is_done() -> None:
    """A service that ran once and ended well must be told as done, and leave the stack healthy."""
    once = ObservedService("elasticsearch-setup", State.READY, "digest", exit_code=0)
    api = ObservedService("api", State.READY, "digest", pid=7, ports={"api": 7310})
    sight = Sight(Path("p"), ENGINES["embedded"](Path("p")), Observed(running=True, services=(api, once)), REMEMBERED)

    assert sight.state == "healthy"
    assert [(each.name, each.state) for each in sight.services] == [("api", "healthy"), ("elasticsearch-setup", "done")]


def test_pages_are_shown_while_they_run() -> None:
    """A page must have an address while its service is not stopped, at the port that it has or had."""
    remembered = Remembered(ports={"api": 7310, "grafana": 7312, "prometheus": 7313})
    services = (
        ObservedService("prometheus", State.READY, "digest", ports={"prometheus": 7400}),
        ObservedService("grafana", State.STOPPED, "digest"),
        ObservedService("alertmanager", State.READY, "digest"),
    )
    sight = Sight(Path("p"), ENGINES["embedded"](Path("p")), Observed(running=True, services=services), remembered)

    assert sight.links == {"prometheus": "http://127.0.0.1:7400"}


def test_whole_stacks() -> None:
    """With its model a stack is healthy; with nothing it is stopped, and no service is named as stopped alone."""
    whole, nothing = _sight("log-store", "api"), _sight()

    assert (whole.state, whole.stopped, dict(whole.endpoints)) == ("healthy", (), {"api": "http://127.0.0.1:7310"})
    assert (nothing.state, nothing.stopped, dict(nothing.endpoints)) == ("stopped", (), {})


def test_whether_keys_are_asked_for() -> None:
    """It must be told of what runs by what that was started from, and be unknown of a stack that does not run or tells nothing."""

    def asks(*services: ObservedService, running: bool = True) -> bool | None:
        return Sight(Path("p"), ENGINES["embedded"](Path("p")), Observed(running=running, services=services), REMEMBERED).asks_for_keys

    keyed = ObservedService("api", State.READY, "digest", recipe={Env.API_KEYS_FILE: "/keys"})
    open_ = ObservedService("api", State.READY, "digest", recipe={"command": "bentoml"})
    other = ObservedService("log-store", State.READY, "digest", recipe={"command": "python"})
    assert [asks(other, each) for each in (keyed, open_)] == [True, False]
    assert [asks(), asks(other), asks(ObservedService("api", State.READY, "digest")), asks(keyed, running=False)] == [None] * 4
