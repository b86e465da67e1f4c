"""The drift service as the process that it is, and the events that it lives on."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlsandbox_serving.contract import Dataset, Env, Field
from mlsandbox_serving.drift import Profile, build_profile, save_profile
from mlsandbox_serving.drift_alibi import Reference, build_reference, save_reference
from mlsandbox_serving.drift_sidecar.state import FILE
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.spool.entry import encode
from support.event_processes import Service, free_port, get

REFERENCE_ROWS = 6_000


def columns(dice: np.random.Generator, rows: int, *, shift: float = 0.0) -> dict[str, list[Any]]:
    """Two columns of numbers and one of categories; `age` may be shifted by standard deviations."""
    return {
        "age": (40 + 10 * (dice.normal(size=rows) + shift)).tolist(),
        "income": dice.lognormal(10, 1, rows).tolist(),
        "city": dice.choice(["Bern", "Oslo", "Rome"], rows, p=[0.5, 0.3, 0.2]).tolist(),
    }


def answers(dice: np.random.Generator, rows: int) -> list[str]:
    """Predicted classes."""
    chosen: list[str] = dice.choice(["no", "yes"], rows, p=[0.7, 0.3]).tolist()
    return chosen


def profile(seed: int = 0) -> Profile:
    """Of reference rows, a tenth of which were predicted wrongly."""
    dice = np.random.default_rng(seed)
    predictions = answers(dice, REFERENCE_ROWS)
    labels = [{"no": "yes", "yes": "no"}[each] if dice.random() < 0.1 else each for each in predictions]
    return build_profile(columns(dice, REFERENCE_ROWS), predictions=predictions, labels=labels)


def reference(seed: int = 0) -> Reference:
    """The same with its rows."""
    dice = np.random.default_rng(seed)
    predictions = answers(dice, REFERENCE_ROWS)
    return build_reference(columns(dice, REFERENCE_ROWS), profile=profile(seed), predictions=predictions)


def record(
    dice: np.random.Generator, name: str, rows: int = 1, *, model: str = "churn", version: str = "v1", shift: float = 0.0
) -> dict[str, Any]:
    """A prediction as a model service writes it."""
    return {
        Field.EVENT_ID: name,
        Field.EVENT_DATASET: Dataset.PREDICTION,
        Field.REQUEST_ID: f"request-{name}",
        Field.MODEL: model,
        Field.VERSION: version,
        Field.ROWS: rows,
        Field.INPUTS: columns(dice, rows, shift=shift),
        Field.PREDICTIONS: answers(dice, rows),
        Field.TRUNCATED: False,
    }


def feedback(name: str, request: str, label: object, *, model: str = "churn") -> dict[str, Any]:
    """A label as a model service writes it."""
    return {
        Field.EVENT_ID: name,
        Field.EVENT_DATASET: Dataset.FEEDBACK,
        Field.REQUEST_ID: request,
        Field.MODEL: model,
        Field.VERSION: "v1",
        Field.FEEDBACK_ROW: 0,
        Field.FEEDBACK_LABEL: label,
    }


def events(records: Iterable[Mapping[str, Any]], *, at: int | None = None) -> list[Event]:
    """Records as they arrive, now or at epoch nanoseconds."""
    return [Event(time.time_ns() if at is None else at, dict(each)) for each in records]


def entries(records: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Records as they are sent."""
    return [encode(each, time.time()) for each in records]


class DriftService(Service):
    """The drift service in a folder, on ports that stay the same over restarts; with references it has their rows, too."""

    def __init__(self, folder: Path, *, profiles: Mapping[str, Profile | Reference] | None = None, **env: str) -> None:
        self.folder = folder / "drift"
        self.forward_port = free_port()
        named = []
        for name, each in (profiles or {}).items():
            path = folder / "profiles" / name
            save_profile(each.profile if isinstance(each, Reference) else each, path)
            if isinstance(each, Reference):
                save_reference(each, path)
            named.append(f"{name}={path}")
        http_port = free_port()
        settings = {
            Env.DRIFT_DIR: str(self.folder),
            Env.FORWARD_PORT: str(self.forward_port),
            Env.DRIFT_PORT: str(http_port),
            Env.DRIFT_PROFILES: ",".join(named),
            Env.DRIFT_CHECK_SECONDS: "0.2",
        }
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__("mlsandbox_serving.drift_sidecar", {**settings, **env}, folder / "drift.log", http_port)

    def status(self) -> dict[str, Any]:
        """What /status answers."""
        code, body = get(self.probe_port, "/status")
        assert code == 200, body
        return dict(json.loads(body))

    def page(self) -> str:
        """What /report.html answers."""
        code, body = get(self.probe_port, "/report.html")
        assert code == 200, body
        return body

    def model(self, name: str = "churn", version: str = "v1") -> dict[str, Any]:
        """What is said of one version of one model."""
        found = [each for each in self.status()["models"] if (each["model"], each["version"]) == (name, version)]
        assert len(found) == 1
        return dict(found[0])

    def saved(self) -> dict[tuple[str, str], bytes]:
        """The states of its monitors on disk, complete once it was stopped."""
        connection = sqlite3.connect(f"file:{self.folder / FILE}?mode=ro", uri=True)
        try:
            return {(model, version): state for model, version, state in connection.execute("SELECT model, version, monitor FROM sources")}
        finally:
            connection.close()

    def journal(self) -> int:
        """How many events its saved monitors have not seen."""
        connection = sqlite3.connect(f"file:{self.folder / FILE}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT COUNT(*) FROM journal").fetchone()[0])
        finally:
            connection.close()
