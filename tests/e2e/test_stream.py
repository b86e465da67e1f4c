"""Real data, many rows: the census stream through the endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from support.example import train_example
from support.sandbox import Sandbox
from support.waiting import wait_for

ROWS = 10_000

OWN = """
import json, sys
import joblib
import pandas as pd
model = joblib.load("employment/model.joblib")
frame = pd.read_parquet("data/employment_MA_stream.parquet").head(int(sys.argv[1]))
frame = frame[list(model.feature_names_in_)]
frame.to_parquet("stream.parquet")
print(json.dumps(model.predict(frame).tolist()))
"""


def test_ten_thousand_rows_must_be_answered_like_the_estimator_and_logged_once(make_sandbox: Callable[..., Sandbox]) -> None:
    """10,000 rows of the census stream must be predicted as by the estimator itself, and the log store hold those requests once each."""
    sandbox = make_sandbox("employment")
    train_example(sandbox)
    own = json.loads(sandbox.script(OWN, str(ROWS)))
    sandbox.run("up").ok()

    out = sandbox.run("predict", "--data", "stream.parquet", "-o", "jsonl").ok().out

    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["prediction"] for answer in answers] == own
    sent = {answer["request_id"] for answer in answers}

    def held() -> list[dict[str, Any]]:
        lines = sandbox.run("logs", "--requests", "-n", "1000000", "-o", "jsonl").ok().out.splitlines()
        return [event for event in map(json.loads, lines) if event["http.request.id"] in sent]

    wait_for(lambda: len(held()) >= len(sent), every=0.5, what="all requests in the log store")
    events = held()
    assert len(events) == len(sent)
    assert sum(event["sandbox.rows"] for event in events) == ROWS
