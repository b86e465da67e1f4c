"""Without a reference the first live rows become it: they are kept until there are enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mlsandbox_serving.drift.answers import MOST_OUTPUTS, prediction_columns, score_column
from mlsandbox_serving.drift.profile.build import profile_of
from mlsandbox_serving.drift.profile.definition import Profile, ValueType
from mlsandbox_serving.drift.values import Values, key, padded

MOST_VALUES: Final = 500_000
"""That are kept: of more than a hundred columns fewer rows than are wanted become the reference."""
_Batch = dict[str, Any]


class Learner:
    """Rows until there are enough.

    Args:
        rows: that are enough.
        types: of columns, where they are known.
        of_answers: type of predictions, where it is known.
    """

    def __init__(self, rows: int, types: Mapping[str, ValueType], of_answers: ValueType | None = None) -> None:
        self._wanted = rows
        self._types = dict(types)
        self._of_answers = of_answers
        self._batches: list[_Batch] = []
        self._names: set[str] = set()
        self.rows = 0

    @property
    def missing(self) -> int:
        """Rows still to come."""
        return max(self._wanted - self.rows, 0)

    def add(self, columns: Mapping[str, Values], predictions: Values | None, scores: Values | None, rows: int) -> int:
        """Keep at most as many rows as are missing; how many these are."""
        self._names.update(columns)
        self._wanted = min(self._wanted, max(MOST_VALUES // (len(self._names) + len(prediction_columns(predictions)) + 1), 1))
        taken = min(rows, self.missing)
        if not taken:
            return 0
        score = score_column(scores)
        self._batches.append(
            {
                "rows": taken,
                "columns": {name: _plain(values[:taken]) for name, values in columns.items()},
                "predictions": None if predictions is None else [_answer(value) for value in predictions[:taken]],
                "scores": None if score is None else _plain(score[:taken]),
            }
        )
        self.rows += taken
        return taken

    def profile(self) -> Profile:
        """The profile of the rows."""
        names = dict.fromkeys(name for batch in self._batches for name in batch["columns"])
        columns = {name: self._joined(lambda batch, name=name: batch["columns"].get(name)) for name in names}
        predictions, scores = self._answers("predictions"), self._answers("scores")
        learned = profile_of(columns, self._types, self._of_answers, predictions=predictions, scores=scores)
        return Profile(learned.rows, learned.streams, learned.pairs, learned.self_check, learned.left_out, "live")

    def state(self) -> dict[str, Any]:
        """All that it holds, for JSON."""
        return {"types": self._types, "of_answers": self._of_answers, "wanted": self._wanted, "batches": self._batches}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Learner:
        """The learner that gave this state."""
        learner = cls(int(state["wanted"]), state["types"], state["of_answers"])
        learner._batches = list(state["batches"])
        learner._names.update(name for batch in learner._batches for name in batch["columns"])
        learner.rows = sum(batch["rows"] for batch in learner._batches)
        return learner

    def _answers(self, part: str) -> list[Any] | None:
        return self._joined(lambda batch: batch[part]) if any(batch[part] is not None for batch in self._batches) else None

    def _joined(self, part: Any) -> list[Any]:
        return [value for batch in self._batches for value in padded(part(batch), batch["rows"])]


def _plain(values: Values | tuple[Any, ...]) -> list[Any]:
    """As JSON would have it, so that a learner that was stopped in between learns the same."""
    return [_short(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]


def _answer(value: Any) -> Any:
    return _plain(value[:MOST_OUTPUTS]) if isinstance(value, list | tuple | np.ndarray) else _short(value)


def _short(value: Any) -> Any:
    """A number, or the short text by which a category is known: what is to be counted is the same, however long the value is."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, int | float) else key(value)
