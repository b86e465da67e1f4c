"""Which components a stack has (pure): from the engine, the profile, what the user leaves out, and which programs are on PATH."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

MODEL: Final = "api"
SHIPPER: Final = "shipper"
LOG_STORE: Final = "log-store"
PROMETHEUS: Final = "prometheus"
ALERTMANAGER: Final = "alertmanager"
GRAFANA: Final = "grafana"
FLUENTD: Final = "fluentd"
ELASTICSEARCH: Final = "elasticsearch"
ELASTICSEARCH_EXPORTER: Final = "elasticsearch-exporter"
DRIFT: Final = "drift"
GATEWAY: Final = "gateway"

OPTIONAL: Final = (DRIFT, PROMETHEUS, ALERTMANAGER, GRAFANA, ELASTICSEARCH_EXPORTER)
"""What a user may leave out; Fluentd and Elasticsearch are left out together, by `profile = "lite"`."""
NATIVE: Final = (PROMETHEUS, ALERTMANAGER, GRAFANA)
"""Programs that the embedded engine uses when they are on PATH; the component's name is the command's."""

_EVERYWHERE: Final = (MODEL, SHIPPER, DRIFT)
_PROFILES: Final = {
    "full": (*_EVERYWHERE, GATEWAY, FLUENTD, ELASTICSEARCH, ELASTICSEARCH_EXPORTER, PROMETHEUS, ALERTMANAGER, GRAFANA),
    "lite": (*_EVERYWHERE, GATEWAY, LOG_STORE, PROMETHEUS, ALERTMANAGER, GRAFANA),
}


def chosen_parts(engine: str, profile: str, *, exclude: Collection[str], programs: Collection[str]) -> frozenset[str]:
    """Names of the components.

    Args:
        engine: "docker" or "embedded".
        profile: "full" or "lite"; the embedded engine has one log store, whatever the profile.
        exclude: of OPTIONAL.
        programs: those of NATIVE that are on PATH; a container needs none.
    """
    chosen = {*_EVERYWHERE, LOG_STORE, *(set(programs) & set(NATIVE))} if engine == "embedded" else set(_PROFILES[profile])
    return frozenset(chosen) - set(exclude)
