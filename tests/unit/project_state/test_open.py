"""`sandbox open`: addresses of what a stack shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.open import Place, address
from mlsandbox.actions.pages import links
from mlsandbox.actions.sight import Sight
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedFront, ObservedService
from mlsandbox.errors import NotRunning
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State

PORTS = {"api": 7310, "grafana": 7312, "prometheus": 7313, "alertmanager": 7314, "drift": 7317, "log-store": 7319}


def _sight(*names: str, engine: str = "embedded") -> Sight:
    services = tuple(ObservedService(name, State.READY, "digest") for name in names)
    fronts = (ObservedFront("api", 7310, "api-v1"),) if "api-v1" in names else ()
    remembered = Remembered(engine=engine, ports=PORTS, served={"churn": "v1"})
    return Sight(Path("p"), ENGINES[engine](Path("p")), Observed(running=bool(names), services=services, fronts=fronts), remembered)


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (Place.API, "http://127.0.0.1:7310"),
        (Place.DOCS, "http://127.0.0.1:7310/docs.json"),
        (Place.GRAFANA, "http://127.0.0.1:7312/d/sandbox-overview"),
        (Place.DRIFT, "http://127.0.0.1:7317/report.html"),
        (Place.PROMETHEUS, "http://127.0.0.1:7313"),
        (Place.ALERTMANAGER, "http://127.0.0.1:7314"),
    ],
)
def test_places_of_a_running_stack(place: Place, url: str) -> None:
    """Each place must have its address; Grafana opens the overview, drift its report."""
    assert address(_sight("api-v1", "grafana", "drift", "prometheus", "alertmanager"), place) == url


@pytest.mark.parametrize("place", Place)
def test_nothing_is_open_of_a_stopped_stack(place: Place) -> None:
    """Ports that are only remembered must not be shown."""
    with pytest.raises(NotRunning, match="the stack is not running") as error:
        address(_sight(), place)

    assert error.value.fix == "start it: sandbox up"


def test_without_docker_a_missing_program_is_named() -> None:
    """A stack of child processes has what is on PATH: the error must say both ways to get it."""
    with pytest.raises(NotRunning) as error:
        address(_sight("api-v1"), Place.GRAFANA)

    assert error.value.what == "grafana is not part of this stack"
    assert "sandbox up --engine docker" in error.value.fix
    assert "https://grafana.com/" in error.value.fix


@pytest.mark.parametrize(("engine", "place"), [("docker", Place.ALERTMANAGER), ("docker", Place.DRIFT), ("embedded", Place.DRIFT)])
def test_what_the_user_left_out_is_said_to_be(engine: str, place: Place) -> None:
    """A stack lacks what needs no program of others because it was left out: the error must name the settings that can have done it."""
    with pytest.raises(NotRunning) as error:
        address(_sight("api-v1", engine=engine), place)

    assert error.value.what == f"{place} is not part of this stack"
    assert "[stack] exclude" in error.value.fix


def test_links_are_those_of_the_services_that_have_a_port() -> None:
    """Dashboards by name, the overview first; what the stack lacks is left out; addresses of IPv6 are written as URLs want them."""
    assert links(PORTS, "127.0.0.1") == {
        "grafana": "http://127.0.0.1:7312/d/sandbox-overview",
        "drift-dashboard": "http://127.0.0.1:7312/d/sandbox-drift",
        "runtime-dashboard": "http://127.0.0.1:7312/d/sandbox-runtime",
        "pipeline-dashboard": "http://127.0.0.1:7312/d/sandbox-pipeline",
        "drift": "http://127.0.0.1:7317/report.html",
        "prometheus": "http://127.0.0.1:7313",
        "alertmanager": "http://127.0.0.1:7314",
    }
    assert links({"api": 7310}, "127.0.0.1") == {}
    assert links({"prometheus": 7313}, "::1") == {"prometheus": "http://[::1]:7313"}
