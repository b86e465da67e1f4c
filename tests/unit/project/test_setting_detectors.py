"""`[[drift.detectors]]`: what is taken, what is refused before anything is started, and how it is written back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.config import config
from mlsandbox.actions.drift_engines import idle_detectors
from mlsandbox.errors import ConfigInvalid
from mlsandbox.project import read_project
from mlsandbox.setting_detectors import KNOWN, Detector, Detectors
from mlsandbox_serving.contract import DriftEngine
from mlsandbox_serving.drift_alibi import Settings

ROOT = Path("/projects/churn")
MINIMAL = 'name = "a"\n[models.m]\npath = "m.onnx"\n'
CVM = '[[drift.detectors]]\nname = "CVMDrift"\n'
CLASSIFIER = (
    '[[drift.detectors]]\nname = "ClassifierDrift"\narguments = { n_folds = 5, model = "sklearn.svm.SVC" }\nreference_rows = 2000\n'
)


def _detectors(text: str, environ: dict[str, str] | None = None) -> tuple[Detector, ...]:
    return read_project(ROOT, MINIMAL + text, environ=environ or {}).drift.detectors


def _problem(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        _detectors(text, environ)
    return caught.value.why


def test_detectors_with_arguments() -> None:
    """They must arrive as they are written, and as the engine takes them."""
    found = _detectors(CVM + CLASSIFIER)
    documents = [each.document for each in found]

    assert documents == [
        {"name": "CVMDrift"},
        {"name": "ClassifierDrift", "arguments": {"n_folds": 5, "model": "sklearn.svm.SVC"}, "reference_rows": 2_000},
    ]
    assert [each.name for each in Settings.read({"detectors": documents}).detectors] == ["CVMDrift", "ClassifierDrift"]
    assert Detectors().plain(found, ROOT) == documents


def test_detectors_without_their_engine() -> None:
    """Detectors of an engine that was not asked for must be told of, as they do nothing."""
    native = '[drift]\nengines = ["native"]\n'

    (told,) = idle_detectors(read_project(ROOT, MINIMAL + native + CVM, environ={}))
    assert told == "drift.detectors (CVMDrift) has no effect: these are of alibi-detect, and drift.engines leaves alibi out"
    assert config(read_project(ROOT, MINIMAL + native + CVM, environ={})).warnings == (told,)
    assert idle_detectors(read_project(ROOT, MINIMAL + CVM, environ={})) == ()
    assert idle_detectors(read_project(ROOT, MINIMAL + native, environ={})) == ()


def test_detectors_in_the_environment() -> None:
    """Names, or the same list in JSON, must go before sandbox.toml."""
    assert [each.name for each in _detectors(CLASSIFIER, {"SANDBOX_DRIFT_DETECTORS": "CVMDrift, KSDrift"})] == ["CVMDrift", "KSDrift"]
    (found,) = _detectors("", {"SANDBOX_DRIFT_DETECTORS": '[{"name": "FETDrift", "reference_rows": 60}]'})
    assert found == Detector("FETDrift", {}, 60)
    assert "SANDBOX_DRIFT_DETECTORS" in _problem("", {"SANDBOX_DRIFT_DETECTORS": "[{"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[drift.detectors]]\nname = "CVMDrif"\n', "did you mean CVMDrift?"),
        ('[[drift.detectors]]\nname = "TabularDrift"\n', "TabularDrift, which is always on"),
        ("[[drift.detectors]]\nreference_rows = 100\n", "tables with a name"),
        ("[drift.detectors]\nname = 1\n", "must be a list of tables"),
        (CVM + CVM, "not CVMDrift twice"),
        (CVM + "rows = 3\n", "not rows"),
        (CVM + "arguments = [1]\n", "arguments as a table"),
        (CVM + "arguments = { when = 2026-01-01 }\n", "texts, numbers, lists and tables"),
        (CVM + "reference_rows = 10\n", "at least 50"),
        (CVM + "arguments = { p_val = 0 }\n", "p_val between 0 and 1, not 0"),
        (CVM + 'arguments = { p_val = "0.1" }\n', "p_val between 0 and 1, not '0.1'"),
        ('[[drift.detectors]]\nname = "LSDDDrift"\narguments = { n_permutations = "many" }\n', "at least 1 as n_permutations, not 'many'"),
    ],
)
def test_mistakes_are_found_early(text: str, problem: str) -> None:
    """Each must be named with its line, before an environment is built for it."""
    said = _problem(text)

    assert problem in said
    assert said.startswith("sandbox.toml:")


def test_engines() -> None:
    """Both are on unless it is said otherwise, and others are not known."""
    assert read_project(ROOT, MINIMAL, environ={}).drift.engines == (DriftEngine.NATIVE, DriftEngine.ALIBI)
    assert read_project(ROOT, MINIMAL, environ={"SANDBOX_DRIFT_ENGINES": "native"}).drift.engines == (DriftEngine.NATIVE,)
    assert "must be 'native' or 'alibi'" in _problem('[drift]\nengines = ["magic"]\n')


def test_no_detector_is_known_twice() -> None:
    """They are shown in this order."""
    assert list(KNOWN) == sorted(set(KNOWN))
