"""A model without reference data: nothing but the user can give a row that proves that it answers."""

from __future__ import annotations

import json
from collections.abc import Callable

from support.sandbox import Sandbox, post

TRAIN = """
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
frame = pd.DataFrame({"age": [float(i % 60) for i in range(200)], "children": [i % 5 for i in range(200)]})
joblib.dump(LogisticRegression().fit(frame, frame["age"] > 30), "leaves.joblib")
"""


def test_a_given_row_must_be_asked_for_once(make_sandbox: Callable[..., Sandbox]) -> None:
    """`up` of a model without reference data must show how to give a row, prove itself with it, and not ask for it again."""
    sandbox = make_sandbox()
    sandbox.script(TRAIN)

    missing = sandbox.run("up", "leaves.joblib")
    assert missing.code == 2
    assert "EXAMPLE_MISSING" in missing.err
    assert """sandbox up --example '{"age": 0.0, "children": 0.0}'""" in missing.err

    row = {"age": 45.0, "children": 2}
    stack = sandbox.run("up", "leaves.joblib", "--example", json.dumps(row), "-o", "json").ok().json
    assert stack["smoke"]["row"] == row
    assert stack["smoke"]["prediction"] is True

    assert sandbox.run("up", "-o", "json").ok().json["unchanged"]
    assert sandbox.run("predict", "--example", "-o", "json").ok().json["predictions"] == [True]
    sandbox.down().ok()
    assert sandbox.run("up", "-o", "json").ok().json["smoke"]["row"] == row


def test_up_after_a_start_without_waiting_must_prove_it(saved: Sandbox) -> None:
    """`up --no-wait` must not call anything proven; the next `up` must, with a prediction, and then `predict` knows the version."""
    saved.run("up", "--no-wait").ok()
    saved.run("status", "--wait", "healthy").ok()

    stack = saved.run("up", "-o", "json").ok().json
    assert stack["smoke"]["row"]["plan"] in {"basic", "plus", "pro"}
    assert stack["golden"]["rows"] >= stack["golden"]["bit_equal"] > 0

    example = saved.run("predict", "--example", "-o", "json").ok().json
    assert example["version"] == saved.status()["version"]
    assert post(f"{saved.url}/predict", {})[0] == 422
