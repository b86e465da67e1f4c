"""What sandbox.toml may name as a detector is what alibi-detect has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mlsandbox.setting_detectors import KNOWN
from support.repository import ROOT

CODE = """
import alibi_detect.cd as library
from mlsandbox_serving.drift_alibi.detectors import _UNFIT
print(*sorted(set(library.__all__) - set(_UNFIT)))
"""


def test_the_names_are_those_of_the_library(alibi_python: Path) -> None:
    """The host tool knows them without alibi-detect; none may be missing, and none too many."""
    environ = os.environ | {"PYTHONPATH": str(ROOT / "services")}
    done = subprocess.run([alibi_python, "-W", "ignore", "-c", CODE], env=environ, capture_output=True, text=True, check=True)

    assert tuple(done.stdout.split()) == KNOWN
