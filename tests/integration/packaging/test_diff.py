"""Versions compared, and held to a gate: real packages, each asked in its own environment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mlsandbox.actions.diff import DiffOptions, diff
from mlsandbox.actions.diff_plan import planned_diff
from mlsandbox.actions.gate import judge
from mlsandbox.actions.gate_file import read_gate
from mlsandbox.comparing.comparison import Comparison
from mlsandbox.errors import InputUnfit, NothingCompared, PackageTampered, UsageError, VersionUnknown
from mlsandbox.packaging.package import list_packages
from mlsandbox.packaging.store import Package
from mlsandbox.project import Project, load_project
from support.flipping import FLIPPED, FLIPS, REFUSES, ROWS, SLOW, change_model, lay_project, old_trials
from support.images import Told
from support.packages import package_project


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with v1, v2 that flips the plan "trial", and v3 that is slow and refuses whom no reference has."""
    root = tmp_path_factory.mktemp("versions") / "a project"
    lay_project(root)
    for change in ("", FLIPS, f"{SLOW}; {REFUSES}"):
        change_model(root, change)
        package_project(root)
    return root


@pytest.fixture
def project(versions: Path) -> Project:
    return load_project(versions)


def compared(project: Project, old: str, new: str, data: Path | None = None) -> Comparison:
    return diff(project, DiffOptions(old, new, data=data or project.root / "m" / "reference.csv"), report=Told())


def packages(project: Project) -> dict[str, Package]:
    return {each.version: each for each in list_packages(project.root, "churn")}


def test_a_flipped_segment_is_named(project: Project) -> None:
    """v2, which flips 5% of the rows, all of one plan, must be said to do exactly that."""
    result = compared(project, "v1", "v2")

    assert (result.rows, result.differing, result.rate) == (ROWS, FLIPPED, 0.05)
    assert [each.text for each in result.segments] == ["plan = trial"]
    assert result.segments[0].rate == 1.0
    assert len(result.old_timing.singles) == len(result.new_timing.singles) > 0


def test_a_version_does_not_differ_from_itself(project: Project) -> None:
    """The same version asked twice must agree in every row."""
    result = compared(project, "v1", "v1")

    assert (result.differing, result.segments, result.schema_changes) == (0, (), ())


def test_new_errors_are_found_row_by_row(project: Project, tmp_path: Path) -> None:
    """Of rows that v3 refuses each must be found, though whole batches fail with it, with what the model said."""
    old_trials(project.root, tmp_path / "rows.csv")
    result = compared(project, "v1", "v3", tmp_path / "rows.csv")

    (segment,) = result.segments
    assert {segment.text, *(each.text for each in segment.alike)} == {"age at least 99", "plan = trial"}
    (reason,) = result.new_errors
    assert reason.rows == FLIPPED
    assert "too old" in reason.message
    assert result.slower is not None
    assert result.slower > 1


def test_a_gate_of_latency_errors_and_agreement(project: Project, tmp_path: Path) -> None:
    """A slow version that refuses rows must fail each of its bounds, and pass those that it keeps; logs that are not there pass nothing."""
    old_trials(project.root, tmp_path / "rows.csv")
    path = tmp_path / "gate.toml"
    path.write_text(
        '[latency]\np95 = "25ms"\nmax_ratio = 1000\n[errors]\nmax_new = 19\n[agreement]\nmin = 0.95\ndata = "rows.csv"\n', encoding="utf-8"
    )
    known = packages(project)
    result = judge(project, read_gate(path), known["v1"], known["v3"], report=Told())

    assert [each.passed for each in result.rows] == [True, False, True, False]
    assert [each.what for each in result.rows] == ["agreement (rows.csv)", "p95 latency", "p95 latency", "new errors (rows.csv)"]
    path.write_text('[agreement]\nmin = 0.5\nfrom_logs = "24h"\n[errors]\nmax_new = 0\n', encoding="utf-8")
    agreement, errors = judge(project, read_gate(path), known["v1"], known["v2"], report=Told()).rows
    assert (agreement.passed, errors.passed) == (False, True)
    assert "no events are logged yet" in agreement.reason


