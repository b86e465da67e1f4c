"""Order of starting and stopping (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter


class GraphInvalid(ValueError):
    """The needs cannot be met by any order."""


def start_levels(needs: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """Names in groups: each needs only names of groups before its own; stop in the reverse order.

    Args:
        needs: for each name the names that it needs.

    Raises:
        GraphInvalid: an unknown name, or a circle, which the message spells out.
    """
    unknown = sorted({need for wanted in needs.values() for need in wanted} - needs.keys())
    if unknown:
        wanting = sorted(name for name, wanted in needs.items() if unknown[0] in wanted)
        raise GraphInvalid(f"{wanting[0]} needs {unknown[0]}, which is not in the list")
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError as error:
        raise GraphInvalid("services need each other in a circle: " + " -> ".join(reversed(error.args[1]))) from error
    levels: list[tuple[str, ...]] = []
    while sorter.is_active():
        level = tuple(sorted(sorter.get_ready()))
        levels.append(level)
        sorter.done(*level)
    return tuple(levels)
