"""The engine: a profile, and all that is known of the rows that came after it. Rows go in, counts stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.cells import Ints, Role
from mlsandbox_serving.drift.explain import Explainer
from mlsandbox_serving.drift.latch import Latch
from mlsandbox_serving.drift.layout import OUTLIER_COUNTS, Layout
from mlsandbox_serving.drift.measures import Measures, Sizes
from mlsandbox_serving.drift.pairs import association_changed
from mlsandbox_serving.drift.profile.definition import Profile
from mlsandbox_serving.drift.sequential import KINDS
from mlsandbox_serving.drift.settings import Settings
from mlsandbox_serving.drift.severity import Severity, smallest_psi
from mlsandbox_serving.drift.streams import PAIR_CELLS, Kind
from mlsandbox_serving.drift.values import Floats, Values
from mlsandbox_serving.drift.verdict import ColumnFinding, Histogram, KindVerdict, OutlierRates
from mlsandbox_serving.drift.window import BLOCK_ROWS, Window

_SLICE: Final = 2_000
"""Rows that are turned into cells at once, which bounds the memory of a large request."""
_BLAME: Final = 0.01
"""Part of the budget from which a stream has its share in an alarm."""
_INVOLVED: Final = 0.1
"""Part of the budget from which a kind has."""
_WORST: Final = 5
_LOOKED_AT: Final = 20
"""Of the values outside of the reference only the last ones are looked at for an example."""
_NOT_STATIONARY: Final = "the reference is not stationary: its last fifth differs from the rest in "
_REQUESTS: Final = "requests"
_FEEDBACK: Final = "feedback"


class Engine:
    """Watches the streams of a profile."""

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self._profile = profile
        self._budget = settings.rows_between_false_alarms
        self._layout = Layout(profile.streams, profile.pairs[: settings.pairs], profile.rows)
        self._evidence = self._layout.evidence()
        self._measures = Measures(self._layout)
        self._explainer = Explainer(self._layout, self._measures)
        self._windows = {clock: Window(self._layout.cells + OUTLIER_COUNTS) for clock in (_REQUESTS, _FEEDBACK)}
        self._rows = dict.fromkeys(self._windows, 0)
        self._left_over = 0.0
        """Evidence that stayed after the last alarm."""
        self._peaks: Floats = np.zeros((len(self._layout.streams) + len(self._layout.pairs), len(KINDS)))
        self._latches = {kind: Latch() for kind in Kind if self._measures.members[kind].any()}
        self._odd = [[(role, cell) for role, cell in one.cells.roles.items() if role != "missing"] for one in profile.streams]
        self._examples: dict[tuple[int, Role], str] = {}
        self.alarms = 0
        self.last_alarm: int | None = None

    @property
    def rows(self) -> int:
        """Rows of requests so far."""
        return self._rows[_REQUESTS]

    @property
    def statistic(self) -> float:
        """The evidence of all kinds together."""
        return self._evidence.total

    def add(self, values: Mapping[int, Values], rows: int, *, feedback: bool = False) -> None:
        """Add rows.

        Args:
            values: of each stream, by its position; streams that are not there are not counted.
            rows: how many values each has.
            feedback: whether these are labels of rows that were added before.
        """
        clock = _FEEDBACK if feedback else _REQUESTS
        for start in range(0, rows, _SLICE):
            part = {position: held[start : start + _SLICE] for position, held in values.items()}
            cells = self._cells(part, min(_SLICE, rows - start))
            for chunk in self._chunks(cells, clock):
                self._add_chunk(chunk, clock)

    def verdicts(self, *, everything: bool = False) -> tuple[KindVerdict, ...]:
        """One per kind that is watched, with the worst columns or all of them."""
        now = self._evidence.by_stream()
        look = self._measured(now)
        return tuple(self._verdict(kind, now, look, everything=everything) for kind in self._latches)

    def outliers(self) -> OutlierRates:
        """Of the recent rows."""
        counts, rows = self._windows[_REQUESTS].recent()
        return OutlierRates(*(counts[-OUTLIER_COUNTS:] / max(rows, 1)).tolist())

    def histograms(self) -> tuple[Histogram, ...]:
        """Reference beside recent rows, of every stream."""
        counts = self._recent()
        return tuple(self._explainer.histogram(position, counts) for position in range(len(self._layout.streams)))

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that the rows have changed, as a JSON document and arrays."""
        arrays = {f"evidence/{index}": values for index, values in enumerate(self._evidence.values)}
        arrays["peaks"] = self._peaks
        for clock, window in self._windows.items():
            arrays |= {f"{clock}/{name}": array for name, array in window.state().items()}
        document = {
            "rows": dict(self._rows),
            "left_over": self._left_over,
            "alarms": self.alarms,
            "last_alarm": self.last_alarm,
            "latches": {
                kind.value: [latch.since, latch.alarms, latch.page, latch.calm, latch.settled, latch.eased]
                for kind, latch in self._latches.items()
            },
            "examples": [[position, role, text] for (position, role), text in self._examples.items()],
        }
        return document, arrays

    def restore(self, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` gave.

        Raises:
            KeyError: a part is missing.
            TypeError: one has another type.
            ValueError: one does not fit the profile or the settings.
        """
        self._evidence.values = [arrays[f"evidence/{index}"] for index in range(len(self._evidence.values))]
        if arrays["peaks"].shape != self._peaks.shape:
            raise ValueError("of other streams")
        self._peaks = arrays["peaks"].astype(np.float64)
        for clock, window in self._windows.items():
            window.restore({name: arrays[f"{clock}/{name}"] for name in window.state()})
        self._rows = {clock: int(document["rows"][clock]) for clock in self._windows}
        self._left_over = float(document["left_over"])
        self.alarms = int(document["alarms"])
        self.last_alarm = document["last_alarm"]
        self._latches = {kind: Latch(*document["latches"][kind.value]) for kind in self._latches}
        self._examples = {(int(position), role): text for position, role, text in document["examples"]}

    def _cells(self, values: Mapping[int, Values], rows: int) -> Ints:
        cells: Ints = np.full((rows, len(self._layout.streams)), -1, dtype=np.int64)
        for position, held in values.items():
            of = self._layout.streams[position].cells
            found = of.read(held)
            cells[:, position] = found
            for role, cell in self._odd[position]:
                rows_there = (found == cell).nonzero()[0]
                if len(rows_there):
                    self._examples[position, role] = of.example(role, [held[row] for row in rows_there[-_LOOKED_AT:].tolist()])
        return cells

    def _chunks(self, cells: Ints, clock: str) -> Iterator[Ints]:
        """Cut so that every block of the window is filled exactly."""
        start = 0
        while start < len(cells):
            end = start + self._windows[clock].room
            yield cells[start:end]
            start = end

    def _add_chunk(self, cells: Ints, clock: str) -> None:
        counted = self._layout.count(cells, self._rows[clock])
        self._rows[clock] += len(cells)
        self._evidence.update(counted.used)
        full = self._windows[clock].add(counted.all, len(cells))
        if self._evidence.total >= self._budget + self._left_over:
            self._alarm()
        if full and any(latch.since is not None for latch in self._latches.values()):
            self._look(clock)

    def _alarm(self) -> None:
        """Latch the kinds that are involved, and begin anew with what went over the budget.

        The evidence of streams and kinds that had no part in it stays, so that one change that lasts cannot hide a slower one; the
        next alarm then needs so much more, which keeps the rows between two false ones.
        """
        parts = self._evidence.by_stream()
        by_kind = parts.sum(axis=0)
        involved = by_kind >= min(_INVOLVED * self._budget, by_kind.max())
        for kind, is_involved in zip(KINDS, involved.tolist(), strict=True):
            if is_involved and self._latches[kind].alarm(self.rows):
                for window in self._windows.values():
                    window.mark()
        self._peaks = np.maximum(self._peaks, np.where(involved, parts, 0.0))
        small = np.where(involved, parts * (parts < _BLAME * self._budget), 0.0)
        everything = small.sum() > _INVOLVED * self._budget
        self._evidence.restart(involved & (everything | (parts >= _BLAME * self._budget)))
        self._left_over = self._evidence.total
        self.alarms += 1
        self.last_alarm = self.rows

    def _look(self, clock: str) -> None:
        look = self._measured(self._evidence.by_stream())
        alone = self._windows[clock].alone
        for kind, latch in self._latches.items():
            own = _FEEDBACK if kind is Kind.PERFORMANCE else _REQUESTS
            if own != clock:
                continue
            if latch.look(self._severity(kind, look), BLOCK_ROWS, may_page=self._informational(kind) is None, alone=alone):
                self._peaks[:, KINDS.index(kind)] = 0.0

    def _recent(self) -> Ints:
        """Counts of the recent rows of both clocks, which share no cells."""
        counts: Ints = self._windows[_REQUESTS].recent()[0] + self._windows[_FEEDBACK].recent()[0]
        return counts

    def _measured(self, now: Floats) -> _Look:
        counts = self._recent()[: self._layout.cells]
        sizes = self._measures.sizes(counts)
        statistics = np.maximum(now, self._peaks)
        return _Look(counts, sizes, statistics, self._named(counts, sizes, statistics))

    def _named(self, counts: Ints, sizes: Sizes, statistics: Floats) -> NDArray[np.bool_]:
        """Which streams and pairs are told of: of pairs those alone that the evidence points at and no change of their columns explains."""
        columns = len(self._layout.streams)
        named = np.arange(len(statistics)) < columns
        blamed = statistics >= _BLAME * self._budget
        features, outliers = KINDS.index(Kind.FEATURES), KINDS.index(Kind.OUTLIERS)
        of_column: NDArray[np.bool_] = np.logical_or(blamed[:, features], blamed[:, outliers])
        for position in (np.flatnonzero(blamed[columns:, features]) + columns).tolist():
            pair, start = self._layout.pairs[position - columns], int(self._layout.starts[position])
            if of_column[pair.first] or of_column[pair.second]:
                continue
            there = counts[start : start + PAIR_CELLS].astype(np.float64)
            # Small: hardly a row of the change is among the recent ones yet, or is any more.
            small = sizes.psi[position] < smallest_psi(Severity.LOW)
            named[position] = small or association_changed(there, pair.shares, int(self._layout.strides[position]))
        return named

    def _pointed_at(self, kind: Kind, look: _Look) -> NDArray[np.bool_]:
        """What severity is about: of an alert the streams that the evidence points at, so that no other one's noise makes it severe."""
        if self._latches[kind].since is None:
            return look.named
        peaks = self._peaks[:, KINDS.index(kind)]
        pointed: NDArray[np.bool_] = peaks >= min(_BLAME * self._budget, peaks.max())
        return pointed & look.named if (pointed & look.named).any() else pointed

    def _severity(self, kind: Kind, look: _Look) -> Severity | None:
        return self._measures.severity(kind, look.sizes, self._pointed_at(kind, look))

    def _informational(self, kind: Kind) -> str | None:
        columns = self._profile.self_check.unsteady.get(kind)
        return None if columns is None else _NOT_STATIONARY + (", ".join(columns) or "several columns")

    def _verdict(self, kind: Kind, now: Floats, look: _Look, *, everything: bool) -> KindVerdict:
        latch = self._latches[kind]
        severity = self._severity(kind, look)
        informational = self._informational(kind)
        certain = latch.since is not None
        large = severity is not None and severity >= Severity.MEDIUM
        return KindVerdict(
            kind=kind,
            severity=severity,
            rows=int(look.sizes.rows[self._measures.members[kind]].max(initial=0)),
            certain=certain,
            page=certain and informational is None and (latch.page or large),
            settled=latch.settled,
            over=certain and latch.eased and not large,
            informational=informational,
            statistic=float(now[:, KINDS.index(kind)].sum()),
            since=latch.since,
            alarms=latch.alarms,
            worst=self._worst(kind, look, certain=certain, everything=everything),
        )

    def _worst(self, kind: Kind, look: _Look, *, certain: bool, everything: bool) -> tuple[ColumnFinding, ...]:
        """Those that the evidence points at before those that only look different, columns before their pairs; of an alert, no others."""
        statistics = look.statistics[:, KINDS.index(kind)]
        size = np.where(look.sizes.known, look.sizes.excess if kind is Kind.OUTLIERS else look.sizes.psi, 0.0)
        blamed = statistics >= _BLAME * self._budget
        columns = len(self._layout.streams)
        members = np.flatnonzero(self._measures.members[kind] & look.named).tolist()
        ordered = sorted(members, key=lambda one: (not blamed[one], one >= columns, -size[one], -statistics[one], one))
        found = [
            self._explainer.finding(one, kind, look.counts, self._examples, look.sizes, statistic=float(statistics[one]))
            for one in (ordered if everything else ordered[:_WORST])
        ]
        return tuple(
            one for one, position in zip(found, ordered, strict=False) if everything or not certain or blamed[position] or one.matters
        )


class _Look(NamedTuple):
    """The recent rows at one moment, of all streams and pairs."""

    counts: Ints
    sizes: Sizes
    statistics: Floats
    """By kind: the evidence, now or at the last alarm, whichever is larger."""
    named: NDArray[np.bool_]
