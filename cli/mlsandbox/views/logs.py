"""Text of log lines and of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlsandbox.engines.base import LogLine
from mlsandbox.output import Paint
from mlsandbox_serving.contract import Dataset, Field


def line_text(line: LogLine, paint: Paint, width: int) -> str:
    """The service's name in a column, the time, the text."""
    return f"{paint.hint(f'{line.service:<{width}}')} {paint.dim(line.time)} {line.text}"


def event_text(event: Mapping[str, Any], paint: Paint) -> str:
    """One event in one line: time, status, model, what was asked and answered, request id."""
    status = event.get(Field.STATUS)
    shown = "" if status is None else (paint.good if status < 400 else paint.bad)(str(status))
    parts = [
        paint.dim(str(event.get(Field.TIMESTAMP, ""))),
        shown,
        f"{event.get(Field.MODEL, '')} {event.get(Field.VERSION, '')}".strip(),
        paint.bad(_what(event)) if event.get(Field.DRIFT_PAGE) and event.get(Field.LEVEL) == "warning" else _what(event),
        _took(event.get(Field.EVENT_DURATION)),
        paint.dim(str(event.get(Field.REQUEST_ID) or "")),
    ]
    return "  ".join(part for part in parts if part)


def _what(event: Mapping[str, Any]) -> str:
    if event.get(Field.EVENT_DATASET) == Dataset.ERROR:
        return f"{event.get(Field.ERROR_CODE, '')}: {event.get(Field.ERROR_MESSAGE, '')}"
    if event.get(Field.EVENT_DATASET) == Dataset.FEEDBACK:
        return f"label of row {event.get(Field.FEEDBACK_ROW)}: {event.get(Field.FEEDBACK_LABEL)}"
    if event.get(Field.EVENT_DATASET) in {Dataset.DRIFT, Dataset.OUTLIERS}:
        return str(event.get(Field.MESSAGE, ""))
    rows, predictions = event.get(Field.ROWS), event.get(Field.PREDICTIONS)
    if rows == 1 and predictions:
        return f"1 row -> {predictions[0]}"
    return "" if rows is None else f"{rows} rows"


def _took(nanoseconds: int | None) -> str:
    return "" if nanoseconds is None else f"{nanoseconds / 1e6:.1f} ms"


def none_text(request_id: str | None) -> str:
    """That no event was found of a request; of other events there may well be none."""
    return "" if request_id is None else f"Nothing is logged of request {request_id} (an event is there some seconds after the answer)."
