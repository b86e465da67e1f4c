"""Settings: one budget for all detectors, and faults that are named."""

from __future__ import annotations

import re

import pytest

from mlsandbox_serving.contract import DriftEngine
from mlsandbox_serving.drift_alibi import Detector, Settings


def test_detectors_share_the_budget() -> None:
    """With more detectors, each has a smaller part of the same budget."""
    assert Settings().p_value == pytest.approx(1e-3)
    assert Settings(detectors=(Detector("MMDDrift"),)).p_value == pytest.approx(5e-4)
    assert Settings(rows_between_false_alarms=10).p_value == pytest.approx(0.05)


def test_a_table_of_the_project_is_read() -> None:
    """Names alone and names with arguments must both be taken."""
    found = Settings.read({"window_rows": 500, "detectors": ["CVMDrift", {"name": "MMDDrift", "arguments": {"n_permutations": 50}}]})

    assert found.window_rows == 500
    assert found.detectors == (Detector("CVMDrift"), Detector("MMDDrift", {"n_permutations": 50}))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"window": 500}, "'window' is no setting of the alibi engine"),
        ({"window_rows": 1}, "window_rows is 1: a number of at least 50"),
        ({"window_rows": "many"}, "window_rows is 'many'"),
        ({"outlier_share": 1}, "outlier_share is 1"),
        ({"detectors": "MMDDrift"}, "detectors is 'MMDDrift'"),
        ({"detectors": [{"arguments": {}}]}, "is no detector"),
        ({"detectors": ["os.system('x')"]}, "is no detector"),
        ({"detectors": [{"name": "MMDDrift", "arguments": 3}]}, "arguments of MMDDrift are 3"),
        ({"detectors": ["MMDDrift", "MMDDrift"]}, "named once"),
    ],
)
def test_faults_are_named(document: dict[str, object], said: str) -> None:
    """A setting that is wrong must be refused with a text that says which one."""
    with pytest.raises(ValueError, match=re.escape(said)):
        Settings.read(document)


def test_the_licence_is_one_sentence() -> None:
    """It is said when the engine is switched on, and says how to switch it off."""
    assert "non-production" in DriftEngine.LICENCE
    assert 'engines = ["native"]' in DriftEngine.LICENCE
    assert "\n" not in DriftEngine.LICENCE
