"""Versions of one model that differ in a way that is known: a plain-Python model, and what its next versions do otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

ROWS: Final = 400
FLIPPED: Final = 20
"""Rows of the plan "trial": 5% of all."""
_MODEL: Final = """\
import time
import numpy as np

def refuse(frame):
    if (frame["age"] > 95).any():
        raise ValueError("too old")

class Predictor:
    classes_ = ["no", "yes"]

    def predict_proba(self, frame):
        yes = 1 / (1 + np.exp((50.5 - frame["age"].to_numpy()) / 10))
        trial = (frame["plan"].astype(str) == "trial").to_numpy()
        {change}
        return np.c_[1 - yes, yes]

    def predict(self, frame):
        return np.where(self.predict_proba(frame)[:, 1] > 0.5, "yes", "no")
"""
FLIPS: Final = "yes = np.where(trial, 1 - yes, yes)"
"""Answers the other way round for the plan "trial"."""
SLOW: Final = "time.sleep(0.03)"
"""Seconds that each call takes longer."""
REFUSES: Final = "refuse(frame)"
"""Takes nobody above 95, who are in no reference."""


def lay_project(root: Path, settings: str = "") -> None:
    """A project with the first version and its reference; `settings` are further lines of the model."""
    (root / "m").mkdir(parents=True)
    chance = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age": chance.integers(18, 90, ROWS),
            "region": chance.choice(["north", "south", "east", "west"], ROWS),
            "income": chance.normal(30_000, 9_000, ROWS).round(2),
            "plan": "basic",
        }
    )
    frame.loc[chance.choice(ROWS, FLIPPED, replace=False), "plan"] = "trial"
    frame.to_csv(root / "m" / "reference.csv", index=False)
    (root / "sandbox.toml").write_text(
        f'schema = 1\nname = "demo"\n[models.churn]\npath = "m/predict.py:Predictor"\nreference = "m/reference.csv"\n{settings}',
        encoding="utf-8",
    )
    change_model(root, "")


def old_trials(root: Path, path: Path) -> None:
    """Write the rows of the reference with those of the plan "trial" so old that `REFUSES` refuses them."""
    frame = pd.read_csv(root / "m" / "reference.csv")
    frame.loc[frame["plan"] == "trial", "age"] = 99
    frame.to_csv(path, index=False)


def change_model(root: Path, change: str) -> None:
    """Make the model do this, too; the next package is another version."""
    (root / "m" / "predict.py").write_text(_MODEL.format(change=change or "pass"), encoding="utf-8")
