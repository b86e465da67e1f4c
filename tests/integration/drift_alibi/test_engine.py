"""The engine with alibi-detect, in the environment that users get."""

from __future__ import annotations

import pytest

from support.alibi_process import AlibiProcess, Json
from support.drift_rows import Change


def _drifted(verdict: Json) -> set[tuple[str, str]]:
    return {(column["column"], column["kind"]) for column in verdict["window"]["columns"] if column["drifted"]}


def test_importing_blocks_nothing(alibi: AlibiProcess) -> None:
    """While alibi-detect is imported, rows are taken and verdicts given; what waited is compared afterwards."""
    start = alibi.start

    assert not start["imported"]
    assert start["meanwhile"]["status"] == "loading"
    assert (start["meanwhile"]["rows"], start["meanwhile"]["waiting"], start["meanwhile"]["window"]) == (1_500, 1, None)
    assert start["then"]["status"] == "ready"
    assert (start["then"]["windows"], start["then"]["waiting"], start["then"]["problem"]) == (1, 0, None)


def test_rows_like_the_reference_are_silent(alibi: AlibiProcess) -> None:
    """Thirty windows without a change must raise no alarm, and about one row of a hundred is odd."""
    alibi.make({"waiting_windows": 50})
    verdict = alibi.feed(30_000, seed=11)

    assert (verdict["windows"], verdict["alarms"], verdict["failed"], verdict["dropped"]) == (30, 0, 0, 0)
    assert len(verdict["window"]["columns"]) == 20
    assert 0 < verdict["window"]["outliers"]["odd"] < 0.03
    assert verdict["window"]["outliers"]["missing"] == 0


@pytest.mark.parametrize(
    ("change", "column", "kind"),
    [
        (Change(shift=3), "x0", "features"),
        (Change(shift=0.5), "x0", "features"),
        (Change(grow=0.2), "letter", "features"),
        (Change(new=0.02), "colour", "features"),
        (Change(missing=0.1), "x0", "outliers"),
    ],
    ids=["3 sigma", "half a sigma", "category grows", "new category", "missing"],
)
def test_a_change_is_found_where_it_is(alibi: AlibiProcess, change: Change, column: str, kind: str) -> None:
    """One window is enough, and no other column is blamed."""
    alibi.make()
    verdict = alibi.feed(1_000, change)

    assert _drifted(verdict) == {(column, kind)}
    worst = verdict["window"]["columns"][0]
    assert (worst["column"], worst["kind"]) == (column, kind)
    assert worst["p_value"] < worst["threshold"] == pytest.approx(1e-3 / 20)
    assert verdict["alarms"] == 1
    assert [(latched["kind"], latched["since"]) for latched in verdict["latched"]] == [(kind, 1_000)]


def test_missing_values_blind_no_column(alibi: AlibiProcess) -> None:
    """With a few missing values, and with many, a change of three standard deviations must still be found in the others."""
    for share in (0.005, 0.5):
        alibi.make()
        verdict = alibi.feed(1_000, Change(shift=3, missing=share))
        numbers = next(one for one in verdict["window"]["columns"] if one["method"] == "kolmogorov-smirnov" and one["column"] == "x0")

        assert numbers["drifted"]
        assert numbers["rows"] < 1_000
        assert verdict["window"]["problems"] == {}


def test_a_column_without_any_value_is_found(alibi: AlibiProcess) -> None:
    """When all values are missing there is nothing to compare, and that is what is told."""
    alibi.make()
    verdict = alibi.feed(1_000, Change(missing=1.0))

    assert _drifted(verdict) == {("x0", "outliers")}
    assert verdict["window"]["outliers"]["missing"] == 1.0
    assert verdict["failed"] == 0


def test_an_alarm_is_over_after_two_clean_windows(alibi: AlibiProcess) -> None:
    """One clean window may be chance."""
    alibi.make()
    assert alibi.feed(1_000, Change(shift=1))["latched"] != []
    assert alibi.feed(1_000, seed=2)["latched"] != []
    verdict = alibi.feed(1_000, seed=3)

    assert verdict["latched"] == []
    assert (verdict["alarms"], verdict["last_alarm"]) == (1, 1_000)


