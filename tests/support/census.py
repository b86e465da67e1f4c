"""People as the census example knows them, sent to its endpoint, and what the stack then says of drift."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from support.sandbox import ROOT, Sandbox, post
from support.waiting import wait_for

AGE = "AGEP"
ALERT = "SandboxDriftDetected"
_BATCH = 500
_DATA = ROOT / "examples" / "employment" / "data"
_NOT_INPUTS = ["id", "year", "prediction", "predicted_probability", "employed"]

Row = Mapping[str, Any]


def people(count: int, *, seed: int) -> list[Row]:
    """People of the year that the model was trained on, in an order of their own."""
    return _rows(pd.read_parquet(_DATA / "employment_MA_reference.parquet").sample(count, random_state=seed))


def people_of(year: int, count: int) -> list[Row]:
    """The first people of a later year, in the order of the data."""
    later = pd.read_parquet(_DATA / "employment_MA_stream.parquet")
    return _rows(later[later["year"] == year].head(count))


def ask_about(sandbox: Sandbox, rows: Sequence[Row]) -> None:
    """One request after the other, each with several hundred rows; each must be answered."""
    url = f"{sandbox.url}/predict"
    for start in range(0, len(rows), _BATCH):
        status, answer, _ = post(url, {"rows": rows[start : start + _BATCH]})
        assert status == 200, answer


def said(sandbox: Sandbox) -> Mapping[str, Any]:
    """What `sandbox drift` says of the model."""
    (model,) = sandbox.run("drift", "-o", "json").ok().json["models"]
    found: Mapping[str, Any] = model
    return found


def all_arrived(sandbox: Sandbox, count: int) -> None:
    """Wait until the drift service has taken in so many rows since its start, those that became the reference among them."""

    def taken() -> bool:
        model = said(sandbox)
        learned = model["reference"]["rows"] if model["reference"]["source"] == "live" else 0
        return int(model["rows"]) + int(learned) >= count

    wait_for(taken, every=0.5, what=f"{count} rows in the drift service")


def alerts(sandbox: Sandbox) -> list[str]:
    """Names of the alerts that `sandbox status` shows."""
    return [each["name"] for each in sandbox.status()["alerts"]]


def _rows(chosen: pd.DataFrame) -> list[Row]:
    rows: list[Row] = json.loads(chosen.drop(columns=_NOT_INPUTS, errors="ignore").to_json(orient="records"))
    return rows
