"""Findings in words: which cell of a column changed most, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from mlsandbox_serving.drift.cells import CategoryCells, Ints, NumberCells, Role
from mlsandbox_serving.drift.layout import Layout
from mlsandbox_serving.drift.measures import Measures, Sizes, severity_of
from mlsandbox_serving.drift.pairs import rank_correlation
from mlsandbox_serving.drift.severity import contributions, jensen_shannon, mean_shift, wasserstein
from mlsandbox_serving.drift.streams import Kind, Stream, association
from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift.verdict import ColumnFinding, Histogram

Examples = Mapping[tuple[int, Role], str]
"""A recent value outside of the reference, by stream and role."""
_NO_ROWS: Final = "no rows yet"
_MOVED: Final = 0.05
"""Standard deviations from which a mean has moved,"""
_MOSTLY: Final = 0.5
"""and the part of the whole change that this has to be."""


class Explainer:
    """Puts counts into words."""

    def __init__(self, layout: Layout, measures: Measures) -> None:
        self._layout = layout
        self._measures = measures

    def finding(self, position: int, kind: Kind, counts: Ints, examples: Examples, sizes: Sizes, *, statistic: float) -> ColumnFinding:
        """What is to be said of one stream or pair.

        Args:
            position: of the stream; pairs come after the streams.
            kind: of the alert: an input column is told differently among outliers.
            counts: of the recent rows.
            examples: of values outside of the reference.
            sizes: measured on these counts.
            statistic: its part of the evidence.
        """
        local, grouped, reference = self._measures.grouping.of_stream(counts, position)
        rows = grouped.sum()
        known = bool(sizes.known[position])
        psi, excess = float(sizes.psi[position]), float(sizes.excess[position])
        distance: float | None = None
        shift: float | None = None
        if position >= len(self._layout.streams):
            name, text = self._pair_text(position, grouped)
        else:
            stream = self._layout.streams[position]
            name = stream.name
            recent = self._of(position, counts)
            if known and isinstance(stream.cells, NumberCells):
                distance, shift = _moves(stream, stream.cells, recent / max(rows, 1.0))
            if kind is Kind.OUTLIERS:
                told = _outlier_cell(stream, recent)
            elif isinstance(stream.cells, CategoryCells):
                told = np.array([np.argmax(contributions(recent.astype(np.float64), stream.shares))])
            else:
                told = np.flatnonzero(local == np.argmax(contributions(grouped, reference)))
            text = self._cells_text(position, told, recent, examples, known=known) if rows else _NO_ROWS
            if shift is not None and kind is not Kind.OUTLIERS:
                text += f"; the mean moved by {shift:+.2f} sd"
        return ColumnFinding(
            column=name,
            severity=severity_of(kind, psi, excess) if known else None,
            rows=int(sizes.rows[position]),
            statistic=statistic,
            psi=psi if known else None,
            js=jensen_shannon(grouped / rows, reference) if known else None,
            wasserstein=distance,
            shift=shift,
            excess=excess if known else None,
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
        shown = [group for group in range(len(grouped)) if not _is_void(stream, group)]
        return Histogram(
            column=stream.name,
            kind=stream.kind,
            cells=tuple(_group_name(stream, np.flatnonzero(local == group)) for group in shown),
            reference=tuple((reference[shown] / reference.sum()).tolist()),
            recent=tuple((grouped[shown] / max(rows, 1)).tolist()),
            rows=rows,
        )

    def _of(self, position: int, counts: Ints) -> Ints:
        start = int(self._layout.starts[position])
        return counts[start : start + self._layout.streams[position].cells.size]

    def _cells_text(self, position: int, cells: Ints, recent: Ints, examples: Examples, *, known: bool) -> str:
        stream = self._layout.streams[position]
        role = next((role for role, cell in stream.cells.roles.items() if cell == cells[0]), None)
        example = None if role is None else examples.get((position, role))
        text = _group_name(stream, cells) if role is None or example is None else _example_text(stream, role, example)
        rates = recent[cells].sum() / recent.sum(), stream.counts[cells].sum() / stream.rows
        count = int(recent.sum())
        of = "rows" if known else f"{count} row{'' if count == 1 else 's'}"
        return f"{text}: {rates[0]:.1%} of {of}, reference {rates[1]:.1%}"

    def _pair_text(self, position: int, grouped: Floats) -> tuple[str, str]:
        pair = self._layout.pairs[position - len(self._layout.streams)]
        names = [self._layout.streams[one].name for one in (pair.first, pair.second)]
        if pair.numeric:
            now, before = rank_correlation(grouped), rank_correlation(pair.counts.astype(np.float64))
            return " and ".join(names), f"their rank correlation is {now:+.2f}, reference {before:+.2f}"
        now = association(grouped)
        return " and ".join(names), f"their association (Cramér's V) is {now:.2f}, reference {pair.association:.2f}"


def _moves(stream: Stream, cells: NumberCells, live: Floats) -> tuple[float, float | None]:
    """How far the values moved, and how far the mean did when that is most of it."""
    distance = wasserstein(cells, live, stream.shares, stream.sd)
    shift = mean_shift(cells, live, stream.shares, stream.sd)
    return distance, shift if abs(shift) >= max(_MOVED, _MOSTLY * distance) else None


def _outlier_cell(stream: Stream, recent: Ints) -> Ints:
    cells: Ints = np.array(list(stream.cells.roles.values()), dtype=np.int64)
    rates = recent[cells] / max(recent.sum(), 1) - stream.shares[cells]
    return cells[[np.argmax(rates)]]


def _is_void(stream: Stream, cell: int) -> bool:
    """Whether no value can fall into a cell: that of the rarer categories, when the reference has none."""
    return isinstance(stream.cells, CategoryCells) and not len(stream.cells.rest) and cell == len(stream.cells.top)


def _group_name(stream: Stream, cells: Ints) -> str:
    names = stream.cells.names()
    first, last = names[int(cells[0])], names[int(cells[-1])]
    if len(cells) == 1:
        return first
    return f"{first.partition(' to ')[0]} to {last.partition(' to ')[2]}"


def _example_text(stream: Stream, role: Role, example: str) -> str:
    cells = stream.cells
    if role in {"below", "above"}:
        return f"{example} is {role} the reference {'minimum' if role == 'below' else 'maximum'} {cells.end(role)}"
    known = len(cells.top) + len(cells.rest) if isinstance(cells, CategoryCells) else 0
    return f"{example} is not among the reference's {known} values"
