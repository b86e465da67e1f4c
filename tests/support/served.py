"""Small packages to serve, made with the code that captures real ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlsandbox_serving.capture import capture


@dataclass(frozen=True)
class Laid:
    """A package on disk: `root` as a bento's src, `model` as the folder in the model store."""

    root: Path
    model: Path

    def manifest(self) -> dict[str, Any]:
        """package.json."""
        return _read(self.root / "package" / "package.json")

    def golden(self) -> dict[str, Any]:
        """golden.json."""
        return _read(self.root / "package" / "golden.json")

    def change(self, file: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Edit one of the package's JSON files."""
        path = self.root / "package" / file
        content = _read(path)
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")


def people(rows: int = 200) -> pd.DataFrame:
    """Reference data with a number, a category, a nullable number and a text."""
    random = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "age": random.integers(16, 90, rows),
            "sex": pd.Categorical(random.choice(["female", "male"], rows)),
            "hours": np.where(random.random(rows) < 0.1, np.nan, random.normal(30, 10, rows)),
            "email": [f"person{number}@example.org" for number in range(rows)],
        }
    )


def fitted(frame: pd.DataFrame) -> Any:
    """A classifier with the labels "no" and "yes" that looks at age and sex."""
    columns = make_column_transformer((OneHotEncoder(), ["sex"]), ("passthrough", ["age"]))
    labels = np.where((frame["age"] + 20 * (frame["sex"] == "male")) > 55, "yes", "no")
    return make_pipeline(columns, LogisticRegression(max_iter=2000)).fit(frame, labels)


def lay(
    folder: Path,
    model: Any,
    reference: pd.DataFrame | None,
    *,
    name: str = "toy",
    manifest: Mapping[str, Any] | None = None,
    dump: Callable[[Any, Path], Any] = joblib.dump,
) -> Laid:
    """Write a package of a picklable model."""
    captured = capture(model, reference=reference)
    model_folder = folder / "model"
    model_folder.mkdir(parents=True)
    file = model_folder / "model.joblib"
    dump(model, file)
    captured["load"]["entry"] = file.name
    package = folder / "src" / "package"
    package.mkdir(parents=True)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    content = {
        **{key: value for key, value in captured.items() if key not in {"schema", "golden"}},
        "files": [{"path": file.name, "sha256": digest, "size": file.stat().st_size}],
        "model": name,
        "version": "v1",
        "digest": f"sha256:{digest}",
        "model_tag": f"{name}:{digest[:12]}",
        "libraries": {},
        "roots": [],
        "private": [],
        "hashed": [],
        **(manifest or {}),
    }
    (package / "package.json").write_text(json.dumps(content), encoding="utf-8")
    (package / "schema.json").write_text(json.dumps(captured["schema"]), encoding="utf-8")
    if captured["golden"] is not None:
        (package / "golden.json").write_text(json.dumps(captured["golden"]), encoding="utf-8")
    (package / "lock.txt").write_text("", encoding="utf-8")
    return Laid(folder / "src", model_folder)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
