"""The pages that come with a stack: dashboards, the drift report, and those of the programs that measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlsandbox.stack.components.grafana import DASHBOARDS
from mlsandbox.stack.hosts import bracketed
from mlsandbox_serving.contract import Port, Route

_PATHS: Final = {Port.DRIFT: Route.REPORT_PAGE, Port.PROMETHEUS: "", Port.ALERTMANAGER: ""}
OF_SERVICES: Final = (Port.GRAFANA, *_PATHS)
"""Ports on which services show pages; the port's name is the service's too."""


def links(ports: Mapping[str, int], host: str) -> Mapping[str, str]:
    """What can be looked at besides the models: the page of each service by its name, and further dashboards by theirs.

    Args:
        ports: of a stack, by name; what has no port is left out.
        host: where they are reached, "127.0.0.1".
    """
    found = {name: f"http://{bracketed(host)}:{number}" for name, number in ports.items()}
    grafana = found.get(Port.GRAFANA)
    dashboards = {} if grafana is None else {_name(uid): f"{grafana}/d/{uid}" for uid in DASHBOARDS}
    others = {port.value: f"{found[port]}{path}" for port, path in _PATHS.items() if port in found}
    return {**dashboards, **others}


def _name(uid: str) -> str:
    """The overview is what "grafana" opens; the others are called what they show: there is a service called drift, too."""
    return Port.GRAFANA.value if uid == DASHBOARDS[0] else f"{uid.removeprefix('sandbox-')}-dashboard"
