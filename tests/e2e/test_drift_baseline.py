"""A baseline: other rows than those of the training are compared with, in a stack that runs, and in the project."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

from mlsandbox.project_lock import project_lock
from support.churn import TRAIN
from support.sandbox import DRIFT, Result, Sandbox, get
from support.waiting import HANG_SECONDS, wait_for

ROWS = """
import pandas as pd
frame = pd.DataFrame({
    "age": [float(18 + (7 * i) % 60) for i in range(2000)],
    "children": [(3 * i) % 5 for i in range(2000)],
    "plan": [("basic", "plus", "pro")[(i * i) % 3] for i in range(2000)],
    "postcode": [f"{(17 * i) % 100:05d}" for i in range(2000)],
}).sample(frac=1, random_state=0)
older = frame.assign(age=frame["age"] + 30)
older.to_parquet("older.parquet")
older.head(20).to_parquet("few.parquet")
frame.to_parquet("newer.parquet")
older.drop(columns="plan").to_parquet("other.parquet")
"""


def _reference(sandbox: Sandbox) -> Any:
    version = sandbox.status()["version"]
    (model,) = [each for each in sandbox.run("drift", "-o", "json").ok().json["models"] if each["version"] == version]
    return model["reference"]["rows"]


def _shown(sandbox: Sandbox) -> Any:
    (shown,) = sandbox.run("drift", "baseline", "-o", "json").ok().json["references"]
    return shown


def test_a_baseline_is_compared_with_at_once(saved: Sandbox) -> None:
    """Rows of a file, or logged ones, must become what a running stack compares with, and everything else be left as it runs."""
    saved.extra = {**saved.extra, **DRIFT}
    saved.script(ROWS)
    saved.run("up").ok()
    api = next(each["pid"] for each in saved.status()["services"] if each["name"] == "api-v1")
    assert (_shown(saved)["kind"], _shown(saved)["profile"]["rows"], _reference(saved)) == ("package", 400, 400)

    planned = saved.run("drift", "baseline", "set", "--from", "older.parquet", "--dry-run").ok()
    assert planned.out.strip() == "2,000 rows from older.parquet would become the baseline; nothing was changed"
    assert _shown(saved)["kind"] == "package"

    done = saved.run("drift", "baseline", "set", "--from", "older.parquet").ok()
    assert done.out.splitlines()[1].strip() == "the drift service compares with it"
    assert (_shown(saved)["kind"], _shown(saved)["folder"], _reference(saved)) == ("baseline", "churn/baseline", 2_000)
    saved.run("predict", "--data", "older.parquet").ok()
    wait_for(lambda: saved.run("drift", "-o", "json").json["models"][0]["rows"] >= 2_000, every=0.5, what="2,000 rows compared")
    assert saved.run("drift", "--fail-on-drift").code == 0
    assert saved.run("up", "-o", "json").ok().json["unchanged"] is True

    logged = saved.run("drift", "baseline", "set", "--from-logs", "--since", "1h").ok()
    assert "2,000 rows from logs are compared with from now on" in logged.out
    assert "left out of the baseline: 1 example row" in logged.err
    assert logged.out.splitlines()[1].strip() == "the drift service compares with it"
    assert _reference(saved) == 2_000
    assert re.search(r"rows compared with 2,000 of the reference, a baseline of 2\d{3}-\d\d-\d\d, from logs", saved.run("drift").ok().out)

    saved.run("drift", "inject", "--column", "age", "--shift", "1sd", "--for", "1s").ok()
    again = ("drift", "baseline", "set", "--from-logs", "--dry-run")
    wait_for(
        lambda: "100 injected rows, 1 example row" in saved.run(*again).ok().err, every=0.5, what="injected rows left out of a baseline"
    )
    assert "2,000 rows from logs" in saved.run(*again).ok().out

    reset = saved.run("drift", "baseline", "reset").ok()
    assert reset.out.splitlines()[1].strip() == "the drift service compares with it"
    assert (_shown(saved)["kind"], _reference(saved)) == ("package", 400)
    assert not (saved.root / "churn/baseline").exists()
    assert api == next(each["pid"] for each in saved.status()["services"] if each["name"] == "api-v1")


def test_rows_that_cannot_be_a_baseline(saved: Sandbox) -> None:
    """Too few rows, a missing column, a missing file and an empty log must each be refused, with what to do; what is there stays."""
    saved.script(ROWS)
    saved.run("up", "--dry-run").ok()
    (saved.root / "rows.parquet").write_bytes(b"no table")

    def refused(*options: str) -> tuple[str, str]:
        result = saved.run("drift", "baseline", "set", *options, "-o", "json")
        assert result.code != 0
        error = json.loads(result.err.splitlines()[-1])["error"] if result.err.startswith("{") else json.loads(result.out)["error"]
        return error["code"], error["message"]

    assert refused("--from", "few.parquet") == ("REFERENCE_UNUSABLE", "20 rows are too few to compare with")
    assert refused("--from", "other.parquet") == ("REFERENCE_UNUSABLE", "other.parquet has no column 'plan'")
    assert refused("--from", "rows.parquet")[0] == "REFERENCE_UNUSABLE"
    assert refused("--from", "none.parquet") == ("INPUT_UNREADABLE", "there is no file none.parquet")
    assert refused("--from-logs")[0] == "EVENT_LOG_UNREADABLE"
    assert refused() == ("USAGE", "baseline set needs rows")
    assert saved.run("drift", "baseline", "reset").code == 2
    assert _shown(saved)["kind"] == "package"


def test_a_baseline_of_another_model_is_not_used(saved: Sandbox) -> None:
    """A baseline must not be compared with what another model answers, nor a damaged one with anything, and that must be said."""
    saved.extra = {**saved.extra, **DRIFT}
    saved.script(ROWS)
    saved.run("drift", "baseline", "set", "--from", "older.parquet").ok()
    with (saved.root / "sandbox.toml").open("a") as settings:
        settings.write('private = ["postcode"]\n')
    up = saved.run("up").ok()

    shown = _shown(saved)
    assert (shown["kind"], shown["version"]) == ("package", "v2")
    assert shown["unused"].startswith("the baseline of churn is not used: it was made with another model (v1, ")
    assert "the private columns differ; make one of now: sandbox drift baseline set" in shown["unused"]
    assert shown["unused"] in up.err

    saved.run("drift", "baseline", "set", "--from", "older.parquet").ok()
    assert _shown(saved)["kind"] == "baseline"
    (saved.root / "churn/baseline/profile.npz").write_bytes(b"<<<<<<< ours")
    assert "profile.npz of it is missing or not as it was made" in _shown(saved)["unused"]


def test_a_baseline_is_made_with_what_runs_when_its_turn_comes(saved: Sandbox) -> None:
    """A command that changes the stack while `set` or `reset` waits must not be undone: neither another version nor a stop."""
    saved.extra = {**saved.extra, **DRIFT}
    saved.script(ROWS)
    saved.run("up").ok()

    saved.script(TRAIN, "churn", "0.01")
    done = _meanwhile(saved, "up", "drift", "baseline", "set", "--from", "older.parquet")
    assert done.out.splitlines()[1].strip() == "the drift service compares with it"
    assert (_shown(saved)["kind"], _shown(saved)["version"], _reference(saved)) == ("baseline", "v2", 2_000)
    assert json.loads(get(f"{saved.url}/readyz")[1])["version"] == saved.status()["version"] == "v2"
    assert saved.run("up", "-o", "json").ok().json["unchanged"] is True

    done = _meanwhile(saved, "down", "drift", "baseline", "reset")
    assert done.out.splitlines()[1].strip() == "the stack is not running: it is used from the next `sandbox up` on"
    assert saved.status()["state"] == "stopped"
    saved.gone()


def test_what_the_drift_service_does_not_take_is_not_kept(saved: Sandbox) -> None:
    """When it does not run with a baseline, or with none, the former one must be in its place again, and that must be said."""
    saved.extra = {**saved.extra, **DRIFT}
    saved.script(ROWS)
    saved.run("drift", "baseline", "set", "--from", "older.parquet").ok()
    saved.run("up").ok()
    folder = saved.root / "churn/baseline"
    former = {path.name: path.read_bytes() for path in folder.iterdir()}
    database = saved.root / ".sandbox/data/drift/drift.sqlite3"
    for file in database.parent.glob("drift.sqlite3*"):
        file.unlink()
    database.mkdir()

    for change in (("set", "--from", "newer.parquet"), ("reset",)):
        refused = saved.run("drift", "baseline", *change)

        assert refused.code != 0
        assert "What the project kept before is kept again." in refused.err, refused.err
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == former
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def _meanwhile(sandbox: Sandbox, other: str, *command: str) -> Result:
    """Run a command that waits for the project, and another one before it goes on."""
    with project_lock(sandbox.root / ".sandbox", "a test"):
        waiting = sandbox.start(*command)
        assert waiting.stderr is not None
        line = next(line for line in waiting.stderr if "waiting for a test" in line)
        waiting.send_signal(signal.SIGSTOP)
    try:
        sandbox.run(other).ok()
    finally:
        waiting.send_signal(signal.SIGCONT)
    out, err = waiting.communicate(timeout=HANG_SECONDS)
    return Result(waiting.returncode, out, line + err).ok()


def test_a_reference_that_cannot_be_used_is_told_of(saved: Sandbox) -> None:
    """Every `up`, `status` and `drift` must warn of a reference that was given on purpose and is none; a check of drift must not pass."""
    saved.extra = {**saved.extra, **DRIFT}
    (reference,) = (saved.root / "churn").glob("reference.*")
    saved.script(
        f'import pandas as pd\npd.read_parquet("churn/{reference.name}").drop(columns="age").to_parquet("churn/{reference.name}")\n'
    )
    warning = f"the reference of churn cannot be compared with, so the first live rows become it: {reference.name} has no column 'age'"

    assert warning in saved.run("up").ok().err
    assert warning in saved.run("up").ok().err
    assert f"attention: {warning}" in saved.run("status").ok().out
    assert f"attention: {warning}" in saved.run("drift").ok().out
    checked = saved.run("drift", "--fail-on-drift", "-o", "json")
    assert (checked.code, checked.json["error"]["code"]) == (1, "NOTHING_COMPARED")
