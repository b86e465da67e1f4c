"""Profiles of reference data, made with the model's own answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlsandbox_serving.capture import CaptureError
from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.drift import Kind, Monitor, load_profile
from mlsandbox_serving.drift_alibi import load_reference
from mlsandbox_serving.drift_sidecar.event import Rows, read
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.profiling.__main__ import profiled
from mlsandbox_serving.profiling.logged import read_events
from mlsandbox_serving.profiling.rows import RUN, most_rows, read_rows
from mlsandbox_serving.record import Facts, Identity, Privacy
from mlsandbox_serving.schema import Column, Output, Schema
from mlsandbox_serving.service.decoding import JsonDecoder
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.predicting import Predicted, prepare
from mlsandbox_serving.tabular import TabularError, rows
from support.prediction_records import prediction_record
from support.served import fitted, lay, people

ROWS = 3_000
PRIVACY = Privacy(private=frozenset({"email"}), hashed=frozenset({"customer"}), key=b"0123456789abcdef")


def _some(values: Any, random: np.random.Generator) -> list[Any]:
    """Values of which a tenth is missing."""
    return [value if there else None for value, there in zip(values.tolist(), random.random(len(values)) > 0.1, strict=True)]


def _customers() -> pd.DataFrame:
    """Reference data with a column of every type, and the label."""
    random = np.random.default_rng(11)
    frame = people(ROWS)
    frame["children"] = pd.Series(_some(random.integers(0, 5, ROWS), random), dtype="Int64")
    frame["balance"] = random.normal(0, 1e6, ROWS).astype("float32")
    frame["member"] = random.random(ROWS) < 0.3
    frame["vip"] = pd.Series(_some(random.random(ROWS) < 0.5, random), dtype="boolean")
    frame["postcode"] = [f"{number:05d}" for number in random.integers(0, 400, ROWS)]
    frame["grade"] = pd.Categorical(random.integers(1, 4, ROWS))
    frame["since"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1500, ROWS), unit="D")
    frame["seen"] = pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(random.integers(0, 10**7, ROWS), unit="s")
    frame["customer"] = random.integers(0, 50, ROWS)
    return frame


@dataclass(frozen=True)
class Made:
    """A package, the request that its profile was made with, and what was said of it."""

    root: Path
    model: Path
    request: dict[str, Any]
    told: dict[str, Any]

    @property
    def folder(self) -> Path:
        return Path(self.request["output"])


def _made(folder: Path, frame: pd.DataFrame, *, suffix: str = ".parquet", model: Any = None, target: str | None = "right") -> Made:
    fit = model or fitted(frame)
    laid = lay(folder, fit, frame)
    table = frame.assign(right=fit.predict(frame)) if target else frame
    path = folder / f"reference{suffix}"
    _write(table, path)
    request = {
        "schema": json.loads((laid.root / "package/schema.json").read_text()),
        "load": laid.manifest()["load"],
        "model": str(laid.model),
        "code": None,
        "reference": str(path),
        "target": target,
        "events": None,
        "private": sorted(PRIVACY.private),
        "hashed": sorted(PRIVACY.hashed),
        "left_out": {},
        "output": str(folder / "profile"),
    }
    return Made(laid.root, laid.model, request, profiled(request))


def _events(made: Made, sent: list[dict[str, Any]], *, at_once: int = 100) -> list[dict[str, Any]]:
    """What the service writes about these rows, as it comes out of the spool."""
    served = prepare(Package.read(made.root), made.model, PRIVACY)
    decode = JsonDecoder(served.schema, max_rows=at_once)
    found = []
    for start in range(0, len(sent), at_once):
        (answer,) = served.predict([decode(json.dumps({"rows": sent[start : start + at_once]}).encode())]).answers
        assert isinstance(answer, Predicted)
        event = prediction_record(
            Identity("toy", "v1", "sha256:1"),
            Facts("POST", "/predict", f"request-{start}"),
            answer.columns.by_name,
            answer.predictions,
            answer.probabilities,
            privacy=PRIVACY,
        )
        found.append(event)
    return found


def _sent(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client sends them who has the data in memory."""
    plain = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    rows: list[dict[str, Any]] = json.loads(json.dumps(plain, default=lambda value: value.isoformat()))
    return rows


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_reference_rows_that_are_sent_must_look_like_the_reference(tmp_path: Path, suffix: str) -> None:
    """The rows of the reference, sent as requests, must have their place in it: nothing unseen, out of range, or more often missing."""
    frame = _customers()
    made = _made(tmp_path, frame, suffix=suffix)
    profile = load_profile(made.folder)
    monitor = Monitor(profile)
    file, schema = Path(made.request["reference"]), Schema.from_json(made.request["schema"])
    sent = _sent(frame) if suffix == ".parquet" else list(rows(file, schema=schema))
    counted = {stream.name: np.zeros_like(stream.counts) for stream in profile.streams if stream.kind is Kind.FEATURES}
    for event in _events(made, sent):
        found = read(Event(0, event))
        assert isinstance(found, Rows)
        assert found.columns is not None
        monitor.update(found.columns, found.predictions, found.scores)
        for stream in profile.streams:
            if stream.kind is Kind.FEATURES:
                np.add.at(counted[stream.name], stream.cells.read(found.columns[stream.name]), 1)

    verdict = monitor.verdict()
    assert (verdict.outliers.out_of_range, verdict.outliers.unseen) == (0.0, 0.0)
    assert (verdict.extra_columns, verdict.alarms) == ({}, 0)
    assert profile.names(Kind.PREDICTION) == ("prediction", "score")
    assert set(counted) == set(frame.columns) - {"email", "customer"}
    for stream in profile.streams:
        assert stream.name not in counted or np.array_equal(counted[stream.name], stream.counts), stream.name


