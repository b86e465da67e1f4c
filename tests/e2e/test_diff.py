"""`sandbox diff`: two versions on logged requests and on a file, as a user sees it."""

from __future__ import annotations

from collections.abc import Callable

from support.flipping import FLIPPED, FLIPS, ROWS, change_model, lay_project
from support.sandbox import Sandbox
from support.waiting import wait_for


def test_a_flipped_segment_of_logged_requests(make_sandbox: Callable[..., Sandbox]) -> None:
    """A version that flips 5% of logged requests must be said to differ in 5.0%, in one segment, and end with 3 over a limit of 2%."""
    sandbox = make_sandbox()
    lay_project(sandbox.root)
    sandbox.run("up", "--trust").ok()
    reference = str(sandbox.root / "m" / "reference.csv")
    for _ in range(2):
        sandbox.run("predict", "--data", reference).ok()
    change_model(sandbox.root, FLIPS)
    sandbox.run("up", "--trust").ok()
    asked = ("diff", "v1", "v2", "--trust", "--from-logs", "24h")

    def logged() -> bool:
        told = sandbox.run(*asked, "-o", "json")
        return told.code == 0 and told.json["rows"] == 2 * ROWS

    wait_for(logged, every=1.0, what=f"{ROWS} rows in the log, twice")
    document = sandbox.run(*asked, "-o", "json", "--fail-over", "5%").ok().json
    assert (document["disagreement"]["rows"], document["disagreement"]["rate"]) == (2 * FLIPPED, 0.05)
    assert document["rows_distinct"] == ROWS
    assert [each["conditions"] for each in document["segments"]] == [[{"column": "plan", "value": "trial"}]]

    some = ROWS + 100  # of the second of two requests not all
    newest = sandbox.run("diff", "v1", "v2", "--trust", "--from-logs", "99999999d", "--limit", str(some), "-o", "json").ok().json
    assert (newest["rows"], newest["source"]) == (some, "the newest requests of the last 99999999d")
    planned = sandbox.run(*asked, "--dry-run").ok()
    assert f"about {2 * ROWS} rows of requests of the last 24h" in planned.out
    assert "the environment of churn v1, churn v2: it is there" in planned.out

    page = sandbox.root / "diff.html"
    told = sandbox.run("diff", "v1", "v2", "--trust", "--data", reference, "--fail-over", "2%", "--html", str(page))
    assert told.code == 3
    assert f"{FLIPPED} of {ROWS} rows: 5.0%" in told.out
    assert "plan = trial" in told.out
    assert "error[VERSIONS_DIFFER]" in told.err
    assert "plan = trial" in page.read_text(encoding="utf-8")
    assert sandbox.run("diff", "v1", "v7", "--data", reference).code == 2
