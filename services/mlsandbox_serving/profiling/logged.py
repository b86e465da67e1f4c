"""Rows and answers of events that were logged: what was asked and answered, without asking the model again."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsandbox_serving.capture import CaptureError
from mlsandbox_serving.drift.values import padded
from mlsandbox_serving.drift_sidecar.event import Rows, read
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.profiling.answers import Answers


@dataclass(frozen=True, slots=True)
class Logged:
    """Rows in the order in which they were logged.

    Args:
        columns: as events hold them.
        answers: to them.
    """

    columns: dict[str, list[Any]]
    answers: Answers


def read_events(path: Path, *, most: int) -> Logged:
    """Read logged events, one JSON object per line, the newest first, until the next one would make it more than `most` rows.

    Raises:
        CaptureError: no event holds rows.
    """
    found: deque[Rows] = deque()
    kept = 0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            event = read(Event(0, json.loads(line)))
            if not isinstance(event, Rows) or event.columns is None:
                continue
            if found and kept + event.length > most:
                break
            found.appendleft(event)
            kept += event.length
    if not found:
        raise CaptureError("REFERENCE_EMPTY", "no logged event holds rows", fix="log inputs: inputs = true below [log] in sandbox.toml")
    names = dict.fromkeys(name for event in found for name in event.columns or ())
    columns = {name: [value for event in found for value in padded((event.columns or {}).get(name), event.length)] for name in names}
    predictions = [value for event in found for value in padded(event.predictions, event.length)]
    scored = any(event.scores is not None for event in found)
    scores = [value for event in found for value in padded(event.scores, event.length)] if scored else None
    return Logged(columns, Answers(predictions, scores))
