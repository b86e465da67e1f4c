"""Addresses that a browser can show."""

from __future__ import annotations

import webbrowser
from enum import StrEnum
from typing import Final

from mlsandbox.actions.sight import Sight, endpoint_of
from mlsandbox.errors import NotRunning
from mlsandbox_serving.contract import Route


class Place(StrEnum):
    """What can be opened."""

    API = "api"
    DOCS = "docs"
    GRAFANA = "grafana"
    DRIFT = "drift"
    PROMETHEUS = "prometheus"
    ALERTMANAGER = "alertmanager"


_INSTALL: Final = {
    Place.GRAFANA: "https://grafana.com/docs/grafana/latest/setup-grafana/installation/",
    Place.PROMETHEUS: "https://prometheus.io/docs/prometheus/latest/installation/",
    Place.ALERTMANAGER: "https://prometheus.io/download/#alertmanager",
}
"""Where it says how to get the program, for stacks that run without Docker."""


def address(sight: Sight, place: Place) -> str:
    """The URL of a place of a stack.

    Args:
        sight: of the stack.
        place: what is to be opened; of several models the first one is meant.

    Raises:
        NotRunning: it is not there; says how to get it.
    """
    if place is Place.API:
        return endpoint_of(sight)
    if place is Place.DOCS:
        return f"{endpoint_of(sight)}{Route.OPENAPI}"
    if not sight.observed.running:
        raise NotRunning("the stack is not running", fix="start it: sandbox up")
    found = sight.links.get(place)
    if found is None:
        raise _not_part(sight, place)
    return found


def show(url: str) -> bool:
    """Have the browser show it; False when there is none."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _not_part(sight: Sight, place: Place) -> NotRunning:
    if sight.engine.name == "embedded" and place in _INSTALL:
        return NotRunning(
            f"{place} is not part of this stack",
            why=f"Without Docker a stack has it where the program {place} is on PATH.",
            fix=f"run the stack in Docker: sandbox up --engine docker   or install it ({_INSTALL[place]}), then: sandbox up",
        )
    return NotRunning(
        f"{place} is not part of this stack",
        why="It was left out when the stack was started.",
        fix=f'take "{place}" out of [stack] exclude in sandbox.toml, SANDBOX_EXCLUDE and --exclude, then: sandbox up',
    )