def test_labels_are_taken_from_the_target_column(tmp_path: Path) -> None:
    """With labels a profile must know how often the model is wrong; labels that come later must fall among those known."""
    made = _made(tmp_path, _customers(), suffix=".csv")
    profile = load_profile(made.folder)
    monitor = Monitor(profile)
    monitor.feedback(["no", "yes"], ["no", "no"])

    assert made.told["labels"] is True
    assert profile.names(Kind.PERFORMANCE) == ("label", "error")
    assert {histogram.column: histogram.recent for histogram in monitor.histograms()}["label"][:2] in {(1.0, 0.0), (0.0, 1.0)}


def test_a_model_of_numbers(tmp_path: Path) -> None:
    """A regression must have its predictions and losses compared as numbers, and its array's columns by their names."""
    random = np.random.default_rng(2)
    inputs = pd.DataFrame(random.normal(size=(800, 3)), columns=["a", "b", "c"])
    inputs["right"] = inputs.sum(axis=1) + random.normal(size=800)
    model = LinearRegression().fit(inputs[["a", "b", "c"]], inputs["right"])
    inputs.to_csv(tmp_path / "reference.csv", index=False)
    joblib.dump(model, tmp_path / "model.joblib")
    schema = Schema("frame", tuple(Column(name, "float", "float64") for name in "abc"), Output("number"))
    request: dict[str, Any] = {
        "schema": schema.to_json(),
        "load": {"kind": "sklearn", "entry": "model.joblib"},
        "model": str(tmp_path),
        "code": None,
        "reference": str(tmp_path / "reference.csv"),
        "target": "right",
        "events": None,
        "private": [],
        "hashed": [],
        "left_out": {},
        "output": str(tmp_path / "profile"),
    }

    told = profiled(request)

    profile = load_profile(tmp_path / "profile")
    assert told == {
        "rows": 800,
        "total": 800,
        "refused": 0,
        "why": "",
        "columns": 3,
        "labels": True,
        "left_out": {},
        "unsteady": {},
    }
    assert profile.names(Kind.PREDICTION) == ("prediction",)
    assert profile.names(Kind.PERFORMANCE) == ("label", "loss")


def test_guarded_columns_leave_no_trace(tmp_path: Path) -> None:
    """No value of a private or hashed column may be in any file of a profile; why they are left out must be."""
    made = _made(tmp_path, _customers())

    assert made.told["left_out"]["email"] == "private"
    assert made.told["left_out"]["customer"].startswith("hashed: ")
    assert all(b"person7@example.org" not in (made.folder / name).read_bytes() for name in ProfileFile.ALL)
    assert load_reference(made.folder, load_profile(made.folder)).table is not None


def test_the_same_rows_must_give_the_same_bytes(tmp_path: Path) -> None:
    """A profile that is made again must have the digests that it had."""
    made = _made(tmp_path, _customers())
    first = _digests(made.folder)
    profiled({**made.request, "output": str(tmp_path / "again")})

    assert _digests(tmp_path / "again") == first


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_rows_that_the_endpoint_refuses_are_left_out(tmp_path: Path, suffix: str) -> None:
    """Rows that no request could hold must not be in a profile, and be counted."""
    made = _made(tmp_path, people(600), target=None)
    frame = people(600).astype({"sex": object})
    frame.loc[3, "hours"] = np.inf
    frame.loc[7, "sex"] = None
    frame.loc[9, "sex"] = "unknown"
    _write(frame, tmp_path / f"odd{suffix}")

    told = profiled({**made.request, "reference": str(tmp_path / f"odd{suffix}")})

    assert (told["rows"], told["refused"], told["why"]) == (597, 3, "it holds an infinity")


def test_cells_of_a_csv_file_that_hold_no_value(tmp_path: Path) -> None:
    """An empty cell must be a missing value, as it is in other files, and a text among numbers must cost its own row alone."""
    made = _made(tmp_path, people(600), target=None)
    frame = people(600).astype({"age": object})
    frame.loc[7, "age"], frame.loc[8, "age"], frame.loc[9, "age"] = "", "NaN", "old"
    frame.to_csv(tmp_path / "odd.csv", index=False)

    told = profiled({**made.request, "reference": str(tmp_path / "odd.csv")})

    assert (told["rows"], told["refused"]) == (597, 3)
    assert told["why"].startswith("column 'age': null not allowed")


