"""A project with packages, a ledger and a state as commands leave them, without a model and without anything that runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlsandbox.ledger import Action, Draft, Entry, Ledger, facts_of, stamp
from mlsandbox.packaging.package import list_packages, store_path
from mlsandbox.state import State, load_state, save_state

EPOCH = 1_793_700_000.0
"""When the first of them was packaged: 2026-11-03T10:00:00Z, seconds since 1970."""
COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "age", "type": "integer", "dtype": "int64", "nullable": False, "categories": None, "minimum": 18, "maximum": 90},
    {"name": "plan", "type": "category", "dtype": "category", "nullable": False, "categories": ["basic", "plus"], "ordered": False},
)
LOCK = "numpy==2.1.0 \\\n    --hash=sha256:aa\nscikit-learn==1.7.1 \\\n    --hash=sha256:bb\n"


class Recorded:
    """One project.

    Args:
        root: its folder; made.
        models: their names, the first one at the front "api".
    """

    def __init__(self, root: Path, *models: str) -> None:
        self.root = root
        self.models = models or ("churn",)
        root.mkdir(exist_ok=True)
        settings = "".join(f'[models.{model}]\npath = "{model}.onnx"\n' for model in self.models)
        (root / "sandbox.toml").write_text(f'name = "churn"\n{settings}', encoding="utf-8")
        self.ledger = Ledger(root / ".sandbox")
        self.clock = EPOCH

    def package(
        self,
        version: str,
        *,
        model: str = "churn",
        columns: tuple[Mapping[str, Any], ...] = COLUMNS,
        lock: str = LOCK,
        recorded: bool = True,
        **manifest: Any,
    ) -> None:
        """Write a package's files, and the ledger's entry unless `recorded` is False; `manifest` goes over what is usual in it."""
        source = store_path(self.root) / "bentos" / model / version / "src"
        (source / "package").mkdir(parents=True)
        usual = {
            "model": model,
            "version": version,
            "digest": f"sha256:{version.removeprefix('v') * 64}"[:71],
            "model_tag": f"{model}:aa",
            "lock_digest": f"sha256:{len(lock):064x}",
            "model_digest": "sha256:" + "b" * 64,
            "python": "3.11.7",
            "platform": "Linux-6.1-x86_64",
            "created": "2026-11-03T09:00:00Z",
            "git": {"commit": "c" * 40, "dirty": True},
            "data": {"rows": 1000, "digest": "sha256:" + "d" * 64},
            "parameters": {"depth": 3},
            "metrics": {"accuracy": 0.871},
            "libraries": {"scikit-learn": "1.7.1", "numpy": "2.1.0", "joblib": "1.4.2"},
            "load": {"kind": "sklearn"},
            "files": [{"path": "model.joblib", "sha256": "e" * 64, "size": 212_000}],
            "code": [],
            "texts": {},
            "profile": None,
            "output": "auto",
            "private": [],
            "hashed": [],
            "origin": "the interpreter that saved the model",
        }
        document = {**usual, **manifest}
        schema = {"columns": list(columns), "input": "frame", "output": {"type": "class", "classes": ["no", "yes"], "probabilities": True}}
        for name, text in (("package", json.dumps(document)), ("schema", json.dumps(schema))):
            (source / "package" / f"{name}.json").write_text(text, encoding="utf-8")
        (source / "package" / "lock.txt").write_text(lock, encoding="utf-8")
        if recorded:
            self.did(Action.PACKAGED, version, model=model, facts=facts_of(document))

    def did(
        self, action: Action, version: str, *, model: str = "churn", after: float = 60.0, took: float | None = None, **more: Any
    ) -> Entry:
        """Write an entry.

        Args:
            action: what was done.
            version: to which.
            model: of which model.
            after: seconds after the entry before.
            took: seconds that a switch took.
            more: members of the draft.
        """
        self.clock += after
        began = "" if took is None else stamp(self.clock - took)
        digest = next((each.digest for each in list_packages(self.root, model) if each.version == version), "sha256:gone")
        drafted = Draft(action, model, version, digest, time=stamp(self.clock, up=True), began=began, **more)
        (entry,) = self.ledger.append([drafted])
        return entry

    def remembers(self, **members: Any) -> None:
        """Change state.json."""
        sandbox = self.root / ".sandbox"
        state: State = load_state(sandbox).state
        save_state(sandbox, replace(state, **members))
