"""Packaging a small project in tests."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.packaging.store import Package, package_model
from mlsandbox.project import load_project

MODEL = "mödel"
"""Folder of the model in the project: a name that ASCII does not hold."""


def package_project(root: Path) -> Package:
    """Package the only model of a project; what is reported goes to the test's output."""
    (model,) = load_project(root).models.values()
    return package_model(model, root=root, report=print)


def add_setting(root: Path, line: str) -> None:
    """Add a line to the settings of the model."""
    settings = root / "sandbox.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
