"""Whether a reference would raise an alarm against itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from mlsandbox_serving.drift.cells import Ints
from mlsandbox_serving.drift.layout import Layout
from mlsandbox_serving.drift.sequential import KINDS
from mlsandbox_serving.drift.streams import Kind, Stream
from mlsandbox_serving.drift.values import Floats

_BATCH: Final = 100
_BUDGET: Final = 1e6
_NAMED: Final = 5


def unsteady_kinds(streams: Sequence[Stream], later: Ints, rows: int) -> dict[Kind, tuple[str, ...]]:
    """The kinds whose evidence goes over the budget on the later rows, and the columns to which it is due.

    Args:
        streams: profile of the earlier rows.
        later: cells of the later rows, by streams.
        rows: how many earlier ones there are.
    """
    layout = Layout(streams, (), rows)
    evidence = layout.evidence()
    most = np.zeros((len(streams), len(KINDS)))
    total = np.zeros(len(KINDS))
    for start in range(0, len(later), _BATCH):
        evidence.update(layout.count(later[start : start + _BATCH], start).used)
        parts = evidence.by_stream()
        most, total = np.maximum(most, parts), np.maximum(total, parts.sum(axis=0))
    return {kind: _columns(streams, most[:, index]) for index, kind in enumerate(KINDS) if total[index] >= _BUDGET}


def _columns(streams: Sequence[Stream], parts: Floats) -> tuple[str, ...]:
    ordered = np.argsort(-parts, kind="stable")[:_NAMED].tolist()
    return tuple(streams[position].name for position in ordered if parts[position] >= _BUDGET / 10)
