"""The file of a gate, and what is known without asking a version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mlsandbox.actions.gate import GateResult, GateRow, judge
from mlsandbox.actions.gate_file import AgreementLimit, LatencyLimit, MetricLimit, read_gate
from mlsandbox.errors import Exit, GateInvalid, GateRefused
from mlsandbox.output import Paint
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project, load_project
from mlsandbox.views.gate import gate_text
from support.images import Told

WHOLE = """\
[metrics]
accuracy = {min = 0.85, max_drop = 0.01}
rmse = {max = 3}

[latency]
p95 = "40ms"
max_ratio = 1.5

[agreement]
min = 0.95
from_logs = "24h"
min_rows = 50

[errors]
max_new = 0
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "gate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_gate(tmp_path: Path) -> None:
    """Every bound must be read as it is written, times in seconds."""
    gate = read_gate(written(tmp_path, WHOLE))

    assert gate.metrics == {"accuracy": MetricLimit(min=0.85, max_drop=0.01), "rmse": MetricLimit(max=3.0)}
    assert gate.latency == LatencyLimit(0.04, 1.5)
    assert gate.agreement == AgreementLimit(0.95, "24h", None, 50)
    assert gate.max_new_errors == 0


def test_rows_of_a_file_lie_beside_the_gate(tmp_path: Path) -> None:
    """A path in the file must be taken from the folder of the file."""
    gate = read_gate(written(tmp_path, '[agreement]\nmin = 1\ndata = "rows.csv"\n'))

    assert gate.agreement == AgreementLimit(1.0, None, tmp_path / "rows.csv", 100)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[metrics]\naccuracy = {mim = 0.8}\n", 'gate.toml:2: metrics.accuracy.mim is nothing that a gate knows; did you mean "min"?'),
        ("[latency]\np95 = 40\n", "gate.toml:2: latency.p95 must be a time"),
        ('[latency]\np95 = "fast"\n', "gate.toml:2: latency.p95 "),
        ("\n[speed]\np95 = 1\n", "gate.toml:2: speed is nothing that a gate knows"),
        ('[agreement]\nfrom_logs = "1h"\n', "gate.toml:1: agreement lacks min"),
        ("[agreement]\nmin = 0.9\n", "gate.toml:1: agreement needs rows of one kind"),
        ('[agreement]\nmin = 95\nfrom_logs = "1h"\n', "gate.toml:2: agreement.min must be from 0 to 1"),
        ('[agreement]\nmin = 0.9\nfrom_logs = "1h"\nmin_rows = 0\n', "gate.toml:4: agreement.min_rows must be"),
        ("[errors]\nmax_new = -1\n", "gate.toml:2: errors.max_new must be"),
        ("[errors]\nmax_new = true\n", "gate.toml:2: errors.max_new must be"),
        ("[metrics]\naccuracy = 0.8\n", "gate.toml:2: metrics.accuracy must be bounds"),
        ("[metrics]\naccuracy = {}\n", "gate.toml:2: metrics.accuracy has no bound"),
        ("[metrics]\naccuracy = {max_drop = -1}\n", "gate.toml:2: metrics.accuracy.max_drop must be at least 0"),
        ("[errors]\n", "gate.toml:1: errors is empty"),
        ("errors = 1\n", "gate.toml:1: errors must be a table"),
        ("", "gate.toml demands nothing"),
        ("[errors\n", "gate.toml:1 is no TOML"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    """Whatever is no bound must be refused, with its line, before anything is done."""
    with pytest.raises(GateInvalid) as caught:
        read_gate(written(tmp_path, text))

    assert caught.value.what.startswith(told)
    assert caught.value.exit is Exit.USAGE


def test_a_gate_that_is_not_there(tmp_path: Path) -> None:
    """A missing file must be an error of its own kind, never a gate that passes."""
    with pytest.raises(GateInvalid, match=r"gate\.toml cannot be read"):
        read_gate(tmp_path / "gate.toml")


def package(version: str, metrics: Mapping[str, float]) -> Package:
    return Package("churn", version, f"sha256:{version}", f"churn:{version}", Path(), Path(), {"metrics": metrics})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "sandbox.toml").write_text('schema = 1\nname = "demo"\n[models.churn]\npath = "m.pkl"\n', encoding="utf-8")
    return load_project(tmp_path)


@pytest.mark.parametrize(
    ("bounds", "known", "passed"),
    [
        ("{min = 0.85}", (0.9, 0.85), True),
        ("{min = 0.85}", (0.9, 0.849), False),
        ("{max = 2}", (1.0, 2.1), False),
        ("{max_drop = 0.01}", (0.9, 0.89), True),
        ("{max_drop = 0.01}", (0.9, 0.88), False),
        ("{max_drop = 0.01}", (0.8, 0.9), True),
        ("{max_rise = 0.5}", (1.0, 1.6), False),
        ("{min = 0.85}", (None, 0.9), True),
        ("{max_drop = 0.01}", (None, 0.9), False),
        ("{min = 0.85}", (0.9, None), False),
    ],
)
def test_metrics(project: Project, tmp_path: Path, bounds: str, known: tuple[float | None, float | None], passed: bool) -> None:  # noqa: FBT001 - a table
    """A metric must be within its bounds; one that is not known must never pass."""
    gate = read_gate(written(tmp_path, f"[metrics]\nscore = {bounds}\n"))
    champion, candidate = (
        package(version, {} if value is None else {"score": value}) for version, value in zip(("v1", "v2"), known, strict=True)
    )
    result = judge(project, gate, champion, candidate, report=Told())

    assert result.passed is passed
    assert all(each.reason for each in result.rows if not each.new or (not each.old and not each.passed))


def test_what_is_refused_is_named() -> None:
    """The error must say which bounds failed and how many, and the table the verdict of each."""
    rows = (
        GateRow("accuracy", "0.871", "0.893", "at least 0.85", passed=True),
        GateRow("p95 latency", "18 ms", "47 ms", "at most 40 ms", passed=False),
        GateRow("agreement", "", "", "at least 0.95", passed=False, reason="no rows of churn are logged"),
    )
    result = GateResult("churn", "v2", "v3", rows)
    lines = gate_text(result, Paint(on=False)).splitlines()

    assert lines[0].split() == ["gate", "v2", "(champion)", "v3", "verdict"]
    assert [line.split("  ")[-1] for line in lines[1:]] == ["✓ at least 0.85", "✗ at most 40 ms", "✗ no rows of churn are logged"]
    with pytest.raises(GateRefused) as caught:
        result.refuse_unless_passed()
    assert caught.value.what == "v3 was not promoted (2 of 3 gates failed)"
    assert caught.value.why == "p95 latency: 47 ms, at most 40 ms\nagreement: no rows of churn are logged"
    GateResult("churn", "v2", "v3", rows[:1]).refuse_unless_passed()
