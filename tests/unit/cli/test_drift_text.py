"""What the drift service says, as people and scripts read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.drift import DriftPage, DriftResult, drift_port
from mlsandbox.actions.sight import Sight
from mlsandbox.drift_status import Column, DriftReport, as_served, parse_report
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedService
from mlsandbox.errors import NothingCompared, NotRunning
from mlsandbox.output import Paint
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State
from mlsandbox.views.drift import bar, drift_text, evidence_text, gate_texts, page_text

from .conftest import Ran

PLAIN = Paint(on=False)


def finding(column: str = "age", **facts: Any) -> dict[str, Any]:
    said = {"severity": "high", "rows": 2_000, "certain": True, "detected": True, "evidence": 12.34}
    measured = {"psi": 0.2, "js": 0.3, "wasserstein": 1.1, "shift": 1.02, "excess": 0.0}
    return {"column": column, **said, **measured, "explanation": "61 to 90: 48.0% of rows, reference 20.0%", **facts}


def kind(name: str, *worst: dict[str, Any], **facts: Any) -> dict[str, Any]:
    steady = {"severity": "none", "rows": 2_000, "rows_needed": 200, "certain": False, "settled": False, "over": False, "page": False}
    more = {"informational": None, "evidence": 0.004, "since_row": None, "alarms": 0}
    return {"kind": name, **steady, **more, "worst": list(worst), **facts}


def model(*kinds: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {
        "model": "churn",
        "version": "v2",
        "current": True,
        "state": "steady",
        "sentence": "No drift: the recent rows look like the reference.",
        "rows": 12_400,
        "window_rows": 2_000,
        "last_event": None,
        "reference": {"rows": 10_000, "words": "given with the model", "rows_to_learn": 0, "problem": None},
        "rows_without_inputs": 0,
        "left_out": {},
        "kinds": list(kinds),
        "performance": [],
        **facts,
    }


def report(*models: dict[str, Any], engines: Sequence[dict[str, Any]] = ()) -> DriftReport:
    document = {"time": "2026-01-02T03:04:05Z", "check_seconds": 10.0, "engines": engines, "models": models}
    return parse_report(json.dumps(document).encode())


def result(*models: dict[str, Any]) -> DriftResult:
    read = report(*models)
    return DriftResult("shop", read.time, read.models, read.document)


DRIFTED = model(
    kind("features", finding(), severity="high", certain=True, settled=True, page=True, since_row=12_040),
    kind("prediction"),
    state="drift",
    sentence="Drift: inputs differ from the reference, more than chance explains and enough to matter.",
)


def opinion(**facts: Any) -> dict[str, Any]:
    steady = {"state": "steady", "sentence": "No drift: the last window looks like the reference."}
    return {**steady, "windows": 12, "window_rows": 1_000, "failed_rows": 0, "window": None, "unusable_detectors": {}, **facts}


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, "  second opinion: alibi, 12 windows of 1,000 rows\n    No drift: the last window looks like the reference.\n"),
        ({"state": "drift", "sentence": "Other."}, "  second opinion: alibi, 12 windows of 1,000 rows\n    Other.\n"),
        (
            {"state": "failed", "sentence": "Why.", "failed_rows": 2_000},
            ": alibi, 12 windows of 1,000 rows; of 2,000 rows something could not be compared\n    Why.",
        ),
        (
            {"unusable_detectors": {"MMDDrift": "it needs PyTorch"}, "window": {"problems": {"age": "its p-value is no number"}}},
            "looks like the reference.\n    age: its p-value is no number\n    MMDDrift: it needs PyTorch\n",
        ),
    ],
)
def test_the_second_opinion_is_told_apart(facts: dict[str, Any], line: str) -> None:
    """It must be told beside the verdict, and change nothing of it."""
    said = result(model(kind("features"), alibi=opinion(**facts)))
    text = drift_text(said, PLAIN)

    assert line in text
    assert text.endswith("no drift that matters")
    assert not said.drifted


def test_an_engine_that_does_not_work_is_named() -> None:
    """With why it is off, and what to do."""
    engines = [
        {"name": "native", "on": True, "reason": None},
        {"name": "alibi", "on": False, "reason": "no Python: uv python install 3.12"},
    ]
    read = report(model(kind("features"), alibi=None), engines=engines)
    text = drift_text(DriftResult("shop", read.time, read.models, read.document, read.silent), PLAIN)

    assert "attention: the engine alibi is off: no Python: uv python install 3.12" in text
    assert "second opinion" not in text


def test_drift() -> None:
    """Each kind must have a line; one that changed must show its worst columns with size, measure, direction and the cell in words."""
    assert drift_text(result(DRIFTED), PLAIN) == (
        "churn v2 · drift\n"
        "  Drift: inputs differ from the reference, more than chance explains and enough to matter.\n"
        "  12,400 rows compared with 10,000 of the reference, given with the model\n"
        "\n"
        "  about       verdict  severity  alarm at row           evidence\n"
        "  features    drift    high      12,040 (360 rows ago)  alarm raised\n"
        "  prediction  steady   none                             0.4% of an alarm\n"
        "\n"
        "  features: the worst columns\n"
        "  column  severity  size        measure              certain\n"
        "  age     high      ########..  PSI 0.200, +1.02 sd  yes\n"
        "    61 to 90: 48.0% of rows, reference 20.0%\n"
        "\n"
        "checked 2026-01-02 03:04:05 UTC\n"
        "✗ drift in churn v2; look closer: sandbox drift report --open"
    )


def test_a_baseline() -> None:
    """What rows are compared with must be named when it did not come with the model."""
    reference = {"rows": 2_000, "words": "a baseline of 2026-11-26, from logs", "rows_to_learn": 0, "problem": None}

    assert "12,400 rows compared with 2,000 of the reference, a baseline of 2026-11-26, from logs\n" in drift_text(
        result(model(reference=reference)), PLAIN
    )


def test_no_drift() -> None:
    """Without drift the verdict must say so, and no column be shown."""
    text = drift_text(result(model(kind("features"))), PLAIN)

    assert text.endswith("✓ no drift that matters")
    assert "worst" not in text
    assert "since" not in text


def test_too_few_rows() -> None:
    """Below the rows that a size needs there must be none, nor a verdict that sounds like one."""
    text = drift_text(result(model(kind("features", severity=None, rows=1, evidence=0.0), rows=1)), PLAIN)

    assert "  features  steady   not known (1 of 200 rows)  < 0.1% of an alarm\n" in text
    assert text.endswith("· no drift so far, of too few rows to mean much")


def test_a_young_alarm() -> None:
    """Until there are rows enough since the alarm, its size must not be told as small."""
    young = kind("features", finding(severity=None), severity=None, certain=True, since_row=12_040)
    text = drift_text(result(model(young)), PLAIN)

    assert "  features  a change  not known yet  12,040 (360 rows ago)  alarm raised\n" in text
    assert re.search(r"\n  age +not known +yes\n", text)
    assert text.endswith("· a change in churn v2; whether it matters is not known yet")


def test_what_is_long_is_wrapped() -> None:
    """No line may be longer than 100 columns, whatever columns and values are called; names must be there whole."""
    name = "monthly_" * 15
    found = finding(name, explanation=f"'{'x' * 40}' is not among the reference's 4 values: 2.0% of rows, reference 0.0%", severity="low")
    why = "the reference is not stationary: its last fifth differs from the rest in " + ", ".join(
        f"column_{number}" for number in range(20)
    )
    shown = kind("features", found, severity="low", certain=True, settled=True, since_row=12_040, informational=why)
    text = drift_text(result(model(shown, sentence="It differs. " * 20, left_out={f"id_{number}": why for number in range(9)})), PLAIN)

    assert max(map(len, text.splitlines())) <= 120 + len("    : ")
    assert [line for line in text.splitlines() if len(line) > 100] == [f"    {name}:"]
    assert "features can raise no alert: the reference is not stationary" in text


def test_nothing_yet() -> None:
    """No rows, or no reference, must be told as what they are rather than as "no drift"."""
    waiting = model(rows=0, state="waiting", sentence="No rows were compared with the reference yet.")
    learning = model(
        rows=0,
        state="learning",
        reference={"rows": 0, "words": "made of the first live rows", "rows_to_learn": 700, "problem": "it is damaged"},
    )

    assert drift_text(result(waiting), PLAIN).endswith("· nothing was compared yet")
    told = drift_text(result(learning), PLAIN)
    assert "no reference yet: 700 more rows become it" in told
    assert "attention: the reference that was given cannot be used: it is damaged" in told
    assert "sandbox predict --example" in drift_text(result(), PLAIN)


def test_former_versions() -> None:
    """A version that is not served any more must be counted, shown as such when it is asked for, and never decide."""
    former = {**DRIFTED, "version": "v1", "current": False}

    assert "not served any more, and not shown: 1 version; see all: sandbox drift --all" in drift_text(
        replace(result(model()), former=1), PLAIN
    )
    text = drift_text(result(model(), former), PLAIN)
    assert "churn v1 · drift · not served any more\n" in text
    assert text.endswith("no drift that matters")


def test_nothing_of_now() -> None:
    """A version that still learns must not look steady because a former one is."""
    learning = model(state="learning", reference={"rows": 0, "words": "made of the first live rows", "rows_to_learn": 700, "problem": None})
    former = model(version="v1", current=False)

    assert drift_text(result(learning, former), PLAIN).endswith("· nothing was compared yet")
    assert drift_text(result(learning, model(model="beer")), PLAIN).endswith(
        "· no drift that matters so far; nothing was compared yet of churn v2"
    )
    for said in (result(), result(former), result(learning, former), result(learning, model(model="beer"))):
        with pytest.raises(NothingCompared, match="nothing was compared") as refused:
            said.refuse_unless_compared()
        assert refused.value.exit == 1
    result(model(), former).refuse_unless_compared()
    result(learning, DRIFTED).refuse_unless_compared()


def test_what_is_served_decides() -> None:
    """A version of which rows came a moment ago must not be taken for one that is served, where it is known which one is."""
    told = report(model(version="v1"), model(version="v2"))

    assert as_served(told, {}) == told
    now = as_served(told, {"churn": "v2"})
    assert [each.current for each in now.models] == [each["current"] for each in now.document["models"]] == [False, True]
    with pytest.raises(NothingCompared) as refused:
        replace(result(model()), unseen=("beer v1",)).refuse_unless_compared()
    assert refused.value.why == "beer v1: no row has come"


def test_a_reference_that_cannot_be_used() -> None:
    """It must be told beside the verdict, and without any rows."""
    for said in (result(), result(model())):
        assert "attention: the reference of churn cannot be compared with" in drift_text(
            replace(said, problems=("the reference of churn cannot be compared with",)), PLAIN
        )


def test_what_is_not_seen() -> None:
    """Columns that are not watched, rows without inputs, and labels must be told."""
    windows = [
        {"window": "hour", "predictions": 10, "labels": 7, "unusable": 2, "metrics": {"accuracy": 0.8, "log_loss": None}},
        {"window": "all", "predictions": 900, "labels": 0, "unusable": 0, "metrics": {}},
    ]
    text = drift_text(result(model(left_out={"email": "an identifier"}, rows_without_inputs=70, performance=windows)), PLAIN)

    assert "\nnot compared of churn: email: an identifier\n" in text
    assert "attention: not" not in text
    assert "70 rows were logged without inputs" in text
    assert "\n\n  with labels (hour): 5 of 10 predictions; 2 labels cannot be used  accuracy 0.8\n" in text


@pytest.mark.parametrize(
    ("psi", "excess", "shown"), [(0.0, 0.0, ".........."), (0.125, 0.0, "#####....."), (9.0, 0.0, "##########"), (None, 0.02, "####......")]
)
def test_bars(psi: float | None, excess: float, shown: str) -> None:
    """A bar must be full where the change becomes high."""
    column = Column("age", "low", certain=False, evidence=0.0, psi=psi, shift=None, excess=excess, explanation="")

    assert bar(column) == shown


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"evidence": 0.0}, "< 0.1% of an alarm"),
        ({"evidence": 0.25}, "25.0% of an alarm"),
        ({"evidence": 0.007, "certain": True}, "alarm raised"),
        ({"evidence": None}, "alarm raised"),
    ],
)
def test_evidence(facts: dict[str, Any], shown: str) -> None:
    """Evidence must be read against what raises an alarm; after one it must not look small because it is gathered anew."""
    (told,) = report(model(kind("features", **facts))).models[0].kinds

    assert evidence_text(told) == shown


def test_the_gate() -> None:
    """--fail-on-drift must say in one line what drifted."""
    assert gate_texts(result(DRIFTED)) == ("drift in churn v2 (features): this ends with 3, as --fail-on-drift asks",)
    assert gate_texts(result(model())) == ()
    assert result({**DRIFTED, "current": False}).drifted == ()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"time": "now", "models": []}', b'{"time": "2026-01-02T03:04:05Z", "models": [{}]}'])
def test_answers_of_others(body: bytes) -> None:
    """What is no report must not be taken for one."""
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        parse_report(body)


def test_pages() -> None:
    """A page must be told by its file, or else by its address."""
    page = DriftPage("http://127.0.0.1:7317/report.html", None)

    assert page_text(page) == page.url
    assert page_text(replace(page, file=Path("/reports/drift.html"))) == "Wrote /reports/drift.html"
    assert page_text(replace(page, file=Path("/reports/drift.html"), dry_run=True)) == "would write /reports/drift.html"


def sight(*services: ObservedService, running: bool = True) -> Sight:
    remembered = Remembered(ports={"api": 7310}, served={"churn": "v2"})
    return Sight(Path("p"), ENGINES["embedded"](Path("p")), Observed(running=running, services=services), remembered)


def test_where_it_answers() -> None:
    """The port must be that of the service; without stack or service the error says which of them is missing."""
    assert drift_port(sight(ObservedService("drift", State.READY, "digest", ports={"drift": 7400}))) == 7400
    with pytest.raises(NotRunning, match="the stack is not running"):
        drift_port(sight(running=False))
    with pytest.raises(NotRunning, match="does not watch for drift"):
        drift_port(sight(ObservedService("api", State.READY, "digest")))
    with pytest.raises(NotRunning, match="drift is stopped"):
        drift_port(sight(ObservedService("drift", State.STOPPED, "digest", ports={"drift": 7400})))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("drift", "report", "--fail-on-drift"), "--fail-on-drift belongs to check, not to report"),
        (("drift", "--column", "age"), "--column belongs to inject, not to check"),
        (("drift", "inject", "--column", "age"), "inject needs --column and --shift"),
        (("drift", "reprot", "churn"), "drift cannot reprot"),
        (("drift", "inject", "--column", "age", "--shift", "lots"), "--shift 'lots' is not understood"),
    ],
)
def test_words_that_do_not_fit(
    sandbox: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    """Options of another word, and words that are none, must be refused with exit 2 before anything is asked."""
    (tmp_path / "sandbox.toml").write_text('name = "churn"\n[models.churn]\npath = "model.onnx"\n')
    monkeypatch.chdir(tmp_path)

    ran = sandbox(*words)

    assert ran.code == 2
    assert said in ran.err


def test_a_stack_that_is_not_there(sandbox: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a stack every word must say how to start it."""
    (tmp_path / "sandbox.toml").write_text('name = "churn"\n[models.churn]\npath = "model.onnx"\n')
    monkeypatch.chdir(tmp_path)

    for words in (("drift",), ("drift", "report"), ("drift", "inject", "--column", "age", "--shift", "1sd")):
        ran = sandbox(*words)
        assert (ran.code, "hint: start it: sandbox up" in ran.err) == (1, True), ran.err
