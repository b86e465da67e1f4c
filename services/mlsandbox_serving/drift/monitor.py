"""The monitor: rows as events carry them go in, a verdict comes out, and no row is kept.

    monitor = Monitor(load_profile(folder), Settings())
    monitor.update(event["sandbox.inputs"], event["sandbox.predictions"], event.get("sandbox.probabilities"))
    monitor.verdict().of(Kind.FEATURES).page

An update costs about as much for one row as for a hundred, so events of single rows are best handed over some at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.drift.answers import (
    ERROR,
    LABEL,
    LOSS,
    PREDICTION,
    SCORE,
    error_column,
    loss_column,
    prediction_columns,
    score_column,
)
from mlsandbox_serving.drift.engine import Engine
from mlsandbox_serving.drift.learning import Learner
from mlsandbox_serving.drift.profile.build import answer_type, value_types
from mlsandbox_serving.drift.profile.definition import Profile
from mlsandbox_serving.drift.settings import Settings
from mlsandbox_serving.drift.state import Saved, StateUnreadable, fingerprint, pack, unpack
from mlsandbox_serving.drift.streams import Kind
from mlsandbox_serving.drift.values import Values, key, padded, sequence
from mlsandbox_serving.drift.verdict import Histogram, OutlierRates, Verdict
from mlsandbox_serving.schema.definition import Definition

_MOST_EXTRA: Final = 100
_OTHER_EXTRA: Final = "…"


class Monitor:
    """Watches the rows of one model's version.

    Args:
        profile: of the reference; None lets the first live rows become it.
        settings: of the engine.
        schema: of the model; only used without a profile, for the types of the columns.
    """

    def __init__(self, profile: Profile | None, settings: Settings | None = None, *, schema: Definition | None = None) -> None:
        self._settings = settings or Settings()
        self._learner = Learner(self._settings.learn_rows, value_types(schema), answer_type(schema)) if profile is None else None
        self._extra: dict[str, int] = {}
        self._without_inputs = 0
        self._watch(profile)

    @property
    def profile(self) -> Profile | None:
        """The reference; None as long as it is being learned."""
        return self._profile

    def update(self, columns: Mapping[str, Any] | None, predictions: Any = None, scores: Any = None) -> None:
        """Add rows; nothing that an event can hold makes this fail.

        Args:
            columns: name to values, one per row; a column of the reference that is not there counts as missing in all rows. Without
                any column, as when inputs are not logged, only what the model answered is counted.
            predictions: one value or one list of values per row; None when they are not known.
            scores: a list of class probabilities, or one number, per row; None when there are none.
        """
        held = {str(name): sequence(values) for name, values in (columns or {}).items()}
        answers = sequence(predictions), sequence(scores)
        rows = max((len(values) for values in [*held.values(), *answers] if values is not None), default=0)
        if rows == 0:
            return
        given = {name: padded(values, rows) for name, values in held.items()}
        start = 0
        if self._learner is not None:
            start = self._learner.add(given, *answers, rows)
            if self._learner.missing:
                return
            self._watch(self._learner.profile())
            self._learner = None
        if self._engine is not None and self._profile is not None and rows > start:
            self._add(self._engine, self._profile, {name: values[start:] for name, values in given.items()}, answers, (start, rows))

    def feedback(self, predictions: Any, labels: Any) -> None:
        """Add labels that came later, beside what was predicted for the same rows."""
        held, right = sequence(predictions), sequence(labels)
        if self._engine is None or right is None or not len(right):
            return
        rows = len(right)
        values: dict[int, Values] = {}
        for name, position in self._positions[Kind.PERFORMANCE].items():
            if name == LABEL:
                values[position] = right
            elif held is not None and name in {ERROR, LOSS}:
                values[position] = (error_column if name == ERROR else loss_column)(padded(held, rows), right)
        if values:
            self._engine.add(values, rows, feedback=True)

    def verdict(self, *, everything: bool = False) -> Verdict:
        """What is to be said now.

        Args:
            everything: about all columns of each kind, the worst first, instead of the five worst.
        """
        engine, learner = self._engine, self._learner
        return Verdict(
            rows=self.rows,
            reference_rows=0 if self._profile is None else self._profile.rows,
            learning=0 if learner is None else learner.missing,
            reference_source="live" if self._profile is None else self._profile.source,
            statistic=0.0 if engine is None else engine.statistic,
            budget=self._settings.rows_between_false_alarms,
            alarms=self.alarms,
            last_alarm=None if engine is None else engine.last_alarm,
            kinds=() if engine is None else engine.verdicts(everything=everything),
            outliers=OutlierRates(0.0, 0.0, 0.0, 0.0) if engine is None else engine.outliers(),
            extra_columns=dict(self._extra),
            rows_without_inputs=self._without_inputs,
            left_out={} if self._profile is None else dict(self._profile.left_out),
        )

    @property
    def rows(self) -> int:
        """Rows so far, those that became the reference not counted."""
        return self._engine.rows if self._engine is not None else 0

    @property
    def alarms(self) -> int:
        """How often the evidence went over the budget; cheaper than a verdict."""
        return self._engine.alarms if self._engine is not None else 0

    def histograms(self) -> tuple[Histogram, ...]:
        """Reference beside recent rows, of every column, prediction, score, label and loss; empty while learning."""
        return self._engine.histograms() if self._engine is not None else ()

    def state(self) -> bytes:
        """All that is needed to go on elsewhere, to the bit. Holds live rows only as long as these are to become the reference."""
        return pack(
            Saved(
                settings=self._settings,
                profile=self._profile if self._profile is not None and self._profile.source == "live" else None,
                fingerprint=fingerprint(self._profile),
                learner=None if self._learner is None else self._learner.state(),
                engine=None if self._engine is None else self._engine.state(),
                extra=self._extra,
                without_inputs=self._without_inputs,
            )
        )

    @classmethod
    def restore(cls, profile: Profile | None, state: bytes, settings: Settings | None = None) -> Monitor:
        """The monitor that gave this state.

        Args:
            profile: the one that the monitor was made with; None when it was made without.
            state: as `state` gave it.
            settings: None for those that it had.

        Raises:
            StateUnreadable: the state is damaged, of a later version, of another profile, or of other pairs than the settings want.
        """
        saved = unpack(state)
        known = saved.profile if profile is None else profile
        if fingerprint(known) != saved.fingerprint:
            raise StateUnreadable("it belongs to another reference profile")
        monitor = cls(known, settings or saved.settings)
        try:
            if known is None and saved.learner is not None:
                monitor._learner = Learner.restored(saved.learner)
            if monitor._engine is not None and saved.engine is not None:
                monitor._engine.restore(*saved.engine)
        except (KeyError, TypeError, ValueError) as error:
            raise StateUnreadable(f"{type(error).__name__}: {error}") from error
        monitor._extra = saved.extra
        monitor._without_inputs = saved.without_inputs
        return monitor

    def _watch(self, profile: Profile | None) -> None:
        self._profile = profile
        self._engine = None if profile is None else Engine(profile, self._settings)
        self._positions: dict[Kind, dict[str, int]] = {kind: {} for kind in Kind}
        for position, stream in enumerate(() if profile is None else profile.streams):
            self._positions[stream.kind][stream.name] = position

    def _add(
        self,
        engine: Engine,
        profile: Profile,
        columns: Mapping[str, Values],
        answers: tuple[Values | None, Values | None],
        span: tuple[int, int],
    ) -> None:
        rows = span[1] - span[0]
        predictions, scores = (None if values is None else padded(values, span[1])[span[0] :] for values in answers)
        values: dict[int, Values] = {}
        if columns:
            values = {position: padded(columns.get(name), rows) for name, position in self._positions[Kind.FEATURES].items()}
            self._count_extra(set(columns) - set(self._positions[Kind.FEATURES]) - set(profile.left_out), rows)
        else:
            self._without_inputs += rows
        answered = self._positions[Kind.PREDICTION]
        names = tuple(name for name in answered if name.startswith(PREDICTION))
        found = prediction_columns(predictions, names) if names else {}
        score = score_column(scores)
        if score is not None:
            found[SCORE] = score
        values |= {answered[name]: held for name, held in found.items() if name in answered}
        engine.add(values, rows)

    def _count_extra(self, names: set[str], rows: int) -> None:
        for name in sorted(key(one) or "" for one in names):
            known = name if name in self._extra or len(self._extra) < _MOST_EXTRA else _OTHER_EXTRA
            self._extra[known] = self._extra.get(known, 0) + rows
