"""Detectors with arguments that nobody can use: each is told, and the others work. A library of one's own stands for alibi-detect."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlsandbox_serving.drift_alibi import Detector, Reference, Settings
from mlsandbox_serving.drift_alibi.comparison import Comparison, Library
from mlsandbox_serving.drift_alibi.reference import Coder


class TabularDrift:
    """Compares nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...


class Permuted:
    """With the arguments of a test by permutations."""

    def __init__(self, x_ref: Any, p_val: float = 0.05, n_permutations: int = 100) -> None: ...


class Classified:
    """With a model."""

    def __init__(self, x_ref: Any, model: Any, backend: str = "sklearn") -> None: ...


def _problems(reference: Reference, *detectors: Detector) -> dict[str, str]:
    names = SimpleNamespace(
        __all__=["MMDDrift", "LSDDDrift", "ClassifierDrift", "KSDrift"],
        TabularDrift=TabularDrift,
        MMDDrift=Permuted,
        LSDDDrift=Permuted,
        ClassifierDrift=Classified,
        KSDrift=Permuted,
    )
    assert reference.table is not None
    settings = Settings(detectors=detectors, outliers=False, rows_between_false_alarms=1e4)
    found = Comparison(Library(names, SimpleNamespace()), Coder(reference.profile).streams, reference.table, settings)
    assert [each.name for each in found._detectors] == [each.name for each in detectors if each.name not in found.problems]
    return found.problems


def test_a_wrong_argument_costs_its_detector_alone(reference: Reference) -> None:
    """Of four detectors the two with arguments that cannot be used must be told as failed, and the others be made."""
    detectors = [
        Detector("MMDDrift", {"p_val": 0}),
        Detector("LSDDDrift", {"n_permutations": "many"}),
        Detector("KSDrift"),
        Detector("ClassifierDrift", {"model": "sklearn.svm.SVC"}),
    ]
    problems = _problems(reference, *detectors)

    assert problems["MMDDrift"] == "the p_val of MMDDrift is 0: a number between 0 and 1"
    assert problems["LSDDDrift"].startswith("LSDDDrift cannot be made of its arguments: TypeError")
    assert problems.keys() == {"MMDDrift", "LSDDDrift"}


@pytest.mark.parametrize("path", ["sklearn.datasets.load_iris", "sklearn.utils.Bunch", "sklearn.nothing.Here", "os.system", 7])
def test_a_model_is_an_estimator(reference: Reference, path: object) -> None:
    """Nothing else that can be called may be."""
    problems = _problems(reference, Detector("ClassifierDrift", {"model": path}))

    assert problems["ClassifierDrift"].startswith("the model of ClassifierDrift ")
