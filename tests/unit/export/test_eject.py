"""What is said where a part of the stack cannot be exported as it was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.eject import eject
from mlsandbox.actions.export_stack import ExportOptions
from mlsandbox.actions.export_written import Delivery
from mlsandbox.errors import UsageError
from mlsandbox.output import Output
from mlsandbox.progress import PlainReport
from mlsandbox.project import read_project

TWO = 'name = "shop"\n[models.churn]\npath = "churn.joblib"\n[models.risk]\npath = "risk.onnx"\n'
WRONG = {
    "no-model": ExportOptions(images=("churn:v3",)),
    "unknown": ExportOptions(images=("nothing=nothing:v3",)),
    "empty": ExportOptions(images=("churn=",)),
    "twice": ExportOptions(images=("churn=churn:v3", "churn=churn:v4")),
    "version": ExportOptions(versions=("v3",)),
    "licence": ExportOptions(accepted_licences=("alibi-detect",)),
}


@pytest.mark.parametrize("what", ["compose", "grafana", "prometheus"])
@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG.keys())
def test_the_fix_is_a_command_of_the_same_kind(tmp_path: Path, what: str, options: ExportOptions) -> None:
    """Whatever is wrong with what was said of a part, the command that is named must be of that part."""
    project = read_project(tmp_path, TWO, environ={})
    with pytest.raises(UsageError) as error:
        eject(project, what, options, Delivery(tmp_path / what), PlainReport(Output()))

    assert f"sandbox export {what} --" in error.value.fix
    assert "k8s" not in error.value.fix
