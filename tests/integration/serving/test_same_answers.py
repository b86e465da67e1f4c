"""Answers are the estimator's own: in every format, alone and beside others, from one worker and from several."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from mlsandbox_serving.contract import Env
from support.bento import Service, build, serve
from support.many import Got, Sent, ask_many
from support.served import lay

ROWS = 100_000
"""Of each model, format and number of workers."""
AT_ONCE = 20_000
"""Of them one in a request, over CONNECTIONS: these meet in batches."""
ALONE = 500
"""One in a request, one after the other."""
CONNECTIONS = 32
LARGEST = 2_000
"""Rows of a request with several."""

JSON = {"content-type": "application/json"}


def values(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = by_column(frame)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def by_column(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in map(str, frame)}


def arrow(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def npy(frame: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    np.save(sink, frame.to_numpy())
    return sink.getvalue()


def tensors(frame: pd.DataFrame) -> dict[str, Any]:
    kinds = {"i": "INT64", "f": "FP64"}
    return {
        "inputs": [
            {"name": name, "shape": [len(frame), 1], "datatype": kinds.get(frame[name].dtype.kind, "BYTES"), "data": data}
            for name, data in by_column(frame).items()
        ]
    }


BODIES: dict[str, tuple[str, dict[str, str], Callable[[pd.DataFrame], bytes]]] = {
    "rows": ("/predict", JSON, lambda frame: json.dumps({"rows": values(frame)}).encode()),
    "columns": ("/predict", JSON, lambda frame: json.dumps({"columns": by_column(frame)}).encode()),
    "csv": ("/predict", {"content-type": "text/csv"}, lambda frame: frame.to_csv(index=False).encode()),
    "arrow": ("/predict", {"content-type": "application/vnd.apache.arrow.stream"}, arrow),
    "npy": ("/predict", {"content-type": "application/x-npy"}, npy),
    "infer": ("/v2/models/same/infer", JSON, lambda frame: json.dumps(tensors(frame)).encode()),
}


@dataclass(frozen=True)
class Own:
    """What the estimator itself says of a frame."""

    frame: pd.DataFrame
    labels: np.ndarray[Any, Any]
    probabilities: np.ndarray[Any, Any]
    service: Service


def frames() -> dict[str, tuple[pd.DataFrame, Any]]:
    random = np.random.default_rng(11)
    numbers = pd.DataFrame(random.normal(size=(ROWS, 4)), columns=["a", "b", "c", "d"])
    plain = LogisticRegression().fit(numbers[:5_000], np.where(numbers[:5_000].sum(axis=1) > 0, "yes", "no"))
    mixed = pd.DataFrame(
        {
            "age": random.integers(16, 90, ROWS),
            "sex": pd.Categorical(random.choice(["female", "male"], ROWS)),
            "hours": np.where(random.random(ROWS) < 0.1, np.nan, random.normal(30, 10, ROWS)),
        }
    )
    columns = make_column_transformer((OrdinalEncoder(), ["sex"]), remainder="passthrough")
    target = (mixed["age"] + 20 * (mixed["sex"] == "male") + mixed["hours"].fillna(0))[:5_000] > 80
    return {
        "numbers": (numbers, plain),
        "mixed": (mixed, make_pipeline(columns, HistGradientBoostingClassifier()).fit(mixed[:5_000], target)),
    }


@pytest.fixture(
    scope="module", params=[("numbers", 1), ("numbers", 4), ("mixed", 1), ("mixed", 4)], ids=lambda param: f"{param[0]}-{param[1]}"
)
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    kind, workers = request.param
    frame, model = frames()[kind]
    folder = tmp_path_factory.mktemp("same")
    bento = build(lay(folder, model, frame[:2_000], name="same"), folder)
    with serve(bento, folder, **{Env.WORKERS: str(workers)}) as service:
        service.wait()
        yield Own(frame, model.predict(frame), model.predict_proba(frame), service)


@pytest.mark.parametrize("name", BODIES)
def test_every_format_answers_as_the_estimator(own: Own, name: str) -> None:
    """All rows must be answered as by the estimator itself in every format, in requests of one to two thousand rows."""
    path, headers, body = BODIES[name]
    if name == "npy" and len(set(own.frame.dtypes)) > 1:  # an array has no categories
        refused = ask_many(own.service.port, [Sent(npy(own.frame[["age"]]), path, headers)], lambda _got: None, connections=1)
        assert dict(refused) == {415: 1}
        return
    random = np.random.default_rng(3)
    borders = np.unique(np.append(random.integers(0, ROWS, ROWS // (LARGEST // 2)), [0, 1, ROWS]))
    spans = [
        (first, last)
        for start, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
        for first in range(start, end, LARGEST)
        for last in [min(first + LARGEST, end)]
    ]
    requests = (Sent(body(own.frame[start:end]), path, headers, (start, end)) for start, end in spans)
    check = Check(own)

    statuses = ask_many(own.service.port, requests, check, connections=4)

    assert dict(statuses) == {200: len(spans)}
    assert check.rows == ROWS


@pytest.mark.parametrize(("rows", "connections"), [(AT_ONCE, CONNECTIONS), (ALONE, 1)], ids=["together", "alone"])
def test_single_rows_answer_as_the_estimator(own: Own, rows: int, connections: int) -> None:
    """Single rows must be answered as by the estimator itself, whether they meet others or not."""
    sent = (Sent(json.dumps(row).encode(), key=(place, place + 1)) for place, row in enumerate(values(own.frame[:rows])))
    check = Check(own)

    statuses = ask_many(own.service.port, sent, check, connections=connections)

    assert dict(statuses) == {200: rows}
    assert check.rows == rows


class Check:
    """Compares answers with the estimator's, and counts rows."""

    def __init__(self, own: Own) -> None:
        self.rows = 0
        self._own = own

    def __call__(self, got: Got) -> None:
        assert got.status == 200, got.body[:500]
        start, end = got.sent.key
        answer = got.json()
        if "outputs" in answer:
            labels, probabilities = (np.array(output["data"]).reshape(output["shape"]) for output in answer["outputs"])
        else:
            labels, probabilities = np.array(answer["predictions"]), np.array(answer["probabilities"])
        np.testing.assert_array_equal(labels.reshape(-1), self._own.labels[start:end])
        np.testing.assert_allclose(probabilities, self._own.probabilities[start:end], rtol=1e-9, atol=1e-12)
        self.rows += end - start
