"""Text of predictions."""

from __future__ import annotations

import json
from typing import Any

from mlsandbox.actions.predict import Prediction
from mlsandbox.output import Paint


def prediction_text(result: Prediction, paint: Paint, *, timed: bool) -> str:
    """One line per row, then what answered."""
    rows = zip(result.predictions, result.probabilities or (None,) * len(result.predictions), strict=True)
    took = f" in {result.seconds * 1000:.1f} ms" if timed else ""
    return "\n".join(
        [
            *(row_text(value, scores) for value, scores in rows),
            paint.dim(f"{result.model} {result.version}{took} · request {result.request_id}"),
        ]
    )


def row_text(value: Any, scores: Any) -> str:
    """A prediction, with its probability when there is one."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{shown}  p={max(scores):.4g}" if isinstance(scores, list) and scores else str(shown)
