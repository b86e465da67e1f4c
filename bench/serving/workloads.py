"""What is served: three models, and the rows that are asked about."""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import mlsandbox

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "employment"
TRAINING_ROWS: Final = 5_000
SEED: Final = 7
LABELS: Final = "labels"
"""Folder of the project whose answers are labels alone."""
PROBABILITIES: Final = "probabilities"
"""Folder of the project whose answers have probabilities, too, as they have unless one says otherwise."""
_DIFFERENT: Final = {1: 64, 100: 4}
"""How many different bodies are sent in turn, by the rows of one; one where there are more rows."""


@dataclass(frozen=True)
class Batch:
    """Rows of one request and what the model says about them.

    Args:
        frame: the rows.
        labels: one for each row.
    """

    frame: pd.DataFrame
    labels: list[Any]


@dataclass(frozen=True)
class Workload:
    """One model, fitted and saved.

    Args:
        name: for arguments.
        title: for the table.
        kind: whether it is asked with numbers alone or with named columns of several types.
        file: the fitted estimator, as every peer loads it.
        project: the folder of a project that has it; it answers labels alone, as the peers do.
        rows: what can be asked about.
        labels: what the model says about each of them.
    """

    name: str
    title: str
    kind: Literal["array", "frame"]
    file: Path
    project: Path
    rows: pd.DataFrame
    labels: list[Any]

    def batches(self, rows: int) -> list[Batch]:
        """Different requests of so many rows, made of the rows that there are, from the first again when these are used up."""
        found = []
        for number in range(_DIFFERENT.get(rows, 1)):
            places = [place % len(self.rows) for place in range(number * rows, (number + 1) * rows)]
            found.append(Batch(self.rows.iloc[places].reset_index(drop=True), [self.labels[place] for place in places]))
        return found


def _logistic() -> tuple[Any, pd.DataFrame, Any]:
    return _fitted(LogisticRegression(), 4, informative=4)


def _forest() -> tuple[Any, pd.DataFrame, Any]:
    return _fitted(RandomForestClassifier(n_estimators=100, random_state=SEED), 30, informative=10)


def _fitted(model: Any, columns: int, *, informative: int) -> tuple[Any, pd.DataFrame, Any]:
    values, label = make_classification(TRAINING_ROWS, columns, n_informative=informative, n_redundant=0, random_state=SEED)
    # Without names, as in everybody's first example: with them every peer that asks with an array is warned at each request.
    # The names below are those that columns of an array get where they need some.
    return model.fit(values, label), pd.DataFrame(values, columns=[f"x{place}" for place in range(columns)]), label


def _census() -> tuple[Any, pd.DataFrame, Any]:
    example = runpy.run_path(str(EXAMPLE / "train.py"))
    people, label = example["load"]()
    return example["build"]().fit(people, label), people, label


MODELS: Final[dict[str, tuple[str, Literal["array", "frame"], Callable[[], tuple[Any, pd.DataFrame, Any]]]]] = {
    "logistic": ("logistic regression, 4 columns", "array", _logistic),
    "forest": ("random forest, 100 trees, 30 columns", "array", _forest),
    "census": ("census pipeline, 16 columns, 15 of them categories", "frame", _census),
}


def train(name: str, folder: Path) -> Workload:
    """Fit a model and save it, once for the peers and once as a project.

    Args:
        name: of MODELS.
        folder: an empty one.
    """
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that wait by spinning make fitting take minutes on a busy machine
    title, kind, fit = MODELS[name]
    model, inputs, label = fit()
    folder.mkdir(parents=True)
    joblib.dump(model, folder / "model.joblib")
    reference = inputs.to_numpy() if kind == "array" else inputs
    for project in (folder / LABELS, folder / PROBABILITIES):
        mlsandbox.save(model, name, reference=reference, target=label, path=project)
    settings = folder / LABELS / "sandbox.toml"
    told = settings.read_text(encoding="utf-8").replace(f"[models.{name}]\n", f'[models.{name}]\noutput = "predict"\n')
    settings.write_text(told, encoding="utf-8")
    rows = inputs.dropna().sample(min(len(inputs.dropna()), 10_000), random_state=SEED).reset_index(drop=True)
    labels = model.predict(np.asarray(rows) if kind == "array" else rows).tolist()
    return Workload(name, title, kind, folder / "model.joblib", folder / LABELS, rows, labels)
