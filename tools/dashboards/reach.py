"""Whether the services can be reached: the same panel on several dashboards."""

from __future__ import annotations

from dashboards.panels import NO_DATA, Panel, Target, stat


def unreachable(up: str, *, width: int) -> Panel:
    """How many are not.

    Args:
        up: the series of Prometheus's `up`.
        width: of the panel.
    """
    return stat(
        "Unreachable",
        "Services whose metrics Prometheus could not read when it last tried.",
        "short",
        Target(f"count({up} == 0) or vector(0)", instant=True),
        limits={1: "red"},
        empty=NO_DATA,
        width=width,
    )
