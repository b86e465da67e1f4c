"""Without a reference the first live rows become it: they are kept until there are enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlsandbox_serving.drift.profile.build import profile_of
from mlsandbox_serving.drift.profile.definition import Profile, ValueType
from mlsandbox_serving.drift.values import Values, padded

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
        self.rows = 0

    @property
    def missing(self) -> int:
        """Rows still to come."""
        return self._wanted - self.rows

    def add(self, columns: Mapping[str, Values], predictions: Values | None, scores: Values | None, rows: int) -> None:
        """Keep at most as many rows as are missing."""
        taken = min(rows, self.missing)
        self._batches.append(
            {
                "rows": taken,
                "columns": {name: _plain(values[:taken]) for name, values in columns.items()},
                "predictions": None if predictions is None else _plain(predictions[:taken]),
                "scores": None if scores is None else _plain(scores[:taken]),
            }
        )
        self.rows += taken

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
        learner.rows = sum(batch["rows"] for batch in learner._batches)
        return learner

    def _answers(self, part: str) -> list[Any] | None:
        return self._joined(lambda batch: batch[part]) if any(batch[part] is not None for batch in self._batches) else None

    def _joined(self, part: Any) -> list[Any]:
        return [value for batch in self._batches for value in padded(part(batch), batch["rows"])]


def _plain(values: Values) -> list[Any]:
    """As JSON would have it, so that a learner that was stopped in between learns the same."""
    return [_json_value(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]


def _json_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, np.ndarray | list | tuple):
        return [_json_value(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _json_value(one) for name, one in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
