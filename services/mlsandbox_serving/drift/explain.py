"""Findings in words: which cell of a column changed most, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from mlsandbox_serving.drift.cells import CategoryCells, Ints, NumberCells, Role
from mlsandbox_serving.drift.layout import Layout
from mlsandbox_serving.drift.measures import Measures
from mlsandbox_serving.drift.severity import Severity, contributions, jensen_shannon, of_excess, of_psi, wasserstein
from mlsandbox_serving.drift.streams import PAIR_CELLS, Kind, Stream, association
from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift.verdict import ColumnFinding, Histogram

Examples = Mapping[tuple[int, Role], str]
"""A recent value outside of the reference, by stream and role."""
_NO_ROWS: Final = "no rows yet"


class Explainer:
    """Puts counts into words."""

    def __init__(self, layout: Layout, measures: Measures) -> None:
        self._layout = layout
        self._measures = measures

    def finding(
        self, position: int, kind: Kind, counts: Ints, examples: Examples, *, statistic: float, psi: float, excess: float
    ) -> ColumnFinding:
        """What is to be said of one stream or pair.

        Args:
            position: of the stream; pairs come after the streams.
            kind: of the alert: an input column is told differently among outliers.
            counts: of the recent rows.
            examples: of values outside of the reference.
            statistic: its part of the evidence.
            psi: of it, as measured.
            excess: of it, as measured.
        """
        local, grouped, reference = self._measures.grouping.of_stream(counts, position)
        rows = grouped.sum()
        live = grouped / max(rows, 1.0)
        distance: float | None = None
        if position >= len(self._layout.streams):
            name, text = self._pair_text(position, grouped)
        else:
            stream = self._layout.streams[position]
            name = stream.name
            recent = self._of(position, counts)
            if isinstance(stream.cells, NumberCells):
                distance = wasserstein(stream.cells, recent / max(rows, 1.0), stream.shares, stream.sd)
            if kind is Kind.OUTLIERS:
                told = _outlier_cell(stream, recent)
            elif isinstance(stream.cells, CategoryCells):
                told = np.array([np.argmax(contributions(recent.astype(np.float64), stream.shares))])
            else:
                told = np.flatnonzero(local == np.argmax(contributions(grouped, reference)))
            text = self._cells_text(position, told, recent, examples) if rows else _NO_ROWS
        by_psi = Severity.NONE if kind is Kind.OUTLIERS else of_psi(psi)
        by_excess = Severity.NONE if kind is Kind.FEATURES else of_excess(excess)
        return ColumnFinding(
            column=name,
            severity=max(by_psi, by_excess),
            statistic=statistic,
            psi=psi,
            js=jensen_shannon(live, reference) if rows else 0.0,
            wasserstein=distance,
            excess=excess,
            explanation=text,
        )

    def histogram(self, position: int, counts: Ints) -> Histogram:
        """Reference beside recent rows of one stream."""
        stream = self._layout.streams[position]
        local, _, _ = self._measures.grouping.of_stream(counts, position)
        if isinstance(stream.cells, CategoryCells):
            local = np.arange(stream.cells.size)
        grouped, reference = (np.bincount(local, weights=one) for one in (self._of(position, counts), stream.counts))
        rows = int(grouped.sum())
        return Histogram(
            column=stream.name,
            kind=stream.kind,
            cells=tuple(_group_name(stream, np.flatnonzero(local == group)) for group in range(len(grouped))),
            reference=tuple((reference / reference.sum()).tolist()),
            recent=tuple((grouped / max(rows, 1)).tolist()),
            rows=rows,
        )

    def _of(self, position: int, counts: Ints) -> Ints:
        start = int(self._layout.starts[position])
        return counts[start : start + self._layout.streams[position].cells.size]

    def _cells_text(self, position: int, cells: Ints, recent: Ints, examples: Examples) -> str:
        stream = self._layout.streams[position]
        role = next((role for role, cell in stream.cells.roles.items() if cell == cells[0]), None)
        example = None if role is None else examples.get((position, role))
        text = _group_name(stream, cells) if role is None or example is None else _example_text(stream, role, example)
        rates = recent[cells].sum() / recent.sum(), stream.counts[cells].sum() / stream.rows
        return f"{text}: {rates[0]:.1%} of rows, reference {rates[1]:.1%}"

    def _pair_text(self, position: int, grouped: Floats) -> tuple[str, str]:
        pair = self._layout.pairs[position - len(self._layout.streams)]
        names = [self._layout.streams[one].name for one in (pair.first, pair.second)]
        now = association(grouped[:PAIR_CELLS])
        return " and ".join(names), f"their association (Cramér's V) is {now:.2f}, reference {pair.association:.2f}"


def _outlier_cell(stream: Stream, recent: Ints) -> Ints:
    cells: Ints = np.array(list(stream.cells.roles.values()), dtype=np.int64)
    rates = recent[cells] / max(recent.sum(), 1) - stream.shares[cells]
    return cells[[np.argmax(rates)]]


def _group_name(stream: Stream, cells: Ints) -> str:
    names = stream.cells.names()
    first, last = names[int(cells[0])], names[int(cells[-1])]
    if len(cells) == 1:
        return first
    return f"{first.partition(' to ')[0]} to {last.partition(' to ')[2]}"


def _example_text(stream: Stream, role: Role, example: str) -> str:
    cells = stream.cells
    if isinstance(cells, CategoryCells):
        return f"{example} is not among the reference's {len(cells.top) + len(cells.rest)} values"
    if role == "below":
        return f"{example} is below the reference minimum {cells.text(cells.minimum)}"
    return f"{example} is above the reference maximum {cells.text(cells.maximum)}"