@pytest.mark.parametrize("cut", [400, 1_000, 1_700])
def test_a_restart_changes_nothing(alibi: AlibiProcess, cut: int) -> None:
    """Stopped in the middle of a window or between two, the verdict at the end must be the same, odd rows included."""
    verdicts: list[Json] = []
    for stopped in (False, True):
        alibi.make()
        alibi.feed(cut, Change(shift=0.3, missing=0.01), seed=5)
        if stopped:
            alibi.restart()
        verdicts.append(alibi.feed(2_400 - cut, Change(shift=0.3), seed=6))

    assert verdicts[0] == verdicts[1]
    assert verdicts[0]["windows"] == 2


def test_other_detectors_are_made_by_their_names(alibi: AlibiProcess) -> None:
    """A classifier tells rows from the reference, in one budget with the columns."""
    settings = {"detectors": [{"name": "ClassifierDrift"}, {"name": "CVMDrift"}]}
    assert alibi.make(settings)["problems"] == {}
    clean = alibi.feed(1_000, seed=7)
    changed = alibi.feed(1_000, Change(shift=1))

    assert [(one["name"], one["drifted"]) for one in clean["window"]["detectors"]] == [("ClassifierDrift", False), ("CVMDrift", False)]
    assert [(one["name"], one["drifted"]) for one in changed["window"]["detectors"]] == [("ClassifierDrift", True), ("CVMDrift", True)]
    assert changed["window"]["columns"][0]["threshold"] == pytest.approx(1e-3 / 3 / 20)


def test_a_detector_of_single_rows_begins_anew_after_an_alarm(alibi: AlibiProcess) -> None:
    """It would go on alarming for ever."""
    arguments = {"ert": 100, "window_sizes": [20], "n_bootstraps": 1_000}
    settings = {"window_rows": 100, "detectors": [{"name": "CVMDriftOnline", "arguments": arguments, "reference_rows": 200}]}
    assert alibi.make(settings)["problems"] == {}
    changed = alibi.feed(100, Change(shift=3))

    assert changed["window"]["detectors"][0]["drifted"]
    assert changed["window"]["problems"] == {}


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ({"name": "MagicDrift"}, "alibi-detect has no detector MagicDrift: ChiSquareDrift, ClassifierDrift,"),
        ({"name": "TabularDrift"}, "it is always on"),
        ({"name": "LearnedKernelDrift"}, "it needs a kernel"),
        (
            {"name": "MMDDrift"},
            "MMDDrift needs PyTorch, which the environment of the drift service does not have: it is not available in this version",
        ),
        ({"name": "MMDDrift", "arguments": {"sigmas": 1}}, "MMDDrift has no argument sigmas: "),
        ({"name": "CVMDriftOnline"}, "CVMDriftOnline needs the argument ert"),
        ({"name": "LSDDDrift", "arguments": {"n_permutations": 100}}, "at least 2000, or another p_val"),
        ({"name": "ClassifierDrift", "arguments": {"model": "os.system"}}, "name a class of scikit-learn"),
        ({"name": "ClassifierDrift", "arguments": {"model": "sklearn.nothing.Here"}}, "the model of ClassifierDrift cannot be made"),
        ({"name": "ClassifierDrift", "arguments": {"model": "sklearn.datasets.load_iris"}}, "which is no class of a model"),
        ({"name": "ClassifierDrift", "arguments": {"model": "sklearn.base.BaseEstimator.get_params"}}, "cannot be made"),
        ({"name": "MMDDrift", "arguments": {"p_val": 0}}, "the p_val of MMDDrift is 0: a number between 0 and 1"),
        ({"name": "LSDDDrift", "arguments": {"n_permutations": "many"}}, "LSDDDrift cannot be made of its arguments: TypeError"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_a_detector_that_cannot_be_made_says_why(alibi: AlibiProcess, detector: Json, said: str) -> None:
    """It is told before the first window, with what to do; the columns are compared all the same, and the rows count as failed."""
    made = alibi.make({"detectors": [detector]})
    assert said in made["problems"][detector["name"]]

    verdict = alibi.feed(1_000, Change(shift=3))
    assert _drifted(verdict) == {("x0", "features")}
    assert verdict["failed"] == 1_000
    assert list(verdict["window"]["problems"]) == [detector["name"]]