def test_a_reference_of_nothing_but_refused_rows(tmp_path: Path) -> None:
    """A file in which no row is one must be refused, with what is wrong."""
    made = _made(tmp_path, people(600), target=None)
    people(600).assign(sex="unknown").to_parquet(tmp_path / "odd.parquet")

    with pytest.raises(CaptureError, match="no row that the model takes") as refused:
        profiled({**made.request, "reference": str(tmp_path / "odd.parquet")})
    assert refused.value.why.startswith("column 'sex': not a known category")


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    """A column that the model takes and the file does not have must be named."""
    made = _made(tmp_path, people(600), target=None)
    people(600).drop(columns="age").to_parquet(tmp_path / "other.parquet")

    with pytest.raises(TabularError, match="no column 'age'"):
        profiled({**made.request, "reference": str(tmp_path / "other.parquet")})


@pytest.mark.parametrize(
    ("guards", "said"),
    [
        ({}, "ValueError: no"),
        ({"private": ["age"]}, "ValueError (its text may hold a value of a guarded column)"),
        ({"hashed": ["age"]}, "ValueError (its text may hold a value of a guarded column)"),
    ],
)
def test_a_model_that_fails_on_its_reference(tmp_path: Path, guards: dict[str, list[str]], said: str) -> None:
    """What the model says of rows that it cannot predict must be told, unless it may quote what nobody is to see."""
    made = _made(tmp_path, people(600), target=None)
    request = {**made.request, "load": {**made.request["load"]}, "private": [], "hashed": [], **guards}
    joblib.dump(_Failing(), made.model / "model.joblib")

    with pytest.raises(CaptureError, match="fails on rows 0 to 599") as failed:
        profiled(request)
    assert failed.value.why == said


def test_a_large_file_is_thinned_out_in_runs(tmp_path: Path) -> None:
    """Of too many rows runs of consecutive ones must be kept, from the beginning to the end, in their order."""
    pd.DataFrame({"row": np.arange(50_500)}).to_parquet(tmp_path / "rows.parquet")
    schema = Schema("frame", (Column("row", "integer", "int64"),), Output("number"))

    read_back = read_rows(tmp_path / "rows.parquet", schema, target=None, most=20_000)

    kept = read_back.columns.by_name["row"]
    assert read_back.total == 50_500
    assert 10_000 <= len(kept) <= 20_000
    assert kept == [number for number in range(50_500) if number // RUN % 4 == 0]


@pytest.mark.parametrize(("columns", "classes", "most"), [(3, 0, 200_000), (30, 2, 121_212), (399, 0, 10_000), (9_000, 0, RUN)])
def test_a_wide_table_is_made_of_fewer_rows(columns: int, classes: int, most: int) -> None:
    """The values that are held in memory must be bounded, not the rows alone; a run must be left."""
    names = tuple(Column(f"c{number}", "float", "float64") for number in range(columns))

    assert most_rows(Schema("frame", names, Output("class", tuple(range(classes)) or None))) == most


def test_a_profile_of_logged_events(tmp_path: Path) -> None:
    """Events must make a profile without the model: of what was asked and answered, with guarded columns left out."""
    frame = _customers()
    made = _made(tmp_path, frame)
    log = tmp_path / "events.jsonl"
    newest_first = reversed(_events(made, _sent(frame)))
    log.write_text("\n".join(map(json.dumps, newest_first)), encoding="utf-8")

    told = profiled({**made.request, "reference": None, "events": str(log), "model": str(tmp_path / "none"), "output": str(tmp_path / "b")})

    logged, given = load_profile(tmp_path / "b"), load_profile(made.folder)
    assert (told["rows"], told["labels"]) == (ROWS, False)
    assert set(logged.left_out) == {"customer"}
    assert logged.names(Kind.PREDICTION) == given.names(Kind.PREDICTION)
    for stream in logged.streams:
        other = next(each for each in given.streams if each.name == stream.name)
        assert np.array_equal(stream.counts, other.counts), stream.name


def test_the_newest_logged_rows_are_used(tmp_path: Path) -> None:
    """Of too many logged rows the newest must be used, oldest first, and never more than are allowed."""
    frame = _customers()
    made = _made(tmp_path, frame)
    log = tmp_path / "events.jsonl"
    log.write_text("\n".join(map(json.dumps, reversed(_events(made, _sent(frame))))), encoding="utf-8")

    logged = read_events(log, most=250)

    assert len(logged.answers.predictions) == 200
    assert logged.columns["member"] == frame["member"].tolist()[-200:]


class _Failing:
    def predict(self, _frame: Any) -> Any:
        raise ValueError("no")


def _write(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)


def _digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ProfileFile.ALL}
