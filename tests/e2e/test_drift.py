"""A stack that watches for drift: it learns from the first rows, stays silent while they stay the same, and names what changed."""

from __future__ import annotations

from support.sandbox import DRIFT, Sandbox
from support.waiting import wait_for

ROWS = """
import pandas as pd
frame = pd.DataFrame({
    "age": [float(18 + (7 * i) % 60) for i in range(9000)],
    "children": [(3 * i) % 5 for i in range(9000)],
    "plan": [("basic", "plus", "pro")[(i * i) % 3] for i in range(9000)],
    "postcode": [f"{(17 * i) % 100:05d}" for i in range(9000)],
}).sample(frac=1, random_state=0)
frame.to_parquet("rows.parquet")
"""


def test_drift_must_be_told_and_nothing_before_it(saved: Sandbox) -> None:
    """Rows like the first must be called no drift; a column shifted by a standard deviation must be named, and end with exit code 3."""
    saved.extra = {**saved.extra, **DRIFT}
    saved.run("up").ok()
    saved.script(ROWS)
    saved.run("predict", "--data", "rows.parquet", "-o", "jsonl").ok()

    def rows() -> int:
        return int(saved.run("drift", "-o", "json").ok().json["models"][0]["rows"])

    wait_for(
        lambda: rows() >= 4_000, timeout=60, every=0.5, what="9,000 rows in the drift service, the first 5,000 of which are the reference"
    )
    before = saved.run("drift", "--fail-on-drift")
    assert before.code == 0, before.out

    saved.run("drift", "inject", "--column", "age", "--shift", "1sd", "--for", "15s", "--rate", "100").ok()

    found = wait_for(
        lambda: result if (result := saved.run("drift", "--fail-on-drift")).code == 3 else None, timeout=60, every=0.5, what="drift"
    )
    assert "age" in found.out
