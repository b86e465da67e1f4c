"""What the stack's drift service knows, asked over HTTP on this machine."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from mlsandbox.errors import NotRunning
from mlsandbox_serving.contract import DriftEngine, Route

_HOST: Final = "127.0.0.1"
_TIMEOUT: Final = 15.0
"""Seconds; the service itself answers within about 8 that it is busy."""
_LARGEST_ANSWER: Final = 64 * 1024 * 1024
_FIX: Final = "see how it is: sandbox status   and what it wrote: sandbox logs drift"


@dataclass(frozen=True, slots=True)
class Column:
    """What is said of one column in one kind.

    Args:
        name: of it, or of a pair of columns.
        severity: "none", "low", "medium" or "high"; None when it is not known, for too few rows or an alarm that is too young.
        certain: whether the evidence points at it.
        evidence: as a part of what raises an alarm; None when it is beyond numbers.
        psi: less its noise floor.
        shift: by how much the mean moved, in standard deviations; None when that is not what changed.
        excess: rows that the model was not trained for beyond the reference's share; 0.01 is a point.
        explanation: the cell that changed most, in words.
    """

    name: str
    severity: str | None
    certain: bool
    evidence: float | None
    psi: float | None
    shift: float | None
    excess: float | None
    explanation: str


@dataclass(frozen=True, slots=True)
class KindVerdict:
    """What is said of one kind: features, prediction, outliers or performance.

    Args:
        kind: which.
        severity: of its worst column; None when it is not known, likewise.
        rows: that it is about.
        rows_needed: to know it.
        certain: whether chance is ruled out, and the change is not over.
        settled: whether a change that is certain was measured on rows after it alone; before, it may well be larger than it looks.
        over: whether a change that mattered is none any more, and only not cleared yet.
        page: certain and large enough to matter, until it is over.
        informational: why it never pages; None when it may.
        evidence: as a part of what raises an alarm; None when it is beyond numbers.
        since_row: the last row of the block in which it became certain: it began in that block or before; None when there is nothing.
        worst: its worst columns, the worst first.
    """

    kind: str
    severity: str | None
    rows: int
    rows_needed: int
    certain: bool
    settled: bool
    over: bool
    page: bool
    informational: str | None
    evidence: float | None
    since_row: int | None
    worst: tuple[Column, ...]

    @property
    def young(self) -> bool:
        """A change is certain, and how large it is will be known in some rows."""
        return self.certain and not (self.settled or self.page or self.over or self.informational)


@dataclass(frozen=True, slots=True)
class Performance:
    """How well a version predicted in one window of time."""

    window: str
    predictions: int
    labels: int
    unusable: int
    """Of these, labels that the prediction cannot be compared with."""
    metrics: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What another engine than the native one says of a version; it raises no alert.

    Args:
        engine: its name.
        state: "drift", "steady", "incomplete", "learning", "loading", "waiting" or "failed".
        sentence: the same in words.
        windows: compared so far.
        window_rows: of each.
        failed_rows: of windows of which something could not be compared.
        problems: what could not be compared, or be made at all, by name, and why.
    """

    engine: str
    state: str
    sentence: str
    windows: int
    window_rows: int
    failed_rows: int
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """One version of one model.

    Args:
        model: its name.
        version: "v3".
        current: whether it is served now, or was until a moment ago.
        state: "drift", "change", "steady", "learning" or "waiting".
        sentence: the same in words.
        rows: compared so far.
        window_rows: of the recent rows that severities are about.
        last_event: when its newest row came; None before the first one.
        reference_rows: 0 while it is being learned.
        reference_words: whether it was given with the model, is a baseline, or was made of the first live rows.
        rows_to_learn: until there is a reference.
        problem: why a given reference could not be used.
        rows_without_inputs: rows whose inputs were not logged.
        left_out: columns that are not watched, and why.
        kinds: what is watched.
        performance: by window of time.
        opinion: of the second engine; None when there is none, or nothing to compare with yet.
    """

    model: str
    version: str
    current: bool
    state: str
    sentence: str
    rows: int
    window_rows: int
    last_event: datetime | None
    reference_rows: int
    reference_words: str
    rows_to_learn: int
    problem: str | None
    rows_without_inputs: int
    left_out: Mapping[str, str]
    kinds: tuple[KindVerdict, ...]
    performance: tuple[Performance, ...]
    opinion: Opinion | None = None

    @property
    def pages(self) -> tuple[str, ...]:
        """The kinds that page."""
        return tuple(each.kind for each in self.kinds if each.page)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One answer of the drift service.

    Args:
        time: when it looked.
        models: what it watches, what is served first.
        silent: engines that do not work, and why.
        document: all of the answer.
    """

    time: datetime
    models: tuple[ModelDrift, ...]
    silent: Mapping[str, str]
    document: Mapping[str, Any]


def drift_report(port: int) -> DriftReport:
    """The verdicts of the drift service on this port of this machine.

    Raises:
        NotRunning: it does not answer, or is not the drift service.
    """
    return _report(port, _get(port, Route.REPORT))


def drift_verdicts(port: int, *, timeout: float) -> DriftReport:
    """The same without what each column looks like.

    Args:
        port: of the drift service.
        timeout: seconds.

    Raises:
        NotRunning: it does not answer, or is not the drift service.
    """
    return _report(port, _get(port, Route.STATUS, timeout))


def _report(port: int, body: bytes) -> DriftReport:
    try:
        return parse_report(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotRunning(
            f"what answers on port {port} is not the drift service",
            why=f"{type(error).__name__}: {error}",
            fix="look at it: sandbox status",
        ) from error


def as_served(report: DriftReport, served: Mapping[str, str]) -> DriftReport:
    """The report with what is served now alone as current (pure).

    The service itself takes a version for current as long as its last row is not old.

    Args:
        report: of the service.
        served: versions by model; without any it stays as it is.
    """
    if not served:
        return report
    now = [served.get(each.model) == each.version for each in report.models]
    models = tuple(replace(each, current=current) for each, current in zip(report.models, now, strict=True))
    entries = [{**entry, "current": current} for entry, current in zip(report.document["models"], now, strict=True)]
    return replace(report, models=models, document={**report.document, "models": entries})


def drift_page(port: int) -> str:
    """The report as one page of HTML.

    Raises:
        NotRunning: the drift service does not answer.
    """
    return _get(port, Route.REPORT_PAGE).decode("utf-8", "replace")


def page_address(port: int) -> str:
    """Where a browser finds the page."""
    return f"http://{_HOST}:{port}{Route.REPORT_PAGE}"


def parse_report(body: bytes) -> DriftReport:
    """The answer of `GET /report` (pure).

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is no such answer.
    """
    document = json.loads(body)
    silent = {str(each["name"]): str(each["reason"]) for each in document["engines"] if not each["on"]}
    return DriftReport(datetime.fromisoformat(document["time"]), tuple(_model(each) for each in document["models"]), silent, document)


def _model(entry: Mapping[str, Any]) -> ModelDrift:
    reference, last = entry["reference"], entry["last_event"]
    return ModelDrift(
        model=str(entry["model"]),
        version=str(entry["version"]),
        current=bool(entry["current"]),
        state=str(entry["state"]),
        sentence=str(entry["sentence"]),
        rows=int(entry["rows"]),
        window_rows=int(entry["window_rows"]),
        last_event=None if last is None else datetime.fromisoformat(last),
        reference_rows=int(reference["rows"]),
        reference_words=str(reference["words"]),
        rows_to_learn=int(reference["rows_to_learn"]),
        problem=reference["problem"],
        rows_without_inputs=int(entry["rows_without_inputs"]),
        left_out={str(name): str(why) for name, why in entry["left_out"].items()},
        kinds=tuple(_kind(each) for each in entry["kinds"]),
        performance=tuple(_performance(each) for each in entry["performance"]),
        opinion=_opinion(entry.get(DriftEngine.ALIBI)),
    )


def _opinion(entry: Mapping[str, Any] | None) -> Opinion | None:
    if entry is None:
        return None
    return Opinion(
        engine=DriftEngine.ALIBI,
        state=str(entry["state"]),
        sentence=str(entry["sentence"]),
        windows=int(entry["windows"]),
        window_rows=int(entry["window_rows"]),
        failed_rows=int(entry["failed_rows"]),
        problems={
            str(name): str(why) for name, why in {**(entry["window"] or {}).get("problems", {}), **entry["unusable_detectors"]}.items()
        },
    )


def _kind(entry: Mapping[str, Any]) -> KindVerdict:
    return KindVerdict(
        kind=str(entry["kind"]),
        severity=_word(entry["severity"]),
        rows=int(entry["rows"]),
        rows_needed=int(entry["rows_needed"]),
        certain=bool(entry["certain"]),
        settled=bool(entry["settled"]),
        over=bool(entry["over"]),
        page=bool(entry["page"]),
        informational=entry["informational"],
        evidence=_number(entry["evidence"]),
        since_row=entry["since_row"],
        worst=tuple(_column(each) for each in entry["worst"]),
    )


def _column(entry: Mapping[str, Any]) -> Column:
    return Column(
        name=str(entry["column"]),
        severity=_word(entry["severity"]),
        certain=bool(entry["certain"]),
        evidence=_number(entry["evidence"]),
        psi=_number(entry["psi"]),
        shift=_number(entry["shift"]),
        excess=_number(entry["excess"]),
        explanation=str(entry["explanation"]),
    )


def _performance(entry: Mapping[str, Any]) -> Performance:
    metrics = {str(name): _number(value) for name, value in entry["metrics"].items()}
    return Performance(str(entry["window"]), int(entry["predictions"]), int(entry["labels"]), int(entry["unusable"]), metrics)


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _get(port: int, path: str, timeout: float = _TIMEOUT) -> bytes:
    connection = http.client.HTTPConnection(_HOST, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(_LARGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise NotRunning(
            f"the drift service does not answer on port {port}", why=str(error) or type(error).__name__, fix=_FIX, details={"port": port}
        ) from error
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        raise NotRunning(
            "the drift service is taking events in and cannot say anything for now",
            why=f"It answers HTTP {answer.status} on port {port}.",
            fix="ask again in some seconds: sandbox drift",
        )
    if answer.status != http.HTTPStatus.OK:
        raise NotRunning(f"the drift service answers HTTP {answer.status} on port {port}", fix=_FIX, details={"status": answer.status})
    return body
