"""Labels from the lines that `predict` wrote to the store of events, through the installed command."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from mlsandbox_serving.contract import Dataset, Field
from support.sandbox import Sandbox
from support.waiting import wait_for


def test_labels_come_back_for_predictions(saved: Sandbox) -> None:
    """Lines of `predict --data`, with a label each, must be taken from JSON, CSV and Parquet, and be found beside their predictions."""
    saved.run("up").ok()
    rows = [{"age": 20.0 + number % 50, "children": number % 5, "plan": "pro", "postcode": "00017"} for number in range(700)]
    (saved.root / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = [json.loads(line) for line in saved.run("predict", "--data", "new.jsonl", "-o", "jsonl").ok().out.splitlines()]
    labelled = [{**line, "label": "leaves"} for line in lines]
    (saved.root / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in labelled))
    pd.DataFrame(labelled)[["request_id", "request_row", "label"]].to_parquet(saved.root / "labels.parquet")
    last = labelled[-1]
    (saved.root / "labels.csv").write_text(f"request_id,row,label\n{last['request_id']},{last['request_row']},stays\n,0,stays\n")

    taken = saved.run("feedback", "import", "labels.jsonl", "-o", "json").ok().json
    assert (taken["kind"], taken["accepted"], taken["refused"], taken["unknown"]) == ("FeedbackImport", 700, 0, 0)
    assert saved.run("feedback", "import", "labels.parquet", "-o", "json").ok().json["accepted"] == 700
    bad = saved.run("feedback", "import", "labels.csv")
    assert bad.code == 3
    assert "1 label of labels.csv taken" in bad.out
    assert "line 3: request_id is missing" in bad.out

    def events() -> list[dict[str, Any]] | None:
        logged = saved.run("logs", "--id", last["request_id"], "-n", "10000", "-o", "jsonl").ok().out.splitlines()
        found = [json.loads(line) for line in logged]
        return found if len(found) == 1 + 200 + 200 + 1 else None

    found = wait_for(events, what="all events of the last request", every=0.5)
    assert [event[Field.EVENT_DATASET] for event in found].count(Dataset.PREDICTION) == 1
    newest = saved.run("logs", "--id", last["request_id"], "-n", "1").ok().out
    assert f"label of row {last['request_row']}: stays" in newest
    requests = [json.loads(line) for line in saved.run("logs", "--requests", "-n", "10000", "-o", "jsonl").ok().out.splitlines()]
    assert {event[Field.EVENT_DATASET] for event in requests} == {Dataset.PREDICTION}


def test_labels_without_a_stack(saved: Sandbox) -> None:
    """Without a stack, and without a file, the error must say what to do."""
    assert saved.run("feedback", "import", "labels.csv").code == 1
    assert "sandbox up" in saved.run("feedback", "import", "labels.csv").err
    assert saved.run("feedback").code == 2
