"""Real data, many rows: the census stream through the endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable

from support.sandbox import ROOT, Sandbox
from support.waiting import wait_for

EXAMPLE = ROOT / "examples" / "employment"
ROWS = 10_000

OWN = """
import json, sys
import joblib
import pandas as pd
sys.path.insert(0, sys.argv[1])
model = joblib.load("employment/model.joblib")
frame = pd.read_parquet(sys.argv[1] + "/data/employment_MA_stream.parquet").head(int(sys.argv[2]))
frame = frame[list(model.feature_names_in_)]
frame.to_parquet("stream.parquet")
print(json.dumps(model.predict(frame).tolist()))
"""


def test_ten_thousand_rows_must_be_answered_like_the_estimator_and_logged_once(make_sandbox: Callable[..., Sandbox]) -> None:
    """10,000 rows of the census stream must be predicted as by the estimator itself, and the log store hold those requests once each."""
    sandbox = make_sandbox()
    sandbox.script((EXAMPLE / "train.py").read_text(), "--path", str(sandbox.root), cwd=EXAMPLE)
    own = json.loads(sandbox.script(OWN, str(EXAMPLE), str(ROWS)))
    sandbox.run("up").ok()

    out = sandbox.run("predict", "--data", "stream.parquet", "-o", "jsonl").ok().out

    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["prediction"] for answer in answers] == own
    sent = {answer["request_id"] for answer in answers}

    def held() -> list[dict[str, object]]:
        lines = sandbox.run("logs", "--requests", "-n", "1000000", "-o", "jsonl").ok().out.splitlines()
        return [event for event in map(json.loads, lines) if event["http.request.id"] in sent]

    wait_for(lambda: len(held()) >= len(sent), timeout=60, every=0.5, what="all requests in the log store")
    events = held()
    assert len(events) == len(sent)
    assert sum(int(str(event["sandbox.rows"])) for event in events) == ROWS
