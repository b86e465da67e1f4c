"""How a stack stands, told from what was observed and what is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.outcomes import VersionState
from mlsandbox.actions.sight import Sight, services_behind, with_fronts
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedFront, ObservedService
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Env

FRONT = ObservedFront("api", 7310, "api-v1")
REMEMBERED = Remembered(ports={"api": 7310, "log-store": 7319}, served={"churn": "v1"})


def _sight(*names: str) -> Sight:
    services = tuple(ObservedService(name, State.READY, "digest") for name in names)
    return _seen(*services)


def _seen(*services: ObservedService, fronts: tuple[ObservedFront, ...] = (FRONT,), remembered: Remembered = REMEMBERED) -> Sight:
    observed = Observed(running=bool(services), services=services, fronts=fronts if services else ())
    return Sight(Path("p"), ENGINES["embedded"](Path("p")), observed, remembered)


def test_a_stack_whose_model_was_stopped_alone_is_not_healthy() -> None:
    """After `down api` the rest may be ready, but nobody answers: neither healthy, nor an address that is shown.

    So it must be of an engine that tells of a front without anybody behind it, and of one that does not.
    """
    service = ObservedService("log-store", State.READY, "digest")
    for fronts in ((FRONT,), ()):
        partly = _seen(service, fronts=fronts)

        assert (partly.state, partly.stopped, dict(partly.endpoints)) == ("degraded", ("api",), {})
        assert (partly.versions, partly.version) == ((), "v1")


def test_what_runs_once_is_done() -> None:
    """A service that ran once and ended well must be told as done, and leave the stack healthy."""
    once = ObservedService("elasticsearch-setup", State.READY, "digest", exit_code=0)
    api = ObservedService("api-v1", State.READY, "digest", pid=7, ports={"direct-api-v1": 7320})
    sight = _seen(api, once)

    assert sight.state == "healthy"
    assert [(each.name, each.state) for each in sight.services] == [("api-v1", "healthy"), ("elasticsearch-setup", "done")]


def test_pages_are_shown_while_they_run() -> None:
    """A page must have an address while its service is not stopped, at the port that it has or had."""
    remembered = Remembered(ports={"api": 7310, "grafana": 7312, "prometheus": 7313})
    services = (
        ObservedService("prometheus", State.READY, "digest", ports={"prometheus": 7400}),
        ObservedService("grafana", State.STOPPED, "digest"),
        ObservedService("alertmanager", State.READY, "digest"),
    )
    sight = _seen(*services, remembered=remembered)

    assert sight.links == {"prometheus": "http://127.0.0.1:7400"}


def test_whole_stacks() -> None:
    """With its model a stack is healthy; with nothing it is stopped, and no service is named as stopped alone."""
    whole, nothing = _sight("log-store", "api-v1"), _sight()

    assert (whole.state, whole.stopped, dict(whole.endpoints)) == ("healthy", (), {"api": "http://127.0.0.1:7310"})
    assert (nothing.state, nothing.stopped, dict(nothing.endpoints)) == ("stopped", (), {})


def test_whether_keys_are_asked_for() -> None:
    """It must be told of what runs by what that was started from, and be unknown of a stack that does not run or tells nothing."""

    def asks(*services: ObservedService, running: bool = True) -> bool | None:
        return Sight(Path("p"), ENGINES["embedded"](Path("p")), Observed(running=running, services=services), REMEMBERED).asks_for_keys

    keyed = ObservedService("api-v1", State.READY, "digest", recipe={Env.API_KEYS_FILE: "/keys"})
    open_ = ObservedService("api-v1", State.READY, "digest", recipe={"command": "bentoml"})
    other = ObservedService("log-store", State.READY, "digest", recipe={"command": "python"})
    assert [asks(other, each) for each in (keyed, open_)] == [True, False]
    assert [asks(), asks(other), asks(ObservedService("api-v1", State.READY, "digest")), asks(keyed, running=False)] == [None] * 4


def test_who_answers_is_told_by_the_front() -> None:
    """While versions change, the one that the front is with must be told, whatever was remembered; its address stays."""
    services = tuple(ObservedService(name, State.READY, "digest") for name in ("api-v1", "api-v2"))
    moved = _seen(*services, fronts=(ObservedFront("api", 7310, "api-v2"),))

    assert (moved.version, dict(moved.endpoints)) == ("v2", {"api": "http://127.0.0.1:7310"})
    assert [(each.version, each.role) for each in moved.versions] == [("v2", "champion")]


def test_versions_are_told_with_what_they_do() -> None:
    """Of each model the champion must come first, then what was chosen to run beside it and does; what is not there is left out."""
    beside = {
        "churn": {"v1": {"role": "standby"}, "v3": {"role": "challenger", "percent": 5.0, "shadow": False}, "v4": {"role": "standby"}}
    }
    remembered = Remembered(ports={"api": 7310, "api-wine": 7321}, served={"churn": "v2", "wine": "v1"}, beside=beside)
    services = (
        *(ObservedService(name, State.READY, "digest") for name in ("api-v1", "api-v2", "api-wine-v1")),
        ObservedService("api-v3", State.UNREADY, "digest"),
    )
    sight = _seen(
        *services, fronts=(ObservedFront("api", 7310, "api-v2"), ObservedFront("api-wine", 7321, "api-wine-v1")), remembered=remembered
    )

    assert sight.versions == (
        VersionState("churn", "v2", "champion", "api-v2", "healthy"),
        VersionState("churn", "v1", "standby", "api-v1", "healthy"),
        VersionState("churn", "v3", "challenger", "api-v3", "unhealthy", percent=5.0),
        VersionState("wine", "v1", "champion", "api-wine-v1", "healthy"),
    )


def test_a_version_that_stood_by_and_answers_now_is_told_once() -> None:
    """Between a switch and what is remembered of it no version may be told twice."""
    remembered = Remembered(ports={"api": 7310}, served={"churn": "v1"}, beside={"churn": {"v2": {"role": "standby"}}})
    services = tuple(ObservedService(name, State.READY, "digest") for name in ("api-v1", "api-v2"))

    sight = _seen(*services, fronts=(ObservedFront("api", 7310, "api-v2"),), remembered=remembered)

    assert [(each.version, each.role) for each in sight.versions] == [("v2", "champion")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("api", ("api-v1", "api-v12")),
        ("api-v1", ("api-v1",)),
        ("api-churn", ("api-churn-v1",)),
        ("api-churn-v1", ("api-churn-v1",)),
        ("shipper", ("shipper",)),
        ("shipper-churn", ("shipper-churn",)),
        ("api-v3", ()),
        ("api-c", ()),
        ("ap", ()),
    ],
)
def test_a_front_stands_for_its_versions(name: str, meant: tuple[str, ...]) -> None:
    """A front's name must mean all versions of its model and nothing else; every other name the service that is called so."""
    assert services_behind(name, ["api-v1", "api-churn-v1", "shipper", "shipper-churn", "api-v12"]) == meant


def test_output_of_before_belongs_to_the_front() -> None:
    """What a service wrote that was called as the front is, before versions were services, must be found with theirs."""
    assert services_behind("api", ["api", "api-v2", "shipper"]) == ("api", "api-v2")
    assert with_fronts(["api-churn-v1", "api-v1", "api-v2", "shipper"]) == [
        "api-churn",
        "api",
        "api-churn-v1",
        "api-v1",
        "api-v2",
        "shipper",
    ]