def test_too_few_rows_do_not_pass(project: Project, tmp_path: Path) -> None:
    """A gate that demands more rows than there are must not be passed, though all of them agree."""
    rows = (project.root / "m" / "reference.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("\n".join(rows[:31]))
    path = tmp_path / "gate.toml"
    path.write_text('[agreement]\nmin = 0.5\ndata = "rows.csv"\n', encoding="utf-8")
    (row,) = judge(project, read_gate(path), packages(project)["v1"], packages(project)["v1"], report=Told()).rows

    assert (row.passed, row.reason) == (False, "30 rows are too few, 100 are demanded")


def test_what_cannot_be_compared(project: Project, tmp_path: Path) -> None:
    """Versions that are not there, rows of no or of two kinds, and a file without the columns must be refused before anything runs."""
    rows = tmp_path / "rows.csv"
    rows.write_text("age,plan\n30,basic\n")
    for options, error in (
        (DiffOptions("v1", "v9", data=rows), VersionUnknown),
        (DiffOptions("v1", "v2"), UsageError),
        (DiffOptions("v1", "v2", data=rows, since="24h"), UsageError),
        (DiffOptions("v1", "v2", data=rows, limit="often"), UsageError),
        (DiffOptions("v1", "v2", model="other", data=rows), UsageError),
        (DiffOptions("v1", "v2", data=rows), InputUnfit),
    ):
        with pytest.raises(error):
            diff(project, options, report=Told())


def test_rows_of_a_sample_have_the_numbers_of_the_file(project: Project) -> None:
    """Of a file with more rows than are asked about, rows that differ must be told by their numbers in the file, from 0."""
    data = project.root / "m" / "reference.csv"
    result = diff(project, DiffOptions("v1", "v2", data=data, most=200), report=Told())
    lines = data.read_text(encoding="utf-8").splitlines()[1:]

    assert (result.rows, result.total) == (200, ROWS)
    assert {lines[each.row].rpartition(",")[2] for each in result.examples} == {"trial"}
    for each in result.examples:
        told = dict(each.values)
        assert lines[each.row].startswith(f"{told['age']},{told['region']},")


def test_a_limit_is_not_kept_by_rows_that_both_refuse(project: Project, tmp_path: Path) -> None:
    """Versions that refuse every row must not be said to be within a limit; without a limit the report tells why they do."""
    rows = tmp_path / "rows.csv"
    rows.write_text("age,region,income,plan\nold,north,1.0,basic\n", encoding="utf-8")

    with pytest.raises(NothingCompared, match="both refuse each") as caught:
        diff(project, DiffOptions("v1", "v2", data=rows, limit="2%"), report=Told())
    assert "v1 says of row 0, counted from 0, as in the file: column 'age': wrong type" in caught.value.why
    assert [each.rows for each in compared(project, "v1", "v2", rows).both_errors] == [1]


def test_without_an_environment(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run must say that the environment would be built, and build none; a comparison must build it to read the rows."""
    data, cache = tmp_path / "rows.parquet", tmp_path / "cache"
    pd.read_csv(project.root / "m" / "reference.csv").to_parquet(data)
    monkeypatch.setenv("SANDBOX_CACHE_DIR", str(cache))
    options = DiffOptions("v1", "v2", data=data)

    build, ask, write = planned_diff(project, options, tmp_path / "diff.html").plan
    assert (build.action, build.subject) == ("build", "the environment of churn v1, churn v2")
    assert (ask.why, write.action) == ("about the rows of rows.parquet", "write")
    assert [each.name for each in tmp_path.iterdir()] == [data.name]

    assert diff(project, options, report=Told()).differing == FLIPPED
    assert planned_diff(project, options, None).plan[0].action == "use"


def test_a_tampered_package_is_not_asked(versions: Path, tmp_path: Path) -> None:
    """A package that is not what was packaged must be refused, and nothing of it run, not even to read rows."""
    root = shutil.copytree(versions, tmp_path / "tampered")
    project = load_project(root)
    schema = packages(project)["v2"].source / "package" / "schema.json"
    schema.write_text(json.dumps(json.loads(schema.read_text()), indent=3))

    with pytest.raises(PackageTampered):
        compared(project, "v1", "v2")
    with pytest.raises(PackageTampered):
        planned_diff(project, DiffOptions("v1", "v2", data=project.root / "m" / "reference.csv"), None)

    marker, data = tmp_path / "it ran", tmp_path / "rows.parquet"
    (packages(project)["v1"].source / "mlsandbox_serving" / "tabular.py").write_text(f"open({str(marker)!r}, 'w')", encoding="utf-8")
    pd.read_csv(project.root / "m" / "reference.csv").to_parquet(data)
    with pytest.raises(PackageTampered):
        compared(project, "v1", "v2", data)
    assert not marker.exists()
